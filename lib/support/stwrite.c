/* Writing safetensors. The format allows no holes, so alignment comes from the order: wide elements
 * first, and data that begins at a multiple of 64. */
#include "mc/support/blob.h"
#include "stfile.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_ALIGN = 64 };

static void put_json_string(mc_strbuf *b, const char *s) {
  mc_sb_putc(b, '"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      mc_sb_printf(b, "\\%c", c);
    else if (c < 32)
      mc_sb_printf(b, "\\u%04x", c);
    else
      mc_sb_putc(b, *s);
  }
  mc_sb_putc(b, '"');
}

static void put_entry(mc_strbuf *b, const mc_st_entry *e, size_t begin) {
  put_json_string(b, e->name);
  mc_sb_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", e->dtype_name);
  for (int i = 0; i < e->rank; i++) mc_sb_printf(b, "%s%" PRId64, i ? "," : "", e->dim[i]);
  mc_sb_printf(b, "],\"data_offsets\":[%zu,%zu]}", begin, begin + e->size);
}

/* The entries, widest element first, otherwise in the order given. */
static const mc_st_entry **ordered(const mc_st_entry *e, size_t n, mc_arena *a) {
  const mc_st_entry **out = MC_NEWN(a, const mc_st_entry *, n);
  size_t k = 0;
  for (int width = 8; width; width /= 2)
    for (size_t i = 0; i < n; i++)
      if (mc_st_dtype_size(e[i].dtype_name) == width) out[k++] = &e[i];
  return out;
}

static void put_header(mc_strbuf *b, const mc_st_entry *const *e, size_t n) {
  size_t at = 0;
  mc_sb_write(b, "\0\0\0\0\0\0\0\0{", 9);
  for (size_t i = 0; i < n; i++) {
    if (i) mc_sb_putc(b, ',');
    put_entry(b, e[i], at);
    at += e[i]->size;
  }
  mc_sb_putc(b, '}');
  while (b->n % DATA_ALIGN != 0) mc_sb_putc(b, ' ');
  uint64_t len = b->n - 8;
  for (int i = 0; i < 8; i++) b->s[i] = (char)(len >> (8 * i));
}

static bool is_utf8(const char *s) {
  json_t *j = json_string(s); /* NULL when it is not */
  json_decref(j);
  return j != NULL;
}

static bool check_entries(const mc_st_entry *e, size_t n, const char *path, mc_diag *d) {
  for (size_t i = 0; i < n; i++)
    if (!mc_st_dtype_size(e[i].dtype_name))
      return mc_error(d, mc_noloc, "cannot write '%s': tensor '%s' has the unknown dtype '%s'",
                      path, e[i].name, e[i].dtype_name);
    else if (!is_utf8(e[i].name))
      return mc_error(d, mc_noloc,
                      "cannot write '%s': a tensor's name is not UTF-8, which JSON needs", path);
  return true;
}

bool mc_st_write_with(const char *path, const mc_st_entry *e, size_t n, const mc_outfile *with,
                      mc_diag *d) {
  if (!check_entries(e, n, path, d)) return false;
  mc_arena *a = mc_arena_create();
  mc_strbuf b = { 0 };
  const mc_st_entry **order = ordered(e, n, a);
  put_header(&b, order, n);
  mc_piece *p = MC_NEWN(a, mc_piece, n + 1);
  p[0] = (mc_piece){ b.s, b.n };
  for (size_t i = 0; i < n; i++) p[i + 1] = (mc_piece){ order[i]->data, order[i]->size };
  mc_piecefile files[2] = { { path, p, n + 1 } };
  mc_piece other = { with ? with->data : NULL, with ? with->size : 0 };
  if (with) files[1] = (mc_piecefile){ with->path, &other, 1 };
  bool ok = mc_write_piece_files(files, with ? 2 : 1, d);
  mc_sb_free(&b);
  mc_arena_destroy(a);
  return ok;
}

bool mc_st_write(const char *path, const mc_st_entry *e, size_t n, mc_diag *d) {
  return mc_st_write_with(path, e, n, NULL, d);
}
