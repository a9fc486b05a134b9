/* Elementwise ops of one operand: fp32 functions, 256-entry tables, integers. */
#include "eval.h"

float mc_eval_unary_f32(const mc_node *n, float x) {
  switch (n->op) {
  case MC_OP_neg: return mc_fm_neg(x);
  case MC_OP_abs: return mc_fm_abs(x);
  case MC_OP_exp: return mc_fm_exp(x);
  case MC_OP_log: return mc_fm_log(x);
  case MC_OP_sqrt: return sqrtf(x);
  case MC_OP_erf: return mc_fm_erf(x);
  case MC_OP_relu: return mc_fm_relu(x);
  case MC_OP_clamp:
    return mc_clamped(x, (const float[]){ MC_ATTRS(n, clamp)->low, MC_ATTRS(n, clamp)->high });
  case MC_OP_leaky_relu: return mc_fm_leaky_relu(x, MC_ATTRS(n, leaky_relu)->alpha);
  case MC_OP_elu: return mc_fm_elu(x, MC_ATTRS(n, elu)->alpha);
  case MC_OP_sigmoid: return mc_fm_sigmoid(x);
  case MC_OP_tanh: return mc_fm_tanh(x);
  case MC_OP_gelu:
    return MC_ATTRS(n, gelu)->approximate == mc_approx_tanh ? mc_fm_gelu_tanh(x) : mc_fm_gelu(x);
  case MC_OP_silu: return mc_fm_silu(x);
  case MC_OP_hard_sigmoid:
    return mc_fm_hard_sigmoid(x, MC_ATTRS(n, hard_sigmoid)->alpha, MC_ATTRS(n, hard_sigmoid)->beta);
  case MC_OP_hard_swish: return mc_fm_hard_swish(x);
  default: return NAN; /* not a unary op: the callers below are the unary ops */
  }
}

void mc_eval_table(const mc_node *n, const mc_type *in, const mc_type *out,
                   unsigned char table[256]) {
  int64_t lo, hi, out_lo, out_hi;
  mc_dtype_range(in->dtype, &lo, &hi);
  mc_dtype_range(out->dtype, &out_lo, &out_hi);
  for (int64_t q = lo; q <= hi; q++) {
    float x = mc_fx_dequantize((int32_t)q, in->q.scale, in->q.zero);
    float y = mc_eval_unary_f32(n, x);
    table[q - lo] = (unsigned char)mc_fx_quantize(y, out->q.scale, out->q.zero, (int32_t)out_lo,
                                                  (int32_t)out_hi);
  }
}

static void through_table(mc_eval_cx *cx) {
  unsigned char table[256];
  const mc_array *x = &cx->in[0];
  unsigned flip = x->type->dtype == MC_i8 ? 128 : 0; /* -128 is entry 0 */
  mc_eval_table(cx->node, x->type, cx->out[0].type, table);
  const unsigned char *from = x->data;
  unsigned char *to = cx->out[0].data;
  for (int64_t i = 0, n = mc_type_elems(x->type); i < n; i++) to[i] = table[from[i] ^ flip];
}

static bool unary(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0], *y = &cx->out[0];
  if (mc_is_act(x) && mc_is_act(y)) return through_table(cx), true;
  if (!mc_is_f32(x) || !mc_is_f32(y)) return mc_eval_no_form(cx);
  const float *from = x->data;
  float *to = y->data;
  for (int64_t i = 0, n = mc_type_elems(x->type); i < n; i++)
    to[i] = mc_eval_unary_f32(cx->node, from[i]);
  return true;
}

bool mc_eval_neg(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_abs(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_exp(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_log(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_sqrt(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_erf(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_relu(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_clamp(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_leaky_relu(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_elu(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_sigmoid(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_tanh(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_gelu(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_silu(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_hard_sigmoid(mc_eval_cx *cx) { return unary(cx); }

bool mc_eval_hard_swish(mc_eval_cx *cx) { return unary(cx); }
