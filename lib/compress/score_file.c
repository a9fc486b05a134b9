/* Scores from outside (gradients, another tool): an .npz with one array for each layer, or a
 * .json object with one list for each; named as the layer is, as long as it has output channels.
 * The values are compared as they are, over all layers. */
#include "score.h"
#include "mc/import/npy.h"
#include "mc/support/suggest.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct scores {
  const char *name;
  int64_t n;
  const double *x;
} scores;
typedef struct source {
  const mc_scoring *s;
  scores *v;
  int n;
} source;

static bool fail(const source *f, const char *text) {
  return mc_error(f->s->cx->diag, f->s->cx->loc, "score=file: %s: %s", f->s->file, text);
}
static const char *say(const source *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *say(const source *f, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return mc_arena_strdup(f->s->cx->scratch, text);
}

/* ---- reading ---- */

static double number(const mc_npy *a, int64_t i) {
  switch (a->dtype) {
  case MC_f32: return (double)((const float *)a->data)[i];
  case MC_f64: return ((const double *)a->data)[i];
  case MC_i64: return (double)((const int64_t *)a->data)[i];
  case MC_i32: return ((const int32_t *)a->data)[i];
  default: return NAN; /* refused before */
  }
}

static bool read_array(source *f, mc_npz *z, int i) {
  mc_npy a;
  mc_arena *m = f->s->cx->scratch;
  const char *name = mc_npz_name(z, i);
  if (!mc_npz_read(z, name, &a, m, f->s->cx->diag, f->s->cx->loc)) return false;
  bool known = a.dtype == MC_f32 || a.dtype == MC_f64 || a.dtype == MC_i64 || a.dtype == MC_i32;
  if (!known || a.rank != 1)
    return fail(f, say(f, "array '%s' must have one axis and numbers of type f32, f64, i32 or i64",
                       name));
  double *x = MC_NEWN(m, double, a.dim[0]);
  for (int64_t k = 0; k < a.dim[0]; k++) x[k] = number(&a, k);
  f->v[f->n++] = (scores){ mc_arena_strdup(m, name), a.dim[0], x };
  return true;
}

static bool read_npz(source *f) {
  mc_npz *z = mc_npz_open(f->s->file, f->s->cx->diag, f->s->cx->loc);
  if (!z) return false;
  bool ok = true;
  f->v = MC_NEWN(f->s->cx->scratch, scores, mc_npz_count(z) + 1);
  for (int i = 0; ok && i < mc_npz_count(z); i++) ok = read_array(f, z, i);
  mc_npz_close(z);
  return ok;
}

static bool read_list(source *f, const char *name, const json_t *list) {
  mc_arena *m = f->s->cx->scratch;
  if (!json_is_array(list)) return fail(f, say(f, "'%s' must be a list of numbers", name));
  size_t n = json_array_size(list);
  double *x = MC_NEWN(m, double, n);
  for (size_t k = 0; k < n; k++) {
    if (!json_is_number(json_array_get(list, k)))
      return fail(f, say(f, "'%s' must be a list of numbers", name));
    x[k] = json_number_value(json_array_get(list, k));
  }
  f->v[f->n++] = (scores){ mc_arena_strdup(m, name), (int64_t)n, x };
  return true;
}

static bool read_json(source *f) {
  json_error_t e;
  json_t *j = json_load_file(f->s->file, JSON_REJECT_DUPLICATES, &e);
  if (!j) return fail(f, e.line > 0 ? say(f, "line %d: %s", e.line, e.text) : e.text);
  bool ok =
      json_is_object(j) || fail(f, "must be an object: layer names, each with a list of numbers");
  const char *name;
  json_t *list;
  f->v = MC_NEWN(f->s->cx->scratch, scores, json_object_size(j) + 1);
  json_object_foreach (j, name, list) ok = ok && read_list(f, name, list);
  json_decref(j);
  return ok;
}

/* ---- layers ---- */

static bool named(const mc_node *n, const char *name) {
  return (n->source && strcmp(n->source, name) == 0) ||
         (n->out[0]->name && strcmp(n->out[0]->name, name) == 0);
}

static const char *nearest(const source *f, const char *name) {
  const char *best = NULL;
  MC_FOR_NODES (n, f->s->cx->graph) {
    if (!mc_makes_channels(n)) continue;
    if (n->source) best = mc_suggest_better(name, best, n->source);
    if (n->out[0]->name) best = mc_suggest_better(name, best, n->out[0]->name);
  }
  return best ? say(f, "; did you mean '%s'?", best) : "";
}

static bool add_scores(tally *t, const source *f, const scores *v) {
  const mc_node *layer = NULL;
  MC_FOR_NODES (n, t->s->cx->graph)
    if (mc_makes_channels(n) && named(n, v->name)) layer = n;
  if (!layer) return fail(f, say(f, "no layer is named '%s'%s", v->name, nearest(f, v->name)));
  int64_t channels = layer->out[0]->type->dim[layer->out[0]->type->rank - 1];
  if (v->n != channels)
    return fail(f, say(f, "layer '%s' has %lld output channels, its array has %lld", v->name,
                       (long long)channels, (long long)v->n));
  for (int64_t c = 0; c < v->n; c++) {
    if (!isfinite(v->x[c]))
      return fail(f, say(f, "element %lld of '%s' is not finite", (long long)c, v->name));
    mc_tally_add(t, mc_channels_class(t->s->ch, layer->out[0], c), v->x[c]);
  }
  return true;
}

bool mc_score_by_file(tally *t) {
  source f = { .s = t->s };
  size_t n = t->s->file ? strlen(t->s->file) : 0;
  if (!n)
    return mc_error(t->s->cx->diag, t->s->cx->loc,
                    "score=file: file= must name the file of scores");
  bool json = n > 5 && strcmp(t->s->file + n - 5, ".json") == 0;
  if (!(json ? read_json(&f) : read_npz(&f))) return false;
  for (int i = 0; i < f.n; i++)
    if (!add_scores(t, &f, &f.v[i])) return false;
  return true;
}
