/* Ranges from histograms: percentile, entropy (KL divergence, after NVIDIA's "8-bit inference with
 * TensorRT", GTC 2017), mean squared error. */
#include "quant.h"
#include <math.h>
#include <string.h>

/* A one-sided distribution (relu) is cut on its far side only. */
static mc_range by_percentile(const mc_hist *h, double percentile) {
  double outside = (1 - percentile / 100) * (double)h->n;
  bool low = h->lo < 0, high = h->hi > 0;
  double each = low && high ? outside / 2 : outside, sum = 0;
  int a = 0, b = MC_HIST_BINS;
  while (low && a < MC_HIST_BINS - 1 && sum + h->bin[a] <= each) sum += h->bin[a++];
  for (sum = 0; high && b > a + 1 && sum + h->bin[b - 1] <= each;) sum += h->bin[--b];
  return (mc_range){ true, mc_hist_edge(h, a), mc_hist_edge(h, b) };
}

/* The range [lo, hi] shrunk to a share f of both ends. */
static mc_range shrunk(const mc_hist *h, double f) {
  return (mc_range){ true, (float)(h->lo < 0 ? h->lo * f : h->lo),
                     (float)(h->hi > 0 ? h->hi * f : h->hi) };
}

static double mse_of(const mc_hist *h, mc_range r) {
  double lo = fmin(r.lo, 0), hi = fmax(r.hi, 0), step = (hi - lo) / 255, sum = 0;
  for (int k = 0; k < MC_HIST_BINS; k++) {
    if (!h->bin[k]) continue;
    double x = mc_hist_centre(h, k), c = x < lo ? lo : x > hi ? hi : x;
    double over = x - c; /* clipped part; inside, rounding costs step^2 / 12 on average */
    sum += h->bin[k] * (over != 0 ? over * over : step * step / 12);
  }
  return sum;
}

/* relu piles up zeros, which every range stores exactly; in the bin next to 0 they would drown the
 * rest, so its neighbour's count stands for it. */
static double count(const mc_hist *h, int k) {
  if (k == 0 && h->lo >= 0) k = 1;
  return h->bin[k];
}

/* Kullback-Leibler divergence between the clipped histogram P (outliers moved to its edges) and Q,
 * P seen through 255 equal levels spread back over P's non-empty bins. */
static double kl_of(const mc_hist *h, mc_range r) {
  double p[MC_HIST_BINS] = { 0 }, q[MC_HIST_BINS] = { 0 },
         width = (double)(h->hi - h->lo) / (double)MC_HIST_BINS;
  int a = (int)floor((r.lo - h->lo) / width + 0.5), b = (int)ceil((r.hi - h->lo) / width - 0.5), n,
      levels = 255;
  if (a < 0) a = 0;
  if (b > MC_HIST_BINS) b = MC_HIST_BINS;
  n = b - a;
  if (n < levels) return INFINITY;
  double sum = 0;
  for (int k = 0; k < MC_HIST_BINS; k++) {
    int at = k < a ? a : k >= b ? b - 1 : k;
    p[at - a] += count(h, k);
    sum += count(h, k);
  }
  for (int l = 0; l < levels; l++) {
    int from = (int)((int64_t)l * n / levels), to = (int)((int64_t)(l + 1) * n / levels), used = 0;
    double mass = 0;
    for (int k = from; k < to; k++) mass += count(h, a + k), used += p[k] > 0;
    for (int k = from; k < to; k++)
      if (p[k] > 0) q[k] = mass / used;
  }
  double qs = 0, kl = 0;
  for (int k = 0; k < n; k++) qs += q[k];
  if (qs <= 0) return INFINITY;
  for (int k = 0; k < n; k++)
    if (p[k] > 0) kl += p[k] / sum * log((p[k] / sum) / (q[k] > 0 ? q[k] / qs : 1e-12));
  return kl;
}

static mc_range best_of(const mc_hist *h, double (*loss)(const mc_hist *, mc_range)) {
  mc_range best = shrunk(h, 1);
  double least = loss(h, best);
  for (int i = 99; i >= 30; i--) {
    mc_range r = shrunk(h, i / 100.0);
    double l = loss(h, r);
    if (l < least) least = l, best = r;
  }
  return best;
}

mc_range mc_hist_range(const mc_hist *h, mc_e_calib method, double percentile) {
  mc_range all = { true, h->lo, h->hi };
  if (!(h->hi > h->lo) || !h->n) return all;
  switch (method) {
  case mc_calib_percentile: return by_percentile(h, percentile);
  case mc_calib_entropy: return best_of(h, kl_of);
  case mc_calib_mse: return best_of(h, mse_of);
  case mc_calib_max:
  case mc_calib_count_: break;
  }
  return all;
}
