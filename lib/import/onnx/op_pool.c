/* Pools. ceil_mode becomes explicit padding at the end, so that the size is ONNX's own: a last
 * window that would start in the padding is left out. */
#include "imp.h"
#include <string.h>

/* Extra rows and columns at the end that make the rounded-up number of windows fit. */
static void ceil_extra(const val *x, const window *w, int64_t *extra) {
  int axes = x->rank - 2;
  for (int a = 2 - axes; a < 2; a++) {
    int64_t in = x->dim[x->rank - 2 + a], s = w->stride[a],
            ek = (w->kernel[a] - 1) * w->dilation[a] + 1;
    int64_t padded = in + w->pad[a] + w->pad[2 + a];
    if (padded < ek) continue;
    int64_t out = (padded - ek + s - 1) / s + 1;
    if ((out - 1) * s >= in + w->pad[a]) out--;
    int64_t need = (out - 1) * s + ek - padded;
    if (need > 0) extra[a] = need;
  }
}

/* The window, and what ceil_mode adds at the end. */
static bool pool_window(node *n, window *w, int64_t *extra) {
  extra[0] = extra[1] = 0;
  if (!mc_onnx_window(n, n->in[0], NULL, w)) return false;
  if (mc_onnx_attr_i(n, "ceil_mode", 0) && !w->same_or_valid) ceil_extra(n->in[0], w, extra);
  return true;
}

bool mc_onnx_max_pool(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  window w;
  int64_t extra[2];
  if (!pool_window(n, &w, extra)) return false;
  mc_attrs_max_pool a = { .kernel = { w.kernel[0], w.kernel[1] },
                          .stride = { w.stride[0], w.stride[1] },
                          .dilation = { w.dilation[0], w.dilation[1] },
                          .pad = { w.pad[0], w.pad[1], w.pad[2] + extra[0], w.pad[3] + extra[1] } };
  mc_value *y = mc_onnx_op1(n, MC_OP_max_pool, mc_onnx_to_nhwc(n, mc_onnx_value(n, x)), &a);
  mc_onnx_give(n, 0, x->etype, mc_onnx_from_nhwc(n, y, x->rank));
  return y != NULL;
}

/* Of one axis: elements of each window that count, those of padding that counts too. */
static int64_t *counts(node *n, int64_t in, int64_t out, const window *w, int axis,
                       bool count_pad) {
  int64_t *c = MC_NEWN(n->im->arena, int64_t, out), low = count_pad ? -w->pad[axis] : 0,
          high = in + (count_pad ? w->pad[2 + axis] : 0);
  for (int64_t o = 0; o < out; o++)
    for (int64_t k = 0; k < w->kernel[axis]; k++) {
      int64_t at = o * w->stride[axis] - w->pad[axis] + k * w->dilation[axis];
      c[o] += at >= low && at < high;
    }
  return c;
}

/* The sums of dilated windows times these are their means. x and sums: NHWC. */
static mc_value *over_counts(node *n, mc_value *sums, const mc_value *x, const window *w,
                             bool count_pad) {
  const int64_t *in = x->type->dim, *out = sums->type->dim;
  const int64_t *rows = counts(n, in[1], out[1], w, 0, count_pad),
                *cols = counts(n, in[2], out[2], w, 1, count_pad);
  folded *k = mc_folded_new(n, ONNX_FLOAT, 4, (int64_t[]){ 1, out[1], out[2], 1 });
  for (int64_t i = 0; k && i < k->n; i++) {
    int64_t count = rows[i / out[2]] * cols[i % out[2]];
    mc_folded_set_f32(k, i, count ? 1.0f / (float)count : 0);
  }
  return k ? mc_onnx_op2(n, MC_OP_mul, sums, mc_onnx_folded_value(n, k), NULL) : NULL;
}

/* Dilated windows have no pool of their own: a depthwise convolution with weights 1 / count where
 * every window has the same count, else with weights 1, and factors after it. */
static mc_value *dilated_mean(node *n, mc_value *x, const window *w, const int64_t *extra,
                              bool count_pad) {
  bool padded = w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3],
       even = (!padded || count_pad) && !extra[0] && !extra[1];
  int64_t c = x->type->dim[3], dim[4] = { c, w->kernel[0], w->kernel[1], 1 };
  folded *k = mc_folded_new(n, ONNX_FLOAT, 4, dim);
  if (!k) return NULL;
  for (int64_t i = 0; i < k->n; i++)
    mc_folded_set_f32(k, i, even ? 1.0f / (float)(w->kernel[0] * w->kernel[1]) : 1.0f);
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, n->im->arena);
  memcpy(a.stride, w->stride, sizeof a.stride);
  memcpy(a.dilation, w->dilation, sizeof a.dilation);
  for (int i = 0; i < 4; i++) a.pad[i] = w->pad[i] + (i >= 2 ? extra[i - 2] : 0);
  a.groups = c;
  mc_value *y = mc_onnx_op2(n, MC_OP_conv2d, x, mc_onnx_folded_value(n, k), &a);
  return even || !y ? y : over_counts(n, y, x, w, count_pad);
}

