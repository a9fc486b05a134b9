/* Files of bytes: mapped read-only, or read whole. */
#include "mc/support/blob.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Places in a text are 32-bit byte offsets, and no text worth reading comes near this. */
enum { READ_LIMIT = 1 << 30 };

struct mc_blob {
  void *map;
  size_t size;
  char *path;
};

static bool open_regular(const char *path, int *fd, size_t *size, mc_diag *d, mc_loc at) {
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*fd < 0) return mc_error(d, at, "cannot open '%s': %s", path, strerror(errno));
  struct stat st;
  const char *why = NULL;
  if (fstat(*fd, &st) != 0)
    why = strerror(errno);
  else if (S_ISDIR(st.st_mode))
    why = "it is a folder";
  else if (!S_ISREG(st.st_mode))
    why = "it is not a regular file, which mapping needs";
  if (why) {
    close(*fd);
    return mc_error(d, at, "cannot open '%s': %s", path, why);
  }
  *size = (size_t)st.st_size;
  return true;
}

mc_blob *mc_blob_open(const char *path, mc_diag *d, mc_loc at) {
  int fd;
  size_t size = 0;
  if (!open_regular(path, &fd, &size, d, at)) return NULL;
  void *map = NULL;
  if (size) map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  int err = errno;
  close(fd);
  if (size && map == MAP_FAILED) {
    mc_error(d, at, "cannot map '%s': %s", path, strerror(err));
    return NULL;
  }
  mc_blob *b = malloc(sizeof *b);
  char *copy = strdup(path);
  if (!b || !copy) abort();
  *b = (mc_blob){ map, size, copy };
  return b;
}

void mc_blob_close(mc_blob *b) {
  if (!b) return;
  if (b->map) munmap(b->map, b->size);
  free(b->path);
  free(b);
}

void mc_blob_relax(mc_blob *b) {
  if (b->map) (void)madvise(b->map, b->size, MADV_DONTNEED); /* only advice: nothing to report */
}

const unsigned char *mc_blob_data(const mc_blob *b) { return b->map ? b->map : (const void *)""; }

size_t mc_blob_size(const mc_blob *b) { return b->size; }

const char *mc_blob_path(const mc_blob *b) { return b->path; }

/* Everything that fd gives, into a growing heap buffer; NULL with errno set (EFBIG past the limit).
 */
static char *read_all(int fd, size_t *n) {
  char *buf = NULL;
  size_t cap = 0;
  *n = 0;
  for (;;) {
    if (*n == cap) {
      cap = cap ? cap * 2 : 1 << 16;
      char *bigger = realloc(buf, cap);
      if (!bigger) abort();
      buf = bigger;
    }
    ssize_t got = read(fd, buf + *n, cap - *n);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) *n += (size_t)got;
    if (got == 0) return buf;
    if (got < 0 || *n > READ_LIMIT) {
      int err = got < 0 ? errno : EFBIG;
      free(buf);
      errno = err;
      return NULL;
    }
  }
}

char *mc_read_file(const char *path, size_t *size, mc_arena *a, mc_diag *d, mc_loc at) {
  bool in = strcmp(path, "-") == 0;
  int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    mc_error(d, at, "cannot open '%s': %s", path, strerror(errno));
    return NULL;
  }
  char *buf = read_all(fd, size);
  int err = errno;
  if (!in) close(fd);
  if (!buf) {
    mc_error(d, at, "cannot read '%s': %s", in ? "standard input" : path,
             err == EFBIG ? "it is larger than 1 GiB" : strerror(err));
    return NULL;
  }
  char *text = mc_arena_alloc(a, *size + 1);
  memcpy(text, buf, *size);
  free(buf);
  return text;
}
