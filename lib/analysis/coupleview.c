/* Reshapes, and the axes that they split and merge. */
#include "couple.h"

/* ---- a reshape as splits and merges ---- */

/* A stretch of axes of both sides with the same number of elements, last axis first. */
typedef struct side {
  run at[MC_MAX_RANK];
  int n;
} side;

static void fix_side(coupling *c, const side *s, const char *why) {
  for (int i = 0; i < s->n; i++) couple_fix(c, s->at[i], why);
}

/* Sizes of the finest axes that both sides are made of, last first; 0: there are none. */
static int common_parts(const side *x, const side *y, int64_t *part) {
  int i = 0, k = 0, n = 0;
  int64_t px = x->at[0].n, py = y->at[0].n, done = 1;
  while (i < x->n || k < y->n) {
    int64_t next = px < py ? px : py;
    if (next % done || n == 2 * MC_MAX_RANK) return 0;
    part[n++] = next / done;
    done = next;
    if (px == next && ++i < x->n)
      px *= x->at[i].n;
    else if (px == next)
      px = INT64_MAX;
    if (py == next && ++k < y->n)
      py *= y->at[k].n;
    else if (py == next)
      py = INT64_MAX;
  }
  return n;
}

/* Each axis of a side is a product of parts, in order. */
static void merge_side(coupling *c, const side *s, const run *part) {
  for (int i = 0, k = 0; i < s->n; i++) {
    run of[2 * MC_MAX_RANK];
    int n = 0;
    for (int64_t size = 1; size < s->at[i].n; size *= part[k++].n) n++;
    for (int j = 0; j < n; j++) of[j] = part[k - 1 - j]; /* the first varies least */
    couple_merge(c, s->at[i], of, n);
  }
}

static void match(coupling *c, const side *x, const side *y) {
  int64_t size[2 * MC_MAX_RANK];
  run part[2 * MC_MAX_RANK];
  if (x->n == 1 && y->n == 1) {
    couple_axes(c, x->at[0], y->at[0]);
    return;
  }
  int n = common_parts(x, y, size);
  if (!n || n > MC_MAX_RANK) {
    fix_side(c, x, "a reshape that cuts through channels");
    fix_side(c, y, "a reshape that cuts through channels");
    return;
  }
  for (int i = 0; i < n; i++) part[i] = couple_new(c, size[i]);
  merge_side(c, x, part);
  merge_side(c, y, part);
}

static void add_axis(side *s, run x, int64_t *product) {
  *product *= x.n;
  if (x.n > 1) s->at[s->n++] = x;
}

void couple_reshape(coupling *c, const mc_node *n) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  int i = x->rank, k = y->rank;
  side sx = { .n = 0 }, sy = { .n = 0 };
  int64_t px = 1, py = 1;
  while (i > 0 || k > 0) {
    bool from_x = i > 0 && (px <= py || k == 0);
    if (from_x)
      i--, add_axis(&sx, couple_operand(c, n, 0, i), &px);
    else
      k--, add_axis(&sy, couple_value(c, n->out[0], k), &py);
    if (px != py || !sx.n || !sy.n) continue;
    match(c, &sx, &sy);
    sx.n = sy.n = 0;
  }
}

/* ---- which part of a merged axis may lose indices ---- */

/* Index along part p for index i of the whole axis. */
static int64_t index_of(const merge *m, int p, int64_t i) {
  for (int k = m->n - 1; k > p; k--) i /= m->part[k].n;
  return i % m->part[p].n;
}

void couple_live(coupling *c, run x) {
  for (int64_t i = 0; i < x.n; i++) c->slot.v[couple_root(c, x.first + (int)i)].live = true;
}

static void take(coupling *c, merge *m, int p) {
  for (int k = 0; k < m->n; k++)
    if (k != p)
      couple_fix(c, m->part[k],
                 "another axis of the same reshape or grouped convolution may lose channels");
  for (int64_t i = 0; i < m->whole.n; i++)
    couple_join(c, m->whole.first + (int)i, m->part[p].first + (int)index_of(m, p, i));
  if (m->n > 1) couple_live(c, m->part[p]);
  m->done = true;
}

