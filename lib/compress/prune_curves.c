/* What it costs the network's output to lose so many channels of one coupling group, when what
 * reads them makes up: refitted on three quarters of the samples, judged on the rest. */
#include "known.h"
#include "prune.h"
#include <math.h>
#include <string.h>

enum { LEVELS = 8 };

/* Eighths that go; with many layers to measure (a residual stream), or a large network, fewer
 * points. */
static void levels_of(const site *s, bool large, curve *c, mc_arena *a) {
  static const int some[] = { 1, 2, 3, 4, 6, LEVELS }, least[] = { 2, 5, LEVELS };
  bool many = large || s->nr > 2;
  const int *few = large ? least : some;
  int levels = large  ? (int)(sizeof least / sizeof *least)
               : many ? (int)(sizeof some / sizeof *some)
                      : LEVELS;
  *c = (curve){ .n = 1, .gone = MC_NEWN(a, int, LEVELS + 2) };
  for (int k = 0; k < CURVES; k++) c->y[k] = MC_NEWN(a, double, LEVELS + 2);
  for (int i = 0; i < levels; i++) {
    int t = many ? few[i] : i + 1;
    int gone = t < LEVELS ? (int)floor((double)s->units * t / (double)LEVELS + 0.5) : s->units - 1;
    if (gone > s->norder) gone = s->norder;
    if (gone > c->gone[c->n - 1]) c->gone[c->n++] = gone;
  }
}

static void add(const curve *c, int t, const mc_distance *x) {
  const double y[CURVES] = { mc_distance_main(x), x->l2, x->local };
  for (int k = 0; k < CURVES; k++)
    if (y[k] > 0) c->y[k][t] += y[k];
}

/* keep[groups * d] of product i when those units are gone; false: it reads none of them. */
static bool columns_without(const site *s, int product, const mc_product *p, const bool *gone,
                            bool *keep) {
  bool any = false;
  for (int64_t k = 0; k < p->groups * p->d; k++) keep[k] = true;
  for (int i = 0; i < s->nr; i++) {
    const reader *r = &s->r[i];
    for (int u = 0; r->product == product && u < s->units; u++)
      for (int64_t k = r->first[u]; gone[u] && k < r->first[u + 1]; k++)
        keep[r->matrix * p->d + r->column[k]] = false, any = true;
  }
  return any;
}

/* Weights of product i without columns. */
static void weights_without(const measure *z, int i, const mc_moments *m, const bool *keep,
                            float *w, float *b, mc_arena *a) {
  const mc_product *p = &z->p->v[i];
  int64_t n = p->groups * p->o * p->d;
  float *w0 = MC_NEWN(a, float, n);
  mc_product_weights(p, w0, b);
  if (z->refit)
    mc_refit_product(p, m, MC_FOLDS_FIT, keep, z->damping, z->walk->samples, w0, w, b);
  else
    for (int64_t k = 0; k < n; k++) w[k] = keep[k / (p->o * p->d) * p->d + k % p->d] ? w0[k] : 0;
}

/* Do fewer runs do, with the errors for the rest? */
static bool few_runs(const measure *z, const mc_moments *m) {
  return (z->quick || mc_damage_large(z->d)) && m->fold[MC_FOLDS - 1].n > 0;
}

/* 64 outputs, evenly from all, do for a large layer. */
static void some_outputs(mc_centred *c, const float **w, const float **b, mc_arena *a) {
  enum { JUDGED = 64 };

  int64_t n = c->o < JUDGED ? c->o : JUDGED, d = c->d;
  float *v = MC_NEWN(a, float, n *d), *bias = MC_NEWN(a, float, n);
  for (int64_t k = 0; k < n; k++) {
    int64_t i = k * c->o / n;
    memcpy(v + k * d, *w + i * d, sizeof *v * (size_t)d);
    memmove(c->c + k * d, c->c + i * d, sizeof *c->c * (size_t)d);
    bias[k] = (*b)[i], c->my[k] = c->my[i], c->vy[k] = c->vy[i];
  }
  c->o = n;
  *w = v, *b = bias;
}

/* Error of product i with these weights on the samples held back, in shares of its variance. */
static double own_error(const mc_product *p, const mc_moments *m, const float *w, const float *b) {
  mc_arena *a = mc_arena_create();
  double lost = 0, all = 0, total;
  for (int64_t g = 0; g < p->groups; g++) {
    mc_centred c = mc_moments_centred(m, MC_FOLDS_ALL & ~MC_FOLDS_FIT, g, a);
    const float *wg = w + g * p->o * p->d, *bg = b + g * p->o;
    if (mc_large_layer(p->o, p->d)) some_outputs(&c, &wg, &bg, a);
    lost += mc_fit_error(&c, wg, bg, &total);
    all += total;
  }
  mc_arena_destroy(a);
  return all > 0 ? lost / all : 0;
}

/* One product at one level. */
typedef struct level {
  bool reads, ran; /* it loses columns; the rest of the network was run */
  mc_distance x;
  double error; /* own_error; 0: not asked for */
} level;

