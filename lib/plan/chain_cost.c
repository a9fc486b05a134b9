/* Time and memory of groups as a chain, and one after the other. docs/internals/chains.md, "What
 * decides".
 *
 *   time of a chain = sum over links of (first step + further steps), each as a group of its own on
 *     its strip: what the links hand on comes from the cache that holds the strips, weights of
 *     further
 *   steps from the one that holds the chain's; plus what enters and leaves the chain, from where
 *     whole values lie, and rows that are moved. */
#include "chains.h"
#include "families.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/model.h"
#include "mc/decide/decide.h"
#include "mc/decide/scratch.h"
#include "mc/target/tuning.h"
#include <string.h>

typedef struct price {
  int64_t rows, scratch;
  double first, next;
} price;

typedef struct prices {
  price *v;
  size_t n, cap;
} prices;

typedef struct life {
  const mc_value *v;
  int first, last;
  int64_t bytes;
} life;

struct pricer {
  mc_node *const *group;
  int n;
  const mc_target *t;
  mc_arena *a;
  mc_module *strips;
  double weights, *alone, *constants; /* of the network; per group: cycles, bytes of its weights */
  prices *price;
  life *life;
  int nlife;
};

static int64_t bytes_of(const mc_value *v) {
  return (mc_type_bytes(v->type) + MC_PLAN_ALIGN - 1) / MC_PLAN_ALIGN * MC_PLAN_ALIGN +
         MC_PLAN_SLACK;
}

static int position(const mc_map *at, mc_graph *g, mc_node *user) {
  mc_node *n = mc_node_in(g, user);
  return n ? (int)(intptr_t)mc_map_ptr_get(at, n) - 1 : -1;
}

/* What the kernel of a group asks for while it runs, of one task. */
static int64_t scratch_of(const pricer *p, const mc_node *g) {
  mc_ask ask = mc_ask_alone(g, p->t, (int64_t)p->weights);
  return mc_decide_scratch(&ask);
}

/* Values in the arena: results of groups that are not the graph's. */
static void find_lives(pricer *p, const mc_graph *graph) {
  mc_graph *g = (mc_graph *)graph;
  mc_map at;
  mc_map_init(&at, p->a);
  for (int i = 0; i < p->n; i++) *mc_map_ptr_slot(&at, p->group[i]) = (void *)(intptr_t)(i + 1);
  p->life = MC_NEWN(p->a, life, p->n);
  for (int i = 0; i < p->n; i++) {
    const mc_value *v = p->group[i]->nout ? p->group[i]->out[0] : NULL;
    life l = { v, i, i, v ? bytes_of(v) : 0 };
    bool result = false;
    if (!v) continue;
    MC_FOR_USES (u, v) {
      int k = position(&at, g, u->user);
      result |= k < 0;
      if (k > l.last) l.last = k;
    }
    if (!result) p->life[p->nlife++] = l;
  }
}

pricer *pricer_create(mc_node *const *group, int n, const mc_graph *g, const mc_target *t) {
  mc_arena *a = mc_arena_create();
  pricer *p = MC_NEW(a, pricer);
  *p = (pricer){ .group = group,
                 .n = n,
                 .t = t,
                 .a = a,
                 .strips = mc_module_create(),
                 .weights = (double)mc_graph_cost(g).weight_bytes };
  p->alone = MC_NEWN(a, double, n);
  p->constants = MC_NEWN(a, double, n);
  p->price = MC_NEWN(a, prices, n);
  for (int i = 0; i < n; i++) {
    p->alone[i] = mc_decide_price(group[i], t, (int64_t)p->weights).cycles;
    p->constants[i] = (double)mc_node_cost(group[i]).weight_bytes;
  }
  find_lives(p, g);
  return p;
}

void pricer_destroy(pricer *p) {
  mc_module_destroy(p->strips);
  mc_arena_destroy(p->a);
}

