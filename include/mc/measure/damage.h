/* How far the output of a network moves when one product has other weights, on the samples of the
 * last fold (docs/guide/compression.md, "Damage"). */
#ifndef MC_MEASURE_DAMAGE_H
#define MC_MEASURE_DAMAGE_H
#include "mc/measure/walk.h"

typedef struct mc_distance {
  double kl;    /* mean Kullback-Leibler divergence, original || changed; < 0: no classifier */
  double l2;    /* squared error of the results / their variance, mean over results */
  double local; /* squared error of the product's own output / its variance */
} mc_distance;  /* INFINITY where numbers are not finite */
typedef struct mc_damage mc_damage;

/* Reference outputs are those of opts->original, or of the pass's graph; weights are replaced in
 * the pass's graph as it is now. Held back are the samples of fold MC_FOLDS - 1, 256 runs at most;
 * for one product of a large network fewer of them (8 at least; a remark says so). A result that
 * argmax makes is compared by what argmax reads. A softmax is taken over the last axis (2 or more)
 * of each float result, unless a softmax made it. NULL after reporting. */
mc_damage *mc_damage_open(mc_pass_context *cx, const mc_walk_opts *o);
void mc_damage_close(mc_damage *d);
/* How many of `runs` runs, of `work` multiplications each, are run for one product. */
int64_t mc_damage_few(int64_t runs, double work);
/* A run of the network has more than 1e9 multiplications: fewer points should do. */
bool mc_damage_large(const mc_damage *d);
/* The network with weights [groups, o, d] and bias [groups * o] of product i (mc_products_of the
 * pass's graph at open) replaced; NULL weights: as it is. Fastest when calls for one product follow
 * each other. False after reporting. */
bool mc_damage_of(mc_damage *d, int i, const float *weights, const float *bias, mc_distance *out);

/* The distance that allocation adds up: kl where there is one, else l2. */
static inline double mc_distance_main(const mc_distance *x) { return x->kl >= 0 ? x->kl : x->l2; }

/* A whole graph (same inputs, results of the same shapes) against the reference on the same
 * samples; local is 0. False after reporting. */
bool mc_damage_graph(mc_damage *d, const mc_graph *g, mc_distance *out);
#endif
