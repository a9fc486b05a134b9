/* Functions of one operand: one op where the language has it, a short expression where it has not.
 */
#include "imp.h"
#include <math.h>
#include <string.h>

static mc_value *op1(node *n, mc_opcode op, mc_value *a) { return mc_onnx_op1(n, op, a, NULL); }

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static mc_value *with(node *n, mc_opcode op, mc_value *a, double c) {
  return op2(n, op, a, mc_onnx_scalar_like(n, a, c));
}

/* c op a */
static mc_value *from(node *n, mc_opcode op, double c, mc_value *a) {
  return op2(n, op, mc_onnx_scalar_like(n, a, c), a);
}

/* ---- on constants ---- */

static float real_neg(float x) { return -x; }

static float real_abs(float x) { return fabsf(x); }

static float real_sqrt(float x) { return sqrtf(x); }

static int64_t whole_neg(int64_t x) { return (int64_t)(0 - (uint64_t)x); }

static int64_t whole_abs(int64_t x) { return x < 0 ? whole_neg(x) : x; }

/* What constants of shapes and scales go through; the rest of the arithmetic on constants is the
 * constant-fold pass's. */
static const struct {
  float (*real)(float);
  int64_t (*whole)(int64_t);
} folds[MC_NUM_OPS] = {
  [MC_OP_neg] = { real_neg, whole_neg },
  [MC_OP_abs] = { real_abs, whole_abs },
  [MC_OP_sqrt] = { real_sqrt, NULL },
};

static bool fold(node *n, mc_opcode op) {
  const folded *k = n->in[0]->k;
  if (!k || k->n > ONNX_MAX_ARITH) return false;
  bool is_real = mc_onnx_is_real(k->etype);
  if (is_real ? !folds[op].real : !folds[op].whole) return false;
  folded *r = mc_folded_new(n, k->etype, k->rank, k->dim);
  for (int64_t i = 0; r && i < k->n; i++)
    if (is_real)
      mc_folded_set_f32(r, i, folds[op].real(mc_folded_f32(k, i)));
    else
      mc_folded_set_int(r, i, folds[op].whole(mc_folded_int(k, i)));
  mc_onnx_give_folded(n, 0, r);
  return true;
}

static bool done(node *n, mc_value *y) {
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}

/* arg: an op without attributes. */
bool mc_onnx_unary(node *n, int arg) {
  if (fold(n, (mc_opcode)arg)) return true;
  mc_value *x = mc_onnx_value(n, n->in[0]);
  if (x && mc_onnx_is_int(n->in[0]->etype)) {
    if (arg == MC_OP_neg) return done(n, from(n, MC_OP_sub, 0, x));
    if (arg == MC_OP_abs) return done(n, op2(n, MC_OP_max, x, from(n, MC_OP_sub, 0, x)));
    if (arg == MC_OP_relu) return done(n, with(n, MC_OP_max, x, 0));
  }
  return done(n, op1(n, (mc_opcode)arg, x));
}

/* floor, ceil, round to even: of constants only. */
bool mc_onnx_round(node *n, int arg) {
  const folded *k = n->in[0]->k;
  if (!k)
    return mc_onnx_error(n, "%s: supported on values that are known while importing only",
                         n->row->op);
  if (!mc_onnx_is_real(k->etype))
    return mc_onnx_error(n, "%s: element type %s", n->row->op, mc_onnx_etype_name(k->etype));
  folded *r = mc_folded_new(n, k->etype, k->rank, k->dim);
  for (int64_t i = 0; r && i < k->n; i++) {
    float x = mc_folded_f32(k, i);
    mc_folded_set_f32(r, i, arg < 0 ? floorf(x) : arg > 0 ? ceilf(x) : rintf(x));
  }
  mc_onnx_give_folded(n, 0, r);
  return r != NULL;
}

bool mc_onnx_leaky_relu(node *n, int arg) {
  (void)arg;
  mc_attrs_leaky_relu a = { .alpha = mc_onnx_attr_f(n, "alpha", 0.01f) };
  return done(n, mc_onnx_op1(n, MC_OP_leaky_relu, mc_onnx_value(n, n->in[0]), &a));
}

static mc_value *elu(node *n, mc_value *x, float alpha) {
  return mc_onnx_op1(n, MC_OP_elu, x, &(mc_attrs_elu){ .alpha = alpha });
}

bool mc_onnx_elu(node *n, int arg) {
  (void)arg;
  return done(n, elu(n, mc_onnx_value(n, n->in[0]), mc_onnx_attr_f(n, "alpha", 1.0f)));
}

