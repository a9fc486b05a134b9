#include "common/trials.h"
#include <math.h>

static json_t *number(double v) {
  if (isfinite(v)) return json_real(v);
  return isnan(v) ? json_null() : json_string(v > 0 ? "inf" : "-inf");
}

json_t *right_json(int64_t right) {
  return right < 0 ? json_null() : json_integer((json_int_t)right);
}

json_t *trial_json(const mc_trial *x) {
  return json_pack("{s:o, s:o, s:o}", "snr_db", number(x->snr), "cosine", number(x->cosine),
                   "right", right_json(x->right));
}
