/* A fit where most elements must stay 0: min tr((W - W0) G (W - W0)^T) ... over the elements of a
 * mask, by conjugate gradients with the diagonal as preconditioner, each row of W a system of its
 * own. */
#include "refit.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

enum {
  STEPS = 100,
  WIDE_STEPS = 20,
  LEAST_STEPS = 10
}; /* the second: of more than MC_WIDE columns */

static const double most_work = 2e10; /* multiplications, from which on steps are fewer */

typedef struct system {
  int64_t o, d;
  const bool *mask;
  const double *a, *diag;     /* [d, d] G + ridge, and its diagonal */
  double *w, *r, *p, *q, *rz; /* [o, d]; rz [o]: r . z of each row */
  float *af, *pf, *qf;        /* of large layers a, p and q in fp32, for the product; else NULL */
} masked;

/* sum over the row of x y / diag (diag NULL: 1) */
static double dot(const masked *s, int64_t row, const double *x, const double *y,
                  const double *diag) {
  double sum = 0;
  for (int64_t j = 0; j < s->d; j++)
    sum += x[row * s->d + j] * y[row * s->d + j] / (diag ? diag[j] : 1);
  return sum;
}

static void project(const masked *s, double *x) {
  for (int64_t i = 0; i < s->o * s->d; i++)
    if (!s->mask[i]) x[i] = 0;
}

/* q = p a */
static void multiply(masked *s) {
  int64_t n = s->o * s->d;
  if (!s->af) {
    mc_la_gemm(false, false, s->o, s->d, s->d, 1, s->p, s->a, 0, s->q);
    return;
  }
  for (int64_t i = 0; i < n; i++) s->pf[i] = (float)s->p[i], s->qf[i] = 0;
  mc_la_apply_f32(s->o, s->d, s->d, s->pf, s->af, s->qf, s->d); /* a is symmetric */
  for (int64_t i = 0; i < n; i++) s->q[i] = (double)s->qf[i];
}

/* One step of every row. False: all rows have settled. */
static bool step(masked *s, const double *first) {
  bool any = false;
  multiply(s);
  project(s, s->q);
  for (int64_t i = 0; i < s->o; i++) {
    double pq = dot(s, i, s->p, s->q, NULL), old = s->rz[i];
    if (!(pq > 0) || !(old > 1e-12 * first[i])) continue;
    any = true;
    for (int64_t j = i * s->d; j < (i + 1) * s->d; j++) {
      s->w[j] += old / pq * s->p[j];
      s->r[j] -= old / pq * s->q[j];
    }
    s->rz[i] = dot(s, i, s->r, s->r, s->diag);
    for (int64_t j = 0; j < s->d; j++)
      s->p[i * s->d + j] = s->r[i * s->d + j] / s->diag[j] + s->rz[i] / old * s->p[i * s->d + j];
  }
  return any;
}

static int steps_of(const masked *s) {
  int steps = s->d > MC_WIDE ? WIDE_STEPS : STEPS;
  double most = most_work / ((double)s->o * (double)s->d * (double)s->d);
  if (most >= steps) return steps;
  return most < (double)LEAST_STEPS ? LEAST_STEPS : (int)most;
}

static void in_fp32(masked *s, mc_arena *a) {
  int64_t n = s->o * s->d, dd = s->d * s->d;
  s->af = MC_NEWN(a, float, dd);
  s->pf = MC_NEWN(a, float, n), s->qf = MC_NEWN(a, float, n);
  for (int64_t i = 0; i < dd; i++) s->af[i] = (float)s->a[i];
}

static void solve(masked *s, mc_arena *a) {
  double *first = MC_NEWN(a, double, s->o);
  for (int64_t i = 0; i < s->o; i++) {
    first[i] = s->rz[i] = dot(s, i, s->r, s->r, s->diag);
    for (int64_t j = 0; j < s->d; j++) s->p[i * s->d + j] = s->r[i * s->d + j] / s->diag[j];
  }
  for (int k = 0; k < steps_of(s) && step(s, first); k++) continue;
}

/* G + lambda tr(G) / d I, in place of G; its diagonal. */
static double *ridge(mc_centred *c, double lambda, mc_arena *a) {
  double mean = 0, *diag = MC_NEWN(a, double, c->d);
  for (int64_t j = 0; j < c->d; j++) mean += c->g[j * c->d + j] / (double)c->d;
  for (int64_t j = 0; j < c->d; j++) diag[j] = c->g[j * c->d + j] += lambda * mean + 1e-12;
  return diag;
}

static void fit_matrix(mc_centred *c, const bool *mask, double lambda, const float *w0, float *w,
                       float *bias, mc_arena *a) {
  int64_t n = c->o * c->d;
  masked s = { .o = c->o, .d = c->d, .mask = mask, .a = c->g };
  s.w = MC_NEWN(a, double, n), s.r = mc_arena_copy(a, c->c, sizeof *s.r * (size_t)n);
  s.p = MC_NEWN(a, double, n), s.q = MC_NEWN(a, double, n), s.rz = MC_NEWN(a, double, c->o);
  for (int64_t i = 0; i < n; i++) s.w[i] = mask[i] ? (double)w0[i] : 0;
  mc_la_gemm(false, false, c->o, c->d, c->d, -1, s.w, c->g, 1,
             s.r); /* C - W G: the ridge pulls to W0 */
  s.diag = ridge(c, lambda, a);
  if (mc_large_layer(c->o, c->d)) in_fp32(&s, a);
  project(&s, s.r);
  solve(&s, a);
  double *b = MC_NEWN(a, double, c->o);
  mc_fit_bias(c, s.w, b);
  for (int64_t i = 0; i < c->o; i++) bias[i] = (float)b[i];
  for (int64_t i = 0; i < n; i++) w[i] = (float)s.w[i];
}

void mc_refit_masked(const mc_product *p, const mc_moments *m, unsigned folds, const bool *mask,
                     double lambda, const float *w0, float *w, float *bias) {
  for (int64_t g = 0; g < p->groups; g++) {
    mc_arena *a = mc_arena_create();
    mc_centred c = mc_moments_centred(m, folds, g, a);
    int64_t at = g * p->o * p->d;
    fit_matrix(&c, mask + at, lambda, w0 + at, w + at, bias + g * p->o, a);
    mc_arena_destroy(a);
  }
}
