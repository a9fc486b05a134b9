/* mc-eval: accuracy of a network or a compiled object on labelled samples. */
#include "common/progress.h"
#include "common/threads.h"
#include "common/tool.h"
#include "mc/driver/compile.h"
#include "mc/driver/network.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct eval {
  tool t;
  const char *data, *x, *y, *preprocess;
  const char *json; /* a file, "" for standard output; NULL: no report */
  bool jit, ref;
  int metric;
  int64_t limit, top, stride, threads;
  mcrt_pool *pool;
  mc_import_args imp;
  mc_dataset_opts images;
  mc_network *net;
  void **in, **out;
} eval;

enum { METRIC_TOP, METRIC_AUC };

static const char *const metrics[] = { "top", "auc", NULL };

static void rooms(eval *e) {
  e->in = MC_NEWN(e->t.arena, void *, mc_network_nin(e->net));
  e->out = MC_NEWN(e->t.arena, void *, mc_network_nout(e->net));
  for (int i = 0; i < mc_network_nin(e->net); i++)
    e->in[i] = mc_arena_alloc(e->t.arena, (size_t)mc_type_bytes(mc_network_in_type(e->net, i)));
  for (int i = 0; i < mc_network_nout(e->net); i++)
    e->out[i] = mc_arena_alloc(e->t.arena, (size_t)mc_type_bytes(mc_network_out_type(e->net, i)));
}

/* Of windows: networks of one axis take one at a time. */
static int64_t batch_of(const eval *e) {
  const mc_type *t = mc_network_in_type(e->net, 0);
  return t->rank > 1 ? t->dim[0] : 1;
}

/* ---- top-k ---- */
/* How many of `classes` scores from `at` on come before the label's: larger ones, and equal ones of
 * smaller index. */
static int64_t rank_of(const mc_array *y, int64_t at, int64_t classes, int64_t label) {
  double mine = mc_array_real(y, at + label);
  int64_t before = 0;
  for (int64_t i = 0; i < classes; i++) {
    double v = mc_array_real(y, at + i);
    before += i != label && (v > mine || (v == mine && i < label));
  }
  return mine == mine ? before : classes;
}

/* Rank of the label in the scores of sample b; networks that end in argmax or in one probability
 * give 0 or "not first". */
static int64_t judge(const mc_array *y, int64_t classes, int64_t b, int64_t label) {
  if (classes > 1) return rank_of(y, b * classes, classes, label);
  double v = mc_array_real(y, b);
  int64_t said =
      mc_dtype_is_float(y->type->dtype) || mc_type_is_quant(y->type) ? v > 0.5 : (int64_t)v;
  return said != label;
}

/* Text is printed unless JSON goes to standard output. */
static bool shows_text(const eval *e) { return !e->json || *e->json; }

/* The report as JSON (docs/tools.md): what all metrics have, and `own`, which it takes over. */
static bool write_json(eval *e, int64_t samples, json_t *own) {
  mc_layers l = mc_network_layers(e->net);
  json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "schema", "mc-eval/1",
                          "version", mc_version(), "network", e->t.args.v[0], "kind",
                          mc_network_kind(e->net), "arithmetic", mc_layers_text(&l), "data",
                          e->data, "metric", metrics[e->metric], "samples", (json_int_t)samples);
  if (all) json_object_update(all, own);
  json_decref(own);
  char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
  json_decref(all);
  if (!text) return mc_error(&e->t.diag, mc_noloc, "--json: a name is not UTF-8, which JSON needs");
  char *line = mc_arena_printf(e->t.arena, "%s\n", text);
  free(text);
  return mc_write_file(*e->json ? e->json : "-", line, strlen(line), &e->t.diag);
}

static json_t *share(int64_t k, int64_t right, int64_t n) {
  return json_pack("{s:I, s:I, s:f}", "k", (json_int_t)k, "right", (json_int_t)right, "share",
                   (double)right / (double)n);
}

static bool json_top(eval *e, int64_t n, int64_t classes, int64_t first, int64_t k,
                     int64_t in_top) {
  json_t *tops = json_array();
  json_array_append_new(tops, share(1, first, n));
  if (k > 1) json_array_append_new(tops, share(k, in_top, n));
  return write_json(e, n, json_pack("{s:I, s:o}", "classes", (json_int_t)classes, "top", tops));
}

static void print_share(const char *name, int64_t right, int64_t n) {
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "%s %.2f %% (%lld/%lld)\n", name, 100.0 * (double)right / (double)n,
               (long long)right, (long long)n);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

