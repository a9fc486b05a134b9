/* The independent checker: from the graph and the finished buffers alone, not from how the planner
 * came to them.
 *
 * Values that a kernel writes are checked pairwise: where the lives of two meet, their bytes must
 * not (a map may write over an operand that dies there). Values that need no code (results of alias
 * groups) must lie exactly where their operands do, and lengthen the lives of what they are made
 * of. */
#include "families.h"
#include "mc/plan/chain.h"

/* A value that a kernel writes into the arena. */
typedef struct written {
  const mc_buffer *b;
  int first, last;
  int64_t lo, hi;
} written;

typedef struct checker {
  const mc_plan *p;
  mc_map pos;
  mc_diag *d;
  mc_arena *a;
  bool ok;
} checker;

static const char *label(const checker *c, const mc_value *v) {
  if (v->name) return mc_arena_printf(c->a, "%%%s", v->name);
  return v->def ? mc_arena_printf(c->a, "a result of group %d",
                                  (int)(intptr_t)mc_map_ptr_get(&c->pos, v->def) - 1)
                : "an input";
}

static mc_loc place_of(const mc_value *v) { return v->def ? v->def->loc : v->loc; }

static int64_t element(const mc_buffer *b) { return (int64_t)mc_dtype_size(b->value->type->dtype); }

static bool is_alias(const mc_node *group) { return mc_group_has(group, MC_FAM_NOCODE); }

#define FAIL(c, v, ...) ((c)->ok = mc_error((c)->d, place_of(v), __VA_ARGS__))

/* ---- one buffer ---- */

/* Address of the first halo byte, and of the first after the last. */
static int64_t low(const mc_buffer *b) {
  int64_t at = b->offset + b->base;
  return b->value->type->rank == 4
             ? at - (b->halo[0] * b->pitch_w + b->halo[1]) * b->pitch_c * element(b)
             : at;
}

static int64_t high(const mc_buffer *b) {
  const mc_type *t = b->value->type;
  if (t->rank != 4) return low(b) + mc_type_bytes(t);
  int64_t pixels =
      (b->kept ? b->kept : (b->folded ? 1 : t->dim[0]) * (b->halo[0] + t->dim[1] + b->halo[2])) *
      b->pitch_w;
  return low(b) + ((pixels - 1) * b->pitch_c + t->dim[3]) * element(b);
}

static bool has_halo(const mc_buffer *b) {
  return b->halo[0] || b->halo[1] || b->halo[2] || b->halo[3];
}

static bool is_dense(const mc_buffer *b) {
  return b->value->type->rank != 4 || (!has_halo(b) && b->pitch_c == b->value->type->dim[3]);
}

static void check_buffer(checker *c, const mc_buffer *b) {
  const mc_type *t = b->value->type;
  const char *name = label(c, b->value);
  for (int k = 0; k < 4; k++)
    if (b->halo[k] < 0 || (b->halo[k] && t->rank != 4))
      FAIL(c, b->value, "%s has a halo that its shape does not allow", name);
  if (t->rank == 4 && (b->pitch_w != b->halo[1] + t->dim[2] + b->halo[3] || b->pitch_c < t->dim[3]))
    FAIL(c, b->value, "%s: pitches do not hold its pixels", name);
  if (!c->ok || b->place != MC_PLACE_ARENA) return;
  if (low(b) < 0 || high(b) + MC_PLAN_SLACK > c->p->arena_bytes)
    FAIL(c, b->value, "%s (bytes %lld to %lld and slack) leaves the arena of %lld bytes", name,
         (long long)low(b), (long long)high(b), (long long)c->p->arena_bytes);
  if (!b->parent && low(b) % c->p->arena_align)
    FAIL(c, b->value, "%s is not aligned: offset %lld", name, (long long)low(b));
}

