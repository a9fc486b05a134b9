/* WORK/candidate.sh: the one program that candidates are runs of. */
#include "mc/support/blob.h"
#include "search.h"
#include <string.h>

static const char body[] =
    "# Written by mc-search: one shape of a network in one or more precisions.\n"
    "#   candidate.sh SHAPE PASSES [KEY PASSES]...\n"
    "# It prints a line of JSON for each KEY. Every step can be run by hand.\n"
    "cd \"$cwd\" || exit 1\n"
    "export OPENBLAS_NUM_THREADS=1 LC_ALL=C\n"
    "shape=$work/shape-$1\n"
    "shape_passes=$2\n"
    "shift 2\n"
    "\n"
    "passes() {   # IN PASSES OUT LOG: mc-opt writes OUT whole or not at all\n"
    "  \"$bin/mc-opt\" ${2:+$machine --pass-pipeline=\"$2\"} \"$1\" -o \"$3\" 2>>\"$4\"\n"
    "}\n"
    "compile() {   # IN OUT REPORT LOG\n"
    "  \"$bin/mcc\" $machine -O3 -quiet -name=net -json=\"$3\" \"$1\" -o \"$2\" 2>>\"$4\"\n"
    "}\n"
    "judge() {   # KEY LOG\n"
    "  f=$work/$1.o how=\n"
    "  [ \"$runs\" = 1 ] || { f=$work/$1.mir how=-jit; }\n"
    "  if [ -n \"$expect\" ]; then\n"
    "    [ -e \"$expect\" ] || [ \"$1\" != \"$original\" ] || outputs $how \"$f\" -o \"$expect\" "
    ">/dev/null 2>>\"$2\" || return\n"
    "    outputs $how \"$f\" --compare=\"$expect\" --atol=1e30 -json=\"$work/$1.run\" \\\n"
    "      >/dev/null 2>>\"$2\" || return\n"
    "  fi\n"
    "  [ \"$labels\" = 0 ] || score $how \"$f\" -json=\"$work/$1.eval\" >/dev/null 2>>\"$2\"\n"
    "}\n"
    "text() {   # the end of a log, as text of JSON\n"
    "  tail -c 1500 \"$@\" | tr -c '\\40-\\176' ' ' | sed 's/[\\\\\"]/\\\\&/g'\n"
    "}\n"
    "reply() {   # KEY STATUS SECONDS\n"
    "  printf '{\"key\":\"%s\",\"status\":%d,\"seconds\":%d,\"said\":\"' \"$1\" \"$2\" \"$3\"\n"
    "  cat \"$shape.log\" \"$work/$1.log\" 2>/dev/null >\"$work/$1.said\"\n"
    "  text \"$work/$1.said\"\n"
    "  printf '\"'\n"
    "  for part in mcc run eval; do\n"
    "    [ -s \"$work/$1.$part\" ] && printf ',\"%s\":' $part && tr '\\n' ' ' <\"$work/$1.$part\"\n"
    "  done\n"
    "  printf '}\\n'\n"
    "  for end in mcc run eval said mir safetensors h; do rm -f \"$work/$1.$end\"; done\n"
    "}\n"
    "\n"
    "begin=$(date +%s) status=0\n"
    "if [ ! -e \"$shape.mir\" ]; then\n"
    "  rm -f \"$shape.log\"\n"
    "  passes \"$net\" \"$shape_passes\" \"$shape.mir\" \"$shape.log\" || status=$?\n"
    "fi\n"
    "while [ $# -gt 1 ]; do\n"
    "  rm -f \"$work/$1.log\" \"$work/$1.run\" \"$work/$1.eval\" \"$work/$1.mcc\"\n"
    "  if [ $status = 0 ]; then\n"
    "    passes \"$shape.mir\" \"$2\" \"$work/$1.mir\" \"$work/$1.log\" &&\n"
    "      compile \"$work/$1.mir\" \"$work/$1.o\" \"$work/$1.mcc\" \"$work/$1.log\" &&\n"
    "      judge \"$1\" \"$work/$1.log\"\n"
    "    reply \"$1\" $? $(($(date +%s) - begin))\n"
    "  else\n"
    "    reply \"$1\" $status $(($(date +%s) - begin))\n"
    "  fi\n"
    "  shift 2\n"
    "done\n";

