// RUN: %unit/measure_test
/* lib/measure's arithmetic against naive formulas: linear algebra, columns of products, moments,
 * fits. */
#include "../../lib/compress/refit.h"
#include "../../lib/measure/columns.h"
#include "check.h"
#include "mc/ir/build.h"
#include "mc/measure/linalg.h"
#include "mc/measure/moments.h"
#include "mc/pass/samples.h"
#include <math.h>
#include <string.h>

static uint64_t seed = 1;

static double rnd(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 40) * 0x1p-23 - 1;
}

static bool near(double a, double b, double tol) { return fabs(a - b) <= tol * (1 + fabs(b)); }

static double *noise(mc_arena *a, int64_t n) {
  double *x = MC_NEWN(a, double, n);
  for (int64_t i = 0; i < n; i++) x[i] = rnd();
  return x;
}

static float *noise_f32(mc_arena *a, int64_t n) {
  float *x = MC_NEWN(a, float, n);
  for (int64_t i = 0; i < n; i++) x[i] = (float)rnd();
  return x;
}

/* ---- linear algebra ---- */

static void multiplies(mc_arena *a) {
  enum { M = 5, N = 4, K = 7 };

  double *x = noise(a, M * K), *y = noise(a, K * N), *c = noise(a, M * N),
         *old = mc_arena_copy(a, c, sizeof *c * M * N);
  for (int t = 0; t < 4; t++) {
    memcpy(c, old, sizeof *c * M * N);
    mc_la_gemm(t & 1, t >> 1, M, N, K, 2, x, y, -1, c);
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        double s = 0;
        for (int k = 0; k < K; k++)
          s += (t & 1 ? x[k * M + i] : x[i * K + k]) * (t >> 1 ? y[j * K + k] : y[k * N + j]);
        CHECK(near(c[i * N + j], 2 * s - old[i * N + j], 1e-12));
      }
  }
}

static void sums_products(mc_arena *a) {
  enum { M = 70, N = 3, K = 2500 };

  float *x = noise_f32(a, M * K), *y = noise_f32(a, N * K), *xt = MC_NEWN(a, float, M *K);
  for (int i = 0; i < M; i++)
    for (int k = 0; k < K; k++) xt[k * M + i] = x[i * K + k];
  double *g = MC_NEWN(a, double, M *M), *l = MC_NEWN(a, double, M *M),
         *c = MC_NEWN(a, double, M *N);
  mc_la_gram_f32(M, K, x, g);
  mc_la_lower_f32(M, K, xt, M, l);
  mc_la_mirror(M, l);
  mc_la_cross_f32(M, N, K, xt, M, y, N, c);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < M; j++) {
      double s = 0, t = 0;
      for (int k = 0; k < K; k++) s += (double)x[i * K + k] * (double)x[j * K + k];
      for (int k = 0; j < N && k < K; k++) t += (double)x[i * K + k] * (double)y[k * N + j];
      CHECK(near(g[i * M + j], s, 1e-4) && near(l[i * M + j], s, 1e-4));
      CHECK(j >= N || near(c[i * N + j], t, 1e-4));
    }
}

static void factors(mc_arena *a) {
  enum { D = 6, N = 3 };

  double *b = noise(a, D * D), *g = MC_NEWN(a, double, D *D), *l = MC_NEWN(a, double, D *D),
         *x = noise(a, D * N);
  mc_la_gemm(false, true, D, D, D, 1, b, b, 0, g);
  memcpy(l, g, sizeof *g * D * D);
  CHECK(mc_la_cholesky(D, l, 0.5));
  double *back = MC_NEWN(a, double, D *D), *y = mc_arena_copy(a, x, sizeof *x * D * N);
  mc_la_gemm(false, true, D, D, D, 1, l, l, 0, back);
  for (int i = 0; i < D * D; i++) CHECK(near(back[i], g[i] + (i % (D + 1) ? 0 : 0.5), 1e-12));
  for (int i = 0; i < D; i++)
    for (int j = i + 1; j < D; j++) CHECK(l[i * D + j] == 0);
  mc_la_cholesky_solve(D, l, N, y);
  double *r = MC_NEWN(a, double, D *N);
  mc_la_gemm(false, false, D, N, D, 1, back, y, 0, r);
  for (int i = 0; i < D * N; i++) CHECK(near(r[i], x[i], 1e-10));
  double bad[4] = { 1, 2, 2, 1 }, none[4] = { 0 }, nan[4] = { NAN, 0, 0, 1 };
  CHECK(!mc_la_cholesky(2, bad, 0) && !mc_la_cholesky(2, none, 0) && !mc_la_cholesky(2, nan, 0));
}

