/* mc-run: run a network (reference evaluator, JIT, compiled object) on given inputs; compare two.
 */
#include "run.h"
#include "common/progress.h"
#include "mc/driver/compile.h"
#include <string.h>

static bool run_all(mcrun *r, mc_network *n, const feed *f) {
  void **in = room_in(&r->t, n), **out = room_out(&r->t, n);
  stack s = r->output ? stack_create(&r->t, n, f) : (stack){ 0 };
  progress p = progress_start("running");
  json_runs *j = r->json ? json_runs_begin(&r->t, r->t.args.v[0], n) : NULL;
  bool ok = true, shown = !r->output && !(r->json && !*r->json);
  for (int64_t k = 0; ok && k < f->count; k += f->batch) {
    ok = feed_fetch(f, k, in) && mc_network_run(n, (const void *const *)in, out, &r->t.diag);
    if (ok && r->output) stack_add(&s, n, out);
    if (ok && j && !r->output) json_runs_add(j, out);
    for (int i = 0; ok && shown && i < mc_network_nout(n); i++)
      print_output(mc_network_out_name(n, i), &(mc_array){ mc_network_out_type(n, i), out[i] });
    progress_step(&p, k + 1, f->count);
  }
  progress_end(&p);
  if (ok && r->output) {
    stack_trim(&s, n, f);
    ok = stack_write(&r->t, r->output, &s, mc_network_nout(n));
  }
  return ok && (!j || json_runs_end(j, r->json, f->count, r->output));
}

/* --data without --limit: everything for a comparison or a file, the first sample for the screen.
 */
static int64_t limit_of(const mcrun *r) {
  return r->limit || !r->data || r->output || r->compare ? r->limit : 1;
}

/* What only compiled code can do; with --compare the other one may be compiled. */
static bool fits_options(mcrun *r, mc_network *n) {
  mc_diag *d = &r->t.diag;
  if (mc_network_graph(n) && r->compare) return true;
  if (r->pool && mc_network_graph(n))
    return mc_error(
        d, mc_noloc,
        "--threads=%lld: the reference evaluator uses one thread; --jit compiles the network",
        (long long)r->threads);
  return !r->level || mc_network_set_level(n, r->level, d);
}

/* The importer's options for one of the two networks: another file than an .onnx refuses them,
 * unless they are for the other one. With --input-type=u8 the preprocessing is a part of the
 * network. */
static const mc_import_args *args_for(mcrun *r, const char *path) {
  const char *other = path == r->compare ? r->t.args.v[0] : r->compare;
  if (mc_driver_is_onnx(path) && r->imp.type) r->imp.preprocess = r->preprocess;
  return mc_driver_is_onnx(path) || !other || !mc_driver_is_onnx(other) ? &r->imp : NULL;
}

static int main_part(mcrun *r) {
  mc_diag *d = &r->t.diag;
  if (r->ref && r->jit)
    return mc_error(d, mc_noloc, "--ref and --jit exclude each other"), MC_EXIT_USAGE;
  if (!usable(r)) return MC_EXIT_USAGE;
  warn_idle(r);
  mc_how how = r->jit ? MC_HOW_JIT : MC_HOW_REF;
  if (!threads_open(&r->pool, &r->t, r->threads, -1)) return MC_EXIT_INPUT;
  mc_network *n =
      mc_network_open_as(r->t.args.v[0], how, (int)r->threads, args_for(r, r->t.args.v[0]), d);
  if (n && r->pool) mc_network_set_parallel(n, mcrt_parallel_for, r->pool);
  feed f = { 0 };
  mc_dataset_opts o = { .x = r->x,
                        .resize = r->images.resize,
                        .color = r->images.color,
                        .preprocess = r->imp.preprocess ? NULL : r->preprocess };
  int rc = MC_EXIT_INPUT;
  if (r->compare) f.other_args = args_for(r, r->compare);
  if (n && fits_object(r, n) && fits_options(r, n) &&
      feed_open(&f, &r->t, n, r->data, &o, &r->inputs, limit_of(r), r->seed)) {
    bool given = tool_given(&r->t, "atol") || tool_given(&r->t, "rtol") || tool_given(&r->t, "ulp");
    compare_opts co = { .first = r->t.args.v[0],
                        .other = r->compare,
                        .level = r->level,
                        .pool = r->pool,
                        .layers = r->layers,
                        .json = r->json,
                        .tol = { r->atol, r->rtol, r->ulp, given, r->min_snr } };
    rc = r->compare ? compare(&r->t, n, &f, &co) : run_all(r, n, &f) ? MC_EXIT_OK : MC_EXIT_INPUT;
  }
  feed_close(&f);
  tool_drop_remarks(&r->t);
  tool_flush(&r->t); /* diagnostics point into the text that the network owns */
  mc_network_close(n);
  mcrt_pool_destroy(r->pool);
  return rc;
}

