/* Who is coupled to whom: which channels must stay or go together. */
#ifndef MC_ANALYSIS_CHANNELS_H
#define MC_ANALYSIS_CHANNELS_H
#include "mc/ir/graph.h"
/* A slice of one axis of a constant or an activation: index i of the coupling group stands at base + i * stride_in_axis (+ repeat * period for flatten -> linear). */
typedef struct mc_chan_use {
  mc_node *node; int operand;         /* operand slot (constants), or -1: result */
  mc_tensor *tensor;                  /* the constant, or NULL for activations */
  int axis;
  int64_t base, step, repeat, period; /* element index along axis of channel i, repetition r: base + i * step + r * period, r < repeat */
  bool produces;                      /* output channels of an ACCUM op's weights: they define importance */
} mc_chan_use;
typedef struct mc_chan_group { int64_t channels; mc_chan_use *use; int nuse; bool fixed; const char *why; /* fixed: may not be pruned, and why */ } mc_chan_group;
typedef struct mc_chan_groups { mc_chan_group *g; int n; } mc_chan_groups;
mc_chan_groups mc_channel_groups(const mc_graph *g, mc_arena *a);
#endif
