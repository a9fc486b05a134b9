/* From nodes and groups to the model: what a product is as a nest, what an epilogue costs, and the
 * families without products. docs/internals/cost-model.md. */
#include "mc/analysis/channels.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/dwcut.h"
#include "mc/analysis/winograd.h"
#include "mc/target/tuning.h"
#include "model.h"

static double up(int64_t n, int64_t by) { return (double)((n + by - 1) / by); }

/* ---- products ---- */

typedef struct shape {
  int64_t outer, rows, cols, groups, runs, rlen;
  bool depthwise, apart;
  double macs;
} shape;

bool mc_nest_shares(int64_t groups, int64_t cols) {
  return groups > 1 && cols < KMODEL_LANES && KMODEL_LANES % cols == 0 &&
         groups * cols % KMODEL_LANES == 0;
}

static shape shape_conv(const mc_node *n) {
  const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
  const mc_type *w = n->in[1]->type, *y = n->out[0]->type;
  bool dense = c->groups == 1 && c->dilation[1] == 1,
       point = w->dim[1] * w->dim[2] == 1 && c->stride[0] * c->stride[1] == 1;
  shape s = { .outer = y->dim[0] * y->dim[1],
              .rows = y->dim[2],
              .cols = w->dim[0] / c->groups,
              .groups = c->groups,
              .runs = dense ? w->dim[1] : w->dim[1] * w->dim[2] };
  s.rlen = w->dim[1] * w->dim[2] * w->dim[3] / s.runs;
  s.depthwise = mc_is_depthwise(n);
  s.apart = c->stride[0] > 1;
  if (point) s.rows *= s.outer, s.outer = 1;
  if (!s.depthwise && mc_nest_shares(s.groups, s.cols)) {
    s.groups = s.groups * s.cols / KMODEL_LANES;
    s.cols = KMODEL_LANES;
  }
  return s;
}

static shape shape_conv_transpose(const mc_node *n) {
  const mc_type *x = n->in[0]->type, *w = n->in[1]->type;
  int64_t groups = MC_ATTRS(n, conv_transpose2d)->groups;
  return (shape){ .outer = x->dim[0] * x->dim[1],
                  .rows = x->dim[2],
                  .cols = w->dim[0] / groups * w->dim[1] * w->dim[2],
                  .groups = groups,
                  .runs = 1,
                  .rlen = w->dim[3] };
}

static shape shape_rows(const mc_node *n) {
  const mc_type *x = n->in[0]->type, *b = n->in[1]->type, *y = n->out[0]->type;
  int64_t cols = y->dim[y->rank - 1];
  shape s = { .outer = 1,
              .rows = mc_type_elems(y) / cols,
              .cols = cols,
              .groups = 1,
              .runs = 1,
              .rlen = x->dim[x->rank - 1] };
  bool batched = n->op == MC_OP_matmul && b->rank > 2 && mc_type_elems(b) != s.rlen * cols;
  if (batched) s.rows = y->dim[y->rank - 2], s.outer = mc_type_elems(y) / (cols * s.rows);
  return s;
}

/* By the units of the row's operations, as in cost.c: those of products have a shape. */
#define shape_none NULL
#define shape_results NULL
#define shape_operands NULL
#define shape_windows NULL
#define shape_samples NULL
static shape (*const shapes[MC_NUM_OPS])(const mc_node *n) = {
#define MC_COST(op, units, ops, model, vectors) [MC_OP_##op] = shape_##units,
#include "mc/ir/ops.def"
};

static shape product_shape(const mc_node *n) {
  shape s = shapes[n->op](n);
  s.macs = (double)mc_node_cost(n).macs;
  return s;
}

