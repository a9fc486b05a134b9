/* What has to be known before the first candidate: network, samples, machine, tools. */
#include "mc/driver/network.h"
#include "mc/support/blob.h"
#include "mc/support/hash.h"
#include "mc/support/suggest.h"
#include "search.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- hashes of files ---- */
static bool hash_path(search *s, uint64_t *h, const char *path);

static bool hash_folder(search *s, uint64_t *h, const char *path) {
  struct dirent **names;
  int n = scandir(path, &names, NULL, alphasort);
  if (n < 0) return mc_error(&s->t.diag, mc_noloc, "%s: %s", path, strerror(errno));
  bool ok = true;
  for (int i = 0; i < n; i++) {
    const char *name = names[i]->d_name;
    if (ok && strcmp(name, ".") && strcmp(name, "..")) {
      *h = mc_hash_text(*h, name);
      ok = hash_path(s, h, mc_arena_printf(s->t.arena, "%s/%s", path, name));
    }
    free(names[i]);
  }
  free(names);
  return ok;
}

static bool hash_path(search *s, uint64_t *h, const char *path) {
  struct stat st;
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return hash_folder(s, h, path);
  mc_blob *b = mc_blob_open(path, &s->t.diag, mc_noloc);
  if (!b) return false;
  *h = mc_hash(*h, mc_blob_data(b), mc_blob_size(b));
  mc_blob_close(b);
  return true;
}

static const char *const tools[] = { "mc-opt", "mcc", "mc-run", "mc-eval", "mc-bench", NULL };

static bool find_tools(search *s) {
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0) return mc_error(&s->t.diag, mc_noloc, "/proc/self/exe: %s", strerror(errno));
  self[n] = 0;
  char *slash = strrchr(self, '/');
  if (slash) *slash = 0;
  s->bin = mc_arena_strdup(s->t.arena, self);
  for (int i = 0; tools[i]; i++) {
    const char *path = mc_arena_printf(s->t.arena, "%s/%s", s->bin, tools[i]);
    if (access(path, X_OK))
      return mc_error(&s->t.diag, mc_noloc, "%s: %s; mc-search needs %s beside it", path,
                      strerror(errno), tools[i]);
  }
  return true;
}

/* All that a result depends on, but for the passes. mc-bench measures; it changes no result. */
static bool hash_context(search *s) {
  uint64_t h = mc_hash_text(mc_hash_text(MC_HASH_START, mc_version()), s->target->name);
  h = mc_hash(h, &s->model, sizeof s->model);
  h = mc_hash(h, &s->target->isa, sizeof s->target->isa); /* "native" is not the same everywhere */
  h = mc_hash_text(h, mc_arena_printf(s->t.arena, "%s,%s,%lld,%d,%lld,%d,%d,%d", s->x ? s->x : "",
                                      s->y ? s->y : "", (long long)s->samples, s->metric,
                                      (long long)s->stride, s->images.resize, s->images.color,
                                      s->runs));
  for (int i = 0; tools[i] && strcmp(tools[i], "mc-bench"); i++)
    if (!hash_path(s, &h, mc_arena_printf(s->t.arena, "%s/%s", s->bin, tools[i]))) return false;
  if (!hash_path(s, &h, s->data) || !hash_path(s, &h, s->eval)) return false;
  s->context = h;
  return true;
}

/* ---- network and samples ---- */
static bool quantized(const mc_graph *g) {
  MC_FOR_NODES (n, g)
    for (int i = 0; i < n->nout; i++)
      if (mc_type_is_quant(n->out[i]->type) || n->op == MC_OP_dequantize) return true;
  return false;
}

static bool read_network(search *s) {
  s->in = s->t.args.v[0];
  if (mc_driver_is_onnx(s->in))
    return mc_error(&s->t.diag, mc_noloc,
                    "%s: mc-search changes .mir texts; make one: mc-import %s -o net.mir", s->in,
                    s->in);
  if (strcmp(s->in, "-") == 0)
    return mc_error(&s->t.diag, mc_noloc, "the network is read many times: name a file");
  s->module = mc_driver_load(s->in, &s->t.diag);
  if (!s->module) return false;
  if (!s->module->graphs || s->module->graphs->next)
    return mc_error(&s->t.diag, mc_noloc, "%s: a network of one graph is wanted", s->in);
  if (quantized(s->module->graphs))
    return mc_error(&s->t.diag, s->module->graphs->loc,
                    "the network is quantized already; the search begins with one in fp32");
  s->model = mc_compile_model_hash(s->module, s->t.arena);
  return true;
}

/* Scores of classes: one axis beside the batch, of two or more. */
static bool has_classes(const mc_network *n) {
  const mc_type *in = mc_network_in_type(n, 0), *t = mc_network_out_type(n, 0);
  int64_t batch = in->rank ? in->dim[0] : 1;
  int axes = 0;
  for (int k = 0; k < t->rank; k++) axes += t->dim[k] > 1 && !(k == 0 && t->dim[0] == batch);
  return axes == 1;
}

