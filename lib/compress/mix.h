/* One mix of pruning and low rank: made as a trial, judged, made for good. Private to compress. */
#ifndef MC_COMPRESS_MIX_H
#define MC_COMPRESS_MIX_H
#include "lowrank.h"
#include "prune_road.h"

enum { MC_MOST_MIXES = 16 };

typedef struct composer {
  mc_pass_context *cx;
  const mc_opts_compress *o;
  double share[MC_NUM_BUDGETS];
  bool implied; /* share[time] follows from macs= and the target */
  double mix[MC_MOST_MIXES];
  int n;
  double least; /* distance of the best mix so far; HUGE_VAL: none */
  bool changed;
  /* What the mixes share; the graph stays as it is until the best one is made. */
  mc_pass_context own;  /* its diag keeps quiet while a mix is tried */
  mc_arena *a;          /* moments */
  mc_moments **moments; /* of the original, by product; NULL: more than the memory */
  mc_graph *original;
  mc_damage *damage;
  mc_targets *targets;
  mc_opts_prune_channels prune;
  mc_opts_lowrank_svd split;
  pruner p;
  mc_prune_result pruned;
  data_road road;
  lowrank lr;
} composer;

/* What a mix came to. */
typedef struct mix_result {
  double mix;
  bool given_up; /* pruning alone already changes more than another mix does; no more is known */
  mc_distance held;
  bool *keep;    /* classes that stay; NULL: nothing is pruned */
  int *choice;   /* of the alternatives of composer.lr, or (pruned first) of its own */
  mc_form *form; /* pruned first: by product */
} mix_result;

/* What pruning keeps of budget k in a mix; 0: no budget. */
double mc_mix_share(const composer *c, int k, double mix);
bool mc_mix_prunes(const composer *c, double mix);
bool mc_mix_splits(const composer *c, double mix);

/* Damages of widths and of ranks, of the graph as it is; c has cx, o, share and the mixes. False
 * after reporting; close it in any case. */
bool mc_mix_open(composer *c);
void mc_mix_close(composer *c);
/* A mix, fitted without the samples held back and judged on them; what it says is kept back. False:
 * it is not possible, and a remark says why. */
bool mc_mix_try(composer *c, double mix, mix_result *out);
/* The graph becomes this mix, fitted to all samples. False after reporting. */
bool mc_mix_make(composer *c, const mix_result *r);
#endif
