/* Which array feeds which input, and how. */
#include "data.h"
#include <stdio.h>
#include <string.h>

/* ---- shapes ---- */

static int64_t product(const int64_t *dim, int from, int to) {
  int64_t n = 1;
  for (int i = from; i < to; i++) n *= dim[i];
  return n;
}

static bool dims_equal(const int64_t *a, const int64_t *b, int n) {
  return n == 0 || memcmp(a, b, sizeof *a * (size_t)n) == 0;
}

/* The same sizes in the same order but for axes of 1, after the first. */
static bool same_but_ones(const mc_npy *a, const mc_type *t) {
  int i = 1, k = 1;
  for (;;) {
    while (i < a->rank && a->dim[i] == 1) i++;
    while (k < t->rank && t->dim[k] == 1) k++;
    if (i == a->rank || k == t->rank) return i == a->rank && k == t->rank;
    if (a->dim[i++] != t->dim[k++]) return false;
  }
}

/* How samples [count, s...] become an input [batch, s...]. */
static bool match_shape(const mc_npy *a, const mc_type *t, permute *perm) {
  *perm = AS_IS;
  if (a->rank == t->rank && dims_equal(a->dim + 1, t->dim + 1, t->rank - 1)) return true;
  if (a->rank == 4 && t->rank == 4) {
    const int64_t *x = a->dim, *y = t->dim;
    if (x[1] == y[2] && x[2] == y[3] && x[3] == y[1]) return *perm = NHWC_TO_NCHW, true;
    if (x[1] == y[3] && x[2] == y[1] && x[3] == y[2]) return *perm = NCHW_TO_NHWC, true;
  }
  bool flat = a->rank <= 2 || t->rank <= 2;
  return (flat && product(a->dim, 1, a->rank) == product(t->dim, 1, t->rank)) ||
         same_but_ones(a, t);
}

/* Whole inputs [count, d, s...]: as samples of an input with one more axis. */
static bool match_whole(const mc_npy *a, const mc_type *t) {
  int64_t all = product(t->dim, 0, t->rank);
  bool same = a->rank == t->rank + 1 && dims_equal(a->dim + 1, t->dim, t->rank);
  bool flat = t->rank != 1 && a->rank == 2 && a->dim[1] == all;
  return same || flat || (t->rank == 0 && product(a->dim, 1, a->rank) == 1);
}

/* What the rows of the array are; with input 0 the batch of all. */
static bool match(mc_dataset *s, int k) {
  source *in = &s->in[k];
  const mc_type *t = in->type;
  int64_t first = t->rank ? t->dim[0] : 1, rows = in->a.dim[0];
  bool as_rows = t->rank && match_shape(&in->a, t, &in->perm),
       stacked = !as_rows && match_whole(&in->a, t);
  if (k == 0) s->batch = t->rank && !stacked && first > 0 ? first : 1;
  in->whole = t->rank == 0 || first != s->batch;
  in->elems = t->rank ? product(t->dim, 1, t->rank) : 1;
  if (stacked) rows *= first;
  if (in->whole && first > 0 && rows % first) return false;
  in->runs = first > 0 ? rows / first : rows;
  int64_t samples = !in->whole ? rows : in->runs == 1 && k > 0 ? INT64_MAX : in->runs * s->batch;
  if (k == 0 || samples < s->count) s->count = samples;
  return as_rows || stacked;
}

static void print_dims(mc_strbuf *b, const int64_t *dim, int rank) {
  mc_sb_putc(b, '[');
  for (int i = 0; i < rank; i++) mc_sb_printf(b, i ? ",%lld" : "%lld", (long long)dim[i]);
  mc_sb_putc(b, ']');
}

static const char *input_name(const mc_dataset_input *in) {
  return in->source ? in->source : in->name ? in->name : "?";
}

static bool no_match(const mc_dataset *s, const source *in, const char *what, const char *input) {
  mc_strbuf b = { 0 };
  print_dims(&b, in->a.dim, in->a.rank);
  mc_sb_printf(&b, " does not give samples for input %s: ", input);
  mc_type_print(&b, in->type);
  mc_error(s->diag, s->at, "%s%s %s", s->who, what, mc_sb_str(&b));
  mc_sb_free(&b);
  return false;
}

