/* Centred moments from sums by fold. */
#include "mc/measure/moments.h"
#include <string.h>

static void add(double *to, const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += x[i];
}

static mc_centred empty(int64_t o, int64_t d, mc_arena *a) {
  mc_centred z = { .o = o, .d = d };
  z.g = MC_NEWN(a, double, d *d);
  z.c = MC_NEWN(a, double, o *d);
  z.mx = MC_NEWN(a, double, d);
  z.my = MC_NEWN(a, double, o);
  z.vy = MC_NEWN(a, double, o);
  return z;
}

static void centre(mc_centred *z) {
  double n = z->n;
  for (int64_t i = 0; i < z->d; i++) z->mx[i] /= n;
  for (int64_t i = 0; i < z->o; i++) z->my[i] /= n;
  for (int64_t i = 0; i < z->d; i++)
    for (int64_t j = 0; j < z->d; j++)
      z->g[i * z->d + j] = z->g[i * z->d + j] / n - z->mx[i] * z->mx[j];
  for (int64_t i = 0; i < z->o; i++)
    for (int64_t j = 0; j < z->d; j++)
      z->c[i * z->d + j] = z->c[i * z->d + j] / n - z->my[i] * z->mx[j];
  for (int64_t i = 0; i < z->d; i++)
    if (z->g[i * z->d + i] < 0) z->g[i * z->d + i] = 0;
  for (int64_t i = 0; i < z->o; i++) {
    z->vy[i] = z->vy[i] / n - z->my[i] * z->my[i];
    if (z->vy[i] < 0) z->vy[i] = 0;
  }
}

mc_centred mc_moments_centred(const mc_moments *m, unsigned folds, int64_t group, mc_arena *a) {
  int64_t o = m->o, d = m->d;
  mc_centred z = empty(o, d, a);
  if (d > MC_WIDE && (folds & ~(1u << (MC_FOLDS - 1)))) folds |= 1;
  for (int f = 0; f < MC_FOLDS; f++) {
    const mc_sums *s = &m->fold[f];
    if (!(folds >> f & 1) || s->n == 0) continue;
    z.n += s->n;
    add(z.g, s->g + group * d * d, d * d);
    add(z.c, s->c + group * o * d, o * d);
    add(z.mx, s->x + group * d, d);
    add(z.my, s->y + group * o, o);
    add(z.vy, s->yy + group * o, o);
  }
  if (z.n > 0) centre(&z);
  return z;
}

mc_centred mc_centred_sub(const mc_centred *m, const bool *keep, mc_arena *a) {
  int64_t n = 0, *at = MC_NEWN(a, int64_t, m->d);
  for (int64_t i = 0; i < m->d; i++)
    if (keep[i]) at[n++] = i;
  mc_centred z = empty(m->o, n, a);
  z.n = m->n;
  for (int64_t i = 0; i < n; i++) {
    z.mx[i] = m->mx[at[i]];
    for (int64_t j = 0; j < n; j++) z.g[i * n + j] = m->g[at[i] * m->d + at[j]];
  }
  for (int64_t i = 0; i < m->o; i++)
    for (int64_t j = 0; j < n; j++) z.c[i * n + j] = m->c[i * m->d + at[j]];
  memcpy(z.my, m->my, sizeof *z.my * (size_t)m->o);
  memcpy(z.vy, m->vy, sizeof *z.vy * (size_t)m->o);
  return z;
}

bool mc_moments_few(const mc_moments *m) {
  double places = 0;
  for (int f = 0; f < MC_FOLDS; f++) places += m->fold[f].n;
  return places < 2 * (double)m->d;
}
