/* Integer multipliers: TOSA's single rounding and gemmlowp's double rounding
 * (docs/reference/numerics.md, "Requantize"). */
#include "mc/support/fixed.h"

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

void mc_fx_multiplier(double scale, int32_t *mult, int32_t *shift) {
  int e = 0;
  int64_t m = (int64_t)round(frexp(scale, &e) * 2147483648.0);
  if (m == INT64_C(1) << 31) {
    m /= 2;
    e++;
  }
  if (e < -31) {
    m = 0;
    e = 0;
  } /* every product rounds to 0 */
  if (e > 29) {
    m = INT32_MAX;
    e = 29;
  } /* beyond what a shift of 2 can say: every non-zero product saturates */
  *mult = (int32_t)m;
  *shift = 31 - e;
}

int32_t mc_fx_requant_single(int32_t acc, int32_t mult, int32_t shift, int32_t z, int32_t qmin,
                             int32_t qmax) {
  int64_t v = ((int64_t)acc * mult + (INT64_C(1) << (shift - 1))) >>
              shift; /* |product| <= 2^62, the addend <= 2^61 */
  return (int32_t)clamp64(v + z, qmin, qmax);
}

/* round(a * b / 2^31) to nearest, saturated: only -2^31 * -2^31 overflows. */
static int32_t high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  int64_t p = (int64_t)a * b;
  int64_t nudge = p >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30);
  return (int32_t)((p + nudge) / (INT64_C(1) << 31));
}

/* x / 2^n to nearest, ties away from zero. */
static int32_t shift_right_round(int32_t x, int n) {
  int64_t mask = (INT64_C(1) << n) - 1, rest = x & mask, half = (mask >> 1) + (x < 0);
  return (int32_t)(((int64_t)x >> n) + (rest > half));
}

int32_t mc_fx_requant_double(int32_t acc, int32_t mult, int32_t shift, int32_t z, int32_t qmin,
                             int32_t qmax) {
  int e = 31 - shift;
  int left = e > 0 ? e : 0, right = e > 0 ? 0 : -e;
  int32_t a = (int32_t)clamp64((int64_t)acc * (INT64_C(1) << left), INT32_MIN, INT32_MAX);
  int64_t v = shift_right_round(high_mul(a, mult), right);
  return (int32_t)clamp64(v + z, qmin, qmax);
}

int32_t mc_fx_quantize_i32(float x, float scale, int *saturated) {
  float v = x / scale;
  *saturated = !(v >= -2147483648.0f && v <= 2147483520.0f);
  return mc_fx_clamp_rne(v, -2147483648.0f, 2147483520.0f);
}

int32_t mc_fx_bias(float b, float scale, int *saturated) {
  return mc_fx_quantize_i32(b, scale, saturated);
}
