/* Elements print so that they read back to the same bits: shortest floats, and the raw bits (0x...)
 * of NaNs other than the usual one. */
#include "dense.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

/* The NaN that "nan" reads as: quiet, positive, no payload. */
static uint64_t usual_nan(mc_dtype t) {
  return t == MC_f64   ? 0x7ff8000000000000u
         : t == MC_f32 ? 0x7fc00000u
         : t == MC_f16 ? 0x7e00u
                       : 0x7fc0u;
}

static void print_float(mc_strbuf *out, mc_dtype t, const void *p) {
  uint64_t bits = 0;
  memcpy(&bits, p, mc_dtype_size(t)); /* little-endian, as the data are */
  double d = 0;
  float f = 0;
  if (t == MC_f64)
    memcpy(&d, p, sizeof d);
  else if (t == MC_f32)
    memcpy(&f, p, sizeof f);
  else
    f = t == MC_f16 ? mc_fx_from_f16((uint16_t)bits) : mc_fx_from_bf16((uint16_t)bits);
  bool odd = (isnan(d) || isnan(f)) && bits != usual_nan(t);
  if (odd)
    mc_sb_printf(out, "0x%0*llx", (int)mc_dtype_size(t) * 2, (unsigned long long)bits);
  else if (t == MC_f64)
    mc_sb_double(out, d);
  else
    mc_sb_float(out, f);
}

static void print_int(mc_strbuf *out, mc_dtype t, const void *p) {
  int64_t lo, hi, v = 0;
  size_t n = mc_dtype_size(t);
  memcpy(&v, p, n);
  mc_dtype_range(t, &lo, &hi);
  if (lo < 0 && v > hi) v -= (hi - lo) + 1; /* sign of the narrow types; i64 is never above hi */
  mc_sb_printf(out, "%lld", (long long)v);
}

static void print_elem(mc_strbuf *out, const mc_tensor *t, int64_t i) {
  const char *p = (const char *)t->data + (size_t)i * mc_dtype_size(t->dtype);
  if (mc_dtype_is_float(t->dtype))
    print_float(out, t->dtype, p);
  else
    print_int(out, t->dtype, p);
}

static bool is_splat(const mc_tensor *t) {
  size_t e = mc_dtype_size(t->dtype);
  return t->size <= e || !memcmp(t->data, (const char *)t->data + e, t->size - e);
}

static int64_t print_axis(mc_strbuf *out, const mc_tensor *t, int axis, int64_t at) {
  if (axis == t->rank) return print_elem(out, t, at), at + 1;
  mc_sb_putc(out, '[');
  for (int64_t i = 0; i < t->dim[axis]; i++) {
    if (i) mc_sb_puts(out, ", ");
    at = print_axis(out, t, axis + 1, at);
  }
  mc_sb_putc(out, ']');
  return at;
}

void mc_dense_print(mc_strbuf *out, const mc_tensor *t) {
  mc_sb_puts(out, "dense<");
  if (is_splat(t))
    print_elem(out, t, 0);
  else
    print_axis(out, t, 0, 0);
  mc_sb_putc(out, '>');
}
