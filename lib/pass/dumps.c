/* Names of passes that are to be printed around, as people type them. */
#include "mc/pass/pass.h"
#include "mc/support/suggest.h"
#include <string.h>

typedef struct naming {
  const mc_registry *reg;
  const mc_pipeline *p;
  const char *option;
  mc_arena *arena;
  mc_diag *diag;
} naming;

static bool in_pipeline(const mc_pipeline *p, const char *name) {
  for (int i = 0; i < p->n; i++)
    if (!strcmp(p->item[i].pass->text, name)) return true;
  return false;
}

/* Append the names of p's passes that are in the pipeline; how many. */
static int add_passes(const naming *n, mc_strbuf *out, const mc_pipeline *p) {
  int found = 0;
  for (int i = 0; i < p->n; i++) {
    const char *name = p->item[i].pass->text;
    if (!in_pipeline(n->p, name)) continue;
    mc_sb_printf(out, "%s%s", out->n ? "," : "", name);
    found++;
  }
  return found;
}

static void nothing_such(const naming *n, const char *word, bool known) {
  const char *near = NULL;
  if (known) {
    mc_warning(n->diag, mc_noloc, "-%s=%s prints nothing: the pipeline does not run that pass",
               n->option, word);
    return;
  }
  for (int i = 0; i < n->reg->npass; i++)
    near = mc_suggest_better(word, near, n->reg->pass[i].text);
  for (int i = 0; i < n->reg->nalias; i++)
    near = mc_suggest_better(word, near, n->reg->alias[i].name);
  mc_warning(n->diag, mc_noloc, "-%s=%s prints nothing: there is no such pass%s%s%s", n->option,
             word, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* A word is read as a pipeline of its own: so aliases stand for their passes here, too. */
static void add_word(const naming *n, mc_strbuf *out, const char *word) {
  mc_pipeline one;
  mc_diag quiet;
  mc_diag_init(&quiet, n->arena);
  mc_source *src = MC_NEW(n->arena, mc_source);
  *src = (mc_source){ "<name>", word, strlen(word) };
  bool known = *word && mc_pipeline_parse(n->reg, src, &one, n->arena, &quiet);
  if (!known || !add_passes(n, out, &one)) nothing_such(n, word, known);
}

const char *mc_pipeline_names(const mc_registry *r, const mc_pipeline *p, const char *list,
                              const char *option, mc_arena *a, mc_diag *d) {
  if (!list || !p->n) return NULL;
  naming n = { r, p, option, a, d };
  mc_strbuf out = { 0 };
  for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
    const char *word = mc_arena_strndup(a, s, strcspn(s, ","));
    if (mc_same_word(word, "all")) return mc_sb_free(&out), "all";
    add_word(&n, &out, word);
  }
  const char *names = out.n ? mc_arena_strdup(a, mc_sb_str(&out)) : NULL;
  mc_sb_free(&out);
  return names;
}
