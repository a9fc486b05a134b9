/* argmax: one result at a time; a later element wins only when it is larger, so the first of equals
 * stays. */
#include "lower.h"
#include <string.h>

typedef struct am {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kview in, out;
  int axis, rank, split;
  int64_t dim[MC_MAX_RANK];
} am;

static kvalue element(const am *a, kvalue base, kvalue i) {
  return memory_load(a->k,
                     build_address(a->k, base, build_mul_const(a->k, i, a->in.stride[a->axis])),
                     a->in.dtype, view_elem_bytes(&a->in), 1, 1, false);
}

static void one(const am *a, kvalue x, kvalue y) {
  kbuilder *k = a->k;
  kvalue at = build_i64(k, 0), init[2] = { element(a, x, at), at }, next[2];
  int64_t n = a->dim[a->axis];
  if (n > 1) {
    kloop l;
    build_for(k, &l, build_i64(k, 1), build_i64(k, n), 1, init, 2);
    kvalue v = element(a, x, l.iv);
    kvalue m = in_f32(a->in.dtype) ? LLVMBuildFCmp(k->b, LLVMRealOGT, v, l.carried[0], "")
                                   : LLVMBuildICmp(k->b, LLVMIntSGT, v, l.carried[0], "");
    next[0] = build_select(k, m, v, l.carried[0]);
    next[1] = build_select(k, m, l.iv, l.carried[1]);
    build_end(k, &l, next);
    at = l.carried[1];
  }
  memory_store(k, a->out.dtype == MC_i64 ? at : build_trunc(k, at, k->i32), y, a->out.dtype,
               view_elem_bytes(&a->out), 1);
}

/* o: the result's axis that goes with the operand's axis d. */
static void each(const am *a, int d, int o, bool keep, kvalue x, kvalue y) {
  if (d == a->rank) {
    one(a, x, y);
    return;
  }
  if (d == a->axis) {
    each(a, d + 1, keep ? o + 1 : o, keep, x, y);
    return;
  }
  kloop l;
  split_range(a->g, &l, a->dim[d], 1, d == a->split);
  each(a, d + 1, o + 1, keep, build_address(a->k, x, build_mul_const(a->k, l.iv, a->in.stride[d])),
       build_address(a->k, y, build_mul_const(a->k, l.iv, a->out.stride[o])));
  build_end(a->k, &l, NULL);
}

bool family_emit_argmax(kgroup *g) {
  am *a = MC_NEW(g->k->arena, am);
  a->g = g;
  a->k = g->k;
  a->head = group_first(g);
  if (!group_single(g)) return false;
  const mc_attrs_argmax *at = MC_ATTRS(a->head, argmax);
  const mc_type *t = a->head->in[0]->type;
  if (t->dtype == MC_f64 || t->dtype == MC_f16)
    return group_error(g, a->head, "'argmax' on %s has no lowering", mc_dtype_names[t->dtype]);
  a->in = view_of(g, a->head->in[0]);
  a->out = view_of(g, g->group->out[0]);
  a->rank = t->rank;
  a->axis = (int)(at->axis < 0 ? at->axis + t->rank : at->axis);
  memcpy(a->dim, t->dim, sizeof a->dim);
  int64_t trips[MC_MAX_RANK];
  for (int d = 0; d < a->rank; d++) trips[d] = d == a->axis ? 1 : a->dim[d];
  kloop once;
  a->split = split_nest(g, &once, a->rank, trips, 1);
  each(a, 0, 0, at->keepdims, a->in.base, a->out.base);
  build_end(g->k, &once, NULL);
  return true;
}
