/* What a file is, by its first bytes: so that a wrong one is named, not called damaged. */
#ifndef MC_SUPPORT_FILEKIND_H
#define MC_SUPPORT_FILEKIND_H
#include "mc/support/strbuf.h"

/* `what`: "a TensorFlow Lite model (flatbuffer)"; `help`: what to do with it, or NULL. Both live
 * for ever. */
typedef struct mc_filekind {
  const char *what, *help;
} mc_filekind;

/* The kind of a file's contents; `what` NULL: not one that is known here. `data` may be the file's
 * beginning only. */
mc_filekind mc_filekind_of(const void *data, size_t size);
/* Is it text? False where there are bytes in it that no text has. */
bool mc_is_text(const void *data, size_t size);
/* Append n bytes for people to read: well-formed UTF-8 as it is, \n and \t too, other control
 * characters and bytes as \xHH. */
void mc_sb_shown(mc_strbuf *b, const char *s, size_t n);
/* Bytes of the printable UTF-8 character at s (of `left` bytes), 0 where there is none: also for
 * control characters. */
size_t mc_shown_length(const char *s, size_t left);
#endif
