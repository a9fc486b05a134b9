/* Runs a pipeline: one place for everything that can be watched, checked or counted around a pass.
 */
#include "check.h"
#include "mc/support/clock.h"
#include "mc/ir/print.h"
#include "mc/ir/verify.h"
#include "reproducer.h"
#include <string.h>

typedef struct run {
  mc_module *m;
  const mc_pipeline *p;
  const mc_manager_opts *o;
  mc_manager_report *rep;
  mc_diag *diag;
  checker check;
  bool checking;
  int index;   /* of the item */
  int counted; /* passes that bisect_limit has counted */
  const mc_pipeline_item *it;
  double *bound; /* by graph: what a LOSSY pass promised */
  int ngraphs;
} run;

/* ---- dumps ---- */
static bool listed(const char *list, const char *name) {
  if (!list) return false;
  if (!strcmp(list, "all")) return true;
  size_t n = strlen(name);
  for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',')
    if (strcspn(s, ",") == n && !memcmp(s, name, n)) return true;
  return false;
}

static void dump(const run *r, const char *when, mc_strbuf *out) {
  if (!out) return;
  mc_sb_printf(out, "// ---- %s %s (pass %d of %d) ----\n", when, r->it->pass->text, r->index + 1,
               r->p->n);
  mc_print_module(out, r->m, &(mc_print_opts){ .no_data = true });
}

/* `held`: text from before the pass that is shown only when the pass changed something. */
static void dump_before(const run *r, mc_strbuf *held) {
  if (listed(r->o->print_before, r->it->pass->text))
    dump(r, "before", r->o->dump);
  else if (r->o->print_before_change)
    dump(r, "before", held);
}

static void dump_after(const run *r, const mc_strbuf *held, bool changed) {
  bool all = listed(r->o->print_after, r->it->pass->text);
  if (r->o->dump && changed && held->n) mc_sb_write(r->o->dump, held->s, held->n);
  if (all || (r->o->print_after_change && changed))
    dump(r, "after", r->o->dump);
  else if (r->o->print_after_change && r->o->dump)
    mc_sb_printf(r->o->dump, "// ---- after %s (pass %d of %d): no change ----\n",
                 r->it->pass->text, r->index + 1, r->p->n);
}

static void flush(const run *r) {
  if (r->o->dump && r->o->dump->n && r->o->dumped) r->o->dumped(r->o->dumped_ctx, r->o->dump);
}

/* ---- checks ---- */
static void graph_text(mc_strbuf *out, const mc_module *m) {
  for (const mc_graph *g = m->graphs; g; g = g->next) mc_print_graph(out, g);
}

static bool checked(const run *r) { return r->o->verify_each || r->checking; }

static bool bug(run *r) { return r->rep->bug = true, false; }

static bool verify_after(run *r) {
  if (!r->o->verify_each || mc_verify_module(r->m, r->diag)) return true;
  mc_error(r->diag, r->it->loc, "the graph is broken after pass '%s'", r->it->pass->text);
  return bug(r);
}

/* A pass that claims to have changed nothing is taken at its word only by a run without checks. */
static bool claim_after(run *r, const mc_strbuf *before, bool changed) {
  if (changed || !checked(r)) return true;
  mc_strbuf after = { 0 };
  graph_text(&after, r->m);
  bool same = after.n == before->n && !memcmp(after.s, before->s, after.n);
  mc_sb_free(&after);
  if (same) return true;
  mc_error(r->diag, r->it->loc, "pass '%s' changed the graph and said that it did not",
           r->it->pass->text);
  return bug(r);
}

static bool check_after(run *r, bool changed) {
  if (!r->checking || !changed) return true;
  return check_pass(&r->check, r->m, r->it, r->bound, r->diag) || bug(r);
}

/* ---- one pass ---- */
/* What the check holds the pass to. */
static double bound_of(run *r, const mc_pass_context *cx) {
  if (!cx->bound_samples || !r->checking || mc_manager_samples(r->o)) return cx->bound;
  mc_remark(r->diag, r->it->loc,
            "pass '%s' promises a relative L2 of %.3g on inputs like its samples; random inputs "
            "are not held to it: -check-numerics=FILE.npz checks it",
            r->it->pass->text, cx->bound);
  return 0;
}

