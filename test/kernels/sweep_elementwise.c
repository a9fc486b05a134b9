/* Elementwise ops: every op, sizes 1 to 40, broadcasting, quantized forms, element types. */
#include "sweep.h"

static const mc_opcode unary[] = {
#define MC_UNARY(id) MC_OP_##id,
#include "mc/ir/ops.def"
};
static const mc_opcode binary[] = {
#define MC_BINARY(id, ints) MC_OP_##id,
#include "mc/ir/ops.def"
};

enum { NU = sizeof unary / sizeof *unary, NB = sizeof binary / sizeof *binary };

static void real_ops(void) {
  for (int i = 0; i < NU; i++) {
    tcase *t = sweep_begin("map f32 %s", mc_ops[unary[i]].text);
    if (!t) continue;
    for (int64_t n = 1; n <= 64; n = n * 2 + i % 3 + 1)
      result(t, op1(t, unary[i], in_f32(t, 2, DIMS(3, n)), NULL));
    sweep_end(t);
  }
  for (int i = 0; i < NB; i++) {
    tcase *t = sweep_begin("map f32 %s", mc_ops[binary[i]].text);
    if (!t) continue;
    mc_value *a = in_f32(t, 4, DIMS(2, 3, 5, 19));
    result(t, op2(t, binary[i], a, in_f32(t, 4, DIMS(2, 3, 5, 19)), NULL));
    result(t, op2(t, binary[i], a, in_f32(t, 1, DIMS(19)), NULL));
    result(t, op2(t, binary[i], in_f32(t, 4, DIMS(2, 1, 5, 1)), a, NULL));
    result(t, op2(t, binary[i], a, const_f32(t, -2, 2, 3, DIMS(3, 1, 19)), NULL));
    result(t, op2(t, binary[i], in_f32(t, 2, DIMS(7, 1)), in_f32(t, 2, DIMS(1, 9)), NULL));
    sweep_end(t);
  }
  tcase *t = sweep_begin("map f32 gelu tanh and short, clamp, batch_norm, chain");
  if (!t) return;
  mc_attrs_gelu ga;
  mc_attrs_clamp ca;
  mc_attrs_init(MC_OP_gelu, &ga, t->a);
  mc_attrs_init(MC_OP_clamp, &ca, t->a);
  ga.approximate = mc_approx_tanh;
  ca.low = -0.25f;
  ca.high = 0.5f;
  mc_value *x = in_f32(t, 3, DIMS(4, 5, 21)), *c = op1(t, MC_OP_clamp, x, &ca);
  result(t, op1(t, MC_OP_gelu, x, &ga));
  ga.approximate = mc_approx_short;
  result(t, op1(t, MC_OP_gelu, x, &ga));
  result(t, op1(t, MC_OP_exp, op2(t, MC_OP_mul, c, op1(t, MC_OP_sigmoid, x, NULL), NULL), NULL));
  mc_value *bn[5] = { x };
  for (int i = 1; i < 5; i++) bn[i] = const_f32(t, 0.5f, 2, 1, DIMS(21));
  result(t, mc_build1(&t->b, MC_OP_batch_norm, bn, 5, NULL));
  sweep_end(t);
}

/* Operands and results stored in 16 bits, alone and mixed with fp32; a value that is stored and
 * read again in the same group. */
static void short_ops(void) {
  for (int i = 0; i < NU; i++) {
    tcase *t = sweep_begin("map bf16 %s", mc_ops[unary[i]].text);
    if (!t) continue;
    for (int64_t n = 1; n <= 64; n = n * 2 + i % 3 + 1) {
      result(t, op1(t, unary[i], in_real(t, MC_bf16, 2, DIMS(3, n)), NULL));
      result(t, op1_as(t, unary[i], in_f32(t, 2, DIMS(3, n)), NULL, MC_bf16));
    }
    sweep_end(t);
  }
  for (int i = 0; i < NB; i++) {
    tcase *t = sweep_begin("map bf16 %s", mc_ops[binary[i]].text);
    if (!t) continue;
    mc_value *a = in_real(t, MC_bf16, 4, DIMS(2, 3, 5, 19)), *f = in_f32(t, 1, DIMS(19));
    result(t, op2(t, binary[i], a, in_real(t, MC_bf16, 4, DIMS(2, 3, 5, 19)), NULL));
    result(t, op2_as(t, binary[i], a, f, NULL, MC_bf16));
    result(t, op2(t, binary[i], f, a, NULL));
    result(t,
           op2_as(t, binary[i], in_f32(t, 2, DIMS(7, 1)), in_f32(t, 2, DIMS(1, 9)), NULL, MC_bf16));
    mc_value *r = op2(t, binary[i], a, in_real(t, MC_bf16, 1, DIMS(19)), NULL);
    result(t, r);
    result(t, op2_as(t, MC_OP_add, r, op1(t, MC_OP_relu, r, NULL), NULL, MC_f32));
    sweep_end(t);
  }
}

