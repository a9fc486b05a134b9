/* Constants known while importing: access to elements, other shapes, copies with strides, casts. */
#include "imp.h"
#include <string.h>

int mc_folded_elem(const folded *k) { return (int)mc_dtype_size(mc_onnx_etype(k->etype)->store); }

int64_t mc_onnx_count(int rank, const int64_t *dim) {
  int64_t product = 1; /* of sizes but 0: the strides must fit too */
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    if (dim[i] < 0 || dim[i] > ONNX_MAX_DIM) return -1;
    if (dim[i] && product > ((int64_t)1 << 40) / dim[i]) return -1;
    product *= dim[i] ? dim[i] : 1;
    empty |= !dim[i];
  }
  return empty ? 0 : product;
}

bool mc_folded_charge(imp *im, int64_t bytes) {
  if (bytes > im->max_folded - im->folded_bytes) return false;
  im->folded_bytes += bytes;
  return true;
}

folded *mc_folded_new(node *n, int etype, int rank, const int64_t *dim) {
  imp *im = n->im;
  folded *k = MC_NEW(im->arena, folded);
  k->etype = etype;
  k->rank = rank;
  for (int i = 0; i < rank; i++) k->dim[i] = dim[i];
  k->n = mc_onnx_count(rank, dim);
  int64_t bytes = k->n * mc_folded_elem(k);
  if (k->n < 0 || !mc_folded_charge(n->im, bytes)) {
    mc_onnx_error(
        n,
        "a constant of shape %s: constants computed while importing take more than %d MB together",
        mc_onnx_dims(im->arena, rank, dim), (int)(ONNX_MAX_FOLDED >> 20));
    return NULL;
  }
  k->data = mc_arena_alloc(im->arena, (size_t)bytes);
  return k;
}

