/* First convolutions (first_conv.c, first_conv_pairs.c). */
#ifndef MC_KERNELS_FIRST_CONV_H
#define MC_KERNELS_FIRST_CONV_H
#include "lower.h"
/* The whole group with 16 pixels in lanes. False after reporting. */
bool emit_first_conv(kgroup *g);
/* The same with 8 pixels and pmaddwd (first_conv_pairs.c). */
bool emit_first_conv_pairs(kgroup *g);
#endif
