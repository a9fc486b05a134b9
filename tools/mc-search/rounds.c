/* The rounds of a search, in order (docs/guide/search.md). */
#include "search.h"
#include "mc/support/clock.h"
#include <unistd.h>

static bool finished(search *s) {
  return s->late || (s->deadline > 0 && mc_seconds() >= s->deadline);
}

/* The original in fp32 comes first: the others are compared with its outputs. */
static bool run_original(search *s) {
  candidate *o = s->original;
  if (*s->expect && access(s->expect, R_OK)) o->asked = true, o->done = false;
  if (!run_round(s, "the original")) return false;
  if (o->done && !o->failed) return true;
  return mc_error(&s->t.diag, mc_noloc, "the original does not run: %s", o->said);
}

static bool round_of(search *s, const char *what) {
  if (!run_round(s, what) || !measure_latency(s)) return false;
  tidy(s);
  return true;
}

bool go(search *s) {
  if (!run_original(s)) return false;
  if (!s->latency && !(s->original->ms > 0) && !measure_one(s, s->original)) return false;
  plan_originals(s);
  plan_probes(s);
  if (!round_of(s, "precisions and layers")) return false;
  plan_grid(s);
  if (!round_of(s, "grid")) return false;
  for (int64_t i = 0; i < s->rounds && !finished(s); i++) {
    plan_skips(s);
    bool more = plan_refine(s);
    const char *what = mc_arena_printf(s->t.arena, "refinement %lld", (long long)i + 1);
    if (!round_of(s, what)) return false;
    if (!more) break;
  }
  return true;
}

bool settle(search *s) {
  for (choose(s); s->best && !s->latency && !(s->best->ms > 0); choose(s))
    if (!measure_one(s, s->best)) return false;
  return true;
}
