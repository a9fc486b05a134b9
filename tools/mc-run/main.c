/* mc-run: run a network (reference evaluator, JIT, compiled object) on given inputs; compare two.
 */
#include "run.h"
#include "common/progress.h"
#include "mc/driver/compile.h"
#include <string.h>

enum { PRINT_MAX = 1000 };

typedef struct run {
  tool t;
  mc_strlist inputs;
  const char *output, *compare, *data, *preprocess, *x, *level, *json;
  bool ref, jit, layers;
  int64_t limit, seed, ulp, threads;
  mcrt_pool *pool;
  double atol, rtol, min_snr;
  mc_import_args imp;
  mc_dataset_opts images;
} run;

/* ---- outputs ---- */
static void print_element(mc_strbuf *s, const mc_array *x, int64_t i) {
  mc_dtype t = x->type->dtype;
  if (t == MC_f32) {
    mc_sb_float(s, ((const float *)x->data)[i]);
    return;
  }
  mc_type plain = *x->type;
  plain.q = (mc_quant){ .kind = MC_Q_NONE };
  mc_array stored = { &plain, x->data };
  if (t == MC_i64)
    mc_sb_printf(s, "%lld", (long long)((const int64_t *)x->data)[i]);
  else if (mc_dtype_is_float(t))
    mc_sb_double(s, mc_array_real(&stored, i));
  else
    mc_sb_printf(s, "%lld", (long long)mc_array_real(&stored, i));
}

/* One line per row of the last axis. */
static void print_output(const char *name, const mc_array *x) {
  mc_strbuf s = { 0 };
  int64_t n = mc_type_elems(x->type), row = x->type->rank ? x->type->dim[x->type->rank - 1] : 1;
  mc_sb_printf(&s, "%s: ", name);
  mc_type_print(&s, x->type);
  mc_sb_putc(&s, '\n');
  for (int64_t i = 0; i < n && i < PRINT_MAX; i++) {
    mc_sb_putc(&s, ' ');
    print_element(&s, x, i);
    if ((i + 1) % row == 0 || i + 1 == n) mc_sb_putc(&s, '\n');
  }
  if (n > PRINT_MAX) mc_sb_printf(&s, " ... %lld more\n", (long long)(n - PRINT_MAX));
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

/* Outputs of all samples behind each other. */
typedef struct stack {
  mc_npy *a;
  size_t *fill;
} stack;

static stack stack_create(run *r, const mc_network *n, const feed *f) {
  stack s = { MC_NEWN(r->t.arena, mc_npy, mc_network_nout(n)),
              MC_NEWN(r->t.arena, size_t, mc_network_nout(n)) };
  int64_t runs = (f->count + f->batch - 1) / f->batch;
  for (int i = 0; i < mc_network_nout(n); i++) {
    const mc_type *t = mc_network_out_type(n, i);
    s.a[i] = (mc_npy){ .name = mc_network_out_name(n, i),
                       .dtype = t->dtype,
                       .rank = t->rank || runs == 1 ? t->rank : 1,
                       .dim = { 1 } }; /* scalars of several runs: a list */
    for (int k = 0; k < t->rank; k++) s.a[i].dim[k] = t->dim[k];
    s.a[i].dim[0] *= runs;
    s.a[i].size = (size_t)(mc_type_bytes(t) * runs);
    s.a[i].data = mc_arena_alloc(r->t.arena, s.a[i].size);
  }
  return s;
}

static void stack_add(stack *s, const mc_network *n, void *const *out) {
  for (int i = 0; i < mc_network_nout(n); i++) {
    size_t bytes = (size_t)mc_type_bytes(mc_network_out_type(n, i));
    memcpy((char *)(uintptr_t)s->a[i].data + s->fill[i], out[i], bytes);
    s->fill[i] += bytes;
  }
}

/* Runs past the last sample repeat it: cut them off. */
static void stack_trim(stack *s, const mc_network *n, const feed *f) {
  int64_t runs = (f->count + f->batch - 1) / f->batch;
  for (int i = 0; i < mc_network_nout(n) && runs * f->batch > f->count; i++) {
    if (s->a[i].dim[0] % (runs * f->batch)) continue;
    int64_t per = s->a[i].dim[0] / (runs * f->batch);
    s->a[i].size = s->a[i].size / (size_t)(runs * f->batch) * (size_t)f->count;
    s->a[i].dim[0] = per * f->count;
  }
}

static bool stack_write(run *r, const stack *s, int n) {
  size_t len = strlen(r->output);
  if (len > 4 && strcmp(r->output + len - 4, ".npz") == 0)
    return mc_npz_write(r->output, s->a, n, &r->t.diag);
  if (n != 1)
    return mc_error(&r->t.diag, mc_noloc, "%s: the network has %d outputs; name a .npz file",
                    r->output, n);
  return mc_npy_write(r->output, &s->a[0], &r->t.diag);
}

static bool run_all(run *r, mc_network *n, const feed *f) {
  void **in = room_in(&r->t, n), **out = room_out(&r->t, n);
  stack s = r->output ? stack_create(r, n, f) : (stack){ 0 };
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
    ok = stack_write(r, &s, mc_network_nout(n));
  }
  return ok && (!j || json_runs_end(j, r->json, f->count, r->output));
}

