/* dense<...>: the shape of the nesting while it is read, the elements once the type is known. */
#include "build.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- while reading ---- */

void mir_dense_begin(mir_parse *p) {
  ast_dense *d = p->dense = MC_NEW(p->arena, ast_dense);
  d->rank = -1;
  for (int i = 0; i < MC_MAX_RANK; i++) d->dim[i] = -1;
}

static void ragged(mir_parse *p, mir_span at, const char *what) {
  if (!p->dense->bad) mc_error(p->diag, mir_loc(p, at), "%s", what);
  p->dense->bad = true;
}

void mir_dense_open(mir_parse *p, mir_span at) {
  ast_dense *d = p->dense;
  if (d->rank >= 0 && d->depth >= d->rank) ragged(p, at, "a list where the others have a number");
  if (d->depth == MC_MAX_RANK) ragged(p, at, "more than 8 nested lists");
  if (d->bad) return;
  d->count[d->depth++]++;
  d->count[d->depth] = 0;
}

void mir_dense_close(mir_parse *p, mir_span at) {
  ast_dense *d = p->dense;
  if (d->bad) return;
  int64_t n = d->count[d->depth], *dim = &d->dim[--d->depth];
  if (n == 0)
    ragged(p, at, "an empty list");
  else if (*dim >= 0 && *dim != n)
    ragged(p, at, "lists of different lengths");
  *dim = n;
}

void mir_dense_number(mir_parse *p, mir_span at) {
  ast_dense *d = p->dense;
  if (d->rank >= 0 && d->rank != d->depth) ragged(p, at, "a number where the others have a list");
  if (d->bad) return;
  d->rank = d->depth;
  d->count[d->depth]++;
  MC_PUSH(p->arena, &d->num, at);
}

/* ---- elements ---- */

/* The nearest of the narrower format's values: `drop` bits of the significand of an f32 pattern go,
 * ties to even. */
static uint32_t round_bits(uint32_t u, int drop) {
  uint32_t half = 1u << (drop - 1), odd = u >> drop & 1;
  return (u + half - 1 + odd) >> drop;
}

static uint16_t to_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if (isnan(x)) return (uint16_t)(u >> 16 | 0x40);
  return (uint16_t)round_bits(u, 16);
}

static uint16_t to_f16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
  u &= 0x7fffffff;
  if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (u >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 65536 and more, inf */
  if (u < 0x38800000)
    return (uint16_t)(sign |
                      (uint16_t)rintf(fabsf(x) *
                                      16777216.0f)); /* subnormal: units of 2^-24, exact product */
  return (uint16_t)(sign | round_bits(u - 0x38000000, 13));
}

/* 0x and all digits of the bits: how NaNs other than the usual one are written. */
static bool store_bits(mir_build *b, void *out, mc_dtype t, mir_span at) {
  uint64_t bits = 0;
  if (at.end - at.begin != 2 + 2 * mc_dtype_size(t))
    return mc_error(b->p.diag, mir_loc(&b->p, at), "the bits of an %s have %zu hexadecimal digits",
                    mc_dtype_names[t], 2 * mc_dtype_size(t));
  for (uint32_t i = at.begin + 2; i < at.end; i++)
    bits = bits << 4 | (unsigned)mir_hex_digit(b->p.src->text[i]);
  memcpy(out, &bits, mc_dtype_size(t));
  return true;
}

static bool store_float(mir_build *b, void *out, mc_dtype t, mir_span at) {
  if (mir_span_is_bits(&b->p, at)) return store_bits(b, out, t, at);
  double x = mir_span_f64(&b->p, at);
  float f = mir_span_f32(&b->p, at);
  uint16_t h = t == MC_f16 ? to_f16(f) : to_bf16(f);
  bool literal_inf = isinf(x) && memchr(b->p.src->text + at.begin, 'n', at.end - at.begin);
  bool overflow = t == MC_f64   ? isinf(x)
                  : t == MC_f32 ? isinf(f)
                                : (h & 0x7fff) == (t == MC_f16 ? 0x7c00 : 0x7f80);
  if (overflow && !literal_inf)
    return mc_error(b->p.diag, mir_loc(&b->p, at), "out of the range of %s", mc_dtype_names[t]);
  if (t == MC_f64)
    memcpy(out, &x, 8);
  else if (t == MC_f32)
    memcpy(out, &f, 4);
  else
    memcpy(out, &h, 2);
  return true;
}

static bool store_int(mir_build *b, void *out, mc_dtype t, mir_span at) {
  int64_t x, lo = 0, hi = 1;
  if (!mir_span_is_int(&b->p, at))
    return mc_error(b->p.diag, mir_loc(&b->p, at), "expected an integer, as the type is %s",
                    mc_dtype_names[t]);
  if (t != MC_bool) mc_dtype_range(t, &lo, &hi);
  if (!mir_span_int(&b->p, at, &x) || x < lo || x > hi)
    return mc_error(b->p.diag, mir_loc(&b->p, at),
                    "out of the range of %s (%" PRId64 " to %" PRId64 ")", mc_dtype_names[t], lo,
                    hi);
  memcpy(out, &x, mc_dtype_size(t)); /* little-endian, two's complement */
  return true;
}

static bool store_elem(mir_build *b, void *out, mc_dtype t, mir_span at) {
  return mc_dtype_is_float(t) ? store_float(b, out, t, at) : store_int(b, out, t, at);
}

static bool check_shape(mir_build *b, const ast_dense *d, const mc_type *t) {
  if (d->rank == 0) return true;
  bool same = d->rank == t->rank;
  for (int i = 0; same && i < d->rank; i++) same = d->dim[i] == t->dim[i];
  if (same) return true;
  mc_strbuf s = { 0 };
  for (int i = 0; i < d->rank; i++) mc_sb_printf(&s, "%s%" PRId64, i ? "," : "", d->dim[i]);
  mc_error(b->p.diag, mir_loc(&b->p, d->at),
           "the lists have the shape [%s], which is not the type's", mc_sb_str(&s));
  mc_sb_free(&s);
  return false;
}

/* One number for many elements makes memory out of nothing: bounded for the whole file. */
static bool check_size(mir_build *b, const ast_dense *d, const mc_type *t) {
  size_t bytes = (size_t)mc_type_bytes(t);
  if (d->rank != 0 || (bytes <= MIR_MAX_SPLAT && b->splat_bytes + bytes <= MIR_MAX_SPLAT)) {
    b->splat_bytes += d->rank == 0 ? bytes : 0;
    return true;
  }
  return mc_error(b->p.diag, mir_loc(&b->p, d->at),
                  "constants of one repeated number take more than 64 MiB in this file: put them "
                  "into a weights file");
}

mc_tensor *mir_dense_tensor(mir_build *b, const ast_dense *d, const mc_type *t) {
  if (!check_shape(b, d, t) || !check_size(b, d, t)) return NULL;
  void *data;
  mc_tensor *x = mc_tensor_create(b->m, NULL, t->dtype, t->rank, t->dim, &data);
  x->loc = mir_loc(&b->p, d->at);
  size_t elem = mc_dtype_size(t->dtype), n = (size_t)mc_tensor_elems(x);
  for (size_t i = 0; i < d->num.n; i++)
    if (!store_elem(b, (char *)data + i * elem, t->dtype, d->num.v[i])) return NULL;
  for (size_t i = d->num.n; i < n; i++) memcpy((char *)data + i * elem, data, elem);
  return x;
}
