/* Ranges from histograms: percentile, entropy (KL divergence, after NVIDIA's "8-bit inference with
 * TensorRT", GTC 2017), mean squared error. docs/reference/numerics.md, "Ranges from samples". */
#include "quant.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 255, BESIDE = 4, PILE = 4, PARTS = 256, TURNS = 4 };

/* A one-sided distribution (relu) is cut on its far side only. */
static mc_range by_percentile(const mc_hist *h, double percentile) {
  double outside = (1 - percentile / 100) * (double)h->n;
  bool low = h->lo < 0, high = h->hi > 0;
  double each = low && high ? outside / 2 : outside, sum = 0;
  int a = 0, b = h->bins;
  while (low && a < h->bins - 1 && sum + (double)h->bin[a] <= each) sum += (double)h->bin[a++];
  for (sum = 0; high && b > a + 1 && sum + (double)h->bin[b - 1] <= each;)
    sum += (double)h->bin[--b];
  return (mc_range){ true, mc_hist_edge(h, a), mc_hist_edge(h, b) };
}

/* ---- piles ---- */

static int by_count(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* One number that comes again and again (zeros of relu, what a channel makes of a black
 * background) is a pile in its bin. Every range stores it about as well, but it would drown the
 * rest: bins of more than PILE times the median of the nearest bins that hold anything, BESIDE on
 * each side, count as that median. */
static double *without_piles(const mc_hist *h, mc_arena *a) {
  double *count = MC_NEWN(a, double, h->bins);
  int *at = MC_NEWN(a, int, h->bins), n = 0;
  for (int k = 0; k < h->bins; k++)
    if (h->bin[k]) at[n++] = k;
  for (int i = 0; i < n; i++) {
    uint64_t near[2 * BESIDE];
    size_t m = 0;
    for (int k = i - BESIDE; k <= i + BESIDE; k++)
      if (k >= 0 && k < n && k != i) near[m++] = h->bin[at[k]];
    qsort(near, m, sizeof *near, by_count);
    double own = (double)h->bin[at[i]], median = m ? (double)near[m / 2] : own;
    count[at[i]] = own > (double)PILE * median ? median : own;
  }
  return count;
}

/* The first bin that begins at or above x, to the nearest edge. */
static int bin_of(const mc_hist *h, double x) {
  double k = rint((x - h->first) / h->width);
  return k < 0 ? 0 : k > h->bins ? h->bins : (int)k;
}

/* ---- entropy ---- */

/* Sums over the bins before one; element `bins`: over all. */
typedef struct sums {
  double *count, *log; /* of counts c; of c log c */
  int *used;           /* bins that hold anything */
} sums;

static double times_log(double x) { return x > 0 ? x * log(x) : 0; }

static sums sums_of(const double *count, int bins, mc_arena *a) {
  sums s = { MC_NEWN(a, double, bins + 1), MC_NEWN(a, double, bins + 1),
             MC_NEWN(a, int, bins + 1) };
  for (int k = 0; k < bins; k++) {
    s.count[k + 1] = s.count[k] + count[k];
    s.log[k + 1] = s.log[k] + times_log(count[k]);
    s.used[k + 1] = s.used[k] + (count[k] > 0);
  }
  return s;
}

/* What the range [a, b) makes of its outermost bins that hold anything: sum p log p grows by this
 * when `outside` moves to a bin of c. */
static double moved(double c, double outside) { return times_log(c + outside) - times_log(c); }

/* Bins [a, b) of the histogram; first, last: the outermost that hold anything. */
typedef struct cut {
  int a, b, first, last;
} cut;

/* Kullback-Leibler divergence between P, the counts with what lies outside of the cut in its first
 * and last bin, and Q, the counts inside seen through 255 equal levels and spread over the bins of
 * each that hold anything, less what chance alone makes of n counts: 1 / 2n for each bin but one of
 * a level (Miller, "Note on the bias of information estimates", 1955). Sum p log(p / q) with
 * p = P / all, q = mass / used / inside. */
static double divergence(const sums *s, const double *count, cut c, int bins, uint64_t n) {
  double all = s->count[bins], inside = s->count[c.b] - s->count[c.a];
  double below = s->count[c.a], above = all - s->count[c.b];
  double kl = s->log[c.b] - s->log[c.a];
  if (c.first == c.last)
    kl += moved(count[c.first], below + above);
  else
    kl += moved(count[c.first], below) + moved(count[c.last], above);
  int free = 0;
  for (int l = 0; l < LEVELS; l++) {
    int from = c.a + l * (c.b - c.a) / LEVELS, to = c.a + (l + 1) * (c.b - c.a) / LEVELS;
    int used = s->used[to] - s->used[from];
    if (!used) continue;
    double mass = s->count[to] - s->count[from], p = mass;
    if (from <= c.first && c.first < to) p += below;
    if (from <= c.last && c.last < to) p += above;
    kl -= p * log(mass / used / inside);
    free += used - 1;
  }
  return (kl - all * log(all)) / all - free / (2 * (double)n);
}

/* The threshold of magnitudes with the least divergence; of equal ones the largest. */
static mc_range by_entropy(const mc_hist *h) {
  mc_arena *t = mc_arena_create();
  const double *count = without_piles(h, t);
  sums s = sums_of(count, h->bins, t);
  double most = fmax(-(double)h->lo, (double)h->hi), least = INFINITY;
  cut best = { 0, h->bins, 0, 0 };
  for (int i = PARTS; i > 0; i--) {
    cut c = { bin_of(h, -most * i / (double)PARTS), bin_of(h, most * i / (double)PARTS), 0, 0 };
    if (i == PARTS) c.a = 0, c.b = h->bins;
    if (c.b - c.a < LEVELS || s.used[c.b] == s.used[c.a]) break;
    for (c.first = c.a; !(count[c.first] > 0);) c.first++;
    for (c.last = c.b - 1; !(count[c.last] > 0);) c.last--;
    double kl = divergence(&s, count, c, h->bins, h->n);
    if (kl < least) least = kl, best = c;
  }
  mc_arena_destroy(t);
  return (mc_range){ true, mc_hist_edge(h, best.a), mc_hist_edge(h, best.b) };
}

/* ---- mean squared error ---- */

/* Sums over the bins before one, of counts, and of those times their centres and the squares. */
typedef struct powers {
  double *n, *x, *xx;
} powers;

/* Zeros are exact in every range, and left out. */
static powers powers_of(const mc_hist *h, mc_arena *a) {
  powers p = { MC_NEWN(a, double, h->bins + 1), MC_NEWN(a, double, h->bins + 1),
               MC_NEWN(a, double, h->bins + 1) };
  int zero = h->zeros ? (int)rint(-h->first / h->width) : -1;
  for (int k = 0; k < h->bins; k++) {
    double n = (double)(h->bin[k] - (k == zero ? h->zeros : 0)), x = mc_hist_centre(h, k);
    p.n[k + 1] = p.n[k] + n;
    p.x[k + 1] = p.x[k] + n * x;
    p.xx[k + 1] = p.xx[k] + n * x * x;
  }
  return p;
}

/* Squared distances from x to the bins [a, b), summed. */
static double distances(const powers *p, int a, int b, double x) {
  return p->xx[b] - p->xx[a] - 2 * x * (p->x[b] - p->x[a]) + x * x * (p->n[b] - p->n[a]);
}

/* Of numbers rounded to the levels of [lo, hi], summed: squared distances of what is clipped, and
 * step^2 / 12 for what is not. */
static double squared_error(const mc_hist *h, const powers *p, double lo, double hi) {
  double step = (fmax(hi, 0) - fmin(lo, 0)) / (double)LEVELS;
  int a = bin_of(h, lo), b = bin_of(h, hi);
  if (hi >= (double)h->hi) b = h->bins;
  return distances(p, 0, a, lo) + distances(p, b, h->bins, hi) +
         (p->n[b] - p->n[a]) * step * step / 12;
}

/* Each end in turn, the other as it is. */
static mc_range by_error(const mc_hist *h) {
  mc_arena *t = mc_arena_create();
  powers p = powers_of(h, t);
  double lo = (double)h->lo, hi = (double)h->hi, least = squared_error(h, &p, lo, hi);
  for (int turn = 0; turn < TURNS; turn++)
    for (int i = PARTS; i > 0; i--) {
      double end = (double)(turn % 2 ? h->lo : h->hi) * i / (double)PARTS;
      if (turn % 2 ? h->lo >= 0 : h->hi <= 0) break;
      double e = turn % 2 ? squared_error(h, &p, end, hi) : squared_error(h, &p, lo, end);
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
