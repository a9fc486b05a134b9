/* Dequantized constants. Their reals are computed while importing, since shapes and attributes may
 * hang on them; the integers are kept beside, so that what reaches the graph is
 *
 *   %0 = weight @w : i8<@w.scale axis=0>[16,3,3,3]
 *   %1 = dequantize %0 : f32[16,3,3,3]
 */
#include "imp.h"
#include <math.h>
#include <string.h>

int64_t mc_qparam_zero(const qparam *q, int64_t c) {
  return q->zero ? mc_folded_int(q->zero, q->zero->n == 1 ? 0 : c) : 0;
}

/* The scale's index of element i of a constant of this shape. */
static int64_t scale_index(const qparam *q, const folded *k, int64_t i) {
  if (!q->per_axis && !q->block) return 0;
  int64_t inner = mc_onnx_prod(k->dim, q->axis + 1, k->rank), len = k->dim[q->axis];
  int64_t at = i / inner % len;
  if (!q->block) return at;
  return (i / inner / len * q->scale->dim[q->axis] + at / q->block) * inner + i % inner;
}

folded *mc_folded_dequantized(node *n, folded *k, const qparam *q) {
  folded *r = mc_folded_new(n, ONNX_FLOAT, k->rank, k->dim), *index = NULL;
  bool many = q->per_axis || q->block;
  if (r && many) index = mc_folded_new(n, ONNX_INT32, k->rank, k->dim);
  if (!r || (many && !index)) return NULL;
  for (int64_t i = 0; i < k->n; i++) {
    int64_t c = scale_index(q, k, i);
    if (index) mc_folded_set_int(index, i, c);
    float real = (float)(mc_folded_int(k, i) - mc_qparam_zero(q, c)) * mc_folded_f32(q->scale, c);
    mc_folded_set_f32(r, i, real);
  }
  r->name = k->name;
  r->named = k->named;
  kquant *o = MC_NEW(n->im->arena, kquant);
  *o = (kquant){ k, index, q->scale, q->zero };
  r->quant = o;
  return r;
}

folded *mc_folded_quantized(node *n, const folded *k, const qparam *q, int etype) {
  folded *r = mc_folded_new(n, etype, k->rank, k->dim);
  if (!r) return NULL;
  int bits = etype == ONNX_INT8 || etype == ONNX_UINT8 ? 8 : 16;
  bool is_signed = etype == ONNX_INT8 || etype == ONNX_INT16;
  float lo = is_signed ? -(float)(1 << (bits - 1)) : 0, hi = lo + (float)((1 << bits) - 1);
  for (int64_t i = 0; i < k->n; i++) {
    int64_t c = scale_index(q, k, i), zero = mc_qparam_zero(q, c);
    float v = rintf(mc_folded_f32(k, i) / mc_folded_f32(q->scale, c)) + (float)zero;
    v = v > lo ? v : lo;
    mc_folded_set_int(r, i, (int64_t)(v < hi ? v : hi));
  }
  r->name = k->name;
  r->named = k->named;
  return r;
}

bool mc_folded_quant_reshape(node *n, folded *r) {
  if (!r->quant) return true;
  kquant *o = MC_NEW(n->im->arena, kquant);
  *o = *r->quant;
  o->q = mc_folded_reshape(n, o->q, r->rank, r->dim);
  if (o->index) o->index = mc_folded_reshape(n, o->index, r->rank, r->dim);
  r->quant = o;
  return true;
}

bool mc_folded_quant_strided(node *n, folded *r, const folded *k, const int64_t *stride,
                             int64_t start) {
  if (!k->quant) return true;
  kquant *o = MC_NEW(n->im->arena, kquant);
  *o = *k->quant;
  o->q = mc_folded_strided(n, o->q, r->rank, r->dim, stride, start);
  if (o->index) o->index = mc_folded_strided(n, o->index, r->rank, r->dim, stride, start);
  r->quant = o;
  return o->q && (o->index || !k->quant->index);
}

/* ---- as a type of the graph ---- */

static int64_t index_at(const kquant *o, int64_t i) {
  return o->index ? mc_folded_int(o->index, i) : 0;
}

/* The axis along which the scales change and no other does; -1: one scale; -2: more than one axis.
 * */
