/* Offsets: greedy by size, best fit (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural
 * Net Inference", 2020, algorithm 3).
 *
 * Blocks are roots of shared storage, from the first group that writes into them to the last that
 * reads, and each group's scratch. The largest goes first; each is put into the smallest gap,
 * between blocks already placed that live at the same time, that holds it, or after them. What
 * ends highest then goes to the front of the order, and everything is placed again: the smallest
 * arena of some tries wins. Plans for several threads weigh who owns the bytes (below). */
#include "planner.h"
#include "mc/plan/decisions.h"
#include <stdlib.h>

typedef struct block {
  int64_t size, offset;
  int first, last, id, tasks, turn;
} block; /* tasks: that fill it, each a part as large as the others; turn: the try that put it to
            the front */

typedef struct blocks {
  block *v;
  int n;
} blocks;

static int64_t round_up(int64_t x) {
  return (x + MC_PLAN_ALIGN - 1) / MC_PLAN_ALIGN * MC_PLAN_ALIGN;
}

static int by_size(const void *pa, const void *pb) {
  const block *a = pa, *b = pb;
  if (a->size != b->size) return a->size < b->size ? 1 : -1;
  return a->id < b->id ? -1 : a->id > b->id;
}

static int by_turn(const void *pa, const void *pb) {
  const block *a = pa, *b = pb;
  return a->turn != b->turn ? b->turn - a->turn : by_size(pa, pb);
}

