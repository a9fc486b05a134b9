/* constant-fold: ops whose operands are all constants are evaluated now, with the reference
 * evaluator.
 *
 *   %w = weight @w : f32[2,3]                                %1 = weight @w.1 : f32[3,2]
 *   %1 = transpose %w {perm=[1, 0]} : f32[3,2]        ->
 *
 * Applies to every op but groups, when each result has at most `max_bytes` bytes. The new tensor is
 * named after the first named operand; results made from inline constants stay inline while they
 * are small. dequantize is left for from-qdq, which wants the integers. An op that the evaluator
 * refuses is left where it is. Contract: EXACT (the evaluator defines the op). */
#include "rewrite.h"
#include <string.h>

static bool foldable(const mc_node *n, int64_t max_bytes) {
  if (n->op == MC_OP_dequantize) return false;
  if (n->region || n->nin == 0 || n->nout == 0 || mc_op_has(n->op, MC_T_TERM)) return false;
  for (int i = 0; i < n->nin; i++)
    if (!mc_value_tensor(n->in[i])) return false;
  for (int i = 0; i < n->nout; i++)
    if (mc_type_bytes(n->out[i]->type) > max_bytes) return false;
  return true;
}

/* The operand whose name the results get: the first that has one. */
static const mc_value *namesake(const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (mc_value_tensor(n->in[i])->name) return n->in[i];
  return n->in[0];
}

static bool evaluate(mc_pass_context *cx, const mc_node *n, mc_array *out) {
  mc_array *in = MC_NEWN(cx->scratch, mc_array, n->nin);
  for (int i = 0; i < n->nin; i++)
    in[i] = (mc_array){ n->in[i]->type, (void *)(uintptr_t)mc_value_tensor(n->in[i])->data };
  for (int i = 0; i < n->nout; i++)
    out[i] = (mc_array){ n->out[i]->type,
                         mc_arena_alloc(cx->scratch, (size_t)mc_type_bytes(n->out[i]->type)) };
  mc_diag quiet; /* a refusal is not the user's business: the op simply stays */
  mc_diag_init(&quiet, cx->scratch);
  return mc_eval_node(n, in, out, &quiet);
}

static mc_value *make_constant(mc_pass_context *cx, mc_node *n, const mc_array *x) {
  mc_builder b = build_at(cx, n);
  const mc_type *t = x->type;
  void *data;
  mc_tensor *tensor = mc_tensor_create(cx->module, constant_name(&b, namesake(n), mc_type_elems(t)),
                                       t->dtype, t->rank, t->dim, &data);
  memcpy(data, x->data, (size_t)mc_type_bytes(t));
  return mc_build_tensor(&b, tensor, t);
}

/* *done: the node is gone. */
static bool fold(mc_pass_context *cx, mc_node *n, bool *done) {
  mc_array *out = MC_NEWN(cx->scratch, mc_array, n->nout);
  if (!evaluate(cx, n, out)) return true;
  for (int i = 0; i < n->nout; i++) {
    if (!n->out[i]->uses) continue;
    mc_value *v = make_constant(cx, n, &out[i]);
    if (!v) return false;
    mc_value_replace(n->out[i], v);
  }
  erase_if_dead(n);
  return *done = true;
}

bool mc_pass_constant_fold(mc_pass_context *cx, const mc_opts_constant_fold *o, bool *changed) {
  if (o->max_bytes < 0) return mc_error(cx->diag, cx->loc, "option 'max_bytes' is negative");
  MC_FOR_NODES (n, cx->graph) {
    bool done = false;
    if (!foldable(n, o->max_bytes)) continue;
    if (!fold(cx, n, &done)) return false;
    if (done) MC_STAT_ADD(cx, constant_fold, folded, 1);
    *changed |= done;
  }
  return true;
}
