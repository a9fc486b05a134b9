/* The time of a layer, for budgets. Private to compress. */
#ifndef MC_COMPRESS_LAYER_TIME_H
#define MC_COMPRESS_LAYER_TIME_H
#include "mc/analysis/model.h"

/* Estimated cycles of a product in arithmetic `how`, in the fastest form that mcc would take:
 * without the blocks of its constant weights that are zero (in INT8: that round to zero).
 * Ops that follow it are not counted, though they may join it. weights: bytes of all constants of
 * a run. */
double mc_layer_cycles(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights);
/* The same if no weight were zero. */
double mc_layer_cycles_dense(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights);
#endif
