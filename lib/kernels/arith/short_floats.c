/* 16-bit floats: one instruction where the target has it, else integer arithmetic on the bits of
 * the fp32 number. */
#include "vec.h"

static V i32s(kb *k, V like, uint32_t v) { return kb_i32s(k, (int32_t)v, kb_lanes(like)); }

static V as_int(kb *k, V x) { return kb_bitcast(k, x, kb_vt(k, k->i32, kb_lanes(x))); }

static V as_float(kb *k, V x) { return kb_bitcast(k, x, kb_vt(k, k->f32, kb_lanes(x))); }

static V and_c(kb *k, V x, uint32_t c) { return LLVMBuildAnd(k->b, x, i32s(k, x, c), ""); }

static V or_c(kb *k, V x, uint32_t c) { return LLVMBuildOr(k->b, x, i32s(k, x, c), ""); }

static V add_c(kb *k, V x, uint32_t c) { return LLVMBuildAdd(k->b, x, i32s(k, x, c), ""); }

static V shr(kb *k, V x, uint32_t c) { return LLVMBuildLShr(k->b, x, i32s(k, x, c), ""); }

static V shl(kb *k, V x, uint32_t c) { return LLVMBuildShl(k->b, x, i32s(k, x, c), ""); }

static V below(kb *k, V x, uint32_t c) {
  return LLVMBuildICmp(k->b, LLVMIntULT, x, i32s(k, x, c), "");
}

V kv_from_bf16(kb *k, V bits) { return as_float(k, shl(k, kb_ext(k, bits, k->i32, false), 16)); }

static V cvtneps2bf16(kb *k, V x) {
  int lanes = kb_lanes(x);
  V v = kb_widen(k, x, KB_LANES);
  v = kb_bitcast(k, kb_intr(k, "llvm.x86.avx512bf16.cvtneps2bf16.512", NULL, 0, &v, 1),
                 kb_vt(k, k->i16, KB_LANES));
  return kb_extract(k, v, 0, lanes);
}

/* Is x what a clamp to a lower bound of at least 0 leaves (vec.h: compare and select)? No NaN then,
 * no sign, no -0. */
static bool from_zero(V x) {
  if (!LLVMIsASelectInst(x) || !LLVMIsAFCmpInst(LLVMGetOperand(x, 0))) return false;
  V c = LLVMGetOperand(x, 0), value = LLVMGetOperand(x, 1), bound = LLVMGetOperand(x, 2);
  if (LLVMGetOperand(c, 0) != value || LLVMGetOperand(c, 1) != bound || !LLVMIsConstant(bound))
    return false;
  V one = kb_lanes(bound) > 1 ? LLVMGetAggregateElement(bound, 0) : bound;
  LLVMBool inexact;
  if (!one || !LLVMIsAConstantFP(one) || !(LLVMConstRealGetDouble(one, &inexact) >= 0))
    return false;
  return LLVMGetFCmpPredicate(c) == LLVMRealOGT ||
         (LLVMGetFCmpPredicate(c) == LLVMRealOLT && from_zero(value));
}

V kv_to_bf16(kb *k, V x) {
  if (kb_has(k, MC_ISA_BIT(avx512bf16))) return cvtneps2bf16(k, x);
  V u = as_int(k, x), r = LLVMBuildAdd(k->b, add_c(k, u, 0x7fff), and_c(k, shr(k, u, 16), 1), "");
  if (from_zero(x)) {
    r = kb_select(k, LLVMBuildICmp(k->b, LLVMIntSGT, u, i32s(k, u, 0x7fffff), ""), r,
                  i32s(k, u, 0));
  } else {
    r = kb_select(k, LLVMBuildFCmp(k->b, LLVMRealUNO, x, x, ""), or_c(k, u, 0x400000), r);
    r = kb_select(k, LLVMBuildICmp(k->b, LLVMIntEQ, and_c(k, u, 0x7f800000), i32s(k, u, 0), ""),
                  and_c(k, u, 0x80000000), r);
  }
  return kb_trunc(k, LLVMBuildAShr(k->b, r, i32s(k, r, 16), ""),
                  k->i16); /* arithmetic: packssdw narrows it then */
}

V kv_from_f16(kb *k, V bits) {
  int n = kb_lanes(bits);
  if (kb_has_f16(k))
    return LLVMBuildFPExt(k->b, kb_bitcast(k, bits, kb_vt(k, k->f16, n)), kb_vt(k, k->f32, n), "");
  V h = kb_ext(k, bits, k->i32, false), m = and_c(k, h, 0x7fff),
    s = shl(k, and_c(k, h, 0x8000), 16), w = shl(k, m, 13);
  V small = LLVMBuildFMul(k->b, LLVMBuildSIToFP(k->b, m, kb_vt(k, k->f32, n), ""),
                          kb_f32s(k, 0x1p-24f, n), "");
  V r = kb_select(k, below(k, m, 0x7c00), add_c(k, w, 112u << 23), add_c(k, w, 224u << 23));
  r = kb_select(k, below(k, m, 0x400), as_int(k, small), r);
  r = kb_select(k, below(k, m, 0x7c01), r, or_c(k, r, 0x400000));
  return as_float(k, LLVMBuildOr(k->b, r, s, ""));
}

/* Subnormal results: added to 0.5, whose last place is theirs (2^-24), the number is rounded by the
 * addition. */
V kv_to_f16(kb *k, V x) {
  int n = kb_lanes(x);
  if (kb_has_f16(k))
    return kb_bitcast(k, LLVMBuildFPTrunc(k->b, x, kb_vt(k, k->f16, n), ""), kb_vt(k, k->i16, n));
  V u = as_int(k, x), a = and_c(k, u, 0x7fffffff), s = shr(k, and_c(k, u, 0x80000000), 16);
  V r = LLVMBuildAdd(k->b, add_c(k, a, 0xfffu - (112u << 23)), and_c(k, shr(k, a, 13), 1), "");
  V small = as_int(k, LLVMBuildFAdd(k->b, as_float(k, a), kb_f32s(k, 0.5f, n), ""));
  r = kb_select(k, below(k, a, 0x38800000), add_c(k, small, 0u - 0x3f000000u), shr(k, r, 13));
  r = kb_select(k, below(k, a, 0x47800000), r, i32s(k, a, 0x7c00));
  r = kb_select(k, below(k, a, 0x7f800001), r, i32s(k, a, 0x7e00));
  return kb_trunc(k, LLVMBuildOr(k->b, r, s, ""), k->i16);
}
