/* What is said and written at the end. */
#include "mc/support/blob.h"
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What comes nearest, where nothing meets the limits. */
static void say_nothing_meets(search *s) {
  const candidate *near = NULL;
  double least = INFINITY;
  for (size_t i = 0; i < s->all.n; i++) {
    const candidate *c = s->all.v[i];
    double over = counts(c) ? fmax(limit_accuracy(s) / c->accuracy, 0) : INFINITY;
    for (int k = 0; k < NUM_COSTS && counts(c); k++)
      over = fmax(over, cost_of(s, c, (cost)k) / limit_of(s, (cost)k));
    if (over < least) least = over, near = c;
  }
  mc_error(&s->t.diag, mc_noloc, "no candidate meets the limits; %s is not written", s->out);
  if (near)
    mc_note(
        &s->t.diag, mc_noloc,
        "the nearest is beyond a limit by %.3g %%: accuracy %.2f, %.4g ms, %.0f bytes, arena %.0f, "
        "%.0f MACs: %s, %s",
        100 * (least - 1), 100 * near->accuracy, latency_ms(s, near), near->cost[COST_BYTES],
        near->cost[COST_ARENA], near->cost[COST_MACS],
        *near->shape->passes ? near->shape->passes : "original", precision_names[near->precision]);
}

static void say_failed(search *s) {
  size_t n = 0;
  const candidate *first = NULL;
  for (size_t i = 0; i < s->all.n; i++)
    if (s->all.v[i]->failed && !n++) first = s->all.v[i];
  if (!n) return;
  mc_warning(&s->t.diag, mc_noloc, "%zu candidates failed; the first: %s", n,
             candidate_pipeline(s, first));
  mc_note(&s->t.diag, mc_noloc, "%.600s", first->said);
}

static bool show(search *s) {
  mc_strbuf out = { 0 };
  bool json_only = s->json && !*s->json, ok = true;
  print_table(&out, s);
  if (s->best) mc_sb_printf(&out, "%s\n", replay_command(s, s->best));
  if (!json_only) tool_print(mc_sb_str(&out), out.n);
  mc_sb_free(&out);
  if (s->json) {
    json_t *j = json_report(s);
    char *text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(j);
    if (!text)
      return mc_error(&s->t.diag, mc_noloc, "--json: a name is not UTF-8, which JSON needs");
    const char *line = mc_arena_printf(s->t.arena, "%s\n", text);
    free(text);
    ok = mc_write_file(*s->json ? s->json : "-", line, strlen(line), &s->t.diag);
  }
  return ok;
}

bool finish(search *s) {
  if (s->late)
    mc_warning(&s->t.diag, mc_noloc,
               "--time-limit=%s ended the search before all was tried; the "
               "same command goes on",
               s->time_limit);
  say_failed(s);
  if (!s->best) say_nothing_meets(s);
  return (!s->best || write_best(s)) && report_write(s) && show(s);
}
