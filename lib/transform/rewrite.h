/* Small steps that rewriting passes share: reading constants, making new ones, replacing nodes.
 * Private to transform/. */
#ifndef TRANSFORM_REWRITE_H
#define TRANSFORM_REWRITE_H
#include "mc/ir/build.h"
#include "mc/pass/pass.h"

/* A builder before n whose nodes inherit n's place and source name. */
mc_builder build_at(mc_pass_context *cx, mc_node *n);
/* Uses of n's only result become uses of v; n goes, and with it what only n used. */
void replace_node(mc_node *n, mc_value *v);
/* Remove n when none of its results is used, then its operands' definitions likewise. */
void erase_if_dead(mc_node *n);
/* Remove constants that nobody uses (a pass that is walking the graph cannot remove those before
 * it). */
void erase_dead_constants(mc_graph *g);

/* The elements of an unquantized f32 constant, or NULL. */
const float *constant_f32(const mc_value *v);
/* An f32 constant whose elements are all the same number. */
bool constant_splat(const mc_value *v, float *x);
/* The same within a relative 1e-3, for constants that other programs printed with few digits. */
bool constant_near(const mc_value *v, double x);
/* A new f32 constant; `*data` is to be filled at once. Large ones get a name made from that of
 * `like` (a constant) or of the builder's source; small ones made from an inline constant stay
 * inline. */
mc_value *constant_new(mc_builder *b, const mc_value *like, int rank, const int64_t *dim,
                       float **data);
mc_value *constant_scalar(mc_builder *b, float x);
/* Name for a tensor made from `like`: its own; NULL: inline. */
const char *constant_name(const mc_builder *b, const mc_value *like, int64_t elems);
/* A copy of a constant with another shape of as many elements (no reordering). NULL: not a plain
 * f32 constant. */
mc_value *constant_reshaped(mc_builder *b, const mc_value *v, int rank, const int64_t *dim);

bool is_f32(const mc_value *v);
bool same_dims(const mc_type *a, const mc_type *b);

static inline bool defined_by(const mc_value *v, mc_opcode op) {
  return v->def && v->def->op == op;
}

static inline bool single_use(const mc_value *v) { return v->uses && !v->uses->next; }

/* -1 -> rank - 1 and so on. */
static inline int plain_axis(int64_t axis, int rank) {
  return (int)(axis < 0 ? axis + rank : axis);
}

/* One number for each index of the last axis of x: the operand `c` of an elementwise op with x,
 * when it broadcasts that way and the result has x's shape. count is the size of the last axis (0-d
 * x: 1). NULL: something else. */
float *per_channel(const mc_value *c, const mc_value *x, int64_t *count, mc_arena *a);
#endif
