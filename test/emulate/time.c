/* How long a network should take on a core with AMX, group by group: its code runs here instruction
 * by instruction, tiles emulated, and core.c keeps the time. An estimate. */
#include "core.h"
#include "host.h"
#include "common/tool.h"
#include "mc/analysis/cost.h"
#include "mc/driver/compile.h"
#include "mc/plan/decisions.h"
#include "mc/pass/samples.h"
#include <llvm-c/Disassembler.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <string.h>

typedef struct options {
  tool t;
  const char *quant_name, *calib, *march, *engine, *out;
  int64_t batch, runs;
  double winograd;
  int chain;
  int quant;
  bool json;
} options;

/* Instructions by place. */
typedef struct known {
  const unsigned char *at;
  core_insn insn;
} known;

enum { SLOTS = 1 << 20 };

typedef struct watcher {
  core *core;
  LLVMDisasmContextRef dis;
  known *slot;
  size_t n;
  core_totals *group;
  int run;
} watcher;

extern const char __executable_start, etext;

static core_insn *look_up(watcher *w, const unsigned char *at) {
  size_t h = (size_t)((uintptr_t)at * 0x9E3779B97F4A7C15ull >> 44) % SLOTS;
  while (w->slot[h].at && w->slot[h].at != at) h = (h + 1) % SLOTS;
  known *k = &w->slot[h];
  if (k->at) return &k->insn;
  char text[256] = "";
  size_t n = LLVMDisasmInstruction(w->dis, (uint8_t *)(uintptr_t)at, 15, (uint64_t)(uintptr_t)at,
                                   text, sizeof text);
  k->at = at;
  w->n++;
  core_decode(&k->insn, text, at, (int)(n ? n : 1));
  return &k->insn;
}

static void on_instruction(void *ctx, const emulate_point *p) {
  watcher *w = ctx;
  if (p->at >= (const unsigned char *)&__executable_start && p->at < (const unsigned char *)&etext)
    return; /* this program */
  core_step(w->core, look_up(w, p->at), p);
}

static void on_group(void *ctx, int i) {
  watcher *w = ctx;
  core_totals t = core_take(w->core);
  if (i > 0) w->group[i - 1] = t;
}

/* ---- the network ---- */
typedef struct net {
  mc_module *module;
  mc_plan *plan;
  mc_jit *jit;
  const void **in;
  void **out, *arena;
  const char **how, **name;
  mc_estimate *model;
} net;

static const char *name_of(const mc_node *g, int i, mc_arena *a) {
  const mc_node *h = g->region ? g->region->first : NULL;
  while (h && mc_op_has(h->op, MC_T_CONST)) h = h->next;
  return h && h->source               ? h->source
         : g->nout && g->out[0]->name ? g->out[0]->name
                                      : mc_arena_printf(a, "#%d", i);
}

static bool prepare(net *n, options *o, const char *file) {
  mc_arena *a = o->t.arena;
  mc_compile_opts co = mc_compile_defaults();
  co.quant = (mc_quant_how)o->quant;
  co.calib = o->calib;
  co.winograd = o->winograd;
  co.chain = (mc_chain_how)o->chain;
  mc_target *target = (mc_target *)(uintptr_t)mc_target_find(NULL, o->march, a, &o->t.diag);
  if (!target) return false;
  if (o->engine) target->engine = o->engine;
  co.target = target;
  n->module = mc_driver_load(file, &o->t.diag);
  if (!n->module || (o->batch && !mc_driver_set_batch(n->module->graphs, o->batch, &o->t.diag)))
    return false;
  mc_compile_report rep = { 0 };
  n->plan = mc_compile_plan(n->module, &co, &rep, a, &o->t.diag);
  if (!n->plan) return false;
  n->jit = mc_jit_create(
      n->plan,
      &(mc_codegen_opts){
          .target = co.target, .prefix = "net", .opt_level = co.opt_level, .watch = true },
      &o->t.diag);
  if (!n->jit) return false;
  n->how = MC_NEWN(a, const char *, n->plan->ngroup + 1);
  n->name = MC_NEWN(a, const char *, n->plan->ngroup + 1);
  n->model = MC_NEWN(a, mc_estimate, n->plan->ngroup + 1);
  for (int i = 0; i < n->plan->ngroup; i++) {
    n->how[i] = mc_plan_describe(n->plan, i, a);
    n->name[i] = name_of(n->plan->group[i], i, a);
    n->model[i] = mc_plan_estimate(n->plan, i);
  }
  n->in = MC_NEWN(a, const void *, mc_jit_nin(n->jit));
  n->out = MC_NEWN(a, void *, mc_jit_nout(n->jit));
  for (int i = 0; i < mc_jit_nin(n->jit); i++) {
    void *data = mc_arena_alloc(a, (size_t)mc_type_bytes(mc_jit_in_type(n->jit, i)));
    mc_random_array(mc_jit_in_type(n->jit, i), -1, 1, 0, i, data);
    n->in[i] = data;
  }
  for (int i = 0; i < mc_jit_nout(n->jit); i++)
    n->out[i] = mc_arena_alloc(a, (size_t)mc_type_bytes(mc_jit_out_type(n->jit, i)));
  n->arena = mc_arena_alloc(a, (size_t)mc_jit_arena_bytes(n->jit) + 64);
  return true;
}

