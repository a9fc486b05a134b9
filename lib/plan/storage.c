/* storage: keep inner 8-bit activations in the form that the target's dot product wants.
 *
 *   %1 = requantize %0 : u8<0.02:131>[1,8,8,16]
 * becomes, with storage{form=i8},
 *   %1 = requantize %0 : i8<0.02:3>[1,8,8,16]
 *
 * u8 with zero point z and i8 with zero point z - 128 are the same reals with the top bit of every
 * byte flipped, and every quantized form computes with q - z: EXACT. Graph inputs and results keep
 * their bytes, and so do values tied to them by ops that only move elements. Constants keep theirs.
 */
#include "mc/pass/pass.h"

typedef struct store {
  mc_pass_context *cx;
  mc_map parent, pinned;
  mc_dtype from, to;
  bool changed;
} store; /* union-find over values; roots that must stay */

static mc_value *find(store *s, mc_value *v) {
  for (;;) {
    mc_value *p = mc_map_ptr_get(&s->parent, v);
    if (!p) return v;
    v = p;
  }
}

static void tie(store *s, mc_value *a, mc_value *b) {
  a = find(s, a);
  b = find(s, b);
  if (a == b) return;
  *mc_map_ptr_slot(&s->parent, b) = a;
  if (mc_map_ptr_get(&s->pinned, b)) *mc_map_ptr_slot(&s->pinned, a) = a;
}

static void pin(store *s, mc_value *v) {
  v = find(s, v);
  *mc_map_ptr_slot(&s->pinned, v) = v;
}

static bool convertible(const store *s, const mc_value *v) {
  return v->type->dtype == s->from && v->type->q.kind == MC_Q_TENSOR;
}

/* Ops whose result has the operand's element type, or copies operands of equal type (concat). */
static bool moves_elements(const mc_node *n) {
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  return mc_op_has(n->op, MC_T_MOVE);
}

static void collect(store *s, mc_graph *g) {
  for (int i = 0; i < g->nin; i++) pin(s, g->in[i]);
  MC_FOR_NODES (n, g) {
    if (n->region) collect(s, n->region);
    if (n->op == MC_OP_return && !g->parent)
      for (int i = 0; i < n->nin; i++) pin(s, n->in[i]);
    if (n->op == MC_OP_return && g->parent)
      for (int i = 0; i < n->nin; i++) tie(s, g->parent->out[i], n->in[i]);
    if (mc_op_has(n->op, MC_T_CONST)) pin(s, n->out[0]);
    if (mc_op_has(n->op, MC_T_ACCUM) && n->op != MC_OP_matmul)
      pin(s, n->in[1]); /* weights are i8 */
    if (!moves_elements(n)) continue;
    for (int i = 0; i < n->nin; i++)
      if (convertible(s, n->in[i])) tie(s, n->out[0], n->in[i]);
    for (int i = 1; i < n->nout; i++) tie(s, n->out[0], n->out[i]);
  }
}

static void convert(store *s, mc_graph *g) {
  int32_t shift = s->to == MC_i8 ? -128 : 128;
  MC_FOR_NODES (n, g) {
    if (n->region) convert(s, n->region);
    for (int i = 0; i < n->nout; i++) {
      mc_value *v = n->out[i];
      if (!convertible(s, v) || mc_map_ptr_get(&s->pinned, find(s, v))) continue;
      const mc_type *t = v->type;
      v->type =
          mc_type_make_q(s->cx->module, s->to, t->rank, t->dim, t->q.scale, t->q.zero + shift);
      MC_STAT_ADD(s->cx, storage, changed, 1);
      s->changed = true;
    }
  }
}

bool mc_pass_storage(mc_pass_context *cx, const mc_opts_storage *o, bool *changed) {
  store s = { .cx = cx,
              .from = o->form == mc_actform_i8 ? MC_u8 : MC_i8,
              .to = o->form == mc_actform_i8 ? MC_i8 : MC_u8 };
  mc_map_init(&s.parent, cx->scratch);
  mc_map_init(&s.pinned, cx->scratch);
  collect(&s, cx->graph);
  convert(&s, cx->graph);
  *changed = s.changed;
  return true;
}
