/* Which values share storage, and how every value is laid out.
 *
 * Sharing is decided in this order, each step on what the one before left: reshapes become aliases
 * where both sides are dense; concat operands are computed inside the result; results of maps take
 * over an operand that dies. Then a root's halo is the largest need in its class, and pitches and
 * bases go from roots to leaves. */
#include "planner.h"
#include <limits.h>
#include <string.h>

mc_buffer *planner_buffer(const planner *s, const mc_value *v) {
  intptr_t i = (intptr_t)mc_map_ptr_get(&s->p->index, v);
  return i ? &s->p->buf[i - 1] : NULL;
}

mc_buffer *planner_root(mc_buffer *b) {
  while (b->parent) b = b->parent;
  return b;
}

static int64_t elem_size(const mc_buffer *b) {
  return (int64_t)mc_dtype_size(b->value->type->dtype);
}

static bool wants_halo(const layout *l) {
  return l->need[0] || l->need[1] || l->need[2] || l->need[3];
}

static void attach(planner *s, mc_buffer *child, mc_buffer *parent, relation rel,
                   int64_t parent_base) {
  child->parent = parent;
  child->parent_base = parent_base;
  planner_layout(s, child)->rel = rel;
  planner_layout(s, parent)->children++;
}

/* ---- what readers want ---- */

static bool note_needs(planner *s) {
  for (int i = 0; i < s->p->ngroup; i++) {
    const mc_node *head = mc_group_head(s->p->group[i]);
    if (head->op != MC_OP_conv2d) continue;
    mc_buffer *b = planner_buffer(s, head->in[0]);
    if (!b) continue;
    int64_t border[4];
    mc_conv_border(head, border);
    layout *l = planner_layout(s, b);
    for (int k = 0; k < 4; k++) {
      if (border[k] > INT_MAX / 4)
        return mc_error(s->d, head->loc, "conv2d: padding of %lld is too large for this planner",
                        (long long)border[k]);
      if (border[k] > l->need[k]) l->need[k] = border[k];
    }
  }
  return true;
}

/* ---- classes: a root and all that lives in it ---- */

static int class_last(const planner *s, mc_buffer *root) {
  int last = -1;
  for (int i = 0; i < s->p->nbuf; i++)
    if (planner_root(&s->p->buf[i]) == root && s->l[i].last > last) last = s->l[i].last;
  return last;
}

/* Does any group but `except`, and but aliases, read a member of the class? */
static bool read_by_others(const planner *s, mc_buffer *root, int except) {
  for (int i = 0; i < s->p->ngroup; i++) {
    if (i == except || mc_group_has(s->p->group[i], MC_FAM_NOCODE)) continue;
    for (int k = 0; k < s->reads[i].n; k++)
      if (planner_root(planner_buffer(s, s->reads[i].v[k])) == root) return true;
  }
  return false;
}

static bool is_free_root(const mc_buffer *b) { return !b->parent && b->place == MC_PLACE_ARENA; }

static bool class_wants_halo(const planner *s, const mc_buffer *root) {
  for (int i = 0; i < s->p->nbuf; i++)
    if (planner_root(&s->p->buf[i]) == root && wants_halo(&s->l[i])) return true;
  return false;
}

/* ---- reshape ---- */

/* The result in the operand's memory, or (when the caller gave memory for the result) the operand
 * in the result's. */
static bool alias_reshape(planner *s, int i, const mc_node *head) {
  mc_buffer *y = planner_buffer(s, s->p->group[i]->out[0]), *x = planner_buffer(s, head->in[0]);
  if (!x || wants_halo(planner_layout(s, x)) || wants_halo(planner_layout(s, y))) return false;
  mc_buffer *r = planner_root(x);
  if (y->place == MC_PLACE_ARENA) {
    if (r->place == MC_PLACE_OUTPUT) return false; /* readers of y may be products */
    attach(s, y, x, REL_DENSE, 0);
    return true;
  }
  if (!is_free_root(r) || read_by_others(s, r, i)) return false;
  attach(s, r, y, REL_DENSE, 0);
  return true;
}

/* ---- concat ---- */

/* Contiguous parts: every axis before `axis` has size 1. */
static bool is_outer_axis(const mc_type *t, int axis) {
  for (int i = 0; i < axis; i++)
    if (t->dim[i] != 1) return false;
  return true;
}

/* Is every buffer below b laid out by pixels (so that b may get another pitch)? */
static bool only_pixel_children(const planner *s, const mc_buffer *b) {
  for (int i = 0; i < s->p->nbuf; i++) {
    if (s->p->buf[i].parent != b) continue;
    if (s->l[i].rel != REL_PIXEL || !only_pixel_children(s, &s->p->buf[i])) return false;
  }
  return true;
}

