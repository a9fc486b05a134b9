/* Counting in bins of [-HALF w, HALF w), w a power of two that grows with what is seen: neighbours
 * then become one, and 0 stays an edge. Loops over LANES are what compilers turn into vectors. */
#include "counter.h"
#include <math.h>
#include <string.h>

enum { HALF = 4096, BINS = 2 * HALF, LANES = 16, PIECE = 1024, LEAST = -126, NO_BITS = 12 };

struct mcm_counter {
  float low, high;
  mc_seen seen;
  uint64_t *bin; /* [BINS]; NULL: bounds only */
  int exponent;  /* of w */
  uint64_t n, zeros;
};

/* ---- bounds ---- */

typedef struct lanes {
  float lo[LANES], hi[LANES];
  int32_t nan[LANES];
} lanes;

static void add_lanes(lanes *l, const float *x) {
  for (int i = 0; i < LANES; i++) {
    l->lo[i] = x[i] < l->lo[i] ? x[i] : l->lo[i];
    l->hi[i] = x[i] > l->hi[i] ? x[i] : l->hi[i];
    l->nan[i] |= x[i] != x[i];
  }
}

mcm_bounds mcm_bounds_of(const float *x, int64_t n) {
  lanes l = { .nan = { 0 } };
  float rest[LANES];
  for (int i = 0; i < LANES; i++) l.lo[i] = INFINITY, l.hi[i] = -INFINITY, rest[i] = n ? x[0] : 0;
  int64_t at = 0;
  for (; at + LANES <= n; at += LANES) add_lanes(&l, x + at);
  if (at < n) {
    memcpy(rest, x + at, sizeof *x * (size_t)(n - at));
    add_lanes(&l, rest);
  }
  mcm_bounds b = { INFINITY, -INFINITY, false };
  for (int i = 0; i < LANES; i++) {
    b.lo = l.lo[i] < b.lo ? l.lo[i] : b.lo;
    b.hi = l.hi[i] > b.hi ? l.hi[i] : b.hi;
    b.nan |= l.nan[i] != 0;
  }
  return b;
}

/* ---- counts ---- */

mcm_counter *mcm_counter_new(float low, float high, bool histogram, mc_arena *a) {
  mcm_counter *c = MC_NEW(a, mcm_counter);
  *c = (mcm_counter){ .low = low, .high = high, .exponent = LEAST };
  c->seen = (mc_seen){ .lo = INFINITY, .hi = -INFINITY };
  if (histogram) c->bin = MC_NEWN(a, uint64_t, BINS);
  return c;
}

static void add_bound(mcm_counter *c, float x) {
  x = mcm_cut(x, c->low, c->high);
  c->seen.strange |= !isfinite(x);
  c->seen.nan |= isnan(x);
  if (x < c->seen.lo) c->seen.lo = x;
  if (x > c->seen.hi) c->seen.hi = x;
}

/* Floor of i / 2^s. */
static int half(int i, int s) { return i >= 0 ? i >> s : -((-i + (1 << s) - 1) >> s); }

/* Bins that all magnitudes up to `most` fit into. */
static void grow(mcm_counter *c, float most) {
  int e, s;
  frexpf(most, &e);
  if (most == 0 || (s = e - NO_BITS - c->exponent) <= 0) return;
  c->exponent += s;
  if (c->n == 0) return;
  uint64_t old[BINS];
  memcpy(old, c->bin, sizeof old);
  memset(c->bin, 0, sizeof old);
  for (int i = 0; i < BINS; i++)
    c->bin[half(i - HALF, s < NO_BITS ? s : NO_BITS + 1) + HALF] += old[i];
}

/* Bins of x [PIECE]; how many are 0. */
static int bins_of(const mcm_counter *c, const float *x, int *at) {
  float scale = ldexpf(1, -c->exponent), low = c->low, high = c->high;
  int zeros = 0;
  for (int i = 0; i < PIECE; i++) {
    float y = x[i] > low ? x[i] : low;
    y = y < high ? y : high;
    zeros += y == 0;
    at[i] = (int)(y * scale + (float)HALF);
  }
  return zeros;
}

/* x [n], n at most PIECE; the last piece is filled up with its first element. */
static void count_piece(mcm_counter *c, const float *x, int n) {
  int at[PIECE];
  float rest[PIECE];
  if (n < PIECE) {
    for (int i = 0; i < PIECE; i++) rest[i] = x[i < n ? i : 0];
    x = rest;
  }
  int zeros = bins_of(c, x, at);
  if (mcm_cut(x[0], c->low, c->high) == 0) zeros -= PIECE - n;
  for (int i = 0; i < n; i++) c->bin[at[i] < BINS ? at[i] : BINS - 1]++;
  c->zeros += (uint64_t)zeros;
}

void mcm_count(mcm_counter *c, const mcm_bounds *b, const float *x, int64_t n) {
  if (b->nan) add_bound(c, NAN);
  if (b->lo <= b->hi) add_bound(c, b->lo), add_bound(c, b->hi);
  if (!c->bin || c->seen.strange) return;
  grow(c, fmaxf(fabsf(c->seen.lo), fabsf(c->seen.hi)));
  for (int64_t i = 0; i < n; i += PIECE)
    count_piece(c, x + i, (int)(n - i < PIECE ? n - i : PIECE));
  c->n += (uint64_t)n;
}

mc_seen mcm_counter_seen(const mcm_counter *c, mc_arena *a) {
  mc_seen s = c->seen;
  if (!c->bin || s.strange || !c->n) return s;
  int from = BINS, to = 0;
  for (int k = 0; k < BINS; k++)
    if (c->bin[k]) from = k < from ? k : from, to = k + 1;
  s.hist = MC_NEW(a, mc_hist);
  *s.hist = (mc_hist){ .lo = s.lo,
                       .hi = s.hi,
                       .first = ldexp(from - HALF, c->exponent),
                       .width = ldexp(1, c->exponent),
                       .bins = to - from,
                       .bin = c->bin + from,
                       .n = c->n,
                       .zeros = c->zeros };
  return s;
}
