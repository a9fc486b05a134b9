/* mc-eval: accuracy of a network or a compiled object on labelled samples. */
#include "eval.h"
#include "mc/driver/compile.h"
#include <string.h>

static void rooms(eval *e) {
  e->in = MC_NEWN(e->t.arena, void *, mc_network_nin(e->net));
  e->out = MC_NEWN(e->t.arena, void *, mc_network_nout(e->net));
  for (int i = 0; i < mc_network_nin(e->net); i++)
    e->in[i] = mc_arena_alloc(e->t.arena, (size_t)mc_type_bytes(mc_network_in_type(e->net, i)));
  for (int i = 0; i < mc_network_nout(e->net); i++)
    e->out[i] = mc_arena_alloc(e->t.arena, (size_t)mc_type_bytes(mc_network_out_type(e->net, i)));
}

/* ---- command line ---- */
static bool evaluate(eval *e) {
  if (mc_network_nin(e->net) < 1 || mc_network_nout(e->net) < 1)
    return mc_error(&e->t.diag, mc_noloc, "%s: needs an input and an output", e->t.args.v[0]);
  rooms(e);
  if (e->metric == METRIC_AUC) return auc(e);
  mc_dataset_opts o = { .x = e->x,
                        .resize = e->images.resize,
                        .color = e->images.color,
                        .y = e->y,
                        .preprocess = e->imp.preprocess ? NULL : e->preprocess };
  mc_dataset *data = mc_network_data(e->net, e->data, &o, &e->t.diag);
  bool ok = data && (e->preprocess || mc_network_check_samples(e->net, e->data, 4, &e->t.diag)) &&
            top(e, data);
  mc_dataset_close(data);
  return ok;
}

#define IDLE(e, why, ...) tool_no_effect(&(e)->t, (const char *const[]){ __VA_ARGS__, NULL }, why)

static void warn_idle(eval *e) {
  if (!e->calibration) IDLE(e, "it is for -calibration", "bins");
  if (e->sensitivity)
    IDLE(e, "-sensitivity compiles, for one thread", "jit", "ref", "threads", "top");
  else
    IDLE(e, "it is for -sensitivity", "quant", "calib");
  if (e->metric == METRIC_AUC)
    IDLE(e, "it is for -metric=top", "top");
  else
    IDLE(e, "it is for -metric=auc", "stride");
}

/* Objects are run as they are. */
static bool fits_object(eval *e) {
  if (strcmp(mc_network_kind(e->net), "object")) return true;
  if (e->ref)
    return mc_error(
        &e->t.diag, mc_noloc,
        "--ref: %s is an object, which the reference evaluator cannot run; give the network",
        e->t.args.v[0]);
  IDLE(e, "an object is compiled already", "jit");
  return true;
}

