/* Weights for a network that lost channels. docs/guide/compression.md, "Pruning channels". */
#include "prune_road.h"
#include <string.h>

static bool **flags(const data_road *z, const bool *keep, bool rows) {
  bool **f = MC_NEWN(z->p->cx->scratch, bool *, z->products.n + 1);
  for (int i = 0; i < z->products.n; i++)
    f[i] = (rows ? mc_sites_rows : mc_sites_columns)(z->p->ch, &z->products.v[i], keep,
                                                     z->p->cx->scratch);
  return f;
}

/* Zeros where columns and rows go. */
static void zero(const mc_product *p, const bool *keep, const bool *rows, float *w, float *b) {
  for (int64_t k = 0; keep && k < p->groups * p->o * p->d; k++)
    if (!keep[k / (p->o * p->d) * p->d + k % p->d]) w[k] = 0;
  mc_refit_drop_rows(p, rows, w, b);
}

static mc_arena *room(const data_road *z) { return z->into ? z->into : z->p->cx->scratch; }

static void drop(const data_road *z, bool **keep, bool **rows, mc_fitted *out) {
  mc_arena *a = room(z);
  int n = z->products.n;
  *out = (mc_fitted){ MC_NEWN(a, float *, n + 1), MC_NEWN(a, float *, n + 1), n };
  for (int i = 0; i < n; i++) {
    const mc_product *p = &z->products.v[i];
    if (!keep[i] && !rows[i]) continue;
    out->w[i] = mc_product_copy(p, a, &out->b[i]);
    zero(p, keep[i], rows[i], out->w[i], out->b[i]);
  }
}

/* Channels that one product alone reads are chosen when the walk comes to it, by what it reads
 * then: earlier layers have changed. */
typedef struct chooser {
  data_road *z;
  bool *keep;
  bool **columns;
  unsigned folds;
} chooser;

/* (Large networks: not those of a wide layer, whose order is the one that was measured.) */
static bool one_reader(const data_road *z, const site *s) {
  return s->nr && z->p->ch->group[s->group].nproducer == 1 &&
         s->r[0].product == s->r[s->nr - 1].product &&
         !(mc_damage_large(z->d) && z->products.v[s->r[0].product].d > MC_WIDE);
}

static int gone_of(const site *s, const bool *keep) {
  int n = 0;
  for (int u = 0; u < s->units; u++) n += !keep[s->cls[u]];
  return n;
}

static void choose_site(chooser *c, const site *s, int i, const mc_moments *m) {
  measure z = { .cx = c->z->p->cx, .p = &c->z->products };
  int count = gone_of(s, c->keep), *order = MC_NEWN(c->z->p->cx->scratch, int, s->units);
  if (!count || !mc_site_choose(&z, s, i, m, c->folds, count, order)) return;
  for (int u = 0; u < s->units; u++) c->keep[s->cls[u]] = true;
  for (int k = 0; k < count; k++) c->keep[s->cls[order[k]]] = false;
}

static bool choose(void *ctx, int i, const mc_moments *m) {
  chooser *c = ctx;
  pruner *p = c->z->p;
  const mc_product *q = &c->z->products.v[i];
  if (!c->columns[i]) return true;
  for (int k = 0; k < c->z->s.n; k++)
    if (one_reader(c->z, &c->z->s.v[k]) && c->z->s.v[k].r[0].product == i)
      choose_site(c, &c->z->s.v[k], i, m);
  mc_channels_never_empty(p->cx->graph, p->ch, c->keep, p->score);
  const bool *f = mc_sites_columns(p->ch, q, c->keep, p->cx->scratch);
  for (int64_t k = 0; k < q->groups * q->d; k++) c->columns[i][k] = !f || f[k];
  return true;
}

/* What may be chosen later stays where it is made. */
static bool *keep_made(const data_road *z, const bool *keep) {
  bool *made = mc_arena_copy(z->p->cx->scratch, keep, sizeof *keep * (size_t)(z->p->ch->ncls + 1));
  for (int i = 0; i < z->s.n; i++)
    for (int u = 0; one_reader(z, &z->s.v[i]) && u < z->s.v[i].units; u++)
      made[z->s.v[i].cls[u]] = true;
  return made;
}

bool mc_road_fit(data_road *z, bool *keep, unsigned folds, mc_fitted *out) {
  pruner *p = z->p;
  bool **columns = flags(z, keep, false), later = p->by == mc_score_obs;
  if (!mc_prune_refits(p)) {
    drop(z, columns, flags(z, keep, true), out);
    return true;
  }
  chooser c = { z, keep, columns, folds };
  mc_refit r = { .walk = p->walk, .damping = p->o->damping, .folds = folds };
  r.walk.targets = z->targets;
  r.lambda = p->lambda;
  r.keep = (const bool *const *)columns;
  r.rows = (const bool *const *)flags(z, later ? keep_made(z, keep) : keep, true);
  if (later) r.choose = choose, r.choose_ctx = &c;
  return mc_refit_run(p->cx, &r, out, room(z));
}

bool mc_road_judge(data_road *z, const mc_fitted *f, mc_distance *out) {
  return mc_fitted_judge(f, z->p->cx->graph, z->d, z->p->cx->diag, out);
}
