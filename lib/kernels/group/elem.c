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

V kx_quant(kx *x, V v, const mc_type *t) {
  if (x->raw) return kv_raw(x->k, v, kl_zero_point(t), t->dtype, kx_stays_small(x));
  x->clamped = kv_quant_clamp(x->k, v, kl_zero_point(t), t->dtype);
  return kv_quant(x->k, v, kl_zero_point(t), t->dtype);
}

V kx_minus_zero(kx *x, const mc_value *v) {
  V q = kx_value(x, v);
  int32_t z = kl_zero_point(v->type);
  return z ? LLVMBuildSub(x->k->b, q, kb_i32s(x->k, z, x->lanes), "") : q;
}

V kx_real_steps(kx *x, const mc_value *v) {
  if (x->head && v == x->head->out[0] && x->head_base)
    return kv_biased_to_f32(x->k, x->head_bits, x->head_base);
  if (kv_adds(x->k) && mc_dtype_size(v->type->dtype) == 1)
    return kv_small_to_f32(x->k, kx_value(x, v), kl_zero_point(v->type));
  return kv_to_f32(x->k, kx_minus_zero(x, v));
}

/* The same for what is quantized again: of a value just computed, one rounding in fp32 instead of a
 * way through integers. (It may give -0.0 for 0.) */
static V real_again(kx *x, const mc_value *v) {
  V c = kb_has(x->k, MC_ISA_BIT(sse41)) ? kx_clamped(x, v) : NULL;
  return c ? kb_intr1(x->k, "llvm.roundeven", c) : kx_real_steps(x, v);
}

/* ---- the rows ---- */

typedef V element_fn(kx *x, const mc_node *n);
typedef bool prepare_fn(kx *x, const mc_node *n);
typedef V unary_fn(kx *x, const mc_node *n, V a);
typedef V binary_fn(kx *x, V a, V b);

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

static V q_binary(kx *x, const mc_node *n) {
  kb *k = x->k;
  const mc_value *a = n->in[0], *b = n->in[1];
  float sy = scale_of(n->out[0]), ma = scale_of(a) / sy, mb = scale_of(b) / sy;
  if (mc_op_has(n->op, MC_T_QPROD)) {
    V p = LLVMBuildMul(k->b, kx_minus_zero(x, a), kx_minus_zero(x, b), "");
    V m = kx_f32s(x, (scale_of(a) * scale_of(b)) / sy);
    return kx_quant(x, kx_mulf(x, kv_to_f32(k, p), m), n->out[0]->type);
  }
  V fa = kx_mulf(x, real_again(x, a), kx_f32s(x, ma)),
    fb = kx_mulf(x, real_again(x, b), kx_f32s(x, mb));
  return kx_quant(x, rows[n->op].binary(x, fa, fb), n->out[0]->type);
}

static V e_binary(kx *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_binary(x, n);
  V a = kx_value(x, n->in[0]), b = kx_value(x, n->in[1]);
  if (!is_f32(n->in[0])) return rows[n->op].whole(x, a, b);
  V y = rows[n->op].binary(x, a, b);
  return n->op == MC_OP_add ? kv_clamp(x->k, y, MC_ATTRS(n, add)->clamp) : y;
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
static V q_unary(kx *x, const mc_node *n) {
  kb *k = x->k;
  unsigned char table[256];
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  mc_eval_table(n, in, out, table);
  V q = kx_value(x, n->in[0]);
  int lo, hi;
  if (only_bounds(table, in->dtype, out->dtype, &lo, &hi))
    return kb_smin(k, kb_smax(k, q, kb_i32s(k, lo, x->lanes)), kb_i32s(k, hi, x->lanes));
  V t = kb_rodata(k, table, sizeof table, 0, "table");
  if (in->dtype == MC_i8) q = LLVMBuildAdd(k->b, q, kb_i32s(k, 128, x->lanes), "");
  V r = kv_table(k, t, q);
  return out->dtype == MC_i8 ? kb_ext(k, kb_trunc(k, r, k->i8), k->i32, true) : r;
}

static V e_unary(kx *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_unary(x, n);
  return rows[n->op].unary(x, n, kx_value(x, n->in[0]));
}

/* ---- batch_norm ---- */

bool mc_prepare_batch_norm(kx *x, const mc_node *n) {
  (void)x, (void)n; /* reads no table */
  return true;
}

V mc_emit_batch_norm(kx *x, const mc_node *n) {
  kb *k = x->k;
  V v = LLVMBuildFSub(k->b, kx_value(x, n->in[0]), kx_value(x, n->in[3]), "");
  V s = kb_intr1(
      k, "llvm.sqrt",
      LLVMBuildFAdd(k->b, kx_value(x, n->in[4]), kx_f32s(x, MC_ATTRS(n, batch_norm)->epsilon), ""));
  v = kx_mulf(x, LLVMBuildFDiv(k->b, v, s, ""), kx_value(x, n->in[1]));
  return LLVMBuildFAdd(k->b, v, kx_value(x, n->in[2]), "");
}

/* ---- how large results are ---- */

int64_t kx_scale_count(const mc_type *t) { return t->q.kind == MC_Q_AXIS ? t->dim[t->q.axis] : 1; }

static float largest_scale(const mc_type *t) {
  float s = 0;
  for (int64_t c = 0; c < kx_scale_count(t); c++)
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

bool kx_bounded(const mc_node *n) { return bound_of(n, 0x1p31f) <= 1 << 30; }

bool kx_stays_small(const kx *x) {
  bool known = x->head && x->tail->in[0] == x->head->out[0] && x->head_most > 0;
  return bound_of(x->tail, known ? (float)x->head_most : 0x1p31f) < (float)KV_SMALL;
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

bool kx_prepare(kx *x, const mc_node *n) {
  if (!rows[n->op].emit)
    return kl_error(x->g, n, "'%s' has no place in a kernel's elementwise part",
                    mc_ops[n->op].text);
  if (!types_fit(n))
    return kl_error(x->g, n, "'%s' has no lowering for these element types", mc_ops[n->op].text);
  return !rows[n->op].prepare || rows[n->op].prepare(x, n);
}

V kx_elem(kx *x, const mc_node *n) { return rows[n->op].emit(x, n); }
