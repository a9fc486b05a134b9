/* The road: pipeline, plan, check, code. */
#include "mc/driver/compile.h"
#include "mc/analysis/accum.h"
#include "mc/analysis/cost.h"
#include "mc/driver/driver.h"
#include "mc/kernels/query.h"
#include <ctype.h>
#include <string.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

mc_compile_opts mc_compile_defaults(void) { return (mc_compile_opts){ .opt_level = 3, .manager = { .bisect_limit = -1 } }; }

/* ---- symbols ---- */

const char *mc_compile_symbol(const char *name, mc_arena *a) {
  const char *slash = strrchr(name, '/');
  if (slash) name = slash + 1;
  size_t n = strcspn(name, ".");
  char *s = mc_arena_printf(a, "%s%.*s", n == 0 || isdigit((unsigned char)name[0]) ? "net" : "", (int)n, name);
  for (char *p = s; *p; p++)
    if (!isalnum((unsigned char)*p)) *p = '_';
  return s;
}

/* ---- counting ---- */

static void count_layers(mc_compile_report *rep, const mc_graph *g) {
  MC_FOR_NODES(n, g) {
    if (n->region) count_layers(rep, n->region);
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    bool int8 = mc_type_is_quant(n->in[0]->type);
    *(int8 ? &rep->layers_int8 : &rep->layers_f32) += 1;
    if (int8) rep->macs_int8 += mc_node_cost(n).macs;
  }
}

static void count(mc_compile_report *rep, const mc_plan *p) {
  mc_cost c = mc_graph_cost(p->graph);
  rep->macs = c.macs;
  rep->weight_bytes = c.weight_bytes;
  rep->arena_bytes = p->arena_bytes;
  count_layers(rep, p->graph);
}

/* ---- passes and plan ---- */

static bool run_passes(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  const char *text = o->pipeline ? o->pipeline : mc_compile_pipeline(m, o, a, d);
  if (!text) return false;
  rep->pipeline = text;
  mc_source *src = MC_NEW(a, mc_source);
  *src = (mc_source){ "<pipeline>", text, strlen(text) };
  mc_pipeline p;
  if (!mc_pipeline_parse(mc_driver_registry(), src, &p, a, d)) return false;
  mc_manager_opts mo = o->manager;
  if (!mo.target) mo.target = o->target;
  if (!mo.runner) {
    const mc_target *native = mc_target_find(NULL, "native", a, d);
    if (!native) return false;
    mo.runner = mc_compile_runner(native, a);
  }
  return mc_manager_run(m, &p, &mo, &rep->passes, a, d);
}

static mc_plan *plan_graph(mc_graph *g, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  mc_plan_opts po = { .scratch = mc_kernel_scratch, .threads = o->threads };
  mc_plan *p = mc_plan_make(g, o->target, &po, a, d);
  if (!p) return NULL;
  if (mc_plan_check(p, d)) return p;
  rep->passes.bug = true;
  mc_note(d, g->loc, "this is a mistake of mcc's memory planner, not of the network; please report it");
  return NULL;
}

mc_plan *mc_compile_plan(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  double t0 = seconds();
  *rep = (mc_compile_report){ 0 };
  if (!m->graphs) return mc_error(d, mc_noloc, "there is no graph to compile"), NULL;
  if (!run_passes(m, o, rep, a, d) || !mc_accum_check(m->graphs, d)) return NULL;
  double t1 = seconds();
  mc_plan *p = plan_graph(m->graphs, o, rep, a, d);
  rep->pass_seconds = t1 - t0;
  rep->plan_seconds = seconds() - t1;
  if (p) count(rep, p);
  return p;
}

/* ---- code ---- */

static mc_codegen_opts code_opts(const mc_graph *g, const mc_compile_opts *o, mc_arena *a) {
  const char *prefix = o->prefix ? o->prefix : mc_compile_symbol(g->name, a);
  return (mc_codegen_opts){ .target = o->target, .prefix = prefix, .debug = o->debug, .opt_level = o->opt_level };
}

bool mc_compile_object(mc_code *object, mc_strbuf *header, const mc_plan *p, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  double t0 = seconds();
  mc_codegen_opts co = code_opts(p->graph, o, a);
  bool ok = mc_codegen_object(object, p, &co, d);
  if (ok) mc_codegen_header(header, p, &co);
  rep->code_seconds += seconds() - t0;
  return ok;
}
bool mc_compile_code(mc_strbuf *code, const mc_plan *p, const mc_compile_opts *o, mc_emit what, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  double t0 = seconds();
  mc_codegen_opts co = code_opts(p->graph, o, a);
  bool ok = mc_codegen_emit(code, p, &co, what, d);
  rep->code_seconds += seconds() - t0;
  return ok;
}

mc_jit *mc_compile_jit(mc_module *m, const mc_compile_opts *o, mc_compile_report *rep, mc_arena *a, mc_diag *d) {
  mc_plan *p = mc_compile_plan(m, o, rep, a, d);
  if (!p) return NULL;
  double t0 = seconds();
  mc_codegen_opts co = code_opts(p->graph, o, a);
  mc_jit *j = mc_jit_create(p, &co, d);
  rep->code_seconds = seconds() - t0;
  return j;
}
