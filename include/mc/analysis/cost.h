/* What a node costs, counted from shapes. */
#ifndef MC_ANALYSIS_COST_H
#define MC_ANALYSIS_COST_H
#include "mc/ir/graph.h"

typedef struct mc_cost {
  int64_t
      macs; /* multiply-accumulates of ACCUM ops (padding taps counted, as the literature does) */
  int64_t flops;  /* 2 * macs for ACCUM ops, else floating or integer operations of the formula */
  int64_t params; /* constant elements read (each constant once per graph) */
  int64_t weight_bytes, in_bytes, out_bytes;
} mc_cost;

mc_cost mc_node_cost(const mc_node *n);
mc_cost mc_graph_cost(const mc_graph *g); /* totals; constants used twice count once */

/* Layers (conv2d, conv_transpose2d, linear, matmul; in groups, too) by the type of what they
 * multiply, and the products of those in INT8. */
typedef struct mc_layers {
  int int8, bf16, f32;
  int64_t macs_int8;
} mc_layers;

mc_layers mc_graph_layers(const mc_graph *g);
/* "INT8", "INT8 and fp32", "fp32", ...; "no layers". */
const char *mc_layers_text(const mc_layers *l);
/* Peak bytes of live activations when nodes run in order (inputs and outputs included). */
int64_t mc_graph_peak_bytes(const mc_graph *g);
#endif
