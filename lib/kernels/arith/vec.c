/* Rounding, clamping, requantization on vectors. */
#include "vec.h"
#include <math.h>

kvalue vec_fmax(kbuilder *k, kvalue a, kvalue b) {
  return build_select(k, LLVMBuildFCmp(k->b, LLVMRealOGT, a, b, ""), a, b);
}

kvalue vec_fmin(kbuilder *k, kvalue a, kvalue b) {
  return build_select(k, LLVMBuildFCmp(k->b, LLVMRealOLT, a, b, ""), a, b);
}

kvalue vec_clamp(kbuilder *k, kvalue x, const float c[2]) {
  if (c[0] > -INFINITY) x = vec_fmax(k, x, build_f32s(k, c[0], lanes_of(x)));
  return c[1] < INFINITY ? vec_fmin(k, x, build_f32s(k, c[1], lanes_of(x))) : x;
}

/* cvtps2dq / fcvtns of one register's worth of lanes (4, 8 or 16). */
static kvalue rne_part(kbuilder *k, kvalue x, int lanes) {
  if (k->target->arch == MC_ARCH_aarch64) {
    ktype ov[2] = { type_of_lanes(k, k->i32, lanes), type_of_lanes(k, k->f32, lanes) };
    return build_intrinsic(k, "llvm.aarch64.neon.fcvtns", ov, 2, &x, 1);
  }
  if (lanes == 4) return build_intrinsic(k, "llvm.x86.sse2.cvtps2dq", NULL, 0, &x, 1);
  if (lanes == 8) return build_intrinsic(k, "llvm.x86.avx.cvt.ps2dq.256", NULL, 0, &x, 1);
  kvalue a[4] = { x, LLVMConstNull(type_of_lanes(k, k->i32, 16)), LLVMConstInt(k->i16, 0xffff, 0),
                  build_i32(k, 4) };
  return build_intrinsic(k, "llvm.x86.avx512.mask.cvtps2dq.512", NULL, 0, a, 4);
}

kvalue vec_rne(kbuilder *k, kvalue x) {
  int lanes = lanes_of(x), part = target_lanes(k);
  if (part > lanes) part = lanes < 4 ? 4 : lanes;
  if (lanes < part) return build_extract(k, rne_part(k, build_widen(k, x, part), part), 0, lanes);
  kvalue r[KERNEL_LANES];
  for (int i = 0; i < lanes / part; i++)
    r[i] = rne_part(k, build_extract(k, x, i * part, part), part);
  return build_concat(k, r, lanes / part);
}

/* On AArch64 fmaxnm / fminnm agree with max-then-min on everything but signalling NaNs, which
 * arithmetic does not make. */
static kvalue clamp_f32(kbuilder *k, kvalue x, float lo, float hi) {
  int n = lanes_of(x);
  if (k->target->arch == MC_ARCH_aarch64)
    return build_intrinsic2(k, "llvm.minnum",
                            build_intrinsic2(k, "llvm.maxnum", x, build_f32s(k, lo, n)),
                            build_f32s(k, hi, n));
  return vec_fmin(k, vec_fmax(k, x, build_f32s(k, lo, n)), build_f32s(k, hi, n));
}

bool vec_adds(const kbuilder *k) { return k->target->arch == MC_ARCH_aarch64; }

/* VEC_MIDDLE + rne(x), |x| < 2^22: the sum's last bit is worth 1. */
static kvalue rne_bits(kbuilder *k, kvalue x) {
  int n = lanes_of(x);
  return build_bitcast(k, LLVMBuildFAdd(k->b, x, build_f32s(k, 12582912.0f, n), ""),
                       type_of_lanes(k, k->i32, n));
}

kvalue vec_quant_clamp(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype) {
  int64_t qmin, qmax;
  if (dtype == MC_i32)
    return clamp_f32(k, x, -2147483648.0f,
                     2147483520.0f); /* the largest float below 2^31; z is 0 */
  mc_dtype_range(dtype, &qmin, &qmax);
  return clamp_f32(k, x, (float)((int32_t)qmin - z), (float)((int32_t)qmax - z));
}

kvalue vec_rne_small(kbuilder *k, kvalue x, int32_t z) {
  if (vec_adds(k))
    return LLVMBuildAdd(k->b, rne_bits(k, x), build_i32s(k, z - VEC_MIDDLE, lanes_of(x)), "");
  kvalue q = vec_rne(k, x);
  return z ? LLVMBuildAdd(k->b, q, build_i32s(k, z, lanes_of(q)), "") : q;
}

kvalue vec_quant(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype) {
  x = vec_quant_clamp(k, x, z, dtype);
  return dtype == MC_i32 ? vec_rne(k, x) : vec_rne_small(k, x, z);
}

kvalue vec_raw(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype, bool small) {
  if (!vec_adds(k)) return vec_rne(k, x);
  return rne_bits(k, small ? x : vec_quant_clamp(k, x, z, dtype));
}

kvalue vec_small_to_f32(kbuilder *k, kvalue x, int32_t z) {
  return vec_biased_to_f32(k, LLVMBuildAdd(k->b, x, build_i32s(k, VEC_MIDDLE - z, lanes_of(x)), ""),
                           VEC_MIDDLE);
}

kvalue vec_biased_to_f32(kbuilder *k, kvalue x, int32_t base) {
  int n = lanes_of(x);
  return LLVMBuildFSub(k->b, build_bitcast(k, x, type_of_lanes(k, k->f32, n)),
                       build_f32s(k, (float)(base - 0x4b000000 + (1 << 23)), n), "");
}

