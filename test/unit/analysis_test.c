// RUN: %unit/analysis_test
#include "check.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/live.h"
#include "mc/analysis/zeros.h"
#include "mc/ir/build.h"

typedef struct net {
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_graph *g;
  mc_builder b;
  mc_value *x, *conv, *relu, *pool, *flat, *fc;
} net;

static mc_value *tensor(net *n, const char *name, int rank, const int64_t *dim) {
  void *data;
  return mc_build_tensor(&n->b, mc_tensor_create(n->m, name, MC_f32, rank, dim, &data), NULL);
}

/* x[1,8,8,3] -> conv 3x3 pad 1 to 4 channels -> relu -> max_pool 2x2 -> reshape [1,64] -> linear to
 * 10 */
static void make(net *n) {
  n->a = mc_arena_create();
  mc_diag_init(&n->d, n->a);
  n->m = mc_module_create();
  n->g = mc_graph_create(n->m, "g", mc_noloc);
  n->b = (mc_builder){ .graph = n->g, .diag = &n->d };
  n->x = mc_graph_add_input(n->g, "x", mc_type_make(n->m, MC_f32, 4, (int64_t[]){ 1, 8, 8, 3 }),
                            mc_noloc);
  mc_value *w = tensor(n, "w", 4, (int64_t[]){ 4, 3, 3, 3 }),
           *b = tensor(n, "b", 1, (int64_t[]){ 4 });
  mc_attrs_conv2d c;
  mc_attrs_init(MC_OP_conv2d, &c, n->a);
  for (int i = 0; i < 4; i++) c.pad[i] = 1;
  n->conv = mc_build1(&n->b, MC_OP_conv2d, (mc_value *[]){ n->x, w, b }, 3, &c);
  n->relu = mc_build1(&n->b, MC_OP_relu, &n->conv, 1, NULL);
  mc_attrs_max_pool p;
  mc_attrs_init(MC_OP_max_pool, &p, n->a);
  p.kernel[0] = p.kernel[1] = p.stride[0] = p.stride[1] = 2;
  n->pool = mc_build1(&n->b, MC_OP_max_pool, &n->relu, 1, &p);
  n->flat = mc_build1(&n->b, MC_OP_reshape, &n->pool, 1,
                      &(mc_attrs_reshape){ .shape = { (int64_t[]){ 1, 64 }, 2 } });
  n->fc = mc_build1(&n->b, MC_OP_linear,
                    (mc_value *[]){ n->flat, tensor(n, "fw", 2, (int64_t[]){ 10, 64 }),
                                    tensor(n, "fb", 1, (int64_t[]){ 10 }) },
                    3, NULL);
  mc_node *ret = mc_node_create(n->m, MC_OP_return, &n->fc, 1, 0, mc_noloc);
  mc_node_insert(n->g, NULL, ret);
  CHECK(n->fc && n->d.errors == 0);
}

static void drop(net *n) {
  mc_module_destroy(n->m);
  mc_arena_destroy(n->a);
}

static void costs_by_hand(void) {
  net n;
  make(&n);
  mc_cost c = mc_node_cost(n.conv->def);
  CHECK(c.macs == 8 * 8 * 4 * 27); /* 6912: padding taps count */
  CHECK(c.flops == 2 * 6912);
  CHECK(c.params == 4 * 27 + 4 && c.weight_bytes == 4 * 112);
  CHECK(c.in_bytes == 8 * 8 * 3 * 4 && c.out_bytes == 8 * 8 * 4 * 4);
  CHECK(mc_node_cost(n.relu->def).flops == 256 && mc_node_cost(n.relu->def).macs == 0);
  CHECK(mc_node_cost(n.pool->def).flops == 64 * 4);
  CHECK(mc_node_cost(n.flat->def).flops == 0);
  CHECK(mc_node_cost(n.fc->def).macs == 640 && mc_node_cost(n.fc->def).params == 650);
  mc_cost t = mc_graph_cost(n.g);
  CHECK(t.macs == 6912 + 640 && t.params == 112 + 650);
  CHECK(t.flops == 2 * 7552 + 256 + 256);
  drop(&n);
}

