/* Weights and factors for a choice of forms: layer by layer in topological order, on what the
 * changed network computes (docs/guide/compression.md, "Low rank"). */
#include "lowrank.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

double *mc_lr_metric(mc_centred *m) {
  double ridge = 1e-3 * mc_la_trace(m->d, m->g) / (double)m->d;
  for (int64_t i = 0; i < m->d; i++) m->g[i * m->d + i] += ridge > 0 ? ridge : 1e-12;
  return m->g;
}

int mc_lr_rounds(const lr_layer *l, bool final) {
  bool wide = l->p.d > MC_WIDE;
  return final ? (wide ? 2 : 4) : wide ? 1 : 2;
}

typedef struct fitter {
  lowrank *z;
  const int *choice;
  unsigned folds;
  lr_fit *out;
  mc_arena *a;
  mc_walk *walk; /* NULL: weights as they are, plain norm */
  int singular;
} fitter;

static double *doubles(const float *x, int64_t n, mc_arena *a) {
  double *y = MC_NEWN(a, double, n);
  for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
  return y;
}

/* w becomes what the factors multiply to; the bias takes what the means of the inputs make of that.
 */
static void take_dense(const lr_layer *l, const mc_factors *f, const mc_centred *m, double *tmp,
                       float *w, float *bias) {
  mc_factors_dense(f, l->s, tmp);
  for (int64_t r = 0; r < l->p.o; r++)
    for (int64_t c = 0; c < l->p.d; c++) {
      double now = tmp[r * l->p.d + c];
      if (m) bias[r] += (float)(((double)w[r * l->p.d + c] - now) * m->mx[c]);
      w[r * l->p.d + c] = (float)now;
    }
}

static bool factor_group(fitter *t, const lr_layer *l, const mc_form *form, const mc_moments *m,
                         int64_t g, float *w, float *bias, mc_factors *f, double *norm) {
  lowrank *z = t->z;
  mc_arena *a = mc_arena_create();
  mc_centred c;
  double *metric = NULL, *w0 = doubles(w, l->p.o * l->p.d, a);
  if (m) c = mc_moments_centred(m, t->folds, g, a);
  if (m && z->data_norm) metric = mc_lr_metric(&c);
  mc_factoring *p = mc_factoring_new(l->s, w0, metric, a);
  bool ok = mc_factor_fit(p, form, mc_lr_rounds(l, true), f, t->a);
  *norm = ok ? mc_factoring_norm(p) : 0;
  if (ok) take_dense(l, f, m ? &c : NULL, MC_NEWN(a, double, l->p.o * l->p.d), w, bias);
  mc_arena_destroy(a);
  return ok || mc_error(z->cx->diag, l->p.node->loc,
                        "lowrank-svd: the factors of this layer did not come out: its weights or "
                        "what it reads hold no finite numbers");
}

static bool factor_layer(fitter *t, int i, const mc_form *form, const mc_moments *m, float *w,
                         float *bias) {
  const lr_layer *l = &t->z->l[i];
  int64_t elems = l->p.o * l->p.d;
  double all = 0, lost = 0, norm;
  t->out->f[i] = MC_NEWN(t->a, mc_factors, l->p.groups);
  for (int64_t g = 0; g < l->p.groups; g++) {
    mc_factors *f = &t->out->f[i][g];
    if (!factor_group(t, l, form, m, g, w + g * elems, bias + g * l->p.o, f, &norm)) return false;
    all += norm;
    lost += norm * f->error;
  }
  t->out->error[i] = all > 0 ? lost / all : 0;
  return true;
}

static bool fit_layer(fitter *t, int i) {
  lowrank *z = t->z;
  const lr_layer *l = &z->l[i];
  const mc_form *form = &l->alt.v[t->choice[i]].form;
  bool whole = form->kind == MC_FORM_whole;
  if (whole && !z->refit) return true;
  int64_t elems = l->p.groups * l->p.o * l->p.d;
  mc_arena *a = t->a;
  float *b, *w = mc_product_copy(&l->p, a, &b);
  mc_moments *m = t->walk ? mc_walk_moments(t->walk, i) : NULL;
  if (t->walk && !m) return false;
  if (z->refit) {
    mc_arena *tmp = mc_arena_create();
    float *w0 = mc_arena_copy(tmp, w, sizeof *w * (size_t)elems);
    int64_t samples = mc_walk_samples(t->walk);
    double damping = mc_refit_remember(z->lambda, i, &l->p, m, NULL, z->o->damping, samples, w0);
    t->singular += !mc_refit_product(&l->p, m, t->folds, NULL, damping, samples, w0, w, b);
    mc_arena_destroy(tmp);
  }
  if (!whole && !factor_layer(t, i, form, m, w, b)) return false;
  t->out->w[i] = w;
  t->out->b[i] = b;
  return !t->walk || mc_walk_set(t->walk, i, w, b);
}

mc_module *mc_lr_copy_for_walk(const lowrank *z, mc_pass_context *cx) {
  *cx = *z->cx;
  if (!z->samples || !(z->refit || z->data_norm)) return NULL;
  cx->graph = mc_graph_clone(z->cx->graph);
  return cx->module = cx->graph->module;
}

bool mc_lr_fit(lowrank *z, const int *choice, unsigned folds, lr_fit *out, mc_arena *a) {
  int n = z->products.n;
  *out = (lr_fit){ MC_NEWN(a, float *, n + 1), MC_NEWN(a, float *, n + 1),
                   MC_NEWN(a, mc_factors *, n + 1), MC_NEWN(a, double, n + 1) };
  fitter t = { .z = z, .choice = choice, .folds = folds, .out = out, .a = a };
  mc_pass_context cx;
  mc_module *m = mc_lr_copy_for_walk(z, &cx);
  mc_walk_opts walk = z->walk;
  mc_refit_folds(&walk, folds);
  walk.targets = z->targets, walk.rows = z->rows;
  bool ok = !m || (t.walk = mc_walk_open(&cx, &walk)) != NULL;
  for (int i = 0; ok && i < n; i++) {
    ok = fit_layer(&t, i);
    if (!m && z->cx->progress) z->cx->progress(z->cx->progress_ctx, "lowrank-svd", i + 1, n);
  }
  if (t.walk) mc_walk_close(t.walk);
  if (m) mc_module_destroy(m);
  if (ok && t.singular)
    mc_warning(
        z->cx->diag, z->cx->loc,
        "lowrank-svd: %d layers keep their weights: what they read is the same in all samples",
        t.singular);
  return ok;
}
