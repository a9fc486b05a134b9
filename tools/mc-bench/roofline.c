/* The roofline picture (Williams, Waterman, Patterson, "Roofline: an insightful visual performance
 * model for multicore architectures", CACM 52(4), 2009): layers by products per byte and products
 * per second, under what the memory levels and the multipliers of the core allow. SVG by hand: a
 * picture of lines, circles and words needs no library. */
#include "bench.h"
#include "common/page.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 560, LEFT = 70, RIGHT = 150, TOP = 48, BOTTOM = 56 };

typedef struct axes {
  double x0, x1, y0, y1;
} axes; /* log10 of products per byte, of GMAC/s */

static const char style[] = ".mcb .roof{stroke:#888;stroke-width:1.5}"
                            ".mcb .peak{stroke:#b33;stroke-width:1.5;stroke-dasharray:6 3}"
                            ".mcb circle{fill:#2266cc;fill-opacity:.55;stroke:#2266cc}"
                            ".mcb .dw circle{fill:#cc7722;stroke:#cc7722}";

static double x_of(const axes *a, double v) {
  return (double)LEFT + (log10(v) - a->x0) / (a->x1 - a->x0) * (double)(WIDTH - LEFT - RIGHT);
}

static double y_of(const axes *a, double v) {
  return (double)(HEIGHT - BOTTOM) -
         (log10(v) - a->y0) / (a->y1 - a->y0) * (double)(HEIGHT - TOP - BOTTOM);
}

static bool shown(const layer *l) { return l->rate > 0 && l->t.median > 0 && layer_bytes(l) > 0; }

static double intensity(const layer *l) { return (double)l->cost.macs / layer_bytes(l); }

static double speed(const layer *l) { return (double)l->cost.macs / l->t.median * 1e-9; }

/* Whole decades around layers and peaks. */
static axes axes_of(const subject *s, const machine *m) {
  double x0 = 1, x1 = 100, y0 = 10, y1 = 10;
  for (int i = 0; i < s->nlayer; i++) {
    const layer *l = &s->layer[i];
    if (!shown(l)) continue;
    x0 = fmin(x0, intensity(l)), x1 = fmax(x1, intensity(l));
    y0 = fmin(y0, speed(l)), y1 = fmax(y1, fmax(speed(l), l->rate * m->clock * 1e-9));
  }
  return (axes){ floor(log10(x0)), ceil(log10(x1)), floor(log10(y0)), ceil(log10(y1 * 1.01)) };
}

static void number(mc_strbuf *to, double v) {
  mc_sb_clear(to);
  mc_sb_printf(to, "%g", v);
}

static void grid(mc_strbuf *o, const axes *a) {
  mc_strbuf t = { 0 };
  for (double e = a->x0; e <= a->x1 + 1e-9; e++) {
    double x = x_of(a, pow(10, e));
    page_line(o, "grid", x, TOP, x, HEIGHT - BOTTOM);
    number(&t, pow(10, e));
    page_label(o, x, HEIGHT - BOTTOM + 18, "middle", "note", mc_sb_str(&t));
  }
  for (double e = a->y0; e <= a->y1 + 1e-9; e++) {
    double y = y_of(a, pow(10, e));
    page_line(o, "grid", LEFT, y, WIDTH - RIGHT, y);
    number(&t, pow(10, e));
    page_label(o, LEFT - 8, y + 4, "end", "note", mc_sb_str(&t));
  }
  page_label(o, (WIDTH - RIGHT + LEFT) / 2.0, HEIGHT - 14, "middle", "note",
             "multiply-accumulates for each byte of weights, input and result");
  page_label(o, LEFT - 8, TOP - 10, "start", "note", "GMAC/s");
  mc_sb_free(&t);
}

/* bytes a second: a line of slope 1, within the axes. */
static void bandwidth(mc_strbuf *o, const axes *a, const char *name, double gbytes, double top) {
  double x0 = pow(10, a->x0), x1 = fmin(pow(10, a->x1), top / gbytes), low = pow(10, a->y0);
  if (x0 * gbytes < low) x0 = low / gbytes;
  if (!(gbytes > 0) || x0 >= x1) return;
  page_line(o, "roof", x_of(a, x0), y_of(a, x0 * gbytes), x_of(a, x1), y_of(a, x1 * gbytes));
  mc_strbuf t = { 0 };
  mc_sb_printf(&t, "%s %.0f GB/s", name, gbytes);
  page_label(o, x_of(a, x0) + 6, y_of(a, x0 * gbytes) - 6, "start", "note", mc_sb_str(&t));
  mc_sb_free(&t);
}

static bool first_of_engine(const subject *s, int i) {
  for (int k = 0; k < i; k++)
    if (shown(&s->layer[k]) && strcmp(s->layer[k].engine, s->layer[i].engine) == 0) return false;
  return true;
}

