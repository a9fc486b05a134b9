/* Ops that change the element type: cast, quantize, dequantize, requantize, and the tables that
 * they read. */
#include "elem.h"
#include "mc/support/fixed.h"

/* f64 to f32 on its way to 16 bits: toward zero, and an odd last bit where something is lost, so
 * that the second rounding is as good as one. (Boldo and Melquiond, "Emulation of a FMA and
 * correctly rounded sums: proved algorithms using rounding to odd".) */
static kvalue f64_to_odd(kepilogue *x, kvalue a) {
  kbuilder *k = x->k;
  ktype f32 = type_of_lanes(k, k->f32, x->lanes), f64 = LLVMTypeOf(a),
        i32 = type_of_lanes(k, k->i32, x->lanes);
  kvalue near = LLVMBuildFPTrunc(k->b, a, f32, ""), back = LLVMBuildFPExt(k->b, near, f64, "");
  kvalue away = LLVMBuildFCmp(k->b, LLVMRealOGT, build_intrinsic1(k, "llvm.fabs", back),
                              build_intrinsic1(k, "llvm.fabs", a), "");
  kvalue lost = LLVMBuildFCmp(k->b, LLVMRealONE, back, a, "");
  kvalue bits = LLVMBuildSub(k->b, LLVMBuildBitCast(k->b, near, i32, ""),
                             LLVMBuildZExt(k->b, away, i32, ""), "");
  return LLVMBuildBitCast(k->b, LLVMBuildOr(k->b, bits, LLVMBuildZExt(k->b, lost, i32, ""), ""),
                          f32, "");
}

static kvalue real_to_real(kepilogue *x, kvalue a, mc_dtype from, mc_dtype to) {
  kbuilder *k = x->k;
  if ((from == MC_f64) == (to == MC_f64))
    return a; /* narrower results round where they are bound or stored */
  if (to == MC_f64)
    return LLVMBuildFPExt(k->b, a, type_of_lanes(k, LLVMDoubleTypeInContext(k->c), x->lanes), "");
  return to == MC_f32 ? LLVMBuildFPTrunc(k->b, a, type_of_lanes(k, k->f32, x->lanes), "")
                      : f64_to_odd(x, a);
}

kvalue mc_emit_cast(kepilogue *x, const mc_node *n) {
  kbuilder *k = x->k;
  mc_dtype from = n->in[0]->type->dtype, to = n->out[0]->type->dtype;
  kvalue a = epilogue_value(x, n->in[0]);
  bool from_real = mc_dtype_is_float(from), to_real = mc_dtype_is_float(to);
  if (from == to) return a;
  if (from_real && to_real) return real_to_real(x, a, from, to);
  if (to == MC_bool) {
    kvalue zero = LLVMConstNull(LLVMTypeOf(a));
    kvalue m = from_real ? LLVMBuildFCmp(k->b, LLVMRealUNE, a, zero, "")
                         : LLVMBuildICmp(k->b, LLVMIntNE, a, zero, "");
    return LLVMBuildZExt(k->b, m, type_of_lanes(k, k->i32, x->lanes), "");
  }
  if (to_real)
    return LLVMBuildSIToFP(
        k->b, a, type_of_lanes(k, to == MC_f64 ? LLVMDoubleTypeInContext(k->c) : k->f32, x->lanes),
        "");
  ktype want = type_of_lanes(k, to == MC_i64 ? k->i64 : k->i32, x->lanes);
  if (from_real) {
    ktype mem = type_of_lanes(k, memory_type(k, to), x->lanes), ov[2] = { mem, LLVMTypeOf(a) };
    kvalue r = build_intrinsic(k, to == MC_u8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat", ov, 2, &a,
                               1); /* gives 0 for a NaN; the definition says the lowest value */
    unsigned bits = LLVMGetIntTypeWidth(memory_type(k, to));
    kvalue low =
        to == MC_u8
            ? LLVMConstNull(mem)
            : build_splat_const(LLVMConstInt(memory_type(k, to), 1ull << (bits - 1), 0), x->lanes);
    return memory_widen(k, build_select(k, LLVMBuildFCmp(k->b, LLVMRealORD, a, a, ""), r, low), to);
  }
  if (LLVMTypeOf(a) != want)
    a = to == MC_i64 ? build_ext(k, a, k->i64, true) : build_trunc(k, a, k->i32);
  if (to == MC_i64 || to == MC_i32) return a;
  return memory_widen(k, build_trunc(k, a, memory_type(k, to)),
                      to); /* integer to narrower integer: modulo */
}

