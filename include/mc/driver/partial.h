/* Which layers stay in fp32 so that a quantized network holds a budget (docs/guide/partial.md). */
#ifndef MC_DRIVER_PARTIAL_H
#define MC_DRIVER_PARTIAL_H
#include "mc/driver/trials.h"

typedef enum mc_partial_kind {
  MC_PARTIAL_ACC, /* points of top-1 below fp32, at most */
  MC_PARTIAL_SNR  /* dB of the results against fp32, at least */
} mc_partial_kind;

typedef struct mc_partial_budget {
  const char *text; /* "acc:0.5" */
  mc_partial_kind kind;
  double value;
} mc_partial_budget;

/* False after reporting a text that is none. */
bool mc_partial_read(mc_partial_budget *out, const char *text, mc_diag *d);

typedef struct mc_partial {
  int kept, layers;  /* in fp32, of all that could be converted */
  const char **name; /* [kept] */
  const char *skip;  /* for o->skip, with what that holds already; NULL: nothing */
  mc_trial all, chosen;
  int64_t samples, right; /* of the fp32 network (-1: no labels) */
  int trials;             /* that it took */
} mc_partial;

/* The fewest layers that were found: the most sensitive ones, as many as it takes, without those
 * that turn out not to be needed; `chosen` is what that network gives. False after reporting, also
 * where the budget cannot be held (with what was reached). In the arena. */
bool mc_partial_choose(mc_partial *out, const mc_module *m, const mc_compile_opts *o,
                       const mc_partial_budget *b, const mc_trial_opts *t, mc_arena *a, mc_diag *d);
/* "top-1 82.30 % (1646/2000), 38.2 dB" */
const char *mc_trial_text(const mc_trial *x, int64_t samples, mc_arena *a);
#endif
