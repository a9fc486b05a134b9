/* How each layer reacts to narrower inputs: half of what it reads is left out and the rest refitted
 * on the samples; how far the network's output moves is measured on samples that the fit has not
 * seen (mc/measure). */
#include "mc/measure/damage.h"
#include "mc/measure/walk.h"
#include "report.h"
#include <math.h>
#include <stdlib.h>

enum { NWIDTHS = 3, SAMPLES = 128, FIT_FOLDS = (1 << (MC_FOLDS - 1)) - 1, MOST = 60 };

static const double widths[NWIDTHS] = { 0.75, 0.5, 0.25 };

typedef struct moved {
  double by[NWIDTHS];
} moved; /* NAN: not measured */

typedef struct state {
  search *s;
  mc_pass_context *cx;
  mc_products p;
  mc_damage *damage;
  moved *moved; /* of each product */
  bool classes; /* moved is a divergence, else a relative squared error */
} state;

typedef struct channel {
  int64_t c;
  double score;
} channel;

static int by_score(const void *a, const void *b) {
  const channel *x = a, *y = b;
  return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
         : x->c < y->c        ? -1
                              : 1;
}

/* Input channels by |w| and the size of what they carry: w_c^2 E(x_c^2), summed. */
static channel *ranked(const mc_product *p, const float *w, const mc_centred *m, mc_arena *a) {
  channel *v = MC_NEWN(a, channel, p->ci);
  for (int64_t c = 0; c < p->ci; c++) v[c].c = c;
  for (int64_t k = 0; k < p->d; k++) {
    double sum = 0, x2 = m->g[k * p->d + k] + m->mx[k] * m->mx[k];
    for (int64_t o = 0; o < p->o; o++) sum += (double)w[o * p->d + k] * (double)w[o * p->d + k];
    v[k % p->ci].score += sum * x2;
  }
  qsort(v, (size_t)p->ci, sizeof *v, by_score);
  return v;
}

static bool try_width(state *t, int i, int width, const channel *order, const mc_centred *m,
                      const float *w, mc_arena *a) {
  const mc_product *p = &t->p.v[i];
  bool *keep = MC_NEWN(a, bool, p->d);
  float *out = MC_NEWN(a, float, p->o * p->d), *bias = MC_NEWN(a, float, p->o);
  int64_t count = (int64_t)fmax(1, round((double)p->ci * widths[width]));
  for (int64_t r = 0; r < count; r++)
    for (int64_t k = order[r].c; k < p->d; k += p->ci) keep[k] = true;
  mc_distance d;
  if (!mc_fit_kept(m, keep, w, 1e-3, out, bias)) return true;
  if (!mc_damage_of(t->damage, i, out, bias, &d)) return false;
  t->classes = d.kl >= 0;
  t->moved[i].by[width] = mc_distance_main(&d);
  return true;
}

static bool see(void *ctx, int i, mc_moments *m) {
  state *t = ctx;
  const mc_product *p = &t->p.v[i];
  mc_arena *a = mc_arena_create();
  const float *w = mc_product_copy(p, a, NULL);
  mc_centred c = mc_moments_centred(m, FIT_FOLDS, 0, a);
  channel *order = ranked(p, w, &c, a);
  bool ok = true;
  for (int k = 0; ok && k < NWIDTHS; k++) ok = try_width(t, i, k, order, &c, w, a);
  mc_arena_destroy(a);
  return ok;
}

static bool measure(state *t) {
  bool *want = MC_NEWN(t->s->t.arena, bool, t->p.n + 1);
  t->moved = MC_NEWN(t->s->t.arena, moved, t->p.n + 1);
  for (int i = 0; i < t->p.n; i++) {
    want[i] = t->p.v[i].groups == 1 && t->p.v[i].ci >= 4;
    for (int k = 0; k < NWIDTHS; k++) t->moved[i].by[k] = NAN;
  }
  mc_walk_opts o = { .data = t->s->data, .samples = SAMPLES, .what = "widths" };
  t->damage = mc_damage_open(t->cx, &o);
  if (!t->damage) return false;
  bool ok = mc_moments_each(t->cx, &o, &t->p, want, see, t);
  mc_damage_close(t->damage);
  return ok;
}

static void rows(mc_strbuf *out, const state *t) {
  mc_sb_printf(
      out,
      "<p>The original with one layer that reads fewer channels, the rest refitted: %s of its "
      "output on samples that the fit has not seen.</p>\n<table><tr><th>reads",
      t->classes ? "divergence (nats)" : "relative squared error");
  for (int k = 0; k < NWIDTHS; k++) mc_sb_printf(out, "<th>%g %%", 100 * widths[k]);
  mc_sb_puts(out, "<th>layer</tr>\n");
  for (int i = 0; i < t->p.n; i++) {
    if (isnan(t->moved[i].by[0])) continue;
    mc_sb_printf(out, "<tr><td>%lld", (long long)t->p.v[i].ci);
    for (int k = 0; k < NWIDTHS; k++) mc_sb_printf(out, "<td>%.3g", t->moved[i].by[k]);
    mc_sb_puts(out, "<td>");
    page_escaped(out, report_name(t->p.v[i].node, t->s->t.arena));
    mc_sb_puts(out, "</tr>\n");
  }
  mc_sb_puts(out, "</table>\n");
}

bool report_widths(mc_strbuf *out, search *s, mc_module *m, const mc_runner *runner) {
  mc_pass_context cx = report_context(s, m, runner);
  state t = { .s = s, .cx = &cx, .p = mc_products_of(m->graphs, s->t.arena) };
  if (t.p.n > MOST) {
    mc_sb_printf(out, "<p>%d layers: too many to measure narrower widths of each.</p>\n", t.p.n);
    return true;
  }
  if (!measure(&t)) return false;
  rows(out, &t);
  return true;
}
