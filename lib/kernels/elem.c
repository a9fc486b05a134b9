/* Elementwise ops on vectors: every op once, for any number of lanes. The steps are those of
 * docs/reference/numerics.md ("Quantized tensors"), in their order. */
#include "lower.h"
#include "mc/support/fixed.h"
#include <math.h>

static bool is_q(const mc_value *v) { return mc_type_is_quant(v->type); }

/* f32 in registers. */
static bool real_reg(mc_dtype t) { return t == MC_f32 || t == MC_bf16 || t == MC_f16; }

static bool is_f32(const mc_value *v) { return real_reg(v->type->dtype); }

static kfm fm_of(kx *x) { return (kfm){ x->k, x->lanes }; }

static V f32s(kx *x, float v) { return kb_f32s(x->k, v, x->lanes); }

static V mulf(kx *x, V a, V b) { return LLVMBuildFMul(x->k->b, a, b, ""); }

static float scale_of(const mc_value *v) { return v->type->q.scale; }

static V quant(kx *x, V v, const mc_type *t) {
  if (x->raw) return kv_raw(x->k, v, kl_zero_point(t), t->dtype, kx_stays_small(x));
  x->clamped = kv_quant_clamp(x->k, v, kl_zero_point(t), t->dtype);
  return kv_quant(x->k, v, kl_zero_point(t), t->dtype);
}

/* fp32(q - z) of an operand. */
static V minus_zero(kx *x, const mc_value *v) {
  V q = kx_value(x, v);
  int32_t z = kl_zero_point(v->type);
  return z ? LLVMBuildSub(x->k->b, q, kb_i32s(x->k, z, x->lanes), "") : q;
}

static V real_steps(kx *x, const mc_value *v) {
  if (x->head && v == x->head->out[0] && x->head_base)
    return kv_biased_to_f32(x->k, x->head_bits, x->head_base);
  if (kv_adds(x->k) && mc_dtype_size(v->type->dtype) == 1)
    return kv_small_to_f32(x->k, kx_value(x, v), kl_zero_point(v->type));
  return kv_to_f32(x->k, minus_zero(x, v));
}

/* The same for what is quantized again: of a value just computed, one rounding in fp32 instead of a
 * way through integers. (It may give -0.0 for 0.) */
static V real_again(kx *x, const mc_value *v) {
  V c = kb_has(x->k, MC_ISA_BIT(sse41)) ? kx_clamped(x, v) : NULL;
  return c ? kb_intr1(x->k, "llvm.roundeven", c) : real_steps(x, v);
}

/* ---- two operands ---- */
static V q_binary(kx *x, const mc_node *n) {
  kb *k = x->k;
  const mc_value *a = n->in[0], *b = n->in[1];
  float sy = scale_of(n->out[0]), ma = scale_of(a) / sy, mb = scale_of(b) / sy;
  if (n->op == MC_OP_mul) {
    V p = LLVMBuildMul(k->b, minus_zero(x, a), minus_zero(x, b), "");
    return quant(x, mulf(x, kv_to_f32(k, p), f32s(x, (scale_of(a) * scale_of(b)) / sy)),
                 n->out[0]->type);
  }
  V fa = mulf(x, real_again(x, a), f32s(x, ma)), fb = mulf(x, real_again(x, b), f32s(x, mb)), r;
  switch (n->op) {
  case MC_OP_add: r = LLVMBuildFAdd(k->b, fa, fb, ""); break;
  case MC_OP_sub: r = LLVMBuildFSub(k->b, fa, fb, ""); break;
  case MC_OP_min: r = kv_fmin(k, fa, fb); break;
  default: r = kv_fmax(k, fa, fb); break; /* kx_prepare lets only max get here */
  }
  return quant(x, r, n->out[0]->type);
}

/* The smallest number divided by -1 stays. A divisor of 0, which the evaluator refuses, gives 0:
 * the machine's division would trap. */
static V int_div(kx *x, V a, V b) {
  kb *k = x->k;
  V zero = LLVMConstNull(LLVMTypeOf(a)), minus = LLVMConstAllOnes(LLVMTypeOf(a));
  V is0 = LLVMBuildICmp(k->b, LLVMIntEQ, b, zero, ""),
    is_m1 = LLVMBuildICmp(k->b, LLVMIntEQ, b, minus, "");
  V one = LLVMBuildSub(k->b, zero, minus, "");
  V q = LLVMBuildSDiv(k->b, a, kb_select(k, LLVMBuildOr(k->b, is0, is_m1, ""), one, b), "");
  q = kb_select(k, is_m1, LLVMBuildSub(k->b, zero, a, ""), q);
  return kb_select(k, is0, zero, q);
}