static bool time_it(net *n, options *o, core_totals *group) {
  watcher w = { .core = core_create(), .slot = MC_NEWN(o->t.arena, known, SLOTS), .group = group };
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86Disassembler();
  w.dis = LLVMCreateDisasmCPU("x86_64-unknown-linux-gnu", "sapphirerapids", NULL, 0, NULL, NULL);
  if (!w.core || !w.dis)
    return mc_error(&o->t.diag, mc_noloc, "cannot make the core or the disassembler");
  bool ok = emulate_watch(on_instruction, &w, true);
  for (int64_t r = 0; ok && r < o->runs; r++)
    ok = mc_jit_watch(n->jit, n->in, n->out, n->arena, on_group, &w, NULL, NULL) == 0 || true;
  emulate_unwatch();
  core_destroy(w.core);
  LLVMDisasmDispose(w.dis);
  return ok || mc_error(&o->t.diag, mc_noloc, "this machine cannot single-step x86-64 code");
}

/* ---- report ---- */
static const char *bound_of(const core_totals *t) {
  double best = t->tmul_ns;
  const char *name = "products";
  if (t->vector_ns > best) best = t->vector_ns, name = "vectors";
  if (t->load_ns > best) best = t->load_ns, name = "loads";
  if (t->l3_ns > best) best = t->l3_ns, name = "L3, memory";
  return best < 0.4 * t->ns ? "latency" : name;
}

static void add(core_totals *sum, const core_totals *t) {
  sum->ns += t->ns;
  sum->tmul_ns += t->tmul_ns;
  sum->vector_ns += t->vector_ns;
  sum->load_ns += t->load_ns;
  sum->l3_ns += t->l3_ns;
  sum->configs += t->configs;
  sum->products += t->products;
  sum->rows += t->rows;
  sum->tile_stores += t->tile_stores;
  sum->instructions += t->instructions;
  for (int l = 0; l < LEVEL_NUM; l++)
    sum->tile_loads[l] += t->tile_loads[l], sum->lines[l] += t->lines[l];
}

static void row(mc_strbuf *s, const char *name, const core_totals *t, double model_us, double macs,
                const char *how) {
  mc_sb_printf(s,
               "%-26.26s %9.2f %9.2f %7.0f %8.2f %8.2f %8.2f %8.2f  %-10s %8llu %5.1f "
               "%6llu/%llu/%llu/%llu %6llu %3llu  %s\n",
               name, t->ns / 1e3, model_us, t->ns > 0 ? macs / t->ns : 0, t->tmul_ns / 1e3,
               t->vector_ns / 1e3, t->load_ns / 1e3, t->l3_ns / 1e3, bound_of(t),
               (unsigned long long)t->products,
               t->products ? (double)t->rows / (double)t->products : 0,
               (unsigned long long)t->tile_loads[0], (unsigned long long)t->tile_loads[1],
               (unsigned long long)t->tile_loads[2], (unsigned long long)t->tile_loads[3],
               (unsigned long long)t->tile_stores, (unsigned long long)t->configs, how);
}

static void report_text(mc_strbuf *s, const net *n, const core_totals *group) {
  core_totals sum = { 0 };
  double model = 0, macs = 0;
  mc_sb_puts(s, "an estimate, not a measurement; us, GMAC/s; products ... memory: what each would "
                "take alone; tile loads from L1/L2/L3/memory\n");
  mc_sb_printf(s, "%-26s %9s %9s %7s %8s %8s %8s %8s  %-10s %8s %5s %13s %6s %3s\n", "group",
               "time", "model", "GMAC/s", "products", "vectors", "loads", "memory", "bound",
               "products", "rows", "tile loads", "stores", "cfg");
  for (int i = 0; i < n->plan->ngroup; i++) {
    double us = mc_model_us(n->plan->target, n->model[i].cycles),
           m = (double)mc_node_cost(n->plan->group[i]).macs;
    if (group[i].instructions == 0) continue;
    row(s, n->name[i], &group[i], us, m, n->how[i]);
    add(&sum, &group[i]);
    model += us;
    macs += m;
  }
  row(s, "all", &sum, model, macs, "");
}