static int by_offset(const void *pa, const void *pb) {
  const block *a = *(const block *const *)pa, *b = *(const block *const *)pb;
  if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* The smallest gap among `near` (placed blocks that live with b, sorted by offset) that holds b. */
static int64_t best_gap(const block *b, block *const *near, int n) {
  int64_t end = 0, best = -1, best_size = INT64_MAX;
  for (int i = 0; i < n; i++) {
    int64_t gap = near[i]->offset - end;
    if (gap >= b->size && gap < best_size) {
      best = end;
      best_size = gap;
    }
    if (near[i]->offset + near[i]->size > end) end = near[i]->offset + near[i]->size;
  }
  return best >= 0 ? best : end;
}

/* ---- several threads ----
 *
 * A core that writes a line which another core has written waits for it as for a line that it reads
 * from there. Groups are divided evenly and in order, so the first of two tasks owns the first half
 * of every tensor; where tensors that take turns in the same memory have their middles in one
 * place, every line stays with its core. */

static int64_t part_start(const block *b, int t) { return b->offset + b->size * t / b->tasks; }

static int64_t common(int64_t a, int64_t a_end, int64_t b, int64_t b_end) {
  int64_t lo = a > b ? a : b, hi = a_end < b_end ? a_end : b_end;
  return hi > lo ? hi - lo : 0;
}

/* Bytes of both that do not have the same task as owner. */
static int64_t contested(const block *a, const block *b) {
  int64_t n = common(a->offset, a->offset + a->size, b->offset, b->offset + b->size);
  for (int t = 0; n > 0 && t < a->tasks && t < b->tasks; t++)
    n -= common(part_start(a, t), part_start(a, t + 1), part_start(b, t), part_start(b, t + 1));
  return n;
}

typedef struct site {
  const block *all;
  int placed;
  block *const *near;
  int n;
  int64_t top;
} site; /* all[0 .. placed): what has a place; near: those of them that live with the block */

/* Contested bytes, and those by which the arena grows; -1: b does not fit there. */
static int64_t site_cost(const site *s, block *b, int64_t offset) {
  int64_t cost = offset + b->size > s->top ? offset + b->size - s->top : 0;
  b->offset = offset;
  for (int i = 0; i < s->n; i++)
    if (common(offset, offset + b->size, s->near[i]->offset, s->near[i]->offset + s->near[i]->size))
      return -1;
  for (int i = 0; i < s->placed; i++)
    if (s->all[i].offset < offset + b->size && offset < s->all[i].offset + s->all[i].size)
      cost += contested(&s->all[i], b);
  return cost;
}

/* The cheapest place: at the ends of gaps, or with its middle on another block's. */
static int64_t shared_place(const site *s, block *b, int64_t best) {
  int64_t least = site_cost(s, b, best);
  for (int i = 0; i < s->placed; i++) {
    const block *q = &s->all[i];
    const int64_t at[] = { q->offset + q->size / 2 - b->size / 2, q->offset, q->offset + q->size,
                           q->offset - b->size, q->offset + q->size - b->size };
    for (int k = 0; k < 5; k++) {
      int64_t offset = at[k] < 0 ? -1 : at[k] / MC_PLAN_ALIGN * MC_PLAN_ALIGN,
              cost = offset < 0 ? -1 : site_cost(s, b, offset);
      if (cost < 0 || cost > least || (cost == least && offset >= best)) continue;
      least = cost;
      best = offset;
    }
  }
  return best;
}

static int64_t assign_in_order(planner *s, blocks *all) {
  block **near = MC_NEWN(s->a, block *, all->n);
  int64_t top = 0;
  qsort(all->v, (size_t)all->n, sizeof *all->v, by_turn);
  for (int i = 0; i < all->n; i++) {
    block *b = &all->v[i];
    int n = 0;
    for (int j = 0; j < i; j++)
      if (all->v[j].first <= b->last && b->first <= all->v[j].last) near[n++] = &all->v[j];
    qsort(near, (size_t)n, sizeof *near, by_offset);
    b->offset = best_gap(b, near, n);
    if (s->p->threads > 1)
      b->offset = shared_place(&(site){ all->v, i, near, n, top }, b, b->offset);
    if (b->offset + b->size > top) top = b->offset + b->size;
  }
  return top;
}

/* Most bytes that are alive at once: no arena is smaller. */
static int64_t most_alive(planner *s, const blocks *all) {
  int64_t *alive = MC_NEWN(s->a, int64_t, s->p->ngroup + 2),
          most = 0; /* [i + 1]: while group i runs */
  for (int k = 0; k < all->n; k++)
    for (int i = all->v[k].first; i <= all->v[k].last; i++)
      if ((alive[i + 1] += all->v[k].size) > most) most = alive[i + 1];
  return most;
}

static block *highest(const blocks *all) {
  block *top = NULL;
  for (int i = 0; i < all->n; i++)
    if (!top || all->v[i].offset + all->v[i].size > top->offset + top->size) top = &all->v[i];
  return top;
}

static int64_t assign(planner *s, blocks *all) {
  enum { TRIES = 24 };

  int64_t least = most_alive(s, all), best = assign_in_order(s, all);
  block *kept = mc_arena_copy(s->a, all->v, sizeof *all->v * (size_t)all->n);
  for (int turn = 1; turn <= TRIES && best > least && s->p->threads == 1; turn++) {
    highest(all)->turn = turn;
    int64_t top = assign_in_order(s, all);
    if (top >= best) continue;
    best = top;
    kept = mc_arena_copy(s->a, all->v, sizeof *all->v * (size_t)all->n);
  }
  all->v = kept;
  return best;
}

static int tasks_of(const planner *s, int group) {
  return s->p->threads == 1 || group < 0 ? 1 : s->p->tasks[group];
}

static void add_values(planner *s, blocks *all) {
  int *number = MC_NEWN(s->a, int, s->p->nbuf);
  for (int i = 0; i < s->p->nbuf; i++) {
    mc_buffer *b = &s->p->buf[i];
    if (b->parent || b->place != MC_PLACE_ARENA) continue;
    all->v[all->n++] = (block){ .size = round_up(b->size),
                                .first = s->l[i].first,
                                .last = s->l[i].last,
                                .id = i,
                                .tasks = tasks_of(s, s->l[i].first) };
    number[i] = all->n;
  }
  for (int i = 0; i < s->p->nbuf; i++) { /* a root lives as long as anything in it */
    int k = number[planner_root(&s->p->buf[i]) - s->p->buf];
    if (!k) continue;
    block *root = &all->v[k - 1];
    if (s->l[i].first < root->first) root->first = s->l[i].first;
    if (s->l[i].last > root->last) root->last = s->l[i].last;
  }
}

/* Links take turns: one block serves them all. It is the first link's, and comes after those of
 * the groups before. */
static void largest_of_chain(const planner *s, blocks *all, int i, int64_t n) {
  const mc_chain *c = planner_chain(s, i);
  int id = s->p->nbuf + c->first;
  block *known = all->n && all->v[all->n - 1].id == id ? &all->v[all->n - 1] : NULL;
  if (!n || (known && known->size >= round_up(n))) return;
  if (!known) known = &all->v[all->n++];
  *known = (block){
    .size = round_up(n), .first = c->first, .last = c->first + c->n - 1, .id = id, .tasks = 1
  };
}

static bool add_scratch(planner *s, blocks *all) {
  for (int i = 0; i < s->p->ngroup; i++) {
    int64_t n = mc_plan_scratch(s->p, i);
    s->p->scratch_offset[i] = -1;
    s->p->scratch_bytes[i] = n;
    if (n < 0 || n > INT64_C(1) << 46)
      return mc_error(s->d, s->p->group[i]->loc, "this kernel needs %lld bytes of scratch memory",
                      (long long)n);
    if (planner_chain(s, i))
      largest_of_chain(s, all, i, n);
    else if (n)
      all->v[all->n++] = (block){
        .size = round_up(n), .first = i, .last = i, .id = s->p->nbuf + i, .tasks = tasks_of(s, i)
      };
  }
  return true;
}

static int64_t chain_scratch(const planner *s, const blocks *all, const mc_chain *c) {
  for (int k = 0; k < all->n; k++)
    if (all->v[k].id == s->p->nbuf + c->first) return all->v[k].offset;
  return -1;
}

bool planner_memory(planner *s) {
  mc_plan *p = s->p;
  blocks all = { .v = MC_NEWN(s->a, block, p->nbuf + p->ngroup) };
  add_values(s, &all);
  if (!add_scratch(s, &all)) return false;
  p->arena_bytes = assign(s, &all);
  for (int k = 0; k < all.n; k++) {
    if (all.v[k].id >= p->nbuf)
      p->scratch_offset[all.v[k].id - p->nbuf] = all.v[k].offset;
    else
      p->buf[all.v[k].id].offset = all.v[k].offset;
  }
  for (int i = 0; i < p->ngroup; i++) {
    const mc_chain *c = planner_chain(s, i);
    if (c) p->scratch_offset[i] = p->scratch_bytes[i] ? chain_scratch(s, &all, c) : -1;
  }
  for (int i = 0; i < p->nbuf; i++)
    if (p->buf[i].place == MC_PLACE_ARENA) p->buf[i].offset = planner_root(&p->buf[i])->offset;
  if (p->arena_bytes > INT64_C(1) << 46)
    return mc_error(s->d, p->graph->loc, "the graph needs %lld bytes of memory",
                    (long long)p->arena_bytes);
  return true;
}
