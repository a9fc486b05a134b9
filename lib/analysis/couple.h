/* Slots while classes are formed: union-find over single indices of axes. Simple, exact for any
 * mixture of couplings, and small (a ResNet-50 has some 150,000). Private to analysis. */
#ifndef MC_ANALYSIS_COUPLE_H
#define MC_ANALYSIS_COUPLE_H
#include "mc/analysis/channels.h"

/* A slot while classes are formed; fixed, head and live are kept at roots. live: chosen to stand
 * for an axis that was split. */
typedef struct cell {
  int parent;
  const char *fixed;
  bool head, live;
} cell;

/* A run of slots: an axis. first < 0: not analysed. */
typedef struct run {
  int first;
  int64_t n;
} run;

/* An axis whose index is (i_1, ..., i_n) of finer axes: only one of those may lose indices, the
 * others stay whole (else what is left is no box). Which one is settled when it is known what is
 * fixed. */
typedef struct merge {
  run whole, part[MC_MAX_RANK];
  int n;
  bool done;
} merge;

typedef struct coupling {
  const mc_graph *g;
  mc_arena *a;
  mc_channels_opts o;
  mc_map value, node; /* -> axes */
  MC_VEC(cell) slot;
  MC_VEC(merge) merge;
} coupling;

run couple_value(coupling *c, const mc_value *v, int i);
run couple_operand(coupling *c, const mc_node *n, int slot, int i);
/* A new axis that no value has. */
run couple_new(coupling *c, int64_t n);
int couple_root(coupling *c, int s);
void couple_join(coupling *c, int a, int b);
/* Index i of x with index i of y, all of them; one that is not analysed fixes the other. */
void couple_axes(coupling *c, run x, run y);
run couple_part(run x, int64_t at, int64_t n);
void couple_fix(coupling *c, run x, const char *why);
bool couple_is_fixed(coupling *c, run x);
/* The axis stands for one that was split: others that are split along it follow. */
void couple_live(coupling *c, run x);
void couple_merge(coupling *c, run whole, const run *part, int n);

/* One node: all its couplings. */
void couple_node(coupling *c, const mc_node *n);
void couple_reshape(coupling *c, const mc_node *n);
/* Choose for each merge, after all nodes. */
void couple_settle(coupling *c);
/* First slot of the groups of a convolution, kept at the end of a node's list. */
void couple_note_groups(coupling *c, const mc_node *n, run groups);
#endif
