#include "mc/import/dataset.h"
#include "mc/support/fixed.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum permute { AS_IS, NHWC_TO_NCHW, NCHW_TO_NHWC };
typedef struct source { mc_npy a; const mc_type *type; enum permute perm; int64_t elems; } source; /* elems of one sample */
struct mc_dataset {
  mc_arena *arena;
  mc_npz *zip;
  source *in; int nin;
  int64_t count;
  mc_npy y; bool has_y;
  mc_affine pre; bool has_pre;
};

/* ---- preprocessing ---- */

static bool parse_number(const char **s, double *out) {
  char *end;
  *out = strtod(*s, &end);
  if (end == *s) return false;
  *s = end;
  if (**s != '/') return true;
  double den = strtod(*s + 1, &end);
  if (end == *s + 1 || den == 0) return false;
  *out /= den;
  *s = end;
  return true;
}

static int parse_list(const char **s, double v[64]) {
  int n = 0;
  for (;;) {
    if (n == 64 || !parse_number(s, &v[n])) return 0;
    n++;
    if (**s != ',') return n;
    ++*s;
  }
}

bool mc_affine_parse(const char *text, mc_affine *out, mc_diag *d, mc_loc at) {
  static const char *const keys[] = { "scale", "mean", "std" };
  double v[3][64] = { { 1 }, { 0 }, { 1 } };
  int n[3] = { 1, 1, 1 };
  for (const char *s = text; *s;) {
    if (isspace((unsigned char)*s)) {
      s++;
      continue;
    }
    int k = 0;
    while (k < 3 && (strncmp(s, keys[k], strlen(keys[k])) != 0 || s[strlen(keys[k])] != '=')) k++;
    if (k == 3) return mc_error(d, at, "preprocessing '%s': expected scale=, mean= or std= at '%s'", text, s);
    s += strlen(keys[k]) + 1;
    n[k] = parse_list(&s, v[k]);
    if (!n[k] || (*s && !isspace((unsigned char)*s))) return mc_error(d, at, "preprocessing '%s': %s= takes numbers or fractions separated by commas", text, keys[k]);
  }
  out->n = n[0] > n[1] ? n[0] : n[1];
  if (n[2] > out->n) out->n = n[2];
  for (int k = 0; k < 3; k++)
    if (n[k] != 1 && n[k] != out->n) return mc_error(d, at, "preprocessing '%s': %s= has %d values, others have %d", text, keys[k], n[k], out->n);
  for (int c = 0; c < out->n; c++) {
    double std = v[2][n[2] > 1 ? c : 0];
    if (std == 0) return mc_error(d, at, "preprocessing '%s': std= holds 0", text);
    out->scale[c] = (float)(v[0][n[0] > 1 ? c : 0] / std);
    out->shift[c] = (float)(-v[1][n[1] > 1 ? c : 0] / std);
  }
  return true;
}

/* ---- matching arrays to inputs ---- */

static bool dims_equal(const int64_t *a, const int64_t *b, int n) { return n == 0 || memcmp(a, b, sizeof *a * (size_t)n) == 0; }

/* How samples [count, s...] become an input [batch, s...]; a rank-1-short array (no batch axis in the input) is not accepted. */
static bool match_shape(const mc_npy *a, const mc_type *t, enum permute *perm) {
  if (t->rank < 1) return false;
  if (a->rank == t->rank && dims_equal(a->dim + 1, t->dim + 1, t->rank - 1)) return *perm = AS_IS, true;
  if (a->rank == 4 && t->rank == 4) {
    if (a->dim[1] == t->dim[2] && a->dim[2] == t->dim[3] && a->dim[3] == t->dim[1]) return *perm = NHWC_TO_NCHW, true;
    if (a->dim[1] == t->dim[3] && a->dim[2] == t->dim[1] && a->dim[3] == t->dim[2]) return *perm = NCHW_TO_NHWC, true;
  }
  int64_t per = 1, want = 1; /* [n, h, w] for [b, h, w, 1], flat rows for an image and so on: same number of elements */
  for (int i = 1; i < a->rank; i++) per *= a->dim[i];
  for (int i = 1; i < t->rank; i++) want *= t->dim[i];
  *perm = AS_IS;
  return per == want;
}

static bool can_convert(mc_dtype from, const mc_type *to) {
  if (from == to->dtype) return true;
  if (to->dtype == MC_f32) return from == MC_f64 || mc_dtype_is_int(from) || from == MC_bool;
  if (mc_type_is_quant(to)) return from == MC_f32;
  return to->dtype == MC_i64 || to->dtype == MC_i32 ? mc_dtype_is_int(from) : false;
}

