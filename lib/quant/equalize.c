/* equalize: channels of a value get ranges of like size, so that one scale of 8 bits suits all.
 *
 *   %h = conv2d %x, %v : f32[1,8,8,2]          // channels in [-2, 2] and [-18, 15]
 *   %y = conv2d %h, %u, %b : f32[1,8,8,16]
 * becomes the same graph with other constants: rows of %v (and its bias) times d, what reads them
 * in %u divided by d, here with d = [5, 0.7].
 *
 * Between products may be anything through which a factor of a channel passes: relu (positive
 * factors), sums, pools, concat, slices and more; residual streams have one factor for a channel
 * from end to end. The factors are those for which rounding to 8 bits adds least to the results of
 * all products, by the ranges and variances of the samples (equalize_noise.c). Graph inputs and
 * results, and what an op reads through which no factor passes, keep theirs. For INT8: one scale of
 * an activation has to do for all channels, weights have one for each. (Nagel et al., "Data-free
 * quantization through weight equalization and bias correction", ICCV 2019, balance weights; Xiao
 * et al., "SmoothQuant", ICML 2023, weights and activations.) Contract: ROUNDS. */
#include "equalize.h"
#include <math.h>

/* A product whose noise falls below this share makes it worth while to touch the network. */
static const double worth = 0.9;

/* ---- samples ---- */

typedef struct watcher {
  equalize *e;
  eq_value **v;
  const mc_value *nan; /* a graph input whose samples hold NaN */
} watcher;

static void see(void *ctx, int k, const float *x, int64_t n) {
  watcher *w = ctx;
  equalize *e = w->e;
  eq_value *v = w->v[k];
  int64_t c = v->channels;
  float *lo = e->lo + v->base, *hi = e->hi + v->base;
  double *sum = e->sum + v->base, *square = e->var + v->base;
  for (int64_t i = 0; i + c <= n; i += c)
    for (int64_t j = 0; j < c; j++) {
      float y = isfinite(x[i + j]) ? x[i + j] : 0;
      if (isnan(x[i + j]) && !v->v->def) w->nan = v->v;
      lo[j] = y < lo[j] ? y : lo[j];
      hi[j] = y > hi[j] ? y : hi[j];
      sum[j] += (double)y;
      square[j] += (double)y * (double)y;
    }
  v->rows += n / c;
}

static void variances(equalize *e, const eq_value *v) {
  for (int64_t i = v->base; v->rows && i < v->base + v->channels; i++) {
    e->sum[i] /= (double)v->rows;
    e->var[i] = fmax(0, e->var[i] / (double)v->rows - e->sum[i] * e->sum[i]);
  }
}

static bool measure(equalize *e) {
  mc_arena *a = e->cx->scratch;
  watcher w = { e, MC_NEWN(a, eq_value *, e->nvalue + 1), NULL };
  mc_value **watch = MC_NEWN(a, mc_value *, e->nvalue + 1);
  int n = 0;
  for (int i = 0; i < e->nvalue; i++) watch[n] = e->value[i].v, w.v[n++] = &e->value[i];
  e->lo = MC_NEWN(a, float, e->slots + 1);
  e->hi = MC_NEWN(a, float, e->slots + 1);
  e->sum = MC_NEWN(a, double, e->slots + 1);
  e->var = MC_NEWN(a, double, e->slots + 1);
  for (int64_t i = 0; i < e->slots; i++) e->lo[i] = INFINITY, e->hi[i] = -INFINITY;
  mc_samples *x = mc_samples_open(e->cx, e->o->data, watch, n, e->o->reference);
  bool ok = x && mc_samples_sweep(x, e->o->samples, "equalize", see, &w);
  if (x) mc_samples_close(x);
  if (ok && w.nan)
    return mc_error(e->cx->diag, w.nan->loc, "equalize: the samples of input '%s' hold NaN",
                    w.nan->name ? w.nan->name : "?");
  for (int i = 0; ok && i < e->nvalue; i++) variances(e, &e->value[i]);
  return ok;
}

