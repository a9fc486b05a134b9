/* The elementwise ops of ops.def: what their emitters share, and one function per row. A row
 * without its function does not link. */
#ifndef MC_KERNELS_ELEM_H
#define MC_KERNELS_ELEM_H
#include "lower.h"

/* ---- one function per row ---- */

/* fp32 in registers, x->lanes lanes: the steps of mc_real_<op> (lib/ref), in their order. */
#define MC_UNARY(id) kvalue mc_emit_##id(kepilogue *x, const mc_node *n, kvalue a);
/* The same of two operands; whole: i32, or i64, in registers (mc_whole_<op>). */
#define MC_BINARY(id, ints)                                                                        \
  kvalue mc_emit_##id(kepilogue *x, kvalue a, kvalue b);                                           \
  MC_EMIT_WHOLE_##ints(id)
#define MC_EMIT_WHOLE_INTS(id) kvalue mc_emit_whole_##id(kepilogue *x, kvalue a, kvalue b);
#define MC_EMIT_WHOLE_0(id)
/* The op at the position, of any types that it has a form for; before the loops: the tables that it
 * reads (epilogue_param), false after reporting. */
#define MC_ELEMENT(id)                                                                             \
  kvalue mc_emit_##id(kepilogue *x, const mc_node *n);                                             \
  bool mc_prepare_##id(kepilogue *x, const mc_node *n);
#include "mc/ir/ops.def"

/* ---- shared ---- */

static inline kvalue elem_f32s(kepilogue *x, float v) { return build_f32s(x->k, v, x->lanes); }

static inline kvalue elem_mul(kepilogue *x, kvalue a, kvalue b) {
  return LLVMBuildFMul(x->k->b, a, b, "");
}

/* v, in units of t's scale, to t's stored integers: register form, or not clamped yet where the
 * group's store clamps (epilogue_raw). */
kvalue elem_quantize(kepilogue *x, kvalue v, const mc_type *t);
/* q - z of an operand. */
kvalue elem_minus_zero(kepilogue *x, const mc_value *v);
/* fp32(q - z) of an operand. */
kvalue elem_real_steps(kepilogue *x, const mc_value *v);
/* The scales of t: one, or one per index of its axis. */
int64_t elem_scale_count(const mc_type *t);
#endif
