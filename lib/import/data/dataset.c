#include "data.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const mc_image_resize_words[] = { "crop", "stretch", "fit", NULL };
const char *const mc_image_color_words[] = { "rgb", "bgr", NULL };

void data_warn(const mc_dataset *s, const char *fmt, ...) {
  va_list ap;
  mc_strbuf b = { 0 };
  mc_sb_puts(&b, s->who);
  va_start(ap, fmt);
  mc_sb_vprintf(&b, fmt, ap);
  va_end(ap);
  bool told = false;
  for (size_t i = 0; i < s->diag->list.n; i++)
    told |= strcmp(s->diag->list.v[i].text, mc_sb_str(&b)) == 0;
  if (!told) mc_warning(s->diag, s->at, "%s", mc_sb_str(&b));
  mc_sb_free(&b);
}

/* ---- opening ---- */

typedef enum kind { DATA_NPZ, DATA_NPY, DATA_IMAGES, DATA_UNKNOWN } kind;

static kind kind_of(const char *path) {
  struct stat st;
  unsigned char head[8] = { 0 };
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return DATA_IMAGES;
  FILE *f = fopen(path, "rb");
  if (!f) return DATA_NPZ; /* whoever opens it in earnest reports */
  size_t n = fread(head, 1, sizeof head, f), len = strlen(path);
  fclose(f);
  if (image_kind(head, n)) return DATA_IMAGES;
  if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) return DATA_NPY;
  if (len > 4 && strcmp(path + len - 4, ".npy") == 0) return DATA_NPY;
  bool zip = n >= 2 && memcmp(head, "PK", 2) == 0;
  return zip || (len > 4 && strcmp(path + len - 4, ".npz") == 0) ? DATA_NPZ : DATA_UNKNOWN;
}

/* What keeps the array from being labels; NULL: nothing. */
static const char *not_labels(const mc_dataset *s) {
  const mc_npy *y = &s->y;
  int64_t per = 1;
  if (!mc_dtype_is_int(y->dtype)) return "its elements are no integers";
  if (y->rank < 1 || y->dim[0] < s->count) return "it has fewer entries than there are samples";
  for (int k = 1; k < y->rank; k++) per *= y->dim[k];
  return per == 1 ? NULL : "it has several numbers for a sample (one-hot? numpy: y.argmax(1))";
}

static bool read_labels(mc_dataset *s, const char *want) {
  const char *y = want ? want : "y";
  bool there = false;
  for (int i = 0; i < mc_npz_count(s->zip); i++) there |= strcmp(mc_npz_name(s->zip, i), y) == 0;
  if (!there) return !want || mc_error(s->diag, s->at, "%sno array '%s'", s->who, y);
  if (!mc_npz_read(s->zip, y, &s->y, s->arena, s->diag, s->at)) return false;
  s->no_y = not_labels(s);
  s->has_y = !s->no_y;
  if (want && !s->has_y)
    return mc_error(s->diag, s->at, "%slabels '%s' must be integers, one per sample: %s", s->who, y,
                    s->no_y);
  return true;
}

static bool open_npz(mc_dataset *s) {
  s->zip = mc_npz_open(s->path, s->diag, s->at);
  if (!s->zip) return false;
  if (!mc_npz_count(s->zip))
    return mc_error(s->diag, s->at, "%sthe archive holds no arrays", s->who);
  if (!data_bind_arrays(s, s->opts.x) || !read_labels(s, s->opts.y)) return false;
  data_tell_arrays(s, s->opts.y);
  return true;
}

static bool open_npy(mc_dataset *s) {
  if (s->nin != 1)
    return mc_error(s->diag, s->at,
                    "%san .npy feeds a network of one input; this one has %d: give "
                    "an .npz with an array for each",
                    s->who, s->nin);
  if (s->opts.x || s->opts.y)
    return mc_error(s->diag, s->at, "%sarray '%s': an .npy holds one array, without a name", s->who,
                    s->opts.x ? s->opts.x : s->opts.y);
  return mc_npy_read(s->path, &s->in[0].a, s->arena, s->diag, s->at) && data_bind_array(s, 0, NULL);
}

