/* The journal: lines of JSON that are only ever appended, each synced before anything builds on it.
 */
#include "search.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char schema[] = "mc-search/1";

static const char *path_of(const search *s) {
  return mc_arena_printf(s->t.arena, "%s/journal.jsonl", s->work);
}

static bool failed(search *s, const char *what) {
  return mc_error(&s->t.diag, mc_noloc, "%s: %s: %s", path_of(s), what, strerror(errno));
}

/* ---- writing ---- */
static bool put(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t k = write(fd, p, n);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return false;
    p += k;
    n -= (size_t)k;
  }
  return fsync(fd) == 0;
}

/* Takes j. A line that cannot be written whole is taken away again. */
static bool append(search *s, json_t *j) {
  char *text = j ? json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  json_decref(j);
  if (!text) return mc_error(&s->t.diag, mc_noloc, "a name is not UTF-8, which the journal needs");
  const char *line = mc_arena_printf(s->t.arena, "%s\n", text);
  free(text);
  off_t end = lseek(s->journal, 0, SEEK_END);
  if (put(s->journal, line, strlen(line))) return true;
  failed(s, "cannot write");
  if (ftruncate(s->journal, end)) failed(s, "cannot take the torn line away");
  return false;
}

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *result_of(const candidate *c) {
  json_t *r = json_object();
  json_object_set_new(r, "failed", json_boolean(c->failed));
  json_object_set_new(r, "accuracy", number(c->accuracy));
  json_object_set_new(r, "agreement", number(c->agreement));
  json_object_set_new(r, "error", number(c->error));
  for (int k = 0; k < NUM_COSTS; k++)
    json_object_set_new(r, k ? cost_names[k] : "estimate_ms", number(c->cost[k]));
  json_object_set_new(r, "weights", number(c->weights));
  json_object_set_new(r, "seconds", number(c->seconds));
  json_object_set_new(r, "said", json_string(c->said));
  return r;
}

bool journal_result(search *s, const candidate *c) {
  json_t *j = json_object();
  json_object_set_new(j, "key", json_string(c->key));
  json_object_set_new(j, "shape", json_string(c->shape->passes));
  json_object_set_new(j, "precision", json_string(precision_names[c->precision]));
  if (c->skip) json_object_set_new(j, "skip", json_string(c->skip));
  if (c->probe) json_object_set_new(j, "probe", json_string(c->probe));
  json_object_set_new(j, "result", result_of(c));
  return append(s, j);
}

bool journal_latency(search *s, const candidate *c) {
  return append(s, json_pack("{s:s, s:{s:f, s:f}}", "key", c->key, "latency", "ms", c->ms,
                             "original_ms", c->original_ms));
}

/* ---- reading ---- */
static double real_at(const json_t *j, const char *key) {
  const json_t *v = json_object_get(j, key);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

/* What the journal says of a key, kept until a candidate asks for it: {"result": ..., "latency":
 * ...}. */
static bool take_line(search *s, const char *line, size_t number_of) {
  json_error_t e;
  json_t *j = json_loads(line, 0, &e);
  const char *key = json_string_value(json_object_get(j, "key"));
  if (!key) {
    json_decref(j);
    return mc_error(&s->t.diag, mc_noloc,
                    "%s:%zu: not a line of a journal of mc-search; delete %s to begin again",
                    path_of(s), number_of, s->work);
  }
  void **slot = mc_map_str_slot(&s->by_key, mc_arena_printf(s->t.arena, "+%s", key));
  if (!*slot) *slot = json_object();
  if (json_object_get(j, "result")) s->known++;
  json_object_update(*slot, j);
  json_decref(j);
  return true;
}

void journal_find(search *s, candidate *c) {
  const char *name = mc_arena_printf(s->t.arena, "+%s", c->key);
  const json_t *j = mc_map_str_get(&s->by_key, name), *r = json_object_get(j, "result"),
               *l = json_object_get(j, "latency");
  if (!r) return;
  c->done = true;
  c->failed = json_is_true(json_object_get(r, "failed"));
  c->accuracy = real_at(r, "accuracy");
  c->agreement = real_at(r, "agreement");
  c->error = real_at(r, "error");
  for (int k = 0; k < NUM_COSTS; k++) c->cost[k] = real_at(r, k ? cost_names[k] : "estimate_ms");
  c->weights = real_at(r, "weights");
  c->seconds = real_at(r, "seconds");
  const char *said = json_string_value(json_object_get(r, "said"));
  c->said = said ? mc_arena_strdup(s->t.arena, said) : "";
  if (!l) return;
  c->ms = real_at(l, "ms");
  c->original_ms = real_at(l, "original_ms");
}

static json_t *head(const search *s) {
  const char *hash = mc_arena_printf(s->t.arena, "%016llx", (unsigned long long)s->model);
  return json_pack("{s:s, s:s}", "journal", schema, "network", hash);
}

static bool check_head(search *s, const char *line) {
  json_t *j = json_loads(line, 0, NULL), *want = head(s);
  const char *what = json_string_value(json_object_get(j, "journal"));
  bool known = what && strcmp(what, schema) == 0, same = json_equal(j, want);
  json_decref(j);
  json_decref(want);
  if (!known)
    return mc_error(&s->t.diag, mc_noloc, "%s: not a journal of this version of mc-search",
                    path_of(s));
  return same ||
         mc_error(&s->t.diag, mc_noloc,
                  "%s: the journal is of another network than %s; delete %s or name another "
                  "folder with --work=",
                  path_of(s), s->in, s->work);
}

/* All whole lines; a torn one at the end is cut off. */
static bool read_all(search *s) {
  size_t size;
  char *text = mc_read_file(path_of(s), &size, s->t.arena, &s->t.diag, mc_noloc), *p = text;
  if (!text) return false;
  if (strlen(text) != size)
    return mc_error(&s->t.diag, mc_noloc, "%s: not a journal of mc-search", path_of(s));
  for (size_t n = 1;; n++) {
    char *end = strchr(p, '\n');
    if (!end) break;
    *end = 0;
    if (n == 1 ? !check_head(s, p) : !take_line(s, p, n)) return false;
    p = end + 1;
  }
  if (*p && ftruncate(s->journal, p - text)) return failed(s, "cannot cut off a torn line");
  return p != text || append(s, head(s));
}

bool journal_open(search *s) {
  s->journal = open(path_of(s), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (s->journal < 0) return failed(s, "cannot open");
  if (flock(s->journal, LOCK_EX | LOCK_NB))
    return mc_error(&s->t.diag, mc_noloc, "%s: another mc-search is at work with this journal",
                    path_of(s));
  return read_all(s);
}

void journal_close(search *s) {
  for (size_t i = 0; i < s->by_key.n; i++)
    if (*(const char *)s->by_key.entries[i].key == '+') json_decref(s->by_key.entries[i].val);
  if (s->journal >= 0) close(s->journal);
}
