/* Costs from shapes. What counts as an operation: each add, multiply, divide, compare, square root
 * and each call of a function (exp, erf, a table) is one; rounding and saturation to an element
 * type are not counted. */
#include "mc/analysis/cost.h"
#include "mc/analysis/live.h"

/* ---- what operations are counted for: the rows' units, by name ---- */

static int64_t units_none(const mc_node *n) {
  (void)n;
  return 0;
}

static int64_t units_results(const mc_node *n) { return mc_type_elems(n->out[0]->type); }

static int64_t units_operands(const mc_node *n) { return mc_type_elems(n->in[0]->type); }

static int64_t units_windows(const mc_node *n) {
  const int64_t *kernel =
      n->op == MC_OP_max_pool ? MC_ATTRS(n, max_pool)->kernel : MC_ATTRS(n, avg_pool)->kernel;
  return units_results(n) * kernel[0] * kernel[1];
}

/* Elements of the result that are computed, not picked. */
static int64_t units_samples(const mc_node *n) {
  return MC_ATTRS(n, resize)->mode == mc_resize_bilinear ? units_results(n) : 0;
}

/* Products: rows of x times rows of weights. */
static int64_t units_rows(const mc_node *n) {
  const mc_type *x = n->in[0]->type;
  return units_results(n) * x->dim[x->rank - 1];
}

static int64_t units_conv(const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  return units_results(n) * w->dim[1] * w->dim[2] * w->dim[3];
}

static int64_t units_conv_transpose(const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  return units_operands(n) * w->dim[1] * w->dim[2] *
         (w->dim[0] / MC_ATTRS(n, conv_transpose2d)->groups);
}

static const struct {
  int64_t (*units)(const mc_node *);
  int ops; /* for each of them */
} costs[MC_NUM_OPS] = {

#define MC_COST(op, units, ops, model, vectors) [MC_OP_##op] = { units_##units, ops },
#include "mc/ir/ops.def"
};

/* Nodes without operands are constants, those without results the end of a graph. */
static int64_t units_of(const mc_node *n) { return n->nin && n->nout ? costs[n->op].units(n) : 0; }

static bool seen(mc_map *m, const void *key) {
  void **slot = mc_map_ptr_slot(m, key);
  bool was = *slot != NULL;
  *slot = (void *)1;
  return was;
}

/* Adds n to c; values and tensors already in `known` are not counted again. A group's own values
 * are no traffic. */
static void add_node(mc_cost *c, const mc_node *n, mc_map *known, bool traffic) {
  if (n->op == MC_OP_group) {
    MC_FOR_NODES (k, n->region) add_node(c, k, known, traffic);
    return;
  }
  if (mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) return;
  int64_t units = units_of(n);
  c->flops += units * costs[n->op].ops;
  if (mc_op_has(n->op, MC_T_ACCUM)) c->macs += units;
  for (int i = 0; i < n->nin; i++) {
    mc_tensor *t = mc_value_tensor(n->in[i]);
    if (t) {
      if (seen(known, t)) continue;
      c->params += mc_tensor_elems(t);
      c->weight_bytes += (int64_t)t->size;
    } else if (traffic && !seen(known, n->in[i])) {
      c->in_bytes += mc_type_bytes(n->in[i]->type);
    }
  }
  for (int i = 0; traffic && i < n->nout; i++) c->out_bytes += mc_type_bytes(n->out[i]->type);
}

mc_cost mc_node_cost(const mc_node *n) {
  mc_cost c = { 0 };
  mc_arena *a = mc_arena_create();
  mc_map known;
  mc_map_init(&known, a);
  if (n->op == MC_OP_group) {
    /* traffic of a group: what it reads from outside and returns */
    add_node(&c, n, &known, false);
    MC_FOR_NODES (k, n->region)
      for (int i = 0; i < k->nin && k->op != MC_OP_return; i++) {
        mc_value *v = k->in[i];
        bool inside = v->def && v->def->graph == n->region;
        if (!inside && !mc_value_tensor(v) && !seen(&known, v))
          c.in_bytes += mc_type_bytes(v->type);
      }
    for (int i = 0; i < n->nout; i++) c.out_bytes += mc_type_bytes(n->out[i]->type);
  } else {
    add_node(&c, n, &known, true);
  }
  mc_arena_destroy(a);
  return c;
}

mc_cost mc_graph_cost(const mc_graph *g) {
  mc_cost sum = { 0 };
  mc_arena *a = mc_arena_create();
  mc_map known;
  mc_map_init(&known, a);
  MC_FOR_NODES (n, g) {
    mc_cost c = mc_node_cost(n);
    sum.in_bytes += c.in_bytes;
    sum.out_bytes += c.out_bytes;
    add_node(&sum, n, &known, false);
  }
  mc_arena_destroy(a);
  return sum;
}

int64_t mc_graph_peak_bytes(const mc_graph *g) {
  mc_arena *a = mc_arena_create();
  mc_liveness l = mc_liveness_of(g, a);
  /* delta[p + 1]: bytes that become live at position p, minus those dead since the position before;
   * p = -1 is the entry */
  int64_t *delta = MC_NEWN(a, int64_t, l.nodes + 2), now = 0, peak = 0;
  for (int i = 0; i < l.n; i++) {
    int64_t b = mc_type_bytes(l.iv[i].value->type);
    delta[l.iv[i].first + 1] += b;
    delta[l.iv[i].last + 2] -= b;
  }
  for (int p = 0; p < l.nodes + 1; p++) {
    now += delta[p];
    if (now > peak) peak = now;
  }
  mc_arena_destroy(a);
  return peak;
}

static void add_layers(mc_layers *l, const mc_graph *g) {
  MC_FOR_NODES (n, g) {
    if (n->region) add_layers(l, n->region);
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    bool int8 = mc_type_is_quant(n->in[0]->type);
    *(int8 ? &l->int8 : n->in[0]->type->dtype == MC_bf16 ? &l->bf16 : &l->f32) += 1;
    if (int8) l->macs_int8 += mc_node_cost(n).macs;
  }
}

mc_layers mc_graph_layers(const mc_graph *g) {
  mc_layers l = { 0 };
  add_layers(&l, g);
  return l;
}

const char *mc_layers_text(const mc_layers *l) {
  static const char *const names[] = { "no layers",     "INT8",
                                       "bf16",          "INT8 and bf16",
                                       "fp32",          "INT8 and fp32",
                                       "bf16 and fp32", "INT8, bf16 and fp32" };
  return names[(l->int8 > 0) | (l->bf16 > 0) << 1 | (l->f32 > 0) << 2];
}