/* --data without --limit: everything for a comparison or a file, the first sample for the screen.
 */
static int64_t limit_of(const run *r) {
  return r->limit || !r->data || r->output || r->compare ? r->limit : 1;
}

/* What only compiled code can do; with --compare the other one may be compiled. */
static bool fits_options(run *r, mc_network *n) {
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
static const mc_import_args *args_for(run *r, const char *path) {
  const char *other = path == r->compare ? r->t.args.v[0] : r->compare;
  if (mc_driver_is_onnx(path) && r->imp.type) r->imp.preprocess = r->preprocess;
  return mc_driver_is_onnx(path) || !other || !mc_driver_is_onnx(other) ? &r->imp : NULL;
}

/* ---- options that exclude each other, or can do nothing ---- */
static bool usable(run *r) {
  mc_diag *d = &r->t.diag;
  if (r->layers && !r->compare) return mc_error(d, mc_noloc, "--layers needs --compare");
  if (r->output && r->compare)
    return mc_error(d, mc_noloc, "--output and --compare exclude each other");
  if (r->data && r->inputs.n) return mc_error(d, mc_noloc, "--input and --data exclude each other");
  if (r->preprocess && r->inputs.n && !r->imp.type)
    return mc_error(
        d, mc_noloc,
        "--preprocess is for the samples of --data; arrays of --input are taken as they are");
  if (!(r->atol >= 0) || !(r->rtol >= 0) || !(r->min_snr >= 0))
    return mc_error(d, mc_noloc, "--atol, --rtol and --min-snr must not be negative");
  if (r->output && !tool_spares_terminal(&r->t, r->output, "the array of --output")) return false;
  if (r->json && *r->json && !tool_keeps(&r->t, r->t.args.v[0], r->json)) return false;
  return tool_keeps(&r->t, r->t.args.v[0], r->output);
}

#define IDLE(r, why, ...) tool_no_effect(&(r)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

static void warn_idle(run *r) {
  if (!r->compare) IDLE(r, "it is for --compare", "atol", "rtol", "ulp", "min-snr");
  if (!r->data) IDLE(r, "it is for the samples of --data", "x");
  if (!r->data && !r->inputs.n && !r->imp.type)
    IDLE(r, "without --data the inputs are random", "preprocess");
  if (r->inputs.n) IDLE(r, "--input gives the one sample", "limit");
  if (r->inputs.n || r->data) IDLE(r, "it is for random inputs", "seed");
}

/* Objects are run as they are. */
static bool fits_object(run *r, const mc_network *n) {
  if (strcmp(mc_network_kind(n), "object")) return true;
  if (r->ref)
    return mc_error(
        &r->t.diag, mc_noloc,
        "--ref: %s is an object, which the reference evaluator cannot run; give the network",
        r->t.args.v[0]);
  IDLE(r, "an object is compiled already", "jit");
  return true;
}

static int main_part(run *r) {
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
  run r = { .seed = 1, .threads = 1 };
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
      .help = "the results as JSON (docs/tools.md), to the file or instead of text to standard "
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
