/* Channels that go from networks: what masks.c and quiet.c share. */
#ifndef MC_TEST_MASKS_H
#define MC_TEST_MASKS_H
#include "../../lib/compress/steady.h"
#include "mc/driver/compile.h"
#include "mc/ref/eval.h"

typedef struct totals {
  int nets, checks, removed, findings;
} totals;

typedef struct masks {
  mc_arena *a;
  mc_diag d;
  const char *path, *what;
  mc_channels *ch;
  bool *keep;
  mc_map data; /* value -> mc_array */
  uint64_t seed;
} masks;

double masks_unit(uint64_t *s); /* [0, 1) */
bool masks_finding(const masks *m, totals *t, const char *text);
mc_array masks_array(masks *m, const mc_type *t);
/* Random values for all inputs of g. */
mc_array *masks_inputs(masks *m, const mc_graph *g);
/* The largest difference, relative to the largest value of y. */
double masks_distance(const mc_array *x, const mc_array *y);

/* quiet.c: layers whose weights are 0 for some channels make constants, which go on in what
 * reads them: the result is the same. */
void masks_quiet(const char *path, const mc_module *whole, double p, totals *t);
#endif
