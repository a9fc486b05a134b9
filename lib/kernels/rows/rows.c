/* The loops around rows, and passes over several rows at once. A row ends in a chain of dependent
 * steps (fold, divide, square root) that costs as much as a few vectors; the rows of a block do it
 * in the lanes of one register. */
#include "rows.h"
#include <string.h>

static int block_of(const rows *r) {
  return target_lanes(r->k) < KERNEL_LANES ? 2 : r->ints ? 8 : 4;
}

kvalue rows_at(const rows *r, const kview *v, kvalue base, kvalue at, int64_t c) {
  int64_t s = v->stride[r->rank - 1];
  return build_offset(r->k, at ? build_address(r->k, base, build_mul_const(r->k, at, s)) : base,
                      c * s);
}

kvalue rows_load(const rows *r, const kview *v, kvalue base, kvalue at, int64_t c, int lanes,
                 int valid) {
  return memory_load(r->k, rows_at(r, v, base, at, c), v->dtype, v->stride[r->rank - 1], lanes,
                     valid, v->slack);
}

void rows_store(const rows *r, const kview *to, kvalue base, kvalue v, kvalue at, int64_t c,
                int valid) {
  memory_store(r->k, v, rows_at(r, to, base, at, c), to->dtype, to->stride[r->rank - 1], valid);
}

static void set_position(const rows *r, kepilogue *x, int i, kvalue at, int64_t c) {
  int last = x->rank - 1;
  for (int d = 0; d < last - 1; d++) x->iv[d] = r->outer[d], x->c[d] = 0;
  if (last > 0) x->iv[last - 1] = r->row, x->c[last - 1] = r->row_c + i;
  x->iv[last] = at;
  x->c[last] = c;
}

kvalue rows_operand(const rows *r, int i, kvalue at, int64_t c, int lanes, int valid) {
  if (!r->front) return rows_load(r, &r->in, r->x[i], at, c, lanes, valid);
  set_position(r, r->front, i, at, c);
  epilogue_at(r->front, lanes, valid);
  return epilogue_front(r->front);
}

void rows_result(const rows *r, int i, kvalue *v, int n, kvalue at, int64_t c, int valid) {
  kepilogue *x = r->back;
  kvalue raw[4];
  if (!x) {
    rows_store(r, &r->out, r->y[i], v[0], at, c, valid);
    return;
  }
  for (int j = 0; j < n; j++) {
    set_position(r, x, i, at, c + j * KERNEL_LANES);
    epilogue_at(x, lanes_of(v[j]), n > 1 ? KERNEL_LANES : valid);
    epilogue_bind(x, x->head->out[0], v[j]);
    if (n > 1)
      raw[j] = epilogue_raw(x);
    else
      epilogue_finish(x);
  }
  if (n == 1) return;
  set_position(r, x, i, at, c);
  epilogue_store_raw(x, raw, n, n * KERNEL_LANES);
}

int rows_store_most(const rows *r) {
  bool bytes = !r->back || r->back->tail;
  return bytes && r->out.stride[r->rank - 1] == 1 ? vec_narrow_most(r->k) : 1;
}

void rows_store_ints(const rows *r, int i, kvalue *v, int n, bool bounded, kvalue at, int64_t c,
                     int valid) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  int32_t z = zero_point_of(t);
  if (n == 1) {
    rows_store(r, &r->out, r->y[i], vec_quant(k, v[0], z, t->dtype), at, c, valid);
    return;
  }
  kvalue raw[4];
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  for (int j = 0; j < n; j++) { /* numbers beyond 2^31 become the smallest integer, as a NaN does:
                                   right from below, not from above */
    kvalue x =
        bounded ? v[j] : vec_fmin(k, build_f32s(k, (float)((int32_t)hi - z), KERNEL_LANES), v[j]);
    raw[j] = vec_raw(k, x, z, t->dtype, bounded);
  }
  kvalue bytes = vec_narrow(k, raw, n, z, t->dtype, false);
  build_store(k, build_extract(k, bytes, 0, n * KERNEL_LANES), rows_at(r, &r->out, r->y[i], at, c),
              1);
}

kvalue rows_centered(const rows *r, kvalue q) {
  int32_t z = zero_point_of(r->head->in[0]->type);
  if (vec_adds(r->k)) return vec_small_to_f32(r->k, q, z);
  return vec_to_f32(r->k, z ? LLVMBuildSub(r->k->b, q, build_i32s(r->k, z, lanes_of(q)), "") : q);
}

kvalue rows_fadd(const rows *r, kvalue acc, kvalue v) { return LLVMBuildFAdd(r->k->b, acc, v, ""); }

kvalue rows_iadd(const rows *r, kvalue acc, kvalue v) { return LLVMBuildAdd(r->k->b, acc, v, ""); }

kvalue rows_fmax(const rows *r, kvalue acc, kvalue v) { return vec_fmax(r->k, v, acc); }

static kvalue keep_lanes(const rows *r, kvalue next, kvalue acc, int64_t rest) {
  kvalue m[KERNEL_LANES];
  for (int i = 0; i < KERNEL_LANES; i++) m[i] = LLVMConstInt(r->k->i1, i < rest, 0);
  return build_select(r->k, LLVMConstVector(m, KERNEL_LANES), next, acc);
}

