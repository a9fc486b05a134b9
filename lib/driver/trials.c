/* Trials: which layers are converted changes, what comes before them does not. */
#include "mc/driver/trials.h"
#include "mc/analysis/cost.h"
#include "mc/driver/driver.h"
#include "mc/driver/judge.h"
#include "mc/driver/network.h"
#include "mc/ir/build.h"
#include "mc/measure/product.h"
#include "mc/support/glob.h"
#include <math.h>
#include <string.h>

/* A result of one run. */
typedef struct result {
  const mc_type *type;
  bool reals;
  char *kept; /* [runs] times its bytes: of the fp32 network */
  void *now;
  double err2, ref2, cosine; /* sums over the samples */
} result;

struct mc_trials {
  mc_arena *a;
  mc_diag *d;
  const mc_module *m; /* as it was read */
  mc_module *base;    /* up to the ranges */
  mc_compile_opts o;
  mc_trial_opts t;
  const mc_target *native;
  const mc_runner *runner;
  mc_network *fp32; /* owns the types that results are kept in */
  mc_dataset *data;
  int64_t samples, batch, classes, right; /* classes 0: no labels; right: fp32 */
  int nin, nout;
  void **in, **now; /* now: out[k].now */
  const mc_type **in_type;
  result *out;
  mc_trial_layer *layer;
  int nlayer;
};

/* ---- the passes ---- */

/* Messages of a trial are no news, but for errors. */
static void hand_on(mc_diag *to, const mc_diag *from) {
  bool keep = false;
  for (size_t i = 0; i < from->list.n; i++) {
    const mc_diagnostic *x = &from->list.v[i];
    if (x->sev != MC_NOTE) keep = x->sev == MC_ERROR;
    if (keep && x->sev == MC_ERROR)
      mc_error(to, x->loc, "%s", x->text);
    else if (keep)
      mc_note(to, x->loc, "%s", x->text);
  }
}

static bool run_passes(const mc_trials *t, mc_module *m, const char *text, mc_arena *a,
                       mc_diag *d) {
  if (!*text) return true;
  mc_source *src = MC_NEW(t->d->arena, mc_source);
  *src = (mc_source){ "<pipeline>", mc_arena_strdup(t->d->arena, text), strlen(text) };
  mc_pipeline p;
  mc_manager_report rep = { 0 };
  mc_manager_opts o = {
    .bisect_limit = -1, .target = t->o.target, .runner = t->runner, .temp = t->o.manager.temp
  };
  if (t->o.calib) o.samples_at.what = mc_arena_printf(t->d->arena, "-calib=%s", t->o.calib);
  o.progress = t->t.progress, o.progress_ctx = t->t.progress_ctx;
  return mc_pipeline_parse(mc_driver_registry(), src, &p, a, d) &&
         mc_manager_run(m, &p, &o, &rep, a, d);
}

/* The first graph of a copy of the base, after the passes of `text`, compiled. */
static mc_network *build(mc_trials *t, const char *text, mc_arena *a, mc_diag *d) {
  mc_module *m = mc_module_clone(t->base);
  m->graphs->next = NULL;
  if (run_passes(t, m, text, a, d)) return mc_network_of(m, "the network", d);
  mc_module_destroy(m);
  return NULL;
}

static const char *joined(const char *x, const char *y, mc_arena *a) {
  return !x || !*x ? y : !y || !*y ? x : mc_arena_printf(a, "%s:%s", x, y);
}

static mc_network *converted(mc_trials *t, const char *skip, const char *only, mc_arena *a,
                             mc_diag *d) {
  mc_compile_opts o = t->o;
  const char *first, *second;
  o.skip = joined(o.skip, skip, a);
  if (only) o.only = only;
  if (!mc_compile_halves(&first, &second, t->m, &o, a, d)) return NULL;
  return build(t, second, a, d);
}

