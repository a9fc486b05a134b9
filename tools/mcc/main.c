/* mcc: a network in, an object and its header out. */
#include "mcc.h"
#include "mc/driver/driver.h"
#include "mc/ir/print.h"
#include "mc/syntax/parse.h"
#include <string.h>

const char *const emit_names[] = { "obj", "asm", "llvm", "mir", NULL };
static const char *const levels[] = { "0", "1", "2", "3", "s", NULL };

static const char *symbol(mcc *o, const mc_module *m) {
  const char *own = o->name ? mc_compile_symbol(o->name, o->t.arena) : NULL;
  if (own && strcmp(own, o->name) != 0)
    mc_warning(&o->t.diag, mc_noloc, "-name=%s is no C name: the symbols begin with '%s_'", o->name,
               own);
  if (own) return own;
  return mc_compile_symbol(strcmp(o->out, "-") ? o->out : m->graphs->name, o->t.arena);
}

static void flush_dump(mcc *o) {
  tool_print_err(mc_sb_str(&o->dump), o->dump.n);
  mc_sb_clear(&o->dump);
}

/* ---- one module ---- */

static bool emit_object(mcc *o, const mc_plan *p) {
  mc_code code;
  mc_strbuf header = { 0 };
  bool both = has_header(o),
       ok = mc_compile_object(&code, &header, p, &o->co, &o->rep, o->t.arena, &o->t.diag);
  if (ok && o->exact && !exact_check(o, p, &code)) {
    mc_code_free(&code);
    ok = false;
  }
  if (ok) {
    mc_piece text = { header.s, header.n };
    mc_piecefile files[2] = { { o->out, code.piece, code.n },
                              { both ? with_ending(o, o->out, ".h") : "", &text, 1 } };
    ok = mc_write_piece_files(files, both ? 2 : 1, &o->t.diag);
    if (ok) report_summary(o, code.bytes);
    mc_code_free(&code);
    if (ok && o->remarks) report_object(o);
  }
  mc_sb_free(&header);
  return ok;
}

static bool emit_text(mcc *o, const mc_plan *p) {
  mc_strbuf code = { 0 };
  bool ok = mc_compile_code(&code, p, &o->co, o->emit == EMIT_ASM ? MC_EMIT_ASM : MC_EMIT_LLVM,
                            &o->rep, o->t.arena, &o->t.diag) &&
            mc_write_file(o->out, mc_sb_str(&code), code.n, &o->t.diag);
  if (ok) report_summary(o, code.n);
  mc_sb_free(&code);
  return ok;
}

static bool emit_code(mcc *o, const mc_plan *p) {
  return o->emit == EMIT_OBJ ? emit_object(o, p) : emit_text(o, p);
}

static bool compile(mcc *o, mc_module *m) {
  mc_plan *p = mc_compile_plan(m, &o->co, &o->rep, o->t.arena, &o->t.diag);
  if (o->stats && p) report_stats(o);
  if (o->compress_weights && p && o->emit != EMIT_MIR) report_packed(o, p);
  flush_dump(o);
  if (!p) return false;
  for (const mc_plan *q = p; o->remarks && q; q = q->next) report_groups(o, q);
  bool ok;
  if (o->emit == EMIT_MIR) {
    ok = mc_write_mir(o->out, m, &o->t.diag);
    if (ok) report_summary(o, 0);
  } else {
    o->co.prefix = symbol(o, m);
    ok = emit_code(o, p);
  }
  if (ok && o->json) ok = json_report(o, p);
  if (o->time) report_time(o);
  flush_dump(o);
  return ok;
}

/* Only the first graph becomes code; another one is taken by bringing it to the front. */
static bool select_graph(mcc *o, mc_module *m) {
  mc_graph *g = mc_module_graph(m, o->graph);
  if (!g)
    return mc_error(&o->t.diag, mc_noloc, "there is no graph '%s' in %s", o->graph ? o->graph : "",
                    o->in);
  m->graphs = g;
  g->next = NULL;
  return !o->batch || mc_driver_set_batch(g, o->batch, &o->t.diag);
}

static void flush(mcc *o) {
  if (!o->remarks) tool_drop_remarks(&o->t);
  tool_flush(&o->t);
}

