/* Parts of the factoring of one matrix that the forms share. */
#ifndef MC_COMPRESS_FACTOR_PARTS_H
#define MC_COMPRESS_FACTOR_PARTS_H
#include "factor_pair.h"

struct mc_factoring {
  mc_kshape s;
  const double *w, *g, *wg; /* wg: w g, of large layers; else NULL */
  double norm;
  mc_arena *a;
  mc_pair *pair[MC_FORM_count_]; /* by kind, when asked for; tucker2 and cp use that of `in` */
  bool failed[MC_FORM_count_];
};

/* The two-layer problem of out, in, rows, cols; NULL: it cannot be set up. */
const mc_pair *mc_factoring_pair(mc_factoring *p, mc_form_kind k);
/* Axes of the problem (t * s = d) and the column of W that (t, s) is. */
void mc_form_axes(mc_form_kind k, mc_kshape s, int64_t *t, int64_t *n);
void mc_form_columns(mc_form_kind k, mc_kshape s, int64_t *at);
bool mc_factor_cp(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a);
bool mc_factor_tt(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a);
void mc_cp_dense(const mc_factors *f, mc_kshape s, double *w);
void mc_tt_dense(const mc_factors *f, mc_kshape s, double *w);
#endif