static bool make_base(mc_trials *t) {
  const char *first, *second;
  mc_diag quiet;
  mc_diag_init(&quiet, t->a);
  t->base = mc_module_clone(t->m);
  bool ok = mc_compile_halves(&first, &second, t->m, &t->o, t->a, &quiet) &&
            run_passes(t, t->base, first, t->a, &quiet);
  if (!ok) hand_on(t->d, &quiet);
  return ok;
}

/* ---- layers ---- */

static const char *name_of(const mc_node *n) {
  return n->source ? n->source : n->nout ? n->out[0]->name : NULL;
}

static bool is_layer(const mc_trials *t, const mc_node *n) {
  const char *value = n->out[0]->name, *only = t->o.only, *skip = t->o.skip;
  if (!mc_op_has(n->op, MC_T_ACCUM) || n->out[0]->type->dtype != MC_f32) return false;
  if (skip && (mc_glob_list(skip, n->source) || mc_glob_list(skip, value))) return false;
  return !only || !*only || mc_glob_list(only, n->source) || mc_glob_list(only, value);
}

/* The name, as a list of layers can hold it. */
static const char *pattern_of(const char *name, mc_arena *a) {
  if (!name || !*name) return NULL;
  char *p = mc_arena_strdup(a, name);
  for (char *c = p; *c; c++)
    if (*c == ':') *c = '*';
  return p;
}

static bool known(const mc_trials *t, const char *name) {
  for (int i = 0; name && i < t->nlayer; i++)
    if (t->layer[i].pattern && mc_glob_list(t->layer[i].pattern, name)) return true;
  return false;
}

static void find_layers(mc_trials *t) {
  int n = 0;
  const mc_graph *g = t->base->graphs;
  MC_FOR_NODES (x, g) n += mc_op_has(x->op, MC_T_ACCUM);
  t->layer = MC_NEWN(t->a, mc_trial_layer, n + 1);
  MC_FOR_NODES (x, g) {
    if (x->op == MC_OP_return || !is_layer(t, x)) continue;
    const char *name = name_of(x);
    if (known(t, x->source) || known(t, x->out[0]->name)) continue;
    t->layer[t->nlayer++] = (mc_trial_layer){ .name = mc_layer_name(x),
                                              .pattern = pattern_of(name, t->a),
                                              .loc = x->loc,
                                              .macs = mc_node_cost(x).macs };
  }
}

const mc_trial_layer *mc_trials_layers(const mc_trials *t, int *n) {
  *n = t->nlayer;
  return t->layer;
}

/* ---- runs ---- */

/* Samples of the run that begins with sample i, as elements of result r. */
static int64_t elements(const mc_trials *t, const result *r, int64_t count) {
  int64_t n = mc_type_elems(r->type);
  bool by_batch = r->type->rank > 0 && r->type->dim[0] == t->batch;
  return by_batch ? n / t->batch * count : n;
}

static void compare(const mc_trials *t, result *r, const char *was, int64_t count) {
  mc_array a = { r->type, (void *)(uintptr_t)was }, b = { r->type, r->now };
  int64_t n = elements(t, r, count), each = n / count;
  for (int64_t k = 0; k < count; k++) {
    double dot = 0, aa = 0, bb = 0;
    for (int64_t i = k * each; i < (k + 1) * each; i++) {
      double x = mc_array_real(&a, i), y = mc_array_real(&b, i);
      bool same = x == y || (isnan(x) && isnan(y));
      r->err2 += same ? 0 : isnan(x - y) ? HUGE_VAL : (x - y) * (x - y);
      r->ref2 += isfinite(x) ? x * x : 0;
      dot += x * y, aa += x * x, bb += y * y;
    }
    r->cosine += aa == 0 && bb == 0 ? 1 : aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
  }
}

