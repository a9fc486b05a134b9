/* temperature: one number that makes a classifier's confidence what it is worth.
 *
 *   %y = linear %x, %w, %b : f32[1,10]    ->    %y = linear %x, %w', %b' : f32[1,10]
 *   %p = softmax %y : f32[1,10]                 %p = softmax %y : f32[1,10]
 *
 * with w' = w / tau, b' = b / tau. tau makes the negative log-likelihood of the labels least (Guo
 * et al., "On Calibration of Modern Neural Networks", ICML 2017); which class is first stays. It
 * goes into the layer that gives the scores where nothing else reads them, else a multiplication
 * comes after it. For results that are [n, classes] scores, or their softmax; output= says which of
 * several, the others stay. Contract: LOSSY. */
#include "mc/import/dataset.h"
#include "mc/ir/build.h"
#include "mc/measure/confidence.h"
#include "mc/measure/product.h"
#include "mc/measure/samples.h"
#include "quant.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 1 / tau lies between these. */
static const double least = 1e-2, most = 1e2;

typedef struct scores {
  mc_pass_context *cx;
  const mc_opts_temperature *o;
  mc_value *z; /* the scores */
  int result;  /* of the graph, which the scores are or become */
  bool softmax;
  int64_t classes, n, room; /* n: samples seen */
  float *v;                 /* [n, classes] */
  int64_t *label;
} scores;

/* output=: the name of a result, or its number where no result has that name. */
static bool find_result(scores *s) {
  mc_pass_context *cx = s->cx;
  const char *want = s->o->output;
  int n = mc_graph_nout(cx->graph);
  if (!*want)
    return n == 1 || mc_error(cx->diag, cx->loc,
                              "temperature: the graph has %d results, not one: output= says which, "
                              "by its name or its number from 0",
                              n);
  for (s->result = 0; s->result < n; s->result++) {
    const char *name = mc_graph_out(cx->graph, s->result)->name;
    if (name && strcmp(name, want) == 0) return true;
  }
  char *end;
  long number = strtol(want, &end, 10);
  s->result = (int)number;
  return (!*end && number >= 0 && number < n) ||
         mc_error(cx->diag, cx->loc, "temperature: no result '%s': the graph has %d", want, n);
}

static bool find(scores *s) {
  mc_pass_context *cx = s->cx;
  if (!find_result(s)) return false;
  s->z = mc_graph_out(cx->graph, s->result);
  if (s->z->def && s->z->def->op == MC_OP_softmax) {
    int64_t axis = MC_ATTRS(s->z->def, softmax)->axis, last = s->z->type->rank - 1;
    if (axis != -1 && axis != last)
      return mc_error(cx->diag, s->z->def->loc,
                      "temperature: softmax over axis %lld, not over the classes (the last one)",
                      (long long)axis);
    s->softmax = true, s->z = s->z->def->in[0];
  }
  const mc_type *t = s->z->type;
  s->classes = t->rank ? t->dim[t->rank - 1] : 1;
  if (t->dtype != MC_f32)
    return mc_error(cx->diag, cx->loc,
                    "temperature: the scores are %s; it works in f32: run it before quantize",
                    mc_dtype_names[t->dtype]);
  int64_t batch = t->rank ? t->dim[0] : 1;
  if (!s->z->def || s->classes < 2 || batch * s->classes != mc_type_elems(t))
    return mc_error(cx->diag, cx->loc,
                    "temperature: the result is not [n, classes] scores of a layer, or their "
                    "softmax");
  return true;
}

static bool read_labels(scores *s, const char *path) {
  mc_pass_context *cx = s->cx;
  mc_dataset *d = mc_dataset_open(path, cx->graph, NULL, cx->diag, cx->loc);
  if (!d) return false;
  const char *why = mc_dataset_no_labels(d);
  bool ok = mc_dataset_has_labels(d) ||
            mc_error(cx->diag, cx->loc, "temperature: %s has no labels (an integer array 'y')%s%s",
                     path, why ? ": " : "", why ? why : "");
  s->room = mc_dataset_count(d);
  if (s->o->samples && s->o->samples < s->room) s->room = s->o->samples;
  s->label = MC_NEWN(cx->scratch, int64_t, s->room + 1);
  s->v = MC_NEWN(cx->scratch, float, s->room * s->classes + 1);
  for (int64_t i = 0; ok && i < s->room; i++) {
    s->label[i] = mc_dataset_label(d, i);
    if (s->label[i] < 0 || s->label[i] >= s->classes)
      ok = mc_error(cx->diag, cx->loc,
                    "temperature: label %lld of sample %lld, but the network has %lld classes",
                    (long long)s->label[i], (long long)i, (long long)s->classes);
  }
  mc_dataset_close(d);
  return ok;
}

static void see(void *ctx, int k, const float *x, int64_t n) {
  scores *s = ctx;
  (void)k;
  for (int64_t at = 0; at + s->classes <= n && s->n < s->room; at += s->classes)
    memcpy(s->v + s->n++ * s->classes, x + at, sizeof *x * (size_t)s->classes);
}

/* ---- the likelihood over b = 1 / tau, which is convex in b ---- */

typedef struct likelihood {
  double nll, slope, bend;
} likelihood;

static likelihood at(const scores *s, double b) {
  likelihood l = { 0 };
  for (int64_t i = 0; i < s->n; i++) {
    const float *z = s->v + i * s->classes;
    double top = (double)z[0], sum = 0, mean = 0, square = 0, mine = (double)z[s->label[i]];
    for (int64_t k = 1; k < s->classes; k++) top = fmax(top, (double)z[k]);
    for (int64_t k = 0; k < s->classes; k++) {
      double e = exp(b * ((double)z[k] - top)), x = (double)z[k] - top;
      sum += e, mean += e * x, square += e * x * x;
    }
    mean /= sum, square /= sum;
    l.nll += log(sum) - b * (mine - top);
    l.slope += mean - (mine - top);
    l.bend += square - mean * mean;
  }
  double n = (double)s->n;
  return (likelihood){ l.nll / n, l.slope / n, l.bend / n };
}

