/* Scores of a layer's output channels from its weights alone. */
#include "score.h"
#include "bn.h"
#include "mc/measure/linalg.h"
#include <math.h>

static double norm_of(const mc_scoring *s, const float *w, int64_t k) {
  double sum = 0, e = s->by == mc_score_l1 ? 1 : s->by == mc_score_lp ? s->p : 2;
  for (int64_t i = 0; i < k; i++) {
    double x = fabs((double)w[i]);
    sum += e == 2 ? x * x : e == 1 ? x : pow(x, e);
  }
  return e == 1 ? sum : pow(sum, 1 / e);
}

static const mc_tensor *gamma_of(const mc_scoring *s, const mc_node *n) {
  const mc_tensor *folded = s->gammas ? mc_map_ptr_get(s->gammas, n) : NULL;
  return folded ? folded : mc_bn_gamma(n);
}

/* Sum of the distances to all filters of the layer: one that lies between the others can be made
 * up for by them (He et al. 2019, "Filter pruning via geometric median", section 3.3). */
static void median_distances(const float *w, int64_t channels, int64_t k, double *x) {
  mc_arena *a = mc_arena_create();
  double *d = MC_NEWN(a, double, channels *k), *dot = MC_NEWN(a, double, channels *channels);
  for (int64_t i = 0; i < channels * k; i++) d[i] = (double)w[i];
  mc_la_gemm(false, true, channels, channels, k, 1, d, d, 0, dot);
  for (int64_t i = 0; i < channels; i++) {
    x[i] = 0;
    for (int64_t j = 0; j < channels; j++) {
      double square = dot[i * channels + i] + dot[j * channels + j] - 2 * dot[i * channels + j];
      x[i] += i != j && square > 0 ? sqrt(square) : 0;
    }
  }
  mc_arena_destroy(a);
}

static bool layer_scores(const mc_scoring *s, const mc_node *n, double *x) {
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  int64_t channels = w->dim[0], k = mc_tensor_elems(w) / channels;
  const mc_tensor *gamma = s->by == mc_score_bn_gamma ? gamma_of(s, n) : NULL;
  if (s->by == mc_score_bn_gamma && (!gamma || mc_tensor_elems(gamma) != channels)) return false;
  if (s->by == mc_score_gm) median_distances(w->data, channels, k, x);
  for (int64_t c = 0; s->by != mc_score_gm && c < channels; c++)
    x[c] = gamma ? fabs((double)((const float *)gamma->data)[c])
                 : norm_of(s, (const float *)w->data + c * k, k);
  return true;
}

bool mc_score_by_weights(tally *t) {
  MC_FOR_NODES (n, t->s->cx->graph) {
    if (!mc_makes_channels(n)) continue;
    double *x = MC_NEWN(t->s->cx->scratch, double, n->in[1]->type->dim[0]);
    if (layer_scores(t->s, n, x)) mc_tally_layer(t, n, x);
  }
  return true;
}
