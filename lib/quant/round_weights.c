/* quantize: weights on a grid of few steps, product after product (docs/guide/bits.md).
 *
 * With samples every product is rounded towards what the original gives there, on the activations
 * that the products rounded before it leave: weights by least squares, steps by their cost, GPTQ,
 * coordinate descent, and the bias that keeps the mean. The graph stays in fp32; its weights lie on
 * the grid, which mc_quant_weight finds again. */
#include "grid.h"
#include "mc/measure/walk.h"
#include "quantize.h"
#include <math.h>
#include <string.h>

enum { SWEEPS = 20 };

static const double damping = 1e-3; /* of the least squares, relative to the mean of the diagonal */

typedef struct rounder {
  state *s;
  mc_arena *a;
  const mc_product *p;
  int64_t rows, n; /* all rows; weights */
  float *w0;       /* [rows, d]: as they were */
  double *w, *q;   /* the same: what is aimed at, what is stored */
  float *bias;
  double *weight; /* [groups, d]; NULL: without samples */
  mcq_grid grid;
} rounder;

/* Weights of 0 stay 0 where an eighth of them is: kernels leave them out. */
static void keep_zeros(rounder *r) {
  int64_t zeros = 0;
  for (int64_t i = 0; i < r->n; i++) zeros += r->w[i] == 0;
  if (8 * zeros <= r->n) return;
  bool *zero = MC_NEWN(r->a, bool, r->n);
  for (int64_t i = 0; i < r->n; i++) zero[i] = r->w[i] == 0;
  r->grid.zero = zero;
}

static void begin(rounder *r, const mc_product *p, mc_arena *a) {
  const mc_opts_quantize *o = r->s->o;
  r->a = a;
  r->p = p;
  r->rows = p->groups * p->o;
  r->n = r->rows * p->d;
  r->w0 = mc_product_copy(p, a, &r->bias);
  r->w = MC_NEWN(a, double, r->n);
  r->q = MC_NEWN(a, double, r->n);
  for (int64_t i = 0; i < r->n; i++) r->w[i] = (double)r->w0[i];
  r->grid = mcq_grid_of(r->rows, p->d, p->groups, (int)o->bits, o->group,
                        o->weights == mc_granularity_per_tensor, a);
  keep_zeros(r);
}

/* Weights of one matrix that give the targets best. Where none can be found, they stay. */
static void fit(rounder *r, const mc_moments *m, const mc_centred *c, int64_t g) {
  int64_t n = r->p->o * r->p->d, at = g * n;
  float *w = MC_NEWN(r->a, float, n), *b = MC_NEWN(r->a, float, r->p->o);
  double lambda = damping;
  if (mc_moments_few(m)) lambda = fmax(mc_fit_lambda(m, g, NULL, r->w0 + at), damping);
  if (!mc_fit(c, r->w0 + at, lambda, w, b)) return;
  for (int64_t i = 0; i < n; i++) r->w[at + i] = (double)w[i];
}

/* The weights to aim at, and how much each column counts. */
static void aim(rounder *r, const mc_moments *m) {
  const mc_product *p = r->p;
  r->weight = MC_NEWN(r->a, double, p->groups * p->d);
  for (int64_t g = 0; g < p->groups; g++) {
    mc_arena *t = mc_arena_create();
    mc_centred c = mc_moments_centred(m, MC_ALL_FOLDS, g, t);
    if (!mc_product_depthwise(p) && !r->grid.zero) fit(r, m, &c, g);
    for (int64_t j = 0; j < p->d; j++) r->weight[g * p->d + j] = c.g[j * p->d + j];
    mc_arena_destroy(t);
  }
}

/* Rounded weights and bias of one matrix. */
static void settle(rounder *r, const mc_moments *m, int64_t g) {
  const mc_product *p = r->p;
  mc_arena *t = mc_arena_create();
  mc_centred c = mc_moments_centred(m, MC_ALL_FOLDS, g, t);
  mc_e_roundmethod how = r->s->o->rounding_method;
  int64_t first = g * p->o;
  if (how == mc_roundmethod_gptq && !mc_product_depthwise(p))
    mcq_grid_gptq(&r->grid, first, p->o, c.g, r->w, r->q);
  if (how != mc_roundmethod_nearest)
    mcq_grid_descend(&r->grid, first, p->o, c.g, r->w, SWEEPS, r->q);
  double *b = MC_NEWN(t, double, p->o);
  mc_fit_bias(&c, r->q + first * p->d, b);
  for (int64_t i = 0; i < p->o; i++) r->bias[first + i] = (float)b[i];
  mc_arena_destroy(t);
}

static float *rounded(const rounder *r) {
  float *w = MC_NEWN(r->a, float, r->n);
  for (int64_t i = 0; i < r->n; i++) w[i] = (float)r->q[i];
  return w;
}

static bool with_samples(rounder *r, mc_walk *walk, int i) {
  const mc_moments *m = mc_walk_moments(walk, i);
  if (!m) return false;
  mc_arena *a = mc_arena_create();
  begin(r, &mc_walk_products(walk)->v[i], a);
  aim(r, m);
  mcq_grid_fit(&r->grid, r->w, r->weight);
  mcq_grid_nearest(&r->grid, r->w, r->q);
  for (int64_t g = 0; g < r->p->groups; g++) settle(r, m, g);
  bool ok = mc_walk_set(walk, i, rounded(r), r->bias);
  mc_arena_destroy(a);
  return ok;
}

static bool without_samples(rounder *r, const mc_product *p) {
  mc_arena *a = mc_arena_create();
  begin(r, p, a);
  mcq_grid_fit(&r->grid, r->w, NULL);
  mcq_grid_nearest(&r->grid, r->w, r->q);
  bool ok = mc_product_set(p, rounded(r), r->bias, r->s->cx->diag);
  mc_arena_destroy(a);
  return ok;
}

bool mcq_round_weights(state *s) {
  rounder r = { .s = s };
  if (!*s->o->data) {
    mc_products p = mc_products_of(s->cx->graph, s->cx->scratch);
    bool ok = true;
    for (int i = 0; ok && i < p.n; i++)
      ok = !mcq_planned(s, p.v[i].node) || without_samples(&r, &p.v[i]);
    return ok;
  }
  mc_walk_opts o = { .data = s->o->data, .samples = s->o->samples, .what = "quantize" };
  mc_walk *w = mc_walk_count(s->cx, &o) ? mc_walk_open(s->cx, &o) : NULL;
  bool ok = w != NULL;
  for (int i = 0; ok && i < mc_walk_products(w)->n; i++)
    ok = !mcq_planned(s, mc_walk_products(w)->v[i].node) || with_samples(&r, w, i);
  if (w) mc_walk_close(w);
  return ok;
}