static void print_dims(mc_strbuf *b, const int64_t *dim, int rank) {
  mc_sb_putc(b, '[');
  for (int i = 0; i < rank; i++) mc_sb_printf(b, i ? ",%lld" : "%lld", (long long)dim[i]);
  mc_sb_putc(b, ']');
}

static bool bind_input(mc_dataset *s, int k, const char *array, const char *input, const mc_type *t, mc_diag *d, mc_loc at, const char *path) {
  source *in = &s->in[k];
  in->type = mc_arena_copy(s->arena, t, sizeof *t);
  if (!mc_npz_read(s->zip, array, &in->a, s->arena, d, at)) return false;
  if (in->a.rank < 1 || in->a.dim[0] < 1) return mc_error(d, at, "%s: array '%s' holds no samples", path, in->a.name ? in->a.name : array);
  if (!match_shape(&in->a, t, &in->perm)) {
    mc_strbuf b = { 0 };
    print_dims(&b, in->a.dim, in->a.rank);
    mc_sb_puts(&b, " does not give samples for input ");
    mc_sb_puts(&b, input ? input : "?");
    mc_sb_puts(&b, ": ");
    mc_type_print(&b, t);
    mc_error(d, at, "%s: array '%s' %s", path, array ? array : in->a.name, mc_sb_str(&b));
    mc_sb_free(&b);
    return false;
  }
  if (!can_convert(in->a.dtype, t))
    return mc_error(d, at, "%s: array '%s' of %s cannot feed an input of %s", path, array ? array : in->a.name, mc_dtype_names[in->a.dtype], mc_dtype_names[t->dtype]);
  in->elems = 1;
  for (int i = 1; i < t->rank; i++) in->elems *= t->dim[i];
  if (k == 0 || in->a.dim[0] < s->count) s->count = in->a.dim[0];
  return true;
}

static bool has_array(const mc_npz *z, const char *name) {
  for (int i = 0; i < mc_npz_count(z); i++)
    if (strcmp(mc_npz_name(z, i), name) == 0) return true;
  return false;
}

static bool bind_all(mc_dataset *s, const mc_type *const *type, const char *const *name, const mc_dataset_opts *o, mc_diag *d, mc_loc at, const char *path) {
  for (int k = 0; k < s->nin; k++) {
    const char *array = o && o->x && s->nin == 1 ? o->x : name[k] && has_array(s->zip, name[k]) ? name[k] : NULL;
    if (!array && s->nin > 1) return mc_error(d, at, "%s: no array '%s' for that graph input", path, name[k] ? name[k] : "?");
    if (!array) array = has_array(s->zip, "x") ? "x" : mc_npz_name(s->zip, 0);
    if (!bind_input(s, k, array, name[k], type[k], d, at, path)) return false;
  }
  const char *y = o && o->y ? o->y : "y";
  if (!has_array(s->zip, y)) return o && o->y ? mc_error(d, at, "%s: no array '%s'", path, y) : true;
  if (!mc_npz_read(s->zip, y, &s->y, s->arena, d, at)) return false;
  s->has_y = mc_dtype_is_int(s->y.dtype) && s->y.rank >= 1 && s->y.dim[0] >= s->count;
  return s->has_y || !(o && o->y) || mc_error(d, at, "%s: labels '%s' must be integers, one per sample", path, y);
}

mc_dataset *mc_dataset_open_types(const char *path, const mc_type *const *type, const char *const *name, int nin, const mc_dataset_opts *o, mc_diag *d, mc_loc at) {
  mc_npz *z = mc_npz_open(path, d, at);
  if (!z) return NULL;
  mc_arena *a = mc_arena_create();
  mc_dataset *s = MC_NEW(a, mc_dataset);
  *s = (mc_dataset){ .arena = a, .zip = z, .nin = nin, .in = MC_NEWN(a, source, nin) };
  bool ok = mc_npz_count(z) > 0 || mc_error(d, at, "%s: the archive holds no arrays", path);
  ok = ok && bind_all(s, type, name, o, d, at, path);
  if (ok && o && o->preprocess) ok = s->has_pre = mc_affine_parse(o->preprocess, &s->pre, d, at);
  if (ok) return s;
  mc_dataset_close(s);
  return NULL;
}

