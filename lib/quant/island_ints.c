/* The integers that f32 values were made of: through dequantize and everything that only moves
 * elements. */
#include "islands.h"
#include "mc/support/fixed.h"
#include <math.h>

mc_node *islands_build(islands *s, mc_node *before, const mc_node *like, mc_opcode op,
                       mc_value *const *in, int nin, const void *attrs, const mc_type *elem) {
  mc_diag quiet;
  mc_diag_init(&quiet, s->cx->scratch);
  mc_builder b = { .graph = s->cx->graph,
                   .before = before,
                   .diag = &quiet,
                   .loc = like->loc,
                   .source = like->source };
  return elem ? mc_build_as(&b, op, in, nin, attrs, elem) : mc_build(&b, op, in, nin, attrs);
}

/* A border that the integers can hold: Q(value / s) is the value itself. */
static bool holds(const mc_type *t, float v) {
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  int32_t q = mc_fx_quantize(v, t->q.scale, t->q.zero, (int32_t)lo, (int32_t)hi);
  return fabsf(mc_fx_dequantize(q, t->q.scale, t->q.zero) - v) <= 1e-6f * t->q.scale;
}

/* Ops whose result on integers is that on reals, with the operand's scale. */
static bool moves(const mc_node *n, const mc_type *t) {
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  if (n->op == MC_OP_concat || !mc_op_has(n->op, MC_T_MOVE)) return false;
  bool border = n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant;
  return !border || holds(t, MC_ATTRS(n, pad)->value);
}

/* The op on the integers `in`; all its results are noted. */
static mc_value *moved(islands *s, const mc_value *v, mc_value **in) {
  mc_node *n = v->def, *c = islands_build(s, n, n, n->op, in, n->nin, n->attrs, NULL);
  for (int i = 0; c && i < n->nout; i++) *mc_map_ptr_slot(&s->ints, n->out[i]) = c->out[i];
  return c ? c->out[v->index] : NULL;
}

static mc_value *joined(islands *s, const mc_value *v) {
  mc_node *n = v->def;
  mc_value **in = MC_NEWN(s->cx->scratch, mc_value *, n->nin);
  for (int i = 0; i < n->nin; i++) {
    in[i] = islands_ints(s, n->in[i]);
    if (!in[i] || in[i]->type->dtype != in[0]->type->dtype ||
        in[i]->type->q.scale != in[0]->type->q.scale || in[i]->type->q.zero != in[0]->type->q.zero)
      return NULL;
  }
  return moved(s, v, in);
}

/* relu and clamp to bounds that the integers can hold, in the same type. */
static mc_value *bounded(islands *s, const mc_value *v) {
  mc_node *n = v->def;
  mc_value *x = islands_ints(s, n->in[0]);
  if (!x) return NULL;
  float lo = n->op == MC_OP_relu ? 0 : MC_ATTRS(n, clamp)->low,
        hi = n->op == MC_OP_relu ? INFINITY : MC_ATTRS(n, clamp)->high;
  if ((isfinite(lo) && !holds(x->type, lo)) || (isfinite(hi) && !holds(x->type, hi))) return NULL;
  mc_node *c = islands_build(s, n, n, n->op, &x, 1, n->attrs, x->type);
  if (c) *mc_map_ptr_slot(&s->ints, v) = c->out[0];
  return c ? c->out[0] : NULL;
}

mc_value *islands_ints(islands *s, mc_value *v) {
  mc_value *known = mc_map_ptr_get(&s->ints, v);
  mc_node *n = v->def;
  if (known || !n || v->type->dtype != MC_f32 || n->region) return known;
  if (n->op == MC_OP_dequantize) return is_q8(n->in[0]->type) ? n->in[0] : NULL;
  if (n->op == MC_OP_concat) return joined(s, v);
  if (n->op == MC_OP_relu || n->op == MC_OP_clamp) return bounded(s, v);
  if (!mc_op_has(n->op, MC_T_MOVE) && n->op != MC_OP_resize) return NULL;
  mc_value *x = islands_ints(s, n->in[0]);
  if (!x || !moves(n, x->type)) return NULL;
  return moved(s, v, (mc_value *[]){ x, n->nin > 1 ? n->in[1] : NULL });
}
