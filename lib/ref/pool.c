/* Windows over h and w of [n, h, w, c]. */
#include "eval.h"

typedef struct window {
  const int64_t *kernel, *stride, *pad, *dilation;
} window;

/* Rows y0, y0 + dy, ... < y1 of the input, and columns alike: what of a window lies inside. */
typedef struct part {
  int64_t y0, y1, dy, x0, x1, dx;
} part;

static void clip(int64_t o, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation,
                 int64_t size, int64_t *first, int64_t *end) {
  int64_t at = o * stride - pad, stop = at + (kernel - 1) * dilation + 1;
  if (at < 0) at += (-at + dilation - 1) / dilation * dilation;
  *first = at;
  *end = stop < size ? stop : size;
}

static part part_at(const window *w, const mc_type *x, int64_t oy, int64_t ox) {
  part p = { .dy = w->dilation[0], .dx = w->dilation[1] };
  clip(oy, w->stride[0], w->pad[0], w->kernel[0], p.dy, x->dim[1], &p.y0, &p.y1);
  clip(ox, w->stride[1], w->pad[1], w->kernel[1], p.dx, x->dim[2], &p.x0, &p.x1);
  return p;
}

static int64_t steps(int64_t first, int64_t end, int64_t step) {
  return end <= first ? 0 : (end - first + step - 1) / step;
}

static int64_t inside(const part *p) {
  return steps(p->y0, p->y1, p->dy) * steps(p->x0, p->x1, p->dx);
}

/* Positions of a window that lie in the input or its padding; ceil_mode may reach beyond, and that
 * is never counted. */
static int64_t with_padding(const window *w, const mc_type *x, int64_t oy, int64_t ox) {
  int64_t y0 = oy * w->stride[0] - w->pad[0], y1 = y0 + w->kernel[0],
          bottom = x->dim[1] + w->pad[2];
  int64_t x0 = ox * w->stride[1] - w->pad[1], x1 = x0 + w->kernel[1], right = x->dim[2] + w->pad[3];
  return ((y1 < bottom ? y1 : bottom) - y0) * ((x1 < right ? x1 : right) - x0);
}

/* One result from one window of one channel: x at (n, 0, 0, c). */
typedef void pool_fn(mc_eval_cx *cx, int64_t out, int64_t in, const part *p, int64_t count);

static void average(mc_eval_cx *cx, int64_t out, int64_t in, const part *p, int64_t count) {
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  int64_t row = x->type->dim[2] * x->type->dim[3], col = x->type->dim[3], total = 0;
  float sum = 0;
  for (int64_t iy = p->y0; iy < p->y1; iy += p->dy)
    for (int64_t ix = p->x0; ix < p->x1; ix += p->dx) {
      int64_t at = in + iy * row + ix * col;
      if (mc_is_f32(x))
        sum += mc_f32_of(x)[at];
      else
        total += mc_centered(x, at);
    }
  if (mc_is_f32(x))
    ((float *)y->data)[out] = sum / (float)count;
  else
    mc_put_q(y, out, (float)total * ((x->type->q.scale / y->type->q.scale) / (float)count));
}

static void maximum(mc_eval_cx *cx, int64_t out, int64_t in, const part *p, int64_t count) {
  const mc_array *x = &cx->in[0];
  mc_array *y = &cx->out[0];
  int64_t row = x->type->dim[2] * x->type->dim[3], col = x->type->dim[3],
          best = x->type->dtype == MC_u8 ? 0 : INT8_MIN;
  float max = -INFINITY;
  (void)count;
  for (int64_t iy = p->y0; iy < p->y1; iy += p->dy)
    for (int64_t ix = p->x0; ix < p->x1; ix += p->dx) {
      int64_t at = in + iy * row + ix * col;
      if (mc_is_f32(x)) {
        float v = mc_f32_of(x)[at];
        max = v > max ? v : max;
      } else {
        int64_t v = mc_int_at(x, at);
        best = v > best ? v : best;
      }
    }
  if (mc_is_f32(x))
    ((float *)y->data)[out] = max;
  else
    mc_int_put(y, out, best);
}

static bool pool(mc_eval_cx *cx, const window *w, bool count_pad, pool_fn *fn) {
  const mc_type *x = cx->in[0].type, *y = cx->out[0].type;
  bool real = mc_is_f32(&cx->in[0]) && mc_is_f32(&cx->out[0]);
  if (!real && !(mc_is_act(&cx->in[0]) && mc_is_act(&cx->out[0]))) return mc_eval_no_form(cx);
  for (int64_t i = 0, pixels = y->dim[0] * y->dim[1] * y->dim[2]; i < pixels; i++) {
    int64_t n = i / (y->dim[1] * y->dim[2]), oy = i / y->dim[2] % y->dim[1], ox = i % y->dim[2];
    part p = part_at(w, x, oy, ox);
    int64_t count = count_pad ? with_padding(w, x, oy, ox) : inside(&p);
    for (int64_t c = 0; c < y->dim[3]; c++)
      fn(cx, i * y->dim[3] + c, n * x->dim[1] * x->dim[2] * x->dim[3] + c, &p, count);
  }
  return true;
}

static const int64_t ones[2] = { 1, 1 }, none[4] = { 0 };

bool mc_eval_max_pool(mc_eval_cx *cx) {
  const mc_attrs_max_pool *a = MC_ATTRS(cx->node, max_pool);
  return pool(cx, &(window){ a->kernel, a->stride, a->pad, a->dilation }, false, maximum);
}

bool mc_eval_avg_pool(mc_eval_cx *cx) {
  const mc_attrs_avg_pool *a = MC_ATTRS(cx->node, avg_pool);
  return pool(cx, &(window){ a->kernel, a->stride, a->pad, ones }, a->count_pad, average);
}

bool mc_eval_global_max_pool(mc_eval_cx *cx) {
  return pool(cx, &(window){ cx->in[0].type->dim + 1, ones, none, ones }, false, maximum);
}

bool mc_eval_global_avg_pool(mc_eval_cx *cx) {
  return pool(cx, &(window){ cx->in[0].type->dim + 1, ones, none, ones }, false, average);
}
