/* Two threads with an arena each run net side by side and get the bytes of a run alone. */
#include "net.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 50 };

static unsigned char expected[8][OUT_BYTES];

static void fill(unsigned char *in, int k) {
  for (size_t i = 0; i < IN_BYTES; i += 4) {
    float x = (float)((i / 4 + (size_t)k * 17) % 251) / 125.0f - 1.0f;
    memcpy(in + i, &x, 4);
  }
}

static int run(int k, unsigned char *out, void *arena) {
  unsigned char *in = malloc(IN_BYTES);
  fill(in, k);
  int rc = net_call((void *[]){ in, out }, arena);
  free(in);
  return rc;
}

static void *worker(void *bad) {
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES);
  unsigned char *out = malloc(OUT_BYTES);
  for (int i = 0; i < RUNS; i++)
    if (run(i % 8, out, arena) || memcmp(out, expected[i % 8], OUT_BYTES)) *(int *)bad = 1;
  free(out);
  free(arena);
  return NULL;
}

int main(void) {
  static int bad[2];
  pthread_t t[2];
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES);
  for (int k = 0; k < 8; k++)
    if (run(k, expected[k], arena)) return 1;
  for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, worker, &bad[i]);
  for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
  if (bad[0] || bad[1]) return printf("threads disturb each other\n"), 1;
  printf("ok\n");
  return 0;
}
