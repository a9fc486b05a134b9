/* W = L + S: low rank plus blocks (form=lpluss). Private to compress. */
#ifndef MC_COMPRESS_LOWRANK_SUM_H
#define MC_COMPRESS_LOWRANK_SUM_H
#include "lowrank.h"
#include "pattern.h"

/* How one layer is taken apart: rank r of L, `keep` blocks of each group in S. */
typedef struct lr_sum {
  bool on;
  int64_t r, keep;
  mc_grid grid;
  mc_factors *l; /* [groups], form out */
  float *s;      /* [groups * o, d] */
  double error;  /* relative squared error in the norm */
} lr_sum;

/* L and S of group g of weights w [o, d], nearest to them in the metric g [d, d] (NULL: plain):
 * in turn L for W - S and S for W - L. sum: l->l[g] and l->s are filled; w becomes L + S. *norm,
 * *lost: squared norm of w, and of what is missing. False: the factors did not come out. */
bool mc_lr_sum_fit(lr_sum *sum, const lr_layer *layer, int64_t g, const double *metric, double *w,
                   double *norm, double *lost, mc_arena *a);
/* The pass. */
bool mc_lr_sum_pass(mc_pass_context *cx, const mc_opts_lowrank_svd *o, bool *changed);
#endif
