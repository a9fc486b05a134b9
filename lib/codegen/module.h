/* The LLVM module of a plan. */
#ifndef MC_CODEGEN_MODULE_H
#define MC_CODEGEN_MODULE_H
#include "mc/codegen/codegen.h"
#include "mc/kernels/kernels.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct module { LLVMContextRef c; LLVMModuleRef m; LLVMTargetMachineRef tm; mc_arena *arena; mc_diag *diag; const mc_plan *plan; const mc_codegen_opts *opts; } module;
/* Build, verify and optimize. False after reporting; module_drop in either case. */
bool module_build(module *m, const mc_plan *p, const mc_codegen_opts *o, mc_diag *d);
void module_drop(module *m);
/* Object or assembly bytes; NULL after reporting. Released with LLVMDisposeMemoryBuffer. */
LLVMMemoryBufferRef module_emit(module *m, LLVMCodeGenFileType type);
/* A builder at the end of a first block of f, which gets attributes that all functions share. */
LLVMBuilderRef module_begin(module *m, LLVMValueRef f);
/* parallel.c: the internal function that runs all groups through a parallel_for; PREFIX_run_parallel and PREFIX_call_parallel on top of it. */
LLVMValueRef module_parallel_groups(module *m, const char *name, const mc_group_code *group);
void module_emit_parallel_entries(module *m, LLVMValueRef groups);
#endif
