/* The cheapest way through the groups in order: every group has some choices, and what one costs
 * depends on those made before (as in Viterbi's algorithm; where a group looks further back than
 * the one before it, at the choices of that way). */
#ifndef MC_PLAN_WAY_H
#define MC_PLAN_WAY_H
#include "mc/support/arena.h"
#include <stdbool.h>

typedef struct way {
  double cost; /* of the whole way that ends here; negative: there is none */
  int before;  /* the choice of the group before */
} way;

typedef struct ways {
  int n, nchoice;
  way *at; /* [group][choice] */
  /* What the way costs that comes to choice `how` of group i by choice `b` of the one before, which
   * costs `before` until there (the first group: b and before are 0). Negative: it cannot be. */
  double (*cost)(void *ctx, int i, int how, int b, double before);
  void *ctx;
} ways;

static inline const way *way_at(const ways *w, int i, int how) {
  return &w->at[i * w->nchoice + how];
}

/* Fill `at`, in the arena. */
void ways_find(ways *w, mc_arena *a);
/* What group `from` has chosen on the way that comes to choice `how` of group i. */
int ways_chosen(const ways *w, int i, int how, int from);
/* The last group's choice on the cheapest way of all; 0 where there are no groups. */
int ways_best(const ways *w);
#endif