mc_dataset *mc_dataset_open(const char *path, const mc_graph *g, const mc_dataset_opts *o, mc_diag *d, mc_loc at) {
  mc_arena *a = mc_arena_create();
  const mc_type **type = MC_NEWN(a, const mc_type *, g->nin);
  const char **name = MC_NEWN(a, const char *, g->nin);
  for (int i = 0; i < g->nin; i++) type[i] = g->in[i]->type, name[i] = g->in[i]->name;
  mc_dataset *s = mc_dataset_open_types(path, type, name, g->nin, o, d, at);
  mc_arena_destroy(a);
  return s;
}

void mc_dataset_close(mc_dataset *s) {
  if (!s) return;
  mc_npz_close(s->zip);
  mc_arena_destroy(s->arena);
}

int64_t mc_dataset_count(const mc_dataset *s) { return s->count; }
bool mc_dataset_has_labels(const mc_dataset *s) { return s->has_y; }

/* ---- elements ---- */

static double element(const mc_npy *a, int64_t i) {
  switch (a->dtype) {
  case MC_f32: return (double)((const float *)a->data)[i];
  case MC_f64: return ((const double *)a->data)[i];
  case MC_u8: case MC_bool: return ((const uint8_t *)a->data)[i];
  case MC_i8: return ((const int8_t *)a->data)[i];
  case MC_i16: return ((const int16_t *)a->data)[i];
  case MC_i32: return ((const int32_t *)a->data)[i];
  case MC_i64: return (double)((const int64_t *)a->data)[i];
  case MC_f16: case MC_bf16: case MC_NUM_DTYPES: break;
  }
  return 0;
}

int64_t mc_dataset_label(const mc_dataset *s, int64_t i) {
  int64_t per = 1;
  for (int k = 1; k < s->y.rank; k++) per *= s->y.dim[k];
  return (int64_t)element(&s->y, i * per);
}

/* Index in the stored sample of element e of the input's sample. */
static int64_t permuted(const source *in, int64_t e) {
  const int64_t *d = in->type->dim;
  if (in->perm == NHWC_TO_NCHW) { /* e walks c, h, w */
    int64_t w = e % d[3], h = e / d[3] % d[2], c = e / (d[3] * d[2]);
    return (h * d[3] + w) * d[1] + c;
  }
  if (in->perm == NCHW_TO_NHWC) {
    int64_t c = e % d[3], w = e / d[3] % d[2], h = e / (d[3] * d[2]);
    return (c * d[1] + h) * d[2] + w;
  }
  return e;
}

static void store(const mc_type *t, void *data, int64_t i, double x) {
  int64_t lo, hi;
  switch (t->dtype) {
  case MC_f32: ((float *)data)[i] = (float)x; break;
  case MC_i64: ((int64_t *)data)[i] = (int64_t)x; break;
  case MC_i32: ((int32_t *)data)[i] = (int32_t)x; break;
  case MC_u8: case MC_i8:
    mc_dtype_range(t->dtype, &lo, &hi);
    ((uint8_t *)data)[i] = (uint8_t)mc_fx_quantize((float)x, t->q.scale, t->q.zero, (int32_t)lo, (int32_t)hi);
    break;
  default: break; /* can_convert lets no other pair through */
  }
}

static void fetch_sample(const mc_dataset *s, const source *in, int64_t i, void *data, int64_t at) {
  int64_t base = i * in->elems, channels = in->perm == NHWC_TO_NCHW ? in->type->dim[1] : in->type->dim[in->type->rank - 1];
  bool affine = s->has_pre && in->type->dtype == MC_f32;
  size_t bytes = mc_dtype_size(in->type->dtype);
  if (in->perm == AS_IS && !affine && in->a.dtype == in->type->dtype) {
    memcpy((char *)data + (size_t)at * bytes, (const char *)in->a.data + (size_t)base * bytes, (size_t)in->elems * bytes);
    return;
  }
  for (int64_t e = 0; e < in->elems; e++) {
    int64_t from = permuted(in, e);
    double x = element(&in->a, base + from);
    int c = s->pre.n > 1 ? (int)(from % channels % s->pre.n) : 0;
    if (affine) x = (double)((float)x * s->pre.scale[c] + s->pre.shift[c]);
    store(in->type, data, at + e, x);
  }
}

void mc_dataset_fetch(const mc_dataset *s, int64_t i, void *const *data) {
  for (int k = 0; k < s->nin; k++) {
    const source *in = &s->in[k];
    for (int64_t b = 0; b < in->type->dim[0]; b++) {
      int64_t sample = i + b < s->count ? i + b : s->count - 1;
      fetch_sample(s, in, sample, data[k], b * in->elems);
    }
  }
}
