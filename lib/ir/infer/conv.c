/* conv2d and conv_transpose2d. x: [n, h, w, c_in], weights: [c_out, kh, kw, c_in / groups]. */
#include "infer.h"

/* Shapes and groups; false after reporting. */
static bool check_channels(mc_infer *f, int64_t groups) {
  const mc_type *x = mc_inf_in(f, 0), *w = mc_inf_in(f, 1);
  if (!mc_inf_need_rank(f, 0, 4) || !mc_inf_need_rank(f, 1, 4) ||
      !mc_inf_attr_range(f, "groups", &groups, 1, 1))
    return false;
  if (x->dim[3] % groups)
    return mc_infer_error(f, "groups = %lld does not divide the %lld input channels",
                          (long long)groups, (long long)x->dim[3]);
  if (w->dim[0] % groups)
    return mc_infer_error(f, "groups = %lld does not divide the %lld output channels",
                          (long long)groups, (long long)w->dim[0]);
  if (w->dim[3] != x->dim[3] / groups)
    return mc_infer_error(f, "the weights have %lld input channels, expected %lld (%lld / groups)",
                          (long long)w->dim[3], (long long)(x->dim[3] / groups),
                          (long long)x->dim[3]);
  return true;
}

static bool too_large(mc_infer *f, mc_wide size) {
  return size > INT64_MAX && !mc_infer_error(f, "the result is too large");
}

bool mc_infer_conv2d(mc_infer *f) {
  const mc_attrs_conv2d *at = MC_ATTRS(f->node, conv2d);
  if (!check_channels(f, at->groups) || !mc_inf_attr_range(f, "stride", at->stride, 2, 1) ||
      !mc_inf_attr_range(f, "pad", at->pad, 4, 0) ||
      !mc_inf_attr_range(f, "dilation", at->dilation, 2, 1))
    return false;
  const mc_type *x = mc_inf_in(f, 0), *w = mc_inf_in(f, 1);
  mc_inf_set_dims(f->out, 4, x->dim);
  for (int i = 0; i < 2; i++) {
    mc_wide window = (mc_wide)at->dilation[i] * (w->dim[1 + i] - 1) + 1,
            room = (mc_wide)x->dim[1 + i] + at->pad[i] + at->pad[i + 2];
    if (window > room)
      return mc_infer_error(
          f, "the window (%lld %s with dilation) is larger than the padded input (%lld)",
          (long long)window, i ? "columns" : "rows", (long long)room);
    f->out->dim[1 + i] = (int64_t)((room - window) / at->stride[i] + 1);
  }
  f->out->dim[3] = w->dim[0];
  return mc_inf_accum(f, at->clamp, f->out);
}

bool mc_infer_conv_transpose2d(mc_infer *f) {
  const mc_attrs_conv_transpose2d *at = MC_ATTRS(f->node, conv_transpose2d);
  if (!check_channels(f, at->groups) || !mc_inf_attr_range(f, "stride", at->stride, 2, 1) ||
      !mc_inf_attr_range(f, "pad", at->pad, 4, 0) ||
      !mc_inf_attr_range(f, "out_pad", at->out_pad, 2, 0) ||
      !mc_inf_attr_range(f, "dilation", at->dilation, 2, 1))
    return false;
  const mc_type *x = mc_inf_in(f, 0), *w = mc_inf_in(f, 1);
  mc_inf_set_dims(f->out, 4, x->dim);
  for (int i = 0; i < 2; i++) {
    if (at->out_pad[i] >= at->stride[i] && at->out_pad[i] >= at->dilation[i])
      return mc_infer_error(
          f, "attribute 'out_pad' must be less than the stride or the dilation, got %lld",
          (long long)at->out_pad[i]);
    mc_wide size = (mc_wide)(x->dim[1 + i] - 1) * at->stride[i] +
                   (mc_wide)at->dilation[i] * (w->dim[1 + i] - 1) + 1 + at->out_pad[i] -
                   at->pad[i] - at->pad[i + 2];
    if (size < 1)
      return mc_infer_error(f, "pad cuts off all %s of the result", i ? "columns" : "rows");
    if (too_large(f, size)) return false;
    f->out->dim[1 + i] = (int64_t)size;
  }
  f->out->dim[3] = w->dim[0];
  return mc_inf_accum(f, at->clamp, f->out);
}
