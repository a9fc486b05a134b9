/* The groups in order, with a call between them for who wants to know how long each takes (mc-bench).
 *
 *   PREFIX_watch(io, arena, mark, ctx):   mark(ctx, 0), group 0, mark(ctx, 1), group 1, ..., mark(ctx, ngroup)
 *
 * A call costs little beside a group, needs no instruction that some machine refuses to programs (cycle counters), and leaves groups as they are. */
#include "module.h"

static void call_group(module *m, LLVMBuilderRef b, const mc_group_code *g, LLVMValueRef arena, LLVMValueRef io) {
  LLVMTypeRef i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef arg[] = { arena, io, LLVMConstInt(i64, 0, 0), LLVMConstInt(i64, 1, 0) };
  for (int s = 0; s < g->n; s++) LLVMBuildCall2(b, LLVMGlobalGetValueType(g->fn[s]), g->fn[s], arg, m->plan->threads > 1 ? 4 : 2, "");
}
void module_emit_watch(module *m, const mc_group_code *group) {
  LLVMTypeRef p = LLVMPointerTypeInContext(m->c, 0), i32 = LLVMInt32TypeInContext(m->c), vd = LLVMVoidTypeInContext(m->c);
  LLVMTypeRef mark = LLVMFunctionType(vd, (LLVMTypeRef[]){ p, i32 }, 2, 0), type = LLVMFunctionType(vd, (LLVMTypeRef[]){ p, p, p, p }, 4, 0);
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_watch", m->opts->prefix), type);
  LLVMBuilderRef b = module_begin(m, f);
  for (int i = 0; i <= m->plan->ngroup; i++) {
    LLVMBuildCall2(b, mark, LLVMGetParam(f, 2), (LLVMValueRef[]){ LLVMGetParam(f, 3), LLVMConstInt(i32, (uint64_t)i, 0) }, 2, "");
    if (i < m->plan->ngroup) call_group(m, b, &group[i], LLVMGetParam(f, 1), LLVMGetParam(f, 0));
  }
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
}
