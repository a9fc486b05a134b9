/* The groups in order, with a call between them for who wants to know how long each takes
 * (mc-bench).
 *
 *   PREFIX_watch(io, arena, mark, ctx, pf, pf_ctx):  mark(ctx, 0), group 0, mark(ctx, 1), group 1,
 *     ..., mark(ctx, ngroup)
 *
 * A call costs little beside a group, needs no instruction that some machine refuses to programs
 * (cycle counters), and leaves groups as they are. Groups that are computed image by image (plan.h)
 * compute all images here, in the memory of one: that takes the same time, but the results are not
 * the network's. */
#include "module.h"

void module_emit_watch(module *m, const mc_group_code *group) {
  LLVMTypeRef p = LLVMPointerTypeInContext(m->c, 0), i32 = LLVMInt32TypeInContext(m->c),
              vd = LLVMVoidTypeInContext(m->c), i64 = LLVMInt64TypeInContext(m->c);
  LLVMTypeRef mark = LLVMFunctionType(vd, (LLVMTypeRef[]){ p, i32 }, 2, 0),
              type = LLVMFunctionType(vd, (LLVMTypeRef[]){ p, p, p, p, p, p }, 6, 0);
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_watch", m->opts->prefix),
                                   type),
               io = LLVMGetParam(f, 0), arena = LLVMGetParam(f, 1);
  LLVMBuilderRef b = module_begin(m, f);
  bool parallel = m->plan->threads > 1;
  module_team t = parallel
                      ? module_team_begin(m, b, arena, io, LLVMGetParam(f, 4), LLVMGetParam(f, 5))
                      : (module_team){ 0 };
  for (int i = 0; i <= m->plan->ngroup; i++) {
    LLVMBuildCall2(b, mark, LLVMGetParam(f, 2),
                   (LLVMValueRef[]){ LLVMGetParam(f, 3), LLVMConstInt(i32, (uint64_t)i, 0) }, 2,
                   "");
    if (i == m->plan->ngroup) break;
    if (parallel)
      module_team_run(m, b, &t, &group[i]);
    else
      module_call_group(b, &group[i], arena, io, LLVMConstInt(i64, 0, 0), LLVMConstInt(i64, 1, 0));
  }
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
}
