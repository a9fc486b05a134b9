/* "did you mean ...": the known name that is nearest to a misspelt one. */
#ifndef MC_SUPPORT_SUGGEST_H
#define MC_SUPPORT_SUGGEST_H
#include <stddef.h>
/* Edits (insert, delete, replace a byte, swap two neighbours) between a and b; '-' and '_' count as equal. Words longer than 63 bytes are far from everything. */
size_t mc_edit_distance(const char *a, const char *b);
/* The candidate nearest to `word`: the better of `best` (NULL: none yet) and `name`; a name that is too far (more than a third of its letters, at least 1) never counts. */
const char *mc_suggest_better(const char *word, const char *best, const char *name);
/* Over a NULL-terminated list. NULL: nothing is near. */
const char *mc_suggest(const char *word, const char *const *names);
#endif
