/* Slots, classes, groups: see couple.c for what each op couples. */
#include "couple.h"
#include <string.h>

bool mc_is_depthwise(const mc_node *n) {
  return n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups > 1 &&
         MC_ATTRS(n, conv2d)->groups == n->in[0]->type->dim[3];
}

bool mc_makes_channels(const mc_node *n) {
  if (n->op != MC_OP_conv2d && n->op != MC_OP_conv_transpose2d && n->op != MC_OP_linear)
    return false;
  if (n->in[1]->type->dtype != MC_f32 || n->out[0]->type->dtype != MC_f32) return false;
  if (!mc_value_tensor(n->in[1]) || (n->nin > 2 && !mc_value_tensor(n->in[2]))) return false;
  return !mc_is_depthwise(n);
}

static bool analysed(const mc_value *v) { return v->type->dtype == MC_f32 && v->type->rank > 0; }

/* Where an axis starts in the slots of a value. */
static int64_t offset_of(const mc_type *t, int i) {
  int64_t at = 0;
  for (int k = 0; k < i; k++) at += t->dim[k];
  return at;
}

static int64_t slots_of(const mc_type *t) { return offset_of(t, t->rank); }

/* ---- slots ---- */

static int push_slots(coupling *c, int64_t n) {
  int first = (int)c->slot.n;
  for (int64_t i = 0; i < n; i++) MC_PUSH(c->a, &c->slot, ((cell){ .parent = first + (int)i }));
  return first;
}

run couple_new(coupling *c, int64_t n) { return (run){ push_slots(c, n), n }; }

/* Slots of a value's axes; an axis of one index cannot lose it. */
static int push_value(coupling *c, const mc_type *t) {
  int first = push_slots(c, slots_of(t));
  for (int i = 0; i < t->rank; i++)
    if (t->dim[i] == 1) c->slot.v[first + offset_of(t, i)].fixed = "the only channel";
  return first;
}

static void number_value(coupling *c, const mc_value *v) {
  if (!analysed(v) || mc_value_tensor(v)) return;
  int *first = MC_NEW(c->a, int);
  *first = push_value(c, v->type);
  *mc_map_ptr_slot(&c->value, v) = first;
}

/* What a node has of its own: constants belong to the node that reads them, so each use is cut by
 * itself. first[]: of `n` operands; -1: no constant. */
typedef struct own {
  int n, groups, *first;
} own;

static void number_operands(coupling *c, const mc_node *n) {
  own *o = MC_NEW(c->a, own);
  *o = (own){ n->nin, -1, MC_NEWN(c->a, int, n->nin + 1) };
  for (int i = 0; i < n->nin; i++) {
    bool constant = analysed(n->in[i]) && mc_value_tensor(n->in[i]);
    o->first[i] = constant ? push_value(c, n->in[i]->type) : -1;
  }
  *mc_map_ptr_slot(&c->node, n) = o;
}

static void number_slots(coupling *c) {
  mc_map_init(&c->value, c->a);
  mc_map_init(&c->node, c->a);
  for (int i = 0; i < c->g->nin; i++) number_value(c, c->g->in[i]);
  MC_FOR_NODES (n, c->g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++) number_value(c, n->out[i]);
    number_operands(c, n);
  }
}

static int first_of(const mc_map *value, const mc_value *v) {
  const int *p = mc_map_ptr_get(value, v);
  return p ? *p : -1;
}

static int first_of_operand(const mc_map *value, const mc_map *node, const mc_node *n, int slot) {
  if (!mc_value_tensor(n->in[slot])) return first_of(value, n->in[slot]);
  const own *o = mc_map_ptr_get(node, n);
  return o && slot < o->n ? o->first[slot] : -1; /* a bias may have come since */
}

static run axis_at(int first, const mc_type *t, int i) {
  return (run){ first < 0 ? -1 : first + (int)offset_of(t, i), t->dim[i] };
}

run couple_value(coupling *c, const mc_value *v, int i) {
  return axis_at(first_of(&c->value, v), v->type, i);
}

run couple_operand(coupling *c, const mc_node *n, int slot, int i) {
  return axis_at(first_of_operand(&c->value, &c->node, n, slot), n->in[slot]->type, i);
}

run couple_part(run x, int64_t at, int64_t n) {
  return (run){ x.first < 0 ? -1 : x.first + (int)at, n };
}

void couple_note_groups(coupling *c, const mc_node *n, run groups) {
  ((own *)mc_map_ptr_get(&c->node, n))->groups = groups.first;
}

/* ---- union-find ---- */

int couple_root(coupling *c, int s) {
  cell *v = c->slot.v;
  while (v[s].parent != s) s = v[s].parent = v[v[s].parent].parent;
  return s;
}

void couple_join(coupling *c, int a, int b) {
  a = couple_root(c, a);
  b = couple_root(c, b);
  if (a == b) return;
  if (b < a) {
    int t = a;
    a = b;
    b = t;
  }
  cell *x = &c->slot.v[a], *y = &c->slot.v[b];
  y->parent = a;
  if (!x->fixed) x->fixed = y->fixed;
  x->head |= y->head;
  x->live |= y->live;
}

void couple_fix(coupling *c, run x, const char *why) {
  for (int64_t i = 0; x.first >= 0 && i < x.n; i++) {
    cell *r = &c->slot.v[couple_root(c, x.first + (int)i)];
    if (!r->fixed) r->fixed = why;
  }
}

bool couple_is_fixed(coupling *c, run x) {
  for (int64_t i = 0; x.first >= 0 && i < x.n; i++)
    if (!c->slot.v[couple_root(c, x.first + (int)i)].fixed) return false;
  return true;
}

