/* Channels in strips that stay in the cache; each strip goes over all places. */
#include "depthwise.h"
#include "columns.h"

enum { STRIP = 16, MOST_TAPS = 64 };

/* Sums of a fold, channels last: [pairs of taps, c], [taps, c], [taps, c], [c], [c]. */
typedef struct fold_sums {
  double n, *g, *c, *x, *y, *yy;
} fold_sums;

struct mcm_dw {
  const mc_product *p;
  bool targets;
  fold_sums fold[MC_FOLDS];
};

mcm_dw *mcm_dw_open(const mc_product *p, bool targets, mc_arena *a) {
  if (p->d > MOST_TAPS) return NULL;
  mcm_dw *s = MC_NEW(a, mcm_dw);
  *s = (mcm_dw){ .p = p, .targets = targets };
  int64_t wide = (p->groups + STRIP - 1) / STRIP * STRIP;
  for (int f = 0; f < MC_FOLDS; f++) {
    fold_sums *t = &s->fold[f];
    t->g = MC_NEWN(a, double, p->d *(p->d + 1) / 2 * wide);
    t->c = MC_NEWN(a, double, p->d *wide);
    t->x = MC_NEWN(a, double, p->d *wide);
    t->y = MC_NEWN(a, double, wide);
    t->yy = MC_NEWN(a, double, wide);
  }
  return s;
}

static void multiply_add(double *restrict to, const double *a, const double *b) {
  for (int i = 0; i < STRIP; i++) to[i] += a[i] * b[i];
}

static void plus(double *restrict to, const double *a) {
  for (int i = 0; i < STRIP; i++) to[i] += a[i];
}

/* Channels [at, at + n) in double, zeros after them; NULL: all zeros. */
static void load(const float *x, int64_t at, int64_t n, double *v) {
  for (int64_t i = 0; i < STRIP; i++) v[i] = x && i < n ? (double)x[at + i] : 0;
}

/* A strip of one place; sums of a strip lie together. v: the taps. */
static void add_place(const mcm_dw *s, const fold_sums *t, int64_t strip, double (*v)[STRIP],
                      const double *y) {
  int64_t d = s->p->d;
  double *g = t->g + strip * d * (d + 1) / 2 * STRIP;
  for (int64_t j = 0; j < d; j++)
    for (int64_t k = 0; k <= j; k++, g += STRIP) multiply_add(g, v[j], v[k]);
  for (int64_t j = 0; j < d; j++) plus(t->x + (strip * d + j) * STRIP, v[j]);
  if (!y) return;
  for (int64_t j = 0; j < d; j++) multiply_add(t->c + (strip * d + j) * STRIP, y, v[j]);
  plus(t->y + strip * STRIP, y);
  multiply_add(t->yy + strip * STRIP, y, y);
}

void mcm_dw_add(mcm_dw *s, int fold, const float *x, const float *y, const int64_t *place,
                int64_t n) {
  int64_t d = s->p->d, groups = s->p->groups;
  mc_arena *a = mc_arena_create();
  const float **px = MC_NEWN(a, const float *, n *d);
  double v[MOST_TAPS][STRIP], t[STRIP];
  for (int64_t i = 0; i < n; i++) mcm_pixels(s->p, x, place[i], px + i * d);
  for (int64_t at = 0; at < groups; at += STRIP)
    for (int64_t i = 0; i < n; i++) {
      int64_t some = groups - at < STRIP ? groups - at : STRIP;
      for (int64_t k = 0; k < d; k++) load(px[i * d + k], at, some, v[k]);
      if (s->targets) load(y + i * groups, at, some, t);
      add_place(s, &s->fold[fold], at / STRIP, v, s->targets ? t : NULL);
    }
  s->fold[fold].n += (double)n;
  mc_arena_destroy(a);
}

static void put_group(const mcm_dw *s, const fold_sums *t, int64_t c, mc_sums *to) {
  int64_t d = s->p->d, strip = c / STRIP, i = c % STRIP;
  const double *g = t->g + strip * d * (d + 1) / 2 * STRIP + i;
  for (int64_t j = 0; j < d; j++)
    for (int64_t k = 0; k <= j; k++, g += STRIP) to->g[(c * d + j) * d + k] += *g;
  for (int64_t j = 0; j < d; j++) {
    to->x[c * d + j] += t->x[(strip * d + j) * STRIP + i];
    to->c[c * d + j] += t->c[(strip * d + j) * STRIP + i];
  }
  to->y[c] += t->y[strip * STRIP + i];
  to->yy[c] += t->yy[strip * STRIP + i];
}

void mcm_dw_close(const mcm_dw *s, mc_moments *m) {
  for (int f = 0; f < MC_FOLDS; f++) {
    for (int64_t c = 0; c < s->p->groups; c++) put_group(s, &s->fold[f], c, &m->fold[f]);
    m->fold[f].n += s->fold[f].n;
  }
}
