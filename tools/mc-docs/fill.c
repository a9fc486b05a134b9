#include "fill.h"
#include <string.h>

static size_t columns(const char *s, size_t n) {
  size_t w = 0;
  for (size_t i = 0; i < n; i++) w += ((unsigned char)s[i] & 0xc0) != 0x80;
  return w;
}

static bool is_mark(const char *s, size_t n) { return n == 1 && strchr("-+*#>|", *s); }

/* Bytes of the next word; marks of lists stay with the word before them. */
static size_t word(const char *s) {
  size_t n = strcspn(s, " ");
  while (s[n] == ' ' && is_mark(s + n + 1, strcspn(s + n + 1, " ")))
    n += 1 + strcspn(s + n + 1, " ");
  return n;
}

void docs_fill(mc_strbuf *out, const char *text) {
  size_t at = 0;
  for (size_t n; *text; text += n + (text[n] == ' ')) {
    n = word(text);
    size_t w = columns(text, n);
    if (at && at + 1 + w > MC_DOCS_WIDTH)
      mc_sb_putc(out, '\n'), at = 0;
    else if (at)
      mc_sb_putc(out, ' '), at++;
    mc_sb_write(out, text, n);
    at += w;
  }
  mc_sb_putc(out, '\n');
}
