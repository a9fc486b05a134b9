// RUN: %unit/fmath_test
/* Largest errors that docs/reference/numerics.md states, on a dense grid of all magnitudes; special
 * values.
 */
#include "check.h"
#include "mc/support/fmath.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

static float from_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static uint32_t bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

/* Distance between neighbours of the binade of r. */
static double ulp(double r) {
  int e;
  frexp(r, &e);
  return ldexp(1, (e < -125 ? -125 : e) - 24);
}

typedef struct bound {
  const char *name;
  float (*fn)(float);
  double (*real)(double);
  float lo, hi;
  double ulps, absolute;
} bound;

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static double silu(double x) { return x * sigmoid(x); }

static double gelu(double x) { return 0.5 * x * erfc(-x * M_SQRT1_2); }

static double gelu_tanh(double x) {
  return x * sigmoid(2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}

static float elu(float x) { return mc_fm_elu(x, 1.5f); }

static double real_elu(double x) { return x >= 0 ? x : 1.5 * expm1(x); }

static double hard_swish(double x) { return x * fmin(fmax(x + 3, 0), 6) / 6; }

/* Either bound suffices: ulps of the true value, or an absolute distance (where a formula cancels).
 */
static const bound bounds[] = {
  { "exp", mc_fm_exp, exp, -87.3365f, 88.7228f, 1, 0 },
  { "log", mc_fm_log, log, 1e-45f, 3.4e38f, 0.8, 0 },
  { "tanh", mc_fm_tanh, tanh, -100, 100, 1.55, 0 },
  { "sigmoid", mc_fm_sigmoid, sigmoid, -87, 100, 2.5, 0 },
  { "erf", mc_fm_erf, erf, -10, 10, 1.35, 0 },
  { "silu", mc_fm_silu, silu, -87, 100, 2.5, 0 },
  { "gelu", mc_fm_gelu, gelu, -1, 100, 2.5, 0 },
  { "gelu", mc_fm_gelu, gelu, -100, -1, 0, 1e-7 },
  { "gelu_short", mc_fm_gelu_short, gelu, -1, 100, 15600, 0 },
  { "gelu_short", mc_fm_gelu_short, gelu, -100, -1, 0, 9.5e-5 },
  { "gelu_tanh", mc_fm_gelu_tanh, gelu_tanh, -1, 100, 3.5, 0 },
  { "gelu_tanh", mc_fm_gelu_tanh, gelu_tanh, -10, -1, 0, 1e-7 },
  { "elu", elu, real_elu, -100, 100, 0, 2.4e-7 },
  { "hard_swish", mc_fm_hard_swish, hard_swish, -100, 100, 2.5, 1e-6 },
};

static void measure(const bound *b, float x, double *worst, float *at) {
  if (!(x >= b->lo && x <= b->hi)) return;
  double want = b->real((double)x), err = fabs((double)b->fn(x) - want),
         over = err / (b->ulps > 0 ? b->ulps * ulp(want) : b->absolute);
  if (b->ulps > 0 && b->absolute > 0 && err <= b->absolute) over = 0;
  if (over > *worst || isnan(over)) *worst = over, *at = x;
}

static void check_bounds(void) {
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    double worst = 0;
    float at = 0;
    for (uint32_t u = 0; u <= 0x7f800000u; u += 10007) {
      measure(&bounds[i], from_bits(u), &worst, &at);
      measure(&bounds[i], from_bits(u | 0x80000000u), &worst, &at);
    }
    for (int k = -200000; k <= 200000; k++) measure(&bounds[i], (float)k * 5.01e-4f, &worst, &at);
    if (!(worst <= 1))
      fprintf(stderr, "%s: %.3f times the stated error at %a (%g)\n", bounds[i].name, worst,
              (double)at, (double)at);
    CHECK(worst <= 1);
  }
}

static void check_pow(void) {
  double worst = 0;
  for (float x = 0.01f; x < 100; x *= 1.137f)
    for (float y = -18; y < 18; y += 0.173f) {
      double want = pow((double)x, (double)y);
      if (want < 1.2e-38 || want > 3.3e38) continue;
      double err = fabs((double)mc_fm_pow(x, y) - want) /
                   (ulp(want) * (1 + fabs((double)y * log((double)x))));
      if (err > worst) worst = err;
    }
  CHECK(worst <= 1.8);
  CHECK(mc_fm_pow(-2, 3) < -7.999f && mc_fm_pow(-2, 2) > 3.999f && isnan(mc_fm_pow(-2, 0.5f)));
  CHECK(mc_fm_pow(0, 2) == 0 && mc_fm_pow(0, -1) == INFINITY && mc_fm_pow(-0.0f, -1) == -INFINITY &&
        bits(mc_fm_pow(-0.0f, 1.5f)) == 0);
  CHECK(mc_fm_pow(NAN, 0) == 1 && mc_fm_pow(1, NAN) == 1 && isnan(mc_fm_pow(2, NAN)) &&
        mc_fm_pow(INFINITY, -1) == 0 && mc_fm_pow(3, 0) == 1);
  CHECK(mc_fm_pow(-1, 16777217.0f) == 1 && mc_fm_pow(-1, 16777215.0f) == -1);
}

