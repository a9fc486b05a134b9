/* mc-opt: text in, passes, text out. */
#include "common/progress.h"
#include "common/tool.h"
#include "expect.h"
#include "mc/driver/compile.h"
#include "mc/driver/driver.h"
#include "mc/ir/print.h"
#include "mc/syntax/parse.h"
#include "testpass.h"
#include <string.h>

typedef struct opt {
  tool t;
  mc_strlist passes, before, after;
  const char *out, *check, *reproducer, *target, *march;
  bool list, print_pipeline, verify_diagnostics, split, before_all, after_all, before_change,
      after_change, verify_each, time, stats;
  int64_t bisect, seed;
  mc_pipeline pipeline;
  mc_manager_opts mgr;
  mc_strbuf dump;  /* for stderr */
  mc_strbuf text;  /* results of split inputs */
  const char *dir; /* of the input */
  int rc;
  progress passing;
} opt;

/* ---- lists ---- */
static const char *contract_word(mc_contract c) {
  return c == MC_EXACT ? "exact" : c == MC_ROUNDS ? "rounds" : "lossy";
}

static void list_option(mc_strbuf *s, const mc_field *f) {
  mc_sb_printf(s, "      %s=%s  %s", f->name, f->dflt && *f->dflt ? f->dflt : "\"\"", f->doc);
  for (int i = 0; f->names && f->names[i]; i++)
    mc_sb_printf(s, "%s%s", i ? ", " : ": ", f->names[i]);
  mc_sb_putc(s, '\n');
}

static int list_passes(opt *o) {
  const mc_registry *r = mc_driver_registry();
  mc_strbuf s = { 0 };
  for (int i = 0; i < r->npass; i++) {
    mc_sb_printf(&s, "  %-18s %-6s %s\n", r->pass[i].text, contract_word(r->pass[i].contract),
                 r->pass[i].summary);
    for (const mc_field *f = r->pass[i].opts; f->name; f++) list_option(&s, f);
  }
  for (int i = 0; i < r->nalias; i++)
    mc_sb_printf(&s, "  %-18s = %s\n", r->alias[i].name, r->alias[i].pipeline);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  return tool_end(&o->t, MC_EXIT_OK);
}

static void report_time(opt *o, const mc_manager_report *rep) {
  double total = 0;
  for (int i = 0; i < rep->n; i++) total += rep->time[i].seconds;
  mc_sb_puts(&o->dump, "time per pass:\n");
  for (int i = 0; i < rep->n; i++)
    mc_sb_printf(&o->dump, "  %9.3f ms %5.1f %%  %-18s %s\n", rep->time[i].seconds * 1e3,
                 total > 0 ? 100 * rep->time[i].seconds / total : 0.0, rep->time[i].pass->text,
                 rep->time[i].changed ? "changed" : "no change");
  mc_sb_printf(&o->dump, "  %9.3f ms total\n", total * 1e3);
}

static void report_stats(opt *o, const mc_manager_report *rep) {
  for (int i = 0; i < rep->n; i++)
    for (int k = 0; k < rep->time[i].pass->nstats; k++)
      mc_sb_printf(&o->dump, "%8lld %-18s %s (%s)\n", (long long)rep->stats[i][k],
                   rep->time[i].pass->text, rep->time[i].pass->stats[k].name,
                   rep->time[i].pass->stats[k].doc);
}

/* ---- one input ---- */
static void flush_dump(opt *o) {
  tool_print_err(mc_sb_str(&o->dump), o->dump.n);
  mc_sb_clear(&o->dump);
}

static mc_module *transform(opt *o, const mc_source *src) {
  mc_module *m = mc_parse(src, o->dir, &o->t.diag);
  if (!m) return o->rc = MC_EXIT_INPUT, NULL;
  mc_manager_report rep = { 0 };
  if (!mc_manager_run(m, &o->pipeline, &o->mgr, &rep, o->t.arena, &o->t.diag)) {
    o->rc = rep.bug ? MC_EXIT_BUG : MC_EXIT_INPUT;
    mc_module_destroy(m);
    return NULL;
  }
  if (o->time) report_time(o, &rep);
  if (o->stats) report_stats(o, &rep);
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
  mc_module *m = transform(o, src);
  flush_dump(o);
  if (o->verify_diagnostics)
    check_expected(o, src);
  else if (m)
    write_result(o, m);
  if (m) mc_module_destroy(m);
  if (before > o->rc) o->rc = before;
  tool_flush(&o->t);
}

