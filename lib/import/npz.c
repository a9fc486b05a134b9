/* .npz: a zip archive of .npy arrays. libzip reads the container; every size it reports is checked
 * before memory is asked for. */
#include "mc/import/npy.h"
#include "mc/support/blob.h"
#include "mc/support/map.h"
#include "npyhead.h"
#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* Deflate cannot do better than 1032:1 (258 bytes from 2 bits), so a member that promises more is a
 * lie. */
enum { MAX_RATIO = 1032 };

static const size_t max_array = (size_t)1 << 32;

typedef struct member {
  const char *name;
  zip_uint64_t index;
  size_t stored, size;
  bool deflated;
} member;

struct mc_npz {
  mc_arena *arena;
  mc_blob *blob;
  zip_t *zip;
  const char *who;
  MC_VEC(member) list;
};

static bool bad_member(const mc_npz *z, const char *name, const char *what, mc_diag *d, mc_loc at) {
  return mc_error(d, at, "%s: array '%s': %s", z->who, name, what);
}

static bool add_member(mc_npz *z, zip_uint64_t i, mc_map *seen, mc_diag *d, mc_loc at) {
  zip_stat_t st;
  zip_stat_init(&st);
  if (zip_stat_index(z->zip, i, 0, &st) != 0 || !(st.valid & ZIP_STAT_NAME))
    return mc_error(d, at, "%s: unreadable archive member", z->who);
  size_t n = strlen(st.name);
  if (n < 4 || strcmp(st.name + n - 4, ".npy") != 0) return true; /* some other file */
  char *name = mc_arena_strndup(z->arena, st.name, n - 4);
  const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if ((st.valid & need) != need) return bad_member(z, name, "its size is not known", d, at);
  if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
    return bad_member(z, name, "neither stored nor deflated", d, at);
  if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) && st.encryption_method != ZIP_EM_NONE)
    return bad_member(z, name, "encrypted", d, at);
  if (mc_map_str_get(seen, name)) return bad_member(z, name, "it is in the archive twice", d, at);
  *mc_map_str_slot(seen, name) = name;
  member m = { name, i, (size_t)st.comp_size, (size_t)st.size, st.comp_method == ZIP_CM_DEFLATE };
  MC_PUSH(z->arena, &z->list, m);
  return true;
}

static bool list_members(mc_npz *z, mc_diag *d, mc_loc at) {
  mc_map seen;
  mc_map_init(&seen, z->arena);
  zip_int64_t n = zip_get_num_entries(z->zip, 0);
  for (zip_int64_t i = 0; i < n; i++)
    if (!add_member(z, (zip_uint64_t)i, &seen, d, at)) return false;
  return z->list.n || mc_error(d, at, "%s: no .npy array in the archive", z->who);
}

static bool open_zip(mc_npz *z, const void *data, size_t size, mc_diag *d, mc_loc at) {
  zip_error_t err;
  zip_error_init(&err);
  zip_source_t *src = zip_source_buffer_create(data, size, 0, &err);
  if (src && !(z->zip = zip_open_from_source(src, ZIP_RDONLY | ZIP_CHECKCONS, &err)))
    zip_source_free(src);
  if (!z->zip)
    mc_error(d, at, "%s: not a readable .npz archive: %s", z->who, zip_error_strerror(&err));
  zip_error_fini(&err);
  return z->zip && list_members(z, d, at);
}

static mc_npz *npz_new(const char *who) {
  mc_arena *a = mc_arena_create();
  mc_npz *z = MC_NEW(a, mc_npz);
  z->arena = a;
  z->who = mc_arena_strdup(a, who);
  return z;
}

mc_npz *mc_npz_open_memory(const void *data, size_t size, mc_diag *d, mc_loc at) {
  mc_npz *z = npz_new("<memory>");
  if (open_zip(z, data, size, d, at)) return z;
  mc_npz_close(z);
  return NULL;
}

mc_npz *mc_npz_open(const char *path, mc_diag *d, mc_loc at) {
  mc_blob *b = mc_blob_open(path, d, at);
  if (!b) return NULL;
  mc_npz *z = npz_new(path);
  z->blob = b;
  if (open_zip(z, mc_blob_data(b), mc_blob_size(b), d, at)) return z;
  mc_npz_close(z);
  return NULL;
}

