/* One internal function per group and level, one per level that calls them in order, the choice
 * between levels, PREFIX_run, PREFIX_call, PREFIX_info. */
#include "module.h"
#include "dispatch.h"
#include "info.h"
#include "stack.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

static void on_llvm_message(LLVMDiagnosticInfoRef info, void *ctx) {
  module *m = ctx;
  mc_diag *d = m->diag;
  char *text = LLVMGetDiagInfoDescription(info);
  if (stack_heard(m, text)) {
    LLVMDisposeMessage(text);
    return;
  }
  if (LLVMGetDiagInfoSeverity(info) == LLVMDSError)
    mc_error(d, mc_noloc, "LLVM: %s", text);
  else if (LLVMGetDiagInfoSeverity(info) == LLVMDSWarning)
    mc_warning(d, mc_noloc, "LLVM: %s", text);
  LLVMDisposeMessage(text);
}

/* Registering a target twice does nothing. */
static void init_targets(void) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
}

static bool open_target(module *m) {
  const mc_target *t = m->plan->target;
  LLVMTargetRef target;
  char *error = NULL;
  init_targets();
  if (LLVMGetTargetFromTriple(t->triple, &target, &error)) {
    mc_error(m->diag, mc_noloc, "LLVM has no target '%s': %s", t->triple, error);
    LLVMDisposeMessage(error);
    return false;
  }
  static const LLVMCodeGenOptLevel levels[] = { LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                                LLVMCodeGenLevelDefault,
                                                LLVMCodeGenLevelAggressive };
  int level = m->opts->opt_level < 0 ? 0 : m->opts->opt_level > 3 ? 3 : m->opts->opt_level;
  m->tm = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, levels[level],
                                  LLVMRelocPIC, LLVMCodeModelDefault);
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
  LLVMAddAttributeAtIndex(f, (unsigned)LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(m->c, id, 0));
}

static void text_attr(module *m, LLVMValueRef f, const char *name, const char *v) {
  LLVMAddAttributeAtIndex(
      f, (unsigned)LLVMAttributeFunctionIndex,
      LLVMCreateStringAttribute(m->c, name, (unsigned)strlen(name), v, (unsigned)strlen(v)));
}

static void any_processor(module *m, LLVMValueRef f) {
  text_attr(m, f, "target-cpu", m->plan->target->arch == MC_ARCH_x86_64 ? "x86-64" : "generic");
  text_attr(m, f, "target-features", "");
}

LLVMBuilderRef module_begin(module *m, LLVMValueRef f) {
  LLVMBuilderRef b = LLVMCreateBuilderInContext(m->c);
  unwind_attr(m, f);
  if (m->chooses) any_processor(m, f);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(m->c, f, ""));
  return b;
}

void module_call_group(LLVMBuilderRef b, const mc_group_code *g, LLVMValueRef arena,
                       LLVMValueRef io, LLVMValueRef share, LLVMValueRef shares) {
  LLVMValueRef arg[] = { arena, io, share, shares };
  for (int s = 0; s < g->n; s++) {
    LLVMTypeRef type = LLVMGlobalGetValueType(g->fn[s]);
    LLVMBuildCall2(b, type, g->fn[s], arg, LLVMCountParamTypes(type), "");
  }
}

/* The groups of a run that begins at `first`, for one image after the other; returns the group
 * after it. */
static int call_run(module *m, LLVMBuilderRef b, LLVMValueRef f, const mc_plan *p, int first,
                    const mc_group_code *group) {
  LLVMTypeRef i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef images = LLVMConstInt(i64, (uint64_t)p->batch, 0), zero = LLVMConstInt(i64, 0, 0);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b),
                    body = LLVMAppendBasicBlockInContext(m->c, f, ""),
                    after = LLVMAppendBasicBlockInContext(m->c, f, "");
  LLVMBuildBr(b, body);
  LLVMPositionBuilderAtEnd(b, body);
  LLVMValueRef image = LLVMBuildPhi(b, i64, "image");
  int i = first;
  for (; i < p->ngroup && p->images[i] == p->images[first]; i++)
    module_call_group(b, &group[i], LLVMGetParam(f, 0), LLVMGetParam(f, 1), image, images);
  LLVMValueRef next = LLVMBuildAdd(b, image, LLVMConstInt(i64, 1, 0), "");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, next, images, ""), body, after);
  LLVMAddIncoming(image, (LLVMValueRef[]){ zero, next }, (LLVMBasicBlockRef[]){ before, body }, 2);
  LLVMPositionBuilderAtEnd(b, after);
  return i;
}

/* Internal: the groups in order, on (arena, io). Every group takes the table of pointers: were they
 * arguments, LLVM would need cubic time for the hundreds of results that calibration watches. */