static int axis_of(const kquant *o) {
  const folded *k = o->index;
  bool one = true;
  for (int64_t i = 1; k && one && i < k->n; i++) one = index_at(o, i) == index_at(o, 0);
  if (!k || one) return -1;
  for (int a = 0; a < k->rank; a++) {
    int64_t inner = mc_onnx_prod(k->dim, a + 1, k->rank);
    bool same = true;
    for (int64_t i = 0; same && i < k->n; i++)
      same = index_at(o, i) == index_at(o, i / inner % k->dim[a] * inner);
    if (same) return a;
  }
  return -2;
}

static int64_t zero_of(const kquant *o, int64_t i) {
  int64_t c = index_at(o, i);
  return o->zero ? mc_folded_int(o->zero, o->zero->n == 1 ? 0 : c) : 0;
}

/* The stored form: element type, and the zero point where the integers are stored as they are; else
 * the differences to their zero points are (the same reals). False where there is none. */
static bool stored_form(const kquant *o, int axis, mc_dtype *dtype, int32_t *zero) {
  int64_t lo = 0, hi = 0, z = o->q->n ? zero_of(o, 0) : 0;
  bool one_zero = axis < 0, is_8bit = mc_onnx_etype(o->q->etype)->store == MC_u8 ||
                                      mc_onnx_etype(o->q->etype)->store == MC_i8;
  for (int64_t i = 0; i < o->q->n; i++) {
    int64_t d = mc_folded_int(o->q, i) - zero_of(o, i);
    one_zero &= zero_of(o, i) == z;
    lo = d < lo ? d : lo, hi = d > hi ? d : hi;
  }
  *zero = 0;
  *dtype = MC_i8;
  if (o->q->etype != ONNX_INT32 && lo >= -128 && hi <= 127) return true;
  *zero = (int32_t)z;
  *dtype = mc_onnx_etype(o->q->etype)->carry;
  int64_t least = *dtype == MC_u8 ? 0 : -128;
  if (is_8bit && one_zero && z >= least && z <= least + 255) return true;
  *zero = 0;
  *dtype = o->q->etype == ONNX_INT32 ? MC_i32 : MC_i16;
  if (o->q->etype == ONNX_INT32) return lo >= INT32_MIN && hi <= INT32_MAX;
  return lo >= INT16_MIN && hi <= INT16_MAX;
}

static bool scales_of(node *n, const folded *k, int axis, mc_quant *q) {
  const kquant *o = k->quant;
  if (axis < 0) {
    *q = (mc_quant){ .kind = MC_Q_TENSOR, .scale = mc_folded_f32(o->scale, index_at(o, 0)) };
    return true;
  }
  folded list = {
    .etype = ONNX_FLOAT, .rank = 1, .dim = { k->dim[axis] }, .n = k->dim[axis], .name = k->name
  };
  void *data;
  *q = (mc_quant){ .kind = MC_Q_AXIS, .axis = axis };
  if (!(q->scales = mc_onnx_new_tensor(n, &list, ".scale", MC_f32, &data))) return false;
  int64_t inner = mc_onnx_prod(k->dim, axis + 1, k->rank);
  for (int64_t c = 0; c < list.n; c++)
    ((float *)data)[c] = mc_folded_f32(o->scale, index_at(o, c * inner));
  return true;
}

static void store(void *data, mc_dtype dtype, int64_t i, int64_t v) {
  if (dtype == MC_i32)
    ((int32_t *)data)[i] = (int32_t)v;
  else if (dtype == MC_i16)
    ((int16_t *)data)[i] = (int16_t)v;
  else
    ((uint8_t *)data)[i] = (uint8_t)(uint64_t)v;
}

bool mc_onnx_quantized_folded(node *n, folded *k, mc_value **out) {
  const kquant *o = k->quant;
  mc_type t = { .rank = k->rank };
  memcpy(t.dim, k->dim, sizeof t.dim);
  int axis = axis_of(o);
  int32_t zero;
  *out = NULL;
  if (axis == -2 || !k->n || !stored_form(o, axis, &t.dtype, &zero)) return true;
  void *data;
  mc_tensor *tensor = mc_onnx_new_tensor(n, k, "", t.dtype, &data);
  if (!tensor || !scales_of(n, k, axis, &t.q)) return false;
  t.q.zero = zero;
  for (int64_t i = 0; i < k->n; i++)
    store(data, t.dtype, i, mc_folded_int(o->q, i) - zero_of(o, i) + zero);
  mc_builder b = mc_onnx_folded_builder(n, k, tensor);
  mc_value *q = mc_build_tensor(&b, tensor, mc_type_intern(n->im->m, &t));
  b.source = NULL;
  *out = q ? mc_build1(&b, MC_OP_dequantize, &q, 1, NULL) : NULL;
  return *out != NULL;
}