void mc_npz_close(mc_npz *z) {
  if (!z) return;
  if (z->zip) zip_discard(z->zip);
  mc_blob_close(z->blob);
  mc_arena_destroy(z->arena);
}

int mc_npz_count(const mc_npz *z) { return (int)z->list.n; }

const char *mc_npz_name(const mc_npz *z, int i) { return z->list.v[i].name; }

static const member *find_member(const mc_npz *z, const char *name) {
  for (size_t i = 0; i < z->list.n; i++)
    if (!name || strcmp(z->list.v[i].name, name) == 0) return &z->list.v[i];
  return NULL;
}

/* Exactly n bytes. */
static bool read_exact(zip_file_t *f, void *p, size_t n) {
  for (char *q = p; n;) {
    zip_int64_t got = zip_fread(f, q, n);
    if (got <= 0) return false;
    q += got;
    n -= (size_t)got;
  }
  return true;
}

/* Read and parse the header; what it says must agree with the archive's sizes. */
static bool read_header(zip_file_t *f, const member *m, mc_npy *out, npy_form *form,
                        mc_arena *scratch, npy_where w) {
  unsigned char prefix[NPY_PREFIX];
  size_t head;
  if (m->size < NPY_PREFIX || !read_exact(f, prefix, NPY_PREFIX))
    return mc_error(w.diag, w.at, "%s: not an .npy array", w.who);
  if (!npy_header_size(&head, prefix, NPY_PREFIX, w)) return false;
  if (head < NPY_PREFIX || head > m->size)
    return mc_error(w.diag, w.at, "%s: the .npy header is cut off", w.who);
  unsigned char *p = mc_arena_alloc(scratch, head);
  memcpy(p, prefix, NPY_PREFIX);
  if (!read_exact(f, p + NPY_PREFIX, head - NPY_PREFIX))
    return mc_error(w.diag, w.at, "%s: the .npy header is cut off", w.who);
  if (!npy_header_parse(out, form, p, head, w)) return false;
  if (out->size != m->size - head)
    return mc_error(w.diag, w.at, "%s: the shape needs %zu bytes, but the archive says %zu", w.who,
                    out->size, m->size - head);
  if (m->deflated ? m->size / MAX_RATIO > m->stored : m->size != m->stored)
    return mc_error(w.diag, w.at, "%s: %zu bytes in the archive cannot hold the %zu that it says",
                    w.who, m->stored, m->size);
  return true;
}

static bool read_member(zip_file_t *f, const member *m, mc_npy *out, mc_arena *a, npy_where w) {
  npy_form form;
  if (!read_header(f, m, out, &form, a, w)) return false;
  if (out->size > max_array) return mc_error(w.diag, w.at, "%s: larger than 4 GiB", w.who);
  void *data = mc_arena_alloc(a, out->size);
  char more;
  if (!read_exact(f, data, out->size))
    return mc_error(w.diag, w.at, "%s: cut off or damaged", w.who);
  zip_int64_t rest = zip_fread(f, &more, 1); /* at the end libzip also checks the CRC */
  if (rest > 0) return mc_error(w.diag, w.at, "%s: more data than its shape says", w.who);
  if (rest < 0)
    return mc_error(w.diag, w.at, "%s: damaged (%s)", w.who,
                    zip_error_strerror(zip_file_get_error(f)));
  return npy_take(out, form, data, true, a, w);
}

static bool no_such_array(const mc_npz *z, const char *name, mc_diag *d, mc_loc at) {
  mc_strbuf b = { 0 };
  for (size_t i = 0; i < z->list.n && i < 8; i++)
    mc_sb_printf(&b, "%s'%s'", i ? ", " : "", z->list.v[i].name);
  mc_error(d, at, "%s: no array '%s' (there is %s%s)", z->who, name, mc_sb_str(&b),
           z->list.n > 8 ? ", ..." : "");
  mc_sb_free(&b);
  return false;
}

bool mc_npz_read(mc_npz *z, const char *name, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at) {
  *out = (mc_npy){ 0 };
  const member *m = find_member(z, name);
  if (!m) return no_such_array(z, name, d, at);
  zip_file_t *f = zip_fopen_index(z->zip, m->index, 0);
  if (!f) return bad_member(z, m->name, zip_strerror(z->zip), d, at);
  npy_where w = { d, at, mc_arena_printf(a, "%s: array '%s'", z->who, m->name) };
  bool ok = read_member(f, m, out, a, w);
  zip_fclose(f);
  if (ok) out->name = mc_arena_strdup(a, m->name);
  return ok;
}

