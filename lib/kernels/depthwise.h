/* Depthwise convolution: the forms beside the general one of depthwise.c. */
#ifndef MC_KERNELS_DEPTHWISE_H
#define MC_KERNELS_DEPTHWISE_H
#include "lower.h"
/* The whole group on interleaved rows (dwrows.c). False: not a case for it, nothing was emitted. *ok: false after reporting. */
bool kdw_rows(kgroup *g, bool *ok);
#endif
