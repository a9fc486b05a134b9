/* Runs net with an arena, inputs and outputs between canaries: nothing outside is written, inputs
 * stay, nothing depends on what was in the arena, and the arena is used to its end. IN_SIZES,
 * OUT_SIZES: lists of bytes. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 4096, SLACK = 64, ALIGN = NET_ARENA_ALIGN };

typedef struct guarded {
  unsigned char *block, *data;
  size_t size;
} guarded;

static const size_t in_size[] = { IN_SIZES }, out_size[] = { OUT_SIZES };

enum { NIN = sizeof in_size / sizeof *in_size, NOUT = sizeof out_size / sizeof *out_size };

static guarded make(size_t size) {
  guarded g = { aligned_alloc(ALIGN, (size + 2 * GUARD + ALIGN - 1) / ALIGN * ALIGN), NULL, size };
  if (!g.block) exit(2);
  g.data = g.block + GUARD;
  memset(g.block, 0xa5, size + 2 * GUARD);
  return g;
}

static void check(const guarded *g, const char *what) {
  for (size_t i = 0; i < GUARD; i++) {
    if (g->block[i] != 0xa5) printf("%s: byte %zu before was written\n", what, GUARD - i), exit(1);
    if (g->data[g->size + i] != 0xa5) printf("%s: byte %zu after was written\n", what, i), exit(1);
  }
}

static float sample(size_t i, int k) { return (float)((i + 31 * (size_t)k) % 251) / 125.0f - 1.0f; }

static guarded arena, in[NIN], out[NOUT];
static unsigned char *first[NOUT], *touched;

static void run(int pattern) {
  void *io[NIN + NOUT];
  for (int k = 0; k < NIN; k++) io[k] = in[k].data;
  for (int k = 0; k < NOUT; k++)
    memset(out[k].data, pattern ? 0 : 0xff, out_size[k]), io[NIN + k] = out[k].data;
  memset(arena.data, pattern ? 0xff : 0, NET_ARENA_BYTES);
  int rc = net_call(io, arena.data);
  if (rc) printf("rc %d\n", rc), exit(1);
  check(&arena, "arena");
  for (int k = 0; k < NIN; k++) check(&in[k], "input");
  for (int k = 0; k < NOUT; k++) {
    check(&out[k], "output");
    if (pattern == 0)
      first[k] = memcpy(malloc(out_size[k]), out[k].data, out_size[k]);
    else if (memcmp(first[k], out[k].data, out_size[k]))
      printf("result %d depends on what was in the arena or in its memory\n", k), exit(1);
  }
  for (size_t i = 0; i < NET_ARENA_BYTES; i++) touched[i] |= arena.data[i] != (pattern ? 0xff : 0);
}

int main(void) {
  arena = make(NET_ARENA_BYTES);
  touched = calloc(NET_ARENA_BYTES + 1, 1);
  for (int k = 0; k < NOUT; k++) out[k] = make(out_size[k]);
  for (int k = 0; k < NIN; k++) {
    in[k] = make(in_size[k]);
    for (size_t i = 0; i + 4 <= in_size[k]; i += 4)
      memcpy(in[k].data + i, &(float){ sample(i / 4, k) }, 4);
  }
  run(0);
  run(1);
  for (int k = 0; k < NIN; k++)
    for (size_t i = 0; i + 4 <= in_size[k]; i += 4)
      if (memcmp(in[k].data + i, &(float){ sample(i / 4, k) }, 4))
        return printf("input %d was written\n", k), 1;
  size_t end = NET_ARENA_BYTES;
  while (end && !touched[end - 1]) end--;
  if (NET_ARENA_BYTES - end >= SLACK + ALIGN)
    return printf("the last %zu bytes of the arena are never used\n", NET_ARENA_BYTES - end), 1;
  printf("ok\n");
  return 0;
}
