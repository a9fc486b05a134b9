/* A linear layer as a tensor train of two cores (Oseledets 2011; Novikov et al., "Tensorizing
 * neural networks", 2015): o = (oh, ol), c_in = (ih, il), W'[(oh ol), (ih il)] = sum over q of
 * B[(oh q), il] A[ol, (ih q)]. Start: SVD of the matrix [(oh il), (ih ol)]; then one core after the
 * other by its normal equations, in the metric, both of which have a closed form. */
#include "factor_parts.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

/* One core is known: k [b, r, i2]; the other, x [(i1 q), a], is asked for. wg [b, a, i1, i2], g
 * [i1, i1] blocks of [i2, i2] (NULL: plain). */
typedef struct half {
  int64_t a, b, i1, i2;
  double *w, *wg, *g;
} half;

static void order_half(const mc_factoring *p, half *h, bool swap, int64_t oh, int64_t ih,
                       mc_arena *m) {
  int64_t ol = p->s.o / oh, il = p->s.ci / ih, d = p->s.ci;
  *h = (half){
    .a = swap ? oh : ol, .b = swap ? ol : oh, .i1 = swap ? il : ih, .i2 = swap ? ih : il
  };
  double *wg = MC_NEWN(m, double, p->s.o *d);
  if (p->g) mc_la_gemm(false, false, p->s.o, d, d, 1, p->w, p->g, 0, wg);
  h->w = MC_NEWN(m, double, p->s.o *d);
  h->wg = MC_NEWN(m, double, p->s.o *d);
  h->g = p->g ? MC_NEWN(m, double, d *d) : NULL;
  for (int64_t b = 0, k = 0; b < h->b; b++)
    for (int64_t a = 0; a < h->a; a++)
      for (int64_t i = 0; i < h->i1; i++)
        for (int64_t j = 0; j < h->i2; j++, k++) {
          int64_t from = (swap ? a * ol + b : b * ol + a) * d + (swap ? j * il + i : i * il + j);
          h->w[k] = p->w[from];
          h->wg[k] = p->g ? wg[from] : p->w[from];
        }
  if (!p->g) return;
  for (int64_t i = 0, k = 0; i < h->i1; i++)
    for (int64_t u = 0; u < h->i1; u++)
      for (int64_t j = 0; j < h->i2; j++)
        for (int64_t v = 0; v < h->i2; v++, k++)
          h->g[k] = p->g[(swap ? j * il + i : i * il + j) * d + (swap ? v * il + u : u * il + v)];
}

/* x [(i1 q), a] for k [b, r, i2]; *gain = <x, rhs>. */
static bool solve_half(const half *h, int64_t r, const double *k, double *x, double *gain) {
  mc_arena *m = mc_arena_create();
  int64_t n = h->i1 * r, bb = h->b * r;
  double *nn = MC_NEWN(m, double, n *n), *y = MC_NEWN(m, double, bb * h->i2),
         *blk = MC_NEWN(m, double, r *r);
  double *rhs = MC_NEWN(m, double, n * h->a), *wi = MC_NEWN(m, double, h->a * h->i2);
  for (int64_t i = 0; i < h->i1; i++)
    for (int64_t u = i; u < (h->g ? h->i1 : i + 1); u++) {
      const double *f = k;
      if (h->g)
        mc_la_gemm(false, false, bb, h->i2, h->i2, 1, k, h->g + (i * h->i1 + u) * h->i2 * h->i2, 0,
                   y),
            f = y;
      memset(blk, 0, sizeof(double) * (size_t)(r * r));
      for (int64_t b = 0; b < h->b; b++)
        mc_la_gemm(false, true, r, r, h->i2, 1, f + b * r * h->i2, k + b * r * h->i2, 1, blk);
      for (int64_t q = 0; q < r; q++)
        for (int64_t z = 0; z < r; z++)
          nn[(i * r + q) * n + u * r + z] = nn[(u * r + z) * n + i * r + q] = blk[q * r + z];
    }
  for (int64_t b = 0; b < h->b; b++)
    for (int64_t i = 0; i < h->i1; i++) {
      for (int64_t a = 0; a < h->a; a++)
        memcpy(wi + a * h->i2, h->wg + ((b * h->a + a) * h->i1 + i) * h->i2,
               sizeof(double) * (size_t)h->i2);
      mc_la_gemm(false, true, r, h->a, h->i2, 1, k + b * r * h->i2, wi, 1, rhs + i * r * h->a);
    }
  memcpy(x, rhs, sizeof(double) * (size_t)(n * h->a));
  double trace = mc_la_trace(n, nn);
  bool ok = trace > 0 && mc_la_cholesky(n, nn, 1e-9 * trace / (double)n);
  if (ok) mc_la_cholesky_solve(n, nn, h->a, x);
  *gain = 0;
  for (int64_t i = 0; ok && i < n * h->a; i++) *gain += x[i] * rhs[i];
  mc_arena_destroy(m);
  return ok;
}

