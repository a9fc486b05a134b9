/* Sums of a depthwise product: its matrices are small and many, so channels are added side by side,
 * without columns. Shared by the files of lib/measure. */
#ifndef MC_MEASURE_DEPTHWISE_H
#define MC_MEASURE_DEPTHWISE_H
#include "mc/measure/moments.h"

typedef struct mcm_dw mcm_dw;
/* For a product that mcm_is_depthwise says yes to, in the arena. targets: y is given. */
mcm_dw *mcm_dw_open(const mc_product *p, bool targets, mc_arena *a);
/* What p reads of x at n places, and y [n, groups] there (NULL: without targets), into a fold. */
void mcm_dw_add(mcm_dw *s, int fold, const float *x, const float *y, const int64_t *place,
                int64_t n);
/* Adds all sums to m: lower triangles of G, C, means and squares. Once. */
void mcm_dw_close(const mcm_dw *s, mc_moments *m);
#endif
