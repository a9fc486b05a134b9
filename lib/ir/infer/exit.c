/* early_exit. */
#include "infer.h"
#include "mc/ir/exits.h"

bool mc_infer_early_exit(mc_infer *f) {
  const mc_type *t = mc_inf_in(f, 0), *x = mc_inf_in(f, 1);
  int exits = f->node->nin - 2;
  if (exits >= MC_EXIT_MOST)
    return mc_infer_error(f, "has %d x, at most %d can be", exits + 1, MC_EXIT_MOST);
  for (int i = 0; i < f->node->nin; i++)
    if (mc_inf_in(f, i)->dtype != MC_f32)
      return mc_infer_error(f, "%s must be f32, got %s", mc_inf_operand(f, i),
                            mc_inf_elem_text(f, mc_inf_in(f, i)));
  if (t->rank != 1 || t->dim[0] != exits)
    return mc_infer_error(f, "%s must have %d value%s, one for each x but the last",
                          mc_inf_operand(f, 0), exits, exits == 1 ? "" : "s");
  if (x->rank != 2 || x->dim[1] < 2)
    return mc_infer_error(f, "%s must be [n, classes] with 2 classes or more",
                          mc_inf_operand(f, 1));
  for (int i = 2; i < f->node->nin; i++)
    if (!mc_type_same_shape(mc_inf_in(f, i), x))
      return mc_infer_error(f, "%s must have the shape of the first x", mc_inf_operand(f, i));
  f->out[0].dtype = MC_f32;
  mc_inf_set_dims(&f->out[0], 2, x->dim);
  f->out[1].dtype = MC_i32;
  mc_inf_set_dims(&f->out[1], 1, x->dim);
  return true;
}