/* ---- readers ---- */

static bool any_free(equalize *e, const eq_value *v) {
  for (int64_t i = v->base; i < v->base + v->channels; i++)
    if (mcq_eq_free(e, i)) return true;
  return false;
}

/* What an op leaves of the variance of its operands' rounding errors; 0: that is not followed (of a
 * concat neither: its operands take the result's scale). */
static double operand_share(const mc_node *n) {
  return (double)mc_type_elems(n->in[0]->type) / (double)mc_type_elems(n->out[0]->type);
}

static double noise_none(const mc_node *n) {
  (void)n;
  return 0;
}

static double noise_same(const mc_node *n) {
  (void)n;
  return 1;
}

static double noise_window(const mc_node *n) {
  const int64_t *kernel = MC_ATTRS(n, avg_pool)->kernel;
  return 1.0 / (double)(kernel[0] * kernel[1]);
}

static double noise_mean(const mc_node *n) { return 1 / operand_share(n); }

static double noise_sum(const mc_node *n) { return operand_share(n); }

typedef double noise_fn(const mc_node *n);
static noise_fn *const noise[MC_NUM_OPS] = {
#define MC_QUANT(op, fit, range, factor, noise) [MC_OP_##op] = noise_##noise,
#include "mc/ir/ops.def"
};

/* Backwards from what r reads; values are in order. */
static void find_sources(equalize *e, eq_reader *r) {
  double *share = MC_NEWN(e->cx->scratch, double, r->value + 1);
  r->source = MC_NEWN(e->cx->scratch, int, r->value + 1);
  r->share = MC_NEWN(e->cx->scratch, double, r->value + 1);
  share[r->value] = 1;
  for (int k = r->value; k >= 0; k--) {
    const mc_node *n = e->value[k].v->def;
    if (!(share[k] > 0)) continue;
    if (e->value[k].stored) r->source[r->nsource] = k, r->share[r->nsource++] = share[k];
    for (int i = 0; n && i < n->nin; i++) {
      const eq_value *x = mcq_eq_value(e, n->in[i]);
      if (x) share[x - e->value] += share[k] * noise[n->op](n);
    }
  }
}

static double energy_of(const equalize *e, const mc_value *y) {
  const eq_value *v = mcq_eq_value(e, y);
  double sum = 0;
  for (int64_t c = 0; v && c < v->channels; c++) sum += e->var[v->base + c];
  return sum;
}

static double *squares(const mc_product *p, mc_arena *a) {
  double *w2 = MC_NEWN(a, double, p->groups * p->ci);
  const float *w = mc_value_tensor(p->node->in[1])->data;
  for (int64_t g = 0; g < p->groups; g++)
    for (int64_t i = 0; i < p->o * p->d; i++) {
      double x = (double)w[g * p->o * p->d + i];
      w2[g * p->ci + i % p->ci] += x * x;
    }
  return w2;
}

static void find_readers(equalize *e) {
  mc_arena *a = e->cx->scratch;
  for (int i = 0; i < e->products.n; i++) {
    const mc_product *p = &e->products.v[i];
    const eq_value *x = mcq_eq_value(e, p->node->in[0]);
    if (!x || x->channels != p->groups * p->ci || !any_free(e, x)) continue;
    eq_reader r = { .p = p, .value = (int)(x - e->value), .energy = energy_of(e, p->node->out[0]) };
    if (!(r.energy > 0)) continue;
    r.w2 = squares(p, a);
    find_sources(e, &r);
    MC_PUSH(a, &e->reader, r);
  }
}

/* ---- the graph ---- */

static double factor(equalize *e, const eq_value *v, int64_t c) {
  int64_t k = mcq_eq_root(e, v->base + c);
  return e->turned[k] ? -exp(e->log[k]) : exp(e->log[k]);
}