static void report_json(mc_strbuf *s, const net *n, const core_totals *group) {
  mc_sb_puts(s, "[");
  const char *comma = "";
  for (int i = 0; i < n->plan->ngroup; i++) {
    const core_totals *t = &group[i];
    if (t->instructions == 0) continue;
    mc_sb_printf(
        s,
        "%s\n {\"group\": %d, \"name\": \"%s\", \"us\": %.4f, \"model_us\": %.4f, \"macs\": %lld, "
        "\"bound\": \"%s\", \"products_us\": %.4f, \"vectors_us\": %.4f, \"loads_us\": %.4f, "
        "\"memory_us\": %.4f, \"products\": %llu, \"product_rows\": %llu, "
        "\"tile_loads\": [%llu, %llu, %llu, %llu], \"tile_stores\": %llu, \"configs\": %llu, "
        "\"instructions\": %llu}",
        comma, i, n->name[i], t->ns / 1e3, mc_model_us(n->plan->target, n->model[i].cycles),
        (long long)mc_node_cost(n->plan->group[i]).macs, bound_of(t), t->tmul_ns / 1e3,
        t->vector_ns / 1e3, t->load_ns / 1e3, t->l3_ns / 1e3, (unsigned long long)t->products,
        (unsigned long long)t->rows, (unsigned long long)t->tile_loads[0],
        (unsigned long long)t->tile_loads[1], (unsigned long long)t->tile_loads[2],
        (unsigned long long)t->tile_loads[3], (unsigned long long)t->tile_stores,
        (unsigned long long)t->configs, (unsigned long long)t->instructions);
    comma = ",";
  }
  mc_sb_puts(s, "\n]\n");
}

static bool run(options *o) {
  net n = { 0 };
  emulate_host();
  bool ok = prepare(&n, o, o->t.args.v[0]);
  tool_drop_remarks(&o->t);
  tool_flush(&o->t);
  if (ok) {
    core_totals *group = MC_NEWN(o->t.arena, core_totals, n.plan->ngroup + 1);
    ok = time_it(&n, o, group);
    mc_strbuf s = { 0 };
    if (ok && o->json)
      report_json(&s, &n, group);
    else if (ok)
      report_text(&s, &n, group);
    ok = ok && tool_print(mc_sb_str(&s), s.n);
    mc_sb_free(&s);
  }
  if (n.jit) mc_jit_destroy(n.jit);
  if (n.module) mc_module_destroy(n.module);
  return ok;
}

int main(int argc, char **argv) {
  options o = { .march = "sapphirerapids", .runs = 2, .winograd = mc_compile_defaults().winograd };
  const mc_option table[] = {
    { "json", MC_O_FLAG, &o.json, .help = "JSON instead of text" },
    { "runs", MC_O_I64, &o.runs, .arg = "N",
      .help = "runs, of which the last one counts: the first finds empty caches", .lo = 1,
      .hi = 100 },
    { "quant", MC_O_WORD, &o.quant, .arg = "HOW", .help = "as in mcc", .words = mc_quant_names },
    { "calib", MC_O_STR, &o.calib, .arg = "FILE.npz", .help = "as in mcc" },
    { "batch", MC_O_I64, &o.batch, .arg = "N", .help = "as in mcc", .lo = 1, .hi = 1 << 20 },
    { "winograd", MC_O_F64, &o.winograd, .arg = "PERCENT", .help = "as in mcc" },
    { "chain", MC_O_WORD, &o.chain, .arg = "WHY", .help = "as in mcc", .words = mc_chain_names },
    { "march", MC_O_STR, &o.march, .arg = "LEVEL", .help = "default: sapphirerapids" },
    { "engine", MC_O_STR, &o.engine, .arg = "NAME", .help = "one engine for all products" },
    { 0 }
  };
  const mc_command cmd = { .name = "mc-time-emulated",
                           .usage = "[options] FILE.mir|FILE.onnx",
                           .summary = "estimate how long a network takes on a Sapphire Rapids "
                                      "core, group by group, from a run under emulation",
                           .options = table,
                           .min_args = 1,
                           .max_args = 1,
                           .example = "mc-time-emulated net.mir -quant=int8 -calib=calib.npz" };
  int rc = tool_start(&o.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  rc = run(&o) ? MC_EXIT_OK : MC_EXIT_INPUT;
  return tool_end(&o.t, rc);
}
