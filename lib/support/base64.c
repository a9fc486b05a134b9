/* base64 (RFC 4648, section 4): padded, no line breaks, no stray bits in the last group. */
#include "mc/support/blob.h"
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void mc_base64_encode(mc_strbuf *out, const void *p, size_t n) {
  const unsigned char *b = p;
  for (; n > 0; b += 3, n = n > 3 ? n - 3 : 0) {
    unsigned v = (unsigned)b[0] << 16 | (n > 1 ? (unsigned)b[1] << 8 : 0) | (n > 2 ? b[2] : 0);
    char q[4] = { letters[v >> 18], letters[v >> 12 & 63], n > 1 ? letters[v >> 6 & 63] : '=',
                  n > 2 ? letters[v & 63] : '=' };
    mc_sb_write(out, q, 4);
  }
}

static void make_table(signed char t[256]) {
  memset(t, -1, 256);
  for (int i = 0; i < 64; i++) t[(unsigned char)letters[i]] = (signed char)i;
}

/* Letters of the group at s: 4, or 3 or 2 before the padding of the last group. */
static int group_letters(const char *s, bool last) {
  if (!last || s[3] != '=') return 4;
  return s[2] == '=' ? 2 : 3;
}

unsigned char *mc_base64_decode(const char *s, size_t n, size_t *out_n, mc_arena *a, size_t *bad) {
  signed char t[256];
  make_table(t);
  unsigned char *out = mc_arena_alloc(a, n / 4 * 3), *o = out;
  *bad = n;
  if (n % 4 != 0) return NULL;
  for (size_t i = 0; i < n; i += 4) {
    int k = group_letters(s + i, i + 4 == n);
    unsigned v = 0;
    for (int j = 0; j < 4; j++) {
      int x = j < k ? t[(unsigned char)s[i + (size_t)j]] : 0;
      if (x < 0) {
        *bad = i + (size_t)j;
        return NULL;
      }
      v = v << 6 | (unsigned)x;
    }
    /* bits that no byte takes must be 0, or two texts would mean the same bytes */
    if (k < 4 && v & ((1u << (8 * (4 - k))) - 1)) {
      *bad = i + (size_t)k - 1;
      return NULL;
    }
    for (int j = 0; j < k - 1; j++) *o++ = (unsigned char)(v >> (16 - 8 * j));
  }
  *out_n = (size_t)(o - out);
  return out;
}
