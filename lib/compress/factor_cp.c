/* CP (canonical polyadic) of a kernel: W'[o, (t, c)] = sum over q of A[o, q] B[t, q] C[q, c], t =
 * tap: a 1 x 1, a depthwise kh x kw and a 1 x 1 (Lebedev et al., "Speeding-up convolutional neural
 * networks using fine-tuned CP-decomposition", ICLR 2015, with both taps' axes as one).
 *
 * This is the form `in` whose second layer x[(t, q), o] = B[t, q] A[o, q]. Alternating least
 * squares, each system with a small ridge and all features rescaled to equal variance in each
 * sweep, which is what keeps CP from diverging. Two starts: the largest singular pairs of the taps
 * (exact at full rank), and seeded random numbers; the nearer one after a few sweeps goes on. */
#include "factor_als.h"
#include "factor_parts.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

enum { LEAST_SWEEPS = 4 };

static const double most_work = 6e9; /* multiplications of one fit, if LEAST_SWEEPS are fewer */

typedef struct cp {
  mc_als z;
  double *a, *b;
} cp; /* [r, o], [t, r]; C is z.v */

static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
  return *s;
}

static void start_random(cp *c, uint64_t seed) {
  double *part[] = { c->z.v, c->a, c->b };
  int64_t n[] = { c->z.r * c->z.p->s, c->z.r * c->z.p->o, c->z.n };
  for (int k = 0; k < 3; k++)
    for (int64_t i = 0; i < n[k]; i++)
      part[k][i] = (double)(next_random(&seed) >> 11) * 0x1p-52 - 1;
}

/* The r largest singular pairs over all taps. */
static bool start_taps(cp *c, mc_arena *m) {
  const mc_pair *p = c->z.p;
  int64_t full = p->o < p->s ? p->o : p->s, r = c->z.r;
  double *w = MC_NEWN(m, double, p->o * p->s), *u = MC_NEWN(m, double, p->t * p->o * full);
  double *s = MC_NEWN(m, double, p->t *full), *vt = MC_NEWN(m, double, p->t *full * p->s);
  bool *used = MC_NEWN(m, bool, p->t *full);
  for (int64_t t = 0; t < p->t; t++) {
    memcpy(w, p->w + t * p->o * p->s, sizeof(double) * (size_t)(p->o * p->s));
    if (!mc_la_svd(p->o, p->s, w, u + t * p->o * full, s + t * full, vt + t * full * p->s))
      return false;
  }
  for (int64_t q = 0; q < r; q++) {
    int64_t best = -1;
    for (int64_t i = 0; i < p->t * full; i++)
      if (!used[i] && (best < 0 || s[i] > s[best])) best = i;
    if (best < 0) return true;
    used[best] = true;
    int64_t t = best / full, k = best % full;
    c->b[t * r + q] = s[best];
    memcpy(c->z.v + q * p->s, vt + best * p->s, sizeof(double) * (size_t)p->s);
    for (int64_t o = 0; o < p->o; o++) c->a[q * p->o + o] = u[(t * p->o + o) * full + k];
  }
  return true;
}

/* A [r, o] for B and C; the error follows. */
static bool solve_a(cp *c, mc_arena *m) {
  mc_als *z = &c->z;
  int64_t r = z->r, o = z->p->o, n = z->n;
  double *k = MC_NEWN(m, double, r *r), *rhs = MC_NEWN(m, double, r *o);
  for (int64_t i = 0; i < n; i++) {
    const double *row = z->a + i * n, *b = c->b, b_i = b[i];
    for (int64_t u = 0; u < n; u += r)
      for (int64_t q = 0; q < r; q++) k[i % r * r + q] += b_i * b[u + q] * row[u + q];
    for (int64_t y = 0; y < o; y++) rhs[i % r * o + y] += b_i * z->rhs[i * o + y];
  }
  memcpy(c->a, rhs, sizeof(double) * (size_t)(r * o));
  if (!mc_als_solve(r, k, o, c->a)) return false;
  z->error = 1 - mc_dot(r * o, c->a, rhs) / z->p->norm;
  return true;
}

/* B [t, r] for A and C: the normal matrix of x times (A A^T), element by element. */
static bool solve_b(cp *c, mc_arena *m) {
  mc_als *z = &c->z;
  int64_t r = z->r, o = z->p->o, n = z->n;
  double *aa = MC_NEWN(m, double, r *r), *k = MC_NEWN(m, double, n *n);
  mc_la_gemm(false, true, r, r, o, 1, c->a, c->a, 0, aa);
  for (int64_t i = 0; i < n; i++) {
    const double *row = z->a + i * n, *aa_i = aa + i % r * r;
    for (int64_t u = 0; u < n; u += r)
      for (int64_t q = 0; q < r; q++) k[i * n + u + q] = row[u + q] * aa_i[q];
    c->b[i] = mc_dot(o, c->a + i % r * o, z->rhs + i * o);
  }
  return mc_als_solve(n, k, 1, c->b);
}

