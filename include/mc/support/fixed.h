/* The only rounding code: everything between real numbers and integers, exactly as
 * docs/reference/numerics.md defines it. The reference evaluator calls these; code generation emits
 * the same steps in the same order. Compiled with -ffp-contract=off. */
#ifndef MC_SUPPORT_FIXED_H
#define MC_SUPPORT_FIXED_H
#include <math.h>
#include <stdint.h>
#include <string.h>

/* max with lo first, then min with hi: a NaN becomes lo, infinities saturate; then round to
 * nearest, ties to even. */
static inline int32_t mc_fx_clamp_rne(float x, float lo, float hi) {
  x = x > lo ? x : lo;
  x = x < hi ? x : hi;
  return (int32_t)rintf(x);
}

/* clamp(rne(x) + z) to [qmin, qmax]; the clamp happens before the addition, on fp32, with bounds
 * qmin - z and qmax - z. */
static inline int32_t mc_fx_quant(float x, int32_t z, int32_t qmin, int32_t qmax) {
  return mc_fx_clamp_rne(x, (float)(qmin - z), (float)(qmax - z)) + z;
}

/* quantize: IEEE division, then mc_fx_quant. */
static inline int32_t mc_fx_quantize(float x, float scale, int32_t z, int32_t qmin, int32_t qmax) {
  return mc_fx_quant(x / scale, z, qmin, qmax);
}

static inline float mc_fx_dequantize(int32_t q, float scale, int32_t z) {
  return (float)(q - z) * scale;
}

/* requantize fp32_rne: fp32(acc) * m, one rounding a step. */
static inline int32_t mc_fx_requant_fp32(int32_t acc, float m, int32_t z, int32_t qmin,
                                         int32_t qmax) {
  return mc_fx_quant((float)acc * m, z, qmin, qmax);
}

/* fp32 stored as bf16: its upper half, rounded to nearest even. Magnitudes below 2^-126 become zero
 * with their sign, as VCVTNEPS2BF16 has it; a NaN stays one (made quiet). */
static inline uint16_t mc_fx_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
  if ((u & 0x7f800000u) == 0) return (uint16_t)(u >> 16 & 0x8000);
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float mc_fx_from_bf16(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* fp32 stored as IEEE half precision, to nearest even; what is too large becomes infinite. */
static inline uint16_t mc_fx_f16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  uint32_t sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00);
  if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* 65520 and more */
  if (a < 0x38800000u) return (uint16_t)(sign | (uint32_t)rintf(fabsf(x) * 0x1p24f));
  return (uint16_t)(sign | (((a + 0xfff + (a >> 13 & 1)) >> 13) - (112u << 10)));
}

/* The f32 with the bits of an f16: both formats' every value is an f32. */
static inline float mc_fx_from_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = (h >> 10) & 31, frac = h & 0x3ff;
  if (exp == 0) return (sign ? -1.0f : 1.0f) * ((float)frac * 0x1p-24f);
  uint32_t bits = exp == 31 ? 0x7f800000u | frac << 13 : (exp + 112) << 23 | frac << 13;
  bits |= sign;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Integer multiplier of a positive real scale: scale ~ mult * 2^-shift, mult in [2^30, 2^31), shift
 * in [2, 62]. frexp in double: scale = q * 2^e, q in [0.5, 1); mult = round(q * 2^31), when that
 * reaches 2^31 it is halved and e grows; shift = 31 - e (TOSA's; TFLite's is e). scale < 2^-32:
 * mult = 0. scale >= 2^29: the largest, so that products saturate. */
void mc_fx_multiplier(double scale, int32_t *mult, int32_t *shift);
/* TOSA SINGLE_ROUND / TFLite single rounding; shift in [2, 62]. */
int32_t mc_fx_requant_single(int32_t acc, int32_t mult, int32_t shift, int32_t z, int32_t qmin,
                             int32_t qmax);
/* gemmlowp: left shift, saturating rounding doubling high multiply, rounding right shift (TFLite
 * reference kernels). */
int32_t mc_fx_requant_double(int32_t acc, int32_t mult, int32_t shift, int32_t z, int32_t qmin,
                             int32_t qmax);
/* rne(x / scale) saturated to [-2^31, 2^31 - 128] (the largest float below 2^31); *saturated:
 * whether that (or NaN) happened. The quantize op to i32 is the same. */
int32_t mc_fx_quantize_i32(float x, float scale, int *saturated);
/* bias = rne(b / scale), by mc_fx_quantize_i32. */
int32_t mc_fx_bias(float b, float scale, int *saturated);
#endif
