/* Operators of com.microsoft on quantized tensors: their real counterparts between dequantize and
 * quantize; and dynamic quantization, whose products are computed in f32. */
#include "imp.h"
#include <string.h>

/* ---- QLinear... of one operand: x, its scale and zero point, y's ---- */

typedef bool handler(node *n, int arg);

/* The handler on the operands `in`; its one result in *y. */
static bool inner(node *n, handler *run, int arg, val **in, int nin, val *y) {
  val *out[1] = { y };
  node real = *n;
  *y = (val){ 0 };
  real.in = in, real.nin = nin, real.out = out, real.nout = 1;
  return run(&real, arg) && (y->v || y->k);
}

static bool one_operand(node *n, handler *run, int arg) {
  val x, y, *in[1] = { &x };
  if (mc_onnx_attr_i(n, "channels_last", 0))
    return mc_onnx_error(n, "%s: channels_last is not supported", n->row->op);
  return mc_onnx_dequantized(n, n->in[0], 1, 0, &x) && inner(n, run, arg, in, 1, &y) &&
         mc_onnx_quantized(n, &y, 3);
}

bool mc_onnx_qlinear_unary(node *n, int arg) { return one_operand(n, mc_onnx_unary, arg); }

bool mc_onnx_qlinear_leaky_relu(node *n, int arg) {
  return one_operand(n, mc_onnx_leaky_relu, arg);
}

bool mc_onnx_qlinear_global_pool(node *n, int arg) {
  return one_operand(n, mc_onnx_global_pool, arg);
}

bool mc_onnx_qlinear_avg_pool(node *n, int arg) { return one_operand(n, mc_onnx_avg_pool, arg); }

bool mc_onnx_qlinear_reduce(node *n, int arg) { return one_operand(n, mc_onnx_reduce_op, arg); }

bool mc_onnx_qlinear_softmax(node *n, int arg) {
  int64_t set = mc_onnx_attr_i(n, "opset", 0);
  if ((set < 13) != (n->im->opset < 13))
    return mc_onnx_error(n, "%s: of opset %lld in a model of opset %lld", n->row->op,
                         (long long)set, (long long)n->im->opset);
  return one_operand(n, mc_onnx_softmax, arg);
}

/* y's scale and zero point, then x, its scale and zero point for each operand. */
bool mc_onnx_qlinear_concat(node *n, int arg) {
  int count = (n->nin - 2) / 3;
  if (count < 1 || (n->nin - 2) % 3) return mc_onnx_error(n, "%s: %d operands", n->row->op, n->nin);
  val *x = MC_NEWN(n->im->arena, val, count), **in = MC_NEWN(n->im->arena, val *, count), y;
  for (int i = 0; i < count; i++) {
    if (!n->in[2 + 3 * i])
      return mc_onnx_error(n, "%s: operand %d is left out", n->row->op, 2 + 3 * i);
    if (!mc_onnx_dequantized(n, n->in[2 + 3 * i], 3 + 3 * i, 0, &x[i])) return false;
    in[i] = &x[i];
  }
  return inner(n, mc_onnx_concat, arg, in, count, &y) && mc_onnx_quantized(n, &y, 0);
}

/* a, b with scale and zero point, C of integers on the scale of the products, y's scale and zero
 * point (none: real). */
bool mc_onnx_qgemm(node *n, int arg) {
  val a, b, c, y, *in[3] = { &a, &b, NULL };
  if (mc_onnx_attr_f(n, "alpha", 1.0f) != 1.0f)
    return mc_onnx_error(n, "%s: alpha is not supported", n->row->op);
  if (!mc_onnx_dequantized(n, n->in[0], 1, 0, &a) ||
      !mc_onnx_dequantized(n, n->in[3], 4, mc_onnx_attr_i(n, "transB", 0) ? 0 : 1, &b))
    return false;
  if (n->nin > 6 && n->in[6]) {
    if (!mc_onnx_product_bias(n, n->in[6], 1, 4, &c)) return false;
    in[2] = &c;
  }
  if (!inner(n, mc_onnx_gemm, arg, in, in[2] ? 3 : 2, &y)) return false;
  if (n->nin > 7 && n->in[7]) return mc_onnx_quantized(n, &y, 7);
  mc_onnx_give_val(n, 0, &y);
  return true;
}

