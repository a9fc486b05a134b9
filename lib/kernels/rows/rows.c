/* The loops around rows, and passes over several rows at once. A row ends in a chain of dependent
 * steps (fold, divide, square root) that costs as much as a few vectors; the rows of a block do it
 * in the lanes of one register. */
#include "rows.h"
#include <string.h>

static int block_of(const rows *r) { return kb_phys_lanes(r->k) < KB_LANES ? 2 : r->ints ? 8 : 4; }

V rows_at(const rows *r, const kview *v, V base, V at, int64_t c) {
  int64_t s = v->stride[r->rank - 1];
  return kb_gepi(r->k, at ? kb_gep(r->k, base, kb_muli(r->k, at, s)) : base, c * s);
}

V rows_load(const rows *r, const kview *v, V base, V at, int64_t c, int lanes, int valid) {
  return kl_load(r->k, rows_at(r, v, base, at, c), v->dtype, v->stride[r->rank - 1], lanes, valid,
                 v->slack);
}

void rows_store(const rows *r, const kview *to, V base, V v, V at, int64_t c, int valid) {
  kl_store(r->k, v, rows_at(r, to, base, at, c), to->dtype, to->stride[r->rank - 1], valid);
}

static void set_position(const rows *r, kx *x, int i, V at, int64_t c) {
  int last = x->rank - 1;
  for (int d = 0; d < last - 1; d++) x->iv[d] = r->outer[d], x->c[d] = 0;
  if (last > 0) x->iv[last - 1] = r->row, x->c[last - 1] = r->row_c + i;
  x->iv[last] = at;
  x->c[last] = c;
}

V rows_operand(const rows *r, int i, V at, int64_t c, int lanes, int valid) {
  if (!r->front) return rows_load(r, &r->in, r->x[i], at, c, lanes, valid);
  set_position(r, r->front, i, at, c);
  kx_at(r->front, lanes, valid);
  return kx_front(r->front);
}

void rows_result(const rows *r, int i, V *v, int n, V at, int64_t c, int valid) {
  kx *x = r->back;
  V raw[4];
  if (!x) {
    rows_store(r, &r->out, r->y[i], v[0], at, c, valid);
    return;
  }
  for (int j = 0; j < n; j++) {
    set_position(r, x, i, at, c + j * KB_LANES);
    kx_at(x, kb_lanes(v[j]), n > 1 ? KB_LANES : valid);
    kx_bind(x, x->head->out[0], v[j]);
    if (n > 1)
      raw[j] = kx_raw(x);
    else
      kx_finish(x);
  }
  if (n == 1) return;
  set_position(r, x, i, at, c);
  kx_store_raw(x, raw, n, n * KB_LANES);
}

int rows_store_most(const rows *r) {
  bool bytes = !r->back || r->back->tail;
  return bytes && r->out.stride[r->rank - 1] == 1 ? kv_narrow_most(r->k) : 1;
}

void rows_store_ints(const rows *r, int i, V *v, int n, bool bounded, V at, int64_t c, int valid) {
  kb *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  int32_t z = kl_zero_point(t);
  if (n == 1) {
    rows_store(r, &r->out, r->y[i], kv_quant(k, v[0], z, t->dtype), at, c, valid);
    return;
  }
  V raw[4];
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  for (int j = 0; j < n; j++) { /* numbers beyond 2^31 become the smallest integer, as a NaN does:
                                   right from below, not from above */
    V x = bounded ? v[j] : kv_fmin(k, kb_f32s(k, (float)((int32_t)hi - z), KB_LANES), v[j]);
    raw[j] = kv_raw(k, x, z, t->dtype, bounded);
  }
  V bytes = kv_narrow(k, raw, n, z, t->dtype, false);
  kb_store(k, kb_extract(k, bytes, 0, n * KB_LANES), rows_at(r, &r->out, r->y[i], at, c), 1);
}

V rows_centered(const rows *r, V q) {
  int32_t z = kl_zero_point(r->head->in[0]->type);
  if (kv_adds(r->k)) return kv_small_to_f32(r->k, q, z);
  return kv_to_f32(r->k, z ? LLVMBuildSub(r->k->b, q, kb_i32s(r->k, z, kb_lanes(q)), "") : q);
}

V rows_fadd(const rows *r, V acc, V v) { return LLVMBuildFAdd(r->k->b, acc, v, ""); }

V rows_iadd(const rows *r, V acc, V v) { return LLVMBuildAdd(r->k->b, acc, v, ""); }

V rows_fmax(const rows *r, V acc, V v) { return kv_fmax(r->k, v, acc); }

static V keep_lanes(const rows *r, V next, V acc, int64_t rest) {
  V m[KB_LANES];
  for (int i = 0; i < KB_LANES; i++) m[i] = LLVMConstInt(r->k->i1, i < rest, 0);
  return kb_select(r->k, LLVMConstVector(m, KB_LANES), next, acc);
}

void rows_pass(rows *r, V *acc, rows_value *value, rows_combine *combine) {
  kb *k = r->k;
  int64_t full = r->n / KB_LANES * KB_LANES, rest = r->n - full;
  V next[MC_ROWS_MOST];
  if (full) {
    kb_loop l;
    kb_range(k, &l, full, KB_LANES, acc, r->many);
    for (int i = 0; i < r->many; i++)
      next[i] = combine(r, l.carried[i], value(r, i, l.iv, 0, KB_LANES));
    kb_end(k, &l, next);
    memcpy(acc, l.carried, sizeof(V) * (size_t)r->many);
  }
  for (int i = 0; i < r->many && rest; i++)
    acc[i] = keep_lanes(r, combine(r, acc[i], value(r, i, NULL, full, (int)rest)), acc[i], rest);
}

