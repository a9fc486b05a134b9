/* Building nodes: create, set attributes, infer the result types, insert.
 *
 *   mc_builder b = { .graph = g, .before = n, .diag = d, .loc = n->loc, .source = n->source };
 *   mc_node *c = mc_build(&b, MC_OP_conv2d, (mc_value *[]){ x, w, bias }, 3, &(mc_attrs_conv2d){
 *     ... });
 *
 * Every function returns NULL after reporting to b->diag when inference refuses. */
#ifndef MC_IR_BUILD_H
#define MC_IR_BUILD_H
#include "mc/ir/graph.h"

typedef struct mc_builder {
  mc_graph *graph;
  mc_node *before;
  mc_diag *diag;
  mc_loc loc;
  const char *source;
} mc_builder;

/* attrs: an mc_attrs_<op> that is copied (lists too), or NULL for the defaults (which exist for
 * every op but those with required attributes). */
mc_node *mc_build(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs);
/* The same with the result's element type given (quantize, cast, requantize, quantized forms):
 * dtype and quantization of `elem`; its dims are ignored. */
mc_node *mc_build_as(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs,
                     const mc_type *elem);
/* One-result shorthands. */
mc_value *mc_build1(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs);
mc_value *mc_build1_as(mc_builder *b, mc_opcode op, mc_value *const *in, int nin, const void *attrs,
                       const mc_type *elem);
/* A weight node (named tensors) or const node (inline) for t; `type` may carry quantization, NULL:
 * plain. */
mc_value *mc_build_tensor(mc_builder *b, mc_tensor *t, const mc_type *type);
/* Start attributes from their defaults: mc_attrs_conv2d a; mc_attrs_init(MC_OP_conv2d, &a, arena).
 */
void mc_attrs_init(mc_opcode op, void *attrs, mc_arena *a);

/* ---- inference (used by the builder, the parser and the verifier) ---- */
/* What an op's inference sees and fills in. Operands are present and typed. */
typedef struct mc_infer {
  mc_module *module;
  const mc_node *node;
  mc_diag *diag;
  const mc_type
      *want;    /* element type asked for by the text or the builder (dims meaningless), or NULL */
  mc_type *out; /* node->nout prototypes to fill: dtype, rank, dim, q */
} mc_infer;

/* Report at the node; returns false. */
bool mc_infer_error(mc_infer *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Check operand count and attributes, infer the types of all results. `want` may be NULL. False
 * after reporting. */
bool mc_infer_node(mc_module *m, const mc_node *n, const mc_type *want, mc_type *out, mc_diag *d);
/* Re-infer the results of all nodes of g in order, keeping chosen element types (after input shapes
 * changed). */
bool mc_infer_graph(mc_graph *g, mc_diag *d);
#endif
