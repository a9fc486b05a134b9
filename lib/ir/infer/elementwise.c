/* Elementwise ops of one and two operands, and the normalizations and softmax, which keep the shape
 * too. */
#include "infer.h"
#include <math.h>

/* ---- two operands ---- */

enum { WITH_INTS = 1, WITH_Q8 = 2 };

static bool binary(mc_infer *f, int forms) {
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  if (!mc_inf_broadcast(f, a, b, 0, f->out)) return false;
  if (mc_inf_is_real(a) && mc_inf_is_real(b)) {
    mc_inf_set_real(f, f->out, a->dtype == b->dtype ? a->dtype : MC_f32);
    return true;
  }
  if ((forms & WITH_INTS) && mc_inf_is_index(a) && mc_inf_is_plain(b, a->dtype)) {
    mc_inf_set_elem(f->out, a);
    return true;
  }
  if (mc_inf_is_q8(a) && mc_inf_is_q8(b))
    return (forms & WITH_Q8) ? mc_inf_q8_result(f, f->out)
                             : mc_infer_error(f, "has no quantized form");
  return mc_infer_error(f, "operands must both be f32 or bf16%s%s, got %s and %s",
                        forms & WITH_INTS ? ", both i64, both i32" : "",
                        forms & WITH_Q8 ? ", or both u8 or i8 with one scale" : "",
                        mc_inf_elem_text(f, a), mc_inf_elem_text(f, b));
}

bool mc_infer_add(mc_infer *f) {
  return binary(f, WITH_INTS | WITH_Q8) && mc_inf_clamp(f, MC_ATTRS(f->node, add)->clamp, f->out);
}

bool mc_infer_sub(mc_infer *f) { return binary(f, WITH_INTS | WITH_Q8); }

bool mc_infer_div(mc_infer *f) { return binary(f, WITH_INTS); }

bool mc_infer_min(mc_infer *f) { return binary(f, WITH_INTS | WITH_Q8); }

bool mc_infer_max(mc_infer *f) { return binary(f, WITH_INTS | WITH_Q8); }

bool mc_infer_pow(mc_infer *f) { return binary(f, 0); }

bool mc_infer_mul(mc_infer *f) {
  if (!binary(f, WITH_INTS | WITH_Q8)) return false;
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  if (!mc_inf_is_q8(a)) return true;
  float m = a->q.scale * b->q.scale / f->out->q.scale;
  return (isfinite(m) && m > 0) ||
         mc_infer_error(f, "s_a * s_b over the result's scale is not a finite fp32 number above 0");
}

/* ---- one operand ---- */

static bool unary(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  mc_inf_set_dims(f->out, x->rank, x->dim);
  if (mc_inf_is_q8(x)) return mc_inf_q8_result(f, f->out);
  mc_inf_set_real(f, f->out, x->dtype);
  if (mc_inf_is_real(x)) return true;
  return mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                        mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
}

bool mc_infer_neg(mc_infer *f) { return unary(f); }

bool mc_infer_abs(mc_infer *f) { return unary(f); }

bool mc_infer_exp(mc_infer *f) { return unary(f); }

bool mc_infer_log(mc_infer *f) { return unary(f); }

bool mc_infer_sqrt(mc_infer *f) { return unary(f); }

bool mc_infer_erf(mc_infer *f) { return unary(f); }

bool mc_infer_relu(mc_infer *f) { return unary(f); }

bool mc_infer_sigmoid(mc_infer *f) { return unary(f); }

bool mc_infer_tanh(mc_infer *f) { return unary(f); }

bool mc_infer_gelu(mc_infer *f) { return unary(f); }

bool mc_infer_silu(mc_infer *f) { return unary(f); }

bool mc_infer_hard_swish(mc_infer *f) { return unary(f); }

bool mc_infer_leaky_relu(mc_infer *f) {
  return mc_inf_finite(f, "alpha", MC_ATTRS(f->node, leaky_relu)->alpha) && unary(f);
}

bool mc_infer_elu(mc_infer *f) {
  return mc_inf_finite(f, "alpha", MC_ATTRS(f->node, elu)->alpha) && unary(f);
}

bool mc_infer_clamp(mc_infer *f) {
  const mc_attrs_clamp *at = MC_ATTRS(f->node, clamp);
  if (isnan(at->low) || isnan(at->high) || at->low > at->high)
    return mc_infer_error(f, "needs low <= high");
  return unary(f);
}

bool mc_infer_hard_sigmoid(mc_infer *f) {
  const mc_attrs_hard_sigmoid *at = MC_ATTRS(f->node, hard_sigmoid);
  return mc_inf_finite(f, "alpha", at->alpha) && mc_inf_finite(f, "beta", at->beta) && unary(f);
}

/* ---- f32 or bf16 only; parameters are f32 ---- */

static bool check_epsilon(mc_infer *f, float e) {
  return (isfinite(e) && e > 0) ||
         mc_infer_error(f, "attribute 'epsilon' must be finite and above 0");
}

bool mc_infer_batch_norm(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  if (x->rank < 1)
    return mc_infer_error(f, "%s must have at least 1 dimension", mc_inf_operand(f, 0));
  if (!mc_inf_need_real(f, 0) || !check_epsilon(f, MC_ATTRS(f->node, batch_norm)->epsilon))
    return false;
  for (int i = 1; i < 5; i++)
    if (!mc_inf_need_f32(f, i) ||
        !mc_inf_need_shape(f, i, 1, &x->dim[x->rank - 1], "the channels of x"))
      return false;
  mc_inf_set_dims(f->out, x->rank, x->dim);
  mc_inf_set_real(f, f->out, x->dtype);
  return true;
}

/* ---- the same, and u8 or i8 with a scale of its own for the result ---- */

static bool need_real_or_q8(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  return mc_inf_is_real(x) || mc_inf_is_q8(x) ||
         mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                        mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
}

static bool real_or_q8_result(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  mc_inf_set_dims(f->out, x->rank, x->dim);
  if (mc_inf_is_q8(x)) return mc_inf_q8_result(f, f->out);
  mc_inf_set_real(f, f->out, x->dtype);
  return true;
}

bool mc_infer_layer_norm(mc_infer *f) {
  const mc_attrs_layer_norm *at = MC_ATTRS(f->node, layer_norm);
  const mc_type *x = mc_inf_in(f, 0);
  int axis;
  if (!need_real_or_q8(f) || !mc_inf_axis(f, "axis", at->axis, x->rank, &axis) ||
      !check_epsilon(f, at->epsilon))
    return false;
  int64_t d = 1;
  for (int i = axis; i < x->rank; i++) d *= x->dim[i];
  if (mc_inf_is_q8(x) && d > MC_NORM_MOST)
    return mc_infer_error(
        f, "of integers normalizes at most %d elements at once: their squares are added in 32 bits",
        MC_NORM_MOST);
  for (int i = 1; i < f->node->nin; i++)
    if (!mc_inf_need_f32(f, i) ||
        !mc_inf_need_shape(f, i, x->rank - axis, &x->dim[axis], "the normalized axes"))
      return false;
  return real_or_q8_result(f);
}

bool mc_infer_softmax(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  int axis;
  return need_real_or_q8(f) &&
         mc_inf_axis(f, "axis", MC_ATTRS(f->node, softmax)->axis, x->rank, &axis) &&
         real_or_q8_result(f);
}
