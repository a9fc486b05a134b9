/* Ridge regression of each product towards what the original computes there; sources in
 * docs/guide/compression.md, "Repair". */
#include "refit.h"
#include <math.h>
#include <string.h>

/* With fewer samples, or few places, lambda comes from the folds. */
enum { FEW_SAMPLES = 200 };

static const double lambda_product = 1e-3, lambda_depthwise = 1e-2;

double mc_refit_lambda(const mc_product *p, const mc_moments *m, int64_t group, const bool *keep,
                       double damping, int64_t samples, const float *w0) {
  if (damping > 0) return damping;
  if (mc_product_depthwise(p)) return lambda_depthwise;
  if (samples >= FEW_SAMPLES && !mc_moments_few(m)) return lambda_product;
  return fmax(mc_fit_lambda(m, group, keep, w0), 1e-5);
}

double mc_refit_remember(double *lambda, int i, const mc_product *p, const mc_moments *m,
                         const bool *keep, double damping, int64_t samples, const float *w0) {
  if (!lambda || p->groups > 1) return damping;
  if (!(lambda[i] > 0)) lambda[i] = mc_refit_lambda(p, m, 0, keep, damping, samples, w0);
  return lambda[i];
}

bool mc_refit_product(const mc_product *p, const mc_moments *m, unsigned folds, const bool *keep,
                      double damping, int64_t samples, const float *w0, float *w, float *bias) {
  bool ok = true;
  mc_arena *shared = mc_arena_create();
  float *b0;
  mc_product_copy(p, shared, &b0);
  for (int64_t g = 0; g < p->groups; g++) {
    mc_arena *a = mc_arena_create();
    const bool *k = keep ? keep + g * p->d : NULL;
    const float *from = w0 + g * p->o * p->d;
    float *to = w + g * p->o * p->d;
    double lambda = mc_refit_lambda(p, m, g, k, damping, samples, from);
    mc_centred c = mc_moments_centred(m, folds, g, a);
    float *b = bias + g * p->o;
    if (!(k ? mc_fit_kept(&c, k, from, lambda, to, b) : mc_fit(&c, from, lambda, to, b))) {
      for (int64_t i = 0; i < p->o * p->d; i++) to[i] = !k || k[i % p->d] ? from[i] : 0;
      memcpy(b, b0 + g * p->o, sizeof *b * (size_t)p->o);
      ok = false;
    }
    mc_arena_destroy(a);
  }
  mc_arena_destroy(shared);
  return ok;
}

static bool all_set(const bool *flag, int64_t n) {
  for (int64_t i = 0; flag && i < n; i++)
    if (!flag[i]) return false;
  return true;
}

void mc_refit_drop_rows(const mc_product *p, const bool *rows, float *w, float *bias) {
  for (int64_t r = 0; rows && r < p->groups * p->o; r++)
    if (!rows[r]) {
      memset(w + r * p->d, 0, sizeof *w * (size_t)p->d);
      bias[r] = 0;
    }
}

typedef struct refitter {
  mc_pass_context *cx;
  const mc_refit *o;
  mc_walk *walk;
  mc_fitted *out;
  mc_arena *a;
  int singular; /* products with a group that has none */
  bool changed; /* something before the next product is new */
} refitter;

static void fit_one(refitter *r, const mc_product *p, const mc_moments *m, int i, const float *w0,
                    float *w, float *b) {
  const bool *keep = r->o->keep ? r->o->keep[i] : NULL, *mask = r->o->mask ? r->o->mask[i] : NULL;
  int64_t samples = mc_walk_samples(r->walk);
  if (!mask) {
    double damping = mc_refit_remember(r->o->lambda, i, p, m, keep, r->o->damping, samples, w0);
    r->singular += !mc_refit_product(p, m, r->o->folds, keep, damping, samples, w0, w, b);
  } else {
    double known = r->o->lambda ? r->o->lambda[i] : 0;
    double lambda = known > 0 ? known : mc_refit_lambda(p, m, 0, NULL, r->o->damping, samples, w0);
    mc_refit_masked(p, m, r->o->folds, mask, lambda, w0, w, b);
  }
}

static bool refit_one(refitter *r, int i) {
  const mc_product *p = &mc_walk_products(r->walk)->v[i];
  const bool *keep = r->o->keep ? r->o->keep[i] : NULL, *rows = r->o->rows ? r->o->rows[i] : NULL;
  int64_t elems = p->groups * p->o * p->d;
  bool lost = !all_set(keep, p->groups * p->d), fit = lost || r->changed;
  r->changed = r->changed || lost || !all_set(rows, p->groups * p->o);
  if (!fit && all_set(rows, p->groups * p->o)) return true;
  const mc_moments *m = mc_walk_moments(r->walk, i);
  if (!m || (r->o->choose && !r->o->choose(r->o->choose_ctx, i, m))) return false;
  float *b, *w = mc_product_copy(p, r->a, &b);
  if (fit) {
    mc_arena *t = mc_arena_create();
    fit_one(r, p, m, i, mc_arena_copy(t, w, sizeof *w * (size_t)elems), w, b);
    mc_arena_destroy(t);
  }
  mc_refit_drop_rows(p, rows, w, b);
  r->out->w[i] = w;
  r->out->b[i] = b;
  return mc_walk_set(r->walk, i, w, b);
}

void mc_refit_folds(mc_walk_opts *o, unsigned folds) {
  o->folds = folds, o->half = folds != MC_FOLDS_ALL, o->few = FEW_SAMPLES;
}

bool mc_refit_run(mc_pass_context *cx, const mc_refit *o, mc_fitted *out, mc_arena *a) {
  mc_pass_context own = *cx;
  own.graph = mc_graph_clone(cx->graph); /* the walk sets weights */
  own.module = own.graph->module;
  refitter r = { .cx = cx, .o = o, .out = out, .a = a, .changed = o->walk.original != NULL };
  mc_walk_opts walk = o->walk;
  mc_refit_folds(&walk, o->folds);
  r.walk = mc_walk_open(&own, &walk);
  bool ok = r.walk != NULL;
  int n = ok ? mc_walk_products(r.walk)->n : 0;
  *out = (mc_fitted){ MC_NEWN(a, float *, n), MC_NEWN(a, float *, n), n };
  for (int i = 0; ok && i < n; i++) ok = refit_one(&r, i);
  if (r.walk) mc_walk_close(r.walk);
  mc_module_destroy(own.module);
  if (ok && r.singular)
    mc_warning(cx->diag, cx->loc,
               "%s: %d layers keep their weights: what they read is the same in all samples",
               o->walk.what, r.singular);
  return ok;
}

bool mc_fitted_set(const mc_fitted *f, const mc_graph *g, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_products p = mc_products_of(g, a);
  bool ok = true;
  for (int i = 0; ok && i < f->n && i < p.n; i++)
    if (f->w[i]) ok = mc_product_set(&p.v[i], f->w[i], f->b[i], d);
  mc_arena_destroy(a);
  return ok;
}

mc_graph *mc_fitted_copy(const mc_fitted *f, const mc_graph *g, mc_diag *d) {
  mc_graph *c = mc_graph_clone(g);
  if (mc_fitted_set(f, c, d)) return c;
  mc_module_destroy(c->module);
  return NULL;
}

bool mc_fitted_judge(const mc_fitted *f, const mc_graph *g, mc_damage *by, mc_diag *d,
                     mc_distance *out) {
  mc_graph *c = mc_fitted_copy(f, g, d);
  bool ok = c && mc_damage_graph(by, c, out);
  if (c) mc_module_destroy(c->module);
  return ok;
}
