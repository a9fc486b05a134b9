#include "mc/ir/exits.h"

static const mc_node *exit_in(const mc_graph *g) {
  for (const mc_node *n = g->first; n; n = n->next) {
    const mc_node *e = n->op == MC_OP_early_exit ? n : n->region ? exit_in(n->region) : NULL;
    if (e) return e;
  }
  return NULL;
}

/* The node of graph g that is n or holds it. */
static const mc_node *top_of(const mc_graph *g, const mc_node *n) {
  while (n->graph != g) n = n->graph->parent;
  return n;
}

static int level_of(const mc_exits *x, const mc_node *n) {
  return (int)(intptr_t)mc_map_ptr_get(&x->level, n) - 1;
}

static void set_level(mc_exits *x, const mc_node *n, int level) {
  *mc_map_ptr_slot(&x->level, n) = (void *)(intptr_t)(level + 1);
}

/* What one use of a value needs it for. */
static int level_of_use(const mc_exits *x, const mc_graph *g, const mc_use *u) {
  if (u->user == x->node) return u->slot ? u->slot - 1 : 0;
  const mc_node *n = top_of(g, u->user);
  return n == x->top || mc_op_has(n->op, MC_T_TERM) ? 0 : level_of(x, n);
}

/* The exit and what reads it, in order. */
static void mark_after(mc_exits *x, const mc_graph *g) {
  set_level(x, x->top, x->n + 1);
  for (const mc_node *n = x->top; n; n = n->next)
    for (int i = 0; i < n->nout && level_of(x, n) == x->n + 1; i++)
      for (const mc_use *u = n->out[i]->uses; u; u = u->next) {
        const mc_node *reader = top_of(g, u->user);
        if (!mc_op_has(reader->op, MC_T_TERM)) set_level(x, reader, x->n + 1);
      }
}

mc_exits mc_exits_of(const mc_graph *g, mc_arena *a) {
  mc_exits x = { .node = exit_in(g) };
  mc_map_init(&x.level, a);
  if (!x.node) return x;
  x.top = top_of(g, x.node);
  x.n = x.node->nin - 2;
  mark_after(&x, g);
  for (const mc_node *n = g->last; n; n = n->prev) {
    if (mc_op_has(n->op, MC_T_TERM) || level_of(&x, n) > x.n) continue;
    int level = x.n;
    bool used = false;
    for (int i = 0; i < n->nout; i++)
      for (const mc_use *u = n->out[i]->uses; u; u = u->next) {
        int of = level_of_use(&x, g, u);
        used = true;
        if (of < level) level = of;
      }
    set_level(&x, n, used ? level : 0);
  }
  return x;
}

int mc_exit_level(const mc_exits *x, const mc_node *n) {
  int level = level_of(x, n);
  return level < 0 ? 0 : level;
}

void mc_exits_sort(mc_graph *g, const mc_exits *x) {
  for (int level = 0; x->node && level <= x->n + 1; level++) {
    const mc_node *end = g->last->prev; /* what was moved comes after it */
    MC_FOR_NODES (n, g) {
      bool last = n == end;
      if (mc_exit_level(x, n) == level) mc_node_move(g, g->last, n);
      if (last) break;
    }
  }
}
