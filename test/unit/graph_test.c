// RUN: %unit/graph_test
/* The graph's own functions: use lists, order, replacement, regions, clones; and the verifier on
 * graphs broken by hand. */
#include "check.h"
#include "mc/ir/build.h"
#include "mc/ir/print.h"
#include "mc/ir/verify.h"
#include <string.h>

typedef struct world {
  mc_module *m;
  mc_graph *g;
  mc_arena *a;
  mc_diag d;
  mc_builder b;
  mc_value *x;
} world;

static world *start(void) {
  mc_arena *a = mc_arena_create();
  world *w = MC_NEW(a, world);
  w->a = a;
  w->m = mc_module_create();
  mc_diag_init(&w->d, a);
  w->g = mc_graph_create(w->m, "main", mc_noloc);
  w->x =
      mc_graph_add_input(w->g, "x", mc_type_make(w->m, MC_f32, 2, (int64_t[]){ 2, 3 }), mc_noloc);
  w->b = (mc_builder){ .graph = w->g, .diag = &w->d };
  return w;
}

static void stop(world *w) {
  mc_module_destroy(w->m);
  mc_arena_destroy(w->a);
}

static mc_value *unary(world *w, mc_opcode op, mc_value *x) {
  return mc_build1(&w->b, op, &x, 1, NULL);
}

static void finish(world *w, mc_value *x) { mc_build(&w->b, MC_OP_return, &x, 1, NULL); }

static bool prints(world *w, const char *want) {
  mc_strbuf b = { 0 };
  mc_print_module(&b, w->m, NULL);
  bool same = !strcmp(mc_sb_str(&b), want);
  if (!same) fprintf(stderr, "---\n%s---\n", mc_sb_str(&b));
  mc_sb_free(&b);
  return same;
}

/* The last error is this one; the list is then emptied. */
static bool refused(world *w, const char *text) {
  bool ok = !mc_verify_module(w->m, &w->d) && w->d.errors > 0;
  bool found = false;
  for (size_t i = 0; i < w->d.list.n; i++)
    found = found || strstr(w->d.list.v[i].text, text) != NULL;
  for (size_t i = 0; i < w->d.list.n && !found; i++)
    fprintf(stderr, "got: %s\n", w->d.list.v[i].text);
  w->d.list.n = 0, w->d.errors = 0;
  return ok && found;
}

static void builds_and_replaces(void) {
  world *w = start();
  mc_value *a = unary(w, MC_OP_relu, w->x), *b = unary(w, MC_OP_neg, a),
           *c = mc_build1(&w->b, MC_OP_add, (mc_value *[]){ a, b }, 2, NULL);
  finish(w, c);
  CHECK(mc_verify_module(w->m, &w->d) && !w->d.errors);
  CHECK(mc_value_nuses(a) == 2 && !mc_value_single_user(a) && mc_value_single_user(b) == c->def);
  b->range = (mc_range){ true, -1, 0 };
  mc_value_replace(b, a);
  CHECK(mc_value_nuses(a) == 3 && !b->uses && a->range.known);
  mc_node_remove(b->def);
  CHECK(mc_verify_module(w->m, &w->d) && mc_value_nuses(a) == 2);
  CHECK(prints(w, "mir 1\n\ngraph @main(%x: f32[2,3]) -> f32[2,3] {\n  %0 = relu %x : f32[2,3] "
                  "range(-1.0, 0.0)\n  %1 = add %0, %0 : f32[2,3]\n  return %1\n}\n"));
  mc_node_set_nin(c->def, (mc_value *[]){ w->x, a }, 2);
  CHECK(mc_verify_module(w->m, &w->d) && mc_value_nuses(w->x) == 2);
  CHECK(mc_graph_nout(w->g) == 1 && mc_graph_out(w->g, 0) == c);
  stop(w);
}

static void sorts(void) {
  world *w = start();
  mc_value *a = unary(w, MC_OP_relu, w->x), *b = unary(w, MC_OP_neg, a),
           *c = unary(w, MC_OP_abs, b);
  finish(w, c);
  mc_node_move(w->g, w->g->first, c->def);
  CHECK(refused(w, "abs: operand 0 (result 0 of neg) is used before or outside of its definition"));
  CHECK(mc_graph_sort(w->g) && mc_verify_module(w->m, &w->d));
  CHECK(w->g->first == a->def && w->g->last->op == MC_OP_return);
  mc_node_set_in(a->def, 0, c);
  CHECK(!mc_graph_sort(w->g));
  stop(w);
}

static mc_node *group_of(world *w, mc_value *x) {
  mc_node *g = mc_node_create(w->m, MC_OP_group, NULL, 0, 1, mc_noloc);
  mc_node_insert(w->g, NULL, g);
  mc_builder in = { .graph = mc_region_create(g), .diag = &w->d };
  mc_value *r = mc_build1(&in, MC_OP_relu, &x, 1, NULL);
  mc_build(&in, MC_OP_return, &r, 1, NULL);
  mc_type out;
  CHECK(mc_infer_node(w->m, g, NULL, &out, &w->d));
  g->out[0]->type = mc_type_intern(w->m, &out);
  return g;
}

