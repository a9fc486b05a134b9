/* check-samples: do the samples look like what the network was trained on?
 *
 * A batch norm knows the mean and the variance that its operand had in training. The first ones
 * after the graph's inputs are held against what the samples give there, by the divergence of two
 * normal distributions, KL = (v / s - 1 - log(v / s) + d^2) / 2 for a channel (v: observed
 * variance, s: stored one, d: distance of the means in stored deviations); the median channel
 * decides. Where that is far off, likely mistakes are undone one by one, and the one that brings
 * the samples near is named. Besides: inputs that are constant, samples that are all equal, truth
 * values, pictures that are smoother in the other order of axes, too few samples. Must run before
 * fold-bn. Contract: EXACT (nothing changes). docs/guide/calibration.md. */
#include "quant.h"
#include "mc/import/dataset.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NORMS = 4, FEW = 8 };

static const double far_off = 4, near_enough = 1;

typedef struct norm {
  const mc_node *bn;
  int64_t c;
  double *sum, *squares;
  int64_t n;
} norm;

typedef struct check {
  mc_pass_context *cx;
  mc_loc at;
  mc_dataset *data;
  norm norm[MAX_NORMS];
  int nnorm, seen;
  mc_array *in, *out;
  void **raw, **to;
  int64_t count, step; /* samples that are looked at: 0, step, ... */
} check;

static const float *data_of(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 ? t->data : NULL;
}

/* Batch norms with no other one between them and the inputs. */
static void find_norms(check *k) {
  mc_graph *g = k->cx->graph;
  mc_map live;
  mc_map_init(&live, k->cx->scratch);
  for (int i = 0; i < g->nin; i++) *mc_map_ptr_slot(&live, g->in[i]) = g;
  MC_FOR_NODES (n, g) {
    bool reached = false;
    for (int i = 0; i < n->nin; i++) reached |= mc_map_ptr_get(&live, n->in[i]) != NULL;
    if (!reached) continue;
    if (n->op == MC_OP_batch_norm) {
      if (k->nnorm == MAX_NORMS || !data_of(n->in[3]) || !data_of(n->in[4])) continue;
      int64_t c = n->in[3]->type->dim[0];
      k->norm[k->nnorm++] =
          (norm){ n, c, MC_NEWN(k->cx->scratch, double, c), MC_NEWN(k->cx->scratch, double, c), 0 };
      continue;
    }
    for (int i = 0; i < n->nout; i++) *mc_map_ptr_slot(&live, n->out[i]) = g;
  }
}

static void add(norm *s, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    s->sum[i % s->c] += (double)x[i];
    s->squares[i % s->c] += (double)x[i] * (double)x[i];
  }
  s->n += n / s->c;
}

/* Every norm's operand; once all are seen the rest need not be computed. */
static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  check *k = ctx;
  for (int i = 0; i < k->nnorm; i++)
    if (k->norm[i].bn->in[0] == v) {
      add(&k->norm[i], x->data, mc_type_elems(v->type));
      k->seen++;
    }
  return k->seen < k->nnorm;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double divergence(const check *k, const norm *s) {
  const float *mean = data_of(s->bn->in[3]), *var = data_of(s->bn->in[4]);
  double eps = (double)MC_ATTRS(s->bn, batch_norm)->epsilon,
         *kl = MC_NEWN(k->cx->scratch, double, s->c);
  int64_t n = 0;
  for (int64_t c = 0; c < s->c; c++) {
    if (!((double)var[c] > 1e-12)) continue; /* a dead channel says nothing */
    double m = s->sum[c] / (double)s->n, v = s->squares[c] / (double)s->n - m * m;
    double stored = (double)var[c] + eps, ratio = ((v > 0 ? v : 0) + eps) / stored;
    if (ratio < 1e-30) ratio = 1e-30;
    double d = m - (double)mean[c];
    kl[n++] = (ratio - 1 - log(ratio) + d * d / stored) / 2;
  }
  if (!n) return 0;
  qsort(kl, (size_t)n, sizeof *kl, by_size);
  return kl[n / 2];
}

