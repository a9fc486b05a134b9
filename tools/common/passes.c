#include "common/passes.h"

void passes_flush(passes *p) {
  tool_print_err(mc_sb_str(&p->dump), p->dump.n);
  mc_sb_clear(&p->dump);
}

void passes_end(passes *p) { mc_sb_free(&p->dump); }

static void dumped(void *ctx, mc_strbuf *dump) {
  (void)dump; /* it is the one of ctx */
  passes_flush(ctx);
}

void passes_watch(passes *p, mc_manager_opts *m) {
  m->dump = &p->dump;
  m->dumped = dumped;
  m->dumped_ctx = p;
  m->progress = progress_pass;
  m->progress_ctx = &p->progress;
  m->temp = tool_temp_folder();
}

void passes_times(passes *p, const mc_manager_report *rep) {
  double total = 0;
  for (int i = 0; i < rep->n; i++) total += rep->time[i].seconds;
  mc_sb_puts(&p->dump, "time per pass:\n");
  for (int i = 0; i < rep->n && i != rep->failed; i++)
    mc_sb_printf(&p->dump, "  %9.3f ms %5.1f %%  %-18s %s\n", rep->time[i].seconds * 1e3,
                 total > 0 ? 100 * rep->time[i].seconds / total : 0.0, rep->time[i].pass->text,
                 rep->time[i].changed ? "changed" : "no change");
}

void passes_stats(passes *p, const mc_manager_report *rep) {
  for (int i = 0; i < rep->n; i++)
    for (int k = 0; k < rep->time[i].pass->nstats; k++)
      mc_sb_printf(&p->dump, "%8lld %-18s %s (%s)\n", (long long)rep->stats[i][k],
                   rep->time[i].pass->text, rep->time[i].pass->stats[k].name,
                   rep->time[i].pass->stats[k].doc);
}

void passes_no_effect(tool *t, const char *why) {
  mc_manager_opts m = { 0 };
  const mc_option hooks[] = { MC_HOOK_OPTIONS(m), { 0 } };
  for (const mc_option *o = hooks; o->name; o++)
    tool_no_effect(t, (const char *const[]){ o->name, NULL }, why);
}
