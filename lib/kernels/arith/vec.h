/* Arithmetic of docs/reference/numerics.md on vectors, step for step as support/fixed.h and
 * support/fmath_steps.h have it. Integers of 8 and 16 bits are kept as i32 in registers. */
#ifndef MC_KERNELS_VEC_H
#define MC_KERNELS_VEC_H
#include "kb.h"

/* a > b ? a : b and a < b ? a : b: a NaN in a gives b; one instruction on x86. */
V kv_fmax(kb *k, V a, V b);
V kv_fmin(kb *k, V a, V b);
/* The clamp attribute of f32 results; an open side is left out (a NaN passes there). */
V kv_clamp(kb *k, V x, const float c[2]);
/* f32 -> i32, to nearest, ties to even; |x| < 2^31. */
V kv_rne(kb *k, V x);
/* f32 -> i32 + z, |x| < 2^22. */
V kv_rne_small(kb *k, V x, int32_t z);
/* clamp to [qmin - z, qmax - z], rne, + z: the Q(v) of docs/reference/numerics.md. x must come out
 * of an arithmetic operation (no signalling NaN). */
V kv_quant(kb *k, V x, int32_t z, mc_dtype dtype);
/* The clamp of kv_quant alone: kv_quant(x) = rne(kv_quant_clamp(x)) + z. */
V kv_quant_clamp(kb *k, V x, int32_t z, mc_dtype dtype);
/* 16-bit floats as their bits (i16) and f32: exactly, and by mc_fx_bf16 / to nearest even. */
V kv_from_bf16(kb *k, V bits);
V kv_to_bf16(kb *k, V x);
V kv_from_f16(kb *k, V bits);
V kv_to_f16(kb *k, V x);
/* Q(x / s) for any x, the division as IEEE defines it; _raw: a number of 8 bits as kv_raw gives it.
 */
V kv_quantize(kb *k, V x, float s, int32_t z, mc_dtype dtype);
V kv_quantize_raw(kb *k, V x, float s, int32_t z, mc_dtype dtype);
/* x86, 8 bits: the same less z, and for what lies below the range any number below it: packs that
 * saturate do the rest. */
V kv_quantize_open(kb *k, V x, float s, int32_t z, mc_dtype dtype);

/* AArch64 converts half a register a cycle and adds two to four: an integer n between 0 and 2^23
 * is, as the low bits of 2^23 as f32, the float 2^23 + n, and the way back is rounding to nearest.
 * The same with a number in the middle of the range, so that n may be negative: */
enum { KV_MIDDLE = 0x4b400000 }; /* 1.5 * 2^23 */

/* Whether conversions by addition are worth it on the target. */
bool kv_adds(const kb *k);
/* fp32(x - z) of i32 x, |x - z| < 2^22. */
V kv_small_to_f32(kb *k, V x, int32_t z);
/* fp32(x - base) of i32 x, base - 0x4b000000 and x - 0x4b000000 in [0, 2^23). */
V kv_biased_to_f32(kb *k, V x, int32_t base);
/* i32 -> f32, rounded to nearest even. */
V kv_to_f32(kb *k, V x);
/* mc_fx_requant_single / _double of the i32 vector x; mult and shift: i32 vectors or scalars splat.
 */
V kv_requant_single(kb *k, V x, V mult, V shift, int32_t z, mc_dtype dtype);
V kv_requant_double(kb *k, V x, V mult, V shift, int32_t z, mc_dtype dtype);

/* Numbers whose bound is below this are small: with a zero point they stay in 16 bits, and the
 * bound may be off by what fp32 rounds. */
enum { KV_SMALL = 31000 };

/* kv_quant without what kv_narrow does; |x| < 2^31 - 2^9, small: < KV_SMALL. On AArch64 the upper
 * halves hold nothing. */
V kv_raw(kb *k, V x, int32_t z, mc_dtype dtype, bool small);
/* What is left of kv_quant (bytes.c): n vectors of kv_raw, 16 lanes each, 1 <= n <= kv_narrow_most,
 * to bytes: v + z, saturated. small: as there; adding z then needs no saturation (on Zen 4, vpaddsw
 * takes the pipes of products, vpaddw any). The result may have more lanes than 16 n, the others
 * unspecified. */
int kv_narrow_most(const kb *k);
V kv_narrow(kb *k, V *v, int n, int32_t z, mc_dtype dtype, bool small);
/* Look up 256 bytes by bytes, taken as unsigned. */
/* Bytes of v by index, within each 128-bit part (16, 32 or 64 bytes; AArch64: 16); an index from
 * 0x80 on gives 0. For targets with SSSE3 and AArch64. */
V kv_permute(kb *k, V v, V index);
V kv_lookup(kb *k, V table, V bytes);
/* Look up 256 bytes by i32 indices in [0, 255]; result zero-extended i32. */
V kv_table(kb *k, V table, V index);

/* The 16 lanes of each of n vectors (a power of two, up to 16) to one, upper halves onto lower ones
 * as mc_fm_sum16 does: lane i of the result is of vector i (a scalar for one). */
typedef V kv_combine(const void *ctx, V a, V b);
V kv_fold(kb *k, const V *acc, int n, kv_combine *combine, const void *ctx);
/* Bytes that are added at once, a register of them, and sum16 + their sums in 16 lanes of i32;
 * `valid` of them exist at p. */
int kv_sum_step(const kb *k);
V kv_sum_bytes(kb *k, V sum16, V p, int valid, bool is_signed);

/* Vector instances of support/fmath_steps.h. */
typedef struct kfm {
  kb *k;
  int lanes;
} kfm;

/* Parts of others, which the kernels use alone. */
V kfm_exp_negative(kfm *cx, V x);
V kfm_exp_reduced(kfm *cx, V x);
/* V kfm_exp(kfm *cx, V x) ... of fmath.def */
#define MC_FMATH1(name, doc) V kfm_##name(kfm *cx, V x);
#define MC_FMATH2(name, a, doc) V kfm_##name(kfm *cx, V x, V a);
#define MC_FMATH3(name, a, b, doc) V kfm_##name(kfm *cx, V x, V a, V b);
#include "mc/support/fmath.def"
#endif