/* Zeros of constant weights in the order in which kernels read them. */
static mc_zeros zeros_of(const mc_node *n, const shape *s) {
  const mc_tensor *w =
      n->op == MC_OP_conv_transpose2d || s->depthwise ? NULL : mc_value_tensor(n->in[1]);
  bool columns = n->op == MC_OP_matmul && !MC_ATTRS(n, matmul)->transpose_b;
  int64_t k = s->runs * s->rlen;
  if (w && n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups != s->groups)
    w = NULL; /* groups side by side */
  if (!w || mc_tensor_elems(w) != s->groups * s->cols * k) return (mc_zeros){ .all = { { 0 } } };
  mc_zeros_view v = { w->data, w->dtype, s->groups,       s->cols,
                      s->runs, s->rlen,  columns ? 1 : k, columns ? s->cols : 1 };
  return mc_zeros_of(&v);
}

double mc_model_zeros_share(const mc_node *n, int vectors, int unit) {
  shape s = product_shape(n);
  mc_zeros z = zeros_of(n, &s);
  return mc_zeros_share(&z, vectors, unit);
}

static mc_nest nest_of(const mc_node *n, const shape *s, mc_arith how, const mc_target *t) {
  mc_rate rate = mc_model_rate(how, t);
  if (how == MC_ARITH_bf16 && mc_rate_arith(rate) != MC_ARITH_bf16)
    rate = mc_model_rate(MC_ARITH_f32, t);
  int depth = mc_rate_depth(rate), bytes = mc_arith_bytes(how);
  mc_nest nest = { .rate = rate,
                   .outer = s->outer,
                   .rows = s->rows,
                   .cols = s->cols,
                   .groups = s->groups,
                   .runs = s->runs,
                   .k = s->runs * ((s->rlen + depth - 1) / depth * depth),
                   .mr = 1,
                   .nv = 1,
                   .ku = 1,
                   .a_bytes = bytes,
                   .b_bytes = bytes };
  nest.packed =
      n->op == MC_OP_matmul && !mc_value_tensor(n->in[1]) ? mc_type_elems(n->in[1]->type) : 0;
  nest.in = mc_type_elems(n->in[0]->type) * bytes;
  nest.out = mc_type_elems(n->out[0]->type) * bytes;
  nest.zeros = zeros_of(n, s);
  return nest;
}

/* Depthwise: no engine; the rate is a measured one. On x86-64 rows are interleaved first, for each
 * byte of the input, and channels and columns are one axis where they lie together, or registers
 * that not all channels fill (dwcut.h); elsewhere vectors go along the channels and few of them
 * waste lanes. packed: requantized and nothing else. */
static double depthwise_waste(const mc_node *n, bool packed, const mc_target *t) {
  const mc_type *y = n->out[0]->type;
  const mc_attrs_conv2d *a = MC_ATTRS(n, conv2d);
  int64_t c = y->dim[3], mult = c / n->in[0]->type->dim[3];
  mc_dw_row r = { c, mult, y->dim[2], a->stride[1], true, packed };
  return mc_dw_registers(&r, t) * mc_dw_most(t) / (double)(r.ow * r.c);
}

static mc_estimate depthwise(const mc_node *head, const mc_nest *n, const shape *s, mc_arith how,
                             const mc_target *t) {
  mc_estimate e = { 0 };
  bool rows = how == MC_ARITH_int8 && t->arch == MC_ARCH_x86_64;
  int64_t lane = how == MC_ARITH_int8 ? 16 : t->vector_bytes / 4;
  double channels = (double)(s->groups * s->cols);
  double lanes = up(s->groups * s->cols, lane) * (double)lane / channels;
  if (rows)
    lanes = depthwise_waste(head, n->epilogue == STORE_OPS + model_vectors(MC_OP_requantize), t);
  double rate = mc_target_rate(t, how == MC_ARITH_int8 ? MC_RATE_dw8 : MC_RATE_dw32);
  double per_alu = (64.0 / t->vector_bytes) / t->machine->alu,
         results = s->macs * lanes / (double)(s->runs * s->rlen) / 16;
  double interleaved =
      (s->apart ? mc_tune.dw_interleave_apart : mc_tune.dw_interleave) / 16 * per_alu;
  e.part[MC_PART_compute] = s->macs * lanes / rate;
  if (rows) e.part[MC_PART_compute] += (double)n->in * lanes * interleaved;
  e.part[MC_PART_epilogue] = results * n->epilogue * per_alu;
  mc_part level = model_level(t, (double)(n->in + n->out));
  model_traffic(&e, t, level, (double)(n->in + n->extra));
  model_result(&e, t, level, (double)n->out);
  e.part[MC_PART_overhead] = mc_tune.call;
  model_finish(&e);
  return e;
}

