/* Runs net with an arena, inputs and outputs between canaries: nothing outside is written, nothing depends on what was in the arena, and the arena is used to its end. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 4096, SLACK = 64, ALIGN = NET_ARENA_ALIGN };
typedef struct guarded { unsigned char *block, *data; size_t size; } guarded;

static guarded make(size_t size) {
  guarded g = { aligned_alloc(ALIGN, (size + 2 * GUARD + ALIGN - 1) / ALIGN * ALIGN), NULL, size };
  if (!g.block) exit(2);
  g.data = g.block + GUARD;
  memset(g.block, 0xa5, size + 2 * GUARD);
  return g;
}
static void check(const guarded *g, const char *what) {
  for (size_t i = 0; i < GUARD; i++) {
    if (g->block[i] != 0xa5) printf("%s: byte %zu in front was written\n", what, GUARD - i), exit(1);
    if (g->data[g->size + i] != 0xa5) printf("%s: byte %zu behind was written\n", what, i), exit(1);
  }
}

int main(void) {
  guarded arena = make(NET_ARENA_BYTES), in = make(IN_BYTES), out = make(OUT_BYTES);
  unsigned char *first = malloc(OUT_BYTES), *touched = calloc(NET_ARENA_BYTES, 1);
  for (size_t i = 0; i < IN_BYTES; i += 4) {
    float x = (float)(i / 4 % 251) / 125.0f - 1.0f;
    memcpy(in.data + i, &x, 4);
  }
  for (int pattern = 0; pattern < 2; pattern++) {
    memset(arena.data, pattern ? 0xff : 0, NET_ARENA_BYTES);
    memset(out.data, pattern ? 0 : 0xff, OUT_BYTES);
    void *io[2] = { in.data, out.data };
    int rc = net_call(io, arena.data);
    if (rc) return printf("rc %d\n", rc), 1;
    check(&arena, "arena");
    check(&in, "input");
    check(&out, "output");
    if (pattern == 0) memcpy(first, out.data, OUT_BYTES);
    else if (memcmp(first, out.data, OUT_BYTES)) return printf("the result depends on what was in the arena\n"), 1;
    for (size_t i = 0; i < NET_ARENA_BYTES; i++) touched[i] |= arena.data[i] != (pattern ? 0xff : 0);
  }
  size_t end = NET_ARENA_BYTES;
  while (end && !touched[end - 1]) end--;
  if (NET_ARENA_BYTES - end >= SLACK + ALIGN) return printf("the last %zu bytes of the arena are never used\n", NET_ARENA_BYTES - end), 1;
  printf("ok\n");
  return 0;
}
