// RUN: %unit/decide_test
/* Decisions without a plan and without code: how values are seen, which engine and block a group
 * gets, what is forced, and what cannot be. */
#include "check.h"
#include "mc/decide/decide.h"
#include "mc/syntax/parse.h"
#include <string.h>

/* ---- strides ---- */

static void test_collapse(void) {
  int64_t dim[] = { 2, 3, 4, 5 }, dense[] = { 60, 20, 5, 1 }, padded[] = { 90, 30, 5, 1 };
  int64_t *one[] = { dense };
  CHECK(mc_collapse(0, 4, dim, one, 1, 3) == 2); /* the last axis stays */
  CHECK(dim[0] == 24 && dim[1] == 5 && dense[0] == 5 && dense[1] == 1);
  int64_t dim2[] = { 2, 3, 4, 5 }, again[] = { 60, 20, 5, 1 };
  int64_t *two[] = { again, padded };
  CHECK(mc_collapse(0, 4, dim2, two, 2, 3) == 3); /* rows of `padded` are not together */
  CHECK(dim2[0] == 6 && dim2[1] == 4 && padded[0] == 30 && again[0] == 20);
  int64_t dim3[] = { 2, 3, 4, 5 }, third[] = { 60, 20, 5, 1 };
  int64_t *kept[] = { third };
  CHECK(mc_collapse(1, 4, dim3, kept, 1, 3) == 3 && dim3[0] == 2 && dim3[1] == 12);
}

static void test_collapse_of_ones(void) {
  int64_t dim[] = { 1, 7, 1, 5 }, s[] = { 999, 10, 77, 1 };
  int64_t *list[] = { s };
  CHECK(mc_collapse(0, 4, dim, list, 1, 3) == 2 && dim[0] == 7 && s[0] == 10 && s[1] == 1);
}

/* ---- groups ---- */

typedef struct asked {
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_ask ask;
} asked;

static mc_strides dense(const void *ctx, const mc_value *v) {
  (void)ctx;
  mc_strides s = mc_strides_dense(v->type);
  s.slack = true;
  return s;
}

/* The first group of the text, as a question for a level. */
static void ask(asked *q, const char *march, const char *text) {
  memset(q, 0, sizeof *q);
  q->a = mc_arena_create();
  mc_diag_init(&q->d, q->a);
  mc_source *src = MC_NEW(q->a, mc_source);
  *src = (mc_source){ .name = "net.mir", .text = text, .size = strlen(text) };
  q->m = mc_parse(src, ".", &q->d);
  CHECK(q->m != NULL);
  const mc_node *group = NULL;
  if (q->m)
    MC_FOR_NODES (n, q->m->graphs)
      if (n->op == MC_OP_group && !group) group = n;
  const char *arch = strncmp(march, "armv", 4) == 0 ? "aarch64" : "x86_64";
  q->ask = (mc_ask){ .group = group,
                     .target = mc_target_find(arch, march, q->a, &q->d),
                     .weights = 100000,
                     .tasks = 1,
                     .workers = 1,
                     .strides = dense };
  CHECK(q->ask.target != NULL && group != NULL);
}

static void answered(asked *q) {
  mc_module_destroy(q->m);
  mc_arena_destroy(q->a);
}

#define CONV(attrs)                                                                                \
  "mir 1\ngraph @g(%x: u8<0.02:128>[1,9,9,16]) -> u8<0.05:128>[1,5,5,40] {\n"                      \
  "  %w = const dense<3> : i8<0.01:0>[40,3,3,16]\n"                                                \
  "  %r = group {" attrs "} {\n"                                                                   \
  "    %0 = conv2d %x, %w {stride=[2,2], pad=[1,1,1,1]} : i32<0.0002:0>[1,5,5,40]\n"               \
  "    %1 = requantize %0 : u8<0.05:128>[1,5,5,40]\n    return %1\n"                               \
  "  } : u8<0.05:128>[1,5,5,40]\n  return %r\n}\n"