static void check_borders(checker *c) {
  const mc_graph *g = c->p->graph;
  for (int i = 0; i < g->nin; i++) {
    const mc_buffer *b = mc_plan_buffer(c->p, g->in[i]);
    if (!b || b->place != MC_PLACE_INPUT || b->index != i || b->offset + b->base != 0 ||
        !is_dense(b))
      FAIL(c, g->in[i], "input %d does not lie as the caller gives it", i);
  }
  for (int i = 0; i < mc_graph_nout(g); i++) {
    const mc_value *v = mc_graph_out(g, i);
    const mc_buffer *b = mc_plan_buffer(c->p, v);
    if (!b || b->place != MC_PLACE_OUTPUT || b->index != i || b->offset + b->base != 0 ||
        !is_dense(b))
      FAIL(c, v, "result %d does not reach the caller's memory", i);
  }
}

/* ---- readers ---- */

/* First and last row (axis 0) or column (1) that the windows of conv2d n touch. */
static void window(const mc_node *n, int axis, int64_t *first, int64_t *last) {
  const mc_attrs_conv2d *at = MC_ATTRS(n, conv2d);
  *first = -at->pad[axis];
  *last = (n->out[0]->type->dim[1 + axis] - 1) * at->stride[axis] - at->pad[axis] +
          at->dilation[axis] * (n->in[1]->type->dim[1 + axis] - 1);
}

static void check_product(checker *c, const mc_node *group, const mc_node *head) {
  mc_reads r = mc_group_reads(group, c->a);
  for (int i = 0; i < r.n; i++) {
    const mc_buffer *b = mc_plan_buffer(c->p, r.v[i]);
    if (b && b->place != MC_PLACE_ARENA)
      FAIL(c, group->out[0], "%s is read by a product but lies outside the arena",
           label(c, r.v[i]));
  }
  if (head->op != MC_OP_conv2d) return;
  const mc_buffer *x = mc_plan_buffer(c->p, head->in[0]);
  for (int axis = x && x->kept ? 1 : 0; axis < 2; axis++) {
    int64_t first, last, border = x ? x->halo[axis] : 0, after = x ? x->halo[axis + 2] : 0;
    window(head, axis, &first, &last);
    if (-first > border || last - (head->in[0]->type->dim[1 + axis] - 1) > after)
      FAIL(c, group->out[0], "the halo of %s is too small for conv2d's padding",
           label(c, head->in[0]));
  }
}

static bool same_storage(const mc_buffer *a, const mc_buffer *b) {
  return a->place == b->place && a->index == b->index && a->offset == b->offset;
}

static void check_part(checker *c, const mc_buffer *y, const mc_buffer *x, int64_t before,
                       bool channels) {
  bool ok = x && same_storage(x, y) && element(x) == element(y);
  if (ok && channels) {
    ok = x->pitch_c == y->pitch_c && x->pitch_w == y->pitch_w &&
         x->base == y->base + before * element(y);
    for (int k = 0; k < 4; k++) ok &= x->halo[k] == y->halo[k];
  } else if (ok) {
    ok = is_dense(x) && is_dense(y) && x->base == y->base + before * element(y);
  }
  if (!ok)
    FAIL(c, y->value, "%s needs no code only if its operands lie inside of it; one does not",
         label(c, y->value));
}

static void check_alias(checker *c, const mc_node *group, const mc_node *head) {
  const mc_buffer *y = mc_plan_buffer(c->p, group->out[0]);
  if (head->op != MC_OP_reshape && head->op != MC_OP_concat) {
    FAIL(c, group->out[0], "'%s' computes something: kernel \"alias\" would lose it",
         mc_ops[head->op].text);
    return;
  }
  const mc_type *t = y->value->type;
  int64_t axis = head->op == MC_OP_concat ? MC_ATTRS(head, concat)->axis : 0, outer = 1, before = 0;
  if (axis < 0) axis += t->rank;
  for (int64_t i = 0; i < axis; i++) outer *= t->dim[i];
  bool channels = head->op == MC_OP_concat && outer > 1;
  if (channels && (t->rank != 4 || axis != 3))
    FAIL(c, group->out[0], "parts of this concat are not contiguous");
  for (int k = 0; k < head->nin; k++) {
    const mc_type *x = head->in[k]->type;
    check_part(c, y, mc_plan_buffer(c->p, head->in[k]), before, channels);
    before += channels ? x->dim[3] : mc_type_elems(x);
  }
}

