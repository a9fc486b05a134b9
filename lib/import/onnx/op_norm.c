/* Normalizations. Instance and group normalization are layer_norm over reshaped axes. */
#include "imp.h"
#include <string.h>

static mc_value *op1(node *n, mc_opcode op, mc_value *a) { return mc_onnx_op1(n, op, a, NULL); }

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static bool done(node *n, mc_value *y) {
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}

/* spatial = 0 (before opset 9): parameters for every element of a sample. (x - mean) /
 * sqrt(variance + epsilon) * gamma + beta */
static bool norm_elements(node *n) {
  const val *x = n->in[0];
  mc_value *in[5];
  for (int i = 1; i < 5; i++) {
    const val *p = n->in[i];
    if (p->rank != x->rank - 1 || memcmp(p->dim, x->dim + 1, (size_t)p->rank * sizeof *p->dim))
      return mc_onnx_error(
          n, "BatchNormalization: operand %d has shape %s, expected that of a sample (spatial = 0)",
          i, mc_onnx_dims(n->im->arena, p->rank, p->dim));
    if (!(in[i] = mc_onnx_value(n, n->in[i]))) return false;
  }
  mc_value *dev =
      op1(n, MC_OP_sqrt,
          op2(n, MC_OP_add, in[4], mc_onnx_scalar(n, mc_onnx_attr_f(n, "epsilon", 1e-5f))));
  mc_value *y = op2(n, MC_OP_div, op2(n, MC_OP_sub, mc_onnx_value(n, n->in[0]), in[3]), dev);
  return done(n, op2(n, MC_OP_add, op2(n, MC_OP_mul, y, in[1]), in[2]));
}

/* Local response normalization across channels: x / (bias + alpha / size * sum of squares of `size`
 * channels)^beta. The mean of squares is a pool over the channels as rows, whose padding counts. */
bool mc_onnx_lrn(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t size = mc_onnx_attr_i(n, "size", 0), before = (size - 1) / 2;
  if (x->rank < 2) return mc_onnx_error(n, "LRN: an operand of rank %d has no channels", x->rank);
  if (size < 1 || size > 4096)
    return mc_onnx_error(n, "LRN: size %lld is out of range", (long long)size);
  mc_value *in = mc_onnx_value(n, x), *v = op2(n, MC_OP_mul, in, in);
  v = mc_onnx_reshape(n, v, 4,
                      (int64_t[]){ x->dim[0], x->dim[1], mc_onnx_prod(x->dim, 2, x->rank), 1 });
  mc_attrs_avg_pool a = { .kernel = { size, 1 },
                          .stride = { 1, 1 },
                          .pad = { before, 0, size - 1 - before, 0 },
                          .count_pad = true };
  v = mc_onnx_reshape(n, mc_onnx_op1(n, MC_OP_avg_pool, v, &a), x->rank, x->dim);
  v = op2(n, MC_OP_mul, v, v ? mc_onnx_scalar(n, mc_onnx_attr_f(n, "alpha", 1e-4f)) : NULL);
  v = op2(n, MC_OP_add, v, v ? mc_onnx_scalar(n, mc_onnx_attr_f(n, "bias", 1)) : NULL);
  return done(
      n, op2(n, MC_OP_div, in,
             op2(n, MC_OP_pow, v, v ? mc_onnx_scalar(n, mc_onnx_attr_f(n, "beta", 0.75f)) : NULL)));
}

bool mc_onnx_batch_norm(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  if (mc_onnx_attr_i(n, "training_mode", 0))
    return mc_onnx_error(n, "BatchNormalization: training_mode is not supported");
  mc_onnx_warn_training(n);
  if (!mc_onnx_attr_i(n, "spatial", 1)) return norm_elements(n);
  if (x->rank < 2)
    return mc_onnx_error(n, "BatchNormalization: an operand of rank %d has no channels", x->rank);
  mc_value *in[5];
  for (int i = 1; i < 5; i++) {
    val *p = n->in[i];
    if (p->rank != 1 || p->dim[0] != x->dim[1])
      return mc_onnx_error(n, "BatchNormalization: operand %d has shape %s, expected [%lld]", i,
                           mc_onnx_dims(n->im->arena, p->rank, p->dim), (long long)x->dim[1]);
    if (!(in[i] = mc_onnx_value(n, p))) return false;
  }
  bool spatial = x->rank == 3 || x->rank == 4;
  mc_value *v = mc_onnx_value(n, x);
  in[0] = spatial ? mc_onnx_to_nhwc(n, v) : mc_onnx_channel_last(n, v, false);
  if (!in[0]) return false;
  mc_value *y = mc_build1(&n->im->b, MC_OP_batch_norm, in, 5,
                          &(mc_attrs_batch_norm){ .epsilon = mc_onnx_attr_f(n, "epsilon", 1e-5f) });
  return done(n, spatial ? mc_onnx_from_nhwc(n, y, x->rank) : mc_onnx_channel_last(n, y, true));
}

/* Whether an operand has exactly the shape of x's axes from `axis` on. */
static bool covers(const val *p, const val *x, int axis) {
  return p->rank == x->rank - axis &&
         !memcmp(p->dim, x->dim + axis, (size_t)p->rank * sizeof *p->dim);
}

