#include "mc/support/glob.h"
#include <string.h>

static bool glob(const char *p, const char *end, const char *s) {
  for (; p < end; p++, s++) {
    if (*p == '*') {
      for (;; s++) {
        if (glob(p + 1, end, s)) return true;
        if (!*s) return false;
      }
    }
    if (!*s || *p != *s) return false;
  }
  return !*s;
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
