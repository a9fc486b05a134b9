/* Channels that are the same whatever the input is (gamma 0 in a batch norm leaves beta), and what
 * becomes of them when they are removed. Private to compress. */
#ifndef MC_COMPRESS_STEADY_H
#define MC_COMPRESS_STEADY_H
#include "compress.h"

/* One channel (last axis) of a value. */
typedef enum steady_kind {
  STEADY_NO,       /* depends on the input */
  STEADY_CONSTANT, /* one number at all positions */
  STEADY_PATTERN   /* a fixed number for each position, or not known */
} steady_kind;

typedef struct steady {
  mc_graph *g;
  mc_arena *a;
  mc_map depends; /* value -> a flag for each channel */
  mc_map seen;
  bool any, failed;
} steady;

/* Follow the graph, and evaluate it once where there are such channels. */
steady *mc_steady_of(mc_graph *g, mc_arena *a);
/* Channel c of v; *x is its number when it is a constant. */
steady_kind mc_steady_channel(const steady *s, const mc_value *v, int64_t c, float *x);
/* Set keep[] for classes whose constant cannot move into the layers that read them. True: keep[]
 * changed. */
bool mc_steady_keep(const steady *s, const mc_channels *ch, bool *keep);
/* Move the constants of channels that will be removed into the bias of the layers that read them,
 * or into the weights of a constant that stays. False after reporting. */
bool mc_steady_fold(const steady *s, const mc_channels *ch, const bool *keep, mc_diag *d);
/* What results of the graph hold in channels that will be removed. In s->a. */
mc_channels_fill mc_steady_fill(const steady *s, const mc_channels *ch, const bool *keep);

/* ---- steadyflow.c ---- */

/* Which elements of each value depend on the input: value -> a flag for each element, NULL: all do.
 * Constants have no entry. In the arena. */
mc_map mc_steady_flow(const mc_graph *g, mc_arena *a);
#endif
