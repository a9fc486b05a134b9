/* Which channels stay or go together.
 *
 * Every index of every axis of every f32 value is a slot: [1,32,32,16] has 81. Slots that an op
 * forces to exist together (residual add, concat, split, depthwise and grouped convolutions,
 * flatten -> linear, heads of attention, per-channel constants) form a class; removing a class
 * removes its slots, that is a slice of each value and each constant that it passes. A class is
 * fixed when it touches what cannot be lost: inputs and results of the graph, rows and columns
 * of images, an axis that softmax or a mean runs over, a reshape that cuts through channels.
 * docs/guide/compression.md, "What can be removed". */
#ifndef MC_ANALYSIS_CHANNELS_H
#define MC_ANALYSIS_CHANNELS_H
#include "mc/ir/graph.h"

typedef struct mc_chan_class {
  const char *fixed; /* NULL: may be removed; else why not */
  int group;         /* classes with the same producing layers; -1: none */
  int members;       /* slots in it */
  bool head;         /* heads of attention: a batch axis of a product of activations */
} mc_chan_class;

/* Products whose output channels these are; classes in it; output channels of the first product
 * that a class has (a head, a group of a grouped convolution: more than one). */
typedef struct mc_chan_group {
  mc_node **producer;
  int nproducer;
  int size;
  int width;
} mc_chan_group;

typedef struct mc_channels {
  mc_map value, node; /* where slots start (use the functions below) */
  int *element;
  int nelement; /* class of each slot */
  mc_chan_class *cls;
  int ncls;
  mc_chan_group *group;
  int ngroup;
} mc_channels;

typedef struct mc_channels_opts {
  bool norms;   /* axes that layer_norm runs over may lose channels: its statistics change */
  bool outputs; /* results of the graph may lose channels of their last axis; they are put back */
  bool inside;  /* the same channels inside of each head may go, instead of whole heads */
} mc_channels_opts;

/* Analysis of the f32 values of g, in the arena; o == NULL: no option. */
mc_channels *mc_channels_of_opts(const mc_graph *g, const mc_channels_opts *o, mc_arena *a);
mc_channels *mc_channels_of(const mc_graph *g, mc_arena *a);
/* Class of channel c (last axis) of v; -1 when v is not analysed (constants, other types, rank
 * 0). */
int mc_channels_class(const mc_channels *ch, const mc_value *v, int64_t c);
/* Class of index i of an axis of v; -1 as above. */
int mc_channels_axis(const mc_channels *ch, const mc_value *v, int axis, int64_t i);
/* The same for operand `slot` of n, also when it is a constant (whose indices belong to this
 * use). */
int mc_channels_operand(const mc_channels *ch, const mc_node *n, int slot, int axis, int64_t i);
/* Class of group i of a grouped or depthwise convolution; -1: groups = 1. */
int mc_channels_conv_group(const mc_channels *ch, const mc_node *n, int64_t i);
/* A conv2d with groups = c_in. */
bool mc_is_depthwise(const mc_node *n);
/* Does n make output channels that may be removed by themselves: conv2d, conv_transpose2d or linear
 * in f32 with constant weights, not depthwise? */
bool mc_makes_channels(const mc_node *n);
#endif
