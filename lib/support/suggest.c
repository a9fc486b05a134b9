#include "mc/support/suggest.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_WORD = 63, MIN_PREFIX = 3, FAR = 1000, PREFIX = 100 };

static bool same(char a, char b) {
  if ((a == '-' || a == '_') && (b == '-' || b == '_')) return true;
  return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t mc_edit_distance(const char *a, const char *b) {
  size_t na = strlen(a), nb = strlen(b);
  if (na > MAX_WORD || nb > MAX_WORD) return FAR;
  size_t d[3][MAX_WORD + 1]; /* rows i - 2, i - 1, i of the table, used in turn */
  for (size_t j = 0; j <= nb; j++) d[0][j] = j;
  for (size_t i = 1; i <= na; i++) {
    size_t *now = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= nb; j++) {
      now[j] = least(least(up[j], now[j - 1]) + 1, up[j - 1] + !same(a[i - 1], b[j - 1]));
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        now[j] = least(now[j], up2[j - 2] + 1);
    }
  }
  return d[na % 3][nb];
}

/* The shorter word begins the longer one: "quantize" and "quant", "calib" and "calib-method". */
static bool begins(const char *a, const char *b) {
  size_t i = 0;
  while (a[i] && b[i] && same(a[i], b[i])) i++;
  return i >= MIN_PREFIX && (!a[i] || !b[i]);
}

/* How far `name` is from `word`: misspellings first, by edits, then words that one begins, by what
 * the longer one has more (from PREFIX on); FAR: neither. */
static size_t distance(const char *word, const char *name) {
  size_t n = strlen(name), w = strlen(word), d = mc_edit_distance(word, name),
         bound = n / 3 ? n / 3 : 1;
  if (d <= bound && n > d) return d;
  return begins(word, name) ? PREFIX + (w > n ? w - n : n - w) : FAR;
}

const char *mc_suggest_better(const char *word, const char *best, const char *name) {
  size_t d = distance(word, name);
  if (d >= FAR) return best;
  return best && distance(word, best) <= d ? best : name;
}

static int plain(char c) { return c == '-' ? '_' : tolower((unsigned char)c); }

bool mc_same_word(const char *a, const char *b) {
  for (; *a && plain(*a) == plain(*b); a++, b++) {
  }
  return plain(*a) == plain(*b);
}

const char *mc_suggest(const char *word, const char *const *names) {
  const char *best = NULL;
  for (; *names; names++) best = mc_suggest_better(word, best, *names);
  return best;
}
