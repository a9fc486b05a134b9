/* Iteration spaces, and the evaluation of a region's elementwise ops at a position. */
#include "lower.h"
#include <assert.h>
#include <string.h>

static int collapse_from(int first, int rank, int64_t *dim, kview **views, int n, int keep) {
  int64_t *list[3 * EPILOGUE_MAX_VIEWS];
  for (int i = 0; i < n; i++) list[i] = views[i]->stride;
  rank = mc_collapse(first, rank, dim, list, n, keep);
  for (int i = 0; i < n; i++) views[i]->rank = rank;
  return rank;
}

int views_collapse(int rank, int64_t *dim, kview **views, int nviews, int keep) {
  return collapse_from(0, rank, dim, views, nviews, keep);
}

static kepilogue_operand *find_operand(kepilogue *x, const void *key) {
  for (int i = 0; i < x->nop; i++)
    if (x->op[i].key == key) return &x->op[i];
  return NULL;
}

static const void *table_key(const mc_node *n, int which) { return (const char *)n + which; }

static bool add_operand(kepilogue *x, const mc_value *v) {
  if (group_inside(x->g, v) || find_operand(x, v)) return true;
  if (x->nop == EPILOGUE_MAX_VIEWS)
    return group_error(x->g, NULL, "a group with more than %d outer operands has no lowering",
                       EPILOGUE_MAX_VIEWS);
  x->op[x->nop++] =
      (kepilogue_operand){ .key = v,
                           .view = view_broadcast(view_of(x->g, v), v->type, x->rank, x->dim) };
  return true;
}

bool epilogue_add_table(kepilogue *x, const mc_node *n, int which, const void *data, int64_t count,
                        mc_dtype t, int axis) {
  if (x->nop == EPILOGUE_MAX_VIEWS)
    return group_error(x->g, n, "a group with more than %d outer operands has no lowering",
                       EPILOGUE_MAX_VIEWS);
  kview v = { .dtype = t, .rank = x->rank, .slack = true };
  v.base = build_rodata(x->k, data, (size_t)count * mc_dtype_size(t), MC_PLAN_SLACK, "param");
  if (axis >= 0 && count > 1) v.stride[axis] = view_elem_bytes(&v);
  x->op[x->nop++] = (kepilogue_operand){ .key = table_key(n, which), .view = v };
  return true;
}

static const mc_value *untransposed(const kepilogue *x, const mc_value *v) {
  return x->head ? mc_ask_untransposed(&x->g->decision->ask, v) : v;
}

/* Is n one of the ops that x computes at a position: those after the head, or those before
 * it? */
static bool is_behind(const kepilogue *x, const mc_node *n) {
  if (n == x->head || n->op == MC_OP_return || (mc_ops[n->op].traits & MC_T_CONST) ||
      (x->head && n->op == MC_OP_transpose))
    return false;
  for (const mc_node *p = x->head; p; p = p->next)
    if (p == n) return !x->front;
  return !x->head || x->front;
}

/* The result as bytes: computed by the last op, or read by it from a table with an earlier one's.
 */
static void find_tail(kepilogue *x) {
  const mc_node *ret = x->g->region->last;
  if (ret->nin != 1 || !group_inside(x->g, ret->in[0])) return;
  const mc_node *n = untransposed(x, ret->in[0])->def;
  if (n != x->head && mc_op_has(n->op, MC_T_UNARY) && mc_type_is_quant(n->in[0]->type) &&
      group_inside(x->g, n->in[0])) {
    x->table = n;
    n = n->in[0]->def;
  }
  bool last = !n->next || n->next->op == MC_OP_return || n->next->op == MC_OP_transpose ||
              n->next == x->table,
       bytes = n->out[0]->type->dtype == MC_u8 || n->out[0]->type->dtype == MC_i8;
  if (n != x->head && last && bytes && mc_type_is_quant(n->out[0]->type) && elem_bounded(n))
    x->tail = n;
  else
    x->table = NULL;
}

/* Views and tables of the ops that x computes. */
static bool begin(kepilogue *x, kgroup *g, mc_node *head, bool front, int rank,
                  const int64_t *dim) {
  memset(x, 0, sizeof *x);
  x->g = g;
  x->k = g->k;
  x->head = head;
  x->front = front;
  x->adds = vec_adds(g->k);
  x->rank = rank;
  if (rank == 0) x->rank = 1, x->dim[0] = 1;
  memcpy(x->dim, dim, (size_t)rank * sizeof *dim);
  int nodes = 0;
  for (mc_node *n = g->region->first; n; n = n->next) nodes++;
  x->bound = MC_NEWN(x->k->arena, kepilogue_bound, nodes + 1);
  for (mc_node *n = g->region->first; n; n = n->next) {
    if (!is_behind(x, n)) continue;
    for (int i = 0; i < n->nin; i++)
      if (!add_operand(x, n->in[i])) return false;
    if (!elem_prepare(x, n)) return false;
  }
  return true;
}

