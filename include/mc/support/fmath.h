/* exp, log, tanh, erf, sigmoid ... in fp32: one polynomial each, every step a plain IEEE add,
 * multiply, divide, min, max or integer operation (no FMA), so that C code compiled with
 * -ffp-contract=off and the vector code that codegen emits agree bit for bit. The steps themselves
 * are written once, in mc/support/fmath_steps.h; code generation includes it with LLVM builders in
 * place of C operators. Errors (largest, in ulp) are stated in docs/reference/numerics.md;
 * test/unit/fmath.c measures them. NaN gives NaN. */
#ifndef MC_SUPPORT_FMATH_H
#define MC_SUPPORT_FMATH_H
float mc_fm_neg(float x);
float mc_fm_abs(float x);
float mc_fm_exp(
    float x); /* 0 where the result is below 2^-126 (x < -87.33654), inf above 88.72284 */
float mc_fm_log(float x); /* -inf at 0, NaN below */
float mc_fm_tanh(float x);
float mc_fm_sigmoid(float x);
float mc_fm_erf(float x);
float mc_fm_gelu(float x); /* (0.5 x) (1 + erf(x * fp32(1 / sqrt 2))) */
float mc_fm_gelu_tanh(float x);
float mc_fm_silu(float x);                         /* x / (1 + exp(-x)) */
float mc_fm_relu(float x);                         /* x > 0 ? x : 0, NaN: 0 */
float mc_fm_clamp(float x, float low, float high); /* max with low first, so NaN gives low */
float mc_fm_leaky_relu(float x, float alpha);
float mc_fm_elu(float x, float alpha);
float mc_fm_hard_sigmoid(float x, float alpha, float beta);
float mc_fm_hard_swish(float x);
float mc_fm_pow(float x,
                float y); /* exp(y log |x|), with the usual special cases and sign for integer y */
/* Sum of n floats in the order that vector code uses: 16 interleaved partial sums from 0 (lane l
 * takes x[l], x[l+16], ...), then 16 -> 8 -> 4 -> 2 -> 1 by adding the upper half to the lower.
 * stride in elements. */
float mc_fm_sum16(const float *x, long n, long stride);
/* softmax of integers d steps of size `step` below the largest one: e^(-d step) is fp32(coarse[d /
 * 16] * fine[d % 16]), d in [0, 255], 0 where that would be below 2^-126 (there are no subnormals).
 * d = 0 gives 1. */
void mc_fm_exp_tables(float step, float coarse[16], float fine[16]);
#endif
