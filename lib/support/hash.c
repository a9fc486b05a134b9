/* Multiplication and shifts by 8 bytes: each step is a bijection of the state, so that no earlier
 * byte is lost; the constants are those of MurmurHash3's last step (Appleby, public domain). */
#include "mc/support/hash.h"
#include <string.h>

static uint64_t step(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0xff51afd7ed558ccdull;
  return h ^ h >> 32;
}

static uint64_t finish(uint64_t h) {
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 33;
}

static uint64_t word_at(const unsigned char *p, size_t n) {
  uint64_t w = 0;
  for (size_t i = 0; i < n; i++) w |= (uint64_t)p[i] << (8 * i);
  return w;
}

uint64_t mc_hash(uint64_t h, const void *data, size_t n) {
  const unsigned char *p = data;
  size_t i = 0;
  h = step(h, n);
  for (; i + 8 <= n; i += 8) h = step(h, word_at(p + i, 8));
  if (i < n) h = step(h, word_at(p + i, n - i));
  return finish(h);
}

uint64_t mc_hash_text(uint64_t h, const char *s) { return mc_hash(h, s, strlen(s)); }
