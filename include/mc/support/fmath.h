/* exp, log, tanh, erf, sigmoid ... in fp32: one polynomial each, every step a plain IEEE add, multiply, divide, min, max or integer operation
 * (no FMA), so that C code compiled with -ffp-contract=off and the vector code that codegen emits agree bit for bit.
 * Stated errors are in docs/numerics.md; test/unit checks them exhaustively or on a dense grid. */
#ifndef MC_SUPPORT_FMATH_H
#define MC_SUPPORT_FMATH_H
float mc_fm_exp(float x);      /* max error 2 ulp on [-87.3, 88.7]; 0 below, inf above */
float mc_fm_log(float x);      /* x > 0; -inf at 0, nan below */
float mc_fm_tanh(float x);
float mc_fm_sigmoid(float x);
float mc_fm_erf(float x);
float mc_fm_gelu(float x);     /* 0.5 x (1 + erf(x / sqrt 2)) */
float mc_fm_gelu_tanh(float x);
float mc_fm_silu(float x);
float mc_fm_elu(float x, float alpha);
float mc_fm_pow(float x, float y);   /* exp(y log x) for x > 0, with the usual special cases and integer y for x < 0 */
/* Sum and maximum of n floats in the order that vector code uses: 16 interleaved partial results (lane l takes x[l], x[l+16], ...),
 * starting from 0 (from -inf), then 16 -> 8 -> 4 -> 2 -> 1 by adding the upper half to the lower. stride in elements. */
float mc_fm_sum16(const float *x, long n, long stride);
#endif
