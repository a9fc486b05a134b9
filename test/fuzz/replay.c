/* Runs a fuzz target on files and on all files of folders: NAME_fuzz PATH... ; prints how many,
 * ends with 1 when there was none. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return perror(path), 0;
  uint8_t *p = NULL;
  size_t n = 0, cap = 0, got;
  do {
    if (n == cap) {
      uint8_t *more = realloc(p, cap = cap ? cap * 2 : 4096);
      if (!more) abort();
      p = more;
    }
    n += got = fread(p + n, 1, cap - n, f);
  } while (got);
  fclose(f);
  if (getenv("MC_REPLAY_VERBOSE")) fprintf(stderr, "%s\n", path);
  uint8_t *exact = malloc(n ? n : 1); /* so that a read past the end is seen */
  if (!exact) abort();
  memcpy(exact, p, n);
  LLVMFuzzerTestOneInput(exact, n);
  free(exact);
  free(p);
  return 1;
}

static int run_path(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return perror(path), 0;
  if (!S_ISDIR(st.st_mode)) return run_file(path);
  struct dirent **list;
  int n = scandir(path, &list, NULL, alphasort), count = 0;
  for (int i = 0; i < n; i++) {
    char name[4096];
    if (list[i]->d_name[0] != '.' &&
        snprintf(name, sizeof name, "%s/%s", path, list[i]->d_name) < (int)sizeof name)
      count += run_path(name);
    free(list[i]);
  }
  if (n >= 0) free(list);
  return count;
}

int main(int argc, char **argv) {
  int count = 0;
  for (int i = 1; i < argc; i++) count += run_path(argv[i]);
  printf("%d inputs\n", count);
  return count == 0;
}