/* run: the rest of the network, too; else `fill` adds what it would do. */
static bool reader_damage(const measure *z, int i, const mc_moments *m, const bool *keep, bool run,
                          level *out) {
  const mc_product *p = &z->p->v[i];
  mc_arena *a = mc_arena_create();
  float *w = MC_NEWN(a, float, p->groups * p->o * p->d), *b = MC_NEWN(a, float, p->groups * p->o);
  weights_without(z, i, m, keep, w, b, a);
  *out = (level){ .reads = true, .ran = run };
  bool ok = !run || mc_damage_of(z->d, i, w, b, &out->x);
  if (few_runs(z, m)) out->error = own_error(p, m, w, b);
  mc_arena_destroy(a);
  return ok;
}

/* Is the rest of the network run at point t of a curve? Where fewer must do: in the first half, and
 * at three quarters; of a large network at the first point. */
static bool is_run(const measure *z, const curve *c, const mc_moments *m, int t) {
  int n = c->n - 1;
  if (!few_runs(z, m)) return true;
  return mc_damage_large(z->d) ? t == 1 : 2 * t <= n + 1 || t == (3 * n + 2) / 4;
}

/* What was not run follows from the errors. */
static void fill(const curve *c, level *v) {
  mc_known kl = { 0 }, l2 = { 0 };
  for (int t = 1; t < c->n; t++) {
    if (!v[t].ran) continue;
    if (v[t].x.kl >= 0) mc_known_add(&kl, v[t].error, v[t].x.kl);
    mc_known_add(&l2, v[t].error, v[t].x.l2);
  }
  for (int t = 1; t < c->n; t++) {
    if (!v[t].reads || v[t].ran) continue;
    v[t].x.kl = kl.n ? mc_known_damage(&kl, v[t].error) : -1;
    v[t].x.l2 = mc_known_damage(&l2, v[t].error);
    v[t].x.local = v[t].error;
  }
}

/* Nothing with columns reads the site (queries and keys): what makes it loses rows. */
static bool makers_damage(const measure *z, const site *s, const bool *gone, const curve *c,
                          int t) {
  mc_arena *a = mc_arena_create();
  bool *keep = MC_NEWN(a, bool, z->ncls + 1), ok = true;
  for (int k = 0; k < z->ncls; k++) keep[k] = true;
  for (int u = 0; u < s->units; u++) keep[s->cls[u]] = !gone[u];
  for (int i = 0; ok && i < z->p->n; i++) {
    const mc_product *p = &z->p->v[i];
    const bool *rows = mc_sites_rows(z->ch, p, keep, a);
    if (!rows) continue;
    mc_distance x;
    float *b, *w = mc_product_copy(p, a, &b);
    mc_refit_drop_rows(p, rows, w, b);
    ok = mc_damage_of(z->d, i, w, b, &x);
    if (ok) add(c, t, &x);
  }
  mc_arena_destroy(a);
  return ok;
}

static const bool *gone_at(const site *s, int count, mc_arena *a) {
  bool *gone = MC_NEWN(a, bool, s->units + 1);
  for (int k = 0; k < count; k++) gone[s->order[k]] = true;
  return gone;
}

/* All levels for one product: its tail is compiled once. */
static bool add_reader(const measure *z, const site *s, int q, const mc_moments *m, curve *c) {
  const mc_product *p = &z->p->v[q];
  level v[LEVELS + 2] = { { 0 } };
  bool ok = true;
  for (int t = 1; ok && t < c->n; t++) {
    mc_arena *a = mc_arena_create();
    bool *keep = MC_NEWN(a, bool, p->groups * p->d);
    if (columns_without(s, q, p, gone_at(s, c->gone[t], a), keep))
      ok = reader_damage(z, q, m, keep, is_run(z, c, m, t), &v[t]);
    mc_arena_destroy(a);
  }
  fill(c, v);
  for (int t = 1; ok && t < c->n; t++)
    if (v[t].reads) add(c, t, &v[t].x);
  return ok;
}

/* Is reader i the first of its product? */
static bool first_reader(const site *s, int i) {
  return !i || s->r[i].product != s->r[i - 1].product;
}

static bool add_makers(const measure *z, const site *s, curve *c) {
  for (int t = 1; t < c->n; t++) {
    mc_arena *a = mc_arena_create();
    bool ok = makers_damage(z, s, gone_at(s, c->gone[t], a), c, t);
    mc_arena_destroy(a);
    if (!ok) return false;
  }
  return true;
}

bool mc_sites_curve(const measure *z, const site *s, mc_moments *const *m, curve *c) {
  levels_of(s, z->d && mc_damage_large(z->d), c, z->cx->scratch);
  if (!s->nr && !add_makers(z, s, c)) return false;
  for (int i = 0; i < s->nr; i++)
    if (first_reader(s, i) && !add_reader(z, s, s->r[i].product, m[s->r[i].product], c))
      return false;
  for (int k = 0; k < CURVES; k++)
    for (int t = 1; t < c->n; t++) c->y[k][t] = fmax(c->y[k][t], c->y[k][t - 1]);
  return true;
}

double mc_curve_at(const curve *c, int gone, curve_of by) {
  const double *y = c->y[by];
  for (int i = 1; i < c->n; i++) {
    if (gone > c->gone[i]) continue;
    double t = (double)(gone - c->gone[i - 1]) / (c->gone[i] - c->gone[i - 1]);
    return y[i - 1] + t * (y[i] - y[i - 1]);
  }
  return c->n > 1 && gone > c->gone[c->n - 1] ? HUGE_VAL : 0;
}
