/* Products between dequantize and quantize, on the integers.
 *
 *   %y = conv2d (dequantize %x), (dequantize %w), (dequantize %b)
 *   %a = conv2d %x, %w, %b : i32<s_x * s_w>          // %y is the dequantize of %a
 *
 * Weights with a zero point, whose differences do not fit 8 bits, are cut in two halves that lie
 * side by side along the sum's axis, and the operand is there twice: twice the products, the
 * same sums. */
#include "islands.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

/* ---- bias ---- */

/* Real value of element c of a constant bias, in double. */
static double bias_real(const mc_value *v, int64_t c) {
  const mc_tensor *t = mc_value_tensor(v);
  if (t->dtype == MC_f32) return (double)((const float *)t->data)[c];
  return (double)((const int32_t *)t->data)[c] * (double)mc_type_scale(v->type, c);
}

/* The constant that a bias is made of: f32, or i32 with one scale or one per channel. */
static mc_value *bias_const(mc_value *v) {
  const mc_node *n = v->def;
  mc_value *c = n && n->op == MC_OP_dequantize ? n->in[0] : v;
  const mc_tensor *t = mc_value_tensor(c);
  if (!t || c->type->rank < 1 || mc_type_elems(c->type) != c->type->dim[c->type->rank - 1])
    return NULL;
  if (t->dtype == MC_f32) return c;
  return t->dtype == MC_i32 && mc_type_is_quant(c->type) &&
                 (c->type->q.kind == MC_Q_AXIS || !c->type->q.zero)
             ? c
             : NULL;
}

static bool same_scales(const mc_type *bias, const mc_type *acc, int64_t n) {
  if (bias->dtype != MC_i32) return false;
  for (int64_t c = 0; c < n; c++)
    if (mc_type_scale(bias, c) != mc_type_scale(acc, c)) return false;
  return true;
}

static void tell_bias(islands *s, const mc_node *n, bool same, int64_t lost) {
  if (lost)
    mc_remark(s->cx->diag, n->loc,
              "%s: %lld bias values do not fit 32 bits at the scale of the sums and were saturated",
              islands_name(s, n), (long long)lost);
  else if (!same)
    mc_remark(s->cx->diag, n->loc,
              "%s: the bias is not on the scale of the sums (s_x * s_w): rounded to it",
              islands_name(s, n));
}

/* The bias as i32 on the scale of the sums; *exact: every real stays, up to the rounding of its
 * scale. */
static mc_tensor *bias_ints(islands *s, const mc_node *n, mc_value *b, const mc_type *acc,
                            const char *stem) {
  const mc_tensor *t = mc_value_tensor(b);
  int64_t channels = mc_tensor_elems(t), lost = 0;
  bool same = true;
  void *data;
  if (t->rank == 1 && same_scales(b->type, acc, channels)) return mc_value_tensor(b);
  mc_tensor *q = mc_tensor_create(s->cx->module, mc_arena_printf(s->cx->scratch, "%s.bias.q", stem),
                                  MC_i32, 1, &channels, &data);
  for (int64_t c = 0; c < channels; c++) {
    double real = bias_real(b, c) / (double)mc_type_scale(acc, c), r = rint(real);
    lost += r > INT32_MAX || r < INT32_MIN;
    r = r > INT32_MAX ? INT32_MAX : r < INT32_MIN ? INT32_MIN : r;
    same &= t->dtype == MC_i32 && (int32_t)r == ((const int32_t *)t->data)[c];
    ((int32_t *)data)[c] = (int32_t)r;
  }
  tell_bias(s, n, same, lost);
  return q;
}

static mc_value *build_bias(islands *s, mc_node *n, mc_value *bias, const mc_type *acc,
                            const char *stem) {
  mc_value *b = bias_const(bias);
  mc_type t = { .dtype = MC_i32, .rank = 1, .dim = { mc_type_elems(b->type) }, .q = acc->q };
  if (t.q.kind == MC_Q_AXIS) t.q.axis = 0;
  const mc_type *want = mc_type_intern(s->cx->module, &t);
  mc_tensor *q = bias_ints(s, n, b, acc, stem);
  if (n->nin > 2 && q == mc_value_tensor(b) && b->type == want) return b;
  mc_builder at = { .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc };
  mc_value *v = mc_build_tensor(&at, q, want);
  s->failed |= !v;
  return v;
}

