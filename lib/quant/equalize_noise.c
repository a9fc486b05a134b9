/* equalize: the noise of rounding as a function of the factors, and its minimum.
 *
 * A product y = W x reads x with channel c times d_c. Rounding x to steps s, and W to 8 bits for
 * each output channel, adds to y
 *
 *   s^2 / 12 * F + F * mean_c(var_c d_c^2) / 127^2        F = sum_c |W_c|^2 / d_c^2
 *
 * where s = (max_c d_c hi_c - min_c d_c lo_c) / 255. (The largest weight of a row is taken as
 * sqrt(12) times their root mean square.) s^2 / 12 is summed over all values whose rounding reaches
 * x: its own, and those before sums and pools. The sum over all products, each relative to the
 * variance of its results, is convex in log d when the largest is a p-norm: steps along log(falling
 * part / rising part) of each class find the minimum. */
#include "equalize.h"
#include <math.h>
#include <string.h>

enum { ROUNDS = 400 };

static const double most_log = 5; /* factors between e^-5 and e^5 */
static const double step = 0.1, most_step = 0.3;
/* A channel whose range is below this share of the largest may have been asleep in the samples. */
static const double least_share = 1.0 / 64;

typedef struct noise {
  equalize *e;
  double *lo, *hi;        /* by slot: magnitudes of the bounds, at factor 1 */
  double *scale, *weight; /* by value: its step; what a unit of its squared step costs */
  double *fall, *rise;    /* by slot, at roots */
  double *d2;             /* by slot: squared factor */
} noise;

/* ---- bounds ---- */

static void bounds(noise *z, const eq_value *v) {
  double most = 0;
  equalize *e = z->e;
  for (int64_t i = v->base; i < v->base + v->channels; i++) {
    z->lo[i] = fmax(0, -(double)e->lo[i]), z->hi[i] = fmax(0, (double)e->hi[i]);
    if (e->turned[mcq_eq_root(e, i)]) {
      double t = z->lo[i];
      z->lo[i] = z->hi[i], z->hi[i] = t;
    }
    most = fmax(most, fmax(z->lo[i], z->hi[i]));
  }
  for (int64_t i = v->base; i < v->base + v->channels; i++) {
    double least = most * least_share, own = fmax(z->lo[i], z->hi[i]);
    if (own >= least) continue;
    if (own > 0)
      z->lo[i] *= least / own, z->hi[i] *= least / own;
    else
      z->hi[i] = least;
  }
}

/* Classes that may change sign get the one with which longer tails are on the upper side. */
static void turn(equalize *e) {
  double *skew = MC_NEWN(e->cx->scratch, double, e->slots + 1);
  for (int i = 0; i < e->nvalue; i++) {
    const eq_value *v = &e->value[i];
    for (int64_t k = v->base; v->rows && v->stored && k < v->base + v->channels; k++)
      skew[mcq_eq_root(e, k)] += (double)e->hi[k] > -(double)e->lo[k] ? 1 : -1;
  }
  for (int64_t i = 0; i < e->slots; i++)
    e->turned[i] = e->parent[i] == i && !e->flag[i] && skew[i] < 0;
}

/* ---- the noise ---- */

static double power(double x) { /* x^16 */
  x *= x, x *= x, x *= x;
  return x * x;
}

static double root(double x) { return sqrt(sqrt(sqrt(sqrt(x)))); }

/* max (smooth: p-norm) of b_c d_c. */
static double largest(const noise *z, const eq_value *v, const double *b, bool smooth) {
  double most = 0, sum = 0;
  for (int64_t i = v->base; i < v->base + v->channels; i++)
    most = fmax(most, b[i] * sqrt(z->d2[i]));
  if (!smooth || !(most > 0)) return most;
  for (int64_t i = v->base; i < v->base + v->channels; i++)
    sum += power(b[i] * sqrt(z->d2[i]) / most);
  return most * root(sum);
}

static void set_scales(noise *z, bool smooth) {
  equalize *e = z->e;
  for (int64_t i = 0; i < e->slots; i++) z->d2[i] = exp(2 * e->log[mcq_eq_root(e, i)]);
  for (int k = 0; k < e->nvalue; k++) {
    const eq_value *v = &e->value[k];
    if (v->stored && v->rows)
      z->scale[k] = (largest(z, v, z->lo, smooth) + largest(z, v, z->hi, smooth)) / 255;
  }
}

/* F and the mean of the variances of channels [from, from + n) of what r reads. */
static void sums(const noise *z, const eq_reader *r, int64_t from, int64_t n, double *f,
                 double *mean) {
  int64_t base = z->e->value[r->value].base;
  *f = *mean = 0;
  for (int64_t c = from; c < from + n; c++) {
    *f += r->w2[c] / z->d2[base + c];
    *mean += z->e->var[base + c] * z->d2[base + c] / (double)n;
  }
}

