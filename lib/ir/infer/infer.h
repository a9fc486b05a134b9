/* What the inference functions of all op families share. Each checks its node's operands and
 * attributes and fills f->out; false after reporting. */
#ifndef MC_LIB_IR_INFER_H
#define MC_LIB_IR_INFER_H
#include "mc/ir/build.h"

#define MC_OP(id, lo, hi, outs, traits, doc) bool mc_infer_##id(mc_infer *f);
#include "mc/ir/ops.def"

__extension__ typedef __int128 mc_wide; /* sums and products of sizes that a text may hold */

/* Type of operand i. */
static inline const mc_type *mc_inf_in(const mc_infer *f, int i) { return f->node->in[i]->type; }

/* Plain (not quantized) element of this dtype; per-tensor quantized u8 or i8; plain i32 or i64. */
static inline bool mc_inf_is_plain(const mc_type *t, mc_dtype d) {
  return t->dtype == d && t->q.kind == MC_Q_NONE;
}

/* f32, or bf16: an fp32 number stored in 16 bits. Ops compute in fp32 on either and round once when
 * their result is bf16. */
static inline bool mc_inf_is_real(const mc_type *t) {
  return mc_inf_is_plain(t, MC_f32) || mc_inf_is_plain(t, MC_bf16);
}

static inline bool mc_inf_is_q8(const mc_type *t) {
  return (t->dtype == MC_u8 || t->dtype == MC_i8) && t->q.kind == MC_Q_TENSOR;
}

static inline bool mc_inf_is_index(const mc_type *t) {
  return mc_inf_is_plain(t, MC_i32) || mc_inf_is_plain(t, MC_i64);
}

bool mc_inf_same_elem(const mc_type *a, const mc_type *b);

static inline void mc_inf_set_elem(mc_type *out, const mc_type *like) {
  out->dtype = like->dtype, out->q = like->q;
}

static inline void mc_inf_set_f32(mc_type *out) { out->dtype = MC_f32, out->q = (mc_quant){ 0 }; }

/* A real result: f32 or bf16 as the text or the builder says, else `otherwise`. */
static inline void mc_inf_set_real(const mc_infer *f, mc_type *out, mc_dtype otherwise) {
  out->dtype = f->want && mc_inf_is_real(f->want) ? f->want->dtype : otherwise;
  out->q = (mc_quant){ 0 };
}

void mc_inf_set_dims(mc_type *out, int rank, const int64_t *dim);

/* Texts for messages, in the diag's arena: "operand 1 (weight)", "u8<0.5:0>[1,2]", "u8<0.5:0>",
 * "[1,2]". */
const char *mc_inf_operand(const mc_infer *f, int i);
const char *mc_inf_type_text(const mc_infer *f, const mc_type *t);
const char *mc_inf_elem_text(const mc_infer *f, const mc_type *t);
const char *mc_inf_dims_text(const mc_infer *f, const mc_type *t);

/* Checks. */
bool mc_inf_need_rank(mc_infer *f, int i, int rank);
bool mc_inf_need_f32(mc_infer *f, int i);
bool mc_inf_need_real(mc_infer *f, int i);
bool mc_inf_need_shape(mc_infer *f, int i, int rank, const int64_t *dim, const char *why);
bool mc_inf_not_per_axis(mc_infer *f, int i);
/* Every value of an attribute lies in [lo, 2^31 - 1]. */
bool mc_inf_attr_range(mc_infer *f, const char *name, const int64_t *v, int n, int64_t lo);
/* An axis attribute, negative from the end, becomes an index. */
bool mc_inf_axis(mc_infer *f, const char *name, int64_t axis, int rank, int *out);
/* A list attribute has one value per axis. */
bool mc_inf_attr_length(mc_infer *f, const char *name, const mc_ints *l, int n);
bool mc_inf_clamp(mc_infer *f, const float clamp[2], const mc_type *out);
bool mc_inf_finite(mc_infer *f, const char *name, float x);
/* The result's u8/i8 quantization as the text or the builder gives it; each quantized operand's
 * scale over it must be a usable fp32 multiplier. */
bool mc_inf_q8_result(mc_infer *f, mc_type *out);
/* numpy broadcasting of a and b, both at most MC_MAX_RANK; why not goes to the diag. */
bool mc_inf_broadcast(mc_infer *f, const mc_type *a, const mc_type *b, int skip_last, mc_type *out);
/* The element type of conv2d, conv_transpose2d, linear: f32, bf16, or the i32 accumulator. out has
 * its dims; channels are the last axis. */
bool mc_inf_accum(mc_infer *f, const float clamp[2], mc_type *out);
#endif