/* ---- arrays piece by piece ---- */

struct mc_npz_rows {
  mc_npz *zip;
  const member *m;
  zip_file_t *f; /* NULL: not open */
  size_t head;   /* bytes before the data */
  size_t size;   /* of the data */
  size_t at;     /* of the data: where f is */
  size_t since;  /* bytes read since the file's pages were given back */
  void *piece;
  size_t room; /* bytes of piece */
  npy_where w;
};

enum { RELAX = 1 << 24 };

static bool rows_damaged(const mc_npz_rows *r) {
  return mc_error(r->w.diag, r->w.at, "%s: cut off or damaged", r->w.who);
}

/* n bytes on, read into the piece and dropped. */
static bool skip(mc_npz_rows *r, size_t n) {
  char buffer[1 << 14];
  while (n) {
    size_t k = n < sizeof buffer ? n : sizeof buffer;
    if (!read_exact(r->f, buffer, k)) return rows_damaged(r);
    n -= k;
  }
  return true;
}

/* To byte `from` of the data; forward by reading on, backward by beginning anew. */
static bool go(mc_npz_rows *r, size_t from) {
  if (r->f && from == r->at) return true;
  if (r->f && from > r->at && r->m->deflated) return skip(r, from - r->at);
  if (r->f) zip_fclose(r->f);
  r->f = zip_fopen_index(r->zip->zip, r->m->index, 0);
  if (!r->f) return mc_error(r->w.diag, r->w.at, "%s: %s", r->w.who, zip_strerror(r->zip->zip));
  if (r->m->deflated || from == 0) return skip(r, r->head + from);
  return zip_fseek(r->f, (zip_int64_t)(r->head + from), SEEK_SET) == 0 || rows_damaged(r);
}

/* At the end libzip checks the CRC, of what was read in order. */
static bool ends_well(const mc_npz_rows *r) {
  char more;
  return zip_fread(r->f, &more, 1) == 0 || rows_damaged(r);
}

bool mc_npz_open_rows(mc_npz *z, const char *name, size_t least, mc_npy *out, mc_npz_rows **rows,
                      mc_arena *a, mc_diag *d, mc_loc at) {
  *out = (mc_npy){ 0 };
  *rows = NULL;
  const member *m = find_member(z, name);
  if (!m) return no_such_array(z, name, d, at);
  if (m->size < least) return true;
  zip_file_t *f = zip_fopen_index(z->zip, m->index, 0);
  if (!f) return bad_member(z, m->name, zip_strerror(z->zip), d, at);
  npy_form form;
  npy_where w = { d, at, mc_arena_printf(a, "%s: array '%s'", z->who, m->name) };
  bool ok = read_header(f, m, out, &form, a, w);
  zip_fclose(f);
  if (!ok || form.wide || (form.fortran && out->rank > 1)) return ok;
  out->name = mc_arena_strdup(a, m->name);
  *rows = MC_NEW(a, mc_npz_rows);
  **rows =
      (mc_npz_rows){ .zip = z, .m = m, .head = m->size - out->size, .size = out->size, .w = w };
  return true;
}

const void *mc_npz_rows_at(mc_npz_rows *r, size_t from, size_t n) {
  if (from > r->size || n > r->size - from) return rows_damaged(r), NULL;
  if (n > r->room) {
    free(r->piece);
    if (!(r->piece = malloc(n))) abort(); /* as arenas do */
    r->room = n;
  }
  if (!go(r, from)) return NULL;
  if (!read_exact(r->f, r->piece, n)) return rows_damaged(r), NULL;
  r->at = from + n;
  if (r->at == r->size && !ends_well(r)) return NULL;
  if ((r->since += n) >= RELAX && r->zip->blob) mc_blob_relax(r->zip->blob), r->since = 0;
  return r->piece;
}

void mc_npz_rows_close(mc_npz_rows *r) {
  if (!r) return;
  if (r->f) zip_fclose(r->f);
  free(r->piece);
  *r = (mc_npz_rows){ 0 };
}
