// RUN: %unit/walk_test %t.npz
/* Two networks side by side (mc/measure/walk.h), compiled and by the evaluator: nothing changed
 * gives C = W G; targets across residual adds; the memory changes nothing but the passes; errors.
 */
#include "check.h"
#include "mc/driver/compile.h"
#include "mc/import/npy.h"
#include "mc/measure/walk.h"
#include "mc/syntax/parse.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights are random: W(shape). */
#define W(name, shape) "  %" #name " = const dense<0.0> : f32[" shape "]\n"
#define HEAD(in, out) "mir 1\ngraph @net(" in ") -> " out " {\n"

static const struct {
  const char *name, *text;
  int products;
} nets[] = {
  { "residual",
    HEAD("%x: f32[1,8,8,3]", "f32[1,5]") W(w0, "4,3,3,3") W(w1, "4,3,3,4") W(b1, "4") W(w2,
                                                                                        "4,3,3,4")
        W(w3, "5,4") "  %0 = conv2d %x, %w0 {pad=[1,1,1,1], clamp=[0.0,inf]} : f32[1,8,8,4]\n"
                     "  %1 = conv2d %0, %w1, %b1 {pad=[1,1,1,1], clamp=[0.0,6.0]} : f32[1,8,8,4]\n"
                     "  %2 = conv2d %1, %w2 {pad=[1,1,1,1]} : f32[1,8,8,4]\n"
                     "  %3 = add %2, %0 {clamp=[0.0,inf]} : f32[1,8,8,4]\n"
                     "  %4 = global_avg_pool %3 : f32[1,1,1,4]\n"
                     "  %5 = reshape %4 {shape=[1,4]} : f32[1,4]\n"
                     "  %6 = linear %5, %w3 : f32[1,5]\n  return %6\n}\n",
    4 },
  { "grouped, depthwise, transposed",
    HEAD("%x: f32[1,6,6,4]", "f32[1,13,13,3]") W(w0, "8,3,3,2") W(w1, "8,3,3,1")
        W(w2, "3,3,3,8") "  %0 = conv2d %x, %w0 {pad=[1,1,1,1], groups=2} : f32[1,6,6,8]\n  %1 = "
                         "relu %0 : f32[1,6,6,8]\n"
                         "  %2 = conv2d %1, %w1 {pad=[1,1,1,1], groups=8} : f32[1,6,6,8]\n  %3 = "
                         "silu %2 : f32[1,6,6,8]\n"
                         "  %4 = conv_transpose2d %3, %w2 {stride=[2,2]} : f32[1,13,13,3]\n  "
                         "return %4\n}\n",
    3 },
  { "concat, split, two inputs, two results",
    HEAD("%x: f32[1,4,4,2], %y: f32[1,3]",
         "f32[1,4,4,3], f32[1,2]") W(w0, "3,1,1,2") W(w1, "3,1,1,2") W(w2, "3,3,3,3")
        W(w3, "2,3") "  %0 = conv2d %x, %w0 : f32[1,4,4,3]\n  %1 = conv2d %x, %w1 : f32[1,4,4,3]\n"
                     "  %2 = concat %0, %1 {axis=3} : f32[1,4,4,6]\n"
                     "  %3, %4 = split %2 {axis=3, sizes=[3,3]} : f32[1,4,4,3], f32[1,4,4,3]\n"
                     "  %5 = conv2d %4, %w2 {pad=[1,1,1,1]} : f32[1,4,4,3]\n  %6 = add %5, %3 : "
                     "f32[1,4,4,3]\n"
                     "  %7 = linear %y, %w3 : f32[1,2]\n  return %6, %7\n}\n",
    4 },
  { "batch and region",
    HEAD("%x: f32[2,4,4,2]", "f32[2,4,4,2]") W(w0, "2,3,3,2")
        W(w1, "2,1,1,2") "  %0 = conv2d %x, %w0 {pad=[1,1,1,1]} : f32[2,4,4,2]\n"
                         "  %1 = group {\n    %2 = relu %0 : f32[2,4,4,2]\n    return %2\n  } : "
                         "f32[2,4,4,2]\n"
                         "  %3 = conv2d %1, %w1 : f32[2,4,4,2]\n  %4 = add %3, %x : f32[2,4,4,2]\n "
                         " return %4\n}\n",
    2 },
};

typedef struct world {
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_pass_context cx;
  mc_walk_opts o;
} world;

static uint64_t seed = 1;
static float rnd(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(seed >> 40) * 0x1p-23 - 1);
}

