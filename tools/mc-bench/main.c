/* mc-bench: how long one run takes, and where the time goes. */
#include "bench.h"
#include <string.h>

typedef struct options {
  tool t;
  const char *out, *roofline;
  mc_strlist variants;
  int64_t seed, cpu;
  mcrt_pool *pool;
  double seconds;
  int regime;
  bool json, layers, fifo;
  form base;
  mc_import_args imp;
  subject *subject;
  int n;
  machine machine;
} options;

static bool is_html(const char *path) {
  size_t n = strlen(path);
  return n > 5 && strcmp(path + n - 5, ".html") == 0;
}

static bool any_onnx(const options *o) {
  for (size_t i = 0; i < o->t.args.n; i++)
    if (mc_driver_is_onnx(o->t.args.v[i])) return true;
  return false;
}

static int usage(options *o) {
  mc_diag *d = &o->t.diag;
  size_t n = o->roofline ? strlen(o->roofline) : 0, forms = o->variants.n ? o->variants.n : 1;
  bool svg = n > 4 && strcmp(o->roofline + n - 4, ".svg") == 0;
  if (!(o->seconds > 0) || o->seconds > 3600)
    mc_error(d, mc_noloc, "--seconds must be above 0 and at most 3600");
  else if (o->roofline && !svg && !is_html(o->roofline))
    mc_error(d, mc_noloc, "--roofline=%s: the name must end in .svg or .html", o->roofline);
  else if (mc_import_args_given(&o->imp) && !any_onnx(o))
    mc_error(d, mc_noloc, "%s is about how an .onnx file is read, and there is none",
             mc_import_args_given(&o->imp));
  else if (svg && o->t.args.n * forms > 1)
    mc_error(d, mc_noloc, "--roofline=%s: an .svg shows one network; use .html for several",
             o->roofline);
  for (size_t i = 0; i < o->t.args.n && !d->errors; i++)
    if (tool_keeps(&o->t, o->t.args.v[i], o->out)) tool_keeps(&o->t, o->t.args.v[i], o->roofline);
  return d->errors ? MC_EXIT_USAGE : MC_EXIT_OK;
}

/* Options on how networks are compiled, where every file is an object. */
static void warn_idle(options *o) {
  static const char *const compiling[] = { "quant",  "calib", "batch", "winograd", "chain",
                                           "sparse", "march", "O",     NULL };
  bool objects = true;
  for (size_t i = 0; i < o->t.args.n; i++) {
    size_t n = strlen(o->t.args.v[i]);
    objects &= n > 2 && strcmp(o->t.args.v[i] + n - 2, ".o") == 0;
  }
  if (objects) tool_no_effect(&o->t, compiling, "an object is compiled already");
}

static bool open_all(options *o) {
  size_t forms = o->variants.n ? o->variants.n : 1;
  o->subject = MC_NEWN(o->t.arena, subject, o->t.args.n * forms);
  for (size_t i = 0; i < o->t.args.n * forms; i++) {
    form f = o->base;
    if (o->variants.n && !form_apply(&f, &o->t, o->variants.v[i % forms])) return false;
    o->n++;
    if (!subject_open(&o->subject[i], &o->t, o->t.args.v[i / forms], &f, (uint64_t)o->seed,
                      o->layers || o->roofline))
      return false;
  }
  return true;
}

static bool measure(options *o) {
  int threads = 1;
  for (int i = 0; i < o->n; i++)
    if (o->subject[i].threads > threads) threads = o->subject[i].threads;
  const char *why = bench_settle(threads == 1 ? (int)o->cpu : -1,
                                 o->fifo); /* the pool's threads inherit the priority */
  if (why) return mc_error(&o->t.diag, mc_noloc, "%s: %s", o->fifo ? "--fifo" : "--cpu", why);
  if (!threads_open(&o->pool, &o->t, threads, (int)o->cpu)) return false;
  for (int i = 0; i < o->n; i++) o->subject[i].pool = o->pool;
  int who, rc = bench_subjects(o->subject, o->n, (bench_regime)o->regime, o->seconds, o->t.arena,
                               &o->machine, &who);
  if (!rc)
    rc = bench_layers(o->subject, o->n, (bench_regime)o->regime,
                      o->layers || o->roofline ? o->seconds : 0, o->t.arena, &o->machine, &who);
  return !rc ||
         mc_error(&o->t.diag, mc_noloc, "%s: the entry returned %d", o->subject[who].label, rc);
}

