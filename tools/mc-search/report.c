/* --report: one page of HTML. */
#include "report.h"
#include "mc/support/blob.h"
#include <math.h>

static const char style[] =
    "h2{margin:1.6em 0 .4em}td:last-child,th:last-child{text-align:left}"
    "tr.best{font-weight:bold}td.mir{font-family:monospace;white-space:pre-wrap;max-width:60em}"
    ".side{display:flex;gap:32px;align-items:flex-start}.many{display:flex;flex-wrap:wrap;gap:8px}"
    "code{white-space:pre-wrap;overflow-wrap:anywhere}";

static void head(mc_strbuf *out, search *s) {
  mc_sb_puts(out, "<h1>");
  page_escaped(out, s->in);
  mc_sb_printf(out, "</h1>\n<p>%s on %lld samples of ",
               s->metric   ? "AUC"
               : s->labels ? "top-1"
                           : "agreement with the original",
               (long long)s->nsamples);
  page_escaped(out, s->eval);
  mc_sb_printf(out, "; level %s; %zu candidates; latency: %s.</p>\n<pre>", s->target->name,
               s->all.n,
               s->latency ? "the cost model's" : "measured where a dot is filled, else estimated");
  mc_strbuf limits = { 0 };
  limits_print(&limits, s);
  page_escaped(out, mc_sb_str(&limits));
  mc_sb_free(&limits);
  mc_sb_puts(out, "</pre>\n");
  if (!s->best) {
    mc_sb_puts(out, "<p><b>Nothing meets the limits.</b></p>\n");
    return;
  }
  mc_sb_puts(out, "<p><code>");
  page_escaped(out, replay_command(s, s->best));
  mc_sb_puts(out, "</code></p>\n");
}

static void cells(mc_strbuf *out, search *s, const candidate *c) {
  mc_sb_printf(out, "<tr%s><td>%.2f<td>%s%.4g<td>%.2f<td>%.0f<td>%.0f<td>%.0f<td class=\"mir\">",
               c == s->best ? " class=\"best\"" : "", 100 * c->accuracy, c->ms > 0 ? "" : "~",
               latency_ms(s, c), original_ms(s) / latency_ms(s, c), c->cost[COST_BYTES],
               c->cost[COST_ARENA], c->cost[COST_MACS]);
  page_escaped(out, *c->shape->passes ? c->shape->passes : "original");
  mc_sb_printf(out, ", %s", precision_names[c->precision]);
  if (c->skip) {
    mc_sb_puts(out, ", in fp32: ");
    page_escaped(out, c->skip);
  }
  mc_sb_puts(out, "</tr>\n");
}

static void table(mc_strbuf *out, search *s) {
  candidates p = pareto(s, 0);
  bool original = false, best = !s->best;
  mc_sb_puts(out,
             "<table><tr><th>accuracy<th>ms<th>speed<th>bytes<th>arena<th>MACs<th>passes</tr>\n");
  for (size_t i = 0; i < p.n; i++) {
    cells(out, s, p.v[i]);
    original |= p.v[i] == s->original;
    best |= p.v[i] == s->best;
  }
  if (!best) cells(out, s, s->best);
  if (!original && s->original != s->best) cells(out, s, s->original);
  mc_sb_puts(out, "</table>\n");
}

static bool layers(mc_strbuf *out, search *s) {
  report_layers(out, s);
  mc_module *m = mc_driver_load(s->in, &s->t.diag);
  const mc_runner *runner = m ? report_runner(s) : NULL;
  bool ok = runner && report_passes(s, m, "canonicalize,constant-fold,fold-bn,dce", runner) &&
            report_widths(out, s, m, runner);
  if (m) {
    tool_drop_remarks(&s->t);
    tool_flush(&s->t); /* places are in the module's text */
    mc_module_destroy(m);
  }
  return ok;
}

static bool page(mc_strbuf *out, search *s) {
  page_begin(out, "mc-search", style);
  head(out, s);
  mc_sb_puts(out, "<h2>Front</h2>\n");
  report_front(out, s);
  table(out, s);
  mc_sb_puts(out, "<h2>Layers</h2>\n");
  if (!layers(out, s)) return false;
  mc_sb_puts(out, "<h2>Activations and ranges</h2>\n");
  if (!report_histograms(out, s)) return false;
  mc_sb_puts(out, "<h2>Graphs</h2>\n");
  if (!report_graphs(out, s)) return false;
  page_end(out);
  return true;
}

bool report_write(search *s) {
  if (!s->report) return true;
  mc_strbuf out = { 0 };
  bool ok = page(&out, s) && mc_write_file(s->report, mc_sb_str(&out), out.n, &s->t.diag);
  mc_sb_free(&out);
  return ok;
}
