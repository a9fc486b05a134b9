/* Latency: estimated for all, measured for those that matter, one at a time. */
#include "common/progress.h"
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODEL = 1 }; /* of --latency */

const char *object_path(const search *s, const candidate *c) {
  return mc_arena_printf(s->t.arena, "%s/%s.o", s->work, c->key);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median of what it took beside each candidate: one measurement may fall into a busy moment. */
double original_ms(const search *s) {
  double *v = MC_NEWN(s->t.arena, double, s->all.n + 1);
  size_t n = 0;
  for (size_t i = 0; i < s->all.n; i++)
    if (s->all.v[i]->original_ms > 0) v[n++] = s->all.v[i]->original_ms;
  if (!n || s->latency == MODEL) return s->original->cost[COST_LATENCY];
  qsort(v, n, sizeof *v, by_value);
  return v[n / 2];
}

/* Measured against estimated, of the original in the precision of c, in fp32 where it has none. */
static double correction(const search *s, precision p) {
  for (size_t i = 0; i < s->all.n; i++) {
    const candidate *o = s->all.v[i];
    if (*o->shape->passes || o->precision != p || !counts(o) || o->skip || !(o->ms > 0)) continue;
    return o->ms / o->original_ms * original_ms(s) / o->cost[COST_LATENCY];
  }
  return p == P_FP32 ? 1 : correction(s, P_FP32);
}

double latency_ms(const search *s, const candidate *c) {
  if (s->latency == MODEL) return c->cost[COST_LATENCY];
  if (c->ms > 0) return c->ms / c->original_ms * original_ms(s);
  return c->cost[COST_LATENCY] * correction(s, c->precision);
}

/* ---- measuring ---- */
static double median_of(const json_t *all, size_t k) {
  const json_t *one = json_array_get(json_object_get(all, "networks"), k),
               *v = json_object_get(one, "median_ms");
  return json_is_number(v) ? json_number_value(v) : 0;
}

static bool read_times(search *s, candidate *c, const char *path) {
  json_t *j = json_load_file(path, 0, NULL);
  c->original_ms = median_of(j, 0);
  c->ms = c == s->original ? c->original_ms : median_of(j, 1);
  json_decref(j);
  if (c->ms > 0 && c->original_ms > 0) return true;
  return mc_error(&s->t.diag, mc_noloc, "mc-bench measured nothing for %s", object_path(s, c));
}

static bool has_object(search *s, candidate *c) {
  return access(object_path(s, c), R_OK) == 0 || run_again(s, c);
}

bool measure_one(search *s, candidate *c) {
  mc_arena *a = s->t.arena;
  if (!has_object(s, s->original) || !has_object(s, c)) return false;
  const char *out = mc_arena_printf(a, "%s/bench.json", s->work);
  const char *argv[] = {
    mc_arena_printf(a, "%s/mc-bench", s->bin),           "--json",
    mc_arena_printf(a, "--seconds=%g", s->seconds_each), object_path(s, s->original),
    c == s->original ? NULL : object_path(s, c),         NULL
  };
  int rc = run_program(s, argv, out, NULL);
  if (rc < 0) return false;
  if (rc) return mc_error(&s->t.diag, mc_noloc, "mc-bench %s: exit code %d", argv[4], rc);
  return read_times(s, c, out) && journal_latency(s, c);
}

/* How far estimates are trusted: what looks up to a quarter too slow is measured, too. */
static const double slack = 0.25;

bool measure_latency(search *s) {
  if (s->latency == MODEL) return true;
  candidates p = pareto(s, slack);
  progress show = progress_start("measuring latency");
  bool ok = true;
  for (size_t i = 0; ok && i < p.n; i++) {
    if (!(p.v[i]->ms > 0)) ok = measure_one(s, p.v[i]);
    progress_step(&show, (int64_t)i + 1, (int64_t)p.n);
  }
  progress_end(&show);
  return ok;
}

/* ---- files ---- */
static void forget(const search *s, const char *stem, const char *key) {
  static const char *const ends[] = { "o", "mir", "safetensors", NULL };
  for (int i = 0; ends[i]; i++)
    unlink(mc_arena_printf(s->t.arena, "%s/%s%s.%s", s->work, stem, key, ends[i]));
}

void tidy(search *s) {
  candidates p = pareto(s, s->latency == MODEL ? 0 : slack);
  for (size_t i = 0; i < s->all.n; i++) {
    const candidate *c = s->all.v[i];
    bool object = c == s->original, of_shape = !*c->shape->passes;
    for (size_t k = 0; k < p.n; k++) object |= p.v[k] == c, of_shape |= p.v[k]->shape == c->shape;
    if (!object) forget(s, "", c->key);
    if (!of_shape) forget(s, "shape-", c->shape->key);
  }
}
