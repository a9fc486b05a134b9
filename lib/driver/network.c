#include "mc/driver/network.h"
#include "mc/driver/compile.h"
#include "mc/driver/driver.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct mc_network {
  mc_arena *arena;
  const char *path;
  const mc_import_args *args; /* of an .onnx; only while it is opened */
  mc_module *module;
  const mc_graph *graph; /* evaluated; NULL: compiled */
  const char *kind;
  mc_jit *jit;
  mc_parallel_for *pf;
  void *ctx; /* NULL: one thread */
  int nin, nout;
  const mc_type **in_type, **out_type;
  const char **in_name, **out_name;
  mc_dataset_input *in;
};

const mc_graph *mc_network_graph(const mc_network *n) { return n->graph; }

const char *mc_network_kind(const mc_network *n) { return n->kind; }

mc_layers mc_network_layers(const mc_network *n) {
  return n->graph ? mc_graph_layers(n->graph) : mc_jit_layers(n->jit);
}

int mc_network_nin(const mc_network *n) { return n->nin; }

int mc_network_nout(const mc_network *n) { return n->nout; }

const mc_type *mc_network_in_type(const mc_network *n, int i) { return n->in_type[i]; }

const mc_type *mc_network_out_type(const mc_network *n, int i) { return n->out_type[i]; }

const mc_dataset_input *mc_network_inputs(const mc_network *n) { return n->in; }

const char *mc_network_in_name(const mc_network *n, int i) { return n->in_name[i]; }

const char *mc_network_out_name(const mc_network *n, int i) { return n->out_name[i]; }

static void make_room(mc_network *n, int nin, int nout) {
  n->nin = nin;
  n->nout = nout;
  n->in_type = MC_NEWN(n->arena, const mc_type *, nin);
  n->in_name = MC_NEWN(n->arena, const char *, nin);
  n->in = MC_NEWN(n->arena, mc_dataset_input, nin);
  n->out_type = MC_NEWN(n->arena, const mc_type *, nout);
  n->out_name = MC_NEWN(n->arena, const char *, nout);
}

static const char *name_or(mc_network *n, const char *name, const char *stem, int i) {
  return name ? name : mc_arena_printf(n->arena, "%s%d", stem, i);
}

/* A value that is two results has two names, as in the header: files of results need them. */
static void name_result(mc_network *n, int i, const char *name) {
  n->out_name[i] = name_or(n, name, "out", i);
  for (int k = 0, copy = 2; k < i; k++) {
    if (strcmp(n->out_name[k], n->out_name[i]) != 0) continue;
    n->out_name[i] = mc_arena_printf(n->arena, "%s_%d", name, copy++);
    k = -1;
  }
}

/* ---- compiled code ---- */
static bool take_jit(mc_network *n, mc_jit *j) {
  if (!j) return false;
  n->jit = j;
  make_room(n, mc_jit_nin(j), mc_jit_nout(j));
  for (int i = 0; i < n->nin; i++)
    n->in_type[i] = mc_jit_in_type(j, i), n->in_name[i] = name_or(n, mc_jit_in_name(j, i), "in", i),
    n->in[i] = (mc_dataset_input){ n->in_type[i], n->in_name[i], mc_jit_in_source(j, i) };
  for (int i = 0; i < n->nout; i++)
    n->out_type[i] = mc_jit_out_type(j, i), name_result(n, i, mc_jit_out_name(j, i));
  return true;
}

static bool open_object(mc_network *n, int threads, mc_diag *d) {
  n->kind = "object";
  if (!take_jit(n, mc_jit_load(n->path, d))) return false;
  return threads == 1 || mc_jit_threads(n->jit) > 1 ||
         mc_error(d, mc_noloc, "%s: the object has no parallel entry; compile with mcc -threads=%d",
                  n->path, threads);
}

