/* Resize and Upsample of two spatial axes: [n, c, h, w] (or [n, c, w]), and [n, h, w, c] where the file resizes axes 1 and 2. */
#include "imp.h"
#include <math.h>
#include <string.h>

typedef struct plan { int64_t size[MC_MAX_RANK]; mc_attrs_resize a; } plan;

static int word_in(const char *s, const char *const *names) {
  for (int i = 0; names[i]; i++)
    if (!strcmp(s, names[i])) return i;
  return -1;
}

/* Sizes from an operand of scales: floor(in * scale); only where that scale is out / in again, as the language computes positions. */
static bool from_scales(node *n, const val *x, const konst *scales, const bool *mask, plan *p) {
  int j = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!mask[i]) continue;
    double s = (double)mc_konst_f32(scales, j++), exact = (double)x->dim[i] * s, size = floor(exact + 1e-4);
    if (!(s > 0) || size < 1 || size > 1e6) return mc_onnx_error(n, "%s: a scale of %g for an axis of %lld", n->row->op, s, (long long)x->dim[i]);
    if (fabs(exact - size) > 1e-4) return mc_onnx_error(n, "%s: a scale of %g does not give a whole size for an axis of %lld: not supported", n->row->op, s, (long long)x->dim[i]);
    p->size[i] = (int64_t)size;
  }
  return true;
}

static bool from_sizes(node *n, const val *x, const konst *sizes, const bool *mask, plan *p) {
  int j = 0;
  const char *policy = mc_onnx_attr_s(n, "keep_aspect_ratio_policy", "stretch");
  if (strcmp(policy, "stretch")) return mc_onnx_error(n, "%s: keep_aspect_ratio_policy '%s' is not supported", n->row->op, mc_onnx_clean(n->im->arena, policy));
  for (int i = 0; i < x->rank; i++) {
    if (!mask[i]) continue;
    p->size[i] = mc_konst_int(sizes, j++);
    if (p->size[i] < 1 || p->size[i] > 1000000) return mc_onnx_error(n, "%s: a size of %lld", n->row->op, (long long)p->size[i]);
  }
  return true;
}

/* The operand that gives scales or sizes, and the axes that it is for. */
static bool target_size(node *n, const val *x, plan *p) {
  bool mask[MC_MAX_RANK];
  const int64_t *axes;
  size_t k;
  for (int i = 0; i < MC_MAX_RANK; i++) p->size[i] = x->dim[i], mask[i] = i < x->rank;
  if (mc_onnx_attr_ints(n, "axes", &axes, &k)) {
    if (!mc_onnx_axes(n, axes, (int64_t)k, x->rank, mask)) return false;
    for (size_t i = 1; i < k; i++)
      if (axes[i] < axes[i - 1]) return mc_onnx_error(n, "%s: axes out of order are not supported", n->row->op);
  }
  int64_t count = 0;
  for (int i = 0; i < x->rank; i++) count += mask[i];
  const pb_attr *attr = mc_onnx_attr(n, "scales");
  konst *scales = NULL;
  if (attr) {
    int64_t dim = (int64_t)attr->n_floats;
    if (!(scales = mc_konst_new(n, ONNX_FLOAT, 1, &dim))) return false;
    for (int64_t i = 0; i < dim; i++) mc_konst_set_f32(scales, i, attr->floats[i]);
  }
  int at = n->im->opset < 11 ? 1 : 2;
  val *s = n->nin > at ? n->in[at] : NULL, *z = n->nin > 3 ? n->in[3] : NULL;
  if (s && (!s->k || s->k->n)) {
    if (!s->k) return mc_onnx_error(n, "%s: scales must be known while importing", n->row->op);
    scales = s->k;
  }
  if (scales && scales->n) {
    if (scales->n != count) return mc_onnx_error(n, "%s: %lld scales for %lld axes", n->row->op, (long long)scales->n, (long long)count);
    return from_scales(n, x, scales, mask, p);
  }
  if (!z || !z->k) return mc_onnx_error(n, "%s: %s", n->row->op, z ? "sizes must be known while importing" : "neither scales nor sizes are given");
  if (z->k->n != count) return mc_onnx_error(n, "%s: %lld sizes for %lld axes", n->row->op, (long long)z->k->n, (long long)count);
  return from_sizes(n, x, z->k, mask, p);
}

static bool modes(node *n, plan *p) {
  static const char *const mode_words[] = { "nearest", "linear", "bilinear", NULL };
  bool old = n->im->opset < 11;   /* Upsample and the first Resize: asymmetric positions, rounded down */
  const char *mode = mc_onnx_attr_s(n, "mode", "nearest"), *coord = mc_onnx_attr_s(n, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const char *round = mc_onnx_attr_s(n, "nearest_mode", old ? "floor" : "round_prefer_floor");
  int m = word_in(mode, mode_words), c = word_in(coord, mc_names_coord), r = word_in(round, mc_names_nearest);
  if (m < 0) return mc_onnx_error(n, "%s: mode '%s' is not supported", n->row->op, mc_onnx_clean(n->im->arena, mode));
  if (c < 0) return mc_onnx_error(n, "%s: coordinate_transformation_mode '%s' is not supported", n->row->op, mc_onnx_clean(n->im->arena, coord));
  if (r < 0) return mc_onnx_error(n, "%s: nearest_mode '%s' is not known", n->row->op, mc_onnx_clean(n->im->arena, round));
  p->a.mode = m ? mc_resize_bilinear : mc_resize_nearest;
  p->a.coord = c;
  p->a.round = r;
  if (mc_onnx_attr_i(n, "antialias", 0)) return mc_onnx_error(n, "%s: antialias is not supported", n->row->op);
  return true;
}

bool mc_onnx_resize(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  plan p = { 0 };
  if (!modes(n, &p) || !target_size(n, x, &p)) return false;
  bool changed[MC_MAX_RANK], any = false;
  for (int i = 0; i < x->rank; i++) any |= changed[i] = p.size[i] != x->dim[i];
  mc_value *v = mc_onnx_value(n, x);
  if (!v) return false;
  if (!any) return mc_onnx_give_val(n, 0, x), true;
  bool last = x->rank == 4 && !changed[0] && !changed[3] && changed[1];   /* NHWC already */
  if (!last && ((x->rank != 3 && x->rank != 4) || changed[0] || changed[1])) return mc_onnx_error(n, "%s: only two spatial axes can be resized", n->row->op);
  p.a.size[0] = last ? p.size[1] : x->rank == 3 ? 1 : p.size[2];
  p.a.size[1] = last ? p.size[2] : x->rank == 3 ? p.size[2] : p.size[3];
  v = mc_onnx_op1(n, MC_OP_resize, last ? v : mc_onnx_to_nhwc(n, v), &p.a);
  mc_onnx_give(n, 0, x->etype, v = last ? v : mc_onnx_from_nhwc(n, v, x->rank));
  return v != NULL;
}
