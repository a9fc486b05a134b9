/* Parts of lowrank-svd. Private to compress. */
#ifndef MC_COMPRESS_LOWRANK_H
#define MC_COMPRESS_LOWRANK_H
#include "alloc.h"
#include "budget.h"
#include "factor.h"
#include "mc/ir/build.h"
#include "mc/measure/damage.h"
#include "refit.h"

/* One way to compute a layer; the first of a layer is `whole`. */
typedef struct lr_alt {
  mc_form form;
  double cost[MC_NUM_BUDGETS]; /* arena: bytes that live at once inside of the layer */
  double damage, error; /* of the network's output; relative squared error of the layer's own */
} lr_alt;

typedef struct lr_layer {
  mc_product p;
  int index; /* among all products of the graph */
  mc_kshape s;
  bool can; /* may be split */
  MC_VEC(lr_alt) alt;
} lr_layer;

typedef struct lowrank {
  mc_pass_context *cx;
  const mc_opts_lowrank_svd *o;
  const mc_graph *original; /* what budgets and damage are relative to; NULL: the graph as it is */
  bool samples, fixed;      /* there are samples; ranks come from ratio= or energy= */
  bool refit, data_norm,
      measured;   /* measured: alternatives have the damage of the network's output */
  unsigned forms; /* bits of mc_form_kind */
  mc_walk_opts walk;
  mc_targets *targets;        /* what the layers should give; NULL: nothing is fitted */
  const int64_t *const *rows; /* see mc_walk_opts */
  const struct lowrank *like; /* of the network before it was pruned: damage is taken from its
                                 layers' damage and errors, and not measured; NULL: measured */
  bool quick;                 /* ranks by damage and by both only */
  mc_moments *const *moments; /* by product, of the graph as it is; NULL: taken when needed */
  double *lambda;             /* by product: see mc_refit_remember; NULL: nothing is remembered */
  double hopeless;            /* > 0: where the first trial is further away, it is the last one */
  bool lent;                  /* damage and targets are somebody else's */
  mc_products products;
  lr_layer *l;             /* one for each product */
  mc_damage *damage;       /* NULL: none */
  const mc_target *target; /* NULL: time is no question */
  mc_arith how;
  bool implied; /* share[time] follows from macs= and the target */
  double share[MC_NUM_BUDGETS], full[MC_NUM_BUDGETS], rest[MC_NUM_BUDGETS]; /* asked; of the
                                  original; of what is not a layer here */
  int64_t align;
  double weights; /* parameters of all products, for the model of time */
  int64_t slower; /* alternatives left out because the target would not be faster */
} lowrank;

/* lowrank.c: the pass in steps. z has cx, o and what is lent; mc_lr_close in any case. False after
 * reporting. */
bool mc_lr_open(lowrank *z, bool *changed); /* options, layers, what they cost */
void mc_lr_close(lowrank *z);
/* After mc_lr_table: a choice for each layer, and what it changes on samples held back. */
bool mc_lr_best(lowrank *z, int **choice, mc_lowrank_result *res);
/* The weights of a choice, fitted to all samples; the graph gets its new layers. */
bool mc_lr_finish(lowrank *z, const int *choice, mc_lowrank_result *res, bool *changed);

/* lowrank_layers.c: products and what their alternatives cost */
bool mc_lr_layers(lowrank *z);
void mc_lr_cost(lowrank *z, const lr_layer *l, const mc_form *f, double cost[MC_NUM_BUDGETS]);
/* Ranks of a form that save MACs, ascending, aligned; at most `most` of them. In the scratch arena.
 */
int64_t *mc_lr_ranks(lowrank *z, const lr_layer *l, mc_form_kind k, int most, int *n);
/* The form at the largest rank (pair) that keeps at most this share of the layer's MACs; r 0: none.
 */
mc_form mc_lr_form_at(lowrank *z, const lr_layer *l, mc_form_kind k, double share, mc_factoring *p);
/* Append an alternative, unless the target would not be faster. */
void mc_lr_add(lowrank *z, lr_layer *l, const mc_form *f, double damage, double error);
/* Forms that such a layer may take, as bits. */
unsigned mc_lr_forms(const lowrank *z, const lr_layer *l);

/* lowrank_table.c: alternatives with damage and error */
bool mc_lr_table(lowrank *z);

/* lowrank_choose.c: an alternative for each layer, within the budgets: the least sum of damage and
 * error with these weights */
bool mc_lr_choose(lowrank *z, double damage, double error, int *choice);
void mc_lr_sums(const lowrank *z, const int *choice, double *damage, double *error);

/* lowrank_fit.c: factors and weights */
typedef struct lr_fit {
  float **w, **b; /* by product; NULL: as they are. Split layers: what the factors multiply to */
  mc_factors **f; /* by product: [groups]; NULL: whole */
  double *error;  /* by product: relative squared error of the split in the norm */
} lr_fit;

/* In the arena. */
bool mc_lr_fit(lowrank *z, const int *choice, unsigned folds, lr_fit *out, mc_arena *a);
/* A walk changes the weights of the graph that it walks: that is a copy of the pass's, in *cx. The
 * caller destroys it. NULL: no walk. */
mc_module *mc_lr_copy_for_walk(const lowrank *z, mc_pass_context *cx);
/* The metric: m->g with a small ridge, in place. */
double *mc_lr_metric(mc_centred *m);
int mc_lr_rounds(const lr_layer *l, bool final);

/* lowrank_split.c */
bool mc_lr_split(lowrank *z, const lr_fit *f, int *split);
/* The nodes of a form of node `like` on x; weights in the order of the stages. NULL after
 * reporting. */
mc_value *mc_lr_build(mc_builder *b, const mc_node *like, mc_value *x, const mc_form *f,
                      mc_kshape s, mc_value *const *weight, mc_value *bias);
/* The bias of the layer's last part: x [groups * o] as a constant, or the layer's own where x is
 * NULL or the same. *out NULL: it has none. False after reporting. */
bool mc_lr_bias(mc_builder *b, const lr_layer *l, const float *x, mc_value **out);
/* Dimensions of the weight of stage k of such a layer; their number. */
int mc_lr_dims(const lr_layer *l, const mc_form *f, int k, int64_t dim[4]);
#endif
