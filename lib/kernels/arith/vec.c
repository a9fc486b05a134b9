/* Rounding, clamping, requantization on vectors. */
#include "vec.h"
#include <math.h>

V kv_fmax(kb *k, V a, V b) {
  return kb_select(k, LLVMBuildFCmp(k->b, LLVMRealOGT, a, b, ""), a, b);
}

V kv_fmin(kb *k, V a, V b) {
  return kb_select(k, LLVMBuildFCmp(k->b, LLVMRealOLT, a, b, ""), a, b);
}

V kv_clamp(kb *k, V x, const float c[2]) {
  if (c[0] > -INFINITY) x = kv_fmax(k, x, kb_f32s(k, c[0], kb_lanes(x)));
  return c[1] < INFINITY ? kv_fmin(k, x, kb_f32s(k, c[1], kb_lanes(x))) : x;
}

/* cvtps2dq / fcvtns of one register's worth of lanes (4, 8 or 16). */
static V rne_part(kb *k, V x, int lanes) {
  if (k->target->arch == MC_ARCH_aarch64) {
    T ov[2] = { kb_vt(k, k->i32, lanes), kb_vt(k, k->f32, lanes) };
    return kb_intr(k, "llvm.aarch64.neon.fcvtns", ov, 2, &x, 1);
  }
  if (lanes == 4) return kb_intr(k, "llvm.x86.sse2.cvtps2dq", NULL, 0, &x, 1);
  if (lanes == 8) return kb_intr(k, "llvm.x86.avx.cvt.ps2dq.256", NULL, 0, &x, 1);
  V a[4] = { x, LLVMConstNull(kb_vt(k, k->i32, 16)), LLVMConstInt(k->i16, 0xffff, 0),
             kb_i32(k, 4) };
  return kb_intr(k, "llvm.x86.avx512.mask.cvtps2dq.512", NULL, 0, a, 4);
}

V kv_rne(kb *k, V x) {
  int lanes = kb_lanes(x), part = kb_phys_lanes(k);
  if (part > lanes) part = lanes < 4 ? 4 : lanes;
  if (lanes < part) return kb_extract(k, rne_part(k, kb_widen(k, x, part), part), 0, lanes);
  V r[KB_LANES];
  for (int i = 0; i < lanes / part; i++) r[i] = rne_part(k, kb_extract(k, x, i * part, part), part);
  return kb_concat(k, r, lanes / part);
}

/* On AArch64 fmaxnm / fminnm agree with max-then-min on everything but signalling NaNs, which
 * arithmetic does not make. */
static V clamp_f32(kb *k, V x, float lo, float hi) {
  int n = kb_lanes(x);
  if (k->target->arch == MC_ARCH_aarch64)
    return kb_intr2(k, "llvm.minnum", kb_intr2(k, "llvm.maxnum", x, kb_f32s(k, lo, n)),
                    kb_f32s(k, hi, n));
  return kv_fmin(k, kv_fmax(k, x, kb_f32s(k, lo, n)), kb_f32s(k, hi, n));
}

bool kv_adds(const kb *k) { return k->target->arch == MC_ARCH_aarch64; }

/* KV_MIDDLE + rne(x), |x| < 2^22: the sum's last bit is worth 1. */
static V rne_bits(kb *k, V x) {
  int n = kb_lanes(x);
  return kb_bitcast(k, LLVMBuildFAdd(k->b, x, kb_f32s(k, 12582912.0f, n), ""), kb_vt(k, k->i32, n));
}

V kv_quant_clamp(kb *k, V x, int32_t z, mc_dtype dtype) {
  int64_t qmin, qmax;
  if (dtype == MC_i32)
    return clamp_f32(k, x, -2147483648.0f,
                     2147483520.0f); /* the largest float below 2^31; z is 0 */
  mc_dtype_range(dtype, &qmin, &qmax);
  return clamp_f32(k, x, (float)((int32_t)qmin - z), (float)((int32_t)qmax - z));
}

V kv_rne_small(kb *k, V x, int32_t z) {
  if (kv_adds(k))
    return LLVMBuildAdd(k->b, rne_bits(k, x), kb_i32s(k, z - KV_MIDDLE, kb_lanes(x)), "");
  V q = kv_rne(k, x);
  return z ? LLVMBuildAdd(k->b, q, kb_i32s(k, z, kb_lanes(q)), "") : q;
}

V kv_quant(kb *k, V x, int32_t z, mc_dtype dtype) {
  x = kv_quant_clamp(k, x, z, dtype);
  return dtype == MC_i32 ? kv_rne(k, x) : kv_rne_small(k, x, z);
}

V kv_raw(kb *k, V x, int32_t z, mc_dtype dtype, bool small) {
  if (!kv_adds(k)) return kv_rne(k, x);
  return rne_bits(k, small ? x : kv_quant_clamp(k, x, z, dtype));
}

V kv_small_to_f32(kb *k, V x, int32_t z) {
  return kv_biased_to_f32(k, LLVMBuildAdd(k->b, x, kb_i32s(k, KV_MIDDLE - z, kb_lanes(x)), ""),
                          KV_MIDDLE);
}

V kv_biased_to_f32(kb *k, V x, int32_t base) {
  int n = kb_lanes(x);
  return LLVMBuildFSub(k->b, kb_bitcast(k, x, kb_vt(k, k->f32, n)),
                       kb_f32s(k, (float)(base - 0x4b000000 + (1 << 23)), n), "");
}

