// RUN: %unit/hash_test
#include "check.h"
#include "mc/support/hash.h"
#include <stdio.h>

int main(void) {
  unsigned char bytes[64] = { 0 };
  /* The same on every machine and in every version: objects are told apart by it. */
  CHECK(mc_hash_text(MC_HASH_START, "mcc") == mc_hash(MC_HASH_START, "mcc", 3));
  /* Every length and every byte counts, and where a text is cut. */
  for (size_t n = 0; n < sizeof bytes; n++) CHECK(mc_hash(1, bytes, n) != mc_hash(1, bytes, n + 1));
  uint64_t zero = mc_hash(1, bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = 1;
    CHECK(mc_hash(1, bytes, sizeof bytes) != zero);
    bytes[i] = 0;
  }
  CHECK(mc_hash_text(mc_hash_text(1, "ab"), "c") != mc_hash_text(mc_hash_text(1, "a"), "bc"));
  CHECK(mc_hash(1, bytes + 1, 40) == mc_hash(1, bytes, 40)); /* no alignment is needed */
  return CHECK_DONE();
}
