/* The two-layer problem: the metric in blocks, and the start, a truncated SVD whitened by the mean
 * of the metric's diagonal blocks (reduced-rank regression; exact where t = 1, and in the plain
 * norm). */
#include "factor_als.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

void mc_transpose(int64_t r, int64_t c, const double *a, double *b) {
  for (int64_t i = 0; i < r; i++)
    for (int64_t j = 0; j < c; j++) b[j * r + i] = a[i * c + j];
}

void mc_fix_signs(double *v, int64_t n, int64_t next, int64_t len, int64_t step) {
  for (int64_t k = 0; k < n; k++) {
    double *x = v + k * next, big = 0;
    for (int64_t i = 0; i < len; i++)
      if (fabs(x[i * step]) > fabs(big)) big = x[i * step];
    for (int64_t i = 0; big < 0 && i < len; i++) x[i * step] = -x[i * step];
  }
}

double mc_dot(int64_t n, const double *a, const double *b) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += a[i] * b[i];
  return s;
}

/* ---- the metric ---- */

static void permute(mc_pair *p, const int64_t *at, const double *w, const double *g, double *gb) {
  int64_t T = p->t, S = p->s, D = T * S;
  for (int64_t t = 0; t < T; t++)
    for (int64_t o = 0; o < p->o; o++)
      for (int64_t s = 0; s < S; s++) p->w[(t * p->o + o) * S + s] = w[o * D + at[t * S + s]];
  if (!gb) return;
  for (int64_t t = 0; t < T; t++)
    for (int64_t u = 0; u < T; u++)
      for (int64_t s = 0; s < S; s++)
        for (int64_t z = 0; z < S; z++)
          gb[((t * T + u) * S + s) * S + z] = g[at[t * S + s] * D + at[u * S + z]];
}

static void take_weighed(mc_pair *p, const int64_t *at, const double *wg) {
  int64_t n = p->o * p->s, d = p->t * p->s;
  for (int64_t t = 0; t < p->t; t++)
    for (int64_t o = 0; o < p->o; o++)
      for (int64_t s = 0; s < p->s; s++) p->wg[t * n + o * p->s + s] = wg[o * d + at[t * p->s + s]];
  p->norm = mc_dot(p->t * n, p->w, p->wg);
}

static void weigh(mc_pair *p) {
  int64_t n = p->o * p->s, SS = p->s * p->s;
  if (!p->g) memcpy(p->wg, p->w, sizeof(double) * (size_t)(p->t * n));
  for (int64_t t = 0; p->g && t < p->t; t++)
    for (int64_t u = 0; u < p->t; u++)
      mc_la_gemm(false, false, p->o, p->s, p->s, 1, p->w + u * n, p->g + (u * p->t + t) * SS, 1,
                 p->wg + t * n);
  p->norm = mc_dot(p->t * n, p->w, p->wg);
}

static bool find_mean(mc_pair *p, mc_arena *a) {
  if (!p->g) return true;
  int64_t S = p->s, n = S * S;
  double *mean = p->t > 1 ? MC_NEWN(a, double, n) : NULL;
  for (int64_t t = 0; mean && t < p->t; t++)
    for (int64_t i = 0; i < n; i++) mean[i] += p->g[(t * p->t + t) * n + i] / (double)p->t;
  p->mean = mean ? mean : p->g;
  double trace = mc_la_trace(S, p->mean);
  if (!isfinite(trace) || trace <= 0) return false;
  if (p->t == 1 && p->o <= S) return true;
  p->chol = mc_arena_copy(a, p->mean, sizeof(double) * (size_t)n);
  return mc_la_cholesky(S, p->chol, 1e-9 * trace / (double)S);
}

/* ---- the start ---- */

/* Eigenvalues of k [n, n] are descending in val; tail from them. */
static void find_tail(mc_pair *p, int64_t n, const double *val) {
  double all = 0, left = 0;
  for (int64_t i = 0; i < n; i++) all += val[i] > 0 ? val[i] : 0;
  for (int64_t i = n; i-- > 0;) {
    left += val[i] > 0 ? val[i] : 0;
    if (i < p->full) p->tail[i] = all > 0 ? left / all : 0;
  }
  p->tail[p->full] = 0;
}

