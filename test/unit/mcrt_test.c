// RUN: %unit/mcrt_test
/* The pool: every task once, what tasks write is seen, errors, and no time spent while idle. */
#include "check.h"
#include "mcrt.h"
#include <errno.h>
#include <string.h>
#include <time.h>

enum { MOST = 300 };

typedef struct job {
  int count[MOST], seen[MOST];
  long sum;
} job; /* plain memory: the pool has to order it */

static void count_task(void *arg, int i) {
  job *j = arg;
  j->count[i]++;
  j->seen[i] = j->sum != 0;
}

static void many_sizes(mcrt_pool *p) {
  static job j;
  for (int round = 0; round < 2000; round++) {
    int n = round % 7 == 0 ? round % MOST : round % 9;
    memset(&j, 0, sizeof j);
    j.sum = round + 1;
    mcrt_parallel_for(p, n, count_task, &j);
    int wrong = 0;
    for (int i = 0; i < MOST; i++) wrong += j.count[i] != (i < n) || j.seen[i] != (i < n);
    CHECK(wrong == 0);
    if (wrong) return;
  }
}

/* Steps that need the one before: task i reads what its neighbours wrote. */
typedef struct chain {
  long *from, *to;
  int n;
} chain;

static void chain_task(void *arg, int i) {
  chain *c = arg;
  c->to[i] = c->from[i] + c->from[(i + 1) % c->n];
}

static void steps(mcrt_pool *p) {
  long a[8] = { 1, 0, 0, 0, 0, 0, 0, 0 }, b[8] = { 0 }, sum = 0;
  chain c = { a, b, 8 };
  for (int s = 0; s < 40; s++) {
    mcrt_parallel_for(p, 8, chain_task, &c);
    long *t = c.from;
    c.from = c.to;
    c.to = t;
  }
  for (int i = 0; i < 8; i++) sum += c.from[i];
  CHECK(sum == 1l << 40); /* each step doubles the sum */
}

static double process_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_ms(int ms) { nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000l }, NULL); }

static void idle_takes_no_time(mcrt_pool *p) {
  static job j;
  mcrt_parallel_for(p, 4, count_task, &j);
  sleep_ms(20); /* the last look for work is over */
  double least = 1;
  for (int i = 0; i < 10 && least >= 0.002;
       i++) { /* other libraries' threads may be awake for a while after the start */
    double before = process_seconds();
    sleep_ms(200);
    double used = process_seconds() - before;
    if (used < least) least = used;
  }
  CHECK(least < 0.002);
  memset(&j, 0, sizeof j);
  mcrt_parallel_for(p, 4, count_task, &j); /* and it wakes up again */
  CHECK(j.count[0] == 1 && j.count[3] == 1);
}

int main(void) {
  mcrt_pool *p = (mcrt_pool *)&p;
  CHECK(mcrt_pool_create(&p, 0) == EINVAL && !p);
  CHECK(mcrt_pool_create(&p, -1) == EINVAL && !p);
  CHECK(mcrt_pool_create(&p, MCRT_MAX_THREADS + 1) == EINVAL && !p);
  mcrt_pool_destroy(NULL);
  many_sizes(NULL);
  static const int threads[] = { 1, 2, 3, 7 };
  for (int i = 0; i < 4; i++) {
    CHECK(mcrt_pool_create(&p, threads[i]) == 0);
    CHECK(mcrt_pool_threads(p) == threads[i]);
    many_sizes(p);
    steps(p);
    idle_takes_no_time(p);
    mcrt_pool_destroy(p);
  }
  for (int i = 0; i < 50; i++) { /* destroyed while its threads are only just starting */
    CHECK(mcrt_pool_create(&p, 3) == 0);
    mcrt_pool_destroy(p);
  }
  return CHECK_DONE();
}