static void eigenvectors(mc_arena *a) {
  enum { D = 7 };

  double *b = noise(a, D * D), *g = MC_NEWN(a, double, D *D), v[D], *av = MC_NEWN(a, double, D *D);
  mc_la_gemm(false, true, D, D, D, 1, b, b, 0, g);
  double *e = mc_arena_copy(a, g, sizeof *g * D * D);
  CHECK(mc_la_eigen(D, e, v));
  mc_la_gemm(false, false, D, D, D, 1, g, e, 0, av);
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++)
      CHECK(near(av[i * D + j], e[i * D + j] * v[j], 1e-10) && (j == 0 || v[j] >= v[j - 1]));
}

static void singular_values(mc_arena *a, int64_t m, int64_t n) {
  int64_t k = m < n ? m : n;
  double *x = noise(a, m * n), *c = mc_arena_copy(a, x, sizeof *x * (size_t)(m * n)),
         *u = MC_NEWN(a, double, m *k);
  double *s = MC_NEWN(a, double, k), *vt = MC_NEWN(a, double, k *n);
  CHECK(mc_la_svd(m, n, c, u, s, vt));
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double t = 0;
      for (int64_t q = 0; q < k; q++) t += u[i * k + q] * s[q] * vt[q * n + j];
      CHECK(near(t, x[i * n + j], 1e-10));
    }
  for (int64_t q = 0; q < k; q++) {
    double most = 0;
    for (int64_t i = 0; i < m; i++)
      if (fabs(u[i * k + q]) > fabs(most)) most = u[i * k + q];
    CHECK(most > 0 && (q == 0 || s[q] <= s[q - 1]));
  }
}

/* ---- products ---- */

typedef struct net {
  mc_module *m;
  mc_graph *g;
  mc_diag d;
  mc_builder b;
  mc_value *x;
} net;

static net *net_of(mc_arena *a, int rank, const int64_t *dim) {
  net *n = MC_NEW(a, net);
  n->m = mc_module_create();
  mc_diag_init(&n->d, a);
  n->g = mc_graph_create(n->m, "main", mc_noloc);
  n->x = mc_graph_add_input(n->g, "x", mc_type_make(n->m, MC_f32, rank, dim), mc_noloc);
  n->b = (mc_builder){ .graph = n->g, .diag = &n->d };
  return n;
}

static mc_value *random_tensor(net *n, const char *name, int rank, const int64_t *dim) {
  void *data;
  mc_tensor *t = mc_tensor_create(n->m, name, MC_f32, rank, dim, &data);
  for (int64_t i = 0; i < mc_tensor_elems(t); i++) ((float *)data)[i] = (float)rnd();
  return mc_build_tensor(&n->b, t, NULL);
}

/* W X + b of all places is what the evaluator gives; then new weights without and with a bias. */
static void agrees(mc_arena *a, net *n, mc_opcode op, int wrank, const int64_t *wdim,
                   const void *attrs, bool bias) {
  mc_value *in[3] = { n->x, random_tensor(n, "w", wrank, wdim),
                      bias ? random_tensor(n, "b", 1, wdim) : NULL };
  mc_value *y = mc_build1(&n->b, op, in, bias ? 3 : 2, attrs);
  CHECK(y != NULL);
  mc_build(&n->b, MC_OP_return, &y, 1, NULL);
  mc_products ps = mc_products_of(n->g, a);
  CHECK(ps.n == 1);
  const mc_product *p = &ps.v[0];
  int64_t outs = p->groups * p->o, *place = MC_NEWN(a, int64_t, p->places);
  float *w = MC_NEWN(a, float, outs * p->d), *b = MC_NEWN(a, float, outs),
        *col = MC_NEWN(a, float, p->groups * p->places * p->d);
  mc_array *xa = mc_graph_input_arrays(n->g, a), *ya = mc_graph_output_arrays(n->g, a);
  mc_random_fill(n->x, 7, xa[0].data);
  for (int64_t i = 0; i < p->places; i++) place[i] = p->places - 1 - i;
  mc_product_columns(p, xa[0].data, place, p->places, col);
  for (int round = 0; round < 2; round++) {
    mc_product_weights(p, w, b);
    CHECK(mc_eval_graph(n->g, xa, ya, NULL, &n->d));
    for (int64_t i = 0; i < p->places; i++)
      for (int64_t c = 0; c < outs; c++) {
        double s = (double)b[c];
        const float *row = col + (c / p->o * p->places + i) * p->d;
        for (int64_t k = 0; k < p->d; k++) s += (double)w[c * p->d + k] * (double)row[k];
        CHECK(near((double)((float *)ya[0].data)[place[i] * outs + c], s, 1e-5));
      }
    for (int64_t i = 0; i < outs * p->d; i++) w[i] = (float)rnd();
    CHECK(mc_product_set(p, w, b, &n->d) && (p->node->nin == 3) == bias);
    for (int64_t c = 0; c < outs; c++) b[c] = (float)rnd();
    CHECK(mc_product_set(p, w, b, &n->d) && p->node->nin == 3);
    bias = true;
  }
  mc_module_destroy(n->m);
}