void couple_axes(coupling *c, run x, run y) {
  if (x.first < 0)
    couple_fix(c, y, "values of another element type");
  else if (y.first < 0)
    couple_fix(c, x, "values of another element type");
  else
    for (int64_t i = 0; i < x.n && i < y.n; i++) couple_join(c, x.first + (int)i, y.first + (int)i);
}

/* ---- classes and groups ---- */

static void number_classes(coupling *c, mc_channels *ch) {
  ch->nelement = (int)c->slot.n;
  ch->element = MC_NEWN(c->a, int, ch->nelement + 1);
  int *of_root = MC_NEWN(c->a, int, ch->nelement + 1);
  ch->cls = MC_NEWN(c->a, mc_chan_class, ch->nelement + 1);
  for (int e = 0; e < ch->nelement; e++) {
    int r = couple_root(c, e);
    if (r == e) {
      of_root[e] = ch->ncls;
      ch->cls[ch->ncls++] =
          (mc_chan_class){ .fixed = c->slot.v[e].fixed, .group = -1, .head = c->slot.v[e].head };
    }
    ch->element[e] = of_root[r];
    ch->cls[of_root[r]].members++;
  }
}

typedef MC_VEC(mc_node *) nodes;

/* Each class's producers are collected in node order, so equal sets are equal byte strings. */
static nodes *producers_of(const mc_graph *g, const mc_channels *ch, mc_arena *a) {
  nodes *of = MC_NEWN(a, nodes, ch->ncls + 1);
  MC_FOR_NODES (n, g) {
    if (!mc_makes_channels(n)) continue;
    for (int64_t i = 0; i < n->out[0]->type->dim[n->out[0]->type->rank - 1]; i++) {
      int k = mc_channels_class(ch, n->out[0], i);
      if (k >= 0 && (!of[k].n || of[k].v[of[k].n - 1] != n)) MC_PUSH(a, &of[k], n);
    }
  }
  return of;
}

/* Channels of the group's first product in one class: the largest number that divides all. */
static void measure_width(mc_channels *ch, mc_chan_group *g, mc_arena *a) {
  const mc_value *y = g->producer[0]->out[0];
  int *count = MC_NEWN(a, int, ch->ncls + 1);
  for (int64_t i = 0; i < y->type->dim[y->type->rank - 1]; i++)
    count[mc_channels_class(ch, y, i)]++;
  for (int k = 0; k < ch->ncls; k++) {
    if (ch->cls[k].group != g - ch->group) continue;
    int m = count[k], w = g->width;
    while (w) {
      int t = m % w;
      m = w;
      w = t;
    }
    g->width = m;
  }
}

static void form_groups(const mc_graph *graph, mc_channels *ch, mc_arena *a) {
  nodes *of = producers_of(graph, ch, a);
  mc_map sets;
  mc_map_init(&sets, a);
  ch->group = MC_NEWN(a, mc_chan_group, ch->ncls + 1);
  for (int k = 0; k < ch->ncls; k++) {
    if (!of[k].n) {
      if (!ch->cls[k].fixed) ch->cls[k].fixed = "no product makes it";
      continue;
    }
    void **slot = mc_map_bytes_slot(&sets, of[k].v, of[k].n * sizeof *of[k].v);
    if (!*slot) {
      mc_chan_group *g = *slot = &ch->group[ch->ngroup++];
      *g = (mc_chan_group){ .producer = of[k].v, .nproducer = (int)of[k].n };
    }
    mc_chan_group *g = *slot;
    g->size++;
    ch->cls[k].group = (int)(g - ch->group);
  }
  mc_arena *scratch = mc_arena_create();
  for (int i = 0; i < ch->ngroup; i++) measure_width(ch, &ch->group[i], scratch);
  mc_arena_destroy(scratch);
}

/* ---- what others ask ---- */

static int class_at(const mc_channels *ch, int first, const mc_type *t, int axis, int64_t i) {
  return first < 0 ? -1 : ch->element[first + offset_of(t, axis) + i];
}

int mc_channels_axis(const mc_channels *ch, const mc_value *v, int axis, int64_t i) {
  return class_at(ch, first_of(&ch->value, v), v->type, axis, i);
}

int mc_channels_class(const mc_channels *ch, const mc_value *v, int64_t c) {
  return v->type->rank ? mc_channels_axis(ch, v, v->type->rank - 1, c) : -1;
}

int mc_channels_operand(const mc_channels *ch, const mc_node *n, int slot, int axis, int64_t i) {
  return class_at(ch, first_of_operand(&ch->value, &ch->node, n, slot), n->in[slot]->type, axis, i);
}

int mc_channels_conv_group(const mc_channels *ch, const mc_node *n, int64_t i) {
  const own *o = mc_map_ptr_get(&ch->node, n);
  return o && o->groups >= 0 ? ch->element[o->groups + i] : -1;
}

mc_channels *mc_channels_of_opts(const mc_graph *g, const mc_channels_opts *o, mc_arena *a) {
  coupling c = { .g = g, .a = a };
  if (o) c.o = *o;
  number_slots(&c);
  for (int i = 0; i < g->nin; i++)
    for (int k = 0; k < g->in[i]->type->rank; k++)
      couple_fix(&c, couple_value(&c, g->in[i], k), "an input of the graph");
  MC_FOR_NODES (n, g)
    if (!mc_op_has(n->op, MC_T_CONST)) couple_node(&c, n);
  couple_settle(&c);
  mc_channels *ch = MC_NEW(a, mc_channels);
  ch->value = c.value;
  ch->node = c.node;
  number_classes(&c, ch);
  form_groups(g, ch, a);
  return ch;
}

mc_channels *mc_channels_of(const mc_graph *g, mc_arena *a) {
  return mc_channels_of_opts(g, NULL, a);
}
