/* Reading and writing elements of any type. */
#include "eval.h"

int64_t mc_int_at(const mc_array *x, int64_t i) {
  switch (x->type->dtype) {
  case MC_i8: return ((const int8_t *)x->data)[i];
  case MC_u8: return ((const uint8_t *)x->data)[i];
  case MC_bool: return ((const uint8_t *)x->data)[i] != 0;
  case MC_i16: return ((const int16_t *)x->data)[i];
  case MC_i32: return ((const int32_t *)x->data)[i];
  case MC_i64: return ((const int64_t *)x->data)[i];
  case MC_f32:
  case MC_f64:
  case MC_f16:
  case MC_bf16:
  case MC_NUM_DTYPES: break;
  }
  return 0;
}

void mc_int_put(mc_array *x, int64_t i, int64_t v) {
  switch (x->type->dtype) {
  case MC_i8: ((int8_t *)x->data)[i] = (int8_t)v; break;
  case MC_u8: ((uint8_t *)x->data)[i] = (uint8_t)v; break;
  case MC_bool: ((uint8_t *)x->data)[i] = v != 0; break;
  case MC_i16: ((int16_t *)x->data)[i] = (int16_t)v; break;
  case MC_i32: ((int32_t *)x->data)[i] = (int32_t)v; break;
  case MC_i64: ((int64_t *)x->data)[i] = v; break;
  case MC_f32:
  case MC_f64:
  case MC_f16:
  case MC_bf16:
  case MC_NUM_DTYPES: break;
  }
}

static double half_to_double(uint16_t h) {
  int e = h >> 10 & 31, m = h & 1023;
  double a = e == 31 ? (m ? (double)NAN : (double)INFINITY)
             : e     ? ldexp(1024 + m, e - 25)
                     : ldexp(m, -24);
  return h & 0x8000 ? -a : a;
}

/* A 16-bit float with `m` mantissa bits and exponent bias `bias`, rounded to nearest even (double
 * rounds once: ldexp is exact, rint rounds). */
static uint16_t short_from_double(double v, int m, int bias) {
  uint16_t sign = signbit(v) ? 0x8000 : 0, inf = (uint16_t)(0x7fff >> m << m);
  if (isnan(v)) return (uint16_t)(inf | 1u << (m - 1));
  if (isinf(v)) return sign | inf;
  int e, low = 1 - bias - m; /* exponent of the last place of subnormals */
  frexp(v, &e);              /* |v| in [2^(e-1), 2^e) */
  int unit = e - m - 1 < low || v == 0 ? low : e - m - 1;
  double r = rint(ldexp(
      fabs(v), -unit)); /* at most 2^(m+1), and then the carry below makes the next exponent */
  int64_t bits = unit == low ? (int64_t)r : ((int64_t)(unit - low) << m) + (int64_t)r;
  return bits > inf ? sign | inf : (uint16_t)(sign | bits);
}

double mc_float_at(const mc_array *x, int64_t i) {
  switch (x->type->dtype) {
  case MC_f32: return ((const float *)x->data)[i];
  case MC_f64: return ((const double *)x->data)[i];
  case MC_f16: return half_to_double(((const uint16_t *)x->data)[i]);
  case MC_bf16: return (double)mc_fx_from_bf16(((const uint16_t *)x->data)[i]);
  case MC_i8:
  case MC_u8:
  case MC_bool:
  case MC_i16:
  case MC_i32:
  case MC_i64:
  case MC_NUM_DTYPES: break;
  }
  return 0;
}

void mc_float_put(mc_array *x, int64_t i, double v) {
  switch (x->type->dtype) {
  case MC_f32: ((float *)x->data)[i] = (float)v; break;
  case MC_f64: ((double *)x->data)[i] = v; break;
  case MC_f16: ((uint16_t *)x->data)[i] = short_from_double(v, 10, 15); break;
  case MC_bf16:
    ((uint16_t *)x->data)[i] =
        fabs(v) < 0x1p-126 ? (signbit(v) ? 0x8000 : 0) : short_from_double(v, 7, 127);
    break; /* as mc_fx_bf16 */
  case MC_i8:
  case MC_u8:
  case MC_bool:
  case MC_i16:
  case MC_i32:
  case MC_i64:
  case MC_NUM_DTYPES: break;
  }
}

void mc_put_q(mc_array *y, int64_t i, float v) {
  int64_t lo, hi;
  mc_dtype_range(y->type->dtype, &lo, &hi);
  mc_int_put(y, i, mc_fx_quant(v, y->type->q.zero, (int32_t)lo, (int32_t)hi));
}

double mc_array_real(const mc_array *x, int64_t i) {
  const mc_type *t = x->type;
  if (mc_dtype_is_float(t->dtype)) return mc_float_at(x, i);
  double q = (double)mc_int_at(x, i);
  if (t->q.kind == MC_Q_NONE) return q;
  if (t->q.kind == MC_Q_TENSOR) return (q - t->q.zero) * (double)t->q.scale;
  mc_cut c = mc_cut_at(t, t->q.axis);
  return q * (double)mc_type_scale(t, i / c.inner % c.n);
}

/* ---- shapes ---- */
void mc_strides(const mc_type *t, int64_t *stride) {
  int64_t s = 1;
  for (int i = t->rank - 1; i >= 0; i--) {
    stride[i] = s;
    s *= t->dim[i];
  }
}

void mc_broadcast_strides(const mc_type *t, const mc_type *to, int64_t *stride) {
  int64_t own[MC_MAX_RANK];
  mc_strides(t, own);
  int lead = to->rank - t->rank;
  for (int i = 0; i < to->rank; i++)
    stride[i] = i < lead || t->dim[i - lead] == 1 ? 0 : own[i - lead];
}

mc_cut mc_cut_at(const mc_type *t, int axis) {
  mc_cut c = { 1, t->dim[axis], 1 };
  for (int i = 0; i < axis; i++) c.outer *= t->dim[i];
  for (int i = axis + 1; i < t->rank; i++) c.inner *= t->dim[i];
  return c;
}

static void copy_run(char *dst, int64_t ds, const char *src, int64_t ss, int64_t n, size_t size) {
  if (ds == 1 && ss == 1) {
    memcpy(dst, src, (size_t)n * size);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    memcpy(dst + (size_t)(i * ds) * size, src + i * ss * (int64_t)size, size);
}

void mc_copy_box(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride,
                 const int64_t *dim, int rank, size_t size) {
  int64_t at[MC_MAX_RANK] = { 0 }, d = 0, s = 0;
  if (rank == 0) {
    memcpy(dst, src, size);
    return;
  }
  int last = rank - 1;
  for (;;) {
    copy_run((char *)dst + d * (int64_t)size, dst_stride[last],
             (const char *)src + s * (int64_t)size, src_stride[last], dim[last], size);
    int i = last - 1;
    for (; i >= 0; i--) {
      d += dst_stride[i];
      s += src_stride[i];
      if (++at[i] < dim[i]) break;
      d -= dst_stride[i] * dim[i];
      s -= src_stride[i] * dim[i];
      at[i] = 0;
    }
    if (i < 0) return;
  }
}
