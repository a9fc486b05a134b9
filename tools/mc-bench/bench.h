/* Timing of a compiled graph. */
#ifndef BENCH_H
#define BENCH_H
#include "mc/codegen/codegen.h"

typedef struct bench { mc_jit *jit; const void *const *in; void **out; double seconds; mc_arena *arena; } bench;
typedef struct bench_result {
  double median, min, p90;          /* seconds of one run */
  int samples, batch;               /* a sample is the mean over `batch` runs, so that the clock's resolution does not show */
  double probe_min, probe_max;      /* seconds of a fixed loop, run around the samples: tells a busy machine from a calm one */
} bench_result;
/* 0, or what the entry returned. */
int bench_run(const bench *b, bench_result *r);
#endif
