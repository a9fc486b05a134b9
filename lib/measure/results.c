#include "results.h"
#include <math.h>

/* ---- which ---- */

static int64_t last_axis(const mc_type *t) { return t->rank ? t->dim[t->rank - 1] : 1; }

static bool from_softmax(const mc_value *v) {
  const mc_node *n = v->def;
  if (n->op == MC_OP_reshape && n->in[0]->def && last_axis(n->in[0]->type) == last_axis(v->type))
    n = n->in[0]->def;
  if (n->op != MC_OP_softmax) return false;
  int64_t axis = MC_ATTRS(n, softmax)->axis, rank = n->in[0]->type->rank;
  return axis == -1 || axis == rank - 1;
}

static mcm_result result_of(mc_value *v) {
  if (v->def->op == MC_OP_argmax && v->def->in[0]->def && v->def->in[0]->type->dtype != MC_i32)
    v = v->def->in[0];
  mcm_result r = { .v = v };
  r.classes = last_axis(v->type) >= 2 && (v->type->dtype == MC_f32 || mc_type_is_quant(v->type));
  r.probable = r.classes && from_softmax(v);
  return r;
}

mcm_results mcm_results_of(const mc_graph *g, mc_arena *a) {
  mcm_results r = { .v = MC_NEWN(a, mcm_result, mc_graph_nout(g) + 1) };
  for (int i = 0; i < mc_graph_nout(g); i++) {
    mc_value *v = mc_graph_out(g, i);
    if (!v->def || mc_op_has(v->def->op, MC_T_CONST)) continue;
    mcm_result x = result_of(v);
    bool seen = false;
    for (int k = 0; k < r.n; k++) seen = seen || r.v[k].v == x.v;
    if (!seen) r.v[r.n++] = x;
  }
  return r;
}

/* ---- distances ---- */

mcm_apart mcm_apart_new(int n, mc_arena *a) {
  return (mcm_apart){ MC_NEWN(a, double, n + 1), MC_NEWN(a, double, n + 1),
                      MC_NEWN(a, double, n + 1), n };
}

static void real_row(const mc_type *t, const void *x, int64_t at, int64_t n, double *to) {
  union {
    const void *from;
    void *to;
  } p = { x }; /* mc_array serves readers and writers */

  mc_array y = { t, p.to };
  for (int64_t i = 0; i < n; i++)
    to[i] = t->dtype == MC_f32 ? (double)((const float *)x)[at + i] : mc_array_real(&y, at + i);
}

/* Logarithms of the probabilities that a row stands for. */
static void log_probabilities(const mcm_result *r, const double *x, int64_t n, double *to) {
  double most = x[0], sum = 0;
  for (int64_t i = 0; r->probable && i < n; i++) to[i] = log(x[i] > 1e-12 ? x[i] : 1e-12);
  if (r->probable) return;
  for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
  for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
  for (int64_t i = 0; i < n; i++) to[i] = x[i] - most - log(sum);
}

static double divergence(const mcm_result *r, const double *reference, const double *x, int64_t n,
                         double *space) {
  double *p = space, *q = space + n, kl = 0;
  log_probabilities(r, reference, n, p);
  log_probabilities(r, x, n, q);
  for (int64_t i = 0; i < n; i++) kl += exp(p[i]) * (p[i] - q[i]);
  return kl;
}

void mcm_apart_add(mcm_apart *s, int k, const mcm_result *r, const mc_type *xt, const void *x,
                   const void *reference) {
  int64_t n = last_axis(r->v->type), rows = mc_type_elems(r->v->type) / n;
  mc_arena *t = mc_arena_create();
  double *p = MC_NEWN(t, double, n), *q = MC_NEWN(t, double, n), *space = MC_NEWN(t, double, 2 * n);
  for (int64_t i = 0; i < rows; i++) {
    real_row(r->v->type, reference, i * n, n, p);
    real_row(xt, x, i * n, n, q);
    if (r->classes) s->kl[k] += divergence(r, p, q, n, space);
    for (int64_t c = 0; c < n; c++) s->square[k] += (p[c] - q[c]) * (p[c] - q[c]);
  }
  s->rows[k] += (double)rows;
  mc_arena_destroy(t);
}

/* What is not a number is as far away as can be. */
static double sane(double x) { return isfinite(x) ? x > 0 ? x : 0 : INFINITY; }

void mcm_apart_mean(const mcm_apart *s, const mcm_results *r, const double *variance,
                    mc_distance *out) {
  double kl = 0, l2 = 0;
  int classes = 0;
  for (int k = 0; k < s->n; k++) {
    l2 += s->square[k] == 0 ? 0 : s->square[k] / (variance[k] > 0 ? variance[k] : 1e-30);
    if (!r->v[k].classes) continue;
    classes++;
    kl += s->kl[k] / s->rows[k];
  }
  out->kl = classes ? sane(kl / classes) : -1;
  out->l2 = s->n ? sane(l2 / s->n) : 0;
}

bool mcm_variance(const mcm_result *r, mcm_rows *rows, int64_t runs, double *out, mc_arena *a) {
  int64_t n = last_axis(r->v->type), each = mc_type_elems(r->v->type) / n;
  double *sum = MC_NEWN(a, double, n), *square = MC_NEWN(a, double, n), *x = MC_NEWN(a, double, n);
  for (int64_t k = 0; k < runs; k++) {
    const void *data = mcm_rows_get(rows, k);
    if (!data) return false;
    for (int64_t i = 0; i < each; i++) {
      real_row(r->v->type, data, i * n, n, x);
      for (int64_t c = 0; c < n; c++) sum[c] += x[c], square[c] += x[c] * x[c];
    }
  }
  *out = 0;
  for (int64_t c = 0; c < n; c++) *out += square[c] - sum[c] * sum[c] / (double)(runs * each);
  return true;
}
