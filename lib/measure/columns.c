/* Random places, and sums of the columns that are there. Columns are collected by fold and added
 * up in blocks, so that the work is matrix products; what ends up in a block does not depend on the
 * memory. */
#include "columns.h"
#include "depthwise.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

/* ---- places ---- */

int64_t mcm_places_of(const mc_product *p, int64_t runs) {
  enum { LEAST = 10000, MOST = 40000 };

  int64_t want = p->d > MOST / 100 ? MOST : p->d < LEAST / 100 ? LEAST : 100 * p->d;
  int64_t each = (want + runs - 1) / runs;
  return each < p->places ? each : p->places;
}

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Selection sampling (Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S). */
void mcm_places(uint64_t seed, int64_t run, int64_t all, int64_t n, int64_t *place) {
  uint64_t state = seed * 0x2545f4914f6cdd1du + (uint64_t)run * 0x9e3779b97f4a7c15u + 1;
  next_random(&state);
  for (int64_t i = 0, k = 0; k < n; i++) {
    double u = (double)(next_random(&state) >> 11) * 0x1p-53;
    if ((double)(all - i) * u < (double)(n - k)) place[k++] = i;
  }
}

/* ---- sums ---- */

enum { MOST_ROWS = 1024, SMALL = 32 }; /* SMALL: columns up to which BLAS does not pay */

struct mcm_sum {
  const mc_product *p;
  mc_moments *m;
  mcm_dw *dw;                         /* of a depthwise product, in place of the rest; else NULL */
  int64_t room, used[MC_FOLDS];       /* columns that a buffer has room for, and that it holds */
  float *col[MC_FOLDS], *y[MC_FOLDS]; /* [groups, room, d], [room, groups o] */
};

/* Does fold f have sums of its own? */
static bool has_sums(int64_t d, int f) { return d <= MC_WIDE || f == 0 || f == MC_FOLDS - 1; }

static int64_t sums_of(int64_t d) { return d > MC_WIDE ? 2 : MC_FOLDS; }

static int fold_of(int64_t d, int f) { return has_sums(d, f) ? f : 0; }

int64_t mc_moments_bytes(const mc_product *p) {
  int64_t each = p->d * p->d + p->o * p->d + p->d + 2 * p->o;
  return 8 * sums_of(p->d) * p->groups * each;
}

mc_moments *mcm_moments_new(const mc_product *p, mc_arena *a) {
  mc_moments *m = MC_NEW(a, mc_moments);
  int64_t g = p->groups;
  m->groups = g, m->o = p->o, m->d = p->d;
  if (p->d > MC_WIDE || mc_large_layer(p->o, p->d)) m->lambda = MC_NEWN(a, double, g);
  for (int f = 0; f < MC_FOLDS; f++) {
    mc_sums *s = &m->fold[f];
    if (!has_sums(p->d, f)) continue;
    s->g = MC_NEWN(a, double, g * p->d * p->d);
    s->c = MC_NEWN(a, double, g * p->o * p->d);
    s->x = MC_NEWN(a, double, g * p->d);
    s->y = MC_NEWN(a, double, g * p->o);
    s->yy = MC_NEWN(a, double, g * p->o);
  }
  return m;
}

static int64_t room_of(const mc_product *p) {
  int64_t row = p->groups * (p->d + p->o), most = (16 << 20) / ((int64_t)sizeof(float) * row);
  return most > MOST_ROWS ? MOST_ROWS : most < 64 ? 64 : most;
}

int64_t mcm_sum_bytes(const mc_product *p) {
  return mc_moments_bytes(p) +
         sums_of(p->d) * p->groups * room_of(p) * p->d * (int64_t)sizeof(float);
}

