/* move: every op that only moves elements is one or more strided copies of boxes. */
#include "copy.h"
#include "mc/support/fixed.h"
#include <string.h>

static kview result(const kgroup *g, int i) { return view_of(g, g->group->out[i]); }

static int axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

static void advance(kbuilder *k, kview *v, int axis, int64_t by) {
  v->base = build_offset(k, v->base, by * v->stride[axis]);
}

/* A transpose may have a quantize before or after it (form-groups: images). */
static bool m_transpose(kgroup *g, const mc_node *n) {
  const mc_node *q = group_first(g);
  if (q == n) q = n->next;
  bool quantized = q->op == MC_OP_quantize;
  kview in = view_of(g, q->next == n ? q->in[0] : n->in[0]), src = in;
  const mc_ints *perm = &MC_ATTRS(n, transpose)->perm;
  for (int d = 0; d < in.rank; d++) src.stride[d] = in.stride[perm->v[d]];
  kbox b = kbox_of(g, n->out[0]->type, src, result(g, 0));
  if (quantized) {
    b.from = q->in[0]->type;
    b.to = q->out[0]->type;
  }
  kbox_copy(&b);
  return true;
}

static bool m_broadcast(kgroup *g, const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  kbox b = kbox_of(g, t, view_broadcast(view_of(g, n->in[0]), n->in[0]->type, t->rank, t->dim),
                   result(g, 0));
  kbox_copy(&b);
  return true;
}

static bool m_slice(kgroup *g, const mc_node *n) {
  const mc_attrs_slice *a = MC_ATTRS(n, slice);
  kview src = view_of(g, n->in[0]);
  for (int d = 0; d < src.rank; d++) {
    advance(g->k, &src, d, a->starts.v[d]);
    if (a->steps.n) src.stride[d] *= a->steps.v[d];
  }
  kbox b = kbox_of(g, n->out[0]->type, src, result(g, 0));
  kbox_copy(&b);
  return true;
}

static bool m_split(kgroup *g, const mc_node *n) {
  int axis = axis_of(MC_ATTRS(n, split)->axis, n->in[0]->type->rank);
  kview src = view_of(g, n->in[0]);
  for (int i = 0; i < n->nout; i++) {
    kbox b = kbox_of(g, n->out[i]->type, src, result(g, i));
    kbox_copy(&b);
    advance(g->k, &src, axis, n->out[i]->type->dim[axis]);
  }
  return true;
}

static bool same_elem(const mc_type *a, const mc_type *b) {
  return a->dtype == b->dtype && a->q.kind == b->q.kind &&
         (a->q.kind != MC_Q_TENSOR || (a->q.scale == b->q.scale && a->q.zero == b->q.zero));
}

/* Is this operand already in its place (concat without copy)? */
static bool in_place(const kgroup *g, const mc_value *v) {
  const mc_buffer *b = group_buffer(g, v), *y = group_buffer(g, g->group->out[0]);
  for (; b; b = b->parent)
    if (b->parent == y) return true;
  return false;
}

static bool m_concat(kgroup *g, const mc_node *n) {
  const mc_type *y = n->out[0]->type;
  int axis = axis_of(MC_ATTRS(n, concat)->axis, y->rank);
  kview dst = result(g, 0);
  for (int i = 0; i < n->nin; i++) {
    const mc_type *t = n->in[i]->type;
    if (!in_place(g, n->in[i])) {
      kbox b = kbox_of(g, t, view_of(g, n->in[i]), dst);
      if (!same_elem(t, y)) b.from = t, b.to = y;
      kbox_copy(&b);
    }
    advance(g->k, &dst, axis, t->dim[axis]);
  }
  return true;
}

/* One axis of n elements that stands for the whole value; false: its elements are not equally far
 * apart. */
static bool linear_view(kview *v, const mc_type *t) {
  int64_t dim[MC_MAX_RANK];
  memcpy(dim, t->dim, sizeof dim);
  if (t->rank == 0) v->stride[0] = view_elem_bytes(v);
  v->rank = views_collapse(t->rank, dim, &v, 1, t->rank);
  return t->rank == 0 || v->rank == 1;
}

/* Offset of element i (row-major) of a value in its buffer. */
static kvalue element_offset(kbuilder *k, const kview *v, const mc_type *t, kvalue i) {
  kvalue off = build_i64(k, 0);
  for (int d = t->rank - 1; d >= 0; d--) {
    kvalue n = build_i64(k, t->dim[d]);
    off = build_add(k, off, build_mul_const(k, LLVMBuildURem(k->b, i, n, ""), v->stride[d]));
    i = LLVMBuildUDiv(k->b, i, n, "");
  }
  return off;
}

/* Row-major order on both sides: a strided copy in the axes of one side where the other is one line
 * of elements, else element by element. */
