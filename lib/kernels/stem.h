/* First convolutions (stem.c, stem_pairs.c). */
#ifndef MC_KERNELS_STEM_H
#define MC_KERNELS_STEM_H
#include "lower.h"
/* The whole group with 16 pixels in lanes. False after reporting. */
bool kstem(kgroup *g);
/* The same with 8 pixels and pmaddwd (stem_pairs.c). */
bool kstem_pairs(kgroup *g);
#endif
