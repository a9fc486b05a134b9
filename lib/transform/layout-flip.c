/* layout: ops on transposed operands. With v = transpose(v', p), axis i of v is axis p[i] of v'. */
#include "layout.h"
#include <string.h>

/* ---- permutations ---- */
perm perm_inverse(const perm *p) {
  perm q = { .n = p->n };
  for (int i = 0; i < p->n; i++) q.p[p->p[i]] = i;
  return q;
}

perm perm_compose(const perm *first, const perm *second) {
  perm q = { .n = first->n };
  for (int i = 0; i < q.n; i++) q.p[i] = first->p[second->p[i]];
  return q;
}

bool perm_equal(const perm *a, const perm *b) {
  return a->n == b->n && !memcmp(a->p, b->p, sizeof *a->p * (size_t)a->n);
}

bool perm_identity(const perm *p) {
  for (int i = 0; i < p->n; i++)
    if (p->p[i] != i) return false;
  return true;
}

bool perm_of(const mc_node *n, perm *out) {
  if (!n || n->op != MC_OP_transpose) return false;
  mc_ints l = MC_ATTRS(n, transpose)->perm;
  *out = (perm){ .n = l.n };
  for (int i = 0; i < l.n; i++) out->p[i] = (int)l.v[i];
  return true;
}

mc_value *build_transpose(mc_builder *b, mc_value *x, const perm *p) {
  int64_t v[MC_MAX_RANK];
  for (int i = 0; i < p->n; i++) v[i] = p->p[i];
  return mc_build1(b, MC_OP_transpose, &x, 1, &(mc_attrs_transpose){ .perm = { v, p->n } });
}

/* The permutation moves only axes of size 1 of v: the elements stay in order. */
static bool moves_ones(const mc_type *v, const perm *p) {
  int last = -1;
  for (int i = 0; i < p->n; i++) {
    if (v->dim[i] == 1) continue;
    if (p->p[i] < last) return false;
    last = p->p[i];
  }
  return true;
}

/* ---- what can be flipped ---- */
static bool per_axis(const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->type->q.kind == MC_Q_AXIS && !mc_value_tensor(n->in[i])) return true;
  return n->nout && n->out[0]->type->q.kind == MC_Q_AXIS;
}

/* Operands: values of p's rank, constants of at most that, single numbers. */
static bool binary_operands(const mc_node *n, const perm *p) {
  bool any = false;
  for (int i = 0; i < n->nin; i++) {
    const mc_type *t = n->in[i]->type;
    if (mc_value_tensor(n->in[i]) ? t->rank > p->n || t->q.kind == MC_Q_AXIS
                                  : t->rank != p->n && t->rank != 0)
      return false;
    any |= flip_operand(n, i, p);
  }
  return any;
}

/* Bit i: axis i of v is reduced. */
static unsigned reduce_mask(const mc_node *n, int rank) {
  const mc_ints *l = mc_op_attr(n->op, n->attrs, "axes");
  unsigned m = 0;
  for (int i = 0; i < l->n; i++) m |= 1u << plain_axis(l->v[i], rank);
  return m;
}

/* Do the axes with bits in m keep their order under p? */
static bool order_kept(unsigned m, const perm *p) {
  int last = -1;
  for (int i = 0; i < p->n; i++) {
    if (!(m >> i & 1)) continue;
    if (p->p[i] < last) return false;
    last = p->p[i];
  }
  return true;
}

/* The result of a reduction has the axes with size 1, or the others in their order. */
static flip_kind without_axes(const mc_node *n, unsigned reduced, const perm *p) {
  const bool *keeps = mc_op_attr(n->op, n->attrs, "keepdims");
  unsigned all = (1u << p->n) - 1;
  if (*keeps) return FLIP_MOVES;
  return order_kept(all & ~reduced, p) ? FLIP_ABSORBS : FLIP_NO;
}

static flip_kind flip_argmax(const mc_node *n, const perm *p) {
  return without_axes(n, 1u << plain_axis(MC_ATTRS(n, argmax)->axis, p->n), p);
}

/* Sums are added in row-major order of the reduced axes, the last axis alone in 16 partial sums:
 * the bits stay only when neither changes. What only moves elements, as a maximum, has no order. */
static flip_kind flip_reduce(const mc_node *n, const perm *p) {
  unsigned m = reduce_mask(n, p->n), last = 1u << (p->n - 1), flipped = 0;
  for (int i = 0; i < p->n; i++)
    if (m >> i & 1) flipped |= 1u << p->p[i];
  bool sums = !mc_op_has(n->op, MC_T_MOVE);
  if (sums && (!order_kept(m, p) || (m == last) != (flipped == last))) return FLIP_NO;
  return without_axes(n, m, p);
}

/* Softmax sums neighbours in 16 partial sums and distant elements one by one: the same condition as
 * for reductions. */