/* The stored forms that the functions below know: all that rows have. */
#define MC_ETYPE(id, num, text, store, carry, border, bytes, field, bits)                          \
  _Static_assert(MC_##store == MC_f32 || MC_##store == MC_i64 || MC_##store == MC_i32 ||           \
                     MC_##store == MC_i16 || MC_##store == MC_i8 || MC_##store == MC_u8,           \
                 "etypes.def: folded.c does not know the stored form of " #id);
#include "etypes.def"

/* Toward zero, saturating; NaN is 0. */
static int64_t int_of_real(float f) {
  return f >= 9.2e18f ? INT64_MAX : f <= -9.2e18f ? INT64_MIN : f != f ? 0 : (int64_t)f;
}

int64_t mc_folded_int(const folded *k, int64_t i) {
  switch (mc_onnx_etype(k->etype)->store) {
  case MC_i64: return ((const int64_t *)k->data)[i];
  case MC_i32: return ((const int32_t *)k->data)[i];
  case MC_i16: return ((const int16_t *)k->data)[i];
  case MC_i8: return ((const int8_t *)k->data)[i];
  case MC_u8: return ((const uint8_t *)k->data)[i];
  default: break;
  }
  return int_of_real(((const float *)k->data)[i]);
}

float mc_folded_f32(const folded *k, int64_t i) {
  return mc_onnx_etype(k->etype)->store == MC_f32 ? ((const float *)k->data)[i]
                                                  : (float)mc_folded_int(k, i);
}

void mc_folded_set_int(folded *k, int64_t i, int64_t v) {
  switch (mc_onnx_etype(k->etype)->store) {
  case MC_i64: ((int64_t *)k->data)[i] = k->etype == ONNX_UINT32 ? (int64_t)(uint32_t)v : v; return;
  case MC_i32:
    ((int32_t *)k->data)[i] =
        k->etype == ONNX_UINT16 ? (int32_t)(uint16_t)v : (int32_t)(uint32_t)(uint64_t)v;
    return;
  case MC_i16: ((int16_t *)k->data)[i] = (int16_t)(uint16_t)(uint64_t)v; return;
  case MC_i8: ((int8_t *)k->data)[i] = (int8_t)(uint8_t)(uint64_t)v; return;
  case MC_u8:
    ((uint8_t *)k->data)[i] = k->etype == ONNX_BOOL ? (uint8_t)(v != 0) : (uint8_t)(uint64_t)v;
    return;
  default: ((float *)k->data)[i] = (float)v;
  }
}

void mc_folded_set_f32(folded *k, int64_t i, float v) {
  if (mc_onnx_etype(k->etype)->store == MC_f32) {
    ((float *)k->data)[i] = v;
    return;
  }
  if (k->etype == ONNX_BOOL) {
    mc_folded_set_int(k, i, v != 0);
    return;
  }
  mc_folded_set_int(k, i, int_of_real(v));
}

folded *mc_folded_reshape(node *n, const folded *k, int rank, const int64_t *dim) {
  folded *r = MC_NEW(n->im->arena, folded);
  *r = *k;
  r->plain = NULL;
  r->rank = rank;
  for (int i = 0; i < rank; i++) r->dim[i] = dim[i];
  mc_folded_quant_reshape(n, r);
  return r;
}

void mc_onnx_strides(int rank, const int64_t *dim, int64_t *stride) {
  int64_t s = 1;
  for (int i = rank; i-- > 0;) {
    stride[i] = s;
    s *= dim[i];
  }
}

/* Copy into row-major `dst`; an odometer over all axes but the last. */
static void copy_strided(unsigned char *dst, const unsigned char *src, size_t elem, int rank,
                         const int64_t *dim, const int64_t *stride, int64_t at) {
  int64_t idx[MC_MAX_RANK] = { 0 }, inner = rank ? dim[rank - 1] : 1,
          step = rank ? stride[rank - 1] : 0;
  for (;;) {
    if (step == 1) {
      memcpy(dst, src + (size_t)at * elem, (size_t)inner * elem);
      dst += (size_t)inner * elem;
    } else {
      for (int64_t i = 0; i < inner; i++, dst += elem)
        memcpy(dst, src + (size_t)(at + i * step) * elem, elem);
    }
    int a = rank - 2;
    while (a >= 0 && ++idx[a] == dim[a]) {
      at -= stride[a] * (dim[a] - 1);
      idx[a--] = 0;
    }
    if (a < 0) return;
    at += stride[a];
  }
}

folded *mc_folded_strided(node *n, const folded *k, int rank, const int64_t *dim,
                          const int64_t *stride, int64_t start) {
  folded *r = mc_folded_new(n, k->etype, rank, dim);
  if (!r || !r->n) return r;
  copy_strided(r->data, k->data, (size_t)mc_folded_elem(k), rank, dim, stride, start);
  r->name = k->name;
  r->named = k->named;
  return mc_folded_quant_strided(n, r, k, stride, start) ? r : NULL;
}

/* Round a float to the nearest float16 or bfloat16, so that casts there and back lose what they
 * should. */
static float through_half(float v, int etype) {
  uint32_t u;
  memcpy(&u, &v, sizeof u);
  if (v != v || (u & 0x7f800000u) == 0x7f800000u) return v;
  if (etype == ONNX_BFLOAT16) {
    u = (u + 0x7fffu + ((u >> 16) & 1)) & 0xffff0000u;
    memcpy(&v, &u, sizeof v);
    return v;
  }
  return (float)(onnx_half)v;
}

folded *mc_folded_cast(node *n, const folded *k, int etype) {
  if (etype == k->etype) return mc_folded_reshape(n, k, k->rank, k->dim);
  folded *r = mc_folded_new(n, etype, k->rank, k->dim);
  if (!r) return NULL;
  bool half = etype == ONNX_FLOAT16 || etype == ONNX_BFLOAT16,
       from_real = mc_onnx_is_real(k->etype);
  for (int64_t i = 0; i < k->n; i++) {
    if (from_real || mc_onnx_is_real(etype))
      mc_folded_set_f32(r, i,
                        half ? through_half(mc_folded_f32(k, i), etype) : mc_folded_f32(k, i));
    else
      mc_folded_set_int(r, i, mc_folded_int(k, i));
  }
  r->name = k->name;
  r->named = k->named;
  return r;
}

bool mc_onnx_known_ints(node *n, int input, const char *what, int64_t **v, int64_t *len) {
  val *x = n->in[input];
  if (!x->k)
    return mc_onnx_error(n, "%s: %s must be known while importing, but depends on the input data",
                         n->row->op, what);
  if (x->rank > 1 || !mc_onnx_is_int(x->etype))
    return mc_onnx_error(n, "%s: %s must be a list of integers", n->row->op, what);
  if (x->k->n > ONNX_MAX_ARITH)
    return mc_onnx_error(n, "%s: %s has %lld elements", n->row->op, what, (long long)x->k->n);
  *v = MC_NEWN(n->im->arena, int64_t, x->k->n + 1);
  *len = x->k->n;
  for (int64_t i = 0; i < x->k->n; i++) (*v)[i] = mc_folded_int(x->k, i);
  return true;
}

bool mc_onnx_known_f32(const val *v, float *out) {
  if (!v || !v->k || v->k->n != 1) return false;
  *out = mc_folded_f32(v->k, 0);
  return true;
}
