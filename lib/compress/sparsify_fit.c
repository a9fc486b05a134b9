/* sparsify with samples: blocks chosen and weights fitted on what layers read, one layer after the
 * other (docs/guide/compression.md, "Sparsity"). */
#include "refit.h"
#include "report.h"
#include "sparsify.h"
#include <string.h>

typedef struct fitter {
  sparsifier *s;
  mc_walk_opts walk;
  mc_products products;  /* of the pass's graph */
  sparse_layer **layer;  /* by product; NULL: stays dense */
  bool **mask;           /* by product; NULL: all elements stay */
  double *lambda;        /* by product: of the first fit; 0: the last one finds its own */
  mc_fitted first, last; /* fitted without the last fold, and on all samples */
} fitter;

static void take_products(fitter *f) {
  mc_arena *a = f->s->cx->scratch;
  f->products = mc_products_of(f->s->cx->graph, a);
  f->layer = MC_NEWN(a, sparse_layer *, f->products.n + 1);
  f->mask = MC_NEWN(a, bool *, f->products.n + 1);
  f->lambda = MC_NEWN(a, double, f->products.n + 1);
  for (int i = 0; i < f->products.n; i++)
    for (int k = 0; k < f->s->n; k++)
      if (f->s->l[k].node == f->products.v[i].node) f->layer[i] = &f->s->l[k];
}

/* Scores that say which blocks go, whatever the samples are. */
static bool fixed_scores(const sparsifier *s) {
  int by = s->o->score;
  return by == mc_wscore_random || by == mc_wscore_l1 || by == mc_wscore_l2 || by == mc_wscore_file;
}

/* Choose the blocks of product i that go: its mask. w: its weights on the network as it is now. */
static void choose(fitter *f, int i, const mc_product *p, const mc_moments *m, float *w) {
  sparsifier *s = f->s;
  sparse_layer *l = f->layer[i];
  int64_t n = p->groups * p->o * p->d;
  mc_arena *a = mc_arena_create();
  double *value = MC_NEWN(a, double, n);
  float *own = l->data;
  f->mask[i] = MC_NEWN(s->cx->scratch, bool, n);
  l->data = w;
  if (s->o->mask[0])
    mc_sparsify_mask(l, w, f->mask[i]);
  else if (fixed_scores(s))
    mc_sparsify_zero(s, l, l->given);
  else if (!mc_sparsify_measure(s, l, p, m, MC_FOLDS_FIT, w, value, a)) {
    s->alone += s->o->score != mc_wscore_aw;
    mc_sparsify_zero(s, l, value);
  }
  l->data = own;
  for (int64_t j = 0; j < n && !s->o->mask[0]; j++) f->mask[i][j] = w[j] != 0;
  mc_arena_destroy(a);
}

static bool fit_product(fitter *f, mc_walk *walk, int i) {
  sparsifier *s = f->s;
  mc_arena *a = s->cx->scratch;
  const mc_product *p = &mc_walk_products(walk)->v[i];
  int64_t n = p->groups * p->o * p->d, samples = mc_walk_samples(walk);
  const mc_moments *m = mc_walk_moments(walk, i);
  if (!m) return false;
  mc_arena *t = mc_arena_create();
  float *b, *w = mc_product_copy(p, a, &b), *w0 = mc_arena_copy(t, w, sizeof *w * (size_t)n);
  if (s->repairs) mc_refit_product(p, m, MC_FOLDS_FIT, NULL, s->o->damping, samples, w0, w, b);
  if (f->layer[i]) {
    double lambda = mc_refit_lambda(p, m, 0, NULL, s->o->damping, samples, w0);
    if (mc_large_layer(p->o, p->d)) f->lambda[i] = lambda;
    float *from = mc_arena_copy(t, w, sizeof *w * (size_t)n);
    choose(f, i, p, m, w);
    if (s->repairs) mc_refit_masked(p, m, MC_FOLDS_FIT, f->mask[i], lambda, from, w, b);
  }
  mc_arena_destroy(t);
  f->first.w[i] = w;
  f->first.b[i] = b;
  return mc_walk_set(walk, i, w, b);
}