void couple_merge(coupling *c, run whole, const run *part, int n) {
  merge m = { .whole = whole };
  bool known = whole.first >= 0;
  for (int i = 0; i < n; i++) {
    known &= part[i].first >= 0;
    if (part[i].n > 1) m.part[m.n++] = part[i];
  }
  if (!known) {
    couple_fix(c, whole, "values of another element type");
    for (int i = 0; i < n; i++) couple_fix(c, part[i], "values of another element type");
  } else if (m.n == 1)
    take(c, &m, 0);
  else
    MC_PUSH(c->a, &c->merge, m);
}

static const char *reason(coupling *c, run x) { return c->slot.v[couple_root(c, x.first)].fixed; }

static void keep_whole(coupling *c, merge *m, const char *why) {
  couple_fix(c, m->whole, why);
  for (int k = 0; k < m->n; k++) couple_fix(c, m->part[k], why);
  m->done = true;
}

/* Settle a merge that has no choice left. */
static bool settle_forced(coupling *c, merge *m) {
  int free = -1, nfree = 0;
  for (int k = 0; k < m->n; k++)
    if (!couple_is_fixed(c, m->part[k])) free = k, nfree++;
  if (couple_is_fixed(c, m->whole) || !nfree) {
    keep_whole(c, m, nfree ? reason(c, m->whole) : reason(c, m->part[0]));
  } else if (nfree == 1)
    take(c, m, free);
  return m->done;
}

/* Classes that may go if part p is taken: the slots of the whole axis with the same index there,
 * and those that are in one class already, fall together. */
static int count_classes(coupling *c, const merge *m, int p) {
  mc_arena *a = mc_arena_create();
  mc_map of;
  mc_map_init(&of, a);
  int64_t n = m->part[p].n;
  int *up = MC_NEWN(a, int, n + 1), count = 0;
  bool *fixed = MC_NEWN(a, bool, n + 1);
  for (int64_t i = 0; i < n; i++) up[i] = (int)i;
  for (int64_t i = 0; i < m->whole.n + n; i++) {
    int64_t at = i < n ? i : index_of(m, p, i - n);
    int r = couple_root(c, i < n ? m->part[p].first + (int)i : m->whole.first + (int)(i - n)),
        e = (int)at;
    void **seen = mc_map_ptr_slot(&of, &c->slot.v[r]);
    while (up[e] != e) e = up[e];
    fixed[e] |= c->slot.v[r].fixed != NULL;
    if (!*seen) {
      *seen = &up[e];
      continue;
    }
    int o = (int)((int *)*seen - up);
    while (up[o] != o) o = up[o];
    if (o == e) continue;
    fixed[o] |= fixed[e];
    up[e] = o;
  }
  for (int64_t i = 0; i < n; i++) count += up[i] == i && !fixed[i];
  mc_arena_destroy(a);
  return count;
}

/* A part that was chosen elsewhere; heads (or all but those); then what leaves most classes;
 * then the first. */
static int rank_part(coupling *c, const merge *m, int p) {
  const cell *r = &c->slot.v[couple_root(c, m->part[p].first)];
  return r->live ? 2 : !r->head ? 0 : c->o.inside ? -1 : 1;
}

static void settle_choice(coupling *c, merge *m) {
  int best = -1, best_rank = 0, best_count = 0;
  for (int k = 0; k < m->n; k++) {
    if (couple_is_fixed(c, m->part[k])) continue;
    int rank = rank_part(c, m, k), count = count_classes(c, m, k);
    if (best >= 0 && (rank < best_rank || (rank == best_rank && count <= best_count))) continue;
    best = k, best_rank = rank, best_count = count;
  }
  if (best_count > 1)
    take(c, m, best);
  else
    keep_whole(c, m, "channels of a reshape or of groups that can only go all together");
}

void couple_settle(coupling *c) {
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < c->merge.n; i++)
      if (!c->merge.v[i].done) more |= settle_forced(c, &c->merge.v[i]);
    for (size_t i = 0; !more && i < c->merge.n; i++) {
      if (c->merge.v[i].done) continue;
      settle_choice(c, &c->merge.v[i]);
      more = true;
    }
  }
}
