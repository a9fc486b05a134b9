/* The reference evaluator: written for clarity, one file per op family; the meaning of every op.
 * Integer results are exact (docs/reference/numerics.md). */
#ifndef MC_REF_EVAL_H
#define MC_REF_EVAL_H
#include "mc/ir/graph.h"

/* A dense, row-major array of a value's stored elements. */
typedef struct mc_array {
  const mc_type *type;
  void *data;
} mc_array;

typedef struct mc_eval_opts {
  /* Called after each node result (and graph input; constants excepted) is known, inside groups
   * too; data is valid during the call only. Return false to stop (the evaluation then returns
   * false with nothing reported). */
  bool (*observe)(void *ctx, const mc_value *v, const mc_array *x);
  void *ctx;
} mc_eval_opts;

/* Evaluate g: in[i].data holds input i; out[i].data (allocated by the caller, mc_type_bytes of each
 * result) is written. Values are freed after their last use, so that memory stays near the graph's
 * peak. False after reporting (an op without a reference for these types). opts may be NULL. */
bool mc_eval_graph(const mc_graph *g, const mc_array *in, mc_array *out, const mc_eval_opts *opts,
                   mc_diag *d);
/* Evaluate one node on arrays for its operands (constant folding). out[i].data allocated by the
 * caller. */
bool mc_eval_node(const mc_node *n, const mc_array *in, mc_array *out, mc_diag *d);
/* 256-entry table of a unary op on a quantized type: entry q - qmin is the stored result. Shared
 * with codegen, so that both use the same bytes. */
void mc_eval_table(const mc_node *n, const mc_type *in, const mc_type *out,
                   unsigned char table[256]);

/* Where resize samples an axis of `in` elements for element i of `out`: between lo and hi (inside
 * the axis), hi with weight frac (fp32, in [0, 1)). mode=nearest: lo == hi. Positions are computed
 * in double. Shared with codegen. */
typedef struct mc_resize_tap {
  int64_t lo, hi;
  float frac;
} mc_resize_tap;

mc_resize_tap mc_eval_resize_tap(const mc_attrs_resize *a, int axis, int64_t in, int64_t out,
                                 int64_t i);
/* Real value of stored element i. */
double mc_array_real(const mc_array *x, int64_t i);
#endif
