/* Forms of low rank: shapes of the layers, the fits of two and three layers, what they multiply to.
 */
#include "factor_parts.h"
#include "mc/measure/linalg.h"
#include "mc/measure/moments.h"
#include <math.h>
#include <string.h>

static const char *const names[] = { "whole", "out", "in", "rows", "cols", "tucker2", "cp", "tt" };

const char *mc_form_name(mc_form_kind k) { return names[k]; }

/* ---- shapes ---- */

int mc_form_stages(const mc_form *f, mc_kshape s, mc_stage st[MC_FACTORS]) {
  int64_t r = f->r;
  mc_stage whole = { s.o, s.kh, s.kw, s.ci, true, true, false };
  switch (f->kind) {
  case MC_FORM_out:
    st[0] = (mc_stage){ r, s.kh, s.kw, s.ci, true, true, false };
    st[1] = (mc_stage){ s.o, 1, 1, r, false, false, false };
    return 2;
  case MC_FORM_in:
    st[0] = (mc_stage){ r, 1, 1, s.ci, false, false, false };
    st[1] = (mc_stage){ s.o, s.kh, s.kw, r, true, true, false };
    return 2;
  case MC_FORM_rows:
    st[0] = (mc_stage){ r, s.kh, 1, s.ci, true, false, false };
    st[1] = (mc_stage){ s.o, 1, s.kw, r, false, true, false };
    return 2;
  case MC_FORM_cols:
    st[0] = (mc_stage){ r, 1, s.kw, s.ci, false, true, false };
    st[1] = (mc_stage){ s.o, s.kh, 1, r, true, false, false };
    return 2;
  case MC_FORM_tucker2:
    st[0] = (mc_stage){ r, 1, 1, s.ci, false, false, false };
    st[1] = (mc_stage){ f->r2, s.kh, s.kw, r, true, true, false };
    st[2] = (mc_stage){ s.o, 1, 1, f->r2, false, false, false };
    return 3;
  case MC_FORM_cp:
    st[0] = (mc_stage){ r, 1, 1, s.ci, false, false, false };
    st[1] = (mc_stage){ r, s.kh, s.kw, 1, true, true, true };
    st[2] = (mc_stage){ s.o, 1, 1, r, false, false, false };
    return 3;
  case MC_FORM_tt:
    st[0] = (mc_stage){ f->oh * r, 1, 1, s.ci / f->ih, false, false, false };
    st[1] = (mc_stage){ s.o / f->oh, 1, 1, f->ih * r, false, false, false };
    return 2;
  case MC_FORM_whole:
  case MC_FORM_count_: break;
  }
  st[0] = whole;
  return 1;
}

