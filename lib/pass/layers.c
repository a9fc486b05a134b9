#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include "mc/support/suggest.h"
#include <string.h>

typedef struct search {
  const char *pattern, *word; /* the pattern, and without its '*' */
  bool found;
  const char *best; /* nearest name so far */
  const char *some[3];
  int nsome; /* the first few names there are */
} search;

static void try_name(search *s, const char *name) {
  if (!name || !*name) return;
  s->found = s->found || mc_glob_list(s->pattern, name);
  s->best = mc_suggest_better(s->word, s->best, name);
  if (s->nsome < 3 && (!s->nsome || strcmp(s->some[s->nsome - 1], name)))
    s->some[s->nsome++] = name;
}

static void try_graph(search *s, const mc_graph *g, unsigned traits) {
  MC_FOR_NODES (n, g) {
    if (n->region) try_graph(s, n->region, traits);
    if (mc_op_has(n->op, MC_T_CONST | MC_T_TERM) || (traits && !mc_op_has(n->op, traits))) continue;
    try_name(s, n->source);
    for (int i = 0; i < n->nout; i++) try_name(s, n->out[i]->name);
  }
}

static const char *without_stars(mc_arena *a, const char *pattern) {
  char *word = mc_arena_strdup(a, pattern), *to = word;
  for (const char *p = pattern; *p; p++)
    if (*p != '*') *to++ = *p;
  *to = '\0';
  return word;
}

/* " (did you mean 'x'?)", or some of the names there are. */
static const char *hint(mc_arena *a, const search *s) {
  const char *text = "";
  if (s->best) return mc_arena_printf(a, "; did you mean '%s'?", s->best);
  for (int i = 0; i < s->nsome; i++)
    text = mc_arena_printf(a, "%s%s'%s'", text, i ? ", " : "; there are ", s->some[i]);
  return s->nsome ? mc_arena_printf(a, "%s and so on", text) : "; nothing has a name";
}

static void each(mc_pass_context *cx, const char *pass, const char *option, const char *patterns,
                 const char *what, unsigned traits) {
  mc_arena *a = cx->scratch;
  for (const char *p = patterns; p && *p;) {
    size_t n = strcspn(p, ":");
    search s = { .pattern = mc_arena_strndup(a, p, n) };
    s.word = without_stars(a, s.pattern);
    if (strcmp(what, "op") == 0)
      for (int i = 0; i < MC_NUM_OPS; i++) try_name(&s, mc_ops[i].text);
    else
      for (const mc_graph *g = cx->module->graphs; g; g = g->next) try_graph(&s, g, traits);
    if (n && !s.found)
      mc_warning(cx->diag, cx->loc, "%s: '%s' of %s= names no %s%s", pass, s.pattern, option, what,
                 hint(a, &s));
    p += n + (p[n] == ':');
  }
}

void mc_layers_warn_unmatched(mc_pass_context *cx, const char *pass, const char *option,
                              const char *patterns, unsigned traits) {
  if (cx->graph == cx->module->graphs)
    each(cx, pass, option, patterns, traits ? "layer" : "op of the network", traits);
}

void mc_ops_warn_unmatched(mc_pass_context *cx, const char *pass, const char *option,
                           const char *patterns) {
  if (cx->graph == cx->module->graphs) each(cx, pass, option, patterns, "op", 0);
}
