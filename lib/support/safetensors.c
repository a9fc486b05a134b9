/* Reading safetensors: 8 bytes of header length (little-endian), a JSON object, the data.
 *
 *   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__":
 *     {"text": "text"}}
 *
 * Nothing in the file is believed: the header must lie in the file, every range in the data, a
 * range's length must be what dtype and shape say, and no two ranges may share a byte. Holes
 * between ranges are let pass (the format forbids them, but they hurt nobody here). */
#include "mc/support/blob.h"
#include "stfile.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
  MAX_HEADER = 100000000,
  MAX_RANK = 8
}; /* the format's own bound on the header, and mc_st_entry's */

typedef struct reader {
  mc_st_file *file;
  mc_arena *arena;
  mc_diag *diag;
  mc_loc at;
  const char *who;
  const unsigned char *data;
  size_t size;
} reader;

int mc_st_dtype_size(const char *name) {
  static const struct {
    const char *name;
    int size;
  } sizes[] = {
    { "BOOL", 1 }, { "U8", 1 },  { "I8", 1 },  { "F8_E5M2", 1 }, { "F8_E4M3", 1 },
    { "U16", 2 },  { "I16", 2 }, { "F16", 2 }, { "BF16", 2 },    { "U32", 4 },
    { "I32", 4 },  { "F32", 4 }, { "U64", 8 }, { "I64", 8 },     { "F64", 8 },
  };

  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (strcmp(sizes[i].name, name) == 0) return sizes[i].size;
  return 0;
}

/* Report about one tensor of the file. */
static bool bad_tensor(const reader *r, const char *name, const char *what) {
  return mc_error(r->diag, r->at, "%s: tensor '%s': %s", r->who, name, what);
}

static bool read_shape(reader *r, mc_st_entry *e, const json_t *shape) {
  if (!json_is_array(shape)) return bad_tensor(r, e->name, "\"shape\" is not an array");
  if (json_array_size(shape) > MAX_RANK) return bad_tensor(r, e->name, "more than 8 dimensions");
  e->rank = (int)json_array_size(shape);
  for (int i = 0; i < e->rank; i++) {
    const json_t *x = json_array_get(shape, (size_t)i);
    if (!json_is_integer(x)) return bad_tensor(r, e->name, "a dimension is not an integer");
    e->dim[i] = json_integer_value(x);
    if (e->dim[i] < 0) return bad_tensor(r, e->name, "a dimension is negative");
  }
  return true;
}

/* Bytes that dtype and shape ask for; false when that is no 63-bit number. */
static bool shape_bytes(const mc_st_entry *e, int elem, int64_t *bytes) {
  *bytes = elem;
  for (int i = 0; i < e->rank; i++)
    if (__builtin_mul_overflow(*bytes, e->dim[i], bytes)) return false;
  return true;
}

static bool read_range(reader *r, mc_st_entry *e, const json_t *range, int elem) {
  const json_t *b = json_array_get(range, 0), *f = json_array_get(range, 1);
  if (json_array_size(range) != 2 || !json_is_integer(b) || !json_is_integer(f))
    return bad_tensor(r, e->name, "\"data_offsets\" is not a pair of integers");
  int64_t begin = json_integer_value(b), end = json_integer_value(f), bytes;
  if (begin < 0 || end < begin || (uint64_t)end > r->size)
    return mc_error(r->diag, r->at,
                    "%s: tensor '%s': bytes %" PRId64 " to %" PRId64
                    " are not in the file's %zu bytes of data",
                    r->who, e->name, begin, end, r->size);
  if (!shape_bytes(e, elem, &bytes)) return bad_tensor(r, e->name, "its shape is too large");
  if (bytes != end - begin)
    return mc_error(r->diag, r->at,
                    "%s: tensor '%s': its shape needs %" PRId64 " bytes, but it has %" PRId64,
                    r->who, e->name, bytes, end - begin);
  e->data = r->data + begin;
  e->size = (size_t)bytes;
  return true;
}

static bool read_entry(reader *r, mc_st_entry *e, const char *name, const json_t *j) {
  e->name = mc_arena_strdup(r->arena, name);
  if (!json_is_object(j)) return bad_tensor(r, name, "not an object");
  const char *dtype = json_string_value(json_object_get(j, "dtype"));
  if (!dtype) return bad_tensor(r, name, "\"dtype\" is not a string");
  e->dtype_name = mc_arena_strdup(r->arena, dtype);
  int elem = mc_st_dtype_size(dtype);
  if (!elem)
    return mc_error(r->diag, r->at, "%s: tensor '%s': unknown dtype '%s'", r->who, name, dtype);
  return read_shape(r, e, json_object_get(j, "shape")) &&
         read_range(r, e, json_object_get(j, "data_offsets"), elem);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const mc_st_entry *)a)->name, ((const mc_st_entry *)b)->name);
}

