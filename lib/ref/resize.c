/* Sampling h and w. */
#include "eval.h"

/* n and m: sizes, or 1 and the scale where the sizes' ratio is not the scale. */
static double position(mc_e_coord coord, int64_t in, int64_t out, float scale, int64_t i) {
  double n = scale > 0 ? 1 : (double)in, m = scale > 0 ? (double)scale : (double)out, o = (double)i;
  double whole = scale > 0 ? (double)in * m : m, shift = (double)in / 2 * (1 - (double)out / whole);
  switch (coord) {
  case mc_coord_pytorch_half_pixel:
    if (out == 1) return 0; /* fall through */
  case mc_coord_half_pixel: return (o + 0.5) * n / m - 0.5;
  case mc_coord_half_pixel_symmetric: return shift + (o + 0.5) * n / m - 0.5;
  case mc_coord_tf_half_pixel_for_nn: return (o + 0.5) * n / m;
  case mc_coord_align_corners: return out == 1 ? 0 : o * ((double)in - 1) / (whole - 1);
  case mc_coord_asymmetric:
  case mc_coord_count_: break;
  }
  return o * n / m;
}

static double nearest(mc_e_nearest round, double x) {
  switch (round) {
  case mc_nearest_round_prefer_floor: return ceil(x - 0.5);
  case mc_nearest_round_prefer_ceil: return floor(x + 0.5);
  case mc_nearest_ceil: return ceil(x);
  case mc_nearest_floor:
  case mc_nearest_count_: break;
  }
  return floor(x);
}

mc_resize_tap mc_eval_resize_tap(const mc_attrs_resize *a, int axis, int64_t in, int64_t out,
                                 int64_t i) {
  double last = (double)(in - 1), x = position((mc_e_coord)a->coord, in, out, a->scale[axis], i);
  if (a->mode == mc_resize_nearest && a->scale[axis] > 0)
    x = (double)(float)x; /* 1.7 is no fp32 number: 8.5 / 1.7 is to be 5 */
  if (a->mode == mc_resize_nearest) x = nearest((mc_e_nearest)a->round, x);
  x = x < 0 ? 0 : x > last ? last : x;
  int64_t lo = (int64_t)x;
  float frac = (float)(x - (double)lo);
  if (a->mode == mc_resize_nearest || lo == in - 1) return (mc_resize_tap){ lo, lo, 0 };
  if (frac == 1)
    return (mc_resize_tap){ lo + 1, lo + 1, 0 }; /* the fp32 rounding reached the next sample */
  return (mc_resize_tap){ lo, lo + 1, frac };
}

static float sample(const mc_array *x, int64_t i) {
  return mc_is_f32(x) ? mc_f32_of(x)[i] : (float)mc_centered(x, i);
}

static float bilinear(const mc_array *x, int64_t top, int64_t bottom, mc_resize_tap r,
                      mc_resize_tap c, int64_t channels) {
  float left = 1 - c.frac, up = 1 - r.frac;
  float t = sample(x, top + c.lo * channels) * left + sample(x, top + c.hi * channels) * c.frac;
  float b =
      sample(x, bottom + c.lo * channels) * left + sample(x, bottom + c.hi * channels) * c.frac;
  return t * up + b * r.frac;
}

static void pixel(mc_eval_cx *cx, int64_t out, int64_t image, mc_resize_tap r, mc_resize_tap c) {
  const mc_attrs_resize *a = MC_ATTRS(cx->node, resize);
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  int64_t channels = x->type->dim[3], row = x->type->dim[2] * channels, top = image + r.lo * row,
          bottom = image + r.hi * row;
  if (a->mode == mc_resize_nearest) {
    size_t size = mc_dtype_size(x->type->dtype);
    memcpy((char *)y->data + (size_t)out * size,
           (const char *)x->data + (size_t)(top + c.lo * channels) * size, (size_t)channels * size);
    return;
  }
  float m = mc_is_f32(x) ? 1 : x->type->q.scale / y->type->q.scale;
  for (int64_t k = 0; k < channels; k++) {
    float v = bilinear(x, top + k, bottom + k, r, c, channels);
    if (mc_is_f32(x))
      ((float *)y->data)[out + k] = v;
    else
      mc_put_q(y, out + k, v * m);
  }
}

bool mc_eval_resize(mc_eval_cx *cx) {
  const mc_attrs_resize *a = MC_ATTRS(cx->node, resize);
  const mc_type *x = cx->in[0].type, *y = cx->out[0].type;
  bool act = mc_is_act(&cx->in[0]) && mc_is_act(&cx->out[0]),
       copied = a->mode == mc_resize_nearest && x->dtype == MC_bf16 && y->dtype == MC_bf16;
  if (!act && !copied && !(mc_is_f32(&cx->in[0]) && mc_is_f32(&cx->out[0])))
    return mc_eval_no_form(cx);
  for (int64_t i = 0, pixels = y->dim[0] * y->dim[1] * y->dim[2]; i < pixels; i++) {
    int64_t n = i / (y->dim[1] * y->dim[2]), oy = i / y->dim[2] % y->dim[1], ox = i % y->dim[2];
    mc_resize_tap r = mc_eval_resize_tap(a, 0, x->dim[1], y->dim[1], oy),
                  c = mc_eval_resize_tap(a, 1, x->dim[2], y->dim[2], ox);
    pixel(cx, i * y->dim[3], n * x->dim[1] * x->dim[2] * x->dim[3], r, c);
  }
  return true;
}
