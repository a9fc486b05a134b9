/* Proof that 32-bit accumulators do not overflow (docs/reference/numerics.md, "The accumulator
 * cannot overflow"). */
#ifndef MC_ANALYSIS_ACCUM_H
#define MC_ANALYSIS_ACCUM_H
#include "mc/ir/graph.h"
/* Largest |accumulator| that n, a product of quantized operands, can reach over all inputs, by
 * channel: max |x - z| * sum |w| + |bias|. Operands that are not constants count with the range of
 * their type. *channel (may be NULL): where. 0 for f32. Saturates at INT64_MAX. */
int64_t mc_accum_bound(const mc_node *n, int64_t *channel);
/* Report every product of g, regions included, whose bound passes 2^31 - 1. */
bool mc_accum_check(const mc_graph *g, mc_diag *d);
#endif
