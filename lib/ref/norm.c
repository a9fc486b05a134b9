/* Normalizations and softmax. */
#include "eval.h"

static bool all_f32(const mc_eval_cx *cx) {
  for (int i = 0; i < cx->nin; i++)
    if (!mc_is_f32(&cx->in[i])) return false;
  return mc_is_f32(&cx->out[0]);
}

bool mc_eval_batch_norm(mc_eval_cx *cx) {
  if (!all_f32(cx)) return mc_eval_no_form(cx);
  const mc_type *t = cx->out[0].type;
  const float *x = mc_f32_of(&cx->in[0]), *gamma = mc_f32_of(&cx->in[1]),
              *beta = mc_f32_of(&cx->in[2]), *mean = mc_f32_of(&cx->in[3]),
              *var = mc_f32_of(&cx->in[4]);
  float eps = MC_ATTRS(cx->node, batch_norm)->epsilon, *y = cx->out[0].data;
  int64_t c = t->dim[t->rank - 1];
  for (int64_t i = 0, n = mc_type_elems(t); i < n; i++) {
    int64_t k = i % c;
    float centered = x[i] - mean[k], dev = sqrtf(var[k] + eps);
    y[i] = centered / dev * gamma[k] + beta[k];
  }
  return true;
}

static void norm_row(const float *x, float *y, int64_t d, const float *gamma, const float *beta,
                     float eps) {
  float mean = mc_fm_sum16(x, d, 1) / (float)d;
  for (int64_t i = 0; i < d; i++) y[i] = (x[i] - mean) * (x[i] - mean);
  float var = mc_fm_sum16(y, d, 1) / (float)d;
  float inv = 1.0f / sqrtf(var + eps);
  for (int64_t i = 0; i < d; i++) {
    float v = (x[i] - mean) * inv;
    if (gamma) v = v * gamma[i];
    if (beta) v = v + beta[i];
    y[i] = v;
  }
}

/* One row of integers: sums and variance are exact until they are divided. */
static void norm_row_q(const mc_array *x, mc_array *y, int64_t at, int64_t d, const float *gamma,
                       const float *beta, float eps) {
  float s = x->type->q.scale, sy = y->type->q.scale;
  int64_t sum = 0, squares = 0;
  for (int64_t i = 0; i < d; i++) {
    int64_t u = mc_centered(x, at + i);
    sum += u;
    squares += u * u;
  }
  float mean = (float)sum / (float)d, var = (float)(d * squares - sum * sum) / (float)d / (float)d;
  float inv = 1.0f / sqrtf(var * (s * s) + eps), k = inv * s;
  for (int64_t i = 0; i < d; i++) {
    float v = ((float)mc_centered(x, at + i) - mean) * k;
    v = v * ((gamma ? gamma[i] : 1.0f) / sy);
    if (beta) v = v + beta[i] / sy;
    mc_put_q(y, at + i, v);
  }
}

bool mc_eval_layer_norm(mc_eval_cx *cx) {
  bool q = mc_is_act(&cx->in[0]) && mc_is_act(&cx->out[0]);
  for (int i = 1; i < cx->nin && q; i++) q = mc_is_f32(&cx->in[i]);
  if (!q && !all_f32(cx)) return mc_eval_no_form(cx);
  const mc_attrs_layer_norm *a = MC_ATTRS(cx->node, layer_norm);
  const mc_type *t = cx->out[0].type;
  mc_cut cut = mc_cut_at(t, mc_axis(a->axis, t->rank));
  int64_t d = cut.n * cut.inner;
  const float *x = mc_f32_of(&cx->in[0]), *gamma = cx->nin > 1 ? mc_f32_of(&cx->in[1]) : NULL,
              *beta = cx->nin > 2 ? mc_f32_of(&cx->in[2]) : NULL;
  for (int64_t i = 0; i < cut.outer; i++)
    if (q)
      norm_row_q(&cx->in[0], &cx->out[0], i * d, d, gamma, beta, a->epsilon);
    else
      norm_row(x + i * d, (float *)cx->out[0].data + i * d, d, gamma, beta, a->epsilon);
  return true;
}

/* Elements x[0], x[stride], ... The last axis is summed in 16 lanes, others in order. */
static void softmax_row(const float *x, float *y, int64_t n, int64_t stride) {
  float max = -INFINITY;
  for (int64_t i = 0; i < n; i++) max = x[i * stride] > max ? x[i * stride] : max;
  for (int64_t i = 0; i < n; i++) y[i * stride] = mc_fm_exp(x[i * stride] - max);
  float sum = 0;
  if (stride == 1)
    sum = mc_fm_sum16(y, n, 1);
  else
    for (int64_t i = 0; i < n; i++) sum += y[i * stride];
  float inv = 1.0f / sum;
  for (int64_t i = 0; i < n; i++) y[i * stride] = y[i * stride] * inv;
}

/* The same of integers: exponentials by their distance from the largest, the division and the
 * result's scale in one number. */
static void softmax_row_q(mc_eval_cx *cx, float *e, int64_t at, int64_t n, int64_t stride,
                          const float *coarse, const float *fine) {
  const mc_array *x = &cx->in[0];
  float sum = 0;
  int32_t max = INT32_MIN;
  for (int64_t i = 0; i < n; i++)
    max = mc_centered(x, at + i * stride) > max ? mc_centered(x, at + i * stride) : max;
  for (int64_t i = 0; i < n; i++) {
    int32_t d = max - mc_centered(x, at + i * stride);
    e[i] = coarse[d / 16] * fine[d % 16];
  }
  if (stride == 1)
    sum = mc_fm_sum16(e, n, 1);
  else
    for (int64_t i = 0; i < n; i++) sum += e[i];
  float m = 1.0f / (sum * cx->out[0].type->q.scale);
  for (int64_t i = 0; i < n; i++) mc_put_q(&cx->out[0], at + i * stride, e[i] * m);
}

bool mc_eval_softmax(mc_eval_cx *cx) {
  bool q = mc_is_act(&cx->in[0]) && mc_is_act(&cx->out[0]);
  if (!q && !all_f32(cx)) return mc_eval_no_form(cx);
  float coarse[16], fine[16], *e = NULL;
  if (q) mc_fm_exp_tables(cx->in[0].type->q.scale, coarse, fine);
  const mc_type *t = cx->out[0].type;
  mc_cut cut = mc_cut_at(t, mc_axis(MC_ATTRS(cx->node, softmax)->axis, t->rank));
  if (q) e = MC_NEWN(cx->scratch, float, cut.n);
  for (int64_t o = 0; o < cut.outer; o++)
    for (int64_t j = 0; j < cut.inner; j++) {
      int64_t at = o * cut.n * cut.inner + j;
      if (q)
        softmax_row_q(cx, e, at, cut.n, cut.inner, coarse, fine);
      else
        softmax_row(mc_f32_of(&cx->in[0]) + at, (float *)cx->out[0].data + at, cut.n, cut.inner);
    }
  return true;
}