static bool check_eval(search *s, const mc_network *n) {
  if (s->metric) return s->labels = true; /* windows: mc-eval reads them */
  mc_dataset_opts o = s->images;
  o.x = s->x;
  o.y = s->y;
  mc_dataset *d = mc_network_data(n, s->eval, &o, &s->t.diag);
  if (!d) return false;
  s->labels = mc_dataset_has_labels(d);
  s->nsamples = mc_dataset_count(d);
  mc_dataset_close(d);
  if (s->samples && s->samples < s->nsamples) s->nsamples = s->samples;
  if (s->labels || has_classes(n)) return true;
  return mc_error(&s->t.diag, mc_noloc,
                  "%s: no labels, and the network's first output is no row of scores: there is "
                  "nothing to judge candidates by",
                  s->eval);
}

static bool check_data(search *s, const mc_network *n) {
  mc_dataset *d = mc_network_data(n, s->data, NULL, &s->t.diag);
  mc_dataset_close(d);
  return d != NULL;
}

/* Judged by what the passes were fitted to. */
static void warn_same(search *s) {
  struct stat a, b;
  if (stat(s->data, &a) || stat(s->eval, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
    return;
  mc_warning(
      &s->t.diag, mc_noloc,
      "--eval is --data: candidates look better than they are on samples that they were fitted "
      "to; give others");
}

static bool check_samples(search *s) {
  warn_same(s);
  mc_network *n = mc_network_open(s->in, MC_HOW_REF, 1, &s->t.diag);
  bool ok = n && mc_network_nin(n) > 0 && mc_network_nout(n) > 0;
  if (n && !ok) mc_error(&s->t.diag, mc_noloc, "%s: needs an input and an output", s->in);
  ok = ok && check_data(s, n) && check_eval(s, n);
  tool_drop_remarks(&s->t);
  tool_flush(&s->t); /* places are in the text that the network owns */
  mc_network_close(n);
  return ok;
}

/* ---- machine ---- */
static bool find_target(search *s) {
  const mc_target *t = s->target = mc_target_find(s->arch, s->march, s->t.arena, &s->t.diag);
  if (!t) return false;
  if (t->next)
    return mc_error(&s->t.diag, mc_noloc,
                    "candidates are compiled for one level: name it with "
                    "-march=");
  s->runs = t->arch == mc_host_arch() && !(t->isa & ~mc_host_isa());
  if (s->runs) return true;
  if (s->latency == 0 && tool_given(&s->t, "latency"))
    return mc_error(&s->t.diag, mc_noloc,
                    "--latency=measured: this machine cannot run code for '%s'", t->name);
  s->latency = 1;
  mc_warning(&s->t.diag, mc_noloc,
             "this machine cannot run code for '%s': latency is the cost model's, accuracy that of "
             "code for this machine",
             t->name);
  return true;
}

/* The passes before storage, as mcc would run them for -quant. */
static bool find_front(search *s, precision p) {
  static const mc_quant_how how[NUM_PRECISIONS] = { MC_QUANT_NONE, MC_QUANT_BF16, MC_QUANT_INT8,
                                                    MC_QUANT_INT8 };
  mc_compile_opts o = mc_compile_defaults();
  o.quant = how[p];
  o.mixed = p == P_MIXED;
  o.calib = how[p] == MC_QUANT_INT8 ? s->data : NULL;
  o.calib_method = how[p] == MC_QUANT_INT8 ? s->calib_method : NULL;
  o.target = s->target;
  s->front[p] = mc_compile_front(s->module, &o, s->t.arena, &s->t.diag);
  return s->front[p] != NULL;
}

static bool find_fronts(search *s) {
  bool ok = find_front(s, P_FP32); /* the original is always there */
  for (int p = P_BF16; ok && p < NUM_PRECISIONS; p++) {
    bool wanted = !s->precisions.n;
    for (size_t i = 0; i < s->precisions.n; i++)
      wanted |= mc_same_word(s->precisions.v[i], precision_names[p]);
    ok = !wanted || find_front(s, (precision)p);
  }
  return ok;
}

/* ---- folder ---- */
static bool make_work(search *s) {
  const char *out = s->out ? s->out : "best.mir";
  size_t n = strlen(out);
  if (n > 4 && strcmp(out + n - 4, ".mir") == 0) n -= 4;
  if (!s->work)
    s->work = mc_arena_printf(s->t.arena, "%s.search", mc_arena_strndup(s->t.arena, out, n));
  if (mkdir(s->work, 0777) && errno != EEXIST)
    return mc_error(&s->t.diag, mc_noloc, "%s: %s", s->work, strerror(errno));
  char full[PATH_MAX], cwd[PATH_MAX];
  if (!realpath(s->work, full) || !getcwd(cwd, sizeof cwd))
    return mc_error(&s->t.diag, mc_noloc, "%s: %s", s->work, strerror(errno));
  s->work = mc_arena_strdup(s->t.arena, full);
  s->cwd = mc_arena_strdup(s->t.arena, cwd);
  s->expect = s->metric ? ""
                        : mc_arena_printf(s->t.arena, "%s/outputs-%016llx.npz", s->work,
                                          (unsigned long long)s->context);
  return true;
}

bool setup(search *s) {
  return find_target(s) && read_network(s) && find_tools(s) && check_samples(s) && find_fronts(s) &&
         hash_context(s) && make_work(s);
}
