/* Quantized operators. QuantizeLinear makes a quantized type; DequantizeLinear of constants is computed here, of other values it is `dequantize`.
 * QLinear... operators are their real counterparts between the two (ONNX defines them so, up to rounding). */
#include "imp.h"
#include <math.h>
#include <string.h>

/* Scale and zero point of one operand: per tensor, or per index of an axis. */
typedef struct qparam { const konst *scale, *zero; int axis; bool per_axis; } qparam;

static bool params(node *n, const val *x, int scale, int zero, int64_t axis, qparam *q) {
  *q = (qparam){ 0 };
  val *s = n->in[scale], *z = zero >= 0 && n->nin > zero ? n->in[zero] : NULL;
  if (!s->k || (z && !z->k)) return mc_onnx_error(n, "%s: scale and zero point must be known while importing", n->row->op);
  q->scale = s->k, q->zero = z ? z->k : NULL;
  q->per_axis = s->k->n != 1;
  if (z && z->k->n != s->k->n) return mc_onnx_error(n, "%s: %lld scales, but %lld zero points", n->row->op, (long long)s->k->n, (long long)z->k->n);
  for (int64_t i = 0; i < s->k->n; i++) {
    float f = mc_konst_f32(s->k, i);
    if (!(f > 0) || isinf(f)) return mc_onnx_error(n, "%s: a scale of %g", n->row->op, (double)f);
  }
  if (!q->per_axis) return true;
  if (s->rank != 1) return mc_onnx_error(n, "%s: scales of rank %d (in blocks) are not supported", n->row->op, s->rank);
  if (!mc_onnx_axis(n, axis, x->rank, &q->axis)) return false;
  if (s->k->n != x->dim[q->axis]) return mc_onnx_error(n, "%s: %lld scales for an axis of %lld", n->row->op, (long long)s->k->n, (long long)x->dim[q->axis]);
  return true;
}

static int64_t zero_at(const qparam *q, int64_t i) { return q->zero ? mc_konst_int(q->zero, i) : 0; }

/* (q - zero) * scale on a constant. */
static konst *dequantized_konst(node *n, const konst *k, const qparam *q) {
  konst *r = mc_konst_new(n, ONNX_FLOAT, k->rank, k->dim);
  if (!r) return NULL;
  int64_t inner = q->per_axis ? mc_onnx_prod(k->dim, q->axis + 1, k->rank) : 1, len = q->per_axis ? k->dim[q->axis] : 1;
  for (int64_t i = 0; i < k->n; i++) {
    int64_t c = q->per_axis ? i / inner % len : 0;
    mc_konst_set_f32(r, i, (float)(mc_konst_int(k, i) - zero_at(q, c)) * mc_konst_f32(q->scale, c));
  }
  r->name = k->name;
  r->named = k->named;
  return r;
}

