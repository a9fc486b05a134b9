// RUN: %unit/plan_test
/* Plans of small graphs, and the checker's answers to plans that are wrong. */
#include "check.h"
#include "mc/ir/build.h"
#include "mc/ir/family.h"
#include "mc/ir/print.h"
#include "mc/ir/verify.h"
#include "mc/decide/scratch.h"
#include "mc/pass/pass.h"
#include "mc/plan/plan.h"
#include <string.h>

typedef struct net {
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_graph *g;
  mc_builder b;
  mc_value *x;
} net;

static void start(net *n, int rank, const int64_t *dim) {
  n->a = mc_arena_create();
  mc_diag_init(&n->d, n->a);
  n->m = mc_module_create();
  n->g = mc_graph_create(n->m, "g", mc_noloc);
  n->b = (mc_builder){ .graph = n->g, .diag = &n->d };
  n->x = mc_graph_add_input(n->g, "x", mc_type_make(n->m, MC_f32, rank, dim), mc_noloc);
}

static void drop(net *n) {
  mc_module_destroy(n->m);
  mc_arena_destroy(n->a);
}

static mc_value *conv(net *n, mc_value *x, int64_t c_out, int64_t k, int64_t pad) {
  void *data;
  mc_value *w = mc_build_tensor(
      &n->b,
      mc_tensor_create(n->m, "w", MC_f32, 4, (int64_t[]){ c_out, k, k, x->type->dim[3] }, &data),
      NULL);
  mc_attrs_conv2d c;
  mc_attrs_init(MC_OP_conv2d, &c, n->a);
  for (int i = 0; i < 4; i++) c.pad[i] = pad;
  return mc_build1(&n->b, MC_OP_conv2d, (mc_value *[]){ x, w }, 2, &c);
}

static mc_value *unary(net *n, mc_opcode op, mc_value *x) {
  return mc_build1(&n->b, op, &x, 1, NULL);
}

static mc_value *binary(net *n, mc_opcode op, mc_value *x, mc_value *y) {
  return mc_build1(&n->b, op, (mc_value *[]){ x, y }, 2, NULL);
}

static mc_plan *plan(net *n, const mc_plan_opts *o, mc_value *const *out, int nout) {
  mc_node_insert(n->g, NULL, mc_node_create(n->m, MC_OP_return, out, nout, 0, mc_noloc));
  mc_pass_context cx = { .module = n->m, .graph = n->g, .scratch = n->a, .diag = &n->d };
  mc_opts_form_groups opts = { 0 };
  bool changed = false;
  CHECK(mc_pass_form_groups(&cx, &opts, &changed) && changed);
  CHECK(mc_verify_module(n->m, &n->d));
  const mc_target *t = mc_target_find("x86_64", "x86-64-v3", n->a, &n->d);
  mc_plan *p = mc_plan_make(n->g, t, o, n->a, &n->d);
  CHECK(p != NULL);
  if (p) CHECK(mc_plan_check(p, &n->d));
  CHECK(mc_verify_module(n->m, &n->d));
  for (size_t i = 0; i < n->d.list.n; i++) fprintf(stderr, "%s\n", n->d.list.v[i].text);
  return p;
}

static mc_buffer *buffer(mc_plan *p, const mc_value *v) {
  const mc_buffer *b = mc_plan_buffer(p, v);
  return b ? &p->buf[b - p->buf] : NULL;
}

static const char *kernel(const mc_plan *p, int i) { return mc_group_family_text(p->group[i]); }

/* x -> (copy) -> conv 3x3 -> relu -> a; a -> conv 3x3 -> add a -> relu -> out */
static mc_plan *residual(net *n) {
  start(n, 4, (int64_t[]){ 1, 8, 8, 16 });
  mc_value *a = unary(n, MC_OP_relu, conv(n, n->x, 16, 3, 1));
  mc_value *out = unary(n, MC_OP_relu, binary(n, MC_OP_add, conv(n, a, 16, 3, 1), a));
  return plan(n, NULL, &out, 1);
}

