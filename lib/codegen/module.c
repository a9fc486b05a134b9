/* One internal function per group, one that calls them in order, PREFIX_run, PREFIX_call, PREFIX_info. */
#include "module.h"
#include "info.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

static void on_llvm_message(LLVMDiagnosticInfoRef info, void *ctx) {
  mc_diag *d = ctx;
  char *text = LLVMGetDiagInfoDescription(info);
  if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) mc_error(d, mc_noloc, "LLVM: %s", text);
  else if (LLVMGetDiagInfoSeverity(info) == LLVMDSWarning) mc_warning(d, mc_noloc, "LLVM: %s", text);
  LLVMDisposeMessage(text);
}
/* Registering a target twice does nothing. */
static void init_targets(void) {
  LLVMInitializeX86TargetInfo(); LLVMInitializeX86Target(); LLVMInitializeX86TargetMC(); LLVMInitializeX86AsmPrinter(); LLVMInitializeX86AsmParser();
  LLVMInitializeAArch64TargetInfo(); LLVMInitializeAArch64Target(); LLVMInitializeAArch64TargetMC(); LLVMInitializeAArch64AsmPrinter(); LLVMInitializeAArch64AsmParser();
}
static bool open_target(module *m) {
  const mc_target *t = m->opts->target;
  LLVMTargetRef target;
  char *error = NULL;
  init_targets();
  if (LLVMGetTargetFromTriple(t->triple, &target, &error)) {
    mc_error(m->diag, mc_noloc, "LLVM has no target '%s': %s", t->triple, error);
    LLVMDisposeMessage(error);
    return false;
  }
  static const LLVMCodeGenOptLevel levels[] = { LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault, LLVMCodeGenLevelAggressive };
  int level = m->opts->opt_level < 0 ? 0 : m->opts->opt_level > 3 ? 3 : m->opts->opt_level;
  m->tm = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, levels[level], LLVMRelocPIC, LLVMCodeModelDefault);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->tm);
  LLVMSetModuleDataLayout(m->m, layout);
  LLVMDisposeTargetData(layout);
  LLVMSetTarget(m->m, t->triple);
  return true;
}

static LLVMTypeRef pointers_to_int(module *m, int n, LLVMTypeRef ret) {
  LLVMTypeRef p = LLVMPointerTypeInContext(m->c, 0), *list = MC_NEWN(m->arena, LLVMTypeRef, n + 1);
  for (int i = 0; i < n; i++) list[i] = p;
  return LLVMFunctionType(ret, list, (unsigned)n, 0);
}
static void unwind_attr(module *m, LLVMValueRef f) {
  unsigned id = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->c, id, 0));
}
LLVMBuilderRef module_begin(module *m, LLVMValueRef f) {
  LLVMBuilderRef b = LLVMCreateBuilderInContext(m->c);
  unwind_attr(m, f);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(m->c, f, ""));
  return b;
}
/* Internal: the groups in order, on (arena, io). Every group takes the table of pointers: were they arguments, LLVM would need cubic time for the hundreds of results that
 * calibration watches. */
static LLVMValueRef emit_groups_in_order(module *m, const mc_group_code *group) {
  LLVMTypeRef type = pointers_to_int(m, 2, LLVMVoidTypeInContext(m->c));
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s.groups", m->opts->prefix), type);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMBuilderRef b = module_begin(m, f);
  LLVMTypeRef i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef arg[] = { LLVMGetParam(f, 0), LLVMGetParam(f, 1), LLVMConstInt(i64, 0, 0), LLVMConstInt(i64, 1, 0) };   /* where shares exist: share 0 of 1 */
  for (int i = 0; i < m->plan->ngroup; i++)
    for (int s = 0; s < group[i].n; s++) LLVMBuildCall2(b, LLVMGlobalGetValueType(group[i].fn[s]), group[i].fn[s], arg, m->plan->threads > 1 ? 4 : 2, "");
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
  return f;
}
/* Calls it and returns 0. */
static void finish(module *m, LLVMBuilderRef b, LLVMValueRef groups, LLVMValueRef arena, LLVMValueRef io) {
  LLVMBuildCall2(b, LLVMGlobalGetValueType(groups), groups, (LLVMValueRef[]){ arena, io }, 2, "");
  LLVMBuildRet(b, LLVMConstInt(LLVMInt32TypeInContext(m->c), 0, 0));
  LLVMDisposeBuilder(b);
}
/* PREFIX_run(in..., out..., arena). */
static void emit_run(module *m, LLVMValueRef groups) {
  int nio = m->plan->graph->nin + mc_graph_nout(m->plan->graph);
  LLVMTypeRef p = LLVMPointerTypeInContext(m->c, 0), i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_run", m->opts->prefix), pointers_to_int(m, nio + 1, LLVMInt32TypeInContext(m->c)));
  LLVMBuilderRef b = module_begin(m, f);
  LLVMValueRef io = LLVMBuildAlloca(b, LLVMArrayType2(p, (uint64_t)nio), "io");
  for (int i = 0; i < nio; i++) {
    LLVMValueRef at = LLVMConstInt(i64, (uint64_t)i, 0);
    LLVMBuildStore(b, LLVMGetParam(f, (unsigned)i), LLVMBuildInBoundsGEP2(b, p, io, &at, 1, ""));
  }
  finish(m, b, groups, LLVMGetParam(f, (unsigned)nio), io);
}
/* PREFIX_call(io, arena). */
static void emit_call(module *m, LLVMValueRef groups) {
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_call", m->opts->prefix), pointers_to_int(m, 2, LLVMInt32TypeInContext(m->c)));
  LLVMBuilderRef b = module_begin(m, f);
  finish(m, b, groups, LLVMGetParam(f, 1), LLVMGetParam(f, 0));
}
static void emit_info(module *m) {
  mc_info i = mc_info_of(m->plan, m->opts->prefix, m->arena);
  mc_strbuf text = { 0 };
  mc_info_print(&text, &i);
  LLVMValueRef init = LLVMConstStringInContext2(m->c, mc_sb_str(&text), text.n, 0);
  LLVMValueRef g = LLVMAddGlobal(m->m, LLVMTypeOf(init), mc_arena_printf(m->arena, "%s_info", m->opts->prefix));
  LLVMSetInitializer(g, init);
  LLVMSetGlobalConstant(g, 1);
  mc_sb_free(&text);
}
static bool emit_groups(module *m, mc_group_code *group, module_home home) {
  mc_kernels *ks = mc_kernels_create(m->m, m->plan, home == MODULE_INSIDE ? NULL : &m->aside, m->arena, m->diag);
  if (m->opts->debug) mc_kernels_debug(ks);
  bool ok = true;
  for (int i = 0; i < m->plan->ngroup; i++) ok = mc_kernels_emit(&group[i], ks, i, mc_arena_printf(m->arena, "%s.%d", m->opts->prefix, i)) && ok;
  mc_kernels_destroy(ks);
  return ok;
}

