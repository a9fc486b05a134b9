/* What opsets 1 to 6 say otherwise than those since: broadcasting by attributes, is_test, and
 * experimental operators of that time. */
#include "imp.h"
#include <string.h>

static mc_value *op1(node *n, mc_opcode op, mc_value *a) { return mc_onnx_op1(n, op, a, NULL); }

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static mc_value *with(node *n, mc_opcode op, mc_value *a, float c) {
  return c == 1 && op == MC_OP_mul ? a : op2(n, op, a, a ? mc_onnx_scalar(n, c) : NULL);
}

static bool done(node *n, mc_value *y) {
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}

/* ---- broadcasting ---- */
static bool shaped(node *n, const val *x, int rank, const int64_t *dim, val *out) {
  *out = *x;
  out->rank = rank;
  for (int i = 0; i < rank; i++) out->dim[i] = dim[i];
  if (x->k)
    out->k = mc_folded_reshape(n, x->k, rank, dim);
  else
    out->v = mc_onnx_reshape(n, x->v, rank, dim);
  return out->k || out->v;
}

/* Operand 1 along the axes from `axis` on of operand 0, its axes after that of size 1. */
static bool at_axis(node *n, const val *b, int64_t axis, val *out) {
  const val *a = n->in[0];
  int64_t dim[MC_MAX_RANK], last = a->rank - b->rank, from = axis < 0 ? axis + a->rank : axis;
  if (from < 0 || from > last)
    return mc_onnx_error(n, "%s: %s along axis %lld of %s", n->row->op,
                         mc_onnx_dims(n->im->arena, b->rank, b->dim), (long long)axis,
                         mc_onnx_dims(n->im->arena, a->rank, a->dim));
  int rank = a->rank - (int)from;
  for (int i = 0; i < rank; i++) dim[i] = i < b->rank ? b->dim[i] : 1;
  return shaped(n, b, rank, dim, out);
}

bool mc_onnx_second(node *n, val *out) {
  const val *a = n->in[0], *b = n->in[1];
  *out = *b;
  if (n->im->opset >= 7) return true;
  bool same = a->rank == b->rank && !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
  if (same) return true;
  if (!mc_onnx_attr_i(n, "broadcast", 0))
    return mc_onnx_error(
        n, "%s: shapes %s and %s differ, and attribute 'broadcast' is not set (opset %lld)",
        n->row->op, mc_onnx_dims(n->im->arena, a->rank, a->dim),
        mc_onnx_dims(n->im->arena, b->rank, b->dim), (long long)n->im->opset);
  if (mc_onnx_prod(b->dim, 0, b->rank) == 1) return shaped(n, b, 0, NULL, out);
  if (mc_onnx_attr(n, "axis")) return at_axis(n, b, mc_onnx_attr_i(n, "axis", 0), out);
  if (b->rank > a->rank)
    return mc_onnx_error(n, "%s: operand 1 has more axes than operand 0", n->row->op);
  return true;
}

void mc_onnx_warn_training(node *n) {
  if (n->im->opset < 7 && !mc_onnx_attr_i(n, "is_test", 0))
    mc_warning(n->im->diag, n->loc,
               "%s: attribute 'is_test' is not set: computed as at inference all the same",
               n->row->op);
}

/* ---- experimental operators ---- */
/* arg: Affine alpha * x + beta, ScaledTanh alpha * tanh(beta * x), ParametricSoftplus alpha *
 * log(exp(beta * x) + 1), Scale scale * x. */
bool mc_onnx_experimental(node *n, int arg) {
  experimental what = (experimental)arg;
  bool affine = what == OLD_AFFINE, both = mc_onnx_attr(n, "alpha") && mc_onnx_attr(n, "beta");
  float alpha = mc_onnx_attr_f(n, "alpha", 1), beta = mc_onnx_attr_f(n, "beta", affine ? 0 : 1);
  if (!affine && what != OLD_SCALE && !both)
    return mc_onnx_error(n, "%s: alpha or beta is missing", n->row->op);
  mc_value *x = mc_onnx_value(n, n->in[0]), *y = NULL;
  switch (what) {
  case OLD_AFFINE: y = with(n, MC_OP_add, with(n, MC_OP_mul, x, alpha), beta); break;
  case OLD_SCALED_TANH:
    y = with(n, MC_OP_mul, op1(n, MC_OP_tanh, with(n, MC_OP_mul, x, beta)), alpha);
    break;
  case OLD_SOFTPLUS:
    y = with(n, MC_OP_mul, mc_onnx_softplus_of(n, with(n, MC_OP_mul, x, beta)), alpha);
    break;
  case OLD_SCALE: y = with(n, MC_OP_mul, x, mc_onnx_attr_f(n, "scale", 1)); break;
  }
  return done(n, y);
}

/* x * scale + bias[c] */
bool mc_onnx_image_scaler(node *n, int arg) {
  (void)arg;
  const val *x = n->in[0];
  const pb_attr *bias = mc_onnx_attr(n, "bias");
  if (x->rank != 4)
    return mc_onnx_error(n, "ImageScaler: an operand of rank %d, expected 4", x->rank);
  if (bias && (int64_t)bias->n_floats != x->dim[1])
    return mc_onnx_error(n, "ImageScaler: %zu values of bias for %lld channels", bias->n_floats,
                         (long long)x->dim[1]);
  mc_value *y = with(n, MC_OP_mul, mc_onnx_value(n, n->in[0]), mc_onnx_attr_f(n, "scale", 1));
  if (!bias) return done(n, y);
  folded *k = mc_folded_new(n, ONNX_FLOAT, 3, (int64_t[]){ x->dim[1], 1, 1 });
  for (int64_t i = 0; k && i < k->n; i++) mc_folded_set_f32(k, i, bias->floats[i]);
  return done(n, op2(n, MC_OP_add, y, k ? mc_onnx_folded_value(n, k) : NULL));
}

/* border: left, top, right, bottom; scale: rows and columns that stay, from the top left corner of
 * the border on. */
bool mc_onnx_crop(node *n, int arg) {
  (void)arg;
  const val *x = n->in[0];
  const int64_t *border, *scale;
  size_t k, ks;
  if (x->rank != 4) return mc_onnx_error(n, "Crop: an operand of rank %d, expected 4", x->rank);
  if (!mc_onnx_attr_ints(n, "border", &border, &k) || k != 4)
    return mc_onnx_error(n, "Crop: border needs 4 values");
  bool sized = mc_onnx_attr_ints(n, "scale", &scale, &ks);
  if (sized && ks != 2) return mc_onnx_error(n, "Crop: scale needs 2 values");
  int64_t start[4] = { 0, 0, border[1], border[0] }, size[4] = { x->dim[0], x->dim[1] },
          one[4] = { 1, 1, 1, 1 };
  for (int a = 2; a < 4; a++) {
    int64_t end = border[5 - a]; /* bottom, right */
    size[a] = sized ? scale[a - 2] : x->dim[a] - start[a] - end;
    if (start[a] < 0 || end < 0 || size[a] < 1 || start[a] > x->dim[a] ||
        size[a] > x->dim[a] - start[a])
      return mc_onnx_error(n, "Crop: rows or columns %lld to %lld of %lld", (long long)start[a],
                           (long long)(start[a] + size[a]), (long long)x->dim[a]);
  }
  return done(n, mc_onnx_slice(n, mc_onnx_value(n, n->in[0]), start, size, one));
}