/* x [(i1 q), a] as the known core [a, r, i1] of the other half. */
static void turn(const half *h, int64_t r, const double *x, double *k) {
  for (int64_t a = 0; a < h->a; a++)
    for (int64_t q = 0; q < r; q++)
      for (int64_t i = 0; i < h->i1; i++) k[(a * r + q) * h->i1 + i] = x[(i * r + q) * h->a + a];
}

/* The first B: left vectors of [(oh il), (ol ih)]. */
static bool start(const half *h, int64_t r, double *k, mc_arena *m) {
  int64_t rows = h->b * h->i2, cols = h->a * h->i1, full = rows < cols ? rows : cols;
  double *x = MC_NEWN(m, double, rows *cols), *u = MC_NEWN(m, double, rows *full),
         *s = MC_NEWN(m, double, full), *v = MC_NEWN(m, double, full *cols);
  for (int64_t b = 0; b < h->b; b++)
    for (int64_t a = 0; a < h->a; a++)
      for (int64_t i = 0; i < h->i1; i++)
        for (int64_t j = 0; j < h->i2; j++)
          x[(b * h->i2 + j) * cols + a * h->i1 + i] =
              h->w[((b * h->a + a) * h->i1 + i) * h->i2 + j];
  if (!mc_la_svd(rows, cols, x, u, s, v)) return false;
  for (int64_t b = 0; b < h->b; b++)
    for (int64_t q = 0; q < r; q++)
      for (int64_t j = 0; j < h->i2; j++)
        k[(b * r + q) * h->i2 + j] = q < full ? u[(b * h->i2 + j) * full + q] : 0;
  return true;
}

bool mc_factor_tt(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a) {
  mc_arena *m = mc_arena_create();
  int64_t r = f->r, ol = p->s.o / f->oh, il = p->s.ci / f->ih;
  half first, second;
  order_half(p, &first, false, f->oh, f->ih, m);
  order_half(p, &second, true, f->oh, f->ih, m);
  double *b = MC_NEWN(a, double, f->oh *r *il), *ka = MC_NEWN(m, double, ol *r * f->ih), gain = 0;
  double *xa = MC_NEWN(m, double, f->ih *r *ol), *xb = MC_NEWN(m, double, il *r * f->oh);
  bool ok = p->norm > 0 && start(&first, r, b, m) && solve_half(&first, r, b, xa, &gain);
  for (int k = 1; ok && k < rounds; k++) {
    turn(&first, r, xa, ka);
    ok = solve_half(&second, r, ka, xb, &gain);
    turn(&second, r, xb, b);
    ok = ok && solve_half(&first, r, b, xa, &gain);
  }
  out->w[0] = b;
  out->w[1] = MC_NEWN(a, double, ol * f->ih * r);
  mc_transpose(f->ih * r, ol, xa, out->w[1]);
  out->error = p->norm > 0 && gain < p->norm ? 1 - gain / p->norm : 0;
  mc_arena_destroy(m);
  return ok || !(p->norm > 0);
}

void mc_tt_dense(const mc_factors *f, mc_kshape s, double *w) {
  int64_t oh = f->form.oh, ih = f->form.ih, r = f->form.r, ol = s.o / oh, il = s.ci / ih;
  for (int64_t b = 0; b < oh; b++)
    for (int64_t a = 0; a < ol; a++)
      for (int64_t i = 0; i < ih; i++)
        for (int64_t j = 0; j < il; j++) {
          double sum = 0;
          for (int64_t q = 0; q < r; q++)
            sum += f->w[0][(b * r + q) * il + j] * f->w[1][a * ih * r + i * r + q];
          w[(b * ol + a) * s.ci + i * il + j] = sum;
        }
}
