#include "mc/ir/graph.h"
#include <math.h>
#include <string.h>

typedef struct dtype_info {
  const char *text;
  size_t bytes;
  char kind;
  const char *st, *np;
} dtype_info;

static const dtype_info dtypes[MC_NUM_DTYPES] = {
#define MC_DTYPE(id, text, bytes, kind, st, np) { text, bytes, #kind[0], st, np },
#include "mc/ir/dtypes.def"
};
const char *const mc_dtype_names[MC_NUM_DTYPES + 1] = {
#define MC_DTYPE(id, text, bytes, kind, st, np) text,
#include "mc/ir/dtypes.def"
  NULL
};

size_t mc_dtype_size(mc_dtype t) { return dtypes[t].bytes; }

const char *mc_dtype_st_name(mc_dtype t) { return dtypes[t].st; }

const char *mc_dtype_np_descr(mc_dtype t) { return dtypes[t].np; }

bool mc_dtype_is_float(mc_dtype t) { return dtypes[t].kind == 'F'; }

bool mc_dtype_is_int(mc_dtype t) { return dtypes[t].kind != 'F' && t != MC_bool; }

bool mc_dtype_from_st(const char *name, mc_dtype *out) {
  for (int i = 0; i < MC_NUM_DTYPES; i++)
    if (strcmp(dtypes[i].st, name) == 0) return *out = (mc_dtype)i, true;
  return false;
}

void mc_dtype_range(mc_dtype t, int64_t *lo, int64_t *hi) {
  unsigned bits = (unsigned)dtypes[t].bytes * 8;
  *lo = dtypes[t].kind == 'U' ? 0 : INT64_MIN >> (64 - bits);
  *hi = dtypes[t].kind == 'U' ? (int64_t)((1ull << bits) - 1) : INT64_MAX >> (64 - bits);
}

int64_t mc_type_elems(const mc_type *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) n *= t->dim[i];
  return n;
}

int64_t mc_type_bytes(const mc_type *t) {
  return mc_type_elems(t) * (int64_t)mc_dtype_size(t->dtype);
}

bool mc_type_is_quant(const mc_type *t) { return t->q.kind != MC_Q_NONE; }

bool mc_type_same_shape(const mc_type *a, const mc_type *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof(int64_t) * (size_t)a->rank) == 0;
}

float mc_type_scale(const mc_type *t, int64_t c) {
  return t->q.kind == MC_Q_AXIS ? ((const float *)t->q.scales->data)[c] : t->q.scale;
}

static bool plain_name(const char *s) {
  if (!*s || strchr(".$-", *s)) return false;
  return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$-") ==
         strlen(s);
}

void mc_name_print(mc_strbuf *out, char sign, const char *name) {
  mc_sb_putc(out, sign);
  if (plain_name(name))
    mc_sb_puts(out, name);
  else
    mc_sb_quoted(out, name);
}

void mc_type_print(mc_strbuf *out, const mc_type *t) {
  mc_sb_puts(out, dtypes[t->dtype].text);
  if (t->q.kind == MC_Q_TENSOR) {
    mc_sb_putc(out, '<');
    mc_sb_float(out, t->q.scale);
    mc_sb_printf(out, ":%d>", t->q.zero);
  } else if (t->q.kind == MC_Q_AXIS) {
    mc_sb_putc(out, '<');
    mc_name_print(out, '@', t->q.scales->name);
    mc_sb_printf(out, " axis=%d>", t->q.axis);
  }
  mc_sb_putc(out, '[');
  for (int i = 0; i < t->rank; i++) mc_sb_printf(out, i ? ",%lld" : "%lld", (long long)t->dim[i]);
  mc_sb_putc(out, ']');
}

