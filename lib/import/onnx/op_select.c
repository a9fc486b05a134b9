/* Choosing between values by truth values, and truth values of reals.
 *
 * There is no select in the language. With on = inf where the condition holds and 0 elsewhere,
 * max(min(x, on), -on) is x there and 0 elsewhere, infinities included; the sum of two such terms
 * chooses between x and y exactly (a NaN that is chosen becomes infinite). */
#include "imp.h"
#include <float.h>
#include <math.h>
#include <string.h>

static mc_value *op1(node *n, mc_opcode op, mc_value *a) { return mc_onnx_op1(n, op, a, NULL); }

static mc_value *op2(node *n, mc_opcode op, mc_value *a, mc_value *b) {
  return mc_onnx_op2(n, op, a, b, NULL);
}

static mc_value *with(node *n, mc_opcode op, mc_value *a, double c) {
  return op2(n, op, a, mc_onnx_scalar_like(n, a, c));
}

static mc_value *from(node *n, mc_opcode op, double c, mc_value *a) {
  return op2(n, op, mc_onnx_scalar_like(n, a, c), a);
}

static mc_value *clamp(node *n, mc_value *x, float low, float high) {
  return mc_onnx_op1(n, MC_OP_clamp, x, &(mc_attrs_clamp){ .low = low, .high = high });
}

/* ---- truth values of reals ---- */
mc_value *mc_onnx_difference(node *n, mc_value *a, mc_value *b) {
  return op2(n, MC_OP_sub, clamp(n, a, -FLT_MAX, FLT_MAX), clamp(n, b, -FLT_MAX, FLT_MAX));
}

/* -1, 0 or 1: twice times 2^127, clamped between, lifts the smallest number above 1. */
static mc_value *sign(node *n, mc_value *x) {
  return clamp(n, with(n, MC_OP_mul, clamp(n, with(n, MC_OP_mul, x, 0x1p127), -1, 1), 0x1p127), -1,
               1);
}

mc_value *mc_onnx_positive(node *n, mc_value *d) { return op1(n, MC_OP_relu, sign(n, d)); }

mc_value *mc_onnx_nonzero(node *n, mc_value *d) { return op1(n, MC_OP_abs, sign(n, d)); }

bool mc_onnx_sign(node *n, int arg) {
  (void)arg;
  mc_value *y = sign(n, mc_onnx_value(n, n->in[0]));
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}

/* ---- choosing ---- */
/* inf where c is `what`, 0 elsewhere. */
static mc_value *gate(node *n, const val *c, mc_value *cv, bool what) {
  if (!c->k) { /* 1 / 0 and 0 / 1 */
    mc_value *no = from(n, MC_OP_sub, 1, cv);
    return what ? op2(n, MC_OP_div, cv, no) : op2(n, MC_OP_div, no, cv);
  }
  folded *k = mc_folded_new(n, ONNX_FLOAT, c->rank, c->dim);
  for (int64_t i = 0; k && i < k->n; i++)
    mc_folded_set_f32(k, i, (mc_folded_int(c->k, i) != 0) == what ? INFINITY : 0);
  return k ? mc_onnx_folded_value(n, k) : NULL;
}

static mc_value *gated(node *n, mc_value *x, mc_value *g) {
  return op2(n, MC_OP_max, op2(n, MC_OP_min, x, g), g ? op1(n, MC_OP_neg, g) : NULL);
}

/* Integers: x * c + y * (1 - c). */
static mc_value *select_int(node *n, val *c, mc_value *x, mc_value *y) {
  mc_value *on = x ? mc_onnx_as(n, MC_OP_cast, mc_onnx_value(n, c), x->type->dtype) : NULL,
           *off = on ? from(n, MC_OP_sub, 1, on) : NULL;
  return op2(n, MC_OP_add, op2(n, MC_OP_mul, x, on), op2(n, MC_OP_mul, y, off));
}

static mc_value *choose(node *n, val *c, val *x, val *y) {
  mc_value *xv = mc_onnx_value(n, x), *yv = mc_onnx_value(n, y),
           *cv = c->k ? NULL : mc_onnx_value(n, c);
  if (!xv || !yv || (!c->k && !cv)) return NULL;
  if (mc_onnx_is_int(x->etype)) return select_int(n, c, xv, yv);
  return op2(n, MC_OP_add, gated(n, xv, gate(n, c, cv, true)), gated(n, yv, gate(n, c, cv, false)));
}

