/* Two operands with numpy broadcasting: arithmetic, comparisons, logic; and the sums of any number
 * of operands.
 *
 * Truth values are f32 0 and 1 in the graph: comparisons are differences clamped to [0, 1] (reals:
 * op_select.c). On constants everything is computed here when there are few elements. */
#include "imp.h"
#include <math.h>
#include <string.h>

/* Codes beyond the language's ops. */
enum { MOD = MC_NUM_OPS, EQUAL, LESS, GREATER, LESS_EQUAL, GREATER_EQUAL, AND, OR, XOR };

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static mc_value *with(node *n, mc_opcode op, mc_value *a, double c) {
  return op2(n, op, a, mc_onnx_scalar_like(n, a, c));
}

static mc_value *from(node *n, mc_opcode op, double c, mc_value *a) {
  return op2(n, op, mc_onnx_scalar_like(n, a, c), a);
}

/* ---- on constants ---- */
static int64_t int_pow(int64_t a, int64_t b) {
  uint64_t r = 1, x = (uint64_t)a;
  for (uint64_t e = (uint64_t)b; b > 0 && e; e >>= 1, x *= x)
    if (e & 1) r *= x;
  return b < 0 ? (a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0) : (int64_t)r;
}

/* Two's complement, division toward zero, MIN / -1 = MIN; by zero: *ok false. */
static int64_t int_op(int op, int64_t a, int64_t b, bool fmod_sign, bool *ok) {
  switch (op) {
  case MC_OP_add: return (int64_t)((uint64_t)a + (uint64_t)b);
  case MC_OP_sub: return (int64_t)((uint64_t)a - (uint64_t)b);
  case MC_OP_mul: return (int64_t)((uint64_t)a * (uint64_t)b);
  case MC_OP_min: return a < b ? a : b;
  case MC_OP_max: return a > b ? a : b;
  case MC_OP_pow: return int_pow(a, b);
  case MC_OP_div:
  case MOD: break;
  case EQUAL: return a == b;
  case LESS: return a < b;
  case GREATER: return a > b;
  case LESS_EQUAL: return a <= b;
  case GREATER_EQUAL: return a >= b;
  case AND: return a && b;
  case OR: return a || b;
  default: return !a != !b;
  }
  if (!b) return *ok = false;
  if (b == -1) return op == MOD ? 0 : (int64_t)(0 - (uint64_t)a);
  if (op == MC_OP_div) return a / b;
  int64_t r = a % b;
  return r && !fmod_sign && (r < 0) != (b < 0) ? r + b : r;
}

static float real_op(int op, float a, float b, bool *ok) {
  switch (op) {
  case MC_OP_add: return a + b;
  case MC_OP_sub: return a - b;
  case MC_OP_mul: return a * b;
  case MC_OP_div: return a / b;
  case MC_OP_min: return a < b ? a : b;
  case MC_OP_max: return a > b ? a : b;
  case MOD: return fmodf(a, b);
  case EQUAL: return (float)(a == b);
  case LESS: return (float)(a < b);
  case GREATER: return (float)(a > b);
  case LESS_EQUAL: return (float)(a <= b);
  case GREATER_EQUAL: return (float)(a >= b);
  default: *ok = false; return 0;
  }
}

int64_t mc_konst_at(const konst *k, int rank, const int64_t *dim, int64_t flat) {
  int64_t idx = 0, stride = 1;
  for (int i = rank - 1, j = k->rank - 1; j >= 0; i--, j--) {
    int64_t p = flat % dim[i];
    flat /= dim[i];
    if (k->dim[j] != 1) idx += p * stride;
    stride *= k->dim[j];
  }
  return idx;
}