kvalue vec_to_f32(kbuilder *k, kvalue x) {
  return LLVMBuildSIToFP(k->b, x, type_of_lanes(k, k->f32, lanes_of(x)), "");
}

static kvalue clamp_i64_to_q(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype) {
  int64_t qmin, qmax;
  int n = lanes_of(x);
  mc_dtype_range(dtype, &qmin, &qmax);
  x = LLVMBuildAdd(k->b, x, build_splat_const(build_i64(k, z), n), "");
  x = build_smax(k, x, build_splat_const(build_i64(k, qmin), n));
  x = build_smin(k, x, build_splat_const(build_i64(k, qmax), n));
  return build_trunc(k, x, k->i32);
}

kvalue vec_requant_single(kbuilder *k, kvalue x, kvalue mult, kvalue shift, int32_t z,
                          mc_dtype dtype) {
  int n = lanes_of(x);
  kvalue one = build_splat_const(build_i64(k, 1), n), s = build_ext(k, shift, k->i64, true);
  kvalue p =
      LLVMBuildMul(k->b, build_ext(k, x, k->i64, true), build_ext(k, mult, k->i64, true), "");
  kvalue half = LLVMBuildShl(k->b, one, LLVMBuildSub(k->b, s, one, ""), "");
  return clamp_i64_to_q(k, LLVMBuildAShr(k->b, LLVMBuildAdd(k->b, p, half, ""), s, ""), z, dtype);
}

/* gemmlowp: left shift, saturating rounding doubling high multiply, rounding right shift; lane by
 * lane as mc_fx_requant_double. */
kvalue vec_requant_double(kbuilder *k, kvalue x, kvalue mult, kvalue shift, int32_t z,
                          mc_dtype dtype) {
  int n = lanes_of(x);
#define C(v) build_splat_const(build_i64(k, v), n)
  kvalue zero = C(0), e = LLVMBuildSub(k->b, C(31), build_ext(k, shift, k->i64, true), "");
  kvalue left = build_smax(k, e, zero),
         right = build_smax(k, LLVMBuildSub(k->b, zero, e, ""), zero);
  kvalue a = LLVMBuildShl(k->b, build_ext(k, x, k->i64, true), left, "");
  a = build_smin(k, build_smax(k, a, C(INT32_MIN)), C(INT32_MAX));
  kvalue p = LLVMBuildMul(k->b, a, build_ext(k, mult, k->i64, true), "");
  kvalue neg = LLVMBuildICmp(k->b, LLVMIntSLT, p, zero, "");
  p = LLVMBuildAdd(k->b, p, build_select(k, neg, C(1 - (INT64_C(1) << 30)), C(INT64_C(1) << 30)),
                   "");
  kvalue h = LLVMBuildSDiv(k->b, p, C(INT64_C(1) << 31), "");
  kvalue mask = LLVMBuildSub(k->b, LLVMBuildShl(k->b, C(1), right, ""), C(1), "");
  kvalue rest = LLVMBuildAnd(k->b, h, mask, "");
  kvalue half = LLVMBuildAShr(k->b, mask, C(1), "");
  half = LLVMBuildAdd(
      k->b, half,
      LLVMBuildZExt(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, h, zero, ""), LLVMTypeOf(zero), ""), "");
  kvalue up =
      LLVMBuildZExt(k->b, LLVMBuildICmp(k->b, LLVMIntSGT, rest, half, ""), LLVMTypeOf(zero), "");
  return clamp_i64_to_q(k, LLVMBuildAdd(k->b, LLVMBuildAShr(k->b, h, right, ""), up, ""), z, dtype);
#undef C
}

kvalue vec_table(kbuilder *k, kvalue table, kvalue index) {
  int n = lanes_of(index);
  kvalue r[KERNEL_LANES];
  if (n == 16 && k->target->arch == MC_ARCH_aarch64)
    return build_ext(k, vec_lookup(k, table, build_trunc(k, index, k->i8)), k->i32, false);
  for (int i = 0; i < n; i++) {
    kvalue at = build_address(k, table, build_ext(k, build_extract(k, index, i, 1), k->i64, false));
    r[i] = build_load(k, k->i8, at, 1);
  }
  return build_ext(k, n == 1 ? r[0] : build_concat(k, r, n), k->i32, false);
}

/* Half `upper` of what each of `per` rows has, `width` lanes, in a (and after them b, where there
 * is one). */
static kvalue half_of(kbuilder *k, kvalue a, kvalue b, int per, int width, int upper) {
  int mask[KERNEL_LANES], n = 0;
  for (int j = 0; j < (b ? 2 : 1) * per; j++)
    for (int t = 0; t < width / 2; t++)
      mask[n++] = (j < per ? 0 : lanes_of(a)) + j % per * width + upper * width / 2 + t;
  return n == 1 ? build_extract(k, a, mask[0], 1) : build_shuffle(k, a, b, mask, n);
}

kvalue vec_fold(kbuilder *k, const kvalue *acc, int n, kcombine *combine, const void *ctx) {
  kvalue v[KERNEL_LANES];
  int per = 1;
  for (int i = 0; i < n; i++) v[i] = acc[i];
  for (int width = KERNEL_LANES; width > 1; width /= 2) {
    for (int i = 0; i < (n > 1 ? n / 2 : 1); i++) {
      kvalue a = v[n > 1 ? 2 * i : i], b = n > 1 ? v[2 * i + 1] : NULL;
      v[i] = combine(ctx, half_of(k, a, b, per, width, 0), half_of(k, a, b, per, width, 1));
    }
    if (n > 1) per *= 2, n /= 2;
  }
  return v[0];
}