/* ---- what may be wrong ---- */
typedef struct guess {
  const char *what, *mend;
  double scale[3], shift[3];
} guess;

#define ALIKE(a, b)                                                                                \
  { a, a, a }, { b, b, b }
static const guess guesses[] = {
  { "as they are", "", ALIKE(1, 0) },
  { "the network wants values from 0 to 255, these are from 0 to 1",
    "multiply the samples by 255: leave the preprocessing out", ALIKE(255, 0) },
  { "the network wants values from 0 to 255, these are from -1 to 1",
    "give the pixels as they are: leave the preprocessing out", ALIKE(127.5, 127.5) },
  { "the network wants values from 0 to 1, these are from 0 to 255",
    "bake the preprocessing in where the .onnx is read: --input-type=u8 "
    "--preprocess=\"scale=1/255\"; or divide the samples by 255",
    ALIKE(1 / 255.0, 0) },
  { "the network wants values from -1 to 1, these are from 0 to 255",
    "bake the preprocessing in where the .onnx is read: --input-type=u8 "
    "--preprocess=\"scale=1/127.5 mean=1\"; or apply it to the samples",
    ALIKE(1 / 127.5, -1) },
  { "the network wants ImageNet's normalization, these are pixels from 0 to 255",
    "bake the preprocessing in where the .onnx is read: --input-type=u8 --preprocess=\"scale=1/255 "
    "mean=.485,.456,.406 std=.229,.224,.225\"; or apply it to the samples",
    { 1 / (255 * .229), 1 / (255 * .224), 1 / (255 * .225) },
    { -.485 / .229, -.456 / .224, -.406 / .225 } },
  { "the network wants ImageNet's normalization, these are from 0 to 1",
    "apply mean=.485,.456,.406 std=.229,.224,.225 to the samples",
    { 1 / .229, 1 / .224, 1 / .225 },
    { -.485 / .229, -.456 / .224, -.406 / .225 } },
  { "the network wants values from 0 to 1, these are from -1 to 1",
    "compute (x + 1) / 2 of the samples", ALIKE(.5, .5) },
  { "the network wants values from -1 to 1, these are from 0 to 1",
    "compute 2 x - 1 of the samples", ALIKE(2, -1) },
};

