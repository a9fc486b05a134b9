/* What the original's products give at the sampled places: one pass over the samples, read by any
 * number of walks. */
#include "columns.h"
#include "data.h"
#include "net.h"
#include "targets.h"
#include <string.h>

struct mc_targets {
  mc_arena *a;
  mcm_store store;
  mc_graph *g; /* a copy of the original; products have no clamps */
  mc_products p;
  int64_t runs, *n;      /* places of a run, by product */
  double **lambda;       /* by product: [groups], see mc_moments; NULL: not kept */
  mcm_rows **y, **other; /* by product: [n, groups o] of a run; other NULL: there is none */
};

/* The other operand of the add that v alone feeds; NULL: there is none of the same shape. */
mc_value *mcm_other_operand(const mc_value *v) {
  const mc_node *n = mc_value_single_user(v);
  if (!n || n->op != MC_OP_add || n->graph != v->def->graph) return NULL;
  mc_value *o = n->in[n->in[0] == v];
  return o != v && mc_type_same_shape(o->type, v->type) && o->type->dtype == MC_f32 ? o : NULL;
}

/* ---- the pass over the samples ---- */

/* Values that are computed, each once, and where rows are taken from. */
typedef struct taker {
  mc_targets *t;
  mcm_values want;
  void **in, **out;
  int64_t *place;
} taker;

static bool is_constant(const mc_value *v) { return v->def && mc_op_has(v->def->op, MC_T_CONST); }

/* Is v there before node n runs? */
static bool comes_before(const mc_graph *g, const mc_value *v, const mc_node *n) {
  if (!v->def) return true;
  MC_FOR_NODES (k, g) {
    if (k == n) return false;
    if (k == mc_node_in(g, v->def)) return true;
  }
  return false;
}

static void want(taker *k, mc_value *v) {
  for (size_t i = 0; i < k->want.n; i++)
    if (k->want.v[i] == v) return;
  if (v->def) MC_PUSH(k->t->a, &k->want, v);
}

static const float *data_of(const taker *k, const mc_value *v) {
  if (!v->def) return k->in[v->index];
  for (size_t i = 0; i < k->want.n; i++)
    if (k->want.v[i] == v) return k->out[i];
  return NULL;
}

static mc_value *other_of(const mc_targets *t, int i) {
  mc_value *o = mcm_other_operand(t->p.v[i].node->out[0]);
  return o && !is_constant(o) && comes_before(t->g, o, t->p.v[i].node) ? o : NULL;
}

static bool make_rows(taker *k) {
  mc_targets *t = k->t;
  int64_t most = 0;
  for (int i = 0; i < t->p.n; i++) {
    const mc_product *p = &t->p.v[i];
    mc_value *other = other_of(t, i);
    t->n[i] = mcm_places_of(p, t->runs);
    int64_t bytes = t->n[i] * p->groups * p->o * (int64_t)sizeof(float);
    if (t->n[i] > most) most = t->n[i];
    want(k, p->node->out[0]);
    if (!(t->y[i] = mcm_rows_new(&t->store, t->runs, bytes))) return false;
    if (!other) continue;
    want(k, other);
    if (!(t->other[i] = mcm_rows_new(&t->store, t->runs, bytes))) return false;
  }
  k->place = MC_NEWN(t->a, int64_t, most + 1);
  k->in = MC_NEWN(t->a, void *, t->g->nin);
  k->out = MC_NEWN(t->a, void *, k->want.n + 1);
  for (int i = 0; i < t->g->nin; i++)
    k->in[i] = mc_arena_alloc(t->a, (size_t)mc_type_bytes(t->g->in[i]->type) + 64);
  for (size_t i = 0; i < k->want.n; i++)
    k->out[i] = mc_arena_alloc(t->a, (size_t)mc_type_bytes(k->want.v[i]->type) + 64);
  return true;
}

static bool take(const taker *k, mcm_rows *to, const mc_value *v, int64_t run, int64_t n,
                 int64_t outs) {
  float *row = mcm_rows_at(to, run);
  const float *x = data_of(k, v);
  for (int64_t i = 0; i < n; i++, row += outs)
    memcpy(row, x + k->place[i] * outs, sizeof *row * (size_t)outs);
  return mcm_rows_put(to, run);
}

