/* Files are written whole or not at all: into a temporary of the same folder, which then takes the name. */
#include "pieces.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, const char *p, size_t n) {
  while (n) {
    size_t want = n < (size_t)1 << 30 ? n : (size_t)1 << 30;
    ssize_t put = write(fd, p, want);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    p += put;
    n -= (size_t)put;
  }
  return true;
}

static bool write_pieces(int fd, const mc_piece *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!write_all(fd, p[i].data, p[i].size)) return false;
  return true;
}

static bool failed(mc_diag *d, const char *path, int err) { return mc_error(d, mc_noloc, "cannot write '%s': %s", path, strerror(err)); }

/* Devices and pipes have no "whole or not at all", and a rename would put a plain file in their place. */
static bool write_device(const char *path, const mc_piece *p, size_t n, mc_diag *d) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed(d, path, errno);
  bool ok = write_pieces(fd, p, n);
  int err = errno;
  if (close(fd) != 0 && ok) { ok = false; err = errno; }
  return ok || failed(d, path, err);
}

/* A new file beside `path`; the umask applies, unlike with mkstemp. */
static int open_temporary(const char *path, char *name, size_t cap) {
  for (unsigned i = 0; i < 1000; i++) {
    int n = snprintf(name, cap, "%s.tmp%ld.%u", path, (long)getpid(), i);
    if (n < 0 || (size_t)n >= cap) { errno = ENAMETOOLONG; return -1; }
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

static bool replace_file(const char *path, const mc_piece *p, size_t n, mc_diag *d) {
  char tmp[PATH_MAX + 32];
  int fd = open_temporary(path, tmp, sizeof tmp);
  if (fd < 0) return failed(d, path, errno);
  bool ok = write_pieces(fd, p, n);
  int err = errno;
  if (close(fd) != 0 && ok) { ok = false; err = errno; }
  if (ok && rename(tmp, path) != 0) { ok = false; err = errno; }
  if (ok) return true;
  unlink(tmp);
  return failed(d, path, err);
}

bool mc_write_pieces(const char *path, const mc_piece *p, size_t n, mc_diag *d) {
  if (strcmp(path, "-") == 0) return write_pieces(STDOUT_FILENO, p, n) || failed(d, "standard output", errno);
  struct stat st;
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode)) return failed(d, path, EISDIR);
    if (!S_ISREG(st.st_mode)) return write_device(path, p, n, d);
  }
  /* a symbolic link stays one: what it points at is replaced */
  char *real = realpath(path, NULL);
  bool ok = replace_file(real ? real : path, p, n, d);
  free(real);
  return ok;
}

bool mc_write_file(const char *path, const void *data, size_t size, mc_diag *d) { return mc_write_pieces(path, &(mc_piece){ data, size }, 1, d); }
