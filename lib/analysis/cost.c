/* Costs from shapes. What counts as an operation: each add, multiply, divide, compare, square root
 * and each call of a function (exp, erf, a table) is one; rounding and saturation to an element
 * type are not counted. */
#include "mc/analysis/cost.h"
#include "mc/analysis/live.h"

/* Operations per result element of elementwise ops. */
static const unsigned char per_element[MC_NUM_OPS] = {
  [MC_OP_add] = 1,      [MC_OP_sub] = 1,          [MC_OP_mul] = 1,        [MC_OP_div] = 1,
  [MC_OP_min] = 1,      [MC_OP_max] = 1,          [MC_OP_pow] = 1,        [MC_OP_neg] = 1,
  [MC_OP_abs] = 1,      [MC_OP_exp] = 1,          [MC_OP_log] = 1,        [MC_OP_sqrt] = 1,
  [MC_OP_erf] = 1,      [MC_OP_relu] = 1,         [MC_OP_clamp] = 2,      [MC_OP_leaky_relu] = 2,
  [MC_OP_elu] = 4,      [MC_OP_sigmoid] = 3,      [MC_OP_tanh] = 1,       [MC_OP_gelu] = 5,
  [MC_OP_silu] = 4,     [MC_OP_hard_sigmoid] = 4, [MC_OP_hard_swish] = 5, [MC_OP_batch_norm] = 4,
  [MC_OP_quantize] = 2, [MC_OP_dequantize] = 2,   [MC_OP_requantize] = 2, [MC_OP_cast] = 1,
  [MC_OP_softmax] = 5,  [MC_OP_layer_norm] = 7,
};

static int64_t macs_of(const mc_node *n) {
  const mc_type *x = n->in[0]->type, *w = n->nin > 1 ? n->in[1]->type : NULL, *y = n->out[0]->type;
  if (n->op == MC_OP_conv2d) return mc_type_elems(y) * w->dim[1] * w->dim[2] * w->dim[3];
  if (n->op == MC_OP_conv_transpose2d)
    return mc_type_elems(x) * w->dim[1] * w->dim[2] *
           (w->dim[0] / MC_ATTRS(n, conv_transpose2d)->groups);
  return mc_type_elems(y) * x->dim[x->rank - 1];
}

static int64_t flops_of(const mc_node *n) {
  if (n->nin == 0 || n->nout == 0) return 0;
  int64_t in = mc_type_elems(n->in[0]->type), out = mc_type_elems(n->out[0]->type);
  if (n->op == MC_OP_max_pool)
    return out * MC_ATTRS(n, max_pool)->kernel[0] * MC_ATTRS(n, max_pool)->kernel[1];
  if (n->op == MC_OP_avg_pool)
    return out * MC_ATTRS(n, avg_pool)->kernel[0] * MC_ATTRS(n, avg_pool)->kernel[1];
  if (n->op == MC_OP_global_avg_pool || n->op == MC_OP_global_max_pool || n->op == MC_OP_argmax ||
      mc_op_has(n->op, MC_T_REDUCE))
    return in;
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_bilinear ? 9 * out : 0;
  return out * per_element[n->op];
}

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
  if (mc_op_has(n->op, MC_T_ACCUM)) {
    int64_t macs = macs_of(n);
    c->macs += macs;
    c->flops += 2 * macs;
  } else {
    c->flops += flops_of(n);
  }
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
