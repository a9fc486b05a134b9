/* Ops about element types: cast, quantize, dequantize, requantize. */
#include "infer.h"
#include <math.h>

static void keep_shape(mc_infer *f) {
  mc_inf_set_dims(f->out, mc_inf_in(f, 0)->rank, mc_inf_in(f, 0)->dim);
}

bool mc_infer_cast(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  keep_shape(f);
  if (mc_type_is_quant(x))
    return mc_infer_error(f, "%s must not be quantized (dequantize it), got %s",
                          mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
  if (!f->want) return mc_infer_error(f, "the result's element type must be given");
  if (mc_type_is_quant(f->want))
    return mc_infer_error(f, "the result must not be quantized (use quantize), got %s",
                          mc_inf_elem_text(f, f->want));
  mc_inf_set_elem(f->out, f->want);
  return true;
}

bool mc_infer_quantize(mc_infer *f) {
  const mc_type *w = f->want;
  keep_shape(f);
  if (!mc_inf_need_real(f, 0)) return false;
  if (!w || !mc_type_is_quant(w))
    return mc_infer_error(f, "the result's quantization must be given");
  if (w->dtype != MC_u8 && w->dtype != MC_i8 && w->dtype != MC_i32)
    return mc_infer_error(f, "the result must be u8, i8 or i32, got %s", mc_inf_elem_text(f, w));
  mc_inf_set_elem(f->out, w);
  return true;
}

bool mc_infer_dequantize(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  keep_shape(f);
  if (!mc_type_is_quant(x))
    return mc_infer_error(f, "%s must be quantized, got %s", mc_inf_operand(f, 0),
                          mc_inf_elem_text(f, x));
  mc_inf_set_f32(f->out);
  return true;
}

/* The multiplier must be an fp32 number; the integer roundings shift by 2 to 62, so theirs lies in
 * [2^-32, 2^29). */
static bool check_multiplier(mc_infer *f, int64_t c) {
  float m = mc_type_scale(mc_inf_in(f, 0), c) / f->want->q.scale;
  if (!isfinite(m) || m <= 0)
    return mc_infer_error(
        f, "the operand's scale over the result's is not a finite fp32 number above 0");
  mc_e_rounding r = (mc_e_rounding)MC_ATTRS(f->node, requantize)->rounding;
  if (r != mc_rounding_fp32_rne && (m < 0x1p-32f || m >= 0x1p29f))
    return mc_infer_error(f, "rounding=%s needs a scale ratio from 2^-32 to 2^29",
                          mc_names_rounding[r]);
  return true;
}

bool mc_infer_requantize(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0), *w = f->want;
  keep_shape(f);
  if (!mc_inf_is_q8(x) && !(x->dtype == MC_i32 && mc_type_is_quant(x)))
    return mc_infer_error(f,
                          "%s must be i32 with a quantization, or u8 or i8 with one scale, got %s",
                          mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
  if (!w || !mc_type_is_quant(w))
    return mc_infer_error(f, "the result's quantization must be given");
  if (!mc_inf_is_q8(w))
    return mc_infer_error(f, "the result must be u8 or i8 with one scale, got %s",
                          mc_inf_elem_text(f, w));
  int64_t n = x->q.kind == MC_Q_AXIS ? x->dim[x->q.axis] : 1;
  for (int64_t c = 0; c < n; c++)
    if (!check_multiplier(f, c)) return false;
  mc_inf_set_elem(f->out, w);
  return true;
}
