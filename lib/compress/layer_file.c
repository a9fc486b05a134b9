#include "layer_file.h"
#include "mc/analysis/channels.h"
#include "mc/import/npy.h"
#include "mc/support/suggest.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool mc_layer_file_fail(const mc_layer_file *f, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return mc_error(f->cx->diag, f->cx->loc, "%s: %s: %s", f->option, f->path, text);
}

const char *mc_layer_shape_text(const mc_layer_file *f, int rank, const int64_t *dim) {
  const char *text = "";
  for (int i = 0; i < rank; i++)
    text = mc_arena_printf(f->cx->scratch, "%s%s%lld", text, i ? ", " : "", (long long)dim[i]);
  return mc_arena_printf(f->cx->scratch, "[%s]", text);
}

/* ---- .npz ---- */

static bool number(const mc_npy *a, int64_t i, double *x) {
  switch (a->dtype) {
  case MC_f32: *x = (double)((const float *)a->data)[i]; return true;
  case MC_f64: *x = ((const double *)a->data)[i]; return true;
  case MC_i64: *x = (double)((const int64_t *)a->data)[i]; return true;
  case MC_i32: *x = ((const int32_t *)a->data)[i]; return true;
  case MC_i8: *x = ((const int8_t *)a->data)[i]; return true;
  case MC_u8:
  case MC_bool: *x = ((const uint8_t *)a->data)[i]; return true;
  default: return false;
  }
}

static bool read_array(mc_layer_file *f, mc_npz *z, int i) {
  mc_npy a;
  mc_arena *m = f->cx->scratch;
  const char *name = mc_npz_name(z, i);
  if (!mc_npz_read(z, name, &a, m, f->cx->diag, f->cx->loc)) return false;
  mc_layer_array *v = &f->v[f->n++];
  *v = (mc_layer_array){ .name = mc_arena_strdup(m, name), .rank = a.rank, .n = 1 };
  memcpy(v->dim, a.dim, sizeof v->dim);
  for (int d = 0; d < a.rank; d++) v->n *= a.dim[d];
  double *x = MC_NEWN(m, double, v->n + 1);
  for (int64_t k = 0; k < v->n; k++)
    if (!number(&a, k, &x[k]))
      return mc_layer_file_fail(f,
                                "array '%s' has elements of type %s; f32, f64, i8, u8, i32, i64 "
                                "and bool are read",
                                name, mc_dtype_names[a.dtype]);
  v->x = x;
  return true;
}

static bool read_npz(mc_layer_file *f) {
  mc_npz *z = mc_npz_open(f->path, f->cx->diag, f->cx->loc);
  if (!z) return false;
  bool ok = true;
  f->v = MC_NEWN(f->cx->scratch, mc_layer_array, mc_npz_count(z) + 1);
  for (int i = 0; ok && i < mc_npz_count(z); i++) ok = read_array(f, z, i);
  mc_npz_close(z);
  return ok;
}

/* ---- .json ---- */

/* The shape of a list of lists, by its first elements. False: no list, or too deep. */
static bool shape_of(const json_t *list, mc_layer_array *v) {
  v->n = 1;
  for (v->rank = 0; json_is_array(list); v->rank++) {
    if (v->rank == MC_MAX_RANK) return false;
    v->dim[v->rank] = (int64_t)json_array_size(list);
    v->n *= v->dim[v->rank];
    list = json_array_get(list, 0);
  }
  return v->rank > 0;
}

static bool flatten(const json_t *j, const mc_layer_array *v, int axis, double **x) {
  if (axis == v->rank) {
    if (!json_is_number(j) && !json_is_boolean(j)) return false;
    *(*x)++ = json_is_boolean(j) ? (double)json_is_true(j) : json_number_value(j);
    return true;
  }
  if (!json_is_array(j) || (int64_t)json_array_size(j) != v->dim[axis]) return false;
  for (size_t i = 0; i < json_array_size(j); i++)
    if (!flatten(json_array_get(j, i), v, axis + 1, x)) return false;
  return true;
}

static bool read_list(mc_layer_file *f, const char *name, const json_t *list) {
  mc_arena *m = f->cx->scratch;
  mc_layer_array *v = &f->v[f->n++];
  *v = (mc_layer_array){ .name = mc_arena_strdup(m, name) };
  if (!shape_of(list, v)) return mc_layer_file_fail(f, "'%s' must be a list of numbers", name);
  double *x = MC_NEWN(m, double, v->n + 1);
  v->x = x;
  if (flatten(list, v, 0, &x)) return true;
  if (v->rank == 1) return mc_layer_file_fail(f, "'%s' must be a list of numbers", name);
  return mc_layer_file_fail(f, "'%s' must be lists of numbers, of equal lengths on each axis",
                            name);
}

static bool read_json(mc_layer_file *f) {
  json_error_t e;
  json_t *j = json_load_file(f->path, JSON_REJECT_DUPLICATES, &e), *list;
  if (!j && e.line > 0) return mc_layer_file_fail(f, "line %d: %s", e.line, e.text);
  if (!j) return mc_layer_file_fail(f, "%s", e.text);
  bool ok = json_is_object(j) ||
            mc_layer_file_fail(f, "must be an object: layer names, each with a list of numbers");
  const char *name;
  f->v = MC_NEWN(f->cx->scratch, mc_layer_array, json_object_size(j) + 1);
  json_object_foreach(j, name, list) ok = ok && read_list(f, name, list);
  json_decref(j);
  return ok;
}

bool mc_layer_file_read(mc_layer_file *f) {
  size_t n = strlen(f->path);
  return n > 5 && strcmp(f->path + n - 5, ".json") == 0 ? read_json(f) : read_npz(f);
}

/* ---- layers ---- */

bool mc_layer_named(const mc_node *n, const char *name) {
  return (n->source && strcmp(n->source, name) == 0) ||
         (n->out[0]->name && strcmp(n->out[0]->name, name) == 0);
}

const char *mc_layer_nearest(const mc_layer_file *f, const char *name) {
  const char *best = NULL;
  MC_FOR_NODES (n, f->cx->graph) {
    if (!mc_makes_channels(n)) continue;
    if (n->source) best = mc_suggest_better(name, best, n->source);
    if (n->out[0]->name) best = mc_suggest_better(name, best, n->out[0]->name);
  }
  return best ? mc_arena_printf(f->cx->scratch, "; did you mean '%s'?", best) : "";
}
