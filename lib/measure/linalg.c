/* BLAS and LAPACK under mc/measure/linalg.h. LAPACK is Fortran's: column-major; a symmetric matrix
 * is the same either way, so the lower triangle of ours is the upper of LAPACK's. */
#include "mc/measure/linalg.h"
#include <cblas.h>
#include <lapacke.h>
#include <stdlib.h>
#include <string.h>

/* OpenBLAS adds in another order with another number of threads; the number is a state of the
 * library that we cannot count on. */
static void one_thread(void) {
  if (openblas_get_num_threads() != 1) openblas_set_num_threads(1);
}

static void *heap(int64_t n, size_t size) {
  void *p = malloc((size_t)n * size + 1);
  if (!p) abort(); /* as arenas do */
  return p;
}

static double *zeros(int64_t n) {
  double *p = calloc((size_t)n + 1, sizeof *p);
  if (!p) abort();
  return p;
}

void mc_la_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                const double *b, double beta, double *c) {
  one_thread();
  if (m == 0 || n == 0) return;
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m,
              (int)n, (int)k, alpha, a, (int)(ta ? m : k), b, (int)(tb ? k : n), beta, c, (int)n);
}

void mc_la_cross_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                     int64_t ldb, double *c) {
  enum { CHUNK = 1024 };

  one_thread();
  float *t = heap(m * n, sizeof *t);
  for (int64_t at = 0; at < k; at += CHUNK) {
    int64_t rows = k - at < CHUNK ? k - at : CHUNK;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)rows, 1, a + at * lda,
                (int)lda, b + at * ldb, (int)ldb, 0, t, (int)n);
    for (int64_t i = 0; i < m * n; i++) c[i] += (double)t[i];
  }
  free(t);
}

void mc_la_lower_f32(int64_t m, int64_t k, const float *a, int64_t lda, double *c) {
  enum { CHUNK = 1024 };

  one_thread();
  float *t = heap(m * m, sizeof *t);
  for (int64_t at = 0; at < k; at += CHUNK) {
    int64_t rows = k - at < CHUNK ? k - at : CHUNK;
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (int)m, (int)rows, 1, a + at * lda, (int)lda,
                0, t, (int)m);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j <= i; j++) c[i * m + j] += (double)t[i * m + j];
  }
  free(t);
}

void mc_la_mirror(int64_t d, double *g) {
  enum { TILE = 32 }; /* of rows and columns: both sides stay in the cache */

  for (int64_t r = 0; r < d; r += TILE)
    for (int64_t c = 0; c <= r; c += TILE)
      for (int64_t i = r; i < r + TILE && i < d; i++)
        for (int64_t j = c; j < c + TILE && j < i; j++) g[j * d + i] = g[i * d + j];
}

void mc_la_gram_f32(int64_t m, int64_t n, const float *a, double *c) {
  enum { CHUNK = 1024 };

  one_thread();
  float *t = heap(m * m, sizeof *t);
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t cols = n - at < CHUNK ? n - at : CHUNK;
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)m, (int)cols, 1, a + at, (int)n, 0, t,
                (int)m);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j <= i; j++) c[i * m + j] += (double)t[i * m + j];
  }
  free(t);
  mc_la_mirror(m, c);
}

void mc_la_apply_f32(int64_t n, int64_t o, int64_t d, const float *x, const float *w, float *y,
                     int64_t ldy) {
  one_thread();
  if (n == 0 || o == 0) return;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)o, (int)d, 1, x, (int)d, w,
              (int)d, 1, y, (int)ldy);
}

bool mc_la_cholesky(int64_t d, double *g, double ridge) {
  one_thread();
  for (int64_t i = 0; i < d; i++) {
    g[i * d + i] += ridge;
    if (!(g[i * d + i] > 0)) return false;
  }
  if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)d, g, (lapack_int)d) != 0)
    return false;
  for (int64_t i = 0; i < d; i++) {
    if (!(g[i * d + i] > 0)) return false;
    for (int64_t j = i + 1; j < d; j++) g[i * d + j] = 0;
  }
  return true;
}

