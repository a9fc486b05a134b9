#include "store.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mcm_rows {
  mcm_store *s;
  int64_t n, bytes, apart; /* apart: bytes between rows, a multiple of 64 */
  char *data;              /* all rows, or one (fd >= 0) */
  int64_t held;            /* the row that `data` holds, or -1; file only */
  int fd, owners;
};

static bool full_disk(const mcm_rows *r, const char *folder, int error) {
  return mc_error(
      r->s->cx->diag, r->s->cx->loc,
      "%s: cannot keep %.1f MiB of activations in a temporary file in %s: %s; give more memory= "
      "(MiB), fewer samples=, or TMPDIR another folder",
      r->s->what, (double)(r->n * r->apart) / 1048576, folder, strerror(error));
}

static const char *folder_of(const mcm_rows *r) { return r->s->cx->temp ? r->s->cx->temp : "/tmp"; }

static bool open_file(mcm_rows *r) {
  char *name = mc_arena_printf(r->s->cx->scratch, "%s/mc-measure-XXXXXX", folder_of(r));
  r->fd = mkstemp(name);
  if (r->fd < 0) return full_disk(r, folder_of(r), errno);
  unlink(name);
  return true;
}

mcm_rows *mcm_rows_new(mcm_store *s, int64_t n, int64_t bytes) {
  mcm_rows *r = malloc(sizeof *r);
  if (!r) abort(); /* as arenas do */
  int64_t apart = (bytes + 63) / 64 * 64;
  *r = (mcm_rows){
    .s = s, .n = n, .bytes = bytes, .apart = apart, .held = -1, .fd = -1, .owners = 1
  };
  if (s->used + n * apart <= s->budget) r->data = aligned_alloc(64, (size_t)(n * apart));
  if (r->data) {
    s->used += n * apart;
    return r;
  }
  if (!(r->data = aligned_alloc(64, (size_t)apart))) abort();
  if (open_file(r)) return r;
  mcm_rows_free(r);
  return NULL;
}

mcm_rows *mcm_rows_share(mcm_rows *r) {
  r->owners++;
  return r;
}

void mcm_rows_free(mcm_rows *r) {
  if (!r || --r->owners > 0) return;
  if (r->fd >= 0)
    close(r->fd);
  else
    r->s->used -= r->n * r->apart;
  free(r->data);
  free(r);
}

void *mcm_rows_at(mcm_rows *r, int64_t i) {
  r->held = -1;
  return r->fd < 0 ? r->data + i * r->apart : r->data;
}

bool mcm_rows_put(mcm_rows *r, int64_t i) {
  if (r->fd < 0) return true;
  for (int64_t at = 0; at < r->bytes;) {
    ssize_t k = pwrite(r->fd, r->data + at, (size_t)(r->bytes - at), i * r->apart + at);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return full_disk(r, folder_of(r), k < 0 ? errno : ENOSPC);
    at += k;
  }
  r->held = i;
  return true;
}

const void *mcm_rows_get(mcm_rows *r, int64_t i) {
  if (r->fd < 0) return r->data + i * r->apart;
  if (r->held == i) return r->data;
  r->held = -1;
  for (int64_t at = 0; at < r->bytes;) {
    ssize_t k = pread(r->fd, r->data + at, (size_t)(r->bytes - at), i * r->apart + at);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) {
      mc_error(r->s->cx->diag, r->s->cx->loc, "%s: cannot read back a temporary file in %s: %s",
               r->s->what, folder_of(r), k < 0 ? strerror(errno) : "it is shorter than it was");
      return NULL;
    }
    at += k;
  }
  r->held = i;
  return r->data;
}
