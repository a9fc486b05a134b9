// RUN: %unit/walk_test %t.npz
/* Two networks side by side (mc/measure/walk.h), compiled and by the evaluator: nothing changed
 * gives C = W G; targets across residual adds; the memory changes nothing but the passes; errors.
 */
#include "measure_world.h"
#include <signal.h>
#include <sys/resource.h>

/* ---- nothing changed ---- */

/* |C - W G| is rounding: relative to |Y| |X|. */
static bool explained(const mc_product *p, const mc_moments *m, mc_arena *a) {
  float *b, *w = mc_product_copy(p, a, &b);
  bool ok = true;
  for (int64_t g = 0; g < p->groups; g++) {
    mc_centred z = mc_moments_centred(m, 15, g, a);
    for (int64_t i = 0; i < p->o; i++) {
      double off = z.my[i] - (double)b[g * p->o + i];
      for (int64_t j = 0; j < p->d; j++) {
        double s = z.c[i * p->d + j], size = sqrt(z.vy[i] * z.g[j * p->d + j]);
        const float *row = w + (g * p->o + i) * p->d;
        for (int64_t k = 0; k < p->d; k++) s -= (double)row[k] * z.g[k * p->d + j];
        off -= (double)row[j] * z.mx[j];
        ok = ok && fabs(s) <= 1e-4 * size + 1e-6;
      }
      ok = ok && fabs(off) <= 1e-4;
    }
    double total, e = mc_fit_error(&z, w + g * p->o * p->d, b + g * p->o, &total);
    ok = ok && z.n > 0 && total > 0 && e <= 1e-6 * total;
  }
  return ok;
}

static void unchanged(const char *path, int k, bool compiled) {
  world *w = start(nets[k].text, path, compiled);
  randomize(w);
  write_samples(w, path, 11, 0);
  mc_walk *walk = mc_walk_open(&w->cx, &w->o);
  CHECK(walk && mc_walk_products(walk)->n == nets[k].products && mc_walk_samples(walk) == 11);
  for (int i = 0; walk && i < nets[k].products; i++) {
    const mc_moments *m = mc_walk_moments(walk, i);
    CHECK(m && mc_walk_has_target(walk, i) && explained(&mc_walk_products(walk)->v[i], m, w->a));
  }
  if (walk) mc_walk_close(walk);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  mc_moments **all = mc_moments_of_all(&w->cx, &w->o, &p, NULL, w->a);
  for (int i = 0; all && i < p.n; i++) CHECK(explained(&p.v[i], all[i], w->a));
  CHECK(all != NULL);
  stop(w);
}

/* ---- memory ---- */

/* All bytes of the moments of a walk that changes weights on its way, or of all products at once.
 */
static void *bytes_of(world *w, const mc_moments *m, char *to) {
  (void)w;
  for (int f = 0; f < MC_FOLDS; f++) {
    const mc_sums *s = &m->fold[f];
    size_t n[] = { 1,
                   (size_t)(m->groups * m->d * m->d),
                   (size_t)(m->groups * m->o * m->d),
                   (size_t)(m->groups * m->d),
                   (size_t)(m->groups * m->o),
                   (size_t)(m->groups * m->o) };
    const double *x[] = { &s->n, s->g, s->c, s->x, s->y, s->yy };
    for (int i = 0; i < 6; i++, to += sizeof(double) * n[i - 1])
      memcpy(to, x[i], sizeof(double) * n[i]);
  }
  return to;
}

enum { ROOM = 1 << 22 };

static size_t collect(const char *path, int k, int64_t memory, bool walk, char *to) {
  seed = 5;
  world *w = start(nets[k].text, path, true);
  randomize(w);
  write_samples(w, path, 13, 0);
  w->o.memory = memory;
  char *at = to;
  mc_products p = mc_products_of(w->cx.graph, w->a);
  if (walk) {
    mc_walk *x = mc_walk_open(&w->cx, &w->o);
    for (int i = 0; x && i < p.n; i++) {
      const mc_moments *m = mc_walk_moments(x, i);
      CHECK(m != NULL);
      if (m) at = bytes_of(w, m, at);
      const mc_product *q = &mc_walk_products(x)->v[i];
      float *b, *wt = mc_product_copy(q, w->a, &b);
      for (int64_t j = 0; j < q->d; j++) wt[j] = 0;
      CHECK(mc_walk_set(x, i, wt, b));
    }
    if (x) mc_walk_close(x);
  } else {
    mc_moments **all = mc_moments_of_all(&w->cx, &w->o, &p, NULL, w->a);
    for (int i = 0; all && i < p.n; i++) at = bytes_of(w, all[i], at);
  }
  stop(w);
  return (size_t)(at - to);
}

