/* Several images (-batch=N): which series of groups are computed image by image.
 * docs/internals/products.md, "Image by image".
 *
 * A layer over all images reads its weights once. Its activations are N times as many, and where
 * they do not fit the cache that one image's fit, every layer waits for memory. So groups in a row
 * may be computed for one image after the other: what lies between them is then one image's, in the
 * same memory for every image. Which groups: those for which reading weights N times costs less
 * than activations from further away, found as the cheapest way through the groups, each in one run
 * with the one before or not. */
#include "mc/analysis/channels.h"
#include "mc/analysis/cost.h"
#include "mc/target/tuning.h"
#include "planner.h"
#include "way.h"

typedef struct chooser {
  planner *s;
  mc_plan *p;
  ways ways; /* choices: on its own, in a run with the groups before */
  double all_weights, *weights;
} chooser;

/* ---- what can be ---- */

static bool has_images(const mc_type *t, int64_t n) { return t->rank == 4 && t->dim[0] == n; }

static bool can(const planner *s, int i) {
  const mc_node *g = s->p->group[i], *head = mc_group_head(g);
  if (!mc_group_has(g, MC_FAM_PARTS) || planner_chain(s, i) || g->nout != 1 || !head ||
      !has_images(g->out[0]->type, s->p->batch))
    return false;
  if (mc_family_is_product(head->op) && head->op != MC_OP_conv2d) return false;
  for (int k = 0; k < s->reads[i].n; k++)
    if (!has_images(s->reads[i].v[k]->type, s->p->batch)) return false;
  return true;
}

/* The images of the graph, where its first input has any; 1: nothing to choose. */
static int64_t batch_of(const mc_plan *p, bool allowed) {
  bool tiles =
      p->target &&
      p->target->isa & (MC_ISA_BIT(amx_int8) |
                        MC_ISA_BIT(amx_bf16)); /* blocks of tiles have an order of their own */
  if (!allowed || !p->target || tiles || p->threads > 1 || p->graph->nin == 0 ||
      p->graph->in[0]->type->rank != 4)
    return 1;
  return p->graph->in[0]->type->dim[0];
}

/* ---- what it costs ---- */

/* Cycles for `read` bytes of which `around` are in use at the same time. */
static double cycles(const mc_target *t, double read, double around) {
  const mc_machine *m = t->machine;
  return read / (around <= mc_tune.room_l2 * (double)t->l2          ? m->l2
                 : around <= mc_tune.room_l3_images * (double)t->l3 ? m->l3
                                                                    : m->dram);
}

static bool in_run(const chooser *c, int i, bool how, int from) {
  for (; i > from && how; i--) how = way_at(&c->ways, i, how)->before != 0;
  return how;
}

/* Group i, and the way of what it reads: written, written back or read for writing, and read.
 * before: what the group before has chosen. */
static double cost(const chooser *c, int i, bool how, bool before) {
  const mc_plan *p = c->p;
  double n = (double)p->batch, w = c->weights[i] - (i ? c->weights[i - 1] : 0), sum = 0;
  for (int k = 0; k < c->s->reads[i].n; k++) {
    const mc_buffer *b = mc_plan_buffer(p, c->s->reads[i].v[k]);
    double bytes = (double)mc_type_bytes(b->value->type),
           around = bytes + (double)mc_type_bytes(p->group[i]->out[0]->type);
    bool inside = how && b->first >= 0 && i > 0 && in_run(c, i - 1, before, b->first);
    sum += cycles(p->target, 3 * bytes, inside ? around / n : around);
  }
  if (!how) return sum + cycles(p->target, w, c->all_weights);
  return sum + cycles(p->target, n * w,
                      c->weights[i] + (double)mc_type_bytes(p->group[i]->out[0]->type) / n);
}

static double way_cost(void *ctx, int i, int how, int b, double before) {
  const chooser *c = ctx;
  return how && !can(c->s, i) ? -1 : before + cost(c, i, how != 0, b != 0);
}

static void choose(chooser *c) {
  mc_plan *p = c->p;
  c->ways = (ways){ .n = p->ngroup, .nchoice = 2, .cost = way_cost, .ctx = c };
  ways_find(&c->ways, c->s->a);
  int run = 1, how = ways_best(&c->ways);
  for (int i = p->ngroup - 1; i >= 0; how = way_at(&c->ways, i--, how)->before) {
    run += !how;
    p->images[i] = how ? run : 0;
  }
}

/* What comes from outside of a run is read until its last image, and what leaves it is written from
 * its first one on. */
static void stretch_lives(planner *s) {
  const int *run = s->p->images;
  for (int i = 0; i < s->p->nbuf; i++) {
    layout *l = &s->l[i];
    int at_first = l->first < 0 ? 0 : run[l->first],
        at_last = l->last >= s->p->ngroup ? 0 : run[l->last];
    if (at_first == at_last) continue; /* inside of one run, or of none */
    while (at_first && run[l->first] == at_first && l->first > 0 && run[l->first - 1] == at_first)
      l->first--;
    while (at_last && l->last + 1 < s->p->ngroup && run[l->last + 1] == at_last) l->last++;
  }
}

void planner_images(planner *s) {
  mc_plan *p = s->p;
  p->images = MC_NEWN(s->a, int, p->ngroup);
  for (int i = 0; i < p->ngroup; i++) p->images[i] = 0;
  p->batch = batch_of(p, !(s->o && s->o->no_image_series));
  if (p->batch < 2) return;
  chooser c = { .s = s,
                .p = p,
                .all_weights = (double)mc_graph_cost(p->graph).weight_bytes,
                .weights = MC_NEWN(s->a, double, p->ngroup) };
  for (int i = 0; i < p->ngroup; i++)
    c.weights[i] = (i ? c.weights[i - 1] : 0) + (double)mc_node_cost(p->group[i]).weight_bytes;
  choose(&c);
  stretch_lives(s);
}

/* Whole classes whose values live and die in one run. */
void planner_fold(planner *s) {
  const mc_plan *p = s->p;
  for (int i = 0; i < p->nbuf; i++) {
    mc_buffer *root = planner_root(&p->buf[i]);
    if (root != &p->buf[i] || root->place != MC_PLACE_ARENA || s->l[i].first < 0 ||
        !p->images[s->l[i].first])
      continue;
    bool inside = true;
    for (int k = 0; k < p->nbuf; k++) {
      if (planner_root(&p->buf[k]) != root) continue;
      const layout *l = &s->l[k];
      inside &= has_images(p->buf[k].value->type, p->batch) && l->first >= 0 &&
                l->last < p->ngroup && p->images[l->first] == p->images[s->l[i].first] &&
                p->images[l->last] == p->images[s->l[i].first];
    }
    for (int k = 0; k < p->nbuf && inside; k++)
      if (planner_root(&p->buf[k]) == root) p->buf[k].folded = true;
  }
}
