// RUN: %unit/alloc_test
/* Allocation against the best of all choices: sums of costs, products of two widths, several
 * limits. */
#include "../../lib/compress/alloc.h"
#include "check.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { UNITS = 5, MOST = 6 };

static uint64_t seed = 7;

static double rnd(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 40) * 0x1p-24;
}

typedef struct problem {
  mc_alloc_unit u[UNITS];
  double damage[UNITS][MOST], cost[UNITS][MOST], other[UNITS][MOST];
  mc_alloc_limit l[2];
} problem;

static double sum_cost(void *ctx, const int *c) {
  const problem *p = ctx;
  double s = 0;
  for (int i = 0; i < UNITS; i++) s += p->cost[i][c[i]];
  return s;
}

/* A chain of layers: each costs the width before it times its own. */
static double chain_cost(void *ctx, const int *c) {
  const problem *p = ctx;
  double s = 0, in = 1;
  for (int i = 0; i < UNITS; in = p->cost[i][c[i]], i++) s += in * p->cost[i][c[i]];
  return s;
}

static double other_cost(void *ctx, const int *c) {
  const problem *p = ctx;
  double s = 0;
  for (int i = 0; i < UNITS; i++) s += p->other[i][c[i]];
  return s;
}

/* Convex damage that grows as the cost falls, with some noise. */
static void fill(problem *p) {
  memset(p, 0, sizeof *p);
  for (int i = 0; i < UNITS; i++) {
    double scale = exp(4 * rnd());
    for (int k = 0; k < MOST; k++) {
      p->cost[i][k] = 1 - k / (double)MOST;
      p->other[i][k] = (1 - k / (double)MOST) * (0.2 + rnd());
      p->damage[i][k] = k ? p->damage[i][k - 1] + scale * k * (0.5 + rnd()) : 0;
    }
    p->u[i] = (mc_alloc_unit){ MOST, p->damage[i] };
  }
}

static double best_of_all(const problem *p, int nl) {
  int c[UNITS] = { 0 };
  double best = HUGE_VAL;
  for (long n = 0; n < 7776; n++) {
    long r = n;
    for (int i = 0; i < UNITS; i++, r /= MOST) c[i] = (int)(r % MOST);
    if (mc_alloc_broken(p->l, nl, c)) continue;
    best = fmin(best, mc_alloc_damage(p->u, UNITS, c));
  }
  return best;
}

static void solve(problem *p, int nl, double tolerance, mc_arena *a) {
  int c[UNITS];
  double best = best_of_all(p, nl);
  CHECK(mc_alloc(p->u, UNITS, p->l, nl, c, a));
  CHECK(!mc_alloc_broken(p->l, nl, c));
  CHECK(mc_alloc_damage(p->u, UNITS, c) <= best * (1 + tolerance) + 1e-9);
}

static void comes_near_the_best(mc_arena *a) {
  problem p;
  for (int i = 0; i < 30; i++) {
    fill(&p);
    p.l[0] = (mc_alloc_limit){ "sum", 2.6, sum_cost, &p };
    solve(&p, 1, 0.1, a);
    p.l[0] = (mc_alloc_limit){ "chain", 1.7, chain_cost, &p };
    solve(&p, 1, 0.15, a);
    p.l[1] = (mc_alloc_limit){ "other", 1.6, other_cost, &p };
    solve(&p, 2, 0.3, a);
  }
}

static void says_what_cannot_be(mc_arena *a) {
  problem p;
  int c[UNITS];
  fill(&p);
  p.l[0] = (mc_alloc_limit){ "sum", 0.1, sum_cost, &p };
  CHECK(!mc_alloc(p.u, UNITS, p.l, 1, c, a));
  for (int i = 0; i < UNITS; i++) CHECK(c[i] == MOST - 1);
  p.l[0].most = 100; /* nothing to do */
  CHECK(mc_alloc(p.u, UNITS, p.l, 1, c, a));
  for (int i = 0; i < UNITS; i++) CHECK(c[i] == 0);
}

static void leaves_what_is_forbidden(mc_arena *a) {
  problem p;
  int c[UNITS];
  fill(&p);
  for (int k = 3; k < MOST; k++) p.damage[0][k] = HUGE_VAL;
  p.l[0] = (mc_alloc_limit){ "sum", 1.4, sum_cost, &p };
  CHECK(mc_alloc(p.u, UNITS, p.l, 1, c, a));
  CHECK(c[0] < 3);
}

int main(void) {
  mc_arena *a = mc_arena_create();
  comes_near_the_best(a);
  says_what_cannot_be(a);
  leaves_what_is_forbidden(a);
  mc_arena_destroy(a);
  return CHECK_DONE();
}
