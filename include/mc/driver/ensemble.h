/* Several networks as one whose results are the means of theirs (docs/guide/confidence.md). */
#ifndef MC_DRIVER_ENSEMBLE_H
#define MC_DRIVER_ENSEMBLE_H
#include "mc/ir/graph.h"

/* What is averaged: mc_mean_words. */
typedef enum mc_mean {
  MC_MEAN_PROBABILITIES, /* softmax of results that are none yet */
  MC_MEAN_LOGITS,        /* what softmax reads; softmax comes after the mean where the first member
                            ends in one */
  MC_MEAN_RESULTS        /* the results as they are */
} mc_mean;

extern const char *const mc_mean_words[]; /* "probabilities", "logits", "results", NULL */

/* A new module with the first graph of each of the n members (2 or more), which it owns from then
 * on, also where it fails. Inputs go together by their names, or where each graph has a single one;
 * types must be equal, and so must the shapes of results, in f32. weight: n numbers above 0, which
 * are divided by their sum; NULL: all alike. name[k] is what messages call member k; diagnostics
 * point into the members' texts. NULL after reporting. */
mc_module *mc_driver_ensemble(mc_module *const *member, const char *const *name, int n,
                              mc_mean mean, const double *weight, mc_diag *d);
#endif
