/* Deep copy of a module. Types and tensor records are new (they point into their module), tensors'
 * data are shared. */
#include "mc/ir/graph.h"
#include <string.h>

typedef struct cloner {
  mc_module *to;
  mc_arena *scratch;
  mc_map tensors, values;
  bool merges; /* into a module that has tensors: none belongs to a file */
} cloner;

static mc_tensor *clone_tensor(cloner *c, const mc_tensor *t) {
  if (!t) return NULL;
  void **slot = mc_map_ptr_slot(&c->tensors, t);
  if (*slot) return *slot;
  mc_tensor *n = mc_tensor_copy(c->to, t);
  if (c->merges) n->file = NULL;
  return *slot = n;
}

static const mc_type *clone_type(cloner *c, const mc_type *t) {
  if (!t) return NULL;
  mc_type n = *t;
  n.q.scales = clone_tensor(c, t->q.scales);
  return mc_type_intern(c->to, &n);
}

static const char *clone_text(cloner *c, const char *s) {
  return s ? mc_arena_strdup(c->to->arena, s) : NULL;
}

static void clone_value(cloner *c, const mc_value *v, mc_value *n) {
  n->type = clone_type(c, v->type);
  n->name = clone_text(c, v->name);
  n->range = v->range;
  n->source = clone_text(c, v->source);
  n->loc = v->loc;
  *mc_map_ptr_slot(&c->values, v) = n;
}

static void clone_attrs(cloner *c, const mc_node *n, void *to) {
  memcpy(to, n->attrs, mc_ops[n->op].attrs_size);
  for (const mc_field *f = mc_ops[n->op].attrs; f->name; f++) {
    void *p = (char *)to + f->offset;
    if (f->kind == MC_F_INTS) {
      mc_ints *l = p;
      if (l->n) l->v = mc_arena_copy(c->to->arena, l->v, sizeof *l->v * (size_t)l->n);
    } else if (f->kind == MC_F_STR) {
      *(const char **)p = clone_text(c, *(const char **)p);
    } else if (f->kind == MC_F_TENSOR) {
      *(mc_tensor **)p = clone_tensor(c, *(mc_tensor **)p);
    }
  }
}

static void clone_nodes(cloner *c, const mc_graph *g, const mc_node *end, mc_graph *to) {
  for (const mc_node *n = g->first; n != end; n = n->next) {
    mc_value **in = MC_NEWN(c->scratch, mc_value *, n->nin);
    for (int i = 0; i < n->nin; i++) in[i] = n->in[i] ? mc_map_ptr_get(&c->values, n->in[i]) : NULL;
    mc_node *k = mc_node_create(c->to, n->op, in, n->nin, n->nout, n->loc);
    clone_attrs(c, n, k->attrs);
    k->source = clone_text(c, n->source);
    for (int i = 0; i < n->nout; i++) clone_value(c, n->out[i], k->out[i]);
    mc_node_insert(to, NULL, k);
    if (n->region) clone_nodes(c, n->region, NULL, mc_region_create(k));
  }
}

static cloner start(mc_module *to) {
  cloner c = { .to = to, .scratch = mc_arena_create() };
  mc_map_init(&c.tensors, c.scratch);
  mc_map_init(&c.values, c.scratch);
  return c;
}

mc_value **mc_graph_append(mc_graph *to, const mc_graph *from, mc_value *const *in) {
  cloner c = start(to->module);
  c.merges = true;
  for (int i = 0; i < from->nin; i++) *mc_map_ptr_slot(&c.values, from->in[i]) = in[i];
  clone_nodes(&c, from, from->last, to);
  int n = mc_graph_nout(from);
  mc_value **out = MC_NEWN(to->module->arena, mc_value *, n + 1);
  for (int i = 0; i < n; i++) out[i] = mc_map_ptr_get(&c.values, mc_graph_out(from, i));
  mc_arena_destroy(c.scratch);
  return out;
}

static void clone_graph(cloner *c, const mc_graph *g) {
  mc_graph *to = mc_graph_create(c->to, g->name, g->loc);
  for (int i = 0; i < g->nin; i++)
    clone_value(c, g->in[i], mc_graph_add_input(to, NULL, NULL, g->in[i]->loc));
  clone_nodes(c, g, NULL, to);
}

mc_module *mc_module_clone(const mc_module *m) {
  cloner c = start(mc_module_create());
  c.to->src = m->src;
  c.to->weights_file = clone_text(&c, m->weights_file);
  c.to->calibration = clone_text(&c, m->calibration);
  c.to->dir = clone_text(&c, m->dir);
  for (size_t i = 0; i < m->tensors.n; i++) clone_tensor(&c, m->tensors.entries[i].val);
  for (const mc_graph *g = m->graphs; g; g = g->next) clone_graph(&c, g);
  mc_arena_destroy(c.scratch);
  return c.to;
}

mc_graph *mc_graph_clone(const mc_graph *g) {
  mc_graph *c = mc_module_clone(g->module)->graphs;
  for (const mc_graph *k = g->module->graphs; k != g; k = k->next) c = c->next;
  return c;
}
