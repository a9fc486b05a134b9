/* The header of an .npy array: "\x93NUMPY", version, length, and a Python literal in one fixed
 * form:
 *
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 * Reference: numpy's document "NEP 1, a simple file format for numpy arrays" (versions 1.0, 2.0 and
 * 3.0 differ in the width of the length and in the text's encoding). The keys may come in any
 * order, each once; nothing else is read as Python. */
#include "npyhead.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

static bool bad(npy_where w, const char *what) {
  return mc_error(w.diag, w.at, "%s: %s", w.who, what);
}

bool npy_header_size(size_t *size, const unsigned char *p, size_t n, npy_where w) {
  if (n < 10 || memcmp(p, "\x93NUMPY", 6) != 0) return bad(w, "not an .npy array");
  if (p[6] < 1 || p[6] > 3)
    return mc_error(w.diag, w.at, "%s: .npy version %d.%d is not known", w.who, p[6], p[7]);
  size_t len = (size_t)p[8] | (size_t)p[9] << 8, prefix = 10;
  if (p[6] > 1) {
    if (n < 12) return bad(w, "the .npy header is cut off");
    prefix = 12;
    len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  }
  if (len > NPY_MAX_HEADER)
    return mc_error(w.diag, w.at, "%s: an .npy header of %zu bytes is too long", w.who, len);
  *size = prefix + len;
  return true;
}

typedef struct scan {
  const char *p, *end;
} scan;

static void blanks(scan *s) {
  while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t')) s->p++;
}

static bool take(scan *s, const char *text) {
  blanks(s);
  size_t n = strlen(text);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0) return false;
  s->p += n;
  return true;
}

/* 'text' or "text" without escapes. */
static bool take_string(scan *s, char *out, size_t cap) {
  blanks(s);
  if (s->p == s->end || (*s->p != '\'' && *s->p != '"')) return false;
  char quote = *s->p++;
  size_t n = 0;
  while (s->p < s->end && *s->p != quote) {
    if (n + 1 == cap || !isprint((unsigned char)*s->p) || *s->p == '\\') return false;
    out[n++] = *s->p++;
  }
  out[n] = 0;
  return s->p < s->end && s->p++;
}

static bool take_int(scan *s, int64_t *x) {
  blanks(s);
  if (s->p == s->end || !isdigit((unsigned char)*s->p)) return false;
  for (*x = 0; s->p < s->end && isdigit((unsigned char)*s->p); s->p++)
    if (__builtin_mul_overflow(*x, (int64_t)10, x) ||
        __builtin_add_overflow(*x, (int64_t)(*s->p - '0'), x))
      return false;
  return true;
}

/* Types that have no dtype of their own. */
static bool widened(mc_npy *out, npy_form *form, const char *text) {
  static const struct {
    const char *descr;
    int bytes;
    mc_dtype to;
  } wide[] = { { "<u2", 2, MC_i32 }, { "<u4", 4, MC_i64 }, { "<u8", 8, MC_i64 } };

  if (strcmp(text, "<V2") == 0 || strcmp(text, "|V2") == 0) return out->dtype = MC_bf16, true;
  for (int i = 0; i < 3; i++)
    if (strcmp(text, wide[i].descr) == 0) {
      out->dtype = wide[i].to;
      out->bits = wide[i].bytes == 2;
      form->wide = wide[i].bytes;
      return true;
    }
  return false;
}

static bool take_descr(mc_npy *out, npy_form *form, scan *s, npy_where w) {
  char text[32];
  if (!take_string(s, text, sizeof text))
    return bad(w, "the .npy header's 'descr' is not a plain element type");
  if (text[0] == '>')
    return mc_error(w.diag, w.at,
                    "%s: big-endian elements ('%s') are not supported: convert with "
                    "x.astype(x.dtype.newbyteorder('<'))",
                    w.who, text);
  for (int i = 0; i < MC_NUM_DTYPES; i++) {
    const char *np = mc_dtype_np_descr((mc_dtype)i);
    if (np && strcmp(np, text) == 0) return out->dtype = (mc_dtype)i, true;
  }
  return widened(out, form, text) ||
         mc_error(w.diag, w.at, "%s: element type '%s' is not supported", w.who, text);
}

