/* Ops that only move elements. They keep the element type; quantization per axis survives transpose
 * alone. */
#include "infer.h"
#include <math.h>

/* Operand 0 moves as it is. */
static bool same_elem_result(mc_infer *f) {
  if (!mc_inf_not_per_axis(f, 0)) return false;
  for (int i = 0; i < f->node->nout; i++) mc_inf_set_elem(&f->out[i], mc_inf_in(f, 0));
  return true;
}

/* ---- along one axis ---- */

static bool concat_elem(mc_infer *f) {
  const mc_type *first = mc_inf_in(f, 0);
  bool all_same = true, all_q8 = true;
  for (int i = 0; i < f->node->nin; i++) {
    const mc_type *t = mc_inf_in(f, i);
    if (!mc_inf_not_per_axis(f, i)) return false;
    all_same = all_same && mc_inf_same_elem(first, t);
    all_q8 = all_q8 && mc_inf_is_q8(t);
  }
  if (all_q8 && f->want && mc_type_is_quant(f->want)) return mc_inf_q8_result(f, f->out);
  if (all_same) {
    mc_inf_set_elem(f->out, first);
    return true;
  }
  if (all_q8) return mc_infer_error(f, "the result's quantization must be given");
  for (int i = 1; i < f->node->nin; i++)
    if (!mc_inf_same_elem(first, mc_inf_in(f, i)))
      return mc_infer_error(f, "%s is %s, the first is %s", mc_inf_operand(f, i),
                            mc_inf_elem_text(f, mc_inf_in(f, i)), mc_inf_elem_text(f, first));
  return false;
}

bool mc_infer_concat(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0);
  int axis;
  if (!mc_inf_axis(f, "axis", MC_ATTRS(f->node, concat)->axis, x->rank, &axis)) return false;
  mc_inf_set_dims(f->out, x->rank, x->dim);
  for (int i = 1; i < f->node->nin; i++) {
    const mc_type *t = mc_inf_in(f, i);
    if (!mc_inf_need_rank(f, i, x->rank)) return false;
    for (int k = 0; k < x->rank; k++)
      if (k != axis && t->dim[k] != x->dim[k])
        return mc_infer_error(f, "%s has shape %s, which differs from %s in dimension %d",
                              mc_inf_operand(f, i), mc_inf_dims_text(f, t), mc_inf_dims_text(f, x),
                              k);
    if (__builtin_add_overflow(f->out->dim[axis], t->dim[axis], &f->out->dim[axis]))
      return mc_infer_error(f, "the result is too large");
  }
  return concat_elem(f);
}

bool mc_infer_split(mc_infer *f) {
  const mc_attrs_split *at = MC_ATTRS(f->node, split);
  const mc_type *x = mc_inf_in(f, 0);
  int axis;
  if (!mc_inf_axis(f, "axis", at->axis, x->rank, &axis)) return false;
  if (at->sizes.n == 0) return mc_infer_error(f, "attribute 'sizes' is empty");
  if (at->sizes.n != f->node->nout)
    return mc_infer_error(f, "has %d result%s, but attribute 'sizes' lists %d", f->node->nout,
                          f->node->nout == 1 ? "" : "s", at->sizes.n);
  mc_wide sum = 0;
  for (int i = 0; i < at->sizes.n; i++) {
    if (at->sizes.v[i] < 1)
      return mc_infer_error(f, "attribute 'sizes' must be at least 1, got %lld",
                            (long long)at->sizes.v[i]);
    mc_inf_set_dims(&f->out[i], x->rank, x->dim);
    f->out[i].dim[axis] = at->sizes.v[i];
    sum += at->sizes.v[i];
  }
  if (sum != x->dim[axis])
    return mc_infer_error(f, "attribute 'sizes' sums to %lld, but dimension %d is %lld",
                          (long long)sum, axis, (long long)x->dim[axis]);
  return same_elem_result(f);
}

