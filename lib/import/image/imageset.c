/* The images of a folder, in an order that does not depend on the file system. */
#include "image.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 16, MAX_LABEL_DIGITS = 9 };

typedef struct walk {
  imageset *set;
  size_t cap;
  MC_VEC(const char *) other;   /* files that are no images */
  MC_VEC(const char *) classes; /* sub-folders of the first level, in order */
  int64_t loose;                /* images beside them */
  mc_arena *arena;
  mc_diag *diag;
  mc_loc at;
} walk;

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in a folder, sorted, without hidden ones. */
static bool list_folder(walk *w, const char *path, const char ***name, size_t *n) {
  MC_VEC(const char *) v = { 0 };
  DIR *d = opendir(path);
  if (!d) return mc_error(w->diag, w->at, "cannot open the folder '%s': %s", path, strerror(errno));
  for (struct dirent *e = readdir(d); e; e = readdir(d))
    if (e->d_name[0] != '.') MC_PUSH(w->arena, &v, mc_arena_strdup(w->arena, e->d_name));
  closedir(d);
  if (v.n) qsort(v.v, v.n, sizeof *v.v, by_name);
  *name = v.v;
  *n = v.n;
  return true;
}

static bool is_image(const char *path) {
  unsigned char head[8];
  FILE *f = fopen(path, "rb");
  if (!f) return true; /* whoever reads it in earnest reports */
  size_t n = fread(head, 1, sizeof head, f);
  fclose(f);
  return image_kind(head, n) != NULL;
}

static void add(walk *w, const char *path) {
  imageset *s = w->set;
  if ((size_t)s->n == w->cap) {
    w->cap = w->cap ? 2 * w->cap : 64;
    imagefile *f = MC_NEWN(w->arena, imagefile, w->cap);
    if (s->n) memcpy(f, s->file, (size_t)s->n * sizeof *f);
    s->file = f;
  }
  s->file[s->n++] = (imagefile){ path, w->classes.n ? (int64_t)w->classes.n - 1 : -1 };
}

static bool visit(walk *w, const char *folder, int depth) {
  const char **name;
  size_t n;
  if (!list_folder(w, folder, &name, &n)) return false;
  for (size_t i = 0; i < n; i++) {
    struct stat st;
    const char *path = mc_arena_printf(w->arena, "%s/%s", folder, name[i]);
    if (stat(path, &st) != 0)
      return mc_error(w->diag, w->at, "cannot open '%s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
      if (depth == MAX_DEPTH) return mc_error(w->diag, w->at, "%s: folders are too deep", path);
      if (depth == 0) MC_PUSH(w->arena, &w->classes, name[i]);
      int64_t before = w->set->n;
      if (!visit(w, path, depth + 1)) return false;
      if (w->set->n == before)
        MC_PUSH(w->arena, &w->other, mc_arena_printf(w->arena, "%s/", name[i]));
    } else if (S_ISREG(st.st_mode) && is_image(path)) {
      w->loose += depth == 0;
      add(w, path);
    } else
      MC_PUSH(w->arena, &w->other, name[i]);
  }
  return true;
}

static bool all_digits(const char *s) {
  size_t n = strspn(s, "0123456789");
  return n && !s[n] && n <= MAX_LABEL_DIGITS;
}

/* Sub-folders are classes: of the number that each has as its name, or of their order. */
static void label(walk *w) {
  bool numbers = true;
  w->set->labels = w->classes.n > 0 && w->loose == 0;
  for (size_t i = 0; i < w->classes.n; i++) numbers &= all_digits(w->classes.v[i]);
  for (int64_t i = 0; i < w->set->n; i++) {
    imagefile *f = &w->set->file[i];
    if (!w->set->labels)
      f->label = -1;
    else if (numbers)
      f->label = atoll(w->classes.v[f->label]);
  }
}

static void tell_others(const walk *w, const char *path) {
  mc_strbuf b = { 0 };
  if (!w->other.n) return;
  for (size_t i = 0; i < w->other.n && i < 3; i++)
    mc_sb_printf(&b, "%s%s", i ? ", " : "", w->other.v[i]);
  mc_warning(w->diag, w->at, "%s: %zu of the entries %s no JPEG or PNG image and not used: %s%s",
             path, w->other.n, w->other.n == 1 ? "is" : "are", mc_sb_str(&b),
             w->other.n > 3 ? ", ..." : "");
  mc_sb_free(&b);
}

bool imageset_open(imageset *out, const char *path, mc_arena *a, mc_diag *d, mc_loc at) {
  struct stat st;
  walk w = { .set = out, .arena = a, .diag = d, .at = at };
  *out = (imageset){ 0 };
  if (stat(path, &st) != 0) return mc_error(d, at, "cannot open '%s': %s", path, strerror(errno));
  if (!S_ISDIR(st.st_mode)) return add(&w, mc_arena_strdup(a, path)), true;
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  if (!visit(&w, mc_arena_strndup(a, path, n), 0)) return false;
  if (!out->n) return mc_error(d, at, "%s: the folder holds no JPEG or PNG image", path);
  label(&w);
  tell_others(&w, path);
  return true;
}