static void regions_and_clone(void) {
  world *w = start();
  mc_node *g = group_of(w, w->x);
  finish(w, g->out[0]);
  CHECK(mc_verify_module(w->m, &w->d));
  CHECK(mc_node_in(w->g, g->region->first) == g && mc_node_in(g->region, g) == NULL);
  const char *text = "mir 1\n\ngraph @main(%x: f32[2,3]) -> f32[2,3] {\n  %1 = group {\n    %0 = "
                     "relu %x : f32[2,3]\n    return %0\n  } : f32[2,3]\n  return %1\n}\n";
  CHECK(prints(w, text));
  mc_module *old = w->m;
  w->m = mc_module_clone(old);
  CHECK(mc_verify_module(w->m, &w->d) && prints(w, text) && w->m->graphs != old->graphs &&
        w->m->graphs->in[0]->type != w->x->type);
  mc_module_destroy(w->m);
  w->m = old;
  mc_value *leak = g->region->first->out[0];
  mc_node_set_in(w->g->last, 0, leak);
  CHECK(refused(
      w, "return: operand 0 (result 0 of relu) is used before or outside of its definition"));
  stop(w);
}

static void names_are_made_unique(void) {
  world *w = start();
  mc_value *a = unary(w, MC_OP_relu, w->x), *b = unary(w, MC_OP_neg, a),
           *c = unary(w, MC_OP_abs, b), *d = unary(w, MC_OP_exp, c);
  finish(w, d);
  b->name = "x", c->name = "7", d->name = "conv/1:0";
  CHECK(prints(w, "mir 1\n\ngraph @main(%x: f32[2,3]) -> f32[2,3] {\n  %0 = relu %x : f32[2,3]\n  "
                  "%x.1 = neg %0 : f32[2,3]\n  %1 = abs %x.1 : f32[2,3]\n"
                  "  %\"conv/1:0\" = exp %1 : f32[2,3]\n  return %\"conv/1:0\"\n}\n"));
  stop(w);
}

static void tensors_print(void) {
  world *w = start();
  float *data;
  mc_tensor *t = mc_tensor_create(w->m, "w", MC_f32, 2, (int64_t[]){ 1, 3 }, (void **)&data),
            *gone = mc_tensor_create(w->m, "w", MC_f32, 0, NULL, NULL);
  data[0] = 1, data[1] = 2;
  CHECK(!strcmp(gone->name, "w.1"));
  mc_value *v = mc_build_tensor(&w->b, t, NULL);
  int8_t *q;
  mc_tensor *c = mc_tensor_create(w->m, NULL, MC_i8, 1, (int64_t[]){ 3 }, (void **)&q);
  q[0] = -128, q[2] = 127;
  mc_value *i =
      mc_build_tensor(&w->b, c, mc_type_make_q(w->m, MC_i8, 1, (int64_t[]){ 3 }, 0.5f, 0));
  CHECK(mc_value_tensor(v) == t && mc_value_tensor(i) == c && !mc_value_tensor(w->x));
  finish(w, mc_build1(&w->b, MC_OP_mul, (mc_value *[]){ w->x, v }, 2, NULL));
  CHECK(prints(
      w,
      "mir 1\n\ngraph @main(%x: f32[2,3]) -> f32[2,3] {\n  %0 = weight @w : f32[1,3]\n  %1 = const "
      "dense<[-128, 0, 127]> : i8<0.5:0>[3]\n  %2 = mul %x, %0 : f32[2,3]\n  return %2\n}\n"
      "\ndata {\n  @w : f32[1,3] = \"AACAPwAAAEAAAAAA\"\n}\n"));
  w->m->weights_file = "a.safetensors", t->file = "a.safetensors";
  mc_strbuf b = { 0 };
  mc_print_module(&b, w->m, NULL);
  CHECK(strstr(mc_sb_str(&b), "weights \"a.safetensors\"") && !strstr(mc_sb_str(&b), "data {"));
  mc_sb_free(&b);
  stop(w);
}

static void broken_by_hand(void) {
  world *w = start();
  mc_value *a = unary(w, MC_OP_relu, w->x), *b = unary(w, MC_OP_neg, a);
  CHECK(refused(w, "a graph must end with return"));
  finish(w, b);
  const mc_type *t = b->type;
  b->type = mc_type_make(w->m, MC_f32, 2, (int64_t[]){ 3, 2 });
  CHECK(refused(w, "neg: result 0 is declared as f32[3,2], but the op gives f32[2,3]"));
  b->type = NULL;
  CHECK(refused(w, "result 0 of neg has no type"));
  b->type = t;
  a->range = (mc_range){ true, 2, 1 };
  CHECK(refused(w, "the range of result 0 of relu must be finite with low <= high"));
  a->range.known = false;
  mc_use *keep = a->uses;
  a->uses = NULL;
  CHECK(refused(w, "the use list of result 0 of relu lacks a use"));
  a->uses = keep;
  mc_node_create(w->m, MC_OP_abs, &a, 1, 1, mc_noloc);
  CHECK(refused(w, "result 0 of relu is used by a node outside of its scope"));
  mc_graph *twin = mc_graph_create(w->m, "main", mc_noloc);
  CHECK(refused(w, "graph @main is defined twice"));
  twin->name = "";
  CHECK(refused(w, "a graph must have a name"));
  stop(w);
}

static void infers_again(void) {
  world *w = start();
  mc_type u8 = { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = 0.5f, .zero = 3 } };
  mc_value *q = mc_build1_as(&w->b, MC_OP_quantize, &w->x, 1, NULL, &u8),
           *r = mc_build1_as(&w->b, MC_OP_relu, &q, 1, NULL, &u8);
  finish(w, r);
  w->x->type = mc_type_make(w->m, MC_f32, 2, (int64_t[]){ 8, 3 });
  CHECK(mc_infer_graph(w->g, &w->d) && mc_verify_module(w->m, &w->d));
  CHECK(r->type == mc_type_make_q(w->m, MC_u8, 2, (int64_t[]){ 8, 3 }, 0.5f, 3));
  stop(w);
}

int main(void) {
  builds_and_replaces();
  sorts();
  regions_and_clone();
  names_are_made_unique();
  tensors_print();
  broken_by_hand();
  infers_again();
  return CHECK_DONE();
}
