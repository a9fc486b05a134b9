/* pair: times compiled objects that take the same inputs, in alternation, on one pinned thread.
 *
 *   pair [-fifo] [-cpu N] [-seconds S] A.so B.so ...  shared libraries made of mcc's objects with
 *     -name=net
 *
 * Prints one line: the minimum and the median of a run in microseconds for each library.  Sizes
 * come from net_info. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_NETS = 8, MAX_IO = 64, MAX_SAMPLES = 4000 };

typedef struct net {
  int (*call)(void *const *io, void *arena);
  void *io[MAX_IO], *arena;
  double s[MAX_SAMPLES];
  int n, runs;
} net;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t bytes_of(const char *line) { /* "in NAME TYPE SCALE ZERO DIMS" */
  char type[8];
  int at = 0;
  if (sscanf(line, "%*s %*s %7s %*s %*s%n", type, &at) < 1) exit(2);
  size_t n = strchr(type, '8') || type[0] == 'b' ? 1
             : strstr(type, "16")                ? 2
             : strstr(type, "64")                ? 8
                                                 : 4;
  for (char *p = (char *)(size_t)line + at; *p == ' ';) n *= strtoul(p, &p, 10);
  return n;
}

static void *bytes(size_t n, unsigned seed, int floats) {
  static size_t shift; /* large blocks begin at the same place of a page, where loads would wait for
                          unrelated stores */
  shift = (shift + 832) % 4096;
  unsigned char *p = aligned_alloc(4096, (n + shift + 8191) / 4096 * 4096);
  p += shift;
  for (size_t i = 0; i < n; i++)
    p[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
  for (size_t i = 0; floats && i < n / 4; i++) ((float *)(void *)p)[i] = (float)p[4 * i] / 64 - 2;
  return p;
}

static int load(net *t, const char *file) {
  void *h = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  const char *info = h ? dlsym(h, "net_info") : NULL;
  if (!h || !info) return fprintf(stderr, "pair: %s\n", dlerror()), 0;
  *(void **)&t->call = dlsym(h, "net_call");
  int n = 0;
  for (const char *p = info; p; p = strchr(p, '\n')) {
    p += *p == '\n';
    if (!strncmp(p, "arena ", 6)) t->arena = bytes(strtoul(p + 6, NULL, 10), 1, 0);
    if (!strncmp(p, "in ", 3) || !strncmp(p, "out ", 4))
      t->io[n] = bytes(bytes_of(p), 7, strstr(p, " f32 ") != NULL), n++;
  }
  return t->call != NULL;
}

static double timed(net *t, int runs) {
  double t0 = now();
  for (int i = 0; i < runs; i++) t->call(t->io, t->arena);
  return (now() - t0) / runs;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  static net nets[MAX_NETS];
  double seconds = 1;
  int cpu = 0, fifo = 0, n = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-fifo"))
      fifo = 1;
    else if (!strcmp(argv[i], "-cpu") && i + 1 < argc)
      cpu = atoi(argv[++i]);
    else if (!strcmp(argv[i], "-seconds") && i + 1 < argc)
      seconds = atof(argv[++i]);
    else if (n == MAX_NETS || !load(&nets[n++], argv[i]))
      return 1;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) perror("pair: sched_setaffinity");
  struct sched_param p = { .sched_priority = 5 };
  if (fifo && sched_setscheduler(0, SCHED_FIFO, &p)) perror("pair: -fifo");
  for (int i = 0; i < n; i++) {
    timed(&nets[i], 3);
    double t = timed(&nets[i], 1);
    nets[i].runs = t > 2e-4 ? 1 : (int)(2e-4 / (t + 1e-9)) + 1;
  }
  for (double end = now() + seconds; now() < end && nets[0].n < MAX_SAMPLES;)
    for (int i = 0; i < n; i++) {
      timed(&nets[i], 1);
      nets[i].s[nets[i].n++] = timed(&nets[i], nets[i].runs);
    }
  for (int i = 0; i < n; i++) {
    qsort(nets[i].s, (size_t)nets[i].n, sizeof(double), by_value);
    printf("%s%.4f %.4f", i ? "  " : "", 1e6 * nets[i].s[0], 1e6 * nets[i].s[nets[i].n / 2]);
  }
  printf("\n");
  return 0;
}