/* How many of the run's samples have the right class; -1 after reporting. */
static int64_t judge(const mc_trials *t, int64_t first, int64_t count) {
  mc_array y = { t->out[0].type, t->out[0].now };
  int64_t right = 0;
  for (int64_t b = 0; b < count; b++) {
    int64_t label = mc_judge_label(t->data, first + b, t->classes, t->t.data, t->d);
    if (label < 0) return -1;
    right += mc_judge_rank(&y, t->classes, b, label) == 0;
  }
  return right;
}

/* All samples through net; keep: it is the fp32 network. */
static bool sweep(mc_trials *t, mc_network *net, bool keep, int64_t *right) {
  *right = t->classes ? 0 : -1;
  for (int k = 0; k < t->nout; k++) t->out[k].err2 = t->out[k].ref2 = t->out[k].cosine = 0;
  for (int64_t i = 0; i < t->samples; i += t->batch) {
    int64_t count = t->samples - i < t->batch ? t->samples - i : t->batch, hit = 0;
    if (!mc_dataset_fetch(t->data, i, t->in) ||
        !mc_network_run(net, (const void *const *)t->in, t->now, t->d))
      return false;
    if (t->classes && (hit = judge(t, i, count)) < 0) return false;
    if (t->classes) *right += hit;
    for (int k = 0; k < t->nout; k++) {
      result *r = &t->out[k];
      size_t bytes = (size_t)mc_type_bytes(r->type);
      char *was = r->kept + (size_t)(i / t->batch) * bytes;
      if (keep)
        memcpy(was, r->now, bytes);
      else if (r->reals)
        compare(t, r, was, count);
    }
  }
  return true;
}

static void sum_up(const mc_trials *t, mc_trial *x) {
  x->snr = x->cosine = x->error = NAN;
  for (int k = 0; k < t->nout; k++) {
    const result *r = &t->out[k];
    if (!r->reals) continue;
    double error = r->err2 == 0  ? 0
                   : r->ref2 > 0 ? r->err2 / r->ref2
                                 : HUGE_VAL,
           cosine = r->cosine / (double)t->samples;
    if (!(x->error >= error)) x->error = error;
    if (!(x->cosine <= cosine)) x->cosine = cosine;
  }
  x->snr = isnan(x->error) ? NAN : x->error > 0 ? -10 * log10(x->error) : HUGE_VAL;
}

/* Same inputs and results as those of the fp32 network, in the bytes that they have. */
static bool same_border(const mc_trials *t, const mc_network *net) {
  bool same = mc_network_nin(net) == t->nin && mc_network_nout(net) == t->nout;
  for (int i = 0; same && i < t->nin; i++)
    same = mc_type_bytes(mc_network_in_type(net, i)) == mc_type_bytes(t->in_type[i]);
  for (int i = 0; same && i < t->nout; i++)
    same = mc_network_out_type(net, i)->dtype == t->out[i].type->dtype &&
           mc_type_same_shape(mc_network_out_type(net, i), t->out[i].type);
  return same ||
         mc_error(t->d, t->m->graphs->loc, "the quantized network has other inputs or results");
}

bool mc_trials_run(mc_trials *t, const char *skip, const char *only, mc_trial *out) {
  mc_arena *a = mc_arena_create();
  mc_diag quiet;
  mc_diag_init(&quiet, a);
  mc_network *net = converted(t, skip, only, a, &quiet);
  if (!net) hand_on(t->d, &quiet);
  bool ok = net && same_border(t, net) && sweep(t, net, false, &out->right);
  if (ok) {
    mc_layers l = mc_network_layers(net);
    out->quantized = l.int8 + l.bf16, out->rest = l.f32;
    sum_up(t, out);
  }
  mc_network_close(net);
  mc_arena_destroy(a);
  return ok;
}

/* ---- opening ---- */

enum { MOST_KEPT = 1 << 30 }; /* bytes of results */

