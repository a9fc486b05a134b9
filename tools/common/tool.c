#include "common/tool.h"
#include <stdio.h>

bool tool_print(const char *text, size_t n) { return fwrite(text, 1, n, stdout) == n && !fflush(stdout); }

void tool_print_err(const char *text, size_t n) {
  fflush(stdout);
  fwrite(text, 1, n, stderr);
}

int tool_start(tool *t, const mc_command *c, int argc, char **argv) {
  *t = (tool){ .arena = mc_arena_create() };
  mc_diag_init(&t->diag, t->arena);
  mc_strbuf out = { 0 };
  int rc = mc_options_parse(c, argc, argv, &t->args, &out, t->arena);
  if (rc == MC_EXIT_OK) tool_print(mc_sb_str(&out), out.n);
  else if (rc > 0) tool_print_err(mc_sb_str(&out), out.n);
  mc_sb_free(&out);
  if (rc >= 0) mc_arena_destroy(t->arena);
  return rc;
}

void tool_flush(tool *t) {
  mc_strbuf s = { 0 };
  for (size_t i = 0; i < t->diag.list.n; i++) mc_diag_render(&s, &t->diag.list.v[i]);
  tool_print_err(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  t->diag.list.n = 0;
}

void tool_drop_remarks(tool *t) {
  size_t k = 0;
  bool keep = true;
  for (size_t i = 0; i < t->diag.list.n; i++) {
    mc_diagnostic *d = &t->diag.list.v[i];
    if (d->sev != MC_NOTE) keep = d->sev != MC_REMARK;
    if (keep) t->diag.list.v[k++] = *d;
  }
  t->diag.list.n = k;
}
int tool_end(tool *t, int rc) {
  tool_flush(t);
  int code = rc == MC_EXIT_OK && t->diag.errors ? MC_EXIT_INPUT : rc;
  mc_arena_destroy(t->arena);
  return code;
}
