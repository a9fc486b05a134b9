/* Pieces of the layout pass. Private to it. */
#ifndef TRANSFORM_LAYOUT_H
#define TRANSFORM_LAYOUT_H
#include "rewrite.h"

/* A permutation of axes: axis i of the result is axis p[i] of the operand, as in the op transpose.
 */
typedef struct perm {
  int n;
  int p[MC_MAX_RANK];
} perm;

perm perm_inverse(const perm *p);
/* The permutation of transpose(transpose(x, first), second). */
perm perm_compose(const perm *first, const perm *second);
bool perm_equal(const perm *a, const perm *b);
bool perm_identity(const perm *p);
/* True when n is a transpose. */
bool perm_of(const mc_node *n, perm *out);
mc_value *build_transpose(mc_builder *b, mc_value *x, const perm *p);

/* What an op can do about operands v = transpose(v', p) of p's rank. */
typedef enum flip_kind {
  FLIP_NO,     /* needs v itself */
  FLIP_MOVES,  /* the op on v' gives its results transposed likewise */
  FLIP_ABSORBS /* the op (or its attributes, or the weights after it) can be changed so that the
                  result stays */
} flip_kind;

flip_kind flip_kind_of(const mc_node *n, const perm *p);
/* Is operand i of such an op to be given as v'? (Constants and scalars are not.) */
bool flip_operand(const mc_node *n, int i, const perm *p);
/* Build the op on v' before n: `in` holds v' where flip_operand says so. NULL after reporting.
 */
mc_node *flip_build(mc_pass_context *cx, mc_node *n, mc_value **in, const perm *p);

/* Smallest cut of a directed graph with capacities; nodes 0 (source) and 1 (sink) exist. */
typedef struct cut cut;

enum { CUT_SOURCE = 0, CUT_SINK = 1 };

#define CUT_NEVER (INT64_MAX / 4)
cut *cut_create(mc_arena *a);
int cut_node(cut *c);
void cut_edge(cut *c, int from, int to, int64_t capacity);
/* The cut's capacity; afterwards cut_side says which nodes are on the source's side (as few as
 * possible). */
int64_t cut_solve(cut *c);
bool cut_side(const cut *c, int node);
#endif
