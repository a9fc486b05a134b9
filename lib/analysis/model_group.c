/* From nodes and groups to the model: what a product is as a nest, what an epilogue costs, and the families without products. docs/cost-model.md. */
#include "mc/analysis/channels.h"
#include "mc/analysis/cost.h"
#include "model.h"
#include <string.h>

/* ---- elementwise ops ---- */

/* Vector instructions for 16 results in fp32 registers; 0: data movement. 8-bit forms add their conversions, 8-bit unary ops read a table. */
static const unsigned char f32_ops[MC_NUM_OPS] = {
  [MC_OP_add] = 1, [MC_OP_sub] = 1, [MC_OP_mul] = 1, [MC_OP_div] = 8, [MC_OP_min] = 1, [MC_OP_max] = 1, [MC_OP_pow] = 60,
  [MC_OP_neg] = 1, [MC_OP_abs] = 1, [MC_OP_exp] = 18, [MC_OP_log] = 20, [MC_OP_sqrt] = 8, [MC_OP_erf] = 30, [MC_OP_relu] = 1, [MC_OP_clamp] = 2,
  [MC_OP_leaky_relu] = 2, [MC_OP_elu] = 20, [MC_OP_sigmoid] = 26, [MC_OP_tanh] = 26, [MC_OP_gelu] = 34, [MC_OP_silu] = 27, [MC_OP_hard_sigmoid] = 4,
  [MC_OP_hard_swish] = 5, [MC_OP_batch_norm] = 4, [MC_OP_quantize] = 12, [MC_OP_dequantize] = 3, [MC_OP_requantize] = 7, [MC_OP_cast] = 1,
};
enum { TABLE_OPS = 24, LOAD_OPS = 1, WIDEN_OPS = 4, STORE_OPS = 2 };   /* a table of 256 entries, 16 times; an operand; an 8-bit operand to fp32; a result */

double mc_model_vector_ops(const mc_node *n) {
  if (n->nin == 0 || mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) return 0;
  bool bytes = mc_type_is_quant(n->in[0]->type) && n->in[0]->type->dtype != MC_i32;
  if (n->op == MC_OP_requantize || n->op == MC_OP_quantize || n->op == MC_OP_dequantize) return f32_ops[n->op];
  if (bytes && mc_op_has(n->op, MC_T_UNARY)) return TABLE_OPS;
  if (!bytes) return f32_ops[n->op] + (n->nin > 1 ? LOAD_OPS : 0);
  return f32_ops[n->op] + n->nin * WIDEN_OPS + f32_ops[MC_OP_requantize];
}
static int bytes_of(mc_arith how) { return how == MC_ARITH_f32 ? 4 : how == MC_ARITH_bf16 ? 2 : 1; }

/* ---- products ---- */

typedef struct shape { int64_t outer, rows, cols, groups, runs, rlen; bool depthwise; double macs; } shape;

