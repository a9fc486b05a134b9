/* A plan's groups as questions to lib/decide. */
#include "mc/plan/decisions.h"
#include "mc/analysis/cost.h"
#include "mc/plan/chain.h"

mc_strides mc_plan_strides(const mc_buffer *b) {
  const mc_type *t = b->value->type;
  mc_strides s = mc_strides_dense(t);
  s.slack = b->place == MC_PLACE_ARENA;
  if (t->rank != 4) return s;
  int64_t size = (int64_t)mc_dtype_size(t->dtype);
  s.stride[3] = size;
  s.stride[2] = b->pitch_c * size;
  s.stride[1] = b->pitch_w * s.stride[2];
  s.stride[0] = b->folded ? 0 : (b->halo[0] + t->dim[1] + b->halo[2]) * s.stride[1];
  return s;
}

static mc_strides strides_of(const void *plan, const mc_value *v) {
  const mc_buffer *b = mc_plan_buffer(plan, v);
  return b ? mc_plan_strides(b) : mc_strides_dense(v->type);
}

int mc_plan_workers(const mc_plan *p, int i) { return p->threads > 1 ? p->tasks[i] : 1; }

int mc_plan_tasks(const mc_plan *p, int i) {
  return p->images && p->images[i] ? (int)p->batch : mc_plan_workers(p, i);
}

mc_ask mc_plan_ask(const mc_plan *p, int i, int64_t weights) {
  return (mc_ask){ .group = p->group[i],
                   .target = p->target,
                   .weights = weights,
                   .tasks = mc_plan_tasks(p, i),
                   .workers = mc_plan_workers(p, i),
                   .by_images = p->images && p->images[i] != 0,
                   .divide = p->divide ? p->divide[i] : MC_DIVIDE_not,
                   .small = p->small,
                   .strides = strides_of,
                   .ctx = p };
}

const mc_decision *mc_plan_decide(const mc_plan *p, int i, bool others, mc_arena *a) {
  const mc_chain *c = p->chain_of && p->chain_of[i] >= 0 ? &p->chain[p->chain_of[i]] : NULL;
  int64_t weights = mc_graph_cost(p->graph).weight_bytes;
  mc_diag quiet;
  mc_diag_init(&quiet, a);
  if (!c) {
    mc_ask ask = mc_plan_ask(p, i, weights);
    ask.others = others;
    return mc_decide(&ask, a, &quiet);
  }
  mc_module *to = mc_module_create();
  mc_ask ask = mc_plan_ask(mc_chain_strip_plan(p, c, i - c->first, to, a), 0, weights);
  mc_decision *d = mc_decide(&ask, a, &quiet);
  mc_module_destroy(to);
  if (!d) return NULL; /* the strip itself is gone now, and its nodes */
  d->ask.group = p->group[i], d->ask.ctx = p;
  d->narrow.node = NULL;
  for (int k = 0; k < d->nproduct; k++) d->product[k].head = NULL;
  return d;
}

int64_t mc_plan_scratch(const mc_plan *p, int i) {
  const mc_chain *c = p->chain_of && p->chain_of[i] >= 0 ? &p->chain[p->chain_of[i]] : NULL;
  if (!c) {
    mc_ask ask = mc_plan_ask(p, i, 0);
    return mc_decide_scratch(&ask);
  }
  mc_module *to = mc_module_create();
  mc_arena *a = mc_arena_create();
  mc_ask ask = mc_plan_ask(mc_chain_strip_plan(p, c, i - c->first, to, a), 0, 0);
  int64_t n = mc_decide_scratch(&ask);
  mc_arena_destroy(a);
  mc_module_destroy(to);
  return n;
}

mc_estimate mc_plan_estimate(const mc_plan *p, int i) {
  mc_arena *scratch = mc_arena_create();
  const mc_decision *d = mc_plan_decide(p, i, false, scratch);
  mc_estimate e = d ? d->estimate : (mc_estimate){ 0 };
  mc_arena_destroy(scratch);
  return e;
}

bool mc_plan_packed(const mc_plan *p, int i, int64_t *from, int64_t *to) {
  mc_arena *scratch = mc_arena_create();
  const mc_decision *d = mc_plan_decide(p, i, false, scratch);
  *from = d && d->nproduct ? d->product[0].packed_from : 0;
  *to = d && d->nproduct ? d->product[0].packed_to : 0;
  mc_arena_destroy(scratch);
  return *from != 0;
}

mc_choices mc_plan_choices(const mc_plan *p, int i, mc_arena *a) {
  mc_choices c = { 0 };
  if (p->chain_of && p->chain_of[i] >= 0) return c; /* its time cannot be told from the others' */
  mc_arena *scratch = mc_arena_create();
  const mc_decision *d = mc_plan_decide(p, i, false, scratch);
  const mc_gemm *q = d && d->nproduct == 1 ? d->product : NULL;
  if (q && q->nblocking > 1)
    c = (mc_choices){ mc_arena_strdup(a, q->key),
                      mc_arena_copy(a, q->blocking, sizeof *q->blocking * (size_t)q->nblocking),
                      q->nblocking };
  mc_arena_destroy(scratch);
  return c;
}

static void write_product(mc_attrs_group *at, const mc_gemm *q, bool threads, mc_arena *a) {
  at->engine = mc_arena_strdup(a, q->e->name);
  if (threads && q->split >= 0) at->loop = mc_gemm_loop_text(q->split, a);
  if (q->e->tile) return;
  bool zeros = q->zeros.all[0][0] != 0; /* there were blocks to leave out */
  at->blocking = (mc_ints){ MC_NEWN(a, int64_t, 3), zeros ? 3 : 2 };
  at->blocking.v[0] = q->mr, at->blocking.v[1] = q->nv, at->blocking.v[2] = q->unit;
}

static void write_threads(mc_attrs_group *at, const mc_plan *p, int i) {
  at->tasks = p->tasks[i];
  at->divide = p->divide[i] == MC_DIVIDE_rows      ? "rows"
               : p->divide[i] == MC_DIVIDE_columns ? "columns"
                                                   : "";
}

void mc_plan_write_decisions(const mc_plan *p, mc_arena *a) {
  for (int i = 0; i < p->ngroup; i++) {
    if (p->chain_of && p->chain_of[i] >= 0) continue;
    if (mc_group_has(p->group[i], MC_FAM_NOCODE)) continue;
    mc_attrs_group *at = MC_ATTRS(p->group[i], group);
    mc_arena *scratch = mc_arena_create();
    const mc_decision *d = mc_plan_decide(p, i, false, scratch);
    if (d) at->form = (mc_field_QUOTED)d->form;
    if (d && d->nproduct == 1) write_product(at, d->product, p->threads > 1, a);
    if (d && p->threads > 1) write_threads(at, p, i);
    mc_arena_destroy(scratch);
  }
}
