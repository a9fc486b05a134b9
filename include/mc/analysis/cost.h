/* What a node costs, counted from shapes. */
#ifndef MC_ANALYSIS_COST_H
#define MC_ANALYSIS_COST_H
#include "mc/ir/graph.h"
typedef struct mc_cost {
  int64_t macs;           /* multiply-accumulates of ACCUM ops (padding taps counted, as the literature does) */
  int64_t flops;          /* 2 * macs for ACCUM ops, else floating or integer operations of the formula */
  int64_t params;         /* constant elements read (each constant once per graph) */
  int64_t weight_bytes, in_bytes, out_bytes;
} mc_cost;
mc_cost mc_node_cost(const mc_node *n);
mc_cost mc_graph_cost(const mc_graph *g);   /* totals; constants used twice count once */
/* Peak bytes of live activations when nodes run in order (inputs and outputs included). */
int64_t mc_graph_peak_bytes(const mc_graph *g);
#endif