static void residual_is_three_groups(void) {
  net n;
  mc_plan *p = residual(&n);
  CHECK(p->ngroup == 3);
  CHECK(!strcmp(kernel(p, 0), "move") && !strcmp(kernel(p, 1), "gemm") &&
        !strcmp(kernel(p, 2), "gemm"));
  mc_buffer *copy = buffer(p, p->group[0]->out[0]), *a = buffer(p, p->group[1]->out[0]),
            *out = buffer(p, p->group[2]->out[0]);
  for (int k = 0; k < 4; k++) CHECK(copy->halo[k] == 1 && a->halo[k] == 1 && out->halo[k] == 0);
  CHECK(a->pitch_w == 10 && a->pitch_c == 16 && a->base == 4 * 11 * 16);
  CHECK(a->size == 10 * 10 * 16 * 4 + MC_PLAN_SLACK);
  CHECK(out->place == MC_PLACE_OUTPUT && out->index == 0);
  CHECK(copy->offset != a->offset);
  CHECK(p->arena_bytes == 2 * (6400 + 64));
  drop(&n);
}

static void plan_without_groups_is_refused(void) {
  net n;
  start(&n, 2, (int64_t[]){ 1, 4 });
  mc_value *r = unary(&n, MC_OP_relu, n.x);
  mc_node_insert(n.g, NULL, mc_node_create(n.m, MC_OP_return, &r, 1, 0, mc_noloc));
  CHECK(!mc_plan_make(n.g, NULL, NULL, n.a, &n.d));
  CHECK(n.d.errors == 1 && strstr(n.d.list.v[0].text, "form-groups"));
  drop(&n);
}

/* ---- sharing ---- */

static void reshape_shares_memory(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *c = conv(&n, n.x, 8, 1, 0);
  mc_value *flat = mc_build1(&n.b, MC_OP_reshape, &c, 1,
                             &(mc_attrs_reshape){ .shape = { (int64_t[]){ 1, 128 }, 2 } });
  mc_value *out = mc_build1(&n.b, MC_OP_softmax, &flat, 1, NULL);
  mc_plan *p = plan(&n, NULL, &out, 1);
  CHECK(!strcmp(kernel(p, 2), "alias"));
  mc_buffer *x = buffer(p, p->group[1]->out[0]), *y = buffer(p, p->group[2]->out[0]);
  CHECK(y->parent == x && y->offset == x->offset && y->base == x->base);
  drop(&n);
}

static void reshape_into_the_callers_memory(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *c = conv(&n, n.x, 8, 1, 0);
  mc_value *out = mc_build1(&n.b, MC_OP_reshape, &c, 1,
                            &(mc_attrs_reshape){ .shape = { (int64_t[]){ 1, 128 }, 2 } });
  mc_plan *p = plan(&n, NULL, &out, 1);
  mc_buffer *x = buffer(p, p->group[1]->out[0]);
  CHECK(!strcmp(kernel(p, 2), "alias") && x->place == MC_PLACE_OUTPUT && x->index == 0 &&
        x->base == 0);
  drop(&n);
}

static void reshape_of_a_value_with_halo_copies(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *c = conv(&n, n.x, 8, 1, 0), *d = conv(&n, c, 8, 3, 1);
  mc_value *flat = mc_build1(&n.b, MC_OP_reshape, &c, 1,
                             &(mc_attrs_reshape){ .shape = { (int64_t[]){ 1, 128 }, 2 } });
  mc_value *s = mc_build1(&n.b, MC_OP_softmax, &flat, 1, NULL);
  mc_plan *p = plan(&n, NULL, (mc_value *[]){ d, s }, 2);
  CHECK(!strcmp(kernel(p, 3), "move"));
  drop(&n);
}

static mc_value *concat(net *n, mc_value *a, mc_value *b, int64_t axis) {
  return mc_build1(&n->b, MC_OP_concat, (mc_value *[]){ a, b }, 2,
                   &(mc_attrs_concat){ .axis = axis });
}

static void channels_are_computed_inside_a_concat(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0), *b = conv(&n, n.x, 24, 1, 0);
  mc_value *out = conv(&n, concat(&n, a, b, 3), 8, 3, 1);
  mc_plan *p = plan(&n, NULL, &out, 1);
  mc_buffer *pa = buffer(p, p->group[1]->out[0]), *pb = buffer(p, p->group[2]->out[0]),
            *pc = buffer(p, p->group[3]->out[0]);
  CHECK(!strcmp(kernel(p, 3), "alias") && pa->parent == pc && pb->parent == pc);
  CHECK(pa->pitch_c == 32 && pb->pitch_c == 32 && pb->base == pa->base + 8 * 4 &&
        pa->halo[1] == 1 && pb->halo[2] == 1);
  drop(&n);
}