/* Both known and small: computed. *done says whether; the return value whether without an error. */
static bool fold(node *n, int op, const val *a, const val *b, val *out, bool *folded) {
  int rank;
  int64_t dim[MC_MAX_RANK];
  *folded = false;
  if (!a->k || !b->k) return true;
  if (!mc_onnx_broadcast(n, a->rank, a->dim, b->rank, b->dim, &rank, dim)) return false;
  double total = 1;
  for (int i = 0; i < rank; i++) total *= (double)dim[i];
  bool real = mc_onnx_is_real(a->etype), ok = true;
  if (total > (double)ONNX_MAX_ARITH || (real && op == MC_OP_pow)) return true;
  konst *r = mc_konst_new(n, op >= EQUAL ? ONNX_BOOL : a->etype, rank, dim);
  if (!r) return false;
  bool fmod_sign = op == MOD && mc_onnx_attr_i(n, "fmod", 0);
  for (int64_t i = 0; i < r->n; i++) {
    int64_t ia = mc_konst_at(a->k, rank, dim, i), ib = mc_konst_at(b->k, rank, dim, i);
    if (real)
      mc_konst_set_f32(r, i, real_op(op, mc_konst_f32(a->k, ia), mc_konst_f32(b->k, ib), &ok));
    else
      mc_konst_set_int(r, i,
                       int_op(op, mc_konst_int(a->k, ia), mc_konst_int(b->k, ib), fmod_sign, &ok));
  }
  if (!ok)
    return mc_onnx_error(n, "%s: %s", n->row->op,
                         real ? "not defined on reals" : "division of a constant by zero");
  *folded = true;
  *out = (val){ .etype = r->etype, .rank = rank, .k = r };
  memcpy(out->dim, r->dim, sizeof out->dim);
  return true;
}

/* ---- in the graph ---- */
/* Integer a < b as f32 0 and 1: clamp(b - a, 0, 1). Differences of values that span all of 64 bits
 * are out of the question in a network. */
static mc_value *less(node *n, mc_value *a, mc_value *b) {
  return mc_onnx_as(n, MC_OP_cast,
                    with(n, MC_OP_min, with(n, MC_OP_max, op2(n, MC_OP_sub, b, a), 0), 1), MC_f32);
}

static mc_value *unequal(node *n, mc_value *a, mc_value *b) {
  mc_value *d = op2(n, MC_OP_sub, a, b);
  mc_value *size = op2(n, MC_OP_max, d, d ? from(n, MC_OP_sub, 0, d) : NULL);
  return mc_onnx_as(n, MC_OP_cast, with(n, MC_OP_min, size, 1), MC_f32);
}

static mc_value *logic(node *n, int op, mc_value *a, mc_value *b) {
  if (op == AND) return op2(n, MC_OP_mul, a, b);
  if (op == OR) return op2(n, MC_OP_max, a, b);
  mc_value *d = mc_onnx_op1(n, MC_OP_abs, op2(n, MC_OP_sub, a, b), NULL);
  return op == XOR ? d : from(n, MC_OP_sub, 1, d);
}

/* a < b and a != b, as f32 0 and 1, for one kind of operands. */
static mc_value *less_any(node *n, bool real, mc_value *a, mc_value *b) {
  return real ? mc_onnx_positive(n, mc_onnx_difference(n, b, a)) : less(n, a, b);
}

static mc_value *unequal_any(node *n, bool real, mc_value *a, mc_value *b) {
  return real ? mc_onnx_nonzero(n, mc_onnx_difference(n, a, b)) : unequal(n, a, b);
}

static mc_value *compare(node *n, int op, const val *x, mc_value *a, mc_value *b) {
  if (x->etype == ONNX_BOOL && (op >= AND || op == EQUAL)) return logic(n, op, a, b);
  if (x->etype == ONNX_BOOL || op >= AND)
    return mc_onnx_error(n, "%s: of elements of type %s", n->row->op, mc_onnx_etype_name(x->etype)),
           NULL;
  bool real = mc_onnx_is_real(x->etype);
  if (!real && a && a->type->dtype != MC_i64 && a->type->dtype != MC_i32)
    a = mc_onnx_as(n, MC_OP_cast, a, MC_i32), b = mc_onnx_as(n, MC_OP_cast, b, MC_i32);
  switch (op) {
  case EQUAL: return from(n, MC_OP_sub, 1, unequal_any(n, real, a, b));
  case LESS: return less_any(n, real, a, b);
  case GREATER: return less_any(n, real, b, a);
  case LESS_EQUAL: return from(n, MC_OP_sub, 1, less_any(n, real, b, a));
  default: return from(n, MC_OP_sub, 1, less_any(n, real, a, b));
  }
}

