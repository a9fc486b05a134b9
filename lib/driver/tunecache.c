/* The cache of -tune as JSON:
 *
 *   { "mcc-tune": 1, "entries": { "KEY": { "rows": 8, "vectors": 3, "us": 61.2, "model_us": 64.9 },
 *     ... } }
 *
 * rows and vectors are what counts; us (measured) and model_us (the cost model's choice, measured)
 * are for people. */
#include "tune.h"
#include "mc/support/blob.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT = 1 };

static bool read_entry(tune_cache *c, const char *path, const char *key, const json_t *v,
                       mc_diag *d) {
  json_int_t rows, vectors;
  double us = 0, model_us = 0;
  if (json_unpack((json_t *)(uintptr_t)v, "{s:I, s:I, s?F, s?F}", "rows", &rows, "vectors",
                  &vectors, "us", &us, "model_us", &model_us) ||
      rows < 1 || rows > 64 || vectors < 1 || vectors > 64)
    return mc_error(d, mc_noloc,
                    "%s: entry '%s' is damaged: it needs \"rows\" and \"vectors\" from 1 to 64",
                    path, key);
  tune_cache_put(c, key, (tune_entry){ (int)rows, (int)vectors, us, model_us });
  return true;
}

static bool read_entries(tune_cache *c, const char *path, json_t *root, mc_diag *d) {
  const json_t *format = json_object_get(root, "mcc-tune");
  json_t *entries = json_object_get(root, "entries"), *v;
  const char *key;
  if (!json_is_integer(format) || !json_is_object(entries))
    return mc_error(d, mc_noloc, "%s: is no cache of mcc -tune; it is left as it is", path);
  if (json_integer_value(format) != FORMAT)
    return mc_error(d, mc_noloc,
                    "%s: is a cache of format %lld, this mcc knows %d; remove it to measure again",
                    path, (long long)json_integer_value(format), FORMAT);
  json_object_foreach(entries, key, v) if (!read_entry(c, path, key, v, d)) return false;
  return true;
}

bool tune_cache_read(tune_cache *c, const char *path, mc_arena *a, mc_diag *d) {
  struct stat st;
  c->arena = a;
  mc_map_init(&c->map, a);
  if (!*path || (stat(path, &st) != 0 && errno == ENOENT)) return true;
  size_t size;
  char *text = mc_read_file(path, &size, a, d, mc_noloc);
  if (!text) return false;
  json_error_t e;
  json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
  if (!root)
    return mc_error(d, mc_noloc, "%s:%d:%d: the cache is damaged: %s; remove it to measure again",
                    path, e.line, e.column, e.text);
  c->read = read_entries(c, path, root, d);
  json_decref(root);
  return c->read;
}

/* Decimal digits that a person can use. */
static json_t *rounded(double us) { return json_real((double)(long long)(us * 1000 + 0.5) / 1000); }

bool tune_cache_write(const tune_cache *c, const char *path, mc_diag *d) {
  json_t *root = json_object(), *entries = json_object();
  for (size_t i = 0; i < c->map.n; i++) {
    const tune_entry *e = c->map.entries[i].val;
    const char *key = c->map.entries[i].key;
    json_object_set_new(entries, key,
                        json_pack("{s:i, s:i, s:o, s:o}", "rows", e->rows, "vectors", e->vectors,
                                  "us", rounded(e->us), "model_us", rounded(e->model_us)));
  }
  json_object_set_new(root, "mcc-tune", json_integer(FORMAT));
  json_object_set_new(root, "entries", entries);
  char *text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
  json_decref(root);
  if (!text) return mc_error(d, mc_noloc, "internal: the cache cannot be written as JSON");
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "%s\n", text);
  free(text);
  bool ok = mc_write_file(path, mc_sb_str(&s), s.n, d);
  mc_sb_free(&s);
  return ok;
}

const tune_entry *tune_cache_find(const tune_cache *c, const char *key) {
  return mc_map_str_get(&c->map, key);
}

void tune_cache_put(tune_cache *c, const char *key, tune_entry e) {
  *mc_map_str_slot(&c->map, key) = mc_arena_copy(c->arena, &e, sizeof e);
}
