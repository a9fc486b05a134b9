/* Two operands with numpy broadcasting: arithmetic, comparisons, logic (rows of binary.def); and
 * the sums of any number of operands.
 *
 * Truth values are f32 0 and 1 in the graph: comparisons are differences clamped to [0, 1] (reals:
 * op_select.c). On constants everything is computed here when there are few elements. */
#include "imp.h"
#include <math.h>
#include <string.h>

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static mc_value *with(node *n, mc_opcode op, mc_value *a, double c) {
  return op2(n, op, a, mc_onnx_scalar_like(n, a, c));
}

static mc_value *from(node *n, mc_opcode op, double c, mc_value *a) {
  return op2(n, op, mc_onnx_scalar_like(n, a, c), a);
}

/* ---- on constants: two's complement ---- */

static int64_t whole_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

static int64_t whole_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

static int64_t whole_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* Toward zero, MIN / -1 = MIN; b is not 0. */
static int64_t whole_div(int64_t a, int64_t b) { return b == -1 ? whole_sub(0, a) : a / b; }

static int64_t whole_min(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t whole_max(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t whole_pow(int64_t a, int64_t b) {
  uint64_t r = 1, x = (uint64_t)a;
  for (uint64_t e = (uint64_t)b; b > 0 && e; e >>= 1, x *= x)
    if (e & 1) r *= x;
  return b < 0 ? (a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0) : (int64_t)r;
}

/* The rest has the sign of a; b is not 0. */
static int64_t whole_fmod(int64_t a, int64_t b) { return b == -1 ? 0 : a % b; }

/* ... the sign of b. */
static int64_t whole_mod(int64_t a, int64_t b) {
  int64_t r = whole_fmod(a, b);
  return r && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t whole_equal(int64_t a, int64_t b) { return a == b; }

static int64_t whole_less(int64_t a, int64_t b) { return a < b; }

static int64_t whole_greater(int64_t a, int64_t b) { return a > b; }

static int64_t whole_less_equal(int64_t a, int64_t b) { return a <= b; }

static int64_t whole_greater_equal(int64_t a, int64_t b) { return a >= b; }

static int64_t whole_and(int64_t a, int64_t b) { return a && b; }

static int64_t whole_or(int64_t a, int64_t b) { return a || b; }

static int64_t whole_xor(int64_t a, int64_t b) { return !a != !b; }

static float real_add(float a, float b) { return a + b; }

static float real_sub(float a, float b) { return a - b; }

static float real_mul(float a, float b) { return a * b; }

static float real_div(float a, float b) { return a / b; }

static float real_min(float a, float b) { return a < b ? a : b; }

static float real_max(float a, float b) { return a > b ? a : b; }

static float real_fmod(float a, float b) { return fmodf(a, b); }

static float real_equal(float a, float b) { return (float)(a == b); }

static float real_less(float a, float b) { return (float)(a < b); }

static float real_greater(float a, float b) { return (float)(a > b); }

static float real_less_equal(float a, float b) { return (float)(a <= b); }

static float real_greater_equal(float a, float b) { return (float)(a >= b); }

/* ---- in the graph ---- */
/* Integer a < b as f32 0 and 1: clamp(b - a, 0, 1). Differences of values that span all of 64 bits
 * are out of the question in a network. */
static mc_value *whole_below(node *n, mc_value *a, mc_value *b) {
  return mc_onnx_as(n, MC_OP_cast,
                    with(n, MC_OP_min, with(n, MC_OP_max, op2(n, MC_OP_sub, b, a), 0), 1), MC_f32);
}

static mc_value *whole_apart(node *n, mc_value *a, mc_value *b) {
  mc_value *d = op2(n, MC_OP_sub, a, b);
  mc_value *size = op2(n, MC_OP_max, d, d ? from(n, MC_OP_sub, 0, d) : NULL);
  return mc_onnx_as(n, MC_OP_cast, with(n, MC_OP_min, size, 1), MC_f32);
}

static bool reals(const mc_value *a) { return a && a->type->dtype == MC_f32; }

static mc_value *graph_less(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op;
  return reals(a) ? mc_onnx_positive(n, mc_onnx_difference(n, b, a)) : whole_below(n, a, b);
}

static mc_value *graph_greater(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return graph_less(n, op, b, a);
}

static mc_value *graph_less_equal(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return from(n, MC_OP_sub, 1, graph_less(n, op, b, a));
}

static mc_value *graph_greater_equal(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return from(n, MC_OP_sub, 1, graph_less(n, op, a, b));
}

static mc_value *graph_equal(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op;
  return from(n, MC_OP_sub, 1,
              reals(a) ? mc_onnx_nonzero(n, mc_onnx_difference(n, a, b)) : whole_apart(n, a, b));
}

static mc_value *graph_op(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return op2(n, op, a, b);
}

static mc_value *graph_known(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op, (void)a, (void)b;
  mc_onnx_error(n, "%s: supported on values that are known while importing only", n->row->op);
  return NULL;
}

static mc_value *truth_and(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op;
  return op2(n, MC_OP_mul, a, b);
}

static mc_value *truth_or(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op;
  return op2(n, MC_OP_max, a, b);
}

static mc_value *truth_xor(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  (void)op;
  return mc_onnx_op1(n, MC_OP_abs, op2(n, MC_OP_sub, a, b), NULL);
}

static mc_value *truth_equal(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return from(n, MC_OP_sub, 1, truth_xor(n, op, a, b));
}

/* ---- the rows ---- */

typedef mc_value *emit(node *n, mc_opcode op, mc_value *a, mc_value *b);

typedef struct binary {
  mc_opcode op;
  int64_t (*whole)(int64_t a, int64_t b);
  float (*real)(float a, float b);
  emit *graph, *truth;
  bool gives_truth;
} binary;

/* Words of the table that are no functions. */
#define MC_OP_none MC_NUM_OPS
#define real_none NULL
#define graph_none NULL
#define truth_none NULL
#define truth_op graph_op
#define truth_known graph_known

enum { GIVES_same = false, GIVES_bool = true };

static const binary binaries[] = {
#define MC_ONNX_BINARY(id, op, whole, real, graph, truth, result)                                  \
  [ONNX_BIN_##id] = { MC_OP_##op,    whole_##whole, real_##real,                                   \
                      graph_##graph, truth_##truth, GIVES_##result },
#include "binary.def"
};

int64_t mc_folded_at(const folded *k, int rank, const int64_t *dim, int64_t flat) {
  int64_t idx = 0, stride = 1;
  for (int i = rank - 1, j = k->rank - 1; j >= 0; i--, j--) {
    int64_t p = flat % dim[i];
    flat /= dim[i];
    if (k->dim[j] != 1) idx += p * stride;
    stride *= k->dim[j];
  }
  return idx;
}

static bool divides(int id) {
  return id == ONNX_BIN_DIV || id == ONNX_BIN_MOD || id == ONNX_BIN_FMOD;
}

/* Element i of the result; false: an integer divided by zero. */
static bool fold_one(const binary *f, bool divides, const folded *a, int64_t ia, const folded *b,
                     int64_t ib, folded *r, int64_t i) {
  if (mc_onnx_is_real(a->etype)) {
    mc_folded_set_f32(r, i, f->real(mc_folded_f32(a, ia), mc_folded_f32(b, ib)));
    return true;
  }
  int64_t y = mc_folded_int(b, ib);
  if (divides && !y) return false;
  mc_folded_set_int(r, i, f->whole(mc_folded_int(a, ia), y));
  return true;
}

/* Both known and small: computed. *done says whether; the return value whether without an error.
 */
static bool fold(node *n, int id, const val *a, const val *b, val *out, bool *done) {
  const binary *f = &binaries[id];
  int rank;
  int64_t dim[MC_MAX_RANK];
  *done = false;
  if (!a->k || !b->k) return true;
  if (!mc_onnx_broadcast(n, a->rank, a->dim, b->rank, b->dim, &rank, dim)) return false;
  double total = 1;
  for (int i = 0; i < rank; i++) total *= (double)dim[i];
  if (total > (double)ONNX_MAX_ARITH || (mc_onnx_is_real(a->etype) && !f->real)) return true;
  folded *r = mc_folded_new(n, f->gives_truth ? ONNX_BOOL : a->etype, rank, dim);
  if (!r) return false;
  for (int64_t i = 0; i < r->n; i++)
    if (!fold_one(f, divides(id), a->k, mc_folded_at(a->k, rank, dim, i), b->k,
                  mc_folded_at(b->k, rank, dim, i), r, i))
      return mc_onnx_error(n, "%s: division of a constant by zero", n->row->op);
  *done = true;
  *out = (val){ .etype = r->etype, .rank = rank, .k = r };
  memcpy(out->dim, r->dim, sizeof out->dim);
  return true;
}

/* Comparisons of small integers are those of i32: the differences of bytes do not fit bytes. */
static mc_value *emit_binary(node *n, const binary *f, int etype, mc_value *a, mc_value *b) {
  emit *how = etype == ONNX_BOOL ? f->truth : f->graph;
  if (!how)
    return mc_onnx_error(n, "%s: of elements of type %s", n->row->op, mc_onnx_etype_name(etype)),
           NULL;
  bool small = a->type->dtype != MC_f32 && a->type->dtype != MC_i64 && a->type->dtype != MC_i32;
  if (f->gives_truth && small)
    a = mc_onnx_as(n, MC_OP_cast, a, MC_i32), b = mc_onnx_as(n, MC_OP_cast, b, MC_i32);
  return how(n, f->op, a, b);
}

static bool two(node *n, int id, val *a, val *b, val *out) {
  const binary *f = &binaries[id];
  bool done;
  if (!fold(n, id, a, b, out, &done)) return false;
  if (done) return true;
  if (a->etype != b->etype && f->op != MC_OP_pow)
    return mc_onnx_error(n, "%s: operands of types %s and %s", n->row->op,
                         mc_onnx_etype_name(a->etype), mc_onnx_etype_name(b->etype));
  mc_value *x = mc_onnx_value(n, a), *y = mc_onnx_value(n, b), *r;
  if (x && y && f->op == MC_OP_pow) y = mc_onnx_as(n, MC_OP_cast, y, x->type->dtype);
  if (!x || !y) return false;
  r = emit_binary(n, f, a->etype, x, y);
  if (!r) return false;
  *out = (val){ .etype = f->gives_truth ? ONNX_BOOL : a->etype, .rank = r->type->rank, .v = r };
  memcpy(out->dim, r->type->dim, sizeof out->dim);
  return true;
}

/* arg: ONNX_BIN_... */
bool mc_onnx_binary(node *n, int arg) {
  val out, second;
  if (!mc_onnx_second(n, &second) || !two(n, arg, n->in[0], &second, &out)) return false;
  mc_onnx_give_val(n, 0, &out);
  return true;
}

bool mc_onnx_mod(node *n, int arg) {
  (void)arg;
  return mc_onnx_binary(n, mc_onnx_attr_i(n, "fmod", 0) ? ONNX_BIN_FMOD : ONNX_BIN_MOD);
}

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
    folded *r = mc_folded_new(n, ONNX_BOOL, x->rank, x->dim);
    for (int64_t i = 0; r && i < r->n; i++) mc_folded_set_int(r, i, !mc_folded_int(x->k, i));
    mc_onnx_give_folded(n, 0, r);
    return r != NULL;
  }
  mc_value *v = mc_onnx_value(n, x), *y = v ? from(n, MC_OP_sub, 1, v) : NULL;
  mc_onnx_give(n, 0, ONNX_BOOL, y);
  return y != NULL;
}
