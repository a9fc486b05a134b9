/* W = L + S in a norm: in turn
 *
 *   L   reduced-rank regression of W - S (factor.h, form `out`)
 *   S   the blocks of W - L that are worth most, w^2 / (G^-1)_cc summed over the block, and for
 *       each row of blocks least squares on its columns J: S_J = ((W - L) G)_J (G_JJ)^-1
 *
 * Both steps lower the error in the norm but for the choice of blocks, so the best round is kept
 * (Zhou and Tao, "GoDec", ICML 2011, in the data norm). */
#include "lowrank_sum.h"
#include "mc/measure/linalg.h"
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4 };

typedef struct parts {
  const lr_sum *sum;
  const lr_layer *layer;
  int64_t group, o, d;
  const double *g, *w; /* metric or NULL; W [o, d] */
  double *worth;       /* of a squared weight, by column */
  double *l, *s, *tmp; /* [o, d] */
} parts;

static bool weigh_columns(parts *p, mc_arena *a) {
  p->worth = MC_NEWN(a, double, p->d);
  for (int64_t j = 0; j < p->d; j++) p->worth[j] = 1;
  if (!p->g) return true;
  double *h = mc_arena_copy(a, p->g, sizeof *h * (size_t)(p->d * p->d));
  if (!mc_la_inverse(p->d, h, 1e-2 * mc_la_trace(p->d, p->g) / (double)p->d)) return false;
  for (int64_t j = 0; j < p->d; j++) p->worth[j] = 1 / h[j * p->d + j];
  return true;
}

/* Squared norm of x [o, d]. */
static double energy(parts *p, const double *x) {
  double sum = 0;
  const double *y = x;
  if (p->g) {
    mc_la_gemm(false, false, p->o, p->d, p->d, 1, x, p->g, 0, p->tmp);
    y = p->tmp;
  }
  for (int64_t i = 0; i < p->o * p->d; i++) sum += x[i] * y[i];
  return sum;
}

/* ---- S ---- */

typedef struct block {
  double score;
  int64_t at;
} block;

static int by_score(const void *a, const void *b) {
  const block *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* Block i of the group; row: in the group. */
static mc_grid_block block_at(const parts *p, int64_t i) {
  int64_t each = p->sum->grid.n / p->sum->grid.groups;
  mc_grid_block b = mc_grid_at(&p->sum->grid, p->group * each + i);
  b.row -= p->group * p->o;
  return b;
}

/* used[i]: block i of the group stays, by what is left for S. */
static void choose(const parts *p, const double *left, bool *used, mc_arena *a) {
  int64_t n = p->sum->grid.n / p->sum->grid.groups;
  block *v = MC_NEWN(a, block, n);
  for (int64_t i = 0; i < n; i++) {
    mc_grid_block b = block_at(p, i);
    v[i] = (block){ 0, i };
    for (int64_t r = b.row; r < b.row + b.rows; r++)
      for (int64_t c = b.col; c < b.col + b.cols; c++)
        v[i].score += left[r * p->d + c] * left[r * p->d + c] * p->worth[c];
    v[i].score /= (double)(b.rows * b.cols);
  }
  qsort(v, (size_t)n, sizeof *v, by_score);
  for (int64_t i = 0; i < n; i++) used[v[i].at] = i < p->sum->keep;
}

/* Columns of the row of blocks that begins at block `first`. */
static int64_t columns_of(const parts *p, const bool *used, int64_t first, int64_t *col) {
  int64_t per = p->sum->grid.taps * p->sum->grid.across, n = 0;
  for (int64_t i = first; i < first + per; i++) {
    mc_grid_block b = block_at(p, i);
    for (int64_t c = b.col; used[i] && c < b.col + b.cols; c++) col[n++] = c;
  }
  return n;
}

/* rows [row, row + rows): x [n, rows] = (G_JJ)^-1 (left G)_J^T. */
static bool solve(const parts *p, const double *left, mc_grid_block b, const int64_t *col,
                  int64_t n, mc_arena *a) {
  double *gj = MC_NEWN(a, double, n *n), *x = MC_NEWN(a, double, n *b.rows);
  double *lg = MC_NEWN(a, double, b.rows * p->d);
  mc_la_gemm(false, false, b.rows, p->d, p->d, 1, left + b.row * p->d, p->g, 0, lg);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++) gj[i * n + j] = p->g[col[i] * p->d + col[j]];
    for (int64_t r = 0; r < b.rows; r++) x[i * b.rows + r] = lg[r * p->d + col[i]];
  }
  if (!mc_la_cholesky(n, gj, 0)) return false;
  mc_la_cholesky_solve(n, gj, b.rows, x);
  for (int64_t i = 0; i < n; i++)
    for (int64_t r = 0; r < b.rows; r++) p->s[(b.row + r) * p->d + col[i]] = x[i * b.rows + r];
  return true;
}