static void concat_copies_when_told(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0), *b = conv(&n, n.x, 24, 1, 0);
  mc_value *out = conv(&n, concat(&n, a, b, 3), 8, 3, 1);
  mc_plan *p = plan(&n, &(mc_plan_opts){ .no_concat_alias = true }, &out, 1);
  CHECK(!strcmp(kernel(p, 3), "move"));
  drop(&n);
}

static void concat_of_one_value_twice_copies(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0);
  mc_value *out = conv(&n, concat(&n, a, a, 3), 8, 1, 0);
  mc_plan *p = plan(&n, NULL, &out, 1);
  CHECK(!strcmp(kernel(p, 2), "move"));
  drop(&n);
}

static void value_in_two_concats_copies_once(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0), *b = conv(&n, n.x, 8, 1, 0), *c = conv(&n, n.x, 8, 1, 0);
  mc_value *ab = concat(&n, a, b, 3), *cb = concat(&n, c, b, 3);
  mc_value *out[2] = { conv(&n, ab, 8, 1, 0), conv(&n, cb, 8, 1, 0) };
  mc_plan *p = plan(&n, NULL, out, 2);
  CHECK(!strcmp(kernel(p, 4), "alias") && !strcmp(kernel(p, 5), "move"));
  drop(&n);
}

static void concat_of_concats_nests(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0), *b = conv(&n, a, 8, 1, 0), *ab = concat(&n, a, b, 3),
           *c = conv(&n, ab, 8, 3, 1);
  mc_value *out = conv(&n, concat(&n, ab, c, 3), 8, 1, 0);
  mc_plan *p = plan(&n, NULL, &out, 1);
  mc_buffer *pa = buffer(p, p->group[1]->out[0]), *pb = buffer(p, p->group[2]->out[0]);
  CHECK(pa->pitch_c == 24 && pb->pitch_c == 24 && pb->base - pa->base == 32 && pa->halo[0] == 1);
  drop(&n);
}

static void rows_are_computed_inside_a_concat(void) {
  net n;
  start(&n, 2, (int64_t[]){ 1, 8 });
  mc_value *e = unary(&n, MC_OP_exp, n.x), *s = unary(&n, MC_OP_sigmoid, n.x);
  mc_value *c = concat(&n, e, s, 1), *out = mc_build1(&n.b, MC_OP_softmax, &c, 1, NULL);
  mc_plan *p = plan(&n, NULL, &out, 1);
  mc_buffer *pe = buffer(p, p->group[0]->out[0]), *ps = buffer(p, p->group[1]->out[0]);
  CHECK(!strcmp(kernel(p, 2), "alias") && ps->base == pe->base + 32 && ps->offset == pe->offset);
  drop(&n);
}

static void expect_refused(mc_plan *p, net *n, const char *text) {
  unsigned before = n->d.errors;
  CHECK(!mc_plan_check(p, &n->d));
  CHECK(n->d.errors > before);
  bool found = false;
  for (size_t i = 0; i < n->d.list.n; i++) found |= strstr(n->d.list.v[i].text, text) != NULL;
  if (!found) fprintf(stderr, "expected '%s'\n", text);
  CHECK(found);
}

/* Along the first axis: takes no ops before or after it into its group. */
static const mc_attrs_softmax columns = { .axis = 0 };

static void map_takes_over_a_dying_operand(void) {
  net n;
  start(&n, 2, (int64_t[]){ 4, 64 });
  mc_value *s = mc_build1(&n.b, MC_OP_softmax, &n.x, 1, &columns), *e = unary(&n, MC_OP_exp, s),
           *out = mc_build1(&n.b, MC_OP_softmax, &e, 1, &columns);
  mc_plan *p = plan(&n, NULL, &out, 1);
  CHECK(buffer(p, p->group[1]->out[0])->parent == buffer(p, p->group[0]->out[0]));
  CHECK(p->arena_bytes == 4 * 64 * 4 + 64);
  drop(&n);
}

/* a, b -> concat of rows -> map -> out; `keep`: b is read once more after the map. The groups: a,
 * b, concat, map, out, (b). */