static const char *check_quant(const mc_type *t) {
  int64_t lo, hi;
  if (t->dtype != MC_i8 && t->dtype != MC_u8 && t->dtype != MC_i16 && t->dtype != MC_i32)
    return "only i8, u8, i16 and i32 can be quantized";
  mc_dtype_range(t->dtype, &lo, &hi);
  if (t->q.kind == MC_Q_TENSOR) {
    if (!(t->q.scale > 0) || !isfinite(t->q.scale)) return "the scale must be finite and > 0";
    return t->q.zero < lo || t->q.zero > hi ? "the zero point is not a value of the element type"
                                            : NULL;
  }
  const mc_tensor *s = t->q.scales;
  if (t->q.axis < 0 || t->q.axis >= t->rank)
    return "the quantized axis is not an axis of the shape";
  if (!s || s->dtype != MC_f32 || s->rank != 1) return "scales must be an f32 tensor of rank 1";
  if (s->dim[0] != t->dim[t->q.axis])
    return "there must be one scale per index of the quantized axis";
  for (int64_t i = 0; i < s->dim[0]; i++) {
    float x = ((const float *)s->data)[i];
    if (!(x > 0) || !isfinite(x)) return "every scale must be finite and > 0";
  }
  return t->q.zero ? "per-axis quantization has zero point 0" : NULL;
}

const char *mc_type_check(const mc_type *t) {
  if (t->rank < 0 || t->rank > MC_MAX_RANK) return "more than 8 dimensions";
  int64_t n = (int64_t)mc_dtype_size(t->dtype);
  for (int i = 0; i < t->rank; i++) {
    if (t->dim[i] < 1) return "dimensions must be at least 1";
    if (n > ((int64_t)1 << 46) / t->dim[i]) return "the tensor is too large";
    n *= t->dim[i];
  }
  return t->q.kind == MC_Q_NONE ? NULL : check_quant(t);
}

/* The key of interning: unused members and padding are zero. */
static mc_type canonical(const mc_type *p) {
  mc_type t;
  memset(&t, 0, sizeof t);
  t.dtype = p->dtype;
  t.rank = p->rank;
  for (int i = 0; i < p->rank; i++) t.dim[i] = p->dim[i];
  t.q.kind = p->q.kind;
  if (p->q.kind == MC_Q_TENSOR) t.q.scale = p->q.scale, t.q.zero = p->q.zero;
  if (p->q.kind == MC_Q_AXIS) t.q.axis = p->q.axis, t.q.scales = p->q.scales;
  return t;
}

const mc_type *mc_type_intern(mc_module *m, const mc_type *proto) {
  mc_type t = canonical(proto);
  void **slot = mc_map_bytes_slot(&m->types, &t, sizeof t);
  if (!*slot) *slot = mc_arena_copy(m->arena, &t, sizeof t);
  return *slot;
}

const mc_type *mc_type_make(mc_module *m, mc_dtype dtype, int rank, const int64_t *dim) {
  mc_type t = { .dtype = dtype, .rank = rank };
  for (int i = 0; i < rank; i++) t.dim[i] = dim[i];
  return mc_type_intern(m, &t);
}

const mc_type *mc_type_make_q(mc_module *m, mc_dtype dtype, int rank, const int64_t *dim,
                              float scale, int32_t zero) {
  mc_type t = { .dtype = dtype,
                .rank = rank,
                .q = { .kind = MC_Q_TENSOR, .scale = scale, .zero = zero } };
  for (int i = 0; i < rank; i++) t.dim[i] = dim[i];
  return mc_type_intern(m, &t);
}

const mc_type *mc_type_with_dims(mc_module *m, const mc_type *t, int rank, const int64_t *dim) {
  mc_type n = *t;
  n.rank = rank;
  for (int i = 0; i < rank; i++) n.dim[i] = dim[i];
  return mc_type_intern(m, &n);
}

const mc_type *mc_type_with_elem(mc_module *m, const mc_type *shape, const mc_type *elem) {
  mc_type n = *shape;
  n.dtype = elem->dtype;
  n.q = elem->q;
  return mc_type_intern(m, &n);
}
