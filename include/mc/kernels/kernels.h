/* Kernels: LLVM code for one group of a planned graph. docs/kernels.md. */
#ifndef MC_KERNELS_KERNELS_H
#define MC_KERNELS_KERNELS_H
#include "mc/plan/plan.h"
#include <llvm-c/Core.h>

typedef struct mc_kernels mc_kernels;   /* one LLVM module being filled */
/* Emit into module m (data layout and triple set by the caller); everything is reported to d. */
mc_kernels *mc_kernels_create(LLVMModuleRef m, const mc_plan *p, mc_arena *a, mc_diag *d);
/* Before the first group: line tables for everything that follows (finished by destroy). */
void mc_kernels_debug(mc_kernels *k);
void mc_kernels_destroy(mc_kernels *k);
/* The internal function void f(ptr arena, ptr io) that computes group i, named `name`; io: pointers to inputs, then outputs. *out is NULL when the group needs no code. False after
 * reporting (an op without lowering for these types). */
bool mc_kernels_emit(LLVMValueRef *out, mc_kernels *k, int i, const char *name);
/* Arena bytes that group i needs for itself; for mc_plan_opts.scratch (ctx is not used). */
int64_t mc_kernel_scratch(void *ctx, const mc_plan *p, int i);
/* One line about how group i is computed ("gemm: engine vnni, blocks of 8 rows x 32 columns, K = 3 x 48"), for remarks; in the arena. */
const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a);
/* The families of kernels.def, NULL-terminated. */
extern const char *const mc_kernel_names[];
#endif
