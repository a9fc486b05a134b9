#include "quant.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

mc_quant mc_quant_choose(float lo, float hi, mc_dtype dtype) {
  int64_t qlo, qhi;
  mc_dtype_range(dtype, &qlo, &qhi);
  lo = fminf(lo, 0);
  hi = fmaxf(hi, 0);
  float scale = (hi - lo) / (float)(qhi - qlo);
  if (!(scale > 1e-30f)) scale = 1.0f / 255; /* nothing but zeros was seen */
  int32_t zero = mc_fx_quantize(-lo, scale, (int32_t)qlo, (int32_t)qlo, (int32_t)qhi);
  return (mc_quant){ .kind = MC_Q_TENSOR, .scale = scale, .zero = zero };
}

/* Stride walk over a tensor along one axis: element (outer, c, inner). */
typedef struct walk {
  int64_t outer, channels, inner;
} walk;

static walk walk_of(const mc_tensor *t, int axis) {
  walk w = { 1, t->dim[axis], 1 };
  for (int i = 0; i < axis; i++) w.outer *= t->dim[i];
  for (int i = axis + 1; i < t->rank; i++) w.inner *= t->dim[i];
  return w;
}

static float max_abs(const float *x, walk w, int64_t c) {
  float m = 0;
  for (int64_t o = 0; o < w.outer; o++)
    for (int64_t i = 0; i < w.inner; i++)
      m = fmaxf(m, fabsf(x[(o * w.channels + c) * w.inner + i]));
  return m;
}

/* The most steps, at most 127, of which the largest magnitude is a whole number and every weight
 * [n, inner] of channel c too: those of a grid that the weights lie on already. 127: they lie on
 * none. */
static int steps_of(const float *x, walk w, int64_t c, float max) {
  enum { FEW = 2 }; /* elements that lie on some grid by chance */

  if (!(max > 0) || w.outer * w.inner <= FEW) return 127;
  for (int n = 1; n < 127; n++) {
    bool all = true;
    for (int64_t o = 0; all && o < w.outer; o++)
      for (int64_t i = 0; all && i < w.inner; i++) {
        double q = (double)x[(o * w.channels + c) * w.inner + i] / (double)max * n;
        all = fabs(q - rint(q)) < 1e-4;
      }
    if (all) return n * (127 / n);
  }
  return 127;
}

/* |w| / 127, but large enough that |bias| / (s_x * scale) stays below 2^30; channels of zeros get a
 * harmless scale. */
static float weight_scale(float max, int steps, float bias, float s_x) {
  float s = max / (float)steps, least = fabsf(bias) / (s_x * 1073741824.0f);
  if (s < least) s = least;
  return s > 1e-30f ? s : 1.0f;
}

static bool is_sparse(const float *w, int64_t n) {
  int64_t zeros = 0;
  for (int64_t i = 0; i < n; i++) zeros += w[i] == 0;
  return 8 * zeros > n;
}

/* Row w [d] of group g to q [d]. Zeros stay zeros, which kernels leave out; where there are many
 * of them errors would have nowhere to go. */
static void round_row(const mc_compensation *c, int64_t g, const float *w, float scale, int8_t *q) {
  double left[MC_COMPENSATED];
  bool alone = is_sparse(w, c->d);
  for (int64_t i = 0; i < c->d; i++) left[i] = (double)w[i];
  for (int64_t j = 0; j < c->d; j++) {
    const double *u = c->u + (g * c->d + j) * c->d;
    q[j] = w[j] == 0 ? 0 : (int8_t)mc_fx_quantize((float)left[j], scale, 0, -127, 127);
    double e = (left[j] - (double)q[j] * (double)scale) / u[j];
    for (int64_t k = j + 1; !alone && k < c->d; k++) left[k] -= e * u[k];
  }
}

