/* canonicalize: constants in elementwise arithmetic. All f32: quantized results have their own
 * scale and are not merged. */
#include "rules.h"
#include <math.h>
#include <string.h>

static bool plain(const mc_node *n) {
  return is_f32(n->out[0]) && (n->op != MC_OP_add || unclamped(n));
}

/* c op x -> x op c for commutative ops. */
bool rule_constant_right(mc_pass_context *cx, mc_node *n) {
  if (!mc_value_tensor(n->in[0]) || mc_value_tensor(n->in[1])) return false;
  return become(cx, n, n->op, (mc_value *[]){ n->in[1], n->in[0] }, 2, n->attrs);
}

/* x - c -> x + (-c); x / c -> x * (1 / c) where no element of 1 / c is zero or infinite. */
bool rule_sub_div(mc_pass_context *cx, mc_node *n) {
  const float *c = constant_f32(n->in[1]);
  if (!c || mc_value_tensor(n->in[0]) || !is_f32(n->out[0])) return false;
  const mc_type *t = n->in[1]->type;
  int64_t count = mc_type_elems(t);
  for (int64_t i = 0; n->op == MC_OP_div && i < count; i++)
    if (!isnormal(1 / c[i])) return false;
  mc_builder b = build_at(cx, n);
  float *d;
  mc_value *r = constant_new(&b, n->in[1], t->rank, t->dim, &d);
  for (int64_t i = 0; i < count; i++) d[i] = n->op == MC_OP_div ? 1 / c[i] : -c[i];
  return become(cx, n, n->op == MC_OP_div ? MC_OP_mul : MC_OP_add, (mc_value *[]){ n->in[0], r }, 2,
                NULL);
}

/* ---- chains ---- */
/* The index of element `at` (of the result's shape) in a constant that broadcasts to it. */
static int64_t index_in(const mc_type *t, const int64_t *at, int rank) {
  int64_t k = 0;
  for (int i = 0; i < t->rank; i++)
    k = k * t->dim[i] + (t->dim[i] == 1 ? 0 : at[rank - t->rank + i]);
  return k;
}

/* A number that stands for two: finite, and not one that lost its digits where both had theirs. */
static bool merges(mc_opcode op, float u, float v, float r) {
  if (!isfinite(r)) return !isfinite(u) || !isfinite(v);
  return op != MC_OP_mul || u == 0 || v == 0 || isnormal(r);
}

/* a op b elementwise, broadcast; NULL: the result would be larger than both, or not a number of
 * fp32's normal range. */
static mc_value *merge_constants(mc_builder *b, mc_opcode op, mc_value *x, mc_value *y) {
  const mc_type *s = mc_type_elems(x->type) >= mc_type_elems(y->type) ? x->type : y->type;
  const mc_type *o = s == x->type ? y->type : x->type;
  if (o->rank > s->rank) return NULL;
  for (int i = 0; i < o->rank; i++)
    if (o->dim[i] != 1 && o->dim[i] != s->dim[s->rank - o->rank + i]) return NULL;
  const float *p = constant_f32(x), *q = constant_f32(y);
  float *d;
  mc_value *r = constant_new(b, mc_value_tensor(x)->name ? x : y, s->rank, s->dim, &d);
  int64_t at[MC_MAX_RANK] = { 0 };
  for (int64_t k = 0, n = mc_type_elems(s); k < n; k++) {
    float u = p[index_in(x->type, at, s->rank)], v = q[index_in(y->type, at, s->rank)];
    d[k] = op == MC_OP_add ? u + v : u * v;
    if (!merges(op, u, v, d[k])) return NULL;
    for (int i = s->rank - 1; i >= 0 && ++at[i] == s->dim[i]; i--) at[i] = 0;
  }
  return r;
}

/* (x op a) op b -> x op (a op b) for constants a, b. */
bool rule_chain(mc_pass_context *cx, mc_node *n) {
  mc_value *y, *b, *x, *a;
  if (!plain(n) || !split_constant(n, &y, &b) || !constant_f32(b)) return false;
  if (!defined_by(y, n->op) || !plain(y->def) || !single_use(y) ||
      !split_constant(y->def, &x, &a) || !constant_f32(a))
    return false;
  mc_builder at = build_at(cx, n);
  mc_value *c = merge_constants(&at, n->op, a, b);
  return c && become(cx, n, n->op, (mc_value *[]){ x, c }, 2, NULL);
}

/* ---- signs and powers ---- */
bool rule_neg(mc_pass_context *cx, mc_node *n) {
  if (!plain(n)) return false;
  if (n->op == MC_OP_abs)
    return defined_by(n->in[0], MC_OP_neg) && become(cx, n, MC_OP_abs, n->in[0]->def->in, 1, NULL);
  if (n->op == MC_OP_neg) {
    if (!defined_by(n->in[0], MC_OP_neg)) return false;
    replace_node(n, n->in[0]->def->in[0]);
    return true;
  }
  mc_opcode other = n->op == MC_OP_add ? MC_OP_sub : MC_OP_add; /* x + (-y), x - (-y) */
  if (defined_by(n->in[1], MC_OP_neg))
    return become(cx, n, other, (mc_value *[]){ n->in[0], n->in[1]->def->in[0] }, 2, NULL);
  return n->op == MC_OP_add && defined_by(n->in[0], MC_OP_neg) &&
         become(cx, n, other, (mc_value *[]){ n->in[1], n->in[0]->def->in[0] }, 2, NULL);
}

bool rule_pow(mc_pass_context *cx, mc_node *n) {
  float e;
  if (!plain(n) || !constant_splat(n->in[1], &e) || n->in[0]->type != n->out[0]->type) return false;
  if (e == 2) return become(cx, n, MC_OP_mul, (mc_value *[]){ n->in[0], n->in[0] }, 2, NULL);
  return e == 0.5f && become(cx, n, MC_OP_sqrt, n->in, 1, NULL);
}

/* An operand that was broadcast by an op of its own, although the arithmetic would do it. */
bool rule_broadcast_operand(mc_pass_context *cx, mc_node *n) {
  for (int i = 0; i < 2; i++) {
    mc_value *x = n->in[i], *other = n->in[1 - i];
    if (!defined_by(x, MC_OP_broadcast) || !same_dims(other->type, n->out[0]->type)) continue;
    mc_value *in[2] = { n->in[0], n->in[1] };
    in[i] = x->def->in[0];
    return become(cx, n, n->op, in, 2, n->attrs);
  }
  return false;
}
