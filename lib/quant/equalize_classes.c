/* equalize: channels that must have the same factor, and those that may have none. Through the ops
 * here a positive factor of a channel passes: f(d x) = d f(x). */
#include "equalize.h"
#include <math.h>

/* ---- classes ---- */

eq_value *mcq_eq_value(const equalize *e, const mc_value *v) {
  return mc_map_ptr_get(&e->index, v);
}

int64_t mcq_eq_root(equalize *e, int64_t slot) {
  while (e->parent[slot] != slot) {
    e->parent[slot] = e->parent[e->parent[slot]];
    slot = e->parent[slot];
  }
  return slot;
}

bool mcq_eq_free(equalize *e, int64_t slot) { return !(e->flag[mcq_eq_root(e, slot)] & EQ_FIXED); }

static void join(equalize *e, int64_t a, int64_t b) {
  a = mcq_eq_root(e, a), b = mcq_eq_root(e, b);
  if (a == b) return;
  if (b < a) {
    int64_t t = a;
    a = b, b = t;
  }
  e->parent[b] = a;
  e->flag[a] |= e->flag[b];
}

static void mark(equalize *e, const mc_value *v, unsigned char flag) {
  const eq_value *x = mcq_eq_value(e, v);
  for (int64_t c = 0; x && c < x->channels; c++) e->flag[mcq_eq_root(e, x->base + c)] |= flag;
}

/* n channels of a from `from` on, `step` apart, are those of b from `to` on. */
static void tie(equalize *e, const mc_value *a, int64_t from, int64_t step, const mc_value *b,
                int64_t to, int64_t n) {
  const eq_value *x = mcq_eq_value(e, a), *y = mcq_eq_value(e, b);
  for (int64_t i = 0; x && y && i < n; i++) join(e, x->base + from + i * step, y->base + to + i);
  if (!x) mark(e, b, EQ_FIXED);
  if (!y) mark(e, a, EQ_FIXED);
}

static int64_t last(const mc_value *v) {
  return v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
}

static void factor_fixed(equalize *e, const mc_node *n) {
  for (int i = 0; i < n->nin; i++) mark(e, n->in[i], EQ_FIXED);
  for (int i = 0; i < n->nout; i++) mark(e, n->out[i], EQ_FIXED);
}

/* ---- ops ---- */

/* [lo, hi] is the same set when it is scaled; *positive: by positive factors alone. */
static bool scales(float lo, float hi, bool *positive) {
  bool low = lo == -INFINITY || lo == 0, high = hi == INFINITY || hi == 0;
  *positive |= lo == 0 || hi == 0;
  return low && high;
}

static bool clamp_scales(const mc_node *n, bool *positive) {
  const float *c = mc_op_attr(n->op, n->attrs, "clamp");
  return !c || scales(c[0], c[1], positive);
}

/* The channel axis as the op counts axes. */
static bool is_last(int64_t axis, const mc_value *v) {
  return (axis < 0 ? axis + v->type->rank : axis) == v->type->rank - 1;
}

/* Operand i and the result, channel by channel. */
static void same(equalize *e, const mc_node *n, int i) {
  if (last(n->in[i]) == last(n->out[0]))
    tie(e, n->in[i], 0, 1, n->out[0], 0, last(n->out[0]));
  else
    factor_fixed(e, n);
}

static bool is_zero(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  bool zero = t && t->dtype == MC_f32;
  for (int64_t i = 0; zero && i < mc_tensor_elems(t); i++) zero = ((const float *)t->data)[i] == 0;
  return zero;
}

/* A sum, or the larger of two; a constant has no factor, but 0 any. */
static void both(equalize *e, const mc_node *n) {
  for (int i = 0; i < 2; i++)
    if (is_zero(n->in[i])) {
      same(e, n, 1 - i);
      return;
    }
  if (last(n->in[0]) != last(n->in[1])) {
    factor_fixed(e, n);
    return;
  }
  for (int i = 0; i < 2; i++) same(e, n, i);
}

