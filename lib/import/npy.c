#include "mc/import/npy.h"
#include "mc/support/blob.h"
#include "npyhead.h"
#include <string.h>

static bool parse(const unsigned char *p, size_t size, mc_npy *out, mc_arena *a, npy_where w) {
  size_t head;
  npy_form form;
  *out = (mc_npy){ 0 };
  if (!npy_header_size(&head, p, size, w)) return false;
  if (head > size) return mc_error(w.diag, w.at, "%s: the .npy header is cut off", w.who);
  if (!npy_header_parse(out, &form, p, head, w)) return false;
  if (out->size != size - head)
    return mc_error(w.diag, w.at, "%s: the shape needs %zu bytes, but there are %zu", w.who,
                    out->size, size - head);
  return npy_take(out, form, p + head, false, a, w);
}

bool mc_npy_parse(const void *data, size_t size, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at) {
  return parse(data, size, out, a, (npy_where){ d, at, "<memory>" });
}

bool mc_npy_read(const char *path, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at) {
  mc_blob *b = mc_blob_open(path, d, at);
  if (!b) return false;
  bool ok = parse(mc_blob_data(b), mc_blob_size(b), out, a, (npy_where){ d, at, path });
  mc_blob_close(b);
  return ok;
}

bool mc_npy_write(const char *path, const mc_npy *x, mc_diag *d) {
  mc_strbuf b = { 0 };
  bool ok = npy_header_write(&b, x, (npy_where){ d, mc_noloc, path });
  if (ok) {
    mc_sb_write(&b, x->data, x->size);
    ok = mc_write_file(path, b.s, b.n, d);
  }
  mc_sb_free(&b);
  return ok;
}
