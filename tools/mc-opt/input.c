/* A file through the passes: one module, or the pieces of a split file. */
#include "opt.h"
#include "expect.h"
#include "mc/ir/print.h"
#include "mc/syntax/parse.h"
#include <string.h>

static void report(opt *o, const mc_manager_report *rep) {
  double total = 0;
  for (int i = 0; i < rep->n; i++) total += rep->time[i].seconds;
  if (o->mgr.time_passes) {
    passes_times(&o->passes, rep);
    mc_sb_printf(&o->passes.dump, "  %9.3f ms total\n", total * 1e3);
  }
  if (o->mgr.stats) passes_stats(&o->passes, rep);
}

/* The module; NULL, and it is destroyed, when a pass failed. */
static mc_module *transform(opt *o, mc_module *m) {
  if (!m) return o->rc = MC_EXIT_INPUT, NULL;
  mc_manager_report rep = { 0 };
  if (!mc_manager_run(m, &o->pipeline, &o->mgr, &rep, o->t.arena, &o->t.diag)) {
    o->rc = rep.bug ? MC_EXIT_BUG : MC_EXIT_INPUT;
    mc_module_destroy(m);
    return NULL;
  }
  report(o, &rep);
  return m;
}

static void check_expected(opt *o, const mc_source *src) {
  mc_strbuf s = { 0 };
  o->rc = expect_check(src, &o->t.diag, &s, o->t.arena) ? MC_EXIT_OK : MC_EXIT_INPUT;
  tool_print_err(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  o->t.diag.list.n = 0;
  o->t.diag.errors = o->t.diag.warnings = 0;
}

static void write_result(opt *o, mc_module *m) {
  if (!o->split) {
    if (!mc_write_mir(o->out, m, &o->t.diag)) o->rc = MC_EXIT_INPUT;
    return;
  }
  if (o->text.n) mc_sb_puts(&o->text, "// -----\n");
  mc_print_module(&o->text, m, NULL);
}

static void run_input(opt *o, const mc_source *src) {
  int before = o->rc;
  mc_module *m = transform(o, mc_parse(src, o->dir, &o->t.diag));
  passes_flush(&o->passes);
  if (o->verify_diagnostics)
    check_expected(o, src);
  else if (m)
    write_result(o, m);
  if (m) mc_module_destroy(m);
  if (before > o->rc) o->rc = before;
  tool_flush(&o->t);
}

int run_module(opt *o, mc_module *m) {
  m = transform(o, m);
  passes_flush(&o->passes);
  if (m) write_result(o, m);
  if (m) mc_module_destroy(m);
  return o->rc;
}

/* ---- splitting ---- */
/* The input between two lines that are `// -----`; lines before it stay as empty lines, so
 * that places are those of the file. */
static mc_source *piece(opt *o, const char *name, const char *text, size_t begin, size_t end) {
  size_t lines = 0;
  for (size_t i = 0; i < begin; i++) lines += text[i] == '\n';
  char *s = mc_arena_alloc(o->t.arena, lines + (end - begin) + 1);
  memset(s, '\n', lines);
  memcpy(s + lines, text + begin, end - begin);
  mc_source *src = MC_NEW(o->t.arena, mc_source);
  *src = (mc_source){ name, s, lines + (end - begin) };
  return src;
}

static void run_pieces(opt *o, const char *name, const char *text, size_t size) {
  static const char mark[] = "\n// -----";
  size_t begin = 0;
  for (;;) {
    const char *at = o->split ? strstr(text + begin, mark) : NULL;
    size_t end = at ? (size_t)(at - text) + 1 : size;
    run_input(o, piece(o, name, text, begin, end));
    if (!at) return;
    begin = end + strcspn(text + end, "\n");
    if (begin < size) begin++;
  }
}

const mc_source *read_source(opt *o, const char *path, const char **dir) {
  mc_source *src = MC_NEW(o->t.arena, mc_source);
  src->name = strcmp(path, "-") ? path : "<stdin>";
  src->text = mc_read_file(path, &src->size, o->t.arena, &o->t.diag, mc_noloc);
  const char *slash = strrchr(path, '/');
  *dir =
      !slash ? "." : mc_arena_strndup(o->t.arena, path, slash == path ? 1 : (size_t)(slash - path));
  return src->text ? src : NULL;
}

int run_file(opt *o) {
  const mc_source *src = read_source(o, o->t.args.n ? o->t.args.v[0] : "-", &o->dir);
  if (!src) return MC_EXIT_INPUT;
  run_pieces(o, src->name, src->text, src->size);
  if (o->split && !o->verify_diagnostics && o->rc == MC_EXIT_OK &&
      !mc_write_file(o->out, mc_sb_str(&o->text), o->text.n, &o->t.diag))
    return MC_EXIT_INPUT;
  return o->rc;
}
