/* Least-squares weights for a network that lost columns (docs/guide/compression.md, "Repair").
 * Private to compress. */
#ifndef MC_COMPRESS_REFIT_H
#define MC_COMPRESS_REFIT_H
#include "compress.h"
#include "mc/measure/damage.h"

enum { MC_FOLDS_FIT = 7, MC_FOLDS_ALL = 15 }; /* the last fold is held back, or not */

enum { MC_ENOUGH_QUICK = 32 }; /* mc_walk_opts.enough of trials that have little time */

/* Weights [groups, o, d] and bias [groups * o] of each product; NULL: as they are. */
typedef struct mc_fitted {
  float **w, **b;
  int n;
} mc_fitted;

typedef struct mc_refit {
  mc_walk_opts walk;
  double damping;          /* lambda, relative to the mean of G's diagonal; 0: chosen */
  double *lambda;          /* by product: see mc_refit_remember; NULL: nothing is remembered */
  unsigned folds;          /* samples that the fits see */
  const bool *const *keep; /* by product: columns [groups, d] that stay; NULL: all */
  const bool *const *rows; /* by product: rows [groups * o] that stay; NULL: all */
  const bool *const
      *mask; /* by product: elements [groups, o, d] that may be other than 0; NULL: all */
  /* May change keep[i] before product i is fitted; m: what it reads now. NULL: nothing to choose.
   */
  bool (*choose)(void *ctx, int i, const mc_moments *m);
  void *choose_ctx;
} mc_refit;

/* A walk for fits on these folds: a trial's walk leaves out the samples that the fit does not see,
 * and half of the places. Not with few samples, whose lambda comes from all folds. */
void mc_refit_folds(mc_walk_opts *o, unsigned folds);
/* One fit of every product of cx->graph in order, on the changed network's activations towards the
 * original's. The graph stays as it is. False after reporting. Results in the arena. */
bool mc_refit_run(mc_pass_context *cx, const mc_refit *o, mc_fitted *out, mc_arena *a);
/* Give the products of g (in the order of mc_products_of) these weights. False after reporting. */
bool mc_fitted_set(const mc_fitted *f, const mc_graph *g, mc_diag *d);
/* Fit product p's weights w0 [groups, o, d] on moments with only the columns of keep (NULL: all);
 * columns that go are 0 in w. damping as above; `samples`: how many there are. False: a group was
 * singular and keeps its weights. */
bool mc_refit_product(const mc_product *p, const mc_moments *m, unsigned folds, const bool *keep,
                      double damping, int64_t samples, const float *w0, float *w, float *bias);
/* The same where only the elements of mask [groups, o, d] may be other than 0: conjugate gradients
 * on all rows at once. */
void mc_refit_masked(const mc_product *p, const mc_moments *m, unsigned folds, const bool *mask,
                     double lambda, const float *w0, float *w, float *bias);
/* The lambda that mc_refit_product takes for a matrix. */
double mc_refit_lambda(const mc_product *p, const mc_moments *m, int64_t group, const bool *keep,
                       double damping, int64_t samples, const float *w0);
/* The same for all groups, remembered in lambda[i] for the next fit of product i: what the folds
 * say differs little from trial to trial. `damping` where there is nothing to remember. */
double mc_refit_remember(double *lambda, int i, const mc_product *p, const mc_moments *m,
                         const bool *keep, double damping, int64_t samples, const float *w0);
/* Rows of channels that go (rows[r] == false; rows NULL: none) are 0 in w [groups * o, d] and
 * bias. */
void mc_refit_drop_rows(const mc_product *p, const bool *rows, float *w, float *bias);
/* A copy of g (mc_graph_clone) with the weights set. NULL after reporting. */
mc_graph *mc_fitted_copy(const mc_fitted *f, const mc_graph *g, mc_diag *d);
/* How far g with these weights is from what `by` refers to. False after reporting. */
bool mc_fitted_judge(const mc_fitted *f, const mc_graph *g, mc_damage *by, mc_diag *d,
                     mc_distance *out);
#endif
