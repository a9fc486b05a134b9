/* Samples from standard input through net, results to standard output; for machines that run under
 * an emulator. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  void *arena = aligned_alloc(NET_ARENA_ALIGN, (NET_ARENA_BYTES + NET_ARENA_ALIGN - 1) /
                                                   NET_ARENA_ALIGN * NET_ARENA_ALIGN);
  void *in = malloc(IN_BYTES), *out = malloc(OUT_BYTES);
  if (!arena || !in || !out) return 2;
  while (fread(in, IN_BYTES, 1, stdin) == 1)
    if (net_call((void *[]){ in, out }, arena) || fwrite(out, OUT_BYTES, 1, stdout) != 1) return 1;
  return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