static bool scale(equalize *e, const mc_product *p, bool *changed) {
  mc_arena *a = e->cx->scratch;
  const eq_value *x = mcq_eq_value(e, p->node->in[0]), *y = mcq_eq_value(e, p->node->out[0]);
  float *b, *w = mc_product_copy(p, a, &b);
  int64_t outs = p->groups * p->o;
  bool same = true;
  double *in = MC_NEWN(a, double, p->groups * p->ci);
  for (int64_t c = 0; c < p->groups * p->ci; c++) {
    in[c] = x && x->channels == p->groups * p->ci ? factor(e, x, c) : 1;
    same &= in[c] == 1;
  }
  for (int64_t o = 0; o < outs; o++) {
    double out = y && y->channels == outs ? factor(e, y, o) : 1;
    same &= out == 1;
    b[o] = (float)((double)b[o] * out);
    for (int64_t i = 0; i < p->d; i++) {
      float *at = &w[o * p->d + i];
      *at = (float)((double)*at * out / in[o / p->o * p->ci + i % p->ci]);
    }
  }
  if (same) return true;
  *changed = true;
  MC_STAT_ADD(e->cx, equalize, layers, 1);
  return mc_product_set(p, w, b, e->cx->diag);
}

/* Scaled values with a range get that of the scaled samples. */
static void renew_range(equalize *e, const eq_value *v) {
  mc_range r = { v->rows > 0, INFINITY, -INFINITY };
  bool scaled = false;
  for (int64_t c = 0; c < v->channels; c++) {
    float d = (float)factor(e, v, c), a = d * e->lo[v->base + c], b = d * e->hi[v->base + c];
    scaled |= d != 1;
    r.lo = fminf(r.lo, fminf(a, b));
    r.hi = fmaxf(r.hi, fmaxf(a, b));
  }
  if (scaled && v->v->range.known) v->v->range = r.known ? r : (mc_range){ 0 };
}

static bool apply(equalize *e, bool *changed) {
  for (int64_t i = 0; i < e->slots; i++)
    if (e->parent[i] == i && (e->log[i] != 0 || e->turned[i]))
      MC_STAT_ADD(e->cx, equalize, classes, 1);
  for (int i = 0; i < e->products.n; i++)
    if (!scale(e, &e->products.v[i], changed)) return false;
  for (int i = 0; i < e->nvalue; i++) renew_range(e, &e->value[i]);
  return true;
}

static void tell(const equalize *e, const double *before, const double *after) {
  for (size_t i = 0; i < e->reader.n; i++) {
    const mc_node *n = e->reader.v[i].p->node;
    if (after[i] < worth * before[i])
      mc_remark(e->cx->diag, n->loc,
                "equalize: %s: rounding adds an estimated %.2g %% to its results, %.2g %% before",
                mc_layer_name(n), 100 * sqrt(after[i]), 100 * sqrt(before[i]));
  }
}

static bool worthwhile(const equalize *e, const double *before, const double *after) {
  for (size_t i = 0; i < e->reader.n; i++)
    if (after[i] < worth * before[i]) return true;
  return false;
}

bool mc_pass_equalize(mc_pass_context *cx, const mc_opts_equalize *o, bool *changed) {
  mc_arena *a = cx->scratch;
  equalize e = { .cx = cx, .o = o, .products = mc_products_of(cx->graph, a) };
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "equalize: samples must not be negative");
  mcq_eq_classes(&e);
  if (!measure(&e)) return false;
  find_readers(&e);
  e.log = MC_NEWN(a, double, e.slots + 1);
  e.turned = MC_NEWN(a, bool, e.slots + 1);
  double *before = MC_NEWN(a, double, e.reader.n + 1), *after = MC_NEWN(a, double, e.reader.n + 1);
  mcq_eq_choose(&e, before, after);
  if (!worthwhile(&e, before, after)) {
    mc_remark(cx->diag, cx->loc, "equalize: no channels whose factors would help by much");
    return true;
  }
  tell(&e, before, after);
  return apply(&e, changed);
}