/* One walk on a copy of the network: masks, and weights that the last fold has not seen. */
static bool first_fit(fitter *f) {
  mc_pass_context own = *f->s->cx;
  mc_arena *a = own.scratch;
  int n = f->products.n;
  f->first = (mc_fitted){ MC_NEWN(a, float *, n + 1), MC_NEWN(a, float *, n + 1), 0 };
  own.graph = mc_graph_clone(f->s->cx->graph);
  own.module = own.graph->module;
  mc_walk *walk = mc_walk_open(&own, &f->walk);
  bool ok = walk != NULL;
  f->first.n = n;
  for (int i = 0; ok && i < n; i++) ok = fit_product(f, walk, i);
  if (walk) mc_walk_close(walk);
  mc_module_destroy(own.module);
  return ok;
}

static void tell_alone(const sparsifier *s) {
  if (s->alone)
    mc_remark(
        s->cx->diag, s->cx->loc,
        "sparsify: in %d layers blocks are judged as if each went alone: to take them out one "
        "after the other is too much work there%s",
        s->alone, s->large ? " for a network of this size" : "");
}

/* The masks stay; weights that see all samples. */
static bool last_fit(fitter *f) {
  sparsifier *s = f->s;
  f->last = f->first;
  if (!s->repairs) return true;
  mc_refit r = { .walk = f->walk,
                 .damping = s->o->damping,
                 .folds = MC_FOLDS_ALL,
                 .lambda = f->lambda,
                 .mask = (const bool *const *)f->mask };
  r.walk.original = s->cx->graph;
  return mc_refit_run(s->cx, &r, &f->last, s->cx->scratch);
}

static bool judge(fitter *f, mc_damage *d, const mc_fitted *w, mc_distance *out) {
  return mc_fitted_judge(w, f->s->cx->graph, d, f->s->cx->diag, out);
}

/* The sum of the changes that the layers make of the output, each alone in the original. */
static bool predict(fitter *f, mc_damage *d) {
  double sum = 0;
  bool kl = false;
  for (int i = 0; i < f->products.n; i++) {
    mc_distance x;
    if (!f->layer[i]) continue;
    if (!mc_damage_of(d, i, f->first.w[i], f->first.b[i], &x)) return false;
    sum += mc_distance_main(&x);
    kl = x.kl >= 0;
  }
  mc_remark(f->s->cx->diag, f->s->cx->loc,
            "sparsify: predicted change of the output (sum over the layers, each alone): %s %.4g",
            kl ? "KL" : "relative squared error", sum);
  return true;
}

/* What the layers become, for the counters. */
static void keep_data(fitter *f) {
  for (int i = 0; i < f->products.n; i++)
    if (f->layer[i]) f->layer[i]->data = f->last.w[i];
}

bool mc_sparsify_fit(sparsifier *s, bool *changed) {
  fitter f = { .s = s,
               .walk = { .data = s->o->data,
                         .samples = s->o->samples,
                         .memory = s->o->memory << 20,
                         .what = "sparsify" } };
  mc_distance held, final;
  take_products(&f);
  mc_damage *d = mc_damage_open(s->cx, &f.walk);
  if (!d) return false;
  s->large = mc_damage_large(d);
  bool ok = first_fit(&f);
  if (ok) tell_alone(s);
  ok = ok && predict(&f, d) && judge(&f, d, &f.first, &held) && last_fit(&f) &&
       judge(&f, d, &f.last, &final);
  mc_damage_close(d);
  if (!ok) return false;
  keep_data(&f);
  mc_report_damage(s->cx, "sparsify", &held, &final);
  *changed = true;
  return mc_fitted_set(&f.last, s->cx->graph, s->cx->diag);
}