/* Results that are requantized and nothing else may have pixels in lanes. */
static mc_estimate stem_or_not(const mc_node *n, const mc_nest *nest, mc_arith how,
                               const mc_target *t) {
  bool plain =
      how == MC_ARITH_int8 && nest->epilogue == STORE_OPS + model_vectors(MC_OP_requantize);
  int words = plain ? mc_first_conv_words(n, t) : 0;
  return words ? model_first_conv(n, words, nest, t) : (mc_estimate){ 0 };
}

static mc_estimate product(const mc_node *n, mc_nest *nest, const shape *s, mc_arith how,
                           const mc_target *t, int64_t weights) {
  if (s->depthwise) return depthwise(n, nest, s, how, t);
  mc_estimate e = model_best_block(nest, t, weights), stem = stem_or_not(n, nest, how, t);
  return stem.cycles > 0 && stem.cycles < e.cycles ? stem : e;
}

/* The elementwise ops that follow, as they would be in arithmetic `how`. */
static double epilogue_as(const mc_node *n, mc_arith how, const mc_target *t, int64_t *extra) {
  double ops = STORE_OPS + (how == MC_ARITH_int8   ? model_vectors(MC_OP_requantize)
                            : how == MC_ARITH_bf16 ? 4
                                                   : 0);
  for (const mc_node *k = n; (k = mc_value_single_user(k->out[0])) != NULL;) {
    if (k->nout != 1 || !mc_op_has(k->op, MC_T_ELEM) ||
        !mc_type_same_shape(k->out[0]->type, n->out[0]->type))
      break;
    if (k->op == MC_OP_requantize || k->op == MC_OP_quantize || k->op == MC_OP_dequantize) continue;
    bool clamp = k->op == MC_OP_relu || k->op == MC_OP_clamp,
         other = k->nin > 1 && !mc_value_tensor(k->in[k->in[0]->def == n]);
    if (how == MC_ARITH_int8)
      ops += clamp ? 0
             : mc_op_has(k->op, MC_T_UNARY)
                 ? model_table_ops(t)
                 : model_vectors(k->op) + WIDEN_OPS + model_vectors(MC_OP_requantize);
    else
      ops += model_vectors(k->op) + (k->nin > 1 ? LOAD_OPS : 0);
    if (other) *extra += mc_type_elems(n->out[0]->type) * mc_arith_bytes(how);
  }
  return ops;
}

mc_estimate mc_model_product(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  shape s = product_shape(n);
  mc_nest nest = nest_of(n, &s, how, t);
  nest.epilogue = epilogue_as(n, how, t, &nest.extra);
  return product(n, &nest, &s, how, t, weights);
}

mc_estimate mc_model_layer(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  mc_estimate direct = mc_model_product(n, how, t, weights);
  if (how != MC_ARITH_int8 || !mc_winograd_plain(n) || mc_winograd_unsuited(n, t)) return direct;
  int64_t extra = 0;
  mc_estimate w = model_winograd(n, t, false, epilogue_as(n, how, t, &extra), weights);
  return w.cycles * mc_tune.winograd_margin < direct.cycles ? w : direct;
}

mc_estimate mc_model_convert(int64_t elems, mc_arith from, mc_arith to, const mc_target *t) {
  mc_estimate e = { 0 };
  double ops = from == to ? 0 : to == MC_ARITH_int8 ? model_vectors(MC_OP_quantize) : 4;
  e.part[MC_PART_epilogue] = (double)elems / 16 * (ops + LOAD_OPS + STORE_OPS) *
                             (64.0 / t->vector_bytes) / t->machine->alu;
  double bytes = (double)(elems * (mc_arith_bytes(from) + mc_arith_bytes(to)));
  model_traffic(&e, t, model_level(t, bytes), bytes);
  e.part[MC_PART_overhead] = mc_tune.call;
  model_finish(&e);
  return e;
}

