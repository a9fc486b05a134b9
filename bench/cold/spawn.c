/* spawn [-cpu N] [-fifo] [-runs N] COMMAND ...: runs programs in alternation, each a fresh process,
 * and prints a line for each: from exec to the first result (median, min, p90 in ms), most resident
 * memory in KiB (median), page faults without input or output (median). A command is one word with
 * blanks; it prints what report.h says. */
#define _GNU_SOURCE
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 16 };

typedef struct program {
  char *word[MAX_WORDS + 1];
  const char *name;
  double *ms, *kib, *faults;
} program;

extern char **environ;

static int fail(const char *what) {
  perror(what);
  exit(1);
}

static double clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The child's output is a pipe. */
static pid_t start(program *p, int *from) {
  int ends[2];
  pid_t pid;
  posix_spawn_file_actions_t a;
  if (pipe(ends)) fail("pipe");
  posix_spawn_file_actions_init(&a);
  posix_spawn_file_actions_adddup2(&a, ends[1], 1);
  posix_spawn_file_actions_addclose(&a, ends[0]);
  if (posix_spawn(&pid, p->word[0], &a, NULL, p->word, environ)) fail(p->word[0]);
  posix_spawn_file_actions_destroy(&a);
  close(ends[1]);
  *from = ends[0];
  return pid;
}

static void run(program *p, int at) {
  char text[256];
  int from, status;
  struct rusage used;
  double t0 = clock_ns();
  pid_t pid = start(p, &from);
  ssize_t n = 0, k;
  while ((k = read(from, text + n, sizeof text - 1 - (size_t)n)) > 0) n += k;
  text[n] = 0;
  close(from);
  if (wait4(pid, &status, 0, &used) != pid || status)
    exit(fprintf(stderr, "%s: failed\n", p->name) > 0);
  char *end;
  p->ms[at] = (strtod(text, &end) - t0) * 1e-6;
  p->kib[at] = strtod(end, NULL);
  p->faults[at] = (double)used.ru_minflt;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print(const program *p, int n) {
  qsort(p->ms, (size_t)n, sizeof(double), by_value);
  qsort(p->kib, (size_t)n, sizeof(double), by_value);
  qsort(p->faults, (size_t)n, sizeof(double), by_value);
  printf("%.3f %.3f %.3f %.0f %.0f %s\n", p->ms[n / 2], p->ms[0], p->ms[n * 9 / 10], p->kib[n / 2],
         p->faults[n / 2], p->name);
}

static void settle(int cpu, int fifo) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (cpu >= 0 && sched_setaffinity(0, sizeof set, &set)) fail("-cpu");
  struct sched_param top = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };
  if (fifo && sched_setscheduler(0, SCHED_FIFO, &top)) fail("-fifo");
}

int main(int argc, char **argv) {
  int runs = 30, cpu = -1, fifo = 0, i = 1;
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (strcmp(argv[i], "-fifo") == 0)
      fifo = 1;
    else if (strcmp(argv[i], "-cpu") == 0 && i + 1 < argc)
      cpu = atoi(argv[++i]);
    else if (strcmp(argv[i], "-runs") == 0 && i + 1 < argc)
      runs = atoi(argv[++i]);
    else
      return fprintf(stderr, "usage: spawn [-cpu N] [-fifo] [-runs N] COMMAND ...\n"), 2;
  }
  if (runs < 1 || runs > 10000) return fprintf(stderr, "spawn: -runs from 1 to 10000\n"), 2;
  int n = argc - i;
  program *p = calloc((size_t)n + 1, sizeof *p);
  for (int k = 0; k < n; k++) {
    int words = 0;
    p[k].name = strdup(argv[i + k]);
    for (char *w = strtok(argv[i + k], " "); w && words < MAX_WORDS; w = strtok(NULL, " "))
      p[k].word[words++] = w;
    p[k].ms = calloc((size_t)runs, sizeof(double));
    p[k].kib = calloc((size_t)runs, sizeof(double));
    p[k].faults = calloc((size_t)runs, sizeof(double));
    run(&p[k], 0); /* brings files into the page cache */
  }
  settle(cpu, fifo);
  for (int r = 0; r < runs; r++)
    for (int k = 0; k < n; k++) run(&p[k], r);
  for (int k = 0; k < n; k++) print(&p[k], runs);
  return 0;
}