static void randomize(world *w) {
  mc_products p = mc_products_of(w->m->graphs, w->a);
  for (int i = 0; i < p.n; i++) {
    int64_t outs = p.v[i].groups * p.v[i].o, n = outs * p.v[i].d;
    float *x = MC_NEWN(w->a, float, n), *b = MC_NEWN(w->a, float, outs);
    for (int64_t k = 0; k < n; k++) x[k] = rnd() * 0.5f;
    for (int64_t k = 0; k < outs; k++) b[k] = rnd() * 0.5f;
    CHECK(mc_product_set(&p.v[i], x, b, &w->d));
  }
}

/* Samples for every input; one number may be replaced. */
static void write_samples(world *w, const char *path, int64_t count, float odd) {
  const mc_graph *g = w->m->graphs;
  mc_npy x[2] = { { 0 } };
  for (int i = 0; i < g->nin; i++) {
    const mc_type *t = g->in[i]->type;
    x[i] = (mc_npy){ .name = g->in[i]->name, .dtype = MC_f32, .rank = t->rank };
    memcpy(x[i].dim, t->dim, sizeof t->dim);
    x[i].dim[0] = count;
    int64_t n = mc_type_elems(t) / t->dim[0] * count;
    float *v = MC_NEWN(w->a, float, n);
    for (int64_t k = 0; k < n; k++) v[k] = rnd();
    if (odd != 0) v[n / 2] = odd;
    x[i].data = v, x[i].size = sizeof *v * (size_t)n;
  }
  CHECK(mc_npz_write(path, x, g->nin, &w->d));
}

static world *start(const char *text, const char *path, bool compiled) {
  mc_arena *a = mc_arena_create();
  world *w = MC_NEW(a, world);
  w->a = a;
  mc_diag_init(&w->d, a);
  mc_source *src = MC_NEW(a, mc_source);
  *src = (mc_source){ "net.mir", text, strlen(text) };
  w->m = mc_parse(src, ".", &w->d);
  w->cx = (mc_pass_context){ .module = w->m, .scratch = a, .diag = &w->d };
  if (w->m) w->cx.graph = w->m->graphs;
  w->o = (mc_walk_opts){ .data = path, .what = "test" };
  if (compiled) w->cx.runner = mc_compile_runner(mc_target_find(NULL, "native", a, &w->d), a);
  return w;
}

static void stop(world *w) {
  for (size_t i = 0; i < w->d.list.n; i++)
    if (w->d.list.v[i].sev == MC_ERROR) CHECK_FAIL(w->d.list.v[i].text);
  mc_module_destroy(w->m);
  mc_arena_destroy(w->a);
}

static bool said(world *w, const char *text) {
  bool found = false;
  for (size_t i = 0; i < w->d.list.n; i++) found = found || strstr(w->d.list.v[i].text, text);
  for (size_t i = 0; i < w->d.list.n && !found; i++) CHECK_FAIL(w->d.list.v[i].text);
  w->d.list.n = 0;
  return found;
}

/* ---- nothing changed ---- */

/* |C - W G| is rounding: relative to |Y| |X|. */
static bool explained(const mc_product *p, const mc_moments *m, mc_arena *a) {
  float *w = MC_NEWN(a, float, p->groups * p->o * p->d), *b = MC_NEWN(a, float, p->groups * p->o);
  mc_product_weights(p, w, b);
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
      float *wt = MC_NEWN(w->a, float, q->groups * q->o * q->d);
      float *b = MC_NEWN(w->a, float, q->groups * q->o);
      mc_product_weights(q, wt, b);
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

/* A layer in front is halved: the product at the block's end is asked to make up for it. */
static void across_add(const char *path) {
  world *w = start(nets[0].text, path, true);
  randomize(w);
  write_samples(w, path, 64, 0);
  mc_walk *x = mc_walk_open(&w->cx, &w->o);
  double before = 0, after = 0, total = 0;
  for (int i = 0; x && i < 3; i++) {
    const mc_product *q = &mc_walk_products(x)->v[i];
    float *wt = MC_NEWN(w->a, float, q->o * q->d), *b = MC_NEWN(w->a, float, q->o);
    mc_moments *m = mc_walk_moments(x, i);
    mc_product_weights(q, wt, b);
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

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  for (int k = 0; k < (int)(sizeof nets / sizeof *nets); k++)
    for (int c = 0; c < 2; c++) unchanged(argv[1], k, c);
  any_memory(argv[1]);
  across_add(argv[1]);
  other_original(argv[1]);
  refuses(argv[1]);
  overflows(argv[1]);
  no_folder(argv[1]);
  return CHECK_DONE();
}