static bool m_reshape(kgroup *g, const mc_node *n) {
  const mc_type *a = n->in[0]->type, *b = n->out[0]->type;
  kbuilder *k = g->k;
  kview src = view_of(g, n->in[0]), dst = result(g, 0), line_a = src, line_b = dst;
  bool lines[2] = { linear_view(&line_a, a), linear_view(&line_b, b) };
  if (lines[0] || lines[1]) {
    const mc_type *shape = lines[1] ? a : b;
    kview *other = lines[1] ? &dst : &src;
    int64_t s = lines[1] ? line_b.stride[0] : line_a.stride[0];
    for (int d = shape->rank - 1; d >= 0; d--) {
      other->stride[d] = s;
      s *= shape->dim[d];
    }
    kbox x = kbox_of(g, shape, src, dst);
    kbox_copy(&x);
    return true;
  }
  kloop l;
  split_range(g, &l, mc_type_elems(a), 1, true);
  kvalue v = build_load(k, memory_type(k, a->dtype),
                        build_address(k, src.base, element_offset(k, &src, a, l.iv)),
                        (int)view_elem_bytes(&src));
  build_store(k, v, build_address(k, dst.base, element_offset(k, &dst, b, l.iv)),
              (int)view_elem_bytes(&dst));
  build_end(k, &l, NULL);
  return true;
}

/* ---- pad: for each axis the part before, the middle, the part after; every combination is a box
 * ---- */
typedef struct padding {
  kgroup *g;
  const mc_node *n;
  const mc_attrs_pad *a;
  kvalue cell;
} padding;

/* The stored value of a constant border, in memory that a view with strides 0 reads. */
static kvalue border_cell(kgroup *g, const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  float v = MC_ATTRS(n, pad)->value;
  int64_t lo, hi, bits = 0;
  if (t->dtype == MC_f32)
    memcpy(&bits, &v, 4);
  else if (t->dtype == MC_bf16)
    bits = mc_fx_bf16(v);
  else if (t->q.kind == MC_Q_TENSOR && mc_dtype_size(t->dtype) == 1) {
    mc_dtype_range(t->dtype, &lo, &hi);
    bits = mc_fx_quant(v / t->q.scale, t->q.zero, (int32_t)lo, (int32_t)hi);
  } else if (t->q.kind == MC_Q_TENSOR) {
    int saturated;
    bits = mc_fx_quantize_i32(v, t->q.scale, &saturated) + (int64_t)t->q.zero;
  } else
    bits = (int64_t)v;
  return build_rodata(g->k, &bits, 8, 0, "border");
}

/* Restrict axis d of the box to part 0 (before), 1 (middle) or 2 (after). False: nothing there. */
static bool pad_part(const padding *p, kbox *b, int d, int part) {
  kbuilder *k = p->g->k;
  int64_t before = p->a->before.v[d], n = p->n->in[0]->type->dim[d], after = p->a->after.v[d];
  if (part == 1) {
    b->dim[d] = n;
    advance(k, &b->dst, d, before);
    return n > 0;
  }
  b->dim[d] = part ? after : before;
  if (b->dim[d] == 0) return false;
  if (part) advance(k, &b->dst, d, before + n);
  if (p->a->mode == mc_padmode_reflect) {
    advance(k, &b->src, d, part ? n - 2 : before);
    b->src.stride[d] = -b->src.stride[d];
  } else {
    if (part) advance(k, &b->src, d, n - 1);
    b->src.stride[d] = 0;
  }
  return true;
}

static void pad_axes(const padding *p, kbox b, int d, bool border) {
  if (d == b.rank) {
    if (border && p->a->mode == mc_padmode_constant) {
      b.src.base = p->cell;
      memset(b.src.stride, 0, sizeof b.src.stride);
    }
    kbox_copy(&b);
    return;
  }
  for (int part = 0; part < 3; part++) {
    kbox c = b;
    if (pad_part(p, &c, d, part)) pad_axes(p, c, d + 1, border || part != 1);
  }
}

static bool m_pad(kgroup *g, const mc_node *n) {
  padding p = { g, n, MC_ATTRS(n, pad), border_cell(g, n) };
  pad_axes(&p, kbox_of(g, n->out[0]->type, view_of(g, n->in[0]), result(g, 0)), 0, false);
  return true;
}

/* ---- gather: loops over the axes before and over the indices, a copy of the axes after ---- */
typedef struct gat {
  kgroup *g;
  const mc_node *n;
  kview x, index, y;
  int axis, split; /* the loop that is divided among threads; -1: the copies after it */
} gat;

static kvalue clamped_index(const gat *c, kvalue p) {
  kbuilder *k = c->g->k;
  int64_t n = c->n->in[0]->type->dim[c->axis];
  kvalue i = memory_load(k, p, c->index.dtype, view_elem_bytes(&c->index), 1, 1, false);
  i = build_ext(k, i, k->i64, true);
  kvalue zero = build_i64(k, 0);
  i = build_add(
      k, i, build_select(k, LLVMBuildICmp(k->b, LLVMIntSLT, i, zero, ""), build_i64(k, n), zero));
  return build_smin(k, build_smax(k, i, zero), build_i64(k, n - 1));
}