static mc_attrs_conv2d conv(mc_arena *a, int64_t sy, int64_t sx, int64_t pad, int64_t dil,
                            int64_t groups) {
  mc_attrs_conv2d at;
  mc_attrs_init(MC_OP_conv2d, &at, a);
  at.stride[0] = sy, at.stride[1] = sx, at.dilation[1] = dil, at.groups = groups;
  at.pad[0] = pad, at.pad[1] = pad ? pad + 1 : 0, at.pad[3] = pad;
  return at;
}

static void columns(mc_arena *a) {
  mc_attrs_conv2d c = conv(a, 1, 1, 0, 1, 1);
  agrees(a, net_of(a, 4, (int64_t[]){ 1, 5, 6, 3 }), MC_OP_conv2d, 4, (int64_t[]){ 4, 3, 3, 3 }, &c,
         true);
  c = conv(a, 2, 1, 2, 2, 1);
  agrees(a, net_of(a, 4, (int64_t[]){ 2, 5, 6, 3 }), MC_OP_conv2d, 4, (int64_t[]){ 4, 3, 2, 3 }, &c,
         false);
  c = conv(a, 1, 2, 1, 1, 2);
  agrees(a, net_of(a, 4, (int64_t[]){ 2, 5, 6, 4 }), MC_OP_conv2d, 4, (int64_t[]){ 6, 3, 3, 2 }, &c,
         true);
  c = conv(a, 1, 1, 1, 1, 4);
  agrees(a, net_of(a, 4, (int64_t[]){ 1, 5, 6, 4 }), MC_OP_conv2d, 4, (int64_t[]){ 4, 3, 3, 1 }, &c,
         false);
  agrees(a, net_of(a, 4, (int64_t[]){ 1, 5, 6, 4 }), MC_OP_conv2d, 4, (int64_t[]){ 8, 3, 3, 1 }, &c,
         true);
  agrees(a, net_of(a, 3, (int64_t[]){ 2, 3, 5 }), MC_OP_linear, 2, (int64_t[]){ 4, 5 }, NULL, true);
  agrees(a, net_of(a, 1, (int64_t[]){ 5 }), MC_OP_linear, 2, (int64_t[]){ 4, 5 }, NULL, false);
  mc_attrs_conv_transpose2d t;
  mc_attrs_init(MC_OP_conv_transpose2d, &t, a);
  t.stride[0] = 2, t.stride[1] = 3, t.pad[0] = 1, t.pad[3] = 1, t.out_pad[0] = 1, t.dilation[1] = 2;
  agrees(a, net_of(a, 4, (int64_t[]){ 2, 4, 3, 3 }), MC_OP_conv_transpose2d, 4,
         (int64_t[]){ 4, 3, 3, 3 }, &t, true);
  t.groups = 2;
  agrees(a, net_of(a, 4, (int64_t[]){ 1, 4, 3, 4 }), MC_OP_conv_transpose2d, 4,
         (int64_t[]){ 6, 3, 2, 2 }, &t, false);
}

/* ---- moments and fits ---- */

