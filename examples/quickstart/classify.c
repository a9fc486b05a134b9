/* Classify the test images with the two compiled networks and print what a user wants to know:
 * accuracy, bytes, time, a few predictions.
 *
 *   cc -O2 -I OUT classify.c OUT/shapes_fp32.o OUT/shapes_int8.o -lzip -o classify && ./classify
 *     test.npz
 *
 * The networks are called through the headers that mcc wrote: no runtime, no allocation but the
 * arenas below. libzip only reads the images. */
#include "shapes_fp32.h"
#include "shapes_int8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <zip.h>

enum { PIXELS = 32 * 32 * 3, CLASSES = 10, SHOWN = 8 };

typedef int network(const uint8_t *image, float *logits, void *arena);

typedef struct result {
  int correct;
  double median_ms;
  int shown[SHOWN];
} result;

static const char *const names[CLASSES] = { "circle", "ring",  "square", "triangle", "star",
                                            "cross",  "arrow", "heart",  "crescent", "hexagon" };
static _Alignas(64) unsigned char arena_fp32[SHAPES_FP32_ARENA_BYTES],
    arena_int8[SHAPES_INT8_ARENA_BYTES];

/* The data of one .npy member of an .npz archive, header skipped; *size is what follows the header.
 */
static unsigned char *read_member(zip_t *z, const char *name, size_t *size) {
  zip_stat_t st;
  zip_file_t *f = zip_stat(z, name, 0, &st) ? NULL : zip_fopen(z, name, 0);
  unsigned char *p = f ? malloc(st.size) : NULL;
  if (!p || zip_fread(f, p, st.size) != (zip_int64_t)st.size || st.size < 12 ||
      memcmp(p, "\x93NUMPY", 6) != 0)
    return NULL;
  zip_fclose(f);
  size_t header = 10 + p[8] + 256u * p[9]; /* npy version 1 */
  *size = st.size - header;
  memmove(p, p + header, *size);
  return p;
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static int best(const float *logits) {
  int k = 0;
  for (int c = 1; c < CLASSES; c++)
    if (logits[c] > logits[k]) k = c;
  return k;
}

/* Every image once for the predictions, then again for the time: the median over all images. */
static result run(network *net, void *arena, const unsigned char *x, const int64_t *y, size_t n) {
  result r = { 0 };
  double *ms = malloc(n * sizeof *ms);
  if (!ms) exit(1);
  for (size_t i = 0; i < 2 * n; i++) {
    float logits[CLASSES];
    double t = now_ms();
    net(x + i % n * PIXELS, logits, arena);
    ms[i % n] = now_ms() - t;
    if (i >= n) continue;
    int k = best(logits);
    r.correct += k == y[i];
    if (i < SHOWN) r.shown[i] = k;
  }
  qsort(ms, n, sizeof *ms, by_value);
  r.median_ms = ms[n / 2];
  free(ms);
  return r;
}

static long file_bytes(const char *path) {
  struct stat st;
  return stat(path, &st) ? 0 : (long)st.st_size;
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: classify TEST.npz FP32.o INT8.o\n"), 2;
  int err;
  zip_t *z = zip_open(argv[1], ZIP_RDONLY, &err);
  size_t xs = 0, ys = 0;
  unsigned char *x = z ? read_member(z, "x.npy", &xs) : NULL;
  int64_t *y = x ? (int64_t *)(void *)read_member(z, "y.npy", &ys) : NULL;
  if (!y || xs / PIXELS != ys / 8)
    return fprintf(stderr, "classify: %s: cannot read x and y\n", argv[1]), 1;
  size_t n = ys / 8;
  result f = run(shapes_fp32_run, arena_fp32, x, y, n),
         q = run(shapes_int8_run, arena_int8, x, y, n);
  long fb = file_bytes(argv[2]), qb = file_bytes(argv[3]);
  printf("%zu test images, batch 1, 1 thread\n\n", n);
  printf("                          fp32          INT8\n");
  printf("accuracy             %7.2f %%     %7.2f %%     (%d and %d of %zu)\n",
         100.0 * f.correct / (double)n, 100.0 * q.correct / (double)n, f.correct, q.correct, n);
  printf("object file          %7.1f KB    %7.1f KB    %.2fx\n", (double)fb / 1e3, (double)qb / 1e3,
         (double)qb / (double)fb);
  printf("arena (all memory)   %7.1f KB    %7.1f KB    %.2fx\n", SHAPES_FP32_ARENA_BYTES / 1e3,
         SHAPES_INT8_ARENA_BYTES / 1e3, (double)SHAPES_INT8_ARENA_BYTES / SHAPES_FP32_ARENA_BYTES);
  printf("latency, median      %7.1f us    %7.1f us    %.1fx faster\n\n", f.median_ms * 1e3,
         q.median_ms * 1e3, f.median_ms / q.median_ms);
  printf("first images     truth       fp32        INT8\n");
  for (int i = 0; i < SHOWN; i++)
    printf("%12d     %-11s %-11s %-11s%s\n", i, names[y[i]], names[f.shown[i]], names[q.shown[i]],
           q.shown[i] == y[i] ? "" : " <- wrong");
  free(x);
  free(y);
  zip_close(z);
  return 0;
}