static void put(const mc_type *t, void *data, int64_t i, double x) {
  if (t->dtype == MC_f32)
    ((float *)data)[i] = (float)x;
  else
    ((uint8_t *)data)[i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static bool is_plain(const mc_type *t) {
  return t->dtype == MC_f32 || (t->dtype == MC_u8 && !mc_type_is_quant(t));
}

static void apply(const check *k, const guess *g, int i) {
  const mc_type *t = k->in[i].type;
  mc_array x = { t, k->raw[i] };
  int64_t n = mc_type_elems(t);
  bool image = t->rank == 4, last = image && t->dim[3] <= 4;
  memcpy(k->to[i], k->raw[i], (size_t)mc_type_bytes(t));
  if (!is_plain(t)) return;
  for (int64_t e = 0; e < n; e++) {
    int64_t c = !image ? 0 : last ? e % t->dim[3] : e / (t->dim[2] * t->dim[3]) % t->dim[1];
    double v = mc_array_real(&x, e);
    put(t, k->to[i], e, v * g->scale[c % 3] + g->shift[c % 3]);
  }
}

/* The largest divergence of all norms for samples changed by g; < 0: it could not be computed. */
static double try_guess(check *k, const guess *g) {
  for (int i = 0; i < k->nnorm; i++) {
    memset(k->norm[i].sum, 0, sizeof(double) * (size_t)k->norm[i].c);
    memset(k->norm[i].squares, 0, sizeof(double) * (size_t)k->norm[i].c);
    k->norm[i].n = 0;
  }
  for (int64_t s = 0; s < k->count; s++) {
    unsigned errors = k->cx->diag->errors;
    k->seen = 0;
    if (!mc_dataset_fetch(k->data, s * k->step, k->raw)) return -1;
    for (int i = 0; i < k->cx->graph->nin; i++) apply(k, g, i);
    mc_eval_graph(k->cx->graph, k->in, k->out, &(mc_eval_opts){ observe, k }, k->cx->diag);
    if (k->cx->diag->errors != errors) return -1;
  }
  double worst = 0;
  for (int i = 0; i < k->nnorm; i++) worst = fmax(worst, divergence(k, &k->norm[i]));
  return worst;
}

static const char *name_of(const mc_node *n) {
  return n->source ? n->source : n->out[0]->name ? n->out[0]->name : "batch_norm";
}

static bool against_norms(check *k) {
  double was = try_guess(k, &guesses[0]), best = near_enough;
  const guess *why = NULL;
  if (was < 0) return false;
  if (was < far_off) return true;
  for (size_t i = 1; i < sizeof guesses / sizeof *guesses; i++) {
    double d = try_guess(k, &guesses[i]);
    if (d < 0) return false;
    if (d < best && d < was / 4) best = d, why = &guesses[i];
  }
  mc_warning(
      k->cx->diag, k->at,
      "the samples do not look like what the network was trained on: before '%s' "
      "they have other means and variances than it learned (divergence %.3g; below 1 is usual)",
      name_of(k->norm[0].bn), was);
  if (why)
    mc_note(k->cx->diag, k->at, "it seems that %s (divergence %.2g then): %s", why->what, best,
            why->mend);
  else
    mc_note(k->cx->diag, k->at,
            "are they scaled, ordered and normalized as in training? results will be poor");
  return true;
}

/* ---- what the samples alone say ---- */
/* Differences between neighbours of a picture whose columns and rows lie `dx` and `dy` elements
 * apart. */
static double roughness(const mc_array *x, int64_t dx, int64_t dy) {
  int64_t n = mc_type_elems(x->type) - dx - dy;
  double sum = 0;
  for (int64_t e = 0; e < n; e++) {
    double r = mc_array_real(x, e);
    sum += fabs(mc_array_real(x, e + dx) - r) + fabs(mc_array_real(x, e + dy) - r);
  }
  return sum;
}

/* Pictures are smoother in their own order of axes than in the other one. */
static void add_roughness(double sum[2], const mc_array *x) {
  const int64_t *d = x->type->dim;
  bool last = d[3] == 3 || d[3] == 4, first = d[1] == 3 || d[1] == 4;
  int64_t c = last ? d[3] : d[1], w = last ? d[2] : d[3], h = last ? d[1] : d[2];
  if (x->type->rank != 4 || last == first || w < 8 || h < 8) return;
  sum[!last] += roughness(x, c, w * c);
  sum[last] += roughness(x, 1, w);
}

/* False after a warning. */
static bool look_at_input(check *k, int i) {
  const mc_value *v = k->cx->graph->in[i];
  const mc_type *t = v->type;
  const char *name = v->source ? v->source : v->name ? v->name : "?";
  double lo = INFINITY, hi = -INFINITY;
  bool same = k->count > 1;
  void *first = mc_arena_alloc(k->cx->scratch, (size_t)mc_type_bytes(t));
  double rough[2] = { 0, 0 };
  if (t->dtype != MC_f32 && t->dtype != MC_u8) return true;
  for (int64_t s = 0; s < k->count; s++) {
    if (!mc_dataset_fetch(k->data, s * k->step, k->raw)) return false;
    if (s)
      same &= memcmp(first, k->raw[i], (size_t)mc_type_bytes(t)) == 0;
    else
      memcpy(first, k->raw[i], (size_t)mc_type_bytes(t));
    mc_array x = { t, k->raw[i] };
    add_roughness(rough, &x);
    for (int64_t e = 0; e < mc_type_elems(t); e++) {
      double r = mc_array_real(&x, e);
      lo = fmin(lo, r), hi = fmax(hi, r);
    }
  }
  if (lo == hi && mc_type_elems(t) > 1)
    mc_warning(k->cx->diag, k->at,
               "all values of the samples for input '%s' are %g: ranges from them mean nothing; is "
               "this the right array?",
               name, lo);
  else if (same)
    mc_warning(k->cx->diag, k->at,
               "all samples for input '%s' are equal: give different ones, of the kind that the "
               "network will see",
               name);
  else if (t->rank == 4 && mc_dataset_dtype(k->data, i) == MC_bool)
    mc_warning(k->cx->diag, k->at,
               "the samples for input '%s' are truth values: is this a mask instead of the images?",
               name);
  else if (t->rank == 4 && t->dtype == MC_u8 && !mc_type_is_quant(t) && hi <= 1)
    mc_warning(k->cx->diag, k->at,
               "the samples for input '%s', which takes bytes from 0 to 255, are all 0 or 1: give "
               "the pixels as they are, without preprocessing",
               name);
  else if (rough[1] < 0.8 * rough[0])
    mc_warning(k->cx->diag, k->at,
               "the samples for input '%s' look like pictures in the other order of axes: %s is "
               "wanted; transpose the samples (numpy: x.transpose(...)), do not reshape them",
               name, t->dim[3] <= 4 ? "[rows, columns, channels]" : "[channels, rows, columns]");
  else
    return true;
  return false;
}

static void prepare(check *k, int64_t want) {
  mc_graph *g = k->cx->graph;
  mc_arena *a = k->cx->scratch;
  int64_t n = mc_dataset_count(k->data);
  k->count = want > 0 && want < n ? want : n;
  k->step = k->count ? n / k->count : 1;
  k->in = MC_NEWN(a, mc_array, g->nin);
  k->raw = MC_NEWN(a, void *, g->nin);
  k->to = MC_NEWN(a, void *, g->nin);
  k->out = MC_NEWN(a, mc_array, mc_graph_nout(g));
  for (int i = 0; i < g->nin; i++) {
    k->raw[i] = mc_arena_alloc(a, (size_t)mc_type_bytes(g->in[i]->type));
    k->to[i] = mc_arena_alloc(a, (size_t)mc_type_bytes(g->in[i]->type));
    k->in[i] = (mc_array){ g->in[i]->type, k->to[i] };
  }
  for (int i = 0; i < mc_graph_nout(g); i++) {
    const mc_type *t = mc_graph_out(g, i)->type;
    k->out[i] = (mc_array){ t, mc_arena_alloc(a, (size_t)mc_type_bytes(t)) };
  }
}

bool mc_pass_check_samples(mc_pass_context *cx, const mc_opts_check_samples *o, bool *changed) {
  const char *path = mc_samples_path(cx, o->data);
  (void)changed;
  if (o->samples < 0)
    return mc_error(cx->diag, cx->loc, "check-samples: samples must not be negative");
  if (!path)
    return mc_error(
        cx->diag, cx->loc,
        "check-samples: no samples: give data=FILE, or a calibration line in the .mir file");
  check k = { .cx = cx, .at = cx->samples_at.what ? cx->samples_at : cx->loc };
  k.data = mc_dataset_open(path, cx->graph, NULL, cx->diag, k.at);
  if (!k.data) return false;
  prepare(&k, o->samples);
  if (!o->norms && mc_dataset_count(k.data) < FEW)
    mc_warning(cx->diag, k.at,
               "%lld sample%s too few to know the ranges of values: some hundred are usual",
               (long long)mc_dataset_count(k.data),
               mc_dataset_count(k.data) == 1 ? " is" : "s are");
  bool fine = true;
  for (int i = 0; !o->norms && i < cx->graph->nin; i++) fine &= look_at_input(&k, i);
  if (fine) find_norms(&k); /* else the cause is told */
  bool ok = !k.nnorm || against_norms(&k);
  mc_dataset_close(k.data);
  return ok;
}