bool epilogue_init_front(kepilogue *x, kgroup *g, mc_node *head, int rank, const int64_t *dim) {
  return begin(x, g, head, true, rank, dim);
}

bool epilogue_init(kepilogue *x, kgroup *g, mc_node *head, int rank, const int64_t *dim) {
  if (!begin(x, g, head, false, rank, dim)) return false;
  find_tail(x);
  const mc_node *ret = g->region->last;
  for (int i = 0; i < ret->nin; i++) {
    if (x->nout == EPILOGUE_MAX_VIEWS)
      return group_error(g, NULL, "a group with more than %d results has no lowering",
                         EPILOGUE_MAX_VIEWS);
    if (!group_inside(g, ret->in[i]) && !add_operand(x, ret->in[i])) return false;
    const mc_value *out = g->group->out[i];
    const mc_value *plain = untransposed(x, ret->in[i]);
    kview o = view_of(g, out);
    if (plain != ret->in[i]) o = view_transposed(o, ret->in[i]->def, true);
    x->out[x->nout++] = view_broadcast(o, plain->type, x->rank, x->dim);
  }
  return true;
}

int epilogue_views(kepilogue *x, kview **list) {
  int n = 0;
  for (int i = 0; i < x->nop; i++) list[n++] = &x->op[i].view;
  for (int i = 0; i < x->nout; i++) list[n++] = &x->out[i];
  return n;
}

void epilogue_collapse(kepilogue *x, kview **extra, int nextra, int keep) {
  epilogue_collapse_from(x, split_by_images(x->g), extra, nextra, keep);
}

void epilogue_collapse_from(kepilogue *x, int first, kview **extra, int nextra, int keep) {
  kview *list[3 * EPILOGUE_MAX_VIEWS];
  int n = epilogue_views(x, list);
  for (int i = 0; i < nextra; i++) list[n++] = extra[i];
  x->rank = collapse_from(first, x->rank, x->dim, list, n, keep);
}

void epilogue_at(kepilogue *x, int lanes, int valid) {
  x->lanes = lanes;
  x->valid = valid;
  x->nbound = 0;
  for (int i = 0; i < x->nop; i++) x->op[i].cur = NULL;
}

/* Is it read again here? Storing rounds by itself. */
static bool read_on(const mc_value *v) {
  MC_FOR_USES (u, v)
    if (u->user->op != MC_OP_return) return true;
  return false;
}

void epilogue_bind(kepilogue *x, const mc_value *v, kvalue reg) {
  mc_dtype t = v->type->dtype;
  if ((t == MC_bf16 || t == MC_f16) && read_on(v))
    reg = memory_widen(x->k, memory_narrow(x->k, reg, t), t);
  x->bound[x->nbound++] = (kepilogue_bound){ v, reg, NULL };
}

/* Whether an op after the head asks for its value as f32. */
static bool asks_real(const kepilogue *x) {
  for (const mc_node *n = x->g->region->first; n; n = n->next) {
    bool reads = n->nin > 0 && n->in[0] == x->head->out[0] && zero_point_of(n->in[0]->type) == 0;
    if (reads &&
        (n->op == MC_OP_dequantize ||
         (n->op == MC_OP_requantize && MC_ATTRS(n, requantize)->rounding == mc_rounding_fp32_rne)))
      return true;
  }
  return false;
}

void epilogue_bound_head(kepilogue *x, int64_t lo, int64_t hi) {
  x->head_most = hi > -lo ? hi : -lo;
  if (hi - lo < 1 << 23 && x->adds && asks_real(x)) x->head_base = (int32_t)(0x4b000000 - lo);
}

void epilogue_bind_head(kepilogue *x, kvalue bits) {
  x->head_bits = bits;
  epilogue_bind(x, x->head->out[0],
                x->head_base
                    ? LLVMBuildSub(x->k->b, bits, build_i32s(x->k, x->head_base, x->lanes), "")
                    : bits);
}

bool epilogue_is_short(const kepilogue *x) {
  for (const mc_node *n = x->head; n; n = n->next)
    if (n != x->head && n->nin > 1 && n->op != MC_OP_return) return false;
  return x->head && x->tail;
}

static kvalue fetch(kepilogue *x, kepilogue_operand *o) {
  if (!o->cur) {
    kvalue p = view_address(x->k, &o->view, x->rank, x->iv, x->c);
    o->cur = memory_load(x->k, p, o->view.dtype, o->view.stride[x->rank - 1], x->lanes, x->valid,
                         o->view.slack);
  }
  return o->cur;
}

