/* The table, the report as JSON, and the chosen network. */
#include "mc/support/blob.h"
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *what(search *s, const candidate *c) {
  const char *skip = c->skip ? mc_arena_printf(s->t.arena, ", %s in fp32", c->skip) : "";
  const char *passes = *c->shape->passes ? c->shape->passes : "original";
  return mc_arena_printf(s->t.arena, "%s, %s%s", passes, precision_names[c->precision], skip);
}

static void row(mc_strbuf *out, search *s, const candidate *c) {
  double ms = latency_ms(s, c), base = original_ms(s);
  bool guess = s->latency || !(c->ms > 0);
  mc_sb_printf(out, "%c %8.2f %c%10.4g %6.2fx %10.0f %10.0f %12.0f  %s\n", c == s->best ? '*' : ' ',
               100 * c->accuracy, guess ? '~' : ' ', ms, base / ms, c->cost[COST_BYTES],
               c->cost[COST_ARENA], c->cost[COST_MACS], what(s, c));
}

static const char *accuracy_word(const search *s) {
  return s->metric ? "AUC" : s->labels ? "top-1" : "agree";
}

/* Networks that nobody wants are on the front, too. */
static bool useless(const search *s, const candidate *c) {
  return c->accuracy < limit_accuracy(s) - 0.1 || c->accuracy < 0.5 * s->original->accuracy;
}

void print_table(mc_strbuf *out, search *s) {
  candidates p = pareto(s, 0);
  bool original = false, best = false;
  int left_out = 0;
  limits_print(out, s);
  mc_sb_printf(out, "  %8s %11s %7s %10s %10s %12s  passes\n", accuracy_word(s), "ms", "speed",
               "bytes", "arena", "MACs");
  for (size_t i = 0; i < p.n; i++) {
    if (useless(s, p.v[i]) && p.v[i] != s->best)
      left_out++;
    else
      row(out, s, p.v[i]);
    original |= p.v[i] == s->original;
    best |= p.v[i] == s->best;
  }
  if (!best && s->best) row(out, s, s->best);
  if (!original && s->best != s->original) row(out, s, s->original);
  if (left_out) mc_sb_printf(out, "%d faster ones of little accuracy are left out\n", left_out);
  if (s->latency) mc_sb_puts(out, "~: the cost model's time\n");
}

/* ---- JSON ---- */
static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *text(const char *v) { return v ? json_string(v) : json_null(); }

static json_t *json_candidate(search *s, const candidate *c) {
  if (!c) return json_null();
  json_t *j = json_object();
  json_object_set_new(j, "pipeline", json_string(candidate_pipeline(s, c)));
  json_object_set_new(j, "shape", json_string(c->shape->passes));
  json_object_set_new(j, "precision", json_string(precision_names[c->precision]));
  json_object_set_new(j, "skip", text(c->skip));
  json_object_set_new(j, "meets", json_boolean(meets(s, c)));
  json_object_set_new(j, "accuracy", number(c->accuracy));
  json_object_set_new(j, "agreement", number(c->agreement));
  json_object_set_new(j, "latency_ms", number(latency_ms(s, c)));
  json_object_set_new(j, "measured", json_boolean(!s->latency && c->ms > 0));
  json_object_set_new(j, "estimate_ms", number(c->cost[COST_LATENCY]));
  for (int k = COST_BYTES; k < NUM_COSTS; k++)
    json_object_set_new(j, cost_names[k], number(c->cost[k]));
  json_object_set_new(j, "weights", number(c->weights));
  json_object_set_new(j, "seconds", number(c->seconds));
  json_object_set_new(j, "said", json_string(c->said));
  return j;
}

static json_t *json_limits(const search *s) {
  json_t *j = json_object();
  for (int k = 0; k < NUM_COSTS; k++)
    json_object_set_new(j, cost_names[k], number(limit_of(s, (cost)k)));
  json_object_set_new(j, "accuracy", number(limit_accuracy(s)));
  return j;
}

static json_t *json_list(search *s, candidates p) {
  json_t *list = json_array();
  for (size_t i = 0; i < p.n; i++) json_array_append_new(list, json_candidate(s, p.v[i]));
  return list;
}

static json_t *json_layers(search *s) {
  json_t *list = json_array();
  candidates p = probes_sorted(s);
  for (size_t i = 0; i < p.n; i++)
    json_array_append_new(list,
                          json_pack("{s:s, s:o, s:o}", "layer", p.v[i]->probe, "error",
                                    number(p.v[i]->error), "accuracy", number(p.v[i]->accuracy)));
  return list;
}

static candidates all_that_count(search *s, bool failed) {
  candidates p = { 0 };
  for (size_t i = 0; i < s->all.n; i++)
    if (failed ? s->all.v[i]->failed : counts(s->all.v[i])) MC_PUSH(s->t.arena, &p, s->all.v[i]);
  return p;
}