bool mc_form_possible(mc_form_kind k, mc_kshape s) {
  bool taps = s.kh * s.kw > 1;
  if (k == MC_FORM_in || k == MC_FORM_tucker2 || k == MC_FORM_cp) return taps;
  if (k == MC_FORM_rows || k == MC_FORM_cols) return s.kh > 1 && s.kw > 1;
  if (k == MC_FORM_tt) return !taps && s.o > 3 && s.ci > 3;
  return k != MC_FORM_count_;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t mc_form_full(mc_form_kind k, mc_kshape s) {
  int64_t d = s.kh * s.kw * s.ci, t, n;
  if (k == MC_FORM_tucker2) return least(s.ci, s.o * s.kh * s.kw);
  if (k == MC_FORM_cp) return least(least(s.o * s.ci, s.o * s.kh * s.kw), d);
  if (k == MC_FORM_tt) return least(s.o, s.ci); /* of square cores; more never saves */
  mc_form_axes(k, s, &t, &n);
  return least(s.o * t, n);
}

void mc_form_axes(mc_form_kind k, mc_kshape s, int64_t *t, int64_t *n) {
  bool in = k == MC_FORM_in || k == MC_FORM_tucker2 || k == MC_FORM_cp;
  *t = in ? s.kh * s.kw : k == MC_FORM_rows ? s.kw : k == MC_FORM_cols ? s.kh : 1;
  *n = s.kh * s.kw * s.ci / *t;
}

/* All but rows have t outermost in the columns as they are. */
void mc_form_columns(mc_form_kind k, mc_kshape s, int64_t *at) {
  int64_t d = s.kh * s.kw * s.ci, i = 0;
  if (k != MC_FORM_rows) {
    for (i = 0; i < d; i++) at[i] = i;
    return;
  }
  for (int64_t x = 0; x < s.kw; x++)
    for (int64_t y = 0; y < s.kh; y++)
      for (int64_t c = 0; c < s.ci; c++) at[i++] = (y * s.kw + x) * s.ci + c;
}

/* ---- the matrix ---- */

mc_factoring *mc_factoring_new(mc_kshape s, const double *w, const double *g, mc_arena *a) {
  mc_factoring *p = MC_NEW(a, mc_factoring);
  int64_t d = s.kh * s.kw * s.ci;
  *p = (mc_factoring){ .s = s, .w = w, .g = g, .a = a };
  const double *wg = w;
  bool large = g && mc_large_layer(s.o, d);
  mc_arena *tmp = mc_arena_create();
  if (g) {
    double *x = MC_NEWN(large ? a : tmp, double, s.o *d);
    mc_la_gemm(false, false, s.o, d, d, 1, w, g, 0, x);
    wg = x;
    if (large) p->wg = x;
  }
  for (int64_t i = 0; i < s.o * d; i++) p->norm += w[i] * wg[i];
  mc_arena_destroy(tmp);
  return p;
}

void mc_factoring_renew(mc_factoring *p, mc_arena *a) {
  p->a = a;
  for (int k = 0; k < MC_FORM_count_; k++) p->pair[k] = NULL, p->failed[k] = false;
}

double mc_factoring_norm(const mc_factoring *p) { return p->norm; }

const mc_pair *mc_factoring_pair(mc_factoring *p, mc_form_kind k) {
  if (k == MC_FORM_tucker2 || k == MC_FORM_cp) k = MC_FORM_in;
  if (p->failed[k] || p->pair[k]) return p->pair[k];
  mc_pair *x = MC_NEW(p->a, mc_pair);
  x->o = p->s.o;
  mc_form_axes(k, p->s, &x->t, &x->s);
  int64_t *at = MC_NEWN(p->a, int64_t, x->t * x->s);
  mc_form_columns(k, p->s, at);
  if (mc_pair_init(x, at, p->w, p->g, p->wg, p->a)) return p->pair[k] = x;
  p->failed[k] = true;
  return NULL;
}

const double *mc_factoring_tail(mc_factoring *p, mc_form_kind k) {
  const mc_pair *x = mc_factoring_pair(p, k);
  return x ? x->tail : NULL;
}

/* ---- two and three layers ---- */

static bool fit_pair(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a) {
  const mc_pair *x = mc_factoring_pair(p, f->kind);
  if (!x) return false;
  int64_t n = x->t * f->r;
  double *ht = MC_NEWN(a, double, n * x->o);
  out->w[0] = MC_NEWN(a, double, f->r * x->s);
  out->w[1] = MC_NEWN(a, double, n * x->o);
  if (!mc_pair_fit(x, f->r, 0, rounds, out->w[0], ht, NULL, &out->error)) return false;
  mc_transpose(n, x->o, ht, out->w[1]);
  return true;
}

/* x = (x u) u^T: the middle layer has r2 rows, u [o, r2] comes last. */
static bool fit_tucker2(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out,
                        mc_arena *a) {
  const mc_pair *x = mc_factoring_pair(p, f->kind);
  if (!x) return false;
  int64_t n = x->t * f->r, o = x->o;
  double *ht = MC_NEWN(a, double, n *o);
  out->w[0] = MC_NEWN(a, double, f->r * x->s);
  out->w[1] = MC_NEWN(a, double, f->r2 *n);
  out->w[2] = MC_NEWN(a, double, o * f->r2);
  if (!mc_pair_fit(x, f->r, f->r2, rounds, out->w[0], ht, out->w[2], &out->error)) return false;
  mc_la_gemm(true, true, f->r2, n, o, 1, out->w[2], ht, 0, out->w[1]);
  return true;
}

bool mc_factor_fit(mc_factoring *p, const mc_form *f, int rounds, mc_factors *out, mc_arena *a) {
  *out = (mc_factors){ .form = *f };
  switch (f->kind) {
  case MC_FORM_out:
  case MC_FORM_in:
  case MC_FORM_rows:
  case MC_FORM_cols: return fit_pair(p, f, rounds, out, a);
  case MC_FORM_tucker2: return fit_tucker2(p, f, rounds, out, a);
  case MC_FORM_cp: return mc_factor_cp(p, f, rounds, out, a);
  case MC_FORM_tt: return mc_factor_tt(p, f, rounds, out, a);
  case MC_FORM_whole:
  case MC_FORM_count_: break;
  }
  return false;
}

/* ---- what they multiply to ---- */

/* second [o, t * r] first [r, s], columns put where they belong. */
static void pair_dense(mc_form_kind k, mc_kshape s, int64_t r, const double *first,
                       const double *second, double *w) {
  int64_t T, S, d = s.kh * s.kw * s.ci;
  mc_form_axes(k, s, &T, &S);
  mc_arena *a = mc_arena_create();
  int64_t *at = MC_NEWN(a, int64_t, d);
  double *x = MC_NEWN(a, double, s.o *d);
  mc_form_columns(k, s, at);
  mc_la_gemm(false, false, s.o * T, S, r, 1, second, first, 0, x); /* [o, t, s] */
  for (int64_t o = 0; o < s.o; o++)
    for (int64_t i = 0; i < d; i++) w[o * d + at[i]] = x[o * d + i];
  mc_arena_destroy(a);
}

void mc_factors_dense(const mc_factors *f, mc_kshape s, double *w) {
  const mc_form *m = &f->form;
  if (m->kind == MC_FORM_cp) {
    mc_cp_dense(f, s, w);
  } else if (m->kind == MC_FORM_tt) {
    mc_tt_dense(f, s, w);
  } else if (m->kind == MC_FORM_tucker2) {
    mc_arena *a = mc_arena_create();
    int64_t n = s.kh * s.kw * m->r;
    double *h = MC_NEWN(a, double, s.o *n);
    mc_la_gemm(false, false, s.o, n, m->r2, 1, f->w[2], f->w[1], 0, h);
    pair_dense(m->kind, s, m->r, f->w[0], h, w);
    mc_arena_destroy(a);
  } else {
    pair_dense(m->kind, s, m->r, f->w[0], f->w[1], w);
  }
}
