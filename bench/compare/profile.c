/* profile: where the time of a compiled network goes, by sampling: a timer interrupts the runs some
 * thousand times a second and the program counter is noted.  Every group of a network is a function
 * of its own, so layers.py makes a table of layers from it.
 *
 *   profile [-seconds S] [-cpu N] [-fifo] OBJECT.so
 *
 * Prints "run_ms MEDIAN MIN", then lines "OFFSET COUNT": 16 bytes of the library's code from OFFSET
 * on. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "compare.h"
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

enum { BUCKET = 16, BUCKETS = 1 << 20 };

static uintptr_t base; /* of the library; a signal handler has no other way to know */
static unsigned count[BUCKETS];

static uintptr_t program_counter(const ucontext_t *u) {
#if defined __x86_64__
  return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined __aarch64__
  return (uintptr_t)u->uc_mcontext.pc;
#else
#error "profile.c knows x86-64 and AArch64"
#endif
}

static void tick(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  uintptr_t at = (program_counter(context) - base) / BUCKET;
  if (at < BUCKETS) count[at]++;
}

static bool start_ticks(void) {
  struct sigaction a = { .sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART };
  struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF };
  struct itimerspec every = { { 0, 97000 }, { 0, 97000 } }; /* ns; no multiple of anything */
  timer_t t;
  return !sigaction(SIGPROF, &a, NULL) && !timer_create(CLOCK_MONOTONIC, &e, &t) &&
         !timer_settime(t, 0, &every, NULL);
}

static void pin(int cpu, bool fifo) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) perror("profile: sched_setaffinity");
  if (fifo && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 5 }))
    perror("profile: -fifo");
}

static bool time_runs(runner *r, double seconds, samples *s) {
  for (double end = now() + seconds; now() < end || s->ncalm < 3;) {
    double t = now();
    if (!r->run(r->state)) return false;
    if (s) samples_add(s, now() - t, true);
  }
  return true;
}

int main(int argc, char **argv) {
  double seconds = 3;
  const char *file = NULL;
  bool fifo = false;
  int cpu = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-fifo"))
      fifo = true;
    else if (!strcmp(argv[i], "-seconds") && i + 1 < argc)
      seconds = atof(argv[++i]);
    else if (!strcmp(argv[i], "-cpu") && i + 1 < argc)
      cpu = atoi(argv[++i]);
    else
      file = argv[i];
  }
  if (!file) return fprintf(stderr, "usage: profile [-seconds S] [-cpu N] [-fifo] OBJECT.so\n"), 2;
  static runner r;
  static samples plain, sampled;
  Dl_info where;
  pin(cpu, fifo);
  if (!object_open(&r, file, &(setup){ .batch = 1, .threads = 1 })) return 1;
  for (size_t i = 0; i < r.in_elems; i++)
    r.in[i] = (float)(i * 2654435761u >> 8 & 0xffff) * 0x1p-15f - 1;
  if (!dladdr(dlsym(dlopen(file, RTLD_NOW), "bench_run"), &where))
    return fprintf(stderr, "profile: %s has no address\n", file), 1;
  base = (uintptr_t)where.dli_fbase;
  if (!time_runs(&r, seconds / 2, &plain)) return 1;
  if (!start_ticks()) return perror("profile: timer"), 1;
  if (!time_runs(&r, seconds, &sampled)) return 1;
  summary s = samples_summary(&plain);
  printf("run_ms %.6f %.6f\n", s.median * 1e3, s.min * 1e3);
  for (size_t i = 0; i < BUCKETS; i++)
    if (count[i]) printf("%zu %u\n", i * BUCKET, count[i]);
  return 0;
}
