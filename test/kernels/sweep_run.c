/* Runs what kernels-sweep --emit=DIR wrote, on the machine that the objects are for: sweep_run DIR/cases.bin. Linked with DIR/c*.o; cases.def comes from DIR. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE(id, name, tolerance, arena, nin, nout) int id##_call(void *const *io, void *arena_);
#include "cases.def"
#undef CASE
typedef struct row { const char *name; double tolerance; int64_t arena; int nin, nout; int (*call)(void *const *io, void *arena); } row;
static const row rows[] = {
#define CASE(id, name, tolerance, arena, nin, nout) { name, tolerance, arena, nin, nout, id##_call },
#include "cases.def"
};

static int64_t number(FILE *f) {
  int64_t v = 0;
  if (fread(&v, 8, 1, f) != 1) exit(2);
  return v;
}
static int differs(const row *r, int is_float, const unsigned char *a, const unsigned char *b, int64_t n) {
  if (!is_float) return memcmp(a, b, (size_t)n) != 0;
  for (int64_t i = 0; i < n; i += 4) {
    float x, y;
    memcpy(&x, a + i, 4);
    memcpy(&y, b + i, 4);
    if (memcmp(&x, &y, 4) == 0 || (x != x && y != y)) continue;
    if (!(r->tolerance > 0 && fabs((double)x - (double)y) <= r->tolerance)) return 1;
  }
  return 0;
}
static int run(const row *r, FILE *f) {
  void *io[32], *want[32];
  int64_t size[32], is_float[32];
  int bad = 0;
  for (int i = 0; i < r->nin + r->nout; i++) {
    size[i] = number(f);
    is_float[i] = number(f);
    want[i] = malloc((size_t)size[i] + 1);
    if (fread(want[i], 1, (size_t)size[i], f) != (size_t)size[i]) exit(2);
    io[i] = i < r->nin ? want[i] : malloc((size_t)size[i] + 1);
  }
  void *arena = aligned_alloc(64, ((size_t)r->arena + 127) / 64 * 64);
  memset(arena, 0xa5, (size_t)r->arena);
  r->call(io, arena);
  for (int i = r->nin; i < r->nin + r->nout; i++) bad |= differs(r, (int)is_float[i], io[i], want[i], size[i]);
  for (int i = 0; i < r->nin + r->nout; i++) {
    free(want[i]);
    if (i >= r->nin) free(io[i]);
  }
  free(arena);
  if (bad) printf("%s: differs\n", r->name);
  return bad;
}
int main(int argc, char **argv) {
  FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
  int failed = 0, n = (int)(sizeof rows / sizeof *rows);
  if (!f) return 2;
  for (int i = 0; i < n; i++) failed += run(&rows[i], f);
  fclose(f);
  printf("%d of %d cases agree\n", n - failed, n);
  return failed != 0;
}
