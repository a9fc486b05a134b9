/* Elementwise ops at a position, for any number of lanes: the form that the types ask for, of the
 * functions of elem.h. The steps are those of docs/reference/numerics.md ("Quantized tensors"), in
 * their order. */
#include "elem.h"
#include <math.h>

static bool is_q(const mc_value *v) { return mc_type_is_quant(v->type); }

/* f32 in registers. */
static bool is_f32(const mc_value *v) {
  mc_dtype t = v->type->dtype;
  return t == MC_f32 || t == MC_bf16 || t == MC_f16;
}

static float scale_of(const mc_value *v) { return v->type->q.scale; }

kvalue elem_quantize(kepilogue *x, kvalue v, const mc_type *t) {
  if (x->raw) return vec_raw(x->k, v, zero_point_of(t), t->dtype, elem_stays_small(x));
  x->clamped = vec_quant_clamp(x->k, v, zero_point_of(t), t->dtype);
  return vec_quant(x->k, v, zero_point_of(t), t->dtype);
}

kvalue elem_minus_zero(kepilogue *x, const mc_value *v) {
  kvalue q = epilogue_value(x, v);
  int32_t z = zero_point_of(v->type);
  return z ? LLVMBuildSub(x->k->b, q, build_i32s(x->k, z, x->lanes), "") : q;
}

kvalue elem_real_steps(kepilogue *x, const mc_value *v) {
  if (x->head && v == x->head->out[0] && x->head_base)
    return vec_biased_to_f32(x->k, x->head_bits, x->head_base);
  if (x->adds && mc_dtype_size(v->type->dtype) == 1)
    return vec_small_to_f32(x->k, epilogue_value(x, v), zero_point_of(v->type));
  return vec_to_f32(x->k, elem_minus_zero(x, v));
}

/* The same for what is quantized again: of a value just computed, one rounding in fp32 instead of a
 * way through integers. (It may give -0.0 for 0.) */
static kvalue real_again(kepilogue *x, const mc_value *v) {
  kvalue c = target_has(x->k, MC_ISA_BIT(sse41)) ? epilogue_clamped(x, v) : NULL;
  return c ? build_intrinsic1(x->k, "llvm.roundeven", c) : elem_real_steps(x, v);
}

/* ---- the rows ---- */

typedef kvalue element_fn(kepilogue *x, const mc_node *n);
typedef bool prepare_fn(kepilogue *x, const mc_node *n);
typedef kvalue unary_fn(kepilogue *x, const mc_node *n, kvalue a);
typedef kvalue binary_fn(kepilogue *x, kvalue a, kvalue b);

typedef struct elem_row {
  element_fn *emit;
  prepare_fn *prepare; /* NULL: reads no tables */
  unary_fn *unary;
  binary_fn *binary, *whole; /* whole NULL: no form on i32 and i64 */
} elem_row;

