/* ONNX Runtime through its C interface.  The npm package ships the library without its header, so
 * the few entries used are declared here: the interface is one table of function pointers whose
 * order never changes, and version 11 of it has all of these. */
#include "compare.h"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { API_VERSION = 11, FLOAT_TENSOR = 1, LOG_ERRORS = 3, ALL_OPTIMIZATIONS = 99 };

enum { /* places in the table */
       GET_ERROR_MESSAGE = 2,
       CREATE_ENV = 3,
       CREATE_SESSION = 7,
       RUN = 9,
       CREATE_SESSION_OPTIONS = 10,
       SET_OPTIMIZATION_LEVEL = 23,
       SET_INTRA_THREADS = 24,
       SET_INTER_THREADS = 25,
       GET_INPUT_TYPE = 33,
       GET_OUTPUT_NAME = 37,
       CREATE_TENSOR_WITH_DATA = 49,
       GET_TENSOR_DATA = 51,
       CAST_TYPE_TO_TENSOR = 55,
       GET_DIM_COUNT = 61,
       GET_DIMS = 62,
       GET_SHAPE_ELEMS = 64,
       GET_TENSOR_SHAPE = 65,
       CREATE_CPU_MEMORY = 69,
       GET_ALLOCATOR = 78,
       SET_DIM_BY_NAME = 124,
       ADD_CONFIG = 130
};

typedef void (*entry)(void);

typedef struct api_base {
  const entry *(*get_api)(uint32_t version);
  const char *(*version)(void);
} api_base;

typedef struct ort {
  const entry *api;
  void *env, *options, *session, *memory, *allocator, *in, *out;
  char *out_name;
} ort;

/* The entry at a place, with its argument types. Every entry used here returns a status: NULL is
 * success. */
#define CALL(o, place, types, args) check((o), ((void *(*)types)(o)->api[place])args, #place)

static bool check(const ort *o, void *status, const char *what) {
  if (!status) return true;
  fprintf(stderr, "compare: ONNX Runtime: %s: %s\n", what,
          ((const char *(*)(void *))o->api[GET_ERROR_MESSAGE])(status));
  return false;
}

static bool run(void *state) {
  ort *o = state;
  const char *in_name = "x";
  return CALL(o, RUN,
              (void *, void *, const char *const *, void *const *, size_t, const char *const *,
               size_t, void **),
              (o->session, NULL, &in_name, &o->in, 1, (const char *const *)&o->out_name, 1,
               &o->out)); /* the first run makes `out`, later ones write into it */
}

static bool load(ort *o, const char *library) {
  void *h = library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
  const api_base *(*get_base)(void) = NULL;
  if (h) *(void **)&get_base = dlsym(h, "OrtGetApiBase");
  if (!get_base) {
    fprintf(stderr, "compare: cannot load ONNX Runtime from '%s': %s\n", library ? library : "",
            h ? "no OrtGetApiBase" : dlerror());
    return false;
  }
  o->api = get_base()->get_api(API_VERSION);
  if (!o->api)
    fprintf(stderr, "compare: ONNX Runtime %s has no interface version %d\n", get_base()->version(),
            API_VERSION);
  return o->api != NULL;
}

static bool open_session(ort *o, const char *file, long batch, int threads) {
  return CALL(o, CREATE_ENV, (int, const char *, void **), (LOG_ERRORS, "compare", &o->env)) &&
         CALL(o, CREATE_SESSION_OPTIONS, (void **), (&o->options)) &&
         CALL(o, SET_OPTIMIZATION_LEVEL, (void *, int), (o->options, ALL_OPTIMIZATIONS)) &&
         CALL(o, SET_INTRA_THREADS, (void *, int), (o->options, threads)) &&
         CALL(o, SET_INTER_THREADS, (void *, int), (o->options, 1)) &&
         CALL(o, SET_DIM_BY_NAME, (void *, const char *, int64_t), (o->options, "N", batch)) &&
         CALL(o, ADD_CONFIG, (void *, const char *, const char *),
              (o->options, "session.force_spinning_stop",
               "1")) && /* after a run its threads leave the cores to the others */
         CALL(o, CREATE_SESSION, (void *, const char *, void *, void **),
              (o->env, file, o->options, &o->session)) &&
         CALL(o, CREATE_CPU_MEMORY, (int, int, void **), (1, 0, &o->memory)) &&
         CALL(o, GET_ALLOCATOR, (void **), (&o->allocator)) &&
         CALL(o, GET_OUTPUT_NAME, (void *, size_t, void *, char **),
              (o->session, 0, o->allocator, &o->out_name));
}

static bool make_input(ort *o, runner *r, long batch) {
  void *type;
  const void *tensor;
  int64_t dims[8];
  size_t rank;
  if (!CALL(o, GET_INPUT_TYPE, (void *, size_t, void **), (o->session, 0, &type)) ||
      !CALL(o, CAST_TYPE_TO_TENSOR, (const void *, const void **), (type, &tensor)) ||
      !CALL(o, GET_DIM_COUNT, (const void *, size_t *), (tensor, &rank)) || rank > 8 ||
      !CALL(o, GET_DIMS, (const void *, int64_t *, size_t), (tensor, dims, rank)))
    return false;
  r->in_elems = 1;
  for (size_t i = 0; i < rank; i++) {
    if (dims[i] < 0) dims[i] = batch;
    r->in_elems *= (size_t)dims[i];
  }
  r->in = aligned_alloc(64, (r->in_elems * sizeof(float) + 63) / 64 * 64);
  if (!r->in) return false;
  memset(r->in, 0, r->in_elems * sizeof(float));
  return CALL(o, CREATE_TENSOR_WITH_DATA,
              (void *, void *, size_t, const int64_t *, size_t, int, void **),
              (o->memory, r->in, r->in_elems * sizeof(float), dims, rank, FLOAT_TENSOR, &o->in));
}

static bool find_output(ort *o, runner *r) {
  void *shape;
  return CALL(o, GET_TENSOR_DATA, (void *, void **), (o->out, (void **)&r->out)) &&
         CALL(o, GET_TENSOR_SHAPE, (void *, void **), (o->out, &shape)) &&
         CALL(o, GET_SHAPE_ELEMS, (const void *, size_t *), (shape, &r->out_elems));
}

bool ort_open(runner *r, const char *file, const setup *s) {
  double t0 = now();
  ort *o = calloc(1, sizeof *o);
  *r = (runner){ .state = o, .run = run };
  if (!o || !load(o, s->library) || !open_session(o, file, s->batch, s->threads) ||
      !make_input(o, r, s->batch) || !run(o) || !find_output(o, r))
    return false;
  r->open_seconds = now() - t0;
  return true;
}
