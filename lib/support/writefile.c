/* Files are written whole or not at all: into a temporary of the same folder, which then takes the
 * name. */
#include "mc/support/blob.h"
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

static bool failed(mc_diag *d, const char *path, int err) {
  return mc_error(d, mc_noloc, "cannot write '%s': %s", path, strerror(err));
}

/* Devices and pipes have no "whole or not at all", and a rename would put a plain file in their
 * place. */
static bool write_device(const char *path, const mc_piece *p, size_t n, mc_diag *d) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return failed(d, path, errno);
  bool ok = write_pieces(fd, p, n);
  int err = errno;
  if (close(fd) != 0 && ok) {
    ok = false;
    err = errno;
  }
  return ok || failed(d, path, err);
}

/* A new file beside `path`; the umask applies, unlike with mkstemp. */
static int open_temporary(const char *path, char *name, size_t cap) {
  for (unsigned i = 0; i < 1000; i++) {
    int n = snprintf(name, cap, "%s.tmp%ld.%u", path, (long)getpid(), i);
    if (n < 0 || (size_t)n >= cap) {
      errno = ENAMETOOLONG;
      return -1;
    }
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

/* A file on its way: contents are in `tmp` (owned), or, where that cannot be (pipes, devices), go
 * straight to the path when the names change. */
typedef struct staged {
  const char *path;
  const mc_piece *p;
  size_t n;
  char *real, *tmp;
} staged;

static bool is_replaceable(const char *path) {
  struct stat st;
  return strcmp(path, "-") != 0 && (stat(path, &st) != 0 || S_ISREG(st.st_mode));
}

static bool stage(staged *s, mc_diag *d) {
  struct stat st;
  if (strcmp(s->path, "-") != 0 && stat(s->path, &st) == 0 && S_ISDIR(st.st_mode))
    return failed(d, s->path, EISDIR);
  if (!is_replaceable(s->path)) return true;
  char tmp[PATH_MAX + 32];
  s->real = realpath(s->path, NULL); /* a symbolic link stays one: what it points at is replaced */
  if (!s->real) s->real = strdup(s->path);
  int fd = open_temporary(s->real, tmp, sizeof tmp);
  if (fd < 0) return failed(d, s->path, errno);
  s->tmp = strdup(tmp);
  bool ok = write_pieces(fd, s->p, s->n);
  int err = errno;
  if (close(fd) != 0 && ok) {
    ok = false;
    err = errno;
  }
  return ok || failed(d, s->path, err);
}

static bool commit(staged *s, mc_diag *d) {
  if (!strcmp(s->path, "-"))
    return write_pieces(STDOUT_FILENO, s->p, s->n) || failed(d, "standard output", errno);
  if (!s->tmp) return write_device(s->path, s->p, s->n, d);
  if (rename(s->tmp, s->real) != 0) return failed(d, s->path, errno);
  free(s->tmp);
  s->tmp = NULL;
  return true;
}

static void discard(staged *s) {
  if (s->tmp) unlink(s->tmp);
  free(s->tmp);
  free(s->real);
}

static bool write_staged(staged *s, int n, mc_diag *d) {
  bool ok = true;
  for (int i = 0; i < n && ok; i++) ok = stage(&s[i], d);
  for (int i = 0; i < n && ok; i++) ok = commit(&s[i], d);
  for (int i = 0; i < n; i++) discard(&s[i]);
  return ok;
}

bool mc_write_piece_files(const mc_piecefile *f, int n, mc_diag *d) {
  staged s[MC_MAX_OUTFILES];
  if (n > MC_MAX_OUTFILES)
    return mc_error(d, mc_noloc, "more than %d files to write at once", MC_MAX_OUTFILES);
  for (int i = 0; i < n; i++) s[i] = (staged){ f[i].path, f[i].p, f[i].n, NULL, NULL };
  return write_staged(s, n, d);
}

bool mc_write_pieces(const char *path, const mc_piece *p, size_t n, mc_diag *d) {
  return mc_write_piece_files(&(mc_piecefile){ path, p, n }, 1, d);
}

bool mc_write_file(const char *path, const void *data, size_t size, mc_diag *d) {
  return mc_write_pieces(path, &(mc_piece){ data, size }, 1, d);
}

bool mc_write_files(const mc_outfile *f, int n, mc_diag *d) {
  mc_piece p[MC_MAX_OUTFILES];
  mc_piecefile files[MC_MAX_OUTFILES];
  for (int i = 0; i < n && i < MC_MAX_OUTFILES; i++) {
    p[i] = (mc_piece){ f[i].data, f[i].size };
    files[i] = (mc_piecefile){ f[i].path, &p[i], 1 };
  }
  return mc_write_piece_files(files, n, d);
}
