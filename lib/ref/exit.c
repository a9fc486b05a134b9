/* early_exit: row by row the first operand that is sure of itself. */
#include "eval.h"
#include "mc/support/fmath.h"
#include <math.h>

static bool sure_max(const float *p, int64_t n, float threshold) {
  float most = p[0];
  for (int64_t i = 1; i < n; i++)
    if (p[i] > most) most = p[i];
  return most >= threshold;
}

static bool sure_margin(const float *p, int64_t n, float threshold) {
  float most = p[0], second = -INFINITY;
  for (int64_t i = 1; i < n; i++) {
    second = p[i] > most ? most : p[i] > second ? p[i] : second;
    if (p[i] > most) most = p[i];
  }
  return most - second >= threshold;
}

static bool sure_entropy(const float *p, int64_t n, float threshold) {
  float h = 0;
  for (int64_t i = 0; i < n; i++) h -= p[i] > 0 ? p[i] * mc_fm_log(p[i]) : 0;
  return h <= threshold;
}

static bool sure(mc_e_sure metric, const float *p, int64_t n, float threshold) {
  switch (metric) {
  case mc_sure_max: return sure_max(p, n, threshold);
  case mc_sure_margin: return sure_margin(p, n, threshold);
  case mc_sure_entropy: return sure_entropy(p, n, threshold);
  case mc_sure_count_: break;
  }
  return false;
}

bool mc_eval_early_exit(mc_eval_cx *cx) {
  const mc_type *t = cx->out[0].type;
  mc_e_sure metric = (mc_e_sure)MC_ATTRS(cx->node, early_exit)->metric;
  int64_t classes = t->dim[1];
  const float *threshold = mc_f32_of(&cx->in[0]);
  float *y = cx->out[0].data;
  int exits = cx->nin - 2;
  for (int64_t r = 0; r < t->dim[0]; r++) {
    int k = 0;
    while (k < exits &&
           !sure(metric, mc_f32_of(&cx->in[k + 1]) + r * classes, classes, threshold[k]))
      k++;
    memcpy(y + r * classes, mc_f32_of(&cx->in[k + 1]) + r * classes, sizeof *y * (size_t)classes);
    mc_int_put(&cx->out[1], r, k);
  }
  return true;
}