static bool write_results(options *o) {
  mc_strbuf s = { 0 }, picture = { 0 };
  for (int i = 0; !o->layers && i < o->n; i++) o->subject[i].nlayer *= o->roofline != NULL;
  if (o->roofline && is_html(o->roofline))
    roofline_html(&picture, o->subject, o->n, &o->machine);
  else if (o->roofline)
    roofline_svg(&picture, o->subject, &o->machine);
  for (int i = 0; !o->layers && i < o->n; i++) o->subject[i].nlayer = 0;
  if (o->json)
    report_json(&s, o->subject, o->n, &o->machine);
  else
    report_text(&s, o->subject, o->n, &o->machine);
  bool ok =
      (!o->roofline || mc_write_file(o->roofline, mc_sb_str(&picture), picture.n, &o->t.diag)) &&
      tool_write(&o->t, o->out, mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  mc_sb_free(&picture);
  return ok;
}

static int run(options *o) {
  bool ok = open_all(o) && measure(o) && write_results(o);
  for (int i = 0; i < o->n; i++) subject_close(&o->subject[i]);
  mcrt_pool_destroy(o->pool);
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

int main(int argc, char **argv) {
  options o = { .out = "-",
                .seconds = 2,
                .cpu = -1,
                .base = { .level = "3", .march = "native", .co = mc_compile_defaults() } };
  o.base.co.threads = 1;
  const mc_option table[] = {
    { "seconds", MC_O_F64, &o.seconds, .arg = "S",
      .help = "how long to measure each network, above 0" },
    { "regime", MC_O_WORD, &o.regime, .arg = "WHEN", .words = bench_regimes,
      .help = "steady: runs one after the other; camera: one run every 33 ms, the core asleep "
              "between them" },
    { "layers", MC_O_FLAG, &o.layers,
      .help = "also the time of each layer: speed, share of the engine's peak, what the cost model "
              "says" },
    { "roofline", MC_O_STR, &o.roofline, .arg = "FILE",
      .help = "a picture of the layers under the machine's limits: FILE.svg, or FILE.html with "
              "tables" },
    { "variant", MC_O_LIST, &o.variants, .arg = "TEXT",
      .help = "\"quant=int8,march=x86-64-v3,level=LEVEL,O=2,batch=8,threads=2,calib=FILE,winograd="
              "PERCENT,chain=WHY,sparse=HOW,name=WORD\" (all optional): measure each network in "
              "this form; may be repeated" },
    { "threads", MC_O_INT, &o.base.co.threads, .arg = "N", .help = THREADS_HELP, .lo = 1,
      .hi = MCRT_MAX_THREADS },
    { "cpu", MC_O_I64, &o.cpu, .arg = "N", .help = "keep to this core", .lo = 0, .hi = 1023 },
    { "fifo", MC_O_FLAG, &o.fifo,
      .help = "real-time priority (needs the right to it): other programs wait" },
    { "json", MC_O_FLAG, &o.json, .help = "JSON instead of text" },
    { "o", MC_O_STR, &o.out, .arg = "FILE|-",
      .help = "where the result goes; '-' (the default): standard output" },
    { "seed", MC_O_I64, &o.seed, .arg = "N", .help = "seed of the random inputs", .lo = 0,
      .hi = INT32_MAX },
    { "O", MC_O_JOINED, &o.base.level, .arg = "LEVEL", .help = "for .mir and .onnx",
      .words = mc_level_names },
    { "quant", MC_O_WORD, &o.base.co.quant, .arg = "HOW", .help = "for .mir and .onnx",
      .words = mc_quant_names },
    { "calib", MC_O_STR, &o.base.co.calib, .arg = "FILE.npz",
      .help = "for .mir and .onnx: samples for -quant=int8" },
    { "batch", MC_O_I64, &o.base.batch, .arg = "N",
      .help = "for .mir and .onnx: compile for another batch", .lo = 1, .hi = 1 << 20 },
    { "winograd", MC_O_F64, &o.base.co.winograd, .arg = "PERCENT",
      .help = "for .mir and .onnx: as in mcc" },
    { "sparse", MC_O_WORD, &o.base.sparse, .arg = "HOW", .help = "for .mir and .onnx: as in mcc",
      .words = mc_sparse_names },
    { "chain", MC_O_WORD, &o.base.co.chain, .arg = "WHY", .help = "for .mir and .onnx: as in mcc",
      .words = mc_chain_names },
    { "march", MC_O_STR, &o.base.march, .arg = "LEVEL",
      .help = "for .mir and .onnx; default: native" },
    MC_IMPORT_OPTIONS(o.imp),
    MC_IMPORT_PREPROCESS(o.imp),
    { "level", MC_O_STR, &o.base.run, .arg = "LEVEL",
      .help =
          "of code for several levels (-march=dispatch), the one to run; default: the best here" },
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-bench",
    .usage = "[options] FILE.o|FILE.mir|FILE.onnx ...",
    .summary = "time compiled networks on random inputs, in alternation, and layer by layer",
    .options = table,
    .min_args = 1,
    .max_args = -1,
    .example = "mc-bench net.o --seconds=5\nmc-bench net.mir -quant=int8 -calib=calib.npz --layers "
               "--roofline=net.html\n"
               "mc-bench net.mir --variant=quant=none "
               "--variant=quant=int8,calib=calib.npz\nmc-bench old.o new.o --json"
  };
  int rc = tool_start(&o.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  o.base.imp = &o.imp;
  if ((rc = usage(&o))) return tool_end(&o.t, rc);
  warn_idle(&o);
  rc = run(&o);
  return tool_end(&o.t, rc);
}
