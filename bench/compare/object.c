/* A compiled network: a shared library of mcc's object and net_entry.c. */
#include "compare.h"
#include "mcrt.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct object {
  runner *r;
  int (*run)(const float *, float *, void *);
  int (*parallel)(const float *, float *, void *, mc_parallel_for *, void *);
  mcrt_pool *pool;
  void *arena;
} object;

static bool run(void *state) {
  object *o = state;
  int rc = o->pool ? o->parallel(o->r->in, o->r->out, o->arena, mcrt_parallel_for, o->pool)
                   : o->run(o->r->in, o->r->out, o->arena);
  if (rc) fprintf(stderr, "compare: the object returned %d\n", rc);
  return rc == 0;
}

static float *floats(size_t n) { return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64); }

bool object_open(runner *r, const char *file,
                 const setup *s) { /* an object has its batch built in */
  double t0 = now();
  void *h = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  object *o = calloc(1, sizeof *o);
  if (!h || !o) {
    fprintf(stderr, "compare: %s\n", h ? "out of memory" : dlerror());
    return false;
  }
  const size_t *in = dlsym(h, "bench_in_elems"), *out = dlsym(h, "bench_out_elems"),
               *arena = dlsym(h, "bench_arena_bytes");
  *(void **)&o->run = dlsym(h, "bench_run");
  if (s->pool) *(void **)&o->parallel = dlsym(h, "bench_run_parallel");
  o->pool = s->pool;
  if (!in || !out || !arena || !o->run || (s->pool && !o->parallel)) {
    fprintf(stderr, "compare: %s: not made from net_entry.c\n", file);
    return false;
  }
  *r = (runner){ .state = o,
                 .run = run,
                 .in_elems = *in,
                 .out_elems = *out,
                 .in = floats(*in),
                 .out = floats(*out) };
  o->r = r;
  o->arena = aligned_alloc(64, (*arena + 127) / 64 * 64);
  r->open_seconds = now() - t0;
  return r->in && r->out && o->arena;
}
