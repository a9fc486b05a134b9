/* fmath_steps.h with C floats. */
#include "mc/support/fmath.h"
#include <stdint.h>
#include <string.h>

static inline int32_t bits_of(float x) {
  int32_t i;
  memcpy(&i, &x, sizeof i);
  return i;
}

static inline float of_bits(int32_t i) {
  float x;
  memcpy(&x, &i, sizeof x);
  return x;
}

static inline int32_t wrap(uint32_t u) { return (int32_t)u; }

#define FV float
#define IV int32_t
#define MV int
#define FM(name) steps_##name
#define FM_FN static inline
#define FM_CX
#define FM_ARG
#define F_K(c) (c)
#define I_K(c) (c)
#define F_ADD(a, b) ((a) + (b))
#define F_SUB(a, b) ((a) - (b))
#define F_MUL(a, b) ((a) * (b))
#define F_DIV(a, b) ((a) / (b))
#define F_MIN(a, b) ((a) < (b) ? (a) : (b))
#define F_MAX(a, b) ((a) > (b) ? (a) : (b))
#define F_LT(a, b) ((a) < (b))
#define F_LE(a, b) ((a) <= (b))
#define F_EQ(a, b) ((a) == (b))
#define F_SEL(m, a, b) ((m) ? (a) : (b))
#define F_BITS(a) bits_of(a)
#define I_BITS(a) of_bits(a)
#define F_TO_I(a) ((int32_t)(a))
#define I_TO_F(a) ((float)(a))
#define I_ADD(a, b) wrap((uint32_t)(a) + (uint32_t)(b))
#define I_AND(a, b) ((a) & (b))
#define I_XOR(a, b) ((a) ^ (b))
#define I_SHL(a, n) wrap((uint32_t)(a) << (n))
#define I_SHR(a, n) ((a) >> (n))
#include "mc/support/fmath_steps.h"

float mc_fm_neg(float x) { return steps_neg(x); }

float mc_fm_abs(float x) { return steps_abs(x); }

float mc_fm_exp(float x) { return steps_exp(x); }

float mc_fm_log(float x) { return steps_log(x); }

float mc_fm_tanh(float x) { return steps_tanh(x); }

float mc_fm_sigmoid(float x) { return steps_sigmoid(x); }

float mc_fm_erf(float x) { return steps_erf(x); }

float mc_fm_gelu(float x) { return steps_gelu(x); }

float mc_fm_gelu_tanh(float x) { return steps_gelu_tanh(x); }

float mc_fm_silu(float x) { return steps_silu(x); }

float mc_fm_relu(float x) { return steps_relu(x); }

float mc_fm_clamp(float x, float low, float high) { return steps_clamp(x, low, high); }

float mc_fm_leaky_relu(float x, float alpha) { return steps_leaky_relu(x, alpha); }

float mc_fm_elu(float x, float alpha) { return steps_elu(x, alpha); }

float mc_fm_hard_sigmoid(float x, float alpha, float beta) {
  return steps_hard_sigmoid(x, alpha, beta);
}

float mc_fm_hard_swish(float x) { return steps_hard_swish(x); }

float mc_fm_pow(float x, float y) { return steps_pow(x, y); }

enum { LANES = 16 };

float mc_fm_sum16(const float *x, long n, long stride) {
  float lane[LANES] = { 0 };
  for (long i = 0; i < n; i += LANES) {
    long m = n - i < LANES ? n - i : LANES;
    for (long l = 0; l < m; l++) lane[l] += x[(i + l) * stride];
  }
  for (int half = LANES / 2; half; half /= 2)
    for (int l = 0; l < half; l++) lane[l] += lane[l + half];
  return lane[0];
}

void mc_fm_exp_tables(float step, float coarse[LANES], float fine[LANES]) {
  for (int i = 0; i < LANES; i++) {
    fine[i] = mc_fm_exp((float)-i * step);
    coarse[i] = mc_fm_exp((float)(-LANES * i) * step);
    if (i && (float)(-LANES * i - (LANES - 1)) * step < -87.0f)
      coarse[i] = 0; /* else its products reach down to 2^-125.5 */
  }
}
