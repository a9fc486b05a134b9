/* One LLVM function per group: the family that the group names. */
#include "chain.h"
#include "tile.h"
#include "mc/analysis/cost.h"
#include "mc/kernels/kernels.h"
#include "mc/plan/chain.h"

struct mc_kernels {
  kbuilder k;
  const mc_plan *plan;
  int64_t weights;
};

static kfamily_emit *const families[MC_NUM_FAMILIES] = {
#define MC_FAMILY(id, scratch, columns, traits, doc) [MC_FAMILY_##id] = family_emit_##id,
#include "mc/ir/families.def"
};

mc_kernels *mc_kernels_create(LLVMModuleRef m, const mc_plan *p, mc_externals *aside, mc_arena *a,
                              mc_diag *d) {
  mc_kernels *ks = MC_NEW(a, mc_kernels);
  builder_init(&ks->k, m, p->target, a, d);
  ks->k.aside = aside;
  ks->plan = p;
  ks->weights = mc_graph_cost(p->graph).weight_bytes;
  return ks;
}

void mc_kernels_plan(mc_kernels *ks, const mc_plan *p) {
  ks->plan = p;
  ks->k.target = p->target;
  ks->k.tiles = (ktiles){ 0 };
}

void mc_kernels_debug(mc_kernels *ks) { build_debug_begin(&ks->k, ks->plan->graph->module); }

void mc_kernels_destroy(mc_kernels *ks) {
  build_debug_end(&ks->k);
  builder_fini(&ks->k);
}

/* Begin the next function of the group. */
static void begin_function(kgroup *g) {
  mc_group_code *c = g->code;
  const char *name = c->n ? mc_arena_printf(g->k->arena, "%s.%d", g->name, c->n) : g->name;
  const mc_node *first = group_first(g);
  g->tasks = mc_plan_tasks(g->plan, g->index);
  c->tasks[c->n] = 1; /* until a loop is divided */
  c->fn[c->n] = build_function(g->k, name, g->k->vd, 2,
                               mc_plan_shares(g->plan) || g->plan->whole ? 2 : 0, false);
  build_debug_function(g->k, c->fn[c->n], name, first ? first->loc : g->group->loc);
  ktile_function(g->k);
}

static void end_function(kgroup *g) {
  if (g->plan->whole)
    ktile_strip_end(g->k);
  else if (g->plan->threads <= 1)
    ktile_function_end(g->k);
  LLVMBuildRetVoid(g->k->b);
  g->code->n++;
}

bool split_stage(kgroup *g) {
  if (g->tasks == 1) return false;
  end_function(g);
  begin_function(g);
  return true;
}

/* False after reporting: the group cannot be decided. */
static bool open_group(kgroup *g, mc_group_code *out, mc_kernels *ks, int i, const char *name) {
  mc_node *n = ks->plan->group[i];
  mc_ask ask = mc_plan_ask(ks->plan, i, ks->weights);
  const mc_decision *d = mc_decide(&ask, ks->k.arena, ks->k.diag);
  *g = (kgroup){ .k = &ks->k,
                 .plan = ks->plan,
                 .group = n,
                 .index = i,
                 .region = n->region,
                 .name = name,
                 .code = out,
                 .decision = d };
  return d != NULL;
}

static bool emit_alone(mc_group_code *out, kgroup *g, mc_kernels *ks, int i, const char *name) {
  mc_node *n = ks->plan->group[i];
  kfamily_emit *emit = families[mc_group_family(n)];
  *out = (mc_group_code){ .n = 0 };
  if (!emit) return mc_error(ks->k.diag, n->loc, "the group has no kernel (form-groups names one)");
  if (mc_group_has(n, MC_FAM_NOCODE)) return true;
  if (!open_group(g, out, ks, i, name)) return false;
  begin_function(g);
  bool ok = emit(g);
  end_function(g);
  for (int s = 0; s < out->n && ok && split_by_images(g); s++)
    if (out->tasks[s] != g->tasks)
      ok = group_error(g, g->group, "internal: kernel '%s' does not compute one image of several",
                       mc_group_family_text(n));
  return ok;
}

bool mc_kernels_exits(LLVMValueRef *known, LLVMValueRef *stop, mc_kernels *ks, int i, int n,
                      const char *name) {
  kbuilder *k = &ks->k;
  kgroup g;
  if (!open_group(&g, NULL, ks, i, name)) return false;
  for (int e = 0; e < n; e++)
    known[e] = exit_known(&g, e + 1, mc_arena_printf(k->arena, "%s.sure%d", name, e));
  *stop = NULL;
  if (!target_has(k, MC_ISA_BIT(amx_int8)) && !target_has(k, MC_ISA_BIT(amx_bf16))) return true;
  *stop = build_function(k, mc_arena_printf(k->arena, "%s.stop", name), k->vd, 2, 0, false);
  build_debug_function(k, *stop, "stop", g.group->loc);
  build_intrinsic(k, "llvm.x86.tilerelease", NULL, 0, NULL, 0); /* whatever is on now */
  LLVMBuildRetVoid(k->b);
  return true;
}

void mc_kernels_finish(mc_group_code *last, mc_kernels *ks, const char *name) {
  kbuilder *k = &ks->k;
  if (!k->tiles.stands) return;
  last->tasks[last->n] = 1;
  last->fn[last->n++] = build_function(k, name, k->vd, 2, 0, false);
  build_debug_function(k, last->fn[last->n - 1], name, ks->plan->graph->loc);
  build_intrinsic(k, "llvm.x86.tilerelease", NULL, 0, NULL, 0);
  LLVMBuildRetVoid(k->b);
}

/* A link on its strip. */
static bool emit_strip(mc_group_code *out, mc_kernels *ks, const mc_chain *c, int link,
                       const char *name) {
  const mc_plan *p = ks->plan;
  mc_module *to = mc_module_create();
  kgroup g;
  ks->plan = mc_chain_strip_plan(p, c, link, to, ks->k.arena);
  bool ok = emit_alone(out, &g, ks, 0, name);
  ks->plan = p;
  mc_module_destroy(to);
  return ok;
}

/* All links, and the function that runs them, which is the first one's; the others have none. */
static bool emit_chain(mc_group_code *out, mc_kernels *ks, const mc_chain *c, const char *name) {
  kvalue fn[MC_CHAIN_MOST];
  for (int i = 0; i < c->n; i++) {
    mc_group_code code;
    if (!emit_strip(&code, ks, c, i, mc_arena_printf(ks->k.arena, "%s.link%d", name, i)))
      return false;
    fn[i] = code.fn[0];
  }
  kchain_emit(out, &ks->k, ks->plan, c, fn, name);
  return true;
}

static const mc_chain *chain_of(const mc_plan *p, int i) {
  return p->chain_of && p->chain_of[i] >= 0 ? &p->chain[p->chain_of[i]] : NULL;
}

bool mc_kernels_emit(mc_group_code *out, mc_kernels *ks, int i, const char *name) {
  kgroup g;
  const mc_chain *c = chain_of(ks->plan, i);
  *out = (mc_group_code){ .n = 0 };
  if (c) return i != c->first || emit_chain(out, ks, c, name);
  return emit_alone(out, &g, ks, i, name);
}
