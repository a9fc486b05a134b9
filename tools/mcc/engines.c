/* -list-engines. */
#include "mcc.h"
#include "mc/decide/engine.h"

static void list_engine(mc_strbuf *s, const mc_engine *e, const mc_target *t, mc_arena *a) {
  double rate = mc_target_rate(t, e->rate);
  const char *text = rate > 0 ? mc_arena_printf(a, "%.4g", rate) : "-";
  const char *traits = mc_engine_traits_text(e, a);
  mc_sb_printf(s, "%-10s %-5s %8s %7d %5d %5d %5d  %-8s %s%s%s\n", e->name, mc_engine_kind_text(e),
               text, mc_engine_lanes(e, t), e->rows, e->kr, e->ku, mc_engine_a_text(e), e->doc,
               *traits ? " | " : "", traits);
}

static void list_level(mc_strbuf *s, const mc_target *t, mc_arena *a) {
  mc_sb_printf(s, "%s (%s): rate is products a cycle; -: the cost model has no figure\n", t->name,
               mc_arch_name(t->arch));
  mc_sb_printf(s, "%-10s %-5s %8s %7s %5s %5s %5s  %-8s %s\n", "engine", "kind", "rate", "columns",
               "rows", "depth", "steps", "A", "how | properties");
  const mc_engine *e;
  for (int i = 0; (e = mc_engine_at(i)) != NULL; i++)
    if (mc_engine_fits(e, t)) list_engine(s, e, t, a);
}

void list_engines(mcc *o) {
  mc_strbuf s = { 0 };
  for (const mc_target *t = o->co.target; t; t = t->next) {
    if (t != o->co.target) mc_sb_putc(&s, '\n');
    list_level(&s, t, o->t.arena);
  }
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}
