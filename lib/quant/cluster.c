/* cluster: each layer's weights become at most 2^bits different numbers (docs/guide/bits.md, "Code
 * books"). k-means in one dimension: weights sorted, centres at the borders' means, until none
 * moves (Lloyd); of two beginnings the better. With samples a weight counts as the mean square of
 * what it is multiplied with, layer after layer on what the layers before leave, and the bias keeps
 * the mean of the result. */
#include "mc/measure/walk.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include "quant.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 100, MOST = 256 };

typedef struct point {
  double v, h; /* a weight and how much it counts */
} point;

typedef struct book {
  int n;
  double c[MOST];
  bool zero; /* one stays 0 */
} book;

static int by_value(const void *a, const void *b) {
  const point *x = a, *y = b;
  return (x->v > y->v) - (x->v < y->v);
}

/* ---- k-means ---- */

/* Sorted points with the sums of h and h * v before each. */
typedef struct line {
  point *p;
  double *h, *hv;
  int64_t n;
} line;

static line line_of(point *p, int64_t n, mc_arena *a) {
  line l = { p, MC_NEWN(a, double, n + 1), MC_NEWN(a, double, n + 1), n };
  qsort(p, (size_t)n, sizeof *p, by_value);
  for (int64_t i = 0; i < n; i++) {
    l.h[i + 1] = l.h[i] + p[i].h;
    l.hv[i + 1] = l.hv[i] + p[i].h * p[i].v;
  }
  return l;
}