/* The array of in[k] is read: hold it against the input. */
static bool bind(mc_dataset *s, int k) {
  source *in = &s->in[k];
  const char *input = input_name(&s->input[k]);
  const char *what = in->array ? mc_arena_printf(s->arena, "array '%s'", in->array) : "the array";
  in->type = s->input[k].type;
  if (in->a.rank == 0 && in->type->rank == 0) in->a.rank = 1, in->a.dim[0] = 1;
  if (in->a.rank < 1 || in->a.dim[0] < 1)
    return mc_error(s->diag, s->at, "%s%s holds no samples", s->who, what);
  if (!match(s, k)) return no_match(s, in, what, input);
  if (!data_can_convert(&in->a, in->type))
    return mc_error(s->diag, s->at,
                    "%s%s of %s cannot feed input %s, which is %s: it takes the stored "
                    "integers or reals",
                    s->who, what, mc_dtype_names[in->a.dtype], input,
                    mc_dtype_names[in->type->dtype]);
  return data_check_values(s, in, input);
}

/* Bytes; arrays from there on are read sample by sample. */
enum { LARGE = 1 << 24 };

bool data_bind_array(mc_dataset *s, int k, const char *array) {
  if (!array) return bind(s, k);
  source *in = &s->in[k];
  in->array = array;
  in->type = s->input[k].type;
  if (!mc_npz_open_rows(s->zip, array, LARGE, &in->a, &in->rows, s->arena, s->diag, s->at))
    return false;
  if (in->rows && data_needs_values(s, in)) in->rows = NULL;
  if (!in->rows && !mc_npz_read(s->zip, array, &in->a, s->arena, s->diag, s->at)) return false;
  return bind(s, k);
}

/* ---- names ---- */

static const char *has_array(const mc_dataset *s, const char *name) {
  for (int i = 0; name && i < mc_npz_count(s->zip); i++)
    if (strcmp(mc_npz_name(s->zip, i), name) == 0) return mc_npz_name(s->zip, i);
  return NULL;
}

/* The array of input k under one kind of names: the model's, the text's, numpy's. */
typedef enum naming { BY_SOURCE, BY_NAME, BY_NUMBER, NUM_NAMINGS } naming;

static const char *named(const mc_dataset *s, int k, naming how) {
  char number[32];
  const mc_dataset_input *in = &s->input[k];
  snprintf(number, sizeof number, "arr_%d", k);
  return has_array(s, how == BY_SOURCE ? in->source : how == BY_NAME ? in->name : number);
}

static bool no_array(const mc_dataset *s, int k) {
  const mc_dataset_input *in = &s->input[k];
  mc_strbuf b = { 0 };
  mc_sb_printf(&b, "no array '%s'", input_name(in));
  if (in->source && in->name && strcmp(in->source, in->name) != 0)
    mc_sb_printf(&b, " or '%s'", in->name);
  mc_sb_puts(&b, " for that graph input (there is ");
  for (int i = 0; i < mc_npz_count(s->zip) && i < 8; i++)
    mc_sb_printf(&b, "%s'%s'", i ? ", " : "", mc_npz_name(s->zip, i));
  mc_error(s->diag, s->at, "%s%s%s)", s->who, mc_sb_str(&b),
           mc_npz_count(s->zip) > 8 ? ", ..." : "");
  mc_sb_free(&b);
  return false;
}

/* All inputs by the same kind of names where one has them all, else each by the first that has it.
 */
static naming common_naming(const mc_dataset *s) {
  for (naming how = BY_SOURCE; how < NUM_NAMINGS; how++) {
    int found = 0;
    for (int k = 0; k < s->nin; k++) found += named(s, k, how) != NULL;
    if (found == s->nin) return how;
  }
  return NUM_NAMINGS;
}

bool data_bind_arrays(mc_dataset *s, const char *x) {
  naming how = common_naming(s);
  if (x && s->nin > 1)
    return mc_error(s->diag, s->at,
                    "%s-x=%s names the array of one input; the network has %d, "
                    "whose arrays have their names",
                    s->who, x, s->nin);
  for (int k = 0; k < s->nin; k++) {
    const char *array = x ? x : how < NUM_NAMINGS ? named(s, k, how) : NULL;
    for (naming h = BY_SOURCE; !array && h < BY_NUMBER; h++) array = named(s, k, h);
    if (!array && s->nin > 1) return no_array(s, k);
    if (!array) array = has_array(s, "x") ? "x" : mc_npz_name(s->zip, 0);
    if (!data_bind_array(s, k, array)) return false;
  }
  return true;
}

