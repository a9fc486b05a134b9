#include "bench.h"
#include <stdlib.h>
#include <time.h>

enum { MAX_SAMPLES = 100000, PROBE_EVERY = 64 };
static const double shortest_sample = 20e-6;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A dependent chain of multiplications: its time changes only with the clock and with who else is on the core. */
static double probe(bench_result *r) {
  volatile uint64_t sink;
  uint64_t x = 88172645463325252u;
  double t0 = now();
  for (int i = 0; i < 30000; i++) x = x * 6364136223846793005u + 1442695040888963407u;
  sink = x;
  (void)sink;
  double t = now() - t0;
  if (r->probe_min <= 0 || t < r->probe_min) r->probe_min = t;
  if (t > r->probe_max) r->probe_max = t;
  return t;
}

static int repeat(const bench *b, void *arena, int n, double *seconds) {
  double t0 = now();
  for (int i = 0; i < n; i++) {
    int rc = mc_jit_run(b->jit, b->in, b->out, arena);
    if (rc) return rc;
  }
  *seconds = now() - t0;
  return 0;
}

/* Warm caches, clock and page tables, and find how many runs make a sample. */
static int warm_up(const bench *b, void *arena, int *batch) {
  double t, spent = 0, best = 1e9, limit = b->seconds < 0.5 ? b->seconds / 5 : 0.1;
  do {
    int rc = repeat(b, arena, 1, &t);
    if (rc) return rc;
    spent += t;
    if (t < best) best = t;
  } while (spent < limit);
  *batch = best >= shortest_sample ? 1 : (int)(shortest_sample / (best > 1e-9 ? best : 1e-9)) + 1;
  return 0;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int bench_run(const bench *b, bench_result *r) {
  *r = (bench_result){ 0 };
  double *sample = MC_NEWN(b->arena, double, MAX_SAMPLES);
  void *arena = mc_arena_alloc(b->arena, (size_t)mc_jit_arena_bytes(b->jit) + 64);   /* blocks of 64 bytes and more are aligned to 64 */
  int rc = warm_up(b, arena, &r->batch);
  if (rc) return rc;
  double end = now() + b->seconds, t;
  do {
    if (r->samples % PROBE_EVERY == 0) probe(r);
    if ((rc = repeat(b, arena, r->batch, &t))) return rc;
    sample[r->samples++] = t / r->batch;
  } while (now() < end && r->samples < MAX_SAMPLES);
  probe(r);
  qsort(sample, (size_t)r->samples, sizeof *sample, by_value);
  r->min = sample[0];
  r->median = sample[r->samples / 2];
  r->p90 = sample[(int)((double)(r->samples - 1) * 0.9)];
  return 0;
}
