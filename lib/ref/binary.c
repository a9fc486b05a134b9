/* Elementwise ops of two operands, numpy broadcasting. */
#include "eval.h"

typedef struct scales {
  float a, b;
} scales; /* multipliers of the quantized forms */

static float real_of(mc_opcode op, float a, float b) {
  switch (op) {
  case MC_OP_add: return a + b;
  case MC_OP_sub: return a - b;
  case MC_OP_mul: return a * b;
  case MC_OP_div: return a / b;
  case MC_OP_min: return a < b ? a : b;
  case MC_OP_max: return a > b ? a : b;
  case MC_OP_pow: return mc_fm_pow(a, b);
  default: return NAN; /* not a binary op */
  }
}

/* Integers wrap. Division by zero was reported before; the one overflow of division wraps too. */
static int64_t index_of(mc_opcode op, int64_t a, int64_t b) {
  switch (op) {
  case MC_OP_add: return (int64_t)((uint64_t)a + (uint64_t)b);
  case MC_OP_sub: return (int64_t)((uint64_t)a - (uint64_t)b);
  case MC_OP_mul: return (int64_t)((uint64_t)a * (uint64_t)b);
  case MC_OP_div: return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
  case MC_OP_min: return a < b ? a : b;
  case MC_OP_max: return a > b ? a : b;
  default: return 0;
  }
}

/* Real result in units of the result's scale; a and b are q - z. */
static float quant_of(mc_opcode op, int32_t a, int32_t b, scales m) {
  if (op == MC_OP_mul) return (float)(a * b) * m.a;
  return real_of(op, (float)a * m.a, (float)b * m.b);
}

static scales scales_of(const mc_eval_cx *cx) {
  float sa = cx->in[0].type->q.scale, sb = cx->in[1].type->q.scale, sy = cx->out[0].type->q.scale;
  if (cx->node->op == MC_OP_mul) return (scales){ (sa * sb) / sy, 0 };
  return (scales){ sa / sy, sb / sy };
}

typedef enum form { REAL, QUANT, INDEX, NONE } form;

static form form_of(const mc_eval_cx *cx) {
  const mc_array *a = &cx->in[0], *b = &cx->in[1], *y = &cx->out[0];
  mc_opcode op = cx->node->op;
  if (mc_is_f32(a) && mc_is_f32(b) && mc_is_f32(y)) return REAL;
  if (mc_is_act(a) && mc_is_act(b) && mc_is_act(y))
    return op == MC_OP_div || op == MC_OP_pow ? NONE : QUANT;
  bool index = mc_is_index(a) && mc_is_index(b) && a->type->dtype == b->type->dtype &&
               a->type->dtype == y->type->dtype;
  return index && op != MC_OP_pow ? INDEX : NONE;
}

static bool one(mc_eval_cx *cx, form f, scales m, const float *clamp, int64_t i, int64_t ia,
                int64_t ib) {
  mc_array *y = &cx->out[0];
  mc_opcode op = cx->node->op;
  if (f == REAL) {
    float v = real_of(op, mc_f32_of(&cx->in[0])[ia], mc_f32_of(&cx->in[1])[ib]);
    ((float *)y->data)[i] = mc_clamped(v, clamp);
  } else if (f == QUANT) {
    mc_put_q(y, i, quant_of(op, mc_centered(&cx->in[0], ia), mc_centered(&cx->in[1], ib), m));
  } else {
    int64_t a = mc_int_at(&cx->in[0], ia), b = mc_int_at(&cx->in[1], ib);
    if (op == MC_OP_div && b == 0) return mc_error(cx->diag, cx->node->loc, "division by zero");
    mc_int_put(y, i, index_of(op, a, b));
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

bool mc_eval_add(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_sub(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_mul(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_div(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_min(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_max(mc_eval_cx *cx) { return binary(cx); }

bool mc_eval_pow(mc_eval_cx *cx) { return binary(cx); }
