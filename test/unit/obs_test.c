// RUN: %unit/obs_test
/* Structured OBS against fits from scratch: the cost of a removal is the error that the best
 * weights on the columns that stay leave. */
#include "../../lib/compress/obs.h"
#include "check.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

enum { D = 12, O = 3, UNITS = 4 };

static uint64_t seed = 3;

static double rnd(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 40) * 0x1p-23 - 1;
}

static void moments(double *g, float *w, mc_arena *a) {
  enum { N = 60 };

  double *x = MC_NEWN(a, double, D *N);
  for (int i = 0; i < D * N; i++) x[i] = rnd();
  for (int i = 4; i < D; i++) /* columns that can be told from others in part */
    for (int k = 0; k < N; k++) x[i * N + k] = 0.4 * x[i * N + k] + x[(i - 4) * N + k];
  mc_la_gemm(false, true, D, D, N, 1.0 / (double)N, x, x, 0, g);
  for (int i = 0; i < O * D; i++) w[i] = (float)rnd();
}

/* Error of the best weights on the columns kept: w_gone (G_gg - G_gk G_kk^-1 G_kg) w_gone^T. */
static double error_without(const double *g, const float *w, const bool *gone) {
  int k[D], r[D], nk = 0, nr = 0;
  double a[D * D], b[D * D], sum = 0;
  for (int i = 0; i < D; i++) {
    if (gone[i])
      r[nr++] = i;
    else
      k[nk++] = i;
  }
  for (int i = 0; i < nk; i++) {
    for (int j = 0; j < nk; j++) a[i * nk + j] = g[k[i] * D + k[j]];
    for (int j = 0; j < nr; j++) b[i * nr + j] = g[k[i] * D + r[j]];
  }
  CHECK(mc_la_cholesky(nk, a, 0));
  mc_la_cholesky_solve(nk, a, nr, b);
  for (int o = 0; o < O; o++)
    for (int i = 0; i < nr; i++)
      for (int j = 0; j < nr; j++) {
        double s = g[r[i] * D + r[j]];
        for (int m = 0; m < nk; m++) s -= g[k[m] * D + r[i]] * b[m * nr + j];
        sum += (double)w[o * D + r[i]] * s * (double)w[o * D + r[j]];
      }
  return sum;
}

static double energy(const double *g, const float *w) {
  double e = 0;
  for (int o = 0; o < O; o++)
    for (int i = 0; i < D; i++)
      for (int j = 0; j < D; j++) e += (double)w[o * D + i] * g[i * D + j] * (double)w[o * D + j];
  return e;
}

/* Units of 2, 3, 1, 2 columns in disorder; the other four columns are no candidates. */
static const int64_t first[UNITS + 1] = { 0, 2, 5, 6, 8 }, column[8] = { 3, 0, 7, 5, 9, 2, 11, 4 };

static void mark(bool *gone, int u) {
  for (int64_t k = first[u]; k < first[u + 1]; k++) gone[column[k]] = true;
}

static void costs_are_errors_of_fits(mc_arena *a) {
  double g[D * D], error[UNITS], best = HUGE_VAL;
  float w[O * D];
  int order[UNITS], want = -1;
  bool all[UNITS] = { true, true, true, true }, gone[D] = { false };
  mc_obs_part p;
  moments(g, w, a);
  CHECK(mc_obs_part_of(&p, D, g, O, w, UNITS, first, column, 1e-12, a));
  CHECK(fabs(p.weight * energy(g, w) - 1) < 1e-9);
  for (int u = 0; u < UNITS; u++) {
    bool one[D] = { false };
    mark(one, u);
    double e = error_without(g, w, one);
    if (e < best) best = e, want = u;
  }
  CHECK(mc_obs_eliminate(&p, 1, UNITS, all, UNITS, order, error, a) == UNITS);
  CHECK(order[0] == want);
  for (int k = 0; k < UNITS; k++) {
    mark(gone, order[k]);
    CHECK(fabs(error[k] - p.weight * error_without(g, w, gone)) < 1e-6 * (1 + error[k]));
  }
}

static void parts_add_up(mc_arena *a) {
  double g[2][D * D], error[UNITS];
  float w[2][O * D];
  int order[UNITS];
  bool free_[UNITS] = { true, false, true, true }, gone[D] = { false };
  mc_obs_part p[2];
  for (int i = 0; i < 2; i++) {
    moments(g[i], w[i], a);
    CHECK(mc_obs_part_of(&p[i], D, g[i], O, w[i], UNITS, first, column, 1e-12, a));
  }
  CHECK(mc_obs_eliminate(p, 2, UNITS, free_, UNITS, order, error, a) == 3);
  for (int k = 0; k < 3; k++) {
    CHECK(order[k] != 1);
    mark(gone, order[k]);
  }
  double sum = 0;
  for (int i = 0; i < 2; i++) sum += p[i].weight * error_without(g[i], w[i], gone);
  CHECK(fabs(error[2] - sum) < 1e-6 * (1 + sum));
}

