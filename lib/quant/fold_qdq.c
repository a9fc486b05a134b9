/* fold-qdq: conversions that cancel.
 *
 *   %f = dequantize %q : f32[8]
 *   %r = quantize %f : u8<0.5:3>[8]  // %q has this type: %r is %q; another type: %r = requantize
 *     %q
 *
 * Also: requantize to the operand's own type is the operand; quantize after an op that only moves
 * elements goes before it, where it touches no more and often fewer bytes and later ops work
 * on integers. What becomes unused is removed. Not touched: dequantize of quantize, which loses
 * information on purpose. Contract: ROUNDS (requantize of stored integers multiplies where
 * dequantize and quantize multiply and divide). */
#include "quant.h"
#include "mc/ir/build.h"

/* Ops that take quantized values and give what they give in f32, quantized: a constant border of
 * pad is quantized alike (numerics.md). */
static bool plain_move(const mc_node *n) {
  switch (n->op) {
  case MC_OP_reshape:
  case MC_OP_transpose:
  case MC_OP_slice:
  case MC_OP_pad:
  case MC_OP_max_pool:
  case MC_OP_global_max_pool: return true;
  default: return false;
  }
}

static mc_value *build_quantize(mc_pass_context *cx, mc_node *n, mc_value *x) {
  mc_builder b = {
    .graph = cx->graph, .before = n, .diag = cx->diag, .loc = n->loc, .source = n->source
  };
  mc_opcode op = mc_type_is_quant(x->type) ? MC_OP_requantize : MC_OP_quantize;
  return mc_build1_as(&b, op, &x, 1, NULL, n->out[0]->type);
}

/* quantize(move(x)) -> move(quantize(x)) */
static bool hoist(mc_pass_context *cx, mc_node *n) {
  mc_node *move = n->in[0]->def;
  if (!move || !plain_move(move) || mc_value_single_user(move->out[0]) != n ||
      move->graph != n->graph)
    return false;
  mc_value *q = build_quantize(cx, n, move->in[0]);
  if (!q) return false;
  mc_builder b = {
    .graph = cx->graph, .before = n, .diag = cx->diag, .loc = move->loc, .source = move->source
  };
  mc_value *r = mc_build1(&b, move->op, &q, 1, move->attrs);
  if (r) mc_value_replace(n->out[0], r);
  return r != NULL;
}

static bool fold(mc_pass_context *cx, mc_node *n) {
  mc_node *def = n->in[0]->def;
  if (n->op == MC_OP_requantize && n->in[0]->type == n->out[0]->type) {
    mc_value_replace(n->out[0], n->in[0]);
    return true;
  }
  if (n->op != MC_OP_quantize) return false;
  if (def && def->op == MC_OP_dequantize) {
    mc_value *q = def->in[0];
    int64_t lo, hi;
    mc_dtype_range(n->out[0]->type->dtype, &lo, &hi);
    if (q->type != n->out[0]->type && hi > 255) return false; /* requantize gives u8 and i8 only */
    mc_value *to = q->type == n->out[0]->type ? q : build_quantize(cx, n, q);
    if (to) mc_value_replace(n->out[0], to);
    return to != NULL;
  }
  return hoist(cx, n);
}

bool mc_pass_fold_qdq(mc_pass_context *cx, const mc_opts_fold_qdq *o, bool *changed) {
  (void)o; /* has none */
  for (bool again = true; again;) {
    again = false;
    MC_FOR_NODES (n, cx->graph)
      if ((n->op == MC_OP_quantize || n->op == MC_OP_requantize) && fold(cx, n)) again = true;
    MC_FOR_NODES_REV (n, cx->graph) {
      bool dead = n->op == MC_OP_quantize || n->op == MC_OP_dequantize ||
                  n->op == MC_OP_requantize || plain_move(n);
      if (!dead || n->out[0]->uses) continue;
      mc_node_remove(n);
      MC_STAT_ADD(cx, fold_qdq, removed, 1);
      *changed = again = true;
    }
    if (cx->diag->errors) return false;
  }
  return true;
}
