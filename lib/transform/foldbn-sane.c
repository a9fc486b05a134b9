/* fold-bn: which factors may go into weights.
 *
 * A layer's sum of w x and then a factor f is not the sum of (f w) x where f w, or a partial sum of
 * them, leaves the range of fp32: sums of both signs become inf - inf. And a factor that makes
 * weights subnormal costs digits that a later factor would bring back. So a map is folded only
 * where
 *
 *   |scale| is 0 or at least 2^-40, and at most 2^40; |shift| is at most 2^64,
 *   the weights and the bias that come out are at most 2^64 in magnitude.
 *
 * With inputs up to 2^40 and 2^20 terms every partial sum stays below 2^125. batch_norm may have
 * scales as small as they come: trained gammas decay to 1e-30 and less, such a channel is its beta,
 * and what is lost is below 2^-100. A variance of 0 is fine (epsilon is below the root); scales
 * that are not finite, from negative variances or divisions by 0, are not folded. */
#include "foldbn.h"
#include <math.h>

static const double least = 0x1p-40, most = 0x1p40, large = 0x1p64;

bool map_is_sane(const affine *f, bool trained) {
  for (int64_t i = 0; i < f->n; i++) {
    double scale = fabs(f->scale[i]);
    if (!(scale <= most) || !(fabs(f->shift[i]) <= large)) return false;
    if (scale != 0 && scale < least && !trained) return false;
  }
  return true;
}

static double largest(const float *x, int64_t n) {
  double m = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) return INFINITY;
    m = fmax(m, fabs((double)x[i]));
  }
  return m;
}

bool layer_stays_sane(const mc_node *layer, const affine *f) {
  double scale = 0, shift = 0;
  for (int64_t i = 0; i < f->n; i++)
    scale = fmax(scale, fabs(f->scale[i])), shift = fmax(shift, fabs(f->shift[i]));
  int64_t rows = layer->in[1]->type->dim[0], n = mc_type_elems(layer->in[1]->type);
  double w = largest(constant_f32(layer->in[1]), n),
         b = layer->nin > 2 ? largest(constant_f32(layer->in[2]), rows) : 0;
  return w * scale <= large && b * scale + shift <= large &&
         b + (double)(n / rows) * w * shift <= large;
}
