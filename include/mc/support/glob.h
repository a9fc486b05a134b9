/* Lists of name patterns, as pass options write them: "stem:layer*.conv". */
#ifndef MC_SUPPORT_GLOB_H
#define MC_SUPPORT_GLOB_H
#include <stdbool.h>
/* `name` (NULL: no) matches one of the ':'-separated patterns; '*' matches any text. */
bool mc_glob_list(const char *patterns, const char *name);
#endif
