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

#define MC_FMATH1(name, doc)                                                                       \
  float mc_fm_##name(float x) { return steps_##name(x); }
#define MC_FMATH2(name, a, doc)                                                                    \
  float mc_fm_##name(float x, float a) { return steps_##name(x, a); }
#define MC_FMATH3(name, a, b, doc)                                                                 \
  float mc_fm_##name(float x, float a, float b) { return steps_##name(x, a, b); }
#include "mc/support/fmath.def"

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
