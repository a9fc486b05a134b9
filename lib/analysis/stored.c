/* Forms of stored weights: what the weights say. */
#include "mc/analysis/stored.h"
#include <string.h>

enum { LEAST = 1024 }; /* bytes of weights that are worth a loop of their own */

static const double worth = 15.0 / 16;

const char *const mc_stored_texts[MC_NUM_STORED] = {
#define MC_STORED(id, text, doc) [MC_STORED_##id] = text,
#include "mc/analysis/stored.def"
};

/* ---- as they are ---- */

static const char *stored_plain_refused(const mc_tensor *w) {
  (void)w;
  return NULL;
}

static int64_t stored_plain_bytes(const mc_tensor *w, int64_t n) {
  return n * (int64_t)mc_dtype_size(w->dtype);
}

/* ---- bits and values ---- */

/* Elements that are not 0 (bits other than 0: -0.0 counts). */
static int64_t used(const mc_tensor *w) {
  static const char zero[8] = { 0 };
  size_t size = mc_dtype_size(w->dtype);
  int64_t n = mc_tensor_elems(w), used = 0;
  for (int64_t i = 0; i < n; i++)
    used += memcmp((const char *)w->data + (size_t)i * size, zero, size) != 0;
  return used;
}

static int64_t stored_bits_bytes(const mc_tensor *w, int64_t n) {
  return (n + 7) / 8 + used(w) * (int64_t)mc_dtype_size(w->dtype);
}

static const char *stored_bits_refused(const mc_tensor *w) {
  if (w->dtype != MC_f32 && w->dtype != MC_bf16 && w->dtype != MC_i8)
    return "their type is neither f32, bf16 nor i8";
  int64_t kept = stored_bits_bytes(w, mc_tensor_elems(w));
  return (double)kept < worth * (double)w->size ? NULL : "too few of them are 0";
}

/* ---- 4 bits ---- */

/* A scale for each row. */
static int64_t scale_bytes(const mc_tensor *w) {
  return w->dtype == MC_f32 ? w->dim[0] * (int64_t)sizeof(float) : 0;
}

static int64_t stored_nibbles_bytes(const mc_tensor *w, int64_t n) {
  int64_t shared = mc_nibbles_shared(w);
  return (n + 1) / 2 + (shared > 0 ? (n + shared - 1) / shared : 0) + scale_bytes(w);
}

static const char *stored_nibbles_refused(const mc_tensor *w) {
  return mc_nibbles_shared(w) < 0 ? "they are on no grid of 4 bits" : NULL;
}

/* ---- f32 of fewer bits ---- */

static int64_t stored_steps_bytes(const mc_tensor *w, int64_t n) { return n + scale_bytes(w); }

static const char *stored_steps_refused(const mc_tensor *w) {
  return mc_steps_all(w, NULL, NULL) ? NULL : "they are no whole multiples of a scale";
}

static int64_t stored_codes_bytes(const mc_tensor *w, int64_t n) {
  uint32_t book[MC_CODES];
  int values = mc_codes_of(w, book);
  return (values <= 16 ? (n + 1) / 2 : n) + 4 * values;
}

static const char *stored_codes_refused(const mc_tensor *w) {
  uint32_t book[MC_CODES];
  return mc_codes_of(w, book) ? NULL : "they have more than 256 values";
}

static int64_t stored_halves_bytes(const mc_tensor *w, int64_t n) {
  (void)w;
  return 2 * n;
}

static const char *stored_halves_refused(const mc_tensor *w) {
  return mc_halves_all(w) ? NULL : "they are not of half precision";
}

/* ---- all ---- */

typedef const char *refused_fn(const mc_tensor *w);
typedef int64_t bytes_fn(const mc_tensor *w, int64_t n);

const char *mc_stored_refused(mc_stored f, const mc_tensor *w) {
  static refused_fn *const of[MC_NUM_STORED] = {
#define MC_STORED(id, text, doc) [MC_STORED_##id] = stored_##id##_refused,
#include "mc/analysis/stored.def"
  };
  return of[f](w);
}

int64_t mc_stored_bytes(mc_stored f, const mc_tensor *w, int64_t n) {
  static bytes_fn *const of[MC_NUM_STORED] = {
#define MC_STORED(id, text, doc) [MC_STORED_##id] = stored_##id##_bytes,
#include "mc/analysis/stored.def"
  };
  return of[f](w, n);
}

/* Why no form is asked of this product at all. */
static const char *not_asked(const mc_target *t, const mc_node *head) {
  if (!t->small_weights) return "it was not asked for";
  if (head->op != MC_OP_conv2d && head->op != MC_OP_linear) return "only conv2d and linear can";
  const mc_tensor *w = mc_value_tensor(head->in[1]);
  if (!w) return "the weights are no constant";
  return w->size < LEAST ? "they are few" : NULL;
}

mc_stored mc_stored_find(const mc_target *t, const mc_node *head, const char **why) {
  const char *not = not_asked(t, head), *first = NULL;
  mc_stored best = MC_STORED_plain;
  int64_t least = INT64_MAX;
  for (int f = MC_STORED_plain + 1; f < MC_NUM_STORED && !not; f++) {
    const mc_tensor *w = mc_value_tensor(head->in[1]);
    const char *refused = mc_stored_refused((mc_stored)f, w);
    int64_t bytes = refused ? INT64_MAX : mc_stored_bytes((mc_stored)f, w, mc_tensor_elems(w));
    if (!first) first = refused;
    if (bytes < least) least = bytes, best = (mc_stored)f;
  }
  if (why) *why = best ? NULL : not ? not : first;
  return best;
}
