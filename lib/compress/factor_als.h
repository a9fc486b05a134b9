/* Steps of alternating least squares over an mc_pair, for the forms that constrain x. */
#ifndef MC_COMPRESS_FACTOR_ALS_H
#define MC_COMPRESS_FACTOR_ALS_H
#include "factor_pair.h"

typedef struct mc_als {
  const mc_pair *p;
  int64_t r, r2, n;    /* n = t * r */
  double *v, *x, *u;   /* [r, s], [n, o] rows (t, q), [o, r2] */
  double *a, *rhs;     /* [n, n] normal equations of x, [n, o] */
  double *y, *pp, *vt; /* [t, r, s]; [n, n] x x^T; [s, r] */
  double error;        /* relative to p->norm */
} mc_als;

mc_als mc_als_new(const mc_pair *p, int64_t r, mc_arena *a);
/* a and rhs for the present v. */
void mc_als_normal_x(mc_als *z);
/* v for the present x. False: singular, or not finite. */
bool mc_als_solve_v(mc_als *z);
/* Features of equal variance (plain norm: v and x of equal norm), so that one scale of INT8 suits
 * all. */
void mc_als_balance(mc_als *z);
/* x [n, columns] := (a [n, n] + a small ridge)^-1 x; a is overwritten. */
bool mc_als_solve(int64_t n, double *a, int64_t columns, double *x);
/* The `keep` last eigenvectors of k (columns), largest first and signs fixed, as rows of z; val [n]
 * is put in the same order. */
void mc_take_last(int64_t n, int64_t keep, const double *k, double *val, double *z);
double mc_dot(int64_t n, const double *a, const double *b);
#endif
