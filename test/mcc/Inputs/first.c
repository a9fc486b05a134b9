/* Child processes in which all threads wait and then run net for the first time together. */
#include "net.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, CHILDREN = 40 };

static pthread_barrier_t gate;
static unsigned char out[THREADS][OUT_BYTES];
static int rc[THREADS], level[THREADS];

static void *worker(void *arg) {
  long k = (long)arg;
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES), *in = calloc(1, IN_BYTES);
  pthread_barrier_wait(&gate);
  rc[k] = net_call((void *[]){ in, out[k] }, arena);
  level[k] = net_level();
  free(in);
  free(arena);
  return NULL;
}

static int first_runs(void) {
  pthread_t t[THREADS];
  pthread_barrier_init(&gate, NULL, THREADS);
  for (long k = 0; k < THREADS; k++) pthread_create(&t[k], NULL, worker, (void *)k);
  for (int k = 0; k < THREADS; k++) pthread_join(t[k], NULL);
  for (int k = 0; k < THREADS; k++)
    if (rc[k] || level[k] != level[0] || level[k] < 0 || memcmp(out[k], out[0], OUT_BYTES))
      return 1;
  return 0;
}

int main(void) {
  for (int i = 0; i < CHILDREN; i++) {
    int status;
    pid_t p = fork();
    if (p == 0) _exit(first_runs());
    if (waitpid(p, &status, 0) != p || status) return printf("child %d: %d\n", i, status), 1;
  }
  printf("ok\n");
  return 0;
}