static int show_pipeline(mcc *o, const mc_module *m) {
  const char *text =
      o->pipeline ? o->pipeline : mc_compile_pipeline(m, &o->co, o->t.arena, &o->t.diag);
  if (!text) return MC_EXIT_INPUT;
  tool_print(text, strlen(text));
  tool_print("\n", 1);
  return MC_EXIT_OK;
}

/* The last lines; with -check its finding, which -quiet leaves there. */
static void show_summary(mcc *o) {
  const char *text = o->summary && !o->quiet ? o->summary : "";
  if (o->exact_text) text = mc_arena_printf(o->t.arena, "%s%s: %s\n", text, o->out, o->exact_text);
  tool_print_err(text, strlen(text));
}

static int run(mcc *o) {
  mc_module *m = mc_driver_load_as(o->in, &o->imp, &o->t.diag);
  if (!m) return MC_EXIT_INPUT;
  int rc = check_outputs(o)
               ? MC_EXIT_INPUT
               : MC_EXIT_USAGE; /* after reading: a file of another kind is named as such */
  if (rc == MC_EXIT_INPUT && select_graph(o, m)) {
    if (o->print_pipeline)
      rc = show_pipeline(o, m);
    else
      rc = compile(o, m) ? MC_EXIT_OK : o->rep.passes.bug ? MC_EXIT_BUG : MC_EXIT_INPUT;
  }
  flush(o); /* places are in the module's text */
  if (rc == MC_EXIT_OK) show_summary(o);
  mc_module_destroy(m);
  return rc;
}

/* ---- command line ---- */

static const char *join(mcc *o, const mc_strlist *l) {
  const char *s = NULL;
  for (size_t i = 0; i < l->n; i++)
    s = s ? mc_arena_printf(o->t.arena, "%s,%s", s, l->v[i]) : l->v[i];
  return s;
}

static void on_tune(void *ctx, int64_t done, int64_t total) {
  if (done < total - 1)
    progress_step(ctx, done, total);
  else
    progress_end(ctx);
}

static bool set_up(mcc *o) {
  o->in = o->t.args.v[0];
  choose_output(o);
  o->co = mc_compile_defaults();
  o->co.small = strcmp(o->level, "s") == 0;
  o->co.opt_level = o->co.small ? 3 : o->level[0] - '0';
  o->co.quant = (mc_quant_how)o->quant;
  o->co.calib = o->calib;
  o->co.calib_method = o->method >= 0 ? mc_names_calib[o->method] : NULL;
  o->co.skip = o->skip;
  o->co.only = o->only;
  o->co.pipeline = o->pipeline;
  o->co.debug = o->debug;
  o->co.tune = o->tune;
  o->progress = progress_start("tuning");
  o->co.tune_progress = on_tune;
  o->co.tune_ctx = &o->progress;
  o->co.threads = (int)o->threads;
  o->co.winograd = o->winograd;
  o->co.chain = (mc_chain_how)o->chain;
  o->co.mixed = o->mixed;
  o->co.equalize = (mc_equalize_how)o->equalize;
  o->co.apart = !o->share;
  o->co.manager = (mc_manager_opts){ .bisect_limit = o->bisect,
                                     .dump = &o->dump,
                                     .print_before = join(o, &o->before),
                                     .print_after = join(o, &o->after),
                                     .print_after_change = o->after_change,
                                     .verify_each = o->verify_each,
                                     .check_numerics = o->check != NULL,
                                     .check_data = o->check && *o->check ? o->check : NULL,
                                     .time_passes = o->time,
                                     .stats = o->stats,
                                     .progress = progress_pass,
                                     .progress_ctx = &o->passes,
                                     .temp = tool_temp_folder() };
  o->co.target = level_find(o);
  if (o->co.target && o->co.target->next && o->emit == EMIT_MIR)
    return mc_error(&o->t.diag, mc_noloc,
                    "-emit=mir shows the plan of one level: name it with -march=");
  if (o->mixed && o->co.quant != MC_QUANT_INT8)
    return mc_error(&o->t.diag, mc_noloc,
                    "-mixed chooses between INT8 and fp32: it needs -quant=int8");
  if (!(o->winograd >= 0)) return mc_error(&o->t.diag, mc_noloc, "-winograd must not be negative");
  if (o->co.small && o->tune)
    return mc_error(
        &o->t.diag, mc_noloc,
        "-Os chooses blocks by the size of their code, -tune by time: give one of the two");
  if (!o->co.target) return false;
  warn_idle(o);
  return !o->exact || o->emit != EMIT_OBJ || o->print_pipeline || exact_possible(o);
}