/* A section of kind .bss costs LLVM nothing, however long; elf_fill makes it one of constants. */
static void home_asides(module *m, module_home home) {
  for (size_t i = 0; i < m->aside.n; i++) {
    LLVMValueRef g = m->aside.v[i].global;
    m->aside.v[i].name = mc_arena_printf(m->arena, "%s.data.%zu", m->opts->prefix, i);
    LLVMSetValueName2(g, m->aside.v[i].name, strlen(m->aside.v[i].name));
    if (home != MODULE_SECTION) continue;
    LLVMSetInitializer(g, LLVMConstNull(LLVMGlobalGetValueType(g)));
    LLVMSetExternallyInitialized(g, 1);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    LLVMSetSection(g, MODULE_SECTION_NAME);
  }
}

/* Kernels are scheduled by their emitters: a cheap cleanup is enough (docs/kernels.md has the measurement). */
static bool optimize(module *m) {
  char *error = NULL;
  if (LLVMVerifyModule(m->m, LLVMReturnStatusAction, &error)) {
    mc_error(m->diag, mc_noloc, "internal: the LLVM module is broken: %s", error);
    LLVMDisposeMessage(error);
    return false;
  }
  LLVMDisposeMessage(error);
  if (m->opts->opt_level <= 0) return true;
  LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
  LLVMErrorRef e = LLVMRunPasses(m->m, "function(early-cse<memssa>,instsimplify)", m->tm, o);
  LLVMDisposePassBuilderOptions(o);
  if (!e) return true;
  char *text = LLVMGetErrorMessage(e);
  mc_error(m->diag, mc_noloc, "LLVM: %s", text);
  LLVMDisposeErrorMessage(text);
  return false;
}
bool module_build(module *m, const mc_plan *p, const mc_codegen_opts *o, module_home home, mc_diag *d) {
  *m = (module){ .plan = p, .opts = o, .diag = d, .arena = mc_arena_create(), .c = LLVMContextCreate() };
  LLVMContextSetDiagnosticHandler(m->c, on_llvm_message, d);
  m->m = LLVMModuleCreateWithNameInContext(o->prefix, m->c);
  if (!open_target(m)) return false;
  mc_group_code *group = MC_NEWN(m->arena, mc_group_code, p->ngroup + 1);
  if (!emit_groups(m, group, home)) return false;
  home_asides(m, home);
  LLVMValueRef groups = emit_groups_in_order(m, group);
  emit_run(m, groups);
  emit_call(m, groups);
  if (o->watch) module_emit_watch(m, group);
  if (p->threads > 1) module_emit_parallel_entries(m, module_parallel_groups(m, mc_arena_printf(m->arena, "%s.parallel", o->prefix), group));
  emit_info(m);
  return optimize(m);
}
void module_drop(module *m) {
  if (m->tm) LLVMDisposeTargetMachine(m->tm);
  if (m->m) LLVMDisposeModule(m->m);
  if (m->c) LLVMContextDispose(m->c);
  mc_arena_destroy(m->arena);
  *m = (module){ 0 };
}
LLVMMemoryBufferRef module_emit(module *m, LLVMCodeGenFileType type) {
  LLVMMemoryBufferRef buf = NULL;
  char *error = NULL;
  unsigned before = m->diag->errors;
  if (LLVMTargetMachineEmitToMemoryBuffer(m->tm, m->m, type, &error, &buf)) {
    mc_error(m->diag, mc_noloc, "LLVM: %s", error ? error : "cannot emit");
    LLVMDisposeMessage(error);
    return NULL;
  }
  if (m->diag->errors == before) return buf;
  LLVMDisposeMemoryBuffer(buf);
  return NULL;
}