static void check_groups(checker *c) {
  for (int i = 0; i < c->p->ngroup; i++) {
    const mc_node *g = c->p->group[i], *head = mc_group_head(g);
    if (mc_op_has(head->op, MC_T_ACCUM)) check_product(c, g, head);
    if (is_alias(g)) check_alias(c, g, head);
  }
}

/* ---- lives ---- */

/* Last group that uses v or anything that lies in its memory without code. */
static int last_use(const checker *c, const mc_value *v, int first) {
  int last = first;
  for (const mc_use *u = v->uses; u; u = u->next) {
    mc_node *n = mc_node_in(c->p->graph, u->user);
    int at =
        !n || n->op == MC_OP_return ? c->p->ngroup : (int)(intptr_t)mc_map_ptr_get(&c->pos, n) - 1;
    if (at > last) last = at;
    if (!n || n->op != MC_OP_group || !is_alias(n)) continue;
    int later = last_use(c, n->out[0], at);
    if (later > last) last = later;
  }
  return last;
}

static bool channels_apart(const written *a, const written *b) {
  const mc_buffer *x = a->b, *y = b->b;
  if (x->value->type->rank != 4 || y->value->type->rank != 4 || x->pitch_c != y->pitch_c ||
      element(x) != element(y))
    return false;
  int64_t pixel = x->pitch_c * element(x), nx = x->value->type->dim[3] * element(x),
          ny = y->value->type->dim[3] * element(y);
  int64_t d = ((b->lo - a->lo) % pixel + pixel) %
              pixel; /* y's channels start d bytes after x's, modulo the pixel */
  return d >= nx && d + ny <= pixel;
}

/* Do both have the same elements at the same bytes? */
static bool same_positions(const mc_buffer *x, const mc_buffer *y) {
  if (element(x) != element(y) || !same_storage(x, y) || x->base != y->base) return false;
  if (is_dense(x) && is_dense(y))
    return mc_type_elems(x->value->type) == mc_type_elems(y->value->type);
  return mc_type_same_shape(x->value->type, y->value->type) && x->pitch_c == y->pitch_c &&
         x->pitch_w == y->pitch_w;
}

/* b is computed by a map in memory where a (or a part of it, or it and others in a concat) dies.
 * What the map reads of that memory it reads at the positions that it writes, element by element.
 */
static bool takes_over(const checker *c, const written *a, const written *b) {
  const mc_node *g = c->p->group[b->first];
  if (a->last != b->first || !mc_group_is(g, MC_FAMILY_map)) return false;
  mc_reads r = mc_group_reads(g, c->a);
  bool found = false;
  for (int i = 0; i < r.n; i++) {
    const mc_buffer *x = mc_plan_buffer(c->p, r.v[i]);
    if (!x || x->place != MC_PLACE_ARENA || low(x) >= a->hi || high(x) <= a->lo) continue;
    if (!same_positions(x, b->b) || !mc_type_same_shape(r.v[i]->type, b->b->value->type))
      return false;
    found = true;
  }
  return found;
}

/* Links take turns: what belongs to one of them is needed while any of them runs. */
static void stretch(const checker *c, int *first, int *last) {
  int from = *first < 0 ? -1 : c->p->chain_of[*first],
      to = *last < c->p->ngroup ? c->p->chain_of[*last] : -1;
  if (from >= 0) *first = c->p->chain[from].first;
  if (to >= 0) *last = c->p->chain[to].first + c->p->chain[to].n - 1;
}

/* Rows that the next link still wants when a step has written its own: windows of a step later by
 * the difference of the lags, and what reaches above. */