static void fill_x(cp *c) {
  int64_t r = c->z.r, o = c->z.p->o;
  for (int64_t i = 0; i < c->z.n; i++)
    for (int64_t y = 0; y < o; y++) c->z.x[i * o + y] = c->b[i] * c->a[i % r * o + y];
}

/* Rows of v and of A get norm 1, B takes the rest; then v gets features of equal variance. */
static void normalise(cp *c) {
  mc_als *z = &c->z;
  int64_t r = z->r, o = z->p->o, S = z->p->s;
  for (int64_t q = 0; q < r; q++) {
    double va = sqrt(mc_dot(o, c->a + q * o, c->a + q * o)), vv = 0;
    double *v = z->v + q * S;
    if (z->p->mean)
      mc_la_gemm(false, false, 1, S, S, 1, v, z->p->mean, 0, z->y), vv = sqrt(mc_dot(S, v, z->y));
    else
      vv = sqrt(mc_dot(S, v, v));
    if (!(va > 0) || !(vv > 0)) va = vv = 1;
    for (int64_t y = 0; y < o; y++) c->a[q * o + y] /= va;
    for (int64_t s = 0; s < S; s++) v[s] /= vv;
    for (int64_t t = 0; t < z->p->t; t++) c->b[t * r + q] *= va * vv;
  }
}

/* A sweep takes this many multiplications: the normal matrix of B and its solution, and V. */
static double work_of(const mc_als *z) {
  double n = (double)z->n, v = (double)(z->p->t * z->r * z->p->s) * n;
  return n * n * n / 6 + n * n * (double)z->p->o + 10 * v;
}

/* How many sweeps of `most` the work allows. */
static int affordable(const mc_als *z, int most) {
  double n = most_work / work_of(z);
  return n >= most ? most : n < (double)LEAST_SWEEPS ? LEAST_SWEEPS : (int)n;
}

/* At most n sweeps: fewer when the error no longer falls. The last step is not one of v. */
static bool sweeps(cp *c, int n) {
  bool ok = true;
  double last = INFINITY;
  for (int k = 0; ok && k < n; k++) {
    mc_arena *m = mc_arena_create();
    normalise(c);
    mc_als_normal_x(&c->z);
    ok = solve_a(c, m) && solve_b(c, m) && solve_a(c, m);
    fill_x(c);
    bool done = k + 1 == n || !(c->z.error < last * (1 - 1e-3)) || c->z.error < 1e-8;
    last = c->z.error;
    ok = ok && (done || mc_als_solve_v(&c->z));
    mc_arena_destroy(m);
    if (done) break;
  }
  return ok && isfinite(c->z.error);
}

static cp cp_new(const mc_pair *p, int64_t r, mc_arena *m) {
  return (cp){ .z = mc_als_new(p, r, m),
               .a = MC_NEWN(m, double, r * p->o),
               .b = MC_NEWN(m, double, p->t *r) };
}

static void take(cp *c, mc_factors *out, mc_arena *a) {
  int64_t r = c->z.r, o = c->z.p->o, S = c->z.p->s;
  normalise(c);
  out->w[0] = mc_arena_copy(a, c->z.v, sizeof(double) * (size_t)(r * S));
  out->w[1] = MC_NEWN(a, double, c->z.n);
  out->w[2] = MC_NEWN(a, double, r *o);
  mc_transpose(c->z.p->t, r, c->b, out->w[1]);
  mc_transpose(r, o, c->a, out->w[2]);
  out->error = c->z.error > 0 ? c->z.error : 0;
}

bool mc_factor_cp(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a) {
  const mc_pair *x = mc_factoring_pair(p, MC_FORM_cp);
  if (!x) return false;
  mc_arena *m = mc_arena_create();
  cp c = cp_new(x, f->r, m), other = cp_new(x, f->r, m);
  bool zero = !(x->norm > 0), ok = zero;
  if (!zero) {
    start_random(&other, 0x9e3779b97f4a7c15u);
    bool first = start_taps(&c, m) && sweeps(&c, 2), second = sweeps(&other, 2);
    if (second && (!first || other.z.error < c.z.error)) c = other;
    ok = (first || second) && mc_als_solve_v(&c.z) && sweeps(&c, affordable(&c.z, 20 * rounds));
  }
  if (ok) take(&c, out, a);
  mc_arena_destroy(m);
  return ok;
}

void mc_cp_dense(const mc_factors *f, mc_kshape s, double *w) {
  int64_t T = s.kh * s.kw, r = f->form.r;
  memset(w, 0, sizeof(double) * (size_t)(s.o * T * s.ci));
  for (int64_t o = 0; o < s.o; o++)
    for (int64_t t = 0; t < T; t++)
      for (int64_t q = 0; q < r; q++) {
        double k = f->w[2][o * r + q] * f->w[1][q * T + t];
        for (int64_t c = 0; c < s.ci; c++) w[(o * T + t) * s.ci + c] += k * f->w[0][q * s.ci + c];
      }
}
