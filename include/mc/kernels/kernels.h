/* Kernels: LLVM code for one group of a planned graph. docs/internals/kernels.md. */
#ifndef MC_KERNELS_KERNELS_H
#define MC_KERNELS_KERNELS_H
#include "mc/plan/plan.h"
#include <llvm-c/Core.h>

typedef struct mc_kernels mc_kernels; /* one LLVM module being filled */

/* Constants of 64 KiB and more (packed weights) that stay outside the module, where LLVM would copy
 * them several times: each is an external global of `size` bytes, aligned to 64, that the caller
 * gives a home. The bytes lie in the arena of mc_kernels_create. */
typedef struct mc_external {
  LLVMValueRef global;
  const char *name; /* free for the caller */
  const void *data;
  size_t size;
} mc_external;

typedef struct mc_externals {
  mc_external *v;
  size_t n, cap;
} mc_externals;

/* Emit into module m (data layout and triple set by the caller); everything is reported to d.
 * aside: NULL keeps all constants in the module. */
mc_kernels *mc_kernels_create(LLVMModuleRef m, const mc_plan *p, mc_externals *aside, mc_arena *a,
                              mc_diag *d);
/* Go on with another plan: the same network for another level. Constants of equal bytes are shared.
 */
void mc_kernels_plan(mc_kernels *k, const mc_plan *p);
/* Before the first group: line tables for everything that follows (finished by destroy). */
void mc_kernels_debug(mc_kernels *k);
void mc_kernels_destroy(mc_kernels *k);

/* What a group became: internal functions to be called in order (none: the group needs no code). In
 * a plan for one thread they are void f(ptr arena, ptr io); io: pointers to inputs, then outputs.
 * In a plan for several they are void f(ptr arena, ptr io, i64 task, i64 ntasks) and do share
 * `task` of `ntasks` equal shares of the work: ntasks is 1 (everything) or the function's `tasks`.
 * Shares of one function may run at the same time; the next function needs all of them finished. */
enum { MC_GROUP_STEPS = 4 };

typedef struct mc_group_code {
  LLVMValueRef fn[MC_GROUP_STEPS];
  int tasks[MC_GROUP_STEPS], n;
} mc_group_code;

/* Emit group i; the functions are named `name`, `name`.1, ... False after reporting (an op without
 * lowering for these types). */
bool mc_kernels_emit(mc_group_code *out, mc_kernels *k, int i, const char *name);
/* For group i, which holds early_exit: known[k], for each of its n exits, an internal function i32
 * f(ptr arena, ptr io) that is not 0 where all rows are sure among the first k + 1 operands; and
 * *stop, void f(ptr arena, ptr io), which must be called where groups are left out then (NULL:
 * nothing must). Named `name`.sure0, ... False after reporting. */
bool mc_kernels_exits(LLVMValueRef *known, LLVMValueRef *stop, mc_kernels *k, int i, int n,
                      const char *name);
/* After the last group of a plan: what the groups have left on (tiles) goes off, in one more
 * function of `last`, the last group's code. */
void mc_kernels_finish(mc_group_code *last, mc_kernels *k, const char *name);
#endif
