/* The elementwise ops of two operands: fp32, and plain i32 and i64. The clamp of an f32 add is not
 * here: it belongs to that form alone (elem.c). */
#include "elem.h"

kvalue mc_emit_add(kepilogue *x, kvalue a, kvalue b) { return LLVMBuildFAdd(x->k->b, a, b, ""); }

kvalue mc_emit_sub(kepilogue *x, kvalue a, kvalue b) { return LLVMBuildFSub(x->k->b, a, b, ""); }

kvalue mc_emit_mul(kepilogue *x, kvalue a, kvalue b) { return elem_mul(x, a, b); }

kvalue mc_emit_div(kepilogue *x, kvalue a, kvalue b) { return LLVMBuildFDiv(x->k->b, a, b, ""); }

kvalue mc_emit_min(kepilogue *x, kvalue a, kvalue b) { return vec_fmin(x->k, a, b); }

kvalue mc_emit_max(kepilogue *x, kvalue a, kvalue b) { return vec_fmax(x->k, a, b); }

kvalue mc_emit_pow(kepilogue *x, kvalue a, kvalue b) {
  return fmath_pow(&(kfmath){ x->k, x->lanes }, a, b);
}

/* ---- whole numbers ---- */

kvalue mc_emit_whole_add(kepilogue *x, kvalue a, kvalue b) {
  return LLVMBuildAdd(x->k->b, a, b, "");
}

kvalue mc_emit_whole_sub(kepilogue *x, kvalue a, kvalue b) {
  return LLVMBuildSub(x->k->b, a, b, "");
}

kvalue mc_emit_whole_mul(kepilogue *x, kvalue a, kvalue b) {
  return LLVMBuildMul(x->k->b, a, b, "");
}

/* The smallest number divided by -1 stays. A divisor of 0, which the evaluator refuses, gives 0:
 * the machine's division would trap. */
kvalue mc_emit_whole_div(kepilogue *x, kvalue a, kvalue b) {
  kbuilder *k = x->k;
  kvalue zero = LLVMConstNull(LLVMTypeOf(a)), minus = LLVMConstAllOnes(LLVMTypeOf(a));
  kvalue is0 = LLVMBuildICmp(k->b, LLVMIntEQ, b, zero, ""),
         is_m1 = LLVMBuildICmp(k->b, LLVMIntEQ, b, minus, "");
  kvalue one = LLVMBuildSub(k->b, zero, minus, "");
  kvalue q = LLVMBuildSDiv(k->b, a, build_select(k, LLVMBuildOr(k->b, is0, is_m1, ""), one, b), "");
  q = build_select(k, is_m1, LLVMBuildSub(k->b, zero, a, ""), q);
  return build_select(k, is0, zero, q);
}

kvalue mc_emit_whole_min(kepilogue *x, kvalue a, kvalue b) { return build_smin(x->k, a, b); }

kvalue mc_emit_whole_max(kepilogue *x, kvalue a, kvalue b) { return build_smax(x->k, a, b); }