static LLVMValueRef emit_groups_in_order(module *m, const mc_plan *p, const char *prefix,
                                         const mc_group_code *group, module_exits x) {
  LLVMTypeRef type = pointers_to_int(m, 2, LLVMVoidTypeInContext(m->c));
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s.groups", prefix), type);
  LLVMSetLinkage(f, LLVMInternalLinkage);
  LLVMBuilderRef b = module_begin(m, f);
  LLVMTypeRef i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef arena = LLVMGetParam(f, 0), io = LLVMGetParam(f, 1), zero = LLVMConstInt(i64, 0, 0),
               one = LLVMConstInt(i64, 1, 0);
  for (int i = 0; i < p->ngroup;) {
    int end = i + 1;
    module_exits_before(m, b, &x, i);
    if (!p->images[i])
      module_call_group(b, &group[i], arena, io, zero, one);
    else
      end = call_run(m, b, f, p, i, group);
    i = end;
  }
  LLVMBuildRetVoid(b);
  LLVMDisposeBuilder(b);
  return f;
}

/* Calls it and returns 0; where the object chooses a level, what the choice returns. */
static void finish(module *m, LLVMBuilderRef b, LLVMValueRef groups, LLVMValueRef arena,
                   LLVMValueRef io) {
  LLVMValueRef r = LLVMBuildCall2(b, LLVMGlobalGetValueType(groups), groups,
                                  (LLVMValueRef[]){ arena, io }, 2, "");
  LLVMBuildRet(b, m->chooses ? r : LLVMConstInt(LLVMInt32TypeInContext(m->c), 0, 0));
  LLVMDisposeBuilder(b);
}

/* PREFIX_run(in..., out..., arena). */
static void emit_run(module *m, LLVMValueRef groups) {
  int nio = m->plan->graph->nin + mc_graph_nout(m->plan->graph);
  LLVMTypeRef p = LLVMPointerTypeInContext(m->c, 0), i64 = LLVMInt64TypeInContext(m->c);
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_run", m->opts->prefix),
                                   pointers_to_int(m, nio + 1, LLVMInt32TypeInContext(m->c)));
  LLVMBuilderRef b = module_begin(m, f);
  LLVMValueRef io = LLVMBuildAlloca(b, LLVMArrayType2(p, (uint64_t)nio), "io");
  for (int i = 0; i < nio; i++) {
    LLVMValueRef at = LLVMConstInt(i64, (uint64_t)i, 0);
    LLVMBuildStore(b, LLVMGetParam(f, (unsigned)i), LLVMBuildInBoundsGEP2(b, p, io, &at, 1, ""));
  }
  finish(m, b, groups, LLVMGetParam(f, (unsigned)nio), io);
}

/* The name by which the header of this object calls an entry; another header's is another. */
static void emit_header_name(module *m, LLVMValueRef f) {
  size_t n;
  const char *name = LLVMGetValueName2(f, &n);
  LLVMAddAlias2(
      m->m, LLVMGlobalGetValueType(f), 0, f,
      mc_arena_printf(m->arena, "%.*s" MC_HEADER_NAME, (int)n, name, (unsigned long long)m->link));
}

static void emit_header_names(module *m) {
  static const char *const entries[] = { "_run", "_call", "_run_parallel", "_call_parallel" };
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    LLVMValueRef f =
        LLVMGetNamedFunction(m->m, mc_arena_printf(m->arena, "%s%s", m->opts->prefix, entries[i]));
    if (f) emit_header_name(m, f);
  }
}

/* PREFIX_call(io, arena). */
static void emit_call(module *m, LLVMValueRef groups) {
  LLVMValueRef f = LLVMAddFunction(m->m, mc_arena_printf(m->arena, "%s_call", m->opts->prefix),
                                   pointers_to_int(m, 2, LLVMInt32TypeInContext(m->c)));
  LLVMBuilderRef b = module_begin(m, f);
  finish(m, b, groups, LLVMGetParam(f, 1), LLVMGetParam(f, 0));
}

static void emit_info(module *m) {
  mc_info i = mc_info_of(m->plan, m->opts, m->arena);
  i.header = m->link;
  mc_strbuf text = { 0 };
  mc_info_print(&text, &i);
  LLVMValueRef init = LLVMConstStringInContext2(m->c, mc_sb_str(&text), text.n, 0);
  LLVMValueRef g =
      LLVMAddGlobal(m->m, LLVMTypeOf(init), mc_arena_printf(m->arena, "%s_info", m->opts->prefix));
  LLVMSetInitializer(g, init);
  LLVMSetGlobalConstant(g, 1);
  mc_sb_free(&text);
}

/* What the levels' code is reached by: one function each that runs all groups, and where there are
 * threads one that runs them through a parallel_for. */
typedef struct entries {
  const mc_target **level;
  LLVMValueRef *run, *parallel;
  int n;
} entries;

