#include "tail.h"
#include <string.h>

typedef struct finder {
  const mc_graph *g;
  mc_arena *a;
  mc_map down;   /* nodes after the product: node -> itself */
  mc_map needed; /* of these, what results need */
} finder;

static bool is_down(const finder *f, const mc_value *v) {
  return v->def && mc_map_ptr_get(&f->down, mc_node_in(f->g, v->def)) != NULL;
}

static void find_down(finder *f, const mc_product *p) {
  bool after = false;
  MC_FOR_NODES (n, f->g) {
    if (n == p->node) after = true;
    if (!after || n == p->node) continue;
    mcm_values r = mcm_reads(f->g, n, f->a);
    for (size_t i = 0; i < r.n; i++)
      if (r.v[i] == p->node->out[0] || is_down(f, r.v[i])) *mc_map_ptr_slot(&f->down, n) = n;
  }
}

static void add_once(mcm_values *to, mc_value *v, mc_arena *a) {
  for (size_t i = 0; i < to->n; i++)
    if (to->v[i] == v) return;
  MC_PUSH(a, to, v);
}

/* Constants under a node, its region too. */
static int64_t constant_bytes(const mc_node *n) {
  int64_t bytes = 0;
  for (int i = 0; i < n->nin; i++)
    if (n->in[i] && mc_value_tensor(n->in[i])) bytes += mc_type_bytes(n->in[i]->type);
  for (const mc_node *r = n->region ? n->region->first : NULL; r; r = r->next)
    bytes += constant_bytes(r);
  return bytes;
}

static void find_sides(finder *f, mcm_tail *t, const mc_product *p) {
  for (size_t i = 0; i < t->want.n; i++) {
    mc_node *n = mc_node_in(f->g, t->want.v[i]->def);
    *mc_map_ptr_slot(&f->needed, n) = n;
  }
  MC_FOR_NODES_REV (n, f->g) {
    if (!mc_map_ptr_get(&f->needed, n)) continue;
    mcm_values r = mcm_reads(f->g, n, f->a);
    t->bytes += constant_bytes(n);
    for (size_t i = 0; i < r.n; i++) {
      if (r.v[i] == p->node->out[0]) continue;
      if (is_down(f, r.v[i]))
        *mc_map_ptr_slot(&f->needed, mc_node_in(f->g, r.v[i]->def)) = n;
      else
        add_once(&t->side, r.v[i], f->a);
    }
  }
}

/* Does a part give v? */
static bool by_parts(const mcm_tail *t, const mc_value *v) {
  return t->parts && t->first < t->parts->n &&
         mcm_net_at(&t->parts->net, v) >= t->parts->v[t->first].from;
}

/* What the parts read of values before them. */
static void find_joints(finder *f, mcm_tail *t, const mc_product *p) {
  for (int k = t->first; t->parts && k < t->parts->n; k++)
    for (size_t i = 0; i < t->parts->v[k].given.n; i++) {
      mc_value *v = t->parts->v[k].given.v[i];
      if (v == p->node->out[0] || by_parts(t, v)) continue;
      add_once(is_down(f, v) ? &t->want : &t->more, v, f->a);
    }
}

static int source_of(finder *f, mcm_tail *t, const mc_product *p, mc_value *v) {
  if (v == p->node->out[0]) return -1;
  if (!is_down(f, v)) return -2;
  if (by_parts(t, v)) return -3;
  MC_PUSH(f->a, &t->want, v);
  return (int)t->want.n - 1;
}

mcm_tail *mcm_tail_of(const mc_graph *g, const mc_product *p, const mcm_results *r,
                      mcm_parts *parts, mc_arena *a) {
  mcm_tail *t = MC_NEW(a, mcm_tail);
  *t = (mcm_tail){ .parts = parts, .first = parts ? mcm_parts_after(parts, p->node) : 0 };
  finder f = { .g = g, .a = a };
  mc_map_init(&f.down, a);
  mc_map_init(&f.needed, a);
  find_down(&f, p);
  t->from = MC_NEWN(a, int, r->n + 1);
  for (int k = 0; k < r->n; k++) t->from[k] = source_of(&f, t, p, r->v[k].v);
  find_joints(&f, t, p);
  find_sides(&f, t, p);
  return t;
}

bool mcm_tail_compile(mcm_tail *t, mc_pass_context *cx, const mc_graph *g, const mc_product *p,
                      mc_arena *a) {
  if (t->parts && !mcm_parts_compile(t->parts, t->first, cx)) return false;
  if (t->slice || t->want.n == 0) return true;
  mc_value **given = MC_NEWN(a, mc_value *, t->side.n + 1);
  given[0] = p->node->out[0];
  for (size_t i = 0; i < t->side.n; i++) given[i + 1] = t->side.v[i];
  t->slice = mcm_slice_open(cx, g, given, (int)t->side.n + 1, t->want.v, (int)t->want.n);
  return t->slice != NULL;
}