static bool make_rooms(mc_trials *t) {
  int64_t runs = (t->samples + t->batch - 1) / t->batch, bytes = 0;
  t->nin = mc_network_nin(t->fp32);
  t->nout = mc_network_nout(t->fp32);
  t->in = MC_NEWN(t->a, void *, t->nin);
  t->in_type = MC_NEWN(t->a, const mc_type *, t->nin);
  t->out = MC_NEWN(t->a, result, t->nout);
  t->now = MC_NEWN(t->a, void *, t->nout);
  for (int i = 0; i < t->nin; i++) {
    t->in_type[i] = mc_network_in_type(t->fp32, i);
    t->in[i] = mc_arena_alloc(t->a, (size_t)mc_type_bytes(t->in_type[i]));
  }
  for (int i = 0; i < t->nout; i++) bytes += runs * mc_type_bytes(mc_network_out_type(t->fp32, i));
  if (bytes > MOST_KEPT)
    return mc_error(t->d, mc_noloc,
                    "%s: the results of %lld samples take %lld MiB, and 1024 can be held: give "
                    "fewer samples",
                    t->t.data, (long long)t->samples, (long long)(bytes >> 20));
  for (int i = 0; i < t->nout; i++) {
    result *r = &t->out[i];
    r->type = mc_network_out_type(t->fp32, i);
    r->reals = mc_dtype_is_float(r->type->dtype) || mc_type_is_quant(r->type);
    r->kept = mc_arena_alloc(t->a, (size_t)(runs * mc_type_bytes(r->type)));
    t->now[i] = r->now = mc_arena_alloc(t->a, (size_t)mc_type_bytes(r->type));
  }
  return true;
}

static bool open_data(mc_trials *t) {
  if (mc_network_nin(t->fp32) < 1 || mc_network_nout(t->fp32) < 1)
    return mc_error(t->d, t->m->graphs->loc, "trials need a network with an input and a result");
  t->data = mc_network_data(t->fp32, t->t.data, &t->t.images, t->d);
  if (!t->data) return false;
  t->batch = mc_dataset_batch(t->data);
  t->samples = mc_dataset_count(t->data);
  if (t->t.limit && t->t.limit < t->samples) t->samples = t->t.limit;
  bool labels = t->t.labels || mc_dataset_has_labels(t->data);
  return !labels ||
         mc_judge_classes(mc_network_out_type(t->fp32, 0), t->data, t->t.data, &t->classes, t->d);
}

static bool set_up(mc_trials *t) {
  t->native = mc_target_find(NULL, "native", t->a, t->d);
  if (!t->native) return false;
  t->runner = mc_compile_runner(t->native, t->a);
  if (!make_base(t)) return false;
  find_layers(t);
  t->fp32 = build(t, "", t->a, t->d);
  return t->fp32 && open_data(t) && make_rooms(t) && sweep(t, t->fp32, true, &t->right);
}

mc_trials *mc_trials_open(const mc_module *m, const mc_compile_opts *o, const mc_trial_opts *opts,
                          mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_trials *t = MC_NEW(a, mc_trials);
  *t = (mc_trials){ .a = a, .d = d, .m = m, .o = *o, .t = *opts };
  if (set_up(t)) return t;
  mc_trials_close(t);
  return NULL;
}

void mc_trials_close(mc_trials *t) {
  if (!t) return;
  mc_dataset_close(t->data);
  mc_network_close(t->fp32);
  if (t->base) mc_module_destroy(t->base);
  mc_arena_destroy(t->a);
}

int64_t mc_trials_samples(const mc_trials *t) { return t->samples; }

int64_t mc_trials_right(const mc_trials *t) { return t->right; }

bool mc_trials_reals(const mc_trials *t) {
  for (int i = 0; i < t->nout; i++)
    if (t->out[i].reals) return true;
  return false;
}

void *mc_trials_room(mc_trials *t, size_t bytes) { return mc_arena_alloc(t->a, bytes); }

void mc_trials_progress(const mc_trials *t, const char *what, int64_t done, int64_t total) {
  if (t->t.progress) t->t.progress(t->t.progress_ctx, what, done, total);
}
