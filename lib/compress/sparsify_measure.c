/* What blocks are worth by what the layer reads (sparsify_fit.c). G: second moments of the columns.
 *
 *   aw    w^2 G_cc                                 the output that a weight makes
 *   obs   w^2 / (G^-1)_cc                          the error that stays when others make up for it
 *
 * obs of blocks (and of the columns of N:M) takes one block out after the other, the others making
 * up each time (obs.h), in each row of blocks for itself; where that is too much work, each block
 * is judged as if it went alone (Hassibi and Stork 1993; Frantar and Alistarh, "SparseGPT", 2023,
 * section 3). */
#include "mc/measure/linalg.h"
#include "obs.h"
#include "sparsify.h"
#include <math.h>
#include <string.h>

/* Multiplications for one layer's elimination; of a large network. */
static const double most_work = 1.5e11, most_of_large = 1.5e10;
static const double obs_damping = 1e-2;

static double limit_of(const sparsifier *s) { return s->large ? most_of_large : most_work; }

/* (G + lambda tr(G) / d I)^-1. NULL: singular. */
static double *inverse(const mc_centred *c, double lambda, mc_arena *a) {
  int64_t d = c->d;
  double *h = mc_arena_copy(a, c->g, sizeof *h * (size_t)(d * d));
  return mc_la_inverse(d, h, lambda * mc_la_trace(d, c->g) / (double)d + 1e-12) ? h : NULL;
}

/* value [o, d] of one group's weights. */
static void weigh(const sparsifier *s, const mc_centred *c, const float *w, double *value,
                  mc_arena *a) {
  double *of = MC_NEWN(a, double, c->d);
  const double *h = s->o->score == mc_wscore_aw ? NULL : inverse(c, obs_damping, a);
  for (int64_t j = 0; j < c->d; j++)
    of[j] = h ? 1 / h[j * c->d + j] : c->g[j * c->d + j] + c->mx[j] * c->mx[j];
  for (int64_t i = 0; i < c->o * c->d; i++) value[i] = (double)w[i] * (double)w[i] * of[i % c->d];
}

static void score_blocks(sparse_layer *l, const double *value) {
  int64_t width = l->grid.taps * l->grid.ci;
  for (int64_t i = 0; i < l->grid.n; i++) {
    mc_grid_block b = mc_grid_at(&l->grid, i);
    double sum = 0;
    for (int64_t r = b.row; r < b.row + b.rows; r++)
      for (int64_t c = b.col; c < b.col + b.cols; c++) sum += value[r * width + c];
    l->score[i] = sqrt(sum / (double)(b.rows * b.cols));
  }
}

/* ---- one after the other ---- */

/* A row of blocks: the order in which they would go, and what that costs up to each. */
typedef struct line {
  int *order, n, taken;
  double *error;
} line;

/* h [d, d]: the inverse second moment, the same for all rows of a group; w [rows, d]. */
static void eliminate(const sparse_layer *l, int64_t d, const double *h, const float *w,
                      int64_t rows, int most, line *out, mc_arena *a) {
  int units = (int)(l->grid.taps * l->grid.across);
  mc_arena *t = mc_arena_create();
  int64_t *first = MC_NEWN(t, int64_t, units + 1);
  bool *alive = MC_NEWN(t, bool, units);
  for (int u = 0; u < units; u++) first[u] = mc_grid_at(&l->grid, u).col, alive[u] = true;
  first[units] = d;
  mc_obs_part part = { .o = rows, .d = d, .first = first, .weight = 1 };
  part.h = mc_arena_copy(t, h, sizeof *h * (size_t)(d * d));
  part.w = MC_NEWN(t, double, rows *d);
  for (int64_t i = 0; i < rows * d; i++) part.w[i] = (double)w[i];
  out->order = MC_NEWN(a, int, most + 1);
  out->error = MC_NEWN(a, double, most + 1);
  out->taken = 0;
  out->n = mc_obs_eliminate(&part, 1, units, alive, most, out->order, out->error, t);
  mc_arena_destroy(t);
}

/* The line whose next block costs least; -1: all have lost what they may. */
static int cheapest(const line *v, int64_t n) {
  int best = -1;
  double least = HUGE_VAL;
  for (int i = 0; i < n; i++) {
    if (v[i].taken == v[i].n) continue;
    double next = v[i].error[v[i].taken] - (v[i].taken ? v[i].error[v[i].taken - 1] : 0);
    if (next < least) least = next, best = i;
  }
  return best;
}

static double work_of(const sparsifier *s, const sparse_layer *l, const mc_product *p) {
  return 2 * (double)(l->grid.groups * l->grid.down) * s->o->most * pow((double)p->d, 3);
}

/* gone[] and zeros in w, quota of the layer. False: too much work, or singular: nothing has
 * changed. */