typedef struct folding {
  const rows *r;
  rows_combine *combine;
} folding;

static V combine_halves(const void *ctx, V a, V b) {
  const folding *f = ctx;
  return f->combine(f->r, a, b);
}

V rows_fold(const rows *r, V *acc, rows_combine *combine) {
  return kv_fold(r->k, acc, r->many, combine_halves, &(folding){ r, combine });
}

V rows_lane(const rows *r, V v, int i) {
  return kb_splat(r->k, kb_extract(r->k, v, i, 1), KB_LANES);
}

/* ---- the loops ---- */
typedef struct nest {
  rows *r;
  V x, y;
  void (*block)(rows *r);
} nest;

static void some_rows(void *ctx, V at, int64_t c, int lanes, int valid) {
  nest *s = ctx;
  rows *r = s->r;
  kb *k = r->k;
  int d = r->rank - 2;
  (void)valid;
  r->many = lanes;
  r->row = at;
  r->row_c = c;
  for (int i = 0; i < lanes; i++) {
    r->x[i] = kb_gepi(k, at ? kb_gep(k, s->x, kb_muli(k, at, r->in.stride[d])) : s->x,
                      (c + i) * r->in.stride[d]);
    r->y[i] = kb_gepi(k, at ? kb_gep(k, s->y, kb_muli(k, at, r->out.stride[d])) : s->y,
                      (c + i) * r->out.stride[d]);
  }
  s->block(r);
}

static void each_row(nest *s, int d) {
  rows *r = s->r;
  if (d == r->rank - 2) {
    kl_vectors(r->g, d == r->split, r->dim[d], block_of(r), some_rows, s);
    return;
  }
  kb_loop l;
  nest inner = *s;
  kl_range(r->g, &l, r->dim[d], 1, d == r->split);
  r->outer[d] = l.iv;
  inner.x = kb_gep(r->k, s->x, kb_muli(r->k, l.iv, r->in.stride[d]));
  inner.y = kb_gep(r->k, s->y, kb_muli(r->k, l.iv, r->out.stride[d]));
  each_row(&inner, d + 1);
  kb_end(r->k, &l, NULL);
}

void rows_all(rows *r, void (*block)(rows *r)) {
  kview *views[2 + 4 * KX_MAX_VIEWS] = { &r->in, &r->out };
  kb_loop once;
  int64_t mid = r->mid.stride[r->rank - 1];
  int n = 2;
  if (r->front) n += kx_views(r->front, views + n);
  if (r->back) n += kx_views(r->back, views + n);
  r->rank = ks_collapse(r->rank, r->dim, views, n, r->rank - 1);
  if (r->front) r->front->rank = r->rank;
  if (r->back) r->back->rank = r->rank;
  if (r->rank == 1) { /* one row is a row of one */
    for (int i = 0; i < 2; i++) views[i]->stride[1] = views[i]->stride[0], views[i]->stride[0] = 0;
    r->dim[1] = r->dim[0];
    r->dim[0] = 1;
    r->rank = 2;
  }
  r->mid.stride[r->rank - 1] = mid;
  r->split = kl_divide_nest(r->g, &once, r->rank - 1, r->dim, block_of(r));
  each_row(&(nest){ r, r->in.base, r->out.base, block }, 0);
  kb_end(r->k, &once, NULL);
}

static bool is_bytes(const mc_type *t) {
  return mc_type_is_quant(t) && mc_dtype_size(t->dtype) == 1;
}

bool rows_begin(rows *r, kgroup *g) {
  r->g = g;
  r->k = g->k;
  r->head = kl_first(g);
  const mc_type *x = r->head->in[0]->type, *y = r->head->out[0]->type;
  const mc_node *ret = g->region->last;
  bool before = r->head->in[0]->def && kl_inside(g, r->head->in[0]),
       after = ret->in[0] != r->head->out[0];
  if (ret->nin != 1)
    return kl_error(g, r->head, "a '%s' group with several results has no lowering",
                    mc_ops[r->head->op].text);
  r->ints = is_bytes(x) && is_bytes(y);
  if (!r->ints && !kl_real(y->dtype))
    return kl_error(g, r->head, "'%s' on %s has no lowering", mc_ops[r->head->op].text,
                    mc_dtype_names[y->dtype]);
  if (r->ints && (before || after))
    return kl_error(g, r->head, "'%s' of integers has no lowering with other ops in its group",
                    mc_ops[r->head->op].text);
  if (before) {
    r->front = MC_NEW(g->k->arena, kx);
    if (!kx_init_front(r->front, g, r->head, y->rank, y->dim)) return false;
  }
  if (after) {
    r->back = MC_NEW(g->k->arena, kx);
    if (!kx_init(r->back, g, r->head, y->rank, y->dim)) return false;
  }
  r->out = kl_view(g, g->group->out[0]);
  r->in = before ? r->out : kl_view(g, r->head->in[0]); /* where ops come before it, nobody reads
                                                           through it: any view of the shape */
  r->rank = y->rank;
  memcpy(r->dim, y->dim, sizeof r->dim);
  return true;
}