/* The `keep` last eigenvectors of k (columns), largest first, as rows of z; values alike. */
void mc_take_last(int64_t n, int64_t keep, const double *k, double *val, double *z) {
  for (int64_t q = 0; q < keep; q++)
    for (int64_t i = 0; i < n; i++) z[q * n + i] = k[i * n + n - 1 - q];
  for (int64_t i = 0; i < n / 2; i++) {
    double x = val[i];
    val[i] = val[n - 1 - i], val[n - 1 - i] = x;
  }
  mc_fix_signs(z, keep, n, n, 1);
}

/* Few rows: left vectors u of W mean^1/2; v = u^T W. */
static bool start_left(mc_pair *p, int64_t rows, mc_arena *a) {
  double *k = MC_NEWN(a, double, rows *rows), *val = MC_NEWN(a, double, rows),
         *z = MC_NEWN(a, double, p->full *rows);
  double *m = p->weighed ? p->wg : p->w;
  if (p->g && !p->weighed) {
    m = MC_NEWN(a, double, rows * p->s);
    mc_la_gemm(false, false, rows, p->s, p->s, 1, p->w, p->mean, 0, m);
  }
  mc_la_gemm(false, true, rows, rows, p->s, 1, m, p->w, 0, k);
  if (!mc_la_eigen(rows, k, val)) return false;
  mc_take_last(rows, p->full, k, val, z);
  find_tail(p, rows, val);
  mc_la_gemm(false, false, p->full, p->s, rows, 1, z, p->w, 0, p->start);
  return true;
}

/* Few columns: right vectors z of W L (mean = L L^T); v = z^T L^-1. */
static bool start_right(mc_pair *p, int64_t rows, mc_arena *a) {
  int64_t S = p->s;
  double *k = MC_NEWN(a, double, S *S), *val = MC_NEWN(a, double, S), *z = MC_NEWN(a, double, S *S),
         *m = p->w;
  if (p->g) {
    m = MC_NEWN(a, double, rows *S);
    mc_la_gemm(false, false, rows, S, S, 1, p->w, p->chol, 0, m);
  }
  mc_la_gemm(true, false, S, S, rows, 1, m, m, 0, k);
  if (!mc_la_eigen(S, k, val)) return false;
  mc_take_last(S, p->full, k, val, z);
  find_tail(p, S, val);
  if (!p->g) {
    memcpy(p->start, z, sizeof(double) * (size_t)(p->full * S));
    return true;
  }
  /* L^-T z = (L L^T)^-1 L z */
  double *lz = MC_NEWN(a, double, S * p->full);
  mc_la_gemm(false, true, S, p->full, S, 1, p->chol, z, 0, lz);
  mc_la_cholesky_solve(S, p->chol, p->full, lz);
  mc_transpose(S, p->full, lz, p->start);
  return true;
}

bool mc_pair_init(mc_pair *p, const int64_t *at, const double *w, const double *g, const double *wg,
                  mc_arena *a) {
  int64_t rows = p->t * p->o, T = p->t, S = p->s;
  double *gb = g && T > 1 ? MC_NEWN(a, double, T *T *S *S) : NULL;
  p->w = MC_NEWN(a, double, rows *S);
  p->wg = MC_NEWN(a, double, rows *S);
  p->g = gb ? gb : g; /* one block: columns are in their own order */
  permute(p, at, w, g, gb);
  if (wg)
    take_weighed(p, at, wg);
  else
    weigh(p);
  p->weighed = wg && T == 1;
  if (!isfinite(p->norm) || !find_mean(p, a)) return false;
  p->full = rows < S ? rows : S;
  p->start = MC_NEWN(a, double, p->full *S);
  p->tail = MC_NEWN(a, double, p->full + 1);
  return rows <= S ? start_left(p, rows, a) : start_right(p, rows, a);
}
