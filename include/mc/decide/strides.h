/* How a group sees memory, and the space that its loops walk: numbers alone, no code. */
#ifndef MC_DECIDE_STRIDES_H
#define MC_DECIDE_STRIDES_H
#include "mc/ir/graph.h"

enum { MC_PLAN_SLACK = 64 }; /* bytes after a value in the arena that may be read */

/* Element (i0, i1, ...) lies sum i_d * stride[d] bytes after the first; stride 0 repeats. */
typedef struct mc_strides {
  mc_dtype dtype;
  int rank;
  int64_t stride[MC_MAX_RANK];
  bool slack; /* MC_PLAN_SLACK bytes after the last element may be read */
} mc_strides;

/* A value whose elements lie one after the other, row-major. */
mc_strides mc_strides_dense(const mc_type *t);
/* What a transpose gives, of its operand's strides; back: of its operand, of its result's. */
mc_strides mc_strides_transposed(mc_strides s, const mc_node *transpose, bool back);
/* The same value broadcast (numpy rules) to a space of `rank` axes. */
mc_strides mc_strides_broadcast(mc_strides s, const mc_type *t, int rank, const int64_t *dim);
/* Merge neighbouring axes of [first, keep) where all n lists of strides allow it; axes from keep on
 * stay. Returns the new rank; dim and the lists change. */
int mc_collapse(int first, int rank, int64_t *dim, int64_t **stride, int n, int keep);
#endif
