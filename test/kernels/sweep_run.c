/* Runs what kernels-sweep --emit=DIR wrote, on the machine that the objects are for: sweep_run
 * DIR/cases.bin. Linked with DIR/c*.o; cases.def comes from DIR. A case with a negative tolerance
 * is left out, and named. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE(id, name, tolerance, arena, nin, nout) int id##_call(void *const *io, void *arena_);
#include "cases.def"
#undef CASE

typedef struct row {
  const char *name;
  double tolerance;
  int64_t arena;
  int nin, nout;
  int (*call)(void *const *io, void *arena);
} row;

static const row rows[] = {
#define CASE(id, name, tolerance, arena, nin, nout)                                                \
  { name, tolerance, arena, nin, nout, id##_call },
#include "cases.def"
};

static void take(void *to, size_t n, FILE *f) {
  if (n && fread(to, n, 1, f) != 1) {
    fprintf(stderr, "the file of cases ends early\n");
    exit(2);
  }
}

static int64_t number(FILE *f) {
  int64_t v = 0;
  take(&v, sizeof v, f);
  return v;
}

static size_t size_of(int kind) { return kind == 4 ? 8 : kind == 1 ? 4 : 2; }

/* 1: f32; 2: bf16 as an f32; 3: f16, where only NaNs matter; 4: f64. */
static double number_at(int kind, const unsigned char *p) {
  uint32_t u = 0;
  double d;
  float x;
  if (kind == 4) {
    memcpy(&d, p, 8);
    return d;
  }
  memcpy(&u, p, size_of(kind));
  if (kind == 2) u <<= 16;
  if (kind == 3) return (u & 0x7fff) > 0x7c00 ? (double)NAN : (double)u;
  memcpy(&x, &u, 4);
  return (double)x;
}

static int differs(const row *r, int kind, const unsigned char *a, const unsigned char *b,
                   int64_t n) {
  if (!kind) return memcmp(a, b, (size_t)n) != 0;
  for (int64_t i = 0, size = (int64_t)size_of(kind); i < n; i += size) {
    double x = number_at(kind, a + i), y = number_at(kind, b + i);
    if (memcmp(a + i, b + i, (size_t)size) == 0 || (x != x && y != y)) continue;
    double room = kind == 2 ? fabs(y) * 0x1p-7 : 0; /* a last place of bf16 */
    if (!(r->tolerance > 0 && fabs(x - y) <= r->tolerance + room)) return 1;
  }
  return 0;
}

static int run(const row *r, FILE *f) {
  void *io[32], *want[32];
  int64_t size[32], kind[32];
  int bad = 0;
  for (int i = 0; i < r->nin + r->nout; i++) {
    size[i] = number(f);
    kind[i] = number(f);
    want[i] = malloc((size_t)size[i] + 1);
    take(want[i], (size_t)size[i], f);
    io[i] = i < r->nin ? want[i] : malloc((size_t)size[i] + 1);
  }
  void *arena = aligned_alloc(64, ((size_t)r->arena + 127) / 64 * 64);
  memset(arena, 0xff, (size_t)r->arena);
  if (r->tolerance < 0)
    printf("%s: left out\n", r->name);
  else
    r->call(io, arena);
  for (int i = r->nin; i < r->nin + r->nout && r->tolerance >= 0; i++)
    bad |= differs(r, (int)kind[i], io[i], want[i], size[i]);
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
  int failed = 0, left = 0, n = (int)(sizeof rows / sizeof *rows);
  if (!f) return 2;
  for (int i = 0; i < n; i++) failed += run(&rows[i], f), left += rows[i].tolerance < 0;
  fclose(f);
  printf("%d of %d cases agree\n", n - failed - left, n - left);
  return failed != 0;
}
