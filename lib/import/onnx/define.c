/* Who defines which name, which nodes matter, and an order that respects uses. */
#include "imp.h"
#include <string.h>

def *mc_onnx_def(imp *im, const char *name) { return mc_map_str_get(&im->vals, name); }

static bool add(imp *im, const char *name, def_kind kind, size_t index, const char *what) {
  void **slot = mc_map_str_slot(&im->vals, name);
  if (*slot)
    return mc_onnx_fail(im, what, "'%s' is defined twice", mc_onnx_clean(im->diag->arena, name));
  def *d = MC_NEW(im->arena, def);
  d->kind = kind;
  d->index = index;
  *slot = d;
  return true;
}

static const char *node_what(imp *im, size_t i) {
  const pb_node *p = im->pb->node[i];
  return mc_arena_printf(im->diag->arena, "node '%s' (#%zu)", mc_onnx_clean(im->arena, p->name), i);
}

bool mc_onnx_define(imp *im) {
  pb_graph *g = im->pb;
  bool ok = true;
  if (g->n_sparse_initializer) ok = mc_onnx_fail(im, NULL, "sparse initializers are not supported");
  for (size_t i = 0; i < g->n_initializer && ok; i++) {
    const char *name = g->initializer[i]->name;
    ok = name && *name ? add(im, name, DEF_INIT, i, NULL)
                       : mc_onnx_fail(im, NULL, "initializer #%zu has no name", i);
  }
  for (size_t i = 0; i < g->n_input && ok; i++) {
    const char *name = g->input[i]->name;
    if (!name || !*name)
      ok = mc_onnx_fail(im, NULL, "graph input #%zu has no name", i);
    else if (mc_onnx_def(im, name) && mc_onnx_def(im, name)->kind == DEF_INIT)
      continue; /* IR version 3 lists initializers as inputs too */
    else
      ok = add(im, name, DEF_INPUT, i, NULL);
  }
  for (size_t i = 0; i < g->n_node && ok; i++)
    for (size_t j = 0; j < g->node[i]->n_output && ok; j++)
      if (*g->node[i]->output[j])
        ok = add(im, g->node[i]->output[j], DEF_NODE, i,
                 mc_map_str_get(&im->vals, g->node[i]->output[j]) ? node_what(im, i) : NULL);
  return ok;
}

typedef struct frame {
  size_t node, next;
} frame;

typedef struct walk {
  imp *im;
  unsigned char *state;
  MC_VEC(frame) stack;
  size_t *order;
  size_t count;
  bool ok, sorted;
} walk;

enum { UNSEEN, OPEN, DONE };

/* A use of `name` by node `user` (or by the graph's outputs). */
static void visit(walk *w, const char *name, const char *what, size_t user) {
  imp *im = w->im;
  def *d = *name ? mc_onnx_def(im, name) : NULL;
  if (*name && !d)
    w->ok = mc_onnx_fail(im, what ? what : node_what(im, user), "'%s' is not defined anywhere",
                         mc_onnx_clean(im->diag->arena, name));
  if (!d || d->kind != DEF_NODE) return;
  if (!what && d->index >= user) w->sorted = false;
  if (w->state[d->index] == OPEN)
    w->ok = mc_onnx_fail(im, node_what(im, d->index), "the node depends on its own result");
  if (w->state[d->index] != UNSEEN) return;
  w->state[d->index] = OPEN;
  frame f = { d->index, 0 };
  MC_PUSH(im->arena, &w->stack, f);
}

/* Depth first from one output; nodes are appended once their operands are. */
static void drain(walk *w) {
  while (w->stack.n && w->im->diag->errors < 100) {
    frame *f = &w->stack.v[w->stack.n - 1];
    const pb_node *p = w->im->pb->node[f->node];
    if (f->next < p->n_input) {
      size_t i = f->next++;
      visit(w, p->input[i], NULL, f->node);
    } else {
      w->state[f->node] = DONE;
      w->order[w->count++] = f->node;
      w->stack.n--;
    }
  }
}

bool mc_onnx_order(imp *im, size_t **order, size_t *count) {
  pb_graph *g = im->pb;
  walk w = { .im = im, .ok = true, .sorted = true };
  w.state = mc_arena_alloc(im->arena, g->n_node + 1);
  w.order = MC_NEWN(im->arena, size_t, g->n_node + 1);
  if (!g->n_output) return mc_onnx_fail(im, NULL, "the graph has no outputs");
  for (size_t i = 0; i < g->n_output; i++) {
    const char *name = g->output[i]->name ? g->output[i]->name : "";
    if (!*name) w.ok = mc_onnx_fail(im, NULL, "graph output #%zu has no name", i);
    visit(&w, name, "graph output", 0);
    drain(&w);
  }
  *order = w.order;
  *count = w.count;
  if (!w.sorted) return w.ok;
  size_t k = 0; /* the file's own order is good */
  for (size_t i = 0; i < g->n_node; i++)
    if (w.state[i] == DONE) w.order[k++] = i;
  return w.ok;
}
