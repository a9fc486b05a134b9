/* Operands widened before the loops begin: sizes and places. */
#include "mc/decide/gemm.h"

mc_widened mc_widen_shape(const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  if (n->op == MC_OP_conv2d) {
    const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
    return (mc_widened){ { t->dim[0], c->pad[0] + t->dim[1] + c->pad[2],
                           c->pad[1] + t->dim[2] + c->pad[3], t->dim[3] },
                         c->pad[0],
                         c->pad[1] };
  }
  int64_t k = t->dim[t->rank - 1];
  if (t->rank == 4) return (mc_widened){ { t->dim[0], t->dim[1], t->dim[2], k }, 0, 0 };
  return (mc_widened){ { 1, mc_type_elems(t) / k, 1, k }, 0, 0 };
}

int64_t mc_widen_a_bytes(const mc_engine *e, const mc_node *n) {
  mc_widened s = mc_widen_shape(n);
  return (s.dim[0] * s.dim[1] * s.dim[2] * s.dim[3] * mc_gemm_a_elem(e) + MC_PLAN_SLACK + 63) / 64 *
         64;
}

/* Of a task's block of columns. */
int64_t mc_widen_b_bytes(const mc_engine *e, const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  bool conv = n->op == MC_OP_conv2d;
  int64_t k = conv ? w->dim[1] * w->dim[2] * w->dim[3] : w->dim[1],
          vectors = mc_gemm_vectors(conv ? w->dim[0] / MC_ATTRS(n, conv2d)->groups : w->dim[0]);
  return mc_engine_widens_b(e) ? (vectors < MC_WIDEN_VECTORS ? vectors : MC_WIDEN_VECTORS) *
                                     MC_GEMM_LANES * k * mc_gemm_b_elem(e)
                               : 0;
}

int64_t mc_widen_scratch(const mc_engine *e, const mc_node *n, int tasks) {
  return mc_widen_a_bytes(e, n) + mc_widen_b_bytes(e, n) * tasks;
}

mc_strides mc_widen_strides(const mc_engine *e, const mc_node *head) {
  const mc_type *t = head->in[0]->type;
  mc_widened s = mc_widen_shape(head);
  mc_strides v = { .dtype = t->dtype == MC_bf16 ? MC_f32 : MC_i16, .rank = t->rank, .slack = true };
  int64_t at = mc_gemm_a_elem(e);
  for (int d = t->rank - 1; d >= 0; d--) {
    v.stride[d] = at;
    at *= t->rank == 4 ? s.dim[d] : t->dim[d];
  }
  return v;
}