void shell_quote(mc_strbuf *out, const char *text) {
  mc_sb_putc(out, '\'');
  for (; *text; text++) {
    if (*text == '\'')
      mc_sb_puts(out, "'\\''");
    else
      mc_sb_putc(out, *text);
  }
  mc_sb_putc(out, '\'');
}

void shell_word(mc_strbuf *out, const char *text) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";
  if (*text && text[strspn(text, plain)] == 0)
    mc_sb_puts(out, text);
  else
    shell_quote(out, text);
}

static void variable(mc_strbuf *out, const char *name, const char *value) {
  mc_sb_printf(out, "%s=", name);
  shell_quote(out, value);
  mc_sb_putc(out, '\n');
}

static void option(mc_strbuf *out, const char *name, const char *value) {
  if (!value) return;
  mc_sb_printf(out, " --%s=", name);
  shell_word(out, value);
}

static void option_number(mc_strbuf *out, const char *name, int64_t v) {
  if (v) mc_sb_printf(out, " --%s=%lld", name, (long long)v);
}

/* NAME(): a tool on the samples of --eval; its arguments come first. */
static void function(mc_strbuf *out, const search *s, const char *name, const char *tool_name) {
  mc_sb_printf(out, "%s() {\n  \"$bin/%s\" \"$@\"", name, tool_name);
  option(out, "data", s->eval);
  option(out, "x", s->x);
  option_number(out, "limit", s->samples);
  if (s->images.resize) option(out, "resize", mc_image_resize_words[s->images.resize]);
  if (s->images.color) option(out, "color", mc_image_color_words[s->images.color]);
  if (strcmp(tool_name, "mc-eval") == 0) {
    option(out, "y", s->y);
    if (s->metric) option(out, "metric", "auc");
    option_number(out, "stride", s->stride);
  }
  mc_sb_puts(out, "\n}\n");
}

bool script_write(search *s) {
  mc_strbuf out = { 0 };
  mc_sb_puts(&out, "#!/bin/sh\n");
  variable(&out, "cwd", s->cwd);
  variable(&out, "bin", s->bin);
  variable(&out, "work", s->work);
  variable(&out, "net", s->in);
  const char *arch = s->arch ? mc_arena_printf(s->t.arena, " -target=%s", s->arch) : "";
  variable(&out, "machine", mc_arena_printf(s->t.arena, "-march=%s%s", s->march, arch));
  variable(&out, "expect", s->expect);
  variable(&out, "original", s->original->key);
  variable(&out, "runs", s->runs ? "1" : "0");
  variable(&out, "labels", s->labels ? "1" : "0");
  function(&out, s, "outputs", "mc-run");
  function(&out, s, "score", "mc-eval");
  mc_sb_puts(&out, body);
  s->script = mc_arena_printf(s->t.arena, "%s/candidate.sh", s->work);
  bool ok = mc_write_file(s->script, mc_sb_str(&out), out.n, &s->t.diag);
  mc_sb_free(&out);
  return ok;
}

void script_line(mc_strbuf *out, const search *s, const shape *h, candidate *const *c, size_t n) {
  mc_sb_puts(out, "sh ");
  shell_quote(out, s->script);
  mc_sb_printf(out, " %s ", h->key);
  shell_quote(out, h->passes);
  for (size_t i = 0; i < n; i++) {
    mc_sb_printf(out, " %s ", c[i]->key);
    shell_quote(out, c[i]->passes);
  }
  mc_sb_putc(out, '\n');
}
