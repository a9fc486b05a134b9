/* canonicalize: one form for what can be written in many.
 *
 *   %1 = transpose %x {perm=[0, 3, 1, 2]}  : f32[1,4,8,8]
 *   %2 = relu %1                           : f32[1,4,8,8]
 *   %3 = clamp %2 {low=-1.0, high=6.0}     : f32[1,4,8,8]
 *   %4 = transpose %3 {perm=[0, 2, 3, 1]}  : f32[1,8,8,4]
 * becomes, with layout,
 *   %1 = clamp %x {low=0.0, high=6.0}      : f32[1,8,8,4]
 *
 * Ops that do nothing go; chains of transposes, reshapes, slices, pads, clamps, and of additions or
 * multiplications with constants become one; constants are on the right; subtraction of a constant
 * becomes addition, division by one multiplication; zero pads go into conv2d and pools where that
 * is exact; means over h and w become global_avg_pool; gelu, silu, sigmoid, hard_swish,
 * hard_sigmoid, layer_norm and softmax that were written out are recognized; matmul with constant
 * weights becomes linear and takes a bias. Rules are applied node by node until none applies.
 *
 * Intermediate values with other uses stay. Quantized values take part only where elements merely
 * move. Contract: ROUNDS (constants are merged in f32, a recognized formula is evaluated in its own
 * order); the rules that only move elements are exact. */
#include "rules.h"

enum { MAX_ROUNDS = 32 };

typedef struct row {
  mc_opcode op;
  rule apply;
} row;

/* In the order in which they are tried for one op; NUM_OPS: for every op. */
static const row rules[] = {
  { MC_NUM_OPS, rule_identity },
  { MC_OP_relu, rule_clamps },
  { MC_OP_clamp, rule_clamps },
  { MC_OP_min, rule_clamps },
  { MC_OP_max, rule_clamps },
  { MC_OP_concat, rule_concat },
  { MC_OP_add, rule_constant_right },
  { MC_OP_mul, rule_constant_right },
  { MC_OP_min, rule_constant_right },
  { MC_OP_max, rule_constant_right },
  { MC_OP_mul, rule_layer_norm_scale },
  { MC_OP_add, rule_layer_norm_scale },
  { MC_OP_div, rule_softmax },
  { MC_OP_div, rule_layer_norm },
  { MC_OP_div, rule_quotient },
  { MC_OP_sub, rule_sub_div },
  { MC_OP_div, rule_sub_div },
  { MC_OP_mul, rule_product },
  { MC_OP_add, rule_chain },
  { MC_OP_mul, rule_chain },
  { MC_OP_add, rule_neg },
  { MC_OP_sub, rule_neg },
  { MC_OP_abs, rule_neg },
  { MC_OP_neg, rule_neg },
  { MC_OP_pow, rule_pow },
  { MC_OP_add, rule_broadcast_operand },
  { MC_OP_sub, rule_broadcast_operand },
  { MC_OP_mul, rule_broadcast_operand },
  { MC_OP_div, rule_broadcast_operand },
  { MC_OP_min, rule_broadcast_operand },
  { MC_OP_max, rule_broadcast_operand },
  { MC_OP_pow, rule_broadcast_operand },
  { MC_OP_reshape, rule_reshape },
  { MC_OP_transpose, rule_transpose },
  { MC_OP_slice, rule_slice },
  { MC_OP_conv2d, rule_pad_merge },
  { MC_OP_avg_pool, rule_pad_merge },
  { MC_OP_max_pool, rule_pad_merge },
  { MC_OP_pad, rule_pad_merge },
  { MC_OP_avg_pool, rule_pool },
  { MC_OP_max_pool, rule_pool },
  { MC_OP_reduce_mean, rule_reduce },
  { MC_OP_reduce_sum, rule_reduce },
  { MC_OP_reduce_max, rule_reduce },
  { MC_OP_matmul, rule_matmul },
  { MC_OP_matmul, rule_transposed_b },
  { MC_OP_add, rule_bias },
};

bool become(mc_pass_context *cx, mc_node *n, mc_opcode op, mc_value *const *in, int nin,
            const void *attrs) {
  mc_builder b = build_at(cx, n);
  mc_value *v = mc_build1_as(&b, op, in, nin, attrs, n->out[0]->type);
  if (v && v->type == n->out[0]->type) return replace_node(n, v), true;
  if (v) mc_node_remove(v->def);
  return false;
}

bool become_reshape(mc_pass_context *cx, mc_node *n, mc_value *x) {
  const mc_type *t = n->out[0]->type;
  return become(cx, n, MC_OP_reshape, &x, 1,
                &(mc_attrs_reshape){ .shape = { (int64_t *)(uintptr_t)t->dim, t->rank } });
}

static bool apply_one(mc_pass_context *cx, mc_node *n) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if ((rules[i].op == n->op || rules[i].op == MC_NUM_OPS) && rules[i].apply(cx, n)) return true;
  return false;
}

static int64_t round_of(mc_pass_context *cx) {
  int64_t done = 0;
  MC_FOR_NODES (n, cx->graph) {
    if (n->nout == 0 || n->region || mc_op_has(n->op, MC_T_LEAF) || !n->out[0]->uses) continue;
    done += apply_one(cx, n);
  }
  return done;
}

bool mc_pass_canonicalize(mc_pass_context *cx, const mc_opts_canonicalize *o, bool *changed) {
  (void)o; /* has no options */
  unsigned errors = cx->diag->errors, id = cx->module->next_id;
  for (int i = 0; i < MAX_ROUNDS; i++) {
    int64_t done = round_of(cx);
    if (!done) break;
    MC_STAT_ADD(cx, canonicalize, rewrites, done);
    *changed = true;
  }
  *changed |= cx->module->next_id != id; /* a constant may have been made in vain */
  if (*changed) erase_dead_constants(cx->graph);
  return cx->diag->errors == errors;
}