V kv_to_f32(kb *k, V x) { return LLVMBuildSIToFP(k->b, x, kb_vt(k, k->f32, kb_lanes(x)), ""); }

static V clamp_i64_to_q(kb *k, V x, int32_t z, mc_dtype dtype) {
  int64_t qmin, qmax;
  int n = kb_lanes(x);
  mc_dtype_range(dtype, &qmin, &qmax);
  x = LLVMBuildAdd(k->b, x, kb_splat_c(kb_i64(k, z), n), "");
  x = kb_smax(k, x, kb_splat_c(kb_i64(k, qmin), n));
  x = kb_smin(k, x, kb_splat_c(kb_i64(k, qmax), n));
  return kb_trunc(k, x, k->i32);
}

V kv_requant_single(kb *k, V x, V mult, V shift, int32_t z, mc_dtype dtype) {
  int n = kb_lanes(x);
  V one = kb_splat_c(kb_i64(k, 1), n), s = kb_ext(k, shift, k->i64, true);
  V p = LLVMBuildMul(k->b, kb_ext(k, x, k->i64, true), kb_ext(k, mult, k->i64, true), "");
  V half = LLVMBuildShl(k->b, one, LLVMBuildSub(k->b, s, one, ""), "");
  return clamp_i64_to_q(k, LLVMBuildAShr(k->b, LLVMBuildAdd(k->b, p, half, ""), s, ""), z, dtype);
}

/* gemmlowp: left shift, saturating rounding doubling high multiply, rounding right shift; lane by
 * lane as mc_fx_requant_double. */
V kv_requant_double(kb *k, V x, V mult, V shift, int32_t z, mc_dtype dtype) {
  int n = kb_lanes(x);
#define C(v) kb_splat_c(kb_i64(k, v), n)
  V zero = C(0), e = LLVMBuildSub(k->b, C(31), kb_ext(k, shift, k->i64, true), "");
  V left = kb_smax(k, e, zero), right = kb_smax(k, LLVMBuildSub(k->b, zero, e, ""), zero);
  V a = LLVMBuildShl(k->b, kb_ext(k, x, k->i64, true), left, "");
  a = kb_smin(k, kb_smax(k, a, C(INT32_MIN)), C(INT32_MAX));
  V p = LLVMBuildMul(k->b, a, kb_ext(k, mult, k->i64, true), "");
  V neg = LLVMBuildICmp(k->b, LLVMIntSLT, p, zero, "");
  p = LLVMBuildAdd(k->b, p, kb_select(k, neg, C(1 - (INT64_C(1) << 30)), C(INT64_C(1) << 30)), "");
  V h = LLVMBuildSDiv(k->b, p, C(INT64_C(1) << 31), "");
  V mask = LLVMBuildSub(k->b, LLVMBuildShl(k->b, C(1), right, ""), C(1), "");
  V rest = LLVMBuildAnd(k->b, h, mask, "");
  V half = LLVMBuildAShr(k->b, mask, C(1), "");
  half = LLVMBuildAdd(
      k->b, half,
      LLVMBuildZExt(k->b, LLVMBuildICmp(k->b, LLVMIntSLT, h, zero, ""), LLVMTypeOf(zero), ""), "");
  V up = LLVMBuildZExt(k->b, LLVMBuildICmp(k->b, LLVMIntSGT, rest, half, ""), LLVMTypeOf(zero), "");
  return clamp_i64_to_q(k, LLVMBuildAdd(k->b, LLVMBuildAShr(k->b, h, right, ""), up, ""), z, dtype);
#undef C
}

V kv_table(kb *k, V table, V index) {
  int n = kb_lanes(index);
  V r[KB_LANES];
  if (n == 16 && k->target->arch == MC_ARCH_aarch64)
    return kb_ext(k, kv_lookup(k, table, kb_trunc(k, index, k->i8)), k->i32, false);
  for (int i = 0; i < n; i++) {
    V at = kb_gep(k, table, kb_ext(k, kb_extract(k, index, i, 1), k->i64, false));
    r[i] = kb_load(k, k->i8, at, 1);
  }
  return kb_ext(k, n == 1 ? r[0] : kb_concat(k, r, n), k->i32, false);
}

/* Half `upper` of what each of `per` rows has, `width` lanes, in a (and after them b, where there
 * is one). */
static V half_of(kb *k, V a, V b, int per, int width, int upper) {
  int mask[KB_LANES], n = 0;
  for (int j = 0; j < (b ? 2 : 1) * per; j++)
    for (int t = 0; t < width / 2; t++)
      mask[n++] = (j < per ? 0 : kb_lanes(a)) + j % per * width + upper * width / 2 + t;
  return n == 1 ? kb_extract(k, a, mask[0], 1) : kb_shuffle(k, a, b, mask, n);
}

V kv_fold(kb *k, const V *acc, int n, kv_combine *combine, const void *ctx) {
  V v[KB_LANES];
  int per = 1;
  for (int i = 0; i < n; i++) v[i] = acc[i];
  for (int width = KB_LANES; width > 1; width /= 2) {
    for (int i = 0; i < (n > 1 ? n / 2 : 1); i++) {
      V a = v[n > 1 ? 2 * i : i], b = n > 1 ? v[2 * i + 1] : NULL;
      v[i] = combine(ctx, half_of(k, a, b, per, width, 0), half_of(k, a, b, per, width, 1));
    }
    if (n > 1) per *= 2, n /= 2;
  }
  return v[0];
}