static bool where_known(node *n, const val *c, const val *x, const val *y) {
  int rank, rank2;
  int64_t dim[MC_MAX_RANK], dim2[MC_MAX_RANK];
  if (!mc_onnx_broadcast(n, c->rank, c->dim, x->rank, x->dim, &rank, dim) ||
      !mc_onnx_broadcast(n, rank, dim, y->rank, y->dim, &rank2, dim2))
    return false;
  folded *r = mc_folded_new(n, x->etype, rank2, dim2);
  for (int64_t i = 0; r && i < r->n; i++) {
    const folded *from_k = mc_folded_int(c->k, mc_folded_at(c->k, rank2, dim2, i)) ? x->k : y->k;
    int64_t j = mc_folded_at(from_k, rank2, dim2, i);
    if (mc_onnx_is_real(x->etype))
      mc_folded_set_f32(r, i, mc_folded_f32(from_k, j));
    else
      mc_folded_set_int(r, i, mc_folded_int(from_k, j));
  }
  mc_onnx_give_folded(n, 0, r);
  return r != NULL;
}

static bool all_are(const folded *k, bool what) {
  for (int64_t i = 0; i < k->n; i++)
    if ((mc_folded_int(k, i) != 0) != what) return false;
  return true;
}

bool mc_onnx_where(node *n, int arg) {
  (void)arg;
  val *c = n->in[0], *x = n->in[1], *y = n->in[2];
  if (c->etype != ONNX_BOOL || x->etype != y->etype)
    return mc_onnx_error(n, "Where: element types %s, %s, %s", mc_onnx_etype_name(c->etype),
                         mc_onnx_etype_name(x->etype), mc_onnx_etype_name(y->etype));
  if (c->k && x->k && y->k) return where_known(n, c, x, y);
  bool first = c->k && all_are(c->k, true);
  mc_value *v;
  if (first || (c->k && all_are(c->k, false))) {
    int rank, rank2;
    int64_t dim[MC_MAX_RANK], dim2[MC_MAX_RANK];
    if (!mc_onnx_broadcast(n, c->rank, c->dim, x->rank, x->dim, &rank, dim) ||
        !mc_onnx_broadcast(n, rank, dim, y->rank, y->dim, &rank2, dim2))
      return false;
    v = mc_onnx_bcast(n, mc_onnx_value(n, first ? x : y), rank2, dim2);
  } else {
    v = choose(n, c, x, y);
  }
  mc_onnx_give(n, 0, x->etype, v);
  return v != NULL;
}

/* x where x > alpha, else 0 */
bool mc_onnx_thresholded_relu(node *n, int arg) {
  (void)arg;
  mc_value *x = mc_onnx_value(n, n->in[0]);
  mc_value *over =
      x ? mc_onnx_positive(
              n, mc_onnx_difference(n, x, mc_onnx_scalar(n, mc_onnx_attr_f(n, "alpha", 1.0f))))
        : NULL;
  val c = { .etype = ONNX_BOOL, .v = over };
  mc_value *y = over ? gated(n, x, gate(n, &c, over, true)) : NULL;
  mc_onnx_give(n, 0, n->in[0]->etype, y);
  return y != NULL;
}

/* The upper or lower triangle of the last two axes, from diagonal k on. */
bool mc_onnx_trilu(node *n, int arg) {
  (void)arg;
  val *x = n->in[0];
  bool upper = mc_onnx_attr_i(n, "upper", 1);
  int64_t d = 0;
  if (x->rank < 2)
    return mc_onnx_error(n, "Trilu: an operand of rank %d, expected 2 or more", x->rank);
  if (n->nin > 1 && n->in[1]) {
    if (!n->in[1]->k || n->in[1]->k->n != 1)
      return mc_onnx_error(n, "Trilu: k must be a known number");
    d = mc_folded_int(n->in[1]->k, 0);
  }
  int64_t rows = x->dim[x->rank - 2], cols = x->dim[x->rank - 1];
  folded *c = mc_folded_new(n, ONNX_BOOL, 2, (int64_t[]){ rows, cols }),
         *zero = mc_folded_new(n, x->etype, 0, NULL);
  if (!c || !zero) return false;
  for (int64_t i = 0; i < c->n; i++) {
    bool on_or_above = d <= -rows  ? true
                       : d >= cols ? false
                                   : i % cols >= i / cols + d,
         on = d > -rows && d < cols && i % cols == i / cols + d;
    mc_folded_set_int(c, i, upper ? on_or_above : !on_or_above || on);
  }
  val cv = { .etype = ONNX_BOOL, .rank = 2, .dim = { rows, cols }, .k = c },
      zv = { .etype = x->etype, .k = zero };
  node inner = *n;
  inner.in = (val *[]){ &cv, x, &zv };
  inner.nin = 3;
  return mc_onnx_where(&inner, 0);
}
