/* dce: remove ops whose results nobody uses.
 *
 *   %1 = relu %x : f32[4]                 return %x
 *   return %x                       ->
 *
 * Applies to every op but `return`, inside group regions too; constants count as ops. A group stays
 * as long as one of its results is used; a split likewise. Graph inputs stay, used or not: they are
 * the interface. Contract: EXACT. */
#include "rewrite.h"

static bool dead(const mc_node *n) {
  if (mc_op_has(n->op, MC_T_TERM)) return false;
  for (int i = 0; i < n->nout; i++)
    if (n->out[i]->uses) return false;
  return true;
}

static int64_t sweep(mc_graph *g) {
  int64_t removed = 0;
  MC_FOR_NODES_REV (n, g) {
    if (dead(n)) {
      mc_node_remove(n);
      removed++;
    } else if (n->region)
      removed += sweep(n->region);
  }
  return removed;
}

bool mc_pass_dce(mc_pass_context *cx, const mc_opts_dce *o, bool *changed) {
  (void)o; /* has no options */
  int64_t removed = sweep(cx->graph);
  MC_STAT_ADD(cx, dce, removed, removed);
  *changed = removed > 0;
  return true;
}
