/* Elementwise ops of two operands, numpy broadcasting. */
#include "eval.h"

typedef struct scales {
  float a, b;
} scales; /* multipliers of the quantized forms */

/* ---- fp32 ---- */

float mc_real_add(float a, float b) { return a + b; }

float mc_real_sub(float a, float b) { return a - b; }

float mc_real_mul(float a, float b) { return a * b; }

float mc_real_div(float a, float b) { return a / b; }

float mc_real_min(float a, float b) { return a < b ? a : b; }

float mc_real_max(float a, float b) { return a > b ? a : b; }

float mc_real_pow(float a, float b) { return mc_fm_pow(a, b); }

/* ---- whole numbers, which wrap ---- */

int64_t mc_whole_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

int64_t mc_whole_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

int64_t mc_whole_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* The one overflow of division wraps too. */
int64_t mc_whole_div(int64_t a, int64_t b) { return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b; }

int64_t mc_whole_min(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t mc_whole_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- the forms, the same for all ---- */

static const struct functions {
  float (*real)(float a, float b);
  int64_t (*whole)(int64_t a, int64_t b); /* NULL: no form on i32 and i64 */
} functions[MC_NUM_OPS] = {

#define MC_BINARY(id, ints) [MC_OP_##id] = { mc_real_##id, WHOLE_##ints(id) },
#define WHOLE_INTS(id) mc_whole_##id
#define WHOLE_0(id) NULL
#include "mc/ir/ops.def"
};

/* Real result in units of the result's scale; a and b are q - z. */
static float quant_of(mc_opcode op, int32_t a, int32_t b, scales m) {
  if (mc_op_has(op, MC_T_QPROD)) return (float)(a * b) * m.a;
  return functions[op].real((float)a * m.a, (float)b * m.b);
}

static scales scales_of(const mc_eval_cx *cx) {
  float sa = cx->in[0].type->q.scale, sb = cx->in[1].type->q.scale, sy = cx->out[0].type->q.scale;
  if (mc_op_has(cx->node->op, MC_T_QPROD)) return (scales){ (sa * sb) / sy, 0 };
  return (scales){ sa / sy, sb / sy };
}

typedef enum form { REAL, QUANT, INDEX, NONE } form;

static form form_of(const mc_eval_cx *cx) {
  const mc_array *a = &cx->in[0], *b = &cx->in[1], *y = &cx->out[0];
  mc_opcode op = cx->node->op;
  if (mc_is_f32(a) && mc_is_f32(b) && mc_is_f32(y)) return REAL;
  if (mc_is_act(a) && mc_is_act(b) && mc_is_act(y)) return mc_op_has(op, MC_T_QFORM) ? QUANT : NONE;
  bool index = mc_is_index(a) && mc_is_index(b) && a->type->dtype == b->type->dtype &&
               a->type->dtype == y->type->dtype;
  return index && functions[op].whole ? INDEX : NONE;
}

static bool one(mc_eval_cx *cx, form f, scales m, const float *clamp, int64_t i, int64_t ia,
                int64_t ib) {
  mc_array *y = &cx->out[0];
  mc_opcode op = cx->node->op;
  if (f == REAL) {
    float v = functions[op].real(mc_f32_of(&cx->in[0])[ia], mc_f32_of(&cx->in[1])[ib]);
    ((float *)y->data)[i] = mc_clamped(v, clamp);
  } else if (f == QUANT) {
    mc_put_q(y, i, quant_of(op, mc_centered(&cx->in[0], ia), mc_centered(&cx->in[1], ib), m));
  } else {
    int64_t a = mc_int_at(&cx->in[0], ia), b = mc_int_at(&cx->in[1], ib);
    if (op == MC_OP_div && b == 0) return mc_error(cx->diag, cx->node->loc, "division by zero");
    mc_int_put(y, i, functions[op].whole(a, b));
  }
  return true;
}

static bool binary(mc_eval_cx *cx) {
  static const float open[2] = { -INFINITY, INFINITY };
  const mc_type *t = cx->out[0].type;
  form f = form_of(cx);
  if (f == NONE) return mc_eval_no_form(cx);
  scales m = f == QUANT ? scales_of(cx) : (scales){ 0, 0 };
  const float *clamp = cx->node->op == MC_OP_add ? MC_ATTRS(cx->node, add)->clamp : open;
  int64_t sa[MC_MAX_RANK], sb[MC_MAX_RANK], at[MC_MAX_RANK] = { 0 }, ia = 0, ib = 0;
  mc_broadcast_strides(cx->in[0].type, t, sa);
  mc_broadcast_strides(cx->in[1].type, t, sb);
  for (int64_t i = 0, n = mc_type_elems(t); i < n; i++) {
    if (!one(cx, f, m, clamp, i, ia, ib)) return false;
    for (int k = t->rank - 1; k >= 0; k--) {
      ia += sa[k];
      ib += sb[k];
      if (++at[k] < t->dim[k]) break;
      ia -= sa[k] * at[k];
      ib -= sb[k] * at[k];
      at[k] = 0;
    }
  }
  return true;
}

#define MC_BINARY(id, ints)                                                                        \
  bool mc_eval_##id(mc_eval_cx *cx) { return binary(cx); }
#include "mc/ir/ops.def"
