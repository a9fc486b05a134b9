/* exp, log, tanh, erf, sigmoid ... in fp32: one polynomial each, every step a plain IEEE add,
 * multiply, divide, min, max or integer operation (no FMA), so that C code compiled with
 * -ffp-contract=off and the vector code that codegen emits agree bit for bit. The steps themselves
 * are written once, in mc/support/fmath_steps.h; code generation includes it with LLVM builders in
 * place of C operators. Errors (largest, in ulp) are stated in docs/reference/numerics.md;
 * test/unit/fmath.c measures them. NaN gives NaN. */
#ifndef MC_SUPPORT_FMATH_H
#define MC_SUPPORT_FMATH_H

/* float mc_fm_exp(float x) ... of fmath.def, which says what each is */
#define MC_FMATH1(name, doc) float mc_fm_##name(float x);
#define MC_FMATH2(name, a, doc) float mc_fm_##name(float x, float a);
#define MC_FMATH3(name, a, b, doc) float mc_fm_##name(float x, float a, float b);
#include "mc/support/fmath.def"

/* Sum of n floats in the order that vector code uses: 16 interleaved partial sums from 0 (lane l
 * takes x[l], x[l+16], ...), then 16 -> 8 -> 4 -> 2 -> 1 by adding the upper half to the lower.
 * stride in elements. */
float mc_fm_sum16(const float *x, long n, long stride);
/* softmax of integers d steps of size `step` below the largest one: e^(-d step) is fp32(coarse[d /
 * 16] * fine[d % 16]), d in [0, 255], 0 where that would be below 2^-126 (there are no subnormals).
 * d = 0 gives 1. */
void mc_fm_exp_tables(float step, float coarse[16], float fine[16]);
#endif
