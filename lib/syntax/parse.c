/* Text to module: read the tree, then build; verify at the end. */
#include "mc/syntax/parse.h"
#include "build.h"
#include "mc/ir/verify.h"
#include "mir.tab.h"
#include "mir.lex.h"
#include "mc/support/filekind.h"
#include <locale.h>
#include <string.h>

static const size_t max_text = (size_t)1 << 30; /* places are 32-bit */
static const size_t max_graphs = 10000;         /* modules keep them in a list that is walked */

/* The tree; false after reporting. */
static bool read_tree(mir_parse *p) {
  if (p->src->size > max_text)
    return mc_error(p->diag, (mc_loc){ .src = p->src }, "the text is larger than 1 GiB");
  if (mir_flex_lex_init_extra(p, &p->scanner) != 0) abort();
  mir_flex__scan_bytes(p->src->text, (int)p->src->size, p->scanner);
  int rc = mir_yyparse(p);
  mir_flex_lex_destroy(p->scanner);
  if (rc != 0 && !mir_failed(p))
    mc_error(p->diag, mir_loc(p, p->last.at), "the text cannot be parsed");
  return !mir_failed(p);
}

static bool build_all(mir_build *b) {
  const ast_file *f = b->p.file;
  if (!f->graphs.n) return mc_error(b->p.diag, (mc_loc){ .src = b->p.src }, "no graph in the file");
  if (f->graphs.n > max_graphs)
    return mc_error(b->p.diag, mir_loc(&b->p, f->graphs.v[max_graphs]->at),
                    "more than %zu graphs in a file", max_graphs);
  mir_build_tensors(b);
  for (size_t i = 0; i < f->graphs.n; i++) mir_build_graph(b, f->graphs.v[i]);
  return !mir_failed(&b->p) && mc_verify_module(b->m, b->p.diag);
}

static bool parse_into(mc_module *m, const mc_source *src, mc_diag *d) {
  mc_arena *scratch = mc_arena_create();
  mir_build b = {
    .p = { .src = src, .arena = scratch, .diag = d, .new_line = true, .errors_before = d->errors },
    .m = m
  };
  b.p.file = MC_NEW(scratch, ast_file);
  m->src = src;
  bool ok = read_tree(&b.p) && build_all(&b);
  mc_arena_destroy(scratch);
  return ok;
}

/* Numbers are written with a point, whatever the caller's locale says. */
static bool parse_in_c_locale(mc_module *m, const mc_source *src, mc_diag *d) {
  locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
  if (!c) abort();
  locale_t old = uselocale(c);
  bool ok = parse_into(m, src, d);
  uselocale(old);
  freelocale(c);
  return ok;
}

/* One error for a file that is something else, instead of one for each of its bytes. */
static bool is_mir(const mc_source *src, mc_diag *d) {
  mc_filekind kind = mc_filekind_of(src->text, src->size);
  mc_loc at = { .src = MC_NEW(d->arena, mc_source) };
  *(mc_source *)(uintptr_t)at.src = (mc_source){ .name = mc_arena_strdup(d->arena, src->name) };
  bool mir = kind.what && !strcmp(kind.what, ".mir text");
  if (mir || (!kind.what && mc_is_text(src->text, src->size < 4096 ? src->size : 4096)))
    return true;
  mc_error(d, at, "this is %s, not .mir text", kind.what ? kind.what : "binary data");
  if (kind.help) mc_note(d, at, "%s", kind.help);
  return false;
}

mc_module *mc_parse(const mc_source *src, const char *dir, mc_diag *d) {
  mc_module *m = mc_module_create();
  m->dir = mc_arena_strdup(m->arena, dir);
  if (is_mir(src, d) && parse_in_c_locale(m, src, d)) return m;
  mc_module_destroy(m);
  return NULL;
}

static char *folder_of(const char *path, mc_arena *a) {
  const char *slash = strrchr(path, '/');
  if (!slash) return mc_arena_strdup(a, ".");
  return mc_arena_strndup(a, path, slash == path ? 1 : (size_t)(slash - path));
}

/* The module goes with its text, but reports about it must keep theirs. */
static void keep_reported_text(mc_diag *d, size_t from, const mc_source *src) {
  mc_source *copy = NULL;
  for (size_t i = from; i < d->list.n; i++) {
    if (d->list.v[i].loc.src != src) continue;
    if (!copy) {
      copy = MC_NEW(d->arena, mc_source);
      *copy = (mc_source){ mc_arena_strdup(d->arena, src->name),
                           mc_arena_strndup(d->arena, src->text, src->size), src->size };
    }
    d->list.v[i].loc.src = copy;
  }
}

mc_module *mc_parse_file(const char *path, mc_diag *d) {
  mc_module *m = mc_module_create();
  mc_source *src = MC_NEW(m->arena, mc_source);
  size_t before = d->list.n;
  src->name = strcmp(path, "-") == 0 ? "<stdin>" : mc_arena_strdup(m->arena, path);
  m->dir = folder_of(path, m->arena);
  src->text = mc_read_file(path, &src->size, m->arena, d, mc_noloc);
  if (src->text && is_mir(src, d) && parse_in_c_locale(m, src, d)) return m;
  keep_reported_text(d, before, src);
  mc_module_destroy(m);
  return NULL;
}
