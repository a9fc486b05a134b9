/* Sums of products. Everything is added in double: products of two fp32 values, and all sums of
 * INT8 products, are exact there, so one loop serves both: an fp32 result is the true sum rounded
 * (almost always) correctly, whatever order a kernel adds in; an integer result is exact. */
#include "eval.h"

typedef double pair __attribute__((vector_size(16), may_alias));

void mc_dot16(double acc[MC_DOT_LANES], const double *x, const double *w, int64_t n) {
  pair *a = (pair *)acc;
  const pair *b = (const pair *)w;
  pair a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4], a5 = a[5], a6 = a[6], a7 = a[7];
  for (int64_t i = 0; i < n; i++, b += 8) {
    pair v = { x[i], x[i] };
    a0 += v * b[0];
    a1 += v * b[1];
    a2 += v * b[2];
    a3 += v * b[3];
    a4 += v * b[4];
    a5 += v * b[5];
    a6 += v * b[6];
    a7 += v * b[7];
  }
  a[0] = a0;
  a[1] = a1;
  a[2] = a2;
  a[3] = a3;
  a[4] = a4;
  a[5] = a5;
  a[6] = a6;
  a[7] = a7;
}

double *mc_doubles(mc_eval_cx *cx, const mc_array *x) {
  int64_t n = mc_type_elems(x->type), zero = x->type->q.kind == MC_Q_TENSOR ? x->type->q.zero : 0;
  double *y = MC_NEWN(cx->scratch, double, n);
  if (mc_is_f32(x)) {
    const float *v = x->data;
    for (int64_t i = 0; i < n; i++) y[i] = (double)v[i];
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = (double)(mc_int_at(x, i) - zero);
  }
  return y;
}

bool mc_products_ok(const mc_eval_cx *cx) {
  bool real = mc_is_f32(&cx->in[0]);
  for (int i = 0; i < cx->nin; i++)
    if (real ? !mc_is_f32(&cx->in[i]) : !mc_dtype_is_int(cx->in[i].type->dtype)) return false;
  return cx->out[0].type->dtype == (real ? MC_f32 : MC_i32);
}

float mc_clamped(float x, const float *clamp) {
  if (clamp[0] > -INFINITY) x = x > clamp[0] ? x : clamp[0];
  if (clamp[1] < INFINITY) x = x < clamp[1] ? x : clamp[1];
  return x;
}

bool mc_put_sums(mc_eval_cx *cx, int64_t at, const double *acc, int64_t n, const float *clamp) {
  if (mc_is_f32(&cx->out[0])) {
    float *y = (float *)cx->out[0].data + at;
    for (int64_t i = 0; i < n; i++) y[i] = mc_clamped((float)acc[i], clamp);
    return true;
  }
  int32_t *y = (int32_t *)cx->out[0].data + at;
  for (int64_t i = 0; i < n; i++) {
    if (!(acc[i] >= INT32_MIN && acc[i] <= INT32_MAX))
      return mc_error(cx->diag, cx->node->loc,
                      "accumulator %lld (element %lld) does not fit 32 bits", (long long)acc[i],
                      (long long)(at + i));
    y[i] = (int32_t)acc[i];
  }
  return true;
}
