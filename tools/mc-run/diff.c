/* Differences between arrays. */
#include "run.h"
#include <math.h>
#include <string.h>

/* Floats as integers that grow with them: neighbours differ by 1. */
static int64_t place(float x) {
  int32_t i;
  memcpy(&i, &x, sizeof i);
  return i < 0 ? (int64_t)INT32_MIN - i : i;
}

/* Objects do not know scales per axis: then, too, what is stored is compared. */
static bool same_elem(const mc_type *a, const mc_type *b) {
  bool both = a->q.kind == MC_Q_TENSOR && b->q.kind == MC_Q_TENSOR;
  return a->dtype == b->dtype && (!both || (a->q.scale == b->q.scale && a->q.zero == b->q.zero));
}

/* Value to compare: stored integers where both sides store alike (one step is 1), else reals. */
static double value(const mc_array *x, int64_t i, bool stored) {
  if (!stored || mc_dtype_is_float(x->type->dtype)) return mc_array_real(x, i);
  mc_type plain = *x->type;
  plain.q = (mc_quant){ .kind = MC_Q_NONE };
  return mc_array_real(&(mc_array){ &plain, x->data }, i);
}

static double ulps(const mc_array *a, const mc_array *b, int64_t i, int64_t k, double abs) {
  if (a->type->dtype != MC_f32 || b->type->dtype != MC_f32) return abs == 0 ? 0 : HUGE_VAL;
  return fabs((double)(place(((const float *)a->data)[i]) - place(((const float *)b->data)[k])));
}

void diff_add(diff *d, const mc_array *a, const mc_array *b, int64_t from_a, int64_t from_b,
              int64_t n, int64_t sample, tolerance tol) {
  bool stored = same_elem(a->type, b->type);
  for (int64_t i = 0; i < n; i++) {
    double x = value(a, from_a + i, stored), y = value(b, from_b + i, stored);
    double abs = (isnan(x) && isnan(y)) || x == y ? 0 : isnan(x - y) ? HUGE_VAL : fabs(x - y);
    double rel = abs == 0 ? 0 : abs / fabs(y),
           ulp = abs == 0 ? 0 : ulps(a, b, from_a + i, from_b + i, abs);
    d->n++;
    d->differ += abs != 0;
    d->err2 += abs * abs;
    double signal = d->signal_a ? x : y;
    d->ref2 += isfinite(signal) ? signal * signal : 0;
    if (abs != 0 && !(abs <= tol.atol + tol.rtol * fabs(y)) && !(ulp <= (double)tol.ulp))
      d->beyond++;
    if (abs > d->max_abs) d->max_abs = abs, d->at = sample;
    if (rel > d->max_rel) d->max_rel = rel;
    if (ulp > d->max_ulp) d->max_ulp = ulp;
  }
}

static int64_t top(const mc_array *x, int64_t from, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    if (mc_array_real(x, from + i) > mc_array_real(x, from + best)) best = i;
  return best;
}

void diff_add_top(diff *d, const mc_array *a, const mc_array *b, int64_t from_a, int64_t from_b,
                  int64_t n) {
  d->tops++;
  d->top_same += top(a, from_a, n) == top(b, from_b, n);
}

double diff_relative_l2(const diff *d) {
  return d->ref2 > 0 ? sqrt(d->err2 / d->ref2) : d->err2 > 0 ? HUGE_VAL : 0;
}

double diff_snr(const diff *d) {
  double l2 = diff_relative_l2(d);
  return l2 > 0 ? -20 * log10(l2) : HUGE_VAL;
}