static void any_memory(const char *path) {
  char *a = malloc(ROOM), *b = malloc(ROOM);
  for (int k = 0; k < (int)(sizeof nets / sizeof *nets); k++)
    for (int walk = 0; walk < 2; walk++) {
      size_t n = collect(path, k, 0, walk, a);
      CHECK(n > 0 && n < ROOM && collect(path, k, 1, walk, b) == n && !memcmp(a, b, n));
    }
  free(a);
  free(b);
}

/* ---- targets ---- */

/* A layer before is halved: the product at the block's end is asked to make up for it. */
static void across_add(const char *path) {
  world *w = start(nets[0].text, path, true);
  randomize(w);
  write_samples(w, path, 64, 0);
  mc_walk *x = mc_walk_open(&w->cx, &w->o);
  double before = 0, after = 0, total = 0;
  for (int i = 0; x && i < 3; i++) {
    const mc_product *q = &mc_walk_products(x)->v[i];
    float *b, *wt = mc_product_copy(q, w->a, &b);
    mc_moments *m = mc_walk_moments(x, i);
    if (i == 0) {
      for (int64_t k = 0; k < q->o * q->d; k++) wt[k] *= 0.5f;
      CHECK(mc_walk_set(x, i, wt, b));
    }
    if (i != 2 || !m) continue;
    mc_centred z = mc_moments_centred(m, 15, 0, w->a);
    before = mc_fit_error(&z, wt, b, &total);
    CHECK(mc_fit(&z, wt, 1e-3, wt, b));
    after = mc_fit_error(&z, wt, b, NULL);
  }
  CHECK(before > 0.1 * total && after < 0.7 * before);
  if (x) mc_walk_close(x);
  stop(w);
}

static bool near(const double *a, const double *b, int64_t n) {
  bool ok = true;
  for (int64_t i = 0; i < n; i++) ok = ok && fabs(a[i] - b[i]) <= 1e-4 * (fabs(a[i]) + 1);
  return ok;
}

static bool same_moments(const mc_moments *a, const mc_moments *b, unsigned folds, int64_t rows) {
  bool ok = a && b;
  for (int f = 0; ok && f < MC_FOLDS; f++) {
    const mc_sums *s = &a->fold[f], *t = &b->fold[f];
    if (!(folds >> f & 1)) {
      ok = t->n == 0;
      continue;
    }
    ok = s->n == t->n && near(s->g, t->g, a->groups * a->d * a->d) && near(s->y, t->y, rows) &&
         near(s->c, t->c, rows * a->d);
  }
  return ok;
}

/* What the original gives, kept: the same moments as with the original beside; folds that are left
 * out; rows of the original in another order. */
static void kept_targets(const char *path, int k) {
  world *w = start(nets[k].text, path, true);
  randomize(w);
  write_samples(w, path, 13, 0);
  mc_targets *t = mc_targets_open(&w->cx, &w->o);
  mc_walk_opts o = w->o;
  o.targets = t, o.folds = 5;
  mc_walk *x = mc_walk_open(&w->cx, &w->o), *y = t ? mc_walk_open(&w->cx, &o) : NULL;
  CHECK(x && y);
  for (int i = 0; x && y && i < nets[k].products; i++) {
    const mc_product *q = &mc_walk_products(x)->v[i];
    float *b, *wt = mc_product_copy(q, w->a, &b);
    const mc_moments *m = mc_walk_moments(x, i), *n = mc_walk_moments(y, i);
    CHECK(mc_walk_has_target(y, i) && same_moments(m, n, 5, q->groups * q->o));
    for (int64_t j = 0; j < q->groups * q->o * q->d; j++) wt[j] *= 0.5f;
    CHECK(mc_walk_set(x, i, wt, b) && mc_walk_set(y, i, wt, b));
  }
  if (x) mc_walk_close(x);
  if (y) mc_walk_close(y);
  mc_targets_close(t);
  stop(w);
}

