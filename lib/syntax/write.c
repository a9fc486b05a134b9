/* A module to files: text, and beside it the tensors. Names of other files in the text are relative
 * to where the text is, so they change when it moves. */
#include "mc/syntax/parse.h"
#include "mc/ir/print.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct writer {
  mc_module *m;
  mc_arena *arena;
  mc_diag *diag;
  MC_VEC(const mc_tensor *) used;
} writer;

/* ---- names ---- */

static const char *folder_of(const writer *w, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ".";
  return mc_arena_strndup(w->arena, path, slash == path ? 1 : (size_t)(slash - path));
}

static const char *real_folder(const writer *w, const char *folder) {
  char *s = realpath(folder, NULL);
  if (!s) return NULL;
  const char *copy = mc_arena_strdup(w->arena, s);
  free(s);
  return copy;
}

/* File `base` of the absolute folder `from`, as seen from the absolute folder `to`. */
static const char *seen_from(const writer *w, const char *base, const char *from, const char *to) {
  size_t same = 0;
  while (from[same] && from[same] == to[same]) same++;
  while (same && !((from[same] == '/' || !from[same]) && (to[same] == '/' || !to[same])))
    same--; /* back to the end of a folder's name */
  mc_strbuf b = { 0 };
  for (const char *p = to + same; *p; p++)
    if (*p == '/' && p[1]) mc_sb_puts(&b, "../");
  const char *rest = from + same + (from[same] == '/');
  if (*rest) mc_sb_printf(&b, "%s/", rest);
  mc_sb_puts(&b, base);
  const char *s = mc_arena_strdup(w->m->arena, mc_sb_str(&b));
  mc_sb_free(&b);
  return s;
}

/* The same file for a text in `folder`. An absolute name stays one, unless the file is in that
 * folder or below it. */
static const char *renamed(const writer *w, const char *name, const char *folder) {
  if (!name) return NULL;
  bool absolute = name[0] == '/';
  if (!absolute && !strstr(name, "../") && strcmp(folder, w->m->dir) == 0) return name;
  const char *full = absolute ? name : mc_arena_printf(w->arena, "%s/%s", w->m->dir, name);
  const char *from = real_folder(w, folder_of(w, full)), *to = real_folder(w, folder);
  if (!from || !to) return name;
  const char *s = seen_from(w, strrchr(full, '/') + 1, from, to);
  return absolute && strncmp(s, "../", 3) == 0 ? name : s;
}

/* The same file for a text that goes through a pipe: named from the present folder. */
static const char *renamed_here(const writer *w, const char *name) {
  if (!name || name[0] == '/' || strcmp(w->m->dir, ".") == 0) return name;
  return mc_arena_printf(w->m->arena, "%s/%s", w->m->dir, name);
}

/* ---- tensors ---- */

static bool is_reference(const mc_module *m, const mc_tensor *t) {
  return t->file && m->weights_file && strcmp(t->file, m->weights_file) == 0;
}

static void collect(writer *w) {
  mc_map used;
  mc_map_init(&used, w->arena);
  mc_module_used_tensors(w->m, &used);
  for (size_t i = 0; i < w->m->tensors.n; i++) {
    const mc_tensor *t = w->m->tensors.entries[i].val;
    if (mc_map_ptr_get(&used, t)) MC_PUSH(w->arena, &w->used, t);
  }
}

static bool all_references(const writer *w) {
  for (size_t i = 0; i < w->used.n; i++)
    if (!is_reference(w->m, w->used.v[i])) return false;
  return true;
}

/* The tensors to `path`, and the text: both or none. */
static bool write_both(const writer *w, const char *path, const mc_outfile *text) {
  mc_st_entry *e = MC_NEWN(w->arena, mc_st_entry, w->used.n);
  for (size_t i = 0; i < w->used.n; i++) {
    const mc_tensor *t = w->used.v[i];
    e[i] = (mc_st_entry){ .name = t->name,
                          .dtype_name = mc_dtype_st_name(t->dtype),
                          .rank = t->rank,
                          .data = t->data,
                          .size = t->size };
    memcpy(e[i].dim, t->dim, sizeof e[i].dim);
  }
  return mc_st_write_with(path, e, w->used.n, text, w->diag);
}

/* ---- the text ---- */

/* To a pipe: files are named from the present folder, and tensors without a file travel in the
 * text. */
static bool write_stream(writer *w, const char *path) {
  mc_module *m = w->m;
  const char *weights = renamed_here(w, m->weights_file);
  m->calibration = renamed_here(w, m->calibration);
  for (size_t i = 0; i < m->tensors.n; i++) {
    mc_tensor *t = m->tensors.entries[i].val;
    if (is_reference(m, t)) t->file = weights;
  }
  m->weights_file = weights;
  m->dir = ".";
  mc_strbuf b = { 0 };
  mc_print_module(&b, m, NULL);
  bool ok = mc_write_file(path, b.s, b.n, w->diag);
  mc_sb_free(&b);
  return ok;
}

/* FILE.safetensors for FILE.mir. */
static const char *tensor_file(const writer *w, const char *path) {
  size_t n = strlen(path), stem = n > 4 && strcmp(path + n - 4, ".mir") == 0 ? n - 4 : n;
  return mc_arena_printf(w->arena, "%.*s.safetensors", (int)stem, path);
}

static void print_moved(mc_strbuf *b, const writer *w, const char *folder, const char *weights) {
  const char *calibration = w->m->calibration;
  w->m->calibration = renamed(w, calibration, folder);
  mc_print_module(b, w->m, &(mc_print_opts){ .weights_file = weights });
  w->m->calibration = calibration;
}

/* Text and tensors; only the text when all its tensors are in one file already. */
static bool write_pair(const writer *w, const char *path) {
  const char *folder = folder_of(w, path), *file = tensor_file(w, path),
             *slash = strrchr(file, '/');
  bool alone = all_references(w), ok;
  mc_strbuf b = { 0 };
  print_moved(&b, w, folder,
              alone   ? renamed(w, w->m->weights_file, folder)
              : slash ? slash + 1
                      : file);
  if (alone)
    ok = mc_write_file(path, b.s, b.n, w->diag);
  else
    ok = write_both(w, file, &(mc_outfile){ path, b.s, b.n });
  mc_sb_free(&b);
  return ok;
}

bool mc_write_mir(const char *path, mc_module *m, mc_diag *d) {
  writer w = { .m = m, .arena = mc_arena_create(), .diag = d };
  struct stat st;
  bool stream = strcmp(path, "-") == 0 ||
                (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
  collect(&w);
  bool ok = stream ? write_stream(&w, path) : write_pair(&w, path);
  mc_arena_destroy(w.arena);
  return ok;
}
