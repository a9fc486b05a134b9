/* canonicalize: matmul with constant weights is a linear; a constant added to a product is its
 * bias. */
#include "rules.h"
#include <math.h>
#include <string.h>

/* b as [n, k]. */
static mc_value *as_rows(mc_builder *at, mc_value *b, bool transposed) {
  const float *from = constant_f32(b);
  const int64_t *d = b->type->dim;
  float *to;
  if (transposed) return b;
  mc_value *v = constant_new(at, b, 2, (int64_t[]){ d[1], d[0] }, &to);
  for (int64_t k = 0; k < d[0]; k++)
    for (int64_t n = 0; n < d[1]; n++) to[n * d[0] + k] = from[k * d[1] + n];
  return v;
}

bool rule_matmul(mc_pass_context *cx, mc_node *n) {
  mc_value *a = n->in[0], *b = n->in[1];
  if (!is_f32(n->out[0]) || mc_value_tensor(a) || !constant_f32(b) || b->type->rank != 2 ||
      a->type->rank < 2)
    return false;
  mc_builder at = build_at(cx, n);
  mc_attrs_linear l = { 0 };
  memcpy(l.clamp, MC_ATTRS(n, matmul)->clamp, sizeof l.clamp);
  mc_value *w = as_rows(&at, b, MC_ATTRS(n, matmul)->transpose_b);
  return w && become(cx, n, MC_OP_linear, (mc_value *[]){ a, w }, 2, &l);
}

static const float *clamp_of(const mc_node *n) {
  if (n->op == MC_OP_conv2d) return MC_ATTRS(n, conv2d)->clamp;
  if (n->op == MC_OP_linear) return MC_ATTRS(n, linear)->clamp;
  return n->op == MC_OP_conv_transpose2d ? MC_ATTRS(n, conv_transpose2d)->clamp : NULL;
}

static bool takes_bias(const mc_value *v) {
  const float *c = v->def && v->def->nin == 2 && single_use(v) ? clamp_of(v->def) : NULL;
  return c && isinf(c[0]) && isinf(c[1]);
}

/* c as [channels]: itself where it has that shape already. */
static mc_value *as_bias(mc_pass_context *cx, mc_builder *b, mc_value *c, const mc_value *x) {
  int64_t count;
  float *bias = per_channel(c, x, &count, cx->scratch), *d;
  if (!bias) return NULL;
  if (c->type->rank == 1 && c->type->dim[0] == count) return c;
  mc_value *p = constant_new(b, c, 1, &count, &d);
  memcpy(d, bias, sizeof *d * (size_t)count);
  return p;
}

/* product + c[channel] -> product with bias. */
bool rule_bias(mc_pass_context *cx, mc_node *n) {
  mc_value *v, *c;
  if (!is_f32(n->out[0]) || !unclamped(n) || !split_constant(n, &v, &c) || !takes_bias(v) ||
      v->type != n->out[0]->type)
    return false;
  mc_builder b = build_at(cx, n);
  b.source = v->def->source; /* the layer keeps its own name */
  mc_value *p = as_bias(cx, &b, c, v);
  mc_value *r = p ? mc_build1(&b, v->def->op, (mc_value *[]){ v->def->in[0], v->def->in[1], p }, 3,
                              v->def->attrs)
                  : NULL;
  if (r) replace_node(n, r);
  return r != NULL;
}

/* ---- transposed operands ---- */
static bool swaps_last_two(const mc_node *t) {
  mc_ints p = MC_ATTRS(t, transpose)->perm;
  for (int i = 0; i < p.n - 2; i++)
    if (p.v[i] != i) return false;
  return p.n >= 2 && p.v[p.n - 2] == p.n - 1;
}

/* matmul(a, transpose(b)) reads b as it stands. */
bool rule_transposed_b(mc_pass_context *cx, mc_node *n) {
  mc_value *b = n->in[1];
  if (!defined_by(b, MC_OP_transpose) || !swaps_last_two(b->def)) return false;
  mc_attrs_matmul a = *MC_ATTRS(n, matmul);
  a.transpose_b = !a.transpose_b;
  return become(cx, n, MC_OP_matmul, (mc_value *[]){ n->in[0], b->def->in[0] }, 2, &a);
}
