/* Second moments of what a product reads and what it should give (docs/guide/compression.md, "One
 * library of second moments"), and the fits that they answer. */
#ifndef MC_MEASURE_MOMENTS_H
#define MC_MEASURE_MOMENTS_H
#include "mc/measure/product.h"

enum {
  MC_FOLDS = 4,
  MC_ALL_FOLDS = (1 << MC_FOLDS) - 1, /* the mask of all of them */
  MC_WIDE = 1024                      /* wide: more columns than that */
};

/* Systems of d columns and o outputs that are solved or judged with less work: more than 2e8
 * multiplications for one product with [d, d]. */
static inline bool mc_large_layer(int64_t o, int64_t d) {
  return (double)o * (double)d * (double)d > 2e8;
}

/* Sums over the samples of a fold, for each group; not centred. More than MC_WIDE columns: all
 * folds but the last are one sum, fold[0]; the others have n 0 and no data. */
typedef struct mc_sums {
  double n;       /* columns */
  double *g;      /* [groups, d, d]  sum x x^T */
  double *c;      /* [groups, o, d]  sum y x^T */
  double *x;      /* [groups, d]     sum x */
  double *y, *yy; /* [groups, o]     sum y, sum y^2 */
} mc_sums;

typedef struct mc_moments {
  int64_t groups, o, d;
  mc_sums fold[MC_FOLDS];
  double *lambda; /* [groups]: what mc_fit_lambda found, 0: not asked yet; of wide and large layers,
                     and shared by walks with the same targets. NULL: it is not kept */
} mc_moments;

/* Read at so few places for each of its columns that the folds say how far a fit may go. */
bool mc_moments_few(const mc_moments *m);
/* Bytes that the moments of a product take. */
int64_t mc_moments_bytes(const mc_product *p);

/* Centred moments over the folds of a mask (bit f: fold f), of one group. Folds that are one sum go
 * together. */
typedef struct mc_centred {
  int64_t o, d;
  double n, *g, *c, *mx, *my, *vy;
} mc_centred;

mc_centred mc_moments_centred(const mc_moments *m, unsigned folds, int64_t group, mc_arena *a);
/* The same with only the columns whose flag is set: d falls. */
mc_centred mc_centred_sub(const mc_centred *m, const bool *keep, mc_arena *a);

/* Ridge fit towards w0 [o, d]: w [o, d], bias [o]; lambda is relative to tr(G) / d. Where no column
 * varies, w0 stays and the bias is fitted. False: singular even so, or without columns (nothing is
 * written). */
bool mc_fit(const mc_centred *m, const float *w0, double lambda, float *w, float *bias);
/* bias [o]: the means of the targets less what w [o, d] gives for the mean column. */
void mc_fit_bias(const mc_centred *m, const double *w, double *bias);
/* mc_fit with only the columns whose flag is set; the others of w [o, d] are 0. Without any the
 * bias is the mean of the targets. */
bool mc_fit_kept(const mc_centred *m, const bool *keep, const float *w0, double lambda, float *w,
                 float *bias);
/* The lambda, of half decades from 1e-5 to 10, whose fits predict best the folds that they have not
 * seen, over 64 outputs of large layers (more than MC_WIDE columns: the last fold alone, decades),
 * once for each m->lambda. keep (may be NULL: all): columns that take part; w0 [o, d] has all.
 * 10 where the samples are in one fold only. */
double mc_fit_lambda(const mc_moments *m, int64_t group, const bool *keep, const float *w0);
/* Mean squared error of weights w and bias on the moments, summed over the outputs; *total (may be
 * NULL): the variance of the targets, summed. */
double mc_fit_error(const mc_centred *m, const float *w, const float *bias, double *total);
#endif
