#include "mc/pass/samples.h"
#include "mc/import/npy.h"
#include <math.h>
#include <string.h>

typedef struct feed { mc_npy array; const mc_type *type; int64_t elems; } feed;
struct mc_samples { feed *feed; int n; int64_t count; };

/* ---- matching arrays to inputs ---- */
static bool has_array(const mc_npz *z, const char *name) {
  for (int i = 0; name && i < mc_npz_count(z); i++)
    if (!strcmp(mc_npz_name(z, i), name)) return true;
  return false;
}

static const char *array_name(const mc_npz *z, const mc_graph *g, const mc_value *in) {
  if (has_array(z, in->name)) return in->name;
  if (has_array(z, in->source)) return in->source;
  if (g->nin != 1) return NULL;
  if (has_array(z, "x")) return "x";
  if (has_array(z, "input")) return "input";
  return mc_npz_count(z) == 1 ? mc_npz_name(z, 0) : NULL;
}

static bool dims_equal(const int64_t *a, const int64_t *b, int n) { return n <= 0 || !memcmp(a, b, (size_t)n * sizeof *a); }

/* How many samples of type t the array holds; 0: it does not fit. */
static int64_t fit(const mc_npy *x, const mc_type *t) {
  if (x->rank == t->rank + 1 && dims_equal(x->dim + 1, t->dim, t->rank)) return x->dim[0];
  if (x->rank == t->rank && t->rank > 0 && dims_equal(x->dim + 1, t->dim + 1, t->rank - 1)) return x->dim[0] / t->dim[0];
  if (x->rank == t->rank && t->rank == 0) return 1;
  return 0;
}

static bool convertible(mc_dtype from, mc_dtype to) {
  if (from == to) return true;
  if (to == MC_f32) return from == MC_f64 || from == MC_u8 || from == MC_i8;
  return mc_dtype_is_int(from) && (to == MC_i64 || to == MC_i32);
}

static void print_dims(mc_strbuf *b, const int64_t *dim, int rank) {
  for (int i = 0; i < rank; i++) mc_sb_printf(b, "%s%lld", i ? "," : "[", (long long)dim[i]);
  mc_sb_puts(b, rank ? "]" : "[]");
}

static bool shape_error(const char *path, const mc_npy *x, const mc_value *in, mc_diag *d, mc_loc at) {
  mc_strbuf have = { 0 }, want = { 0 };
  mc_sb_puts(&have, mc_dtype_names[x->dtype]);
  print_dims(&have, x->dim, x->rank);
  mc_type_print(&want, in->type);
  mc_error(d, at, "array '%s' of '%s' is %s, which does not hold samples for input '%%%s' of type %s", x->name ? x->name : "", path, mc_sb_str(&have), in->name ? in->name : "", mc_sb_str(&want));
  mc_sb_free(&have);
  mc_sb_free(&want);
  return false;
}

static bool open_feed(feed *f, mc_npz *z, const char *path, const mc_graph *g, const mc_value *in, mc_arena *a, mc_diag *d, mc_loc at) {
  const char *name = array_name(z, g, in);
  if (!name) return mc_error(d, at, "'%s' has no array for graph input '%%%s'", path, in->name ? in->name : "");
  if (!mc_npz_read(z, name, &f->array, a, d, at)) return false;
  f->type = in->type;
  f->elems = mc_type_elems(in->type);
  return (fit(&f->array, in->type) > 0 && convertible(f->array.dtype, in->type->dtype)) || shape_error(path, &f->array, in, d, at);
}

mc_samples *mc_samples_open(const char *path, const mc_graph *g, mc_arena *a, mc_diag *d, mc_loc at) {
  mc_npz *z = mc_npz_open(path, d, at);
  if (!z) return NULL;
  mc_samples *s = MC_NEW(a, mc_samples);
  s->feed = MC_NEWN(a, feed, g->nin);
  s->n = g->nin;
  s->count = g->nin ? INT64_MAX : 0;
  bool ok = true;
  for (int i = 0; i < g->nin && ok; i++) {
    ok = open_feed(&s->feed[i], z, path, g, g->in[i], a, d, at);
    int64_t n = ok ? fit(&s->feed[i].array, g->in[i]->type) : 0;
    if (n < s->count) s->count = n;
  }
  mc_npz_close(z);
  return ok ? s : NULL;
}

