/* Normalizations and softmax, fp32. */
#include "eval.h"

static bool all_f32(const mc_eval_cx *cx) {
  for (int i = 0; i < cx->nin; i++)
    if (!mc_is_f32(&cx->in[i])) return false;
  return mc_is_f32(&cx->out[0]);
}

bool mc_eval_batch_norm(mc_eval_cx *cx) {
  if (!all_f32(cx)) return mc_eval_no_form(cx);
  const mc_type *t = cx->out[0].type;
  const float *x = mc_f32_of(&cx->in[0]), *gamma = mc_f32_of(&cx->in[1]), *beta = mc_f32_of(&cx->in[2]), *mean = mc_f32_of(&cx->in[3]), *var = mc_f32_of(&cx->in[4]);
  float eps = MC_ATTRS(cx->node, batch_norm)->epsilon, *y = cx->out[0].data;
  int64_t c = t->dim[t->rank - 1];
  for (int64_t i = 0, n = mc_type_elems(t); i < n; i++) {
    int64_t k = i % c;
    float centered = x[i] - mean[k], dev = sqrtf(var[k] + eps);
    y[i] = centered / dev * gamma[k] + beta[k];
  }
  return true;
}

static void norm_row(const float *x, float *y, int64_t d, const float *gamma, const float *beta, float eps) {
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

bool mc_eval_layer_norm(mc_eval_cx *cx) {
  if (!all_f32(cx)) return mc_eval_no_form(cx);
  const mc_attrs_layer_norm *a = MC_ATTRS(cx->node, layer_norm);
  const mc_type *t = cx->out[0].type;
  mc_cut cut = mc_cut_at(t, mc_axis(a->axis, t->rank));
  int64_t d = cut.n * cut.inner;
  const float *x = mc_f32_of(&cx->in[0]), *gamma = cx->nin > 1 ? mc_f32_of(&cx->in[1]) : NULL, *beta = cx->nin > 2 ? mc_f32_of(&cx->in[2]) : NULL;
  for (int64_t i = 0; i < cut.outer; i++) norm_row(x + i * d, (float *)cx->out[0].data + i * d, d, gamma, beta, a->epsilon);
  return true;
}

/* Elements x[0], x[stride], ... The last axis is summed in 16 lanes, others in order. */
static void softmax_row(const float *x, float *y, int64_t n, int64_t stride) {
  float max = -INFINITY;
  for (int64_t i = 0; i < n; i++) max = x[i * stride] > max ? x[i * stride] : max;
  for (int64_t i = 0; i < n; i++) y[i * stride] = mc_fm_exp(x[i * stride] - max);
  float sum = 0;
  if (stride == 1) sum = mc_fm_sum16(y, n, 1);
  else for (int64_t i = 0; i < n; i++) sum += y[i * stride];
  float inv = 1.0f / sum;
  for (int64_t i = 0; i < n; i++) y[i * stride] = y[i * stride] * inv;
}

bool mc_eval_softmax(mc_eval_cx *cx) {
  if (!all_f32(cx)) return mc_eval_no_form(cx);
  const mc_type *t = cx->out[0].type;
  mc_cut cut = mc_cut_at(t, mc_axis(MC_ATTRS(cx->node, softmax)->axis, t->rank));
  for (int64_t o = 0; o < cut.outer; o++)
    for (int64_t j = 0; j < cut.inner; j++) {
      int64_t at = o * cut.n * cut.inner + j;
      softmax_row(mc_f32_of(&cx->in[0]) + at, (float *)cx->out[0].data + at, cut.n, cut.inner);
    }
  return true;
}
