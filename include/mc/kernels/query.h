/* What other floors may ask about kernels without seeing LLVM. */
#ifndef MC_KERNELS_QUERY_H
#define MC_KERNELS_QUERY_H
#include "mc/plan/plan.h"
/* Arena bytes that group i needs for itself; for mc_plan_opts.scratch (ctx is not used). */
int64_t mc_kernel_scratch(void *ctx, const mc_plan *p, int i);
/* One line about how group i is computed ("gemm avx512vnni 6x64 k4"), for remarks; in the arena. */
const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a);
#endif
