/* Orders and curves of all coupling groups, as many at a time as the memory takes moments. */
#include "prune.h"

/* Mark the products that read site s; the bytes that their moments add. */
static int64_t want_site(const site *s, const mc_products *p, bool *want) {
  int64_t more = 0;
  for (int i = 0; i < s->nr; i++) {
    if (!want[s->r[i].product]) more += mc_moments_bytes(&p->v[s->r[i].product]);
    want[s->r[i].product] = true;
  }
  return more;
}

/* The end of the sites from `from` on whose moments fit; want: their products. */
static int batch_of(const measure *z, int from, bool *want) {
  int64_t size = 0;
  int i = from;
  for (; i < z->s->n; i++) {
    mc_arena *a = mc_arena_create();
    bool *with = mc_arena_copy(a, want, sizeof *want * (size_t)(z->p->n + 1));
    size += want_site(&z->s->v[i], z->p, with);
    bool fits = i == from || size <= z->walk->memory;
    if (fits) want_site(&z->s->v[i], z->p, want);
    mc_arena_destroy(a);
    if (!fits) break;
  }
  return i;
}

static bool measure_site(measure *z, int i, mc_moments *const *m) {
  site *s = &z->s->v[i];
  if (z->cx->progress) z->cx->progress(z->cx->progress_ctx, "prune: damage of widths", i, z->s->n);
  if (z->obs && s->nr) mc_sites_obs(z, s, m);
  return !z->d || mc_sites_curve(z, s, m, &z->curve[i]);
}

/* All sites on moments that are there. */
static bool measure_given(measure *z) {
  for (int i = 0; i < z->s->n; i++)
    if (!measure_site(z, i, z->moments)) return false;
  return true;
}

bool mc_sites_measure(measure *z) {
  bool ok = true;
  if (z->moments) return measure_given(z);
  for (int i = 0; ok && i < z->s->n;) {
    mc_arena *a = mc_arena_create();
    bool *want = MC_NEWN(a, bool, z->p->n + 1), any = false;
    int end = batch_of(z, i, want);
    for (int k = 0; k < z->p->n; k++) any |= want[k];
    mc_moments **m = any ? mc_moments_of_all(z->cx, z->walk, z->p, want, a) : NULL;
    ok = m || !any;
    for (; ok && i < end; i++) ok = measure_site(z, i, m);
    mc_arena_destroy(a);
  }
  if (ok && z->cx->progress)
    z->cx->progress(z->cx->progress_ctx, "prune: damage of widths", z->s->n, z->s->n);
  return ok;
}
