/* softmax and layer_norm: fp32 rows summed in 16 interleaved partial sums, as docs/numerics.md has it. */
#include "lower.h"
#include <string.h>

typedef struct rows {
  kgroup *g; kb *k; mc_node *head;
  kview in, out, mid, gamma, beta; bool has_gamma, has_beta;
  int rank; int64_t dim[MC_MAX_RANK];   /* outer axes, then the row */
  int64_t n;                            /* elements of a row */
  V x, y, m;                            /* the present row; its exponentials: in the result's place, or in scratch where the result has 16 bits */
  V acc, a, b;                          /* sums; what the present pass needs (maximum; mean, 1 / deviation) */
  float eps;
  int split;                            /* the loop that is divided among threads */
} rows;

static V load_at(const rows *r, const kview *v, V base, V at, int64_t c, int lanes, int valid) {
  int64_t s = v->stride[r->rank - 1];
  V p = kb_gepi(r->k, at ? kb_gep(r->k, base, kb_muli(r->k, at, s)) : base, c * s);
  return kl_load(r->k, p, v->dtype, s, lanes, valid, v->slack);
}
static void store_at(const rows *r, const kview *to, V base, V v, V at, int64_t c, int valid) {
  int64_t s = to->stride[r->rank - 1];
  V p = kb_gepi(r->k, at ? kb_gep(r->k, base, kb_muli(r->k, at, s)) : base, c * s);
  kl_store(r->k, v, p, to->dtype, s, valid);
}
static V fadd(const rows *r, V a, V b) { return LLVMBuildFAdd(r->k->b, a, b, ""); }
static V fsub(const rows *r, V a, V b) { return LLVMBuildFSub(r->k->b, a, b, ""); }
static V fmul(const rows *r, V a, V b) { return LLVMBuildFMul(r->k->b, a, b, ""); }

/* A pass over the row that carries 16 accumulators. `value` gives what lane-wise `combine` takes in; lanes that are not there keep theirs. */
typedef V value_fn(rows *r, V at, int64_t c, int valid);
typedef V combine_fn(const rows *r, V acc, V v);
static V keep_lanes(const rows *r, V next, V acc, int64_t rest) {
  V m[KB_LANES];
  for (int i = 0; i < KB_LANES; i++) m[i] = LLVMConstInt(r->k->i1, i < rest, 0);
  return kb_select(r->k, LLVMConstVector(m, KB_LANES), next, acc);
}
static V pass(rows *r, V acc, value_fn *value, combine_fn *combine) {
  kb *k = r->k;
  int64_t full = r->n / KB_LANES * KB_LANES, rest = r->n - full;
  if (full) {
    kb_loop l;
    kb_range(k, &l, full, KB_LANES, &acc, 1);
    V next = combine(r, l.carried[0], value(r, l.iv, 0, KB_LANES));
    kb_end(k, &l, &next);
    acc = l.carried[0];
  }
  return rest ? keep_lanes(r, combine(r, acc, value(r, NULL, full, (int)rest)), acc, rest) : acc;
}
static V fold(const rows *r, V acc, combine_fn *combine) {
  for (int half = KB_LANES / 2; half; half /= 2) acc = combine(r, kb_extract(r->k, acc, 0, half), kb_extract(r->k, acc, half, half));
  return acc;
}
static V largest(const rows *r, V acc, V v) { return kv_fmax(r->k, v, acc); }

/* ---- softmax along the last axis ---- */
static V x_value(rows *r, V at, int64_t c, int valid) { return load_at(r, &r->in, r->x, at, c, KB_LANES, valid); }
static V exp_value(rows *r, V at, int64_t c, int valid) {
  kfm f = { r->k, KB_LANES };
  V e = kfm_exp(&f, fsub(r, x_value(r, at, c, valid), kb_splat(r->k, r->a, KB_LANES)));
  store_at(r, &r->mid, r->m, e, at, c, valid);
  return e;
}
static void scale_part(void *ctx, V at, int64_t c, int lanes, int valid) {
  rows *r = ctx;
  store_at(r, &r->out, r->y, fmul(r, load_at(r, &r->mid, r->m, at, c, lanes, valid), kb_splat(r->k, r->b, lanes)), at, c, valid);
}
static void softmax_row(rows *r) {
  kb *k = r->k;
  r->m = r->mid.dtype == r->out.dtype ? r->y : r->mid.base;
  r->a = fold(r, pass(r, kb_f32s(k, -__builtin_inff(), KB_LANES), x_value, largest), largest);
  V sum = fold(r, pass(r, kb_f32s(k, 0.0f, KB_LANES), exp_value, fadd), fadd);
  r->b = LLVMBuildFDiv(k->b, kb_f32(k, 1.0f), sum, "");
  k_vectors(k, r->n, KB_LANES, scale_part, r);
}