bool mc_onnx_avg_pool(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  window w;
  int64_t extra[2];
  if (!pool_window(n, &w, extra)) return false;
  bool any_pad = w.pad[0] || w.pad[1] || w.pad[2] || w.pad[3], any_extra = extra[0] || extra[1];
  bool count_pad = mc_onnx_attr_i(n, "count_include_pad", 0) && any_pad;
  mc_value *v = mc_onnx_to_nhwc(n, mc_onnx_value(n, x));
  if (!v) return false;
  if (w.dilation[0] != 1 || w.dilation[1] != 1) {
    v = dilated_mean(n, v, &w, extra, count_pad);
  } else {
    if (count_pad && any_extra) { /* the padding counts, what ceil_mode adds does not */
      v = mc_onnx_pad(n, v, (int64_t[]){ 0, w.pad[0], w.pad[1], 0 },
                      (int64_t[]){ 0, w.pad[2], w.pad[3], 0 }, mc_padmode_constant, 0);
      memset(w.pad, 0, sizeof w.pad);
      count_pad = false;
    }
    mc_attrs_avg_pool a = { .kernel = { w.kernel[0], w.kernel[1] },
                            .stride = { w.stride[0], w.stride[1] },
                            .pad = { w.pad[0], w.pad[1], w.pad[2] + extra[0], w.pad[3] + extra[1] },
                            .count_pad = count_pad };
    v = mc_onnx_op1(n, MC_OP_avg_pool, v, &a);
  }
  mc_onnx_give(n, 0, x->etype, mc_onnx_from_nhwc(n, v, x->rank));
  return v != NULL;
}

/* |x|, or its square; NULL after reporting: other p are not read. */
static mc_value *powered(node *n, int64_t p) {
  mc_value *x = mc_onnx_value(n, n->in[0]);
  if (p != 1 && p != 2)
    return mc_onnx_error(n, "%s: p %lld, expected 1 or 2", n->row->op, (long long)p), NULL;
  return p == 1 ? mc_onnx_op1(n, MC_OP_abs, x, NULL) : mc_onnx_op2(n, MC_OP_mul, x, x, NULL);
}

/* Sums of |x|^p, and the root: the mean of a window whose padding counts, times its size. */
bool mc_onnx_lp_pool(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  window w;
  int64_t extra[2], p = mc_onnx_attr_i(n, "p", 2);
  if (!pool_window(n, &w, extra)) return false;
  if (w.dilation[0] != 1 || w.dilation[1] != 1)
    return mc_onnx_error(n, "LpPool: dilations are not supported");
  mc_attrs_avg_pool a = { .kernel = { w.kernel[0], w.kernel[1] },
                          .stride = { w.stride[0], w.stride[1] },
                          .count_pad = true,
                          .pad = { w.pad[0], w.pad[1], w.pad[2] + extra[0], w.pad[3] + extra[1] } };
  mc_value *v = powered(n, p);
  v = mc_onnx_op1(n, MC_OP_avg_pool, v ? mc_onnx_to_nhwc(n, v) : NULL, &a);
  v = mc_onnx_op2(n, MC_OP_mul, v, v ? mc_onnx_scalar(n, (float)(w.kernel[0] * w.kernel[1])) : NULL,
                  NULL);
  if (p == 2) v = mc_onnx_op1(n, MC_OP_sqrt, v, NULL);
  mc_onnx_give(n, 0, x->etype, v = mc_onnx_from_nhwc(n, v, x->rank));
  return v != NULL;
}

bool mc_onnx_global_lp_pool(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  int64_t p = mc_onnx_attr_i(n, "p", 2);
  bool mask[MC_MAX_RANK] = { false, false, true, true, true, true, true, true };
  if (x->rank < 3)
    return mc_onnx_error(n, "GlobalLpPool: an operand of rank %d has no spatial axes", x->rank);
  mc_value *v = powered(n, p);
  v = v ? mc_onnx_reduce(n, MC_OP_reduce_sum, v, mask, true) : NULL;
  if (p == 2) v = mc_onnx_op1(n, MC_OP_sqrt, v, NULL);
  mc_onnx_give(n, 0, x->etype, v);
  return v != NULL;
}

/* arg: the op for two spatial axes. Other ranks reduce. */
bool mc_onnx_global_pool(node *n, int arg) {
  val *x = n->in[0];
  if (x->rank < 3)
    return mc_onnx_error(n, "%s: an operand of rank %d has no spatial axes", n->row->op, x->rank);
  mc_value *v = mc_onnx_value(n, x);
  if (x->rank == 4) {
    mc_onnx_give(
        n, 0, x->etype,
        v = mc_onnx_from_nhwc(n, mc_onnx_op1(n, (mc_opcode)arg, mc_onnx_to_nhwc(n, v), NULL), 4));
    return v != NULL;
  }
  bool mask[MC_MAX_RANK] = { false, false, true, true, true, true, true, true };
  v = mc_onnx_reduce(n, arg == MC_OP_global_max_pool ? MC_OP_reduce_max : MC_OP_reduce_mean, v,
                     mask, true);
  mc_onnx_give(n, 0, x->etype, v);
  return v != NULL;
}
