/* Alternating least squares for two layers in the data norm. x has a closed form (normal equations
 * of size t * r); v is found by conjugate gradients, preconditioned with the Kronecker product of
 * the mean of the metric's diagonal blocks and of x x^T. */
#include "factor_als.h"
#include "mc/measure/linalg.h"
#include "mc/measure/moments.h"
#include <math.h>
#include <string.h>

mc_als mc_als_new(const mc_pair *p, int64_t r, mc_arena *a) {
  int64_t n = p->t * r;
  mc_als z = { .p = p, .r = r, .n = n };
  z.v = MC_NEWN(a, double, r * p->s);
  z.x = MC_NEWN(a, double, n * p->o);
  z.a = MC_NEWN(a, double, n *n);
  z.pp = MC_NEWN(a, double, n *n);
  z.rhs = MC_NEWN(a, double, n * p->o);
  z.y = MC_NEWN(a, double, (n + r) * p->s + r * r);
  z.vt = MC_NEWN(a, double, r * p->s);
  return z;
}

/* Normal matrix of x: blocks V G_tu V^T. */
static void normal_matrix(mc_als *z) {
  const mc_pair *p = z->p;
  int64_t r = z->r, S = p->s, T = p->t, n = z->n;
  double *block = z->y + (p->g ? r * S : 0);
  for (int64_t t = 0; t < T; t++)
    for (int64_t u = t; u < T; u++) {
      const double *y = z->v;
      if (p->g)
        mc_la_gemm(false, false, r, S, S, 1, z->v, p->g + (t * T + u) * S * S, 0, z->y), y = z->y;
      if (p->g || t == u) mc_la_gemm(false, true, r, r, S, 1, y, z->v, 0, block);
      for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j < r; j++) {
          double e = p->g || t == u ? block[i * r + j] : 0;
          z->a[(t * r + i) * n + u * r + j] = z->a[(u * r + j) * n + t * r + i] = e;
        }
    }
}

/* x := the best r2 directions of its outputs: eigenvectors of x^T A x. */
static bool truncate_x(mc_als *z, mc_arena *a) {
  int64_t o = z->p->o, r2 = z->r2;
  double *k = MC_NEWN(a, double, o *o), *val = MC_NEWN(a, double, o),
         *ut = MC_NEWN(a, double, r2 *o), *xu = MC_NEWN(a, double, z->n *r2);
  mc_la_gemm(true, false, o, o, z->n, 1, z->x, z->rhs, 0, k);
  for (int64_t i = 0; i < o; i++)
    for (int64_t j = 0; j < i; j++)
      k[i * o + j] = k[j * o + i] = 0.5 * (k[i * o + j] + k[j * o + i]);
  if (!mc_la_eigen(o, k, val)) return false;
  mc_take_last(o, r2, k, val, ut);
  mc_transpose(r2, o, ut, z->u);
  mc_la_gemm(false, false, z->n, r2, o, 1, z->x, z->u, 0, xu);
  mc_la_gemm(false, false, z->n, o, r2, 1, xu, ut, 0, z->x);
  return true;
}

void mc_als_normal_x(mc_als *z) {
  const mc_pair *p = z->p;
  normal_matrix(z);
  for (int64_t t = 0; t < p->t; t++)
    mc_la_gemm(false, true, z->r, p->o, p->s, 1, z->v, p->wg + t * p->o * p->s, 0,
               z->rhs + t * z->r * p->o);
}

bool mc_als_solve(int64_t n, double *a, int64_t columns, double *x) {
  double trace = mc_la_trace(n, a);
  if (!isfinite(trace) || trace <= 0 || !mc_la_cholesky(n, a, 1e-9 * trace / (double)n))
    return false;
  mc_la_cholesky_solve(n, a, columns, x);
  return true;
}

static bool solve_x(mc_als *z) {
  int64_t o = z->p->o, n = z->n;
  mc_als_normal_x(z);
  memcpy(z->x, z->rhs, sizeof(double) * (size_t)(n * o));
  if (!mc_als_solve(n, z->a, o, z->x)) return false;
  if (z->r2 > 0) {
    mc_arena *a = mc_arena_create();
    bool ok = truncate_x(z, a);
    mc_arena_destroy(a);
    if (!ok) return false;
  }
  /* |W - W'|^2 = |W|^2 - <x, rhs> at the minimum */
  z->error = 1 - mc_dot(n * o, z->x, z->rhs) / z->p->norm;
  return true;
}

/* out [r, s] = the normal operator of v at `in`: sum over t, u of P_tu in G_ut. */
static void normal_v(const mc_als *z, const double *in, double *out) {
  const mc_pair *p = z->p;
  int64_t r = z->r, S = p->s, T = p->t, n = z->n;
  memset(out, 0, sizeof(double) * (size_t)(r * S));
  for (int64_t t = 0; t < T; t++) {
    for (int64_t u = 0; u < T; u++)
      mc_la_gemm(false, false, r, S, S, 1, in, p->g + (u * T + t) * S * S, 0, z->y + u * r * S);
    mc_la_gemm(false, false, r, S, n, 1, z->pp + t * r * n, z->y, 1, out);
  }
}

/* out = mean-of-blocks^-1 on both sides of in [r, s]. */
static void precondition(const mc_als *z, const double *sum, const double *in, double *out) {
  int64_t r = z->r, S = z->p->s;
  mc_transpose(r, S, in, z->vt);
  mc_la_cholesky_solve(S, z->p->chol, r, z->vt);
  mc_transpose(S, r, z->vt, out);
  mc_la_cholesky_solve(r, sum, S, out);
}