/* What never varies goes first and costs nothing; a matrix of zeros is singular only without a
 * ridge. */
static void dead_columns(mc_arena *a) {
  double g[D * D], error[UNITS];
  float w[O * D];
  int order[UNITS];
  bool all[UNITS] = { true, true, true, true };
  mc_obs_part p;
  moments(g, w, a);
  for (int64_t k = first[1]; k < first[2]; k++)
    for (int j = 0; j < D; j++) g[column[k] * D + j] = g[j * D + column[k]] = 0;
  CHECK(mc_obs_part_of(&p, D, g, O, w, UNITS, first, column, 1e-6, a));
  CHECK(mc_obs_eliminate(&p, 1, UNITS, all, 2, order, error, a) == 2);
  CHECK(order[0] == 1 && error[0] < 1e-4);
  memset(g, 0, sizeof g);
  CHECK(mc_obs_part_of(&p, D, g, O, w, UNITS, first, column, 1e-2, a));
  g[0] = NAN;
  CHECK(!mc_obs_part_of(&p, D, g, O, w, UNITS, first, column, 1e-2, a));
}

/* Large systems lose several units at a time (here two: by the count that is asked for); what is
 * left is the same as one after the other. */
static void several_at_once(mc_arena *a) {
  double g[D * D], error[UNITS], one_error[UNITS];
  float w[O * D];
  int order[UNITS], one_order[UNITS];
  bool some[UNITS] = { true, true, true, false };
  mc_obs_part p, q;
  moments(g, w, a);
  CHECK(mc_obs_part_of(&p, D, g, O, w, UNITS, first, column, 1e-6, a));
  CHECK(mc_obs_part_of(&q, D, g, O, w, UNITS, first, column, 1e-6, a));
  CHECK(mc_obs_eliminate(&p, 1, UNITS, some, 40000000, order, error, a) == 3);
  CHECK(mc_obs_eliminate(&q, 1, UNITS, some, 3, one_order, one_error, a) == 3);
  CHECK(order[0] == one_order[0] && error[0] == one_error[0]);
  for (int64_t i = 0; i < O * p.d; i++) CHECK(fabs(p.w[i] - q.w[i]) < 1e-7 * (1 + fabs(q.w[i])));
  for (int64_t i = 0; i < p.d * p.d; i++) CHECK(fabs(p.h[i] - q.h[i]) < 1e-7 * (1 + fabs(q.h[i])));
}

static double energy_of_diagonal(const double *g, const float *w, int n, int outs) {
  double e = 0;
  for (int r = 0; r < outs; r++)
    for (int i = 0; i < n; i++) e += (double)w[r * n + i] * g[i * n + i] * (double)w[r * n + i];
  return e;
}

/* Many units: several go at once, and their columns leave the system. Where columns have nothing to
 * do with each other, the order is that of w^2 g in any case. */
static void many_at_once(void) {
  enum { N = 700, OUTS = 2 };

  mc_arena *a = mc_arena_create();
  double *g = MC_NEWN(a, double, N *N), *error = MC_NEWN(a, double, N), sum = 0, last = 0;
  float *w = MC_NEWN(a, float, OUTS *N);
  int64_t *from = MC_NEWN(a, int64_t, N + 1), *col = MC_NEWN(a, int64_t, N);
  bool *free_ = MC_NEWN(a, bool, N), *seen = MC_NEWN(a, bool, N);
  int *order = MC_NEWN(a, int, N);
  for (int i = 0; i < N; i++) {
    g[i * N + i] = 1 + (double)(i * 37 % N), from[i] = i, col[i] = i;
    free_[i] = i % 50 != 7;
    for (int r = 0; r < OUTS; r++) w[r * N + i] = (float)rnd();
  }
  from[N] = N;
  mc_obs_part p;
  CHECK(mc_obs_part_of(&p, N, g, OUTS, w, N, from, col, 0, a));
  CHECK(mc_obs_eliminate(&p, 1, N, free_, N, order, error, a) == N - N / 50);
  CHECK(p.d < N); /* the columns that went are no longer there */
  for (int k = 0; k < N - N / 50; k++) {
    int u = order[k];
    double e = 0;
    for (int r = 0; r < OUTS; r++) e += (double)w[r * N + u] * (double)w[r * N + u] * g[u * N + u];
    CHECK(free_[u] && !seen[u] && e >= last * (1 - 1e-9));
    seen[u] = true, last = e, sum += e / energy_of_diagonal(g, w, N, OUTS);
    CHECK(fabs(error[k] - sum) <= 1e-9);
  }
  mc_arena_destroy(a);
}

int main(void) {
  mc_arena *a = mc_arena_create();
  several_at_once(a);
  costs_are_errors_of_fits(a);
  parts_add_up(a);
  dead_columns(a);
  mc_arena_destroy(a);
  many_at_once();
  return CHECK_DONE();
}
