/* Bounds and histograms of a graph's values over samples: what calibration chooses ranges from, and
 * what reports draw. */
#ifndef MC_MEASURE_HISTOGRAM_H
#define MC_MEASURE_HISTOGRAM_H
#include "mc/measure/samples.h"

enum { MC_HIST_BINS = 2048 };

/* Values of one tensor, in equal bins over [lo, hi]; what lies outside is in the outermost bins. */
typedef struct mc_hist {
  float lo, hi;
  uint32_t bin[MC_HIST_BINS];
  uint64_t n; /* elements, over all samples */
} mc_hist;

void mc_hist_add(mc_hist *h, const float *x, int64_t n);
/* The lower end of bin k; of bin MC_HIST_BINS: hi. */
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
  bool histograms;  /* a second pass over the samples */
  const char *what; /* a word for the progress bar */
} mc_sweep;

/* seen[n], of watch[n] (f32 graph inputs or results of nodes), in the context's scratch memory.
 * NULL after reporting. */
mc_seen *mc_measure_values(mc_pass_context *cx, const mc_sweep *how, mc_value **watch, int n);
#endif