void mc_la_cholesky_solve(int64_t d, const double *l, int64_t n, double *x) {
  one_thread();
  if (n == 0) return;
  for (int t = 0; t < 2; t++)
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, t ? CblasTrans : CblasNoTrans, CblasNonUnit,
                (int)d, (int)n, 1, l, (int)d, x, (int)n);
}

bool mc_la_solve_f32(int64_t d, float *g, float ridge, int64_t n, float *x) {
  one_thread();
  for (int64_t i = 0; i < d; i++) g[i * d + i] += ridge;
  if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)d, g, (lapack_int)d) != 0)
    return false;
  for (int t = 0; t < 2 && n > 0; t++)
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, t ? CblasTrans : CblasNoTrans, CblasNonUnit,
                (int)d, (int)n, 1, g, (int)d, x, (int)n);
  return true;
}

/* From the Cholesky factor: a third of the work of solving for d unit vectors, but of other
 * roundings. */
static bool inverse_of_large(int64_t d, double *g, double ridge) {
  if (!mc_la_cholesky(d, g, ridge)) return false;
  if (LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'U', (lapack_int)d, g, (lapack_int)d) != 0)
    return false;
  mc_la_mirror(d, g);
  return true;
}

bool mc_la_inverse(int64_t d, double *g, double ridge) {
  enum { LARGE = 1024 };

  if (d > LARGE) return inverse_of_large(d, g, ridge);
  double *x = zeros(d * d);
  for (int64_t i = 0; i < d; i++) x[i * d + i] = 1;
  bool ok = mc_la_cholesky(d, g, ridge);
  if (ok) {
    mc_la_cholesky_solve(d, g, d, x);
    memcpy(g, x, sizeof *g * (size_t)(d * d));
  }
  free(x);
  return ok;
}

double mc_la_trace(int64_t d, const double *g) {
  double t = 0;
  for (int64_t i = 0; i < d; i++) t += g[i * d + i];
  return t;
}

double mc_la_energy(int64_t o, int64_t d, const float *w, const double *g) {
  double *x = zeros(o * d), *y = zeros(o * d), sum = 0;
  for (int64_t i = 0; i < o * d; i++) x[i] = (double)w[i];
  mc_la_gemm(false, false, o, d, d, 1, x, g, 0, y);
  for (int64_t i = 0; i < o * d; i++) sum += x[i] * y[i];
  free(x);
  free(y);
  return sum;
}

bool mc_la_eigen(int64_t d, double *g, double *values) {
  one_thread();
  if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)d, g, (lapack_int)d, values) != 0)
    return false;
  for (int64_t i = 0; i < d; i++) /* LAPACK's columns are our rows */
    for (int64_t j = 0; j < i; j++) {
      double t = g[i * d + j];
      g[i * d + j] = g[j * d + i];
      g[j * d + i] = t;
    }
  return true;
}

/* The largest element of each left vector is positive: the same signs whatever LAPACK is at work.
 */
static void settle_signs(int64_t m, int64_t n, int64_t k, double *u, double *vt) {
  for (int64_t j = 0; j < k; j++) {
    double most = 0;
    for (int64_t i = 0; i < m; i++) {
      double x = u[i * k + j];
      if ((x < 0 ? -x : x) > (most < 0 ? -most : most)) most = x;
    }
    if (most >= 0) continue;
    for (int64_t i = 0; i < m; i++) u[i * k + j] = -u[i * k + j];
    for (int64_t i = 0; i < n; i++) vt[j * n + i] = -vt[j * n + i];
  }
}

bool mc_la_svd(int64_t m, int64_t n, double *a, double *u, double *s, double *vt) {
  int64_t k = m < n ? m : n;
  one_thread();
  if (k == 0) return true;
  if (LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'S', (lapack_int)m, (lapack_int)n, a, (lapack_int)n, s, u,
                     (lapack_int)k, vt, (lapack_int)n) != 0)
    return false;
  settle_signs(m, n, k, u, vt);
  return true;
}
