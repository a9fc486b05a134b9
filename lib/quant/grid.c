/* Scales of few steps, and roundings that keep the product's result. */
#include "grid.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double damping_gptq = 1e-2, damping_descend = 1e-4;

enum { FACTORS = 31 };

static double factor(int i) { return 0.4 + 0.75 * i / (FACTORS - 1); }

mcq_grid mcq_grid_of(int64_t rows, int64_t d, int64_t groups, int bits, int64_t block,
                     bool one_scale, mc_arena *a) {
  mcq_grid g = { .rows = rows, .d = d, .groups = groups, .bits = bits, .one_scale = one_scale };
  g.hi = (1 << (bits - 1)) - 1;
  g.lo = bits == 8 ? -g.hi : -g.hi - 1;
  g.block = block <= 0 ? 0 : block < d ? block : one_scale ? d : 0;
  g.nblock = g.block ? (d + g.block - 1) / g.block : 1;
  g.step = MC_NEWN(a, double, rows *g.nblock);
  return g;
}

static double on_grid(const mcq_grid *g, double x, double step) {
  double q = rint(x / step);
  return (q < g->lo ? g->lo : q > g->hi ? g->hi : q) * step;
}

double mcq_grid_round(const mcq_grid *g, int64_t row, int64_t column, double x) {
  if (g->zero && g->zero[row * g->d + column]) return 0;
  return on_grid(g, x, mcq_grid_step(g, row, column));
}

void mcq_grid_nearest(const mcq_grid *g, const double *w, double *q) {
  for (int64_t r = 0; r < g->rows; r++)
    for (int64_t j = 0; j < g->d; j++) q[r * g->d + j] = mcq_grid_round(g, r, j, w[r * g->d + j]);
}

/* ---- steps ---- */

typedef struct span {
  int64_t from, to; /* columns of block b */
} span;

static span columns(const mcq_grid *g, int64_t b) {
  int64_t n = g->block ? g->block : g->d, to = (b + 1) * n;
  return (span){ b * n, to < g->d ? to : g->d };
}

static const double *weights_of(const mcq_grid *g, const double *weight, int64_t row) {
  return weight ? weight + row / (g->rows / g->groups) * g->d : NULL;
}

/* Largest magnitude of a block of a row, over the steps that one side has. */
static double full(const mcq_grid *g, const double *w, int64_t r, int64_t b) {
  span s = columns(g, b);
  double most = 0;
  for (int64_t j = s.from; j < s.to; j++) most = fmax(most, fabs(w[r * g->d + j]));
  return most / g->hi;
}

static double cost(const mcq_grid *g, const double *w, const double *weight, int64_t r, int64_t b,
                   double step) {
  const double *c = weights_of(g, weight, r);
  span s = columns(g, b);
  double sum = 0;
  for (int64_t j = s.from; j < s.to; j++) {
    double x = w[r * g->d + j], e = on_grid(g, x, step) - x;
    sum += e * e * (c ? c[j] : 1);
  }
  return sum;
}

/* Of the factors, the one whose costs over the blocks [r0, r1) x [b0, b1) sum to the least. */
static double best_factor(const mcq_grid *g, const double *w, const double *weight, int64_t r0,
                          int64_t r1, int64_t b0, int64_t b1, const double *step) {
  double least = INFINITY, best = 1;
  for (int i = 0; i < FACTORS && weight; i++) {
    double sum = 0;
    for (int64_t r = r0; r < r1; r++)
      for (int64_t b = b0; b < b1; b++)
        sum += cost(g, w, weight, r, b, factor(i) * step[r * g->nblock + b]);
    if (sum < least) least = sum, best = factor(i);
  }
  return best;
}

/* Without blocks: one step for the row, or for the tensor. */
static void plain_steps(mcq_grid *g, const double *w, const double *weight) {
  double most = 0;
  for (int64_t r = 0; r < g->rows; r++) {
    g->step[r] = full(g, w, r, 0);
    most = fmax(most, g->step[r]);
  }
  for (int64_t r = 0; r < g->rows && g->one_scale; r++) g->step[r] = most;
  for (int64_t r = 0; r < g->rows; r++)
    if (!(g->step[r] > 0)) g->step[r] = 1;
  if (g->one_scale) {
    double f = best_factor(g, w, weight, 0, g->rows, 0, 1, g->step);
    for (int64_t r = 0; r < g->rows; r++) g->step[r] *= f;
    return;
  }
  for (int64_t r = 0; r < g->rows; r++)
    g->step[r] *= best_factor(g, w, weight, r, r + 1, 0, 1, g->step);
}

/* What the best multiple of scale s, 1 to `most`, costs a block; *k: that. */
static double multiple(const mcq_grid *g, const double *w, const double *weight, int64_t r,
                       int64_t b, double s, int *k) {
  double least = INFINITY;
  for (int i = 1; i <= mcq_grid_most(g); i++) {
    double c = cost(g, w, weight, r, b, i * s);
    if (c < least) least = c, *k = i;
  }
  return least;
}

/* The best steps of the blocks of rows [r0, r1), each for itself, become whole multiples of one
 * scale: the largest divided by what costs least. */