/* The Cholesky factor of the sum of the diagonal blocks of x x^T. */
static bool block_sum(const mc_als *z, double *sum) {
  int64_t r = z->r;
  memset(sum, 0, sizeof(double) * (size_t)(r * r));
  for (int64_t t = 0; t < z->p->t; t++)
    for (int64_t i = 0; i < r; i++)
      for (int64_t j = 0; j < r; j++) sum[i * r + j] += z->pp[(t * r + i) * z->n + t * r + j];
  double trace = mc_la_trace(r, sum);
  return trace > 0 && mc_la_cholesky(r, sum, 1e-7 * trace / (double)r);
}

/* Conjugate gradients for v, from where it is. */
static bool improve_v(mc_als *z, const double *sum, mc_arena *a, int steps) {
  const mc_pair *p = z->p;
  int64_t n = z->r * p->s, o = p->o;
  double *res = MC_NEWN(a, double, n), *pre = MC_NEWN(a, double, n), *dir = MC_NEWN(a, double, n),
         *q = MC_NEWN(a, double, n);
  normal_v(z, z->v, q);
  for (int64_t t = 0; t < p->t; t++)
    mc_la_gemm(false, false, z->r, p->s, o, 1, z->x + t * z->r * o, p->wg + t * o * p->s, 1, res);
  for (int64_t i = 0; i < n; i++) res[i] -= q[i];
  precondition(z, sum, res, pre);
  memcpy(dir, pre, sizeof(double) * (size_t)n);
  double rr = mc_dot(n, res, pre), first = rr;
  for (int k = 0; k < steps && rr > 1e-10 * first && rr > 0; k++) {
    normal_v(z, dir, q);
    double curve = mc_dot(n, dir, q);
    if (!(curve > 0)) break;
    double step = rr / curve;
    for (int64_t i = 0; i < n; i++) z->v[i] += step * dir[i], res[i] -= step * q[i];
    precondition(z, sum, res, pre);
    double now = mc_dot(n, res, pre);
    for (int64_t i = 0; i < n; i++) dir[i] = pre[i] + now / rr * dir[i];
    rr = now;
  }
  return isfinite(rr);
}

/* Plain norm: sum over t of X_t X_t^T v = sum of X_t W_t. */
static void plain_v(mc_als *z, const double *sum) {
  const mc_pair *p = z->p;
  memset(z->v, 0, sizeof(double) * (size_t)(z->r * p->s));
  for (int64_t t = 0; t < p->t; t++)
    mc_la_gemm(false, false, z->r, p->s, p->o, 1, z->x + t * z->r * p->o, p->w + t * p->o * p->s, 1,
               z->v);
  mc_la_cholesky_solve(z->r, sum, p->s, z->v);
}

bool mc_als_solve_v(mc_als *z) {
  mc_arena *a = mc_arena_create();
  double *sum = MC_NEWN(a, double, z->r * z->r);
  mc_la_gemm(false, true, z->n, z->n, z->p->o, 1, z->x, z->x, 0, z->pp);
  bool ok = block_sum(z, sum);
  if (ok && z->p->g)
    ok = improve_v(z, sum, a, z->p->t * z->p->s > MC_WIDE ? 3 : 8);
  else if (ok)
    plain_v(z, sum);
  mc_arena_destroy(a);
  return ok;
}

void mc_als_balance(mc_als *z) {
  const mc_pair *p = z->p;
  int64_t S = p->s, o = p->o;
  if (p->mean) mc_la_gemm(false, false, z->r, S, S, 1, z->v, p->mean, 0, z->y);
  for (int64_t q = 0; q < z->r; q++) {
    double var = 0, back = 0, *v = z->v + q * S;
    if (p->mean) {
      var = mc_dot(S, v, z->y + q * S);
    } else {
      var = mc_dot(S, v, v);
      for (int64_t t = 0; t < p->t; t++)
        back += mc_dot(o, z->x + (t * z->r + q) * o, z->x + (t * z->r + q) * o);
      var = sqrt(back > 0 ? var / back : 0); /* plain: v and x get the same norm */
    }
    double k = var > 0 ? 1 / sqrt(var) : 1;
    for (int64_t s = 0; s < S; s++) v[s] *= k;
    for (int64_t t = 0; t < p->t; t++)
      for (int64_t i = 0; i < o; i++) z->x[(t * z->r + q) * o + i] /= k;
  }
}

static bool rounds_of(mc_als *z, int rounds) {
  if (!solve_x(z)) return false;
  bool exact = z->r2 == 0 && (!z->p->g || z->p->t == 1);
  for (int k = 1; k < rounds && !exact; k++)
    if (!mc_als_solve_v(z) || !solve_x(z)) return false;
  mc_als_balance(z);
  return true;
}

bool mc_pair_fit(const mc_pair *p, int64_t r, int64_t r2, int rounds, double *v, double *x,
                 double *u, double *error) {
  if (!(p->norm > 0)) { /* a layer of zeros */
    memset(v, 0, sizeof(double) * (size_t)(r * p->s));
    memset(x, 0, sizeof(double) * (size_t)(p->t * r * p->o));
    if (r2) memset(u, 0, sizeof(double) * (size_t)(p->o * r2));
    *error = 0;
    return true;
  }
  mc_arena *a = mc_arena_create();
  mc_als z = mc_als_new(p, r, a);
  z.v = v, z.x = x, z.u = u, z.r2 = r2 < p->o ? r2 : p->o;
  memcpy(v, p->start, sizeof(double) * (size_t)(r * p->s));
  bool ok = rounds_of(&z, rounds);
  *error = z.error > 0 ? z.error : 0;
  mc_arena_destroy(a);
  return ok;
}
