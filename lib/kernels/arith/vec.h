/* Arithmetic of docs/reference/numerics.md on vectors, step for step as support/fixed.h and
 * support/fmath_steps.h have it. Integers of 8 and 16 bits are kept as i32 in registers. */
#ifndef MC_KERNELS_VEC_H
#define MC_KERNELS_VEC_H
#include "builder.h"

/* a > b ? a : b and a < b ? a : b: a NaN in a gives b; one instruction on x86. */
kvalue vec_fmax(kbuilder *k, kvalue a, kvalue b);
kvalue vec_fmin(kbuilder *k, kvalue a, kvalue b);
/* The clamp attribute of f32 results; an open side is left out (a NaN passes there). */
kvalue vec_clamp(kbuilder *k, kvalue x, const float c[2]);
/* f32 -> i32, to nearest, ties to even; |x| < 2^31. */
kvalue vec_rne(kbuilder *k, kvalue x);
/* f32 -> i32 + z, |x| < 2^22. */
kvalue vec_rne_small(kbuilder *k, kvalue x, int32_t z);
/* clamp to [qmin - z, qmax - z], rne, + z: the Q(v) of docs/reference/numerics.md. x must come out
 * of an arithmetic operation (no signalling NaN). */
kvalue vec_quant(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype);
/* The clamp of vec_quant alone: vec_quant(x) = rne(vec_quant_clamp(x)) + z. */
kvalue vec_quant_clamp(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype);
/* 16-bit floats as their bits (i16) and f32: exactly, and by mc_fx_bf16 / to nearest even. */
kvalue vec_from_bf16(kbuilder *k, kvalue bits);
kvalue vec_to_bf16(kbuilder *k, kvalue x);
kvalue vec_from_f16(kbuilder *k, kvalue bits);
kvalue vec_to_f16(kbuilder *k, kvalue x);
/* Q(x / s) for any x, the division as IEEE defines it; _raw: a number of 8 bits as vec_raw gives
 * it.
 */
kvalue vec_quantize(kbuilder *k, kvalue x, float s, int32_t z, mc_dtype dtype);
kvalue vec_quantize_raw(kbuilder *k, kvalue x, float s, int32_t z, mc_dtype dtype);
/* x86, 8 bits: the same less z, and for what lies below the range any number below it: packs that
 * saturate do the rest. */
kvalue vec_quantize_open(kbuilder *k, kvalue x, float s, int32_t z, mc_dtype dtype);

/* AArch64 converts half a register a cycle and adds two to four: an integer n between 0 and 2^23
 * is, as the low bits of 2^23 as f32, the float 2^23 + n, and the way back is rounding to nearest.
 * The same with a number in the middle of the range, so that n may be negative: */
enum { VEC_MIDDLE = 0x4b400000 }; /* 1.5 * 2^23 */

/* Whether conversions by addition are worth it on the target. */
bool vec_adds(const kbuilder *k);
/* fp32(x - z) of i32 x, |x - z| < 2^22. */
kvalue vec_small_to_f32(kbuilder *k, kvalue x, int32_t z);
/* fp32(x - base) of i32 x, base - 0x4b000000 and x - 0x4b000000 in [0, 2^23). */
kvalue vec_biased_to_f32(kbuilder *k, kvalue x, int32_t base);
/* i32 -> f32, rounded to nearest even. */
kvalue vec_to_f32(kbuilder *k, kvalue x);
/* mc_fx_requant_single / _double of the i32 vector x; mult and shift: i32 vectors or scalars splat.
 */
kvalue vec_requant_single(kbuilder *k, kvalue x, kvalue mult, kvalue shift, int32_t z,
                          mc_dtype dtype);
kvalue vec_requant_double(kbuilder *k, kvalue x, kvalue mult, kvalue shift, int32_t z,
                          mc_dtype dtype);

/* Numbers whose bound is below this are small: with a zero point they stay in 16 bits, and the
 * bound may be off by what fp32 rounds. */
enum { VEC_SMALL = 31000 };

/* vec_quant without what vec_narrow does; |x| < 2^31 - 2^9, small: < VEC_SMALL. On AArch64 the
 * upper halves hold nothing. */
kvalue vec_raw(kbuilder *k, kvalue x, int32_t z, mc_dtype dtype, bool small);
/* What is left of vec_quant (bytes.c): n vectors of vec_raw, 16 lanes each, 1 <= n <=
 * vec_narrow_most, to bytes: v + z, saturated. small: as there; adding z then needs no saturation
 * (on Zen 4, vpaddsw takes the pipes of products, vpaddw any). The result may have more lanes than
 * 16 n, the others unspecified. */
int vec_narrow_most(const kbuilder *k);
kvalue vec_narrow(kbuilder *k, kvalue *v, int n, int32_t z, mc_dtype dtype, bool small);
/* Look up 256 bytes by bytes, taken as unsigned. */
/* Bytes of v by index, within each 128-bit part (16, 32 or 64 bytes; AArch64: 16); an index from
 * 0x80 on gives 0. For targets with SSSE3 and AArch64. */
kvalue vec_permute(kbuilder *k, kvalue v, kvalue index);
kvalue vec_lookup(kbuilder *k, kvalue table, kvalue bytes);
/* Look up 256 bytes by i32 indices in [0, 255]; result zero-extended i32. */
kvalue vec_table(kbuilder *k, kvalue table, kvalue index);

/* The 16 lanes of each of n vectors (a power of two, up to 16) to one, upper halves onto lower ones
 * as mc_fm_sum16 does: lane i of the result is of vector i (a scalar for one). */
typedef kvalue kcombine(const void *ctx, kvalue a, kvalue b);
kvalue vec_fold(kbuilder *k, const kvalue *acc, int n, kcombine *combine, const void *ctx);
/* Bytes that are added at once, a register of them, and sum16 + their sums in 16 lanes of i32;
 * `valid` of them exist at p. */
int vec_sum_step(const kbuilder *k);
kvalue vec_sum_bytes(kbuilder *k, kvalue sum16, kvalue p, int valid, bool is_signed);

/* Vector instances of support/fmath_steps.h. */
typedef struct kfmath {
  kbuilder *k;
  int lanes;
} kfmath;

/* Parts of others, which the kernels use alone. */
kvalue fmath_exp_negative(kfmath *cx, kvalue x);
kvalue fmath_exp_reduced(kfmath *cx, kvalue x);
/* V fmath_exp(kfm *cx, V x) ... of fmath.def */
#define MC_FMATH1(name, doc) kvalue fmath_##name(kfmath *cx, kvalue x);
#define MC_FMATH2(name, a, doc) kvalue fmath_##name(kfmath *cx, kvalue x, kvalue a);
#define MC_FMATH3(name, a, b, doc) kvalue fmath_##name(kfmath *cx, kvalue x, kvalue a, kvalue b);
#include "mc/support/fmath.def"
#endif
