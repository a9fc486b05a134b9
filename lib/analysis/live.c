/* Lifetimes: one walk over the nodes for positions, one over the use lists for the last reader. */
#include "mc/analysis/live.h"

typedef struct walk {
  const mc_graph *g;
  mc_map pos;
  mc_liveness *out;
} walk;

static int position(const walk *w, const mc_node *n) {
  return (int)(uintptr_t)mc_map_ptr_get(&w->pos, n);
}

static int last_use(const walk *w, const mc_value *v, int first) {
  int last = first;
  for (const mc_use *u = v->uses; u; u = u->next) {
    mc_node *at = mc_node_in(w->g, u->user);
    int p = at ? position(w, at) : first;
    if (p > last) last = p;
  }
  return last;
}

static void add(walk *w, mc_value *v, int first) {
  w->out->iv[w->out->n++] =
      (mc_interval){ .value = v, .first = first, .last = last_use(w, v, first) };
}

mc_liveness mc_liveness_of(const mc_graph *g, mc_arena *a) {
  mc_liveness out = { 0 };
  walk w = { .g = g, .out = &out };
  mc_map_init(&w.pos, a);
  int values = g->nin;
  MC_FOR_NODES (n, g) {
    *mc_map_ptr_slot(&w.pos, n) = (void *)(uintptr_t)out.nodes++;
    values += n->nout;
  }
  out.iv = MC_NEWN(a, mc_interval, values);
  for (int i = 0; i < g->nin; i++) add(&w, g->in[i], -1);
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++) add(&w, n->out[i], position(&w, n));
  }
  return out;
}
