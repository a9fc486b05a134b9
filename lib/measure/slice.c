/* Slices: the graph is copied and cut, what is left is compiled (or kept for the evaluator). */
#include "slice.h"
#include <string.h>

struct mcm_slice {
  mc_pass_context *cx;
  mc_arena *a;
  mc_graph *g; /* in a module of its own */
  void *exe;   /* NULL: the evaluator */
  mc_array *in, *out;
  int *slot;
  int ngiven, nwant; /* given[k] is input slot[k] of the cut graph */
};

/* ---- the copy ---- */

static void pair_values(mc_map *to, const mc_graph *g, const mc_graph *c) {
  for (int i = 0; i < g->nin; i++) *mc_map_ptr_slot(to, g->in[i]) = c->in[i];
  const mc_node *k = c->first;
  for (const mc_node *n = g->first; n; n = n->next, k = k->next)
    for (int i = 0; i < n->nout; i++) *mc_map_ptr_slot(to, n->out[i]) = k->out[i];
}

mc_graph *mcm_graph_copy(const mc_graph *g, mc_map *pairs) {
  mc_graph *c = mc_graph_clone(g);
  c->module->graphs = c;
  c->next = NULL;
  if (pairs) pair_values(pairs, g, c);
  return c;
}

/* ---- the cut ---- */

static bool unused(const mc_node *n) {
  for (int i = 0; i < n->nout; i++)
    if (n->out[i]->uses) return false;
  return !mc_op_has(n->op, MC_T_TERM);
}

static void cut(mcm_slice *s, mc_map *pairs, mc_value *const *given, mc_value *const *want) {
  mc_value **out = MC_NEWN(s->a, mc_value *, s->nwant + 1);
  for (int k = 0; k < s->nwant; k++) out[k] = mc_map_ptr_get(pairs, want[k]);
  mc_node_set_nin(s->g->last, out, s->nwant);
  for (int k = 0; k < s->ngiven; k++) {
    mc_value *v = mc_map_ptr_get(pairs, given[k]);
    if (!v->def) {
      s->slot[k] = v->index;
      continue;
    }
    s->slot[k] = s->g->nin;
    mc_value_replace(
        v, mc_graph_add_input(s->g, mc_arena_printf(s->a, "given%d", k), v->type, v->loc));
  }
  MC_FOR_NODES_REV (n, s->g)
    if (unused(n)) mc_node_remove(n);
}

/* Inputs that the slice does not read still want an address. */
static void make_arrays(mcm_slice *s) {
  bool *used = MC_NEWN(s->a, bool, s->g->nin + 1);
  s->in = MC_NEWN(s->a, mc_array, s->g->nin + 1);
  s->out = MC_NEWN(s->a, mc_array, s->nwant + 1);
  for (int k = 0; k < s->ngiven; k++) used[s->slot[k]] = true;
  for (int i = 0; i < s->g->nin; i++) {
    const mc_type *t = s->g->in[i]->type;
    s->in[i] = (mc_array){ t, used[i] ? NULL : mc_arena_alloc(s->a, (size_t)mc_type_bytes(t)) };
  }
  for (int k = 0; k < s->nwant; k++) s->out[k].type = mc_graph_out(s->g, k)->type;
}

mcm_slice *mcm_slice_open(mc_pass_context *cx, const mc_graph *g, mc_value *const *given,
                          int ngiven, mc_value *const *want, int nwant) {
  mc_arena *a = mc_arena_create();
  mcm_slice *s = MC_NEW(a, mcm_slice);
  *s = (mcm_slice){ .cx = cx, .a = a, .ngiven = ngiven, .nwant = nwant };
  s->slot = MC_NEWN(a, int, ngiven + 1);
  mc_map pairs;
  mc_map_init(&pairs, a);
  s->g = mcm_graph_copy(g, &pairs);
  cut(s, &pairs, given, want);
  make_arrays(s);
  const mc_runner *r = cx->runner;
  if (r && !(s->exe = r->prepare(r->ctx, s->g, NULL, 0, cx->diag))) {
    mcm_slice_close(s);
    return NULL;
  }
  return s;
}

bool mcm_slice_run(mcm_slice *s, const void *const *in, void *const *out) {
  for (int k = 0; k < s->ngiven; k++) {
    union {
      const void *from;
      void *to;
    } p = { in[k] }; /* arrays are read and written alike */

    s->in[s->slot[k]].data = p.to;
  }
  for (int k = 0; k < s->nwant; k++) s->out[k].data = out[k];
  if (s->exe) return s->cx->runner->run(s->exe, s->in, s->out, s->cx->diag);
  return mc_eval_graph(s->g, s->in, s->out, NULL, s->cx->diag);
}

void mcm_slice_close(mcm_slice *s) {
  if (!s) return;
  if (s->exe) s->cx->runner->release(s->exe);
  mc_module_destroy(s->g->module);
  mc_arena_destroy(s->a);
}
