// RUN: %unit/damage_test %t.npz
/* How far results move (mc/measure/damage.h): nothing for the same weights; for others what the
 * whole changed network gives; neither memory nor parts change anything; softmax, argmax, another
 * original; errors. */
#include "measure_world.h"
#include "mc/measure/damage.h"

enum { NETS = (int)(sizeof nets / sizeof *nets) };

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 + 1e-3 * fabs(b); }

/* A small change of product i. */
static void bend(world *w, const mc_product *p, float **wt, float **b) {
  int64_t outs = p->groups * p->o;
  *wt = mc_product_copy(p, w->a, b);
  for (int64_t k = 0; k < outs * p->d; k += 2) (*wt)[k] *= 0.5f;
}

/* Large networks: fewer runs, 8 at least. */
static void few(void) {
  CHECK(mc_damage_few(125, 4e7) == 125 && mc_damage_few(125, 1e9) == 31);
  CHECK(mc_damage_few(125, 4e9) == 8 && mc_damage_few(16, 1e15) == 8);
  CHECK(mc_damage_few(3, 1e15) == 3 && mc_damage_few(256, 0) == 256);
}

static void unchanged(world *w, mc_damage *d, int products) {
  mc_products p = mc_products_of(w->cx.graph, w->a);
  mc_distance x;
  CHECK(mc_damage_of(d, 0, NULL, NULL, &x) && x.kl == 0 && x.l2 == 0 && x.local == 0);
  for (int i = 0; i < products; i++) {
    float *b, *wt = mc_product_copy(&p.v[i], w->a, &b);
    CHECK(mc_damage_of(d, i, wt, b, &x) && x.kl < 1e-9 && x.l2 < 1e-9 && x.local < 1e-9);
  }
}

/* The variant of each product, and the graph in which it is set. */
static void like_whole_graph(const char *path, int k, bool compiled, int64_t memory, int part,
                             double *all) {
  seed = 3;
  world *w = start(nets[k].text, path, compiled);
  randomize(w);
  write_samples(w, path, 30, 0);
  w->o.memory = memory, w->o.part = part;
  mc_damage *d = mc_damage_open(&w->cx, &w->o);
  if (d) unchanged(w, d, nets[k].products);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  for (int i = 0; d && i < p.n; i++) {
    float *wt, *b, *old, *oldb;
    mc_distance x, y;
    bend(w, &p.v[i], &wt, &b);
    CHECK(mc_damage_of(d, i, wt, b, &x) && x.l2 > 1e-6 && x.local > 1e-6 && x.kl > 0);
    old = mc_product_copy(&p.v[i], w->a, &oldb);
    CHECK(mc_product_set(&p.v[i], wt, b, &w->d) && mc_damage_graph(d, w->cx.graph, &y));
    CHECK(mc_product_set(&p.v[i], old, oldb, &w->d));
    CHECK(near(x.kl, y.kl) && near(x.l2, y.l2) && y.local == 0);
    CHECK(mc_distance_main(&x) == x.kl);
    *all++ = x.kl, *all++ = x.l2, *all++ = x.local;
  }
  CHECK(d != NULL);
  if (d) mc_damage_close(d);
  stop(w);
}

/* ---- results ---- */

static const char logits_net[] =
    W(w0, "6,4") W(w1, "3,6") "  %0 = linear %x, %w0 : f32[1,6]\n  %1 = relu %0 : f32[1,6]\n"
                              "  %2 = linear %1, %w1 : f32[1,3]\n";

/* Damage of product 0 with half of its weights gone, for one end of the network. */
static mc_distance of_end(const char *path, const char *type, const char *end) {
  seed = 9;
  mc_distance x = { -2, -2, -2 };
  char text[1024];
  snprintf(text, sizeof text, HEAD("%%x: f32[1,4]", "%s") "%s%s}\n", type, logits_net, end);
  world *w = start(text, path, true);
  randomize(w);
  write_samples(w, path, 40, 0);
  mc_damage *d = mc_damage_open(&w->cx, &w->o);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  float *wt, *b;
  bend(w, &p.v[0], &wt, &b);
  CHECK(d && mc_damage_of(d, 0, wt, b, &x));
  if (d) mc_damage_close(d);
  stop(w);
  return x;
}

