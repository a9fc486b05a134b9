/* The LLVM module of a plan, or of a list of plans for several levels: `plan` is the lowest one's.
 * `aside`: its large constants where they are not in the module; their bytes are in `arena`, which
 * module_drop frees unless it was taken (set to NULL). */
#ifndef MC_CODEGEN_MODULE_H
#define MC_CODEGEN_MODULE_H
#include "mc/codegen/codegen.h"
#include "mc/kernels/kernels.h"
#include "mc/support/map.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct module {
  LLVMContextRef c;
  LLVMModuleRef m;
  LLVMTargetMachineRef tm;
  mc_arena *arena;
  mc_diag *diag;
  const mc_plan *plan;
  const mc_codegen_opts *opts;
  mc_externals aside;
  mc_map frames; /* bytes of each function's frame (stack.h) */
  uint64_t link; /* of the header */
  bool chooses;  /* between levels, or whether the only one can run */
} module;

/* Where large constants go. */
typedef enum module_home {
  MODULE_INSIDE,  /* into the module: LLVM writes them */
  MODULE_SECTION, /* zeros in the section MODULE_SECTION_NAME, for elf_fill: names are PREFIX.data.N
                   */
  MODULE_ADDRESS  /* external symbols of the same names, for the JIT */
} module_home;

#define MODULE_SECTION_NAME ".bss..rodata.weights"
/* Build, verify and optimize. False after reporting; module_drop in either case. */
bool module_build(module *m, const mc_plan *p, const mc_codegen_opts *o, module_home home,
                  mc_diag *d);
void module_drop(module *m);
/* Object or assembly bytes; NULL after reporting. Released with LLVMDisposeMemoryBuffer. */
LLVMMemoryBufferRef module_emit(module *m, LLVMCodeGenFileType type);
/* A builder at the end of a first block of f, which gets attributes that all functions share; where
 * the object chooses, f is for any processor of the architecture, whatever the lowest level is. */
LLVMBuilderRef module_begin(module *m, LLVMValueRef f);
/* One group: share `share` of `shares` of its work, where its functions take shares. */
void module_call_group(LLVMBuilderRef b, const mc_group_code *g, LLVMValueRef arena,
                       LLVMValueRef io, LLVMValueRef share, LLVMValueRef shares);

/* exits.c: where groups are left out once an exit is taken. Positions of groups, at: the group that
 * holds early_exit; level[i]: exits that must have been refused before group i. n 0: nothing is
 * left out. */
typedef struct module_exits {
  int n, at, passed, *level;
  LLVMValueRef *known, stop;
  LLVMBasicBlockRef taken;
} module_exits;

/* False after reporting. warns: say where an exit spares nothing. */
bool module_exits_of(module_exits *x, module *m, mc_kernels *ks, const mc_plan *p,
                     const char *prefix, bool warns);
/* Before the code of group i, in a function with (arena, io) as its first parameters. */
void module_exits_before(module *m, LLVMBuilderRef b, module_exits *x, int i);

/* parallel.c: groups through a parallel_for. Values of the function being built; arg: { arena, io }
 * in memory. */
typedef struct module_team {
  LLVMValueRef arena, io, pf, ctx, arg;
} module_team;

module_team module_team_begin(module *m, LLVMBuilderRef b, LLVMValueRef arena, LLVMValueRef io,
                              LLVMValueRef pf, LLVMValueRef ctx);
void module_team_run(module *m, LLVMBuilderRef b, const module_team *t, const mc_group_code *group);
/* The internal function that runs all groups of plan p through a parallel_for; PREFIX_run_parallel
 * and PREFIX_call_parallel on top of one (or of a choice between several). */
LLVMValueRef module_parallel_groups(module *m, const mc_plan *p, const char *name,
                                    const mc_group_code *group, module_exits x);
void module_emit_parallel_entries(module *m, LLVMValueRef groups);
/* share.c: groups of one level whose code is equal but for constants call one function. */
void module_share(module *m, const mc_plan *p, mc_group_code *group);
/* watch.c: PREFIX_watch. */
void module_emit_watch(module *m, const mc_group_code *group);
#endif
