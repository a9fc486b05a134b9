/* The picture of accuracy against latency, and the bars of INT8's cost by layer. */
#include "report.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 460, LEFT = 60, RIGHT = 30, TOP = 24, BOTTOM = 50 };

typedef struct axes {
  double x1, y0, y1;
} axes; /* ms from 0; accuracy in points */

static const char style[] = ".mcb circle{stroke-width:1.5;fill-opacity:0}.mcb .m{fill-opacity:.75}"
                            ".mcb .fp32{stroke:#26c;fill:#26c}.mcb .bf16{stroke:#393;fill:#393}"
                            ".mcb .int8{stroke:#c72;fill:#c72}.mcb .mixed{stroke:#a3a;fill:#a3a}"
                            ".mcb .front{fill:none;stroke:#888;stroke-dasharray:4 3}"
                            ".mcb .limit{stroke:#b33;stroke-dasharray:6 3}"
                            ".mcb .ring{stroke:#b33;fill:none;stroke-width:2}.mcb .bar{fill:#c72}";

static double x_of(const axes *a, double ms) {
  return (double)LEFT + ms / a->x1 * (double)(WIDTH - LEFT - RIGHT);
}

static double y_of(const axes *a, double points) {
  return (double)(HEIGHT - BOTTOM) -
         (points - a->y0) / (a->y1 - a->y0) * (double)(HEIGHT - TOP - BOTTOM);
}

/* A round step that gives five to ten lines. */
static double step_of(double range) {
  double p = pow(10, floor(log10(range / 5))), m = range / 5 / p;
  return p * (m >= 5 ? 5 : m >= 2 ? 2 : 1);
}

static axes axes_of(search *s) {
  axes a = { 0, 100 * s->original->accuracy, 100 * s->original->accuracy };
  for (size_t i = 0; i < s->all.n; i++) {
    const candidate *c = s->all.v[i];
    if (!counts(c)) continue;
    a.x1 = fmax(a.x1, latency_ms(s, c));
    a.y0 = fmin(a.y0, 100 * c->accuracy);
    a.y1 = fmax(a.y1, 100 * c->accuracy);
  }
  a.y0 = floor(a.y0 - 1);
  a.y1 = fmin(ceil(a.y1 + 1), 101);
  a.x1 *= 1.05;
  return a;
}

static void grid(mc_strbuf *out, const axes *a) {
  mc_strbuf t = { 0 };
  double dx = step_of(a->x1), dy = step_of(a->y1 - a->y0);
  for (int i = 0; i * dx <= a->x1; i++) {
    double x = x_of(a, i * dx);
    page_line(out, "grid", x, TOP, x, HEIGHT - BOTTOM);
    mc_sb_clear(&t);
    mc_sb_printf(&t, "%.4g", i * dx);
    page_label(out, x, HEIGHT - BOTTOM + 18, "middle", "note", mc_sb_str(&t));
  }
  for (double v = ceil(a->y0 / dy) * dy; v <= a->y1; v += dy) {
    page_line(out, "grid", LEFT, y_of(a, v), WIDTH - RIGHT, y_of(a, v));
    mc_sb_clear(&t);
    mc_sb_printf(&t, "%.4g", v);
    page_label(out, LEFT - 8, y_of(a, v) + 4, "end", "note", mc_sb_str(&t));
  }
  page_label(out, (WIDTH + LEFT) / 2.0, HEIGHT - 12, "middle", "note", "ms of a run");
  page_label(out, LEFT - 8, TOP - 10, "start", "note", "accuracy");
  mc_sb_free(&t);
}

static void limits(mc_strbuf *out, search *s, const axes *a) {
  double ms = limit_of(s, COST_LATENCY), points = 100 * limit_accuracy(s);
  if (ms < a->x1) page_line(out, "limit", x_of(a, ms), TOP, x_of(a, ms), HEIGHT - BOTTOM);
  if (points > a->y0 && points < a->y1)
    page_line(out, "limit", LEFT, y_of(a, points), WIDTH - RIGHT, y_of(a, points));
}

static void point(mc_strbuf *out, search *s, const axes *a, const candidate *c) {
  double x = x_of(a, latency_ms(s, c)), y = y_of(a, 100 * c->accuracy);
  mc_sb_printf(out, "<circle class=\"%s%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>",
               precision_names[c->precision], c->ms > 0 ? " m" : "", x, y);
  page_escaped(out, *c->shape->passes ? c->shape->passes : "original");
  mc_sb_printf(out, ", %s: %.2f, %.4g ms, %.0f bytes</title></circle>\n",
               precision_names[c->precision], 100 * c->accuracy, latency_ms(s, c),
               c->cost[COST_BYTES]);
  if (c == s->best)
    mc_sb_printf(out, "<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\"/>\n", x, y);
}

void report_front(mc_strbuf *out, search *s) {
  axes a = axes_of(s);
  candidates p = pareto(s, 0);
  page_picture(out, WIDTH, HEIGHT, style);
  grid(out, &a);
  limits(out, s, &a);
  mc_sb_puts(out, "<polyline class=\"front\" points=\"");
  double top = -INFINITY;
  for (size_t i = 0; i < p.n; i++) { /* the part in accuracy and latency alone */
    if (p.v[i]->accuracy <= top) continue;
    double x = x_of(&a, latency_ms(s, p.v[i]));
    if (isfinite(top)) mc_sb_printf(out, "%.1f,%.1f ", x, y_of(&a, 100 * top));
    top = p.v[i]->accuracy;
    mc_sb_printf(out, "%.1f,%.1f ", x, y_of(&a, 100 * top));
  }
  mc_sb_puts(out, "\"/>\n");
  for (size_t i = 0; i < s->all.n; i++)
    if (counts(s->all.v[i])) point(out, s, &a, s->all.v[i]);
  for (int k = 0; k < NUM_PRECISIONS; k++) {
    mc_sb_printf(out, "<circle class=\"%s m\" cx=\"%d\" cy=\"%d\" r=\"4\"/>\n", precision_names[k],
                 WIDTH - 290 + 70 * k, TOP - 10);
    page_label(out, WIDTH - 282 + 70 * k, TOP - 6, "start", "note", precision_names[k]);
  }
  mc_sb_puts(out, "</svg>\n");
}

/* ---- layers ---- */
void report_layers(mc_strbuf *out, search *s) {
  candidates p = probes_sorted(s);

  enum { ROW = 20, BAR = 360, NAME = 420 };

  if (!p.n) {
    mc_sb_puts(out, "<p>INT8 was not tried.</p>\n");
    return;
  }
  mc_sb_puts(out, "<p>The original with one layer alone in INT8: relative L2 of its first output; "
                  "accuracy.</p>\n");
  double most = fmax(p.v[0]->error, 1e-12);
  page_picture(out, WIDTH, ROW * (int)p.n + 8, style);
  for (size_t i = 0; i < p.n; i++) {
    double y = (double)ROW * (double)i,
           width = isfinite(p.v[i]->error) ? (double)BAR * p.v[i]->error / most : 0;
    page_label(out, NAME - 8, y + 15, "end", "", p.v[i]->probe);
    mc_sb_printf(out, "<rect class=\"bar\" x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"14\"/>\n",
                 NAME, y + 3, width);
    mc_strbuf t = { 0 };
    mc_sb_printf(&t, "%.3g, %.2f", p.v[i]->error, 100 * p.v[i]->accuracy);
    page_label(out, (double)NAME + width + 6, y + 15, "start", "note", mc_sb_str(&t));
    mc_sb_free(&t);
  }
  mc_sb_puts(out, "</svg>\n");
}