static void quantized_ops(void) {
  static const mc_dtype dts[] = { MC_u8, MC_i8 };
  for (int i = 0; i < NB; i++) {
    if (!mc_op_has(binary[i], MC_T_QFORM)) continue;
    tcase *t = sweep_begin("map int8 %s", mc_ops[binary[i]].text);
    if (!t) continue;
    for (int v = 0; v < 4; v++) {
      mc_value *a =
                   in_q(t, dts[v & 1], 0.03f, v * 11 - 5 + (v & 1 ? 0 : 40), 3, DIMS(3, 4, 17 + v)),
               *b = in_q(t, dts[v >> 1], 0.011f, v >> 1 ? -100 : 100, v & 1 ? 1 : 3,
                         v & 1 ? DIMS(17 + v) : DIMS(3, 4, 17 + v));
      result(t, op2_q(t, binary[i], a, b, dts[(v + i) & 1], 0.02f, 3 * v));
    }
    sweep_end(t);
  }
  for (int i = 0; i < NU; i++) {
    tcase *t = sweep_begin("map int8 %s", mc_ops[unary[i]].text);
    if (!t) continue;
    for (int v = 0; v < 4; v++)
      result(t, as_q(t, unary[i], in_q(t, dts[v & 1], 0.03f, 10, 2, DIMS(30, 9)), NULL, dts[v >> 1],
                     0.02f, v));
    sweep_end(t);
  }
}

/* There, and from there to f32. */
static void cast_pairs(int64_t n, bool doubles) {
  static const mc_dtype pair[2][6][2] = {
    { { MC_f32, MC_bf16 },
      { MC_bf16, MC_f32 },
      { MC_f32, MC_f16 },
      { MC_f16, MC_f32 },
      { MC_f16, MC_bf16 },
      { MC_bf16, MC_f16 } },
    { { MC_f64, MC_f32 },
      { MC_f32, MC_f64 },
      { MC_f64, MC_f16 },
      { MC_f64, MC_bf16 },
      { MC_f16, MC_f64 },
      { MC_i64, MC_f64 } },
  };
  tcase *t = sweep_begin(doubles ? "map cast f64 %d" : "map cast %d", (int)n);
  if (!t) return;
  for (int i = 0; i < 6; i++) {
    mc_value *y = op1_as(t, MC_OP_cast, in_int(t, pair[doubles][i][0], 2, DIMS(3, n)), NULL,
                         pair[doubles][i][1]);
    result(t, y);
    result(t, op1_as(t, MC_OP_cast, y, NULL, MC_f32));
  }
  sweep_end(t);
}

static void conversions(void) {
  static const mc_dtype from[] = { MC_f32, MC_i8,   MC_u8,   MC_i16, MC_i32,
                                   MC_i64, MC_bool, MC_bf16, MC_f16, MC_f64 };

  enum { NF = sizeof from / sizeof *from };

  for (int i = 0; i < NF; i++) {
    tcase *t = sweep_begin("map cast from %s", mc_dtype_names[from[i]]);
    if (!t) continue;
    mc_value *x = in_int(t, from[i], 2, DIMS(9, 21));
    int64_t one = 1;
    for (int k = 0; k < NF; k++)
      result(t, mc_build1_as(&t->b, MC_OP_cast, &x, 1, NULL, mc_type_make(t->m, from[k], 1, &one)));
    sweep_end(t);
  }
  for (int64_t n = 1; n <= 40; n += 1 + n / 8) {
    cast_pairs(n, false);
    cast_pairs(n, true);
  }
  tcase *t = sweep_begin("map quantize, dequantize, requantize");
  if (t) {
    mc_value *x = in_f32(t, 2, DIMS(15, 27)), *u = in_q(t, MC_u8, 0.1f, 3, 2, DIMS(15, 27));
    result(t, as_q(t, MC_OP_quantize, x, NULL, MC_u8, 0.007f, 128));
    result(t, as_q(t, MC_OP_quantize, x, NULL, MC_i8, 0.007f, -128));
    result(t, as_q(t, MC_OP_quantize, x, NULL, MC_i32, 1e-7f, 0));
    result(t, op1(t, MC_OP_dequantize, u, NULL));
    mc_attrs_requantize at;
    mc_attrs_init(MC_OP_requantize, &at, t->a);
    for (int r = 0; r < 3; r++) {
      at.rounding = r;
      result(t, as_q(t, MC_OP_requantize, u, &at, MC_i8, 0.13f, 5));
    }
    sweep_end(t);
  }
  static const mc_opcode ops[] = { MC_OP_add, MC_OP_sub, MC_OP_mul, MC_OP_min, MC_OP_max };
  t = sweep_begin("map index arithmetic");
  if (!t) return;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 5; i++)
      result(t, op2(t, ops[i], in_int(t, k ? MC_i64 : MC_i32, 1, DIMS(21)),
                    in_int(t, k ? MC_i64 : MC_i32, 1, DIMS(1)), NULL));
  sweep_end(t);
}

void sweep_elementwise(void) {
  real_ops();
  short_ops();
  quantized_ops();
  conversions();
}