static void ends(const char *path) {
  mc_distance logits = of_end(path, "f32[1,3]", "  return %2\n");
  mc_distance soft = of_end(path, "f32[1,3]", "  %3 = softmax %2 : f32[1,3]\n  return %3\n");
  mc_distance best = of_end(path, "i64[1]", "  %3 = argmax %2 : i64[1]\n  return %3\n");
  mc_distance twice = of_end(path, "f32[1,3], f32[1,3], f32[1,4]", "  return %2, %2, %x\n");
  mc_distance mean =
      of_end(path, "f32[1,1]", "  %3 = reduce_mean %2 {axes=[1]} : f32[1,1]\n  return %3\n");
  CHECK(logits.kl > 1e-6 && near(soft.kl, logits.kl) && soft.l2 != logits.l2);
  CHECK(near(best.kl, logits.kl) && near(best.l2, logits.l2) && near(twice.kl, logits.kl));
  CHECK(mean.kl == -1 && mean.l2 > 0 && mc_distance_main(&mean) == mean.l2);
}

/* The reference is the original's, the base is the pass's graph. */
static void other_original(const char *path) {
  world *o = start(nets[0].text, path, true), *w = start(nets[0].text, path, true);
  seed = 4;
  randomize(o);
  seed = 4;
  randomize(w);
  write_samples(w, path, 20, 0);
  mc_products p = mc_products_of(w->cx.graph, w->a);
  float *wt, *b, *oldb, *old = mc_product_copy(&p.v[1], w->a, &oldb);
  bend(w, &p.v[1], &wt, &b);
  CHECK(mc_product_set(&p.v[1], wt, b, &w->d));
  w->o.original = o->m->graphs;
  mc_damage *d = mc_damage_open(&w->cx, &w->o);
  mc_distance as_it_is, back, whole;
  CHECK(d && mc_damage_of(d, 1, NULL, NULL, &as_it_is) && mc_damage_of(d, 1, old, oldb, &back));
  CHECK(d && mc_damage_graph(d, w->cx.graph, &whole));
  CHECK(as_it_is.kl > 1e-6 && back.kl < 1e-9 && near(whole.kl, as_it_is.kl));
  if (d) mc_damage_close(d);
  stop(w);
  stop(o);
}

/* ---- errors ---- */

static void refuses(const char *path) {
  world *w = start(nets[0].text, path, true), *o = start(nets[1].text, path, true);
  write_samples(w, path, 3, 0);
  mc_damage *d = mc_damage_open(&w->cx, &w->o);
  CHECK(d && said(w, "3 samples are too few to hold some back"));
  mc_distance x;
  CHECK(d && !mc_damage_graph(d, o->m->graphs, &x) &&
        said(w, "the changed graph has other inputs"));
  if (d) mc_damage_close(d);
  w->o.original = o->m->graphs;
  CHECK(!mc_damage_open(&w->cx, &w->o) && said(w, "the original has other inputs"));
  write_samples(w, path, 6, NAN);
  CHECK(!mc_damage_open(&w->cx, &w->o) && said(w, "input 'x' holds NaN"));
  stop(w);
  stop(o);
}

int main(int argc, char **argv) {
  few();
  if (argc != 2) return 2;
  for (int k = 0; k < NETS; k++) {
    double a[32] = { 0 }, b[32] = { 0 };
    like_whole_graph(argv[1], k, false, 0, 0, a);
    like_whole_graph(argv[1], k, true, 0, 0, a);
    like_whole_graph(argv[1], k, true, 1, 0, b);
    CHECK(!memcmp(a, b, sizeof a));
    /* Parts that tails share, of one product and of more. */
    like_whole_graph(argv[1], k, false, 0, 1, b);
    like_whole_graph(argv[1], k, true, 0, 2, b);
    like_whole_graph(argv[1], k, true, 1, 1, b);
    for (int i = 0; i < 32; i++) CHECK(near(a[i], b[i]));
  }
  ends(argv[1]);
  other_original(argv[1]);
  refuses(argv[1]);
  return CHECK_DONE();
}
