/* The elementwise ops of two operands: fp32, and plain i32 and i64. The clamp of an f32 add is not
 * here: it belongs to that form alone (elem.c). */
#include "elem.h"

V mc_emit_add(kx *x, V a, V b) { return LLVMBuildFAdd(x->k->b, a, b, ""); }

V mc_emit_sub(kx *x, V a, V b) { return LLVMBuildFSub(x->k->b, a, b, ""); }

V mc_emit_mul(kx *x, V a, V b) { return kx_mulf(x, a, b); }

V mc_emit_div(kx *x, V a, V b) { return LLVMBuildFDiv(x->k->b, a, b, ""); }

V mc_emit_min(kx *x, V a, V b) { return kv_fmin(x->k, a, b); }

V mc_emit_max(kx *x, V a, V b) { return kv_fmax(x->k, a, b); }

V mc_emit_pow(kx *x, V a, V b) { return kfm_pow(&(kfm){ x->k, x->lanes }, a, b); }

/* ---- whole numbers ---- */

V mc_emit_whole_add(kx *x, V a, V b) { return LLVMBuildAdd(x->k->b, a, b, ""); }

V mc_emit_whole_sub(kx *x, V a, V b) { return LLVMBuildSub(x->k->b, a, b, ""); }

V mc_emit_whole_mul(kx *x, V a, V b) { return LLVMBuildMul(x->k->b, a, b, ""); }

/* The smallest number divided by -1 stays. A divisor of 0, which the evaluator refuses, gives 0:
 * the machine's division would trap. */
V mc_emit_whole_div(kx *x, V a, V b) {
  kb *k = x->k;
  V zero = LLVMConstNull(LLVMTypeOf(a)), minus = LLVMConstAllOnes(LLVMTypeOf(a));
  V is0 = LLVMBuildICmp(k->b, LLVMIntEQ, b, zero, ""),
    is_m1 = LLVMBuildICmp(k->b, LLVMIntEQ, b, minus, "");
  V one = LLVMBuildSub(k->b, zero, minus, "");
  V q = LLVMBuildSDiv(k->b, a, kb_select(k, LLVMBuildOr(k->b, is0, is_m1, ""), one, b), "");
  q = kb_select(k, is_m1, LLVMBuildSub(k->b, zero, a, ""), q);
  return kb_select(k, is0, zero, q);
}

V mc_emit_whole_min(kx *x, V a, V b) { return kb_smin(x->k, a, b); }

V mc_emit_whole_max(kx *x, V a, V b) { return kb_smax(x->k, a, b); }
