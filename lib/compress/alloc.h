/* Choosing one alternative for each unit (the width of a coupling group, the form and rank of a
 * layer) so that the damages add up to the least within limits. */
#ifndef MC_COMPRESS_ALLOC_H
#define MC_COMPRESS_ALLOC_H
#include "mc/support/arena.h"
#include <stdbool.h>

/* Damage of each alternative, >= 0, in any order; HUGE_VAL: not to be taken. */
typedef struct mc_alloc_unit {
  int n;
  const double *damage;
} mc_alloc_unit;

/* A budget: cost(ctx, choice[unit]) <= most. Costs are >= 0 and need not be sums. */
typedef struct mc_alloc_limit {
  const char *name;
  double most;
  double (*cost)(void *ctx, const int *choice);
  void *ctx;
} mc_alloc_limit;

/* choice[nu]: the alternatives taken. A price on the costs is bisected; for each price the units
 * are settled in turn (costs may be products of two widths); what is left of the budgets is spent
 * where it saves the most damage, and single exchanges are tried. False: no choice holds all
 * limits; choice is then the cheapest that was found. */
bool mc_alloc(const mc_alloc_unit *u, int nu, const mc_alloc_limit *l, int nl, int *choice,
              mc_arena *a);
/* The sum of the damages of a choice. */
double mc_alloc_damage(const mc_alloc_unit *u, int nu, const int *choice);
/* The first limit that a choice breaks, or NULL. */
const mc_alloc_limit *mc_alloc_broken(const mc_alloc_limit *l, int nl, const int *choice);
#endif
