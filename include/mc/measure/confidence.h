/* How far a classifier's probabilities can be trusted, from labelled samples:
 * docs/guide/confidence.md.
 */
#ifndef MC_MEASURE_CONFIDENCE_H
#define MC_MEASURE_CONFIDENCE_H
#include "mc/support/arena.h"
#include <stdint.h>

/* Samples whose largest probability lies in one part of [0, 1]. */
typedef struct mc_confidence_bin {
  int64_t n, right;
  double confidence; /* sum of the largest probabilities */
} mc_confidence_bin;

/* Sums over n samples. Bin i holds confidences in (i / bins, (i + 1) / bins]. */
typedef struct mc_confidence {
  int64_t n, bins;
  double nll, brier;
  mc_confidence_bin *bin;
} mc_confidence;

enum { MC_CONFIDENCE_BINS = 15 }; /* where nobody says how many */

/* No samples yet; the bins are in the arena. */
mc_confidence mc_confidence_new(int64_t bins, mc_arena *a);
/* One more sample: its probabilities p[classes] and its label in [0, classes). */
void mc_confidence_add(mc_confidence *c, const double *p, int64_t classes, int64_t label);
/* z[n], scores, become their softmax. */
void mc_confidence_softmax(double *z, int64_t n);
/* The expected calibration error, in [0, 1]; of no samples 0. */
double mc_confidence_ece(const mc_confidence *c);
#endif