kvalue epilogue_value(kepilogue *x, const mc_value *v) {
  for (int i = x->nbound; i-- > 0;)
    if (x->bound[i].value == v) return x->bound[i].v;
  kepilogue_operand *o = find_operand(x, v);
  assert(o && "operand neither computed nor loaded");
  return fetch(x, o);
}

kvalue epilogue_param(kepilogue *x, const mc_node *n, int which) {
  kepilogue_operand *o = find_operand(x, table_key(n, which));
  assert(o && "missing table");
  return fetch(x, o);
}

kvalue epilogue_clamped(kepilogue *x, const mc_value *v) {
  for (int i = x->nbound; i-- > 0;)
    if (x->bound[i].value == v) return x->bound[i].clamped;
  return NULL;
}

/* The nodes after the head, up to `last` (NULL: all). */
static void compute(kepilogue *x, const mc_node *last) {
  for (mc_node *n = x->g->region->first; n; n = n->next) {
    if (!is_behind(x, n)) continue;
    build_debug_at(x->k, n->loc);
    x->clamped = NULL;
    x->raw = n == last;
    epilogue_bind(x, n->out[0], elem_emit(x, n));
    x->bound[x->nbound - 1].clamped = x->clamped;
    if (n == last) break;
  }
  x->raw = false;
}

kvalue epilogue_front(kepilogue *x) {
  compute(x, NULL);
  return epilogue_value(x, x->head->in[0]);
}

kvalue epilogue_raw(kepilogue *x) {
  compute(x, x->tail);
  return x->bound[x->nbound - 1].v;
}

/* A table's entries in the order of the bytes that look for them. */
static kvalue byte_table(const kepilogue *x, const mc_node *n) {
  unsigned char t[256], sorted[256];
  const mc_type *in = n->in[0]->type;
  mc_eval_table(n, in, n->out[0]->type, t);
  for (int i = 0; i < 256; i++) sorted[i] = t[in->dtype == MC_i8 ? i ^ 128 : i];
  return build_rodata(x->k, sorted, sizeof sorted, 0, "table");
}

kvalue epilogue_narrow(kepilogue *x, kvalue *raw, int n) {
  const mc_type *t = x->tail->out[0]->type;
  kvalue v = vec_narrow(x->k, raw, n, zero_point_of(t), t->dtype, elem_stays_small(x));
  return x->table ? vec_lookup(x->k, byte_table(x, x->table), v) : v;
}

void epilogue_store_bytes(kepilogue *x, kvalue bytes, int from, int valid) {
  kbuilder *k = x->k;
  kvalue p = view_address(k, &x->out[0], x->rank, x->iv, x->c);
  int at = 0;
  for (int piece = lanes_of(bytes); piece >= KERNEL_LANES; piece /= 2) {
    if (valid - at < piece) continue;
    build_store(k, build_extract(k, bytes, from + at, piece), build_offset(k, p, at), 1);
    at += piece;
  }
  if (at < valid)
    build_store_part(k, build_extract(k, bytes, from + at, KERNEL_LANES), build_offset(k, p, at),
                     valid - at, 1);
  if (x->head) build_debug_at(k, x->head->loc);
}

void epilogue_store_raw(kepilogue *x, kvalue *raw, int n, int valid) {
  epilogue_store_bytes(x, epilogue_narrow(x, raw, n), 0, valid);
}

void epilogue_finish(kepilogue *x) {
  if (x->tail && x->lanes == KERNEL_LANES) {
    kvalue raw = epilogue_raw(x);
    epilogue_store_raw(x, &raw, 1, x->valid);
    return;
  }
  compute(x, NULL);
  const mc_node *ret = x->g->region->last;
  for (int i = 0; i < ret->nin; i++) {
    const kview *o = &x->out[i];
    memory_store(x->k, epilogue_value(x, untransposed(x, ret->in[i])),
                 view_address(x->k, o, x->rank, x->iv, x->c), o->dtype, o->stride[x->rank - 1],
                 x->valid);
  }
  if (x->head) build_debug_at(x->k, x->head->loc);
}

/* What is left after the whole vectors: elements [at, at + rest). */
static void rest_of_vectors(kbuilder *k, int64_t at, int64_t rest, int lanes, kvector_fn *fn,
                            void *ctx) {
  for (; lanes > KERNEL_LANES; lanes /= 2)
    if (rest >= lanes / 2) {
      fn(ctx, NULL, at, lanes / 2, lanes / 2);
      at += lanes / 2;
      rest -= lanes / 2;
    }
  if (rest > 1 && lanes == KERNEL_LANES && target_has(k, MC_ISA_BIT(avx512))) {
    fn(ctx, NULL, at, lanes, (int)rest);
    return;
  }
  for (lanes /= 2; lanes; lanes /= 2)
    if (rest & lanes) {
      fn(ctx, NULL, at, lanes, lanes);
      at += lanes;
    }
}

