/* Bounds and histograms of a graph's values over samples: what calibration chooses ranges from, and
 * what reports draw. */
#ifndef MC_MEASURE_HISTOGRAM_H
#define MC_MEASURE_HISTOGRAM_H
#include "mc/measure/samples.h"

/* Values of one tensor, in equal bins whose width is a power of two; 0 is an edge of bins. At least
 * 2048 of them from 0 to the largest magnitude. */
typedef struct mc_hist {
  float lo, hi;        /* the smallest and the largest value */
  double first, width; /* the lower end of bin 0; of each bin */
  int bins;
  uint64_t *bin;     /* [bins] */
  uint64_t n, zeros; /* elements, over all samples; those of them that are 0 */
} mc_hist;

/* The lower end of bin k; of bin `bins`: hi. Within [lo, hi]. */
float mc_hist_edge(const mc_hist *h, int k);
double mc_hist_centre(const mc_hist *h, int k);

/* What the samples show of one value. */
typedef struct mc_seen {
  float lo, hi;
  bool strange; /* a number that is not finite */
  bool nan;
  mc_hist *hist; /* over [lo, hi]; NULL when not asked for, or where the value is strange */
} mc_seen;

/* Which samples, and how they are run. */
typedef struct mc_sweep {
  const char *data; /* file; NULL or "": the one of the calibration line */
  int64_t samples;  /* 0: all */
  bool reference;   /* by the evaluator, not as compiled code */
  bool histograms;
  const char *what; /* a word for the progress bar */
} mc_sweep;

/* seen[n], of watch[n] (f32 graph inputs or results of nodes), in the context's scratch memory. One
 * pass over the samples; memory does not depend on how many there are. NULL after reporting. */
mc_seen *mc_measure_values(mc_pass_context *cx, const mc_sweep *how, mc_value **watch, int n);
#endif
