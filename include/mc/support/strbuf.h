/* A growing text buffer on the heap; the only way that library code makes text. */
#ifndef MC_SUPPORT_STRBUF_H
#define MC_SUPPORT_STRBUF_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mc_strbuf {
  char *s;
  size_t n, cap;
} mc_strbuf; /* s is NUL-terminated once anything was added; start from {0} */

void mc_sb_putc(mc_strbuf *b, char c);
void mc_sb_puts(mc_strbuf *b, const char *s);
void mc_sb_write(mc_strbuf *b, const void *p, size_t n);
void mc_sb_printf(mc_strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mc_sb_vprintf(mc_strbuf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Shortest decimal that reads back to the same float / double ("0.1", "1e-05", "inf", "-inf",
 * "nan"); always holds '.', 'e', or a name. */
void mc_sb_float(mc_strbuf *b, float x);
void mc_sb_double(mc_strbuf *b, double x);
/* "text" with \" \\ \n \t \r \xHH escapes. */
void mc_sb_quoted(mc_strbuf *b, const char *s);
/* The text, never NULL; valid until the next change. */
const char *mc_sb_str(mc_strbuf *b);
void mc_sb_clear(mc_strbuf *b);
void mc_sb_free(mc_strbuf *b);
#endif