static shape conv_shape(const mc_node *n) {
  const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
  const mc_type *w = n->in[1]->type, *y = n->out[0]->type;
  bool dense = c->groups == 1 && c->dilation[1] == 1, point = w->dim[1] * w->dim[2] == 1 && c->stride[0] * c->stride[1] == 1;
  shape s = { .outer = y->dim[0] * y->dim[1], .rows = y->dim[2], .cols = w->dim[0] / c->groups, .groups = c->groups, .runs = dense ? w->dim[1] : w->dim[1] * w->dim[2] };
  s.rlen = w->dim[1] * w->dim[2] * w->dim[3] / s.runs;
  s.depthwise = mc_is_depthwise(n);
  if (point) s.rows *= s.outer, s.outer = 1;
  return s;
}
static shape product_shape(const mc_node *n) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  shape s;
  if (n->op == MC_OP_conv2d) {
    s = conv_shape(n);
  } else if (n->op == MC_OP_conv_transpose2d) {
    const mc_type *w = n->in[1]->type;
    int64_t groups = MC_ATTRS(n, conv_transpose2d)->groups;
    s = (shape){ .outer = x->dim[0] * x->dim[1], .rows = x->dim[2], .cols = w->dim[0] / groups * w->dim[1] * w->dim[2], .groups = groups, .runs = 1, .rlen = w->dim[3] };
  } else {
    int64_t cols = y->dim[y->rank - 1];
    s = (shape){ .outer = 1, .rows = mc_type_elems(y) / cols, .cols = cols, .groups = 1, .runs = 1, .rlen = x->dim[x->rank - 1] };
    const mc_type *b = n->in[1]->type;
    bool batched = n->op == MC_OP_matmul && b->rank > 2 && mc_type_elems(b) != s.rlen * cols;
    if (batched) s.rows = y->dim[y->rank - 2], s.outer = mc_type_elems(y) / (cols * s.rows);
  }
  s.macs = (double)mc_node_cost(n).macs;
  return s;
}
static mc_nest nest_of(const mc_node *n, const shape *s, mc_arith how, const mc_target *t) {
  mc_rate rate = mc_model_rate(how, t);
  if (how == MC_ARITH_bf16 && mc_rate_arith(rate) != MC_ARITH_bf16) rate = mc_model_rate(MC_ARITH_f32, t);
  int depth = mc_rate_depth(rate), bytes = bytes_of(how);
  mc_nest nest = { .rate = rate, .outer = s->outer, .rows = s->rows, .cols = s->cols, .groups = s->groups, .runs = s->runs, .k = s->runs * ((s->rlen + depth - 1) / depth * depth),
                   .mr = 1, .nv = 1, .ku = 1, .a_bytes = bytes, .b_bytes = bytes };
  nest.in = mc_type_elems(n->in[0]->type) * bytes;
  nest.out = mc_type_elems(n->out[0]->type) * bytes;
  return nest;
}
/* Depthwise: vectors along the channels, no engine; the rate is a measured one. Rows of few channels waste lanes. */
static mc_estimate depthwise(const mc_nest *n, const shape *s, mc_arith how, const mc_target *t, int64_t weights) {
  mc_estimate e = { 0 };
  double lanes = (double)((s->groups * s->cols + 15) / 16 * 16) / (double)(s->groups * s->cols), rate = mc_target_rate(t, how == MC_ARITH_int8 ? MC_RATE_dw8 : MC_RATE_dw32);
  double results = s->macs * lanes / (double)(s->runs * s->rlen) / 16;
  e.part[MC_PART_compute] = s->macs * lanes / rate;
  e.part[MC_PART_epilogue] = results * n->epilogue * (64.0 / t->vector_bytes) / t->machine->alu;
  mc_part level = model_level(t, (double)(n->in + n->out));
  (void)weights;
  model_traffic(&e, t, level, (double)(n->in + n->out + n->extra));
  e.part[MC_PART_overhead] = 60;
  model_finish(&e);
  return e;
}
/* B of a matmul of two activations is packed first: a read and a scattered write for each element. */
static double packing(const mc_node *n) { return n->op == MC_OP_matmul && !mc_value_tensor(n->in[1]) ? 1.0 * (double)mc_type_elems(n->in[1]->type) : 0; }

static mc_estimate product(const mc_node *n, mc_nest *nest, const shape *s, mc_arith how, const mc_target *t, int64_t weights) {
  if (s->depthwise) return depthwise(nest, s, how, t, weights);
  mc_estimate e = model_best_block(nest, t, weights);
  if (packing(n) == 0) return e;
  e.part[MC_PART_overhead] += packing(n);
  model_finish(&e);
  return e;
}

/* The elementwise ops that follow, as they would be in arithmetic `how`. */
static double epilogue_as(const mc_node *n, mc_arith how, int64_t *extra) {
  double ops = STORE_OPS + (how == MC_ARITH_int8 ? f32_ops[MC_OP_requantize] : how == MC_ARITH_bf16 ? 4 : 0);
  for (const mc_node *k = n; (k = mc_value_single_user(k->out[0])) != NULL;) {
    if (k->nout != 1 || !mc_op_has(k->op, MC_T_ELEM) || !mc_type_same_shape(k->out[0]->type, n->out[0]->type)) break;
    if (k->op == MC_OP_requantize || k->op == MC_OP_quantize || k->op == MC_OP_dequantize) continue;
    bool clamp = k->op == MC_OP_relu || k->op == MC_OP_clamp, other = k->nin > 1 && !mc_value_tensor(k->in[k->in[0]->def == n]);
    if (how == MC_ARITH_int8) ops += clamp ? 0 : mc_op_has(k->op, MC_T_UNARY) ? TABLE_OPS : f32_ops[k->op] + WIDEN_OPS + f32_ops[MC_OP_requantize];
    else ops += f32_ops[k->op] + (k->nin > 1 ? LOAD_OPS : 0);
    if (other) *extra += mc_type_elems(n->out[0]->type) * bytes_of(how);
  }
  return ops;
}
mc_estimate mc_model_product(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  shape s = product_shape(n);
  mc_nest nest = nest_of(n, &s, how, t);
  nest.epilogue = epilogue_as(n, how, &nest.extra);
  return product(n, &nest, &s, how, t, weights);
}
mc_estimate mc_model_convert(int64_t elems, mc_arith from, mc_arith to, const mc_target *t) {
  mc_estimate e = { 0 };
  double ops = from == to ? 0 : to == MC_ARITH_int8 ? f32_ops[MC_OP_quantize] : 4;
  e.part[MC_PART_epilogue] = (double)elems / 16 * (ops + LOAD_OPS + STORE_OPS) * (64.0 / t->vector_bytes) / t->machine->alu;
  double bytes = (double)(elems * (bytes_of(from) + bytes_of(to)));
  model_traffic(&e, t, model_level(t, bytes), bytes);
  e.part[MC_PART_overhead] = 60;
  model_finish(&e);
  return e;
}