static bool top(eval *e, mc_dataset *data) {
  const mc_type *t = mc_network_out_type(e->net, 0);
  int64_t batch = mc_dataset_batch(data), classes = mc_type_elems(t) / batch,
          n = mc_dataset_count(data), first = 0, in_top = 0, k = e->top ? e->top : 5;
  mc_array y = { t, e->out[0] };
  if (e->limit && e->limit < n) n = e->limit;
  if (!classes || mc_type_elems(t) % batch)
    return mc_error(
        &e->t.diag, mc_noloc,
        "the first result has %lld values, which are no scores of %lld samples (the batch)",
        (long long)mc_type_elems(t), (long long)batch);
  if (e->top >= classes && e->top > 1)
    mc_warning(&e->t.diag, mc_noloc, "-top=%lld says nothing: the network has %lld class%s",
               (long long)k, (long long)classes, classes == 1 ? "" : "es");
  if (!mc_dataset_has_labels(data) && mc_dataset_no_labels(data))
    return mc_error(&e->t.diag, mc_noloc, "%s: 'y' holds no labels: %s", e->data,
                    mc_dataset_no_labels(data));
  if (!mc_dataset_has_labels(data))
    return mc_error(&e->t.diag, mc_noloc, "%s: no labels (an integer array 'y', or --y=NAME)",
                    e->data);
  progress p = progress_start("evaluating");
  for (int64_t i = 0; i < n; i += batch) {
    if (!mc_dataset_fetch(data, i, e->in) ||
        !mc_network_run(e->net, (const void *const *)e->in, e->out, &e->t.diag))
      return progress_end(&p), false;
    for (int64_t b = 0; b < batch && i + b < n; b++) {
      int64_t label = mc_dataset_label(data, i + b);
      if (label < 0 || (classes > 1 && label >= classes))
        return progress_end(&p),
               mc_error(&e->t.diag, mc_noloc,
                        "%s: label %lld of sample %lld, but the network has %lld classes", e->data,
                        (long long)label, (long long)(i + b), (long long)classes);
      int64_t r = judge(&y, classes, b, label);
      first += r == 0;
      in_top += r < k;
    }
    progress_step(&p, i + batch, n);
  }
  progress_end(&p);
  char name[32];
  snprintf(name, sizeof name, "top-%lld", (long long)k);
  bool both = k > 1 && (classes >= 2 * k || e->top > 1);
  if (shows_text(e)) print_share("top-1", first, n);
  if (shows_text(e) && both) print_share(name, in_top, n);
  return !e->json || json_top(e, n, classes, first, both ? k : 1, in_top);
}

/* ---- anomaly detection: area under the ROC curve of the reconstruction error ---- */
/* One file: overlapping windows as long as the input; mean over windows of the mean squared
 * difference of output and input. */
static bool file_error(eval *e, const float *x, int64_t len, double *score) {
  const mc_type *tin = mc_network_in_type(e->net, 0);
  mc_array y = { mc_network_out_type(e->net, 0), e->out[0] }, in = { tin, e->in[0] };
  int64_t batch = batch_of(e), w = mc_type_elems(tin) / batch, windows = (len - w) / e->stride + 1;
  double sum = 0;
  for (int64_t i = 0; i < windows; i += batch) {
    for (int64_t b = 0; b < batch; b++) {
      int64_t k = i + b < windows ? i + b : windows - 1;
      memcpy((float *)e->in[0] + b * w, x + k * e->stride, (size_t)w * sizeof *x);
    }
    if (!mc_network_run(e->net, (const void *const *)e->in, e->out, &e->t.diag)) return false;
    for (int64_t b = 0; b < batch && i + b < windows; b++) {
      double err = 0;
      for (int64_t j = b * w; j < (b + 1) * w; j++) {
        double d = mc_array_real(&y, j) - mc_array_real(&in, j);
        err += d * d;
      }
      sum += err / (double)w;
    }
  }
  *score = sum / (double)windows;
  return true;
}

/* Share of (anomalous, normal) pairs in the right order; ties count half. */
static double area(const double *score, const int64_t *label, int64_t n) {
  double right = 0, pairs = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < n; k++) {
      if (!label[i] || label[k]) continue;
      pairs += 1;
      right += score[i] > score[k] ? 1 : score[i] == score[k] ? 0.5 : 0;
    }
  return pairs > 0 ? right / pairs : 0;
}

static int64_t integer_at(const mc_npy *y, int64_t i) {
  mc_type t = { .dtype = y->dtype };
  return (int64_t)mc_array_real(&(mc_array){ &t, (void *)(uintptr_t)y->data }, i);
}

static bool read_files(eval *e, mc_npy *x, mc_npy *y) {
  mc_npz *z = mc_npz_open(e->data, &e->t.diag, mc_noloc);
  bool ok = z && mc_npz_read(z, e->x ? e->x : "x", x, e->t.arena, &e->t.diag, mc_noloc) &&
            mc_npz_read(z, e->y ? e->y : "y", y, e->t.arena, &e->t.diag, mc_noloc);
  if (z) mc_npz_close(z);
  if (!ok) return false;
  if (x->dtype != MC_f32 || x->rank < 2)
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs f32 samples of at least one axis each",
                    e->data);
  if (!mc_dtype_is_int(y->dtype) || y->rank < 1 || y->dim[0] < x->dim[0])
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs an integer label per sample, 0 normal",
                    e->data);
  return true;
}

