/* What to try: the original in every precision, a grid of budgets, and budgets near the limits. */
#include "mc/support/suggest.h"
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GOAL_ACCURACY = NUM_COSTS, MAX_STEPS = 2 };

/* One or two passes that share a budget. */
typedef struct technique {
  const char *name, *pass[MAX_STEPS];
} technique;

static const technique techniques[] = {
  { "prune", { "prune" } },
  { "lowrank", { "lowrank" } },
  { "compress", { "compress" } },
  { "prune+lowrank", { "prune", "lowrank" } },
  { "lowrank+prune", { "lowrank", "prune" } },
};

enum { NUM_TECHNIQUES = sizeof techniques / sizeof *techniques };

static const technique *technique_find(const char *name) {
  for (int i = 0; i < NUM_TECHNIQUES; i++)
    if (strcmp(techniques[i].name, name) == 0) return &techniques[i];
  return NULL;
}

static bool wanted(const search *s, const technique *t) {
  bool any = !s->techniques.n;
  for (size_t i = 0; i < s->techniques.n; i++) any |= mc_same_word(s->techniques.v[i], t->name);
  for (int i = 0; any && i < MAX_STEPS && t->pass[i]; i++) any = pass_exists(t->pass[i]);
  return any;
}

/* ---- texts ---- */
static void step(mc_strbuf *out, const search *s, const char *pass, const char *unit,
                 double budget) {
  mc_sb_printf(out, "%s%s{%s=%.4g", out->n ? "," : "", pass, unit, budget);
  if (pass_has(pass, "data")) {
    mc_sb_puts(out, " data=");
    mc_sb_quoted(out, s->data);
  }
  bool ints = s->front[P_INT8] || s->front[P_MIXED]; /* passes count time and bytes in INT8 */
  if (!ints && pass_has(pass, "arith"))
    mc_sb_printf(out, " arith=%s", s->front[P_BF16] ? "bf16" : "f32");
  mc_sb_putc(out, '}');
}

/* Of two passes each keeps the root of the budget: theirs multiply. */
static const char *passes_of(const search *s, const technique *t, const char *unit, double budget) {
  mc_strbuf out = { 0 };
  int n = t->pass[1] ? 2 : 1;
  double each = n == 2 ? sqrt(budget) : budget;
  for (int i = 0; i < n; i++)
    step(&out, s, t->pass[i], pass_has(t->pass[i], unit) ? unit : "macs", each);
  const char *text = mc_arena_strdup(s->t.arena, mc_sb_str(&out));
  mc_sb_free(&out);
  return text;
}

bool plan_shape(search *s, const char *name, const char *unit, double budget) {
  const technique *t = technique_find(name);
  size_t before = s->all.n;
  budget = round(budget * 100) / 100;
  if (budget < 0.03 || budget > 0.97) return false;
  const shape *h = shape_get(s, t->name, unit, budget, passes_of(s, t, unit, budget));
  for (int p = 0; p < NUM_PRECISIONS; p++)
    if (s->front[p]) candidate_get(s, h, (precision)p, NULL, NULL);
  return s->all.n > before;
}

/* ---- the first rounds ---- */
void plan_original(search *s) {
  s->original = candidate_get(s, shape_get(s, "original", "", 1, ""), P_FP32, NULL, NULL);
}

void plan_originals(search *s) {
  const shape *h = shape_get(s, "original", "", 1, "");
  for (int p = 0; p < NUM_PRECISIONS; p++)
    if (s->front[p]) candidate_get(s, h, (precision)p, NULL, NULL);
}

/* Kinds of budgets for the limits, at most two: time, bytes, arena, MACs. */
static int units_of(const search *s, const char *out[2]) {
  static const char *const names[NUM_COSTS] = { "time", "bytes", "arena", "macs" };
  bool time = pass_has("prune", "time");
  int n = 0;
  for (int k = 0; k < NUM_COSTS && n < 2; k++) {
    bool there = k == COST_LATENCY ? time : pass_has("prune", names[k]);
    if ((s->max[k].kind != LIMIT_NONE || s->goal == k) && there) out[n++] = names[k];
  }
  if (!n) out[n++] = "macs";
  return n;
}

/* The limit itself is a budget, too, where it is one of the unit's. */
static double share_wanted(const search *s, const char *unit) {
  cost k = strcmp(unit, "macs") == 0    ? COST_MACS
           : strcmp(unit, "arena") == 0 ? COST_ARENA
                                        : NUM_COSTS;
  return k == NUM_COSTS ? INFINITY : limit_of(s, k) / cost_of(s, s->original, k);
}

