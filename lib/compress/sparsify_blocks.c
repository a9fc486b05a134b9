/* Which blocks of which layer become 0 (sparsify.c). */
#include "sparsify.h"
#include "mc/support/hash.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scores ---- */

/* Between 0 and 1, the same for the same layer and block in every run. */
static double chance(const sparse_layer *l, int64_t i) {
  uint64_t h = mc_hash_text(0, l->w->name ? l->w->name : "");
  h = mc_hash(h, &i, sizeof i);
  return (double)(h >> 11) / 9007199254740992.0;
}

static double score_of(const sparsifier *s, const sparse_layer *l, int64_t i) {
  mc_grid_block b = mc_grid_at(&l->grid, i);
  int64_t width = l->grid.taps * l->grid.ci;
  bool l1 = s->o->score == mc_wscore_l1;
  double sum = 0, n = (double)(b.rows * b.cols);
  if (s->o->score == mc_wscore_random) return chance(l, i);
  if (l->given) {
    for (int64_t r = b.row; r < b.row + b.rows; r++)
      for (int64_t c = b.col; c < b.col + b.cols; c++) sum += l->given[r * width + c];
    return sum / n;
  }
  for (int64_t r = b.row; r < b.row + b.rows; r++)
    for (int64_t c = b.col; c < b.col + b.cols; c++) {
      double w = fabs((double)l->data[r * width + c]);
      sum += l1 ? w : w * w;
    }
  return l1 ? sum / n : sqrt(sum / n);
}

/* Layers compare once each one's scores are divided by their root mean square. */
static void normalize(sparse_layer *l) {
  double square = 0;
  for (int64_t i = 0; i < l->grid.n; i++) square += l->score[i] * l->score[i];
  double rms = sqrt(square / (double)l->grid.n);
  for (int64_t i = 0; i < l->grid.n && rms > 0; i++) l->score[i] /= rms;
}

void mc_sparsify_scores(sparsifier *s) {
  for (int k = 0; k < s->n; k++) {
    sparse_layer *l = &s->l[k];
    for (int64_t i = 0; i < l->grid.n; i++) l->score[i] = score_of(s, l, i);
    if (!l->given) normalize(l); /* a file's scores are compared as they are */
  }
}

/* ---- how many ---- */

typedef struct block {
  double score;
  int layer;
  int64_t at, weights;
} block;

static int by_score(const void *a, const void *b) {
  const block *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  if (x->layer != y->layer) return x->layer - y->layer;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* The blocks of layers [from, to), least important first. */
static block *sorted(const sparsifier *s, int from, int to, int64_t *n) {
  int64_t count = 0;
  for (int k = from; k < to; k++) count += s->l[k].grid.n;
  block *b = MC_NEWN(s->cx->scratch, block, count + 1);
  *n = 0;
  for (int k = from; k < to; k++)
    for (int64_t i = 0; i < s->l[k].grid.n; i++) {
      mc_grid_block at = mc_grid_at(&s->l[k].grid, i);
      b[(*n)++] = (block){ s->l[k].score[i], k, i, at.rows * at.cols };
    }
  qsort(b, (size_t)*n, sizeof *b, by_score);
  return b;
}

static double weights_of(const sparsifier *s, int from, int to) {
  double sum = 0;
  for (int k = from; k < to; k++) sum += (double)mc_tensor_elems(s->l[k].w);
  return sum;
}

/* The first blocks whose weights come nearest to the share, but at most `most` of a layer's blocks.
 */
static void cut(sparsifier *s, int from, int to) {
  int64_t n;
  block *b = sorted(s, from, to, &n);
  double left = s->share * weights_of(s, from, to);
  for (int64_t i = 0; i < n; i++) {
    sparse_layer *l = &s->l[b[i].layer];
    if ((double)(l->quota + 1) > s->o->most * (double)l->grid.n) continue;
    if (left < 0.5 * (double)b[i].weights) continue;
    left -= (double)b[i].weights;
    l->quota++;
  }
}

void mc_sparsify_quotas(sparsifier *s) {
  if (s->pattern.of) return;
  if (s->o->scope == mc_scope_global) {
    cut(s, 0, s->n);
    return;
  }
  for (int k = 0; k < s->n; k++) cut(s, k, k + 1);
}

/* ---- zeros ---- */

static void zero_block(sparse_layer *l, int64_t i) {
  mc_grid_block b = mc_grid_at(&l->grid, i);
  int64_t width = l->grid.taps * l->grid.ci;
  for (int64_t r = b.row; r < b.row + b.rows; r++)
    memset(l->data + r * width + b.col, 0, sizeof(float) * (size_t)b.cols);
}

static void zero_least(sparsifier *s, int k) {
  int64_t n;
  block *b = sorted(s, k, k + 1, &n);
  memset(s->l[k].gone, 0, sizeof *s->l[k].gone * (size_t)s->l[k].grid.n);
  for (int64_t i = 0; i < s->l[k].quota; i++) {
    s->l[k].gone[b[i].at] = true;
    zero_block(&s->l[k], b[i].at);
  }
}

/* A few neighbouring output channels by `of` neighbouring input channels of a tap. */
typedef struct cell {
  float *w;
  const double *value;
  int64_t rows, cols, pitch;
} cell;

static bool used(const cell *x, int64_t c) {
  for (int64_t r = 0; r < x->rows; r++)
    if (x->w[r * x->pitch + c] != 0) return true;
  return false;
}

static double worth(const cell *x, int64_t c) {
  double sum = 0;
  for (int64_t r = 0; r < x->rows; r++)
    if (x->w[r * x->pitch + c] != 0) sum += x->value[r * x->pitch + c];
  return sum;
}

/* Columns of the largest worth stay, `keep` of them. */
static void thin(const cell *x, int64_t keep) {
  int64_t have = 0;
  for (int64_t c = 0; c < x->cols; c++) have += used(x, c);
  for (; have > keep; have--) {
    int64_t least = -1;
    for (int64_t c = 0; c < x->cols; c++)
      if (used(x, c) && (least < 0 || worth(x, c) < worth(x, least))) least = c;
    for (int64_t r = 0; r < x->rows; r++) x->w[r * x->pitch + least] = 0;
  }
}

static void thin_rows(const sparsifier *s, sparse_layer *l, const double *value, int64_t row,
                      int64_t rows) {
  const mc_pattern *p = &s->pattern;
  int64_t ci = l->grid.ci, width = l->grid.taps * ci;
  int64_t n;
  for (int64_t at = 0; at < width; at += n) { /* blocks begin anew at each tap */
    int64_t left = ci - at % ci, from = row * width + at;
    n = p->of < left ? p->of : left;
    cell x = { l->data + from, value + from, rows, n, width };
    thin(&x, (p->keep * n + p->of - 1) / p->of);
  }
}

static void zero_n_of_m(sparsifier *s, sparse_layer *l, const double *value) {
  int64_t all = mc_tensor_elems(l->w), step = s->pattern.rows;
  double *size = value ? NULL : MC_NEWN(s->cx->scratch, double, all);
  for (int64_t i = 0; size && i < all; i++) size[i] = (double)l->data[i] * (double)l->data[i];
  for (int64_t g = 0; g < l->grid.groups; g++)
    for (int64_t r = 0; r < l->grid.o; r += step)
      thin_rows(s, l, value ? value : size, g * l->grid.o + r,
                l->grid.o - r < step ? l->grid.o - r : step);
}

void mc_sparsify_zero(sparsifier *s, sparse_layer *l, const double *value) {
  if (s->pattern.of)
    zero_n_of_m(s, l, value);
  else
    zero_least(s, (int)(l - s->l));
}