static bool open_images(mc_dataset *s) {
  if (s->opts.x || s->opts.y)
    return mc_error(s->diag, s->at, "%sarray '%s': images are no arrays", s->who,
                    s->opts.x ? s->opts.x : s->opts.y);
  return imageset_open(&s->images, s->path, s->arena, s->diag, s->at) && data_bind_images(s);
}

static bool open_kind(mc_dataset *s) {
  kind k = kind_of(s->path);
  if ((s->opts.resize || s->opts.color) && k != DATA_IMAGES)
    data_warn(s, "%s has no effect: the samples are no images",
              s->opts.resize ? "resize" : "color");
  switch (k) {
  case DATA_NPZ: return open_npz(s);
  case DATA_NPY: return open_npy(s);
  case DATA_IMAGES: return open_images(s);
  case DATA_UNKNOWN: break;
  }
  return mc_error(s->diag, s->at,
                  "%ssamples are read from .npz and .npy files, JPEG and PNG images and folders of "
                  "these, and this is none",
                  s->who);
}

static bool preprocessing(mc_dataset *s) {
  bool any = false;
  if (!s->opts.preprocess) return true;
  if (!mc_affine_parse(s->opts.preprocess, &s->pre, s->diag, s->at)) return false;
  s->has_pre = true;
  for (int k = 0; k < s->nin; k++) any |= data_is_affine(s, &s->in[k]);
  if (!any)
    data_warn(
        s,
        "the preprocessing has no effect: it is for samples of float inputs, and there are none");
  return true;
}

mc_dataset *mc_dataset_open_types(const char *path, const mc_dataset_input *in, int nin,
                                  const mc_dataset_opts *o, mc_diag *d, mc_loc at) {
  mc_arena *a = mc_arena_create();
  mc_dataset *s = MC_NEW(a, mc_dataset);
  *s = (mc_dataset){ .arena = a,
                     .path = mc_arena_strdup(a, path),
                     .diag = d,
                     .at = at,
                     .nin = nin,
                     .in = MC_NEWN(a, source, nin) };
  s->who = at.what ? "" : mc_arena_printf(a, "%s: ", path);
  if (o) s->opts = *o;
  s->input = MC_NEWN(a, mc_dataset_input, nin);
  for (int i = 0; i < nin; i++) {
    s->input[i].type = mc_arena_copy(a, in[i].type, sizeof *in[i].type);
    s->input[i].name = in[i].name ? mc_arena_strdup(a, in[i].name) : NULL;
    s->input[i].source = in[i].source ? mc_arena_strdup(a, in[i].source) : NULL;
  }
  if (nin < 1) mc_error(d, at, "%sthe network has no inputs that samples could feed", s->who);
  if (nin > 0 && open_kind(s) && preprocessing(s)) return s;
  mc_dataset_close(s);
  return NULL;
}

mc_dataset *mc_dataset_open(const char *path, const mc_graph *g, const mc_dataset_opts *o,
                            mc_diag *d, mc_loc at) {
  mc_arena *a = mc_arena_create();
  mc_dataset_input *in = MC_NEWN(a, mc_dataset_input, g->nin);
  for (int i = 0; i < g->nin; i++)
    in[i] = (mc_dataset_input){ g->in[i]->type, g->in[i]->name, g->in[i]->source };
  mc_dataset *s = mc_dataset_open_types(path, in, g->nin, o, d, at);
  mc_arena_destroy(a);
  return s;
}

void mc_dataset_close(mc_dataset *s) {
  if (!s) return;
  for (int k = 0; k < s->nin; k++) mc_npz_rows_close(s->in[k].rows);
  mc_npz_close(s->zip);
  mc_arena_destroy(s->arena);
}

int64_t mc_dataset_count(const mc_dataset *s) { return s->count; }

int64_t mc_dataset_batch(const mc_dataset *s) { return s->batch; }

bool mc_dataset_has_labels(const mc_dataset *s) { return s->has_y; }

const char *mc_dataset_no_labels(const mc_dataset *s) { return s->no_y; }

mc_dtype mc_dataset_dtype(const mc_dataset *s, int k) { return s->in[k].a.dtype; }

int64_t mc_dataset_label(const mc_dataset *s, int64_t i) {
  int64_t per = 1;
  if (s->images.n) return s->images.file[i].label;
  for (int k = 1; k < s->y.rank; k++) per *= s->y.dim[k];
  return (int64_t)data_element(&s->y, i * per);
}