bool mc_infer_gather(mc_infer *f) {
  const mc_type *x = mc_inf_in(f, 0), *ix = mc_inf_in(f, 1);
  int axis;
  if (!mc_inf_is_index(ix))
    return mc_infer_error(f, "%s must be i64 or i32, got %s", mc_inf_operand(f, 1),
                          mc_inf_elem_text(f, ix));
  if (!mc_inf_axis(f, "axis", MC_ATTRS(f->node, gather)->axis, x->rank, &axis)) return false;
  if (x->rank + ix->rank - 1 > MC_MAX_RANK)
    return mc_infer_error(f, "the result would have %d dimensions, the most is %d",
                          x->rank + ix->rank - 1, MC_MAX_RANK);
  mc_type *o = f->out;
  for (int i = 0; i < axis; i++) o->dim[o->rank++] = x->dim[i];
  for (int i = 0; i < ix->rank; i++) o->dim[o->rank++] = ix->dim[i];
  for (int i = axis + 1; i < x->rank; i++) o->dim[o->rank++] = x->dim[i];
  return same_elem_result(f);
}

/* ---- along every axis ---- */

static bool slice_axis(mc_infer *f, int i, int64_t start, int64_t size, int64_t step, int64_t dim) {
  if (start < 0 || start >= dim)
    return mc_infer_error(f, "attribute 'starts' is %lld in dimension %d, which has %lld elements",
                          (long long)start, i, (long long)dim);
  if (size < 1)
    return mc_infer_error(f, "attribute 'sizes' must be at least 1, got %lld", (long long)size);
  if (step == 0) return mc_infer_error(f, "attribute 'steps' must not be 0");
  mc_wide last = (mc_wide)start + (mc_wide)(size - 1) * step;
  if (last < 0 || last >= dim)
    return mc_infer_error(f, "the slice leaves dimension %d, which has %lld elements", i,
                          (long long)dim);
  return true;
}

bool mc_infer_slice(mc_infer *f) {
  const mc_attrs_slice *at = MC_ATTRS(f->node, slice);
  const mc_type *x = mc_inf_in(f, 0);
  if (!mc_inf_attr_length(f, "starts", &at->starts, x->rank) ||
      !mc_inf_attr_length(f, "sizes", &at->sizes, x->rank))
    return false;
  if (at->steps.n && !mc_inf_attr_length(f, "steps", &at->steps, x->rank)) return false;
  for (int i = 0; i < x->rank; i++)
    if (!slice_axis(f, i, at->starts.v[i], at->sizes.v[i], at->steps.n ? at->steps.v[i] : 1,
                    x->dim[i]))
      return false;
  mc_inf_set_dims(f->out, x->rank, at->sizes.v);
  return same_elem_result(f);
}

/* What a constant border holds must be a value of the element type. Quantized types take the
 * nearest. */
static bool pad_value(mc_infer *f, float value) {
  const mc_type *x = mc_inf_in(f, 0);
  if (isnan(value) && !mc_dtype_is_float(x->dtype))
    return mc_infer_error(f, "attribute 'value' must be a number");
  if (mc_dtype_is_float(x->dtype) || mc_type_is_quant(x)) return true;
  int64_t lo, hi;
  mc_dtype_range(x->dtype, &lo, &hi);
  bool ok = rintf(value) == value && (double)value >= (double)lo && (double)value < (double)hi + 1;
  return ok || mc_infer_error(f, "attribute 'value' is not a value of %s", mc_inf_elem_text(f, x));
}

bool mc_infer_pad(mc_infer *f) {
  const mc_attrs_pad *at = MC_ATTRS(f->node, pad);
  const mc_type *x = mc_inf_in(f, 0);
  if (!mc_inf_attr_length(f, "before", &at->before, x->rank) ||
      !mc_inf_attr_length(f, "after", &at->after, x->rank))
    return false;
  if (!mc_inf_attr_range(f, "before", at->before.v, x->rank, 0) ||
      !mc_inf_attr_range(f, "after", at->after.v, x->rank, 0))
    return false;
  f->out->rank = x->rank;
  for (int i = 0; i < x->rank; i++) {
    if (at->mode == mc_padmode_reflect &&
        (at->before.v[i] >= x->dim[i] || at->after.v[i] >= x->dim[i]))
      return mc_infer_error(f,
                            "mode=reflect needs a border smaller than dimension %d, which is %lld",
                            i, (long long)x->dim[i]);
    f->out->dim[i] = x->dim[i] + at->before.v[i] + at->after.v[i];
  }
  if (at->mode == mc_padmode_constant && !pad_value(f, at->value)) return false;
  return same_elem_result(f);
}