static bool fit_sparse(const parts *p, const double *left) {
  mc_arena *a = mc_arena_create();
  int64_t n = p->sum->grid.n / p->sum->grid.groups, per = p->sum->grid.taps * p->sum->grid.across;
  bool *used = MC_NEWN(a, bool, n), ok = true;
  int64_t *col = MC_NEWN(a, int64_t, p->d);
  choose(p, left, used, a);
  memset(p->s, 0, sizeof *p->s * (size_t)(p->o * p->d));
  for (int64_t first = 0; ok && first < n; first += per) {
    mc_grid_block b = block_at(p, first);
    int64_t count = columns_of(p, used, first, col);
    for (int64_t r = b.row; !p->g && r < b.row + b.rows; r++)
      for (int64_t i = 0; i < count; i++) p->s[r * p->d + col[i]] = left[r * p->d + col[i]];
    if (p->g && count) ok = solve(p, left, b, col, count, a);
  }
  mc_arena_destroy(a);
  return ok;
}

/* ---- both ---- */

/* One round; *f: the factors of L, in the arena. Returns the squared error; < 0: failed. */
static double round_of(parts *p, mc_factors *f, double *left, mc_arena *a) {
  int64_t n = p->o * p->d;
  mc_form out = { .kind = MC_FORM_out, .r = p->sum->r };
  mc_arena *t = mc_arena_create();
  for (int64_t i = 0; i < n; i++) left[i] = p->w[i] - p->s[i];
  mc_factoring *q = mc_factoring_new(p->layer->s, left, p->g, t);
  bool ok = mc_factor_fit(q, &out, 1, f, a);
  if (ok) mc_factors_dense(f, p->layer->s, p->l);
  mc_arena_destroy(t);
  for (int64_t i = 0; ok && i < n; i++) left[i] = p->w[i] - p->l[i];
  if (!ok || !fit_sparse(p, left)) return -1;
  for (int64_t i = 0; i < n; i++) left[i] -= p->s[i];
  return energy(p, left);
}

bool mc_lr_sum_fit(lr_sum *sum, const lr_layer *layer, int64_t g, const double *metric, double *w,
                   double *norm, double *lost, mc_arena *a) {
  mc_arena *t = mc_arena_create();
  int64_t n = layer->p.o * layer->p.d;
  parts p = { .sum = sum, .layer = layer, .group = g, .o = layer->p.o, .d = layer->p.d };
  p.g = metric, p.w = mc_arena_copy(t, w, sizeof *w * (size_t)n);
  p.l = MC_NEWN(t, double, n), p.s = MC_NEWN(t, double, n), p.tmp = MC_NEWN(t, double, n);
  memset(p.s, 0, sizeof *p.s * (size_t)n);
  double *left = MC_NEWN(t, double, n);
  bool ok = weigh_columns(&p, t);
  *norm = energy(&p, p.w), *lost = -1;
  for (int k = 0; ok && k < ROUNDS; k++) {
    mc_factors f;
    double error = round_of(&p, &f, left, a);
    ok = error >= 0;
    if (!ok || (*lost >= 0 && error >= *lost)) continue;
    *lost = error;
    sum->l[g] = f;
    for (int64_t i = 0; i < n; i++) {
      sum->s[g * n + i] = (float)p.s[i];
      w[i] = p.l[i] + p.s[i];
    }
  }
  mc_arena_destroy(t);
  return ok;
}
