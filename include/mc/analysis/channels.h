/* Which channels stay or go together.
 *
 * Every element of the last axis of every value is a channel; channels that any op forces to exist together (residual add, concat, depthwise, flatten -> linear, per-channel constants)
 * form a class. A class is fixed when it touches something that cannot lose it: graph inputs and results, softmax or layer_norm over channels, a reshape that cuts through channels, and so on. */
#ifndef MC_ANALYSIS_CHANNELS_H
#define MC_ANALYSIS_CHANNELS_H
#include "mc/ir/graph.h"

typedef struct mc_chan_class {
  const char *fixed;              /* NULL: may be removed; else why not */
  int group;                      /* classes with the same producing layers */
  int members;                    /* elements in it */
} mc_chan_class;
typedef struct mc_chan_group { mc_node **producer; int nproducer; int size; } mc_chan_group;  /* products whose output channels these are; classes in it */
typedef struct mc_channels {
  mc_map first;                   /* value -> pointer into element[] (use mc_channels_class) */
  int *element; int nelement;     /* class of each element */
  mc_chan_class *cls; int ncls;
  mc_chan_group *group; int ngroup;
} mc_channels;
/* Analysis of the f32 values of g, in the arena. */
mc_channels *mc_channels_of(const mc_graph *g, mc_arena *a);
/* Class of channel c (last axis) of v; -1 when v is not analysed (constants, other types, rank 0). */
int mc_channels_class(const mc_channels *ch, const mc_value *v, int64_t c);
/* A conv2d with groups = c_in. */
bool mc_is_depthwise(const mc_node *n);
#endif