static void gather_tail(const gat *c, kvalue x, kvalue y) {
  const mc_type *xt = c->n->in[0]->type;
  kbox b = { .g = c->g,
             .k = c->g->k,
             .rank = xt->rank - c->axis - 1,
             .src = c->x,
             .dst = c->y,
             .share = c->split >= 0 };
  int skip = c->axis + c->n->in[1]->type->rank;
  for (int d = 0; d < b.rank; d++) {
    b.dim[d] = xt->dim[c->axis + 1 + d];
    b.src.stride[d] = c->x.stride[c->axis + 1 + d];
    b.dst.stride[d] = c->y.stride[skip + d];
  }
  b.src.base = x;
  b.dst.base = y;
  kbox_copy(&b);
}

static int64_t gather_trips(const gat *c, int d) {
  return d < c->axis ? c->n->in[0]->type->dim[d] : c->n->in[1]->type->dim[d - c->axis];
}

static void gather_axis(const gat *c, int d, kvalue x, kvalue index, kvalue y) {
  kbuilder *k = c->g->k;
  int in_front = c->axis, indices = c->n->in[1]->type->rank;
  if (d == in_front + indices) {
    gather_tail(
        c, build_address(k, x, build_mul_const(k, clamped_index(c, index), c->x.stride[c->axis])),
        y);
    return;
  }
  kloop l;
  split_range(c->g, &l, gather_trips(c, d), 1, d == c->split);
  if (d < in_front)
    x = build_address(k, x, build_mul_const(k, l.iv, c->x.stride[d]));
  else
    index = build_address(k, index, build_mul_const(k, l.iv, c->index.stride[d - in_front]));
  gather_axis(c, d + 1, x, index, build_address(k, y, build_mul_const(k, l.iv, c->y.stride[d])));
  build_end(k, &l, NULL);
}

static bool m_gather(kgroup *g, const mc_node *n) {
  mc_dtype t = n->in[1]->type->dtype;
  if (t != MC_i64 && t != MC_i32)
    return group_error(g, n, "'gather' with %s indices has no lowering", mc_dtype_names[t]);
  gat c = { g,
            n,
            view_of(g, n->in[0]),
            view_of(g, n->in[1]),
            result(g, 0),
            axis_of(MC_ATTRS(n, gather)->axis, n->in[0]->type->rank),
            -1 };
  int64_t trips[2 * MC_MAX_RANK];
  int loops = c.axis + n->in[1]->type->rank;
  for (int d = 0; d < loops; d++) trips[d] = gather_trips(&c, d);
  c.split = split_choose(g, loops, trips);
  gather_axis(&c, 0, c.x.base, c.index.base, c.y.base);
  return true;
}

/* A result that is an outer value or constant: form-groups makes such groups for graph results;
 * their region holds no op. */
static bool m_identity(kgroup *g) {
  const mc_node *ret = g->region->last;
  for (int i = 0; i < ret->nin; i++) {
    kbox b = kbox_of(g, ret->in[i]->type, view_of(g, ret->in[i]), result(g, i));
    kbox_copy(&b);
  }
  return true;
}

static bool (*const movers[MC_NUM_OPS])(kgroup *g, const mc_node *n) = {
  [MC_OP_transpose] = m_transpose,
  [MC_OP_broadcast] = m_broadcast,
  [MC_OP_slice] = m_slice,
  [MC_OP_split] = m_split,
  [MC_OP_concat] = m_concat,
  [MC_OP_reshape] = m_reshape,
  [MC_OP_pad] = m_pad,
  [MC_OP_gather] = m_gather,
};

/* The node that heads the group: its only one, or the transpose of an image beside its quantize.
 * NULL: no such group. */
static const mc_node *mover(const kgroup *g) {
  const mc_node *a = group_first(g), *b = a->next, *ret = g->region->last;
  if (b == ret) return a;
  if (b->next != ret) return NULL;
  const mc_node *t = a->op == MC_OP_transpose ? a : b, *q = t == a ? b : a;
  return t->op == MC_OP_transpose && q->op == MC_OP_quantize && b->in[0] == a->out[0] &&
                 q->out[0]->type->q.kind == MC_Q_TENSOR
             ? t
             : NULL;
}

bool family_emit_move(kgroup *g) {
  const mc_node *n = group_first(g);
  bool ok;
  if (n->op == MC_OP_return)
    ok = m_identity(g);
  else {
    const mc_node *m = mover(g);
    if (!m) return group_single(g);
    if (!movers[m->op])
      return group_error(g, m, "'%s' does not head a 'move' group", mc_ops[m->op].text);
    ok = movers[m->op](g, m);
  }
  if (ok) fill_borders(g);
  return ok;
}