static bool two(node *n, int op, val *a, val *b, val *out) {
  bool folded;
  if (!fold(n, op, a, b, out, &folded)) return false;
  if (folded) return true;
  if (op == MOD)
    return mc_onnx_error(n, "Mod: supported on values that are known while importing only");
  if (a->etype != b->etype && op != MC_OP_pow)
    return mc_onnx_error(n, "%s: operands of types %s and %s", n->row->op,
                         mc_onnx_etype_name(a->etype), mc_onnx_etype_name(b->etype));
  mc_value *x = mc_onnx_value(n, a), *y = mc_onnx_value(n, b), *r;
  if (x && y && op == MC_OP_pow) y = mc_onnx_as(n, MC_OP_cast, y, x->type->dtype);
  if (!x || !y) return false;
  r = op >= EQUAL ? compare(n, op, a, x, y) : op2(n, (mc_opcode)op, x, y);
  if (!r) return false;
  *out = (val){ .etype = op >= EQUAL ? ONNX_BOOL : a->etype, .rank = r->type->rank, .v = r };
  memcpy(out->dim, r->type->dim, sizeof out->dim);
  return true;
}

bool mc_onnx_binary(node *n, int arg) {
  val out, second;
  if (!mc_onnx_second(n, &second) || !two(n, arg, n->in[0], &second, &out)) return false;
  mc_onnx_give_val(n, 0, &out);
  return true;
}

bool mc_onnx_mod(node *n, int arg) { return mc_onnx_binary(n, MOD + arg); }

/* arg: 0 Equal, 1 Less, 2 Greater, 3 LessOrEqual, 4 GreaterOrEqual, 5 And, 6 Or, 7 Xor */
bool mc_onnx_compare(node *n, int arg) { return mc_onnx_binary(n, EQUAL + arg); }

/* Sum, Min, Max, Mean of any number of operands, from the left. */
bool mc_onnx_variadic(node *n, int arg) {
  for (int i = 0; i < n->nin; i++)
    if (!n->in[i]) return mc_onnx_error(n, "%s: operand %d is left out", n->row->op, i);
  val acc = *n->in[0];
  for (int i = 1; i < n->nin; i++) {
    val out;
    if (!two(n, arg, &acc, n->in[i], &out)) return false;
    acc = out;
  }
  mc_onnx_give_val(n, 0, &acc);
  return true;
}

bool mc_onnx_mean(node *n, int arg) {
  if (!mc_onnx_variadic(n, arg)) return false;
  val *sum = n->out[0];
  mc_value *v = sum ? mc_onnx_value(n, sum) : NULL;
  mc_onnx_give(n, 0, n->in[0]->etype, with(n, MC_OP_div, v, n->nin));
  return v != NULL;
}

bool mc_onnx_not(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  if (x->etype != ONNX_BOOL)
    return mc_onnx_error(n, "Not: element type %s, expected bool", mc_onnx_etype_name(x->etype));
  if (x->k && x->k->n <= ONNX_MAX_ARITH) {
    konst *r = mc_konst_new(n, ONNX_BOOL, x->rank, x->dim);
    for (int64_t i = 0; r && i < r->n; i++) mc_konst_set_int(r, i, !mc_konst_int(x->k, i));
    mc_onnx_give_konst(n, 0, r);
    return r != NULL;
  }
  mc_value *v = mc_onnx_value(n, x), *y = v ? from(n, MC_OP_sub, 1, v) : NULL;
  mc_onnx_give(n, 0, ONNX_BOOL, y);
  return y != NULL;
}
