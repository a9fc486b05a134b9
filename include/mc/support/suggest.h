/* "did you mean ...": the known name that is nearest to a misspelt one. */
#ifndef MC_SUPPORT_SUGGEST_H
#define MC_SUPPORT_SUGGEST_H
#include <stdbool.h>
#include <stddef.h>
/* Edits (insert, delete, replace a byte, swap two neighbours) between a and b; letters of either
 * case count as equal, and so do '-' and '_'. Words longer than 63 bytes are far from everything.
 */
size_t mc_edit_distance(const char *a, const char *b);
/* The candidate nearest to `word`: the better of `best` (NULL: none yet) and `name`. A name counts
 * when it is a misspelling (edits: at most a third of its letters, at least 1), or else when one of
 * the two begins the other, with three letters or more ("quantize" for "quant"). */
const char *mc_suggest_better(const char *word, const char *best, const char *name);
/* Over a NULL-terminated list. NULL: nothing is near. */
const char *mc_suggest(const char *word, const char *const *names);
/* The same word, as people type it: in any case, with - or _. */
bool mc_same_word(const char *a, const char *b);
#endif
