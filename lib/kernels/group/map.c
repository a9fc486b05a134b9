/* map: a DAG of elementwise ops over one iteration shape.
 *
 *   for each outer axis:  for c in steps of 16:  y[c] = f(a[c], b[c], ...)  then the tail: one
 *     masked vector, or 8, 4, 2, 1 lanes
 *
 * Axes are merged where all operands allow it. Every element is stored once, after it was read, so
 * results may be in an operand's memory. */
#include "lower.h"

/* The largest shape among the results: every other value of the group broadcasts to it. */
static const mc_type *iteration_type(const kgroup *g) {
  const mc_type *best = g->group->out[0]->type;
  for (int i = 1; i < g->group->nout; i++)
    if (mc_type_elems(g->group->out[i]->type) > mc_type_elems(best)) best = g->group->out[i]->type;
  return best;
}

bool family_emit_map(kgroup *g) {
  const mc_type *t = iteration_type(g);
  for (int i = 0; i < g->group->nout; i++)
    if (!mc_type_same_shape(g->group->out[i]->type, t))
      return group_error(g, NULL, "results of a 'map' group must have one shape");
  kepilogue *x = MC_NEW(g->k->arena, kepilogue);
  if (!epilogue_init(x, g, NULL, t->rank, t->dim)) return false;
  epilogue_collapse(x, NULL, 0, x->rank);
  epilogue_map(x);
  fill_borders(g);
  return true;
}

bool family_emit_alias(kgroup *g) {
  (void)g;
  return true;
}
