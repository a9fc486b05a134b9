/* Writing .npz: arrays are stored, not deflated, as numpy.savez does; the dates are fixed, so that
 * the same arrays give the same bytes. */
#include "mc/import/npy.h"
#include "mc/support/blob.h"
#include "npyhead.h"
#include <zip.h>

enum { DOS_DATE = 1 << 5 | 1 }; /* 1980-01-01, the first that zip knows */

static bool add_array(zip_t *zip, const mc_npy *x, const char *path, mc_arena *a, mc_diag *d) {
  mc_strbuf b = { 0 };
  if (!npy_header_write(&b, x, (npy_where){ d, mc_noloc, path })) {
    mc_sb_free(&b);
    return false;
  }
  mc_sb_write(&b, x->data, x->size);
  void *copy = mc_arena_copy(a, b.s, b.n); /* libzip reads it when the archive is closed */
  zip_source_t *src = zip_source_buffer(zip, copy, b.n, 0);
  mc_sb_free(&b);
  zip_int64_t i =
      src ? zip_file_add(zip, mc_arena_printf(a, "%s.npy", x->name), src, ZIP_FL_ENC_UTF_8) : -1;
  if (i < 0 && src) zip_source_free(src);
  if (i < 0 || zip_set_file_compression(zip, (zip_uint64_t)i, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(zip, (zip_uint64_t)i, 0, DOS_DATE, 0) != 0)
    return mc_error(d, mc_noloc, "cannot write '%s': array '%s': %s", path, x->name,
                    zip_strerror(zip));
  return true;
}

/* The bytes of a closed archive. */
static bool write_source(const char *path, zip_source_t *src, mc_arena *a, mc_diag *d) {
  zip_stat_t st;
  zip_stat_init(&st);
  if (zip_source_stat(src, &st) != 0 || zip_source_open(src) != 0)
    return mc_error(d, mc_noloc, "cannot write '%s': %s", path,
                    zip_error_strerror(zip_source_error(src)));
  void *p = mc_arena_alloc(a, (size_t)st.size);
  bool ok = zip_source_read(src, p, st.size) == (zip_int64_t)st.size;
  zip_source_close(src);
  return ok ? mc_write_file(path, p, (size_t)st.size, d)
            : mc_error(d, mc_noloc, "cannot write '%s': the archive is incomplete", path);
}

static bool make_archive(zip_source_t *src, const char *path, const mc_npy *x, int n, mc_arena *a,
                         mc_diag *d) {
  zip_error_t err;
  zip_error_init(&err);
  zip_t *zip = zip_open_from_source(src, ZIP_CREATE | ZIP_TRUNCATE, &err);
  if (!zip) mc_error(d, mc_noloc, "cannot write '%s': %s", path, zip_error_strerror(&err));
  zip_error_fini(&err);
  if (!zip) return false;
  zip_source_keep(src); /* closing takes one reference; the caller's stays */
  for (int i = 0; i < n; i++)
    if (!add_array(zip, &x[i], path, a, d)) {
      zip_discard(zip);
      return false;
    }
  if (zip_close(zip) == 0) return true;
  mc_error(d, mc_noloc, "cannot write '%s': %s", path, zip_strerror(zip));
  zip_discard(zip);
  return false;
}

bool mc_npz_write(const char *path, const mc_npy *x, int n, mc_diag *d) {
  zip_error_t err;
  zip_error_init(&err);
  zip_source_t *src = zip_source_buffer_create(NULL, 0, 0, &err);
  if (!src) mc_error(d, mc_noloc, "cannot write '%s': %s", path, zip_error_strerror(&err));
  zip_error_fini(&err);
  if (!src) return false;
  mc_arena *a = mc_arena_create();
  bool ok = make_archive(src, path, x, n, a, d) && write_source(path, src, a, d);
  zip_source_free(src);
  mc_arena_destroy(a);
  return ok;
}