void plan_grid(search *s) {
  static const double budgets[] = { 0.8, 0.6, 0.45, 0.3 };
  const char *unit[2];
  int n = units_of(s, unit);
  for (int u = 0; u < n; u++)
    for (int i = 0; i < NUM_TECHNIQUES; i++) {
      if (!wanted(s, &techniques[i])) continue;
      for (int b = 0; b < 4; b++) plan_shape(s, techniques[i].name, unit[u], budgets[b]);
      double w = share_wanted(s, unit[u]);
      if (isfinite(w)) plan_shape(s, techniques[i].name, unit[u], w);
    }
}

/* ---- near the limits ---- */
/* Candidates of one technique, unit and precision, by budget. */
typedef struct family {
  candidates list;
  candidate *best;
  double next;
} family;

typedef struct families {
  family *v;
  size_t n, cap;
} families;

static bool same_family(const candidate *a, const candidate *b) {
  return a->precision == b->precision && strcmp(a->shape->technique, b->shape->technique) == 0 &&
         strcmp(a->shape->unit, b->shape->unit) == 0;
}

static int by_budget(const void *a, const void *b) {
  const candidate *x = *(candidate *const *)a, *y = *(candidate *const *)b;
  return (x->shape->budget > y->shape->budget) - (x->shape->budget < y->shape->budget);
}

static families collect(search *s) {
  families f = { 0 };
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    if (!counts(c) || c->skip || !*c->shape->passes) continue;
    size_t k = 0;
    while (k < f.n && !same_family(f.v[k].list.v[0], c)) k++;
    if (k == f.n) MC_PUSH(s->t.arena, &f, (family){ 0 });
    MC_PUSH(s->t.arena, &f.v[k].list, c);
  }
  return f;
}

static candidate *original_in(search *s, precision p) {
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    if (counts(c) && !*c->shape->passes && c->precision == p && !c->skip) return c;
  }
  return NULL;
}

static double middle(double a, double b) { return b - a > 0.025 ? (a + b) / 2 : NAN; }

/* The most accurate that meets the limits is the widest that does. */
static double next_wider(const family *f, const bool *ok) {
  size_t n = f->list.n, i = n;
  while (i > 0 && !ok[i - 1]) i--;
  if (!i) return f->list.v[0]->shape->budget * 0.6;
  return i == n ? NAN : middle(f->list.v[i - 1]->shape->budget, f->list.v[i]->shape->budget);
}

/* The cheapest that is accurate enough is the narrowest. */
static double next_narrower(const family *f, const bool *ok) {
  size_t n = f->list.n, i = 0;
  while (i < n && !ok[i]) i++;
  if (i == n) return NAN;
  if (!i) return f->list.v[0]->shape->budget * 0.7;
  return middle(f->list.v[i - 1]->shape->budget, f->list.v[i]->shape->budget);
}

/* Its best candidate, and the budget to try next (NAN: none). */
static void look(search *s, family *f) {
  candidate *o = original_in(s, f->list.v[0]->precision);
  if (o) MC_PUSH(s->t.arena, &f->list, o);
  qsort(f->list.v, f->list.n, sizeof *f->list.v, by_budget);
  bool *ok = MC_NEWN(s->t.arena, bool, f->list.n);
  for (size_t i = 0; i < f->list.n; i++) {
    candidate *c = f->list.v[i];
    ok[i] = meets(s, c);
    if (ok[i] && (!f->best || better(s, c, f->best))) f->best = c;
  }
  f->next = s->goal == GOAL_ACCURACY ? next_wider(f, ok) : next_narrower(f, ok);
}

/* The families to go on with: the best ones first, those that meet no limit yet last. */
static int by_promise(const void *a, const void *b, void *s) {
  const family *x = a, *y = b;
  if (!x->best != !y->best) return !x->best - !y->best;
  if (!x->best) return strcmp(x->list.v[0]->key, y->list.v[0]->key);
  return better(s, x->best, y->best) ? -1 : better(s, y->best, x->best);
}

bool plan_refine(search *s) {
  families f = collect(s);
  int made = 0, most = s->jobs > 2 ? (int)(2 * s->jobs) : 4;
  for (size_t i = 0; i < f.n; i++) look(s, &f.v[i]);
  if (f.n) qsort_r(f.v, f.n, sizeof *f.v, by_promise, s);
  for (size_t i = 0; i < f.n && made < most; i++) {
    const shape *h = f.v[i].list.v[0]->shape;
    if (!*h->passes && f.v[i].list.n > 1) h = f.v[i].list.v[1]->shape;
    if (!isnan(f.v[i].next)) made += plan_shape(s, h->technique, h->unit, f.v[i].next);
  }
  return made > 0;
}
