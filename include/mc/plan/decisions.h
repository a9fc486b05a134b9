/* What is decided about the groups of a plan, links of chains on their strips included. */
#ifndef MC_PLAN_DECISIONS_H
#define MC_PLAN_DECISIONS_H
#include "mc/decide/decide.h"
#include "mc/decide/scratch.h"
#include "mc/plan/plan.h"

/* How a value of the plan lies in memory; a region's value that is returned has no place of its
 * own: use the group's result. */
mc_strides mc_plan_strides(const mc_buffer *b);
/* The question about group i of p itself (not on a strip); weights: bytes of all constants. */
mc_ask mc_plan_ask(const mc_plan *p, int i, int64_t weights);
int mc_plan_tasks(const mc_plan *p, int i);   /* shares of group i's work */
int mc_plan_workers(const mc_plan *p, int i); /* of them, those that may run at the same time */
/* The decision about group i; others: with what else it could be (slower). NULL where it cannot be
 * computed. In the arena. */
const mc_decision *mc_plan_decide(const mc_plan *p, int i, bool others, mc_arena *a);

/* One line about how group i is computed ("gemm: engine vnni, blocks of 8 rows x 32 columns, K = 3
 * x 48"), its estimate, what bounds it and the next best blocks, for remarks; in the arena. */
const char *mc_plan_describe(const mc_plan *p, int i, mc_arena *a);

/* What group i could be computed with. key: engine, shape, types, epilogue and where the weights
 * come from: groups with the same key on the same target take the same time. v: all blocks, the
 * cost model's choice first. n 0: the group has no such choice. In the arena. */
typedef struct mc_choices {
  const char *key;
  mc_blocking *v;
  int n;
} mc_choices;

mc_choices mc_plan_choices(const mc_plan *p, int i, mc_arena *a);
/* Weights of group i that are kept small (mc_gemm.stored): bytes that they would take packed for
 * the engine, and those that they take so. False: they lie as the engine reads them. */
bool mc_plan_packed(const mc_plan *p, int i, int64_t *from, int64_t *to);
/* Write what was decided about every group into its attributes: form; engine and block of products
 * (on tiles the engine alone); with threads, tasks, by what, and the loop. The text of the plan
 * then says it, and reading it forces the same. Phases of conv_transpose2d have engines and blocks
 * of their own, and links of chains all: they stay as they are. */
void mc_plan_write_decisions(const mc_plan *p, mc_arena *a);
/* Arena bytes that group i needs for itself while it runs; of a link, those of its strip. Asked
 * when layouts are final (halo, pitches, places, base) and offsets are not yet. */
int64_t mc_plan_scratch(const mc_plan *p, int i);
/* The estimate for group i as it would be emitted. */
mc_estimate mc_plan_estimate(const mc_plan *p, int i);
#endif
