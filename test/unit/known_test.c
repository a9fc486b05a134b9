// RUN: %unit/known_test
/* Damage from errors: through what was measured, in proportion outside. */
#include "../../lib/compress/known.h"
#include "check.h"
#include <math.h>
#include <stdbool.h>

static bool is(const mc_known *k, double error, double want) {
  return fabs(mc_known_damage(k, error) - want) < 1e-12;
}

int main(void) {
  mc_known k = { 0 };
  CHECK(is(&k, 0.3, 0.3));
  mc_known_add(&k, 0.2, 1);
  CHECK(is(&k, 0.1, 0.5) && is(&k, 0.4, 2) && is(&k, 0, 0));
  mc_known_add(&k, 0.1, 0.2); /* they may come in any order */
  mc_known_add(&k, 0.4, 5);
  CHECK(is(&k, 0.05, 0.1) && is(&k, 0.1, 0.2) && is(&k, 0.15, 0.6) && is(&k, 0.2, 1));
  CHECK(is(&k, 0.3, 3) && is(&k, 0.8, 10));
  mc_known flat = { 0 };
  mc_known_add(&flat, 0, 0.1);
  mc_known_add(&flat, 0, 0.1);
  CHECK(isfinite(mc_known_damage(&flat, 0)) && isfinite(mc_known_damage(&flat, 1)));
  return CHECK_DONE();
}