/* Must b stay dense: tied to a reshape or to a concat on an outer axis? */
static bool is_dense(const planner *s, const mc_buffer *b) {
  if (b->parent && s->l[b - s->p->buf].rel == REL_DENSE) return true;
  for (int i = 0; i < s->p->nbuf; i++)
    if (s->p->buf[i].parent == b && s->l[i].rel == REL_DENSE) return true;
  return false;
}

typedef struct part {
  mc_buffer *root;
  int64_t base;
} part;

static bool same_elements(const mc_type *a, const mc_type *b) {
  return a->dtype == b->dtype && a->q.kind == b->q.kind && a->q.kind != MC_Q_AXIS &&
         (a->q.kind == MC_Q_NONE || (a->q.scale == b->q.scale && a->q.zero == b->q.zero));
}

/* Can operand v be computed at its place in y? The root of its class is what moves there: it must
 * be v's own size, free, and (outputs) read by nobody else. */
static mc_buffer *part_root(const planner *s, int i, const mc_value *v, mc_buffer *y,
                            relation rel) {
  mc_buffer *x = planner_buffer(s, v);
  if (!x || !same_elements(v->type, y->value->type)) return NULL;
  mc_buffer *r = planner_root(x), *into = planner_root(y);
  if (!is_free_root(r) || r == into || mc_type_elems(r->value->type) != mc_type_elems(v->type))
    return NULL;
  if (rel == REL_PIXEL &&
      (r != x || !only_pixel_children(s, x) || (class_wants_halo(s, r) && is_dense(s, y))))
    return NULL;
  if (rel == REL_DENSE && class_wants_halo(s, r)) return NULL;
  return into->place == MC_PLACE_OUTPUT && read_by_others(s, r, i) ? NULL : r;
}

static bool alias_concat(planner *s, int i, const mc_node *head) {
  mc_buffer *y = planner_buffer(s, s->p->group[i]->out[0]);
  const mc_type *t = y->value->type;
  int64_t at = MC_ATTRS(head, concat)->axis;
  int axis = (int)(at < 0 ? at + t->rank : at);
  relation rel = is_outer_axis(t, axis) ? REL_DENSE : REL_PIXEL;
  if (rel == REL_PIXEL && (t->rank != 4 || axis != 3)) return false;
  if (rel == REL_DENSE && wants_halo(planner_layout(s, y))) return false;
  part *parts = MC_NEWN(s->a, part, head->nin);
  int64_t base = 0;
  for (int k = 0; k < head->nin; k++) {
    mc_buffer *r = part_root(s, i, head->in[k], y, rel);
    for (int j = 0; j < k && r; j++)
      if (parts[j].root == r) r = NULL;
    if (!r) return false;
    parts[k] = (part){ r, base };
    base += (rel == REL_PIXEL ? head->in[k]->type->dim[3] : mc_type_elems(head->in[k]->type)) *
            elem_size(y);
  }
  for (int k = 0; k < head->nin; k++) attach(s, parts[k].root, y, rel, parts[k].base);
  return true;
}

static void alias_moves(planner *s) {
  for (int i = 0; i < s->p->ngroup; i++) {
    mc_node *g = s->p->group[i], *head = mc_group_head(g);
    if (head->op == MC_OP_reshape)
      mc_group_set_family(g, alias_reshape(s, i, head) ? MC_FAMILY_alias : MC_FAMILY_move);
  }
  for (int i = 0; i < s->p->ngroup; i++) {
    mc_node *g = s->p->group[i], *head = mc_group_head(g);
    if (head->op != MC_OP_concat) continue;
    bool in_place = !(s->o && s->o->no_concat_alias) && alias_concat(s, i, head);
    mc_group_set_family(g, in_place ? MC_FAMILY_alias : MC_FAMILY_move);
  }
}

/* ---- in-place maps ---- */

/* One class, one reader in group i: x itself. Another member read at other positions would see new
 * elements. */
static bool read_once(const planner *s, int i, const mc_buffer *x, mc_buffer *root) {
  for (int k = 0; k < s->reads[i].n; k++) {
    mc_buffer *b = planner_buffer(s, s->reads[i].v[k]);
    if (b != x && planner_root(b) == root) return false;
  }
  return true;
}

