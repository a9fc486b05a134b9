/* Shapes and candidates: keys, passes, results. */
#include "mc/driver/driver.h"
#include "mc/support/hash.h"
#include "search.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

const char *const precision_names[] = { "fp32", "bf16", "int8", "mixed", NULL };

/* ---- passes ---- */
static const mc_pass_info *pass_find(const char *name) {
  const mc_registry *r = mc_driver_registry();
  for (int i = 0; i < r->nalias; i++)
    if (strcmp(r->alias[i].name, name) == 0) name = r->alias[i].pipeline;
  for (int i = 0; i < r->npass; i++)
    if (strcmp(r->pass[i].text, name) == 0) return &r->pass[i];
  return NULL;
}

bool pass_exists(const char *name) { return pass_find(name) != NULL; }

bool pass_has(const char *name, const char *option) {
  const mc_pass_info *p = pass_find(name);
  for (const mc_field *f = p ? p->opts : NULL; f && f->name; f++)
    if (strcmp(f->name, option) == 0) return true;
  return false;
}

/* ---- keys ---- */
static const char *key_of(search *s, uint64_t h) {
  return mc_arena_printf(s->t.arena, "%016llx", (unsigned long long)h);
}

const shape *shape_get(search *s, const char *technique, const char *unit, double budget,
                       const char *passes) {
  void **slot = mc_map_str_slot(&s->shapes, passes);
  if (*slot) return *slot;
  shape *h = MC_NEW(s->t.arena, shape);
  *h = (shape){ key_of(s, mc_hash_text(s->context, passes)), mc_arena_strdup(s->t.arena, passes),
                technique, unit, budget };
  *slot = h;
  return h;
}

/* The passes of the precision, with the layers that stay in fp32 or the only one that does not. */
static const char *precision_passes(search *s, precision p, const char *skip, const char *only) {
  if (!skip && !only) return s->front[p];
  mc_compile_opts o = mc_compile_defaults();
  o.quant = MC_QUANT_INT8;
  o.mixed = p == P_MIXED;
  o.calib = s->data;
  o.calib_method = s->calib_method;
  o.skip = skip;
  o.only = only;
  o.target = s->target;
  return mc_compile_front(s->module, &o, s->t.arena, &s->t.diag);
}

candidate *candidate_get(search *s, const shape *h, precision p, const char *skip,
                         const char *probe) {
  const char *passes = precision_passes(s, p, skip, probe);
  const char *key = key_of(s, mc_hash_text(mc_hash_text(s->context, h->passes), passes));
  void **slot = mc_map_str_slot(&s->by_key, key);
  if (*slot) return *slot;
  candidate *c = MC_NEW(s->t.arena, candidate);
  *c = (candidate){ .key = key,
                    .passes = passes,
                    .shape = h,
                    .precision = p,
                    .skip = skip,
                    .probe = probe,
                    .said = "",
                    .agreement = NAN,
                    .error = NAN };
  *slot = c;
  MC_PUSH(s->t.arena, &s->all, c);
  journal_find(s, c);
  c->asked = !c->done;
  return c;
}

const char *candidate_pipeline(search *s, const candidate *c) {
  const char *comma = *c->shape->passes && *c->passes ? "," : "";
  return mc_arena_printf(s->t.arena, "%s%s%s", c->shape->passes, comma, c->passes);
}

/* ---- what the script printed ---- */
static double real_at(const json_t *j, const char *key) {
  const json_t *v = json_object_get(j, key);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

static void read_mcc(candidate *c, const json_t *mcc) {
  const json_t *bytes = json_object_get(mcc, "bytes"),
               *level = json_array_get(json_object_get(mcc, "levels"), 0);
  c->cost[COST_LATENCY] = real_at(level, "estimate_us") * 1e-3;
  c->cost[COST_BYTES] = real_at(bytes, "code") + real_at(bytes, "constants");
  c->cost[COST_ARENA] = real_at(bytes, "arena");
  c->cost[COST_MACS] = real_at(json_object_get(mcc, "macs"), "total");
  c->weights = real_at(bytes, "weights");
}

static void read_run(candidate *c, const json_t *run) {
  const json_t *out = json_array_get(json_object_get(run, "outputs"), 0);
  c->agreement = real_at(out, "top1_same") / real_at(out, "top1_samples");
  c->error = real_at(out, "relative_l2");
}

static double read_accuracy(const search *s, const candidate *c, const json_t *eval) {
  if (s->metric) return real_at(eval, "auc");
  if (!s->labels) return c->agreement;
  return real_at(json_array_get(json_object_get(eval, "top"), 0), "share");
}

/* Where a message of this kind begins: not in the middle of a sentence ("their own error: 0.1"). */
static const char *message(const char *text, const char *kind) {
  const char *at = text;
  while ((at = strstr(at, kind)) && at - text > 1 && at[-1] == ' ' &&
         isalnum((unsigned char)at[-2]))
    at++;
  return at;
}

/* The error alone, or nothing where the tools had nothing to warn of. */
static const char *what_was_said(search *s, const char *text) {
  const char *at = message(text, "error:"), *w = message(text, "warning:");
  return mc_arena_strdup(s->t.arena, at ? at : w ? w : "");
}

candidate *candidate_read(search *s, const char *line) {
  json_t *j = json_loads(line, 0, NULL);
  const char *key = json_string_value(json_object_get(j, "key"));
  candidate *c = key ? mc_map_str_get(&s->by_key, key) : NULL;
  if (!c) {
    mc_warning(&s->t.diag, mc_noloc, "a candidate's line is not understood: %.200s", line);
    json_decref(j);
    return NULL;
  }
  const char *said = json_string_value(json_object_get(j, "said"));
  c->seconds = real_at(j, "seconds");
  c->failed = real_at(j, "status") != 0;
  c->said = what_was_said(s, said ? said : "");
  if (!c->failed) {
    read_mcc(c, json_object_get(j, "mcc"));
    read_run(c, json_object_get(j, "run"));
    c->accuracy = read_accuracy(s, c, json_object_get(j, "eval"));
    c->failed = !isfinite(c->accuracy) || !isfinite(c->cost[COST_BYTES]);
    if (c->failed) c->said = "the report of a tool lacks a number";
  }
  c->done = true;
  c->asked = false;
  json_decref(j);
  return c;
}
