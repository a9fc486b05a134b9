#include "mc/support/strbuf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(mc_strbuf *b, size_t more) {
  if (b->cap - b->n > more) return;
  size_t cap = b->cap ? b->cap : 64;
  while (cap - b->n <= more) cap *= 2;
  char *s = realloc(b->s, cap);
  if (!s) abort();
  b->s = s;
  b->cap = cap;
}

void mc_sb_write(mc_strbuf *b, const void *p, size_t n) {
  reserve(b, n);
  if (n) memcpy(b->s + b->n, p, n);
  b->n += n;
  b->s[b->n] = 0;
}

void mc_sb_putc(mc_strbuf *b, char c) { mc_sb_write(b, &c, 1); }

void mc_sb_puts(mc_strbuf *b, const char *s) { mc_sb_write(b, s, strlen(s)); }

void mc_sb_vprintf(mc_strbuf *b, const char *fmt, va_list ap) {
  va_list ap2;
  va_copy(ap2, ap);
  int n = vsnprintf(NULL, 0, fmt, ap2);
  va_end(ap2);
  if (n < 0) return;
  reserve(b, (size_t)n);
  vsnprintf(b->s + b->n, (size_t)n + 1, fmt, ap);
  b->n += (size_t)n;
}

void mc_sb_printf(mc_strbuf *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_sb_vprintf(b, fmt, ap);
  va_end(ap);
}

static bool put_special(mc_strbuf *b, double x) {
  if (isnan(x))
    mc_sb_puts(b, "nan");
  else if (isinf(x))
    mc_sb_puts(b, x < 0 ? "-inf" : "inf");
  else
    return false;
  return true;
}

/* x as %g wrote it in s: 20.0 rather than 2e+01; the decimal point tells a float from an integer.
 */
static void put_decimal(mc_strbuf *b, const char *s, double x) {
  char fixed[40];
  if (strstr(s, "e+") && fabs(x) < 1e9) snprintf(fixed, sizeof fixed, "%.0f", x), s = fixed;
  mc_sb_puts(b, s);
  if (!strpbrk(s, ".e")) mc_sb_puts(b, ".0");
}

void mc_sb_float(mc_strbuf *b, float x) {
  if (put_special(b, (double)x)) return;
  char s[40];
  for (int digits = 1; digits <= 9; digits++) {
    snprintf(s, sizeof s, "%.*g", digits, (double)x);
    if (strtof(s, NULL) == x) break;
  }
  put_decimal(b, s, (double)x);
}

void mc_sb_double(mc_strbuf *b, double x) {
  if (put_special(b, x)) return;
  char s[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(s, sizeof s, "%.*g", digits, x);
    if (strtod(s, NULL) == x) break;
  }
  put_decimal(b, s, x);
}

void mc_sb_quoted(mc_strbuf *b, const char *s) {
  mc_sb_putc(b, '"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      mc_sb_printf(b, "\\%c", c);
    else if (c == '\n')
      mc_sb_puts(b, "\\n");
    else if (c == '\t')
      mc_sb_puts(b, "\\t");
    else if (c == '\r')
      mc_sb_puts(b, "\\r");
    else if (c < 32 || c == 127)
      mc_sb_printf(b, "\\x%02x", c);
    else
      mc_sb_putc(b, (char)c);
  }
  mc_sb_putc(b, '"');
}

const char *mc_sb_str(mc_strbuf *b) { return b->s ? b->s : ""; }

void mc_sb_clear(mc_strbuf *b) {
  b->n = 0;
  if (b->s) b->s[0] = 0;
}

void mc_sb_free(mc_strbuf *b) {
  free(b->s);
  *b = (mc_strbuf){ 0 };
}