static mc_plan *map_over_rows(net *n, bool keep) {
  start(n, 2, (int64_t[]){ 4, 64 });
  mc_value *a = mc_build1(&n->b, MC_OP_softmax, &n->x, 1, &columns);
  mc_value *b = mc_build1(&n->b, MC_OP_softmax, &n->x, 1, &(mc_attrs_softmax){ .axis = 1 });
  mc_value *e = unary(n, MC_OP_exp, concat(n, a, b, 0)),
           *y = mc_build1(&n->b, MC_OP_softmax, &e, 1, &columns);
  mc_value *out[2] = { y, keep ? mc_build1(&n->b, MC_OP_softmax, &b, 1, &columns) : NULL };
  return plan(n, NULL, out, keep ? 2 : 1);
}

static void map_takes_over_a_concat_of_rows(void) {
  net n;
  mc_plan *p = map_over_rows(&n, false);
  mc_buffer *c = buffer(p, p->group[2]->out[0]), *e = buffer(p, p->group[3]->out[0]);
  CHECK(!strcmp(kernel(p, 2), "alias") && e->parent == c && e->offset == c->offset &&
        e->base == c->base);
  drop(&n);
}

static void map_leaves_a_concat_with_a_living_part(void) {
  net n;
  mc_plan *p = map_over_rows(&n, true);
  mc_buffer *c = buffer(p, p->group[2]->out[0]), *e = buffer(p, p->group[3]->out[0]);
  CHECK(!strcmp(kernel(p, 2), "alias") && e->parent == NULL && e->offset != c->offset);
  e->offset = c->offset;
  expect_refused(p, &n, "overlap");
  drop(&n);
}

static void map_takes_over_what_a_reshape_names(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *c = conv(&n, n.x, 8, 1, 0),
           *flat = mc_build1(&n.b, MC_OP_reshape, &c, 1,
                             &(mc_attrs_reshape){ .shape = { (int64_t[]){ 1, 128 }, 2 } });
  mc_value *e = unary(&n, MC_OP_exp, flat), *out = mc_build1(&n.b, MC_OP_softmax, &e, 1, &columns);
  mc_plan *p = plan(&n, NULL, &out, 1);
  CHECK(buffer(p, p->group[3]->out[0])->offset == buffer(p, p->group[1]->out[0])->offset);
  drop(&n);
}

static void map_leaves_a_living_operand(void) {
  net n;
  start(&n, 2, (int64_t[]){ 4, 64 });
  mc_value *s = mc_build1(&n.b, MC_OP_softmax, &n.x, 1, &columns), *e = unary(&n, MC_OP_exp, s),
           *t = mc_build1(&n.b, MC_OP_softmax, &e, 1, &columns);
  mc_value *u = mc_build1(&n.b, MC_OP_softmax, &s, 1, &columns);
  mc_plan *p = plan(&n, NULL, (mc_value *[]){ t, u }, 2);
  CHECK(buffer(p, p->group[1]->out[0])->parent == NULL);
  drop(&n);
}

static void results_that_others_read_are_copied(void) {
  net n;
  start(&n, 2, (int64_t[]){ 4, 64 });
  mc_value *s = mc_build1(&n.b, MC_OP_softmax, &n.x, 1, NULL),
           *t = mc_build1(&n.b, MC_OP_softmax, &s, 1, NULL);
  mc_plan *p = plan(&n, NULL, (mc_value *[]){ s, t, n.x, t }, 4);
  for (int i = 0; i < 4; i++) CHECK(buffer(p, mc_graph_out(n.g, i))->index == i);
  CHECK(p->ngroup == 6);
  drop(&n);
}

/* ---- wrong plans ---- */

static void break_overlap(mc_plan *p) {
  buffer(p, p->group[1]->out[0])->offset = buffer(p, p->group[0]->out[0])->offset;
}

static void break_partial_overlap(mc_plan *p) {
  mc_buffer *a = buffer(p, p->group[0]->out[0]), *b = buffer(p, p->group[1]->out[0]);
  if (a->offset > b->offset)
    a->offset -= 128;
  else
    b->offset -= 128;
}

static void break_arena(mc_plan *p) { p->arena_bytes -= 64; }