mcm_sum *mcm_sum_open(const mc_product *p, mc_moments *m, bool targets, mc_arena *a) {
  mcm_sum *s = MC_NEW(a, mcm_sum);
  *s = (mcm_sum){ .p = p, .m = m, .room = room_of(p) };
  if (mcm_is_depthwise(p) && (s->dw = mcm_dw_open(p, targets, a))) return s;
  for (int f = 0; f < MC_FOLDS; f++) {
    if (!has_sums(p->d, f)) continue;
    s->col[f] = MC_NEWN(a, float, p->groups * s->room * p->d);
    if (targets) s->y[f] = MC_NEWN(a, float, s->room * p->groups * p->o);
  }
  return s;
}

/* Few columns: lower triangle of g += x^T x, c += y^T x, in double at once. */
static void add_small(const mcm_sum *s, const mc_sums *to, int64_t g, const float *x,
                      const float *y, int64_t n) {
  int64_t d = s->p->d, o = s->p->o, outs = s->p->groups * o;
  double *gg = to->g + g * d * d, *c = to->c + g * o * d, v[SMALL];
  for (int64_t i = 0; i < n; i++, x += d) {
    for (int64_t j = 0; j < d; j++) v[j] = (double)x[j];
    for (int64_t j = 0; j < d; j++)
      for (int64_t k = 0; k <= j; k++) gg[j * d + k] += v[j] * v[k];
    if (!y) continue;
    for (int64_t r = 0; r < o; r++) {
      double t = (double)y[i * outs + g * o + r];
      for (int64_t k = 0; k < d; k++) c[r * d + k] += t * v[k];
    }
  }
}

static void add_group(const mcm_sum *s, int f, int64_t g) {
  int64_t d = s->p->d, o = s->p->o, outs = s->p->groups * o, n = s->used[f];
  const mc_sums *to = &s->m->fold[f];
  const float *x = s->col[f] + g * s->room * d, *y = s->y[f];
  double *sx = to->x + g * d;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < d; j++) sx[j] += (double)x[i * d + j];
  if (d <= SMALL && o <= SMALL) {
    add_small(s, to, g, x, y, n);
    return;
  }
  mc_la_lower_f32(d, n, x, d, to->g + g * d * d);
  if (y) mc_la_cross_f32(o, d, n, y + g * o, outs, x, d, to->c + g * o * d);
}

static void flush(mcm_sum *s, int f) {
  int64_t outs = s->p->groups * s->p->o;
  mc_sums *to = &s->m->fold[f];
  for (int64_t g = 0; s->used[f] && g < s->p->groups; g++) add_group(s, f, g);
  for (int64_t i = 0; s->y[f] && i < s->used[f]; i++)
    for (int64_t c = 0; c < outs; c++) {
      double t = (double)s->y[f][i * outs + c];
      to->y[c] += t;
      to->yy[c] += t * t;
    }
  to->n += (double)s->used[f];
  s->used[f] = 0;
}

static void put_targets(float *row, int64_t outs, const float *y, const float *more,
                        const float *less) {
  for (int64_t c = 0; c < outs; c++) row[c] = more ? y[c] + (more[c] - less[c]) : y[c];
}

/* The rows of y at places, and the sums of them. */
static void add_depthwise(mcm_sum *s, int fold, const float *x, const float *y, const float *more,
                          const float *less, const int64_t *place, int64_t n) {
  mc_arena *a = mc_arena_create();
  int64_t outs = s->p->groups;
  float *row = y ? MC_NEWN(a, float, n *outs) : NULL;
  for (int64_t i = 0; row && i < n; i++) {
    int64_t from = place[i] * outs;
    put_targets(row + i * outs, outs, y + from, more ? more + from : NULL,
                more ? less + from : NULL);
  }
  mcm_dw_add(s->dw, fold, x, row, place, n);
  mc_arena_destroy(a);
}

