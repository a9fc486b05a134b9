/* Rules of canonicalize, by what they look at. Each looks at one node, rewrites it and returns
 * true, or leaves it alone and returns false. Private to canonicalize. */
#ifndef TRANSFORM_CANONICALIZE_RULES_H
#define TRANSFORM_CANONICALIZE_RULES_H
#include "../rewrite.h"

typedef bool (*rule)(mc_pass_context *cx, mc_node *n);

/* identity.c: ops that do nothing, or do twice what once is enough */
bool rule_identity(mc_pass_context *cx, mc_node *n);
bool rule_clamps(mc_pass_context *cx, mc_node *n);
bool rule_concat(mc_pass_context *cx, mc_node *n);
/* arith.c: constants in elementwise arithmetic */
bool rule_constant_right(mc_pass_context *cx, mc_node *n);
bool rule_sub_div(mc_pass_context *cx, mc_node *n);
bool rule_chain(mc_pass_context *cx, mc_node *n);
bool rule_neg(mc_pass_context *cx, mc_node *n);
bool rule_pow(mc_pass_context *cx, mc_node *n);
bool rule_broadcast_operand(mc_pass_context *cx, mc_node *n);
/* shape.c: transposes, reshapes, slices */
bool rule_reshape(mc_pass_context *cx, mc_node *n);
bool rule_transpose(mc_pass_context *cx, mc_node *n);
bool rule_slice(mc_pass_context *cx, mc_node *n);
/* window.c: pads, pools, reductions */
bool rule_pad_merge(mc_pass_context *cx, mc_node *n);
bool rule_pool(mc_pass_context *cx, mc_node *n);
bool rule_reduce(mc_pass_context *cx, mc_node *n);
/* pattern.c: activations written out */
bool rule_product(mc_pass_context *cx, mc_node *n);
bool rule_quotient(mc_pass_context *cx, mc_node *n);
/* norm.c: layer_norm and softmax written out */
bool rule_layer_norm(mc_pass_context *cx, mc_node *n);
bool rule_layer_norm_scale(mc_pass_context *cx, mc_node *n);
bool rule_softmax(mc_pass_context *cx, mc_node *n);
/* product.c: matmul -> linear, bias */
bool rule_matmul(mc_pass_context *cx, mc_node *n);
bool rule_transposed_b(mc_pass_context *cx, mc_node *n);
bool rule_bias(mc_pass_context *cx, mc_node *n);

/* n becomes op(in...) with these attributes, if that has n's type. An operation that inference
 * refuses is a bug: it is reported, and the pass fails. */
bool become(mc_pass_context *cx, mc_node *n, mc_opcode op, mc_value *const *in, int nin,
            const void *attrs);
/* n becomes x in the shape of its result. */
bool become_reshape(mc_pass_context *cx, mc_node *n, mc_value *x);
/* The constant operand of a commutative op and the other one. */
bool split_constant(const mc_node *n, mc_value **x, mc_value **c);
bool unclamped(const mc_node *add);
bool reduction_axes(const mc_node *n, mc_ints *axes, bool *keep);
#endif
