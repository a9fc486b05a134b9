// RUN: %unit/fixed_test
/* Rounding between reals and integers: ties, saturation, NaN; the integer multipliers against their
 * definitions in wide arithmetic. */
#include "check.h"
#include "mc/support/fixed.h"

static uint64_t state = 1;

static uint32_t next(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static void check_quant(void) {
  CHECK(mc_fx_quant(0.5f, 0, 0, 255) == 0 && mc_fx_quant(1.5f, 0, 0, 255) == 2 &&
        mc_fx_quant(2.5f, 0, 0, 255) == 2);
  CHECK(mc_fx_quant(-0.5f, 128, 0, 255) == 128 && mc_fx_quant(-1.5f, 128, 0, 255) == 126);
  CHECK(mc_fx_quant(1e30f, 3, 0, 255) == 255 && mc_fx_quant(-INFINITY, 3, 0, 255) == 0 &&
        mc_fx_quant(NAN, 3, 0, 255) == 0 && mc_fx_quant(NAN, 3, -128, 127) == -128);
  CHECK(mc_fx_quantize(0.3f, 0.1f, 10, 0, 255) == 13 && mc_fx_dequantize(13, 0.1f, 10) == 3 * 0.1f);
  for (int z = 0; z < 256; z += 5)
    for (int q = 0; q < 256; q++)
      CHECK(mc_fx_quantize(mc_fx_dequantize(q, 0.0137f, z), 0.0137f, z, 0, 255) == q);
  CHECK(mc_fx_requant_fp32(1000, 0.1f, -3, -128, 127) == 97 &&
        mc_fx_requant_fp32(-100000, 0.1f, -3, -128, 127) == -128);
}

static void check_i32(void) {
  int sat;
  CHECK(mc_fx_bias(1.0f, 0.25f, &sat) == 4 && !sat);
  CHECK(mc_fx_bias(1e10f, 1.0f, &sat) == 2147483520 && sat);
  CHECK(mc_fx_bias(-1e10f, 1.0f, &sat) == INT32_MIN && sat);
  CHECK(mc_fx_bias(NAN, 1.0f, &sat) == INT32_MIN && sat);
  CHECK(mc_fx_bias(-2147483648.0f, 1.0f, &sat) == INT32_MIN && !sat);
}

static void check_multiplier(void) {
  int32_t m, s;
  mc_fx_multiplier(1.0, &m, &s);
  CHECK(m == 1 << 30 && s == 30);
  mc_fx_multiplier(0.5, &m, &s);
  CHECK(m == 1 << 30 && s == 31);
  mc_fx_multiplier(1.0 - 0x1p-40, &m, &s); /* the carry: rounds up to 2^31 */
  CHECK(m == 1 << 30 && s == 30);
  mc_fx_multiplier(0x1p-40, &m, &s);
  CHECK(m == 0 && mc_fx_requant_single(INT32_MAX, m, s, 5, 0, 255) == 5 &&
        mc_fx_requant_double(INT32_MAX, m, s, 5, 0, 255) == 5);
  mc_fx_multiplier(0x1p40, &m, &s);
  CHECK(s == 2 && mc_fx_requant_single(1, m, s, 0, 0, 255) == 255 &&
        mc_fx_requant_double(-1, m, s, 7, 0, 255) == 0);
  for (int i = 0; i < 10000; i++) {
    double scale = ldexp(1 + next() / 4294967296.0, (int)(next() % 58) - 31);
    mc_fx_multiplier(scale, &m, &s);
    CHECK(m >= 1 << 30 && s >= 2 && s <= 62 && fabs(ldexp(m, -s) / scale - 1) <= 0x1p-31);
  }
}

static void check_single(void) {
  for (int i = 0; i < 10000; i++) {
    int32_t acc = (int32_t)next() >> next() % 24, m = (int32_t)(next() >> 2 | 1u << 30),
            s = 2 + (int)(next() % 61);
    long double real = ldexpl((long double)acc * m, -s),
                whole = floorl(real + 0.5L) + 11; /* exact: 64 bits suffice */
    int want = (int)fminl(fmaxl(whole, -128), 127);
    CHECK(mc_fx_requant_single(acc, m, s, 11, -128, 127) == want);
  }
  CHECK(mc_fx_requant_single(1, 1 << 30, 31, 0, -128, 127) == 1 &&
        mc_fx_requant_single(-1, 1 << 30, 31, 0, -128, 127) == 0); /* +-0.5: ties go up */
}

static void check_double(void) {
  /* 0.5: the high multiply rounds 1 * 2^30 / 2^31 up to 1; -0.5 goes to 0 (its nudge is one less);
   * 2^-2 of 2 is 0.5 after an exact product, away from zero */
  CHECK(mc_fx_requant_double(1, 1 << 30, 31, 0, -128, 127) == 1 &&
        mc_fx_requant_double(-1, 1 << 30, 31, 0, -128, 127) == 0);
  CHECK(mc_fx_requant_double(2, 1 << 30, 32, 0, -128, 127) == 1 &&
        mc_fx_requant_double(-2, 1 << 30, 32, 0, -128, 127) == -1);
  CHECK(mc_fx_requant_double(6, 1 << 30, 33, 0, -128, 127) == 1 &&
        mc_fx_requant_double(-6, 1 << 30, 33, 0, -128, 127) == -1);
  CHECK(mc_fx_requant_double(10, 1 << 30, 33, 0, -128, 127) == 1 &&
        mc_fx_requant_double(12, 1 << 30, 33, 0, -128, 127) == 2);
  CHECK(mc_fx_requant_double(5, 1 << 30, 28, 0, -128, 127) == 20 &&
        mc_fx_requant_double(INT32_MAX, 1 << 30, 20, 0, -128, 127) == 127);
  CHECK(mc_fx_requant_double(INT32_MIN, 1 << 30, 62, 0, -128, 127) == -1 ||
        mc_fx_requant_double(INT32_MIN, 1 << 30, 62, 0, -128, 127) == 0);
  for (int i = 0; i < 10000; i++) { /* never further than 1 from the single rounding */
    int32_t acc = (int32_t)next() >> 12, m = (int32_t)(next() >> 2 | 1u << 30),
            s = 31 + (int)(next() % 20);
    int d = mc_fx_requant_double(acc, m, s, 0, -30000, 30000) -
            mc_fx_requant_single(acc, m, s, 0, -30000, 30000);
    CHECK(d >= -1 && d <= 1);
  }
}

int main(void) {
  check_quant();
  check_i32();
  check_multiplier();
  check_single();
  check_double();
  return CHECK_DONE();
}
