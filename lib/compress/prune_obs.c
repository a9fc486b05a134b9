/* The order in which the channels of a coupling group go: structured OBS over all that read it
 * (obs.h), on moments of the network as it is. */
#include "prune.h"

static const double lambda_obs = 1e-2;

/* w [o, d] of the reader's matrix; refit: fitted first, as the channels that stay would be. */
static bool part_of(const measure *z, const site *s, const reader *r, const mc_moments *m,
                    unsigned folds, bool refit, mc_obs_part *out, mc_arena *a) {
  const mc_product *q = &z->p->v[r->product];
  mc_arena *t = mc_arena_create();
  mc_centred c = mc_moments_centred(m, folds, r->matrix, t);
  float *b, *w = mc_product_copy(q, t, &b);
  w += r->matrix * q->o * q->d;
  float *v = MC_NEWN(t, float, q->o * q->d);
  if (refit && mc_fit(&c, w, lambda_obs, v, b)) w = v;
  bool ok = mc_obs_part_of(out, q->d, c.g, q->o, w, s->units, r->first, r->column, lambda_obs, a);
  mc_arena_destroy(t);
  return ok;
}

bool mc_site_choose(const measure *z, const site *s, int i, const mc_moments *m, unsigned folds,
                    int count, int *order) {
  mc_arena *a = mc_arena_create();
  mc_obs_part *part = MC_NEWN(a, mc_obs_part, s->nr + 1);
  int n = 0;
  for (int k = 0; k < s->nr && s->r[k].product == i; k++)
    n += part_of(z, s, &s->r[k], m, folds, true, &part[n], a);
  bool ok =
      n == s->nr && mc_obs_eliminate(part, n, s->units, s->free_, count, order, NULL, a) == count;
  mc_arena_destroy(a);
  return ok;
}

void mc_sites_obs(const measure *z, site *s, mc_moments *const *m) {
  mc_arena *a = mc_arena_create();
  mc_obs_part *part = MC_NEWN(a, mc_obs_part, s->nr + 1);
  double *error = MC_NEWN(a, double, s->units + 1);
  int n = 0;
  for (int i = 0; i < s->nr; i++)
    n += part_of(z, s, &s->r[i], m[s->r[i].product], MC_FOLDS_ALL, false, &part[n], a);
  if (n) s->norder = mc_obs_eliminate(part, n, s->units, s->free_, s->nfree, s->order, error, a);
  for (int k = 0; n && k < s->norder; k++) z->score[s->cls[s->order[k]]] = error[k];
  mc_arena_destroy(a);
}
