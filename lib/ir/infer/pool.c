/* Pools over h and w of [n, h, w, c], and reductions over any axes. */
#include "infer.h"

/* f32 or bf16, or u8/i8 with one scale. */
static bool need_real_or_q8(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  if (mc_inf_is_real(x) || mc_inf_is_q8(x)) return true;
  return mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                        mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
}

/* Means: real results are stored as asked, quantized results have a scale of their own. */
static bool mean_elem(mc_infer *f) {
  if (!need_real_or_q8(f)) return false;
  if (mc_inf_is_q8(mc_inf_in(f, 0))) return mc_inf_q8_result(f, f->out);
  mc_inf_set_real(f, f->out, mc_inf_in(f, 0)->dtype);
  return true;
}

/* Maxima only move elements. */
static bool max_elem(mc_infer *f) {
  if (!need_real_or_q8(f)) return false;
  mc_inf_set_elem(f->out, mc_inf_in(f, 0));
  return true;
}

typedef struct window {
  const int64_t *kernel, *stride, *pad, *dilation;
  bool ceil;
} window;

static bool check_window(mc_infer *f, const window *w) {
  return mc_inf_need_rank(f, 0, 4) && mc_inf_attr_range(f, "kernel", w->kernel, 2, 1) &&
         mc_inf_attr_range(f, "stride", w->stride, 2, 1) &&
         mc_inf_attr_range(f, "pad", w->pad, 4, 0) &&
         mc_inf_attr_range(f, "dilation", w->dilation, 2, 1);
}

/* Rows (i = 0) or columns (i = 1) of the result. With ceil_mode a last, partial window counts if it
 * starts inside the input or the padding before it. */
static bool window_size(mc_infer *f, const window *w, int i, int64_t *out) {
  mc_wide size = (mc_wide)w->dilation[i] * (w->kernel[i] - 1) + 1, in = mc_inf_in(f, 0)->dim[1 + i],
          room = in + w->pad[i] + w->pad[i + 2];
  if (w->pad[i] >= size || w->pad[i + 2] >= size)
    return mc_infer_error(f, "attribute 'pad' must be smaller than the window (%lld %s)",
                          (long long)size, i ? "columns" : "rows");
  if (size > room)
    return mc_infer_error(f, "the window (%lld %s) is larger than the padded input (%lld)",
                          (long long)size, i ? "columns" : "rows", (long long)room);
  mc_wide n = (room - size + (w->ceil ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
  if (w->ceil && (n - 1) * w->stride[i] >= in + w->pad[i]) n--;
  *out = (int64_t)n;
  return true;
}

static bool pool_dims(mc_infer *f, const window *w) {
  if (!check_window(f, w)) return false;
  mc_inf_set_dims(f->out, 4, mc_inf_in(f, 0)->dim);
  return window_size(f, w, 0, &f->out->dim[1]) && window_size(f, w, 1, &f->out->dim[2]);
}

bool mc_infer_max_pool(mc_infer *f) {
  const mc_attrs_max_pool *at = MC_ATTRS(f->node, max_pool);
  return pool_dims(f, &(window){ at->kernel, at->stride, at->pad, at->dilation, at->ceil_mode }) &&
         max_elem(f);
}

bool mc_infer_avg_pool(mc_infer *f) {
  const mc_attrs_avg_pool *at = MC_ATTRS(f->node, avg_pool);
  static const int64_t one[2] = { 1, 1 };
  return pool_dims(f, &(window){ at->kernel, at->stride, at->pad, one, at->ceil_mode }) &&
         mean_elem(f);
}

static bool global_dims(mc_infer *f) {
  if (!mc_inf_need_rank(f, 0, 4)) return false;
  mc_inf_set_dims(f->out, 4, mc_inf_in(f, 0)->dim);
  f->out->dim[1] = f->out->dim[2] = 1;
  return true;
}

bool mc_infer_global_avg_pool(mc_infer *f) { return global_dims(f) && mean_elem(f); }

bool mc_infer_global_max_pool(mc_infer *f) { return global_dims(f) && max_elem(f); }

/* ---- reductions ---- */

static bool reduce_dims(mc_infer *f, const mc_ints *axes, bool keepdims) {
  const mc_type *x = mc_inf_in(f, 0);
  bool gone[MC_MAX_RANK] = { false };
  if (axes->n == 0) return mc_infer_error(f, "attribute 'axes' is empty");
  for (int i = 0; i < axes->n; i++) {
    int a;
    if (!mc_inf_axis(f, "axes", axes->v[i], x->rank, &a)) return false;
    if (gone[a]) return mc_infer_error(f, "attribute 'axes' names axis %d twice", a);
    gone[a] = true;
  }
  for (int i = 0; i < x->rank; i++)
    if (!gone[i] || keepdims) f->out->dim[f->out->rank++] = gone[i] ? 1 : x->dim[i];
  return true;
}

bool mc_infer_reduce_mean(mc_infer *f) {
  return reduce_dims(f, &MC_ATTRS(f->node, reduce_mean)->axes,
                     MC_ATTRS(f->node, reduce_mean)->keepdims) &&
         mean_elem(f);
}

bool mc_infer_reduce_sum(mc_infer *f) {
  return reduce_dims(f, &MC_ATTRS(f->node, reduce_sum)->axes,
                     MC_ATTRS(f->node, reduce_sum)->keepdims) &&
         mean_elem(f);
}

bool mc_infer_reduce_max(mc_infer *f) {
  return reduce_dims(f, &MC_ATTRS(f->node, reduce_max)->axes,
                     MC_ATTRS(f->node, reduce_max)->keepdims) &&
         max_elem(f);
}

bool mc_infer_argmax(mc_infer *f) {
  const mc_attrs_argmax *at = MC_ATTRS(f->node, argmax);
  const mc_type *x = mc_inf_in(f, 0);
  bool ok = mc_inf_is_real(x) || x->dtype == MC_u8 || x->dtype == MC_i8 || x->dtype == MC_i32;
  if (!ok || x->q.kind == MC_Q_AXIS)
    return mc_infer_error(f, "%s must be f32, bf16, u8, i8 or i32 with one scale at most, got %s",
                          mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
  if (f->want && !mc_inf_is_index(f->want))
    return mc_infer_error(f, "the result must be i64 or i32, got %s", mc_inf_elem_text(f, f->want));
  f->out->dtype = f->want ? f->want->dtype : MC_i64;
  mc_ints axes = { (int64_t[]){ at->axis }, 1 };
  int a;
  return mc_inf_axis(f, "axis", at->axis, x->rank, &a) && reduce_dims(f, &axes, at->keepdims);
}