/* The network is read here: mcc's passes make several of it. */
static int evaluate_layers(eval *e) {
  e->imp.preprocess = e->preprocess;
  mc_module *m = mc_driver_load_as(e->t.args.v[0], &e->imp, &e->t.diag);
  bool ok = m && sensitivity(e, m);
  tool_drop_remarks(&e->t);
  tool_flush(&e->t);
  if (m) mc_module_destroy(m);
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

static int main_part(eval *e) {
  mc_diag *d = &e->t.diag;
  if (!e->data) return mc_error(d, mc_noloc, "--data=FILE.npz is missing"), MC_EXIT_USAGE;
  if (e->ref && e->jit)
    return mc_error(d, mc_noloc, "--ref and --jit exclude each other"), MC_EXIT_USAGE;
  if (e->metric == METRIC_AUC && e->preprocess)
    return mc_error(d, mc_noloc, "--preprocess has no meaning for auc"), MC_EXIT_USAGE;
  if (e->metric == METRIC_AUC && e->calibration)
    return mc_error(d, mc_noloc, "--calibration judges probabilities of classes: not for auc"),
           MC_EXIT_USAGE;
  if (e->calibration && *e->calibration &&
      (!tool_keeps(&e->t, e->t.args.v[0], e->calibration) ||
       !tool_keeps(&e->t, e->data, e->calibration)))
    return MC_EXIT_USAGE;
  if (e->calibration && *e->calibration && e->json && strcmp(e->json, e->calibration) == 0)
    return mc_error(d, mc_noloc, "--calibration and --json write the same file: %s", e->json),
           MC_EXIT_USAGE;
  if (e->json && *e->json &&
      (!tool_keeps(&e->t, e->t.args.v[0], e->json) || !tool_keeps(&e->t, e->data, e->json)))
    return MC_EXIT_USAGE;
  if (!sensitivity_possible(e)) return MC_EXIT_USAGE;
  warn_idle(e);
  if (e->sensitivity) return evaluate_layers(e);
  if (e->imp.type && mc_driver_is_onnx(e->t.args.v[0])) e->imp.preprocess = e->preprocess;
  if (!threads_open(&e->pool, &e->t, e->threads, -1)) return MC_EXIT_INPUT;
  e->net = mc_network_open_as(e->t.args.v[0], e->jit ? MC_HOW_JIT : MC_HOW_REF, (int)e->threads,
                              &e->imp, d);
  if (e->net && e->pool && mc_network_graph(e->net))
    mc_error(d, mc_noloc,
             "--threads=%lld: the reference evaluator uses one thread; --jit compiles the network",
             (long long)e->threads);
  if (e->net && e->pool) mc_network_set_parallel(e->net, mcrt_parallel_for, e->pool);
  bool ok = e->net && !d->errors && fits_object(e) && evaluate(e);
  tool_drop_remarks(&e->t);
  tool_flush(&e->t); /* diagnostics point into the text that the network owns */
  mc_network_close(e->net);
  mcrt_pool_destroy(e->pool);
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

int main(int argc, char **argv) {
  eval e = { .threads = 1, .quant = MC_QUANT_INT8 };
  const mc_option options[] = {
    { "data", MC_O_STR, &e.data, .arg = "DATA",
      .help = "samples and labels: .npz (arrays x and y), or a folder of images with a sub-folder "
              "for each class" },
    MC_IMAGE_OPTIONS(e.images, ""),
    { "x", MC_O_STR, &e.x, .arg = "NAME",
      .help = "array of samples; NHWC samples are permuted for NCHW inputs" },
    { "y", MC_O_STR, &e.y, .arg = "NAME", .help = "array of labels" },
    { "limit", MC_O_I64, &e.limit, .arg = "N", .help = "only the first N samples", .lo = 1,
      .hi = INT64_MAX / 2 },
    { "top", MC_O_I64, &e.top, .arg = "K",
      .help = "also print top-K (default: top-5 from 10 classes on)", .lo = 1, .hi = 1000000 },
    { "calibration", MC_O_OPTIONAL, &e.calibration, .arg = "FILE.svg",
      .help = "also NLL, Brier score and expected calibration error (ECE), and the reliability "
              "diagram to the file" },
    { "bins", MC_O_I64, &e.bins, .arg = "N", .help = "of --calibration; default: 15", .lo = 1,
      .hi = 1000 },
    { "sensitivity", MC_O_OPTIONAL, &e.sensitivity, .arg = "FILE.svg",
      .help = "instead of accuracy: what each layer does to the results when it alone is quantized "
              "and when it alone is not; a picture to the file" },
    { "quant", MC_O_WORD, &e.quant, .arg = "HOW", .help = "of --sensitivity; default: int8",
      .words = mc_quant_names },
    { "calib", MC_O_STR, &e.calib, .arg = "DATA",
      .help = "of --sensitivity: samples for the ranges, as mcc takes them" },
    { "preprocess", MC_O_STR, &e.preprocess, .arg = "TEXT",
      .help = "\"scale=1/255 mean=... std=...\" applied to samples for an f32 input (with "
              "--input-type=u8 a part of the network)" },
    MC_IMPORT_OPTIONS(e.imp),
    { "metric", MC_O_WORD, &e.metric, .arg = "METRIC",
      .help = "top-k accuracy, or area under the ROC curve of the reconstruction error of windows",
      .words = metric_names },
    { "stride", MC_O_I64, &e.stride, .arg = "N",
      .help = "auc: values between windows (default: the samples' last axis)", .lo = 1,
      .hi = INT32_MAX },
    { "threads", MC_O_I64, &e.threads, .arg = "N", .help = THREADS_HELP, .lo = 1,
      .hi = MCRT_MAX_THREADS },
    { "ref", MC_O_FLAG, &e.ref, .help = "use the reference evaluator (default for networks)" },
    { "jit", MC_O_FLAG, &e.jit, .help = "compile in memory and run" },
    { "json", MC_O_OPTIONAL, &e.json, .arg = "FILE",
      .help = "the result as JSON (docs/reference/tools.md), to the file or instead of text to "
              "standard output" },
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-eval",
    .usage = "[options] NET.o|NET.mir|NET.onnx --data=FILE.npz",
    .summary = "accuracy on labelled samples",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .example = "mc-eval net.o --data=test.npz\n"
               "mc-eval net.o --data=val.npz --calibration=reliability.svg\n"
               "mc-eval net.mir --sensitivity --calib=calib.npz --data=val.npz\n"
               "mc-eval net.mir --data=test.npz --preprocess=\"scale=1/255\" --limit=100"
  };
  int rc = tool_start(&e.t, &cmd, argc, argv);
  return rc >= 0 ? rc : tool_end(&e.t, main_part(&e));
}
