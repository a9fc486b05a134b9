#include "reproducer.h"
#include "mc/ir/print.h"
#include <stdio.h>
#include <string.h>

/* 'text' for a shell; a quote inside becomes '\''. */
static void shell_quote(mc_strbuf *b, const char *text) {
  mc_sb_putc(b, '\'');
  for (; *text; text++) {
    if (*text == '\'')
      mc_sb_puts(b, "'\\''");
    else
      mc_sb_putc(b, *text);
  }
  mc_sb_putc(b, '\'');
}

static void print_command(mc_strbuf *b, const mc_pipeline_item *it, const mc_manager_opts *o) {
  mc_strbuf pipeline = { 0 };
  mc_pipeline_print(&pipeline, &(mc_pipeline){ (mc_pipeline_item *)it, 1 });
  mc_sb_puts(b, "// RUN: mc-opt");
  if (o->verify_each) mc_sb_puts(b, " --verify-each");
  if (o->check_numerics) {
    mc_sb_puts(b, " --check-numerics");
    if (*o->check_numerics) mc_sb_putc(b, '='), shell_quote(b, o->check_numerics);
    mc_sb_printf(b, " --seed=%llu", (unsigned long long)o->seed);
  }
  mc_sb_puts(b, " --pass-pipeline=");
  shell_quote(b, mc_sb_str(&pipeline));
  mc_sb_puts(b, " %s\n");
  mc_sb_free(&pipeline);
}

bool reproducer_write(const char *path, const mc_module *m, const mc_pipeline_item *it,
                      const mc_manager_opts *o, mc_diag *d) {
  mc_strbuf b = { 0 };
  print_command(&b, it, o);
  mc_module *copy = mc_module_clone(m);
  copy->weights_file =
      NULL; /* no reference to files beside the original: the text must stand alone */
  for (size_t i = 0; i < copy->tensors.n; i++)
    ((mc_tensor *)copy->tensors.entries[i].val)->file = NULL;
  mc_print_module(&b, copy, NULL);
  bool ok = mc_write_file(path, mc_sb_str(&b), b.n, d);
  mc_module_destroy(copy);
  mc_sb_free(&b);
  return ok;
}

void reproducer_remove(const char *path) { remove(path); }
