/* Scores of channels from what the layers that read them make of them, by second moments over the
 * samples. W_c [o, m]: the columns of channel c in a layer that reads it; G_cc [m, m]: their
 * moments, centred, since the mean goes into the bias.
 *
 * aw:    tr(W_c G_cc W_c^T), the energy that c brings into the layer's output;
 * error: tr(W_c ((G + l I)^-1_cc)^-1 W_c^T), what is left of it after the other columns have made
 *        up for it as well as they can (one step of the optimal brain surgeon).
 *
 * Both relative to the energy of the layer's whole output, so that layers compare. */
#include "score.h"
#include "mc/measure/linalg.h"
#include <math.h>

typedef struct layer {
  const mc_product *p;
  int64_t group;
  const float *w;
  mc_centred m;
  mc_arena *a;
} layer;

static int class_of(const mc_scoring *s, const layer *l, int64_t column) {
  return mc_channels_class(s->ch, l->p->node->in[0], l->group * l->p->ci + column % l->p->ci);
}

/* Columns of channel i of the group. */
static int64_t columns_of(const layer *l, int64_t i, int64_t *col) {
  int64_t n = 0;
  for (int64_t k = i; k < l->p->d; k += l->p->ci) col[n++] = k;
  return n;
}

/* tr(W_c S W_c^T), S [m, m] */
static double energy(const layer *l, const int64_t *col, int64_t m, const double *s) {
  double sum = 0;
  for (int64_t o = 0; o < l->p->o; o++) {
    const float *w = l->w + o * l->p->d;
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < m; j++) sum += (double)w[col[i]] * s[i * m + j] * (double)w[col[j]];
  }
  return sum;
}

static void sub_matrix(const double *g, int64_t d, const int64_t *col, int64_t m, double *s) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < m; j++) s[i * m + j] = g[col[i] * d + col[j]];
}

static bool add_layer(tally *t, layer *l) {
  int64_t d = l->p->d, m = l->p->kh * l->p->kw;
  double whole = mc_la_energy(l->p->o, d, l->w, l->m.g), trace = mc_la_trace(d, l->m.g);
  int64_t *col = MC_NEWN(l->a, int64_t, d);
  double *s = MC_NEWN(l->a, double, m *m);
  bool error = t->s->by == mc_score_error;
  if (error && trace > 0 && !mc_la_inverse(d, l->m.g, 1e-2 * trace / (double)d))
    return mc_error(t->s->cx->diag, l->p->node->loc,
                    "score=error: the second moments of this layer are singular");
  for (int64_t i = 0; i < l->p->ci; i++) {
    int64_t n = columns_of(l, i, col);
    sub_matrix(l->m.g, d, col, n, s);
    if (error && trace > 0 && !mc_la_inverse(n, s, 0))
      return mc_error(t->s->cx->diag, l->p->node->loc,
                      "score=error: the second moments of this layer are singular");
    mc_tally_add(t, class_of(t->s, l, i), whole > 0 ? energy(l, col, n, s) / whole : 0);
  }
  return true;
}

/* A depthwise layer passes channels on: what reads those counts. */
static bool passes_on(const mc_scoring *s, const mc_product *p) {
  return p->groups > 1 && p->ci == 1 &&
         mc_channels_class(s->ch, p->node->in[0], 0) ==
             mc_channels_class(s->ch, p->node->out[0], 0);
}

static bool add_product(tally *t, const mc_product *p, const mc_moments *m) {
  mc_arena *a = mc_arena_create();
  const float *w = mc_product_copy(p, a, NULL);
  bool ok = true;
  for (int64_t g = 0; ok && g < p->groups; g++) {
    layer l = { p, g, w + g * p->o * p->d, mc_moments_centred(m, MC_ALL_FOLDS, g, a), a };
    ok = add_layer(t, &l);
  }
  mc_arena_destroy(a);
  return ok;
}

typedef struct gathering {
  tally *t;
  const mc_products *p;
} gathering;

static bool add_moments(void *ctx, int i, mc_moments *m) {
  gathering *g = ctx;
  return add_product(g->t, &g->p->v[i], m);
}

bool mc_score_by_readers(tally *t) {
  const mc_scoring *s = t->s;
  mc_products p = mc_products_of(s->cx->graph, s->cx->scratch);
  bool *want = MC_NEWN(s->cx->scratch, bool, p.n + 1);
  for (int i = 0; i < p.n; i++)
    want[i] = mc_channels_class(s->ch, p.v[i].node->in[0], 0) >= 0 && !passes_on(s, &p.v[i]);
  return mc_moments_each(s->cx, &s->walk, &p, want, add_moments, &(gathering){ t, &p });
}