static void whole_steps(mcq_grid *g, const double *w, const double *weight, int64_t r0,
                        int64_t r1) {
  int most = mcq_grid_most(g), k = 1;
  double largest = 0, least = INFINITY, scale = 1;
  for (int64_t i = r0 * g->nblock; i < r1 * g->nblock; i++) largest = fmax(largest, g->step[i]);
  if (!(largest > 0)) largest = 1;
  for (int n = most; n > most / 2; n--) {
    double sum = 0;
    for (int64_t r = r0; r < r1; r++)
      for (int64_t b = 0; b < g->nblock; b++) sum += multiple(g, w, weight, r, b, largest / n, &k);
    if (sum < least) least = sum, scale = largest / n;
  }
  for (int64_t r = r0; r < r1; r++)
    for (int64_t b = 0; b < g->nblock; b++) {
      multiple(g, w, weight, r, b, scale, &k);
      g->step[r * g->nblock + b] = k * scale;
    }
}

static void block_steps(mcq_grid *g, const double *w, const double *weight) {
  for (int64_t r = 0; r < g->rows; r++)
    for (int64_t b = 0; b < g->nblock; b++) g->step[r * g->nblock + b] = full(g, w, r, b);
  for (int64_t r = 0; r < g->rows; r++)
    for (int64_t b = 0; b < g->nblock; b++)
      if (g->step[r * g->nblock + b] > 0)
        g->step[r * g->nblock + b] *= best_factor(g, w, weight, r, r + 1, b, b + 1, g->step);
  if (g->one_scale) whole_steps(g, w, weight, 0, g->rows);
  for (int64_t r = 0; r < g->rows && !g->one_scale; r++) whole_steps(g, w, weight, r, r + 1);
}

void mcq_grid_fit(mcq_grid *g, const double *w, const double *weight) {
  if (g->block)
    block_steps(g, w, weight);
  else
    plain_steps(g, w, weight);
}

/* ---- GPTQ ---- */

typedef struct place {
  double size;
  int64_t at;
} place;

static int by_size(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

bool mcq_handing_on(int64_t d, double *m, double damping, double *u) {
  double size = mc_la_trace(d, m) / (double)d;
  if (!(size > 0) || !mc_la_inverse(d, m, damping * size)) return false;
  if (!mc_la_cholesky(d, m, 1e-12 * mc_la_trace(d, m) / (double)d)) return false;
  for (int64_t i = 0; i < d; i++)
    for (int64_t j = 0; j < d; j++) u[i * d + j] = j >= i ? m[j * d + i] : 0;
  return true;
}

/* Rows and columns of m [d, d] in the given order. */
static double *ordered(int64_t d, const double *m, const place *order, mc_arena *a) {
  double *x = MC_NEWN(a, double, d *d);
  for (int64_t i = 0; i < d; i++)
    for (int64_t j = 0; j < d; j++) x[i * d + j] = m[order[i].at * d + order[j].at];
  return x;
}

bool mcq_grid_gptq(const mcq_grid *g, int64_t first, int64_t n, const double *m, const double *w,
                   double *q) {
  mc_arena *a = mc_arena_create();
  int64_t d = g->d;
  place *order = MC_NEWN(a, place, d);
  double *u = MC_NEWN(a, double, d *d), *left = MC_NEWN(a, double, d);
  for (int64_t j = 0; j < d; j++) order[j] = (place){ m[j * d + j], j };
  qsort(order, (size_t)d, sizeof *order, by_size);
  bool ok = mcq_handing_on(d, ordered(d, m, order, a), damping_gptq, u);
  for (int64_t r = first; ok && r < first + n; r++) {
    for (int64_t j = 0; j < d; j++) left[j] = w[r * d + order[j].at];
    for (int64_t j = 0; j < d; j++) {
      const double *row = u + j * d;
      double x = mcq_grid_round(g, r, order[j].at, left[j]), e = (left[j] - x) / row[j];
      q[r * d + order[j].at] = x;
      for (int64_t k = j + 1; k < d; k++) left[k] -= e * row[k];
    }
  }
  mc_arena_destroy(a);
  return ok;
}

/* ---- coordinate descent ---- */

/* One sweep over a row; e [d] = (q - w) m. Returns whether a weight moved. */
static bool sweep(const mcq_grid *g, int64_t r, const double *m, double ridge, double *e,
                  double *q) {
  int64_t d = g->d;
  bool moved = false;
  for (int64_t j = 0; j < d; j++) {
    const double *mj = m + j * d;
    double size = mj[j] + ridge;
    if (!(size > 0)) continue;
    double x = mcq_grid_round(g, r, j, q[j] - e[j] / size), by = x - q[j];
    if (by == 0) continue;
    for (int64_t k = 0; k < d; k++) e[k] += by * mj[k];
    e[j] += by * ridge;
    q[j] = x;
    moved = true;
  }
  return moved;
}

void mcq_grid_descend(const mcq_grid *g, int64_t first, int64_t n, const double *m, const double *w,
                      int sweeps, double *q) {
  mc_arena *a = mc_arena_create();
  int64_t d = g->d;
  double ridge = damping_descend * mc_la_trace(d, m) / (double)d;
  double *off = MC_NEWN(a, double, n *d), *e = MC_NEWN(a, double, n *d);
  for (int64_t i = 0; i < n * d; i++) off[i] = q[first * d + i] - w[first * d + i];
  mc_la_gemm(false, false, n, d, d, 1, off, m, 0, e);
  for (int64_t i = 0; i < n * d; i++) e[i] += ridge * off[i];
  for (int64_t r = 0; r < n; r++)
    for (int t = 0; t < sweeps; t++)
      if (!sweep(g, first + r, m, ridge, e + r * d, q + (first + r) * d)) break;
  mc_arena_destroy(a);
}
