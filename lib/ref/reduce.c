/* Reductions over any axes, and argmax. */
#include "eval.h"

/* Some axes of a shape: offsets (in elements) of all positions along them, row-major. */
typedef struct offsets {
  int64_t *at, n;
} offsets;

static offsets offsets_along(mc_eval_cx *cx, const mc_type *t, const bool *take) {
  int64_t stride[MC_MAX_RANK], n = 1;
  mc_strides(t, stride);
  for (int i = 0; i < t->rank; i++) n *= take[i] ? t->dim[i] : 1;
  offsets o = { MC_NEWN(cx->scratch, int64_t, n), n };
  for (int64_t k = 0; k < n; k++) {
    int64_t rest = k;
    for (int i = t->rank - 1; i >= 0; i--) {
      if (!take[i]) continue;
      o.at[k] += rest % t->dim[i] * stride[i];
      rest /= t->dim[i];
    }
  }
  return o;
}

/* The last axis alone is summed in 16 lanes, anything else in row-major order. */
static float sum_f32(const float *x, const offsets *along, bool last_alone) {
  if (last_alone) return mc_fm_sum16(x, along->n, 1);
  float sum = 0;
  for (int64_t k = 0; k < along->n; k++) sum += x[along->at[k]];
  return sum;
}

static void add_up(mc_eval_cx *cx, const offsets *rest, const offsets *along, bool last_alone) {
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  bool mean = cx->node->op == MC_OP_reduce_mean;
  for (int64_t i = 0; i < rest->n; i++) {
    if (mc_is_f32(x)) {
      float sum = sum_f32(mc_f32_of(x) + rest->at[i], along, last_alone);
      ((float *)y->data)[i] = mean ? sum / (float)along->n : sum;
      continue;
    }
    int64_t sum = 0;
    for (int64_t k = 0; k < along->n; k++) sum += mc_centered(x, rest->at[i] + along->at[k]);
    float m = x->type->q.scale / y->type->q.scale;
    mc_put_q(y, i, (float)sum * (mean ? m / (float)along->n : m));
  }
}

static void largest(mc_eval_cx *cx, const offsets *rest, const offsets *along) {
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  for (int64_t i = 0; i < rest->n; i++) {
    float max = -INFINITY;
    int64_t best = x->type->dtype == MC_u8 ? 0 : INT8_MIN;
    for (int64_t k = 0; k < along->n; k++) {
      int64_t at = rest->at[i] + along->at[k];
      if (mc_is_f32(x))
        max = mc_f32_of(x)[at] > max ? mc_f32_of(x)[at] : max;
      else
        best = mc_int_at(x, at) > best ? mc_int_at(x, at) : best;
    }
    if (mc_is_f32(x))
      ((float *)y->data)[i] = max;
    else
      mc_int_put(y, i, best);
  }
}

static bool reduce(mc_eval_cx *cx, const mc_ints *axes) {
  const mc_type *t = cx->in[0].type;
  bool real = mc_is_f32(&cx->in[0]) && mc_is_f32(&cx->out[0]), gone[MC_MAX_RANK] = { false },
       kept[MC_MAX_RANK] = { false };
  if (!real && !(mc_is_act(&cx->in[0]) && mc_is_act(&cx->out[0]))) return mc_eval_no_form(cx);
  for (int i = 0; i < axes->n; i++) gone[mc_axis(axes->v[i], t->rank)] = true;
  for (int i = 0; i < t->rank; i++) kept[i] = !gone[i];
  offsets rest = offsets_along(cx, t, kept), along = offsets_along(cx, t, gone);
  if (cx->node->op == MC_OP_reduce_max)
    largest(cx, &rest, &along);
  else
    add_up(cx, &rest, &along, axes->n == 1 && gone[t->rank - 1]);
  return true;
}

bool mc_eval_reduce_mean(mc_eval_cx *cx) {
  return reduce(cx, &MC_ATTRS(cx->node, reduce_mean)->axes);
}

bool mc_eval_reduce_sum(mc_eval_cx *cx) {
  return reduce(cx, &MC_ATTRS(cx->node, reduce_sum)->axes);
}

bool mc_eval_reduce_max(mc_eval_cx *cx) {
  return reduce(cx, &MC_ATTRS(cx->node, reduce_max)->axes);
}

/* Stored integers are in the order of their reals, so both kinds compare as they are. */
bool mc_eval_argmax(mc_eval_cx *cx) {
  const mc_array *x = &cx->in[0];
  mc_cut cut = mc_cut_at(x->type, mc_axis(MC_ATTRS(cx->node, argmax)->axis, x->type->rank));
  bool real = mc_is_f32(x);
  if (!real && !mc_dtype_is_int(x->type->dtype)) return mc_eval_no_form(cx);
  for (int64_t i = 0; i < cut.outer * cut.inner; i++) {
    int64_t base = i / cut.inner * cut.n * cut.inner + i % cut.inner, best = 0;
    for (int64_t k = 1; k < cut.n; k++) {
      int64_t a = base + k * cut.inner, b = base + best * cut.inner;
      if (real ? mc_f32_of(x)[a] > mc_f32_of(x)[b] : mc_int_at(x, a) > mc_int_at(x, b)) best = k;
    }
    mc_int_put(&cx->out[0], i, best);
  }
  return true;
}
