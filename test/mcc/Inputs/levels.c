/* levels IN OUT [LEVEL ...]: samples through a dispatch object. Without names the best level runs;
 * with "all", every level that the machine has, and the bytes must be the same; a name forces one.
 */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = NET_LEVEL_NAMES;

static unsigned char *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) exit(2);
  fseek(f, 0, SEEK_END);
  *n = (size_t)ftell(f);
  rewind(f);
  unsigned char *p = malloc(*n + 1);
  if (fread(p, 1, *n, f) != *n) exit(2);
  fclose(f);
  return p;
}
#ifdef NET_THREADS /* the shares one after the other, the last first */
static void backwards(void *ctx, int n, void (*task)(void *, int), void *arg) {
  *(int *)ctx += n;
  while (n--) task(arg, n);
}
#endif
static int run_once(unsigned char *in, unsigned char *out, void *arena) {
#ifdef NET_THREADS
  int tasks = 0, rc = net_call_parallel((void *[]){ in, out }, arena, backwards, &tasks);
  return rc ? rc : tasks == 0;
#else
  return net_call((void *[]){ in, out }, arena);
#endif
}

static int run_all(unsigned char *in, unsigned char *out, size_t count) {
  void *arena = aligned_alloc(NET_ARENA_ALIGN, NET_ARENA_BYTES);
  int rc = 0;
  for (size_t i = 0; i < count && !rc; i++)
    rc = run_once(in + i * IN_BYTES, out + i * OUT_BYTES, arena);
  free(arena);
  return rc;
}

static int force(const char *name) {
  for (int k = 0; k < NET_LEVELS; k++)
    if (strcmp(names[k], name) == 0) return net_set_level(k, 0);
  return 2;
}

int main(int argc, char **argv) {
  size_t bytes;
  unsigned char *in = read_file(argv[1], &bytes), *out = malloc(bytes / IN_BYTES * OUT_BYTES),
                *other = malloc(bytes / IN_BYTES * OUT_BYTES);
  size_t count = bytes / IN_BYTES;
  if (argc > 3 && strcmp(argv[3], "all") != 0 && force(argv[3]))
    return printf("%s: refused\n", argv[3]), 3;
  int rc = run_all(in, out, count);
  int level = net_level();
  printf("level %d %s, returned %d\n", level, level < 0 ? "none" : names[level], rc);
  if (rc) return 1;
  for (int k = 0; argc > 3 && strcmp(argv[3], "all") == 0 && k < NET_LEVELS; k++) {
    if (net_set_level(k, 0)) {
      printf("%s: not here\n", names[k]);
      continue;
    }
    if (net_level() != k || run_all(in, other, count)) return 1;
    printf("%s: %s\n", names[k], memcmp(out, other, count * OUT_BYTES) ? "DIFFERENT" : "equal");
  }
  if (net_set_level(NET_LEVELS, 0) != 1 || net_set_level(-2, 0) != 1 || net_set_level(-1, 0) != 0)
    return 1;
  FILE *f = fopen(argv[2], "wb");
  if (!f || fwrite(out, OUT_BYTES, count, f) != count || fclose(f)) return 2;
  return 0;
}