bool mc_infer_transpose(mc_infer *f) {
  const mc_attrs_transpose *at = MC_ATTRS(f->node, transpose);
  const mc_type *x = mc_inf_in(f, 0);
  if (!mc_inf_attr_length(f, "perm", &at->perm, x->rank)) return false;
  bool seen[MC_MAX_RANK] = { false };
  mc_inf_set_elem(f->out, x);
  f->out->rank = x->rank;
  for (int i = 0; i < x->rank; i++) {
    int64_t a = at->perm.v[i];
    if (a < 0 || a >= x->rank || seen[a])
      return mc_infer_error(f, "attribute 'perm' is not a permutation of 0 to %d", x->rank - 1);
    seen[a] = true;
    f->out->dim[i] = x->dim[a];
    if (x->q.kind == MC_Q_AXIS && x->q.axis == a) f->out->q.axis = i;
  }
  return true;
}

/* ---- to a given shape ---- */

static bool check_shape(mc_infer *f, const mc_ints *shape) {
  return shape->n <= MC_MAX_RANK ||
         mc_infer_error(f, "attribute 'shape' has %d dimensions, the most is %d", shape->n,
                        MC_MAX_RANK);
}

bool mc_infer_reshape(mc_infer *f) {
  const mc_ints *shape = &MC_ATTRS(f->node, reshape)->shape;
  const mc_type *x = mc_inf_in(f, 0);
  if (!check_shape(f, shape)) return false;
  int64_t have = mc_type_elems(x), known = 1;
  int open = -1;
  mc_inf_set_dims(f->out, shape->n, shape->v);
  for (int i = 0; i < shape->n; i++) {
    int64_t d = shape->v[i];
    if (d == -1 && open >= 0) return mc_infer_error(f, "attribute 'shape' has more than one -1");
    if (d == -1)
      open = i;
    else if (d < 1)
      return mc_infer_error(f, "attribute 'shape' must be at least 1 (or -1 once), got %lld",
                            (long long)d);
    else if (__builtin_mul_overflow(known, d, &known))
      return mc_infer_error(f, "attribute 'shape' is too large");
  }
  if (open >= 0 ? have % known != 0 : have != known)
    return mc_infer_error(f, "%lld elements (%s) do not fit a shape of %lld%s", (long long)have,
                          mc_inf_dims_text(f, x), (long long)known, open >= 0 ? " and -1" : "");
  if (open >= 0) f->out->dim[open] = have / known;
  return same_elem_result(f);
}

bool mc_infer_broadcast(mc_infer *f) {
  const mc_ints *shape = &MC_ATTRS(f->node, broadcast)->shape;
  const mc_type *x = mc_inf_in(f, 0);
  if (!check_shape(f, shape)) return false;
  if (shape->n < x->rank)
    return mc_infer_error(f, "attribute 'shape' has %d dimensions, the operand %d", shape->n,
                          x->rank);
  mc_inf_set_dims(f->out, shape->n, shape->v);
  for (int i = 0; i < shape->n; i++) {
    int k = i - (shape->n - x->rank);
    int64_t have = k < 0 ? 1 : x->dim[k];
    if (shape->v[i] < 1)
      return mc_infer_error(f, "attribute 'shape' must be at least 1, got %lld",
                            (long long)shape->v[i]);
    if (have != 1 && have != shape->v[i])
      return mc_infer_error(f, "shape %s does not broadcast to %s", mc_inf_dims_text(f, x),
                            mc_inf_dims_text(f, f->out));
  }
  return same_elem_result(f);
}

bool mc_infer_resize(mc_infer *f) {
  const mc_attrs_resize *at = MC_ATTRS(f->node, resize);
  const mc_type *x = mc_inf_in(f, 0);
  if (!mc_inf_need_rank(f, 0, 4) || !mc_inf_attr_range(f, "size", at->size, 2, 1)) return false;
  for (int i = 0; i < 2; i++)
    if (!(at->scale[i] >= 0 && isfinite(at->scale[i])))
      return mc_infer_error(f, "attribute 'scale' must be finite and at least 0");
  if (!mc_inf_is_real(x) && !mc_inf_is_q8(x))
    return mc_infer_error(f, "%s must be f32 or bf16, or u8 or i8 with one scale, got %s",
                          mc_inf_operand(f, 0), mc_inf_elem_text(f, x));
  mc_inf_set_dims(f->out, 4, (int64_t[]){ x->dim[0], at->size[0], at->size[1], x->dim[3] });
  mc_inf_set_elem(f->out, x);
  bool own_scale =
      at->mode == mc_resize_bilinear && mc_inf_is_q8(x) && f->want && mc_type_is_quant(f->want);
  return !own_scale || mc_inf_q8_result(f, f->out);
}
