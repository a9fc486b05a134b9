/* Importance of channels (docs/guide/compression.md, "Scores"). Private to compress. */
#ifndef MC_COMPRESS_SCORE_H
#define MC_COMPRESS_SCORE_H
#include "compress.h"
#include "mc/measure/walk.h"

typedef struct mc_scoring {
  mc_pass_context *cx;
  mc_channels *ch;        /* classes that cannot be scored become fixed, with the reason */
  mc_e_score by;          /* not auto, not obs */
  mc_e_together together; /* what makes one score of a class out of its channels' */
  double p;               /* exponent of lp */
  int64_t seed;           /* of random */
  const char *file;       /* of file */
  bool level;             /* layers are compared: each one's scores are divided by their rms */
  const mc_map
      *gammas;       /* product -> tensor of gammas of a batch_norm that was folded; NULL: none */
  mc_walk_opts walk; /* samples for scores of activations */
} mc_scoring;

/* score[class], the smallest goes first. False after reporting. */
bool mc_scores(const mc_scoring *s, double *score);

/* ---- inside (score_*.c) ---- */

/* Contributions to classes while they are gathered. */
typedef struct tally {
  const mc_scoring *s;
  double *score;
  int *times;
} tally;

void mc_tally_add(tally *t, int cls, double x);
/* A layer's scores, divided by their root mean square when layers are compared, each to the
 * class of that output channel of n. */
void mc_tally_layer(tally *t, const mc_node *n, double *x);

bool mc_score_by_weights(tally *t); /* l1, l2, lp, bn-gamma, gm */
bool mc_score_by_samples(tally *t); /* mean, apoz: from samples */
bool mc_score_by_readers(tally *t); /* aw, error: from second moments of what reads the channels */
bool mc_score_by_file(tally *t);
#endif
