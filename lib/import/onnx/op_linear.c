/* Gemm and MatMul: linear where the right operand is known, matmul otherwise. */
#include "imp.h"
#include <string.h>

/* The [n, k] form of a known matrix that the file has as [k, n] (or, with `transposed`, as [n, k]).
 */
static mc_value *rows_of(node *n, val *b, bool transposed) {
  static const int swap[2] = { 1, 0 }, keep[2] = { 0, 1 };
  return mc_onnx_permuted(n, b->k, transposed ? keep : swap);
}

static mc_value *scaled(node *n, mc_value *v, float by) {
  return by == 1.0f ? v : mc_onnx_op2(n, MC_OP_mul, v, v ? mc_onnx_scalar(n, by) : NULL, NULL);
}

/* C as a bias of n values, or NULL when it is not one (it is added then). */
static mc_value *bias_of(node *n, val *c, int64_t width) {
  if (c->k && (c->k->n == 1 || (c->k->n == width && c->dim[c->rank - 1] == width))) {
    int64_t zero = 0;
    folded *k = mc_folded_reshape(n, c->k, 1, &c->k->n);
    if (k->n == 1 && width != 1)
      k = mc_folded_strided(n, k, 1, &width, &zero, 0);
    else if (c->rank == 1)
      k = c->k;
    return k ? mc_onnx_folded_value(n, k) : NULL;
  }
  return c->v && c->rank == 1 && c->dim[0] == width ? c->v : NULL;
}

/* C of Gemm, or NULL. */
static val *gemm_c(const node *n) { return n->nin > 2 ? n->in[2] : NULL; }

static bool check_gemm(node *n, bool ta, bool tb) {
  const val *a = n->in[0], *b = n->in[1], *c = gemm_c(n);
  if (a->rank != 2 || b->rank != 2)
    return mc_onnx_error(n, "Gemm: operands of rank %d and %d, expected matrices", a->rank,
                         b->rank);
  int64_t k = a->dim[!ta], kb = b->dim[tb], width = b->dim[!tb];
  if (k != kb)
    return mc_onnx_error(n, "Gemm: inner sizes %lld and %lld differ", (long long)k, (long long)kb);
  if (c && n->im->opset < 7 && !mc_onnx_attr_i(n, "broadcast", 0) &&
      (c->rank != 2 || c->dim[0] != a->dim[ta] || c->dim[1] != width))
    return mc_onnx_error(n,
                         "Gemm: C of shape %s, and attribute 'broadcast' is not set (opset %lld)",
                         mc_onnx_dims(n->im->arena, c->rank, c->dim), (long long)n->im->opset);
  return true;
}

bool mc_onnx_gemm(node *n, int arg) {
  val *a = n->in[0], *b = n->in[1], *c = gemm_c(n);
  bool ta = mc_onnx_attr_i(n, "transA", 0), tb = mc_onnx_attr_i(n, "transB", 0);
  (void)arg;
  if (!check_gemm(n, ta, tb)) return false;
  float alpha = mc_onnx_attr_f(n, "alpha", 1.0f), beta = mc_onnx_attr_f(n, "beta", 1.0f);
  mc_value *x = mc_onnx_value(n, a), *in[3] = { NULL };
  if (ta) x = mc_onnx_transpose(n, x, (int[]){ 1, 0 });
  in[0] = x, in[1] = b->k ? rows_of(n, b, tb) : b->v;
  if (!in[0] || !in[1]) return false;
  if (b->k && c && alpha == 1.0f && beta == 1.0f) in[2] = bias_of(n, c, b->dim[!tb]);
  mc_attrs_matmul a2;
  mc_attrs_init(MC_OP_matmul, &a2, n->im->arena);
  a2.transpose_b = tb;
  mc_value *y = scaled(n,
                       b->k ? mc_build1(&n->im->b, MC_OP_linear, in, in[2] ? 3 : 2, NULL)
                            : mc_build1(&n->im->b, MC_OP_matmul, in, 2, &a2),
                       alpha);
  if (c && beta != 0.0f && !in[2])
    y = mc_onnx_op2(n, MC_OP_add, y, scaled(n, mc_onnx_value(n, c), beta), NULL);
  if (!y || y->type->rank != 2)
    return y ? mc_onnx_error(n, "Gemm: C of rank %d does not broadcast to the product", c->rank)
             : false;
  mc_onnx_give(n, 0, a->etype, y);
  return true;
}

mc_value *mc_onnx_product(node *n, val *a, val *b) {
  if (a->rank < 1 || b->rank < 1)
    return mc_onnx_error(n, "%s: operands of rank %d and %d", n->row->op, a->rank, b->rank), NULL;
  mc_value *x = mc_onnx_value(n, a), *y = NULL;
  if (x && a->rank == 1) x = mc_onnx_reshape(n, x, 2, (int64_t[]){ 1, a->dim[0] });
  if (b->k && b->rank == 2) {
    y = mc_onnx_op2(n, MC_OP_linear, x, rows_of(n, b, false), NULL);
  } else {
    mc_value *w = mc_onnx_value(n, b);
    if (w && b->rank == 1) w = mc_onnx_reshape(n, w, 2, (int64_t[]){ b->dim[0], 1 });
    y = mc_onnx_op2(n, MC_OP_matmul, x, w, NULL);
  }
  if (!y || (a->rank > 1 && b->rank > 1)) return y;
  int64_t dim[MC_MAX_RANK];
  int rank = 0, last = y->type->rank; /* drop the axes that were added to vectors */
  for (int i = 0; i < last; i++)
    if (!(b->rank == 1 && i == last - 1) && !(a->rank == 1 && i == last - 2))
      dim[rank++] = y->type->dim[i];
  return mc_onnx_reshape(n, y, rank, dim);
}

bool mc_onnx_matmul(node *n, int arg) {
  (void)arg;
  mc_value *y = mc_onnx_product(n, n->in[0], n->in[1]);
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}