int64_t mc_samples_count(const mc_samples *s) { return s->count; }

/* ---- reading a sample ---- */
static double load(const mc_npy *x, int64_t i) {
  const unsigned char *p = (const unsigned char *)x->data + i * (int64_t)mc_dtype_size(x->dtype);
  double f64; int16_t i16; int32_t i32; int64_t i64;
  switch (x->dtype) {
  case MC_f64: memcpy(&f64, p, 8); return f64;
  case MC_i16: memcpy(&i16, p, 2); return i16;
  case MC_i32: memcpy(&i32, p, 4); return i32;
  case MC_i64: memcpy(&i64, p, 8); return (double)i64;
  case MC_i8: return (signed char)*p;
  case MC_u8: case MC_bool: return *p;
  case MC_f32: case MC_f16: case MC_bf16: case MC_NUM_DTYPES: break; /* copied whole, or refused by convertible() */
  }
  return 0;
}

static void store(const mc_type *t, void *data, int64_t i, double v) {
  if (t->dtype == MC_f32) ((float *)data)[i] = (float)v;
  else if (t->dtype == MC_i32) ((int32_t *)data)[i] = v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
  else ((int64_t *)data)[i] = (int64_t)v;
}

void mc_samples_get(const mc_samples *s, int64_t i, mc_array *in) {
  for (int k = 0; k < s->n; k++) {
    const feed *f = &s->feed[k];
    size_t bytes = (size_t)mc_type_bytes(f->type);
    if (f->array.dtype == f->type->dtype) {
      memcpy(in[k].data, (const char *)f->array.data + (size_t)i * bytes, bytes);
      continue;
    }
    for (int64_t e = 0; e < f->elems; e++) store(f->type, in[k].data, e, load(&f->array, i * f->elems + e));
  }
}

/* ---- random inputs ---- */
/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void random_element(const mc_value *in, uint64_t bits, void *data, int64_t i) {
  const mc_type *t = in->type;
  float lo = in->range.known ? in->range.lo : -1, hi = in->range.known ? in->range.hi : 1;
  double unit = (double)(bits >> 11) * 0x1p-53;
  int small = (int)(bits % 10);
  switch (t->dtype) {
  case MC_f32: ((float *)data)[i] = (float)(lo + (hi - lo) * unit); return;
  case MC_f64: ((double *)data)[i] = lo + (hi - lo) * unit; return;
  case MC_i8: case MC_u8: ((unsigned char *)data)[i] = (unsigned char)(bits & 255); return;
  case MC_bool: ((unsigned char *)data)[i] = (unsigned char)(bits & 1); return;
  case MC_i16: ((int16_t *)data)[i] = (int16_t)small; return;
  case MC_i32: ((int32_t *)data)[i] = small; return;
  case MC_i64: ((int64_t *)data)[i] = small; return;
  case MC_f16: ((uint16_t *)data)[i] = (uint16_t)(0x3000 + (bits & 0xbff)); return; /* 0.125 .. 2 */
  case MC_bf16: ((uint16_t *)data)[i] = (uint16_t)(0x3e00 + (bits & 0x1ff)); return;
  case MC_NUM_DTYPES: return;
  }
}

void mc_random_fill(const mc_value *input, uint64_t seed, void *data) {
  uint64_t state = seed * 0x2545f4914f6cdd1du + (uint64_t)input->index + 1;
  int64_t n = mc_type_elems(input->type);
  for (int64_t i = 0; i < n; i++) random_element(input, next_random(&state), data, i);
}

mc_array *mc_graph_input_arrays(const mc_graph *g, mc_arena *a) {
  mc_array *x = MC_NEWN(a, mc_array, g->nin);
  for (int i = 0; i < g->nin; i++) x[i] = (mc_array){ g->in[i]->type, mc_arena_alloc(a, (size_t)mc_type_bytes(g->in[i]->type)) };
  return x;
}

mc_array *mc_graph_output_arrays(const mc_graph *g, mc_arena *a) {
  int n = mc_graph_nout(g);
  mc_array *x = MC_NEWN(a, mc_array, n);
  for (int i = 0; i < n; i++) {
    const mc_type *t = mc_graph_out(g, i)->type;
    x[i] = (mc_array){ t, mc_arena_alloc(a, (size_t)mc_type_bytes(t)) };
  }
  return x;
}
