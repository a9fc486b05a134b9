/* Four vectors of accumulators to one vector of bytes: when. */
#include "mc/decide/decide.h"

bool mc_narrow_find(mc_narrow *n, const mc_target *t, const mc_node *head) {
  const mc_node *rq = head->next, *ret = head->graph->last;
  if (t->arch != MC_ARCH_x86_64 || !rq || rq->op != MC_OP_requantize || rq->next != ret ||
      rq->in[0] != head->out[0] || ret->nin != 1)
    return false;
  const mc_type *in = rq->in[0]->type, *out = rq->out[0]->type;
  if (ret->in[0] != rq->out[0] || MC_ATTRS(rq, requantize)->rounding != mc_rounding_fp32_rne ||
      (out->dtype != MC_u8 && out->dtype != MC_i8))
    return false;
  bool axis = in->q.kind == MC_Q_AXIS;
  int32_t zero = in->q.kind == MC_Q_TENSOR ? in->q.zero : 0;
  if ((axis && in->q.axis != in->rank - 1) || zero) return false;
  *n = (mc_narrow){ .node = rq,
                    .zero = out->q.kind == MC_Q_TENSOR ? out->q.zero : 0,
                    .out = out->dtype,
                    .one = !axis };
  int64_t c = axis ? in->dim[in->rank - 1] : 1;
  for (int64_t i = 0; i < c; i++)
    if (!(mc_narrow_multiplier(n, i) < 1.0f)) return false;
  n->m = mc_narrow_multiplier(n, 0);
  return true;
}

float mc_narrow_multiplier(const mc_narrow *n, int64_t channel) {
  return mc_type_scale(n->node->in[0]->type, channel) / n->node->out[0]->type->q.scale;
}