const mc_type *mc_quant_weight(mc_module *m, const mc_tensor *w, int axis, bool per_channel,
                               float s_x, const float *bias, const mc_compensation *compensate,
                               const char *name, mc_tensor **out) {
  walk k = walk_of(w, axis);
  const float *x = w->data;
  mc_type t = { .dtype = MC_i8, .rank = w->rank };
  memcpy(t.dim, w->dim, sizeof t.dim);
  void *qp, *sp = NULL;
  *out = mc_tensor_create(m, mc_arena_printf(m->arena, "%s.q", name), MC_i8, w->rank, w->dim, &qp);
  if (per_channel) {
    t.q = (mc_quant){ .kind = MC_Q_AXIS,
                      .axis = axis,
                      .scales = mc_tensor_create(m, mc_arena_printf(m->arena, "%s.scale", name),
                                                 MC_f32, 1, &k.channels, &sp) };
    for (int64_t c = 0; c < k.channels; c++) {
      float most = max_abs(x, k, c);
      ((float *)sp)[c] = weight_scale(most, steps_of(x, k, c, most), bias ? bias[c] : 0, s_x);
    }
  } else {
    walk all = { 1, 1, k.outer * k.channels * k.inner };
    float most = max_abs(x, all, 0);
    int steps = steps_of(x, all, 0, most);
    t.q = (mc_quant){ .kind = MC_Q_TENSOR };
    for (int64_t c = 0; c < k.channels; c++)
      t.q.scale =
          fmaxf(t.q.scale, weight_scale(most, steps, bias ? bias[c] : 0, s_x) * (most > 0 || bias));
    if (!(t.q.scale > 0)) t.q.scale = 1;
  }
  for (int64_t c = 0; compensate && c < k.channels; c++)
    round_row(compensate, c / (k.channels / compensate->groups), x + c * k.inner,
              mc_type_scale(&t, c), (int8_t *)qp + c * k.inner);
  for (int64_t o = 0; !compensate && o < k.outer; o++)
    for (int64_t c = 0; c < k.channels; c++)
      for (int64_t i = 0; i < k.inner; i++) {
        int64_t at = (o * k.channels + c) * k.inner + i;
        ((int8_t *)qp)[at] = (int8_t)mc_fx_quantize(x[at], mc_type_scale(&t, c), 0, -127, 127);
      }
  return mc_type_intern(m, &t);
}

void mc_quant_rows(float *w, int64_t rows, int64_t d, bool per_channel) {
  walk k = per_channel ? (walk){ 1, rows, d } : (walk){ 1, 1, rows * d };
  for (int64_t c = 0; c < k.channels; c++) {
    float most = max_abs(w, k, c), s = weight_scale(most, steps_of(w, k, c, most), 0, 1);
    for (int64_t i = c * k.inner; i < (c + 1) * k.inner; i++)
      w[i] = (float)mc_fx_quantize(w[i], s, 0, -127, 127) * s;
  }
}

void mc_quant_mean_error(const mc_tensor *w, const mc_tensor *q, const mc_type *qt,
                         const double *mean, int64_t groups, float *out) {
  int64_t channels = w->dim[0], d = mc_tensor_elems(w) / channels, o = channels / groups;
  const int8_t *rounded = q->data;
  const float *exact = w->data;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0, scale = (double)mc_type_scale(qt, c);
    for (int64_t i = 0; i < d; i++)
      sum += (scale * rounded[c * d + i] - (double)exact[c * d + i]) * mean[c / o * d + i];
    out[c] = (float)sum;
  }
}

const mc_type *mc_quant_acc_type(mc_module *m, const mc_type *x, const mc_type *w,
                                 const mc_type *shape, const char *name) {
  mc_type t = *shape;
  t.dtype = MC_i32;
  if (w->q.kind == MC_Q_TENSOR) {
    t.q = (mc_quant){ .kind = MC_Q_TENSOR, .scale = x->q.scale * w->q.scale };
    return mc_type_intern(m, &t);
  }
  int64_t n = w->dim[w->q.axis];
  void *p;
  mc_tensor *s =
      mc_tensor_create(m, mc_arena_printf(m->arena, "%s.acc.scale", name), MC_f32, 1, &n, &p);
  for (int64_t c = 0; c < n; c++) ((float *)p)[c] = x->q.scale * mc_type_scale(w, c);
  t.q = (mc_quant){ .kind = MC_Q_AXIS, .axis = t.rank - 1, .scales = s };
  return mc_type_intern(m, &t);
}

mc_tensor *mc_quant_bias(mc_module *m, const mc_tensor *bias, const mc_type *acc, const char *name,
                         int *saturated) {
  void *p;
  mc_tensor *q =
      mc_tensor_create(m, mc_arena_printf(m->arena, "%s.q", name), MC_i32, 1, bias->dim, &p);
  for (int64_t c = 0; c < bias->dim[0]; c++) {
    int sat = 0;
    ((int32_t *)p)[c] = mc_fx_bias(((const float *)bias->data)[c], mc_type_scale(acc, c), &sat);
    *saturated += sat;
  }
  return q;
}

int64_t mc_quant_acc_bound(const mc_tensor *q, const mc_type *x, const mc_tensor *bias) {
  int64_t lo, hi, channels = q->dim[0], k = mc_tensor_elems(q) / channels, worst = 0;
  mc_dtype_range(x->dtype, &lo, &hi);
  int64_t reach = x->q.zero - lo > hi - x->q.zero ? x->q.zero - lo : hi - x->q.zero;
  for (int64_t c = 0; c < channels; c++) {
    int64_t sum = 0;
    for (int64_t i = 0; i < k; i++) {
      int8_t w = ((const int8_t *)q->data)[c * k + i];
      sum += w < 0 ? -w : w;
    }
    int64_t b = bias ? ((const int32_t *)bias->data)[c] : 0, total = sum * reach + (b < 0 ? -b : b);
    if (total > worst) worst = total;
  }
  return worst;
}
