/* What form-groups, the planner and the checker agree on about ops and kernel families. */
#ifndef MC_PLAN_FAMILIES_H
#define MC_PLAN_FAMILIES_H
#include "mc/ir/family.h"

/* The kernel family of a group whose head is n, before passes that choose other forms. */
mc_family mc_family_of(const mc_node *n);

/* conv2d, conv_transpose2d, linear, matmul: operands in the arena or constant. */
static inline bool mc_family_is_product(mc_opcode op) { return mc_op_has(op, MC_T_ACCUM); }

/* The first op of a group's region (constants skipped), and the value that is result i inside the
 * region. */
mc_node *mc_group_head(const mc_node *group);
mc_value *mc_group_inner(const mc_node *group, int i);

/* The distinct non-constant values from outside that a group reads, in order of first use. In the
 * arena. */
typedef struct mc_reads {
  mc_value **v;
  int n;
} mc_reads;

mc_reads mc_group_reads(const mc_node *group, mc_arena *a);
/* Rows and columns (top, left, bottom, right) that conv2d n reads outside of its input. */
void mc_conv_border(const mc_node *n, int64_t border[4]);
#endif