/* Sums of n columns x = mix z + 1 and y = w x + b + noise, the columns dealt out to the folds. */
static mc_moments sums(mc_arena *a, int64_t n, int64_t o, int64_t d, int64_t rank, const float *w,
                       const float *b, double noisy) {
  mc_moments m = { .groups = 1, .o = o, .d = d };
  double *mix = noise(a, d * rank), *x = MC_NEWN(a, double, d), *y = MC_NEWN(a, double, o);
  for (int f = 0; f < MC_FOLDS; f++)
    m.fold[f] = (mc_sums){ 0,
                           MC_NEWN(a, double, d *d),
                           MC_NEWN(a, double, o *d),
                           MC_NEWN(a, double, d),
                           MC_NEWN(a, double, o),
                           MC_NEWN(a, double, o) };
  for (int64_t i = 0; i < n; i++) {
    mc_sums *s = &m.fold[i % MC_FOLDS];
    for (int64_t j = 0; j < d; j++) x[j] = 1;
    for (int64_t r = 0; r < rank; r++) {
      double z = rnd();
      for (int64_t j = 0; j < d; j++) x[j] += mix[j * rank + r] * z;
    }
    for (int64_t c = 0; c < o; c++) {
      y[c] = (double)b[c] + noisy * rnd();
      for (int64_t j = 0; j < d; j++) y[c] += (double)w[c * d + j] * x[j];
    }
    s->n++;
    for (int64_t j = 0; j < d; j++) {
      s->x[j] += x[j];
      for (int64_t k = 0; k < d; k++) s->g[j * d + k] += x[j] * x[k];
    }
    for (int64_t c = 0; c < o; c++) {
      s->y[c] += y[c], s->yy[c] += y[c] * y[c];
      for (int64_t j = 0; j < d; j++) s->c[c * d + j] += y[c] * x[j];
    }
  }
  return m;
}

static void fits(mc_arena *a) {
  enum { O = 3, D = 5 };

  float *w = noise_f32(a, O * D), *b = noise_f32(a, O), *zero = MC_NEWN(a, float, O *D), got[O * D],
        bias[O];
  mc_moments m = sums(a, 400, O, D, D, w, b, 0);
  mc_centred z = mc_moments_centred(&m, 15, 0, a);
  CHECK(z.n == 400 && mc_fit(&z, zero, 1e-9, got, bias));
  for (int i = 0; i < O * D; i++) CHECK(near((double)got[i], (double)w[i], 1e-4));
  for (int i = 0; i < O; i++) CHECK(near((double)bias[i], (double)b[i], 1e-3));
  double total, e = mc_fit_error(&z, w, b, &total);
  CHECK(e < 1e-9 && near(mc_fit_error(&z, zero, bias, NULL) > total ? 1 : 0, 1, 0.1));
  CHECK(mc_fit_lambda(&m, 0, NULL, zero) == 1e-5); /* no noise: the least is the best */
  /* A part of the columns: the same as moments that never had the others. */
  bool keep[D] = { true, false, true, true, false };
  mc_centred s = mc_centred_sub(&z, keep, a);
  CHECK(s.d == 3 && s.g[1] == z.g[2] && s.c[1 * 3 + 2] == z.c[1 * D + 3] && s.mx[2] == z.mx[3]);
  mc_centred first = mc_moments_centred(&m, 1, 0, a);
  CHECK(first.n == 100);
}

static void singular(mc_arena *a) {
  enum { O = 2, D = 6 };

  float *w = noise_f32(a, O * D), *b = noise_f32(a, O), *zero = MC_NEWN(a, float, O *D), got[O * D],
        bias[O];
  mc_moments m = sums(a, 40, O, D, 2, w, b, 0); /* of rank 2 */
  mc_centred z = mc_moments_centred(&m, 15, 0, a);
  got[0] = 77;
  CHECK(mc_fit(&z, zero, 1e-3, got, bias) && mc_fit_error(&z, got, bias, NULL) < 1e-2);
  mc_moments still = sums(a, 40, O, D, 0, w, b, 0); /* nothing varies */
  z = mc_moments_centred(&still, 15, 0, a);
  CHECK(mc_fit(&z, w, 1e-3, got, bias) && !memcmp(got, w, sizeof got) &&
        near((double)bias[1], (double)b[1], 1e-4));
  mc_moments none = sums(a, 0, O, D, 2, w, b, 0);
  z = mc_moments_centred(&none, 15, 0, a);
  got[0] = 77;
  CHECK(!mc_fit(&z, w, 1e-3, got, bias) && got[0] == 77);
  CHECK(mc_fit_lambda(&none, 0, NULL, w) == 10);
}

/* Few noisy samples: a stronger pull to the weights than for many. */
static void noisy(mc_arena *a) {
  enum { O = 1, D = 8 };

  float w[O * D] = { 0 }, b[O] = { 0 };
  mc_moments m = sums(a, 16, O, D, D, w, b, 2);
  CHECK(mc_fit_lambda(&m, 0, NULL, w) >= 0.1);
}

/* What counts as few is how often a layer is read, not how many samples there are: a classifier
 * reads one place of each. */
