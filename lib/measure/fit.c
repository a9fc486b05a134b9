/* Ridge regression from moments, its error, and its strength by cross-validation. */
#include "mc/measure/linalg.h"
#include "mc/measure/moments.h"
#include <math.h>
#include <string.h>

static double mean_diagonal(const mc_centred *m) {
  return m->d ? mc_la_trace(m->d, m->g) / (double)m->d : 0;
}

/* r [o, d] = c - w0 g */
static double *residual(const mc_centred *m, const double *w0, mc_arena *a) {
  double *r = mc_arena_copy(a, m->c, sizeof *r * (size_t)(m->o * m->d));
  mc_la_gemm(false, false, m->o, m->d, m->d, -1, w0, m->g, 1, r);
  return r;
}

/* out [c, r] = x [r, c] transposed */
static void transpose(int64_t r, int64_t c, const double *x, double *out) {
  for (int64_t i = 0; i < r; i++)
    for (int64_t j = 0; j < c; j++) out[j * r + i] = x[i * c + j];
}

static double *doubles(const float *x, int64_t n, mc_arena *a) {
  double *y = MC_NEWN(a, double, n);
  for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
  return y;
}

/* w [o, d] = w0 + r (g + lambda tr(g) / d)^-1. False: singular. Where nothing varies, w0 stays. */
static bool solve(const mc_centred *m, const double *w0, const double *r, double lambda, double *w,
                  mc_arena *a) {
  int64_t o = m->o, d = m->d;
  double mean = mean_diagonal(m);
  memcpy(w, w0, sizeof *w * (size_t)(o * d));
  if (!(mean > 0)) return mean == 0;
  double *l = mc_arena_copy(a, m->g, sizeof *l * (size_t)(d * d)), *x = MC_NEWN(a, double, o *d);
  transpose(o, d, r, x);
  if (!mc_la_cholesky(d, l, lambda * mean)) return false;
  mc_la_cholesky_solve(d, l, o, x);
  for (int64_t i = 0; i < o; i++)
    for (int64_t j = 0; j < d; j++) w[i * d + j] += x[j * o + i];
  for (int64_t i = 0; i < o * d; i++)
    if (!isfinite((float)w[i])) return false;
  return true;
}

void mc_fit_bias(const mc_centred *m, const double *w, double *bias) {
  for (int64_t i = 0; i < m->o; i++) {
    bias[i] = m->my[i];
    for (int64_t j = 0; j < m->d; j++) bias[i] -= w[i * m->d + j] * m->mx[j];
  }
}

bool mc_fit(const mc_centred *m, const float *w0, double lambda, float *w, float *bias) {
  mc_arena *a = mc_arena_create();
  double *start = doubles(w0, m->o * m->d, a), *b = MC_NEWN(a, double, m->o);
  double *out = MC_NEWN(a, double, m->o * m->d);
  bool ok = m->n > 0 && solve(m, start, residual(m, start, a), lambda, out, a);
  if (ok) {
    mc_fit_bias(m, out, b);
    for (int64_t i = 0; i < m->o * m->d; i++) w[i] = (float)out[i];
    for (int64_t i = 0; i < m->o; i++) bias[i] = (float)b[i];
  }
  mc_arena_destroy(a);
  return ok;
}

static void without_columns(const mc_centred *m, float *w, float *bias) {
  memset(w, 0, sizeof *w * (size_t)(m->o * m->d));
  for (int64_t r = 0; r < m->o; r++) bias[r] = (float)m->my[r];
}

bool mc_fit_kept(const mc_centred *m, const bool *keep, const float *w0, double lambda, float *w,
                 float *bias) {
  mc_arena *a = mc_arena_create();
  mc_centred some = mc_centred_sub(m, keep, a);
  float *v0 = MC_NEWN(a, float, m->o *some.d), *v = MC_NEWN(a, float, m->o *some.d);
  int64_t n = 0, at = 0;
  for (int64_t i = 0; i < m->o * m->d; i++)
    if (keep[i % m->d]) v0[n++] = w0[i];
  bool ok = !some.d || mc_fit(&some, v0, lambda, v, bias);
  if (!some.d)
    without_columns(m, w, bias);
  else
    for (int64_t i = 0; ok && i < m->o * m->d; i++) w[i] = keep[i % m->d] ? v[at++] : 0;
  mc_arena_destroy(a);
  return ok;
}

/* E |y - w x - b|^2 = vy - 2 w c^T + w g w^T + (my - w mx - b)^2, summed over the outputs. */
static double error_of(const mc_centred *m, const double *w, const double *b, mc_arena *a) {
  int64_t o = m->o, d = m->d;
  double *wg = MC_NEWN(a, double, o *d), e = 0;
  mc_la_gemm(false, false, o, d, d, 1, w, m->g, 0, wg);
  for (int64_t i = 0; i < o; i++) {
    double one = m->vy[i], off = m->my[i] - b[i];
    for (int64_t j = i * d; j < i * d + d; j++) {
      one += w[j] * (wg[j] - 2 * m->c[j]);
      off -= w[j] * m->mx[j - i * d];
    }
    e += (one > 0 ? one : 0) + off * off;
  }
  return e;
}

double mc_fit_error(const mc_centred *m, const float *w, const float *bias, double *total) {
  mc_arena *a = mc_arena_create();
  double e = error_of(m, doubles(w, m->o * m->d, a), doubles(bias, m->o, a), a), t = 0;
  for (int64_t i = 0; i < m->o; i++) t += m->vy[i];
  if (total) *total = t;
  mc_arena_destroy(a);
  return e;
}

