/* argmax: one result at a time; a later element wins only when it is larger, so the first of equals
 * stays. */
#include "lower.h"
#include <string.h>

typedef struct am {
  kgroup *g;
  kb *k;
  mc_node *head;
  kview in, out;
  int axis, rank, split;
  int64_t dim[MC_MAX_RANK];
} am;

static V element(const am *a, V base, V i) {
  return kl_load(a->k, kb_gep(a->k, base, kb_muli(a->k, i, a->in.stride[a->axis])), a->in.dtype,
                 kl_elem(&a->in), 1, 1, false);
}

static void one(const am *a, V x, V y) {
  kb *k = a->k;
  V at = kb_i64(k, 0), init[2] = { element(a, x, at), at }, next[2];
  int64_t n = a->dim[a->axis];
  if (n > 1) {
    kb_loop l;
    kb_for(k, &l, kb_i64(k, 1), kb_i64(k, n), 1, init, 2);
    V v = element(a, x, l.iv);
    V m = kl_real(a->in.dtype) ? LLVMBuildFCmp(k->b, LLVMRealOGT, v, l.carried[0], "")
                               : LLVMBuildICmp(k->b, LLVMIntSGT, v, l.carried[0], "");
    next[0] = kb_select(k, m, v, l.carried[0]);
    next[1] = kb_select(k, m, l.iv, l.carried[1]);
    kb_end(k, &l, next);
    at = l.carried[1];
  }
  kl_store(k, a->out.dtype == MC_i64 ? at : kb_trunc(k, at, k->i32), y, a->out.dtype,
           kl_elem(&a->out), 1);
}

/* o: the result's axis that goes with the operand's axis d. */
static void each(const am *a, int d, int o, bool keep, V x, V y) {
  if (d == a->rank) {
    one(a, x, y);
    return;
  }
  if (d == a->axis) {
    each(a, d + 1, keep ? o + 1 : o, keep, x, y);
    return;
  }
  kb_loop l;
  kl_range(a->g, &l, a->dim[d], 1, d == a->split);
  each(a, d + 1, o + 1, keep, kb_gep(a->k, x, kb_muli(a->k, l.iv, a->in.stride[d])),
       kb_gep(a->k, y, kb_muli(a->k, l.iv, a->out.stride[o])));
  kb_end(a->k, &l, NULL);
}

bool k_emit_argmax(kgroup *g) {
  am *a = MC_NEW(g->k->arena, am);
  a->g = g;
  a->k = g->k;
  a->head = kl_first(g);
  if (!kl_single(g)) return false;
  const mc_attrs_argmax *at = MC_ATTRS(a->head, argmax);
  const mc_type *t = a->head->in[0]->type;
  if (t->dtype == MC_f64 || t->dtype == MC_f16)
    return kl_error(g, a->head, "'argmax' on %s has no lowering", mc_dtype_names[t->dtype]);
  a->in = kl_view(g, a->head->in[0]);
  a->out = kl_view(g, g->group->out[0]);
  a->rank = t->rank;
  a->axis = (int)(at->axis < 0 ? at->axis + t->rank : at->axis);
  memcpy(a->dim, t->dim, sizeof a->dim);
  int64_t trips[MC_MAX_RANK];
  for (int d = 0; d < a->rank; d++) trips[d] = d == a->axis ? 1 : a->dim[d];
  kb_loop once;
  a->split = kl_divide_nest(g, &once, a->rank, trips, 1);
  each(a, 0, 0, at->keepdims, a->in.base, a->out.base);
  kb_end(g->k, &once, NULL);
  return true;
}
