/* Shared by the compression passes. */
#ifndef MC_COMPRESS_COMPRESS_H
#define MC_COMPRESS_COMPRESS_H
#include "mc/analysis/channels.h"
#include "mc/measure/damage.h"
#include "mc/pass/pass.h"

/* What a result of the graph holds in channels that it has lost: value[result][channel]; either
 * may be NULL: 0. */
typedef struct mc_channels_fill {
  float **value;
} mc_channels_fill;

/* Physically remove the classes with keep[class] == false: constants are cut, attributes that
 * count channels follow, shapes are inferred again. Results of the graph that lost channels
 * (analysis with `outputs`) get them back after the last op, as zeros. False after reporting. */
bool mc_channels_remove(mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d);
/* The same with lost channels of results filled. */
bool mc_channels_remove_fill(mc_graph *g, const mc_channels *ch, const bool *keep,
                             const mc_channels_fill *fill, mc_diag *d);
/* Set keep[] for one class of each axis that would lose all of its indices: the one of the largest
 * score (NULL: the first). True: keep[] changed. */
bool mc_channels_never_empty(const mc_graph *g, const mc_channels *ch, bool *keep,
                             const double *score);
/* Kept channels of v's last axis (all of them when v is not analysed, or keep == NULL). */
int64_t mc_channels_kept(const mc_channels *ch, const mc_value *v, const bool *keep);
/* The same for any axis. */
int64_t mc_channels_kept_axis(const mc_channels *ch, const mc_value *v, int axis, const bool *keep);
/* MACs of the graph when only `keep` stays; keep == NULL: all. */
double mc_channels_macs(const mc_graph *g, const mc_channels *ch, const bool *keep);
/* One remark for each layer of which no channel may be removed: why. */
void mc_channels_remark(const mc_graph *g, const mc_channels *ch, mc_diag *d);

/* ---- options of prune-channels (candidates.c) ---- */

/* Classes of other kinds become fixed. */
void mc_channels_only(mc_channels *ch, mc_e_prunewhat what);
/* A remark for each layer_norm whose width shrinks. */
void mc_channels_say_norms(const mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d);
/* Means over the samples of the channels of results that may go. In cx->scratch. False after
 * reporting. */
bool mc_channels_means(mc_pass_context *cx, const mc_walk_opts *o, const mc_channels *ch,
                       mc_channels_fill *fill);

/* ---- private to removal ---- */

/* Give result i of the graph its channels back: flag[c], c < n: which are there. After
 * inference. */
bool mc_channels_restore(mc_graph *g, int i, const bool *flag, int64_t n, const float *fill,
                         mc_diag *d);

/* What a pass of low rank did, for `compress`. */
typedef struct mc_lowrank_result {
  double predicted; /* sum of the damages; < 0: not measured */
  mc_distance
      held; /* against the reference on samples that the fit has not seen; kl = l2 = -1: none */
  mc_distance final; /* after the fit on all samples */
  int split;
} mc_lowrank_result;
#endif