static bool takes_over(planner *s, int i, const mc_value *v, mc_buffer *y) {
  mc_buffer *x = planner_buffer(s, v);
  if (!x || !mc_type_same_shape(v->type, y->value->type) || elem_size(x) != elem_size(y))
    return false;
  mc_buffer *r = planner_root(x);
  if (r->place != MC_PLACE_ARENA || class_last(s, r) > i || !read_once(s, i, x, r)) return false;
  bool dense = !wants_halo(planner_layout(s, y));
  for (int k = 0; k < s->p->nbuf; k++) /* a class with dense members can have no halo; one with
                                          parts of pixels is left alone */
    if (planner_root(&s->p->buf[k]) == r) {
      if (s->l[k].rel == REL_DENSE && !dense) return false;
      if (s->l[k].rel == REL_PIXEL && !mc_type_same_shape(s->p->buf[k].value->type, v->type))
        return false;
    }
  if (x != r && planner_layout(s, x)->rel == REL_DENSE &&
      mc_type_elems(r->value->type) != mc_type_elems(v->type))
    return false;
  bool pixel = planner_layout(s, x)->rel != REL_DENSE && v->type->rank == 4;
  attach(s, y, x, pixel ? REL_PIXEL : REL_DENSE, 0);
  return true;
}

static void reuse_operands(planner *s) {
  for (int i = 0; i < s->p->ngroup; i++) {
    if (!mc_group_is(s->p->group[i], MC_FAMILY_map) || planner_chain(s, i)) continue;
    mc_buffer *y = planner_buffer(s, s->p->group[i]->out[0]);
    if (!is_free_root(y) || planner_layout(s, y)->children) continue;
    for (int k = 0; k < s->reads[i].n; k++)
      if (takes_over(s, i, s->reads[i].v[k], y)) break;
  }
}

/* ---- halos, pitches, bases ---- */

static void collect_halos(planner *s) {
  for (int i = 0; i < s->p->nbuf; i++) {
    mc_buffer *r = &s->p->buf[i];
    while (r->parent && planner_layout(s, r)->rel == REL_PIXEL) r = r->parent;
    for (int k = 0; k < 4; k++)
      if (s->l[i].need[k] > r->halo[k]) r->halo[k] = (int)s->l[i].need[k];
    if (s->p->buf[i].kept) r->halo[0] = r->halo[2] = 0; /* rows of border among the others */
  }
}

/* Bytes from the first halo byte to the end, checked: paddings come from the text. */
static bool size_of(planner *s, mc_buffer *b) {
  const mc_type *t = b->value->type;
  int64_t n = elem_size(b);
  bool over = false;
  if (t->rank == 4) {
    over |= __builtin_mul_overflow(n, b->kept || b->folded ? 1 : t->dim[0], &n) ||
            __builtin_mul_overflow(n, b->kept ? b->kept : b->halo[0] + t->dim[1] + b->halo[2], &n);
    over |= __builtin_mul_overflow(n, b->pitch_w, &n) || __builtin_mul_overflow(n, b->pitch_c, &n);
  } else {
    n = mc_type_bytes(t);
  }
  if (over || n > INT64_C(1) << 46)
    return mc_error(s->d, b->value->loc,
                    "a value of this size with its border does not fit any memory");
  b->size = n + (b->place == MC_PLACE_ARENA && !b->parent ? MC_PLAN_SLACK : 0);
  return true;
}

/* Parents first; depth is small (reshape of a reshape, concat of a concat). */
static bool place(planner *s, mc_buffer *b, char *done) {
  const mc_type *t = b->value->type;
  if (done[b - s->p->buf]) return true;
  done[b - s->p->buf] = 1;
  if (b->parent) {
    if (!place(s, b->parent, done)) return false;
    b->place = b->parent->place;
    b->index = b->parent->index;
  }
  bool shared = b->parent && planner_layout(s, b)->rel == REL_PIXEL;
  if (shared) memcpy(b->halo, b->parent->halo, sizeof b->halo);
  b->pitch_w = t->rank == 4 ? b->halo[1] + t->dim[2] + b->halo[3] : 0;
  b->pitch_c = t->rank != 4 ? 0 : shared ? b->parent->pitch_c : t->dim[3];
  if (!size_of(s, b)) return false;
  b->base = b->parent ? b->parent->base + b->parent_base
                      : (b->halo[0] * b->pitch_w + b->halo[1]) * b->pitch_c * elem_size(b);
  return true;
}

bool planner_layouts(planner *s) {
  if (!note_needs(s)) return false;
  alias_moves(s);
  if (!(s->o && s->o->no_in_place)) reuse_operands(s);
  planner_fold(s);
  collect_halos(s);
  char *done = MC_NEWN(s->a, char, s->p->nbuf);
  bool ok = true;
  for (int i = 0; i < s->p->nbuf; i++) ok &= place(s, &s->p->buf[i], done);
  return ok;
}
