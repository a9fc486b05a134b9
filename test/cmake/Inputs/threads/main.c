#include "mcrt.h"
#include "net.h"
#include <stdio.h>
#include <string.h>

int main(void) {
  static _Alignas(NET_ARENA_ALIGN) unsigned char arena[NET_ARENA_BYTES];
  static float in[NET_X_ELEMS], one[NET_OUT0_ELEMS], two[NET_OUT0_ELEMS];
  mcrt_pool *pool;
  for (int i = 0; i < NET_X_ELEMS; i++) in[i] = (float)(i % 7) - 3;
  if (mcrt_pool_create(&pool, NET_THREADS)) return 2;
  if (net_run(in, one, arena) || net_run_parallel(in, two, arena, mcrt_parallel_for, pool))
    return 3;
  mcrt_pool_destroy(pool);
  printf("%d threads: %s\n", NET_THREADS, memcmp(one, two, sizeof one) ? "different" : "equal");
  return 0;
}
