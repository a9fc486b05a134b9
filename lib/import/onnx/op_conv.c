/* Conv and ConvTranspose: NHWC with OHWI weights between two transposes. */
#include "imp.h"
#include <string.h>

/* [o, i, kh, kw] or [o, i, k] -> [o, kh, kw, i]; a known weight is permuted here, another one by
 * nodes. */
static mc_value *ohwi(node *n, val *w) {
  folded *k = w->k && w->rank == 3
                  ? mc_folded_reshape(n, w->k, 4, (int64_t[]){ w->dim[0], w->dim[1], 1, w->dim[2] })
                  : w->k;
  if (k) return mc_onnx_permuted(n, k, (int[]){ 0, 2, 3, 1 });
  return mc_onnx_to_nhwc(n, w->v);
}

static bool check_operands(node *n, const val *x, const val *w, int64_t c_in, int64_t *groups) {
  *groups = mc_onnx_attr_i(n, "group", 1);
  if (x->rank != 3 && x->rank != 4)
    return mc_onnx_error(n,
                         "%s: an operand of rank %d is not supported (convolutions have one or two "
                         "spatial axes here)",
                         n->row->op, x->rank);
  if (w->rank != x->rank)
    return mc_onnx_error(n, "%s: the weight has rank %d, the operand %d", n->row->op, w->rank,
                         x->rank);
  if (*groups < 1 || x->dim[1] % *groups)
    return mc_onnx_error(n, "%s: group %lld does not divide %lld channels", n->row->op,
                         (long long)*groups, (long long)x->dim[1]);
  if (x->dim[1] != c_in * *groups && n->row->arg == MC_OP_conv2d)
    return mc_onnx_error(n, "%s: the weight %s wants %lld channels, the operand has %lld",
                         n->row->op, mc_onnx_dims(n->im->arena, w->rank, w->dim),
                         (long long)(c_in * *groups), (long long)x->dim[1]);
  for (int i = 0; i < w->rank; i++)
    if (w->dim[i] < 1)
      return mc_onnx_error(n, "%s: the weight has shape %s", n->row->op,
                           mc_onnx_dims(n->im->arena, w->rank, w->dim));
  return true;
}

bool mc_onnx_conv(node *n, int arg) {
  (void)arg;
  val *x = n->in[0], *w = n->in[1];
  int64_t groups;
  window win;
  if (!check_operands(n, x, w, w->rank > 1 ? w->dim[1] : 0, &groups) ||
      !mc_onnx_window(n, x, w->dim + 2, &win))
    return false;
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, n->im->arena);
  memcpy(a.stride, win.stride, sizeof a.stride);
  memcpy(a.dilation, win.dilation, sizeof a.dilation);
  memcpy(a.pad, win.pad, sizeof a.pad);
  a.groups = groups;
  mc_value *in[3] = { mc_onnx_to_nhwc(n, mc_onnx_value(n, x)), ohwi(n, w), NULL };
  int nin = 2;
  if (n->nin > 2 && n->in[2]) in[nin++] = mc_onnx_value(n, n->in[2]);
  if (!in[0] || !in[1] || (nin == 3 && !in[2])) return false;
  mc_onnx_give(n, 0, x->etype,
               mc_onnx_from_nhwc(n, mc_build1(&n->im->b, MC_OP_conv2d, in, nin, &a), x->rank));
  return true;
}

/* [c_in, c_out / g, kh, kw] -> [c_out, kh, kw, c_in / g]: output channel g * co + o takes input
 * channels g * ci + i. */
static mc_value *transposed_weight(node *n, val *w, int64_t groups, const window *win) {
  int64_t ci = w->dim[0] / groups, co = w->dim[1];
  int64_t split[5] = { groups, ci, co, win->kernel[0], win->kernel[1] },
          joined[4] = { groups * co, win->kernel[0], win->kernel[1], ci };
  static const int perm[5] = { 0, 2, 3, 4, 1 };
  if (w->k) {
    int64_t in[5], dim[5], stride[5];
    mc_onnx_strides(5, split, in);
    for (int i = 0; i < 5; i++) dim[i] = split[perm[i]], stride[i] = in[perm[i]];
    folded *k = mc_folded_strided(n, mc_folded_reshape(n, w->k, 5, split), 5, dim, stride, 0);
    return k ? mc_onnx_folded_value(n, mc_folded_reshape(n, k, 4, joined)) : NULL;
  }
  return mc_onnx_reshape(n, mc_onnx_transpose(n, mc_onnx_reshape(n, w->v, 5, split), perm), 4,
                         joined);
}