/* ---- groups ---- */

static const mc_node *head_of(const mc_node *group) {
  MC_FOR_NODES(n, group->region)
    if (!mc_op_has(n->op, MC_T_CONST)) return n;
  return NULL;
}
/* Operations of 16 elements, by family. */
static double family_ops(const mc_node *head, double elems, double results) {
  switch (head->op) {
  case MC_OP_softmax: return elems / 16 * 34;
  case MC_OP_layer_norm: return elems / 16 * 14;
  case MC_OP_resize: return results / 16 * (MC_ATTRS(head, resize)->mode == mc_resize_bilinear ? 30 : 4);
  case MC_OP_max_pool: return results / 16 * 3 * (double)(MC_ATTRS(head, max_pool)->kernel[0] * MC_ATTRS(head, max_pool)->kernel[1]);
  case MC_OP_avg_pool: return results / 16 * 4 * (double)(MC_ATTRS(head, avg_pool)->kernel[0] * MC_ATTRS(head, avg_pool)->kernel[1]);
  case MC_OP_global_avg_pool: case MC_OP_global_max_pool: case MC_OP_reduce_mean: case MC_OP_reduce_sum: case MC_OP_reduce_max: return elems / 16 * 5;
  case MC_OP_argmax: return elems * 2;
  case MC_OP_transpose: return elems / 4;
  default: return elems / 32;   /* copies of rows */
  }
}
static double map_ops(const mc_node *group) {
  double ops = STORE_OPS;
  const mc_node *last = NULL;
  MC_FOR_NODES(n, group->region) {
    ops += mc_model_vector_ops(n);
    if (n->op != MC_OP_return) last = n;
  }
  return last ? ops + LOAD_OPS : 0;
}
static mc_arith arith_of(const mc_node *head) { return mc_type_is_quant(head->in[0]->type) ? MC_ARITH_int8 : MC_ARITH_f32; }

static mc_nest group_nest(const mc_node *group, const mc_node *head, const shape *s, const mc_target *t) {
  mc_cost c = mc_node_cost(group);
  mc_nest nest = nest_of(head, s, arith_of(head), t);
  nest.in = mc_type_bytes(head->in[0]->type);
  nest.extra = c.in_bytes > nest.in ? c.in_bytes - nest.in : 0;
  nest.out = c.out_bytes;
  nest.epilogue = STORE_OPS;
  MC_FOR_NODES(n, group->region)
    if (n != head) nest.epilogue += mc_model_vector_ops(n);
  return nest;
}
bool mc_nest_of_group(mc_nest *n, const mc_node *group, const mc_target *t) {
  const mc_node *head = head_of(group);
  if (!head || !mc_op_has(head->op, MC_T_ACCUM)) return false;
  shape s = product_shape(head);
  if (s.depthwise) return false;
  *n = group_nest(group, head, &s, t);
  return true;
}
mc_estimate mc_model_group(const mc_node *group, const mc_target *t, int64_t weights) {
  mc_estimate e = { 0 };
  const mc_node *head = head_of(group);
  if (!head || strcmp(MC_ATTRS(group, group)->kernel, "alias") == 0) return e;
  if (strcmp(MC_ATTRS(group, group)->kernel, "winograd") == 0) return mc_model_winograd(head, t);
  if (mc_op_has(head->op, MC_T_ACCUM)) {
    shape s = product_shape(head);
    mc_nest nest = group_nest(group, head, &s, t);
    return product(head, &nest, &s, arith_of(head), t, weights);
  }
  mc_cost c = mc_node_cost(group);
  double elems = (double)mc_type_elems(head->in[0]->type), results = (double)mc_type_elems(group->out[0]->type);
  bool map = mc_op_has(head->op, MC_T_ELEM);
  double ops = map ? results / 16 * map_ops(group) : family_ops(head, elems, results);
  e.part[map ? MC_PART_epilogue : MC_PART_compute] = ops * (64.0 / t->vector_bytes) / t->machine->alu;
  double bytes = (double)(c.in_bytes + c.out_bytes);
  model_traffic(&e, t, model_level(t, bytes), bytes + (double)c.weight_bytes);
  e.part[MC_PART_overhead] = 60;
  model_finish(&e);
  return e;
}
