#include "mc/measure/histogram.h"
#include <math.h>

void mc_hist_add(mc_hist *h, const float *x, int64_t n) {
  float width = h->hi - h->lo, to_bin = width > 0 ? (float)MC_HIST_BINS / width : 0;
  for (int64_t i = 0; i < n; i++) {
    float b = (x[i] - h->lo) * to_bin;
    int k = b > 0 ? b < MC_HIST_BINS - 1 ? (int)b : MC_HIST_BINS - 1 : 0;
    h->bin[k]++;
  }
  h->n += (uint64_t)n;
}

/* The share is exact (bins are a power of two), and the product cannot overflow where the range is
 * finite. */
float mc_hist_edge(const mc_hist *h, int k) {
  return h->lo + (h->hi - h->lo) * ((float)k / (float)MC_HIST_BINS);
}

double mc_hist_centre(const mc_hist *h, int k) {
  return (double)h->lo + (double)(h->hi - h->lo) * (k + 0.5) / (double)MC_HIST_BINS;
}

static void see_bounds(void *ctx, int k, const float *x, int64_t n) {
  mc_seen *s = (mc_seen *)ctx + k;
  float lo = s->lo, hi = s->hi;
  for (int64_t i = 0; i < n; i++) {
    if (x[i] < lo) lo = x[i];
    if (x[i] > hi) hi = x[i];
    if (isfinite(x[i])) continue;
    s->strange = true;
    s->nan |= isnan(x[i]);
  }
  s->lo = lo;
  s->hi = hi;
}

static void see_bins(void *ctx, int k, const float *x, int64_t n) {
  mc_seen *s = (mc_seen *)ctx + k;
  if (s->hist) mc_hist_add(s->hist, x, n);
}

static bool sweep(mc_pass_context *cx, const mc_sweep *how, mc_samples *x, const char *of,
                  mc_see *see, mc_seen *seen) {
  const char *what = mc_arena_printf(cx->scratch, "%s: %s", how->what, of);
  return mc_samples_sweep(x, how->samples, what, see, seen);
}

mc_seen *mc_measure_values(mc_pass_context *cx, const mc_sweep *how, mc_value **watch, int n) {
  mc_seen *seen = MC_NEWN(cx->scratch, mc_seen, n + 1);
  for (int k = 0; k < n; k++) seen[k] = (mc_seen){ .lo = INFINITY, .hi = -INFINITY };
  mc_samples *x = mc_samples_open(cx, how->data, watch, n, how->reference);
  if (!x) return NULL;
  bool ok = sweep(cx, how, x, "bounds", see_bounds, seen);
  if (ok && how->histograms) {
    for (int k = 0; k < n; k++) {
      if (seen[k].strange) continue;
      seen[k].hist = MC_NEW(cx->scratch, mc_hist);
      seen[k].hist->lo = seen[k].lo;
      seen[k].hist->hi = seen[k].hi;
    }
    ok = sweep(cx, how, x, "histograms", see_bins, seen);
  }
  mc_samples_close(x);
  return ok ? seen : NULL;
}