static void break_arena_multiple(mc_plan *p) { p->arena_bytes += 1; }

static void break_alignment(mc_plan *p) {
  p->arena_bytes += 64;
  for (int i = 0; i < p->nbuf; i++)
    if (p->buf[i].place == MC_PLACE_ARENA && p->buf[i].offset > 0) p->buf[i].offset += 4;
}

static void break_halo(mc_plan *p) {
  mc_buffer *b = buffer(p, p->group[1]->out[0]);
  b->halo[2] = 0;
}

static void break_pitch(mc_plan *p) { buffer(p, p->group[1]->out[0])->pitch_w--; }

static void break_place(mc_plan *p) { buffer(p, p->group[0]->out[0])->place = MC_PLACE_INPUT; }

static void break_result(mc_plan *p) { buffer(p, p->group[2]->out[0])->place = MC_PLACE_ARENA; }

static void break_kernel(mc_plan *p) { mc_group_set_family(p->group[1], MC_FAMILY_alias); }

static void break_scratch(mc_plan *p) {
  p->scratch_bytes[1] = 64;
  p->scratch_offset[1] = buffer(p, p->group[0]->out[0])->offset;
}

static void wrong_plans_are_refused(void) {
  static const struct {
    void (*wreck)(mc_plan *);
    const char *text;
  } cases[] = { { break_overlap, "overlap" },        { break_partial_overlap, "overlap" },
                { break_arena, "leaves the arena" }, { break_arena_multiple, "multiple" },
                { break_alignment, "aligned" },      { break_halo, "halo" },
                { break_pitch, "pitches" },          { break_place, "outside the arena" },
                { break_result, "caller" },          { break_kernel, "computes something" },
                { break_scratch, "scratch" } };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    net n;
    mc_plan *p = residual(&n);
    cases[i].wreck(p);
    expect_refused(p, &n, cases[i].text);
    drop(&n);
  }
}

static void wrong_concat_is_refused(void) {
  net n;
  start(&n, 4, (int64_t[]){ 1, 4, 4, 8 });
  mc_value *a = conv(&n, n.x, 8, 1, 0), *b = conv(&n, n.x, 24, 1, 0);
  mc_value *out = conv(&n, concat(&n, a, b, 3), 8, 3, 1);
  mc_plan *p = plan(&n, NULL, &out, 1);
  buffer(p, p->group[2]->out[0])->base -= 4;
  expect_refused(p, &n, "operands lie inside");
  drop(&n);
}

/* ---- scratch ---- */
/* A softmax in place needs none; one whose group ends in another op keeps a block of 8 rows of 32
 * numbers in fp32 beside its result. */
static void scratch_is_placed(void) {
  net n;
  start(&n, 2, (int64_t[]){ 64, 32 });
  mc_value *a = unary(&n, MC_OP_softmax, unary(&n, MC_OP_softmax, n.x));
  mc_value *out = unary(&n, MC_OP_relu, a);
  mc_plan *p = plan(&n, NULL, &out, 1);
  int64_t row = mc_rows_bytes(32), all = 8 * row + MC_PLAN_SLACK;
  CHECK(p->ngroup == 2 && row == 128);
  CHECK(p->scratch_bytes[0] == 0 && p->scratch_offset[0] == -1);
  CHECK(p->scratch_bytes[1] == all && p->scratch_offset[1] >= 0);
  CHECK(p->arena_bytes == 64 * row + MC_PLAN_SLACK + all);
  drop(&n);
}

int main(void) {
  residual_is_three_groups();
  plan_without_groups_is_refused();
  reshape_shares_memory();
  reshape_into_the_callers_memory();
  reshape_of_a_value_with_halo_copies();
  channels_are_computed_inside_a_concat();
  concat_copies_when_told();
  concat_of_one_value_twice_copies();
  value_in_two_concats_copies_once();
  concat_of_concats_nests();
  rows_are_computed_inside_a_concat();
  map_takes_over_a_dying_operand();
  map_takes_over_a_concat_of_rows();
  map_leaves_a_concat_with_a_living_part();
  map_takes_over_what_a_reshape_names();
  map_leaves_a_living_operand();
  results_that_others_read_are_copied();
  wrong_plans_are_refused();
  wrong_concat_is_refused();
  scratch_is_placed();
  return CHECK_DONE();
}
