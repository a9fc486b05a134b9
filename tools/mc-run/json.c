/* -json of mc-run (docs/reference/tools.md, "JSON"). */
#include "run.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct json_runs {
  tool *t;
  const mc_network *n;
  json_t *root, *results;
};

/* JSON has no numbers that are not finite. */
static json_t *number(double v) {
  if (isnan(v)) return json_string("nan");
  return isinf(v) ? json_string(v < 0 ? "-inf" : "inf") : json_real(v);
}

static json_t *integer(int64_t v) { return json_integer((json_int_t)v); }

static json_t *text(const char *s) { return s ? json_string(s) : json_null(); }

static json_t *describe(const mc_network *n, int i) {
  const mc_type *t = mc_network_out_type(n, i);
  json_t *j = json_object(), *shape = json_array();
  bool q = t->q.kind == MC_Q_TENSOR;
  for (int k = 0; k < t->rank; k++) json_array_append_new(shape, integer(t->dim[k]));
  json_object_set_new(j, "name", json_string(mc_network_out_name(n, i)));
  json_object_set_new(j, "type", json_string(mc_dtype_names[t->dtype]));
  json_object_set_new(j, "shape", shape);
  json_object_set_new(j, "scale", q ? number((double)t->q.scale) : json_null());
  json_object_set_new(j, "zero_point", q ? integer(t->q.zero) : json_null());
  return j;
}

/* Integers as stored, reals by value. */
static json_t *values(const mc_type *t, const void *data) {
  json_t *list = json_array();
  mc_type plain = *t;
  plain.q = (mc_quant){ .kind = MC_Q_NONE };
  mc_array x = { &plain, (void *)(uintptr_t)data };
  for (int64_t i = 0, n = mc_type_elems(t); i < n; i++) {
    json_t *v = t->dtype == MC_i64            ? integer(((const int64_t *)data)[i])
                : mc_dtype_is_float(t->dtype) ? number(mc_array_real(&x, i))
                                              : integer((int64_t)mc_array_real(&x, i));
    json_array_append_new(list, v);
  }
  return list;
}

static bool write(tool *t, json_t *root, const char *path) {
  char *s = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
  json_decref(root);
  if (!s) return mc_error(&t->diag, mc_noloc, "--json: a name is not UTF-8, which JSON needs");
  char *line = mc_arena_printf(t->arena, "%s\n", s);
  free(s);
  return mc_write_file(*path ? path : "-", line, strlen(line), &t->diag);
}

/* ---- comparisons ---- */
static json_t *side(json_side s) {
  json_t *j = json_object();
  json_object_set_new(j, "file", json_string(s.file));
  json_object_set_new(j, "kind", json_string(s.kind));
  json_object_set_new(j, "arithmetic", text(s.arithmetic));
  return j;
}

static json_t *difference(const mc_network *n, int i, const diff *d) {
  json_t *j = describe(n, i);
  json_object_set_new(j, "elements", integer(d->n));
  json_object_set_new(j, "differ", integer(d->differ));
  json_object_set_new(j, "beyond", integer(d->beyond));
  json_object_set_new(j, "max_abs", number(d->max_abs));
  json_object_set_new(j, "max_rel", number(d->max_rel));
  json_object_set_new(j, "max_ulp", number(d->max_ulp));
  json_object_set_new(j, "worst_sample", d->differ ? integer(d->at) : json_null());
  json_object_set_new(j, "relative_l2", number(diff_relative_l2(d)));
  json_object_set_new(j, "snr_db", number(diff_snr(d)));
  json_object_set_new(j, "top1_same", d->tops ? integer(d->top_same) : json_null());
  json_object_set_new(j, "top1_samples", d->tops ? integer(d->tops) : json_null());
  return j;
}

bool json_compare(tool *t, const char *path, json_side first, json_side second, const char *verdict,
                  int64_t samples, const mc_network *a, const diff *d) {
  json_t *j = json_object(), *outputs = json_array();
  for (int i = 0; i < mc_network_nout(a); i++)
    json_array_append_new(outputs, difference(a, i, &d[i]));
  json_object_set_new(j, "schema", json_string("mc-run/1"));
  json_object_set_new(j, "version", json_string(mc_version()));
  json_object_set_new(j, "first", side(first));
  json_object_set_new(j, "second", side(second));
  json_object_set_new(j, "samples", integer(samples));
  json_object_set_new(j, "verdict", json_string(verdict));
  json_object_set_new(j, "outputs", outputs);
  return write(t, j, path);
}

/* ---- runs ---- */
json_runs *json_runs_begin(tool *t, const char *file, const mc_network *n) {
  json_runs *j = MC_NEW(t->arena, json_runs);
  mc_layers l = mc_network_layers(n);
  *j = (json_runs){ t, n, json_object(), json_array() };
  json_object_set_new(j->root, "schema", json_string("mc-run/1"));
  json_object_set_new(j->root, "version", json_string(mc_version()));
  json_object_set_new(j->root, "first",
                      side((json_side){ file, mc_network_kind(n), mc_layers_text(&l) }));
  json_t *outputs = json_array();
  for (int i = 0; i < mc_network_nout(n); i++) json_array_append_new(outputs, describe(n, i));
  json_object_set_new(j->root, "outputs", outputs);
  return j;
}

void json_runs_add(json_runs *j, void *const *out) {
  json_t *run = json_array();
  for (int i = 0; i < mc_network_nout(j->n); i++)
    json_array_append_new(run, values(mc_network_out_type(j->n, i), out[i]));
  json_array_append_new(j->results, run);
}

bool json_runs_end(json_runs *j, const char *path, int64_t samples, const char *output) {
  json_object_set_new(j->root, "samples", integer(samples));
  json_object_set_new(j->root, "output", text(output));
  json_object_set_new(j->root, "results", j->results);
  return write(j->t, j->root, path);
}