static void check_specials(void) {
  CHECK(mc_fm_exp(0) == 1 && mc_fm_exp(INFINITY) == INFINITY && mc_fm_exp(-INFINITY) == 0 &&
        isnan(mc_fm_exp(NAN)) && isnan(mc_fm_exp(from_bits(0x7f812345))));
  CHECK(mc_fm_exp(89) == INFINITY && mc_fm_exp(-88) == 0 && mc_fm_exp(88.72283f) < INFINITY);
  CHECK(mc_fm_log(0) == -INFINITY && mc_fm_log(-0.0f) == -INFINITY && isnan(mc_fm_log(-1)) &&
        isnan(mc_fm_log(NAN)) && mc_fm_log(1) == 0 && mc_fm_log(INFINITY) == INFINITY);
  CHECK(mc_fm_tanh(INFINITY) == 1 && mc_fm_tanh(-INFINITY) == -1 && isnan(mc_fm_tanh(NAN)) &&
        mc_fm_tanh(-0.0f) == 0);
  CHECK(mc_fm_erf(INFINITY) == 1 && mc_fm_erf(-INFINITY) == -1 && isnan(mc_fm_erf(NAN)));
  CHECK(mc_fm_sigmoid(-1000) == 0 && mc_fm_sigmoid(1000) == 1 && mc_fm_sigmoid(0) == 0.5f &&
        isnan(mc_fm_sigmoid(NAN)));
  CHECK(isnan(mc_fm_gelu_short(NAN)) && mc_fm_gelu_short(-9) == 0 && mc_fm_gelu_short(9) == 9 &&
        mc_fm_gelu_short(INFINITY) == INFINITY && mc_fm_gelu_short(4.19039965f) == 4.19039965f);
  CHECK(isnan(mc_fm_gelu(NAN)) && isnan(mc_fm_gelu_tanh(NAN)) && isnan(mc_fm_silu(NAN)) &&
        isnan(mc_fm_elu(NAN, 1)) && isnan(mc_fm_leaky_relu(NAN, 1)));
  CHECK(mc_fm_relu(NAN) == 0 && mc_fm_relu(-1) == 0 && mc_fm_relu(2) == 2 &&
        mc_fm_clamp(NAN, -1, 1) == -1 && mc_fm_clamp(9, -1, 1) == 1);
  CHECK(mc_fm_hard_swish(7.1f) == 7.1f && mc_fm_hard_swish(-3) == 0 &&
        mc_fm_hard_sigmoid(0, 0.2f, 0.5f) == 0.5f && mc_fm_hard_sigmoid(9, 0.2f, 0.5f) == 1);
  CHECK(mc_fm_neg(0) == 0 && signbit(mc_fm_neg(0)) && mc_fm_abs(-3) == 3 &&
        mc_fm_leaky_relu(-2, 0.5f) == -1);
}

static void check_sum16(void) {
  float x[50], lane[16] = { 0 };
  for (int i = 0; i < 50; i++) x[i] = 1.0f / (float)(i * i + 1);
  for (int i = 0; i < 50; i++) lane[i % 16] += x[i];
  for (int h = 8; h; h /= 2)
    for (int l = 0; l < h; l++) lane[l] += lane[l + h];
  CHECK(bits(mc_fm_sum16(x, 50, 1)) == bits(lane[0]));
  CHECK(mc_fm_sum16(x, 0, 1) == 0 && mc_fm_sum16(x, 1, 1) == 1 &&
        mc_fm_sum16(x, 2, 7) == x[0] + x[7]);
}

/* Products of two entries: e^(-d step) to a few ulp and never subnormal; for steep steps what is
 * lost is nothing beside the 1 of d = 0. */
static void check_exp_tables(void) {
  for (double s = 1e-6; s < 200; s *= 1.37) {
    float step = (float)s, coarse[16], fine[16];
    mc_fm_exp_tables(step, coarse, fine);
    CHECK(coarse[0] == 1 && fine[0] == 1);
    for (int d = 0; d < 256; d++) {
      float e = coarse[d / 16] * fine[d % 16];
      double want = exp(-d * (double)step);
      CHECK(e == 0 ? want < 3e-20
                   : e >= 0x1p-126f && fabs(e - want) <= 1e-6 * want * (1 + d * (double)step));
    }
  }
}

int main(void) {
  check_exp_tables();
  check_bounds();
  check_pow();
  check_specials();
  check_sum16();
  return CHECK_DONE();
}
