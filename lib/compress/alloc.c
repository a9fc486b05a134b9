/* A price per unit of cost (a Lagrange multiplier), then greedy. docs/guide/compression.md,
 * "Allocation". */
#include "alloc.h"
#include <math.h>
#include <string.h>

typedef struct alloc {
  const mc_alloc_unit *u;
  int nu;
  const mc_alloc_limit *l;
  int nl;
  double *weight;  /* of each limit in the price */
  int *now, *best; /* choices */
  double damage;   /* of best; HUGE_VAL: none yet */
} alloc;

double mc_alloc_damage(const mc_alloc_unit *u, int nu, const int *choice) {
  double sum = 0;
  for (int i = 0; i < nu; i++) sum += u[i].damage[choice[i]];
  return sum;
}

const mc_alloc_limit *mc_alloc_broken(const mc_alloc_limit *l, int nl, const int *choice) {
  for (int i = 0; i < nl; i++)
    if (l[i].cost(l[i].ctx, choice) > l[i].most * (1 + 1e-12)) return &l[i];
  return NULL;
}

/* The costs as one number, in shares of the limits. */
static double joint(const alloc *s, const int *choice) {
  double sum = 0;
  for (int i = 0; i < s->nl; i++)
    sum += s->weight[i] * s->l[i].cost(s->l[i].ctx, choice) / s->l[i].most;
  return sum;
}

static int least_damage(const mc_alloc_unit *u) {
  int k = 0;
  for (int i = 1; i < u->n; i++)
    if (u->damage[i] < u->damage[k]) k = i;
  return k;
}

/* The best alternative of unit k at this price, the others as they are. */
static bool settle(alloc *s, int k, double price) {
  int old = s->now[k], best = old;
  double least = HUGE_VAL;
  for (int i = 0; i < s->u[k].n; i++) {
    if (s->u[k].damage[i] >= HUGE_VAL) continue;
    s->now[k] = i;
    double v = s->u[k].damage[i] + price * joint(s, s->now);
    if (v < least) least = v, best = i;
  }
  s->now[k] = best;
  return best != old;
}

static void descend(alloc *s, double price) {
  bool moved = true;
  for (int k = 0; k < s->nu; k++) s->now[k] = least_damage(&s->u[k]);
  for (int sweep = 0; moved && sweep < 30; sweep++) {
    moved = false;
    for (int k = 0; k < s->nu; k++) moved |= settle(s, k, price);
  }
}

static bool feasible(const alloc *s, const int *choice) {
  return !mc_alloc_broken(s->l, s->nl, choice);
}

/* Spend what is left: the step that saves the most damage for its cost, until none fits. */
static void spend(alloc *s, int *c) {
  for (;;) {
    double at = joint(s, c), most = 0;
    int unit = -1, to = 0;
    for (int k = 0; k < s->nu; k++) {
      int old = c[k];
      for (int i = 0; i < s->u[k].n; i++) {
        double gain = s->u[k].damage[old] - s->u[k].damage[i];
        if (!(gain > 0)) continue;
        c[k] = i;
        double rate = gain / fmax(joint(s, c) - at, 1e-15);
        if (rate > most && feasible(s, c)) most = rate, unit = k, to = i;
      }
      c[k] = old;
    }
    if (unit < 0) return;
    c[unit] = to;
  }
}

static void offer(alloc *s, const int *choice, int *tmp) {
  if (!feasible(s, choice)) return;
  memcpy(tmp, choice, sizeof *tmp * (size_t)s->nu);
  spend(s, tmp);
  double d = mc_alloc_damage(s->u, s->nu, tmp);
  if (d >= s->damage) return;
  s->damage = d;
  memcpy(s->best, tmp, sizeof *tmp * (size_t)s->nu);
}

/* The price at which the limits are just met. */
static void bisect(alloc *s, int *tmp) {
  double lo = -40, hi = 40; /* of log(price) */
  for (int i = 0; i < 48; i++) {
    double mid = (lo + hi) / 2;
    descend(s, exp(mid));
    if (feasible(s, s->now))
      hi = mid;
    else
      lo = mid;
    if (i >= 6) offer(s, s->now, tmp);
  }
  descend(s, exp(hi));
  offer(s, s->now, tmp);
}

/* One unit gives something up, the others spend it. */
static void exchange(alloc *s, int *c, int *tmp) {
  size_t size = sizeof *c * (size_t)s->nu;
  for (int round = 0; round < 3; round++) {
    double before = s->damage;
    for (int k = 0; k < s->nu; k++)
      for (int i = 0; i < s->u[k].n; i++) {
        double extra = s->u[k].damage[i] - s->u[k].damage[s->best[k]];
        if (!(extra > 0 && extra < s->damage / 4)) continue;
        memcpy(c, s->best, size);
        c[k] = i;
        offer(s, c, tmp);
      }
    if (s->damage >= before) return;
  }
}

/* Limits that are far from met have no part in the price. */
static void weigh(alloc *s) {
  for (int i = 0; i < s->nl; i++) {
    double share = s->l[i].cost(s->l[i].ctx, s->best) / s->l[i].most;
    s->weight[i] *= share < 0.995 ? share * share : 1;
  }
}

static void cheapest(alloc *s) {
  descend(s, exp(60));
  memcpy(s->best, s->now, sizeof *s->best * (size_t)s->nu);
}

bool mc_alloc(const mc_alloc_unit *u, int nu, const mc_alloc_limit *l, int nl, int *choice,
              mc_arena *a) {
  alloc s = { .u = u, .nu = nu, .l = l, .nl = nl, .best = choice, .damage = HUGE_VAL };
  int *tmp = MC_NEWN(a, int, nu), *c = MC_NEWN(a, int, nu);
  s.weight = MC_NEWN(a, double, nl);
  s.now = MC_NEWN(a, int, nu);
  for (int i = 0; i < nl; i++) s.weight[i] = 1;
  for (int k = 0; k < nu; k++) s.now[k] = choice[k] = least_damage(&u[k]);
  if (feasible(&s, s.now)) return true;
  for (int round = 0; round < (nl > 1 ? 6 : 1); round++) {
    bisect(&s, tmp);
    if (s.damage >= HUGE_VAL) break;
    weigh(&s);
  }
  if (s.damage >= HUGE_VAL) {
    cheapest(&s);
    return feasible(&s, s.best);
  }
  for (int i = 0; i < nl; i++) s.weight[i] = 1;
  if (nu <= 200) exchange(&s, c, tmp);
  return true;
}
