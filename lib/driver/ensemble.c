/* Members side by side on the same inputs, and the weighted mean of what they give:
 *
 *   r = w_0 * r_0 + w_1 * r_1 + ...      in this order, weights in fp32 with the sum 1
 *
 * For members of one weight each the sum comes first, then one multiplication. */
#include "mc/driver/ensemble.h"
#include "mc/ir/build.h"
#include "mc/ir/verify.h"
#include <math.h>
#include <string.h>

const char *const mc_mean_words[] = { "probabilities", "logits", "results", NULL };

typedef struct ensemble {
  mc_module *m;
  mc_graph *g;
  mc_module *const *member;
  const char *const *name;
  int n;
  mc_mean mean;
  const double *weight; /* NULL: all alike */
  mc_diag *d;
} ensemble;

static const mc_graph *graph_of(const ensemble *e, int k) { return e->member[k]->graphs; }

static const char *text_of(const ensemble *e, const mc_type *t) {
  mc_strbuf s = { 0 };
  mc_type_print(&s, t);
  const char *text = mc_arena_strdup(e->m->arena, mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

static bool same_type(const mc_type *a, const mc_type *b) {
  return a->dtype == b->dtype && mc_type_same_shape(a, b) && a->q.kind == b->q.kind &&
         (a->q.kind != MC_Q_TENSOR || (a->q.scale == b->q.scale && a->q.zero == b->q.zero));
}

/* ---- inputs ---- */

static bool is_named(const mc_value *v, const char *name) {
  return name &&
         ((v->name && strcmp(v->name, name) == 0) || (v->source && strcmp(v->source, name) == 0));
}

static int input_named(const mc_graph *g, const mc_value *like) {
  for (int i = 0; i < g->nin; i++)
    if (is_named(g->in[i], like->name) || is_named(g->in[i], like->source)) return i;
  return -1;
}

/* Which of the first member's inputs each of member k's is. */
static bool match_inputs(const ensemble *e, int k, mc_value **in) {
  const mc_graph *first = graph_of(e, 0), *g = graph_of(e, k);
  if (g->nin != first->nin)
    return mc_error(e->d, g->loc, "-ensemble: %d inputs, but %s has %d", g->nin, e->name[0],
                    first->nin);
  for (int i = 0; i < g->nin; i++) {
    int at = input_named(first, g->in[i]);
    if (at < 0 && g->nin == 1) at = 0;
    if (at < 0)
      return mc_error(e->d, g->in[i]->loc, "-ensemble: %s has no input '%s'", e->name[0],
                      g->in[i]->name ? g->in[i]->name : "?");
    for (int j = 0; j < i; j++)
      if (in[j] == e->g->in[at])
        return mc_error(e->d, g->in[i]->loc, "-ensemble: a second input for '%s' of %s",
                        first->in[at]->name ? first->in[at]->name : "?", e->name[0]);
    if (!same_type(g->in[i]->type, first->in[at]->type))
      return mc_error(e->d, g->in[i]->loc, "-ensemble: the input is %s, but %s has %s there",
                      text_of(e, g->in[i]->type), e->name[0], text_of(e, first->in[at]->type));
    in[i] = e->g->in[at];
  }
  return true;
}

static void first_inputs(ensemble *e) {
  const mc_graph *g = graph_of(e, 0);
  for (int i = 0; i < g->nin; i++) {
    const mc_value *v = g->in[i];
    mc_value *c = mc_graph_add_input(e->g, v->name, mc_type_intern(e->m, v->type), v->loc);
    c->source = v->source ? mc_arena_strdup(e->m->arena, v->source) : NULL;
    c->range = v->range;
  }
}

/* ---- results ---- */

static bool check_results(const ensemble *e, int k) {
  const mc_graph *first = graph_of(e, 0), *g = graph_of(e, k);
  int n = mc_graph_nout(g);
  mc_loc at = g->last->loc;
  if (n != mc_graph_nout(first))
    return mc_error(e->d, at, "-ensemble: %d results, but %s has %d", n, e->name[0],
                    mc_graph_nout(first));
  for (int i = 0; i < n; i++) {
    const mc_type *t = mc_graph_out(g, i)->type, *like = mc_graph_out(first, i)->type;
    if (t->dtype != MC_f32)
      return mc_error(e->d, at, "-ensemble: result %d is %s: means are of f32", i, text_of(e, t));
    if (!mc_type_same_shape(t, like))
      return mc_error(e->d, at, "-ensemble: result %d is %s, but %s has %s", i, text_of(e, t),
                      e->name[0], text_of(e, like));
  }
  return true;
}

static bool is_softmax(const mc_value *v) {
  if (!v->def || v->def->op != MC_OP_softmax) return false;
  int64_t axis = MC_ATTRS(v->def, softmax)->axis;
  return axis == -1 || axis == v->type->rank - 1;
}

/* What of a member's result goes into the mean. */
static mc_value *part(const ensemble *e, int k, int i, mc_value *v, mc_builder *b) {
  if (e->mean == MC_MEAN_LOGITS) return is_softmax(v) ? v->def->in[0] : v;
  if (e->mean == MC_MEAN_RESULTS || is_softmax(v)) return v;
  int64_t classes = v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
  if (classes > 1) {
    mc_remark(e->d, v->def ? v->def->loc : v->loc,
              "-ensemble: result %d of %s is no softmax: its softmax goes into the mean "
              "(-ensemble-of=results takes it as it is)",
              i, e->name[k]);
    return mc_build1(b, MC_OP_softmax, &v, 1, NULL);
  }
  if (v->def && v->def->op == MC_OP_sigmoid) return v;
  mc_error(e->d, v->def ? v->def->loc : v->loc,
           "-ensemble: result %d of %s is no probability: -ensemble-of=results or logits", i,
           e->name[k]);
  return NULL;
}

static mc_value *times(const ensemble *e, mc_builder *b, mc_value *v, double factor) {
  void *data;
  float w = (float)factor;
  mc_tensor *t = mc_tensor_create(e->m, NULL, MC_f32, 0, NULL, &data);
  memcpy(data, &w, sizeof w);
  mc_value *c = mc_build_tensor(b, t, NULL);
  return c ? mc_build1(b, MC_OP_mul, (mc_value *[]){ v, c }, 2, NULL) : NULL;
}

static mc_value *mean_of(const ensemble *e, mc_builder *b, mc_value **v) {
  double total = 0;
  mc_value *sum = NULL;
  for (int k = 0; k < e->n; k++) total += e->weight ? e->weight[k] : 1;
  for (int k = 0; k < e->n; k++) {
    mc_value *x = e->weight ? times(e, b, v[k], e->weight[k] / total) : v[k];
    if (x && sum) x = mc_build1(b, MC_OP_add, (mc_value *[]){ sum, x }, 2, NULL);
    if (!x) return NULL;
    sum = x;
  }
  return e->weight ? sum : times(e, b, sum, 1 / total);
}

/* Result i of the ensemble, of results out[k][i]. */
static mc_value *result(const ensemble *e, int i, mc_value ***out) {
  const mc_value *first = mc_graph_out(graph_of(e, 0), i);
  mc_builder b = { .graph = e->g, .diag = e->d, .loc = graph_of(e, 0)->last->loc };
  mc_value **v = MC_NEWN(e->m->arena, mc_value *, e->n);
  for (int k = 0; k < e->n; k++)
    if (!(v[k] = part(e, k, i, out[k][i], &b))) return NULL;
  mc_value *y = mean_of(e, &b, v);
  if (y && e->mean == MC_MEAN_LOGITS && is_softmax(first))
    y = mc_build1(&b, MC_OP_softmax, &y, 1, NULL);
  if (!y) return NULL;
  for (int k = 0; k < e->n; k++) /* the mean has the name by which callers know the result */
    if (out[k][i]->def) out[k][i]->name = NULL;
  y->name = first->name ? mc_arena_strdup(e->m->arena, first->name) : NULL;
  return y;
}

static bool build(ensemble *e) {
  const mc_graph *first = graph_of(e, 0);
  int nout = mc_graph_nout(first);
  mc_value ***out = MC_NEWN(e->m->arena, mc_value **, e->n),
           **in = MC_NEWN(e->m->arena, mc_value *, first->nin + 1),
           **y = MC_NEWN(e->m->arena, mc_value *, nout);
  e->g = mc_graph_create(e->m, first->name, first->loc);
  first_inputs(e);
  for (int k = 0; k < e->n; k++) {
    if (!match_inputs(e, k, in) || !check_results(e, k)) return false;
    out[k] = mc_graph_append(e->g, graph_of(e, k), in);
  }
  for (int i = 0; i < nout; i++)
    if (!(y[i] = result(e, i, out))) return false;
  mc_node_insert(e->g, NULL, mc_node_create(e->m, MC_OP_return, y, nout, 0, first->last->loc));
  return mc_verify_module(e->m, e->d);
}

static bool check_weights(const ensemble *e) {
  for (int k = 0; e->weight && k < e->n; k++)
    if (!(e->weight[k] > 0 && isfinite(e->weight[k])))
      return mc_error(e->d, mc_noloc, "-ensemble-weights: %g of %s: weights are above 0",
                      e->weight[k], e->name[k]);
  return true;
}

mc_module *mc_driver_ensemble(mc_module *const *member, const char *const *name, int n,
                              mc_mean mean, const double *weight, mc_diag *d) {
  ensemble e = { mc_module_create(), NULL, member, name, n, mean, weight, d };
  for (int k = 0; k < n; k++) mc_module_adopt(e.m, member[k]);
  e.m->src = member[0]->src;
  e.m->dir = member[0]->dir;
  e.m->calibration = member[0]->calibration;
  if (check_weights(&e) && build(&e)) return e.m;
  mc_module_destroy(e.m);
  return NULL;
}