static void roofs(mc_strbuf *o, const axes *a, const subject *s, const machine *m) {
  double top = 0, scale = m->clock * 1e-9;
  mc_strbuf t = { 0 };
  for (int i = 0; i < s->nlayer; i++) {
    const layer *l = &s->layer[i];
    if (!shown(l)) continue;
    top = fmax(top, l->rate * scale);
    if (!first_of_engine(s, i)) continue;
    double y = y_of(a, l->rate * scale);
    page_line(o, "peak", LEFT, y, WIDTH - RIGHT, y);
    mc_sb_clear(&t);
    mc_sb_printf(&t, "%s %.0f GMAC/s", l->engine, l->rate * scale);
    page_label(o, WIDTH - RIGHT + 6, y + 4, "start", "note", mc_sb_str(&t));
  }
  const mc_machine *c = s->target->machine;
  bandwidth(o, a, "L1", c->l1 * scale, top);
  bandwidth(o, a, "L2", c->l2 * scale, top);
  bandwidth(o, a, "L3", c->l3 * scale, top);
  bandwidth(o, a, "DRAM", c->dram * scale, top);
  mc_sb_free(&t);
}

/* Area as the share of the time; the words come up under the pointer. */
static void points(mc_strbuf *o, const axes *a, const subject *s, const machine *m) {
  double total = 0;
  for (int i = 0; i < s->nlayer; i++) total += s->layer[i].t.median;
  for (int i = 0; i < s->nlayer; i++) {
    const layer *l = &s->layer[i];
    if (!shown(l)) continue;
    double share = l->t.median / total;
    mc_sb_printf(o, "<g class=\"%s\"><circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>",
                 l->family == MC_FAMILY_depthwise ? "dw" : "product", x_of(a, intensity(l)),
                 y_of(a, speed(l)), 3 + 40 * sqrt(share));
    page_escaped(o, l->name);
    mc_sb_printf(o,
                 ": %s, %s; %.2f us (%.1f %%), %.1f GMAC/s, %.0f %% of the peak of "
                 "%s</title></circle></g>\n",
                 l->kernel, l->result, l->t.median * 1e6, 100 * share, speed(l),
                 100 * speed(l) / (l->rate * m->clock * 1e-9), l->engine);
  }
}

void roofline_svg(mc_strbuf *o, const subject *s, const machine *m) {
  axes a = axes_of(s, m);
  page_picture(o, WIDTH, HEIGHT, style);
  mc_strbuf t = { 0 };
  mc_sb_printf(&t, "%s -march=%s: %.4g ms", s->label, s->target->name, s->t.median * 1e3);
  page_label(o, LEFT, 20, "start", "title", mc_sb_str(&t));
  mc_sb_free(&t);
  grid(o, &a);
  roofs(o, &a, s, m);
  points(o, &a, s, m);
  mc_sb_puts(o, "</svg>\n");
}

static void table(mc_strbuf *o, const subject *s, const machine *m) {
  double total = 0;
  for (int i = 0; i < s->nlayer; i++) total += s->layer[i].t.median;
  mc_sb_puts(o, "<table><tr><th>layer<th>kernel<th>result<th>MMAC<th>&micro;s<th>time<th>GMAC/"
                "s<th>of peak<th>GB/s<th>model &micro;s<th>bound by</tr>\n");
  for (int i = 0; i < s->nlayer; i++) {
    const layer *l = &s->layer[i];
    if (!layer_listed(l)) continue;
    double t = l->t.median > 0 ? l->t.median : 1e-12;
    mc_sb_puts(o, "<tr title=\"");
    page_escaped(o, l->how);
    mc_sb_puts(o, "\"><td>");
    page_escaped(o, l->name);
    mc_sb_printf(o, "<td>%s<td>%s<td>%.3f<td>%.2f<td>%.1f %%", l->kernel, l->result,
                 (double)l->cost.macs * 1e-6, t * 1e6, 100 * t / total);
    if (l->rate > 0)
      mc_sb_printf(o, "<td>%.1f<td>%.0f %%", speed(l),
                   100 * speed(l) / (l->rate * m->clock * 1e-9));
    else
      mc_sb_puts(o, "<td><td>");
    mc_sb_printf(o, "<td>%.1f<td>%.2f<td>%s</tr>\n", layer_bytes(l) / t * 1e-9,
                 mc_model_us(s->target, l->model.cycles), mc_part_name(l->model.bound));
  }
  mc_sb_puts(o, "</table>\n");
}

void roofline_html(mc_strbuf *o, const subject *s, int n, const machine *m) {
  page_begin(o, "mc-bench",
             "td:nth-child(-n+3),th:nth-child(-n+3),td:last-child,th:last-child{"
             "text-align:left}");
  for (int i = 0; i < n; i++) {
    roofline_svg(o, &s[i], m);
    table(o, &s[i], m);
  }
  mc_sb_printf(o,
               "<p>One thread, %.2f GHz; %zu of %zu turns were calm. Circles: area is the share of "
               "the time. Roofs of memory: what streams from there; a layer whose data comes from "
               "a nearer level may pass "
               "the one below.</p>\n",
               m->clock * 1e-9, m->calm, m->turns);
  page_end(o);
}