static element_fn e_unary, e_binary;
#define MC_UNARY(id) [MC_OP_##id] = { .emit = e_unary, .unary = mc_emit_##id },
#define MC_BINARY(id, ints)                                                                        \
  [MC_OP_##id] = { .emit = e_binary, .binary = mc_emit_##id, .whole = WHOLE_##ints(id) },
#define WHOLE_INTS(id) mc_emit_whole_##id
#define WHOLE_0(id) NULL
#define MC_ELEMENT(id) [MC_OP_##id] = { .emit = mc_emit_##id, .prepare = mc_prepare_##id },
static const elem_row rows[MC_NUM_OPS] = {
#include "mc/ir/ops.def"
};

/* ---- two operands ---- */

static kvalue q_binary(kepilogue *x, const mc_node *n) {
  kbuilder *k = x->k;
  const mc_value *a = n->in[0], *b = n->in[1];
  float sy = scale_of(n->out[0]), ma = scale_of(a) / sy, mb = scale_of(b) / sy;
  if (mc_op_has(n->op, MC_T_QPROD)) {
    kvalue p = LLVMBuildMul(k->b, elem_minus_zero(x, a), elem_minus_zero(x, b), "");
    kvalue m = elem_f32s(x, (scale_of(a) * scale_of(b)) / sy);
    return elem_quantize(x, elem_mul(x, vec_to_f32(k, p), m), n->out[0]->type);
  }
  kvalue fa = elem_mul(x, real_again(x, a), elem_f32s(x, ma)),
         fb = elem_mul(x, real_again(x, b), elem_f32s(x, mb));
  return elem_quantize(x, rows[n->op].binary(x, fa, fb), n->out[0]->type);
}

static kvalue e_binary(kepilogue *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_binary(x, n);
  kvalue a = epilogue_value(x, n->in[0]), b = epilogue_value(x, n->in[1]);
  if (!is_f32(n->in[0])) return rows[n->op].whole(x, a, b);
  kvalue y = rows[n->op].binary(x, a, b);
  return n->op == MC_OP_add ? vec_clamp(x->k, y, MC_ATTRS(n, add)->clamp) : y;
}

/* ---- one operand ---- */

static int entry_at(const unsigned char *table, mc_dtype t, int i) {
  return t == MC_i8 ? (signed char)table[i] : table[i];
}

/* A table that only bounds q (relu and clamp in the operand's own scale): [*lo, *hi]. */
static bool only_bounds(const unsigned char *table, mc_dtype in, mc_dtype out, int *lo, int *hi) {
  int first = in == MC_i8 ? -128 : 0;
  *lo = entry_at(table, out, 0), *hi = entry_at(table, out, 255);
  for (int i = 0; i < 256 && in == out; i++) {
    int q = first + i, want = q < *lo ? *lo : q > *hi ? *hi : q;
    if (entry_at(table, out, i) != want) return false;
  }
  return in == out;
}

/* 256 bytes, entry q - qmin. */
static kvalue q_unary(kepilogue *x, const mc_node *n) {
  kbuilder *k = x->k;
  unsigned char table[256];
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  mc_eval_table(n, in, out, table);
  kvalue q = epilogue_value(x, n->in[0]);
  int lo, hi;
  if (only_bounds(table, in->dtype, out->dtype, &lo, &hi))
    return build_smin(k, build_smax(k, q, build_i32s(k, lo, x->lanes)),
                      build_i32s(k, hi, x->lanes));
  kvalue t = build_rodata(k, table, sizeof table, 0, "table");
  if (in->dtype == MC_i8) q = LLVMBuildAdd(k->b, q, build_i32s(k, 128, x->lanes), "");
  kvalue r = vec_table(k, t, q);
  return out->dtype == MC_i8 ? build_ext(k, build_trunc(k, r, k->i8), k->i32, true) : r;
}

static kvalue e_unary(kepilogue *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_unary(x, n);
  return rows[n->op].unary(x, n, epilogue_value(x, n->in[0]));
}

/* ---- batch_norm ---- */

bool mc_prepare_batch_norm(kepilogue *x, const mc_node *n) {
  (void)x, (void)n; /* reads no table */
  return true;
}

kvalue mc_emit_batch_norm(kepilogue *x, const mc_node *n) {
  kbuilder *k = x->k;
  kvalue v = LLVMBuildFSub(k->b, epilogue_value(x, n->in[0]), epilogue_value(x, n->in[3]), "");
  kvalue s = build_intrinsic1(k, "llvm.sqrt",
                              LLVMBuildFAdd(k->b, epilogue_value(x, n->in[4]),
                                            elem_f32s(x, MC_ATTRS(n, batch_norm)->epsilon), ""));
  v = elem_mul(x, LLVMBuildFDiv(k->b, v, s, ""), epilogue_value(x, n->in[1]));
  return LLVMBuildFAdd(k->b, v, epilogue_value(x, n->in[2]), "");
}

/* ---- how large results are ---- */

int64_t elem_scale_count(const mc_type *t) {
  return t->q.kind == MC_Q_AXIS ? t->dim[t->q.axis] : 1;
}

static float largest_scale(const mc_type *t) {
  float s = 0;
  for (int64_t c = 0; c < elem_scale_count(t); c++)
    if (mc_type_scale(t, c) > s) s = mc_type_scale(t, c);
  return s;
}

/* What |result| stays below before it is clamped, where |i32 operands| stay below `sums`. */
static float bound_of(const mc_node *n, float sums) {
  const mc_type *a = n->in[0]->type, *y = n->out[0]->type;
  if (y->dtype != MC_u8 && y->dtype != MC_i8) return INFINITY;
  if (n->op == MC_OP_quantize && a->dtype == MC_f32 && y->q.kind == MC_Q_TENSOR)
    return 512.0f; /* clamped before it is multiplied */
  if (!mc_type_is_quant(a)) return INFINITY;
  float s = largest_scale(a) / y->q.scale;
  if (n->op == MC_OP_requantize)
    return MC_ATTRS(n, requantize)->rounding == mc_rounding_fp32_rne
               ? s * (a->dtype == MC_i32 ? sums : 512.0f)
               : INFINITY;
  if (a->dtype == MC_i32 || n->nin != 2) return INFINITY;
  float b = n->in[1]->type->q.scale;
  switch (n->op) {
  case MC_OP_add:
  case MC_OP_sub:
  case MC_OP_min:
  case MC_OP_max: return 512.0f * (s + b / y->q.scale);
  case MC_OP_mul: return 0x1p17f * ((a->q.scale * b) / y->q.scale);
  default: return INFINITY; /* not known to be small */
  }
}

bool elem_bounded(const mc_node *n) { return bound_of(n, 0x1p31f) <= 1 << 30; }

bool elem_stays_small(const kepilogue *x) {
  bool known = x->head && x->tail->in[0] == x->head->out[0] && x->head_most > 0;
  return bound_of(x->tail, known ? (float)x->head_most : 0x1p31f) < (float)VEC_SMALL;
}

/* ---- before the loops ---- */

/* Which types an op has a form for: f64 is only cast; quantized integers by trait; plain i32 and
 * i64 as index arithmetic. */
static bool types_fit(const mc_node *n) {
  unsigned traits = mc_ops[n->op].traits;
  if (n->op == MC_OP_cast) return true;
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->type->dtype == MC_f64) return false;
  if (n->out[0]->type->dtype == MC_f64) return false;
  if (n->op == MC_OP_quantize || n->op == MC_OP_dequantize || n->op == MC_OP_requantize ||
      is_f32(n->in[0]))
    return true;
  if (is_q(n->in[0])) return (traits & MC_T_QFORM) && is_q(n->out[0]);
  return rows[n->op].whole != NULL;
}

bool elem_prepare(kepilogue *x, const mc_node *n) {
  if (!rows[n->op].emit)
    return group_error(x->g, n, "'%s' has no place in a kernel's elementwise part",
                       mc_ops[n->op].text);
  if (!types_fit(n))
    return group_error(x->g, n, "'%s' has no lowering for these element types", mc_ops[n->op].text);
  return !rows[n->op].prepare || rows[n->op].prepare(x, n);
}

kvalue elem_emit(kepilogue *x, const mc_node *n) { return rows[n->op].emit(x, n); }
