/* Two layers of which the first takes the columns apart: column = (t, s), and
 *   W'[o, (t, s)] = sum over q of X[(t, q), o] V[q, s]
 * (t: what the second layer's kernel sees, s: what the first one's sees). `out`: one t; `in`: t =
 * tap, s = channel; rows, cols: t = tap of one axis, s = (tap of the other, channel). In the plain
 * norm this is the SVD of the matrix [(t, o), s]; in the data norm alternating least squares from
 * there. */
#ifndef MC_COMPRESS_FACTOR_PAIR_H
#define MC_COMPRESS_FACTOR_PAIR_H
#include "factor.h"

typedef struct mc_pair {
  int64_t o, t, s;
  const double *g;    /* [t, t] blocks of [s, s]; NULL: plain */
  double *w, *wg;     /* [t, o, s]: W and W G */
  bool weighed;       /* wg is what start needs, too: one block, of a large layer */
  double norm;        /* tr(W G W^T) */
  const double *mean; /* [s, s]: of G's diagonal blocks; one block: G itself; plain: NULL */
  double *chol; /* its Cholesky factor; NULL: plain, or nothing asks for it (one block, t o <= s) */
  int64_t full; /* rows of start */
  double *start, *tail; /* [full, s] best V in the mean's norm; [full + 1] see mc_factoring_tail */
} mc_pair;

/* at[t * s]: the column of w and g that (t, s) is. wg [o, t s]: w g; NULL: not known. False: no
 * eigenvectors, or a singular mean. */
bool mc_pair_init(mc_pair *p, const int64_t *at, const double *w, const double *g, const double *wg,
                  mc_arena *a);
/* v [r, s] and x [(t, q), o] of rank r, at most `full`; r2 > 0: x has rank r2 over o, and u [o, r2]
 * is filled: x = x u u^T. *error: relative to norm. */
bool mc_pair_fit(const mc_pair *p, int64_t r, int64_t r2, int rounds, double *v, double *x,
                 double *u, double *error);
/* b [c, r] = a [r, c]^T */
void mc_transpose(int64_t r, int64_t c, const double *a, double *b);
/* The largest element (of equals: the first) of each of n vectors of `len` elements `step` apart,
 * the vectors `next` apart, is made positive: results do not depend on the library's choice of
 * signs. */
void mc_fix_signs(double *v, int64_t n, int64_t next, int64_t len, int64_t step);
#endif