bool mc_prepare_cast(kepilogue *x, const mc_node *n) {
  (void)x, (void)n; /* reads no table */
  return true;
}

kvalue mc_emit_quantize(kepilogue *x, const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  if (t->q.kind != MC_Q_AXIS)
    return (x->raw ? vec_quantize_raw : vec_quantize)(x->k, epilogue_value(x, n->in[0]), t->q.scale,
                                                      zero_point_of(t), t->dtype);
  return elem_quantize(
      x, LLVMBuildFDiv(x->k->b, epilogue_value(x, n->in[0]), epilogue_param(x, n, 0), ""), t);
}

kvalue mc_emit_dequantize(kepilogue *x, const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  kvalue s = t->q.kind == MC_Q_AXIS ? epilogue_param(x, n, 0) : elem_f32s(x, t->q.scale);
  return elem_mul(x, elem_real_steps(x, n->in[0]), s);
}

kvalue mc_emit_requantize(kepilogue *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  int rounding = MC_ATTRS(n, requantize)->rounding;
  if (rounding == mc_rounding_fp32_rne) {
    kvalue m = in->q.kind == MC_Q_AXIS ? epilogue_param(x, n, 0)
                                       : elem_f32s(x, in->q.scale / out->q.scale);
    return elem_quantize(x, elem_mul(x, elem_real_steps(x, n->in[0]), m), out);
  }
  kvalue q = elem_minus_zero(x, n->in[0]), mult = epilogue_param(x, n, 0),
         shift = epilogue_param(x, n, 1);
  int32_t z = zero_point_of(out);
  return rounding == mc_rounding_single ? vec_requant_single(x->k, q, mult, shift, z, out->dtype)
                                        : vec_requant_double(x->k, q, mult, shift, z, out->dtype);
}

/* ---- what an op needs before the loops ---- */
/* The axis of the iteration space that the scales run along (numpy alignment); -1: one scale. */
static int scale_axis(const kepilogue *x, const mc_type *t) {
  return t->q.kind == MC_Q_AXIS ? t->q.axis + x->rank - t->rank : -1;
}

static bool float_table(kepilogue *x, const mc_node *n, const mc_type *t, float divisor) {
  if (t->q.kind != MC_Q_AXIS) return true;
  int64_t count = elem_scale_count(t);
  float *m = MC_NEWN(x->k->arena, float, count);
  for (int64_t c = 0; c < count; c++) m[c] = mc_type_scale(t, c) / divisor;
  return epilogue_add_table(x, n, 0, m, count, MC_f32, scale_axis(x, t));
}

static bool multiplier_tables(kepilogue *x, const mc_node *n) {
  const mc_type *in = n->in[0]->type;
  int64_t count = elem_scale_count(in);
  int32_t *mult = MC_NEWN(x->k->arena, int32_t, count),
          *shift = MC_NEWN(x->k->arena, int32_t, count);
  for (int64_t c = 0; c < count; c++)
    mc_fx_multiplier((double)mc_type_scale(in, c) / (double)n->out[0]->type->q.scale, &mult[c],
                     &shift[c]);
  return epilogue_add_table(x, n, 0, mult, count, MC_i32, scale_axis(x, in)) &&
         epilogue_add_table(x, n, 1, shift, count, MC_i32, scale_axis(x, in));
}

bool mc_prepare_requantize(kepilogue *x, const mc_node *n) {
  if (MC_ATTRS(n, requantize)->rounding != mc_rounding_fp32_rne) return multiplier_tables(x, n);
  return float_table(x, n, n->in[0]->type, n->out[0]->type->q.scale);
}

bool mc_prepare_quantize(kepilogue *x, const mc_node *n) {
  return float_table(x, n, n->out[0]->type, 1.0f);
}

bool mc_prepare_dequantize(kepilogue *x, const mc_node *n) {
  return float_table(x, n, n->in[0]->type, 1.0f);
}
