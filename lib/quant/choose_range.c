/* Ranges from histograms: percentile, entropy (KL divergence, after NVIDIA's "8-bit inference with
 * TensorRT", GTC 2017), mean squared error. docs/reference/numerics.md, "Ranges from samples". */
#include "quant.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 255, STRIDE = 8, BESIDE = 4, PILE = 4 };

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

/* ---- piles ---- */

static int by_count(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

/* One number that comes again and again (zeros of relu, what a channel makes of a black
 * background) is a pile in its bin. Every range stores it about as well, but it would drown the
 * rest: bins of more than PILE times the median of the nearest bins that hold anything, BESIDE on
 * each side, count as that median. */
static double *without_piles(const mc_hist *h, mc_arena *a) {
  double *count = MC_NEWN(a, double, MC_HIST_BINS);
  int *at = MC_NEWN(a, int, MC_HIST_BINS), n = 0;
  for (int k = 0; k < MC_HIST_BINS; k++)
    if (h->bin[k]) at[n++] = k;
  for (int i = 0; i < n; i++) {
    uint32_t near[2 * BESIDE];
    size_t m = 0;
    for (int k = i - BESIDE; k <= i + BESIDE; k++)
      if (k >= 0 && k < n && k != i) near[m++] = h->bin[at[k]];
    qsort(near, m, sizeof *near, by_count);
    double own = h->bin[at[i]], median = m ? near[m / 2] : own;
    count[at[i]] = own > PILE * median ? median : own;
  }
  return count;
}

/* ---- entropy ---- */

/* Bins [a, b) of the counts stay; what lies outside moves to the outermost of them that hold
 * anything. */
typedef struct cut {
  const double *count;
  int a, b, first, last;    /* first, last: that hold anything; -1: none does */
  double sum, below, above; /* of all counts; outside */
} cut;

static cut cut_at(const double *count, int a, int b) {
  cut c = { .count = count, .a = a, .b = b, .first = -1, .last = -1 };
  for (int k = 0; k < MC_HIST_BINS; k++) {
    c.sum += count[k];
    if (k < a) c.below += count[k];
    if (k >= b) c.above += count[k];
    if (k < a || k >= b || !(count[k] > 0)) continue;
    if (c.first < 0) c.first = k;
    c.last = k;
  }
  return c;
}

/* P: the histogram with what was cut. */
static double p_of(const cut *c, int k) {
  return c->count[k] + (k == c->first ? c->below : 0) + (k == c->last ? c->above : 0);
}

/* What level [from, to) adds to the divergence of P and Q, and to the bins that hold anything. */
static double kl_of_level(const cut *c, int from, int to, int *used) {
  double mass = 0, kl = 0, inside = c->sum - c->below - c->above;
  *used = 0;
  for (int k = from; k < to; k++) mass += c->count[k], *used += c->count[k] > 0;
  for (int k = from; k < to; k++) {
    double p = p_of(c, k) / c->sum;
    if (!(p > 0)) continue;
    kl += p * log(p / (mass / *used / inside));
  }
  return kl;
}

/* Kullback-Leibler divergence between P and Q, the counts within the range seen through 255 equal
 * levels and spread over the bins of each that hold anything, less what chance alone makes of n
 * counts: 1 / 2n for each bin but one of a level (Miller, "Note on the bias of information
 * estimates", 1955). */
static double divergence(const cut *c, uint64_t n) {
  double kl = 0;
  int bins = c->b - c->a, free = 0, used;
  for (int l = 0; l < LEVELS; l++) {
    int from = c->a + l * bins / LEVELS, to = c->a + (l + 1) * bins / LEVELS;
    kl += kl_of_level(c, from, to, &used);
    if (used) free += used - 1;
  }
  return kl - free / (2 * (double)n);
}

/* The first bin at or above x. */
static int bin_of(const mc_hist *h, double x) {
  double k = rint((x - (double)h->lo) / ((double)h->hi - (double)h->lo) * MC_HIST_BINS);
  return k < 0 ? 0 : k > MC_HIST_BINS ? MC_HIST_BINS : (int)k;
}

/* The threshold of magnitudes with the least divergence; of equal ones the largest. */
static mc_range by_entropy(const mc_hist *h) {
  mc_arena *t = mc_arena_create();
  const double *count = without_piles(h, t);
  double most = fmax(-(double)h->lo, (double)h->hi), least = INFINITY;
  int a = 0, b = MC_HIST_BINS;
  for (int i = MC_HIST_BINS; i > 0; i -= STRIDE) {
    double at = most * i / MC_HIST_BINS;
    int from = bin_of(h, -at), to = bin_of(h, at);
    if (to - from < LEVELS) break;
    cut c = cut_at(count, from, to);
    double kl = c.first < 0 ? INFINITY : divergence(&c, h->n);
    if (kl < least) least = kl, a = from, b = to;
  }
  mc_arena_destroy(t);
  return (mc_range){ true, mc_hist_edge(h, a), mc_hist_edge(h, b) };
}

/* ---- mean squared error ---- */

/* Clipped parts squared, and step^2 / 12 for what lies inside. Zeros are exact in every range: the
 * bin that holds 0 counts without its pile. */
static double squared_error(const mc_hist *h, const double *count, double lo, double hi) {
  double step = (fmax(hi, 0) - fmin(lo, 0)) / LEVELS, sum = 0;
  int zero = h->lo <= 0 && h->hi >= 0 ? bin_of(h, 0) : -1;
  for (int k = 0; k < MC_HIST_BINS; k++) {
    double n = k == zero || k == zero - 1 ? count[k] : h->bin[k];
    double x = mc_hist_centre(h, k), over = x < lo ? lo - x : x > hi ? x - hi : 0;
    sum += n * (over > 0 ? over * over : step * step / 12);
  }
  return sum;
}

/* Each end in turn, the other as it is, until neither moves. */
static mc_range by_error(const mc_hist *h) {
  enum { TURNS = 4, PARTS = 100 };

  mc_arena *t = mc_arena_create();
  const double *count = without_piles(h, t);
  double lo = (double)h->lo, hi = (double)h->hi, least = squared_error(h, count, lo, hi);
  for (int turn = 0; turn < TURNS; turn++)
    for (int i = PARTS; i > 0; i--) {
      double end = (double)(turn % 2 ? h->lo : h->hi) * i / PARTS;
      if (turn % 2 ? h->lo >= 0 : h->hi <= 0) break;
      double e = turn % 2 ? squared_error(h, count, end, hi) : squared_error(h, count, lo, end);
      if (!(e < least)) continue;
      least = e;
      *(turn % 2 ? &lo : &hi) = end;
    }
  mc_arena_destroy(t);
  return (mc_range){ true, (float)lo, (float)hi };
}

mc_range mc_hist_range(const mc_hist *h, mc_e_calib method, double percentile) {
  mc_range all = { true, h->lo, h->hi };
  if (!(h->hi > h->lo) || !h->n) return all;
  switch (method) {
  case mc_calib_percentile: return by_percentile(h, percentile);
  case mc_calib_entropy: return by_entropy(h);
  case mc_calib_mse: return by_error(h);
  case mc_calib_max:
  case mc_calib_count_: break;
  }
  return all;
}
