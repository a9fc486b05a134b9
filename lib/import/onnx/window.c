/* Windows of convolutions and pools: kernel_shape, strides, dilations, pads, auto_pad (ONNX
 * Operators, Conv and MaxPool). Axes: rows, columns; x: [n, c, w] is read as [n, c, 1, w]. */
#include "imp.h"
#include <string.h>

enum {
  MAX_EXTENT = 1 << 20
}; /* sizes of windows, strides, paddings: products stay far from overflow */

/* A list attribute of `per` values per spatial axis into the last axes of `to`. */
static bool list(node *n, const char *name, int axes, int64_t low, int64_t *to) {
  const int64_t *v;
  size_t k;
  if (!mc_onnx_attr_ints(n, name, &v, &k)) return true;
  if (k != (size_t)axes)
    return mc_onnx_error(n, "%s: %s has %zu values, expected %d", n->row->op, name, k, axes);
  for (int i = 0; i < axes; i++) {
    if (v[i] < low || v[i] > MAX_EXTENT)
      return mc_onnx_error(n, "%s: %s: %lld is out of range", n->row->op, name, (long long)v[i]);
    to[2 - axes + i] = v[i];
  }
  return true;
}

static bool explicit_pads(node *n, int axes, window *w) {
  const int64_t *v;
  size_t k;
  if (!mc_onnx_attr_ints(n, "pads", &v, &k)) return true;
  if (k != 2 * (size_t)axes)
    return mc_onnx_error(n, "%s: pads has %zu values, expected %d", n->row->op, k, 2 * axes);
  for (int i = 0; i < 2 * axes; i++) {
    if (v[i] < 0 || v[i] > MAX_EXTENT)
      return mc_onnx_error(n, "%s: pads: %lld is not supported", n->row->op, (long long)v[i]);
    int axis = 2 - axes + i % axes,
        end = i / axes; /* the file lists all begins, then all ends, as pad does */
    w->pad[end * 2 + axis] = v[i];
  }
  return true;
}

/* auto_pad: the output has ceil(in / stride) positions; the odd element goes to the end (UPPER) or
 * the beginning (LOWER). */
static void same_pads(const val *x, int axes, bool upper, window *w) {
  for (int a = 2 - axes; a < 2; a++) {
    int64_t in = x->dim[x->rank - 2 + a], s = w->stride[a], out = (in + s - 1) / s;
    int64_t total = (out - 1) * s + (w->kernel[a] - 1) * w->dilation[a] + 1 - in;
    if (total < 0) total = 0;
    int64_t small = total / 2, large = total - small;
    w->pad[a] = upper ? small : large;
    w->pad[2 + a] = upper ? large : small;
  }
}

bool mc_onnx_window(node *n, const val *x, const int64_t *kernel, window *w) {
  if (x->rank != 3 && x->rank != 4)
    return mc_onnx_error(
        n, "%s: an operand of rank %d is not supported (3 for one spatial axis or 4 for two)",
        n->row->op, x->rank);
  int axes = x->rank - 2;
  *w = (window){ { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, false };
  if (!kernel && !mc_onnx_attr(n, "kernel_shape"))
    return mc_onnx_error(n, "%s: kernel_shape is missing", n->row->op);
  if (!list(n, "kernel_shape", axes, 1, w->kernel)) return false;
  for (int i = 0; kernel && i < axes; i++) {
    int64_t *have = &w->kernel[2 - axes + i];
    if (mc_onnx_attr(n, "kernel_shape") && *have != kernel[i])
      return mc_onnx_error(n, "%s: kernel_shape differs from the weight's shape", n->row->op);
    if (kernel[i] > MAX_EXTENT)
      return mc_onnx_error(n, "%s: a kernel of %lld is out of range", n->row->op,
                           (long long)kernel[i]);
    *have = kernel[i];
  }
  if (!list(n, "strides", axes, 1, w->stride) || !list(n, "dilations", axes, 1, w->dilation))
    return false;
  const char *mode = mc_onnx_attr_s(n, "auto_pad", "NOTSET");
  bool same = !strcmp(mode, "SAME_UPPER") || !strcmp(mode, "SAME_LOWER");
  w->same_or_valid = same || !strcmp(mode, "VALID");
  if (same)
    same_pads(x, axes, !strcmp(mode, "SAME_UPPER"), w);
  else if (!strcmp(mode, "NOTSET") || !*mode)
    return explicit_pads(n, axes, w);
  else if (strcmp(mode, "VALID"))
    return mc_onnx_error(n, "%s: auto_pad '%s' is not known", n->row->op,
                         mc_onnx_clean(n->im->arena, mode));
  return true;
}
