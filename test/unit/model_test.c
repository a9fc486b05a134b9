// RUN: %unit/model_test
/* The cost model: rates are there for every level, known answers on easy shapes, and the directions
 * that must not be wrong. */
#include "check.h"
#include "mc/analysis/model.h"
#include "mc/ir/build.h"
#include <string.h>

typedef struct net {
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_graph *g;
  mc_builder b;
} net;

static void open_net(net *n) {
  n->a = mc_arena_create();
  mc_diag_init(&n->d, n->a);
  n->m = mc_module_create();
  n->g = mc_graph_create(n->m, "g", mc_noloc);
  n->b = (mc_builder){ .graph = n->g, .diag = &n->d };
}

static void close_net(net *n) {
  mc_module_destroy(n->m);
  mc_arena_destroy(n->a);
}

/* Weights without zeros, which kernels would leave out. */
static void fill(void *data, int64_t n) {
  for (int64_t i = 0; i < n; i++) ((float *)data)[i] = 1;
}

static const mc_node *conv(net *n, int64_t side, int64_t ci, int64_t co, int64_t k,
                           int64_t groups) {
  mc_value *x = mc_graph_add_input(
      n->g, NULL, mc_type_make(n->m, MC_f32, 4, (int64_t[]){ 1, side, side, ci }), mc_noloc);
  void *data;
  mc_value *w = mc_build_tensor(
      &n->b, mc_tensor_create(n->m, "w", MC_f32, 4, (int64_t[]){ co, k, k, ci / groups }, &data),
      NULL);
  fill(data, co * k * k * (ci / groups));
  mc_attrs_conv2d c;
  mc_attrs_init(MC_OP_conv2d, &c, n->a);
  for (int i = 0; i < 4; i++) c.pad[i] = k / 2;
  c.groups = groups;
  mc_value *y = mc_build1(&n->b, MC_OP_conv2d, (mc_value *[]){ x, w }, 2, &c);
  CHECK(y != NULL);
  return y->def;
}

static const mc_node *linear(net *n, int64_t rows, int64_t k, int64_t cols) {
  mc_value *x = mc_graph_add_input(n->g, NULL,
                                   mc_type_make(n->m, MC_f32, 2, (int64_t[]){ rows, k }), mc_noloc);
  void *data;
  mc_value *w = mc_build_tensor(
      &n->b, mc_tensor_create(n->m, "w", MC_f32, 2, (int64_t[]){ cols, k }, &data), NULL);
  fill(data, cols * k);
  mc_value *y = mc_build1(&n->b, MC_OP_linear, (mc_value *[]){ x, w }, 2, NULL);
  CHECK(y != NULL);
  return y->def;
}

static const mc_target *level(net *n, const char *name) {
  const mc_target *t = mc_target_find(NULL, name, n->a, &n->d);
  CHECK(t != NULL);
  return t;
}

static void every_level_has_figures(void) {
  net n;
  open_net(&n);
  for (int i = 0; i < mc_target_count(); i++) {
    const mc_target *t = level(&n, mc_target_at(i)->name);
    CHECK(t->machine && t->machine->ghz > 0 && t->machine->issue >= 1 && t->machine->dram > 0 &&
          t->machine->l1 >= t->machine->l2 && t->machine->l2 >= t->machine->l3 &&
          t->machine->l3 >= t->machine->dram);
    for (int r = 0; r < MC_NUM_RATES; r++) CHECK(mc_target_rate(t, (mc_rate)r) >= 0);
    CHECK(mc_rate_arith(mc_model_rate(MC_ARITH_int8, t)) == MC_ARITH_int8 &&
          mc_target_rate(t, mc_model_rate(MC_ARITH_f32, t)) > 0);
    CHECK(mc_target_rate(t, MC_RATE_dw8) > 0 && mc_target_rate(t, MC_RATE_dw32) > 0);
  }
  CHECK(mc_target_rate(level(&n, "x86-64-v3"), MC_RATE_vnni) == 0);
  CHECK(mc_model_rate(MC_ARITH_int8, level(&n, "sapphirerapids")) == MC_RATE_amx &&
        mc_model_rate(MC_ARITH_bf16, level(&n, "sapphirerapids")) == MC_RATE_amxbf16);
  CHECK(mc_rate_find("vnni") == MC_RATE_vnni && mc_rate_find("nothing") == MC_NUM_RATES);
  close_net(&n);
}

/* Big convolutions run at the peak of their engine, linear layers at batch 1 at the speed of their
 * weights. */
