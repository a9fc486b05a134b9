/* mc_plan_make: buffers of a grouped graph, then layout, memory, attributes. */
#include "planner.h"

/* One error, at the first op that is in no group, however many there are. */
static bool check_grouped(const mc_graph *g, mc_diag *d) {
  const mc_node *first = NULL;
  int count = 0;
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_CONST | MC_T_TERM) || n->op == MC_OP_group) continue;
    if (!first) first = n;
    count++;
  }
  if (!first) return true;
  const char *op = mc_ops[first->op].text;
  if (count == 1)
    mc_error(d, first->loc, "'%s' is in no group: run form-groups before planning", op);
  else
    mc_error(d, first->loc, "'%s' and %d more ops are in no group: run form-groups before planning",
             op, count - 1);
  mc_note(
      d, mc_noloc,
      "a -pass-pipeline of mcc must end with form-groups (after it only form-chains and winograd)");
  return false;
}

static void add_buffer(planner *s, mc_value *v, mc_place place, int index, int first) {
  mc_plan *p = s->p;
  s->l[p->nbuf] = (layout){ .first = first, .last = first };
  p->buf[p->nbuf] =
      (mc_buffer){ .value = v, .place = place, .index = index, .first = first, .last = first };
  *mc_map_ptr_slot(&p->index, v) = (void *)(intptr_t)++p->nbuf;
}

static void add_buffers(planner *s) {
  mc_graph *g = s->p->graph;
  for (int i = 0; i < g->nin; i++) add_buffer(s, g->in[i], MC_PLACE_INPUT, i, -1);
  for (int i = 0; i < s->p->ngroup; i++)
    for (int k = 0; k < s->p->group[i]->nout; k++)
      add_buffer(s, s->p->group[i]->out[k], MC_PLACE_ARENA, 0, i);
}

/* Last readers; results of the graph live on. */
static bool note_reads(planner *s) {
  mc_plan *p = s->p;
  for (int i = 0; i < p->ngroup; i++)
    for (int k = 0; k < s->reads[i].n; k++) {
      mc_buffer *b = planner_buffer(s, s->reads[i].v[k]);
      if (!b)
        return mc_error(s->d, p->group[i]->loc,
                        "the group reads a value that nothing before it computes");
      planner_layout(s, b)->last = b->last = i;
    }
  for (int i = 0; i < mc_graph_nout(p->graph); i++) {
    mc_value *v = mc_graph_out(p->graph, i);
    mc_buffer *b = planner_buffer(s, v);
    if (!b || b->place != MC_PLACE_ARENA || !mc_value_single_user(v))
      return mc_error(s->d, p->graph->last->loc,
                      "result %d needs a group of its own that writes it: run form-groups", i);
    b->place = MC_PLACE_OUTPUT;
    b->index = i;
    planner_layout(s, b)->last = b->last = p->ngroup;
  }
  return true;
}

/* Links of a chain take turns: what one reads or writes lives as long as all of them run. What lies
 * between them is rows. */
static void stretch_lives(planner *s) {
  for (int i = 0; i < s->p->nbuf; i++) {
    layout *l = &s->l[i];
    const mc_chain *from = planner_chain(s, l->first), *to = planner_chain(s, l->last);
    if (from && from == to && l->first < from->first + from->n - 1)
      s->p->buf[i].kept = from->link[l->first - from->first].kept;
    if (from) l->first = from->first;
    if (to) l->last = to->first + to->n - 1;
  }
}

static bool read_chains(planner *s) {
  mc_plan *p = s->p;
  p->chain_of = MC_NEWN(s->a, int, p->ngroup);
  const char *why = p->threads > 1            ? "strips are not divided among threads"
                    : s->o && s->o->no_chains ? "-chain=off"
                                              : NULL;
  for (int i = 0; i < p->ngroup && why; i++) {
    mc_ints *at = &MC_ATTRS(p->group[i], group)->chain;
    if (at->n)
      mc_remark(s->d, p->group[i]->loc, "chain %lld is not formed: %s", (long long)at->v[0], why);
    *at = (mc_ints){ NULL, 0 };
  }
  return mc_chains_read(&p->chain, &p->nchain, p->chain_of, p->group, p->ngroup, s->a, s->d);
}

static bool start(planner *s) {
  mc_plan *p = s->p;
  int values = p->graph->nin;
  MC_FOR_NODES (n, p->graph) {
    p->ngroup += n->op == MC_OP_group;
    values += n->nout;
  }
  p->group = MC_NEWN(s->a, mc_node *, p->ngroup);
  p->buf = MC_NEWN(s->a, mc_buffer, values);
  p->scratch_offset = MC_NEWN(s->a, int64_t, p->ngroup);
  p->scratch_bytes = MC_NEWN(s->a, int64_t, p->ngroup);
  s->l = MC_NEWN(s->a, layout, values);
  s->reads = MC_NEWN(s->a, mc_reads, p->ngroup);
  mc_map_init(&p->index, s->a);
  int i = 0;
  MC_FOR_NODES (n, p->graph)
    if (n->op == MC_OP_group) {
      p->group[i] = n;
      s->reads[i++] = mc_group_reads(n, s->a);
    }
  add_buffers(s);
  if (!read_chains(s) || !note_reads(s)) return false;
  stretch_lives(s);
  return true;
}

/* What codegen needs is in the plan; the text shows it: where the value's layout starts, and its
 * halo. */
static void write_attributes(const planner *s) {
  mc_arena *a = s->p->graph->module->arena;
  for (int i = 0; i < s->p->ngroup; i++) {
    mc_node *g = s->p->group[i];
    mc_attrs_group *at = MC_ATTRS(g, group);
    bool halo = false;
    at->offset = (mc_ints){ MC_NEWN(a, int64_t, g->nout), g->nout };
    at->halo = (mc_ints){ MC_NEWN(a, int64_t, 4 * g->nout), 4 * g->nout };
    for (int k = 0; k < g->nout; k++) {
      const mc_buffer *b = planner_buffer(s, g->out[k]);
      int64_t lead = (b->halo[0] * b->pitch_w + b->halo[1]) * b->pitch_c *
                     (int64_t)mc_dtype_size(b->value->type->dtype);
      at->offset.v[k] = b->place == MC_PLACE_ARENA ? b->offset + b->base - lead : -1;
      for (int h = 0; h < 4; h++) halo |= (at->halo.v[4 * k + h] = b->halo[h]) != 0;
    }
    if (!halo) at->halo = (mc_ints){ NULL, 0 };
  }
}

mc_plan *mc_plan_make(mc_graph *g, const mc_target *t, const mc_plan_opts *o, mc_arena *a,
                      mc_diag *d) {
  if (!check_grouped(g, d)) return NULL;
  mc_plan *p = MC_NEW(a, mc_plan);
  *p = (mc_plan){ .graph = g,
                  .target = t,
                  .arena_align = MC_PLAN_ALIGN,
                  .threads = o && o->threads > 1 ? o->threads : 1,
                  .small = o && o->small,
                  .split_small = o && o->split_small };
  planner s = { .p = p, .o = o, .a = a, .d = d };
  if (!start(&s) || (planner_images(&s), !planner_layouts(&s))) return NULL;
  if (!planner_divide(&s) || !planner_memory(&s)) return NULL;
  write_attributes(&s);
  return p;
}

bool mc_plan_shares(const mc_plan *p) { return p->threads > 1 || p->batch > 1; }

const mc_buffer *mc_plan_buffer(const mc_plan *p, const mc_value *v) {
  intptr_t i = (intptr_t)mc_map_ptr_get(&p->index, v);
  return i ? &p->buf[i - 1] : NULL;
}