/* gamma * elu(x, alpha) */
bool mc_onnx_selu(node *n, int arg) {
  (void)arg;
  bool first = n->im->opset < 6; /* rounded otherwise then */
  float alpha = mc_onnx_attr_f(n, "alpha", first ? 1.6732f : 1.67326319217681884765625f);
  float gamma = mc_onnx_attr_f(n, "gamma", first ? 1.0507f : 1.05070102214813232421875f);
  return done(n, with(n, MC_OP_mul, elu(n, mc_onnx_value(n, n->in[0]), alpha), gamma));
}

/* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) = alpha * elu(x / alpha, 1) for alpha > 0 */
bool mc_onnx_celu(node *n, int arg) {
  (void)arg;
  float alpha = mc_onnx_attr_f(n, "alpha", 1.0f);
  if (!(alpha > 0)) return mc_onnx_error(n, "Celu: alpha %g, expected more than 0", (double)alpha);
  mc_value *x = mc_onnx_value(n, n->in[0]);
  return done(n, with(n, MC_OP_mul, elu(n, with(n, MC_OP_div, x, alpha), 1.0f), alpha));
}

bool mc_onnx_hard_sigmoid(node *n, int arg) {
  (void)arg;
  mc_attrs_hard_sigmoid a = { .alpha = mc_onnx_attr_f(n, "alpha", 0.2f),
                              .beta = mc_onnx_attr_f(n, "beta", 0.5f) };
  return done(n, mc_onnx_op1(n, MC_OP_hard_sigmoid, mc_onnx_value(n, n->in[0]), &a));
}

bool mc_onnx_gelu(node *n, int arg) {
  (void)arg;
  const char *form = mc_onnx_attr_s(n, "approximate", "none");
  bool tanh = !strcmp(form, "tanh");
  if (!tanh && strcmp(form, "none"))
    return mc_onnx_error(n, "Gelu: approximate '%s' is not known",
                         mc_onnx_clean(n->im->arena, form));
  mc_attrs_gelu a = { .approximate = tanh ? mc_approx_tanh : mc_approx_none };
  return done(n, mc_onnx_op1(n, MC_OP_gelu, mc_onnx_value(n, n->in[0]), &a));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)) */
mc_value *mc_onnx_softplus_of(node *n, mc_value *x) {
  mc_value *e = op1(n, MC_OP_exp, op1(n, MC_OP_neg, op1(n, MC_OP_abs, x)));
  return op2(n, MC_OP_add, op1(n, MC_OP_relu, x), op1(n, MC_OP_log, with(n, MC_OP_add, e, 1)));
}

bool mc_onnx_softplus(node *n, int arg) {
  (void)arg;
  return done(n, mc_onnx_softplus_of(n, mc_onnx_value(n, n->in[0])));
}

bool mc_onnx_mish(node *n, int arg) {
  (void)arg;
  mc_value *x = mc_onnx_value(n, n->in[0]);
  return done(n, op2(n, MC_OP_mul, x, op1(n, MC_OP_tanh, mc_onnx_softplus_of(n, x))));
}

bool mc_onnx_softsign(node *n, int arg) {
  (void)arg;
  mc_value *x = mc_onnx_value(n, n->in[0]);
  return done(n, op2(n, MC_OP_div, x, with(n, MC_OP_add, op1(n, MC_OP_abs, x), 1)));
}

/* x * sigmoid(alpha * x) */
bool mc_onnx_swish(node *n, int arg) {
  (void)arg;
  float alpha = mc_onnx_attr_f(n, "alpha", 1.0f);
  mc_value *x = mc_onnx_value(n, n->in[0]);
  if (alpha == 1.0f) return done(n, op1(n, MC_OP_silu, x));
  return done(n, op2(n, MC_OP_mul, x, op1(n, MC_OP_sigmoid, with(n, MC_OP_mul, x, alpha))));
}

bool mc_onnx_reciprocal(node *n, int arg) {
  (void)arg;
  return done(n, from(n, MC_OP_div, 1, mc_onnx_value(n, n->in[0])));
}

