/* Lifetimes in execution order. */
#ifndef MC_ANALYSIS_LIVE_H
#define MC_ANALYSIS_LIVE_H
#include "mc/ir/graph.h"

typedef struct mc_interval {
  mc_value *value;
  int first, last;
} mc_interval; /* positions of top-level nodes; first = defining node (-1: graph input), last = last
                  use (uses inside regions count for the region's node; results returned live to the
                  end) */

typedef struct mc_liveness {
  mc_interval *iv;
  int n;
  int nodes;
} mc_liveness;

/* Intervals of graph inputs and of results of the top-level nodes of g, in order of definition;
 * constants are left out. In the arena. */
mc_liveness mc_liveness_of(const mc_graph *g, mc_arena *a);
#endif
