/* Element types of sums of products: f32 or bf16, or exact i32 accumulators whose scale is the
 * product of the operands' scales. */
#include "infer.h"
#include <math.h>

/* Scale of the accumulator of channel c. */
static float acc_scale(const mc_infer *f, int64_t c) {
  return mc_inf_in(f, 0)->q.scale * mc_type_scale(mc_inf_in(f, 1), c);
}

/* t (the result, the bias) has the scales of the accumulator; its channels are along `axis`. */
static bool check_scales(mc_infer *f, const char *what, const mc_type *t, int axis,
                         int64_t channels) {
  const mc_type *w = mc_inf_in(f, 1);
  if (t->q.kind == MC_Q_AXIS && (t->q.axis != axis || t->q.scales->dim[0] != channels))
    return mc_infer_error(f, "%s must have one scale per channel (axis %d, %lld channels), got %s",
                          what, axis, (long long)channels, mc_inf_elem_text(f, t));
  if (t->q.kind == MC_Q_TENSOR && t->q.zero != 0)
    return mc_infer_error(f, "%s must have zero point 0, got %d", what, t->q.zero);
  bool one = t->q.kind == MC_Q_TENSOR && w->q.kind == MC_Q_TENSOR;
  for (int64_t c = 0; c < (one ? 1 : channels); c++) {
    float need = acc_scale(f, c), got = mc_type_scale(t, c);
    if (need == got) continue;
    mc_strbuf b = { 0 };
    mc_sb_float(&b, got);
    mc_sb_puts(&b, ", expected s_x * s_w = ");
    mc_sb_float(&b, need);
    if (!one) mc_sb_printf(&b, " for channel %lld", (long long)c);
    mc_infer_error(f, "%s has scale %s", what, mc_sb_str(&b));
    mc_sb_free(&b);
    return false;
  }
  return true;
}

/* The accumulator's type: given, or, with one scale, the product. */
static bool acc_result(mc_infer *f, mc_type *out) {
  const mc_type *w = f->want;
  bool per_axis = mc_inf_in(f, 1)->q.kind == MC_Q_AXIS;
  out->dtype = MC_i32;
  if (w && w->q.kind != MC_Q_NONE) {
    if (w->dtype != MC_i32)
      return mc_infer_error(f, "the result of quantized operands must be i32, got %s",
                            mc_inf_elem_text(f, w));
    if (!check_scales(f, "the result", w, out->rank - 1, out->dim[out->rank - 1])) return false;
    out->q = w->q;
    return true;
  }
  if (per_axis) return mc_infer_error(f, "the result's quantization must be given");
  out->q = (mc_quant){ .kind = MC_Q_TENSOR, .scale = acc_scale(f, 0) };
  return true;
}

/* One bias per channel: f32 beside f32 or bf16, else i32, plain or with the accumulator's scales.
 */
static bool check_bias(mc_infer *f, int64_t channels, bool quantized) {
  if (f->node->nin < 3) return true;
  if (!mc_inf_need_shape(f, 2, 1, &channels, "one value per channel")) return false;
  if (!quantized) return mc_inf_need_f32(f, 2);
  const mc_type *b = mc_inf_in(f, 2);
  if (b->dtype != MC_i32)
    return mc_infer_error(f, "%s must be i32 beside quantized operands, got %s",
                          mc_inf_operand(f, 2), mc_inf_elem_text(f, b));
  return b->q.kind == MC_Q_NONE || check_scales(f, "the bias", b, 0, channels);
}

/* Both factors of a product are f32, or both are bf16. */
static bool same_real(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0), *w = mc_inf_in(f, 1);
  return mc_inf_is_plain(w, x->dtype) ||
         mc_infer_error(f, "%s must be %s as operand 0 is, got %s", mc_inf_operand(f, 1),
                        mc_inf_elem_text(f, x), mc_inf_elem_text(f, w));
}

