/* Histograms of the chosen shape's activations, and the ranges that calibrate gives them for INT8.
 */
#include "mc/driver/driver.h"
#include "mc/measure/histogram.h"
#include "mc/syntax/parse.h"
#include "report.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { BARS = 64, MOST = 96, WIDTH = 220, HEIGHT = 90, BASE = 70 };

static const char style[] = ".mcb{font-size:10px}.mcb .bin{fill:#26c;fill-opacity:.7}"
                            ".mcb .range{stroke:#b33;stroke-width:1.5}";

/* The values that are drawn, and what the samples showed of them. */
typedef struct histograms {
  mc_value **v;
  mc_seen *seen;
  int n;
} histograms;

/* What layers and their activations give: the last value of each chain is what INT8 stores. */
static histograms watched(const mc_graph *g, mc_arena *a) {
  histograms all = { .v = MC_NEWN(a, mc_value *, MOST) };
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->type->dtype == MC_f32 && all.n < MOST) all.v[all.n++] = g->in[i];
  MC_FOR_NODES (n, g) {
    bool plain = !mc_op_has(n->op, MC_T_CONST | MC_T_TERM | MC_T_MOVE) && n->nout;
    if (plain && n->out[0]->type->dtype == MC_f32 && n->out[0]->range.known && all.n < MOST)
      all.v[all.n++] = n->out[0];
  }
  return all;
}

static void mark(mc_strbuf *out, const mc_hist *h, float at) {
  if (at < h->lo || at > h->hi || !(h->hi > h->lo)) return;
  double x = (double)((at - h->lo) / (h->hi - h->lo)) * (double)WIDTH;
  page_line(out, "range", x, 16, x, BASE);
}

/* Elements in bar k. */
static double bar_of(const mc_hist *h, int k) {
  double sum = 0;
  for (int i = k * h->bins / BARS; i < (k + 1) * h->bins / BARS; i++) sum += (double)h->bin[i];
  return sum;
}

static void draw_bars(mc_strbuf *out, const mc_hist *h) {
  double most = 1, wide = (double)WIDTH / (double)BARS;
  for (int k = 0; k < BARS; k++) most = fmax(most, bar_of(h, k));
  for (int k = 0; k < BARS; k++) { /* by logarithm: tails are what a range cuts off */
    double n = bar_of(h, k);
    double tall = n > 0 ? (1 + log10(n)) / (1 + log10(most)) * (double)(BASE - 18) : 0;
    mc_sb_printf(out,
                 "<rect class=\"bin\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                 wide * k, (double)BASE - tall, wide - 0.5, tall);
  }
}

static void draw(mc_strbuf *out, const mc_value *v, const mc_hist *h, const char *name) {
  page_picture(out, WIDTH, HEIGHT, style);
  page_label(out, 2, 10, "start", "", name);
  draw_bars(out, h);
  mark(out, h, v->range.lo);
  mark(out, h, v->range.hi);
  mc_strbuf t = { 0 };
  mc_sb_printf(&t, "%.3g ... %.3g; range %.3g ... %.3g", (double)h->lo, (double)h->hi,
               (double)v->range.lo, (double)v->range.hi);
  page_label(out, 2, HEIGHT - 6, "start", "note", mc_sb_str(&t));
  mc_sb_free(&t);
  mc_sb_puts(out, "</svg>\n");
}

/* The passes of INT8 up to calibrate. */
static const char *until_calibrate(search *s) {
  mc_compile_opts o = mc_compile_defaults();
  o.quant = MC_QUANT_INT8;
  o.calib = s->data;
  o.calib_method = s->calib_method;
  o.target = s->target;
  const char *text = mc_compile_front(s->module, &o, s->t.arena, &s->t.diag);
  const char *end = text ? strstr(text, ",quantize") : NULL;
  return end ? mc_arena_strndup(s->t.arena, text, (size_t)(end - text)) : NULL;
}

const mc_runner *report_runner(search *s) {
  const mc_target *native = mc_target_find(NULL, "native", s->t.arena, &s->t.diag);
  return native ? mc_compile_runner(native, s->t.arena) : NULL;
}

mc_pass_context report_context(search *s, mc_module *m, const mc_runner *runner) {
  return (mc_pass_context){ .module = m,
                            .graph = m->graphs,
                            .scratch = s->t.arena,
                            .diag = &s->t.diag,
                            .target = s->target,
                            .runner = runner };
}

bool report_passes(search *s, mc_module *m, const char *text, const mc_runner *runner) {
  mc_source *src = MC_NEW(s->t.arena, mc_source);
  mc_pipeline p = { 0 };
  mc_manager_report rep;
  *src = (mc_source){ "<pipeline>", text, strlen(text) };
  mc_manager_opts o = { .bisect_limit = -1, .runner = runner, .target = s->target };
  return mc_pipeline_parse(mc_driver_registry(), src, &p, s->t.arena, &s->t.diag) &&
         mc_manager_run(m, &p, &o, &rep, s->t.arena, &s->t.diag);
}

static bool sweep(search *s, mc_module *m, histograms *all, const mc_runner *runner) {
  mc_pass_context cx = report_context(s, m, runner);
  mc_sweep how = { .data = s->data, .histograms = true, .what = "report" };
  all->seen = mc_measure_values(&cx, &how, all->v, all->n);
  return all->seen != NULL;
}

static void draw_all(mc_strbuf *out, search *s, const histograms *all) {
  mc_sb_puts(out,
             "<p>Values over the samples of --data, counts by logarithm; lines: the range that "
             "INT8 stores, where it is narrower than the values.</p>\n<div class=\"many\">\n");
  for (int i = 0; i < all->n; i++) {
    const mc_value *v = all->v[i];
    if (!all->seen[i].hist) continue; /* not finite: INT8 leaves it alone */
    const char *name = v->def ? report_name(v->def, s->t.arena) : v->name ? v->name : "input";
    draw(out, v, all->seen[i].hist, name);
  }
  mc_sb_puts(out, "</div>\n");
  if (all->n == MOST) mc_sb_printf(out, "<p>The first %d values.</p>\n", MOST);
}

bool report_histograms(mc_strbuf *out, search *s) {
  candidate *c = s->best ? s->best : s->original;
  mc_arena *a = s->t.arena;
  const char *path = mc_arena_printf(a, "%s/shape-%s.mir", s->work, c->shape->key);
  if (access(path, R_OK) && !run_again(s, c)) return false;
  const char *text = until_calibrate(s);
  mc_module *m = text ? mc_driver_load(path, &s->t.diag) : NULL;
  const mc_runner *runner = m ? report_runner(s) : NULL;
  bool ok = runner && report_passes(s, m, text, runner);
  histograms all = { 0 };
  if (ok) all = watched(m->graphs, a);
  ok = ok && sweep(s, m, &all, runner);
  if (ok) draw_all(out, s, &all);
  if (m) {
    tool_drop_remarks(&s->t);
    tool_flush(&s->t); /* places are in the module's text */
    mc_module_destroy(m);
  }
  return ok;
}