static bool take_order(npy_form *form, scan *s, npy_where w) {
  if (take(s, "False")) return true;
  if (take(s, "True")) return form->fortran = true;
  return bad(w, "the .npy header's 'fortran_order' is neither True nor False");
}

/* (), (3,), (2, 3) */
static bool take_shape(mc_npy *out, scan *s, npy_where w) {
  if (!take(s, "(")) return bad(w, "the .npy header's 'shape' is not a tuple");
  bool comma = true;
  for (out->rank = 0; !take(s, ")"); out->rank++) {
    int64_t x;
    if (!comma || !take_int(s, &x))
      return bad(w, "the .npy header's 'shape' is not a tuple of integers");
    if (out->rank == MC_MAX_RANK) return bad(w, "more than 8 dimensions");
    out->dim[out->rank] = x;
    comma = take(s, ",");
  }
  return out->rank != 1 || comma ||
         bad(w, "the .npy header's 'shape' is not a tuple"); /* (3) is a number in Python */
}

static bool data_bytes(mc_npy *out, npy_form form, npy_where w) {
  int64_t n = form.wide ? form.wide : (int64_t)mc_dtype_size(out->dtype);
  for (int i = 0; i < out->rank; i++)
    if (__builtin_mul_overflow(n, out->dim[i], &n)) return bad(w, "the shape is too large");
  out->size = (size_t)n;
  return true;
}

static bool take_member(mc_npy *out, npy_form *form, scan *s, unsigned *seen, npy_where w) {
  static const char *const keys[] = { "descr", "fortran_order", "shape" };
  char key[16];
  unsigned k = 0;
  if (!take_string(s, key, sizeof key) || !take(s, ":")) return bad(w, "malformed .npy header");
  while (k < 3 && strcmp(keys[k], key) != 0) k++;
  if (k == 3 || *seen & 1u << k)
    return mc_error(w.diag, w.at, "%s: unexpected '%s' in the .npy header", w.who, key);
  *seen |= 1u << k;
  return k == 0   ? take_descr(out, form, s, w)
         : k == 1 ? take_order(form, s, w)
                  : take_shape(out, s, w);
}

bool npy_header_parse(mc_npy *out, npy_form *form, const unsigned char *p, size_t size,
                      npy_where w) {
  size_t from = p[6] > 1 ? 12 : 10;
  scan s = { (const char *)p + from, (const char *)p + size };
  unsigned seen = 0;
  *form = (npy_form){ 0 };
  if (!take(&s, "{")) return bad(w, "malformed .npy header");
  bool comma = true;
  while (!take(&s, "}")) {
    if (!comma) return bad(w, "malformed .npy header");
    if (!take_member(out, form, &s, &seen, w)) return false;
    comma = take(&s, ",");
  }
  blanks(&s);
  if (s.p != s.end || seen != 7) return bad(w, "malformed .npy header");
  return data_bytes(out, *form, w);
}

bool npy_header_write(mc_strbuf *b, const mc_npy *x, npy_where w) {
  const char *np = mc_dtype_np_descr(x->dtype);
  if (!np)
    return mc_error(w.diag, w.at, "%s: numpy has no element type for %s", w.who,
                    mc_dtype_names[x->dtype]);
  size_t begin = b->n;
  mc_sb_write(b, "\x93NUMPY\x01\0\0\0", 10);
  mc_sb_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", np);
  for (int i = 0; i < x->rank; i++) mc_sb_printf(b, i ? ", %" PRId64 : "%" PRId64, x->dim[i]);
  mc_sb_puts(b, x->rank == 1 ? ",), }" : "), }");
  while ((b->n - begin) % 64 != 63) mc_sb_putc(b, ' ');
  mc_sb_putc(b, '\n');
  size_t len = b->n - begin - 10;
  b->s[begin + 8] = (char)(len & 255);
  b->s[begin + 9] = (char)(len >> 8);
  return true;
}
