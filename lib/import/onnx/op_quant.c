/* Quantized operators. QuantizeLinear makes a quantized type, DequantizeLinear reads it; constants
 * keep their integers (folded_quant.c). QLinear... operators are their real counterparts between
 * the two (ONNX defines them so, up to rounding); the pass from-qdq makes integer ops of both. */
#include "imp.h"
#include <math.h>
#include <string.h>

static bool positive_scales(node *n, const folded *s) {
  for (int64_t i = 0; i < s->n; i++) {
    float f = mc_folded_f32(s, i);
    if (!(f > 0) || isinf(f)) return mc_onnx_error(n, "%s: a scale of %g", n->row->op, (double)f);
  }
  return true;
}

/* One scale per `block` elements along q->axis. */
static bool blocked(node *n, const val *x, const val *s, int64_t block, qparam *q) {
  q->block = block;
  bool fits = block > 0 && s->rank == x->rank && x->dim[q->axis] > 0;
  for (int i = 0; fits && i < x->rank; i++)
    fits = s->dim[i] == (i == q->axis ? (x->dim[i] + block - 1) / block : x->dim[i]);
  return fits ||
         mc_onnx_error(n, "%s: block_size %lld and scales %s do not fit an operand %s", n->row->op,
                       (long long)block, mc_onnx_dims(n->im->arena, s->rank, s->dim),
                       mc_onnx_dims(n->im->arena, x->rank, x->dim));
}

/* The parameters of x from operands `scale` and `zero` (-1: there is none) of the node. */
static bool params(node *n, const val *x, int scale, int zero, int64_t axis, qparam *q) {
  *q = (qparam){ 0 };
  val *s = n->in[scale], *z = zero >= 0 && n->nin > zero ? n->in[zero] : NULL;
  if (!s->k || (z && !z->k))
    return mc_onnx_error(n, "%s: scale and zero point must be known while importing", n->row->op);
  if (!mc_onnx_is_real(s->etype) || (z && !mc_onnx_is_int(z->etype)))
    return mc_onnx_error(n, "%s: scales are real numbers and zero points integers", n->row->op);
  q->scale = s->k, q->zero = z ? z->k : NULL;
  if (z && z->k->n != s->k->n && z->k->n != 1)
    return mc_onnx_error(n, "%s: %lld scales, but %lld zero points", n->row->op, (long long)s->k->n,
                         (long long)z->k->n);
  if (!positive_scales(n, s->k)) return false;
  int64_t block = mc_onnx_attr_i(n, "block_size", 0);
  if (s->k->n == 1 && !block) return true;
  if (!mc_onnx_axis(n, axis, x->rank, &q->axis)) return false;
  if (block || s->rank > 1) return blocked(n, x, s, block, q);
  q->per_axis = true;
  if (s->k->n != x->dim[q->axis])
    return mc_onnx_error(n, "%s: %lld scales for an axis of %lld", n->row->op, (long long)s->k->n,
                         (long long)x->dim[q->axis]);
  return true;
}

/* ---- dequantize ---- */

