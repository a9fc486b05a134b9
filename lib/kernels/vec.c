/* Rounding, clamping, requantization on vectors. */
#include "vec.h"
#include <assert.h>

V kv_fmax(kb *k, V a, V b) { return kb_select(k, LLVMBuildFCmp(k->b, LLVMRealOGT, a, b, ""), a, b); }
V kv_fmin(kb *k, V a, V b) { return kb_select(k, LLVMBuildFCmp(k->b, LLVMRealOLT, a, b, ""), a, b); }

/* cvtps2dq / fcvtns of one register's worth of lanes (4, 8 or 16). */
static V rne_part(kb *k, V x, int lanes) {
  if (k->target->arch == MC_ARCH_aarch64) {
    T ov[2] = { kb_vt(k, k->i32, lanes), kb_vt(k, k->f32, lanes) };
    return kb_intr(k, "llvm.aarch64.neon.fcvtns", ov, 2, &x, 1);
  }
  if (lanes == 4) return kb_intr(k, "llvm.x86.sse2.cvtps2dq", NULL, 0, &x, 1);
  if (lanes == 8) return kb_intr(k, "llvm.x86.avx.cvt.ps2dq.256", NULL, 0, &x, 1);
  V a[4] = { x, LLVMConstNull(kb_vt(k, k->i32, 16)), LLVMConstInt(k->i16, 0xffff, 0), kb_i32(k, 4) };
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
/* On AArch64 fmaxnm / fminnm agree with max-then-min on everything but signalling NaNs, which arithmetic does not make. */
static V clamp_f32(kb *k, V x, float lo, float hi) {
  int n = kb_lanes(x);
  if (k->target->arch == MC_ARCH_aarch64) return kb_intr2(k, "llvm.minnum", kb_intr2(k, "llvm.maxnum", x, kb_f32s(k, lo, n)), kb_f32s(k, hi, n));
  return kv_fmin(k, kv_fmax(k, x, kb_f32s(k, lo, n)), kb_f32s(k, hi, n));
}
V kv_quant(kb *k, V x, int32_t z, mc_dtype dtype) {
  int64_t qmin, qmax;
  mc_dtype_range(dtype, &qmin, &qmax);
  V q = kv_rne(k, clamp_f32(k, x, (float)((int32_t)qmin - z), (float)((int32_t)qmax - z)));
  return z ? LLVMBuildAdd(k->b, q, kb_i32s(k, z, kb_lanes(q)), "") : q;
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
V kv_table(kb *k, V table, V index) {
  int n = kb_lanes(index);
  V r[KB_LANES];
  for (int i = 0; i < n; i++) {
    V at = kb_gep(k, table, kb_ext(k, kb_extract(k, index, i, 1), k->i64, false));
    r[i] = kb_load(k, k->i8, at, 1);
  }
  return kb_ext(k, n == 1 ? r[0] : kb_concat(k, r, n), k->i32, false);
}
