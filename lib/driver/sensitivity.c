/* How much each layer minds its integers. Alone it shows what its own input and weights lose;
 * what leaving it out of all saves also has its result's rounding, and says nothing where the
 * others have ruined the results already. The larger of the two counts. */
#include "mc/driver/trials.h"
#include <math.h>
#include <stdlib.h>

/* What a trial costs, against fp32. */
static double cost(const mc_trials *t, const mc_trial *x) {
  if (!isnan(x->error)) return x->error;
  return x->right < 0 ? 0 : (double)(mc_trials_right(t) - x->right) / (double)mc_trials_samples(t);
}

static bool probe(mc_trials *t, mc_sensitivity *s, const mc_trial *all) {
  const char *p = s->layer->pattern;
  if (!mc_trials_run(t, NULL, p, &s->alone) || !mc_trials_run(t, p, NULL, &s->without))
    return false;
  s->error = fmax(cost(t, &s->alone), cost(t, all) - cost(t, &s->without));
  return true;
}

mc_sensitivity *mc_trials_sensitivity(mc_trials *t, const mc_trial *all, int *n) {
  int layers;
  const mc_trial_layer *l = mc_trials_layers(t, &layers);
  mc_sensitivity *s = mc_trials_room(t, sizeof *s * (size_t)(layers + 1));
  *n = 0;
  for (int i = 0; i < layers; i++) {
    if (!l[i].pattern) continue;
    s[*n] = (mc_sensitivity){ .layer = &l[i] };
    mc_trials_progress(t, "sensitivity", i, layers);
    if (!probe(t, &s[(*n)++], all)) return NULL;
  }
  mc_trials_progress(t, "sensitivity", layers, layers);
  return s;
}

static int by_error(const void *a, const void *b) {
  const mc_sensitivity *x = a, *y = b;
  if (x->error != y->error) return x->error < y->error ? 1 : -1;
  return x->layer < y->layer ? -1 : x->layer > y->layer;
}

void mc_sensitivity_sort(mc_sensitivity *s, int n) {
  if (n) qsort(s, (size_t)n, sizeof *s, by_error);
}
