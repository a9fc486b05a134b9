/* The results of a graph as distances see them, and distances between two sets of them. */
#ifndef MC_MEASURE_RESULTS_H
#define MC_MEASURE_RESULTS_H
#include "mc/measure/damage.h"
#include "net.h"

typedef struct mcm_result {
  mc_value *v;            /* what is compared: the operand of an argmax, else the result */
  bool classes, probable; /* KL over the last axis; it holds probabilities (made by softmax) */
} mcm_result;

typedef struct mcm_results {
  mcm_result *v;
  int n;
} mcm_results;

/* Results that nodes compute, each once. */
mcm_results mcm_results_of(const mc_graph *g, mc_arena *a);

/* Sums over runs. */
typedef struct mcm_apart {
  double *kl, *rows, *square;
  int n;
} mcm_apart;

mcm_apart mcm_apart_new(int n, mc_arena *a);
/* Result k: x against the reference, dense data of the types. */
void mcm_apart_add(mcm_apart *s, int k, const mcm_result *r, const mc_type *xt, const void *x,
                   const void *reference);
/* variance: summed over runs, of each result. Leaves out->local alone. */
void mcm_apart_mean(const mcm_apart *s, const mcm_results *r, const double *variance,
                    mc_distance *out);
/* Sum of squared differences from the mean of each channel (last axis), over all rows. */
bool mcm_variance(const mcm_result *r, mcm_rows *rows, int64_t runs, double *out, mc_arena *a);
#endif