static flip_kind flip_softmax(const mc_node *n, const perm *p) {
  int axis = plain_axis(MC_ATTRS(n, softmax)->axis, p->n);
  int64_t before = 1, after = 1;
  for (int i = 0; i < p->n; i++) {
    if (i > axis) before *= n->in[0]->type->dim[i];
    if (p->p[i] > p->p[axis]) after *= n->in[0]->type->dim[i];
  }
  return (before == 1) == (after == 1) ? FLIP_MOVES : FLIP_NO;
}

/* Every user of the flattened value is a linear whose columns can be reordered. */
static bool linears_follow(const mc_value *flat) {
  if (!flat->uses) return false;
  for (const mc_use *u = flat->uses; u; u = u->next) {
    const mc_tensor *w =
        u->user->op == MC_OP_linear && u->slot == 0 ? mc_value_tensor(u->user->in[1]) : NULL;
    if (!w || w->rank != 2) return false;
  }
  return true;
}

static bool flattens_rows(const mc_node *n, const perm *p) {
  const mc_type *a = n->in[0]->type, *b = n->out[0]->type;
  return b->rank == 2 && p->p[0] == 0 && a->dim[0] == b->dim[0];
}

static flip_kind flip_reshape(const mc_node *n, const perm *p) {
  if (moves_ones(n->in[0]->type, p)) return FLIP_ABSORBS;
  return flattens_rows(n, p) && linears_follow(n->out[0]) ? FLIP_ABSORBS : FLIP_NO;
}

/* Ops with axes of fixed meaning. */
static flip_kind flip_never(const mc_node *n, const perm *p) {
  (void)n, (void)p;
  return FLIP_NO;
}

static flip_kind flip_each(const mc_node *n, const perm *p) {
  (void)n, (void)p;
  return FLIP_MOVES;
}

static flip_kind flip_pair(const mc_node *n, const perm *p) {
  return n->out[0]->type->rank == p->n && binary_operands(n, p) ? FLIP_MOVES : FLIP_NO;
}

static flip_kind flip_broadcast(const mc_node *n, const perm *p) {
  return n->out[0]->type->rank == p->n ? FLIP_MOVES : FLIP_NO;
}

/* An attribute names an axis, or has an element for each: turn_* gives them. */
#define flip_axis flip_each
#define flip_slice flip_each
#define flip_pad flip_each

typedef flip_kind flip_fn(const mc_node *n, const perm *p);
static flip_fn *const flip[MC_NUM_OPS] = {
#define MC_FOLLOW(op, flip, flow, cut) [MC_OP_##op] = flip_##flip,
#include "mc/ir/ops.def"
};

static bool all_of_rank(const mc_node *n, int rank) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->type->rank != rank || (n->nin == 1 && mc_value_tensor(n->in[i]))) return false;
  return true;
}

flip_kind flip_kind_of(const mc_node *n, const perm *p) {
  if (n->nout < 1 || n->nin < 1 || per_axis(n)) return FLIP_NO;
  if (!mc_op_has(n->op, MC_T_BINARY) && !all_of_rank(n, p->n)) return FLIP_NO;
  return flip[n->op](n, p);
}

bool flip_operand(const mc_node *n, int i, const perm *p) {
  return !mc_value_tensor(n->in[i]) && n->in[i]->type->rank == p->n;
}

/* ---- constants ---- */
/* Bytes of `from` (dense, dims of v) in the order of v'. */
static void permute(void *to, const void *from, size_t size, const int64_t *dim, const perm *p) {
  int64_t stride[MC_MAX_RANK], at[MC_MAX_RANK] = { 0 }, s = 1; /* stride of v's axis i in v' */
  int64_t flipped[MC_MAX_RANK], total = 1;
  for (int i = 0; i < p->n; i++) flipped[p->p[i]] = dim[i], total *= dim[i];
  int64_t of_flipped[MC_MAX_RANK];
  for (int i = p->n - 1; i >= 0; i--) of_flipped[i] = s, s *= flipped[i];
  for (int i = 0; i < p->n; i++) stride[i] = of_flipped[p->p[i]];
  for (int64_t k = 0; k < total; k++) {
    int64_t o = 0;
    for (int i = 0; i < p->n; i++) o += at[i] * stride[i];
    memcpy((char *)to + (size_t)o * size, (const char *)from + (size_t)k * size, size);
    for (int i = p->n - 1; i >= 0 && ++at[i] == dim[i]; i--) at[i] = 0;
  }
}

static mc_value *constant_like(mc_builder *b, const mc_value *v, int rank, const int64_t *dim,
                               void **data) {
  const mc_tensor *t = mc_value_tensor(v);
  mc_tensor *r = mc_tensor_create(b->graph->module, constant_name(b, v, mc_tensor_elems(t)),
                                  t->dtype, rank, dim, data);
  return mc_build_tensor(b, r, v->type);
}