static V int_binary(kx *x, const mc_node *n, V a, V b) {
  kb *k = x->k;
  switch (n->op) {
  case MC_OP_add: return LLVMBuildAdd(k->b, a, b, "");
  case MC_OP_sub: return LLVMBuildSub(k->b, a, b, "");
  case MC_OP_mul: return LLVMBuildMul(k->b, a, b, "");
  case MC_OP_div: return int_div(x, a, b);
  case MC_OP_min: return kb_smin(k, a, b);
  default: return kb_smax(k, a, b);
  }
}

static V f32_binary(kx *x, const mc_node *n, V a, V b) {
  kb *k = x->k;
  kfm f = fm_of(x);
  switch (n->op) {
  case MC_OP_add: return kv_clamp(k, LLVMBuildFAdd(k->b, a, b, ""), MC_ATTRS(n, add)->clamp);
  case MC_OP_sub: return LLVMBuildFSub(k->b, a, b, "");
  case MC_OP_mul: return mulf(x, a, b);
  case MC_OP_div: return LLVMBuildFDiv(k->b, a, b, "");
  case MC_OP_min: return kv_fmin(k, a, b);
  case MC_OP_max: return kv_fmax(k, a, b);
  default: return kfm_pow(&f, a, b);
  }
}

static V e_binary(kx *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_binary(x, n);
  V a = kx_value(x, n->in[0]), b = kx_value(x, n->in[1]);
  return is_f32(n->in[0]) ? f32_binary(x, n, a, b) : int_binary(x, n, a, b);
}

/* ---- one operand ---- */
static V f32_unary(kx *x, const mc_node *n, V a) {
  kfm f = fm_of(x);
  switch (n->op) {
  case MC_OP_neg: return kfm_neg(&f, a);
  case MC_OP_abs: return kfm_abs(&f, a);
  case MC_OP_exp: return kfm_exp(&f, a);
  case MC_OP_log: return kfm_log(&f, a);
  case MC_OP_sqrt: return kb_intr1(x->k, "llvm.sqrt", a);
  case MC_OP_erf: return kfm_erf(&f, a);
  case MC_OP_relu: return kfm_relu(&f, a);
  case MC_OP_clamp:
    return kv_clamp(x->k, a, (float[]){ MC_ATTRS(n, clamp)->low, MC_ATTRS(n, clamp)->high });
  case MC_OP_leaky_relu: return kfm_leaky_relu(&f, a, f32s(x, MC_ATTRS(n, leaky_relu)->alpha));
  case MC_OP_elu: return kfm_elu(&f, a, f32s(x, MC_ATTRS(n, elu)->alpha));
  case MC_OP_sigmoid: return kfm_sigmoid(&f, a);
  case MC_OP_tanh: return kfm_tanh(&f, a);
  case MC_OP_gelu:
    return MC_ATTRS(n, gelu)->approximate == mc_approx_tanh ? kfm_gelu_tanh(&f, a)
                                                            : kfm_gelu(&f, a);
  case MC_OP_silu: return kfm_silu(&f, a);
  case MC_OP_hard_sigmoid:
    return kfm_hard_sigmoid(&f, a, f32s(x, MC_ATTRS(n, hard_sigmoid)->alpha),
                            f32s(x, MC_ATTRS(n, hard_sigmoid)->beta));
  default: return kfm_hard_swish(&f, a);
  }
}

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

static V int_unary(kx *x, const mc_node *n, V a) {
  V zero = LLVMConstNull(LLVMTypeOf(a)), m = LLVMBuildSub(x->k->b, zero, a, "");
  return n->op == MC_OP_neg ? m : kb_smax(x->k, a, m);
}

static V e_unary(kx *x, const mc_node *n) {
  if (is_q(n->in[0])) return q_unary(x, n);
  V a = kx_value(x, n->in[0]);
  return is_f32(n->in[0]) ? f32_unary(x, n, a) : int_unary(x, n, a);
}

static V e_batch_norm(kx *x, const mc_node *n) {
  kb *k = x->k;
  V v = LLVMBuildFSub(k->b, kx_value(x, n->in[0]), kx_value(x, n->in[3]), "");
  V s = kb_intr1(
      k, "llvm.sqrt",
      LLVMBuildFAdd(k->b, kx_value(x, n->in[4]), f32s(x, MC_ATTRS(n, batch_norm)->epsilon), ""));
  v = mulf(x, LLVMBuildFDiv(k->b, v, s, ""), kx_value(x, n->in[1]));
  return LLVMBuildFAdd(k->b, v, kx_value(x, n->in[2]), "");
}

/* ---- element types ---- */
/* f64 to f32 on its way to 16 bits: toward zero, and an odd last bit where something is lost, so
 * that the second rounding is as good as one. (Boldo and Melquiond, "Emulation of a FMA and
 * correctly rounded sums: proved algorithms using rounding to odd".) */
