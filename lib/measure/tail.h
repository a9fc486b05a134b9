/* What comes after one product: the part of a graph from its output to the results, compiled. Of a
 * large network up to the next cut, from where on the parts are those of all tails. */
#ifndef MC_MEASURE_TAIL_H
#define MC_MEASURE_TAIL_H
#include "parts.h"

typedef struct mcm_tail {
  mcm_values side;  /* what it reads besides the product's output */
  int *from;        /* result k: -1: the product's own output; -2: does not depend on it; -3: a part
                       gives it; else the tail's output from[k] */
  mcm_values want;  /* results, and what parts read */
  mcm_values more;  /* what parts read of earlier values that do not depend on the product */
  mcm_parts *parts; /* NULL: the tail ends with the results */
  int first;        /* of the parts */
  int64_t bytes;    /* of constants that it reads */
  mcm_slice *slice; /* NULL: nothing to run, or not compiled (yet, or any more) */
} mcm_tail;

/* In the arena; not compiled. parts may be NULL. */
mcm_tail *mcm_tail_of(const mc_graph *g, const mc_product *p, const mcm_results *r,
                      mcm_parts *parts, mc_arena *a);
/* Inputs: the product's output, then the sides. False after reporting. */
bool mcm_tail_compile(mcm_tail *t, mc_pass_context *cx, const mc_graph *g, const mc_product *p,
                      mc_arena *a);
#endif
