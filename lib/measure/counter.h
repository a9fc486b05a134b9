/* Bounds and counts of one value, sample after sample. */
#ifndef MC_MEASURE_COUNTER_H
#define MC_MEASURE_COUNTER_H
#include "mc/measure/histogram.h"
#include <math.h>

/* What a piece of a tensor holds. NaN is in neither lo nor hi. */
typedef struct mcm_bounds {
  float lo, hi;
  bool nan;
} mcm_bounds;

mcm_bounds mcm_bounds_of(const float *x, int64_t n);

/* As the op clamp does: an infinite bound is not applied, NaN becomes the first that is. */
static inline float mcm_cut(float x, float low, float high) {
  if (low != -INFINITY) x = x > low ? x : low;
  if (high != INFINITY) x = x < high ? x : high;
  return x;
}

typedef struct mcm_counter mcm_counter;
/* For values cut to [low, high]; in the arena. */
mcm_counter *mcm_counter_new(float low, float high, bool histogram, mc_arena *a);
/* x [n], whose bounds are b. Once a number that is not finite was seen, nothing is counted. */
void mcm_count(mcm_counter *c, const mcm_bounds *b, const float *x, int64_t n);
/* All of it until now. */
mc_seen mcm_counter_seen(const mcm_counter *c, mc_arena *a);
#endif