static V f64_to_odd(kx *x, V a) {
  kb *k = x->k;
  T f32 = kb_vt(k, k->f32, x->lanes), f64 = LLVMTypeOf(a), i32 = kb_vt(k, k->i32, x->lanes);
  V near = LLVMBuildFPTrunc(k->b, a, f32, ""), back = LLVMBuildFPExt(k->b, near, f64, "");
  V away = LLVMBuildFCmp(k->b, LLVMRealOGT, kb_intr1(k, "llvm.fabs", back),
                         kb_intr1(k, "llvm.fabs", a), "");
  V lost = LLVMBuildFCmp(k->b, LLVMRealONE, back, a, "");
  V bits = LLVMBuildSub(k->b, LLVMBuildBitCast(k->b, near, i32, ""),
                        LLVMBuildZExt(k->b, away, i32, ""), "");
  return LLVMBuildBitCast(k->b, LLVMBuildOr(k->b, bits, LLVMBuildZExt(k->b, lost, i32, ""), ""),
                          f32, "");
}

static V real_to_real(kx *x, V a, mc_dtype from, mc_dtype to) {
  kb *k = x->k;
  if ((from == MC_f64) == (to == MC_f64))
    return a; /* narrower results round where they are bound or stored */
  if (to == MC_f64)
    return LLVMBuildFPExt(k->b, a, kb_vt(k, LLVMDoubleTypeInContext(k->c), x->lanes), "");
  return to == MC_f32 ? LLVMBuildFPTrunc(k->b, a, kb_vt(k, k->f32, x->lanes), "")
                      : f64_to_odd(x, a);
}

static V e_cast(kx *x, const mc_node *n) {
  kb *k = x->k;
  mc_dtype from = n->in[0]->type->dtype, to = n->out[0]->type->dtype;
  V a = kx_value(x, n->in[0]);
  bool from_real = mc_dtype_is_float(from), to_real = mc_dtype_is_float(to);
  if (from == to) return a;
  if (from_real && to_real) return real_to_real(x, a, from, to);
  if (to == MC_bool) {
    V zero = LLVMConstNull(LLVMTypeOf(a));
    V m = from_real ? LLVMBuildFCmp(k->b, LLVMRealUNE, a, zero, "")
                    : LLVMBuildICmp(k->b, LLVMIntNE, a, zero, "");
    return LLVMBuildZExt(k->b, m, kb_vt(k, k->i32, x->lanes), "");
  }
  if (to_real)
    return LLVMBuildSIToFP(
        k->b, a, kb_vt(k, to == MC_f64 ? LLVMDoubleTypeInContext(k->c) : k->f32, x->lanes), "");
  T want = kb_vt(k, to == MC_i64 ? k->i64 : k->i32, x->lanes);
  if (from_real) {
    T mem = kb_vt(k, kl_mem_type(k, to), x->lanes), ov[2] = { mem, LLVMTypeOf(a) };
    V r = kb_intr(k, to == MC_u8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat", ov, 2, &a,
                  1); /* gives 0 for a NaN; the definition says the lowest value */
    unsigned bits = LLVMGetIntTypeWidth(kl_mem_type(k, to));
    V low = to == MC_u8
                ? LLVMConstNull(mem)
                : kb_splat_c(LLVMConstInt(kl_mem_type(k, to), 1ull << (bits - 1), 0), x->lanes);
    return kl_widen(k, kb_select(k, LLVMBuildFCmp(k->b, LLVMRealORD, a, a, ""), r, low), to);
  }
  if (LLVMTypeOf(a) != want) a = to == MC_i64 ? kb_ext(k, a, k->i64, true) : kb_trunc(k, a, k->i32);
  if (to == MC_i64 || to == MC_i32) return a;
  return kl_widen(k, kb_trunc(k, a, kl_mem_type(k, to)),
                  to); /* integer to narrower integer: modulo */
}

static V e_quantize(kx *x, const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  if (t->q.kind != MC_Q_AXIS)
    return (x->raw ? kv_quantize_raw : kv_quantize)(x->k, kx_value(x, n->in[0]), t->q.scale,
                                                    kl_zero_point(t), t->dtype);
  return quant(x, LLVMBuildFDiv(x->k->b, kx_value(x, n->in[0]), kx_param(x, n, 0), ""), t);
}

static V e_dequantize(kx *x, const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  V s = t->q.kind == MC_Q_AXIS ? kx_param(x, n, 0) : f32s(x, t->q.scale);
  return mulf(x, real_steps(x, n->in[0]), s);
}