static bool check_weight(mc_infer *f) {
  const mc_type *w = mc_inf_in(f, 1);
  if (w->dtype != MC_i8 || w->q.kind == MC_Q_NONE)
    return mc_infer_error(f, "%s must be quantized i8 beside a quantized operand 0, got %s",
                          mc_inf_operand(f, 1), mc_inf_elem_text(f, w));
  if (w->q.kind == MC_Q_AXIS && w->q.axis != 0)
    return mc_infer_error(f, "%s must be quantized along axis 0, got axis %d", mc_inf_operand(f, 1),
                          w->q.axis);
  if (w->q.kind == MC_Q_TENSOR && w->q.zero != 0)
    return mc_infer_error(f, "%s must have zero point 0, got %d", mc_inf_operand(f, 1), w->q.zero);
  return true;
}

bool mc_inf_accum(mc_infer *f, const float clamp[2], mc_type *out) {
  const mc_type *x = mc_inf_in(f, 0);
  int64_t channels = out->dim[out->rank - 1];
  bool quantized = mc_inf_is_q8(x);
  if (quantized) {
    if (!check_weight(f) || !check_bias(f, channels, true) || !acc_result(f, out)) return false;
  } else {
    if (!mc_inf_is_real(x))
      return mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                            mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
    if (!same_real(f) || !check_bias(f, channels, false)) return false;
    mc_inf_set_real(f, out, MC_f32);
  }
  return mc_inf_clamp(f, clamp, out);
}

/* ---- linear, matmul ---- */

bool mc_infer_linear(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0), *w = mc_inf_in(f, 1);
  if (x->rank < 1)
    return mc_infer_error(f, "%s must have at least 1 dimension", mc_inf_operand(f, 0));
  if (!mc_inf_need_rank(f, 1, 2)) return false;
  if (x->dim[x->rank - 1] != w->dim[1])
    return mc_infer_error(f, "the last dimension of x is %lld, that of the weights is %lld",
                          (long long)x->dim[x->rank - 1], (long long)w->dim[1]);
  mc_inf_set_dims(f->out, x->rank, x->dim);
  f->out->dim[x->rank - 1] = w->dim[0];
  return mc_inf_accum(f, MC_ATTRS(f->node, linear)->clamp, f->out);
}

/* Unlike a layer's weights, b may have a zero point and may be u8. */
static bool matmul_elem(mc_infer *f) {
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  if (mc_inf_is_real(a) && mc_inf_is_plain(b, a->dtype)) {
    mc_inf_set_real(f, f->out, MC_f32);
    return true;
  }
  if (mc_inf_is_q8(a) && mc_inf_is_q8(b)) return acc_result(f, f->out);
  return mc_infer_error(
      f, "operands must both be f32, both bf16, or both u8 or i8 with one scale, got %s and %s",
      mc_inf_elem_text(f, a), mc_inf_elem_text(f, b));
}

bool mc_infer_matmul(mc_infer *f) {
  const mc_attrs_matmul *at = MC_ATTRS(f->node, matmul);
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  for (int i = 0; i < 2; i++)
    if (mc_inf_in(f, i)->rank < 2)
      return mc_infer_error(f, "%s must have at least 2 dimensions, got %s", mc_inf_operand(f, i),
                            mc_inf_type_text(f, mc_inf_in(f, i)));
  int64_t k = a->dim[a->rank - 1], kb = b->dim[b->rank - (at->transpose_b ? 1 : 2)],
          n = b->dim[b->rank - (at->transpose_b ? 2 : 1)];
  if (k != kb)
    return mc_infer_error(f, "the inner dimensions differ: %lld and %lld", (long long)k,
                          (long long)kb);
  if (!mc_inf_broadcast(f, a, b, 2, f->out)) return false;
  f->out->dim[f->out->rank++] = a->dim[a->rank - 2];
  f->out->dim[f->out->rank++] = n;
  return matmul_elem(f) && mc_inf_clamp(f, at->clamp, f->out);
}
