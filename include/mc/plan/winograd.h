/* Winograd's minimal filtering F(4x4, 3x3) in exact integers: which convolutions can take it, and
 * what it costs them. docs/internals/winograd.md. */
#ifndef MC_PLAN_WINOGRAD_H
#define MC_PLAN_WINOGRAD_H
#include "mc/ir/graph.h"
#include "mc/target/target.h"

/* NULL when n is a convolution whose integer sums the transformed products give exactly on t:
 * conv2d of 3x3, stride 1, dilation 1, one group, 8-bit input, constant i8 weights, channels in
 * multiples of 16, at least 4x4 results, and |sum x * w| < 2^25 for every input. Else why not. */
const char *mc_winograd_refused(const mc_node *n, const mc_target *t);
/* Bytes that ready weights take beyond those of the direct form. */
int64_t mc_winograd_growth(const mc_node *n);
#endif