static bool open_jit(mc_network *n, int threads, mc_diag *d) {
  mc_compile_opts o = mc_compile_defaults();
  mc_compile_report rep;
  o.pipeline = "dce,from-qdq{integers=false},storage,form-groups";
  o.prefix = "net";
  o.threads = threads;
  o.target = mc_target_find(NULL, "native", n->arena, d);
  n->kind = "jit";
  return o.target && take_jit(n, mc_compile_jit(n->module, &o, &rep, n->arena, d));
}

/* ---- graphs ---- */
static bool load(mc_network *n, mc_diag *d) {
  n->module = mc_driver_load_as(n->path, n->args, d);
  if (n->module && !n->module->graphs) return mc_error(d, mc_noloc, "%s: holds no graph", n->path);
  return n->module != NULL;
}

static bool open_ref(mc_network *n) {
  const mc_graph *g = n->module->graphs;
  n->graph = g;
  n->kind = "reference";
  make_room(n, g->nin, mc_graph_nout(g));
  for (int i = 0; i < n->nin; i++)
    n->in_type[i] = g->in[i]->type, n->in_name[i] = name_or(n, g->in[i]->name, "in", i),
    n->in[i] = (mc_dataset_input){ n->in_type[i], n->in_name[i], g->in[i]->source };
  for (int i = 0; i < n->nout; i++)
    n->out_type[i] = mc_graph_out(g, i)->type, name_result(n, i, mc_graph_out(g, i)->name);
  return true;
}

static bool is_elf(const char *path) {
  char magic[4] = { 0 };
  FILE *f = strcmp(path, "-") ? fopen(path, "rb") : NULL;
  if (!f) return false; /* whoever opens it in earnest reports */
  bool elf = fread(magic, 1, 4, f) == 4 && memcmp(magic, "\177ELF", 4) == 0;
  fclose(f);
  return elf;
}

/* Diagnostics point into the module's text, which is about to go: they get a copy. */
static void keep_text(mc_diag *d, const mc_source *src) {
  mc_source *copy = MC_NEW(d->arena, mc_source);
  *copy = (mc_source){ mc_arena_strdup(d->arena, src->name),
                       mc_arena_strndup(d->arena, src->text, src->size), src->size };
  for (size_t i = 0; i < d->list.n; i++)
    if (d->list.v[i].loc.src == src) d->list.v[i].loc.src = copy;
}

/* An object was imported once for all. */
static bool no_args(const mc_network *n, mc_diag *d) {
  const char *given = n->args ? mc_import_args_given(n->args) : NULL;
  return !given || mc_error(d, mc_noloc,
                            "%s: %s is about how an .onnx file is read, and this is an "
                            "object",
                            n->path, given);
}

mc_network *mc_network_open(const char *path, mc_how how, int threads, mc_diag *d) {
  return mc_network_open_as(path, how, threads, NULL, d);
}

mc_network *mc_network_open_as(const char *path, mc_how how, int threads,
                               const mc_import_args *args, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_network *n = MC_NEW(a, mc_network);
  n->arena = a;
  n->path = mc_arena_strdup(a, path);
  n->args = args;
  bool ok = is_elf(path)
                ? no_args(n, d) && open_object(n, threads, d)
                : load(n, d) && (how == MC_HOW_JIT ? open_jit(n, threads, d) : open_ref(n));
  n->args = NULL;
  if (ok) return n;
  if (n->module && n->module->src && n->module->src->text) keep_text(d, n->module->src);
  mc_network_close(n);
  return NULL;
}

void mc_network_close(mc_network *n) {
  if (!n) return;
  if (n->jit) mc_jit_destroy(n->jit);
  if (n->module) mc_module_destroy(n->module);
  mc_arena_destroy(n->arena);
}

mc_network *mc_network_of(mc_module *m, const char *name, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_network *n = MC_NEW(a, mc_network);
  *n = (mc_network){ .arena = a, .path = mc_arena_strdup(a, name), .module = m };
  if (open_jit(n, 1, d)) return n;
  mc_network_close(n);
  return NULL;
}