/* output_shape: the padding follows from it (ONNX ConvTranspose: pads are cut from the full
 * result). */
static bool output_shape(node *n, const val *x, window *w, int64_t *out_pad) {
  const int64_t *v;
  size_t k;
  int axes = x->rank - 2;
  const char *mode = mc_onnx_attr_s(n, "auto_pad", "NOTSET");
  bool given = mc_onnx_attr_ints(n, "output_shape", &v, &k), upper = !strcmp(mode, "SAME_UPPER");
  if (!given && strcmp(mode, "SAME_UPPER") && strcmp(mode, "SAME_LOWER")) return true;
  if (given && k != (size_t)axes)
    return mc_onnx_error(n, "%s: output_shape has %zu values, expected %d", n->row->op, k, axes);
  for (int i = 0; i < axes; i++) {
    int a = 2 - axes + i;
    int64_t in = x->dim[2 + i], want = given ? v[i] : in * w->stride[a];
    int64_t total =
        w->stride[a] * (in - 1) + out_pad[a] + (w->kernel[a] - 1) * w->dilation[a] + 1 - want;
    if (want < 1 || want > ONNX_MAX_DIM)
      return mc_onnx_error(n, "%s: output_shape %lld is out of range", n->row->op, (long long)want);
    if (total < 0) out_pad[a] -= total, total = 0; /* more than the full result: zeros at the end */
    int64_t small = total / 2, large = total - small;
    w->pad[a] = upper ? small : large;
    w->pad[2 + a] = upper ? large : small;
  }
  return true;
}

bool mc_onnx_conv_transpose(node *n, int arg) {
  (void)arg;
  val *x = n->in[0], *w = n->in[1];
  int64_t groups, out_pad[2] = { 0, 0 };
  window win;
  if (!check_operands(n, x, w, 0, &groups)) return false;
  if (w->dim[0] != x->dim[1])
    return mc_onnx_error(n, "%s: the weight is for %lld channels, the operand has %lld", n->row->op,
                         (long long)w->dim[0], (long long)x->dim[1]);
  if (!mc_onnx_window(n, x, w->dim + 2, &win)) return false;
  const int64_t *v;
  size_t k;
  int axes = x->rank - 2;
  if (mc_onnx_attr_ints(n, "output_padding", &v, &k)) {
    if (k != (size_t)axes)
      return mc_onnx_error(n, "%s: output_padding has %zu values, expected %d", n->row->op, k,
                           axes);
    for (int i = 0; i < axes; i++) {
      if (v[i] < 0 || v[i] > 1 << 20)
        return mc_onnx_error(n, "%s: output_padding: %lld is out of range", n->row->op,
                             (long long)v[i]);
      out_pad[2 - axes + i] = v[i];
    }
  }
  if (!output_shape(n, x, &win, out_pad)) return false;
  mc_attrs_conv_transpose2d a;
  mc_attrs_init(MC_OP_conv_transpose2d, &a, n->im->arena);
  memcpy(a.stride, win.stride, sizeof a.stride);
  memcpy(a.dilation, win.dilation, sizeof a.dilation);
  memcpy(a.pad, win.pad, sizeof a.pad);
  memcpy(a.out_pad, out_pad, sizeof a.out_pad);
  a.groups = groups;
  mc_value *in[3] = { mc_onnx_to_nhwc(n, mc_onnx_value(n, x)),
                      transposed_weight(n, w, groups, &win), NULL };
  int nin = 2;
  if (n->nin > 2 && n->in[2]) in[nin++] = mc_onnx_value(n, n->in[2]);
  if (!in[0] || !in[1] || (nin == 3 && !in[2])) return false;
  mc_onnx_give(
      n, 0, x->etype,
      mc_onnx_from_nhwc(n, mc_build1(&n->im->b, MC_OP_conv_transpose2d, in, nin, &a), x->rank));
  return true;
}
