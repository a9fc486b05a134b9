/* What comes after one product: the part of a graph from its output to the results, compiled. */
#ifndef MC_MEASURE_TAIL_H
#define MC_MEASURE_TAIL_H
#include "results.h"

typedef struct mcm_tail {
  mcm_values side; /* what it reads besides the product's output */
  int *from;       /* result k: -1: the product's own output; -2: does not depend on it;
                      else the tail's output from[k] */
  mcm_values want;
  int64_t bytes;    /* of constants that it reads */
  mcm_slice *slice; /* NULL: nothing to run, or not compiled (yet, or any more) */
} mcm_tail;
/* In the arena; not compiled. */
mcm_tail *mcm_tail_of(const mc_graph *g, const mc_product *p, const mcm_results *r, mc_arena *a);
/* Inputs: the product's output, then the sides. False after reporting. */
bool mcm_tail_compile(mcm_tail *t, mc_pass_context *cx, const mc_graph *g, const mc_product *p,
                      mc_arena *a);
#endif
