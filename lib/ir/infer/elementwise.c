/* Elementwise ops of one and two operands, and the normalizations and softmax, which keep the shape
 * too. */
#include "infer.h"
#include <math.h>

/* ---- one operand, two operands: forms by the traits of the row ---- */

static bool binary(mc_infer *f) {
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  bool ints = mc_op_has(f->node->op, MC_T_INTS), q8 = mc_op_has(f->node->op, MC_T_QFORM);
  if (!mc_inf_broadcast(f, a, b, 0, f->out)) return false;
  if (mc_inf_is_real(a) && mc_inf_is_real(b)) {
    mc_inf_set_real(f, f->out, a->dtype == b->dtype ? a->dtype : MC_f32);
    return true;
  }
  if (ints && mc_inf_is_index(a) && mc_inf_is_plain(b, a->dtype)) {
    mc_inf_set_elem(f->out, a);
    return true;
  }
  if (mc_inf_is_q8(a) && mc_inf_is_q8(b))
    return q8 ? mc_inf_q8_result(f, f->out) : mc_infer_error(f, "has no quantized form");
  return mc_infer_error(f, "operands must both be f32 or bf16%s%s, got %s and %s",
                        ints ? ", both i64, both i32" : "",
                        q8 ? ", or both u8 or i8 with one scale" : "", mc_inf_elem_text(f, a),
                        mc_inf_elem_text(f, b));
}

static bool unary(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  mc_inf_set_dims(f->out, x->rank, x->dim);
  if (mc_inf_is_q8(x)) return mc_inf_q8_result(f, f->out);
  mc_inf_set_real(f, f->out, x->dtype);
  if (mc_inf_is_real(x)) return true;
  return mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                        mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
}

/* ---- what rows with MC_CHECK ask besides, once the types are known ---- */

static bool check_add(mc_infer *f) {
  return mc_inf_clamp(f, MC_ATTRS(f->node, add)->clamp, f->out);
}

static bool check_mul(mc_infer *f) {
  const mc_type *a = mc_inf_in(f, 0), *b = mc_inf_in(f, 1);
  if (!mc_inf_is_q8(a)) return true;
  float m = a->q.scale * b->q.scale / f->out->q.scale;
  return (isfinite(m) && m > 0) ||
         mc_infer_error(f, "s_a * s_b over the result's scale is not a finite fp32 number above 0");
}

static bool check_clamp(mc_infer *f) {
  const mc_attrs_clamp *at = MC_ATTRS(f->node, clamp);
  if (isnan(at->low) || isnan(at->high) || at->low > at->high)
    return mc_infer_error(f, "needs low <= high");
  return true;
}

static bool check_leaky_relu(mc_infer *f) {
  return mc_inf_finite(f, "alpha", MC_ATTRS(f->node, leaky_relu)->alpha);
}

static bool check_elu(mc_infer *f) {
  return mc_inf_finite(f, "alpha", MC_ATTRS(f->node, elu)->alpha);
}

static bool check_hard_sigmoid(mc_infer *f) {
  const mc_attrs_hard_sigmoid *at = MC_ATTRS(f->node, hard_sigmoid);
  return mc_inf_finite(f, "alpha", at->alpha) && mc_inf_finite(f, "beta", at->beta);
}

static bool (*const check[MC_NUM_OPS])(mc_infer *f) = {
#define MC_CHECK(id) [MC_OP_##id] = check_##id,
#include "mc/ir/ops.def"
};

static bool checked(mc_infer *f) { return !check[f->node->op] || check[f->node->op](f); }

#define MC_UNARY(id)                                                                               \
  bool mc_infer_##id(mc_infer *f) { return unary(f) && checked(f); }
#define MC_BINARY(id, ints)                                                                        \
  bool mc_infer_##id(mc_infer *f) { return binary(f) && checked(f); }
#include "mc/ir/ops.def"

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