/* Scales or zero points as an operand that broadcasts against x. */
static mc_value *param_value(node *n, const val *x, const qparam *q, bool zeros) {
  int64_t dim[MC_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  int rank = q->per_axis ? x->rank - q->axis : 0;
  dim[0] = q->scale->n;
  konst *k = mc_konst_new(n, ONNX_FLOAT, rank, dim);
  for (int64_t i = 0; k && i < k->n; i++) mc_konst_set_f32(k, i, zeros ? (float)zero_at(q, i) : mc_konst_f32(q->scale, i));
  return k ? mc_onnx_konst_value(n, k) : NULL;
}

static bool all_zero(const qparam *q) {
  for (int64_t i = 0; i < q->scale->n; i++)
    if (zero_at(q, i)) return false;
  return true;
}

/* x as reals; false after reporting. */
static bool dequantized(node *n, val *x, const qparam *q, val *out) {
  if (!mc_onnx_is_int(x->etype)) return mc_onnx_error(n, "%s: element type %s", n->row->op, mc_onnx_etype_name(x->etype));
  *out = *x;
  out->etype = ONNX_FLOAT;
  if (x->k) return (out->k = dequantized_konst(n, x->k, q)) != NULL;
  const mc_quant *t = &x->v->type->q;
  if (t->kind == MC_Q_TENSOR) {
    if (q->per_axis || t->scale != mc_konst_f32(q->scale, 0) || t->zero != zero_at(q, 0))
      return mc_onnx_error(n, "%s: scale and zero point differ from those that the operand was quantized with", n->row->op);
    out->v = mc_build1(&n->im->b, MC_OP_dequantize, &x->v, 1, NULL);
    return out->v != NULL;
  }
  mc_value *v = mc_onnx_as(n, MC_OP_cast, x->v, MC_f32);   /* plain integers, a graph input say */
  if (!all_zero(q)) v = mc_onnx_op2(n, MC_OP_sub, v, param_value(n, x, q, true), NULL);
  out->v = mc_onnx_op2(n, MC_OP_mul, v, param_value(n, x, q, false), NULL);
  return out->v != NULL;
}

static bool quantized(node *n, mc_value *v, const qparam *q, int etype) {
  const etype_info *e = mc_onnx_etype(etype);
  if (!v) return false;
  if (etype != ONNX_UINT8 && etype != ONNX_INT8) return mc_onnx_error(n, "%s: to element type %s is not supported", n->row->op, mc_onnx_etype_name(etype));
  if (q->per_axis) return mc_onnx_error(n, "%s: scales per axis are supported on constants only", n->row->op);
  const mc_type *t = mc_type_make_q(n->im->m, e->carry, 0, NULL, mc_konst_f32(q->scale, 0), (int32_t)zero_at(q, 0));
  mc_value *y = mc_build1_as(&n->im->b, MC_OP_quantize, &v, 1, NULL, t);
  mc_onnx_give(n, 0, etype, y);
  return y != NULL;
}

static int zero_type(const node *n, int zero) { return n->nin > zero && n->in[zero] ? n->in[zero]->etype : ONNX_UINT8; }

bool mc_onnx_quantize_linear(node *n, int arg) {
  (void)arg;
  qparam q;
  int etype = zero_type(n, 2);
  int64_t want = mc_onnx_attr_i(n, "output_dtype", 0);
  if (mc_onnx_attr_i(n, "block_size", 0)) return mc_onnx_error(n, "QuantizeLinear: block_size is not supported");
  if (want && (n->nin < 3 || !n->in[2])) etype = want > 0 && want < 100 ? (int)want : 0;
  if (!mc_onnx_etype(etype)) return mc_onnx_error(n, "QuantizeLinear: output_dtype %lld is not supported", (long long)want);
  if (!mc_onnx_is_real(n->in[0]->etype)) return mc_onnx_error(n, "QuantizeLinear: element type %s", mc_onnx_etype_name(n->in[0]->etype));
  return params(n, n->in[0], 1, 2, mc_onnx_attr_i(n, "axis", 1), &q) && quantized(n, mc_onnx_value(n, n->in[0]), &q, etype);
}

bool mc_onnx_dequantize_linear(node *n, int arg) {
  (void)arg;
  qparam q;
  val out;
  if (mc_onnx_attr_i(n, "block_size", 0)) return mc_onnx_error(n, "DequantizeLinear: block_size is not supported");
  if (!params(n, n->in[0], 1, 2, mc_onnx_attr_i(n, "axis", 1), &q) || !dequantized(n, n->in[0], &q, &out)) return false;
  mc_onnx_give_val(n, 0, &out);
  return true;
}

/* QLinearConv: x, its scale and zero point, w, its, y's, bias (integers of scale s_x * s_w). */
bool mc_onnx_qlinear_conv(node *n, int arg) {
  qparam qx, qw, qy;
  val x, w, bias;
  if (!params(n, n->in[0], 1, 2, 0, &qx) || !params(n, n->in[3], 4, 5, 0, &qw) || !params(n, n->in[0], 6, 7, 0, &qy)) return false;
  if (!dequantized(n, n->in[0], &qx, &x) || !dequantized(n, n->in[3], &qw, &w)) return false;
  val *in[3] = { &x, &w, NULL }, y = { 0 }, *out[1] = { &y };
  if (n->nin > 8 && n->in[8]) {
    const konst *b = n->in[8]->k;
    if (!b || b->rank != 1 || qx.per_axis) return mc_onnx_error(n, "QLinearConv: the bias must be a known list");
    konst *r = mc_konst_new(n, ONNX_FLOAT, 1, b->dim);
    if (!r || (qw.per_axis && qw.scale->n != b->n)) return r ? mc_onnx_error(n, "QLinearConv: %lld bias values for %lld scales", (long long)b->n, (long long)qw.scale->n) : false;
    for (int64_t i = 0; i < r->n; i++) mc_konst_set_f32(r, i, (float)mc_konst_int(b, i) * (mc_konst_f32(qx.scale, 0) * mc_konst_f32(qw.scale, qw.per_axis ? i : 0)));
    r->name = b->name, r->named = b->named;
    bias = (val){ .etype = ONNX_FLOAT, .rank = 1, .dim = { b->n }, .k = r };
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
  return params(n, n->in[0], 1, 2, -2, &qa) && params(n, vb, 4, 5, -1, &qb) && params(n, n->in[0], 6, 7, 0, &qy) && dequantized(n, n->in[0], &qa, &a) &&
         dequantized(n, vb, &qb, &b) && quantized(n, mc_onnx_product(n, &a, &b), &qy, zero_type(n, 7));
}

/* com.microsoft QLinearAdd, QLinearMul: a, b, y with scale and zero point each. */
bool mc_onnx_qlinear_binary(node *n, int arg) {
  qparam qa, qb, qy;
  val a, b;
  if (!params(n, n->in[0], 1, 2, 0, &qa) || !params(n, n->in[3], 4, 5, 0, &qb) || !params(n, n->in[0], 6, 7, 0, &qy)) return false;
  if (!dequantized(n, n->in[0], &qa, &a) || !dequantized(n, n->in[3], &qb, &b)) return false;
  mc_value *x = mc_onnx_value(n, &a), *y = mc_onnx_value(n, &b);
  return quantized(n, mc_onnx_op2(n, (mc_opcode)arg, x, y, NULL), &qy, zero_type(n, 7));
}
