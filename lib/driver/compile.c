/* The road: pipeline, plan, check, code. */
#include "mc/driver/compile.h"
#include "tune.h"
#include "mc/analysis/accum.h"
#include "mc/analysis/cost.h"
#include "mc/driver/driver.h"
#include "mc/driver/options.h"
#include "mc/ir/print.h"
#include "mc/support/clock.h"
#include "mc/support/hash.h"
#include <ctype.h>
#include <string.h>

mc_compile_opts mc_compile_defaults(void) {
  return (mc_compile_opts){
    .opt_level = 3, .winograd = 15, .share = true, .manager = { .bisect_limit = -1 }
  };
}

const char *const mc_level_names[] = { "0", "1", "2", "3", "s", NULL };

void mc_compile_set_level(mc_compile_opts *o, const char *level) {
  o->small = strcmp(level, "s") == 0;
  o->opt_level = o->small ? 3 : level[0] - '0';
}

/* ---- symbols ---- */

const char *mc_compile_symbol(const char *name, mc_arena *a) {
  const char *slash = strrchr(name, '/');
  if (slash) name = slash + 1;
  size_t n = strcspn(name, ".");
  char *s = mc_arena_printf(a, "%s%.*s", n == 0 || isdigit((unsigned char)name[0]) ? "net" : "",
                            (int)n, name);
  for (char *p = s; *p; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  return s;
}

/* ---- counting ---- */

static void count(mc_compile_report *rep, const mc_plan *p) {
  mc_cost c = mc_graph_cost(p->graph);
  rep->macs = c.macs;
  rep->weight_bytes = c.weight_bytes;
  mc_layers l = mc_graph_layers(p->graph);
  rep->layers_int8 = l.int8;
  rep->layers_bf16 = l.bf16;
  rep->layers_f32 = l.f32;
  rep->macs_int8 = l.macs_int8;
  for (; p; p = p->next)
    if (rep->arena_bytes < p->arena_bytes) rep->arena_bytes = p->arena_bytes;
}

/* ---- passes ---- */

/* The pipeline in two parts: what is the same for all levels runs once, with the highest level as
 * its target, and the passes from the first of plan.def on for each level. Without levels to choose
 * from everything is in `level`. */
typedef struct passes {
  mc_manager_opts opts;
  mc_pipeline common, level;
  mc_compile_report *rep;
  mc_arena *arena;
  mc_diag *diag;
} passes;

static bool of_plan(const mc_pass_info *pass) {
#define MC_PASS(id, text_, contract, summary)                                                      \
  if (strcmp(pass->text, text_) == 0) return true;
#define MC_OPTE(pass, name, enm, dflt, doc)
#define MC_OPT(pass, name, kind, dflt, doc)
#define MC_STAT(pass, name, doc)
#define MC_PASS_END(id)
#include "mc/pass/plan.def"
#undef MC_PASS
#undef MC_OPTE
#undef MC_OPT
#undef MC_STAT
#undef MC_PASS_END
  return false;
}

static bool prepare_passes(passes *p, const mc_module *m, const mc_compile_opts *o) {
  const char *text = o->pipeline ? o->pipeline : mc_compile_pipeline(m, o, p->arena, p->diag);
  if (!text) return false;
  p->rep->pipeline = text;
  mc_source *src = MC_NEW(p->arena, mc_source);
  *src = (mc_source){ "<pipeline>", text, strlen(text) };
  if (!mc_pipeline_parse(mc_driver_registry(), src, &p->level, p->arena, p->diag)) return false;
  p->opts = o->manager;
  if (!o->pipeline && o->calib)
    p->opts.samples_at.what = mc_arena_printf(p->diag->arena, "-calib=%s", o->calib);
  else if (!o->pipeline && m->calibration)
    p->opts.samples_at.what = mc_arena_printf(p->diag->arena, "calibration \"%s\"", m->calibration);
  p->opts.always = "form-groups"; /* without it there is no plan, and so no code */
  p->opts.print_before = mc_pipeline_names(mc_driver_registry(), &p->level, o->manager.print_before,
                                           "print-before", p->arena, p->diag);
  p->opts.print_after = mc_pipeline_names(mc_driver_registry(), &p->level, o->manager.print_after,
                                          "print-after", p->arena, p->diag);
  p->opts.bisect_total = mc_manager_counted(&p->level, &p->opts);
  p->common = (mc_pipeline){ p->level.item, 0 };
  if (o->target->next)
    while (p->common.n < p->level.n && !of_plan(p->level.item[p->common.n].pass)) p->common.n++;
  p->level = (mc_pipeline){ p->level.item + p->common.n, p->level.n - p->common.n };
  if (p->opts.runner) return true;
  const mc_target *native = mc_target_find(NULL, "native", p->arena, p->diag);
  if (native) p->opts.runner = mc_compile_runner(native, p->arena);
  return native != NULL;
}

/* After what the report has already. */
static void add_report(mc_manager_report *all, const mc_manager_report *r, mc_arena *a) {
  mc_manager_report sum = { .time = MC_NEWN(a, mc_pass_timing, all->n + r->n),
                            .stats = MC_NEWN(a, int64_t *, all->n + r->n),
                            .n = all->n + r->n,
                            .bug = r->bug };
  for (int i = 0; i < sum.n; i++) {
    const mc_manager_report *from = i < all->n ? all : r;
    sum.time[i] = from->time[i < all->n ? i : i - all->n];
    sum.stats[i] = from->stats[i < all->n ? i : i - all->n];
  }
  sum.failed = r->failed < 0 ? -1 : all->n + r->failed;
  *all = sum;
}

static bool run_passes(passes *p, mc_module *m, const mc_pipeline *part, const mc_target *t) {
  mc_manager_opts o = p->opts;
  mc_manager_report rep;
  if (!o.target) o.target = t;
  if (part == &p->level) o.bisect_before = mc_manager_counted(&p->common, &o);
  bool ok = mc_manager_run(m, part, &o, &rep, p->arena, p->diag);
  add_report(&p->rep->passes, &rep, p->arena);
  return ok;
}

/* ---- plans ---- */

static mc_plan *plan_graph(mc_graph *g, const mc_target *t, const mc_compile_opts *o,
                           mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  mc_plan_opts po = { .threads = o->threads,
                      .small = o->small,
                      .no_chains = o->chain == MC_CHAIN_OFF && !o->pipeline };
  mc_plan *p = mc_plan_make(g, t, &po, a, d);
  if (!p) return NULL;
  if (mc_plan_check(p, d)) return p;
  rep->passes.bug = true;
  mc_note(d, g->loc,
          "this is a mistake of mcc's memory planner, not of the network; please report it");
  return NULL;
}

/* One plan for each level, lowest first; all but the highest have a copy of the module. */
static mc_plan *plan_levels(passes *p, mc_module *m, const mc_compile_opts *o) {
  mc_plan *first = NULL, *last = NULL;
  for (const mc_target *t = o->target; t; t = t->next) {
    mc_module *copy = t->next ? mc_module_copy(m) : m;
    double t0 = mc_seconds();
    if (!run_passes(p, copy, &p->level, t) || !mc_accum_check(copy->graphs, p->diag)) return NULL;
    double t1 = mc_seconds();
    mc_plan *plan = plan_graph(copy->graphs, t, o, p->rep, p->arena, p->diag);
    if (!plan) return NULL;
    if (o->tune && !tune_plan(plan, o, p->arena, p->diag)) return NULL;
    p->rep->pass_seconds += t1 - t0;
    p->rep->plan_seconds += mc_seconds() - t1;
    if (last)
      last->next = plan;
    else
      first = plan;
    last = plan;
  }
  return first;
}

uint64_t mc_compile_model_hash(const mc_module *m, mc_arena *a) {
  mc_strbuf text = { 0 };
  mc_map used;
  mc_map_init(&used, a);
  mc_print_graph(&text, m->graphs);
  uint64_t h = mc_hash(MC_HASH_START, mc_sb_str(&text), text.n);
  mc_module_used_tensors(m, &used);
  for (size_t i = 0; i < used.n; i++) {
    const mc_tensor *t = used.entries[i].key;
    if (t->name) h = mc_hash(mc_hash_text(h, t->name), t->data, t->size);
  }
  mc_sb_free(&text);
  return h;
}

/* A warning where the parallel entries of all levels run on one thread. */
static void check_threads(const mc_plan *p, const mc_compile_opts *o, mc_diag *d) {
  for (const mc_plan *q = p; q; q = q->next)
    for (int i = 0; i < q->ngroup; i++)
      if (q->threads < 2 || q->tasks[i] > 1) return;
  mc_warning(
      d, mc_noloc,
      "-threads=%d: no layer is worth handing to another thread on '%s'; all run on the caller's",
      o->threads, mc_target_highest(o->target)->name);
}

mc_plan *mc_compile_plan(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep,
                         mc_arena *a, mc_diag *d) {
  double t0 = mc_seconds();
  passes p = { .rep = rep, .arena = a, .diag = d };
  *rep = (mc_compile_report){ 0 };
  if (!m->graphs) return mc_error(d, mc_noloc, "there is no graph to compile"), NULL;
  rep->model = mc_compile_model_hash(m, a);
  if (!prepare_passes(&p, m, o)) return NULL;
  if (p.common.n && !run_passes(&p, m, &p.common, mc_target_highest(o->target))) return NULL;
  rep->pass_seconds = mc_seconds() - t0;
  mc_plan *first = plan_levels(&p, m, o);
  if (!first) return NULL;
  check_threads(first, o, d);
  count(rep, first);
  return first;
}

/* ---- code ---- */

static mc_codegen_opts code_opts(const mc_graph *g, const mc_compile_opts *o, uint64_t model,
                                 mc_arena *a) {
  const char *prefix = o->prefix ? o->prefix : mc_compile_symbol(g->name, a);
  return (mc_codegen_opts){ .target = o->target,
                            .prefix = prefix,
                            .version = mc_version(),
                            .model = model,
                            .debug = o->debug,
                            .apart = !o->share,
                            .opt_level = o->opt_level };
}

bool mc_compile_object(mc_code *object, mc_strbuf *header, const mc_plan *p,
                       const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  double t0 = mc_seconds();
  mc_codegen_opts co = code_opts(p->graph, o, rep->model, a);
  bool ok = mc_codegen_object(object, p, &co, d);
  if (ok) mc_codegen_header(header, p, &co, object->stack_bytes);
  rep->code_seconds += mc_seconds() - t0;
  return ok;
}

bool mc_compile_code(mc_strbuf *code, const mc_plan *p, const mc_compile_opts *o, mc_emit what,
                     mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  double t0 = mc_seconds();
  mc_codegen_opts co = code_opts(p->graph, o, rep->model, a);
  bool ok = mc_codegen_emit(code, p, &co, what, d);
  rep->code_seconds += mc_seconds() - t0;
  return ok;
}

mc_jit *mc_compile_jit(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a,
                       mc_diag *d) {
  mc_plan *p = mc_compile_plan(m, o, rep, a, d);
  if (!p) return NULL;
  double t0 = mc_seconds();
  mc_codegen_opts co = code_opts(p->graph, o, rep->model, a);
  mc_jit *j = mc_jit_create(p, &co, d);
  rep->code_seconds = mc_seconds() - t0;
  return j;
}
