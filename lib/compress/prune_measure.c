/* Orders and curves of all coupling groups, as many at a time as the memory takes moments. Where
 * that is not all of them, and what they should give is known: in one walk through the network,
 * each as soon as its last reader has been seen. */
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
  if (z->cx->progress)
    z->cx->progress(z->cx->progress_ctx, "prune: damage of widths", z->done++, z->s->n);
  if (z->obs && s->nr) mc_sites_obs(z, s, m);
  return !z->d || mc_sites_curve(z, s, m, &z->curve[i]);
}

/* All sites on moments that are there. */
static bool measure_given(measure *z) {
  for (int i = 0; i < z->s->n; i++)
    if (!measure_site(z, i, z->moments)) return false;
  return true;
}

/* ---- one walk ---- */

/* The last product that reads site s; -1: none. */
static int last_reader(const site *s) {
  int last = -1;
  for (int i = 0; i < s->nr; i++)
    if (s->r[i].product > last) last = s->r[i].product;
  return last;
}

/* until[i]: the product after which the moments of i are not needed any more; -1: never needed. */
static int *needed_until(const measure *z, mc_arena *a) {
  int *until = MC_NEWN(a, int, z->p->n + 1);
  for (int i = 0; i < z->p->n; i++) until[i] = -1;
  for (int k = 0; k < z->s->n; k++) {
    int last = last_reader(&z->s->v[k]);
    for (int i = 0; i < z->s->v[k].nr; i++) {
      int q = z->s->v[k].r[i].product;
      if (last > until[q]) until[q] = last;
    }
  }
  return until;
}

/* Does one walk pay, and do its moments fit? */
static bool one_walk(const measure *z, const int *until) {
  int64_t all = 0, most = 0;
  for (int i = 0; i < z->p->n; i++) {
    int64_t now = 0;
    if (until[i] >= 0) all += mc_moments_bytes(&z->p->v[i]);
    for (int k = 0; k <= i; k++)
      if (until[k] >= i) now += mc_moments_bytes(&z->p->v[k]);
    if (now > most) most = now;
  }
  return z->targets && all > z->walk->memory && most <= z->walk->memory;
}

static bool measure_after(measure *z, int i, mc_moments *const *m) {
  for (int k = 0; k < z->s->n; k++)
    if (last_reader(&z->s->v[k]) == i && !measure_site(z, k, m)) return false;
  return true;
}

static bool measure_walk(measure *z, const int *until, mc_arena *a) {
  mc_arena **room = MC_NEWN(a, mc_arena *, z->p->n + 1);
  mc_moments **m = MC_NEWN(a, mc_moments *, z->p->n + 1);
  mc_walk_opts o = *z->walk;
  o.targets = z->targets;
  mc_walk *w = mc_walk_open(z->cx, &o);
  bool ok = w && measure_after(z, -1, m); /* those that nothing reads */
  for (int i = 0; ok && i < z->p->n; i++) {
    if (until[i] < 0) continue;
    room[i] = mc_arena_create();
    ok = (m[i] = mc_walk_moments_in(w, i, room[i])) != NULL && measure_after(z, i, m);
    for (int k = 0; k <= i; k++)
      if (room[k] && until[k] <= i) {
        mc_arena_destroy(room[k]);
        room[k] = NULL;
      }
  }
  for (int k = 0; k < z->p->n; k++) mc_arena_destroy(room[k]);
  if (w) mc_walk_close(w);
  return ok;
}

bool mc_sites_measure(measure *z) {
  bool ok = true;
  if (z->moments) return measure_given(z);
  mc_arena *all = mc_arena_create();
  const int *until = needed_until(z, all);
  bool walk = one_walk(z, until);
  if (walk) ok = measure_walk(z, until, all);
  mc_arena_destroy(all);
  if (walk) return ok;
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