/* ---- splitting ---- */
/* The input between two lines that are `// -----`; lines in front of it stay as empty lines, so
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

static int run_file(opt *o) {
  const char *path = o->t.args.n ? o->t.args.v[0] : "-";
  size_t size;
  char *text = mc_read_file(path, &size, o->t.arena, &o->t.diag, mc_noloc);
  if (!text) return MC_EXIT_INPUT;
  const char *slash = strrchr(path, '/');
  o->dir =
      !slash ? "." : mc_arena_strndup(o->t.arena, path, slash == path ? 1 : (size_t)(slash - path));
  run_pieces(o, strcmp(path, "-") ? path : "<stdin>", text, size);
  if (o->split && !o->verify_diagnostics && o->rc == MC_EXIT_OK &&
      !mc_write_file(o->out, mc_sb_str(&o->text), o->text.n, &o->t.diag))
    return MC_EXIT_INPUT;
  return o->rc;
}

/* ---- set-up ---- */
static void dumped(void *ctx, mc_strbuf *dump) {
  (void)ctx; /* standard error is everybody's */
  tool_print_err(mc_sb_str(dump), dump->n);
  mc_sb_clear(dump);
}

static const char *join(opt *o, const mc_strlist *l) {
  mc_strbuf s = { 0 };
  for (size_t i = 0; i < l->n; i++) mc_sb_printf(&s, "%s%s", i ? "," : "", l->v[i]);
  const char *text = mc_arena_strdup(o->t.arena, mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

static bool parse_pipeline(opt *o) {
  mc_source *src = MC_NEW(o->t.arena, mc_source);
  const char *text = join(o, &o->passes);
  *src = (mc_source){ "<pipeline>", text, strlen(text) };
  const mc_registry *r = testpass_registry(mc_driver_registry(), o->t.arena);
  if (!mc_pipeline_parse(r, src, &o->pipeline, o->t.arena, &o->t.diag)) return false;
  o->mgr.print_before = mc_pipeline_names(r, &o->pipeline, o->mgr.print_before, "print-before",
                                          o->t.arena, &o->t.diag);
  o->mgr.print_after =
      mc_pipeline_names(r, &o->pipeline, o->mgr.print_after, "print-after", o->t.arena, &o->t.diag);
  return true;
}

static const char *names(opt *o, bool all, const mc_strlist *l) {
  return all ? "all" : l->n ? join(o, l) : NULL;
}

static bool set_up(opt *o) {
  o->mgr = (mc_manager_opts){ .print_before = names(o, o->before_all, &o->before),
                              .print_after = names(o, o->after_all, &o->after),
                              .print_before_change = o->before_change,
                              .print_after_change = o->after_change,
                              .verify_each = o->verify_each,
                              .check_numerics = o->check != NULL,
                              .check_data = o->check && *o->check ? o->check : NULL,
                              .seed = (uint64_t)o->seed,
                              .bisect_limit = o->bisect,
                              .reproducer = o->reproducer,
                              .dump = &o->dump,
                              .dumped = dumped,
                              .time_passes = o->time,
                              .stats = o->stats,
                              .progress = progress_pass,
                              .progress_ctx = &o->passing,
                              .temp = tool_temp_folder() };
  bool ok = parse_pipeline(o);
  const mc_target *native = mc_target_find(NULL, "native", o->t.arena, &o->t.diag);
  if (native)
    o->mgr.runner =
        mc_compile_runner(native, o->t.arena); /* calibrate runs samples through compiled code */
  if (!o->target && !o->march) return ok;
  o->mgr.target = mc_target_find(o->target, o->march, o->t.arena, &o->t.diag);
  if (o->mgr.target && o->mgr.target->next)
    return mc_error(&o->t.diag, mc_noloc, "passes look at one level: name it with -march=");
  return ok && o->mgr.target;
}

#define IDLE(o, why, ...) tool_no_effect(&(o)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

/* Options that can do nothing beside the others. */
static void warn_idle(opt *o) {
  const char *numerics =
      !o->check ? "it is for -check-numerics" : "-check-numerics takes the samples of the file";
  if (o->verify_diagnostics) IDLE(o, "-verify-diagnostics writes no result", "o");
  if (o->print_pipeline)
    IDLE(o, "-print-pipeline runs nothing and writes no file", "o", "verify-diagnostics",
         "split-input-file");
  if (!o->check || *o->check) IDLE(o, numerics, "seed");
  if (o->pipeline.n) return;
  IDLE(o, "no pass runs", "print-before", "print-before-all", "print-before-change", "print-after",
       "print-after-all", "print-after-change", "verify-each", "check-numerics", "bisect-limit",
       "reproducer", "time-passes", "stats", "target", "march");
}

static int show_pipeline(opt *o) {
  mc_strbuf s = { 0 };
  mc_pipeline_print(&s, &o->pipeline);
  mc_sb_putc(&s, '\n');
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  return MC_EXIT_OK;
}

static int start(opt *o, int argc, char **argv) {
  const mc_option options[] = {
    { "o", MC_O_STR, &o->out, .arg = "FILE|-",
      .help = "where the result goes; '-' (the default): standard output, changed tensors in its "
              "data section" },
    { "pass", MC_O_LIST, &o->passes, .arg = "PASS",
      .help = "run a pass, with options as in 'prune{macs=0.5 score=l2}'; may be repeated" },
    { "pass-pipeline", MC_O_LIST, &o->passes, .arg = "TEXT",
      .help = "run passes, ',' between them" },
    { "list-passes", MC_O_FLAG, &o->list,
      .help = "print every pass with its contract and options" },
    { "print-pipeline", MC_O_FLAG, &o->print_pipeline,
      .help = "print the pipeline in full, run nothing" },
    { "print-before", MC_O_LIST, &o->before, .arg = "PASS",
      .help = "print the graph in front of this pass (to standard error)" },
    { "print-before-all", MC_O_FLAG, &o->before_all, .help = "in front of every pass" },
    { "print-before-change", MC_O_FLAG, &o->before_change,
      .help = "in front of passes that change something" },
    { "print-after", MC_O_LIST, &o->after, .arg = "PASS",
      .help = "print the graph behind this pass" },
    { "print-after-all", MC_O_FLAG, &o->after_all, .help = "behind every pass" },
    { "print-after-change", MC_O_FLAG, &o->after_change,
      .help = "behind passes that changed something" },
    { "verify-each", MC_O_FLAG, &o->verify_each, .help = "check every invariant after each pass" },
    { "check-numerics", MC_O_OPTIONAL, &o->check, .arg = "FILE.npz",
      .help = "evaluate before and after each pass and hold the difference against its contract; "
              "on samples of the file, or on random inputs" },
    { "seed", MC_O_I64, &o->seed, .arg = "N", .help = "seed of the random inputs", .lo = 0,
      .hi = INT64_MAX },
    { "bisect-limit", MC_O_I64, &o->bisect, .arg = "N", .help = "run only the first N passes",
      .lo = -1, .hi = INT32_MAX },
    { "reproducer", MC_O_STR, &o->reproducer, .arg = "FILE.mir",
      .help = "when a pass fails, leave a file with the graph in front of it and the command" },
    { "time-passes", MC_O_FLAG, &o->time, .help = "print the time that each pass took" },
    { "stats", MC_O_FLAG, &o->stats, .help = "print what the passes counted" },
    { "verify-diagnostics", MC_O_FLAG, &o->verify_diagnostics,
      .help = "compare diagnostics with the input's expected-error, -warning, -note, -remark "
              "comments; writes no result" },
    { "split-input-file", MC_O_FLAG, &o->split,
      .help = "the input holds several modules with lines '// -----' between them" },
    { "target", MC_O_STR, &o->target, .arg = "ARCH",
      .help = "machine that passes look at: x86_64, aarch64 or a triple" },
    { "march", MC_O_STR, &o->march, .arg = "LEVEL",
      .help = "its level: native, or a level or CPU (a wrong name lists them)" },
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-opt",
    .usage = "[options] [FILE|-]",
    .summary = "transform a network: .mir text to .mir text",
    .options = options,
    .max_args = 1,
    .example =
        "mc-opt --pass=fold-bn net.mir | mc-opt --pass='prune{macs=0.5 score=l2}' - -o pruned.mir\n"
        "mc-opt --pass-pipeline='fold-bn,canonicalize,dce' -verify-each -check-numerics net.mir -o "
        "out.mir"
  };
  *o = (opt){ .out = "-", .bisect = -1 };
  return tool_start(&o->t, &cmd, argc, argv);
}

int main(int argc, char **argv) {
  opt o;
  int rc = start(&o, argc, argv);
  if (rc >= 0) return rc;
  if (o.list) {
    IDLE(&o, "-list-passes prints the list and ends", "o", "pass", "pass-pipeline",
         "print-pipeline");
    if (o.t.args.n)
      mc_warning(&o.t.diag, mc_noloc, "'%s' is not read: -list-passes prints the list and ends",
                 o.t.args.v[0]);
    return list_passes(&o);
  }
  if (!set_up(&o)) return tool_end(&o.t, MC_EXIT_USAGE);
  warn_idle(&o);
  rc = o.print_pipeline ? show_pipeline(&o) : run_file(&o);
  mc_sb_free(&o.dump);
  mc_sb_free(&o.text);
  return tool_end(&o.t, rc);
}