/* Scales or zero points as an operand that broadcasts against x. */
static mc_value *param_value(node *n, const val *x, const qparam *q, bool zeros) {
  int64_t dim[MC_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  int rank = q->per_axis ? x->rank - q->axis : 0;
  dim[0] = q->scale->n;
  folded *k = mc_folded_new(n, ONNX_FLOAT, rank, dim);
  for (int64_t i = 0; k && i < k->n; i++)
    mc_folded_set_f32(k, i, zeros ? (float)mc_qparam_zero(q, i) : mc_folded_f32(q->scale, i));
  return k ? mc_onnx_folded_value(n, k) : NULL;
}

static bool all_zero(const qparam *q) {
  for (int64_t i = 0; i < q->scale->n; i++)
    if (mc_qparam_zero(q, i)) return false;
  return true;
}

/* Each constant once for each scale and zero point: many nodes may read one weight. */
static folded *dequantized_once(node *n, folded *k, const qparam *q) {
  struct {
    const folded *k, *scale, *zero;
    int64_t axis, block;
  } key;

  memset(&key, 0, sizeof key);
  key.k = k, key.scale = q->scale, key.zero = q->zero, key.axis = q->axis, key.block = q->block;
  folded *r = mc_map_bytes_get(&n->im->permuted, &key, sizeof key);
  if (!r && (r = mc_folded_dequantized(n, k, q)))
    *mc_map_bytes_slot(&n->im->permuted, &key, sizeof key) = r;
  return r;
}

/* The operand was quantized with other parameters than it is read with: what it means then is
 * another real. */
static mc_value *reinterpreted(node *n, mc_value *x, float scale, int64_t zero) {
  const mc_quant *t = &x->type->q;
  mc_onnx_remark(n->im, n->loc.what,
                 "scale and zero point differ from those that the operand was quantized with: "
                 "the difference is computed in f32");
  mc_value *v = mc_build1(&n->im->b, MC_OP_dequantize, &x, 1, NULL);
  v = mc_onnx_op2(n, MC_OP_mul, v, mc_onnx_scalar(n, scale / t->scale), NULL);
  float shift = (float)(t->zero - zero) * scale;
  return shift == 0 ? v : mc_onnx_op2(n, MC_OP_add, v, mc_onnx_scalar(n, shift), NULL);
}

/* x as reals; false after reporting. */
static bool dequantized(node *n, val *x, const qparam *q, val *out) {
  if (!mc_onnx_is_int(x->etype))
    return mc_onnx_error(n, "%s: element type %s", n->row->op, mc_onnx_etype_name(x->etype));
  *out = *x;
  out->etype = ONNX_FLOAT;
  if (x->k) return (out->k = dequantized_once(n, x->k, q)) != NULL;
  if (q->block)
    return mc_onnx_error(n, "%s: block_size is supported on constants only", n->row->op);
  const mc_quant *t = &x->v->type->q;
  if (t->kind == MC_Q_TENSOR) {
    float scale = mc_folded_f32(q->scale, 0);
    int64_t zero = mc_qparam_zero(q, 0);
    if (q->per_axis)
      return mc_onnx_error(n, "%s: an operand quantized with one scale is read with %lld",
                           n->row->op, (long long)q->scale->n);
    bool same = t->scale == scale && t->zero == zero;
    out->v = same ? mc_build1(&n->im->b, MC_OP_dequantize, &x->v, 1, NULL)
                  : reinterpreted(n, x->v, scale, zero);
    return out->v != NULL;
  }
  mc_value *v = mc_onnx_as(n, MC_OP_cast, x->v, MC_f32); /* plain integers, a graph input say */
  if (!all_zero(q)) v = mc_onnx_op2(n, MC_OP_sub, v, param_value(n, x, q, true), NULL);
  out->v = mc_onnx_op2(n, MC_OP_mul, v, param_value(n, x, q, false), NULL);
  return out->v != NULL;
}

/* ---- quantize ---- */

static bool is_8bit(int etype) { return etype == ONNX_UINT8 || etype == ONNX_INT8; }

static bool is_16bit(int etype) { return etype == ONNX_UINT16 || etype == ONNX_INT16; }

/* 16-bit activations have no integer kernels: stored as i32, they lose what 16 bits lose. */
static mc_value *quantized_16(node *n, mc_value *v, const qparam *q, int etype) {
  float scale = mc_folded_f32(q->scale, 0);
  int64_t zero = mc_qparam_zero(q, 0), lo = etype == ONNX_UINT16 ? 0 : -32768;
  mc_onnx_remark(n->im, n->loc.what,
                 "%s: %s has no integer kernels: what reads it is computed in f32", n->row->op,
                 mc_onnx_etype_name(etype));
  mc_attrs_clamp a = { .low = (float)(lo - zero) * scale,
                       .high = (float)(lo + 65535 - zero) * scale };
  mc_value *c = mc_onnx_op1(n, MC_OP_clamp, v, &a);
  const mc_type *t = mc_type_make_q(n->im->m, MC_i32, 0, NULL, scale, (int32_t)zero);
  return c ? mc_build1_as(&n->im->b, MC_OP_quantize, &c, 1, NULL, t) : NULL;
}

static bool quantized(node *n, mc_value *v, const qparam *q, int etype) {
  if (!v) return false;
  if (!is_8bit(etype) && !is_16bit(etype))
    return mc_onnx_error(n, "%s: to element type %s is not supported", n->row->op,
                         mc_onnx_etype_name(etype));
  if (q->per_axis || q->block)
    return mc_onnx_error(n, "%s: scales per axis are supported on constants only", n->row->op);
  const mc_type *t = mc_type_make_q(n->im->m, mc_onnx_etype(etype)->carry, 0, NULL,
                                    mc_folded_f32(q->scale, 0), (int32_t)mc_qparam_zero(q, 0));
  mc_value *y = is_16bit(etype) ? quantized_16(n, v, q, etype)
                                : mc_build1_as(&n->im->b, MC_OP_quantize, &v, 1, NULL, t);
  mc_onnx_give(n, 0, etype, y);
  return y != NULL;
}

static int zero_type(const node *n, int zero) {
  return n->nin > zero && n->in[zero] ? n->in[zero]->etype : ONNX_UINT8;
}

bool mc_onnx_quantize_linear(node *n, int arg) {
  (void)arg;
  qparam q;
  val *x = n->in[0];
  int etype = zero_type(n, 2);
  int64_t want = mc_onnx_attr_i(n, "output_dtype", 0);
  if (want && (n->nin < 3 || !n->in[2])) etype = want > 0 && want < 100 ? (int)want : 0;
  if (!mc_onnx_etype(etype))
    return mc_onnx_error(n, "QuantizeLinear: output_dtype %lld is not supported", (long long)want);
  if (!mc_onnx_is_real(x->etype))
    return mc_onnx_error(n, "QuantizeLinear: element type %s", mc_onnx_etype_name(x->etype));
  if (!params(n, x, 1, 2, mc_onnx_attr_i(n, "axis", 1), &q)) return false;
  if (!x->k) return quantized(n, mc_onnx_value(n, x), &q, etype);
  if (!is_8bit(etype) && !is_16bit(etype))
    return mc_onnx_error(n, "%s: to element type %s is not supported", n->row->op,
                         mc_onnx_etype_name(etype));
  mc_onnx_give_folded(n, 0, mc_folded_quantized(n, x->k, &q, etype));
  return n->out[0] && n->out[0]->k;
}

bool mc_onnx_dequantize_linear(node *n, int arg) {
  (void)arg;
  qparam q;
  val out;
  if (!params(n, n->in[0], 1, 2, mc_onnx_attr_i(n, "axis", 1), &q) ||
      !dequantized(n, n->in[0], &q, &out))
    return false;
  mc_onnx_give_val(n, 0, &out);
  return true;
}

/* ---- QLinear... ---- */

/* A bias of integers whose scale is that of the products. */
static folded *product_bias(node *n, folded *b, const qparam *qx, const qparam *qw) {
  folded *scale = mc_folded_new(n, ONNX_FLOAT, 1, &qw->scale->n);
  for (int64_t i = 0; scale && i < scale->n; i++)
    mc_folded_set_f32(scale, i, mc_folded_f32(qx->scale, 0) * mc_folded_f32(qw->scale, i));
  qparam q = { .scale = scale, .per_axis = qw->per_axis };
  return scale ? mc_folded_dequantized(n, b, &q) : NULL;
}

bool mc_onnx_dequantized(node *n, val *x, int scale, int axis, val *out) {
  qparam q;
  return params(n, x, scale, scale + 1, axis, &q) && dequantized(n, x, &q, out);
}

bool mc_onnx_quantized(node *n, val *y, int scale) {
  qparam q;
  return params(n, y, scale, scale + 1, 0, &q) &&
         quantized(n, mc_onnx_value(n, y), &q, zero_type(n, scale + 1));
}

bool mc_onnx_product_bias(node *n, val *b, int sx, int sw, val *out) {
  qparam qx, qw = { .scale = n->in[sw]->k };
  if (!b->k || !n->in[sx]->k || !qw.scale)
    return mc_onnx_error(n, "%s: the bias and the scales must be known", n->row->op);
  qx = (qparam){ .scale = n->in[sx]->k };
  qw.per_axis = qw.scale->n != 1;
  int64_t count = b->k->n;
  folded *list = mc_folded_reshape(n, b->k, 1, &count);
  if (qw.per_axis && qw.scale->n != count)
    return mc_onnx_error(n, "%s: %lld bias values for %lld scales", n->row->op, (long long)count,
                         (long long)qw.scale->n);
  folded *bias = product_bias(n, list, &qx, &qw);
  *out = (val){ .etype = ONNX_FLOAT, .rank = 1, .dim = { count }, .k = bias };
  return out->k != NULL;
}

bool mc_onnx_minus_zero(node *n, val *w, const val *zero, val *out) {
  folded *one = mc_folded_new(n, ONNX_FLOAT, 0, NULL);
  if (!one) return false;
  mc_folded_set_f32(one, 0, 1);
  if (zero && (!zero->k || zero->k->n != 1))
    return mc_onnx_error(n, "%s: zero points per channel are not supported", n->row->op);
  qparam q = { .scale = one, .zero = zero ? zero->k : NULL };
  return dequantized(n, w, &q, out);
}

/* QLinearConv: x, its scale and zero point, w, its, y's, bias (integers of scale s_x * s_w). */
bool mc_onnx_qlinear_conv(node *n, int arg) {
  qparam qx, qw, qy;
  val x, w, bias;
  if (!params(n, n->in[0], 1, 2, 0, &qx) || !params(n, n->in[3], 4, 5, 0, &qw) ||
      !params(n, n->in[0], 6, 7, 0, &qy))
    return false;
  if (!dequantized(n, n->in[0], &qx, &x) || !dequantized(n, n->in[3], &qw, &w)) return false;
  val *in[3] = { &x, &w, NULL }, y = { 0 }, *out[1] = { &y };
  if (n->nin > 8 && n->in[8]) {
    if (n->in[8]->rank != 1 || qx.per_axis)
      return mc_onnx_error(n, "QLinearConv: the bias must be a known list");
    if (!mc_onnx_product_bias(n, n->in[8], 1, 4, &bias)) return false;
    in[2] = &bias;
  }
  node inner = *n;
  inner.in = in, inner.nin = in[2] ? 3 : 2, inner.out = out, inner.nout = 1;
  return mc_onnx_conv(&inner, arg) && quantized(n, y.v, &qy, zero_type(n, 7));
}

bool mc_onnx_qlinear_matmul(node *n, int arg) {
  (void)arg;
  qparam qa, qb, qy;
  val a, b;
  val *vb = n->in[3];
  return params(n, n->in[0], 1, 2, -2, &qa) && params(n, vb, 4, 5, -1, &qb) &&
         params(n, n->in[0], 6, 7, 0, &qy) && dequantized(n, n->in[0], &qa, &a) &&
         dequantized(n, vb, &qb, &b) &&
         quantized(n, mc_onnx_product(n, &a, &b), &qy, zero_type(n, 7));
}

/* com.microsoft QLinearAdd, QLinearMul: a, b, y with scale and zero point each. */
bool mc_onnx_qlinear_binary(node *n, int arg) {
  qparam qa, qb, qy;
  val a, b;
  if (!params(n, n->in[0], 1, 2, 0, &qa) || !params(n, n->in[3], 4, 5, 0, &qb) ||
      !params(n, n->in[0], 6, 7, 0, &qy))
    return false;
  if (!dequantized(n, n->in[0], &qa, &a) || !dequantized(n, n->in[3], &qb, &b)) return false;
  mc_value *x = mc_onnx_value(n, &a), *y = mc_onnx_value(n, &b);
  return quantized(n, mc_onnx_op2(n, (mc_opcode)arg, x, y, NULL), &qy, zero_type(n, 7));
}
