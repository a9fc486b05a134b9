// RUN: %unit/lowrank_test
/* Forms of low rank: full rank gives the weights back, the error falls with the rank, and the data
 * norm beats the plain norm where it should. */
#include "../../lib/compress/factor.h"
#include "check.h"
#include "mc/measure/linalg.h"
#include <math.h>
#include <string.h>

static uint64_t seed = 12345;

static double noise(void) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (double)(seed >> 11) * 0x1p-52 - 1;
}

typedef struct problem {
  mc_kshape s;
  int64_t d;
  double *w, *g;
  mc_arena *a;
} problem;

/* A metric far from the identity: few strong directions and much that hardly moves. */
static problem make(mc_kshape s) {
  problem p = { .s = s, .d = s.kh * s.kw * s.ci, .a = mc_arena_create() };
  p.w = MC_NEWN(p.a, double, s.o *p.d);
  p.g = MC_NEWN(p.a, double, p.d *p.d);
  double *x = MC_NEWN(p.a, double, p.d *p.d);
  for (int64_t i = 0; i < s.o * p.d; i++) p.w[i] = noise();
  for (int64_t i = 0; i < p.d * p.d; i++)
    x[i] = noise() * exp(-3.0 * (double)(i % p.d) / (double)p.d);
  mc_la_gemm(false, true, p.d, p.d, p.d, 1 / (double)p.d, x, x, 0, p.g);
  for (int64_t i = 0; i < p.d; i++) p.g[i * p.d + i] += 1e-4;
  return p;
}

/* tr(dW G dW^T) / tr(W G W^T); g NULL: plain. */
static double error_of(const problem *p, const double *got, const double *g) {
  double *x = MC_NEWN(p->a, double, p->s.o * p->d), *xg = x, sum = 0, all = 0;
  for (int k = 0; k < 2; k++) {
    for (int64_t i = 0; i < p->s.o * p->d; i++) x[i] = p->w[i] - (k ? 0 : got[i]);
    if (g) {
      xg = MC_NEWN(p->a, double, p->s.o * p->d);
      mc_la_gemm(false, false, p->s.o, p->d, p->d, 1, x, g, 0, xg);
    }
    for (int64_t i = 0; i < p->s.o * p->d; i++) *(k ? &all : &sum) += x[i] * xg[i];
  }
  return sum / all;
}

static mc_form form_of(mc_form_kind k, mc_kshape s, int64_t r) {
  mc_form f = { .kind = k, .r = r };
  if (k == MC_FORM_tucker2) f.r = r < s.ci ? r : s.ci, f.r2 = r < s.o ? r : s.o;
  if (k == MC_FORM_tt) f.oh = 3, f.ih = 4;
  return f;
}

/* The error in the data norm after a fit in one of the norms; the fit's own figure must be right.
 */
static double fitted(const problem *p, mc_form f, bool data, int rounds) {
  mc_factoring *z = mc_factoring_new(p->s, p->w, data ? p->g : NULL, p->a);
  mc_factors got;
  double *w = MC_NEWN(p->a, double, p->s.o * p->d);
  CHECK(mc_factor_fit(z, &f, rounds, &got, p->a));
  mc_factors_dense(&got, p->s, w);
  double own = error_of(p, w, data ? p->g : NULL);
  CHECK(fabs(own - got.error) < 1e-6 + 1e-3 * own);
  return error_of(p, w, p->g);
}

static void check_form(mc_form_kind k, mc_kshape s, const int64_t *rank, int n, int64_t full) {
  problem p = make(s);
  double last = 1.01, all = fitted(&p, form_of(k, s, full), true, 4);
  CHECK(all < 1e-5);
  CHECK(fitted(&p, form_of(k, s, full), false, 4) < 1e-5);
  for (int i = 0; i < n; i++) {
    mc_form f = form_of(k, s, rank[i]);
    double data = fitted(&p, f, true, 4), plain = fitted(&p, f, false, 4);
    CHECK(data < last);
    CHECK(data < plain);
    last = data;
  }
  mc_arena_destroy(p.a);
}

/* One wide and one narrow matrix: both ways to the start. */
static void forms(void) {
  mc_kshape s = { 12, 3, 3, 8 }, wide = { 6, 1, 1, 40 }, tall = { 40, 1, 1, 6 },
            lin = { 12, 1, 1, 24 };
  const int64_t low[] = { 1, 2, 4, 6 };
  check_form(MC_FORM_out, s, low, 4, 12);
  check_form(MC_FORM_out, wide, low, 3, 6);
  check_form(MC_FORM_out, tall, low, 3, 6);
  check_form(MC_FORM_in, s, low, 4, 8);
  check_form(MC_FORM_rows, s, low, 4, 24);
  check_form(MC_FORM_cols, (mc_kshape){ 12, 5, 3, 4 }, low, 4, 12);
  check_form(MC_FORM_tucker2, s, low, 4, 8 + 4);
  check_form(MC_FORM_cp, s, low, 4, 72);
  check_form(MC_FORM_tt, lin, low, 4, 16);
}

/* Shapes of the stages multiply to those of the layer. */
static void stages(void) {
  mc_kshape s = { 12, 3, 5, 8 };
  for (int k = MC_FORM_out; k < MC_FORM_tt; k++) {
    mc_stage st[MC_FACTORS];
    mc_form f = form_of((mc_form_kind)k, s, 4);
    int n = mc_form_stages(&f, s, st), rows = 0, cols = 0;
    CHECK(n == (k == MC_FORM_tucker2 || k == MC_FORM_cp ? 3 : 2));
    for (int i = 0; i < n; i++) {
      rows += st[i].rows, cols += st[i].cols;
      CHECK(st[i].rows == (st[i].kh > 1) && st[i].cols == (st[i].kw > 1));
      CHECK(i == 0 ? st[i].ci == s.ci : st[i].depthwise || st[i].ci == st[i - 1].o);
    }
    CHECK(rows == 1 && cols == 1 && st[n - 1].o == s.o);
  }
}

/* A layer of zeros has factors of zeros; a metric with NaN has none. */
static void odd(void) {
  problem p = make((mc_kshape){ 4, 3, 3, 2 });
  mc_factors got;
  for (int k = MC_FORM_out; k < MC_FORM_tt; k++) {
    mc_form f = form_of((mc_form_kind)k, p.s, 1);
    double *g = mc_arena_copy(p.a, p.g, sizeof(double) * (size_t)(p.d * p.d));
    g[0] = NAN;
    mc_factoring *bad = mc_factoring_new(p.s, p.w, g, p.a);
    CHECK(!mc_factor_fit(bad, &f, 2, &got, p.a));
    double *zero = MC_NEWN(p.a, double, p.s.o *p.d), *w = MC_NEWN(p.a, double, p.s.o *p.d);
    mc_factoring *none = mc_factoring_new(p.s, zero, p.g, p.a);
    CHECK(mc_factor_fit(none, &f, 2, &got, p.a) && got.error <= 0);
    mc_factors_dense(&got, p.s, w);
    for (int64_t i = 0; i < p.s.o * p.d; i++) CHECK(w[i] == 0);
  }
  mc_arena_destroy(p.a);
}

int main(void) {
  stages();
  forms();
  odd();
  return CHECK_DONE();
}