int main(int argc, char **argv) {
  mcrun r = { .seed = 1, .threads = 1 };
  const mc_option options[] = {
    { "input", MC_O_LIST, &r.inputs, .arg = "[NAME=]FILE",
      .help = "npy for one input (in order, or by name), or an npz with one array per input; may "
              "be repeated" },
    { "output", MC_O_STR, &r.output, .arg = "FILE",
      .help = "npy (one output) or npz; without it outputs are printed" },
    { "o", MC_O_STR, &r.output, .arg = "FILE", .help = "the same" },
    { "data", MC_O_STR, &r.data, .arg = "DATA",
      .help = "run on many samples: .npz, .npy, an image or a folder of images" },
    MC_IMAGE_OPTIONS(r.images, ""),
    { "x", MC_O_STR, &r.x, .arg = "NAME", .help = "array of the npz that holds the samples" },
    { "preprocess", MC_O_STR, &r.preprocess, .arg = "TEXT",
      .help = "\"scale=1/255 mean=... std=...\" applied to samples for an f32 input (with "
              "--input-type=u8 a part of the network)" },
    MC_IMPORT_OPTIONS(r.imp),
    { "limit", MC_O_I64, &r.limit, .arg = "N",
      .help = "only the first N samples (random inputs: N of them)", .lo = 1, .hi = INT64_MAX / 2 },
    { "seed", MC_O_I64, &r.seed, .arg = "N",
      .help = "seed of the random inputs used without --input and --data", .lo = 0,
      .hi = INT64_MAX / 2 },
    { "ref", MC_O_FLAG, &r.ref,
      .help = "evaluate with the reference evaluator (default for networks)" },
    { "jit", MC_O_FLAG, &r.jit, .help = "compile in memory and run" },
    { "level", MC_O_STR, &r.level, .arg = "LEVEL",
      .help = "of an object for several levels (mcc -march=dispatch), the one to run; default: the "
              "best here" },
    { "threads", MC_O_I64, &r.threads, .arg = "N", .help = THREADS_HELP, .lo = 1,
      .hi = MCRT_MAX_THREADS },
    { "compare", MC_O_STR, &r.compare, .arg = "FILE",
      .help = "compare with a network (reference), an object, or expected outputs (npz, npy)" },
    { "min-snr", MC_O_F64, &r.min_snr, .arg = "DB",
      .help = "with --compare: the least signal-to-noise ratio of every output" },
    { "json", MC_O_OPTIONAL, &r.json, .arg = "FILE",
      .help = "the results as JSON (docs/reference/tools.md), to the file or instead of text to "
              "standard "
              "output" },
    { "layers", MC_O_FLAG, &r.layers,
      .help = "with --compare of two networks: a table of inner values" },
    { "atol", MC_O_F64, &r.atol, .arg = "X",
      .help = "allowed |a - b| <= atol + rtol * |b|; stored integers: in steps" },
    { "rtol", MC_O_F64, &r.rtol, .arg = "X", .help = "see atol" },
    { "ulp", MC_O_I64, &r.ulp, .arg = "N", .help = "or that many fp32 neighbours apart", .lo = 0,
      .hi = INT32_MAX },
    { 0 }
  };
  const mc_command cmd = { .name = "mc-run",
                           .usage = "[options] NET.mir|NET.onnx|NET.o",
                           .summary = "run a network or a compiled object, or compare two",
                           .options = options,
                           .min_args = 1,
                           .max_args = 1,
                           .example =
                               "mc-run net.mir --input=x.npy --output=y.npy\n"
                               "mc-run net.mir --compare=net.o --data=test.npz --limit=50\n"
                               "mc-run f.mir --compare=q.mir --data=test.npz --limit=10 --layers" };
  int rc = tool_start(&r.t, &cmd, argc, argv);
  return rc >= 0 ? rc : tool_end(&r.t, main_part(&r));
}