static V e_requantize(kx *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  int rounding = MC_ATTRS(n, requantize)->rounding;
  if (rounding == mc_rounding_fp32_rne) {
    V m = in->q.kind == MC_Q_AXIS ? kx_param(x, n, 0) : f32s(x, in->q.scale / out->q.scale);
    return quant(x, mulf(x, real_steps(x, n->in[0]), m), out);
  }
  V q = minus_zero(x, n->in[0]), mult = kx_param(x, n, 0), shift = kx_param(x, n, 1);
  int32_t z = kl_zero_point(out);
  return rounding == mc_rounding_single ? kv_requant_single(x->k, q, mult, shift, z, out->dtype)
                                        : kv_requant_double(x->k, q, mult, shift, z, out->dtype);
}

static int64_t scale_count(const mc_type *t) {
  return t->q.kind == MC_Q_AXIS ? t->dim[t->q.axis] : 1;
}

static float largest_scale(const mc_type *t) {
  float s = 0;
  for (int64_t c = 0; c < scale_count(t); c++)
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
  default: return INFINITY;
  }
}

bool kx_bounded(const mc_node *n) { return bound_of(n, 0x1p31f) <= 1 << 30; }

bool kx_stays_small(const kx *x) {
  bool known = x->head && x->tail->in[0] == x->head->out[0] && x->head_most > 0;
  return bound_of(x->tail, known ? (float)x->head_most : 0x1p31f) < 31000;
}

/* ---- what an op needs before the loops ---- */
/* The axis of the iteration space that the scales run along (numpy alignment); -1: one scale. */
static int scale_axis(const kx *x, const mc_type *t) {
  return t->q.kind == MC_Q_AXIS ? t->q.axis + x->rank - t->rank : -1;
}

static bool float_table(kx *x, const mc_node *n, const mc_type *t, float divisor) {
  if (t->q.kind != MC_Q_AXIS) return true;
  int64_t count = scale_count(t);
  float *m = MC_NEWN(x->k->arena, float, count);
  for (int64_t c = 0; c < count; c++) m[c] = mc_type_scale(t, c) / divisor;
  return kx_add_table(x, n, 0, m, count, MC_f32, scale_axis(x, t));
}

static bool multiplier_tables(kx *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type;
  int64_t count = scale_count(in);
  int32_t *mult = MC_NEWN(x->k->arena, int32_t, count),
          *shift = MC_NEWN(x->k->arena, int32_t, count);
  for (int64_t c = 0; c < count; c++)
    mc_fx_multiplier((double)mc_type_scale(in, c) / (double)n->out[0]->type->q.scale, &mult[c],
                     &shift[c]);
  return kx_add_table(x, n, 0, mult, count, MC_i32, scale_axis(x, in)) &&
         kx_add_table(x, n, 1, shift, count, MC_i32, scale_axis(x, in));
}

static bool prepare_requantize(kx *x, const mc_node *n) {
  if (MC_ATTRS(n, requantize)->rounding != mc_rounding_fp32_rne) return multiplier_tables(x, n);
  return float_table(x, n, n->in[0]->type, n->out[0]->type->q.scale);
}

static bool prepare_quantize(kx *x, const mc_node *n) {
  return float_table(x, n, n->out[0]->type, 1.0f);
}

static bool prepare_dequantize(kx *x, const mc_node *n) {
  return float_table(x, n, n->in[0]->type, 1.0f);
}

typedef V elem_fn(kx *x, const mc_node *n);
typedef bool prepare_fn(kx *x, const mc_node *n);

typedef struct elem_row {
  elem_fn *emit;
  prepare_fn *prepare;
} elem_row;

#define BINARY(op) [MC_OP_##op] = { e_binary, NULL }
#define UNARY(op) [MC_OP_##op] = { e_unary, NULL }
static const elem_row rows[MC_NUM_OPS] = {
  BINARY(add),
  BINARY(sub),
  BINARY(mul),
  BINARY(div),
  BINARY(min),
  BINARY(max),
  BINARY(pow),
  UNARY(neg),
  UNARY(abs),
  UNARY(exp),
  UNARY(log),
  UNARY(sqrt),
  UNARY(erf),
  UNARY(relu),
  UNARY(clamp),
  UNARY(leaky_relu),
  UNARY(elu),
  UNARY(sigmoid),
  UNARY(tanh),
  UNARY(gelu),
  UNARY(silu),
  UNARY(hard_sigmoid),
  UNARY(hard_swish),
  [MC_OP_batch_norm] = { e_batch_norm, NULL },
  [MC_OP_cast] = { e_cast, NULL },
  [MC_OP_quantize] = { e_quantize, prepare_quantize },
  [MC_OP_dequantize] = { e_dequantize, prepare_dequantize },
  [MC_OP_requantize] = { e_requantize, prepare_requantize },
};

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
  if (traits & MC_T_BINARY) return n->op != MC_OP_pow;
  return n->op == MC_OP_neg || n->op == MC_OP_abs;
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
