/* A part of a graph, from values that are given to values that are wanted, as compiled code. */
#ifndef MC_MEASURE_SLICE_H
#define MC_MEASURE_SLICE_H
#include "mc/pass/pass.h"

typedef struct mcm_slice mcm_slice;
/* given: inputs or results of nodes of g; want: results of nodes of g, none of them given; no
 * constants, nothing twice, no values of regions. g is copied as it is now; its tensors must
 * outlive the slice. Without a runner the reference evaluator runs it. NULL after reporting. */
mcm_slice *mcm_slice_open(mc_pass_context *cx, const mc_graph *g, mc_value *const *given,
                          int ngiven, mc_value *const *want, int nwant);
/* in[k], out[k]: dense data of given[k] and want[k], aligned to 64 bytes. */
bool mcm_slice_run(mcm_slice *s, const void *const *in, void *const *out);
/* NULL is allowed. */
void mcm_slice_close(mcm_slice *s);
/* A copy of the graph alone in a module of its own; pairs (may be NULL): value of g -> its copy. */
mc_graph *mcm_graph_copy(const mc_graph *g, mc_map *pairs);
#endif