/* A trial's walk takes every other place where there are enough of them. */
static void half_of_the_places(const char *path) {
  world *w = start(nets[0].text, path, true);
  randomize(w);
  write_samples(w, path, 13, 0);
  mc_targets *t = mc_targets_open(&w->cx, &w->o);
  for (int half = 0; half < 2; half++) {
    mc_walk_opts o = w->o;
    o.targets = t, o.half = true, o.enough = half ? 30 : 31; /* 13 runs, 64 places, 27 columns */
    mc_walk *x = mc_walk_open(&w->cx, &o);
    const mc_moments *m = x ? mc_walk_moments(x, 0) : NULL;
    CHECK(m && m->fold[0].n == 4 * (half ? 32 : 64) && m->fold[3].n == 3 * (half ? 32 : 64));
    if (x) mc_walk_close(x);
  }
  mc_targets_close(t);
  stop(w);
}

/* Of very many samples it takes half, with all of their places. */
static void half_of_the_samples(const char *path) {
  static const char text[] = HEAD("%x: f32[1,4]", "f32[1,3]")
      W(w0, "3,4") "  %0 = linear %x, %w0 : f32[1,3]\n  return %0\n}\n";
  world *w = start(text, path, true);
  randomize(w);
  write_samples(w, path, 1000, 0);
  mc_targets *t = mc_targets_open(&w->cx, &w->o);
  mc_walk_opts o = w->o;
  o.targets = t, o.half = true, o.folds = 7;
  mc_walk *x = mc_walk_open(&w->cx, &o);
  const mc_moments *m = x ? mc_walk_moments(x, 0) : NULL;
  CHECK(m && m->fold[0].n == 125 && m->fold[2].n == 125 && m->fold[3].n == 0);
  if (x) mc_walk_close(x);
  mc_targets_close(t);
  stop(w);
}

/* Row r of the targets is another row of the original's. */
static void other_rows(const char *path) {
  world *w = start(nets[0].text, path, true);
  randomize(w);
  write_samples(w, path, 8, 0);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  const int64_t **rows = MC_NEWN(w->a, const int64_t *, p.n);
  int64_t outs = p.v[0].groups * p.v[0].o, *back = MC_NEWN(w->a, int64_t, outs);
  for (int64_t r = 0; r < outs; r++) back[r] = outs - 1 - r;
  rows[0] = back;
  mc_walk_opts o = w->o;
  mc_targets *t = mc_targets_open(&w->cx, &w->o);
  o.targets = t, o.rows = rows;
  o.few = 9, o.folds = 1; /* 8 samples are few: all folds */
  mc_walk *x = mc_walk_open(&w->cx, &w->o), *y = mc_walk_open(&w->cx, &o);
  const mc_moments *m = x ? mc_walk_moments(x, 0) : NULL, *n = y ? mc_walk_moments(y, 0) : NULL;
  CHECK(m && n);
  for (int64_t r = 0; m && n && r < outs; r++)
    for (int f = 0; f < MC_FOLDS; f++)
      CHECK(near(&m->fold[f].y[r], &n->fold[f].y[outs - 1 - r], 1));
  back[0] = outs; /* there is no such row: no target */
  CHECK(y && !mc_walk_has_target(y, 0));
  if (x) mc_walk_close(x);
  if (y) mc_walk_close(y);
  mc_targets_close(t);
  stop(w);
}

/* Targets of another graph, by the layers' names. */
static void other_original(const char *path) {
  static const char was[] = HEAD("%x: f32[1,4]", "f32[1,3]") W(w0, "6,4")
      W(w1, "3,6") "  %0 = linear %x, %w0 : f32[1,6] loc(\"a\")\n  %1 = relu %0 : f32[1,6]\n"
                   "  %2 = linear %1, %w1 : f32[1,3] loc(\"b\")\n  return %2\n}\n";
  static const char is[] = HEAD("%x: f32[1,4]", "f32[1,3]") W(w0, "5,4") W(v, "2,5")
      W(u, "3,2") "  %0 = linear %x, %w0 : f32[1,5] loc(\"a\")\n  %1 = relu %0 : f32[1,5]\n"
                  "  %2 = linear %1, %v : f32[1,2] loc(\"b\")\n"
                  "  %3 = linear %2, %u : f32[1,3] loc(\"b\")\n  return %3\n}\n";
  world *o = start(was, path, true), *w = start(is, path, true);
  randomize(o);
  randomize(w);
  write_samples(w, path, 100, 0);
  w->o.original = o->m->graphs;
  mc_walk *x = mc_walk_open(&w->cx, &w->o);
  CHECK(x && !mc_walk_has_target(x, 0) && !mc_walk_has_target(x, 1) && mc_walk_has_target(x, 2));
  for (int i = 0; x && i < 3; i++) {
    const mc_moments *m = mc_walk_moments(x, i);
    CHECK(m && explained(&mc_walk_products(x)->v[i], m, w->a) == (i < 2));
  }
  if (x) mc_walk_close(x);
  stop(w);
  stop(o);
}

