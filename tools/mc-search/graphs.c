/* The graph before and after: a row for each op, arcs for values that are read further down. */
#include "mc/analysis/cost.h"
#include "mc/ir/print.h"
#include "report.h"
#include <math.h>
#include <string.h>

enum { ROW = 18, NAME = 120, WIDTH = 640, BAR = 90, MOST = 2000 };

static const char style[] = ".mcb{font-size:11px}.mcb .arc{fill:none;stroke:#888}"
                            ".mcb .macs{fill:#26c;fill-opacity:.6}.mcb .int8{fill:#c72}"
                            ".mcb .bf16{fill:#393}.mcb .layer{font-weight:bold}";

const char *report_name(const mc_node *n, mc_arena *a) {
  if (n->source) return n->source;
  if (n->nout && n->out[0]->name) return mc_arena_printf(a, "%%%s", n->out[0]->name);
  return mc_ops[n->op].text;
}

static bool shown(const mc_node *n) { return !mc_op_has(n->op, MC_T_CONST | MC_T_TERM); }

/* The arithmetic of a layer by its first operand. */
static const char *arithmetic(const mc_node *n) {
  mc_dtype t = n->nin ? n->in[0]->type->dtype : MC_f32;
  return t == MC_u8 || t == MC_i8 ? "int8" : t == MC_bf16 ? "bf16" : "";
}

static const char *shape_text(const mc_type *t, mc_arena *a) {
  const char *s = mc_dtype_names[t->dtype];
  for (int i = 0; i < t->rank; i++)
    s = mc_arena_printf(a, "%s%s%lld", s, i ? "x" : " ", (long long)t->dim[i]);
  return s;
}

static void arc(mc_strbuf *out, int from, int to) {
  double y0 = (double)ROW * (from + 0.5), y1 = (double)ROW * (to + 0.5),
         deep = 8 + 3 * sqrt((double)(to - from)) * 4;
  double x = NAME - 6, left = fmax(4, x - deep);
  mc_sb_printf(out, "<path class=\"arc\" d=\"M%.0f %.1f C%.0f %.1f %.0f %.1f %.0f %.1f\"/>\n", x,
               y0, left, y0, left, y1, x, y1);
}

static void row(mc_strbuf *out, const mc_node *n, int at, double most, mc_arena *a) {
  double macs = (double)mc_node_cost(n).macs, y = ROW * at + 13;
  mc_sb_printf(out,
               "<rect class=\"macs %s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"12\"><title>%.0f "
               "MACs</title></rect>\n",
               arithmetic(n), NAME, ROW * at + 3, most > 0 ? (double)BAR * macs / most : 0, macs);
  page_label(out, NAME + BAR + 6, y, "start", macs > 0 ? "layer" : "", mc_ops[n->op].text);
  page_label(out, NAME + BAR + 120, y, "start", "", n->nout ? shape_text(n->out[0]->type, a) : "");
  page_label(out, NAME + BAR + 250, y, "start", "note", report_name(n, a));
}

static void draw(mc_strbuf *out, const mc_graph *g, double most, mc_arena *a) {
  mc_map rows;
  mc_map_init(&rows, a);
  int count = 0;
  MC_FOR_NODES (n, g)
    if (shown(n)) *mc_map_ptr_slot(&rows, n) = (void *)(uintptr_t)++count;
  if (count > MOST) {
    mc_sb_printf(out, "<p>%d ops: too many to draw.</p>\n", count);
    return;
  }
  page_picture(out, WIDTH, ROW * count + 4, style);
  MC_FOR_NODES (n, g) {
    int to = (int)(uintptr_t)mc_map_ptr_get(&rows, n);
    for (int i = 0; to && i < n->nin; i++) {
      const mc_node *def = n->in[i] ? n->in[i]->def : NULL;
      int from = def ? (int)(uintptr_t)mc_map_ptr_get(&rows, def) : 0;
      if (from) arc(out, from - 1, to - 1);
    }
    if (to) row(out, n, to - 1, most, a);
  }
  mc_sb_puts(out, "</svg>\n");
}

static double most_macs(const mc_graph *g) {
  double most = 0;
  MC_FOR_NODES (n, g) most = fmax(most, (double)mc_node_cost(n).macs);
  return most;
}

static void column(mc_strbuf *out, const char *title, const mc_graph *g, double most, mc_arena *a) {
  mc_cost c = mc_graph_cost(g);
  mc_sb_printf(out, "<div><p><b>%s</b>: %lld MACs, %lld parameters</p>\n", title, (long long)c.macs,
               (long long)c.params);
  draw(out, g, most, a);
  mc_sb_puts(out, "</div>\n");
}

bool report_graphs(mc_strbuf *out, search *s) {
  mc_arena *a = s->t.arena;
  double most = most_macs(s->module->graphs);
  mc_sb_puts(out, "<p>Bars: MACs, blue in fp32, orange in INT8, green in bf16.</p>\n"
                  "<div class=\"side\">\n");
  column(out, "before", s->module->graphs, most, a);
  if (s->best) {
    mc_module *m = mc_driver_load(s->out, &s->t.diag);
    if (!m) return false;
    column(out, "after", m->graphs, most, a);
    tool_flush(&s->t);
    mc_module_destroy(m);
  }
  mc_sb_puts(out, "</div>\n");
  return true;
}
