/* Which candidates are better than others. */
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GOAL_ACCURACY = NUM_COSTS }; /* of s->goal: a cost, or this */

bool counts(const candidate *c) { return c->done && !c->failed && !c->probe; }

double cost_of(const search *s, const candidate *c, cost k) {
  return k == COST_LATENCY ? latency_ms(s, c) : c->cost[k];
}

bool meets(const search *s, const candidate *c) {
  if (c->accuracy < limit_accuracy(s) - 1e-12) return false;
  for (int k = 0; k < NUM_COSTS; k++)
    if (cost_of(s, c, (cost)k) > limit_of(s, (cost)k) * (1 + 1e-9)) return false;
  return true;
}

/* < 0: a has less of the cost. */
static int compare(double a, double b) { return (a > b) - (a < b); }

/* By the goal, then accuracy, latency, bytes, and the order in which they were tried. */
static int order(const search *s, const candidate *a, const candidate *b) {
  int d =
      s->goal < NUM_COSTS ? compare(cost_of(s, a, (cost)s->goal), cost_of(s, b, (cost)s->goal)) : 0;
  if (!d) d = compare(b->accuracy, a->accuracy);
  if (!d) d = compare(latency_ms(s, a), latency_ms(s, b));
  if (!d) d = compare(a->cost[COST_BYTES], b->cost[COST_BYTES]);
  return d ? d : strcmp(a->key, b->key);
}

bool better(const search *s, const candidate *a, const candidate *b) { return order(s, a, b) < 0; }

/* Costs that count: latency, those with a limit, the goal. */
static bool matters(const search *s, int k) {
  return k == COST_LATENCY || s->max[k].kind != LIMIT_NONE || s->goal == k;
}

/* a is no worse in anything, and better in something, even if b were faster than it looks. */
static bool beats(const search *s, const candidate *a, const candidate *b, double slack) {
  bool some = a->accuracy > b->accuracy;
  if (a->accuracy < b->accuracy) return false;
  for (int k = 0; k < NUM_COSTS; k++) {
    double x = cost_of(s, a, (cost)k), y = cost_of(s, b, (cost)k);
    if (k == COST_LATENCY && !(b->ms > 0)) y *= 1 - slack;
    if (!matters(s, k)) continue;
    if (x > y) return false;
    some |= x < y;
  }
  return some || (a != b && strcmp(a->key, b->key) < 0 && slack == 0);
}

typedef struct entry {
  candidate *c;
  double at;
} entry;

static int by_latency(const void *a, const void *b) {
  const entry *x = a, *y = b;
  int d = compare(x->at, y->at);
  if (!d) d = compare(y->c->accuracy, x->c->accuracy);
  return d ? d : strcmp(x->c->key, y->c->key);
}

candidates pareto(search *s, double slack) {
  entry *v = MC_NEWN(s->t.arena, entry, s->all.n + 1);
  size_t n = 0;
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    bool out = !counts(c), plain = !*c->shape->passes && !c->skip;
    for (size_t k = 0; !out && k < s->all.n; k++)
      out = s->all.v[k] != c && counts(s->all.v[k]) && beats(s, s->all.v[k], c, slack);
    if (counts(c) && plain && slack > 0) out = false; /* originals say how good estimates are */
    if (!out) v[n++] = (entry){ c, latency_ms(s, c) };
  }
  qsort(v, n, sizeof *v, by_latency);
  candidates p = { 0 };
  for (size_t i = 0; i < n; i++) MC_PUSH(s->t.arena, &p, v[i].c);
  return p;
}

void choose(search *s) {
  s->best = NULL;
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    if (!counts(c) || !meets(s, c)) continue;
    if (!s->best || better(s, c, s->best)) s->best = c;
  }
}
