/* canonicalize: layer_norm and softmax written out in elementary ops. */
#include "rules.h"
#include <string.h>

/* ---- layer_norm ---- */
/* First of the reduced axes when they are the last ones; -1: something else. */
static int suffix_axis(const mc_ints *axes, int rank) {
  unsigned m = 0;
  for (int i = 0; i < axes->n; i++) m |= 1u << plain_axis(axes->v[i], rank);
  int first = rank - axes->n;
  return first >= 0 && m == ((1u << rank) - (1u << first)) ? first : -1;
}

/* v = mean of x over its last axes, kept with size 1: the first axis, or -1. */
static int mean_axis(const mc_value *v, const mc_value *x) {
  mc_ints axes;
  bool keep;
  if (!defined_by(v, MC_OP_reduce_mean) || v->def->in[0] != x ||
      !reduction_axes(v->def, &axes, &keep) || !keep)
    return -1;
  return suffix_axis(&axes, x->type->rank);
}

static mc_value *square_root_of(const mc_value *v) {
  return defined_by(v, MC_OP_sqrt) ? v->def->in[0] : NULL;
}

static bool is_square(const mc_value *v, const mc_value *d) {
  return defined_by(v, MC_OP_mul) && v->def->in[0] == d && v->def->in[1] == d;
}

/* d / sqrt(mean(d * d) + eps) with d = x - mean(x). */
bool rule_layer_norm(mc_pass_context *cx, mc_node *n) {
  mc_value *d = n->in[0], *root = square_root_of(n->in[1]), *var, *c;
  float eps;
  if (!is_f32(n->out[0]) || !root || !defined_by(d, MC_OP_sub) || !defined_by(root, MC_OP_add) ||
      !unclamped(root->def))
    return false;
  if (!split_constant(root->def, &var, &c) || !constant_splat(c, &eps) || !(eps > 0)) return false;
  mc_value *x = d->def->in[0];
  int axis = mean_axis(d->def->in[1], x);
  if (axis < 0 || !defined_by(var, MC_OP_reduce_mean) || !is_square(var->def->in[0], d) ||
      mean_axis(var, var->def->in[0]) != axis)
    return false;
  return become(cx, n, MC_OP_layer_norm, &x, 1,
                &(mc_attrs_layer_norm){ .axis = axis, .epsilon = eps });
}

/* c has one element for each of the normalized axes, perhaps with leading axes of size 1. */
static mc_value *norm_parameter(mc_builder *b, mc_value *c, const mc_type *x, int axis) {
  int r = x->rank - axis, lead = c->type->rank - r;
  if (lead < 0 || !constant_f32(c)) return NULL;
  for (int i = 0; i < c->type->rank; i++)
    if (c->type->dim[i] != (i < lead ? 1 : x->dim[axis + i - lead])) return NULL;
  return lead ? constant_reshaped(b, c, r, x->dim + axis) : c;
}

static mc_value *ones(mc_builder *b, const mc_type *x, int axis) {
  float *d;
  mc_value *v = constant_new(b, NULL, x->rank - axis, x->dim + axis, &d);
  for (int64_t i = 0, n = mc_type_elems(v->type); i < n; i++) d[i] = 1;
  return v;
}

/* layer_norm(x) * gamma, layer_norm(x, gamma) + beta. */
bool rule_layer_norm_scale(mc_pass_context *cx, mc_node *n) {
  mc_value *v, *c;
  if (!is_f32(n->out[0]) || (n->op == MC_OP_add && !unclamped(n)) || !split_constant(n, &v, &c))
    return false;
  if (!defined_by(v, MC_OP_layer_norm) || !single_use(v) ||
      v->def->nin > (n->op == MC_OP_mul ? 1 : 2))
    return false;
  mc_node *norm = v->def;
  mc_builder b = build_at(cx, n);
  const mc_type *x = norm->in[0]->type;
  int axis = plain_axis(MC_ATTRS(norm, layer_norm)->axis, x->rank);
  mc_value *p = norm_parameter(&b, c, x, axis);
  if (!p) return false;
  if (n->op == MC_OP_mul)
    return become(cx, n, MC_OP_layer_norm, (mc_value *[]){ norm->in[0], p }, 2, norm->attrs);
  mc_value *gamma = norm->nin > 1 ? norm->in[1] : ones(&b, x, axis);
  return become(cx, n, MC_OP_layer_norm, (mc_value *[]){ norm->in[0], gamma, p }, 3, norm->attrs);
}

/* ---- softmax ---- */
/* v = reduction of x over one axis, kept: that axis, or -1. */
static int one_axis(const mc_value *v, mc_opcode op, const mc_value *x) {
  mc_ints axes;
  bool keep;
  if (!defined_by(v, op) || v->def->in[0] != x || !reduction_axes(v->def, &axes, &keep) || !keep ||
      axes.n != 1)
    return -1;
  return plain_axis(axes.v[0], x->type->rank);
}

/* exp(u) / sum(exp(u)); u = x - max(x) is x. */
bool rule_softmax(mc_pass_context *cx, mc_node *n) {
  mc_value *e = n->in[0];
  if (!is_f32(n->out[0]) || !defined_by(e, MC_OP_exp)) return false;
  int axis = one_axis(n->in[1], MC_OP_reduce_sum, e);
  if (axis < 0) return false;
  mc_value *u = e->def->in[0], *x = defined_by(u, MC_OP_sub) ? u->def->in[0] : NULL;
  if (x && one_axis(u->def->in[1], MC_OP_reduce_max, x) == axis) u = x;
  return become(cx, n, MC_OP_softmax, &u, 1, &(mc_attrs_softmax){ .axis = axis });
}
