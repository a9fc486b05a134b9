#include "mc/support/glob.h"
#include <string.h>

/* One text against one pattern [p, end). Only the last '*' seen is ever tried again, one byte
 * further on: what an earlier one took can stay, as a longer piece for it leaves less for those
 * after it. So the work is at most the product of the two lengths, whatever the number of stars. */
static bool glob(const char *p, const char *end, const char *s) {
  const char *star = NULL,
             *retry = NULL; /* after the last '*', and the text that it was matched from */
  while (*s) {
    if (p < end && *p == '*')
      star = ++p, retry = s;
    else if (p < end && *p == *s)
      p++, s++;
    else if (star)
      p = star, s = ++retry;
    else
      return false;
  }
  while (p < end && *p == '*') p++;
  return p == end;
}

bool mc_glob_list(const char *patterns, const char *name) {
  if (!name) return false;
  for (const char *p = patterns; *p;) {
    const char *end = strchr(p, ':');
    if (!end) end = p + strlen(p);
    if (glob(p, end, name)) return true;
    p = *end ? end + 1 : end;
  }
  return false;
}