static int by_place(const void *a, const void *b) {
  const mc_st_entry *x = *(const mc_st_entry *const *)a, *y = *(const mc_st_entry *const *)b;
  if (x->data != y->data) return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
  return x->size < y->size ? -1 : x->size > y->size;
}

static bool check_overlaps(reader *r) {
  size_t n = r->file->n;
  const mc_st_entry **order = MC_NEWN(r->arena, const mc_st_entry *, n);
  for (size_t i = 0; i < n; i++) order[i] = &r->file->entry[i];
  qsort(order, n, sizeof *order, by_place);
  for (size_t i = 1; i < n; i++) {
    const mc_st_entry *a = order[i - 1], *b = order[i];
    if ((uintptr_t)a->data + a->size > (uintptr_t)b->data)
      return mc_error(r->diag, r->at, "%s: tensors '%s' and '%s' share bytes", r->who, a->name,
                      b->name);
  }
  return true;
}

/* C code may not read an element at an odd address: such tensors (some writers do not align) are
 * copied, the others stay mapped. */
static void align_entries(reader *r) {
  for (size_t i = 0; i < r->file->n; i++) {
    mc_st_entry *e = &r->file->entry[i];
    if ((uintptr_t)e->data % (unsigned)mc_st_dtype_size(e->dtype_name) != 0)
      e->data = mc_arena_copy(r->arena, e->data, e->size);
  }
}

static bool read_header(reader *r, json_t *root) {
  if (!json_is_object(root))
    return mc_error(r->diag, r->at, "%s: the safetensors header is not a JSON object", r->who);
  mc_st_file *f = r->file;
  f->entry = MC_NEWN(r->arena, mc_st_entry, json_object_size(root));
  const char *name;
  json_t *j;
  json_object_foreach(root, name, j) {
    if (strcmp(name, "__metadata__") == 0) {
      char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
      if (!text) return mc_error(r->diag, r->at, "%s: unreadable \"__metadata__\"", r->who);
      f->meta_json = mc_arena_strdup(r->arena, text);
      free(text);
    } else if (!read_entry(r, &f->entry[f->n++], name, j)) {
      return false;
    }
  }
  if (!check_overlaps(r)) return false;
  qsort(f->entry, f->n, sizeof *f->entry, by_name);
  align_entries(r);
  return true;
}

static bool parse_bytes(reader *r, const unsigned char *p, size_t size) {
  if (size < 8)
    return mc_error(r->diag, r->at, "%s: too short for a safetensors file (%zu bytes)", r->who,
                    size);
  uint64_t len = 0;
  for (int i = 0; i < 8; i++) len |= (uint64_t)p[i] << (8 * i);
  if (len > MAX_HEADER || len > size - 8)
    return mc_error(r->diag, r->at,
                    "%s: not a safetensors file, or cut off: a header of %" PRIu64
                    " bytes in a file of %zu",
                    r->who, len, size);
  r->data = p + 8 + len;
  r->size = size - 8 - (size_t)len;
  json_error_t err;
  json_t *root = json_loadb((const char *)p + 8, (size_t)len, JSON_REJECT_DUPLICATES, &err);
  if (!root) return mc_error(r->diag, r->at, "%s: safetensors header: %s", r->who, err.text);
  bool ok = read_header(r, root);
  json_decref(root);
  return ok;
}

mc_st_file *mc_st_parse(const void *data, size_t size, mc_arena *a, mc_diag *d, mc_loc at) {
  reader r = { .file = MC_NEW(a, mc_st_file), .arena = a, .diag = d, .at = at, .who = "<memory>" };
  return parse_bytes(&r, data, size) ? r.file : NULL;
}

mc_st_file *mc_st_open(const char *path, mc_arena *a, mc_diag *d, mc_loc at) {
  mc_blob *b = mc_blob_open(path, d, at);
  if (!b) return NULL;
  reader r = { .file = MC_NEW(a, mc_st_file), .arena = a, .diag = d, .at = at, .who = path };
  if (!parse_bytes(&r, mc_blob_data(b), mc_blob_size(b))) {
    mc_blob_close(b);
    return NULL;
  }
  r.file->blob = b;
  return r.file;
}

void mc_st_close(mc_st_file *f) {
  if (!f) return;
  mc_blob_close(f->blob);
  f->blob = NULL;
}

const mc_st_entry *mc_st_find(const mc_st_file *f, const char *name) {
  mc_st_entry key = { .name = name };
  return f->n ? bsearch(&key, f->entry, f->n, sizeof key, by_name) : NULL;
}