/* Link i, which is group `at`, on its strip. */
static price price_of(pricer *p, const mc_chain *c, int i, int at) {
  prices *known = &p->price[at];
  for (size_t k = 0; k < known->n; k++)
    if (known->v[k].rows == c->link[i].rows) return known->v[k];
  const mc_node *g = mc_chain_strip(c, i, p->strips);
  double own = 4 * p->constants[at]; /* what else the links of a chain keep near it */
  price x = { c->link[i].rows, scratch_of(p, g),
              mc_decide_price(g, p->t, (int64_t)p->weights).cycles,
              mc_decide_price(g, p->t, (int64_t)own).cycles };
  bool tiles =
      p->t->isa & (MC_ISA_BIT(amx_int8) | MC_ISA_BIT(amx_bf16)) && mc_group_is(g, MC_FAMILY_gemm);
  if (tiles) x.next += mc_tune.tile_setup_strip; /* strips configure tiles for themselves */
  MC_PUSH(p->a, known, x);
  return x;
}

static int64_t strip_bytes(const mc_chain *c, int i) {
  const mc_type *t = c->link[i].group->out[0]->type;
  return c->link[i].kept * (mc_type_bytes(t) / (t->dim[0] * t->dim[1]));
}

static double cycles_of(pricer *p, const mc_chain *c, const segment *s) {
  double cycles = 0, in = 0,
         out = (double)mc_type_bytes(p->group[s->first + s->n - 1]->out[0]->type);
  for (int i = 0; i < c->n; i++) {
    price x = price_of(p, c, i, s->first + i);
    const mc_link *l = &c->link[i];
    cycles += x.first + (double)(c->images * c->steps - 1) * x.next;
    if (l->keep)
      cycles += (double)(c->images * c->steps) / (double)l->lap *
                (mc_tune.chain_move + (double)strip_bytes(c, i) / (double)l->kept *
                                          (double)l->keep / p->t->machine->l2 * 2);
    if (i == 0) in += (double)mc_type_bytes(l->head->in[0]->type);
  }
  return cycles + mc_model_stream(p->t, in + out, in, out);
}

static bool as_chain(pricer *p, const segment *s, mc_chain *c, mc_arena *a) {
  int blame;
  return mc_chain_fit(c, p->group + s->first, s->n, s->rows, a, &blame) == NULL;
}

bool pricer_ask(pricer *p, segment *s) {
  int last = s->first + s->n - 1;
  s->bytes = 0;
  for (int i = 0; i < p->nlife; i++) {
    const life *l = &p->life[i];
    bool between = l->first >= s->first && l->first < last;
    if (l->first <= last && l->last >= s->first && !between) s->bytes += l->bytes;
  }
  if (s->n == 1) {
    s->cycles = p->alone[s->first];
    s->bytes += scratch_of(p, p->group[s->first]);
    return true;
  }
  mc_arena *a = mc_arena_create();
  mc_chain c;
  bool ok = as_chain(p, s, &c, a);
  if (ok) s->cycles = cycles_of(p, &c, s);
  int64_t scratch = 0;
  for (int i = 0; ok && i < s->n; i++) {
    int64_t own = price_of(p, &c, i, s->first + i).scratch;
    if (i + 1 < s->n) s->bytes += strip_bytes(&c, i);
    if (own > scratch) scratch = own; /* links take turns */
  }
  s->bytes += scratch;
  mc_arena_destroy(a);
  return ok;
}

void pricer_between(pricer *p, const segment *s, int64_t *strips, int64_t *whole) {
  mc_arena *a = mc_arena_create();
  mc_chain c;
  *strips = *whole = 0;
  if (as_chain(p, s, &c, a))
    for (int i = 0; i + 1 < s->n; i++)
      *strips += strip_bytes(&c, i), *whole += mc_type_bytes(p->group[s->first + i]->out[0]->type);
  mc_arena_destroy(a);
}
