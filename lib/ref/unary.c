/* Elementwise ops of one operand: fp32 functions, 256-entry tables, integers. */
#include "eval.h"
#include <stdlib.h>

/* An op without attributes is one function of support/fmath.h. */
#define PLAIN(id, f)                                                                               \
  float mc_real_##id(const mc_node *n, float x) {                                                  \
    (void)n;                                                                                       \
    return f(x);                                                                                   \
  }
PLAIN(neg, mc_fm_neg)
PLAIN(abs, mc_fm_abs)
PLAIN(exp, mc_fm_exp)
PLAIN(log, mc_fm_log)
PLAIN(sqrt, sqrtf)
PLAIN(erf, mc_fm_erf)
PLAIN(relu, mc_fm_relu)
PLAIN(sigmoid, mc_fm_sigmoid)
PLAIN(tanh, mc_fm_tanh)
PLAIN(silu, mc_fm_silu)
PLAIN(hard_swish, mc_fm_hard_swish)

float mc_real_clamp(const mc_node *n, float x) {
  const mc_attrs_clamp *at = MC_ATTRS(n, clamp);
  return mc_clamped(x, (const float[]){ at->low, at->high });
}

float mc_real_leaky_relu(const mc_node *n, float x) {
  return mc_fm_leaky_relu(x, MC_ATTRS(n, leaky_relu)->alpha);
}

float mc_real_elu(const mc_node *n, float x) { return mc_fm_elu(x, MC_ATTRS(n, elu)->alpha); }

float mc_real_gelu(const mc_node *n, float x) {
  switch (MC_ATTRS(n, gelu)->approximate) {
  case mc_approx_none: return mc_fm_gelu(x);
  case mc_approx_tanh: return mc_fm_gelu_tanh(x);
  case mc_approx_short: return mc_fm_gelu_short(x);
  }
  abort();
}

float mc_real_hard_sigmoid(const mc_node *n, float x) {
  const mc_attrs_hard_sigmoid *at = MC_ATTRS(n, hard_sigmoid);
  return mc_fm_hard_sigmoid(x, at->alpha, at->beta);
}

/* ---- the forms, the same for all ---- */

typedef float real_fn(const mc_node *n, float x);
static real_fn *const real[MC_NUM_OPS] = {
#define MC_UNARY(id) [MC_OP_##id] = mc_real_##id,
#include "mc/ir/ops.def"
};

void mc_eval_table(const mc_node *n, const mc_type *in, const mc_type *out,
                   unsigned char table[256]) {
  int64_t lo, hi, out_lo, out_hi;
  mc_dtype_range(in->dtype, &lo, &hi);
  mc_dtype_range(out->dtype, &out_lo, &out_hi);
  for (int64_t q = lo; q <= hi; q++) {
    float x = mc_fx_dequantize((int32_t)q, in->q.scale, in->q.zero);
    float y = real[n->op](n, x);
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
    to[i] = real[cx->node->op](cx->node, from[i]);
  return true;
}

#define MC_UNARY(id)                                                                               \
  bool mc_eval_##id(mc_eval_cx *cx) { return unary(cx); }
#include "mc/ir/ops.def"