mc_dataset *mc_network_data(const mc_network *n, const char *path, const mc_dataset_opts *o,
                            mc_diag *d) {
  return mc_dataset_open_types(path, n->in, n->nin, o, d, mc_noloc);
}

bool mc_network_check_samples(mc_network *n, const char *data, int samples, mc_diag *d) {
  return !n->module || mc_driver_check_samples(n->module, data, samples, d);
}

bool mc_network_set_level(mc_network *n, const char *level, mc_diag *d) {
  if (n->jit) return mc_jit_set_level(n->jit, level, d);
  return mc_error(d, mc_noloc, "level '%s': %s is evaluated, only compiled code has levels", level,
                  n->path);
}

bool mc_network_observe(mc_network *n, const void *const *in, void *const *out,
                        const mc_eval_opts *opts, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_array *x = MC_NEWN(a, mc_array, n->nin), *y = MC_NEWN(a, mc_array, n->nout);
  for (int i = 0; i < n->nin; i++) x[i] = (mc_array){ n->in_type[i], (void *)(uintptr_t)in[i] };
  for (int i = 0; i < n->nout; i++) y[i] = (mc_array){ n->out_type[i], out[i] };
  bool ok = mc_eval_graph(n->graph, x, y, opts, d);
  mc_arena_destroy(a);
  return ok;
}

void mc_network_set_parallel(mc_network *n, mc_parallel_for *pf, void *ctx) {
  n->pf = pf;
  n->ctx = ctx;
}

bool mc_network_run(mc_network *n, const void *const *in, void *const *out, mc_diag *d) {
  if (n->jit) {
    int rc = mc_jit_run_parallel(n->jit, in, out, NULL, n->pf, n->ctx);
    return rc == 0 || mc_error(d, mc_noloc, "%s: the compiled network returned %d", n->path, rc);
  }
  return mc_network_observe(n, in, out, NULL, d);
}

static uint64_t next(uint64_t *s) { /* splitmix64 */
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* f of magnitude 1 at most as f16, rounded toward zero. */
static uint16_t half_of_unit(float f) {
  int e;
  float a = fabsf(f), m = frexpf(a, &e); /* a = m * 2^e, m in [0.5, 1) */
  uint32_t bits = e <= -14 ? (uint32_t)ldexpf(a, 24)
                           : (uint32_t)(e + 14) << 10 | ((uint32_t)(m * 2048.0f) & 1023u);
  return (uint16_t)(bits | (signbit(f) ? 0x8000u : 0u));
}

void mc_network_random(const mc_network *n, int i, uint64_t seed, void *data) {
  const mc_type *t = n->in_type[i];
  uint64_t s = seed * 1000003u + (uint64_t)i;
  size_t size = mc_dtype_size(t->dtype);
  memset(data, 0, (size_t)mc_type_bytes(t));
  for (int64_t k = 0, elems = mc_type_elems(t); k < elems; k++) {
    uint64_t r = next(&s);
    float f = (float)(int64_t)(r >> 40) / 8388608.0f - 1.0f;
    int64_t index = (int64_t)(r & 7);
    if (t->dtype == MC_f32)
      ((float *)data)[k] = f;
    else if (t->dtype == MC_f64)
      ((double *)data)[k] = (double)f;
    else if (t->dtype == MC_bf16)
      ((uint16_t *)data)[k] = mc_fx_bf16(f);
    else if (t->dtype == MC_f16)
      ((uint16_t *)data)[k] = half_of_unit(f);
    else if (t->dtype == MC_bool)
      ((uint8_t *)data)[k] = r & 1;
    else if (mc_type_is_quant(t))
      memcpy((char *)data + (size_t)k * size, &r, size);
    else if (mc_dtype_is_int(t->dtype))
      memcpy((char *)data + (size_t)k * size, &index, size); /* little-endian */
  }
}