static bool take_run(const taker *k, int64_t run) {
  mc_targets *t = k->t;
  for (int i = 0; i < t->p.n; i++) {
    const mc_product *p = &t->p.v[i];
    mcm_places((uint64_t)i + 1, run, p->places, t->n[i], k->place);
    if (!take(k, t->y[i], p->node->out[0], run, t->n[i], p->groups * p->o)) return false;
    if (t->other[i] && !take(k, t->other[i], other_of(t, i), run, t->n[i], p->groups * p->o))
      return false;
  }
  return true;
}

static bool run_samples(taker *k, mc_pass_context *cx, const mcm_data *data) {
  mc_targets *t = k->t;
  if (!t->p.n) return true;
  const void **in = MC_NEWN(t->a, const void *, t->g->nin);
  for (int i = 0; i < t->g->nin; i++) in[i] = k->in[i];
  mcm_slice *s = mcm_slice_open(cx, t->g, t->g->in, t->g->nin, k->want.v, (int)k->want.n);
  bool ok = s != NULL;
  for (int64_t r = 0; ok && r < t->runs; r++) {
    ok = mcm_data_fetch(data, r, k->in) && mcm_slice_run(s, in, k->out) && take_run(k, r);
    if (cx->progress) cx->progress(cx->progress_ctx, data->what, r + 1, t->runs);
  }
  mcm_slice_close(s);
  return ok;
}

mc_targets *mc_targets_open(mc_pass_context *cx, const mc_walk_opts *o) {
  mc_arena *a = mc_arena_create();
  mc_targets *t = MC_NEW(a, mc_targets);
  *t = (mc_targets){ .a = a, .store = { cx, mcm_what(o), mcm_memory(o) / 4, 0 } };
  mcm_data data;
  bool ok = mcm_data_open(&data, cx, o);
  if (ok) {
    t->runs = data.runs;
    t->g = mcm_graph_copy(cx->graph, NULL);
    ok = mcm_unclamp(t->g, cx->diag);
    t->p = mc_products_of(t->g, a);
    t->n = MC_NEWN(a, int64_t, t->p.n + 1);
    t->y = MC_NEWN(a, mcm_rows *, t->p.n + 1);
    t->other = MC_NEWN(a, mcm_rows *, t->p.n + 1);
    t->lambda = MC_NEWN(a, double *, t->p.n + 1);
    for (int i = 0; i < t->p.n; i++)
      if (t->p.v[i].d > MC_WIDE || mc_large_layer(t->p.v[i].o, t->p.v[i].d))
        t->lambda[i] = MC_NEWN(a, double, t->p.v[i].groups);
    taker k = { .t = t };
    ok = ok && make_rows(&k) && run_samples(&k, cx, &data);
  }
  mcm_data_close(&data);
  if (ok) return t;
  mc_targets_close(t);
  return NULL;
}

void mc_targets_close(mc_targets *t) {
  if (!t) return;
  for (int i = 0; t->y && i < t->p.n; i++) {
    mcm_rows_free(t->y[i]);
    mcm_rows_free(t->other[i]);
  }
  if (t->g) mc_module_destroy(t->g->module);
  mc_arena_destroy(t->a);
}

/* ---- reading ---- */

bool mcm_targets_fit(const mc_targets *t, int i, const mc_product *p, int64_t runs) {
  const mc_product *q = i < t->p.n ? &t->p.v[i] : NULL;
  return q && t->runs == runs && q->places == p->places;
}

double *mcm_targets_lambda(const mc_targets *t, int i) { return t->lambda[i]; }

int64_t mcm_targets_places(const mc_targets *t, int i) { return t->n[i]; }

int64_t mcm_targets_outs(const mc_targets *t, int i) { return t->p.v[i].groups * t->p.v[i].o; }

mcm_rows *mcm_targets_y(const mc_targets *t, int i) { return t->y[i]; }

mcm_rows *mcm_targets_other(const mc_targets *t, int i) { return t->other[i]; }
