/* Ops about element types: cast, quantize, dequantize, requantize. */
#include "eval.h"

/* Channel of element i for per-axis quantization, else 0. */
static int64_t channel_of(const mc_type *t, int64_t i) {
  if (t->q.kind != MC_Q_AXIS) return 0;
  mc_cut c = mc_cut_at(t, t->q.axis);
  return i / c.inner % c.n;
}

/* ---- cast ---- */
/* Toward zero, saturated; NaN becomes the lowest value. */
static int64_t truncated(double v, mc_dtype to) {
  int64_t lo, hi;
  if (to == MC_bool) return v != 0;
  mc_dtype_range(to, &lo, &hi);
  if (!(v > (double)lo)) return lo;
  return v >= (double)hi ? hi : (int64_t)v;
}

bool mc_eval_cast(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  bool from_float = mc_dtype_is_float(x->type->dtype), to_float = mc_dtype_is_float(y->type->dtype);
  for (int64_t i = 0, n = mc_type_elems(x->type); i < n; i++) {
    if (from_float && to_float)
      mc_float_put(y, i, mc_float_at(x, i));
    else if (from_float)
      mc_int_put(y, i, truncated(mc_float_at(x, i), y->type->dtype));
    else if (!to_float)
      mc_int_put(y, i, mc_int_at(x, i));
    else if (mc_is_f32(y))
      ((float *)y->data)[i] = (float)mc_int_at(x, i); /* one rounding, also from i64 */
    else
      mc_float_put(y, i,
                   y->type->dtype == MC_f64
                       ? (double)mc_int_at(x, i)
                       : (double)(float)mc_int_at(x, i)); /* 16 bits: through fp32 */
  }
  return true;
}

/* ---- quantize, dequantize ---- */
static int64_t quantized(float x, float scale, const mc_type *t) {
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  if (t->dtype != MC_i32) return mc_fx_quantize(x, scale, t->q.zero, (int32_t)lo, (int32_t)hi);
  int saturated;
  int64_t v = mc_fx_quantize_i32(x, scale, &saturated) + (int64_t)t->q.zero;
  return v < lo ? lo : v > hi ? hi : v;
}

bool mc_eval_quantize(mc_eval_cx *cx) {
  mc_array *y = &cx->out[0];
  if (!mc_is_f32(&cx->in[0]) || !mc_type_is_quant(y->type)) return mc_eval_no_form(cx);
  for (int64_t i = 0, n = mc_type_elems(y->type); i < n; i++)
    mc_int_put(y, i,
               quantized(mc_f32_of(&cx->in[0])[i], mc_type_scale(y->type, channel_of(y->type, i)),
                         y->type));
  return true;
}

bool mc_eval_dequantize(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0];
  if (!mc_type_is_quant(x->type) || !mc_is_f32(&cx->out[0])) return mc_eval_no_form(cx);
  int64_t zero = x->type->q.kind == MC_Q_TENSOR ? x->type->q.zero : 0;
  for (int64_t i = 0, n = mc_type_elems(x->type); i < n; i++)
    ((float *)cx->out[0].data)[i] =
        (float)(mc_int_at(x, i) - zero) * mc_type_scale(x->type, channel_of(x->type, i));
  return true;
}

/* ---- requantize ---- */
typedef struct multiplier {
  float m;
  int32_t mult, shift;
} multiplier;

/* One multiplier per channel of x. */
static multiplier *multipliers(mc_eval_cx *cx) {
  const mc_type *x = cx->in[0].type, *y = cx->out[0].type;
  int64_t n = x->q.kind == MC_Q_AXIS ? x->dim[x->q.axis] : 1;
  multiplier *m = MC_NEWN(cx->scratch, multiplier, n);
  for (int64_t c = 0; c < n; c++) {
    m[c].m = mc_type_scale(x, c) / y->q.scale;
    mc_fx_multiplier((double)mc_type_scale(x, c) / (double)y->q.scale, &m[c].mult, &m[c].shift);
  }
  return m;
}

bool mc_eval_requantize(mc_eval_cx *cx) {
  const mc_type *x = cx->in[0].type, *y = cx->out[0].type;
  if (!mc_type_is_quant(x) || !mc_is_act(&cx->out[0])) return mc_eval_no_form(cx);
  const multiplier *m = multipliers(cx);
  int64_t lo, hi, zero = x->q.kind == MC_Q_TENSOR ? x->q.zero : 0;
  mc_dtype_range(y->dtype, &lo, &hi);
  for (int64_t i = 0, n = mc_type_elems(x); i < n; i++) {
    const multiplier *k = &m[channel_of(x, i)];
    int32_t acc = (int32_t)(mc_int_at(&cx->in[0], i) - zero), q = 0, z = y->q.zero;
    switch ((mc_e_rounding)MC_ATTRS(cx->node, requantize)->rounding) {
    case mc_rounding_fp32_rne:
      q = mc_fx_requant_fp32(acc, k->m, z, (int32_t)lo, (int32_t)hi);
      break;
    case mc_rounding_single:
      q = mc_fx_requant_single(acc, k->mult, k->shift, z, (int32_t)lo, (int32_t)hi);
      break;
    case mc_rounding_twice:
      q = mc_fx_requant_double(acc, k->mult, k->shift, z, (int32_t)lo, (int32_t)hi);
      break;
    case mc_rounding_count_: break;
    }
    mc_int_put(&cx->out[0], i, q);
  }
  return true;
}
