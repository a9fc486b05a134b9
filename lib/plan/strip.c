/* A link of a chain as a graph of its own: one image, the rows of one step. Kernels and the cost
 * model see a group like any other, only lower.
 *
 * A windowed op reads (rows - 1) * stride + reach rows and pads none: borders above and below are
 * rows of memory. */
#include "mc/plan/chain.h"
#include "families.h"
#include <string.h>

typedef struct cutter {
  const mc_chain *c;
  const mc_link *l;
  int at;
  mc_module *to;
  mc_graph *graph;
  mc_map values;
  mc_plan *sp;
  const mc_plan *p;
  mc_arena *a;
} cutter;

static int rows_axis(const mc_link *l, const mc_value *v) {
  return l->planes && (v == l->planes->in[0] || v == l->head->in[0]) ? 2 : 1;
}

/* rows 0: a constant. */
static const mc_type *cut_type(cutter *s, const mc_value *v, int64_t rows) {
  mc_type n = *v->type;
  if (rows) n.dim[0] = 1, n.dim[rows_axis(s->l, v)] = rows;
  return mc_type_intern(s->to, &n);
}

static int64_t elem(const mc_value *v) { return (int64_t)mc_dtype_size(v->type->dtype); }

/* ---- memory ---- */

static void add_buffer(cutter *s, const mc_buffer *b) {
  mc_plan *sp = s->sp;
  sp->buf[sp->nbuf] = *b;
  *mc_map_ptr_slot(&sp->index, b->value) = (void *)(intptr_t)++sp->nbuf;
}

/* Where `rows` rows of v begin at step 0, `up` rows above the step's own; they move on with each
 * step. */
static void place(cutter *s, const mc_value *v, mc_value *cut, int64_t rows, int64_t up,
                  bool result) {
  if (!s->sp) return;
  const mc_buffer *whole = mc_plan_buffer(s->p, v);
  mc_buffer b = *whole;
  int64_t plane = b.pitch_w * b.pitch_c * elem(v),
          row = rows_axis(s->l, v) == 2 ? b.pitch_c * elem(v) : plane;
  b.value = cut;
  b.parent = NULL;
  b.halo[0] = b.halo[2] = 0;
  b.per_step = rows * row;
  if (b.kept) {
    const mc_link *l = result ? s->l : s->l - 1;
    b.lap = l->lap;
    b.base += result ? l->keep * row : 0;
  } else {
    if (result) b.halo[1] = b.halo[3] = 0; /* borders are filled after the last step */
    b.per_image = (whole->halo[0] + v->type->dim[1] + whole->halo[2]) * plane;
    b.base -= s->l->lag * b.per_step + up * row;
  }
  add_buffer(s, &b);
}

/* ---- the graph ---- */

static mc_value *cut_constant(cutter *s, const mc_value *v, mc_graph *g) {
  mc_node *k = mc_node_create(s->to, v->def->op, NULL, 0, 1, v->def->loc);
  memcpy(k->attrs, v->def->attrs, mc_ops[v->def->op].attrs_size);
  k->out[0]->type = cut_type(s, v, 0);
  mc_node_insert(g, g->last, k);
  return k->out[0];
}

/* An operand from outside; rows of its own for a window, which another reader of the same value
 * does not share. */
static mc_value *cut_operand(cutter *s, const mc_node *n, int slot, mc_graph *region) {
  const mc_value *v = n->in[slot];
  const mc_link *l = s->l;
  bool window = l->window && n == l->head && slot == 0;
  mc_value *known = window ? NULL : mc_map_ptr_get(&s->values, v);
  if (known) return known;
  if (mc_value_tensor(v)) {
    known = cut_constant(s, v, v->def->graph == n->graph ? region : s->graph);
  } else {
    known = mc_graph_add_input(
        s->graph, v->name, cut_type(s, v, window ? (l->rows - 1) * l->stride + l->reach : l->rows),
        v->loc);
    place(s, v, known, l->rows * (window ? l->stride : 1), window ? l->pad : 0, false);
  }
  if (!window) *mc_map_ptr_slot(&s->values, v) = known;
  return known;
}

static void unpad_rows(mc_node *n) {
  int64_t *pad = n->op == MC_OP_conv2d     ? MC_ATTRS(n, conv2d)->pad
                 : n->op == MC_OP_max_pool ? MC_ATTRS(n, max_pool)->pad
                 : n->op == MC_OP_avg_pool ? MC_ATTRS(n, avg_pool)->pad
                                           : NULL;
  if (pad) pad[0] = pad[2] = 0;
}

static void cut_node(cutter *s, const mc_node *n, mc_graph *region) {
  mc_value **in = MC_NEWN(s->to->arena, mc_value *, n->nin);
  for (int i = 0; i < n->nin; i++) in[i] = cut_operand(s, n, i, region);
  mc_node *k = mc_node_create(s->to, n->op, in, n->nin, n->nout, n->loc);
  memcpy(k->attrs, n->attrs, mc_ops[n->op].attrs_size);
  k->source = n->source;
  if (n == s->l->head) unpad_rows(k);
  for (int i = 0; i < n->nout; i++) {
    k->out[i]->type = cut_type(s, n->out[i], s->l->rows);
    *mc_map_ptr_slot(&s->values, n->out[i]) = k->out[i];
  }
  mc_node_insert(region, NULL, k);
}

static mc_node *cut(cutter *s) {
  const mc_node *g = s->l->group;
  mc_map_init(&s->values, s->to->arena);
  s->graph = mc_graph_create(s->to, "strip", g->loc);
  mc_node *k = mc_node_create(s->to, MC_OP_group, NULL, 0, 1, g->loc);
  mc_group_set_family(k, mc_group_family(g));
  k->source = g->source;
  k->out[0]->type = cut_type(s, g->out[0], s->l->rows);
  mc_node_insert(s->graph, NULL, k);
  mc_graph *region = mc_region_create(k);
  MC_FOR_NODES (n, g->region)
    if (!mc_op_has(n->op, MC_T_CONST)) cut_node(s, n, region);
  place(s, g->out[0], k->out[0], s->l->rows, 0, true);
  return k;
}

mc_node *mc_chain_strip(const mc_chain *c, int i, mc_module *to) {
  cutter s = { .c = c, .l = &c->link[i], .at = i, .to = to };
  return cut(&s);
}

mc_plan *mc_chain_strip_plan(const mc_plan *p, const mc_chain *c, int i, mc_module *to,
                             mc_arena *a) {
  mc_plan *sp = MC_NEW(a, mc_plan);
  int at = c->first + i, operands = 2;
  MC_FOR_NODES (n, c->link[i].group->region) operands += n->nin;
  *sp = (mc_plan){ .target = p->target,
                   .arena_bytes = p->arena_bytes,
                   .arena_align = p->arena_align,
                   .threads = 1,
                   .ngroup = 1,
                   .whole = p };
  sp->buf = MC_NEWN(a, mc_buffer, operands);
  sp->group = MC_NEW(a, mc_node *);
  sp->chain_of = MC_NEW(a, int);
  sp->chain_of[0] = -1;
  sp->scratch_offset = p->scratch_offset ? &p->scratch_offset[at] : NULL;
  sp->scratch_bytes = p->scratch_bytes ? &p->scratch_bytes[at] : NULL;
  mc_map_init(&sp->index, a);
  cutter s = { .c = c, .l = &c->link[i], .at = i, .to = to, .sp = sp, .p = p, .a = a };
  sp->group[0] = cut(&s);
  sp->graph = s.graph;
  return sp;
}
