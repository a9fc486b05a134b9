/* Proof that 32-bit accumulators do not overflow (docs/reference/numerics.md, "The accumulator
 * cannot overflow"). */
#ifndef MC_ANALYSIS_ACCUM_H
#define MC_ANALYSIS_ACCUM_H
#include "mc/ir/graph.h"
/* Largest |accumulator| that n, a product of quantized operands, can reach over all inputs, by
 * channel: max |x - z| * sum |w| + |bias|. Operands that are not constants count with the range of
 * their type. *channel (may be NULL): where. 0 for f32. Saturates at INT64_MAX. */
int64_t mc_accum_bound(const mc_node *n, int64_t *channel);
/* Largest |sum of q - z| that n, a sum or mean of quantized elements (avg_pool, global_avg_pool,
 * reduce_sum, reduce_mean), can reach over all inputs. 0 for other ops. Saturates. */
int64_t mc_accum_sum_bound(const mc_node *n);
/* Whether such a sum of n's elements fits 32 bits for any u8 or i8 operand; true for other ops. */
bool mc_accum_sum_fits(const mc_node *n);
/* Report every product and every such sum of g, regions included, whose bound passes 2^31 - 1. */
bool mc_accum_check(const mc_graph *g, mc_diag *d);
#endif
