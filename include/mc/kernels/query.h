/* What other floors may ask about kernels without seeing LLVM. */
#ifndef MC_KERNELS_QUERY_H
#define MC_KERNELS_QUERY_H
#include "mc/analysis/model.h"
#include "mc/plan/plan.h"
/* Arena bytes that group i needs for itself; for mc_plan_opts.scratch (ctx is not used). */
int64_t mc_kernel_scratch(void *ctx, const mc_plan *p, int i);
/* One line about how group i is computed ("gemm: engine vnni, blocks of 8 rows x 32 columns, K = 3
 * x 48"), its estimate, what bounds it and the next best blocks, for remarks; in the arena. */
const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a);

/* Blocks of a product: what a group's `blocking` attribute may hold. */
typedef struct mc_blocking {
  int rows, vectors;
  int unit; /* elements of K of the zero blocks that are left out; 0: all are multiplied;
               MC_ZERO_PICK: single elements */
  mc_estimate estimate;
} mc_blocking;

/* What group i could be computed with. key: engine, shape, types, epilogue and where the weights
 * come from: groups with the same key on the same target take the same time. v: all blocks, the
 * cost model's choice first. n 0: the group has no such choice. In the arena. */
typedef struct mc_choices {
  const char *key;
  mc_blocking *v;
  int n;
} mc_choices;

mc_choices mc_kernel_choices(const mc_plan *p, int i, mc_arena *a);
/* Weights of group i that are kept as bits and values (mcc -compress-weights): bytes that they
 * would take packed for the engine, and those that they take so. False: they are not kept so. */
bool mc_kernel_packed(const mc_plan *p, int i, int64_t *from, int64_t *to);
/* The estimate for group i as it would be emitted. */
mc_estimate mc_kernel_estimate(const mc_plan *p, int i);
#endif
