/* The elementwise ops of ops.def: what their emitters share, and one function per row. A row
 * without its function does not link. */
#ifndef MC_KERNELS_ELEM_H
#define MC_KERNELS_ELEM_H
#include "lower.h"

/* ---- one function per row ---- */

/* fp32 in registers, x->lanes lanes: the steps of mc_real_<op> (lib/ref), in their order. */
#define MC_UNARY(id) V mc_emit_##id(kx *x, const mc_node *n, V a);
/* The same of two operands; whole: i32, or i64, in registers (mc_whole_<op>). */
#define MC_BINARY(id, ints)                                                                        \
  V mc_emit_##id(kx *x, V a, V b);                                                                 \
  MC_EMIT_WHOLE_##ints(id)
#define MC_EMIT_WHOLE_INTS(id) V mc_emit_whole_##id(kx *x, V a, V b);
#define MC_EMIT_WHOLE_0(id)
/* The op at the position, of any types that it has a form for; before the loops: the tables that it
 * reads (kx_param), false after reporting. */
#define MC_ELEMENT(id)                                                                             \
  V mc_emit_##id(kx *x, const mc_node *n);                                                         \
  bool mc_prepare_##id(kx *x, const mc_node *n);
#include "mc/ir/ops.def"

/* ---- shared ---- */

static inline V kx_f32s(kx *x, float v) { return kb_f32s(x->k, v, x->lanes); }

static inline V kx_mulf(kx *x, V a, V b) { return LLVMBuildFMul(x->k->b, a, b, ""); }

/* v, in units of t's scale, to t's stored integers: register form, or not clamped yet where the
 * group's store clamps (kx_raw). */
V kx_quant(kx *x, V v, const mc_type *t);
/* q - z of an operand. */
V kx_minus_zero(kx *x, const mc_value *v);
/* fp32(q - z) of an operand. */
V kx_real_steps(kx *x, const mc_value *v);
/* The scales of t: one, or one per index of its axis. */
int64_t kx_scale_count(const mc_type *t);
#endif