static bool obs_blocks(const sparsifier *s, sparse_layer *l, const mc_product *p,
                       const mc_moments *m, unsigned folds, float *w, mc_arena *a) {
  int64_t per_line = l->grid.taps * l->grid.across, lines = l->grid.groups * l->grid.down;
  if (work_of(s, l, p) > limit_of(s)) return false;
  line *v = MC_NEWN(a, line, lines);
  for (int64_t g = 0; g < p->groups; g++) {
    mc_centred c = mc_moments_centred(m, folds, g, a);
    const double *h = inverse(&c, obs_damping, a);
    if (!h) return false;
    for (int64_t k = 0; k < l->grid.down; k++) {
      int64_t i = g * l->grid.down + k;
      mc_grid_block b = mc_grid_at(&l->grid, i * per_line);
      int most = (int)(s->o->most * (double)per_line);
      eliminate(l, p->d, h, w + b.row * p->d, b.rows, most, &v[i], a);
    }
  }
  memset(l->gone, 0, sizeof *l->gone * (size_t)l->grid.n);
  for (int64_t left = l->quota; left > 0; left--) {
    int i = cheapest(v, lines);
    if (i < 0) break;
    l->gone[i * per_line + v[i].order[v[i].taken++]] = true;
  }
  return true;
}

/* ---- N:M ---- */

/* The windows of a row of weights and how many of each go. Returns how many windows. */
static int windows_of(const sparse_layer *l, const mc_pattern *p, int *window, int *room) {
  int n = 0;
  for (int64_t tap = 0; tap < l->grid.taps; tap++)
    for (int64_t c = 0; c < l->grid.ci; c += p->of, n++) {
      int64_t left = l->grid.ci - c, cols = left < p->of ? left : p->of;
      for (int64_t i = 0; i < cols; i++) window[tap * l->grid.ci + c + i] = n;
      room[n] = (int)(cols - (p->keep * cols + p->of - 1) / p->of);
    }
  return n;
}

/* Rows [0, rows) of w [rows, d] lose the columns that they miss least together. */
static void thin_line(const sparse_layer *l, const mc_pattern *p, int64_t d, const double *h,
                      float *w, int64_t rows) {
  mc_arena *t = mc_arena_create();
  int64_t *first = MC_NEWN(t, int64_t, d + 1);
  int *window = MC_NEWN(t, int, d), *room = MC_NEWN(t, int, d), *order = MC_NEWN(t, int, d);
  for (int64_t u = 0; u <= d; u++) first[u] = u;
  windows_of(l, p, window, room);
  mc_obs_part part = { .o = rows, .d = d, .first = first, .weight = 1 };
  part.h = mc_arena_copy(t, h, sizeof *h * (size_t)(d * d));
  part.w = MC_NEWN(t, double, rows *d);
  for (int64_t i = 0; i < rows * d; i++) part.w[i] = (double)w[i];
  int n = mc_obs_eliminate_within(&part, 1, (int)d, window, room, order, t);
  for (int k = 0; k < n; k++)
    for (int64_t r = 0; r < rows; r++) w[r * d + order[k]] = 0;
  mc_arena_destroy(t);
}

/* False: too much work, or singular; nothing has changed then. */
static bool obs_n_of_m(const sparsifier *s, const sparse_layer *l, const mc_product *p,
                       const mc_moments *m, unsigned folds, float *w, mc_arena *a) {
  const mc_pattern *q = &s->pattern;
  int64_t step = q->rows, lines = p->groups * ((p->o + step - 1) / step);
  double gone = 1 - (double)q->keep / (double)q->of;
  if (2 * (double)lines * gone * pow((double)p->d, 3) > limit_of(s)) return false;
  const double **h = MC_NEWN(a, const double *, p->groups);
  for (int64_t g = 0; g < p->groups; g++) {
    mc_centred c = mc_moments_centred(m, folds, g, a);
    if (!(h[g] = inverse(&c, obs_damping, a))) return false;
  }
  for (int64_t g = 0; g < p->groups; g++)
    for (int64_t r = 0; r < p->o; r += step)
      thin_line(l, q, p->d, h[g], w + (g * p->o + r) * p->d, p->o - r < step ? p->o - r : step);
  return true;
}

static void zero_gone(const sparse_layer *l, float *w) {
  int64_t width = l->grid.taps * l->grid.ci;
  for (int64_t i = 0; i < l->grid.n; i++) {
    if (!l->gone[i]) continue;
    mc_grid_block b = mc_grid_at(&l->grid, i);
    for (int64_t r = b.row; r < b.row + b.rows; r++)
      memset(w + r * width + b.col, 0, sizeof *w * (size_t)b.cols);
  }
}

bool mc_sparsify_measure(const sparsifier *s, sparse_layer *l, const mc_product *p,
                         const mc_moments *m, unsigned folds, float *w, double *value,
                         mc_arena *a) {
  if (s->o->score != mc_wscore_aw && !s->pattern.of && obs_blocks(s, l, p, m, folds, w, a)) {
    zero_gone(l, w);
    return true;
  }
  if (s->o->score != mc_wscore_aw && s->pattern.of && obs_n_of_m(s, l, p, m, folds, w, a))
    return true;
  for (int64_t g = 0; g < p->groups; g++) {
    mc_centred c = mc_moments_centred(m, folds, g, a);
    weigh(s, &c, w + g * p->o * p->d, value + g * p->o * p->d, a);
  }
  score_blocks(l, value);
  return false;
}