/* Times or divided by a constant of any shape. */
static void factor_times(equalize *e, const mc_node *n) {
  int v = mc_value_tensor(n->in[0]) ? 1 : 0;
  bool over_value = n->op == MC_OP_div && v == 1;
  if (over_value || !mc_value_tensor(n->in[1 - v]))
    factor_fixed(e, n);
  else
    same(e, n, v);
}

static void factor_concat(equalize *e, const mc_node *n) {
  bool channels = is_last(MC_ATTRS(n, concat)->axis, n->out[0]);
  int64_t at = 0;
  for (int i = 0; i < n->nin; i++) {
    const eq_value *x = mcq_eq_value(e, n->in[i]), *y = mcq_eq_value(e, n->out[0]);
    int64_t k = last(n->in[i]);
    if (x) tie(e, n->in[i], 0, 1, n->out[0], at, k);
    for (int64_t c = 0; !x && y && c < k; c++)
      e->flag[mcq_eq_root(e, y->base + at + c)] |= EQ_FIXED;
    at += channels ? k : 0;
  }
}

static void factor_split(equalize *e, const mc_node *n) {
  bool channels = is_last(MC_ATTRS(n, split)->axis, n->in[0]);
  int64_t at = 0;
  for (int i = 0; i < n->nout; i++) {
    tie(e, n->in[0], at, 1, n->out[i], 0, last(n->out[i]));
    at += channels ? last(n->out[i]) : 0;
  }
}

static void factor_slice(equalize *e, const mc_node *n) {
  const mc_attrs_slice *a = MC_ATTRS(n, slice);
  int axis = n->in[0]->type->rank - 1;
  int64_t step = a->steps.n ? a->steps.v[axis] : 1;
  tie(e, n->in[0], a->starts.v[axis], step, n->out[0], 0, last(n->out[0]));
}

static void factor_pad(equalize *e, const mc_node *n) {
  const mc_attrs_pad *a = MC_ATTRS(n, pad);
  int axis = n->in[0]->type->rank - 1;
  bool channels = a->before.v[axis] || a->after.v[axis];
  bool zeros = a->mode == mc_padmode_constant && a->value == 0;
  bool edges = a->mode != mc_padmode_constant && !channels;
  if (!zeros && !edges)
    factor_fixed(e, n);
  else
    for (int64_t c = 0; c < last(n->in[0]); c++)
      tie(e, n->in[0], c, 1, n->out[0], a->before.v[axis] + c, 1);
}

/* A last axis that is cut, or that several axes become: element i was channel i mod C. */
static void factor_reshape(equalize *e, const mc_node *n) {
  int64_t a = last(n->in[0]), b = last(n->out[0]), big = a > b ? a : b, small = a > b ? b : a;
  if (big % small) {
    factor_fixed(e, n);
    return;
  }
  for (int64_t i = 0; i < big; i++) tie(e, n->in[0], i % a, 1, n->out[0], i % b, 1);
}

static void factor_transpose(equalize *e, const mc_node *n) {
  int rank = n->in[0]->type->rank;
  if (rank && MC_ATTRS(n, transpose)->perm.v[rank - 1] != rank - 1)
    factor_fixed(e, n);
  else
    same(e, n, 0);
}

/* The axes of a reduction run together. */
static void factor_over(equalize *e, const mc_node *n) {
  const mc_ints *axes = mc_op_attr(n->op, n->attrs, "axes");
  for (int i = 0; i < axes->n; i++)
    if (is_last(axes->v[i], n->in[0])) {
      factor_fixed(e, n);
      return;
    }
  same(e, n, 0);
}

static void positive(equalize *e, const mc_node *n) { mark(e, n->out[0], EQ_POSITIVE); }

static bool is_product(const equalize *e, const mc_node *n) {
  for (int i = 0; i < e->products.n; i++)
    if (e->products.v[i].node == n) return true;
  return false;
}

