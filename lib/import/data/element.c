/* Elements of arrays as numbers, and numbers as elements of inputs. */
#include "data.h"
#include "mc/support/fixed.h"
#include <math.h>

__extension__ typedef _Float16 half;

double data_element(const mc_npy *a, int64_t i) {
  switch (a->dtype) {
  case MC_f32: return (double)((const float *)a->data)[i];
  case MC_f64: return ((const double *)a->data)[i];
  case MC_f16: return (double)((const half *)a->data)[i];
  case MC_bf16: return (double)mc_fx_from_bf16(((const uint16_t *)a->data)[i]);
  case MC_u8:
  case MC_bool: return ((const uint8_t *)a->data)[i];
  case MC_i8: return ((const int8_t *)a->data)[i];
  case MC_i16: return ((const int16_t *)a->data)[i];
  case MC_i32: return ((const int32_t *)a->data)[i];
  case MC_i64: return (double)((const int64_t *)a->data)[i];
  case MC_NUM_DTYPES: break;
  }
  return 0;
}

static uint8_t quantized(const mc_type *t, double x) {
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  return (uint8_t)mc_fx_quantize((float)x, t->q.scale, t->q.zero, (int32_t)lo, (int32_t)hi);
}

void data_store(const mc_type *t, void *data, int64_t i, double x) {
  bool q = mc_type_is_quant(t);
  switch (t->dtype) {
  case MC_f32: ((float *)data)[i] = (float)x; break;
  case MC_f64: ((double *)data)[i] = x; break;
  case MC_f16: ((half *)data)[i] = (half)x; break;
  case MC_bf16: ((uint16_t *)data)[i] = mc_fx_bf16((float)x); break;
  case MC_i64: ((int64_t *)data)[i] = (int64_t)x; break;
  case MC_i32: ((int32_t *)data)[i] = (int32_t)x; break;
  case MC_i16: ((int16_t *)data)[i] = (int16_t)x; break;
  case MC_i8: ((int8_t *)data)[i] = q ? (int8_t)quantized(t, x) : (int8_t)x; break;
  case MC_u8: ((uint8_t *)data)[i] = q ? quantized(t, x) : (uint8_t)x; break;
  case MC_bool: ((uint8_t *)data)[i] = x != 0; break;
  case MC_NUM_DTYPES: break;
  }
}

bool data_can_convert(const mc_npy *a, const mc_type *t) {
  if (a->dtype == t->dtype || !mc_type_is_quant(t)) return true;
  return mc_dtype_is_float(a->dtype);
}

bool data_is_affine(const mc_dataset *s, const source *in) {
  bool reals = mc_type_is_quant(in->type) && (s->images.n || mc_dtype_is_float(in->a.dtype));
  return s->has_pre && (mc_dtype_is_float(in->type->dtype) || reals);
}

/* Reals keep all numbers; the bits of 16-bit floats come as they are. */
static bool holds_all(const mc_npy *a, const mc_type *t) {
  return a->dtype == t->dtype || mc_dtype_is_float(t->dtype) || mc_type_is_quant(t);
}

/* Reals for a stored input: rounded to its steps and cut to its range. Both may spoil all of them.
 */
static void tell_rounding(const mc_dataset *s, const source *in, const char *what,
                          const char *input) {
  const mc_type *t = in->type;
  int64_t qlo, qhi, n = (int64_t)(in->a.size / mc_dtype_size(in->a.dtype)), out = 0;
  mc_dtype_range(t->dtype, &qlo, &qhi);
  double step = (double)t->q.scale, lo = INFINITY, hi = -INFINITY;
  double least = (double)(qlo - t->q.zero) * step, most = (double)(qhi - t->q.zero) * step;
  for (int64_t i = 0; i < n; i++) {
    double x = data_element(&in->a, i);
    lo = fmin(lo, x), hi = fmax(hi, x);
    out += x < least - step || x > most + step;
  }
  if (hi > lo && hi - lo < 4 * step)
    data_warn(s,
              "%s holds reals from %.3g to %.3g, which become %.0f of 256 steps of input %s (%s, "
              "from %.4g "
              "to %.4g): are they preprocessed, while the network takes them as they were before?",
              what, lo, hi, rint((hi - lo) / step) + 1, input, mc_dtype_names[t->dtype], least,
              most);
  else if (out > n / 20)
    data_warn(
        s, "%.0f %% of %s lies outside of what input %s holds (%s, from %.4g to %.4g), and is cut",
        100.0 * (double)out / (double)n, what, input, mc_dtype_names[t->dtype], least, most);
}

static bool may_spoil(const mc_dataset *s, const source *in) {
  return mc_type_is_quant(in->type) && in->type->q.kind == MC_Q_TENSOR &&
         mc_dtype_is_float(in->a.dtype) && !s->opts.preprocess;
}

bool data_needs_values(const mc_dataset *s, const source *in) {
  return may_spoil(s, in) || !holds_all(&in->a, in->type);
}

bool data_check_values(const mc_dataset *s, const source *in, const char *input) {
  const mc_npy *a = &in->a;
  const char *what = in->array ? mc_arena_printf(s->arena, "array '%s'", in->array) : "the array";
  if (may_spoil(s, in)) tell_rounding(s, in, what, input);
  if (holds_all(a, in->type)) return true;
  int64_t lo = 0, hi = 1, n = (int64_t)(a->size / mc_dtype_size(a->dtype));
  if (in->type->dtype != MC_bool) mc_dtype_range(in->type->dtype, &lo, &hi);
  for (int64_t i = 0; i < n; i++) {
    double x = data_element(a, i);
    if (x == floor(x) && x >= (double)lo && (x < 0 || x <= (double)hi)) continue;
    mc_error(s->diag, s->at, "%s%s of %s holds %g, which input %s of %s cannot have", s->who, what,
             mc_dtype_names[a->dtype], x, input, mc_dtype_names[in->type->dtype]);
    if (in->type->dtype == MC_u8 && x >= -1 && x <= 1)
      mc_note(s->diag, s->at,
              "the input takes bytes from 0 to 255: give the pixels as they are, without "
              "preprocessing");
    return false;
  }
  return true;
}