/* ---- the operand twice ---- */

/* [..., g * k] -> [..., g * 2k]: the k elements of each group and the same again. */
static mc_value *doubled(islands *s, mc_node *n, mc_value *x, int64_t groups) {
  const mc_type *t = x->type;
  int64_t dim[MC_MAX_RANK + 1];
  int rank = t->rank;
  memcpy(dim, t->dim, sizeof t->dim);
  mc_attrs_reshape apart = { .shape = { dim, rank + 1 } };
  mc_attrs_concat join = { .axis = groups > 1 ? rank : rank - 1 };
  mc_node *c = x->def;
  if (groups > 1) {
    if (rank + 1 > MC_MAX_RANK) return NULL;
    dim[rank - 1] = groups, dim[rank] = t->dim[rank - 1] / groups;
    c = islands_build(s, n, n, MC_OP_reshape, &x, 1, &apart, NULL);
    if (!c) return NULL;
    x = c->out[0];
  }
  c = islands_build(s, n, n, MC_OP_concat, (mc_value *[]){ x, x }, 2, &join, x->type);
  if (!c || groups <= 1) return c ? c->out[0] : NULL;
  dim[rank - 1] = 2 * t->dim[rank - 1];
  mc_attrs_reshape back = { .shape = { dim, rank } };
  c = islands_build(s, n, n, MC_OP_reshape, c->out, 1, &back, NULL);
  return c ? c->out[0] : NULL;
}

static int64_t groups_of(const mc_node *n) {
  if (n->op == MC_OP_conv2d) return MC_ATTRS(n, conv2d)->groups;
  return n->op == MC_OP_conv_transpose2d ? MC_ATTRS(n, conv_transpose2d)->groups : 1;
}

/* ---- products ---- */

/* The result of n, on integers. */
static void note(islands *s, mc_node *n, mc_node *c, float lo, float hi) {
  sums *r = MC_NEW(s->cx->scratch, sums);
  *r = (sums){ c->out[0], lo, hi };
  *mc_map_ptr_slot(&s->sums, n->out[0]) = r;
  s->layers++;
}

static void keep(islands *s, const mc_node *n, const char *why) {
  s->kept++;
  if (!s->why) s->why = mc_arena_printf(s->cx->diag->arena, "%s: %s", islands_name(s, n), why);
  islands_keep(s, n, why);
}

static const char *no_weight(islands *s, const mc_value *v) {
  const mc_node *n = v->def;
  while (n && (n->op == MC_OP_reshape || n->op == MC_OP_transpose)) n = n->in[0]->def;
  if (n && n->op == MC_OP_dequantize)
    return mc_arena_printf(s->cx->scratch, "its weights are %s%s",
                           mc_dtype_names[n->in[0]->type->dtype],
                           mc_value_tensor(n->in[0]) ? "" : " and no constants");
  return mc_value_tensor(v) ? "its weights are f32 constants (no integers, or scales in blocks)"
                            : "its weights are computed";
}

/* An addition of one constant per channel after a layer without bias: its bias. */
static mc_node *constant_bias(const mc_node *n, mc_value **bias) {
  mc_node *a = mc_value_single_user(n->out[0]);
  const mc_type *y = n->out[0]->type;
  if (n->nin > 2 || !a || a->op != MC_OP_add || !mc_type_same_shape(a->out[0]->type, y))
    return NULL;
  *bias = a->in[a->in[0] == n->out[0]];
  const mc_value *c = bias_const(*bias);
  return c && mc_type_elems(c->type) == y->dim[y->rank - 1] ? a : NULL;
}

