/* Limits: numbers with units, shares of the original. */
#include "mc/support/suggest.h"
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cost_names[] = { "latency", "bytes", "arena", "macs", NULL };

typedef struct unit {
  const char *name;
  double factor;
} unit;

static const unit times[] = { { "us", 1e-3 }, { "ms", 1 }, { "s", 1e3 }, { NULL, 0 } };
static const unit sizes[] = { { "B", 1 },      { "KB", 1e3 },      { "MB", 1e6 },
                              { "KiB", 1024 }, { "MiB", 1 << 20 }, { NULL, 0 } };
static const unit counts_of[] = { { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { NULL, 0 } };
static const unit *const units[NUM_COSTS] = { times, sizes, sizes, counts_of };

static bool bad(search *s, const char *option, const char *text, const char *why) {
  return mc_error(&s->t.diag, mc_noloc, "--%s=%s: %s", option, text, why);
}

/* A share: "0.5", "0.5x", "50%". False: it is something else. */
static bool share(limit *l, double v, const char *rest) {
  bool percent = strcmp(rest, "%") == 0;
  if (!percent && strcmp(rest, "x") && (*rest || v > 1)) return false;
  l->kind = LIMIT_SHARE;
  l->value = percent ? v / 100 : v;
  return true;
}

static bool in_units(limit *l, double v, const char *rest, const unit *u) {
  for (; u->name; u++) {
    if (!mc_same_word(u->name, rest)) continue;
    l->kind = LIMIT_ABSOLUTE;
    l->value = v * u->factor;
    return true;
  }
  return false;
}

static const char *const what_is_right[NUM_COSTS] = {
  "a share of the original (0.5, 0.5x, 50%) or a time (0.8ms, 120us) is wanted",
  "a share of the original (0.5, 0.5x, 50%) or bytes (64KB, 1MB, 64KiB, 20000) are wanted",
  "a share of the original (0.5, 0.5x, 50%) or bytes (64KB, 1MB, 64KiB, 20000) are wanted",
  "a share of the original (0.5, 0.5x, 50%) or a count (5M, 900k, 12000) is wanted",
};

static bool read_max(search *s, cost k) {
  limit *l = &s->max[k];
  const char *option = mc_arena_printf(s->t.arena, "max-%s", cost_names[k]);
  if (!l->text) return true;
  char *rest;
  double v = strtod(l->text, &rest);
  if (rest == l->text || !isfinite(v)) return bad(s, option, l->text, what_is_right[k]);
  if (!(v > 0)) return bad(s, option, l->text, "must be above 0");
  if (share(l, v, rest) || in_units(l, v, rest, units[k])) return true;
  if (*rest || k == COST_LATENCY || v != floor(v)) return bad(s, option, l->text, what_is_right[k]);
  l->kind = LIMIT_ABSOLUTE; /* bytes and MACs are whole numbers above 1 */
  l->value = v;
  return true;
}

static bool read_min(search *s) {
  limit *l = &s->min;
  static const char right[] = "a share of the original's (0.99, 99%), points of 100 (82.5pt), or "
                              "points below the original's (-0.5pt) are wanted";
  if (!l->text) return true;
  char *rest;
  double v = strtod(l->text, &rest);
  bool points = strcmp(rest, "pt") == 0;
  if (rest == l->text || !isfinite(v)) return bad(s, "min-accuracy", l->text, right);
  if (points && fabs(v) <= 100) {
    l->kind = l->text[0] == '-' ? LIMIT_BELOW : LIMIT_ABSOLUTE;
    l->value = fabs(v) / 100;
    return true;
  }
  return (v > 0 && share(l, v, rest)) || bad(s, "min-accuracy", l->text, right);
}

bool limits_read(search *s) {
  bool any = s->min.text, ok = read_min(s);
  for (int k = 0; k < NUM_COSTS; k++) {
    any |= s->max[k].text != NULL;
    ok &= read_max(s, (cost)k);
  }
  if (any) return ok;
  return mc_error(&s->t.diag, mc_noloc,
                  "nothing to meet: give one or two of --max-latency, --max-bytes, --max-macs, "
                  "--max-arena, --min-accuracy");
}

double limit_of(const search *s, cost k) {
  const limit *l = &s->max[k];
  if (l->kind == LIMIT_NONE) return INFINITY;
  return l->kind == LIMIT_SHARE ? l->value * cost_of(s, s->original, k) : l->value;
}

double limit_accuracy(const search *s) {
  double base = s->original->accuracy;
  switch (s->min.kind) {
  case LIMIT_NONE: return -INFINITY;
  case LIMIT_SHARE: return s->min.value * base;
  case LIMIT_BELOW: return base - s->min.value;
  case LIMIT_ABSOLUTE: break;
  }
  return s->min.value;
}

static void print_max(mc_strbuf *out, const search *s, cost k) {
  double v = limit_of(s, k), share_of = 100 * v / cost_of(s, s->original, k);
  if (s->max[k].kind == LIMIT_NONE) return;
  mc_sb_printf(out, "limit: %s at most ", cost_names[k]);
  if (k == COST_LATENCY)
    mc_sb_printf(out, "%.4g ms", v);
  else
    mc_sb_printf(out, "%.0f%s", v, k == COST_MACS ? "" : " bytes");
  mc_sb_printf(out, " (%.1f %% of the original's)\n", share_of);
}

void limits_print(mc_strbuf *out, const search *s) {
  for (int k = 0; k < NUM_COSTS; k++) print_max(out, s, (cost)k);
  if (s->min.kind == LIMIT_NONE) return;
  mc_sb_printf(out, "limit: accuracy at least %.2f (the original has %.2f)\n",
               100 * limit_accuracy(s), 100 * s->original->accuracy);
}
