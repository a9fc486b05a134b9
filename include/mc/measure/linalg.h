/* Dense linear algebra in double precision, row-major, over LAPACK and BLAS (OpenBLAS, set to one
 * thread, so that the same input gives the same bytes on the same processor). Matrices are [rows,
 * columns]. */
#ifndef MC_MEASURE_LINALG_H
#define MC_MEASURE_LINALG_H
#include <stdbool.h>
#include <stdint.h>

/* c [m, n] = alpha op(a) op(b) + beta c; op transposes where ta, tb say so; k: the inner length. */
void mc_la_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                const double *b, double beta, double *c);
/* c [m, m] += a a^T, a [m, n] f32; both triangles are filled. Products of f32 are added up in f32
 * over at most 1024 columns, then in double. */
void mc_la_gram_f32(int64_t m, int64_t n, const float *a, double *c);
/* The lower triangle of c [m, m] += a^T a, a [k, m] f32 with rows lda apart; sums as above. */
void mc_la_lower_f32(int64_t m, int64_t k, const float *a, int64_t lda, double *c);
/* The lower triangle of g [d, d] copied into the upper one. */
void mc_la_mirror(int64_t d, double *g);
/* c [m, n] += a^T b, a [k, m] and b [k, n] f32 with rows lda and ldb apart; sums as above. */
void mc_la_cross_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                     int64_t ldb, double *c);
/* y [n, o] += x w^T in f32, x [n, d], w [o, d]; rows of y are ldy apart. */
void mc_la_apply_f32(int64_t n, int64_t o, int64_t d, const float *x, const float *w, float *y,
                     int64_t ldy);
/* The lower Cholesky factor of g [d, d] + ridge I, in place (the upper triangle is zeroed). False:
 * not positive definite. */
bool mc_la_cholesky(int64_t d, double *g, double ridge);
/* x [d, n] := (l l^T)^-1 x */
void mc_la_cholesky_solve(int64_t d, const double *l, int64_t n, double *x);
/* x [d, n] := (g + ridge I)^-1 x in fp32, for judging; g becomes the factor. False: not positive
 * definite in fp32. */
bool mc_la_solve_f32(int64_t d, float *g, float ridge, int64_t n, float *x);
/* g [d, d] := (g + ridge I)^-1. False: not positive definite; g is then lost. */
bool mc_la_inverse(int64_t d, double *g, double ridge);
/* The sum of the diagonal of g [d, d]. */
double mc_la_trace(int64_t d, const double *g);
/* tr(w g w^T), w [o, d] f32, g [d, d]. */
double mc_la_energy(int64_t o, int64_t d, const float *w, const double *g);
/* Eigenvectors as columns of g [d, d] (symmetric, overwritten), eigenvalues ascending. */
bool mc_la_eigen(int64_t d, double *g, double *values);
/* a [m, n] = u [m, k] diag(s) vt [k, n], k = min(m, n); a is overwritten. Signs: the largest
 * element of each left vector is positive. */
bool mc_la_svd(int64_t m, int64_t n, double *a, double *u, double *s, double *vt);
#endif
