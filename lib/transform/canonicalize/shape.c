/* canonicalize: reshapes, transposes, slices. Exact: elements only move. */
#include "rules.h"

/* reshape(reshape(x)) -> reshape(x). */
bool rule_reshape(mc_pass_context *cx, mc_node *n) {
  mc_value *x = n->in[0];
  return defined_by(x, MC_OP_reshape) && become_reshape(cx, n, x->def->in[0]);
}

/* Axes of more than one element keep their order: nothing moves in memory. */
static bool only_ones_move(const mc_ints *p, const mc_type *in) {
  int64_t last = -1;
  for (int i = 0; i < p->n; i++) {
    if (in->dim[p->v[i]] == 1) continue;
    if (p->v[i] < last) return false;
    last = p->v[i];
  }
  return true;
}

/* transpose(transpose(x)) -> one; a transpose that moves only axes of size 1 -> reshape. */
bool rule_transpose(mc_pass_context *cx, mc_node *n) {
  const mc_ints *p = &MC_ATTRS(n, transpose)->perm;
  mc_value *x = n->in[0];
  if (only_ones_move(p, x->type) && x->type->q.kind != MC_Q_AXIS) return become_reshape(cx, n, x);
  if (!defined_by(x, MC_OP_transpose)) return false;
  const mc_ints *q = &MC_ATTRS(x->def, transpose)->perm;
  int64_t v[MC_MAX_RANK];
  for (int i = 0; i < p->n; i++) v[i] = q->v[p->v[i]];
  return become(cx, n, MC_OP_transpose, x->def->in, 1,
                &(mc_attrs_transpose){ .perm = { v, p->n } });
}

static int64_t step(const mc_attrs_slice *s, int i) { return s->steps.n ? s->steps.v[i] : 1; }

/* slice(slice(x)) -> one. */
bool rule_slice(mc_pass_context *cx, mc_node *n) {
  if (!defined_by(n->in[0], MC_OP_slice)) return false;
  const mc_attrs_slice *outer = MC_ATTRS(n, slice), *inner = MC_ATTRS(n->in[0]->def, slice);
  int64_t starts[MC_MAX_RANK], steps[MC_MAX_RANK];
  int rank = outer->starts.n;
  for (int i = 0; i < rank; i++) {
    starts[i] = inner->starts.v[i] + outer->starts.v[i] * step(inner, i);
    steps[i] = step(inner, i) * step(outer, i);
  }
  bool ones = true;
  for (int i = 0; i < rank; i++) ones &= steps[i] == 1;
  return become(cx, n, MC_OP_slice, n->in[0]->def->in, 1,
                &(mc_attrs_slice){ .starts = { starts, rank },
                                   .sizes = outer->sizes,
                                   .steps = { steps, ones ? 0 : rank } });
}
