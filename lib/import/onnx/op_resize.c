/* Resize and Upsample of two spatial axes: [n, c, h, w] (or [n, c, w]), and [n, h, w, c] where the
 * file resizes axes 1 and 2. */
#include "imp.h"
#include <math.h>
#include <string.h>

typedef struct plan {
  int64_t size[MC_MAX_RANK];
  float scale[MC_MAX_RANK];
  mc_attrs_resize a;
} plan; /* scale 0: size / in */

static int word_in(const char *s, const char *const *names) {
  for (int i = 0; names[i]; i++)
    if (!strcmp(s, names[i])) return i;
  return -1;
}

/* The size is floor(in * scale), computed in f32 as elsewhere. Where that is in * scale but for
 * rounding, positions follow the sizes; else they follow the scale. */
static bool from_scales(node *n, const val *x, const folded *scales, const bool *mask, plan *p) {
  int j = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!mask[i]) continue;
    float s = mc_folded_f32(scales, j++), size = floorf((float)x->dim[i] * s);
    double exact = (double)x->dim[i] * (double)s, whole = floor(exact + 1e-4);
    if (!(s > 0) || size > 1e6f)
      return mc_onnx_error(n, "%s: a scale of %g for an axis of %lld", n->row->op, (double)s,
                           (long long)x->dim[i]);
    bool fits = fabs(exact - whole) <= 1e-4;
    p->size[i] = fits ? (int64_t)whole : (int64_t)size;
    p->scale[i] = fits ? 0 : s;
    if (p->size[i] < 1)
      return mc_onnx_error(n, "%s: a scale of %g leaves nothing of an axis of %lld", n->row->op,
                           (double)s, (long long)x->dim[i]);
  }
  return true;
}

/* keep_aspect_ratio_policy: one scale for all axes, the smallest or the largest that the sizes ask
 * for; sizes are rounded from it. */
static bool keep_ratio(node *n, const val *x, const bool *mask, bool smaller, plan *p) {
  double scale = smaller ? INFINITY : 0;
  for (int i = 0; i < x->rank; i++) {
    double own = (double)p->size[i] / (double)x->dim[i];
    if (mask[i]) scale = smaller ? fmin(scale, own) : fmax(scale, own);
  }
  for (int i = 0; i < x->rank; i++) {
    if (!mask[i]) continue;
    double exact = scale * (double)x->dim[i];
    p->size[i] = (int64_t)floor(exact + 0.5);
    p->scale[i] = fabs(exact - (double)p->size[i]) <= 1e-6 ? 0 : (float)scale;
    if (p->size[i] < 1 || p->size[i] > 1000000)
      return mc_onnx_error(n, "%s: a size of %lld", n->row->op, (long long)p->size[i]);
  }
  return true;
}

static bool from_sizes(node *n, const val *x, const folded *sizes, const bool *mask, plan *p) {
  int j = 0;
  const char *policy = mc_onnx_attr_s(n, "keep_aspect_ratio_policy", "stretch");
  bool smaller = !strcmp(policy, "not_larger"), larger = !strcmp(policy, "not_smaller");
  if (!smaller && !larger && strcmp(policy, "stretch"))
    return mc_onnx_error(n, "%s: keep_aspect_ratio_policy '%s' is not known", n->row->op,
                         mc_onnx_clean(n->im->arena, policy));
  for (int i = 0; i < x->rank; i++) {
    if (!mask[i]) continue;
    p->size[i] = mc_folded_int(sizes, j++);
    if (p->size[i] < 1 || p->size[i] > 1000000)
      return mc_onnx_error(n, "%s: a size of %lld", n->row->op, (long long)p->size[i]);
  }
  return (!smaller && !larger) || keep_ratio(n, x, mask, smaller, p);
}

/* Scales as a file has them for the given axes, in the axes' order. */
static folded *by_axis(node *n, const folded *k, const int64_t *axes, int64_t count,
                       const bool *mask, int rank) {
  folded *r = mc_folded_new(n, k->etype, 1, &count);
  for (int a = 0, j = 0; r && a < rank; a++) {
    if (!mask[a]) continue;
    for (int64_t i = 0; i < count; i++) {
      if ((axes[i] < 0 ? axes[i] + rank : axes[i]) != a) continue;
      if (mc_onnx_is_real(k->etype))
        mc_folded_set_f32(r, j, mc_folded_f32(k, i));
      else
        mc_folded_set_int(r, j, mc_folded_int(k, i));
    }
    j++;
  }
  return r;
}

/* Attributes of Upsample before opset 9: scales, or (before 7) one for the rows and one for the
 * columns. */
static bool attr_scales(node *n, const val *x, folded **scales) {
  const pb_attr *attr = mc_onnx_attr(n, "scales");
  bool old = mc_onnx_attr(n, "height_scale") || mc_onnx_attr(n, "width_scale");
  int64_t dim = attr ? (int64_t)attr->n_floats : x->rank;
  *scales = NULL;
  if (!attr && !old) return true;
  if (old && x->rank != 4)
    return mc_onnx_error(n, "%s: height_scale for an operand of rank %d", n->row->op, x->rank);
  if (!(*scales = mc_folded_new(n, ONNX_FLOAT, 1, &dim))) return false;
  for (int64_t i = 0; i < dim; i++)
    mc_folded_set_f32(*scales, i,
                      attr    ? attr->floats[i]
                      : i < 2 ? 1
                              : mc_onnx_attr_f(n, i == 2 ? "height_scale" : "width_scale", 1));
  return true;
}

