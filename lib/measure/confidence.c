#include "mc/measure/confidence.h"
#include <math.h>

static const double least = 1e-12; /* a probability of 0 counts as this: NLL stays finite */

mc_confidence mc_confidence_new(int64_t bins, mc_arena *a) {
  return (mc_confidence){ .bins = bins, .bin = MC_NEWN(a, mc_confidence_bin, bins) };
}

void mc_confidence_add(mc_confidence *c, const double *p, int64_t classes, int64_t label) {
  int64_t said = 0;
  for (int64_t i = 0; i < classes; i++) {
    double miss = p[i] - (i == label);
    c->brier += miss * miss;
    if (p[i] > p[said]) said = i;
  }
  c->n++;
  c->nll -= log(fmax(p[label], least));
  int64_t at = (int64_t)ceil(p[said] * (double)c->bins) - 1;
  mc_confidence_bin *b = &c->bin[at < 0 ? 0 : at >= c->bins ? c->bins - 1 : at];
  b->n++;
  b->right += said == label;
  b->confidence += p[said];
}

void mc_confidence_softmax(double *z, int64_t n) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, z[i]);
  for (int64_t i = 0; i < n; i++) sum += z[i] = exp(z[i] - most);
  for (int64_t i = 0; i < n; i++) z[i] /= sum;
}

double mc_confidence_ece(const mc_confidence *c) {
  double sum = 0;
  for (int64_t i = 0; i < c->bins; i++) sum += fabs((double)c->bin[i].right - c->bin[i].confidence);
  return c->n ? sum / (double)c->n : 0;
}
