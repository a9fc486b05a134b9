/* Views and spaces of a group: what lib/kernels/group/epilogue.c makes addresses of. */
#include "mc/decide/ask.h"
#include <string.h>

bool mc_ask_inside(const mc_ask *a, const mc_value *v) {
  return v->def && v->def->graph == a->group->region && !(mc_ops[v->def->op].traits & MC_T_CONST);
}

mc_strides mc_ask_strides(const mc_ask *a, const mc_value *v) {
  if (mc_value_tensor(v)) {
    mc_strides s = mc_strides_dense(v->type);
    s.slack = true;
    return s;
  }
  if (mc_ask_inside(a, v)) {
    const mc_node *ret = a->group->region->last;
    for (int i = 0; i < ret->nin; i++)
      if (ret->in[i] == v) return a->strides(a->ctx, a->group->out[i]);
  }
  return a->strides(a->ctx, v);
}

mc_strides mc_ask_operand(const mc_ask *a, const mc_value *v) {
  if (!mc_ask_inside(a, v) || v->def->op != MC_OP_transpose) return mc_ask_strides(a, v);
  return mc_strides_transposed(mc_ask_strides(a, v->def->in[0]), v->def, false);
}

static bool after(const mc_node *head, const mc_node *n) {
  if (n == head || n->op == MC_OP_return || n->op == MC_OP_transpose ||
      (mc_ops[n->op].traits & MC_T_CONST))
    return false;
  for (const mc_node *p = head; p; p = p->next)
    if (p == n) return true;
  return false;
}

static void add(mc_space *s, mc_strides v) {
  if (s->nview < 4 * MC_SPACE_VIEWS) s->view[s->nview++] = v;
}

static void add_value(mc_space *s, const mc_ask *a, const mc_value *v) {
  if (mc_ask_inside(a, v)) return;
  add(s, mc_strides_broadcast(mc_ask_strides(a, v), v->type, s->rank, s->dim));
}

/* The type whose scales an op reads from a table where there is one for each index of an axis. */
static const mc_type *scaled(const mc_node *n) {
  if (n->op == MC_OP_quantize) return n->out[0]->type;
  return n->op == MC_OP_dequantize || n->op == MC_OP_requantize ? n->in[0]->type : NULL;
}

static void add_table(mc_space *s, const mc_node *n) {
  const mc_type *t = scaled(n);
  if (!t || t->q.kind != MC_Q_AXIS || t->dim[t->q.axis] < 2) return;
  mc_strides v = { .dtype = MC_f32, .rank = s->rank, .slack = true };
  v.stride[t->q.axis + s->rank - t->rank] = 4;
  add(s, v);
}

const mc_value *mc_ask_untransposed(const mc_ask *a, const mc_value *v) {
  return mc_ask_inside(a, v) && v->def->op == MC_OP_transpose ? v->def->in[0] : v;
}

void mc_space_begin(mc_space *s, const mc_ask *a, const mc_node *head, int rank,
                    const int64_t *dim) {
  s->rank = rank;
  s->nview = 0;
  memcpy(s->dim, dim, (size_t)rank * sizeof *dim);
  const mc_node *ret = a->group->region->last;
  for (const mc_node *n = a->group->region->first; n; n = n->next) {
    if (!after(head, n)) continue;
    for (int i = 0; i < n->nin; i++) add_value(s, a, n->in[i]);
    add_table(s, n);
  }
  for (int i = 0; i < ret->nin; i++) {
    add_value(s, a, ret->in[i]);
    const mc_value *plain = mc_ask_untransposed(a, ret->in[i]);
    mc_strides o = a->strides(a->ctx, a->group->out[i]);
    if (plain != ret->in[i]) o = mc_strides_transposed(o, ret->in[i]->def, true);
    add(s, mc_strides_broadcast(o, plain->type, s->rank, s->dim));
  }
}

void mc_space_collapse(mc_space *s, int first, mc_strides *extra, int keep) {
  int64_t *list[4 * MC_SPACE_VIEWS + 1];
  int n = 0;
  for (; n < s->nview; n++) list[n] = s->view[n].stride;
  if (extra) list[n++] = extra->stride;
  s->rank = mc_collapse(first, s->rank, s->dim, list, n, keep);
}