static int start(mcc *o, int argc, char **argv) {
  const mc_option options[] = {
    { "o", MC_O_STR, &o->out, .arg = "FILE|-",
      .help = "the object (its header goes beside it), or the text of -emit=; default: the input's "
              "name with .o, or standard output for text" },
    { "O", MC_O_JOINED, &o->level, .arg = "LEVEL",
      .help = "how much to do (-print-pipeline shows it); s: as 3, but small code before fast code",
      .words = levels },
    { "quant", MC_O_WORD, &o->quant, .arg = "HOW", .help = "arithmetic", .words = mc_quant_names },
    { "calib", MC_O_STR, &o->calib, .arg = "DATA",
      .help = "samples (.npz, .npy, an image or a folder of images) that give the ranges for "
              "-quant=int8; default: the file's calibration line, then ranges in the text, then "
              "batch_norm statistics" },
    { "calib-method", MC_O_WORD, &o->method, .arg = "METHOD",
      .help = "how ranges come from samples", .words = mc_names_calib },
    { "equalize", MC_O_WORD, &o->equalize, .arg = "HOW",
      .help = "INT8: weights between layers are scaled so that one scale suits all channels of a "
              "value: where there are samples (the default), or never",
      .words = mc_equalize_names },
    { "skip", MC_O_STR, &o->skip, .arg = "LAYERS",
      .help = "layers that -quant leaves in fp32: names (those of the model, or of values), ':' "
              "between them, '*' for any text" },
    { "only", MC_O_STR, &o->only, .arg = "LAYERS", .help = "the only layers that -quant converts" },
    { "emit", MC_O_WORD, &o->emit, .arg = "WHAT", .help = "what to write", .words = emit_names },
    { "march", MC_O_STR, &o->march, .arg = "LEVEL",
      .help = "machine level: native, a level or CPU (a wrong name lists them), or "
              "dispatch[=LEVEL,...]: several, the best chosen at run time; default: dispatch, for "
              "another architecture and -emit=mir the lowest level" },
    { "target", MC_O_STR, &o->arch, .arg = "ARCH",
      .help = "x86_64, aarch64 or an ELF triple; default: that of -march, or the host's" },
    { "g", MC_O_FLAG, &o->debug, .help = "line tables that map machine code to .mir lines" },
    { "share", MC_O_FLAG, &o->share,
      .help = "layers whose code differs in constants alone share one function (default; "
              "-share=false: each has its own, as with -g, for profilers)" },
    { "name", MC_O_STR, &o->name, .arg = "NAME",
      .help = "prefix of the symbols (NAME_run); default: from the output's name" },
    { "graph", MC_O_STR, &o->graph, .arg = "NAME",
      .help = "the graph to compile; the first one if absent" },
    { "batch", MC_O_I64, &o->batch, .arg = "N",
      .help = "compile for another batch: the first axis of every input", .lo = 1, .hi = 1 << 20 },
    { "threads", MC_O_I64, &o->threads, .arg = "N",
      .help = "also an entry that takes the caller's parallel_for and divides the work into up to "
              "N tasks (docs/reference/abi.md)",
      .lo = 1, .hi = MC_MAX_THREADS },
    { "mixed", MC_O_FLAG, &o->mixed,
      .help = "INT8: layers that the cost model finds faster in fp32 on this level stay there "
              "(remarks say why); results then depend on the level" },
    { "winograd", MC_O_F64, &o->winograd, .arg = "PERCENT",
      .help = "INT8: weights may grow by so much for 3x3 convolutions with fewer products (default "
              "15); 0: direct ones only" },
    { "sparse", MC_O_WORD, &o->sparse, .arg = "HOW",
      .help = "products leave out blocks of zero weights where the cost model expects that to be "
              "faster (the default), never, or wherever there are some",
      .words = mc_sparse_names },
    { "compress-weights", MC_O_FLAG, &o->compress_weights,
      .help = "weights with zeros are kept as a bit for each and the others' values: a smaller "
              "object; each run unpacks them, a block of columns at a time" },
    { "chain", MC_O_WORD, &o->chain, .arg = "WHY",
      .help = "groups that are computed in strips of rows: where that is faster (from -O2 on, the "
              "default), never, or for the smallest arena",
      .words = mc_chain_names },
    { "pass-pipeline", MC_O_STR, &o->pipeline, .arg = "TEXT",
      .help = "these passes instead of those of -O and -quant; must end with form-groups" },
    { "print-pipeline", MC_O_FLAG, &o->print_pipeline,
      .help = "print the passes that would run, and stop" },
    { "print-before", MC_O_LIST, &o->before, .arg = "PASS",
      .help = "print the graph in front of a pass, or of 'all' (to standard error)" },
    { "print-after", MC_O_LIST, &o->after, .arg = "PASS",
      .help = "print the graph behind a pass, or 'all'" },
    { "print-after-change", MC_O_FLAG, &o->after_change,
      .help = "behind passes that changed something" },
    { "verify-each", MC_O_FLAG, &o->verify_each, .help = "check every invariant after each pass" },
    { "check-numerics", MC_O_OPTIONAL, &o->check, .arg = "FILE.npz",
      .help = "evaluate before and after each pass and hold the difference against its contract" },
    { "bisect-limit", MC_O_I64, &o->bisect, .arg = "N",
      .help = "run only the first N passes that need not run", .lo = -1, .hi = INT32_MAX },
    { "time-passes", MC_O_FLAG, &o->time,
      .help = "print the time of each pass, the plan and the code" },
    { "stats", MC_O_FLAG, &o->stats, .help = "print what the passes counted" },
    { "remarks", MC_O_FLAG, &o->remarks,
      .help = "print how each group is computed, its estimated time, what bounds it, the next best "
              "blocks and what another engine, Winograd or fp32 would take; and what stayed in "
              "fp32 and why" },
    { "tune", MC_O_OPTIONAL, &o->tune, .arg = "CACHE.json",
      .help = "measure blocks of products on this machine and take the best; what is in the cache "
              "is not measured again" },
    MC_IMPORT_OPTIONS(o->imp),
    MC_IMPORT_PREPROCESS(o->imp),
    { "check", MC_O_OPTIONAL, &o->exact, .arg = "FILE.npz",
      .help = "run the object on this machine and hold it against the reference evaluator, on the "
              "first samples of the file or on random ones; a "
              "difference is an error, and nothing is written" },
    { "json", MC_O_OPTIONAL, &o->json, .arg = "FILE",
      .help =
          "also a report as JSON (docs/reference/tools.md), to the file or to standard output" },
    { "quiet", MC_O_FLAG, &o->quiet, .help = "no summary line" },
    { 0 }
  };
  const mc_command cmd = { .name = "mcc",
                           .usage = "[options] FILE.mir|FILE.onnx|-",
                           .summary = "compile a network to an object file and a C header",
                           .options = options,
                           .min_args = 1,
                           .max_args = 1,
                           .example =
                               "mcc -O3 -quant=int8 -calib=calib.npz net.mir -o net.o\nmcc -O3 "
                               "-march=native net.onnx -o net.o\nmcc -emit=mir net.mir" };
  *o = (mcc){ .level = "3",
              .bisect = -1,
              .method = -1,
              .share = true,
              .winograd = mc_compile_defaults().winograd };
  return tool_start(&o->t, &cmd, argc, argv);
}

int main(int argc, char **argv) {
  mcc o;
  int rc = start(&o, argc, argv);
  if (rc >= 0) return rc;
  if (!set_up(&o)) return tool_end(&o.t, MC_EXIT_USAGE);
  rc = run(&o);
  mc_sb_free(&o.dump);
  flush(&o);
  return tool_end(&o.t, rc);
}
