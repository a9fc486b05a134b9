/* 16-bit floats: one instruction where the target has it, else integer arithmetic on the bits of
 * the fp32 number. */
#include "vec.h"

static kvalue i32s(kbuilder *k, kvalue like, uint32_t v) {
  return build_i32s(k, (int32_t)v, lanes_of(like));
}

static kvalue as_int(kbuilder *k, kvalue x) {
  return build_bitcast(k, x, type_of_lanes(k, k->i32, lanes_of(x)));
}

static kvalue as_float(kbuilder *k, kvalue x) {
  return build_bitcast(k, x, type_of_lanes(k, k->f32, lanes_of(x)));
}

static kvalue and_c(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildAnd(k->b, x, i32s(k, x, c), "");
}

static kvalue or_c(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildOr(k->b, x, i32s(k, x, c), "");
}

static kvalue add_c(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildAdd(k->b, x, i32s(k, x, c), "");
}

static kvalue shr(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildLShr(k->b, x, i32s(k, x, c), "");
}

static kvalue shl(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildShl(k->b, x, i32s(k, x, c), "");
}

static kvalue below(kbuilder *k, kvalue x, uint32_t c) {
  return LLVMBuildICmp(k->b, LLVMIntULT, x, i32s(k, x, c), "");
}

kvalue vec_from_bf16(kbuilder *k, kvalue bits) {
  return as_float(k, shl(k, build_ext(k, bits, k->i32, false), 16));
}

static kvalue cvtneps2bf16(kbuilder *k, kvalue x) {
  int lanes = lanes_of(x);
  kvalue v = build_widen(k, x, KERNEL_LANES);
  v = build_bitcast(k, build_intrinsic(k, "llvm.x86.avx512bf16.cvtneps2bf16.512", NULL, 0, &v, 1),
                    type_of_lanes(k, k->i16, KERNEL_LANES));
  return build_extract(k, v, 0, lanes);
}

/* Is x what a clamp to a lower bound of at least 0 leaves (vec.h: compare and select)? No NaN then,
 * no sign, no -0. */
static bool from_zero(kvalue x) {
  if (!LLVMIsASelectInst(x) || !LLVMIsAFCmpInst(LLVMGetOperand(x, 0))) return false;
  kvalue c = LLVMGetOperand(x, 0), value = LLVMGetOperand(x, 1), bound = LLVMGetOperand(x, 2);
  if (LLVMGetOperand(c, 0) != value || LLVMGetOperand(c, 1) != bound || !LLVMIsConstant(bound))
    return false;
  kvalue one = lanes_of(bound) > 1 ? LLVMGetAggregateElement(bound, 0) : bound;
  LLVMBool inexact;
  if (!one || !LLVMIsAConstantFP(one) || !(LLVMConstRealGetDouble(one, &inexact) >= 0))
    return false;
  return LLVMGetFCmpPredicate(c) == LLVMRealOGT ||
         (LLVMGetFCmpPredicate(c) == LLVMRealOLT && from_zero(value));
}

kvalue vec_to_bf16(kbuilder *k, kvalue x) {
  if (target_has(k, MC_ISA_BIT(avx512bf16))) return cvtneps2bf16(k, x);
  kvalue u = as_int(k, x),
         r = LLVMBuildAdd(k->b, add_c(k, u, 0x7fff), and_c(k, shr(k, u, 16), 1), "");
  if (from_zero(x)) {
    r = build_select(k, LLVMBuildICmp(k->b, LLVMIntSGT, u, i32s(k, u, 0x7fffff), ""), r,
                     i32s(k, u, 0));
  } else {
    r = build_select(k, LLVMBuildFCmp(k->b, LLVMRealUNO, x, x, ""), or_c(k, u, 0x400000), r);
    r = build_select(k, LLVMBuildICmp(k->b, LLVMIntEQ, and_c(k, u, 0x7f800000), i32s(k, u, 0), ""),
                     and_c(k, u, 0x80000000), r);
  }
  return build_trunc(k, LLVMBuildAShr(k->b, r, i32s(k, r, 16), ""),
                     k->i16); /* arithmetic: packssdw narrows it then */
}

kvalue vec_from_f16(kbuilder *k, kvalue bits) {
  int n = lanes_of(bits);
  if (target_has_f16(k))
    return LLVMBuildFPExt(k->b, build_bitcast(k, bits, type_of_lanes(k, k->f16, n)),
                          type_of_lanes(k, k->f32, n), "");
  kvalue h = build_ext(k, bits, k->i32, false), m = and_c(k, h, 0x7fff),
         s = shl(k, and_c(k, h, 0x8000), 16), w = shl(k, m, 13);
  kvalue small = LLVMBuildFMul(k->b, LLVMBuildSIToFP(k->b, m, type_of_lanes(k, k->f32, n), ""),
                               build_f32s(k, 0x1p-24f, n), "");
  kvalue r = build_select(k, below(k, m, 0x7c00), add_c(k, w, 112u << 23), add_c(k, w, 224u << 23));
  r = build_select(k, below(k, m, 0x400), as_int(k, small), r);
  r = build_select(k, below(k, m, 0x7c01), r, or_c(k, r, 0x400000));
  return as_float(k, LLVMBuildOr(k->b, r, s, ""));
}

/* Subnormal results: added to 0.5, whose last place is theirs (2^-24), the number is rounded by the
 * addition. */
kvalue vec_to_f16(kbuilder *k, kvalue x) {
  int n = lanes_of(x);
  if (target_has_f16(k))
    return build_bitcast(k, LLVMBuildFPTrunc(k->b, x, type_of_lanes(k, k->f16, n), ""),
                         type_of_lanes(k, k->i16, n));
  kvalue u = as_int(k, x), a = and_c(k, u, 0x7fffffff), s = shr(k, and_c(k, u, 0x80000000), 16);
  kvalue r = LLVMBuildAdd(k->b, add_c(k, a, 0xfffu - (112u << 23)), and_c(k, shr(k, a, 13), 1), "");
  kvalue small = as_int(k, LLVMBuildFAdd(k->b, as_float(k, a), build_f32s(k, 0.5f, n), ""));
  r = build_select(k, below(k, a, 0x38800000), add_c(k, small, 0u - 0x3f000000u), shr(k, r, 13));
  r = build_select(k, below(k, a, 0x47800000), r, i32s(k, a, 0x7c00));
  r = build_select(k, below(k, a, 0x7f800001), r, i32s(k, a, 0x7e00));
  return build_trunc(k, LLVMBuildOr(k->b, r, s, ""), k->i16);
}
