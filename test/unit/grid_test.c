// RUN: %unit/grid_test
/* Few steps: scales, whole multiples, and roundings against all roundings that there are. */
#include "../../lib/quant/grid.h"
#include "check.h"
#include "mc/measure/linalg.h"
#include <math.h>

enum { D = 6, O = 2 };

static uint64_t seed = 5;

static double rnd(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 40) * 0x1p-23 - 1;
}

/* Moments whose columns can be told from one another in part. */
static void moments(double *m) {
  enum { N = 40 };

  double x[D * N];
  for (int i = 0; i < D * N; i++) x[i] = rnd() + (i >= N ? 0.7 * x[i - N] : 0);
  mc_la_gemm(false, true, D, D, N, 1.0 / (double)N, x, x, 0, m);
}

static double damage(const double *m, const double *w, const double *q, int row) {
  double sum = 0;
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++)
      sum += (q[row * D + i] - w[row * D + i]) * m[i * D + j] * (q[row * D + j] - w[row * D + j]);
  return sum;
}

/* The least damage of all roundings of a row to one of the three points around each weight. */
static double least(const mcq_grid *g, const double *m, const double *w, int row) {
  double best = INFINITY, q[O * D];
  int all = 1;
  for (int j = 0; j < D; j++) all *= 3;
  for (int k = 0; k < all; k++) {
    for (int j = 0, r = k; j < D; j++, r /= 3)
      q[row * D + j] =
          mcq_grid_round(g, row, j, w[row * D + j] + (r % 3 - 1) * mcq_grid_step(g, row, j));
    best = fmin(best, damage(m, w, q, row));
  }
  return best;
}

static void roundings(void) {
  mc_arena *a = mc_arena_create();
  double better = 0, worse = 0;
  for (int t = 0; t < 20; t++) {
    double m[D * D], w[O * D], weight[D], near[O * D], q[O * D];
    moments(m);
    for (int i = 0; i < O * D; i++) w[i] = rnd();
    for (int j = 0; j < D; j++) weight[j] = m[j * D + j];
    mcq_grid g = mcq_grid_of(O, D, 1, 3, 0, false, a);
    mcq_grid_fit(&g, w, weight);
    mcq_grid_nearest(&g, w, near);
    for (int i = 0; i < O * D; i++) q[i] = near[i];
    mcq_grid_descend(&g, 0, O, m, w, 20, q);
    for (int r = 0; r < O; r++) CHECK(damage(m, w, q, r) <= damage(m, w, near, r) * (1 + 1e-3));
    CHECK(mcq_grid_gptq(&g, 0, O, m, w, q));
    mcq_grid_descend(&g, 0, O, m, w, 20, q);
    for (int r = 0; r < O; r++) {
      better += damage(m, w, q, r) / least(&g, m, w, r);
      worse += damage(m, w, near, r) / least(&g, m, w, r);
      for (int j = 0; j < D; j++)
        CHECK(q[r * D + j] == mcq_grid_round(&g, r, j, q[r * D + j])); /* on the grid */
    }
  }
  CHECK(better / (20 * O) < 1.5);
  CHECK(worse > 1.5 * better);
  mc_arena_destroy(a);
}

static void steps(void) {
  mc_arena *a = mc_arena_create();
  double w[2 * 4] = { 0.7, -0.35, 0.1, 0, 7, 1, -2, 3 };
  mcq_grid g = mcq_grid_of(2, 4, 1, 4, 0, false, a);
  CHECK(g.lo == -8 && g.hi == 7 && g.nblock == 1);
  mcq_grid_fit(&g, w, NULL);
  CHECK(fabs(mcq_grid_step(&g, 0, 0) - 0.1) < 1e-12 && mcq_grid_step(&g, 1, 3) == 1);
  CHECK(fabs(mcq_grid_round(&g, 0, 0, 9) - 0.7) < 1e-12); /* the ends hold */
  CHECK(fabs(mcq_grid_round(&g, 0, 0, -9) + 0.8) < 1e-12);
  g = mcq_grid_of(2, 4, 1, 4, 0, true, a);
  mcq_grid_fit(&g, w, NULL);
  CHECK(mcq_grid_step(&g, 0, 0) == 1 && mcq_grid_step(&g, 1, 0) == 1);
  g = mcq_grid_of(2, 4, 1, 8, 0, false, a);
  CHECK(g.lo == -127 && g.hi == 127);
  mc_arena_destroy(a);
}

/* Blocks have whole multiples, 1 to 15, of their row's scale, or of the tensor's. */
static void blocks(bool one) {
  mc_arena *a = mc_arena_create();
  double w[4 * 8];
  for (int i = 0; i < 4 * 8; i++) w[i] = rnd() * (i % 8 < 4 ? 1 : 0.2) * (1 + i / 8);
  mcq_grid g = mcq_grid_of(4, 8, 1, 4, 4, one, a);
  CHECK(g.nblock == 2);
  mcq_grid_fit(&g, w, NULL);
  for (int r = 0; r < 4; r++) {
    double least = INFINITY;
    for (int i = 0; i < (one ? 8 : 2); i++) least = fmin(least, g.step[one ? i : 2 * r + i]);
    bool found = false;
    for (int k = 1; k <= mcq_grid_most(&g); k++) { /* least = k scales */
      bool all = true;
      for (int i = 0; i < 2; i++) {
        double n = g.step[2 * r + i] / least * k;
        all &= fabs(n - rint(n)) < 1e-9 && n < mcq_grid_most(&g) + 0.5;
      }
      found |= all;
    }
    CHECK(found);
  }
  mc_arena_destroy(a);
}

static void rows_of_zeros(void) {
  mc_arena *a = mc_arena_create();
  double w[8] = { 0 }, q[8], m[16] = { 0 };
  for (int block = 0; block < 4; block += 2) {
    mcq_grid g = mcq_grid_of(2, 4, 1, 4, block, false, a);
    mcq_grid_fit(&g, w, m);
    mcq_grid_nearest(&g, w, q);
    for (int i = 0; i < 8; i++) CHECK(q[i] == 0);
    CHECK(g.step[0] > 0 && isfinite(g.step[0]));
    CHECK(!mcq_grid_gptq(&g, 0, 2, m, w, q)); /* nothing varies */
    mcq_grid_descend(&g, 0, 2, m, w, 20, q);
    for (int i = 0; i < 8; i++) CHECK(q[i] == 0);
  }
  mc_arena_destroy(a);
}

int main(void) {
  steps();
  roundings();
  blocks(false);
  blocks(true);
  rows_of_zeros();
  return CHECK_DONE();
}
