/* Time, calmness, order statistics. */
#include "compare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double now(void) { return seconds(CLOCK_MONOTONIC); }

double cpu_now(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }

typedef float vec __attribute__((vector_size(32)));

enum { CHAINS = 12, STEPS = 2000 };

double calm_probe(void) {
  vec acc[CHAINS] = { 0 }, a, b;
  for (int i = 0; i < 8; i++) a[i] = 0.999f, b[i] = 1e-3f;
  __asm__ volatile("" : "+x"(a), "+x"(b));
  double t0 = now();
  for (int s = 0; s < STEPS; s++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) acc[i] = acc[i] * a + b;
  }
  for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(acc[i]));
  return 16e-9 * CHAINS * STEPS / (now() - t0);
}

static void *must(void *p) {
  if (!p) {
    fprintf(stderr, "compare: out of memory\n");
    exit(70);
  }
  return p;
}

void samples_add(samples *s, double t, bool calm) {
  if (s->ncalm + s->nbusy == s->cap) {
    s->cap = s->cap ? 2 * s->cap : 1024;
    s->calm = must(realloc(s->calm, s->cap * sizeof *s->calm));
    s->busy = must(realloc(s->busy, s->cap * sizeof *s->busy));
  }
  if (calm)
    s->calm[s->ncalm++] = t;
  else
    s->busy[s->nbusy++] = t;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

summary samples_summary(samples *s) {
  summary r = { .n = s->ncalm, .nbusy = s->nbusy, .gated = s->ncalm >= 5 };
  size_t total = s->ncalm + s->nbusy, n = r.gated ? s->ncalm : total;
  if (!total) return r;
  double *v = must(malloc(total * sizeof *v));
  if (s->ncalm) memcpy(v, s->calm, s->ncalm * sizeof *v);
  if (s->nbusy) memcpy(v + s->ncalm, s->busy, s->nbusy * sizeof *v);
  r.min = v[0];
  for (size_t i = 1; i < total; i++)
    if (v[i] < r.min) r.min = v[i];
  qsort(v, n, sizeof *v, by_value);
  r.p10 = v[n / 10];
  r.median = v[n / 2];
  r.p90 = v[n * 9 / 10];
  free(v);
  return r;
}
