/* Graphs, nodes, values and their use lists. */
#include "mc/ir/graph.h"
#include <assert.h>
#include <string.h>

/* ---- graphs ---- */

mc_graph *mc_graph_create(mc_module *m, const char *name, mc_loc loc) {
  mc_graph *g = MC_NEW(m->arena, mc_graph);
  g->module = m;
  g->name = name ? mc_arena_strdup(m->arena, name) : NULL;
  g->loc = loc;
  mc_graph **at = &m->graphs;
  while (*at) at = &(*at)->next;
  *at = g;
  return g;
}

mc_graph *mc_region_create(mc_node *parent) {
  mc_module *m = mc_node_module(parent);
  mc_graph *g = MC_NEW(m->arena, mc_graph);
  g->module = m;
  g->parent = parent;
  g->loc = parent->loc;
  parent->region = g;
  return g;
}

static mc_value *value_new(mc_module *m, const mc_type *t, mc_loc loc) {
  mc_value *v = MC_NEW(m->arena, mc_value);
  v->type = t;
  v->loc = loc;
  return v;
}

mc_value *mc_graph_add_input(mc_graph *g, const char *name, const mc_type *t, mc_loc loc) {
  mc_arena *a = g->module->arena;
  mc_value *v = value_new(g->module, t, loc);
  v->name = name ? mc_arena_strdup(a, name) : NULL;
  v->graph = g;
  v->index = g->nin;
  if ((g->nin & (g->nin - 1)) == 0) { /* full: room for a power of two */
    mc_value **in = MC_NEWN(a, mc_value *, g->nin ? 2 * g->nin : 1);
    if (g->nin) memcpy(in, g->in, sizeof *in * (size_t)g->nin);
    g->in = in;
  }
  g->in[g->nin++] = v;
  return v;
}

static mc_node *graph_return(const mc_graph *g) {
  return g->last && g->last->op == MC_OP_return ? g->last : NULL;
}

int mc_graph_nout(const mc_graph *g) {
  const mc_node *r = graph_return(g);
  return r ? r->nin : 0;
}

mc_value *mc_graph_out(const mc_graph *g, int i) {
  const mc_node *r = graph_return(g);
  assert(r && i >= 0 && i < r->nin);
  return r->in[i];
}

/* ---- uses ---- */

static void use_link(mc_node *n, int slot, mc_value *v) {
  mc_use *u = &n->in_use[slot];
  *u = (mc_use){ .user = n, .slot = slot, .next = v->uses };
  if (v->uses) v->uses->prev = u;
  v->uses = u;
}

static void use_unlink(mc_node *n, int slot) {
  mc_value *v = n->in[slot];
  mc_use *u = &n->in_use[slot];
  if (u->prev)
    u->prev->next = u->next;
  else
    v->uses = u->next;
  if (u->next) u->next->prev = u->prev;
  *u = (mc_use){ 0 };
}

void mc_node_set_in(mc_node *n, int slot, mc_value *v) {
  assert(slot >= 0 && slot < n->nin);
  if (n->in[slot]) use_unlink(n, slot);
  n->in[slot] = v;
  if (v) use_link(n, slot, v);
}

void mc_node_set_nin(mc_node *n, mc_value *const *in, int nin) {
  mc_arena *a = n->graph ? n->graph->module->arena : NULL;
  mc_value **copy = NULL;
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]) use_unlink(n, i);
  assert(a || nin <= n->nin);
  if (a) copy = MC_NEWN(a, mc_value *, nin);
  if (a) n->in_use = MC_NEWN(a, mc_use, nin);
  if (!a) copy = n->in;
  for (int i = 0; i < nin; i++) copy[i] = in[i];
  n->in = copy;
  n->nin = nin;
  for (int i = 0; i < nin; i++)
    if (n->in[i]) use_link(n, i, n->in[i]);
}

int mc_value_nuses(const mc_value *v) {
  int k = 0;
  for (const mc_use *u = v->uses; u; u = u->next) k++;
  return k;
}

mc_node *mc_region_head(const mc_graph *region) {
  mc_node *first = NULL;
  MC_FOR_NODES (n, region) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    if (mc_op_has(n->op, MC_T_ACCUM) || n->op == MC_OP_softmax || n->op == MC_OP_layer_norm)
      return n;
    if (!first) first = n;
  }
  return first;
}

mc_node *mc_value_single_user(const mc_value *v) {
  return v->uses && !v->uses->next ? v->uses->user : NULL;
}

void mc_value_replace(mc_value *from, mc_value *to) {
  if (from == to) return;
  while (from->uses) {
    mc_use *u = from->uses;
    mc_node_set_in(u->user, u->slot, to);
  }
  if (!to->name && from->def)
    to->name = from->name, from->name = NULL; /* an input keeps its own name */
  if (!to->range.known) to->range = from->range;
  if (to->def && from->def && !to->def->source) to->def->source = from->def->source;
}

