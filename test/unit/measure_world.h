/* Small networks with random weights and samples, for the tests of lib/measure. */
#ifndef MC_TEST_MEASURE_WORLD_H
#define MC_TEST_MEASURE_WORLD_H
#include "check.h"
#include "mc/driver/compile.h"
#include "mc/import/npy.h"
#include "mc/measure/walk.h"
#include "mc/syntax/parse.h"
#include <math.h>
#include <stdio.h>
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
  { "depthwise, 20 channels",
    HEAD("%x: f32[1,5,7,20]", "f32[1,3,4,20]") W(w0, "20,3,3,1") W(b0, "20")
        W(w1, "20,3,2,1") "  %0 = conv2d %x, %w0, %b0 {pad=[1,1,1,1], stride=[2,2], groups=20} : "
                          "f32[1,3,4,20]\n  %1 = conv2d %0, %w1 {pad=[1,1,1,0], groups=20} : "
                          "f32[1,3,4,20]\n  %2 = add %1, %0 : f32[1,3,4,20]\n  return %2\n}\n",
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
#endif