/* Newton's steps where they stay between what is known to be too small and too large. */
static double best(const scores *s) {
  double lo = least, hi = most, b = 1;
  if (at(s, lo).slope >= 0) return lo;
  if (at(s, hi).slope <= 0) return hi;
  for (int i = 0; i < 100 && hi - lo > 1e-9 * hi; i++) {
    likelihood l = at(s, b);
    if (l.slope < 0)
      lo = b;
    else
      hi = b;
    double next = l.bend > 0 ? b - l.slope / l.bend : lo;
    if (fabs(next - b) < 1e-10 * b) return next;
    b = next > lo && next < hi ? next : (lo + hi) / 2;
  }
  return b;
}

/* The expected calibration error of scores multiplied by b. */
static double ece(const scores *s, double b) {
  mc_confidence c = mc_confidence_new(MC_CONFIDENCE_BINS, s->cx->scratch);
  double *p = MC_NEWN(s->cx->scratch, double, s->classes);
  for (int64_t i = 0; i < s->n; i++) {
    for (int64_t k = 0; k < s->classes; k++) p[k] = b * (double)s->v[i * s->classes + k];
    mc_confidence_softmax(p, s->classes);
    mc_confidence_add(&c, p, s->classes, s->label[i]);
  }
  return mc_confidence_ece(&c);
}

/* ---- where it goes ---- */

/* The layer that gives the scores, alone and without a clamp. */
static const mc_product *layer(const scores *s, const mc_products *p) {
  if (!mc_value_single_user(s->z)) return NULL;
  for (int i = 0; i < p->n; i++) {
    const mc_node *n = p->v[i].node;
    const float *c = mc_op_attr(n->op, n->attrs, "clamp");
    if (n == s->z->def && (!c || (isinf(c[0]) && isinf(c[1])))) return &p->v[i];
  }
  return NULL;
}

static bool into_layer(const scores *s, const mc_product *p, double b) {
  float *bias, *w = mc_product_copy(p, s->cx->scratch, &bias);
  for (int64_t i = 0; i < p->groups * p->o * p->d; i++) w[i] = (float)((double)w[i] * b);
  for (int64_t i = 0; i < p->groups * p->o; i++) bias[i] = (float)((double)bias[i] * b);
  return mc_product_set(p, w, bias, s->cx->diag);
}

/* A multiplication after the scores, for the softmax or the result. */
static bool after(const scores *s, double b) {
  mc_node *reader = s->cx->graph->last;
  if (s->softmax) reader = mc_graph_out(s->cx->graph, s->result)->def;
  mc_builder build = {
    .graph = s->cx->graph, .before = reader, .diag = s->cx->diag, .loc = s->z->def->loc
  };
  float *data;
  int64_t one = 1;
  mc_tensor *t = mc_tensor_create(s->cx->module, "temperature", MC_f32, 1, &one, (void **)&data);
  *data = (float)b;
  mc_value *k = mc_build_tensor(&build, t, NULL);
  mc_value *m = k ? mc_build1(&build, MC_OP_mul, (mc_value *[]){ s->z, k }, 2, NULL) : NULL;
  if (m) mc_node_set_in(reader, s->softmax ? 0 : s->result, m);
  return m != NULL;
}

bool mc_pass_temperature(mc_pass_context *cx, const mc_opts_temperature *o, bool *changed) {
  scores s = { .cx = cx, .o = o };
  const char *path = mc_samples_path(cx, o->data);
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "temperature: samples must be at least 0");
  if (!path)
    return mc_error(cx->diag, cx->loc,
                    "temperature: no samples: give data=FILE.npz with arrays of samples and "
                    "labels (y)");
  if (!find(&s) || !read_labels(&s, path)) return false;
  mc_samples *x = mc_samples_open(cx, path, &s.z, 1, false);
  bool ok = x && mc_samples_sweep(x, o->samples, "temperature", see, &s);
  if (x) mc_samples_close(x);
  if (!ok) return false;
  for (int64_t i = 0; i < s.n * s.classes; i++)
    if (!isfinite(s.v[i]))
      return mc_error(cx->diag, cx->loc, "temperature: the scores of sample %lld are not finite",
                      (long long)(i / s.classes));
  if (!s.n) return mc_error(cx->diag, cx->loc, "temperature: there are no samples in %s", path);
  double b = best(&s);
  if (b <= least || b >= most) {
    mc_warning(
        cx->diag, cx->loc,
        "temperature: the scores stay: the likelihood has no best temperature between %g and "
        "%g: %s",
        1 / most, 1 / least,
        b >= most ? "the network is right about all of these samples; give others"
                  : "the scores say nothing about these labels; are they those of the samples?");
    *changed = false;
    return true;
  }
  mc_remark(cx->diag, cx->loc,
            "temperature: tau %.4f, NLL of %lld samples %.4f (before: %.4f), ECE %.2f %% (before: "
            "%.2f %%)",
            1 / b, (long long)s.n, at(&s, b).nll, at(&s, 1).nll, 100 * ece(&s, b),
            100 * ece(&s, 1));
  mc_products p = mc_products_of(cx->graph, cx->scratch);
  const mc_product *into = layer(&s, &p);
  *changed = true;
  cx->bound = s.softmax ? 2 : 1.01 * fabs(1 - b) + 1e-6;
  return into ? into_layer(&s, into, b) : after(&s, b);
}
