/* Pruning with samples, in steps: damages are measured once; then any budgets share out widths, and
 * what is left is fitted. Private to compress. */
#ifndef MC_COMPRESS_PRUNE_ROAD_H
#define MC_COMPRESS_PRUNE_ROAD_H
#include "prune.h"

typedef struct data_road {
  pruner *p;
  mc_products products;
  sites s;
  mc_damage *d;
  mc_targets *targets; /* of the graph as it is; NULL: nothing is fitted */
  bool lent;           /* d and targets are somebody else's */
  curve *c;            /* by site */
  int **gone;          /* by site and alternative: units that go */
  mc_alloc_unit *unit; /* by site */
  const bool **like;   /* by site: counts of units that kernels like; NULL: not asked for yet */
  bool quick;          /* only the trials that win most often, but: */
  double near;         /* more, where the best of them is nearer than this */
  double hopeless;     /* > 0: where the first one is further away, it is the last one */
  bool inner;          /* channels that several layers make stay */
  mc_arena *into;      /* where weights of a fit go; NULL: the pass's scratch */
} data_road;

/* Measures orders and curves of p's graph. d and targets may be given (of the same graph and
 * samples; both or none). False after reporting; close it in any case. */
bool mc_road_open(data_road *z, pruner *p, mc_damage *d, mc_targets *targets);
void mc_road_close(data_road *z);

/* Widths for p->share: p->keep, the distance on samples held back, and the sum of the damages.
 * Several ways to share out are fitted and judged; fit: the weights of the best, where d is lent.
 * False after reporting. */
typedef struct mc_road_choice {
  mc_distance held;
  double predicted;
  mc_fitted fit;
} mc_road_choice;

bool mc_road_choose(data_road *z, mc_road_choice *out);

/* Weights for the graph without the classes of keep (which changes where better ones are found),
 * from the samples of these folds. False after reporting. */
bool mc_road_fit(data_road *z, bool *keep, unsigned folds, mc_fitted *out);
/* How far the network with these weights is from what it was, on the samples held back. */
bool mc_road_judge(data_road *z, const mc_fitted *f, mc_distance *out);
#endif