static void test_product(const char *march, const char *engine) {
  asked q;
  ask(&q, march, CONV("kernel=\"gemm\""));
  mc_decision *d = mc_decide(&q.ask, q.a, &q.d);
  CHECK(d && d->form == MC_KERNEL_FORM_product && d->nproduct == 1 && d->estimate.cycles > 0);
  if (d) {
    const mc_gemm *p = d->product;
    CHECK(strcmp(p->e->name, engine) == 0);
    CHECK(p->n == 40 && p->groups == 1 && p->nrun == 3 && p->rlen == 48);
    CHECK(p->mr >= 1 && p->nv >= 1 && p->nblocking > 1 && p->split == -1);
    CHECK(p->blocking[0].rows == p->mr && p->blocking[0].vectors == p->nv);
    for (int i = 1; i < p->nblocking; i++)
      CHECK(p->blocking[i - 1].estimate.cycles <= p->blocking[i].estimate.cycles);
    CHECK(p->dim[p->rank - 1] == 40 && strstr(d->note, engine) != NULL);
  }
  answered(&q);
}

static void test_forced(void) {
  asked q;
  ask(&q, "avx512vnni", CONV("kernel=\"gemm\", blocking=[2,1], engine=\"plain8\""));
  mc_decision *d = mc_decide(&q.ask, q.a, &q.d);
  CHECK(d && strcmp(d->product->e->name, "plain8") == 0);
  CHECK(d && d->product->mr == 2 && d->product->nv == 1);
  answered(&q);
}

static void refused(const char *march, const char *text, const char *why) {
  asked q;
  ask(&q, march, text);
  CHECK(mc_decide(&q.ask, q.a, &q.d) == NULL);
  CHECK(q.d.list.n == 1 && strstr(q.d.list.v[0].text, why) != NULL);
  answered(&q);
}

static void test_threads(void) {
  asked q;
  ask(&q, "x86-64-v3", CONV("kernel=\"gemm\""));
  q.ask.tasks = q.ask.workers = 4;
  q.ask.divide = MC_DIVIDE_columns;
  mc_decision *d = mc_decide(&q.ask, q.a, &q.d);
  CHECK(d && d->product->split == MC_SPLIT_COLUMNS);
  answered(&q);
}

static void test_phases(void) {
  asked q;
  ask(&q, "x86-64-v3",
      "mir 1\ngraph @g(%x: f32[1,5,5,8]) -> f32[1,10,10,16] {\n"
      "  %w = const dense<0.5> : f32[16,2,2,8]\n"
      "  %r = group {kernel=\"gemm\"} {\n"
      "    %0 = conv_transpose2d %x, %w {stride=[2,2]} : f32[1,10,10,16]\n    return %0\n"
      "  } : f32[1,10,10,16]\n  return %r\n}\n");
  mc_decision *d = mc_decide(&q.ask, q.a, &q.d);
  CHECK(d && d->nproduct == 4);
  double sum = 0;
  for (int i = 0; d && i < d->nproduct; i++) {
    CHECK(d->product[i].nrun == 1 && d->product[i].rlen == 8);
    sum += d->product[i].estimate.cycles;
  }
  CHECK(d && d->estimate.cycles == sum);
  answered(&q);
}

int main(void) {
  test_collapse();
  test_collapse_of_ones();
  test_product("x86-64-v3", "pmaddw");
  test_product("avx512vnni", "vnni");
  test_product("armv8.6-a+i8mm", "usmmla");
  test_forced();
  refused("x86-64-v3", CONV("kernel=\"gemm\", engine=\"vnni\""), "'engine': vnni cannot compute");
  refused("avx512vnni", CONV("kernel=\"gemm\", blocking=[14,8]"), "'blocking' must be");
  refused("x86-64-v3", CONV("kernel=\"depthwise\""), "does not head a 'depthwise' group");
  refused("x86-64-v3", CONV("kernel=\"winograd\""), "cannot be computed by 'winograd'");
  test_threads();
  test_phases();
  return CHECK_DONE();
}
