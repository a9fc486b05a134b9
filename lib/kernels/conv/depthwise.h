/* Depthwise convolution: the forms beside the general one of depthwise.c. */
#ifndef MC_KERNELS_DEPTHWISE_H
#define MC_KERNELS_DEPTHWISE_H
#include "lower.h"
/* The whole group on interleaved rows (depthwise_interleaved.c). False after reporting. */
bool emit_depthwise_interleaved(kgroup *g);
/* Tells the epilogue the range of a depthwise convolution's integer sums, from its constant weights
 * and bias (NULL: none), of `taps` weights for each of c channels. */
void depthwise_bound_sums(kepilogue *x, const mc_node *head, const int8_t *weight,
                          const int32_t *bias, int64_t c, int64_t taps);
#endif