/* Points below x. */
static int64_t below(const line *l, double x) {
  int64_t lo = 0, hi = l->n;
  while (lo < hi) {
    int64_t mid = (lo + hi) / 2;
    if (l->p[mid].v < x)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

static void keep_zero(book *b) {
  int near = 0;
  for (int i = 1; i < b->n; i++)
    if (fabs(b->c[i]) < fabs(b->c[near])) near = i;
  if (b->zero) b->c[near] = 0;
}

/* Centres to the means of the points that are nearest to them; whether any moved. */
static bool improve(const line *l, book *b) {
  double old[MOST];
  memcpy(old, b->c, sizeof old);
  int64_t from = 0;
  for (int i = 0; i < b->n; i++) {
    int64_t to = i + 1 < b->n ? below(l, (old[i] + old[i + 1]) / 2) : l->n;
    double h = l->h[to] - l->h[from];
    if (to > from && h > 0) b->c[i] = (l->hv[to] - l->hv[from]) / h;
    from = to;
  }
  keep_zero(b);
  return memcmp(old, b->c, sizeof *old * (size_t)b->n) != 0;
}

static int nearest(const book *b, double v) {
  int best = 0;
  for (int lo = 0, hi = b->n - 1; lo <= hi;) { /* centres rise */
    int mid = (lo + hi) / 2;
    if (fabs(b->c[mid] - v) < fabs(b->c[best] - v)) best = mid;
    if (b->c[mid] < v)
      lo = mid + 1;
    else
      hi = mid - 1;
  }
  return best;
}

static double cost(const line *l, const book *b) {
  double sum = 0;
  for (int64_t i = 0; i < l->n; i++) {
    double e = l->p[i].v - b->c[nearest(b, l->p[i].v)];
    sum += l->p[i].h * e * e;
  }
  return sum;
}

/* Centres at equal shares of the points (quantiles), or at equal distances. */
static book begun(const line *l, int n, bool zero, bool quantiles) {
  book b = { .n = n, .zero = zero };
  double lo = l->p[0].v, hi = l->p[l->n - 1].v;
  for (int i = 0; i < n; i++) {
    double at = (i + 0.5) / n;
    b.c[i] = quantiles ? l->p[(int64_t)(at * (double)l->n)].v : lo + at * (hi - lo);
  }
  keep_zero(&b);
  for (int r = 0; r < ROUNDS && improve(l, &b); r++) continue;
  return b;
}

static book book_of(const line *l, int n, bool zero) {
  book a = begun(l, n, zero, true), b = begun(l, n, zero, false);
  return cost(l, &b) < cost(l, &a) ? b : a;
}

/* ---- layers ---- */

typedef struct layer {
  const mc_product *p;
  mc_arena *a;
  float *w, *bias;
  double *q; /* the same weights, after */
} layer;

/* weight [groups, d]: what a column counts; NULL: all the same. Zeros stay where an eighth is. */
static void cluster(layer *l, int n, const double *weight) {
  const mc_product *p = l->p;
  int64_t all = p->groups * p->o * p->d, zeros = 0;
  point *v = MC_NEWN(l->a, point, all);
  for (int64_t i = 0; i < all; i++) {
    int64_t row = i / p->d, g = row / p->o;
    v[i] = (point){ (double)l->w[i], weight ? weight[g * p->d + i % p->d] + 1e-30 : 1 };
    zeros += l->w[i] == 0;
  }
  line sorted = line_of(v, all, l->a);
  book b = book_of(&sorted, n, 8 * zeros > all);
  for (int64_t i = 0; i < all; i++) {
    l->w[i] = (float)b.c[nearest(&b, (double)l->w[i])] + 0.0f; /* no -0 */
    l->q[i] = (double)l->w[i];
  }
}

static layer open_layer(const mc_product *p, mc_arena *a) {
  layer l = { .p = p, .a = a };
  l.w = mc_product_copy(p, a, &l.bias);
  l.q = MC_NEWN(a, double, p->groups * p->o * p->d);
  return l;
}

static bool without_samples(mc_pass_context *cx, const mc_product *p, int n) {
  mc_arena *a = mc_arena_create();
  layer l = open_layer(p, a);
  cluster(&l, n, NULL);
  bool ok = mc_product_set(p, l.w, l.bias, cx->diag);
  mc_arena_destroy(a);
  return ok;
}

static bool with_samples(mc_walk *walk, int i, int n) {
  const mc_moments *m = mc_walk_moments(walk, i);
  if (!m) return false;
  const mc_product *p = &mc_walk_products(walk)->v[i];
  mc_arena *a = mc_arena_create();
  layer l = open_layer(p, a);
  mc_centred *c = MC_NEWN(a, mc_centred, p->groups);
  double *weight = MC_NEWN(a, double, p->groups * p->d), *b = MC_NEWN(a, double, p->o);
  for (int64_t g = 0; g < p->groups; g++) {
    c[g] = mc_moments_centred(m, MC_ALL_FOLDS, g, a);
    for (int64_t j = 0; j < p->d; j++) weight[g * p->d + j] = c[g].g[j * p->d + j];
  }
  cluster(&l, n, weight);
  for (int64_t g = 0; g < p->groups; g++) {
    mc_fit_bias(&c[g], l.q + g * p->o * p->d, b);
    for (int64_t r = 0; r < p->o; r++) l.bias[g * p->o + r] = (float)b[r];
  }
  bool ok = mc_walk_set(walk, i, l.w, l.bias);
  mc_arena_destroy(a);
  return ok;
}

/* ---- the pass ---- */

/* Why a layer keeps its weights; NULL: it does not. */
static const char *kept(const mc_opts_cluster *o, const mc_product *p) {
  const mc_node *n = p->node;
  const char *value = n->out[0]->name;
  if (mc_glob_list(o->skip, n->source) || mc_glob_list(o->skip, value) ||
      (*o->only && !mc_glob_list(o->only, n->source) && !mc_glob_list(o->only, value)))
    return "not selected";
  return mc_product_unstored(p);
}

static bool check(mc_pass_context *cx, const mc_opts_cluster *o) {
  if (o->bits < 1 || o->bits > 8)
    return mc_error(cx->diag, cx->loc, "cluster: bits must be 1 to 8, got %lld",
                    (long long)o->bits);
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "cluster: samples must be at least 0");
  if (o->samples && !*o->data)
    return mc_error(cx->diag, cx->loc, "cluster: samples= has no meaning without data=");
  mc_layers_warn_unmatched(cx, "cluster", "skip", o->skip, 0);
  mc_layers_warn_unmatched(cx, "cluster", "only", o->only, 0);
  return true;
}

bool mc_pass_cluster(mc_pass_context *cx, const mc_opts_cluster *o, bool *changed) {
  if (!check(cx, o)) return false;
  mc_products p = mc_products_of(cx->graph, cx->scratch);
  int n = 1 << o->bits, done = 0;
  bool *take = MC_NEWN(cx->scratch, bool, p.n + 1);
  for (int i = 0; i < p.n; i++) {
    const char *why = kept(o, &p.v[i]);
    take[i] = !why;
    done += !why;
    if (why)
      mc_remark(cx->diag, p.v[i].node->loc, "%s keeps its f32 weights: %s",
                mc_layer_name(p.v[i].node), why);
  }
  if (!done)
    mc_warning(cx->diag, cx->graph->loc,
               "cluster: nothing was done: there is no convolution or linear layer with constant "
               "f32 weights that was meant");
  *changed = done > 0;
  cx->bound = 0.25;
  bool ok = true;
  if (!*o->data || !done) {
    for (int i = 0; ok && i < p.n; i++) ok = !take[i] || without_samples(cx, &p.v[i], n);
    return ok;
  }
  mc_walk_opts wo = { .data = o->data, .samples = o->samples, .what = "cluster" };
  mc_walk *w = mc_walk_count(cx, &wo) ? mc_walk_open(cx, &wo) : NULL;
  ok = w != NULL;
  for (int i = 0; ok && i < mc_walk_products(w)->n; i++) ok = !take[i] || with_samples(w, i, n);
  if (w) mc_walk_close(w);
  return ok;
}