static void bounds(void) {
  net n;
  open_net(&n);
  const mc_target *t = level(&n, "avx512vnni");
  const mc_node *c = conv(&n, 28, 128, 128, 3, 1), *l = linear(&n, 1, 25088, 4096);
  mc_estimate e = mc_model_product(c, MC_ARITH_int8, t, 0);
  double peak = 28.0 * 28 * 128 * 128 * 9 / 64;
  CHECK(e.bound == MC_PART_compute && e.cycles > peak && e.cycles < 1.3 * peak);
  mc_estimate f = mc_model_product(l, MC_ARITH_int8, t, 0);
  CHECK(f.bound == MC_PART_DRAM && f.cycles > 25088.0 * 4096 / t->machine->dram);
  close_net(&n);
}

static void int8_wins_where_it_should(void) {
  net n;
  open_net(&n);
  const mc_node *big = conv(&n, 28, 128, 128, 3, 1), *stem = conv(&n, 112, 3, 32, 3, 1),
                *dw = conv(&n, 28, 128, 128, 3, 128);
  for (int i = 0; i < mc_target_count(); i++) {
    const mc_target *t = level(&n, mc_target_at(i)->name);
    double f32 = mc_model_product(big, MC_ARITH_f32, t, 0).cycles,
           int8 = mc_model_product(big, MC_ARITH_int8, t, 0).cycles;
    CHECK(
        int8 <
        1.4 *
            f32); /* avx512: pmaddwd and an addition for each 32 products, against two FMA units */
    if (mc_rate_depth(mc_model_rate(MC_ARITH_int8, t)) >= 4) CHECK(int8 < 0.5 * f32);
    CHECK(mc_model_product(stem, MC_ARITH_int8, t, 0).cycles > 0 &&
          mc_model_product(dw, MC_ARITH_bf16, t, 0).cycles > 0);
    CHECK(mc_model_convert(1000, MC_ARITH_f32, MC_ARITH_int8, t).cycles > 0);
  }
  close_net(&n);
}

/* More of anything never costs less. */
static void monotone(void) {
  net n;
  open_net(&n);
  const mc_target *t = level(&n, "native");
  double last = 0;
  for (int64_t side = 7; side <= 112; side *= 2) {
    double now = mc_model_product(conv(&n, side, 64, 64, 3, 1), MC_ARITH_int8, t, 0).cycles;
    CHECK(now > last);
    last = now;
  }
  close_net(&n);
}

/* First convolutions with pixels in lanes pay for each channel. */
static void first_layers_follow_their_width(void) {
  net n;
  open_net(&n);
  const mc_target *t = level(&n, "x86-64-v3");
  double last = 0, of[9];
  for (int64_t co = 1; co <= 8; co++) {
    const mc_node *c = conv(&n, 64, 3, co, 3, 1);
    CHECK(mc_first_conv_words(c, t) == 14); /* 27 taps */
    of[co] = mc_model_product(c, MC_ARITH_int8, t, 0).cycles;
    CHECK(of[co] > last);
    last = of[co];
  }
  CHECK(of[3] < 0.6 * of[8] && of[4] < 0.7 * of[8]);
  CHECK(mc_first_conv_words(conv(&n, 64, 3, 64, 3, 1), t) ==
        0); /* more weights than L1 should hold */
  CHECK(mc_first_conv_words(conv(&n, 64, 8, 8, 3, 1), t) == 0);
  CHECK(mc_first_conv_words(conv(&n, 7, 3, 8, 3, 1), t) == 0);
  CHECK(mc_first_conv_words(conv(&n, 64, 3, 8, 3, 1), level(&n, "avx512vnni")) == 0);
  CHECK(mc_first_conv_words(conv(&n, 64, 3, 8, 3, 1), level(&n, "neoverse-n1")) == 0);
  close_net(&n);
}

/* Half of the channels of a depthwise layer never cost more. */
static void depthwise_follows_its_width(void) {
  net n;
  open_net(&n);
  const mc_target *t = level(&n, "x86-64-v3");
  for (int64_t c = 4; c <= 128; c += 2) {
    double all = mc_model_product(conv(&n, 24, c, c, 3, c), MC_ARITH_int8, t, 0).cycles;
    const mc_node *narrow = conv(&n, 24, c / 2, c / 2, 3, c / 2);
    double half = mc_model_product(narrow, MC_ARITH_int8, t, 0).cycles;
    CHECK(half < 1.05 * all);
    if (c / 2 % 8 == 0) CHECK(half < 0.75 * all);
  }
  close_net(&n);
}

int main(void) {
  first_layers_follow_their_width();
  depthwise_follows_its_width();
  every_level_has_figures();
  bounds();
  int8_wins_where_it_should();
  monotone();
  return CHECK_DONE();
}