static double steps(const noise *z, const eq_reader *r) {
  double s = 0;
  for (int i = 0; i < r->nsource; i++)
    s += r->share[i] * z->scale[r->source[i]] * z->scale[r->source[i]] / 12;
  return s;
}

static const double of_weights = 1.0 / (127 * 127);

/* Relative to the variance of the results. */
static double noise_of(const noise *z, const eq_reader *r) {
  double s = steps(z, r), f, mean, all = 0;
  for (int64_t g = 0; g < r->p->groups; g++) {
    sums(z, r, g * r->p->ci, r->p->ci, &f, &mean);
    all += f * (s + of_weights * mean);
  }
  return all / r->energy;
}

static void add_reader(noise *z, const eq_reader *r) {
  equalize *e = z->e;
  double s = steps(z, r), f, mean, total = 0;
  int64_t base = e->value[r->value].base, n = r->p->ci;
  for (int64_t g = 0; g < r->p->groups; g++) {
    sums(z, r, g * n, n, &f, &mean);
    total += f;
    for (int64_t i = base + g * n; i < base + (g + 1) * n; i++) {
      int64_t c = mcq_eq_root(e, i);
      z->fall[c] += r->w2[i - base] / z->d2[i] * (s + of_weights * mean) / r->energy;
      z->rise[c] += of_weights * f * e->var[i] * z->d2[i] / (double)n / r->energy;
    }
  }
  for (int i = 0; i < r->nsource; i++)
    z->weight[r->source[i]] += r->share[i] * total / (12 * r->energy);
}

/* What the value's step owes to each class. */
static void add_value(noise *z, int k) {
  equalize *e = z->e;
  const eq_value *v = &e->value[k];
  if (!v->stored || !v->rows || !(z->scale[k] > 0)) return;
  double cost = z->weight[k] * z->scale[k], *side[] = { z->lo, z->hi };
  for (int j = 0; j < 2; j++) {
    double most = largest(z, v, side[j], true);
    for (int64_t i = v->base; most > 0 && i < v->base + v->channels; i++)
      z->rise[mcq_eq_root(e, i)] += cost * most / 255 * power(side[j][i] * sqrt(z->d2[i]) / most);
  }
}

static void improve(noise *z) {
  equalize *e = z->e;
  size_t bytes = sizeof(double) * (size_t)e->slots;
  memset(z->fall, 0, bytes);
  memset(z->rise, 0, bytes);
  memset(z->weight, 0, sizeof(double) * (size_t)e->nvalue);
  set_scales(z, true);
  for (size_t i = 0; i < e->reader.n; i++) add_reader(z, &e->reader.v[i]);
  for (int k = 0; k < e->nvalue; k++) add_value(z, k);
  for (int64_t i = 0; i < e->slots; i++) {
    if (e->parent[i] != i || (e->flag[i] & EQ_FIXED)) continue;
    if (!(z->fall[i] > 0) || !(z->rise[i] > 0)) continue;
    double by = fmax(-most_step, fmin(most_step, step * log(z->fall[i] / z->rise[i])));
    e->log[i] = fmax(-most_log, fmin(most_log, e->log[i] + by));
  }
}

static double total(noise *z, double *each) {
  double sum = 0;
  set_scales(z, false);
  for (size_t i = 0; i < z->e->reader.n; i++) sum += each[i] = noise_of(z, &z->e->reader.v[i]);
  return sum;
}

static void none(equalize *e) {
  memset(e->log, 0, sizeof *e->log * (size_t)e->slots);
  memset(e->turned, 0, sizeof *e->turned * (size_t)e->slots);
}

static void all_bounds(noise *z) {
  for (int k = 0; k < z->e->nvalue; k++)
    if (z->e->value[k].rows) bounds(z, &z->e->value[k]);
}

void mcq_eq_choose(equalize *e, double *before, double *after) {
  mc_arena *a = e->cx->scratch;
  int64_t n = e->slots + 1, nv = e->nvalue + 1;
  noise z = { .e = e,
              .lo = MC_NEWN(a, double, n),
              .hi = MC_NEWN(a, double, n),
              .scale = MC_NEWN(a, double, nv),
              .weight = MC_NEWN(a, double, nv),
              .fall = MC_NEWN(a, double, n),
              .rise = MC_NEWN(a, double, n),
              .d2 = MC_NEWN(a, double, n) };
  none(e);
  all_bounds(&z);
  double first = total(&z, before);
  turn(e);
  all_bounds(&z);
  for (int i = 0; i < ROUNDS; i++) improve(&z);
  if (total(&z, after) < first) return;
  none(e);
  memcpy(after, before, sizeof *after * e->reader.n);
}
