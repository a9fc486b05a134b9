/* Weights of low rank: a matrix W [o, d] of a layer as a product of smaller layers, nearest to W in
 * the plain norm |dW|^2 or in the data norm tr(dW G dW^T), where G [d, d] holds the second moments
 * of what the layer reads (docs/guide/compression.md, "Low rank"). Private to compress.
 *
 * One group of a grouped layer is one matrix; all groups have the same form and rank. */
#ifndef MC_COMPRESS_FACTOR_H
#define MC_COMPRESS_FACTOR_H
#include "mc/support/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* What layers take the place of W [o, kh, kw, ci]. */
typedef enum mc_form_kind {
  MC_FORM_whole,   /* it stays */
  MC_FORM_out,     /* kh x kw to r channels, 1 x 1 to o; linear: two layers */
  MC_FORM_in,      /* 1 x 1 to r channels, kh x kw to o */
  MC_FORM_rows,    /* kh x 1 to r channels, 1 x kw to o */
  MC_FORM_cols,    /* 1 x kw to r channels, kh x 1 to o */
  MC_FORM_tucker2, /* 1 x 1 to r, kh x kw to r2, 1 x 1 to o */
  MC_FORM_cp,      /* 1 x 1 to r, depthwise kh x kw, 1 x 1 to o */
  MC_FORM_tt,      /* linear as a tensor train of two cores */
  MC_FORM_count_
} mc_form_kind;

const char *mc_form_name(mc_form_kind k);

typedef struct mc_kshape {
  int64_t o, kh, kw, ci;
} mc_kshape; /* of one group */

typedef struct mc_form {
  mc_form_kind kind;
  int64_t r, r2;  /* r2: tucker2's second rank */
  int64_t oh, ih; /* tt: o = oh * ol, ci = ih * il */
} mc_form;

/* One layer of a form: weights [o, kh, kw, ci] of one group. */
typedef struct mc_stage {
  int64_t o, kh, kw, ci;
  bool rows, cols; /* stride, dilation and pads of that axis are here */
  bool depthwise;  /* o groups of their own, ci = 1 */
} mc_stage;

enum { MC_FACTORS = 3 };

int mc_form_stages(const mc_form *f, mc_kshape s, mc_stage st[MC_FACTORS]);
/* Whether the form exists for such weights. */
bool mc_form_possible(mc_form_kind k, mc_kshape s);
/* The full rank: beyond it nothing is gained. tucker2: of r. */
int64_t mc_form_full(mc_form_kind k, mc_kshape s);

/* The weights to factor, and what is worked out once for all ranks. */
typedef struct mc_factoring mc_factoring;
/* w [o, d]; g [d, d] symmetric, NULL: the plain norm. Both are kept, not copied. g must be positive
 * definite (add a ridge). */
mc_factoring *mc_factoring_new(mc_kshape s, const double *w, const double *g, mc_arena *a);
/* Forget what was worked out; from now on it is kept in this arena. */
void mc_factoring_renew(mc_factoring *p, mc_arena *a);
/* tr(W G W^T) */
double mc_factoring_norm(const mc_factoring *p);

/* The factors of a fit; data in the arena given. */
typedef struct mc_factors {
  mc_form form;
  double *w[MC_FACTORS]; /* weights of each stage */
  double error;          /* squared error in the norm / mc_factoring_norm */
} mc_factors;

/* Fit; more rounds come nearer (1: the start alone; forms with a closed form need no more). False:
 * an eigenproblem or a system did not come out (the metric is singular or holds NaN). */
bool mc_factor_fit(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a);
/* The weights [o, d] that the factors multiply to. */
void mc_factors_dense(const mc_factors *f, mc_kshape s, double *w);
/* Relative squared error that the closed form of the start leaves at rank 0..mc_form_full (that
 * many + 1 values), for out, in, rows, cols; NULL: failed. An upper bound of the error in the data
 * norm of `out` and in the plain norm of all; an estimate otherwise. */
const double *mc_factoring_tail(mc_factoring *p, mc_form_kind k);
#endif
