/* samples IN OUT: runs net_call on each sample of IN (raw bytes, IN_BYTES each) and appends its
 * output to OUT. Has one input and one output. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL, *out = in ? fopen(argv[2], "wb") : NULL;
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES), *x = malloc(IN_BYTES),
       *y = malloc(OUT_BYTES);
  if (!out || !arena) return 2;
  while (fread(x, IN_BYTES, 1, in) == 1)
    if (net_call((void *[]){ x, y }, arena) != 0 || fwrite(y, OUT_BYTES, 1, out) != 1) return 1;
  return fclose(out) != 0;
}