/* ---- nodes ---- */

mc_node *mc_node_create(mc_module *m, mc_opcode op, mc_value *const *in, int nin, int nout,
                        mc_loc loc) {
  mc_arena *a = m->arena;
  mc_node *n = MC_NEW(a, mc_node);
  n->op = op;
  n->loc = loc;
  n->id = m->next_id++;
  n->attrs = mc_arena_alloc(a, mc_ops[op].attrs_size);
  mc_field_defaults(mc_ops[op].attrs, n->attrs, a);
  n->nin = nin;
  n->in = MC_NEWN(a, mc_value *, nin);
  n->in_use = MC_NEWN(a, mc_use, nin);
  for (int i = 0; i < nin; i++)
    if (in && in[i]) mc_node_set_in(n, i, in[i]);
  n->nout = nout;
  n->out = MC_NEWN(a, mc_value *, nout);
  for (int i = 0; i < nout; i++) {
    n->out[i] = value_new(m, NULL, loc);
    n->out[i]->def = n;
    n->out[i]->index = i;
  }
  return n;
}

static void unlink_node(mc_node *n) {
  mc_graph *g = n->graph;
  if (n->prev)
    n->prev->next = n->next;
  else
    g->first = n->next;
  if (n->next)
    n->next->prev = n->prev;
  else
    g->last = n->prev;
  n->prev = n->next = NULL;
  n->graph = NULL;
}

void mc_node_insert(mc_graph *g, mc_node *before, mc_node *n) {
  assert(!n->graph && (!before || before->graph == g));
  n->graph = g;
  n->next = before;
  n->prev = before ? before->prev : g->last;
  if (n->prev)
    n->prev->next = n;
  else
    g->first = n;
  if (before)
    before->prev = n;
  else
    g->last = n;
}

void mc_node_move(mc_graph *g, mc_node *before, mc_node *n) {
  if (before == n) return;
  unlink_node(n);
  mc_node_insert(g, before, n);
}

/* Region nodes drop their uses of outer values too. */
static void drop_uses(mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]) use_unlink(n, i), n->in[i] = NULL;
  if (n->region)
    for (mc_node *k = n->region->last; k; k = k->prev) drop_uses(k);
}

void mc_node_remove(mc_node *n) {
  for (int i = 0; i < n->nout; i++) assert(!n->out[i]->uses);
  drop_uses(n);
  if (n->graph) unlink_node(n);
}

mc_module *mc_node_module(const mc_node *n) { return n->graph->module; }

mc_tensor *mc_value_tensor(const mc_value *v) {
  if (!v || !v->def) return NULL;
  if (v->def->op == MC_OP_weight) return MC_ATTRS(v->def, weight)->name;
  if (v->def->op == MC_OP_const) return MC_ATTRS(v->def, const)->value;
  return NULL;
}

mc_node *mc_node_in(const mc_graph *g, mc_node *n) {
  while (n && n->graph != g) n = n->graph ? n->graph->parent : NULL;
  return n;
}

/* ---- order ---- */

typedef struct sorter {
  mc_graph *g;
  mc_map state;
  bool cycle;
  mc_node **order;
  int n;
} sorter; /* state: NULL unseen, 1 open, 2 done */

static void visit(sorter *s, mc_node *n);

static void visit_operands(sorter *s, const mc_node *n) {
  for (int i = 0; i < n->nin; i++) {
    mc_node *d = n->in[i] && n->in[i]->def ? mc_node_in(s->g, n->in[i]->def) : NULL;
    if (d && d != mc_node_in(s->g, (mc_node *)(uintptr_t)n)) visit(s, d);
  }
  if (n->region)
    for (const mc_node *k = n->region->first; k; k = k->next) visit_operands(s, k);
}

static void visit(sorter *s, mc_node *n) {
  void **st = mc_map_ptr_slot(&s->state, n);
  if (*st) {
    if (*st == &s->n) s->cycle = true;
    return;
  }
  *st = &s->n; /* open */
  visit_operands(s, n);
  *mc_map_ptr_slot(&s->state, n) = s; /* done */
  s->order[s->n++] = n;
}

bool mc_graph_sort(mc_graph *g) {
  mc_arena *a = mc_arena_create();
  sorter s = { .g = g };
  int count = 0;
  for (mc_node *n = g->first; n; n = n->next) count++;
  s.order = MC_NEWN(a, mc_node *, count);
  mc_map_init(&s.state, a);
  for (mc_node *n = g->first; n; n = n->next)
    if (n->op != MC_OP_return) visit(&s, n);
  mc_node *ret = graph_return(g);
  if (ret) visit(&s, ret);
  for (int i = 0; i < s.n && !s.cycle; i++) mc_node_move(g, NULL, s.order[i]);
  mc_arena_destroy(a);
  return !s.cycle;
}