/* ---- softmax along another axis: the columns behind it are independent, sums run in order ---- */
typedef struct column { rows *r; int64_t n, in_step, out_step; } column;
static void softmax_columns(void *ctx, V at, int64_t c, int lanes, int valid) {
  column *s = ctx;
  rows *r = s->r;
  kb *k = r->k;
  int64_t sx = r->in.stride[r->rank - 1], sy = r->out.stride[r->rank - 1];
  V x = kb_gepi(k, at ? kb_gep(k, r->x, kb_muli(k, at, sx)) : r->x, c * sx), y = kb_gepi(k, at ? kb_gep(k, r->y, kb_muli(k, at, sy)) : r->y, c * sy);
  bool own = r->mid.dtype == r->out.dtype;   /* else 16 columns at a time stand in scratch */
  V m = own ? y : r->mid.base;
  int64_t mid_step = own ? s->out_step : 4 * KB_LANES, sm = own ? sy : 4;
  V acc = kb_f32s(k, -__builtin_inff(), lanes);
  kb_loop l;
  kb_range(k, &l, s->n, 1, &acc, 1);
  V next = kv_fmax(k, kl_load(k, kb_gep(k, x, kb_muli(k, l.iv, s->in_step)), r->in.dtype, sx, lanes, valid, r->in.slack), l.carried[0]);
  kb_end(k, &l, &next);
  V max = l.carried[0];
  acc = kb_f32s(k, 0.0f, lanes);
  kb_range(k, &l, s->n, 1, &acc, 1);
  kfm f = { k, lanes };
  V e = kfm_exp(&f, fsub(r, kl_load(k, kb_gep(k, x, kb_muli(k, l.iv, s->in_step)), r->in.dtype, sx, lanes, valid, r->in.slack), max));
  kl_store(k, e, kb_gep(k, m, kb_muli(k, l.iv, mid_step)), MC_f32, sm, valid);
  next = fadd(r, l.carried[0], e);
  kb_end(k, &l, &next);
  V inv = LLVMBuildFDiv(k->b, kb_f32s(k, 1.0f, lanes), l.carried[0], "");
  kb_range(k, &l, s->n, 1, NULL, 0);
  V p = kb_gep(k, y, kb_muli(k, l.iv, s->out_step));
  V e2 = kl_load(k, kb_gep(k, m, kb_muli(k, l.iv, mid_step)), MC_f32, sm, lanes, valid, r->mid.slack);
  kl_store(k, fmul(r, e2, inv), p, r->out.dtype, sy, valid);
  kb_end(k, &l, NULL);
}

/* ---- layer_norm ---- */
static V square_value(rows *r, V at, int64_t c, int valid) {
  V d = fsub(r, x_value(r, at, c, valid), kb_splat(r->k, r->a, KB_LANES));
  return fmul(r, d, d);
}
static V parameter(const rows *r, const kview *v, V at, int64_t c, int lanes, int valid) {
  V p = kb_gepi(r->k, at ? kb_gep(r->k, v->base, kb_muli(r->k, at, 4)) : v->base, c * 4);
  return kl_load(r->k, p, MC_f32, 4, lanes, valid, v->slack);
}
static void norm_part(void *ctx, V at, int64_t c, int lanes, int valid) {
  rows *r = ctx;
  V v = fsub(r, load_at(r, &r->in, r->x, at, c, lanes, valid), kb_splat(r->k, r->a, lanes));
  v = fmul(r, v, kb_splat(r->k, r->b, lanes));
  if (r->has_gamma) v = fmul(r, v, parameter(r, &r->gamma, at, c, lanes, valid));
  if (r->has_beta) v = fadd(r, v, parameter(r, &r->beta, at, c, lanes, valid));
  store_at(r, &r->out, r->y, v, at, c, valid);
}
static void norm_row(rows *r) {
  kb *k = r->k;
  V zero = kb_f32s(k, 0.0f, KB_LANES), d = kb_f32(k, (float)r->n);
  r->a = LLVMBuildFDiv(k->b, fold(r, pass(r, zero, x_value, fadd), fadd), d, "");
  V var = LLVMBuildFDiv(k->b, fold(r, pass(r, zero, square_value, fadd), fadd), d, "");
  V dev = kb_intr1(k, "llvm.sqrt", fadd(r, var, kb_f32(k, r->eps)));
  r->b = LLVMBuildFDiv(k->b, kb_f32(k, 1.0f), dev, "");
  k_vectors(k, r->n, KB_LANES, norm_part, r);
}