/* The operand that gives scales or sizes, and the axes that it is for. */
static bool target_size(node *n, const val *x, plan *p) {
  bool mask[MC_MAX_RANK];
  const int64_t *axes = NULL;
  size_t k = 0;
  for (int i = 0; i < MC_MAX_RANK; i++) p->size[i] = x->dim[i], mask[i] = i < x->rank;
  if (mc_onnx_attr_ints(n, "axes", &axes, &k) && !mc_onnx_axes(n, axes, (int64_t)k, x->rank, mask))
    return false;
  int64_t count = axes ? (int64_t)k : x->rank;
  folded *scales;
  if (!attr_scales(n, x, &scales)) return false;
  int at = n->im->opset < 11 ? 1 : 2;
  val *s = n->nin > at ? n->in[at] : NULL, *z = n->nin > 3 ? n->in[3] : NULL;
  if (s && (!s->k || s->k->n)) {
    if (!s->k) return mc_onnx_error(n, "%s: scales must be known while importing", n->row->op);
    scales = s->k;
  }
  if (scales && scales->n) {
    if (scales->n != count)
      return mc_onnx_error(n, "%s: %lld scales for %lld axes", n->row->op, (long long)scales->n,
                           (long long)count);
    if (axes && !(scales = by_axis(n, scales, axes, count, mask, x->rank))) return false;
    return from_scales(n, x, scales, mask, p);
  }
  if (!z || !z->k)
    return mc_onnx_error(n, "%s: %s", n->row->op,
                         z ? "sizes must be known while importing"
                           : "neither scales nor sizes are given");
  if (z->k->n != count)
    return mc_onnx_error(n, "%s: %lld sizes for %lld axes", n->row->op, (long long)z->k->n,
                         (long long)count);
  folded *sizes = axes ? by_axis(n, z->k, axes, count, mask, x->rank) : z->k;
  return sizes && from_sizes(n, x, sizes, mask, p);
}

static bool modes(node *n, plan *p) {
  static const char *const mode_words[] = { "nearest", "linear", "bilinear", NULL };
  bool old =
      n->im->opset < 11; /* Upsample and the first Resize: asymmetric positions, rounded down */
  const char *mode = mc_onnx_attr_s(n, "mode", "nearest"),
             *coord = mc_onnx_attr_s(n, "coordinate_transformation_mode",
                                     old ? "asymmetric" : "half_pixel");
  const char *round = mc_onnx_attr_s(n, "nearest_mode", old ? "floor" : "round_prefer_floor");
  int m = word_in(mode, mode_words), c = word_in(coord, mc_names_coord),
      r = word_in(round, mc_names_nearest);
  if (m < 0)
    return mc_onnx_error(n, "%s: mode '%s' is not supported", n->row->op,
                         mc_onnx_clean(n->im->arena, mode));
  if (!strcmp(coord, "tf_crop_and_resize"))
    return mc_onnx_error(n,
                         "%s: coordinate_transformation_mode 'tf_crop_and_resize' (regions of "
                         "interest) is not supported",
                         n->row->op);
  if (c < 0)
    return mc_onnx_error(n, "%s: coordinate_transformation_mode '%s' is not supported", n->row->op,
                         mc_onnx_clean(n->im->arena, coord));
  if (r < 0)
    return mc_onnx_error(n, "%s: nearest_mode '%s' is not known", n->row->op,
                         mc_onnx_clean(n->im->arena, round));
  p->a.mode = m ? mc_resize_bilinear : mc_resize_nearest;
  p->a.coord = c;
  p->a.round = r;
  if (mc_onnx_attr_i(n, "antialias", 0))
    return mc_onnx_error(n, "%s: antialias is not supported", n->row->op);
  return true;
}

/* ONNX's own test data take size * scale for the new size here, though it is no whole number
 * (github.com/onnx/onnx/issues/2462: intended); ONNX Runtime, PyTorch and TVM take the whole one.
 */
static void warn_of_corners(node *n, const val *x, const plan *p) {
  bool differs = false;
  for (int i = 0; i < x->rank; i++) differs |= p->scale[i] > 0 && p->size[i] > 1;
  if (p->a.coord != mc_coord_align_corners || !differs) return;
  mc_warning(
      n->im->diag, n->loc,
      "%s: align_corners with a scale that gives no whole size: computed as ONNX defines it, "
      "ONNX Runtime gives other values; export with sizes to have the same everywhere",
      n->row->op);
}

bool mc_onnx_resize(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  plan p = { 0 };
  if (!modes(n, &p) || !target_size(n, x, &p)) return false;
  warn_of_corners(n, x, &p);
  bool changed[MC_MAX_RANK], any = false;
  for (int i = 0; i < x->rank; i++) any |= changed[i] = p.size[i] != x->dim[i] || p.scale[i] > 0;
  mc_value *v = mc_onnx_value(n, x);
  if (!v) return false;
  if (!any) return mc_onnx_give_val(n, 0, x), true;
  bool last = x->rank == 4 && !changed[0] && !changed[3] && changed[1]; /* NHWC already */
  if (!last && ((x->rank != 3 && x->rank != 4) || changed[0] || changed[1]))
    return mc_onnx_error(n, "%s: only two spatial axes can be resized", n->row->op);
  p.a.size[0] = last ? p.size[1] : x->rank == 3 ? 1 : p.size[2];
  p.a.size[1] = last ? p.size[2] : x->rank == 3 ? p.size[2] : p.size[3];
  p.a.scale[0] = last ? p.scale[1] : x->rank == 3 ? 0 : p.scale[2];
  p.a.scale[1] = last ? p.scale[2] : x->rank == 3 ? p.scale[2] : p.scale[3];
  v = mc_onnx_op1(n, MC_OP_resize, last ? v : mc_onnx_to_nhwc(n, v), &p.a);
  mc_onnx_give(n, 0, x->etype, v = last ? v : mc_onnx_from_nhwc(n, v, x->rank));
  return v != NULL;
}
