/* How far the output moves when a layer is wrong by so much: a few pairs that were measured.
 * Private to compress. */
#ifndef MC_COMPRESS_KNOWN_H
#define MC_COMPRESS_KNOWN_H

enum { MC_KNOWN_MOST = 8 };

/* Errors ascending. */
typedef struct mc_known {
  int n;
  double error[MC_KNOWN_MOST], damage[MC_KNOWN_MOST];
} mc_known;

/* At most MC_KNOWN_MOST pairs. */
void mc_known_add(mc_known *k, double error, double damage);
/* Linear between what was measured, in proportion outside; without any the error itself. */
double mc_known_damage(const mc_known *k, double error);
#endif
