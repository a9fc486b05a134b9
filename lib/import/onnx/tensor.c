/* TensorProto -> constant: typed fields, raw bytes, external files; every count and size is checked
 * against the file. */
#include "imp.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static float half_to_float(uint16_t h) {
  onnx_half f;
  memcpy(&f, &h, sizeof f);
  return (float)f;
}

static float bf16_to_float(uint16_t b) {
  uint32_t u = (uint32_t)b << 16;
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static uint64_t little(const unsigned char *p, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

/* ---- what the bits of element i say; of two elements in a byte: of both ---- */

static void bits_f32(folded *k, int64_t i, uint64_t u) {
  uint32_t w = (uint32_t)u;
  float f;
  memcpy(&f, &w, sizeof f);
  mc_folded_set_f32(k, i, f);
}

static void bits_f64(folded *k, int64_t i, uint64_t u) {
  double d;
  memcpy(&d, &u, sizeof d);
  mc_folded_set_f32(k, i, (float)d);
}

static void bits_f16(folded *k, int64_t i, uint64_t u) {
  mc_folded_set_f32(k, i, half_to_float((uint16_t)u));
}

static void bits_bf16(folded *k, int64_t i, uint64_t u) {
  mc_folded_set_f32(k, i, bf16_to_float((uint16_t)u));
}

static void bits_whole(folded *k, int64_t i, uint64_t u) { mc_folded_set_int(k, i, (int64_t)u); }

static void bits_nibble(folded *k, int64_t i, uint64_t u) {
  mc_folded_set_int(k, i, (int64_t)((i % 2 ? u >> 4 : u) & 15));
}

static void bits_signed_nibble(folded *k, int64_t i, uint64_t u) {
  int64_t v = (int64_t)((i % 2 ? u >> 4 : u) & 15);
  mc_folded_set_int(k, i, v > 7 ? v - 16 : v);
}

/* ---- the repeated fields: element i as bits ---- */

static uint64_t field_float(const pb_tensor *t, size_t i) {
  uint32_t w;
  memcpy(&w, &t->float_data[i], sizeof w);
  return w;
}

static uint64_t field_double(const pb_tensor *t, size_t i) {
  uint64_t w;
  memcpy(&w, &t->double_data[i], sizeof w);
  return w;
}

static uint64_t field_int32(const pb_tensor *t, size_t i) {
  return (uint64_t)(int64_t)t->int32_data[i];
}

static uint64_t field_int64(const pb_tensor *t, size_t i) { return (uint64_t)t->int64_data[i]; }

static uint64_t field_uint64(const pb_tensor *t, size_t i) { return t->uint64_data[i]; }

typedef struct reader {
  int etype;
  size_t count; /* offset of n_<field>_data in pb_tensor */
  uint64_t (*field)(const pb_tensor *t, size_t i);
  void (*bits)(folded *k, int64_t i, uint64_t u);
} reader;

static const reader readers[] = {
#define MC_ETYPE(id, num, text, store, carry, border, bytes, field, bits)                          \
  { num, offsetof(pb_tensor, n_##field##_data), field_##field, bits_##bits },
#include "etypes.def"
};

/* Of an element type that there is: the caller has asked mc_onnx_etype. */
static const reader *reader_of(int etype) {
  const reader *r = readers;
  while (r->etype != etype) r++;
  return r;
}

/* Bytes of n elements in raw data. */
static size_t raw_bytes(int64_t n, const etype_info *e) {
  return e->bytes ? (size_t)n * (size_t)e->bytes : (size_t)(n + 1) / 2;
}

/* Raw bytes that are the stored form already are copied. */
static void fill_raw(folded *k, const unsigned char *p) {
  const etype_info *e = mc_onnx_etype(k->etype);
  const reader *r = reader_of(k->etype);
  if (e->store == e->border && e->bytes == mc_folded_elem(k)) {
    memcpy(k->data, p, (size_t)k->n * (size_t)e->bytes);
    return;
  }
  for (int64_t i = 0; i < k->n; i++)
    r->bits(k, i, e->bytes ? little(p + (size_t)i * (size_t)e->bytes, e->bytes) : p[i / 2]);
}

/* The number of elements of the repeated field of this type. */
static size_t typed_count(const pb_tensor *t, int etype) {
  size_t n;
  memcpy(&n, (const char *)t + reader_of(etype)->count, sizeof n);
  return n;
}

static void fill_typed(folded *k, const pb_tensor *t) {
  const reader *r = reader_of(k->etype);
  bool halves = !mc_onnx_etype(k->etype)->bytes;
  for (int64_t i = 0; i < k->n; i++) r->bits(k, i, r->field(t, (size_t)(halves ? i / 2 : i)));
}

static bool check_dims(imp *im, const pb_tensor *t, folded *k, const char *what) {
  if (t->n_dims > MC_MAX_RANK)
    return mc_onnx_fail(im, what, "rank %zu: at most %d is supported", t->n_dims, MC_MAX_RANK);
  k->rank = (int)t->n_dims;
  for (int i = 0; i < k->rank; i++) {
    k->dim[i] = t->dims[i];
    if (k->dim[i] < 0)
      return mc_onnx_fail(im, what, "dimension %d is %lld", i, (long long)k->dim[i]);
  }
  k->n = mc_onnx_count(k->rank, k->dim);
  if (k->n < 0)
    return mc_onnx_fail(im, what, "shape %s is too large",
                        mc_onnx_dims(im->arena, k->rank, k->dim));
  return true;
}

folded *mc_onnx_tensor(imp *im, const pb_tensor *t, const char *what) {
  const etype_info *e = mc_onnx_etype(t->data_type);
  if (!e) {
    mc_onnx_fail(im, what, "element type %s (%d) is not supported",
                 mc_onnx_etype_name(t->data_type), t->data_type);
    return NULL;
  }
  folded *k = MC_NEW(im->arena, folded);
  k->etype = e->num;
  if (!check_dims(im, t, k, what)) return NULL;
  size_t want = raw_bytes(k->n, e), have = t->raw_data.len;
  const void *raw = t->has_raw_data ? t->raw_data.data : NULL;
  if (t->data_location == 1) {
    if (!(raw = mc_onnx_external(im, t, what, &have))) return NULL;
  } else if (!t->has_raw_data && typed_count(t, k->etype) != (e->bytes ? (size_t)k->n : want)) {
    mc_onnx_fail(im, what, "shape %s needs %lld elements, the file has %zu",
                 mc_onnx_dims(im->arena, k->rank, k->dim), (long long)k->n,
                 typed_count(t, k->etype));
    return NULL;
  }
  if ((raw || t->has_raw_data) && have != want) {
    mc_onnx_fail(im, what, "shape %s needs %zu bytes of data, the file has %zu",
                 mc_onnx_dims(im->arena, k->rank, k->dim), want, have);
    return NULL;
  }
  if (t->data_location == 1 &&
      !mc_folded_charge(im, k->n * mc_folded_elem(k))) { /* many tensors may name the same bytes */
    mc_onnx_fail(im, what, "the tensors are larger than the files that they are in");
    return NULL;
  }
  k->data = mc_arena_alloc(im->arena, (size_t)k->n * (size_t)mc_folded_elem(k));
  if (!k->n) return k;
  if (raw)
    fill_raw(k, raw);
  else
    fill_typed(k, t);
  return k;
}

/* ---- external data ---- */
static bool parse_size(const char *s, uint64_t *out) {
  char *end;
  if (!s || *s < '0' || *s > '9') return false;
  *out = strtoull(s, &end, 10);
  return !*end && *out < (uint64_t)1 << 62;
}

/* A relative path without "..": it cannot leave the model's folder by its own text. */
static bool inside(const char *p) {
  if (!p || !*p || *p == '/' || strchr(p, '\\')) return false;
  for (; *p; p += strcspn(p, "/"), p += *p == '/')
    if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2])) return false;
  return true;
}

/* Symbolic links must not lead out either. */
static bool resolves_inside(const char *dir, const char *path) {
  char *d = realpath(dir, NULL), *p = realpath(path, NULL);
  size_t n = d ? strlen(d) : 0;
  bool ok =
      !p || (d && !strncmp(p, d, n) &&
             (p[n] == '/' || n == 1)); /* a file that is not there is reported when it is opened */
  free(d);
  free(p);
  return ok;
}

const void *mc_onnx_external(imp *im, const pb_tensor *t, const char *what, size_t *size) {
  const char *location = NULL;
  uint64_t offset = 0, length = 0;
  bool has_length = false;
  for (size_t i = 0; i < t->n_external_data; i++) {
    const char *key = t->external_data[i]->key, *v = t->external_data[i]->value;
    if (!key) continue;
    if (!strcmp(key, "location")) location = v;
    bool off = !strcmp(key, "offset"), len = !strcmp(key, "length");
    if ((off || len) && !parse_size(v, off ? &offset : &length))
      return mc_onnx_fail(im, what, "external data: %s is not a number", key), NULL;
    has_length |= len;
  }
  const char *shown = mc_onnx_clean(im->diag->arena, location);
  if (!inside(location))
    return mc_onnx_fail(im, what, "external data: '%s' is not a file in the model's folder", shown),
           NULL;
  if (!im->dir)
    return mc_onnx_fail(im, what,
                        "external data in '%s' cannot be read: the model does not come from a file",
                        shown),
           NULL;
  void **slot = mc_map_str_slot(&im->files, location);
  if (!*slot) {
    const char *path = mc_arena_printf(im->arena, "%s/%s", im->dir, location);
    if (!resolves_inside(im->dir, path))
      return mc_onnx_fail(im, what, "external data: '%s' leads out of the model's folder", shown),
             NULL;
    mc_loc at = { .src = im->src, .what = mc_arena_strdup(im->diag->arena, what) };
    if (!(*slot = mc_blob_open(path, im->diag, at))) return NULL;
    im->max_folded += ONNX_FOLDED_PER_BYTE * (int64_t)mc_blob_size(*slot);
  }
  mc_blob *b = *slot;
  size_t total = mc_blob_size(b);
  if (offset > total || (has_length && length > total - offset))
    return mc_onnx_fail(im, what, "external data: bytes %llu to %llu of '%s', which has %zu",
                        (unsigned long long)offset, (unsigned long long)(offset + length), shown,
                        total),
           NULL;
  *size = has_length ? (size_t)length : total - (size_t)offset;
  static const unsigned char empty[1];
  return mc_blob_data(b) ? mc_blob_data(b) + offset : empty;
}
