/* Private to compress. */
#ifndef MC_COMPRESS_BN_H
#define MC_COMPRESS_BN_H
#include "mc/measure/walk.h"

/* Give every batch_norm of cx->graph with constant statistics the mean and variance that its input
 * has over the samples, in topological order (each sees the new statistics of earlier ones).
 * *count: how many there were. False after reporting. */
bool mc_bn_estimate(mc_pass_context *cx, const mc_walk_opts *o, int *count);
/* The pass fold-bn on cx->graph. False after reporting. */
bool mc_bn_fold(mc_pass_context *cx, bool *changed);
/* The same, but only where there is a batch_norm. */
bool mc_bn_fold_any(mc_pass_context *cx, bool *changed);
/* Gamma of the batch_norm that reads n's result; NULL: there is none, or it is no constant. */
mc_tensor *mc_bn_gamma(const mc_node *n);
#endif
