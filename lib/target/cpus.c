/* cpus.def as a table, and what -march is when it is not given. */
#include "machine.h"
#include "mc/support/suggest.h"
#include <string.h>

static const struct {
  const char *level, *names;
} cpus[] = {

#define MC_CPUS(level_, names_) { level_, names_ },
#include "mc/target/cpus.def"
};

enum { NCPUS = sizeof cpus / sizeof cpus[0], LONGEST = 32 };

/* The next of some words; false after the last. */
static bool next_word(const char **at, char word[LONGEST]) {
  *at += strspn(*at, " ");
  size_t n = strcspn(*at, " ");
  if (!n || n >= LONGEST) return false;
  memcpy(word, *at, n);
  word[n] = 0;
  *at += n;
  return true;
}

/* What people type: upper and lower case are the same, and '_' is '-'. */
static bool same_cpu(const char *typed, const char *name) {
  char s[LONGEST];
  size_t n = strlen(typed);
  if (n >= LONGEST) return false;
  memcpy(s, typed, n + 1);
  for (char *p = s; *p; p++)
    if (*p == '_') *p = '-';
  return mc_same_word(s, name);
}

const char *mc_cpu_level(const char *name) {
  char word[LONGEST];
  for (int i = 0; i < NCPUS; i++)
    for (const char *at = cpus[i].names; next_word(&at, word);)
      if (same_cpu(name, word)) return cpus[i].level;
  return NULL;
}

const char *mc_cpu_suggest(const char *name, const char *best, mc_arena *a) {
  char word[LONGEST];
  for (int i = 0; i < NCPUS; i++)
    for (const char *at = cpus[i].names; next_word(&at, word);)
      if (mc_suggest_better(name, best, word) == word) best = mc_arena_strdup(a, word);
  return best;
}
