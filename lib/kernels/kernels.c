/* One LLVM function per group: the family that the group names. */
#include "engine.h"
#include "lower.h"
#include "mc/kernels/kernels.h"
#include <string.h>

struct mc_kernels { kb k; const mc_plan *plan; };

const char *const mc_kernel_names[] = {
#define MC_KERNEL(id, doc) #id,
#include "mc/kernels/kernels.def"
  NULL
};
static bool (*const emitters[])(kgroup *g) = {
#define MC_KERNEL(id, doc) k_emit_##id,
#include "mc/kernels/kernels.def"
};

mc_kernels *mc_kernels_create(LLVMModuleRef m, const mc_plan *p, mc_arena *a, mc_diag *d) {
  mc_kernels *ks = MC_NEW(a, mc_kernels);
  kb_init(&ks->k, m, p->target, a, d);
  ks->plan = p;
  return ks;
}
void mc_kernels_debug(mc_kernels *ks) { kb_debug_begin(&ks->k, ks->plan->graph->module); }
void mc_kernels_destroy(mc_kernels *ks) {
  kb_debug_end(&ks->k);
  kb_fini(&ks->k);
}

static int family_of(const mc_node *group) {
  const char *want = MC_ATTRS(group, group)->kernel;
  for (int i = 0; mc_kernel_names[i]; i++)
    if (strcmp(mc_kernel_names[i], want) == 0) return i;
  return -1;
}
bool mc_kernels_emit(LLVMValueRef *out, mc_kernels *ks, int i, const char *name) {
  mc_node *n = ks->plan->group[i];
  int family = family_of(n);
  *out = NULL;
  if (family < 0) return mc_error(ks->k.diag, n->loc, "unknown kernel '%s'", MC_ATTRS(n, group)->kernel);
  if (emitters[family] == k_emit_alias) return true;
  kgroup g = { .k = &ks->k, .plan = ks->plan, .group = n, .index = i, .region = n->region };
  const mc_graph *graph = ks->plan->graph;
  *out = kb_function(&ks->k, name, ks->k.vd, 1 + graph->nin + mc_graph_nout(graph), false);
  const mc_node *first = kl_first(&g);
  kb_debug_function(&ks->k, *out, name, first ? first->loc : n->loc);
  bool ok = emitters[family](&g);
  LLVMBuildRetVoid(ks->k.b);
  return ok;
}
int64_t mc_kernel_scratch(void *ctx, const mc_plan *p, int i) {
  (void)ctx;
  int family = family_of(p->group[i]);
  if (family < 0) return 0;
  if (emitters[family] == k_emit_gemm) return k_gemm_scratch(p, i);
  return emitters[family] == k_emit_norm ? k_norm_scratch(p, i) : 0;
}
const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a) {
  const mc_node *n = p->group[i];
  const char *kernel = MC_ATTRS(n, group)->kernel;
  const kgroup g = { .region = n->region };
  const mc_node *head = kl_first(&g);
  if (strcmp(kernel, "gemm") != 0 || !head || head->nin == 0) return kernel;
  const kengine *e = kengine_find(p->target, head->in[0]->type->dtype == MC_f32 ? 'F' : 'I');
  return e ? mc_arena_printf(a, "%s %s", kernel, e->name) : kernel;
}