/* LLVM aligns no loops then, and prefers short instructions. */
static void make_small(module *m, mc_group_code *group, int n) {
  unsigned id = LLVMGetEnumAttributeKindForName("optsize", 7);
  for (int i = 0; i < n; i++)
    for (int s = 0; s < group[i].n; s++)
      LLVMAddAttributeAtIndex(group[i].fn[s], (unsigned)LLVMAttributeFunctionIndex,
                              LLVMCreateEnumAttribute(m->c, id, 0));
}

static bool emit_level(module *m, mc_kernels *ks, const mc_plan *p, entries *e, module_home home) {
  const char *prefix = m->chooses
                           ? mc_arena_printf(m->arena, "%s.%s", m->opts->prefix, p->target->name)
                           : m->opts->prefix;
  mc_group_code *group = MC_NEWN(m->arena, mc_group_code, p->ngroup + 1);
  mc_kernels_plan(ks, p);
  bool ok = true;
  for (int i = 0; i < p->ngroup; i++)
    ok = mc_kernels_emit(&group[i], ks, i, mc_arena_printf(m->arena, "%s.%d", prefix, i)) && ok;
  if (!ok) return false;
  if (p->small) make_small(m, group, p->ngroup);
  if (m->opts->opt_level > 0 && !m->opts->debug && !m->opts->apart) module_share(m, p, group);
  if (p->ngroup)
    mc_kernels_finish(&group[p->ngroup - 1], ks, mc_arena_printf(m->arena, "%s.end", prefix));
  e->level[e->n] = p->target;
  module_exits x;
  if (!module_exits_of(&x, m, ks, p, prefix, home == MODULE_SECTION && p == m->plan)) return false;
  e->run[e->n] = emit_groups_in_order(m, p, prefix, group, x);
  if (m->opts->watch && p == m->plan) module_emit_watch(m, group);
  if (p->threads > 1)
    e->parallel[e->n] =
        module_parallel_groups(m, p, mc_arena_printf(m->arena, "%s.parallel", prefix), group, x);
  e->n++;
  return true;
}

static bool emit_levels(module *m, entries *e, module_home home) {
  int n = 0;
  for (const mc_plan *p = m->plan; p; p = p->next) n++;
  *e = (entries){ MC_NEWN(m->arena, const mc_target *, n), MC_NEWN(m->arena, LLVMValueRef, n),
                  MC_NEWN(m->arena, LLVMValueRef, n), 0 };
  mc_kernels *ks =
      mc_kernels_create(m->m, m->plan, home == MODULE_INSIDE ? NULL : &m->aside, m->arena, m->diag);
  if (m->opts->debug) mc_kernels_debug(ks);
  bool ok = true;
  for (const mc_plan *p = m->plan; p && ok; p = p->next) ok = emit_level(m, ks, p, e, home);
  mc_kernels_destroy(ks);
  return ok;
}

/* PREFIX_run and its like, on the only level or on a choice. */
static void emit_entries(module *m, const entries *e) {
  dispatch d = { 0 };
  if (m->chooses) d = dispatch_emit(m, e->level, e->n);
  LLVMValueRef groups = m->chooses ? dispatch_entry(&d, ".groups", e->run, 2) : e->run[0];
  emit_run(m, groups);
  emit_call(m, groups);
  if (m->plan->threads > 1)
    module_emit_parallel_entries(m, m->chooses ? dispatch_entry(&d, ".parallel", e->parallel, 4)
                                               : e->parallel[0]);
}

/* A section of kind .bss costs LLVM nothing, however long; elf_fill makes it one of constants. */
static bool home_asides(module *m, module_home home) {
  enum { CODE = 1 << 26 }; /* room for all else within reach of a 32-bit displacement */

  size_t total = 0;
  for (size_t i = 0; i < m->aside.n; i++) total += m->aside.v[i].size;
  if (home == MODULE_SECTION && total > INT32_MAX - CODE)
    return mc_error(
        m->diag, mc_noloc,
        "%zu bytes of weights%s: code reaches 2 GiB; compile for fewer levels, or with -quant=int8",
        total, m->plan->next ? " for all levels together" : "");
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
  return true;
}

/* Kernels are scheduled by their emitters: a cheap cleanup is enough (docs/notes/measured.md has
 * the measurement). */
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

bool module_build(module *m, const mc_plan *p, const mc_codegen_opts *o, module_home home,
                  mc_diag *d) {
  *m = (module){ .plan = p,
                 .opts = o,
                 .diag = d,
                 .arena = mc_arena_create(),
                 .c = LLVMContextCreate(),
                 .chooses = p->next || mc_target_asks(p->target) };
  LLVMContextSetDiagnosticHandler(m->c, on_llvm_message, m);
  m->m = LLVMModuleCreateWithNameInContext(o->prefix, m->c);
  if (!open_target(m)) return false;
  entries e;
  if (!emit_levels(m, &e, home)) return false;
  if (!home_asides(m, home)) return false;
  m->link = mc_codegen_header_hash(p, o);
  emit_entries(m, &e);
  emit_header_names(m);
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
