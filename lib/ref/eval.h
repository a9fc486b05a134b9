/* What the evaluators of single ops share. One function per row of ops.def, mc_eval_<op>, in the
 * file of its family. */
#ifndef MC_LIB_REF_EVAL_H
#define MC_LIB_REF_EVAL_H
#include "mc/ref/eval.h"
#include "mc/support/fixed.h"
#include "mc/support/fmath.h"
#include <math.h>
#include <string.h>

typedef struct mc_eval_cx {
  const mc_node *node;
  mc_diag *diag;
  mc_arena *scratch; /* lives as long as the evaluation of this node */
  const mc_array *in;
  int nin; /* types are never NULL here */
  mc_array *out;
  int nout;
} mc_eval_cx;

#define MC_OP(id, lo, hi, outs, traits, doc) bool mc_eval_##id(mc_eval_cx *cx);
#include "mc/ir/ops.def"

/* Report that this op has no meaning on these types; returns false. */
bool mc_eval_no_form(mc_eval_cx *cx);

/* ---- element types ---- */
static inline bool mc_is_f32(const mc_array *x) { return x->type->dtype == MC_f32; }

/* u8 or i8 with one scale: what activations are. */
static inline bool mc_is_act(const mc_array *x) {
  return (x->type->dtype == MC_u8 || x->type->dtype == MC_i8) && x->type->q.kind == MC_Q_TENSOR;
}

/* i32 or i64 without scale: index arithmetic. */
static inline bool mc_is_index(const mc_array *x) {
  return (x->type->dtype == MC_i32 || x->type->dtype == MC_i64) && x->type->q.kind == MC_Q_NONE;
}

static inline const float *mc_f32_of(const mc_array *x) { return x->data; }

/* Stored element i of any integer type (bool as 0 or 1), and its counterpart, which keeps the low
 * bits. */
int64_t mc_int_at(const mc_array *x, int64_t i);
void mc_int_put(mc_array *x, int64_t i, int64_t v);
/* Any floating type. put rounds to nearest even. */
double mc_float_at(const mc_array *x, int64_t i);
void mc_float_put(mc_array *x, int64_t i, double v);

/* Stored element minus zero point, of u8/i8 arrays. */
static inline int32_t mc_centered(const mc_array *x, int64_t i) {
  int32_t q =
      x->type->dtype == MC_u8 ? ((const uint8_t *)x->data)[i] : ((const int8_t *)x->data)[i];
  return q - x->type->q.zero;
}

/* Store Q(v) of docs/reference/numerics.md: v is in units of the result's scale. */
void mc_put_q(mc_array *y, int64_t i, float v);

/* ---- shapes ---- */
/* Row-major strides in elements. */
void mc_strides(const mc_type *t, int64_t *stride);
/* Strides of t seen as the broadcast shape `to`: 0 along repeated axes. */
void mc_broadcast_strides(const mc_type *t, const mc_type *to, int64_t *stride);

static inline int mc_axis(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

/* A shape cut at one axis: element (o, i, j) is at (o * n + i) * inner + j. */
typedef struct mc_cut {
  int64_t outer, n, inner;
} mc_cut;

mc_cut mc_cut_at(const mc_type *t, int axis);
/* Copy a box of elements of `size` bytes: dst and src point at its first element, strides in
 * elements. */
void mc_copy_box(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride,
                 const int64_t *dim, int rank, size_t size);

/* ---- sums of products (products.c) ---- */
enum { MC_DOT_LANES = 16 };

/* acc[l] += sum over i of x[i] * w[i * 16 + l]. */
void mc_dot16(double acc[MC_DOT_LANES], const double *x, const double *w, int64_t n);
/* Elements as doubles, zero points subtracted, not scaled: exact for f32 and for integers. */
double *mc_doubles(mc_eval_cx *cx, const mc_array *x);
/* Both operands f32 and the result f32, or integers and an i32 result. */
bool mc_products_ok(const mc_eval_cx *cx);
/* A fused activation: clamp[0] from below, then clamp[1] from above; an infinite bound is not
 * applied (NaN passes). */
float mc_clamped(float x, const float *clamp);
/* Round n sums to the result's type from element `at` on: f32 once, then clamped; i32 exactly.
 * False after reporting an accumulator that leaves i32. */
bool mc_put_sums(mc_eval_cx *cx, int64_t at, const double *acc, int64_t n, const float *clamp);

/* ---- elementwise ops: one function per row (unary.c, binary.c) ---- */
/* On fp32; whole: on i32 and i64, where integers wrap; the divisor of whole_div is not 0. */
#define MC_UNARY(id) float mc_real_##id(const mc_node *n, float x);
#define MC_BINARY(id, ints)                                                                        \
  float mc_real_##id(float a, float b);                                                            \
  MC_REF_WHOLE_##ints(id)
#define MC_REF_WHOLE_INTS(id) int64_t mc_whole_##id(int64_t a, int64_t b);
#define MC_REF_WHOLE_0(id)
#include "mc/ir/ops.def"
#endif