/* ---- samples ---- */

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

/* The array's element type is the input's, or its bits are. */
static bool same_bytes(const mc_dataset *s, const source *in) {
  return in->perm == AS_IS && !data_is_affine(s, in) && in->a.dtype == in->type->dtype;
}

static bool same_bits(const source *in) {
  return in->a.bits && (in->type->dtype == MC_f16 || in->type->dtype == MC_bf16);
}

/* Sample number `at` of the input's batch from elements base ... of the array. */
static void convert(const mc_dataset *s, const source *in, const mc_npy *a, int64_t base,
                    void *data, int64_t at) {
  const int64_t *dim = in->type->dim;
  int64_t channels = in->perm == NHWC_TO_NCHW ? dim[1]
                     : in->type->rank         ? dim[in->type->rank - 1]
                                              : 1;
  bool affine = data_is_affine(s, in), bits = same_bits(in);
  mc_type stored = *in->type; /* integers of the input's type are its steps already */
  if (a->dtype == stored.dtype && !affine) stored.q.kind = MC_Q_NONE;
  for (int64_t e = 0; e < in->elems; e++) {
    int64_t from = permuted(in, e);
    double x = data_element(a, base + from);
    int c = s->pre.n > 1 ? (int)(from % channels % s->pre.n) : 0;
    if (affine) x = (double)((float)x * s->pre.scale[c] + s->pre.shift[c]);
    if (bits)
      ((uint16_t *)data)[at + e] = (uint16_t)x;
    else
      data_store(&stored, data, at + e, x);
  }
}

static bool fetch_image(const mc_dataset *s, int64_t i, void *data, int64_t at) {
  const char *path = s->images.file[i].path;
  mc_blob *b = mc_blob_open(path, s->diag, s->at);
  if (!b) return false;
  mc_arena *a = mc_arena_create();
  image x;
  bool ok = image_decode(&x, mc_blob_data(b), mc_blob_size(b), path, a, s->diag, s->at);
  mc_blob_close(b);
  if (ok) {
    image_channels(&x, s->c, s->opts.color == 1, a);
    image_fit(&x, s->w, s->h, (mc_image_resize)s->opts.resize, a);
    convert(s, &s->in[0], &(mc_npy){ .dtype = MC_u8, .data = x.px }, 0, data, at);
  }
  mc_arena_destroy(a);
  return ok;
}

/* An array of which element *base begins row i. */
static bool row_at(const source *in, int64_t i, mc_npy *a, int64_t *base) {
  size_t bytes = mc_dtype_size(in->a.dtype) * (size_t)in->elems;
  *a = in->a;
  *base = i * in->elems;
  if (!in->rows) return true;
  *base = 0;
  return (a->data = mc_npz_rows_at(in->rows, (size_t)i * bytes, bytes)) != NULL;
}

static bool fetch_sample(const mc_dataset *s, const source *in, int64_t i, void *data, int64_t at) {
  size_t bytes = mc_dtype_size(in->type->dtype);
  mc_npy a;
  int64_t base;
  if (s->images.n) return fetch_image(s, i, data, at);
  if (!row_at(in, i, &a, &base)) return false;
  if (!same_bytes(s, in)) return convert(s, in, &a, base, data, at), true;
  memcpy((char *)data + (size_t)at * bytes, (const char *)a.data + (size_t)base * bytes,
         (size_t)in->elems * bytes);
  return true;
}

/* The row of the array that is row b of input k in the run that begins with sample i. */
static int64_t row_of(const mc_dataset *s, const source *in, int64_t rows, int64_t i, int64_t b) {
  if (!in->whole) return i + b < s->count ? i + b : s->count - 1;
  int64_t run = i / s->batch;
  return (run < in->runs ? run : in->runs - 1) * rows + b;
}

bool mc_dataset_fetch(const mc_dataset *s, int64_t i, void *const *data) {
  for (int k = 0; k < s->nin; k++) {
    const source *in = &s->in[k];
    int64_t rows = in->type->rank ? in->type->dim[0] : 1;
    for (int64_t b = 0; b < rows; b++)
      if (!fetch_sample(s, in, row_of(s, in, rows, i, b), data[k], b * in->elems)) return false;
  }
  return true;
}