/* ---- dynamic quantization ---- */

/* Every reader of a result must be one of the ops that know what it stands for. */
static bool readers(node *n, int result, const char *const *ops) {
  const char *name = (size_t)result < n->p->n_output ? n->p->output[result] : "";
  const pb_graph *g = n->im->pb;
  for (size_t i = 0; *name && i < g->n_output; i++)
    if (!strcmp(g->output[i]->name, name))
      return mc_onnx_error(n, "%s: a result of the graph is not supported here", n->row->op);
  for (size_t i = 0; *name && i < g->n_node; i++)
    for (size_t j = 0; j < g->node[i]->n_input; j++) {
      bool known = strcmp(g->node[i]->input[j], name) != 0;
      for (const char *const *o = ops; *o; o++) known |= !strcmp(g->node[i]->op_type, *o);
      if (!known)
        return mc_onnx_error(n, "%s: read by %s, which is not supported", n->row->op,
                             mc_onnx_clean(n->im->arena, g->node[i]->op_type));
    }
  return true;
}

/* y stands for x itself: its scale is 1 and its zero point 0, and products of it are taken in f32.
 * */
bool mc_onnx_dynamic_quantize(node *n, int arg) {
  static const char *const products[] = { "MatMulInteger", "ConvInteger", NULL },
                           *const scaling[] = { "Mul", NULL };
  (void)arg;
  if (!mc_onnx_is_real(n->in[0]->etype))
    return mc_onnx_error(n, "%s: element type %s", n->row->op, mc_onnx_etype_name(n->in[0]->etype));
  if (!readers(n, 0, products) || !readers(n, 1, scaling) || !readers(n, 2, products)) return false;
  if (!n->im->told_dynamic)
    mc_warning(
        n->im->diag, n->loc,
        "dynamic quantization: its layers are imported as f32 on dequantized weights, without "
        "the rounding of activations at run time; mcc -quant=int8 -calib=FILE makes them static "
        "INT8");
  n->im->told_dynamic = true;
  folded *scale = mc_folded_new(n, ONNX_FLOAT, 0, NULL),
         *zero = mc_folded_new(n, ONNX_UINT8, 0, NULL);
  mc_value *x = mc_onnx_value(n, n->in[0]);
  if (!scale || !zero || !x) return false;
  mc_folded_set_f32(scale, 0, 1);
  mc_onnx_give(n, 0, ONNX_UINT8, x);
  mc_onnx_give_folded(n, 1, scale);
  mc_onnx_give_folded(n, 2, zero);
  return true;
}

/* MatMulInteger and ConvInteger: a, b, zero points of a and b. The result carries f32 for int32. */
static bool integer_product(node *n, handler *run, int arg) {
  static const char *const ops[] = { "Cast", NULL };
  val *x = n->in[0], *w = n->in[1], b, y, *in[2] = { x, &b };
  if (!x->v || x->v->type->dtype != MC_f32 || !w->k || (n->nin > 2 && n->in[2] && !n->in[2]->k))
    return mc_onnx_error(n, "%s: supported between DynamicQuantizeLinear and a known weight only",
                         n->row->op);
  if (!readers(n, 0, ops)) return false;
  if (!mc_onnx_minus_zero(n, w, n->nin > 3 ? n->in[3] : NULL, &b)) return false;
  val real = *x;
  real.etype = ONNX_FLOAT;
  in[0] = &real;
  if (!inner(n, run, arg, in, 2, &y)) return false;
  mc_onnx_give(n, 0, ONNX_INT32, y.v);
  return true;
}

bool mc_onnx_matmul_integer(node *n, int arg) { return integer_product(n, mc_onnx_matmul, arg); }

bool mc_onnx_conv_integer(node *n, int arg) { return integer_product(n, mc_onnx_conv, arg); }
