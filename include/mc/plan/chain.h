/* Chains: series of groups that are computed together, a strip of rows at a time, so that what lies
 * between them never exists as a whole. docs/internals/chains.md.
 *
 *   for image  for step t:  for link i:  rows [(t - lag[i]) * rows[i], + rows[i]) of its result,
 *     where 0 <= t - lag[i] < steps
 *
 * A group is a link where `chain=[number, rows]` or `[number, rows, kept]` says so; groups of one
 * number follow one another. Every result but the last has one reader, the next link, and
 * lies in memory of `kept` rows: `keep` rows of earlier steps before the rows of `lap` steps.
 * After `lap` steps the last `keep` rows move to the front. */
#ifndef MC_PLAN_CHAIN_H
#define MC_PLAN_CHAIN_H
#include "mc/plan/plan.h"

enum { MC_CHAIN_MOST = 16 }; /* links of a chain */

typedef struct mc_link {
  mc_node *group, *head; /* its first op */
  const mc_node *planes; /* an image on its way in: the transpose of planes to pixels; its operands
                            have their rows on axis 2; else NULL */
  bool window; /* the head reads rows [y * stride - pad, + reach) of its operand for row y; else row
                  y alone (elementwise: of all its operands) */
  int64_t reach, stride, pad;
  int64_t rows, lag;
  int64_t keep, kept, lap; /* of the result; the last link's is whole: 0 */
} mc_link;

struct mc_chain {
  int first, n;
  int64_t number, images, steps;
  mc_link *link;
};

/* The n groups as a chain whose last link computes `rows` rows a step, with as little memory as
 * moves few rows (kept). NULL and *c (in the arena; `first` and `number` are the caller's), or
 * why not, and which of them is to blame. */
const char *mc_chain_fit(mc_chain *c, mc_node *const *group, int n, int64_t rows, mc_arena *a,
                         int *blame);
/* Other memory for the result of link i. NULL, or why not. */
const char *mc_chain_set_kept(mc_chain *c, int i, int64_t kept);
/* All chains that the attributes of a graph's groups name; of[i]: the number of group i's chain in
 * the list, or -1. False after reporting, at its place, what does not fit. */
bool mc_chains_read(mc_chain **out, int *n, int *of, mc_node *const *group, int ngroup, mc_arena *a,
                    mc_diag *d);
/* The attribute that names link i. In the arena. */
mc_ints mc_chain_attr(const mc_chain *c, int i, mc_arena *a);
/* Steps of all links together: those of one, and the last one's lag. */
int64_t mc_chain_all_steps(const mc_chain *c);

/* Link i as a group on its own strip: one image, `rows` rows, no padding of rows. In a graph of
 * module `to`, which must outlive it and be outlived by the graph that the chain is of. */
mc_node *mc_chain_strip(const mc_chain *c, int i, mc_module *to);
/* The same with memory: a plan of one group, whose buffers are those of p and move with the step
 * (mc_buffer.per_step). */
mc_plan *mc_chain_strip_plan(const mc_plan *p, const mc_chain *c, int i, mc_module *to,
                             mc_arena *a);
#endif