static bool run_on_graph(run *r, mc_graph *g, int k, bool *changed) {
  mc_pass_context cx = { .module = r->m,
                         .graph = g,
                         .scratch = mc_arena_create(),
                         .diag = r->diag,
                         .loc = r->it->loc,
                         .samples_at = r->o->samples_at,
                         .target = r->o->target,
                         .runner = r->o->runner,
                         .stats = r->rep->stats[r->index],
                         .progress = r->o->progress,
                         .progress_ctx = r->o->progress_ctx,
                         .temp = r->o->temp };
  bool ch = false;
  unsigned errors = r->diag->errors;
  bool ok = r->it->pass->run(&cx, r->it->opts, &ch);
  if (!ok && r->diag->errors == errors) {
    mc_error(r->diag, r->it->loc, "pass '%s' failed on @%s without saying why", r->it->pass->text,
             g->name);
    bug(r);
  }
  mc_arena_destroy(cx.scratch);
  r->bound[k] = bound_of(r, &cx);
  *changed |= ch;
  return ok;
}

static bool run_on_graphs(run *r, bool *changed) {
  int k = 0;
  double start = mc_seconds();
  for (mc_graph *g = r->m->graphs; g; g = g->next, k++)
    if (!run_on_graph(r, g, k, changed)) return false;
  r->rep->time[r->index] = (mc_pass_timing){ r->it->pass, mc_seconds() - start, *changed };
  return true;
}

/* A pass that changed the network has read weights and made others: the file's pages need not stay.
 */
static void relax(const mc_module *m) {
  for (size_t i = 0; i < m->blobs.n; i++) mc_blob_relax(m->blobs.v[i]);
}

static bool run_item(run *r) {
  mc_strbuf before = { 0 }, held = { 0 };
  bool changed = false;
  if (r->o->reproducer && !reproducer_write(r->o->reproducer, r->m, r->it, r->o, r->diag))
    return false;
  dump_before(r, &held);
  flush(r);
  if (checked(r)) graph_text(&before, r->m);
  bool ok = run_on_graphs(r, &changed);
  if (ok) dump_after(r, &held, changed);
  ok = ok && verify_after(r) && claim_after(r, &before, changed) && check_after(r, changed);
  if (changed) relax(r->m);
  flush(r);
  mc_sb_free(&before);
  mc_sb_free(&held);
  return ok;
}

/* ---- the pipeline ---- */
int mc_manager_counted(const mc_pipeline *p, const mc_manager_opts *o) {
  int n = 0;
  for (int i = 0; i < p->n; i++) n += !listed(o->always, p->item[i].pass->text);
  return n;
}

static bool skipped(run *r) {
  const mc_manager_opts *o = r->o;
  if (o->bisect_limit < 0 || listed(o->always, r->it->pass->text)) return false;
  int at = o->bisect_before + r->counted++,
      all = o->bisect_total ? o->bisect_total : mc_manager_counted(r->p, o);
  bool skip = at >= o->bisect_limit;
  if (o->dump)
    mc_sb_printf(o->dump, "// bisect: %s pass %d of %d: %s\n", skip ? "not running" : "running",
                 at + 1, all, r->it->pass->text);
  return skip;
}

static bool run_items(run *r) {
  for (r->index = 0; r->index < r->p->n; r->index++) {
    r->it = &r->p->item[r->index];
    if (skipped(r)) continue;
    if (run_item(r)) continue;
    r->rep->failed = r->index;
    if (r->o->reproducer)
      mc_note(r->diag, r->it->loc,
              "'%s' holds the graph before the pass and the command that fails", r->o->reproducer);
    return false;
  }
  return true;
}

static void start_report(run *r, mc_arena *a) {
  *r->rep = (mc_manager_report){ .time = MC_NEWN(a, mc_pass_timing, r->p->n),
                                 .stats = MC_NEWN(a, int64_t *, r->p->n),
                                 .n = r->p->n,
                                 .failed = -1 };
  for (int i = 0; i < r->p->n; i++) {
    r->rep->time[i].pass = r->p->item[i].pass;
    r->rep->stats[i] = MC_NEWN(a, int64_t, r->p->item[i].pass->nstats + 1);
  }
  for (const mc_graph *g = r->m->graphs; g; g = g->next) r->ngraphs++;
  r->bound = MC_NEWN(a, double, r->ngraphs);
}

bool mc_manager_run(mc_module *m, const mc_pipeline *p, const mc_manager_opts *o,
                    mc_manager_report *rep, mc_arena *a, mc_diag *d) {
  run r = { .m = m, .p = p, .o = o, .rep = rep, .diag = d };
  start_report(&r, a);
  if (o->check_numerics) {
    r.checking = true;
    if (!check_start(&r.check, m, o, d)) {
      check_end(&r.check);
      return false;
    }
  }
  bool ok = run_items(&r);
  if (r.checking) check_end(&r.check);
  if (ok && o->reproducer) reproducer_remove(o->reproducer);
  return ok;
}