static void check_chain(checker *c, const mc_chain *k) {
  for (int i = 0; i + 1 < k->n; i++) {
    const mc_link *l = &k->link[i], *next = l + 1;
    const mc_value *v = l->group->out[0];
    const mc_buffer *b = mc_plan_buffer(c->p, v);
    int64_t lo = next->pad + (next->lag - l->lag) * l->rows,
            ahead = (next->rows - 1) * next->stride - next->pad + next->reach;
    if (!b || b->kept != l->kept || b->parent)
      FAIL(c, v, "%s lies between links of a chain, but not in rows of its own", label(c, v));
    else if (l->kept < lo + l->rows || l->kept != l->keep + l->lap * l->rows || l->keep < lo)
      FAIL(c, v, "%s: %lld rows of memory are too few for chain %lld", label(c, v),
           (long long)l->kept, (long long)k->number);
    if (ahead > (next->lag - l->lag + 1) * l->rows)
      FAIL(c, v, "%s is read before it is computed in chain %lld", label(c, v),
           (long long)k->number);
    if (!mc_value_single_user(v))
      FAIL(c, v, "%s lies between links of a chain and has several readers", label(c, v));
  }
}

static void check_lives(checker *c) {
  written *w = MC_NEWN(c->a, written, c->p->nbuf);
  int n = 0;
  for (int i = 0; i < c->p->nbuf; i++) {
    const mc_buffer *b = &c->p->buf[i];
    if (b->place != MC_PLACE_ARENA || is_alias(b->value->def)) continue;
    int first = (int)(intptr_t)mc_map_ptr_get(&c->pos, b->value->def) - 1,
        last = last_use(c, b->value, first);
    stretch(c, &first, &last);
    w[n++] = (written){ .b = b, .first = first, .last = last, .lo = low(b), .hi = high(b) };
  }
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) {
      if (w[i].lo >= w[j].hi || w[j].lo >= w[i].hi || w[i].first > w[j].last ||
          w[j].first > w[i].last)
        continue;
      if (channels_apart(&w[i], &w[j]) || takes_over(c, &w[i], &w[j]) ||
          takes_over(c, &w[j], &w[i]))
        continue;
      FAIL(c, w[j].b->value, "%s and %s overlap in the arena while both are needed",
           label(c, w[i].b->value), label(c, w[j].b->value));
    }
  for (int i = 0; i < c->p->ngroup; i++) {
    int from = i, to = i;
    stretch(c, &from, &to);
    int64_t lo = c->p->scratch_offset[i], hi = lo + c->p->scratch_bytes[i];
    if (c->p->scratch_bytes[i] == 0) continue;
    if (lo < 0 || lo % c->p->arena_align || hi > c->p->arena_bytes)
      FAIL(c, c->p->group[i]->out[0],
           "the scratch memory of group %d leaves the arena or is not aligned", i);
    for (int j = 0; j < n; j++)
      if (w[j].first <= to && from <= w[j].last && w[j].lo < hi && lo < w[j].hi)
        FAIL(c, c->p->group[i]->out[0], "the scratch memory of group %d overlaps %s", i,
             label(c, w[j].b->value));
  }
}

bool mc_plan_check(const mc_plan *p, mc_diag *d) {
  checker c = { .p = p, .d = d, .a = mc_arena_create(), .ok = true };
  mc_map_init(&c.pos, c.a);
  for (int i = 0; i < p->ngroup; i++)
    *mc_map_ptr_slot(&c.pos, p->group[i]) = (void *)(intptr_t)(i + 1);
  for (int i = 0; i < p->nbuf; i++) check_buffer(&c, &p->buf[i]);
  if (p->arena_bytes % p->arena_align)
    c.ok = mc_error(d, p->graph->loc, "the arena's size is no multiple of its alignment");
  check_borders(&c);
  check_groups(&c);
  for (int i = 0; i < p->nchain; i++) check_chain(&c, &p->chain[i]);
  if (c.ok) check_lives(&c);
  mc_arena_destroy(c.a);
  return c.ok;
}
