/* A hash of bytes that is the same on every machine: for names of contents, not against malice. */
#ifndef MC_SUPPORT_HASH_H
#define MC_SUPPORT_HASH_H
#include <stddef.h>
#include <stdint.h>

enum { MC_HASH_DIGITS = 16 }; /* of "%016llx" */

#define MC_HASH_START 0x9e3779b97f4a7c15ull
/* `h` (MC_HASH_START, or the hash of what comes before) with n more bytes. The length counts: "ab"
 * and then "c" is not "a" and then "bc". Words of 8 bytes are read little-endian. */
uint64_t mc_hash(uint64_t h, const void *data, size_t n);
uint64_t mc_hash_text(uint64_t h, const char *s);
#endif
