/* Structured optimal brain surgeon: which units (channels of a coupling group, over all layers
 * that read them) go first when the weights that stay make up for those that go. Hassibi and Stork
 * 1993 for one weight; for blocks of weights: Kurtic et al. 2022, "The Optimal BERT Surgeon",
 * section 3. */
#ifndef MC_COMPRESS_OBS_H
#define MC_COMPRESS_OBS_H
#include "mc/support/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* One matrix that reads the units. Unit u has the columns first[u] .. first[u + 1] - 1 (may be
 * none). */
typedef struct mc_obs_part {
  int64_t o, d;
  const int64_t *first; /* [units + 1] */
  double *h;            /* [d, d] inverse second moment of the columns; changed */
  double *w;            /* [o, d]; changed: what is left after the last removal (large systems: of
                           the columns that are left, and d and first with it) */
  double weight;        /* of its squared error in the sum */
} mc_obs_part;

/* A part from centred moments g [d_all, d_all] and weights w [o, d_all]: column[k] (k <
 * first[units]) is the column in g. Columns of g outside the list stay and make up too. lambda is
 * relative to tr(g) / d. The weight is 1 / tr(w g w^T). In the arena. False: singular. */
bool mc_obs_part_of(mc_obs_part *p, int64_t d_all, const double *g, int64_t o, const float *w,
                    int units, const int64_t *first, const int64_t *column, double lambda,
                    mc_arena *a);
/* Remove `count` units of those with free[u], one after the other, each time the one whose removal
 * costs least: order[k] is the k-th to go, error[k] (may be NULL) the sum of costs up to it
 * (squared errors of the parts' outputs, weighted). Returns how many went (fewer: no more are
 * free). Of large systems (d^2 count above 3e8 over all parts) several of the cheapest go at once,
 * a 32nd of the units at most. */
int mc_obs_eliminate(mc_obs_part *p, int np, int units, const bool *free_, int count, int *order,
                     double *error, mc_arena *a);
/* The same where units lie in windows: of window[u] only room[window[u]] may go (room changes);
 * goes on until no more may. Returns how many went. */
int mc_obs_eliminate_within(mc_obs_part *p, int np, int units, const int *window, int *room,
                            int *order, mc_arena *a);
#endif
