/* Parts of prune-channels. Private to compress. */
#ifndef MC_COMPRESS_PRUNE_H
#define MC_COMPRESS_PRUNE_H
#include "alloc.h"
#include "budget.h"
#include "obs.h"
#include "refit.h"

/* What a run of pruning did, for `compress`. */
typedef struct mc_prune_result {
  bool measured;          /* there were samples, and something went */
  double predicted;       /* sum of the damages; < 0: not measured */
  mc_distance held, last; /* on samples that the fit has not seen; after the fit on all */
  int removed;
} mc_prune_result;

/* What is pruned, and how: one run of the pass over a graph. */
typedef struct pruner {
  mc_pass_context *cx;
  const mc_opts_prune_channels *o;
  mc_channels *ch;
  double *score; /* by class */
  struct candidate *order;
  int n;                        /* classes that may go, least important first */
  bool *keep;                   /* by class */
  mc_channels_fill fill;        /* what results hold in channels that they lose */
  int64_t align;                /* what the counts of channels are multiples of */
  mc_map gammas;                /* product -> gammas of a batch_norm that is folded away by now */
  double share[MC_NUM_BUDGETS]; /* to keep of each; 0: no budget */
  double full[MC_NUM_BUDGETS];  /* what the whole graph costs */
  bool implied;                 /* share[time] follows from macs= and the target */
  mc_widths *widths;
  mc_e_score by; /* options after `auto` */
  mc_e_alloc alloc;
  bool local;                 /* alloc=uniform */
  mc_walk_opts walk;          /* where samples are; samples == 0: there are none */
  mc_moments *const *moments; /* by product, of the graph as it is; NULL: taken when needed */
  double *lambda;             /* by product: see mc_refit_remember; NULL: nothing is remembered */
  bool quick;                 /* curves from fewer measurements */
  mc_prune_result *res;
} pruner;

/* Checks p->o and finds the samples (*data: there are some). p has cx, o and res. False after
 * reporting. */
bool mc_prune_options(pruner *p, bool *data);
/* What may go, its scores, and what the graph costs. Folds batch norms where what is left is
 * refitted. False after reporting. */
bool mc_prune_prepare(pruner *p, bool *changed);

typedef struct candidate {
  double score;
  int cls;
} candidate;

/* ---- masks (prune_mask.c) ---- */

/* order and n from score. */
void mc_prune_rank(pruner *p);
/* keep[] by uniform or global allocation, for the share of channels or the budgets. False after
 * reporting. */
bool mc_prune_mask(pruner *p);
/* What is left is refitted: there are samples, and repair= allows it. */
bool mc_prune_refits(const pruner *p);
bool mc_prune_any_budget(const pruner *p);
/* Give back the best classes that go until each count is a multiple of `align` (or all are there)
 * and at least `min`. */
void mc_prune_round(pruner *p, int64_t align);
/* Classes of each group that stay. */
void mc_prune_counts(const pruner *p, int *kept);
/* What keep[] costs of budget k. */
double mc_prune_cost(const pruner *p, mc_budget_kind k);
/* Say which budgets are met by more than 1 % too much, and why. */
void mc_prune_say_budgets(const pruner *p);

/* ---- with samples (prune_data.c) ---- */

/* keep[], weights and bias from samples: scores, allocation, refit. The graph gets its new weights
 * but keeps its shapes. *any: something goes. False after reporting. */
bool mc_prune_with_samples(pruner *p, bool *any);

/* The columns of one matrix of a product that read a coupling group. Unit u: column[first[u]] ..
 * column[first[u + 1] - 1]. */
typedef struct reader {
  int product;
  int64_t matrix;
  int64_t *first, *column;
} reader;

/* A coupling group: its classes are the units. */
typedef struct site {
  int group, units;
  int *cls;    /* class of each unit */
  bool *free_; /* may go */
  int nfree;
  reader *r;
  int nr;
  int *order;
  int norder; /* units, the first to go first */
} site;

/* The coupling groups of ch with a class that may go, and what reads them. In the arena. */
typedef struct sites {
  site *v;
  int n;
} sites;

sites mc_sites_of(const mc_channels *ch, const mc_products *p, mc_arena *a);
/* Columns of product i that stay when the classes with keep[class] == false go; NULL: all do. */
bool *mc_sites_columns(const mc_channels *ch, const mc_product *p, const bool *keep, mc_arena *a);
/* The same for its rows. */
bool *mc_sites_rows(const mc_channels *ch, const mc_product *p, const bool *keep, mc_arena *a);

/* Damage of a site with so many units gone, measured at a few widths; linear between them. By the
 * output's change (KL where there is one), its squared error, and the layers' own error. */
typedef enum curve_of { CURVE_MAIN, CURVE_SQUARE, CURVE_LOCAL, CURVES } curve_of;

typedef struct curve {
  int n;
  int *gone;
  double *y[CURVES];
} curve;

typedef struct measure {
  mc_pass_context *cx;
  const mc_walk_opts *walk;
  const mc_targets *targets;  /* of the graph as it is; NULL: there are none */
  mc_moments *const *moments; /* by product, of the graph as it is; NULL: taken when needed */
  const mc_products *p;
  const mc_channels *ch;
  int ncls;
  sites *s;
  bool obs;      /* order[] and score[] by OBS; else order[] is there */
  double *score; /* by class: the relative error up to its removal */
  bool refit;
  double damping; /* the layers that read a site make up, or lose columns only */
  mc_damage *d;
  bool quick;   /* damage at fewer widths; between them from the readers' own errors */
  curve *curve; /* d NULL: no curves */
  int done;     /* sites, for the progress bar */
} measure;

/* Orders and curves of all sites, from moments of the graph as it is. Sites that no matrix reads
 * keep their order; their curves come from the rows that make them. False after reporting. */
bool mc_sites_measure(measure *z);
/* order[] of one site from moments by product. */
void mc_sites_obs(const measure *z, site *s, mc_moments *const *m);
/* OBS on one site that product i alone reads, from what it reads in the network that has changed
 * so far (m, samples of the mask `folds`): the first `count` of order[] (of length units). False:
 * they could not be told. */
bool mc_site_choose(const measure *z, const site *s, int i, const mc_moments *m, unsigned folds,
                    int count, int *order);
/* The curve of one site; its order must be there. False after reporting. */
bool mc_sites_curve(const measure *z, const site *s, mc_moments *const *m, curve *out);
/* Damage with `gone` units gone. */
double mc_curve_at(const curve *c, int gone, curve_of by);
#endif