static void factor_product(equalize *e, const mc_node *n) {
  bool sign = false;
  if (!is_product(e, n))
    factor_fixed(e, n);
  else if (!clamp_scales(n, &sign))
    mark(e, n->out[0], EQ_FIXED);
  else if (sign)
    positive(e, n);
}

/* Columns of the second operand are columns of the result. */
static void factor_matmul(equalize *e, const mc_node *n) {
  bool sign = false;
  mark(e, n->in[0], EQ_FIXED);
  if (MC_ATTRS(n, matmul)->transpose_b || !clamp_scales(n, &sign)) {
    factor_fixed(e, n);
    return;
  }
  same(e, n, 1);
  if (sign) positive(e, n);
}

static void factor_clamp(equalize *e, const mc_node *n) {
  bool sign = false;
  if (!scales(MC_ATTRS(n, clamp)->low, MC_ATTRS(n, clamp)->high, &sign)) {
    factor_fixed(e, n);
    return;
  }
  same(e, n, 0);
  if (sign) positive(e, n);
}

static void factor_sum(equalize *e, const mc_node *n) {
  bool sign = false;
  if (!clamp_scales(n, &sign)) {
    factor_fixed(e, n);
    return;
  }
  both(e, n);
  if (sign) positive(e, n);
}

static void factor_same(equalize *e, const mc_node *n) { same(e, n, 0); }

static void factor_positive(equalize *e, const mc_node *n) { same(e, n, 0), positive(e, n); }

static void factor_larger(equalize *e, const mc_node *n) { both(e, n), positive(e, n); }

static void factor_largest(equalize *e, const mc_node *n) { factor_over(e, n), positive(e, n); }

typedef void factor_fn(equalize *e, const mc_node *n);
static factor_fn *const factor[MC_NUM_OPS] = {
#define MC_QUANT(op, fit, range, factor, noise) [MC_OP_##op] = factor_##factor,
#include "mc/ir/ops.def"
};

/* ---- values ---- */

/* relu and clamp join what computes their operand; what only moves has its operand's scale. */
static bool stored(const mc_value *v) {
  const mc_node *u = mc_value_single_user(v), *n = v->def;
  if (u && (u->op == MC_OP_relu || u->op == MC_OP_clamp)) return false;
  return !n || n->op == MC_OP_concat || !mc_op_has(n->op, MC_T_MOVE);
}

static void add_value(equalize *e, mc_value *v) {
  if (v->type->dtype != MC_f32 || mc_type_is_quant(v->type)) return;
  eq_value *x = &e->value[e->nvalue++];
  *x = (eq_value){ .v = v, .base = e->slots, .channels = last(v), .stored = stored(v) };
  *mc_map_ptr_slot(&e->index, v) = x;
  e->slots += x->channels;
}

static void add_values(equalize *e) {
  mc_graph *g = e->cx->graph;
  int64_t n = g->nin;
  MC_FOR_NODES (k, g) n += k->nout;
  e->value = MC_NEWN(e->cx->scratch, eq_value, n + 1);
  mc_map_init(&e->index, e->cx->scratch);
  for (int i = 0; i < g->nin; i++) add_value(e, g->in[i]);
  MC_FOR_NODES (k, g)
    for (int i = 0; i < k->nout && !mc_op_has(k->op, MC_T_CONST); i++) add_value(e, k->out[i]);
}

void mcq_eq_classes(equalize *e) {
  mc_graph *g = e->cx->graph;
  mc_arena *a = e->cx->scratch;
  add_values(e);
  e->parent = MC_NEWN(a, int64_t, e->slots + 1);
  e->flag = MC_NEWN(a, unsigned char, e->slots + 1);
  for (int64_t i = 0; i < e->slots; i++) e->parent[i] = i;
  for (int i = 0; i < g->nin; i++) mark(e, g->in[i], EQ_FIXED);
  MC_FOR_NODES (n, g)
    if (!mc_op_has(n->op, MC_T_CONST)) factor[n->op](e, n);
}