void mcm_sum_add(mcm_sum *s, int fold, const float *x, const float *y, const float *more,
                 const float *less, const int64_t *place, int64_t n) {
  if (s->dw) {
    add_depthwise(s, fold, x, y, more, less, place, n);
    return;
  }
  int64_t outs = s->p->groups * s->p->o, apart = s->room * s->p->d;
  fold = fold_of(s->p->d, fold);
  while (n > 0) {
    int64_t at = s->used[fold], k = s->room - at < n ? s->room - at : n;
    mcm_columns(s->p, x, place, k, s->col[fold] + at * s->p->d, apart);
    for (int64_t i = 0; y && i < k; i++) {
      int64_t from = place[i] * outs;
      put_targets(s->y[fold] + (at + i) * outs, outs, y + from, more ? more + from : NULL,
                  more ? less + from : NULL);
    }
    s->used[fold] += k;
    if (s->used[fold] == s->room) flush(s, fold);
    place += k;
    n -= k;
  }
}

void mcm_sum_add_rows(mcm_sum *s, int fold, const float *x, const float *y, const int64_t *place,
                      int64_t n) {
  if (s->dw) {
    mcm_dw_add(s->dw, fold, x, y, place, n);
    return;
  }
  int64_t outs = s->p->groups * s->p->o, apart = s->room * s->p->d;
  fold = fold_of(s->p->d, fold);
  while (n > 0) {
    int64_t at = s->used[fold], k = s->room - at < n ? s->room - at : n;
    mcm_columns(s->p, x, place, k, s->col[fold] + at * s->p->d, apart);
    memcpy(s->y[fold] + at * outs, y, sizeof *y * (size_t)(k * outs));
    s->used[fold] += k;
    if (s->used[fold] == s->room) flush(s, fold);
    place += k, y += k * outs, n -= k;
  }
}

static bool all_finite(const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

bool mcm_sum_close(mcm_sum *s) {
  int64_t g = s->p->groups, d = s->p->d, o = s->p->o;
  bool ok = true;
  if (s->dw) mcm_dw_close(s->dw, s->m);
  for (int f = 0; f < MC_FOLDS; f++) {
    mc_sums *to = &s->m->fold[f];
    if (!has_sums(d, f)) continue;
    flush(s, f);
    for (int64_t k = 0; k < g; k++) mc_la_mirror(d, to->g + k * d * d);
    ok = ok && all_finite(to->x, g * d) && all_finite(to->g, g * d * d) &&
         all_finite(to->yy, g * o) && all_finite(to->c, g * o * d);
  }
  return ok;
}

/* ---- the product's own output ---- */

/* sum y x^T = W G + b sx^T; sum y = W sx + n b; sum y^2 = diag(W G W^T) + 2 b (W sx) + n b^2 */
static void own_fold(const mc_sums *s, int64_t o, int64_t d, int64_t g, const double *w,
                     const float *bias) {
  const double *x = s->x + g * d;
  double *c = s->c + g * o * d;
  mc_la_gemm(false, false, o, d, d, 1, w, s->g + g * d * d, 0, c);
  for (int64_t i = 0; i < o; i++) {
    double wx = 0, wgw = 0, b = (double)bias[g * o + i];
    for (int64_t j = 0; j < d; j++) {
      wx += w[i * d + j] * x[j];
      wgw += w[i * d + j] * c[i * d + j];
      c[i * d + j] += b * x[j];
    }
    s->y[g * o + i] = wx + s->n * b;
    s->yy[g * o + i] = wgw + 2 * b * wx + s->n * b * b;
  }
}

void mcm_sum_own(mc_moments *m, const mc_product *p) {
  mc_arena *a = mc_arena_create();
  float *bias, *w = mc_product_copy(p, a, &bias);
  int64_t o = m->o, d = m->d;
  double *wd = MC_NEWN(a, double, o *d);
  for (int64_t g = 0; g < m->groups; g++) {
    for (int64_t i = 0; i < o * d; i++) wd[i] = (double)w[g * o * d + i];
    for (int f = 0; f < MC_FOLDS; f++)
      if (has_sums(d, f)) own_fold(&m->fold[f], o, d, g, wd, bias);
  }
  mc_arena_destroy(a);
}
