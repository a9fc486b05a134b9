/* Private to compress. */
#ifndef MC_COMPRESS_BN_H
#define MC_COMPRESS_BN_H
#include "mc/measure/walk.h"

/* Give every batch_norm of cx->graph with constant statistics the mean and variance that its input
 * has over the samples, in topological order (each sees the new statistics of those in front).
 * *count: how many there were. False after reporting. */
bool mc_bn_estimate(mc_pass_context *cx, const mc_walk_opts *o, int *count);
#endif