static bool auc(eval *e) {
  const mc_type *tin = mc_network_in_type(e->net, 0), *tout = mc_network_out_type(e->net, 0);
  mc_npy x, y;
  if (tin->dtype != MC_f32 || mc_type_elems(tin) != mc_type_elems(tout))
    return mc_error(&e->t.diag, mc_noloc,
                    "auc needs a network from f32 to as many outputs (its reconstruction)");
  if (!read_files(e, &x, &y)) return false;
  int64_t n = x.dim[0], len = 1, anomalous = 0;
  for (int k = 1; k < x.rank; k++) len *= x.dim[k];
  if (!e->stride) e->stride = x.rank > 2 ? x.dim[x.rank - 1] : mc_type_elems(tin) / batch_of(e);
  if (len < mc_type_elems(tin) / batch_of(e))
    return mc_error(&e->t.diag, mc_noloc,
                    "%s: samples of %lld values are shorter than the network's input", e->data,
                    (long long)len);
  if (e->limit && e->limit < n) n = e->limit;
  double *score = MC_NEWN(e->t.arena, double, n);
  int64_t *label = MC_NEWN(e->t.arena, int64_t, n);
  progress p = progress_start("evaluating");
  for (int64_t i = 0; i < n; i++) {
    label[i] = integer_at(&y, i) != 0;
    anomalous += label[i];
    if (!file_error(e, (const float *)x.data + i * len, len, &score[i]))
      return progress_end(&p), false;
    progress_step(&p, i + 1, n);
  }
  progress_end(&p);
  if (anomalous == 0 || anomalous == n)
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs both normal and anomalous samples",
                    e->data);
  double auc = area(score, label, n);
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "auc %.4f (%lld normal, %lld anomalous)\n", auc, (long long)(n - anomalous),
               (long long)anomalous);
  if (shows_text(e)) tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  if (!e->json) return true;
  return write_json(e, n,
                    json_pack("{s:f, s:I, s:I}", "auc", auc, "normal", (json_int_t)(n - anomalous),
                              "anomalous", (json_int_t)anomalous));
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

static int main_part(eval *e) {
  mc_diag *d = &e->t.diag;
  if (!e->data) return mc_error(d, mc_noloc, "--data=FILE.npz is missing"), MC_EXIT_USAGE;
  if (e->ref && e->jit)
    return mc_error(d, mc_noloc, "--ref and --jit exclude each other"), MC_EXIT_USAGE;
  if (e->metric == METRIC_AUC && e->preprocess)
    return mc_error(d, mc_noloc, "--preprocess has no meaning for auc"), MC_EXIT_USAGE;
  if (e->json && *e->json &&
      (!tool_keeps(&e->t, e->t.args.v[0], e->json) || !tool_keeps(&e->t, e->data, e->json)))
    return MC_EXIT_USAGE;
  warn_idle(e);
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
  eval e = { .threads = 1 };
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
    { "preprocess", MC_O_STR, &e.preprocess, .arg = "TEXT",
      .help = "\"scale=1/255 mean=... std=...\" applied to samples for an f32 input (with "
              "--input-type=u8 a part of the network)" },
    MC_IMPORT_OPTIONS(e.imp),
    { "metric", MC_O_WORD, &e.metric, .arg = "METRIC",
      .help = "top-k accuracy, or area under the ROC curve of the reconstruction error of windows",
      .words = metrics },
    { "stride", MC_O_I64, &e.stride, .arg = "N",
      .help = "auc: values between windows (default: the samples' last axis)", .lo = 1,
      .hi = INT32_MAX },
    { "threads", MC_O_I64, &e.threads, .arg = "N", .help = THREADS_HELP, .lo = 1,
      .hi = MCRT_MAX_THREADS },
    { "ref", MC_O_FLAG, &e.ref, .help = "use the reference evaluator (default for networks)" },
    { "jit", MC_O_FLAG, &e.jit, .help = "compile in memory and run" },
    { "json", MC_O_OPTIONAL, &e.json, .arg = "FILE",
      .help =
          "the result as JSON (docs/tools.md), to the file or instead of text to standard output" },
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
               "mc-eval net.mir --data=test.npz --preprocess=\"scale=1/255\" --limit=100"
  };
  int rc = tool_start(&e.t, &cmd, argc, argv);
  return rc >= 0 ? rc : tool_end(&e.t, main_part(&e));
}
