#include "expect.h"
#include <stdlib.h>
#include <string.h>

typedef struct expected {
  mc_severity sev;
  unsigned line;
  bool unknown, met;
  const char *text;
  unsigned at;
} expected;

typedef struct scanner {
  const mc_source *src;
  MC_VEC(expected) list;
  mc_strbuf *out;
  mc_arena *arena;
  bool ok;
} scanner;

static void malformed(scanner *s, unsigned line, const char *what) {
  mc_sb_printf(s->out, "%s:%u: error: bad expected- comment: %s\n", s->src->name, line, what);
  s->ok = false;
}

/* The word after "expected-"; NULL: none of the severities. */
static const char *severity(const char *p, mc_severity *sev) {
  static const struct {
    const char *word;
    mc_severity sev;
  } words[] = {
    { "error", MC_ERROR }, { "warning", MC_WARNING }, { "note", MC_NOTE }, { "remark", MC_REMARK }
  };

  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t n = strlen(words[i].word);
    if (!strncmp(p, words[i].word, n)) {
      *sev = words[i].sev;
      return p + n;
    }
  }
  return NULL;
}

/* @+N @-N @above @below @unknown; NULL: something else. */
static const char *place(const char *p, expected *e) {
  if (*p != '@') return p;
  p++;
  if (!strncmp(p, "above", 5)) {
    e->line--;
    return p + 5;
  }
  if (!strncmp(p, "below", 5)) {
    e->line++;
    return p + 5;
  }
  if (!strncmp(p, "unknown", 7)) {
    e->unknown = true;
    return p + 7;
  }
  if (*p != '+' && *p != '-') return NULL;
  char *end;
  long n = strtol(p, &end, 10);
  if (end == p + 1) return NULL;
  e->line = (unsigned)((long)e->line + n);
  return end;
}

/* One comment at p, after "expected-". */
static void scan_one(scanner *s, const char *p, unsigned line) {
  expected e = { .line = line, .at = line };
  if ((p = severity(p, &e.sev)) == NULL) return; /* prose */
  if ((p = place(p, &e)) == NULL) {
    malformed(s, line, "expected @+N, @-N, @above, @below or @unknown");
    return;
  }
  p += strspn(p, " \t");
  const char *eol = p + strcspn(p, "\n"), *close = strncmp(p, "{{", 2) ? NULL : strstr(p, "}}");
  if (!close || close > eol) {
    malformed(s, line, "expected {{text}}");
    return;
  }
  while (close[2] == '}') close++; /* text that ends with a brace */
  e.text = mc_arena_strndup(s->arena, p + 2, (size_t)(close - p - 2));
  MC_PUSH(s->arena, &s->list, e);
}

static void scan(scanner *s) {
  unsigned line = 1;
  const char *key = "expected-";
  for (const char *p = s->src->text, *end = p + s->src->size; p < end; p++) {
    if (*p == '\n')
      line++;
    else if (!strncmp(p, key, strlen(key)))
      scan_one(s, p + strlen(key), line);
  }
}

static bool matches(const expected *e, const mc_source *src, const mc_diagnostic *d) {
  unsigned line = 0, col;
  bool here = d->loc.src == src;
  if (here) mc_loc_linecol(d->loc, &line, &col);
  return !e->met && e->sev == d->sev && e->unknown == !here && (!here || e->line == line) &&
         strstr(d->text, e->text);
}

bool expect_check(const mc_source *src, const mc_diag *got, mc_strbuf *out, mc_arena *a) {
  scanner s = { .src = src, .out = out, .arena = a, .ok = true };
  scan(&s);
  for (size_t i = 0; i < got->list.n; i++) {
    const mc_diagnostic *d = &got->list.v[i];
    size_t k = 0;
    while (k < s.list.n && !matches(&s.list.v[k], src, d)) k++;
    if (k < s.list.n) {
      s.list.v[k].met = true;
      continue;
    }
    mc_sb_puts(out, "unexpected diagnostic:\n");
    mc_diag_render(out, d);
    s.ok = false;
  }
  for (size_t k = 0; k < s.list.n; k++) {
    const expected *e = &s.list.v[k];
    if (e->met) continue;
    mc_sb_printf(out, "%s:%u: error: expected %s '%s' was not reported\n", src->name, e->at,
                 mc_severity_name(e->sev), e->text);
    s.ok = false;
  }
  return s.ok;
}
