/* Ops that change the element type: cast, quantize, dequantize, requantize, and the tables that
 * they read. */
#include "elem.h"
#include "mc/support/fixed.h"

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

V mc_emit_cast(kx *x, const mc_node *n) {
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

bool mc_prepare_cast(kx *x, const mc_node *n) {
  (void)x, (void)n; /* reads no table */
  return true;
}

V mc_emit_quantize(kx *x, const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  if (t->q.kind != MC_Q_AXIS)
    return (x->raw ? kv_quantize_raw : kv_quantize)(x->k, kx_value(x, n->in[0]), t->q.scale,
                                                    kl_zero_point(t), t->dtype);
  return kx_quant(x, LLVMBuildFDiv(x->k->b, kx_value(x, n->in[0]), kx_param(x, n, 0), ""), t);
}

V mc_emit_dequantize(kx *x, const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  V s = t->q.kind == MC_Q_AXIS ? kx_param(x, n, 0) : kx_f32s(x, t->q.scale);
  return kx_mulf(x, kx_real_steps(x, n->in[0]), s);
}

V mc_emit_requantize(kx *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  int rounding = MC_ATTRS(n, requantize)->rounding;
  if (rounding == mc_rounding_fp32_rne) {
    V m = in->q.kind == MC_Q_AXIS ? kx_param(x, n, 0) : kx_f32s(x, in->q.scale / out->q.scale);
    return kx_quant(x, kx_mulf(x, kx_real_steps(x, n->in[0]), m), out);
  }
  V q = kx_minus_zero(x, n->in[0]), mult = kx_param(x, n, 0), shift = kx_param(x, n, 1);
  int32_t z = kl_zero_point(out);
  return rounding == mc_rounding_single ? kv_requant_single(x->k, q, mult, shift, z, out->dtype)
                                        : kv_requant_double(x->k, q, mult, shift, z, out->dtype);
}

/* ---- what an op needs before the loops ---- */
/* The axis of the iteration space that the scales run along (numpy alignment); -1: one scale. */
static int scale_axis(const kx *x, const mc_type *t) {
  return t->q.kind == MC_Q_AXIS ? t->q.axis + x->rank - t->rank : -1;
}

static bool float_table(kx *x, const mc_node *n, const mc_type *t, float divisor) {
  if (t->q.kind != MC_Q_AXIS) return true;
  int64_t count = kx_scale_count(t);
  float *m = MC_NEWN(x->k->arena, float, count);
  for (int64_t c = 0; c < count; c++) m[c] = mc_type_scale(t, c) / divisor;
  return kx_add_table(x, n, 0, m, count, MC_f32, scale_axis(x, t));
}

static bool multiplier_tables(kx *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type;
  int64_t count = kx_scale_count(in);
  int32_t *mult = MC_NEWN(x->k->arena, int32_t, count),
          *shift = MC_NEWN(x->k->arena, int32_t, count);
  for (int64_t c = 0; c < count; c++)
    mc_fx_multiplier((double)mc_type_scale(in, c) / (double)n->out[0]->type->q.scale, &mult[c],
                     &shift[c]);
  return kx_add_table(x, n, 0, mult, count, MC_i32, scale_axis(x, in)) &&
         kx_add_table(x, n, 1, shift, count, MC_i32, scale_axis(x, in));
}

bool mc_prepare_requantize(kx *x, const mc_node *n) {
  if (MC_ATTRS(n, requantize)->rounding != mc_rounding_fp32_rne) return multiplier_tables(x, n);
  return float_table(x, n, n->in[0]->type, n->out[0]->type->q.scale);
}

bool mc_prepare_quantize(kx *x, const mc_node *n) {
  return float_table(x, n, n->out[0]->type, 1.0f);
}

bool mc_prepare_dequantize(kx *x, const mc_node *n) {
  return float_table(x, n, n->in[0]->type, 1.0f);
}