/* ---- cross-validation ---- */

/* Half decades; outputs of large layers that are judged. */
enum { GRID = 13, JUDGED = 64 };

static double grid(int k) { return pow(10, -5 + 0.5 * k); }

/* One way to hold a fold back. */
typedef struct split {
  mc_centred fit, judge;
  double *w0, *r;
} split;

typedef struct judge {
  split s[MC_FOLDS];
  int n;
  mc_arena *a;
  double error[GRID];
  bool known[GRID];
} judge;

/* Outputs that are judged, evenly from all: output k of them is k o / n. */
static int64_t judged(int64_t o, int64_t d) {
  return o <= JUDGED || !mc_large_layer(o, d) ? o : JUDGED;
}

/* z with the outputs that are judged alone, in place. */
static mc_centred some_outputs(mc_centred z) {
  int64_t n = judged(z.o, z.d);
  for (int64_t k = 0; n < z.o && k < n; k++) {
    int64_t i = k * z.o / n;
    memmove(z.c + k * z.d, z.c + i * z.d, sizeof *z.c * (size_t)z.d);
    z.my[k] = z.my[i], z.vy[k] = z.vy[i];
  }
  z.o = n;
  return z;
}

static mc_centred part(const mc_moments *m, unsigned folds, int64_t group, const bool *keep,
                       mc_arena *a) {
  mc_centred z = some_outputs(mc_moments_centred(m, folds, group, a));
  return keep ? mc_centred_sub(&z, keep, a) : z;
}

/* w0's columns that stay, in double. */
static double *start_of(const mc_moments *m, const bool *keep, const float *w0, mc_arena *a) {
  int64_t o = judged(m->o, m->d);
  double *w = MC_NEWN(a, double, o * m->d), *to = w;
  for (int64_t i = 0; i < o * m->d; i++)
    if (!keep || keep[i % m->d]) *to++ = (double)w0[i / m->d * m->o / o * m->d + i % m->d];
  return w;
}

/* solve() in fp32, which is enough to judge a lambda by. */
static bool solve_wide(const mc_centred *m, const double *w0, const double *r, double lambda,
                       double *w, mc_arena *a) {
  int64_t o = m->o, d = m->d;
  double mean = mean_diagonal(m);
  if (!(mean > 0)) return solve(m, w0, r, lambda, w, a);
  float *g = MC_NEWN(a, float, d *d), *x = MC_NEWN(a, float, d *o);
  for (int64_t i = 0; i < d * d; i++) g[i] = (float)m->g[i];
  for (int64_t i = 0; i < o; i++)
    for (int64_t k = 0; k < d; k++) x[k * o + i] = (float)r[i * d + k];
  if (!mc_la_solve_f32(d, g, (float)(lambda * mean), o, x)) return false;
  for (int64_t i = 0; i < o; i++)
    for (int64_t k = 0; k < d; k++) w[i * d + k] = w0[i * d + k] + (double)x[k * o + i];
  return true;
}

static double held_out(judge *j, int k) {
  if (j->known[k]) return j->error[k];
  j->known[k] = true;
  for (int f = 0; f < j->n; f++) {
    split *s = &j->s[f];
    mc_arena *a = mc_arena_create();
    double *w = MC_NEWN(a, double, s->fit.o * s->fit.d + 1), *b = MC_NEWN(a, double, s->fit.o);
    bool wide = s->fit.d > MC_WIDE;
    if ((wide ? solve_wide : solve)(&s->fit, s->w0, s->r, grid(k), w, a)) {
      mc_fit_bias(&s->fit, w, b);
      j->error[k] += error_of(&s->judge, w, b, a) * s->judge.n;
    } else
      j->error[k] = INFINITY;
    mc_arena_destroy(a);
  }
  return j->error[k];
}

/* Decades first, then the half decades beside the best one. Large systems: decades from the
 * strongest on, until the error rises. */
static double best_of_grid(judge *j, bool large) {
  int best = GRID - 1;
  for (int k = GRID - 3; k >= 0; k -= 2) {
    if (held_out(j, k) < held_out(j, best))
      best = k;
    else if (large)
      return grid(best);
  }
  int middle = best;
  for (int k = middle - 1; !large && k <= middle + 1; k += 2)
    if (k >= 0 && k < GRID && held_out(j, k) < held_out(j, best)) best = k;
  return grid(best);
}

double mc_fit_lambda(const mc_moments *m, int64_t group, const bool *keep, const float *w0) {
  double *kept = m->lambda ? &m->lambda[group] : NULL;
  if (kept && *kept > 0) return *kept;
  judge j = { .a = mc_arena_create() };

  for (int f = MC_FOLDS - 1; f >= 0 && (m->d <= MC_WIDE || j.n == 0); f--) {
    double rest = 0;
    for (int k = 0; k < MC_FOLDS; k++) rest += k == f ? 0 : m->fold[k].n;
    if (m->fold[f].n == 0 || rest == 0) continue;
    split *s = &j.s[j.n++];
    s->fit = part(m, (unsigned)MC_ALL_FOLDS & ~(1u << f), group, keep, j.a);
    s->judge = part(m, 1u << f, group, keep, j.a);
    s->w0 = start_of(m, keep, w0, j.a);
    s->r = residual(&s->fit, s->w0, j.a);
  }
  double best = j.n ? best_of_grid(&j, m->d > MC_WIDE) : grid(GRID - 1);
  mc_arena_destroy(j.a);
  if (kept) *kept = best;
  return best;
}
