/* Early exits (docs/internals/exits.md): before the first group that only later operands of
 * early_exit need, a function tells whether all rows are sure by then; if so the run goes on with
 * the group that holds early_exit, which finds the same.
 *
 *   group 0, 1, 2;  if (sure0(arena, io)) goto taken;  group 3, 4;  taken: group 5 (early_exit)
 *
 * Memory keeps what it holds: early_exit reads all its operands, so those that are known live on.
 */
#include "module.h"
#include "mc/ir/exits.h"
#include "mc/ir/family.h"

static int position(const mc_plan *p, const mc_node *n) {
  int i = 0;
  while (i < p->ngroup && p->group[i] != n) i++;
  return i;
}

/* Are groups i - 1 and i computed as one: images of a series, links of a chain? */
static bool together(const mc_plan *p, int i) {
  return (p->images && p->images[i] && p->images[i] == p->images[i - 1]) ||
         (p->chain_of && p->chain_of[i] >= 0 && p->chain_of[i] == p->chain_of[i - 1]);
}

/* What follows early_exit must not rely on what groups before have left on (tiles). */
static bool rest_is_plain(const mc_plan *p, int at) {
  for (int i = at + 1; i < p->ngroup; i++)
    if (mc_group_is(p->group[i], MC_FAMILY_gemm)) return false;
  return true;
}

/* Levels in the order of groups; false: a text whose order is another, or nothing is spared. */
static bool levels(module_exits *x, const mc_exits *e, const mc_plan *p) {
  bool spares = false;
  for (int i = 0; i < x->at; i++) {
    x->level[i] = mc_exit_level(e, p->group[i]);
    if (i && x->level[i] < x->level[i - 1]) return false;
    if (i && together(p, i)) x->level[i] = x->level[i - 1];
    spares |= x->level[i] > 0;
  }
  return spares;
}

bool module_exits_of(module_exits *x, module *m, mc_kernels *ks, const mc_plan *p,
                     const char *prefix, bool warns) {
  mc_exits e = mc_exits_of(p->graph, m->arena);
  *x = (module_exits){ 0 };
  if (!e.node) return true;
  x->at = position(p, e.top);
  x->level = MC_NEWN(m->arena, int, p->ngroup + 1);
  if (!levels(x, &e, p) || !rest_is_plain(p, x->at)) {
    if (warns)
      mc_warning(m->diag, e.node->loc,
                 "early_exit spares nothing: other results need all that its operands do, or "
                 "products follow it");
    return true;
  }
  x->n = e.n;
  x->known = MC_NEWN(m->arena, LLVMValueRef, x->n);
  return mc_kernels_exits(x->known, &x->stop, ks, x->at, x->n,
                          mc_arena_printf(m->arena, "%s.%d", prefix, x->at));
}

/* On to where early_exit is, if the exit is taken. */
static void leave(module *m, LLVMBuilderRef b, module_exits *x, int exit) {
  LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(b)),
               arg[] = { LLVMGetParam(f, 0), LLVMGetParam(f, 1) };
  LLVMBasicBlockRef sure = LLVMAppendBasicBlockInContext(m->c, f, ""),
                    on = LLVMAppendBasicBlockInContext(m->c, f, "");
  if (!x->taken) x->taken = LLVMAppendBasicBlockInContext(m->c, f, "taken");
  LLVMTypeRef i32 = LLVMInt32TypeInContext(m->c);
  LLVMValueRef known =
      LLVMBuildCall2(b, LLVMGlobalGetValueType(x->known[exit]), x->known[exit], arg, 2, "");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntNE, known, LLVMConstInt(i32, 0, 0), ""), sure, on);
  LLVMPositionBuilderAtEnd(b, sure);
  if (x->stop) LLVMBuildCall2(b, LLVMGlobalGetValueType(x->stop), x->stop, arg, 2, "");
  LLVMBuildBr(b, x->taken);
  LLVMPositionBuilderAtEnd(b, on);
}

void module_exits_before(module *m, LLVMBuilderRef b, module_exits *x, int i) {
  if (!x->n) return;
  if (i < x->at)
    while (x->passed < x->level[i]) leave(m, b, x, x->passed++);
  if (i != x->at || !x->taken) return;
  LLVMBuildBr(b, x->taken);
  LLVMPositionBuilderAtEnd(b, x->taken);
}