/* ---- the loops around rows ---- */
static void each_row(rows *r, int d, V x, V y, void (*row)(rows *r)) {
  if (d == r->rank - 1) {
    r->x = x;
    r->y = y;
    row(r);
    return;
  }
  kb_loop l;
  kl_range(r->g, &l, r->dim[d], 1, d == r->split);
  each_row(r, d + 1, kb_gep(r->k, x, kb_muli(r->k, l.iv, r->in.stride[d])), kb_gep(r->k, y, kb_muli(r->k, l.iv, r->out.stride[d])), row);
  kb_end(r->k, &l, NULL);
}
/* All rows; columns: the innermost axis holds independent columns, which may be divided as well. */
static void all_rows(rows *r, void (*row)(rows *r), bool columns) {
  kb_loop once;
  r->split = columns ? kl_divide_nest(r->g, &once, r->rank, r->dim, KB_LANES) : kl_divide_nest(r->g, &once, r->rank - 1, r->dim, 1);
  each_row(r, 0, r->in.base, r->out.base, row);
  kb_end(r->k, &once, NULL);
}
static void column_rows(rows *r) {
  column s = { r, r->dim[r->rank], r->in.stride[r->rank], r->out.stride[r->rank] };
  kl_vectors(r->g, r->split == r->rank - 1, r->n, KB_LANES, softmax_columns, &s);
}
static bool begin(rows *r, kgroup *g) {
  r->g = g; r->k = g->k; r->head = kl_first(g);
  const mc_type *t = r->head->out[0]->type;
  if (!kl_single(g)) return false;
  if (!kl_real(t->dtype)) return kl_error(g, r->head, "'%s' on %s has no lowering", mc_ops[r->head->op].text, mc_dtype_names[t->dtype]);
  r->in = kl_view(g, r->head->in[0]);
  r->out = kl_view(g, g->group->out[0]);
  r->rank = t->rank;
  memcpy(r->dim, t->dim, sizeof r->dim);
  return true;
}
/* Drop axis d: the caller keeps its size and strides. */
static void take_out(rows *r, int d) {
  kview *views[2] = { &r->in, &r->out };
  for (int i = d; i + 1 < r->rank; i++) {
    r->dim[i] = r->dim[i + 1];
    for (int j = 0; j < 2; j++) views[j]->stride[i] = views[j]->stride[i + 1];
  }
  r->rank--;
}
/* Exponentials in fp32 between the passes, where the result has no room for them: a row, or 16 columns; for each task. */
static int64_t exps_bytes(const mc_node *n) {
  const mc_type *t = n->out[0]->type;
  int64_t axis = MC_ATTRS(n, softmax)->axis, size = t->dim[axis < 0 ? axis + t->rank : axis];
  return size * 4 * KB_LANES + MC_PLAN_SLACK;
}
int64_t k_softmax_scratch(const mc_plan *p, int group) {
  const kgroup g = { .plan = p, .group = p->group[group], .region = p->group[group]->region };
  const mc_node *n = kl_first(&g);
  if (!n || n->op != MC_OP_softmax || n->out[0]->type->dtype == MC_f32) return 0;
  return exps_bytes(n) * kl_tasks(p, group);
}
bool k_emit_softmax(kgroup *g) {
  rows *r = MC_NEW(g->k->arena, rows);
  if (!begin(r, g)) return false;
  r->mid = r->out;
  if (r->out.dtype != MC_f32) {
    V s = kl_scratch(g);
    if (g->tasks > 1) s = kb_gep(g->k, s, kb_muli(g->k, LLVMGetParam(g->k->fn, 2), exps_bytes(r->head)));
    r->mid = (kview){ .base = s, .dtype = MC_f32, .slack = true };
    for (int d = 0; d < MC_MAX_RANK; d++) r->mid.stride[d] = 4;
  }
  int axis = (int)MC_ATTRS(r->head, softmax)->axis;
  if (axis < 0) axis += r->rank;
  while (r->rank - 1 > axis && r->dim[r->rank - 1] == 1) r->rank--;   /* empty axes behind it */
  if (axis == r->rank - 1) {
    r->n = r->dim[axis];
    all_rows(r, softmax_row, false);
  } else {
    int64_t n = r->dim[axis], si = r->in.stride[axis], so = r->out.stride[axis];
    take_out(r, axis);
    r->dim[r->rank] = n;   /* parked behind the axes that are left */
    r->in.stride[r->rank] = si;
    r->out.stride[r->rank] = so;
    r->n = r->dim[r->rank - 1];
    all_rows(r, column_rows, true);
  }
  kl_fill_borders(g);
  return true;
}
/* Are axes [axis, rank) of the buffer one row of elements? */
static bool one_row(const mc_buffer *b, const mc_type *t, int axis) {
  if (!b || t->rank != 4) return true;
  bool pixels = axis >= 3 || b->pitch_c == t->dim[3], lines = axis >= 2 || b->pitch_w == t->dim[2], images = axis >= 1 || b->halo[0] + b->halo[2] == 0;
  return pixels && lines && images;
}
static int norm_axis(const mc_node *n) {
  int64_t axis = MC_ATTRS(n, layer_norm)->axis;
  return (int)(axis < 0 ? axis + n->in[0]->type->rank : axis);
}
/* Rows that are not one piece of memory are normalized in a dense copy; a result of another element type in one of its own behind it. */
static int64_t dense_bytes(const mc_type *t) { return (mc_type_bytes(t) + MC_PLAN_SLACK + 63) / 64 * 64; }
int64_t k_norm_scratch(const mc_plan *p, int group) {
  const kgroup g = { .plan = p, .group = p->group[group], .region = p->group[group]->region };
  const mc_node *n = kl_first(&g);
  if (!n || n->op != MC_OP_layer_norm) return 0;
  const mc_type *t = n->in[0]->type;
  bool whole = one_row(mc_plan_buffer(p, n->in[0]), t, norm_axis(n)) && one_row(mc_plan_buffer(p, p->group[group]->out[0]), t, norm_axis(n));
  if (whole) return 0;
  return dense_bytes(t) + (t->dtype == n->out[0]->type->dtype ? 0 : dense_bytes(n->out[0]->type));
}
static kview dense_view(const kgroup *g, const mc_type *t, int64_t at) {
  kview v = { .base = kb_gepi(g->k, kl_scratch(g), at), .dtype = t->dtype, .rank = t->rank, .slack = true };
  for (int64_t d = t->rank - 1, s = (int64_t)mc_dtype_size(t->dtype); d >= 0; d--) {
    v.stride[d] = s;
    s *= t->dim[d];
  }
  return v;
}
static void norm_rows(rows *r, int axis) {
  const mc_attrs_layer_norm *a = MC_ATTRS(r->head, layer_norm);
  kview *views[2] = { &r->in, &r->out };
  for (int d = r->rank - 2; d >= axis; d--) {
    r->dim[d] *= r->dim[d + 1];
    for (int j = 0; j < 2; j++) views[j]->stride[d] = views[j]->stride[d + 1];
    r->rank--;
  }
  r->n = r->dim[axis];
  r->eps = a->epsilon;
  r->has_gamma = r->head->nin > 1;
  r->has_beta = r->head->nin > 2;
  if (r->has_gamma) r->gamma = kl_view(r->g, r->head->in[1]);
  if (r->has_beta) r->beta = kl_view(r->g, r->head->in[2]);
  all_rows(r, norm_row, false);
}
bool k_emit_norm(kgroup *g) {
  rows *r = MC_NEW(g->k->arena, rows);
  if (!begin(r, g)) return false;
  if (r->head->op != MC_OP_layer_norm) return kl_error(g, r->head, "'%s' does not head a 'norm' group", mc_ops[r->head->op].text);
  const mc_type *x = r->head->in[0]->type, *y = r->head->out[0]->type;
  bool copy = k_norm_scratch(g->plan, g->index) > 0;
  int64_t dense = x->dtype == y->dtype ? 0 : dense_bytes(x);   /* where the result's copy stands in scratch */
  if (copy) {
    kview in = dense_view(g, x, 0);
    kl_copy(g, x, r->in, in);
    kl_step(g);
    r->in = dense_view(g, x, 0);
    r->out = dense_view(g, y, dense);
  }
  norm_rows(r, norm_axis(r->head));
  if (copy) {
    kl_step(g);
    kl_copy(g, y, dense_view(g, y, dense), kl_view(g, g->group->out[0]));
  }
  kl_fill_borders(g);
  return true;
}