void walk_vectors(kbuilder *k, int64_t n, int lanes, kvector_fn *fn, void *ctx) {
  int64_t full = n / lanes * lanes;
  if (full) {
    kloop l;
    build_range(k, &l, full, lanes, NULL, 0);
    fn(ctx, l.iv, 0, lanes, lanes);
    build_end(k, &l, NULL);
  }
  rest_of_vectors(k, full, n - full, lanes, fn, ctx);
}

void split_vectors(const kgroup *g, bool split, int64_t n, int lanes, kvector_fn *fn, void *ctx) {
  int64_t full = n / lanes, all = (n + lanes - 1) / lanes;
  kloop l;
  if (!split || g->tasks == 1) {
    walk_vectors(g->k, n, lanes, fn, ctx);
    return;
  }
  if (full) {
    split_range_part(g, &l, 0, full, all, lanes, true);
    fn(ctx, l.iv, 0, lanes, lanes);
    build_end(g->k, &l, NULL);
  }
  if (full == all) return;
  split_range_part(g, &l, full, all, all, 1, true);
  rest_of_vectors(g->k, full * lanes, n - full * lanes, lanes, fn, ctx);
  build_end(g->k, &l, NULL);
}

static void run_part(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  kepilogue *x = ctx;
  int last = x->rank - 1;
  x->iv[last] = at;
  x->c[last] = c;
  if (lanes <= KERNEL_LANES) {
    epilogue_at(x, lanes, valid);
    epilogue_finish(x);
    return;
  }
  kvalue raw[4];
  for (int i = 0; i < lanes / KERNEL_LANES; i++) {
    x->c[last] = c + i * KERNEL_LANES;
    epilogue_at(x, KERNEL_LANES, KERNEL_LANES);
    raw[i] = epilogue_raw(x);
  }
  x->c[last] = c;
  epilogue_store_raw(x, raw, lanes / KERNEL_LANES, lanes);
}

/* A table alone: bytes to bytes, without a way through integers of 32 bits. */
static void table_part(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  kepilogue *x = ctx;
  kbuilder *k = x->k;
  x->iv[x->rank - 1] = at;
  x->c[x->rank - 1] = c;
  kvalue p = view_address(k, &x->op[0].view, x->rank, x->iv, x->c),
         v = lanes == 1 ? build_load(k, k->i8, p, 1)
                        : build_load_part(k, k->i8, p, lanes, valid, 1);
  v = vec_lookup(k, byte_table(x, group_first(x->g)), v);
  p = view_address(k, &x->out[0], x->rank, x->iv, x->c);
  if (lanes == 1)
    build_store(k, v, p, 1);
  else
    build_store_part(k, v, p, valid, 1);
}

static bool is_table(const kepilogue *x) {
  const mc_node *n = group_first(x->g), *ret = x->g->region->last;
  int last = x->rank - 1;
  if (x->head || n->next != ret || ret->nin != 1 || ret->in[0] != n->out[0] ||
      !mc_op_has(n->op, MC_T_UNARY) || !mc_type_is_quant(n->in[0]->type) || x->nop != 1 ||
      x->nout != 1)
    return false;
  return mc_dtype_size(n->in[0]->type->dtype) == 1 && mc_dtype_size(n->out[0]->type->dtype) == 1 &&
         x->op[0].view.stride[last] == 1 && x->out[0].stride[last] == 1;
}

/* Elements at once: as many as narrowing takes, where the result is bytes that lie together. */
static int run_lanes(const kepilogue *x) {
  const kview *o = &x->out[0];
  return x->tail && o->stride[x->rank - 1] == 1 && x->dim[x->rank - 1] > KERNEL_LANES
             ? KERNEL_LANES * vec_narrow_most(x->k)
             : KERNEL_LANES;
}

static void run_axis(kepilogue *x, int d, int split) {
  if (d == x->rank - 1 && is_table(x)) {
    split_vectors(x->g, d == split, x->dim[d], x->k->target->vector_bytes, table_part, x);
    return;
  }
  if (d == x->rank - 1) {
    split_vectors(x->g, d == split, x->dim[d], run_lanes(x), run_part, x);
    return;
  }
  kloop l;
  split_range(x->g, &l, x->dim[d], 1, d == split);
  x->iv[d] = l.iv;
  run_axis(x, d + 1, split);
  build_end(x->k, &l, NULL);
}

void epilogue_map(kepilogue *x) {
  memset(x->iv, 0, sizeof x->iv);
  memset(x->c, 0, sizeof x->c);
  kloop once;
  run_axis(x, 0, split_nest(x->g, &once, x->rank, x->dim, KERNEL_LANES));
  build_end(x->k, &once, NULL);
}
