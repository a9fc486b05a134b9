/* The rows of mc_targets. Shared by the files of lib/measure. */
#ifndef MC_MEASURE_TARGETS_H
#define MC_MEASURE_TARGETS_H
#include "mc/measure/walk.h"
#include "store.h"

/* The other operand of the add that v alone feeds; NULL: there is none of the same shape. */
mc_value *mcm_other_operand(const mc_value *v);
/* Are the rows of the original's product i those of p, in so many runs? */
bool mcm_targets_fit(const mc_targets *t, int i, const mc_product *p, int64_t runs);
/* What walks keep of product i, see mc_moments; NULL: nothing. */
double *mcm_targets_lambda(const mc_targets *t, int i);
/* Places of a run, and numbers in a row: [places, outs]. */
int64_t mcm_targets_places(const mc_targets *t, int i);
int64_t mcm_targets_outs(const mc_targets *t, int i);
/* What product i gives, and the other operand of the add that it alone feeds (NULL: none that is
 * there before it). */
mcm_rows *mcm_targets_y(const mc_targets *t, int i);
mcm_rows *mcm_targets_other(const mc_targets *t, int i);
#endif