static void few_places(mc_arena *a) {
  enum { O = 1, D = 200 };

  float w[O * D] = { 0 }, b[O] = { 0 };
  mc_product p = { .groups = 1, .ci = D, .o = O, .d = D };
  mc_moments few = sums(a, 300, O, D, D, w, b, 2), many = sums(a, 2 * D, O, D, D, w, b, 2);
  CHECK(mc_refit_lambda(&p, &few, 0, NULL, 0, 300, w) >= 0.1);
  CHECK(mc_refit_lambda(&p, &many, 0, NULL, 0, 2 * D, w) == 1e-3);
  CHECK(mc_refit_lambda(&p, &few, 0, NULL, 0.5, 300, w) == 0.5);
}

/* Many columns: two sums, of the last fold and of the others; half of the bytes. */
static void wide(mc_arena *a) {
  enum { D = MC_WIDE + 1, O = 2, N = 9 };

  net *n = net_of(a, 2, (int64_t[]){ N, D });
  mc_value *w = random_tensor(n, "w", 2, (int64_t[]){ O, D });
  mc_value *v = mc_build1(&n->b, MC_OP_linear, (mc_value *[]){ n->x, w }, 2, NULL);
  mc_product p = { v->def, 1, O, D, 1, 1, D, N };
  float *x = noise_f32(a, N * D), *y = noise_f32(a, N * O);
  mc_moments *m = mcm_moments_new(&p, a);
  mcm_sum *s = mcm_sum_open(&p, m, true, a);
  for (int64_t i = 0; i < N; i++) mcm_sum_add_rows(s, (int)(i % MC_FOLDS), x, y + i * O, &i, 1);
  CHECK(mcm_sum_close(s) && m->fold[0].n == 7 && !m->fold[1].g && m->fold[3].n == 2);
  mc_centred z = mc_moments_centred(m, 7, 0, a), one = mc_moments_centred(m, 2, 0, a);
  double sum = 0;
  for (int64_t i = 0; i < N; i++) sum += i % MC_FOLDS == 3 ? 0 : (double)x[i * D + 5] / 7;
  CHECK(z.n == 7 && one.n == 7 && near(z.mx[5], sum, 1e-6) && z.g[1] == z.g[D]);
  CHECK(mc_moments_centred(m, 15, 0, a).n == 9 && mc_moments_centred(m, 8, 0, a).n == 2);
  CHECK(mc_moments_bytes(&p) == 2 * 8 * (D * D + O * D + D + 2 * O));
  CHECK(mcm_sum_bytes(&p) > mc_moments_bytes(&p) && m->lambda && m->lambda[0] == 0);
  mc_module_destroy(n->m);
}

/* lambda is judged on some of the outputs of a large layer. */
static void many_outputs(mc_arena *a) {
  enum { O = 150, D = 8, MANY = 170, WIDE = 1100 };

  float *far = noise_f32(a, MANY * WIDE);
  mc_moments big = sums(a, 60, MANY, WIDE, 2, noise_f32(a, MANY * WIDE), noise_f32(a, MANY), 0);
  CHECK(mc_fit_lambda(&big, 0, NULL, far) <= 1e-3);
  float *w = noise_f32(a, O * D), *b = noise_f32(a, O), *zero = MC_NEWN(a, float, O *D);
  bool keep[D] = { true, true, true, true, true, true, true, false };
  mc_moments m = sums(a, 100, O, D, D, w, b, 0), n = sums(a, 16, O, D, D, zero, b, 2);
  CHECK(mc_fit_lambda(&m, 0, NULL, zero) == 1e-5);
  CHECK(mc_fit_lambda(&n, 0, NULL, zero) >= 0.1 && mc_fit_lambda(&n, 0, keep, zero) >= 0.1);
  double kept = 0; /* asked once */
  n.lambda = &kept;
  CHECK(mc_fit_lambda(&n, 0, NULL, zero) == kept && kept >= 0.1);
  kept = 7;
  CHECK(mc_fit_lambda(&n, 0, NULL, zero) == 7);
}

int main(void) {
  mc_arena *a = mc_arena_create();
  wide(a);
  many_outputs(a);
  multiplies(a);
  sums_products(a);
  factors(a);
  eigenvectors(a);
  singular_values(a, 5, 8);
  singular_values(a, 8, 5);
  columns(a);
  fits(a);
  singular(a);
  noisy(a);
  few_places(a);
  mc_arena_destroy(a);
  return CHECK_DONE();
}
