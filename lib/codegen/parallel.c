/* The entries of a plan for several threads: the same groups in the same order, each handed to the
 * caller's parallel_for as shares (docs/reference/abi.md).
 *
 *   PREFIX.parallel(arena, io, pf, ctx):  for every function of every group:  pf(ctx, tasks, thunk,
 *     { arena, io })  or, where it is not divided, a plain call
 *   thunk(arg, i):                        f(arg.arena, arg.io, i, tasks) */
#include "module.h"
#include <string.h>

static LLVMTypeRef pointer(module *m) { return LLVMPointerTypeInContext(m->c, 0); }

static LLVMValueRef i32(module *m, int v) {
  return LLVMConstInt(LLVMInt32TypeInContext(m->c), (uint64_t)v, 0);
}

static LLVMValueRef i64(module *m, int64_t v) {
  return LLVMConstInt(LLVMInt64TypeInContext(m->c), (uint64_t)v, 0);
}

static LLVMTypeRef thunk_type(module *m) {
  return LLVMFunctionType(LLVMVoidTypeInContext(m->c),
                          (LLVMTypeRef[]){ pointer(m), LLVMInt32TypeInContext(m->c) }, 2, 0);
}

static LLVMTypeRef parallel_for_type(module *m) {
  return LLVMFunctionType(
      LLVMVoidTypeInContext(m->c),
      (LLVMTypeRef[]){ pointer(m), LLVMInt32TypeInContext(m->c), pointer(m), pointer(m) }, 4, 0);
}

static LLVMValueRef slot(module *m, LLVMBuilderRef b, LLVMValueRef table, int i) {
  LLVMValueRef at = i64(m, i);
  return LLVMBuildInBoundsGEP2(b, pointer(m), table, &at, 1, "");
}

static void call_share(module *m, LLVMBuilderRef b, LLVMValueRef f, LLVMValueRef arena,
                       LLVMValueRef io, LLVMValueRef task, int tasks) {
  LLVMValueRef arg[] = { arena, io, task, i64(m, tasks) };
  LLVMBuildCall2(b, LLVMGlobalGetValueType(f), f, arg, 4, "");
}

static LLVMValueRef emit_thunk(module *m, LLVMValueRef f, int tasks) {
  size_t n;
  const char *name = LLVMGetValueName2(f, &n);
  const char *task_name = mc_arena_printf(m->arena, "%.*s.task", (int)n, name);
  LLVMValueRef t = LLVMGetNamedFunction(m->m, task_name);
  if (t) return t;
  t = LLVMAddFunction(m->m, task_name, thunk_type(m));
  LLVMSetLinkage(t, LLVMInternalLinkage);
  LLVMBuilderRef b = module_begin(m, t);
  LLVMValueRef arg = LLVMGetParam(t, 0),
               task = LLVMBuildSExt(b, LLVMGetParam(t, 1), LLVMInt64TypeInContext(m->c), "");
  call_share(m, b, f, LLVMBuildLoad2(b, pointer(m), slot(m, b, arg, 0), ""),
             LLVMBuildLoad2(b, pointer(m), slot(m, b, arg, 1), ""), task, tasks);
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
  return t;
}

module_team module_team_begin(module *m, LLVMBuilderRef b, LLVMValueRef arena, LLVMValueRef io,
                              LLVMValueRef pf, LLVMValueRef ctx) {
  module_team t = { arena, io, pf, ctx, LLVMBuildAlloca(b, LLVMArrayType2(pointer(m), 2), "arg") };
  LLVMBuildStore(b, arena, slot(m, b, t.arg, 0));
  LLVMBuildStore(b, io, slot(m, b, t.arg, 1));
  return t;
}

void module_team_run(module *m, LLVMBuilderRef b, const module_team *t,
                     const mc_group_code *group) {
  for (int s = 0; s < group->n; s++) {
    if (group->tasks[s] == 1) {
      call_share(m, b, group->fn[s], t->arena, t->io, i64(m, 0), 1);
      continue;
    }
    LLVMValueRef thunk = emit_thunk(m, group->fn[s], group->tasks[s]);
    LLVMBuildCall2(b, parallel_for_type(m), t->pf,
                   (LLVMValueRef[]){ t->ctx, i32(m, group->tasks[s]), thunk, t->arg }, 4, "");
  }
}

LLVMValueRef module_parallel_groups(module *m, const mc_plan *plan, const char *name,
                                    const mc_group_code *group, module_exits x) {
  LLVMTypeRef p = pointer(m), params[] = { p, p, p, p };
  LLVMValueRef f =
      LLVMAddFunction(m->m, name, LLVMFunctionType(LLVMVoidTypeInContext(m->c), params, 4, 0));
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMBuilderRef b = module_begin(m, f);
  module_team t = module_team_begin(m, b, LLVMGetParam(f, 0), LLVMGetParam(f, 1),
                                    LLVMGetParam(f, 2), LLVMGetParam(f, 3));
  for (int i = 0; i < plan->ngroup; i++) {
    module_exits_before(m, b, &x, i);
    module_team_run(m, b, &t, &group[i]);
  }
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
  return f;
}

/* Calls it and returns 0; where the object chooses a level, what the choice returns. */
static void finish(module *m, LLVMBuilderRef b, LLVMValueRef groups, LLVMValueRef arena,
                   LLVMValueRef io, LLVMValueRef pf, LLVMValueRef ctx) {
  LLVMValueRef r = LLVMBuildCall2(b, LLVMGlobalGetValueType(groups), groups,
                                  (LLVMValueRef[]){ arena, io, pf, ctx }, 4, "");
  LLVMBuildRet(b, m->chooses ? r : i32(m, 0));
  LLVMDisposeBuilder(b);
}

static LLVMValueRef entry(module *m, const char *suffix, int nparams) {
  LLVMTypeRef *params = MC_NEWN(m->arena, LLVMTypeRef, nparams);
  for (int i = 0; i < nparams; i++) params[i] = pointer(m);
  return LLVMAddFunction(
      m->m, mc_arena_printf(m->arena, "%s%s", m->opts->prefix, suffix),
      LLVMFunctionType(LLVMInt32TypeInContext(m->c), params, (unsigned)nparams, 0));
}

void module_emit_parallel_entries(module *m, LLVMValueRef groups) {
  int nio = m->plan->graph->nin + mc_graph_nout(m->plan->graph);
  LLVMValueRef run = entry(m, "_run_parallel", nio + 3), call = entry(m, "_call_parallel", 4);
  LLVMBuilderRef b = module_begin(m, run);
  LLVMValueRef io = LLVMBuildAlloca(b, LLVMArrayType2(pointer(m), (uint64_t)nio), "io");
  for (int i = 0; i < nio; i++)
    LLVMBuildStore(b, LLVMGetParam(run, (unsigned)i), slot(m, b, io, i));
  finish(m, b, groups, LLVMGetParam(run, (unsigned)nio), io, LLVMGetParam(run, (unsigned)nio + 1),
         LLVMGetParam(run, (unsigned)nio + 2));
  finish(m, module_begin(m, call), groups, LLVMGetParam(call, 1), LLVMGetParam(call, 0),
         LLVMGetParam(call, 2), LLVMGetParam(call, 3));
}