/* ---- groups ---- */

static const mc_node *head_of(const mc_node *group) { return mc_region_head(group->region); }

static double map_ops(const mc_node *group, const mc_target *t) {
  double ops = STORE_OPS;
  const mc_node *last = NULL;
  MC_FOR_NODES (n, group->region) {
    ops += mc_model_vector_ops(n, t);
    if (n->op != MC_OP_return) last = n;
  }
  const mc_node *first = head_of(group);
  bool bytes = first && mc_type_is_quant(first->in[0]->type) && mc_op_has(first->op, MC_T_BINARY);
  return last ? ops + (bytes ? WIDEN_OPS : LOAD_OPS) : 0;
}

static mc_arith arith_of(const mc_node *head) {
  return mc_type_is_quant(head->in[0]->type) ? MC_ARITH_int8 : MC_ARITH_f32;
}

static mc_nest group_nest(const mc_node *group, const mc_node *head, const shape *s,
                          const mc_target *t) {
  mc_cost c = mc_node_cost(group);
  mc_nest nest = nest_of(head, s, arith_of(head), t);
  nest.in = mc_type_bytes(head->in[0]->type);
  nest.extra = c.in_bytes > nest.in ? c.in_bytes - nest.in : 0;
  nest.out = c.out_bytes;
  nest.epilogue = STORE_OPS;
  MC_FOR_NODES (n, group->region)
    if (n != head) nest.epilogue += mc_model_vector_ops(n, t);
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

mc_estimate mc_model_first_conv(const mc_node *group, const mc_target *t, int64_t weights,
                                bool *pays) {
  const mc_node *head = head_of(group);
  *pays = false;
  if (!head || !mc_op_has(head->op, MC_T_ACCUM) || !mc_first_conv_words(head, t))
    return (mc_estimate){ 0 };
  shape s = product_shape(head);
  mc_nest nest = group_nest(group, head, &s, t);
  mc_estimate stem = stem_or_not(head, &nest, arith_of(head), t);
  *pays = stem.cycles > 0 && stem.cycles < model_best_block(&nest, t, weights).cycles;
  return stem;
}

mc_estimate mc_model_group(const mc_node *group, const mc_target *t, int64_t weights) {
  return mc_model_group_as(group, mc_group_family(group), t, weights);
}

mc_estimate mc_model_group_as(const mc_node *group, mc_family as, const mc_target *t,
                              int64_t weights) {
  mc_estimate e = { 0 };
  const mc_node *head = head_of(group);
  if (!head || mc_family_has(as, MC_FAM_NOCODE)) return e;
  if (mc_op_has(head->op, MC_T_ACCUM)) {
    shape s = product_shape(head);
    mc_nest nest = group_nest(group, head, &s, t);
    if (mc_family_has(as, MC_FAM_WINOGRAD))
      return model_winograd(head, t, mc_family_has(as, MC_FAM_READY), nest.epilogue, weights);
    return product(head, &nest, &s, arith_of(head), t, weights);
  }
  mc_cost c = mc_node_cost(group);
  double elems = (double)mc_type_elems(head->in[0]->type),
         results = (double)mc_type_elems(group->out[0]->type);
  bool map = mc_op_has(head->op, MC_T_ELEM);
  double ops = map ? results / 16 * map_ops(group, t) : model_head_ops(head, elems, results);
  e.part[map ? MC_PART_epilogue : MC_PART_compute] =
      ops * (64.0 / t->vector_bytes) / t->machine->alu;
  double bytes = (double)(c.in_bytes + c.out_bytes);
  model_traffic(&e, t, model_level(t, bytes), (double)c.in_bytes + (double)c.weight_bytes);
  model_result(&e, t, model_level(t, bytes), (double)c.out_bytes);
  e.part[MC_PART_overhead] = mc_tune.call;
  model_finish(&e);
  return e;
}