/* Returns why not, or NULL. */
static const char *layer(islands *s, mc_node *n, mc_value *x) {
  weight w;
  if (!islands_weight(s, n->in[1], &w)) return no_weight(s, n->in[1]);
  mc_value *bias = n->nin > 2 ? n->in[2] : NULL;
  if (bias && !bias_const(bias)) return "its bias is no constant of f32 or i32";
  float lo, hi, low, high;
  void *attrs = islands_attrs(s, n, &lo, &hi);
  mc_node *last = lo == -INFINITY && hi == INFINITY ? constant_bias(n, &bias) : NULL;
  if (last) islands_attrs(s, last, &low, &high), lo = low, hi = high;
  bool halves = !islands_weight_fits(&w);
  mc_value *q = islands_build_weight(s, n, &w, halves), *in[3] = { x, q, NULL };
  if (s->failed) return NULL;
  if (!q) return "the scales of its weights do not go with output channels";
  const char *stem =
      w.name ? w.name : mc_arena_printf(s->cx->scratch, "%s%u", mc_ops[n->op].text, n->id);
  const mc_type *acc = mc_quant_acc_type(s->cx->module, x->type, q->type, n->out[0]->type, stem);
  if (bias && !(in[2] = build_bias(s, n, bias, acc, stem))) return NULL;
  const mc_tensor *b = in[2] ? mc_value_tensor(in[2]) : NULL;
  if (mc_quant_acc_bound(mc_value_tensor(q), x->type, b) > INT32_MAX)
    return "its 32-bit sums could overflow";
  if (halves && !(in[0] = doubled(s, n, x, groups_of(n)))) return "its weights do not fit 8 bits";
  mc_node *c = islands_build(s, n, n, n->op, in, bias ? 3 : 2, attrs, acc);
  if (!c) return "the product of its scales is no fp32 number above 0";
  if (halves)
    mc_remark(
        s->cx->diag, n->loc,
        "%s: weights with a zero point do not fit 8 bits and are taken in two halves, with twice "
        "the products; symmetrical weights (zero point 0, or 128 for u8) take one",
        islands_name(s, n));
  note(s, last ? last : n, c, lo, hi);
  return NULL;
}

/* b is [k, n] with scales per column: a linear layer. */
static bool as_linear(islands *s, mc_node *n, mc_value *a) {
  weight w;
  const mc_type *b = n->in[1]->type;
  if (b->rank != 2 || !islands_weight(s, n->in[1], &w)) return false;
  mc_value *t = n->in[1];
  if (!MC_ATTRS(n, matmul)->transpose_b) {
    int64_t perm[2] = { 1, 0 };
    mc_node *c = islands_build(s, n, n, MC_OP_transpose, &t, 1,
                               &(mc_attrs_transpose){ .perm = { perm, 2 } }, NULL);
    if (!c) return false;
    t = c->out[0];
  }
  float lo, hi;
  islands_attrs(s, n, &lo, &hi);
  mc_attrs_linear at;
  mc_attrs_init(MC_OP_linear, &at, s->cx->scratch);
  at.clamp[0] = lo, at.clamp[1] = hi;
  mc_node *l = islands_build(s, n, n, MC_OP_linear, (mc_value *[]){ n->in[0], t }, 2, &at, NULL);
  if (!l) return false;
  mc_value_replace(n->out[0], l->out[0]);
  const char *why = layer(s, l, a);
  if (why) keep(s, l, why);
  return true;
}

static const char *matmul(islands *s, mc_node *n, mc_value *a) {
  mc_value *b = islands_ints(s, n->in[1]);
  if (as_linear(s, n, a)) return NULL;
  if (!b) return "its second operand is not of 8 bits with one scale";
  if (a->type->dim[a->type->rank - 1] > MC_SUM_MOST) return "its 32-bit sums could overflow";
  float lo, hi;
  void *attrs = islands_attrs(s, n, &lo, &hi);
  mc_node *c = islands_build(s, n, n, n->op, (mc_value *[]){ a, b }, 2, attrs, NULL);
  if (!c) return "the product of its scales is no fp32 number above 0";
  note(s, n, c, lo, hi);
  return NULL;
}

static bool reads_quantized(islands *s, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->def && (n->in[i]->def->op == MC_OP_dequantize || islands_ints(s, n->in[i])))
      return true;
  return false;
}

static bool only_weights(islands *s, const mc_node *n) {
  weight w;
  const mc_node *x = n->in[0]->def;
  return islands_weight(s, n->in[1], &w) && !(x && x->op == MC_OP_dequantize);
}

void islands_product(islands *s, mc_node *n) {
  if (n->out[0]->type->dtype != MC_f32) return;
  mc_value *x = islands_ints(s, n->in[0]);
  const char *why = NULL;
  if (x)
    why = n->op == MC_OP_matmul ? matmul(s, n, x) : layer(s, n, x);
  else if (reads_quantized(s, n))
    why = only_weights(s, n) ? "only its weights are quantized"
                             : "its operand is not of 8 bits with one scale";
  if (why) keep(s, n, why);
}