/* max(x, 0) + slope * min(x, 0); the slope broadcasts to x (before opset 7: along the channels). */
bool mc_onnx_prelu(node *n, int arg) {
  (void)arg;
  float alpha;
  mc_value *x = mc_onnx_value(n, n->in[0]);
  val *s = n->in[1];
  int64_t channels[MC_MAX_RANK] = { s->dim[0], 1, 1, 1, 1, 1, 1, 1 };
  bool per_channel =
      n->im->opset < 7 && x && s->rank == 1 && n->in[0]->rank > 2 && s->dim[0] == n->in[0]->dim[1];
  if (mc_onnx_known_f32(n->in[1], &alpha))
    return done(n, mc_onnx_op1(n, MC_OP_leaky_relu, x, &(mc_attrs_leaky_relu){ .alpha = alpha }));
  mc_value *slope =
      per_channel && s->k
          ? mc_onnx_folded_value(n, mc_folded_reshape(n, s->k, n->in[0]->rank - 1, channels))
          : mc_onnx_value(n, s);
  if (per_channel && !s->k) slope = mc_onnx_reshape(n, slope, n->in[0]->rank - 1, channels);
  mc_value *low = op2(n, MC_OP_mul, slope, with(n, MC_OP_min, x, 0));
  mc_value *y = op2(n, MC_OP_add, with(n, MC_OP_max, x, 0), low);
  if (y && !mc_type_same_shape(y->type, x->type))
    return mc_onnx_error(n, "PRelu: the slope does not broadcast to the operand");
  return done(n, y);
}

/* A bound of Clip: attribute (before opset 11) or operand. */
static bool bound(node *n, int input, const char *attr, float *c, mc_value **v) {
  *v = NULL;
  if (mc_onnx_attr(n, attr)) *c = mc_onnx_attr_f(n, attr, 0);
  if (n->nin <= input || !n->in[input] || mc_onnx_known_f32(n->in[input], c)) return true;
  return (*v = mc_onnx_value(n, n->in[input])) != NULL;
}

bool mc_onnx_clip(node *n, int arg) {
  (void)arg;
  mc_attrs_clamp a = { .low = -INFINITY, .high = INFINITY };
  mc_value *low, *high, *x = mc_onnx_value(n, n->in[0]);
  if (!x || !bound(n, 1, "min", &a.low, &low) || !bound(n, 2, "max", &a.high, &high)) return false;
  if (mc_onnx_is_int(n->in[0]->etype)) { /* integers have min and max only */
    if (n->nin > 1 && n->in[1] && !low) low = mc_onnx_value(n, n->in[1]);
    if (n->nin > 2 && n->in[2] && !high) high = mc_onnx_value(n, n->in[2]);
    a.low = -INFINITY, a.high = INFINITY;
  }
  if (low) x = op2(n, MC_OP_max, x, low);
  if (high && a.low > -INFINITY) x = with(n, MC_OP_max, x, a.low), a.low = -INFINITY;
  if (high) x = op2(n, MC_OP_min, x, high);
  if (a.low > a.high) a.low = a.high; /* ONNX: the upper bound wins */
  if (a.low > -INFINITY || a.high < INFINITY) x = mc_onnx_op1(n, MC_OP_clamp, x, &a);
  return done(n, x);
}

/* Before opset 13 the axes from `axis` on are one; from 13 on the function goes along one axis. The
 * result is in the operand's shape. */
static mc_value *softmax_axis(node *n, mc_value *x, bool log) {
  int rank = x->type->rank, axis = 0;
  bool flat = n->im->opset < 13;
  if (flat && rank > 0 && mc_onnx_attr_i(n, "axis", 1) == rank)
    axis = rank - 1;
  else if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", flat ? 1 : -1), rank, &axis))
    return NULL;
  mc_value *in = x;
  if (flat && axis != rank - 1)
    in = mc_onnx_reshape(
        n, x, 2,
        (int64_t[]){ mc_onnx_prod(x->type->dim, 0, axis), mc_onnx_prod(x->type->dim, axis, rank) }),
    axis = 1;
  mc_value *y;
  if (!log) {
    y = mc_onnx_op1(n, MC_OP_softmax, in, &(mc_attrs_softmax){ .axis = axis });
  } else { /* (x - max) - log(sum(exp(x - max))) */
    bool mask[MC_MAX_RANK] = { false };
    mask[axis] = true;
    mc_value *s = op2(n, MC_OP_sub, in, mc_onnx_reduce(n, MC_OP_reduce_max, in, mask, true));
    y = op2(
        n, MC_OP_sub, s,
        op1(n, MC_OP_log, mc_onnx_reduce(n, MC_OP_reduce_sum, op1(n, MC_OP_exp, s), mask, true)));
  }
  return mc_onnx_reshape(n, y, rank, x->type->dim);
}

bool mc_onnx_softmax(node *n, int arg) {
  mc_value *x = mc_onnx_value(n, n->in[0]);
  if (x && x->type->rank < 1) return mc_onnx_error(n, "%s: a scalar has no axis", n->row->op);
  return x && done(n, softmax_axis(n, x, arg));
}
