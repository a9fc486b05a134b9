/* Weights kept small in the object (mcc -compress-weights): a bit for each element, and the
 * elements that are not 0 (docs/internals/zero-weights.md, "Weights kept small"). */
#ifndef MC_ANALYSIS_PACKED_H
#define MC_ANALYSIS_PACKED_H
#include "mc/ir/graph.h"
#include "mc/target/target.h"

/* Bytes of n elements of which `used` are not 0: n / 8 + used * size. */
int64_t mc_packed_bytes(int64_t n, int64_t used, int64_t size);
/* Elements that are not 0 (bits other than 0: -0.0 counts). */
int64_t mc_packed_used(const mc_tensor *w);
/* Why the weights of this product are not kept so; NULL: they are, as far as its types and weights
 * say. */
const char *mc_packed_refused(const mc_target *t, const mc_node *head);
#endif