/* ---- errors and warnings ---- */

static bool opens(world *w, bool all) {
  mc_products p = mc_products_of(w->cx.graph, w->a);
  if (all) return mc_moments_of_all(&w->cx, &w->o, &p, NULL, w->a) != NULL;
  mc_walk *x = mc_walk_open(&w->cx, &w->o);
  if (x) mc_walk_close(x);
  return x != NULL;
}

static void refuses(const char *path) {
  for (int all = 0; all < 2; all++) {
    world *w = start(nets[0].text, NULL, true);
    CHECK(!opens(w, all) && said(w, "test: no samples: give data=FILE.npz"));
    w->o.data = path;
    write_samples(w, path, 5, NAN);
    CHECK(!opens(w, all) && said(w, "test: sample 2 of input 'x' holds NaN"));
    write_samples(w, path, 5, INFINITY);
    CHECK(!opens(w, all) && said(w, "sample 2 of input 'x' holds an infinite number"));
    write_samples(w, path, 3, 0);
    w->o.memory = 2;
    CHECK(opens(w, all) && said(w, "'linear' reads them at 3 places but has 4 inputs"));
    CHECK(opens(w, all) &&
          said(w, "memory=0 (MiB) is less than the 1 MiB that the moments of layer 'conv2d'"));
    w->d.errors = 0;
    stop(w);
  }
}

/* A batch of two, three samples or one. */
static void odd_batch(const char *path) {
  world *w = start(nets[3].text, path, true);
  write_samples(w, path, 3, 0);
  CHECK(opens(w, false) && said(w, "2 samples at once: left over at the end and not used: 1"));
  write_samples(w, path, 1, 0);
  CHECK(opens(w, false) && said(w, "2 samples at once, but there are 1: the last one is repeated"));
  write_samples(w, path, 6, NAN);
  CHECK(!opens(w, false) && said(w, "sample 3 of input 'x' holds NaN"));
  stop(w);
}

/* Activations that overflow: the layer is named. */
static void overflows(const char *path) {
  world *w = start(nets[0].text, path, true);
  write_samples(w, path, 5, 0);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  float *wt = MC_NEWN(w->a, float, p.v[0].o *p.v[0].d), *b = MC_NEWN(w->a, float, p.v[0].o);
  for (int64_t i = 0; i < p.v[0].o * p.v[0].d; i++) wt[i] = 3e38f;
  CHECK(mc_product_set(&p.v[0], wt, b, &w->d));
  mc_walk *x = mc_walk_open(&w->cx, &w->o);
  CHECK(x && !mc_walk_moments(x, 0) &&
        said(w, "layer 'conv2d' reads or gives numbers that are not finite"));
  if (x) mc_walk_close(x);
  stop(w);
}

static void no_folder(const char *path) {
  world *w = start(nets[0].text, path, true);
  write_samples(w, path, 5, 0);
  w->o.memory = 1;
  w->cx.temp = "/no/such/folder";
  CHECK(!opens(w, false) &&
        said(w, "in /no/such/folder: No such file or directory; give more memory="));
  stop(w);
}

/* No room for what does not fit the memory: an error, and nothing is left in the folder. */
static void full_disk(const char *path) {
  world *w = start(nets[0].text, path, true);
  write_samples(w, path, 5, 0);
  struct rlimit old, small;
  CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
  small = old;
  small.rlim_cur = 1000;
  signal(SIGXFSZ, SIG_IGN);
  CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
  w->o.memory = 1;
  CHECK(!opens(w, false) &&
        said(w, "MiB of activations in a temporary file in /tmp: File too large"));
  CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
  stop(w);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  for (int k = 0; k < (int)(sizeof nets / sizeof *nets); k++)
    for (int c = 0; c < 2; c++) unchanged(argv[1], k, c);
  any_memory(argv[1]);
  across_add(argv[1]);
  for (int k = 0; k < (int)(sizeof nets / sizeof *nets); k++) kept_targets(argv[1], k);
  half_of_the_places(argv[1]);
  half_of_the_samples(argv[1]);
  other_rows(argv[1]);
  other_original(argv[1]);
  refuses(argv[1]);
  odd_batch(argv[1]);
  overflows(argv[1]);
  no_folder(argv[1]);
  full_disk(argv[1]);
  return CHECK_DONE();
}
