/* Reductions over axes, with what comes before and after the sum; ArgMax and ArgMin. */
#include "imp.h"
#include <string.h>

static mc_value *op1(node *n, mc_opcode op, mc_value *a) { return mc_onnx_op1(n, op, a, NULL); }

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

/* Axes from the attribute or the operand; none: all, or with noop_with_empty_axes none. */
static bool axes_mask(node *n, int rank, bool *mask) {
  const int64_t *list = NULL;
  int64_t *v = NULL, k = 0;
  size_t len;
  if (mc_onnx_attr_ints(n, "axes", &list, &len))
    k = (int64_t)len;
  else if (n->nin > 1 && n->in[1]) {
    if (!mc_onnx_known_ints(n, 1, "the axes", &v, &k)) return false;
    list = v;
  }
  if (k) return mc_onnx_axes(n, list, k, rank, mask);
  bool all = !mc_onnx_attr_i(n, "noop_with_empty_axes", 0);
  for (int i = 0; i < rank; i++) mask[i] = all;
  return true;
}

/* x joins *y; false: not a reduction of integers that is computed while importing. */
static bool join_whole(reduction how, int64_t x, int64_t *y) {
  switch (how) {
  case RED_SUM: *y = (int64_t)((uint64_t)*y + (uint64_t)x); return true;
  case RED_PROD: *y = (int64_t)((uint64_t)*y * (uint64_t)x); return true;
  case RED_MAX: *y = x > *y ? x : *y; return true;
  case RED_MIN: *y = x < *y ? x : *y; return true;
  case RED_MEAN:
  case RED_L1:
  case RED_L2:
  case RED_SQUARE:
  case RED_LOG_SUM:
  case RED_LOG_SUM_EXP: break;
  }
  return false;
}

/* Small integer constants: sizes of shapes multiplied or added up. */
static bool fold(node *n, reduction how, const bool *mask, bool keep) {
  const folded *k = n->in[0]->k;
  int64_t dim[MC_MAX_RANK], full[MC_MAX_RANK], stride[MC_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < k->rank; i++) {
    full[i] = mask[i] ? 1 : k->dim[i];
    if (keep || !mask[i]) dim[rank++] = full[i];
  }
  folded *r = mc_folded_new(n, k->etype, rank, dim);
  if (!r) return false;
  mc_onnx_strides(k->rank, full, stride);
  unsigned char *seen = mc_arena_alloc(n->im->arena, (size_t)r->n + 1);
  for (int64_t i = 0; i < k->n; i++) {
    int64_t at = 0, rest = i;
    for (int a = k->rank; a-- > 0; rest /= k->dim[a])
      at += mask[a] ? 0 : rest % k->dim[a] * stride[a];
    int64_t y = mc_folded_int(k, i), x = y;
    if (seen[at]) y = mc_folded_int(r, at), join_whole(how, x, &y);
    seen[at] = 1;
    mc_folded_set_int(r, at, y);
  }
  mc_onnx_give_folded(n, 0, r);
  return true;
}

static mc_value *log_sum_exp(node *n, mc_value *x, const bool *mask, bool keep) {
  mc_value *top = mc_onnx_reduce(n, MC_OP_reduce_max, x, mask, true);
  mc_value *sum =
      mc_onnx_reduce(n, MC_OP_reduce_sum, op1(n, MC_OP_exp, op2(n, MC_OP_sub, x, top)), mask, true);
  mc_value *y = op2(n, MC_OP_add, op1(n, MC_OP_log, sum), top);
  if (!y || keep) return y;
  int64_t dim[MC_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < y->type->rank; i++)
    if (!mask[i]) dim[rank++] = y->type->dim[i];
  return mc_onnx_reshape(n, y, rank, dim);
}

bool mc_onnx_reduce_op(node *n, int arg) {
  val *x = n->in[0];
  bool mask[MC_MAX_RANK] = { false }, keep = mc_onnx_attr_i(n, "keepdims", 1);
  if (!axes_mask(n, x->rank, mask)) return false;
  int64_t none = 0;
  if (x->k && join_whole((reduction)arg, 0, &none) && mc_onnx_is_int(x->etype) &&
      x->k->n <= ONNX_MAX_ARITH && x->k->n > 0)
    return fold(n, (reduction)arg, mask, keep);
  mc_value *v = mc_onnx_value(n, x), *y = NULL;
  switch ((reduction)arg) {
  case RED_MEAN: y = mc_onnx_reduce(n, MC_OP_reduce_mean, v, mask, keep); break;
  case RED_SUM: y = mc_onnx_reduce(n, MC_OP_reduce_sum, v, mask, keep); break;
  case RED_MAX: y = mc_onnx_reduce(n, MC_OP_reduce_max, v, mask, keep); break;
  case RED_MIN:
    y = op1(n, MC_OP_neg, mc_onnx_reduce(n, MC_OP_reduce_max, op1(n, MC_OP_neg, v), mask, keep));
    break;
  case RED_L1: y = mc_onnx_reduce(n, MC_OP_reduce_sum, op1(n, MC_OP_abs, v), mask, keep); break;
  case RED_L2:
    y = op1(n, MC_OP_sqrt,
            mc_onnx_reduce(n, MC_OP_reduce_sum, op2(n, MC_OP_mul, v, v), mask, keep));
    break;
  case RED_SQUARE:
    y = mc_onnx_reduce(n, MC_OP_reduce_sum, op2(n, MC_OP_mul, v, v), mask, keep);
    break;
  case RED_LOG_SUM:
    y = op1(n, MC_OP_log, mc_onnx_reduce(n, MC_OP_reduce_sum, v, mask, keep));
    break;
  case RED_LOG_SUM_EXP: y = log_sum_exp(n, v, mask, keep); break;
  case RED_PROD:
    return mc_onnx_error(n, "%s: supported on integers that are known while importing only",
                         n->row->op);
  }
  mc_onnx_give(n, 0, x->etype, y);
  return y != NULL;
}

/* arg: 1 the largest, -1 the smallest. */
bool mc_onnx_arg_max(node *n, int arg) {
  val *x = n->in[0];
  int axis = 0;
  if (mc_onnx_attr_i(n, "select_last_index", 0))
    return mc_onnx_error(n, "%s: select_last_index is not supported", n->row->op);
  if (!mc_onnx_axis(n, mc_onnx_attr_i(n, "axis", 0), x->rank, &axis)) return false;
  mc_value *v = mc_onnx_value(n, x);
  if (arg < 0) v = op1(n, MC_OP_neg, v);
  mc_attrs_argmax a = { .axis = axis, .keepdims = mc_onnx_attr_i(n, "keepdims", 1) != 0 };
  mc_value *y =
      v ? mc_build1_as(&n->im->b, MC_OP_argmax, &v, 1, &a, mc_type_make(n->im->m, MC_i64, 0, NULL))
        : NULL;
  mc_onnx_give(n, 0, ONNX_INT64, y);
  return y != NULL;
}