bool mc_onnx_layer_norm(node *n, int arg) {
  (void)arg;
  val *x = n->in[0], *gamma = n->in[1], *beta = n->nin > 2 ? n->in[2] : NULL;
  int axis = 0;
  if (mc_onnx_attr_i(n, "stash_type", 1) != 1)
    return mc_onnx_error(n, "LayerNormalization: stash_type %lld is not supported",
                         (long long)mc_onnx_attr_i(n, "stash_type", 1));
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", -1), x->rank, &axis)) return false;
  mc_attrs_layer_norm a = { .axis = axis, .epsilon = mc_onnx_attr_f(n, "epsilon", 1e-5f) };
  mc_value *in[3] = { mc_onnx_value(n, x), mc_onnx_value(n, gamma),
                      beta ? mc_onnx_value(n, beta) : NULL };
  if (!in[0] || !in[1] || (beta && !in[2])) return false;
  if (covers(gamma, x, axis) && (!beta || covers(beta, x, axis)))
    return done(n, mc_build1(&n->im->b, MC_OP_layer_norm, in, beta ? 3 : 2, &a));
  mc_value *y = op2(n, MC_OP_mul, mc_build1(&n->im->b, MC_OP_layer_norm, in, 1, &a), in[1]);
  return done(n, beta ? op2(n, MC_OP_add, y, in[2]) : y);
}

/* A per-channel operand [c] as [c, 1, ...] for x of that rank. */
static mc_value *per_channel(node *n, val *p, int rank) {
  int64_t dim[MC_MAX_RANK] = { p->dim[0], 1, 1, 1, 1, 1, 1, 1 };
  if (p->k) return mc_onnx_folded_value(n, mc_folded_reshape(n, p->k, rank - 1, dim));
  return mc_onnx_reshape(n, p->v, rank - 1, dim);
}

/* x: [n, c, ...] normalized in `groups` parts of c, then scaled: per part (arg 1:
 * GroupNormalization before opset 21) or per channel. */
static bool grouped(node *n, int64_t groups, bool scale_parts) {
  val *x = n->in[0];
  if (x->rank < 3)
    return mc_onnx_error(n, "%s: an operand of rank %d, expected 3 or more", n->row->op, x->rank);
  if (groups < 1 || x->dim[1] % groups)
    return mc_onnx_error(n, "%s: %lld groups do not divide %lld channels", n->row->op,
                         (long long)groups, (long long)x->dim[1]);
  int64_t want = scale_parts ? groups : x->dim[1];
  for (int i = 1; i < 3; i++)
    if (n->in[i]->rank != 1 || n->in[i]->dim[0] != want)
      return mc_onnx_error(n, "%s: operand %d has shape %s, expected [%lld]", n->row->op, i,
                           mc_onnx_dims(n->im->arena, n->in[i]->rank, n->in[i]->dim),
                           (long long)want);
  mc_attrs_layer_norm a = { .axis = 2, .epsilon = mc_onnx_attr_f(n, "epsilon", 1e-5f) };
  mc_value *v = mc_onnx_value(n, x);
  v = mc_onnx_reshape(n, v, 3,
                      (int64_t[]){ x->dim[0], groups, mc_onnx_prod(x->dim, 1, x->rank) / groups });
  v = mc_onnx_op1(n, MC_OP_layer_norm, v, &a);
  int rank = scale_parts ? 3 : x->rank;
  if (!scale_parts) v = mc_onnx_reshape(n, v, x->rank, x->dim);
  v = op2(n, MC_OP_add, op2(n, MC_OP_mul, v, v ? per_channel(n, n->in[1], rank) : NULL),
          v ? per_channel(n, n->in[2], rank) : NULL);
  return done(n, mc_onnx_reshape(n, v, x->rank, x->dim));
}

bool mc_onnx_instance_norm(node *n, int arg) {
  (void)arg;
  return grouped(n, n->in[0]->rank > 1 ? n->in[0]->dim[1] : 0, false);
}

bool mc_onnx_group_norm(node *n, int arg) {
  (void)arg;
  if (mc_onnx_attr_i(n, "stash_type", 1) != 1)
    return mc_onnx_error(n, "GroupNormalization: stash_type is not supported");
  return grouped(n, mc_onnx_attr_i(n, "num_groups", 0), n->im->opset < 21);
}

/* (x - mean) / (sqrt(mean(x^2) - mean^2) + 1e-9), as ONNX defines it */
bool mc_onnx_mean_variance(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  const int64_t *v, dflt[3] = { 0, 2, 3 };
  size_t k;
  bool mask[MC_MAX_RANK];
  if (!mc_onnx_attr_ints(n, "axes", &v, &k)) v = dflt, k = 3;
  if (!mc_onnx_axes(n, v, (int64_t)k, x->rank, mask)) return false;
  mc_value *in = mc_onnx_value(n, x),
           *d = op2(n, MC_OP_sub, in, mc_onnx_reduce(n, MC_OP_reduce_mean, in, mask, true));
  mc_value *dev =
      op1(n, MC_OP_sqrt, mc_onnx_reduce(n, MC_OP_reduce_mean, op2(n, MC_OP_mul, d, d), mask, true));
  return done(n,
              op2(n, MC_OP_div, d, op2(n, MC_OP_add, dev, dev ? mc_onnx_scalar(n, 1e-9f) : NULL)));
}

/* x / |x| along one axis, p = 1 or 2 */
bool mc_onnx_lp_norm(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int axis = 0;
  int64_t p = mc_onnx_attr_i(n, "p", 2);
  bool mask[MC_MAX_RANK] = { false };
  if (p != 1 && p != 2)
    return mc_onnx_error(n, "LpNormalization: p %lld, expected 1 or 2", (long long)p);
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", -1), x->rank, &axis)) return false;
  mask[axis] = true;
  mc_value *v = mc_onnx_value(n, x);
  mc_value *sum = mc_onnx_reduce(
      n, MC_OP_reduce_sum, p == 1 ? op1(n, MC_OP_abs, v) : op2(n, MC_OP_mul, v, v), mask, true);
  return done(n, op2(n, MC_OP_div, v, p == 1 ? sum : op1(n, MC_OP_sqrt, sum)));
}