json_t *json_report(search *s) {
  json_t *j = json_object(), *failed = json_array();
  candidates bad = all_that_count(s, true);
  for (size_t i = 0; i < bad.n; i++)
    json_array_append_new(failed,
                          json_pack("{s:s, s:s}", "pipeline", candidate_pipeline(s, bad.v[i]),
                                    "said", bad.v[i]->said));
  json_object_set_new(j, "schema", json_string("mc-search/1"));
  json_object_set_new(j, "version", json_string(mc_version()));
  json_object_set_new(j, "network", json_string(s->in));
  json_object_set_new(j, "data", json_string(s->data));
  json_object_set_new(j, "eval", json_string(s->eval));
  json_object_set_new(j, "metric", json_string(accuracy_word(s)));
  json_object_set_new(j, "samples", json_integer(s->nsamples));
  json_object_set_new(j, "level", json_string(s->target->name));
  json_object_set_new(j, "limits", json_limits(s));
  json_object_set_new(j, "replay", text(s->best ? replay_command(s, s->best) : NULL));
  json_object_set_new(j, "original", json_candidate(s, s->original));
  json_object_set_new(j, "best", json_candidate(s, s->best));
  json_object_set_new(j, "pareto", json_list(s, pareto(s, 0)));
  json_object_set_new(j, "candidates", json_list(s, all_that_count(s, false)));
  json_object_set_new(j, "failed", failed);
  json_object_set_new(j, "int8_by_layer", json_layers(s));
  return j;
}

/* ---- the network ---- */
static const char *machine_words(const search *s) {
  const char *arch = s->arch ? mc_arena_printf(s->t.arena, " -target=%s", s->arch) : "";
  return mc_arena_printf(s->t.arena, "-march=%s%s", s->march, arch);
}

const char *replay_command(search *s, const candidate *c) {
  mc_strbuf out = { 0 };
  mc_sb_printf(&out, "mc-opt %s --pass-pipeline=", machine_words(s));
  shell_quote(&out, candidate_pipeline(s, c));
  mc_sb_putc(&out, ' ');
  shell_word(&out, s->in);
  mc_sb_puts(&out, " -o ");
  shell_word(&out, s->out);
  const char *text = mc_arena_strdup(s->t.arena, mc_sb_str(&out));
  mc_sb_free(&out);
  return text;
}

/* The object of what was written is the one that was measured. */
static bool check_best(search *s) {
  mc_arena *a = s->t.arena;
  const char *out = mc_arena_printf(a, "%s/best.o", s->work), *measured = object_path(s, s->best);
  const char *argv[] = { mc_arena_printf(a, "%s/mcc", s->bin),
                         mc_arena_printf(a, "-march=%s", s->march),
                         "-O3",
                         "-quiet",
                         "-name=net",
                         s->out,
                         mc_arena_printf(a, "-o=%s", out),
                         s->arch ? mc_arena_printf(a, "-target=%s", s->arch) : NULL,
                         NULL };
  if (access(measured, R_OK) && !run_again(s, s->best)) return false;
  if (run_program(s, argv, NULL, mc_arena_printf(a, "%s/best.log", s->work)) == 0) {
    const char *cmp[] = { "cmp", "-s", measured, out, NULL };
    if (run_program(s, cmp, NULL, NULL) == 0) return true;
  }
  return mc_error(&s->t.diag, mc_noloc, "%s: its object is not the one that was measured (%s, %s)",
                  s->out, out, measured);
}

bool write_best(search *s) {
  mc_arena *a = s->t.arena;
  const char *argv[] = { mc_arena_printf(a, "%s/mc-opt", s->bin),
                         mc_arena_printf(a, "-march=%s", s->march),
                         mc_arena_printf(a, "--pass-pipeline=%s", candidate_pipeline(s, s->best)),
                         s->in,
                         mc_arena_printf(a, "-o=%s", s->out),
                         s->arch ? mc_arena_printf(a, "-target=%s", s->arch) : NULL,
                         NULL };
  const char *log = mc_arena_printf(a, "%s/best.log", s->work);
  int rc = run_program(s, argv, NULL, log);
  if (rc > 0) {
    size_t n;
    const char *said = mc_read_file(log, &n, a, &s->t.diag, mc_noloc);
    mc_error(&s->t.diag, mc_noloc, "%s: mc-opt ended with exit code %d", s->out, rc);
    if (said) mc_note(&s->t.diag, mc_noloc, "%s", said);
  }
  if (rc == 0 && *s->best->said)
    mc_warning(&s->t.diag, mc_noloc, "of the chosen candidate: %.600s", s->best->said);
  return rc == 0 && check_best(s);
}
