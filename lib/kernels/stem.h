/* First convolutions (stem.c, stem_pairs.c). */
#ifndef MC_KERNELS_STEM_H
#define MC_KERNELS_STEM_H
#include "lower.h"
/* The whole group with pixels in lanes. False: not a case for it, nothing was emitted. *ok: false
 * after reporting. */
bool kstem(kgroup *g, bool *ok);
/* The same with 8 pixels and pmaddwd (stem_pairs.c). */
bool kstem_pairs(kgroup *g, bool *ok);
#endif
