/* Finding residual blocks, and taking them out. */
#include "blocks.h"
#include "bn.h"
#include "mc/ir/build.h"
#include <math.h>

static bool product(const mc_node *n) { return mc_op_has(n->op, MC_T_ACCUM); }

/* ---- finding ---- */

/* What y is made of, back to x. */
typedef struct walk {
  mc_map seen;
  const mc_value *x;
  bool reaches;
  mc_node *first;
  int products;
} walk;

static void go_back(walk *w, mc_value *v) {
  if (v == w->x) w->reaches = true;
  if (v == w->x || !v->def || mc_op_has(v->def->op, MC_T_CONST)) return;
  void **slot = mc_map_ptr_slot(&w->seen, v->def);
  if (*slot) return;
  *slot = v->def;
  for (int i = 0; i < v->def->nin; i++) go_back(w, v->def->in[i]);
  if (!product(v->def)) return;
  if (!w->products++) w->first = v->def;
}

static bool clamps_zero(const float *c) { return c[0] <= 0 && c[1] >= 0; }

static mc_node *last_product(mc_value *y) {
  for (mc_node *n = y->def; n; n = n->in[0]->def) {
    if (n->op == MC_OP_mul && mc_value_tensor(n->in[0])) return NULL;
    if (n->out[0]->uses && n->out[0]->uses->next) return NULL; /* others read it */
    if (n->op == MC_OP_conv2d) return clamps_zero(MC_ATTRS(n, conv2d)->clamp) ? n : NULL;
    if (n->op == MC_OP_linear) return clamps_zero(MC_ATTRS(n, linear)->clamp) ? n : NULL;
    if (!mc_op_has(n->op, MC_T_ZERO)) return NULL;
  }
  return NULL;
}

static bool block_from(const mc_node *add, int x, mc_block *b) {
  mc_arena *a = mc_arena_create();
  walk w = { .x = add->in[x] };
  mc_map_init(&w.seen, a);
  go_back(&w, add->in[1 - x]);
  mc_arena_destroy(a);
  if (!w.reaches || !w.products || add->in[x] == add->in[1 - x]) return false;
  *b = (mc_block){ .x = x, .products = w.products, .first = w.first };
  b->last = last_product(add->in[1 - x]);
  return true;
}

static bool is_sum(const mc_node *n) {
  if (n->op != MC_OP_add || n->out[0]->type->dtype != MC_f32) return false;
  for (int i = 0; i < 2; i++)
    if (mc_value_tensor(n->in[i]) || n->in[i]->type != n->out[0]->type) return false;
  return true;
}

mc_blocks mc_blocks_of(const mc_graph *g, mc_arena *a) {
  int nodes = 0, at = 0;
  MC_FOR_NODES (n, g) nodes++;
  mc_blocks b = { MC_NEWN(a, mc_block, nodes + 1), 0 };
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    if (is_sum(n) && (block_from(n, 0, &b.v[b.n]) || block_from(n, 1, &b.v[b.n])))
      b.v[b.n++].at = at;
    at++;
  }
  return b;
}

mc_node *mc_block_add(const mc_graph *g, const mc_block *b) {
  int at = 0;
  MC_FOR_NODES (n, g)
    if (!mc_op_has(n->op, MC_T_CONST) && at++ == b->at) return n;
  return NULL;
}

/* ---- taking out ---- */

/* What the add's clamp makes of x alone. */
static mc_value *clamped(mc_node *add, mc_value *x, mc_diag *d) {
  const float *c = MC_ATTRS(add, add)->clamp;
  if (c[0] == -INFINITY && c[1] == INFINITY) return x;
  mc_builder b = {
    .graph = add->graph, .before = add, .diag = d, .loc = add->loc, .source = add->source
  };
  return mc_build1(&b, MC_OP_clamp, &x, 1, &(mc_attrs_clamp){ .low = c[0], .high = c[1] });
}

static void remove_unread(mc_graph *g) {
  MC_FOR_NODES_REV (n, g) {
    bool read = mc_op_has(n->op, MC_T_TERM);
    for (int i = 0; i < n->nout; i++) read |= n->out[i]->uses != NULL;
    if (!read) mc_node_remove(n);
  }
}

bool mc_blocks_remove(mc_graph *g, const mc_blocks *b, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_node **add = MC_NEWN(a, mc_node *, b->n + 1);
  for (int i = 0; i < b->n; i++) add[i] = mc_block_add(g, &b->v[i]);
  bool ok = true;
  for (int i = 0; ok && i < b->n; i++) {
    if (!b->v[i].gone) continue;
    mc_value *y = clamped(add[i], add[i]->in[b->v[i].x], d);
    if (y) mc_value_replace(add[i]->out[0], y);
    ok = y != NULL;
  }
  mc_arena_destroy(a);
  remove_unread(g);
  return ok;
}

/* ---- by weights ---- */

static double rms(const mc_tensor *t, double count) {
  double sum = 0;
  for (int64_t i = 0, n = mc_tensor_elems(t); i < n; i++) {
    double x = (double)((const float *)t->data)[i];
    sum += x * x;
  }
  return sqrt(sum / count);
}

/* The first layers with weights that are met on the way back from y. */
static void add_gain(mc_map *seen, const mc_value *x, const mc_value *v, double *sum, int *n) {
  if (v == x || !v->def || mc_op_has(v->def->op, MC_T_CONST)) return;
  void **slot = mc_map_ptr_slot(seen, v->def);
  if (*slot) return;
  *slot = v->def;
  if (!mc_makes_channels(v->def)) {
    for (int i = 0; i < v->def->nin; i++) add_gain(seen, x, v->def->in[i], sum, n);
    return;
  }
  const mc_tensor *w = mc_value_tensor(v->def->in[1]), *gamma = mc_bn_gamma(v->def);
  *sum += gamma ? rms(gamma, (double)mc_tensor_elems(gamma)) : rms(w, (double)w->dim[0]);
  (*n)++;
}

double mc_block_gain(const mc_graph *g, const mc_block *b) {
  const mc_node *add = mc_block_add(g, b);
  mc_arena *a = mc_arena_create();
  mc_map seen;
  double sum = 0;
  int n = 0;
  mc_map_init(&seen, a);
  add_gain(&seen, add->in[b->x], add->in[1 - b->x], &sum, &n);
  mc_arena_destroy(a);
  return n ? sum / n : INFINITY;
}