static void lives_by_hand(void) {
  net n;
  make(&n);
  mc_arena *a = mc_arena_create();
  mc_liveness l = mc_liveness_of(n.g, a);
  /* nodes: 0 w, 1 b, 2 conv, 3 relu, 4 pool, 5 reshape, 6 fw, 7 fb, 8 linear, 9 return */
  CHECK(l.nodes == 10 && l.n == 6);
  CHECK(l.iv[0].value == n.x && l.iv[0].first == -1 && l.iv[0].last == 2);
  CHECK(l.iv[1].value == n.conv && l.iv[1].first == 2 && l.iv[1].last == 3);
  CHECK(l.iv[4].value == n.flat && l.iv[4].first == 5 && l.iv[4].last == 8);
  CHECK(l.iv[5].value == n.fc && l.iv[5].last == 9);
  CHECK(mc_graph_peak_bytes(n.g) == 2 * 1024); /* conv and relu; x and conv are 768 + 1024 */
  mc_arena_destroy(a);
  drop(&n);
}

static void shared_constants_count_once(void) {
  net n;
  make(&n);
  n.b.before = n.g->last;
  mc_value *again = mc_build1(&n.b, MC_OP_linear, n.fc->def->in, 3, NULL);
  CHECK(again != NULL);
  CHECK(mc_graph_cost(n.g).params == 112 + 650 && mc_graph_cost(n.g).macs == 6912 + 2 * 640);
  drop(&n);
}

/* 40 columns, 2 runs of 10: only column 17, run 1, element 9 is not 0. */
static void zeros_by_hand(void) {
  float w[40 * 20] = { 0 };
  mc_zeros_view v = { w, MC_f32, 1, 40, 2, 10, 20, 1 };
  w[17 * 20 + 19] = 1;
  mc_zeros z = mc_zeros_of(&v);
  CHECK(z.all[0][0] == 3 * 20 && z.used[0][0] == 1 && z.all[1][0] == 2 * 20 && z.used[1][0] == 1);
  CHECK(z.all[0][2] == 3 * 6 && z.used[0][2] == 1); /* the last block of a run has 2 elements */
  CHECK(z.all[3][4] == 2 && z.used[3][4] == 1 && mc_zeros_share(&z, 4, 16) == 0.5);
  CHECK(mc_zeros_share(&z, 5, 4) == 1 && mc_zeros_share(&z, 1, 32) == 1);
  CHECK(mc_zeros_at(&v, 0, 0, 16, 1, 9) && !mc_zeros_at(&v, 0, 16, 16, 1, 9));
  for (int i = 0; i < 40 * 20; i++) w[i] = -1;
  z = mc_zeros_of(&v);
  CHECK(z.all[0][0] == 0 && mc_zeros_share(&z, 1, 4) == 1);
  for (int i = 0; i < 40 * 20; i++) w[i] = i % 20 < 10 ? -0.0f : 2; /* run 0 is 0 */
  z = mc_zeros_of(&v);
  CHECK(z.used[0][0] == 30 && z.used[2][3] == 2 && z.all[2][3] == 4);
}

/* A sample of the weights is looked at, with a stride that does not divide them: not beyond the
 * last, where here are zeros. */
static void zeros_after_the_weights(void) {
  enum { N = 320 };

  static float w[N * (N + 16)];
  for (int i = 0; i < N * N; i++) w[i] = 1;
  mc_zeros_view v = { w, MC_f32, 1, N, 1, N, N, 1 };
  mc_zeros z = mc_zeros_of(&v);
  CHECK(z.all[0][0] == 0);
}

int main(void) {
  costs_by_hand();
  lives_by_hand();
  shared_constants_count_once();
  zeros_by_hand();
  zeros_after_the_weights();
  return CHECK_DONE();
}