void rows_pass(rows *r, kvalue *acc, rows_value *value, rows_combine *combine) {
  kbuilder *k = r->k;
  int64_t full = r->n / KERNEL_LANES * KERNEL_LANES, rest = r->n - full;
  kvalue next[MC_ROWS_MOST];
  if (full) {
    kloop l;
    build_range(k, &l, full, KERNEL_LANES, acc, r->many);
    for (int i = 0; i < r->many; i++)
      next[i] = combine(r, l.carried[i], value(r, i, l.iv, 0, KERNEL_LANES));
    build_end(k, &l, next);
    memcpy(acc, l.carried, sizeof(kvalue) * (size_t)r->many);
  }
  for (int i = 0; i < r->many && rest; i++)
    acc[i] = keep_lanes(r, combine(r, acc[i], value(r, i, NULL, full, (int)rest)), acc[i], rest);
}

typedef struct folding {
  const rows *r;
  rows_combine *combine;
} folding;

static kvalue combine_halves(const void *ctx, kvalue a, kvalue b) {
  const folding *f = ctx;
  return f->combine(f->r, a, b);
}

kvalue rows_fold(const rows *r, kvalue *acc, rows_combine *combine) {
  return vec_fold(r->k, acc, r->many, combine_halves, &(folding){ r, combine });
}

kvalue rows_lane(const rows *r, kvalue v, int i) {
  return build_splat(r->k, build_extract(r->k, v, i, 1), KERNEL_LANES);
}

/* ---- the loops ---- */
typedef struct nest {
  rows *r;
  kvalue x, y;
  void (*block)(rows *r);
} nest;

static void some_rows(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  nest *s = ctx;
  rows *r = s->r;
  kbuilder *k = r->k;
  int d = r->rank - 2;
  (void)valid;
  r->many = lanes;
  r->row = at;
  r->row_c = c;
  for (int i = 0; i < lanes; i++) {
    r->x[i] =
        build_offset(k, at ? build_address(k, s->x, build_mul_const(k, at, r->in.stride[d])) : s->x,
                     (c + i) * r->in.stride[d]);
    r->y[i] = build_offset(
        k, at ? build_address(k, s->y, build_mul_const(k, at, r->out.stride[d])) : s->y,
        (c + i) * r->out.stride[d]);
  }
  s->block(r);
}

static void each_row(nest *s, int d) {
  rows *r = s->r;
  if (d == r->rank - 2) {
    split_vectors(r->g, d == r->split, r->dim[d], block_of(r), some_rows, s);
    return;
  }
  kloop l;
  nest inner = *s;
  split_range(r->g, &l, r->dim[d], 1, d == r->split);
  r->outer[d] = l.iv;
  inner.x = build_address(r->k, s->x, build_mul_const(r->k, l.iv, r->in.stride[d]));
  inner.y = build_address(r->k, s->y, build_mul_const(r->k, l.iv, r->out.stride[d]));
  each_row(&inner, d + 1);
  build_end(r->k, &l, NULL);
}

void rows_all(rows *r, void (*block)(rows *r)) {
  kview *views[2 + 4 * EPILOGUE_MAX_VIEWS] = { &r->in, &r->out };
  kloop once;
  int64_t mid = r->mid.stride[r->rank - 1];
  int n = 2;
  if (r->front) n += epilogue_views(r->front, views + n);
  if (r->back) n += epilogue_views(r->back, views + n);
  r->rank = views_collapse(r->rank, r->dim, views, n, r->rank - 1);
  if (r->front) r->front->rank = r->rank;
  if (r->back) r->back->rank = r->rank;
  if (r->rank == 1) { /* one row is a row of one */
    for (int i = 0; i < 2; i++) views[i]->stride[1] = views[i]->stride[0], views[i]->stride[0] = 0;
    r->dim[1] = r->dim[0];
    r->dim[0] = 1;
    r->rank = 2;
  }
  r->mid.stride[r->rank - 1] = mid;
  r->split = split_nest(r->g, &once, r->rank - 1, r->dim, block_of(r));
  each_row(&(nest){ r, r->in.base, r->out.base, block }, 0);
  build_end(r->k, &once, NULL);
}

static bool is_bytes(const mc_type *t) {
  return mc_type_is_quant(t) && mc_dtype_size(t->dtype) == 1;
}

bool rows_begin(rows *r, kgroup *g) {
  r->g = g;
  r->k = g->k;
  r->head = group_first(g);
  const mc_type *x = r->head->in[0]->type, *y = r->head->out[0]->type;
  const mc_node *ret = g->region->last;
  bool before = r->head->in[0]->def && group_inside(g, r->head->in[0]),
       after = ret->in[0] != r->head->out[0];
  if (ret->nin != 1)
    return group_error(g, r->head, "a '%s' group with several results has no lowering",
                       mc_ops[r->head->op].text);
  r->ints = is_bytes(x) && is_bytes(y);
  if (!r->ints && !in_f32(y->dtype))
    return group_error(g, r->head, "'%s' on %s has no lowering", mc_ops[r->head->op].text,
                       mc_dtype_names[y->dtype]);
  if (r->ints && (before || after))
    return group_error(g, r->head, "'%s' of integers has no lowering with other ops in its group",
                       mc_ops[r->head->op].text);
  if (before) {
    r->front = MC_NEW(g->k->arena, kepilogue);
    if (!epilogue_init_front(r->front, g, r->head, y->rank, y->dim)) return false;
  }
  if (after) {
    r->back = MC_NEW(g->k->arena, kepilogue);
    if (!epilogue_init(r->back, g, r->head, y->rank, y->dim)) return false;
  }
  r->out = view_of(g, g->group->out[0]);
  r->in = before ? r->out : view_of(g, r->head->in[0]); /* where ops come before it, nobody reads
                                                           through it: any view of the shape */
  r->rank = y->rank;
  memcpy(r->dim, y->dim, sizeof r->dim);
  return true;
}