int mc_dataset_find(const mc_dataset_input *in, int n, const char *name, size_t len) {
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < n; i++) {
      const char *own = pass ? in[i].name : in[i].source;
      if (own && strlen(own) == len && memcmp(own, name, len) == 0) return i;
    }
  return -1;
}

/* ---- what is left ---- */

static bool is_label(const char *array, const char *y) {
  static const char *const usual[] = { "y", "label", "labels", "target", "targets" };
  if (y && strcmp(array, y) == 0) return true;
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    if (strcmp(array, usual[i]) == 0) return true;
  return false;
}

static bool is_used(const mc_dataset *s, const char *array) {
  for (int k = 0; k < s->nin; k++)
    if (s->in[k].array && strcmp(s->in[k].array, array) == 0) return true;
  return false;
}

static void tell_unused(const mc_dataset *s, const char *y) {
  mc_strbuf b = { 0 };
  int n = 0;
  for (int i = 0; i < mc_npz_count(s->zip); i++) {
    const char *array = mc_npz_name(s->zip, i);
    if (!is_used(s, array) && !is_label(array, y))
      mc_sb_printf(&b, "%s'%s'", n++ ? ", " : "", array);
  }
  if (n)
    data_warn(s, "array%s %s %s not used: no graph input has %s name", n > 1 ? "s" : "",
              mc_sb_str(&b), n > 1 ? "are" : "is", n > 1 ? "such a" : "this");
  mc_sb_free(&b);
}

static void tell_lengths(const mc_dataset *s) {
  mc_strbuf b = { 0 };
  bool differ = false;
  for (int k = 0; k < s->nin; k++) {
    const source *in = &s->in[k];
    if (in->whole && in->runs == 1) continue; /* for all samples */
    int64_t n = in->whole ? in->runs * s->batch : in->a.dim[0];
    differ |= n != s->count;
    mc_sb_printf(&b, "%s'%s' has %lld", b.n ? ", " : "", in->array ? in->array : "?", (long long)n);
  }
  if (differ)
    data_warn(s,
              "the arrays hold different numbers of samples (%s): the first %lld of each are "
              "taken together; are they of one run?",
              mc_sb_str(&b), (long long)s->count);
  mc_sb_free(&b);
}

void data_tell_arrays(const mc_dataset *s, const char *y) {
  tell_lengths(s);
  if (s->zip) tell_unused(s, y);
}

/* ---- images ---- */

static bool is_channels(int64_t n) { return n == 1 || n == 3 || n == 4; }

bool data_bind_images(mc_dataset *s) {
  source *in = &s->in[0];
  const mc_type *t = s->input[0].type;
  const int64_t *d = t->dim;
  if (s->nin != 1)
    return mc_error(s->diag, s->at,
                    "%simages feed a network of one input; this one has %d: give "
                    "an .npz with an array for each",
                    s->who, s->nin);
  bool last = t->rank == 4 && is_channels(d[3]), first = t->rank == 4 && is_channels(d[1]);
  if (t->rank == 3)
    s->h = (int)d[1], s->w = (int)d[2], s->c = 1;
  else if (last && !first)
    s->h = (int)d[1], s->w = (int)d[2], s->c = (int)d[3];
  else if (first && !last)
    s->h = (int)d[2], s->w = (int)d[3], s->c = (int)d[1], in->perm = NHWC_TO_NCHW;
  if (!s->c || s->w > IMAGE_MAX_SIDE || s->h > IMAGE_MAX_SIDE) {
    mc_strbuf b = { 0 };
    mc_type_print(&b, t);
    mc_error(s->diag, s->at,
             "%simages do not give samples for input %s: %s; they need [batch, rows, columns, "
             "channels] or [batch, channels, rows, columns] with 1, 3 or 4 channels",
             s->who, input_name(&s->input[0]), mc_sb_str(&b));
    mc_sb_free(&b);
    return false;
  }
  in->type = t;
  in->elems = (int64_t)s->w * s->h * s->c;
  s->batch = d[0] > 0 ? d[0] : 1;
  in->a = (mc_npy){ .dtype = MC_u8 };
  s->count = s->images.n;
  s->has_y = s->images.labels;
  if (t->dtype != MC_bool && !(t->dtype == MC_i8 && !mc_type_is_quant(t))) return true;
  return mc_error(s->diag, s->at,
                  "%simages have bytes from 0 to 255, which input %s of %s cannot have", s->who,
                  input_name(&s->input[0]), mc_dtype_names[t->dtype]);
}