/* The constant v for use beside v': missing leading axes are added, then the axes are permuted. */
static mc_value *flip_constant(mc_builder *b, mc_value *v, const perm *p) {
  const mc_tensor *t = mc_value_tensor(v);
  if (mc_tensor_elems(t) == 1) return v;
  int64_t dim[MC_MAX_RANK], flipped[MC_MAX_RANK];
  for (int i = 0; i < p->n; i++) dim[i] = i < p->n - t->rank ? 1 : t->dim[i - (p->n - t->rank)];
  for (int i = 0; i < p->n; i++) flipped[p->p[i]] = dim[i];
  void *data;
  mc_value *r = constant_like(b, v, p->n, flipped, &data);
  permute(data, t->data, mc_dtype_size(t->dtype), dim, p);
  return r;
}

/* ---- attributes ---- */
static void put_list(mc_ints *l, const perm *p, mc_arena *a) {
  if (l->n != p->n) return; /* empty steps */
  int64_t *v = MC_NEWN(a, int64_t, p->n);
  for (int i = 0; i < p->n; i++) v[p->p[i]] = l->v[i];
  l->v = v;
}

/* Nothing names an axis: elementwise ops, reshape, and what no transpose crosses. */
static void turn_none(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  (void)op, (void)attrs, (void)p, (void)a;
}

static void turn_axis(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  int64_t *axis = mc_op_attr(op, attrs, "axis");
  (void)a;
  *axis = p->p[plain_axis(*axis, p->n)];
}

static void turn_reduce(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  mc_ints *l = mc_op_attr(op, attrs, "axes");
  int64_t *v = MC_NEWN(a, int64_t, l->n);
  for (int i = 0; i < l->n; i++) v[i] = p->p[plain_axis(l->v[i], p->n)];
  for (int i = 1; i < l->n; i++) /* ascending */
    for (int k = i; k > 0 && v[k] < v[k - 1]; k--) {
      int64_t x = v[k];
      v[k] = v[k - 1], v[k - 1] = x;
    }
  l->v = v;
}

static void turn_broadcast(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  put_list(mc_op_attr(op, attrs, "shape"), p, a);
}

static void turn_pad(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  put_list(mc_op_attr(op, attrs, "before"), p, a);
  put_list(mc_op_attr(op, attrs, "after"), p, a);
}

static void turn_slice(mc_opcode op, void *attrs, const perm *p, mc_arena *a) {
  put_list(mc_op_attr(op, attrs, "starts"), p, a);
  put_list(mc_op_attr(op, attrs, "sizes"), p, a);
  put_list(mc_op_attr(op, attrs, "steps"), p, a);
}

#define turn_never turn_none
#define turn_each turn_none
#define turn_pair turn_none
#define turn_reshape turn_none
#define turn_softmax turn_axis
#define turn_argmax turn_axis

typedef void turn_fn(mc_opcode op, void *attrs, const perm *p, mc_arena *a);
static turn_fn *const turn[MC_NUM_OPS] = {
#define MC_FOLLOW(op, flip, flow, cut) [MC_OP_##op] = turn_##flip,
#include "mc/ir/ops.def"
};

/* ---- linear after a flattening reshape ---- */
/* Columns of the weights in the order in which v' is flattened. */
static bool reorder_columns(mc_pass_context *cx, mc_node *linear, const mc_type *v, const perm *p) {
  mc_builder b = build_at(cx, linear);
  const mc_tensor *w = mc_value_tensor(linear->in[1]);
  void *data;
  mc_value *r = constant_like(&b, linear->in[1], 2, w->dim, &data);
  if (!r) return false;
  perm inner = { .n = p->n - 1 };
  for (int i = 0; i < inner.n; i++) inner.p[i] = p->p[i + 1] - 1;
  size_t size = mc_dtype_size(w->dtype), row = size * (size_t)w->dim[1];
  for (int64_t o = 0; o < w->dim[0]; o++)
    permute((char *)data + (size_t)o * row, (const char *)w->data + (size_t)o * row, size,
            v->dim + 1, &inner);
  mc_node_set_in(linear, 1, r);
  return true;
}

static bool reorder_users(mc_pass_context *cx, mc_node *reshape, const mc_type *v, const perm *p) {
  if (moves_ones(v, p)) return true;
  MC_FOR_USES (u, reshape->out[0])
    if (!reorder_columns(cx, u->user, v, p)) return false;
  return true;
}

mc_node *flip_build(mc_pass_context *cx, mc_node *n, mc_value **in, const perm *p) {
  mc_builder b = build_at(cx, n);
  for (int i = 0; i < n->nin; i++) {
    if (mc_value_tensor(n->in[i]))
      in[i] = flip_constant(&b, n->in[i], p);
    else if (!flip_operand(n, i, p))
      in[i] = n->in[i];
    if (!in[i]) return NULL;
  }
  if (n->op == MC_OP_reshape && !reorder_users(cx, n, n->in[0]->type, p)) return NULL;
  void *attrs = mc_arena_copy(cx->scratch, n->attrs, mc_ops[n->op].attrs_size);
  turn[n->op](n->op, attrs, p, cx->scratch);
  return mc_build_as(&b, n->op, in, n->nin, attrs, n->out[0]->type);
}
