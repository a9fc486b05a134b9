/* What the planner asks of kernels, without LLVM. */
#ifndef MC_KERNELS_SCRATCH_H
#define MC_KERNELS_SCRATCH_H
#include "mc/plan/plan.h"
/* Arena bytes that group i needs for itself; for mc_plan_opts.scratch (ctx is not used). */
int64_t mc_kernel_scratch(void *ctx, const mc_plan *p, int i);
#endif
