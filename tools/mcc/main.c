/* mcc: a network in, an object and its header out. */
#include "mcc.h"
#include "mc/driver/driver.h"
#include "mc/ir/print.h"
#include "mc/plan/decisions.h"
#include "mc/syntax/parse.h"
#include <string.h>

static const char *symbol(mcc *o, const mc_module *m) {
  const char *name = o->co.prefix, *own = name ? mc_compile_symbol(name, o->t.arena) : NULL;
  if (own && strcmp(own, name) != 0)
    mc_warning(&o->t.diag, mc_noloc, "-name=%s is no C name: the symbols begin with '%s_'", name,
               own);
  if (own) return own;
  return mc_compile_symbol(strcmp(o->out, "-") ? o->out : m->graphs->name, o->t.arena);
}

/* ---- one module ---- */

static bool emit_object(mcc *o, const mc_plan *p) {
  mc_code code;
  mc_strbuf header = { 0 };
  bool both = has_header(o),
       ok = mc_compile_object(&code, &header, p, &o->co, &o->rep, o->t.arena, &o->t.diag);
  if (ok && o->exact && !exact_check(o, p, &code)) {
    mc_code_free(&code);
    ok = false;
  }
  if (ok) {
    mc_piece text = { header.s, header.n };
    mc_piecefile files[2] = { { o->out, code.piece, code.n },
                              { both ? with_ending(o, o->out, ".h") : "", &text, 1 } };
    ok = mc_write_piece_files(files, both ? 2 : 1, &o->t.diag);
    if (ok) report_summary(o, code.bytes);
    mc_code_free(&code);
    if (ok && o->remarks) report_object(o);
  }
  mc_sb_free(&header);
  return ok;
}

static bool emit_text(mcc *o, const mc_plan *p) {
  mc_strbuf code = { 0 };
  bool ok = mc_compile_code(&code, p, &o->co, o->emit == EMIT_ASM ? MC_EMIT_ASM : MC_EMIT_LLVM,
                            &o->rep, o->t.arena, &o->t.diag) &&
            mc_write_file(o->out, mc_sb_str(&code), code.n, &o->t.diag);
  if (ok) report_summary(o, code.n);
  mc_sb_free(&code);
  return ok;
}

static bool emit_code(mcc *o, const mc_plan *p) {
  return o->emit == EMIT_OBJ ? emit_object(o, p) : emit_text(o, p);
}

static bool compile(mcc *o, mc_module *m) {
  mc_plan *p = mc_compile_plan(m, &o->co, &o->rep, o->t.arena, &o->t.diag);
  if (o->co.manager.stats && p) passes_stats(&o->passes, &o->rep.passes);
  bool small = o->compress_weights || mc_quant_only_weights(o->co.quant);
  if (small && p && o->emit != EMIT_MIR) report_packed(o, p);
  passes_flush(&o->passes);
  if (!p) return false;
  for (const mc_plan *q = p; o->remarks && q; q = q->next) report_groups(o, q);
  bool ok;
  if (o->emit == EMIT_MIR) {
    if (o->decisions) mc_plan_write_decisions(p, o->t.arena);
    ok = mc_write_mir(o->out, m, &o->t.diag);
    if (ok) report_summary(o, 0);
  } else {
    o->co.prefix = symbol(o, m);
    ok = emit_code(o, p);
  }
  if (ok && o->json) ok = json_report(o, p);
  if (o->co.manager.time_passes) report_time(o);
  passes_flush(&o->passes);
  return ok;
}

/* Only the first graph becomes code; another one is taken by bringing it to the front. */
static bool select_graph(mcc *o, mc_module *m) {
  mc_graph *g = mc_module_graph(m, o->graph);
  if (!g)
    return mc_error(&o->t.diag, mc_noloc, "there is no graph '%s' in %s", o->graph ? o->graph : "",
                    o->in);
  m->graphs = g;
  g->next = NULL;
  return !o->batch || mc_driver_set_batch(g, o->batch, &o->t.diag);
}

static void flush(mcc *o) {
  if (!o->remarks) tool_drop_remarks(&o->t);
  tool_flush(&o->t);
}

static int show_pipeline(mcc *o, const mc_module *m) {
  const char *text =
      o->co.pipeline ? o->co.pipeline : mc_compile_pipeline(m, &o->co, o->t.arena, &o->t.diag);
  if (!text) return MC_EXIT_INPUT;
  tool_print(text, strlen(text));
  tool_print("\n", 1);
  return MC_EXIT_OK;
}

/* The last lines; with -check its finding, which -quiet leaves there. */
static void show_summary(mcc *o) {
  const char *text = o->summary && !o->quiet ? o->summary : "";
  if (o->budget_text && !o->quiet)
    text = mc_arena_printf(o->t.arena, "%s%s\n", text, o->budget_text);
  if (o->exact_text) text = mc_arena_printf(o->t.arena, "%s%s: %s\n", text, o->out, o->exact_text);
  tool_print_err(text, strlen(text));
}

static int run(mcc *o) {
  mc_module *m = mc_driver_load_as(o->in, &o->imp, &o->t.diag);
  if (!m) return MC_EXIT_INPUT;
  int rc = check_outputs(o)
               ? MC_EXIT_INPUT
               : MC_EXIT_USAGE; /* after reading: a file of another kind is named as such */
  if (rc == MC_EXIT_INPUT && select_graph(o, m)) {
    if (o->print_pipeline)
      rc = show_pipeline(o, m);
    else
      rc = budget_apply(o, m) && compile(o, m) ? MC_EXIT_OK
           : o->rep.passes.bug                 ? MC_EXIT_BUG
                                               : MC_EXIT_INPUT;
  }
  flush(o); /* places are in the module's text */
  if (rc == MC_EXIT_OK) show_summary(o);
  mc_module_destroy(m);
  return rc;
}

/* ---- command line ---- */

static void on_tune(void *ctx, int64_t done, int64_t total) {
  if (done < total - 1)
    progress_step(ctx, done, total);
  else
    progress_end(ctx);
}

/* What the options leave to be found out. */
static bool set_up(mcc *o) {
  o->in = o->t.args.v[0];
  choose_output(o);
  mc_compile_set_level(&o->co, o->level);
  o->tuning = progress_start("tuning");
  o->co.tune_progress = on_tune;
  o->co.tune_ctx = &o->tuning;
  passes_watch(&o->passes, &o->co.manager);
  o->co.target = level_find(o);
  if (!possible(o) || !o->co.target) return false;
  warn_idle(o);
  return !o->exact || o->emit != EMIT_OBJ || o->print_pipeline || exact_possible(o);
}

static int show_engines(mcc *o) {
  o->co.target = level_find(o);
  warn_listing(o);
  if (o->co.target) list_engines(o);
  flush(o);
  return tool_end(&o->t, o->co.target ? MC_EXIT_OK : MC_EXIT_USAGE);
}

int main(int argc, char **argv) {
  mcc o;
  int rc = options_read(&o, argc, argv);
  if (rc >= 0) return rc;
  if (o.list_engines) return show_engines(&o);
  if (!set_up(&o)) return tool_end(&o.t, MC_EXIT_USAGE);
  rc = run(&o);
  passes_end(&o.passes);
  flush(&o);
  return tool_end(&o.t, rc);
}
