/* What the files of damage share: the samples held back and what is kept of their runs. */
#ifndef MC_MEASURE_DAMAGE_KEPT_H
#define MC_MEASURE_DAMAGE_KEPT_H
#include "data.h"
#include "mc/measure/damage.h"
#include "results.h"
#include "tail.h"

enum { MCM_DAMAGE_RUNS = 256 }; /* at most */

struct mc_damage {
  mc_pass_context *cx;
  mc_arena *a;
  mcm_data data;
  mcm_store store;
  int64_t memory, run[MCM_DAMAGE_RUNS], nrun, few; /* few: the first of them, for one product */
  mc_graph *g; /* a copy of the pass's graph; products have no clamps */
  mc_products p;
  mcm_results r, was;      /* results of the copy and of the original */
  mcm_rows **reference;    /* the original's results */
  double *variance, *some; /* of these, summed; on the few */
  mc_map rows;             /* value of the copy -> mcm_rows */
  mcm_values kept;         /* values of the present product alone, when not all are kept */
  bool all;                /* what every product needs is in `rows` */
  mcm_parts *parts;        /* of a large network, else NULL */
  mcm_tail **tail;
  int64_t compiled; /* bytes of constants in compiled tails */
  int at;           /* the present product, or -1 */
  mcm_rows *own;
  double own_variance; /* what it gives with its own weights */
};

/* Of a value of the copy; NULL: nothing is kept of it. */
mcm_rows *mcm_damage_rows(const mc_damage *d, const mc_value *v);
void mcm_damage_set_rows(mc_damage *d, const mc_value *v, mcm_rows *r);
/* Values of graph g in so many runs, from its inputs; rows of the inputs are those of the copy. */
bool mcm_damage_compute(mc_damage *d, const mc_graph *g, mc_value *const *v, int n, int64_t runs,
                        mcm_rows **out);
/* Values of the copy that have no rows yet. */
bool mcm_damage_keep(mc_damage *d, const mcm_values *v, int64_t runs);
/* What product i and the part after it read. */
void mcm_damage_reads(mc_damage *d, mcm_values *to, int i);
/* Each once. */
mcm_values mcm_damage_once(mc_damage *d, const mcm_values *v);
/* False after reporting: results r of `who` are unlike the original's. */
bool mcm_damage_same_results(mc_damage *d, const mcm_results *r, const char *who);
#endif
