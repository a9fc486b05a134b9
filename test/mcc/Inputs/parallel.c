/* PREFIX_run_parallel with three parallel_fors. */
#include "net.h"
#include "mcrt.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float in[IN_BYTES / 4];
static unsigned char expected[OUT_BYTES], out[OUT_BYTES];
static int most, calls;

static void loop(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg) {
  calls++;
  if (ctx != &calls) abort();
  if (ntasks > most) most = ntasks;
  for (int i = ntasks; i-- > 0;) task(arg, i);
}

typedef struct one {
  void (*task)(void *arg, int i);
  void *arg;
  int i;
} one;

static void *start(void *p) {
  one *o = p;
  o->task(o->arg, o->i);
  return NULL;
}

static void threads(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg) {
  pthread_t t[NET_THREADS];
  one o[NET_THREADS];
  (void)ctx;
  for (int i = 0; i < ntasks; i++) {
    o[i].task = task, o[i].arg = arg, o[i].i = i;
    if (pthread_create(&t[i], NULL, start, &o[i])) abort();
  }
  for (int i = 0; i < ntasks; i++) pthread_join(t[i], NULL);
}

static int check(const char *what, void *arena, mc_parallel_for *pf, void *ctx) {
  memset(out, 0xa5, sizeof out);
  memset(arena, 0xa5, NET_ARENA_BYTES);
  int bad = net_run_parallel(in, (float *)out, arena, pf, ctx) || memcmp(out, expected, sizeof out);
  printf("%s %s\n", what, bad ? "differs" : "ok");
  return bad;
}

int main(void) {
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES);
  mcrt_pool *pool;
  for (int i = 0; i < IN_BYTES / 4; i++) in[i] = (float)(i * 17 % 251) / 125.0f - 1.0f;
  if (net_run(in, (float *)expected, arena) || mcrt_pool_create(&pool, 3)) return 1;
  int bad = 0;
  loop(&calls, 0, NULL, NULL);
  bad |= net_run_parallel(in, (float *)out, arena, loop, &calls);
  printf("tasks of %d\n", most);
  bad |= check("loop", arena, loop, &calls) | check("threads", arena, threads, NULL);
  for (int i = 0; i < 20 && !bad; i++)
    bad = net_run_parallel(in, (float *)out, arena, mcrt_parallel_for, pool) ||
          memcmp(out, expected, sizeof out);
  bad |= check("pool", arena, mcrt_parallel_for, pool);
  mcrt_pool_destroy(pool);
  free(arena);
  return bad;
}
