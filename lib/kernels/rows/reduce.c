/* reduce: sums, means and maxima over any axes.
 *
 * Where the result's last axis lies along the operand's memory, 16 results are computed at once and
 * the reduced axes are loops around them. Else every result is a scalar: the last axis alone in 16
 * partial sums (docs/reference/numerics.md), integers likewise (their order is free), other fp32 in
 * row-major order. */
#include "lower.h"
#include <string.h>

typedef struct red {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x;
  bool max, mean, f32, last_alone;
  kview in; /* over the result's axes */
  int n;
  int64_t dim[MC_MAX_RANK], stride[MC_MAX_RANK], count; /* the reduced axes */
} red;

static void prepare_axes(red *r, const mc_ints *axes, const kview *own) {
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  bool gone[MC_MAX_RANK] = { false };
  for (int i = 0; i < axes->n; i++)
    gone[axes->v[i] < 0 ? axes->v[i] + in->rank : axes->v[i]] = true;
  r->in = *own;
  r->in.rank = r->x->rank;
  memset(r->in.stride, 0, sizeof r->in.stride);
  bool keep = out->rank == in->rank;
  r->count = 1;
  for (int d = 0, o = 0; d < in->rank; d++) {
    if (!gone[d]) r->in.stride[keep ? d : o++] = own->stride[d];
    if (!gone[d]) continue;
    r->dim[r->n] = in->dim[d];
    r->stride[r->n++] = own->stride[d];
    r->count *= in->dim[d];
  }
  r->last_alone = axes->n == 1 && gone[in->rank - 1];
  for (int i = r->n - 2; i >= 0; i--) /* merge what lies together */
    if (r->stride[i] == r->stride[i + 1] * r->dim[i + 1]) {
      r->dim[i] *= r->dim[i + 1];
      r->stride[i] = r->stride[i + 1];
      for (int j = i + 1; j + 1 < r->n; j++)
        r->dim[j] = r->dim[j + 1], r->stride[j] = r->stride[j + 1];
      r->n--;
    }
}

static kvalue start(const red *r, int lanes) {
  if (r->f32) return build_f32s(r->k, r->max ? -__builtin_inff() : 0.0f, lanes);
  return build_i32s(r->k, !r->max ? 0 : r->in.dtype == MC_u8 ? 0 : -128, lanes);
}

static kvalue step(const red *r, kvalue acc, kvalue v) {
  kbuilder *k = r->k;
  if (r->f32) return r->max ? vec_fmax(k, v, acc) : LLVMBuildFAdd(k->b, acc, v, "");
  if (r->max) return build_smax(k, acc, v);
  int32_t z = zero_point_of(r->head->in[0]->type);
  return LLVMBuildAdd(k->b, acc, z ? LLVMBuildSub(k->b, v, build_i32s(k, z, lanes_of(v)), "") : v,
                      "");
}

/* Loops over reduced axes [d, n), `lanes` results at once. */
static kvalue along(const red *r, int d, kvalue acc, kvalue at, int lanes, int valid) {
  kbuilder *k = r->k;
  if (d == r->n)
    return step(
        r, acc,
        memory_load(k, at, r->in.dtype, view_elem_bytes(&r->in), lanes, valid, r->in.slack));
  kloop l;
  build_range(k, &l, r->dim[d], 1, &acc, 1);
  kvalue next = along(r, d + 1, l.carried[0],
                      build_address(k, at, build_mul_const(k, l.iv, r->stride[d])), lanes, valid);
  build_end(k, &l, &next);
  return l.carried[0];
}

/* 16 -> 8 -> 4 -> 2 -> 1: the upper half to the lower. */
static kvalue fold(const red *r, kvalue acc) {
  kbuilder *k = r->k;
  for (int half = KERNEL_LANES / 2; half; half /= 2) {
    kvalue lo = build_extract(k, acc, 0, half), hi = build_extract(k, acc, half, half);
    acc = r->f32   ? LLVMBuildFAdd(k->b, lo, hi, "")
          : r->max ? build_smax(k, lo, hi)
                   : LLVMBuildAdd(k->b, lo, hi, "");
  }
  return acc;
}

/* The innermost reduced axis in 16 lanes; lanes that are not there take the neutral element. */
static kvalue in_lanes(const red *r, kvalue acc, kvalue at) {
  kbuilder *k = r->k;
  int64_t n = r->dim[r->n - 1], full = n / KERNEL_LANES * KERNEL_LANES, rest = n - full,
          s = r->stride[r->n - 1];
  if (full) {
    kloop l;
    build_range(k, &l, full, KERNEL_LANES, &acc, 1);
    kvalue next = step(r, l.carried[0],
                       memory_load(k, build_address(k, at, build_mul_const(k, l.iv, s)),
                                   r->in.dtype, s, KERNEL_LANES, KERNEL_LANES, r->in.slack));
    build_end(k, &l, &next);
    acc = l.carried[0];
  }
  if (!rest) return acc;
  kvalue next = step(r, acc,
                     memory_load(k, build_offset(k, at, full * s), r->in.dtype, s, KERNEL_LANES,
                                 (int)rest, false)),
         m[KERNEL_LANES];
  for (int i = 0; i < KERNEL_LANES; i++) m[i] = LLVMConstInt(k->i1, i < rest, 0);
  return build_select(k, LLVMConstVector(m, KERNEL_LANES), next, acc);
}

static kvalue lanes_along(const red *r, int d, kvalue acc, kvalue at) {
  if (d == r->n - 1) return in_lanes(r, acc, at);
  kloop l;
  build_range(r->k, &l, r->dim[d], 1, &acc, 1);
  kvalue next = lanes_along(r, d + 1, l.carried[0],
                            build_address(r->k, at, build_mul_const(r->k, l.iv, r->stride[d])));
  build_end(r->k, &l, &next);
  return l.carried[0];
}

static kvalue finish(const red *r, kvalue acc, int lanes) {
  kbuilder *k = r->k;
  if (r->max) return acc;
  if (r->f32)
    return r->mean ? LLVMBuildFDiv(k->b, acc, build_f32s(k, (float)r->count, lanes), "") : acc;
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  float m = in->q.scale / out->q.scale;
  if (r->mean) m = m / (float)r->count;
  return vec_quant(k, LLVMBuildFMul(k->b, vec_to_f32(k, acc), build_f32s(k, m, lanes), ""),
                   zero_point_of(out), out->dtype);
}

static void one(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  red *r = ctx;
  kepilogue *x = r->x;
  x->iv[x->rank - 1] = at;
  x->c[x->rank - 1] = c;
  kvalue from = view_address(r->k, &r->in, x->rank, x->iv, x->c);
  bool partial = lanes == 1 && r->n && (r->f32 ? r->last_alone && !r->max : true);
  kvalue acc = partial ? fold(r, lanes_along(r, 0, start(r, KERNEL_LANES), from))
                       : along(r, 0, start(r, lanes), from, lanes, valid);
  epilogue_at(x, lanes, valid);
  epilogue_bind(x, r->head->out[0], finish(r, acc, lanes));
  epilogue_finish(x);
}

static void outer(red *r, int d, int lanes, int split) {
  if (d == r->x->rank - 1) {
    split_vectors(r->g, d == split, r->x->dim[d], lanes, one, r);
    return;
  }
  kloop l;
  split_range(r->g, &l, r->x->dim[d], 1, d == split);
  r->x->iv[d] = l.iv;
  outer(r, d + 1, lanes, split);
  build_end(r->k, &l, NULL);
}

bool family_emit_reduce(kgroup *g) {
  red *r = MC_NEW(g->k->arena, red);
  r->g = g;
  r->k = g->k;
  r->head = group_first(g);
  r->x = MC_NEW(g->k->arena, kepilogue);
  const mc_ints *axes;
  switch (r->head->op) {
  case MC_OP_reduce_mean:
    axes = &MC_ATTRS(r->head, reduce_mean)->axes;
    r->mean = true;
    break;
  case MC_OP_reduce_sum: axes = &MC_ATTRS(r->head, reduce_sum)->axes; break;
  case MC_OP_reduce_max:
    axes = &MC_ATTRS(r->head, reduce_max)->axes;
    r->max = true;
    break;
  default:
    return group_error(g, r->head, "'%s' does not head a 'reduce' group", mc_ops[r->head->op].text);
  }
  mc_dtype t = r->head->in[0]->type->dtype;
  if (!in_f32(t) && t != MC_u8 && t != MC_i8)
    return group_error(g, r->head, "'%s' on %s has no lowering", mc_ops[r->head->op].text,
                       mc_dtype_names[t]);
  const mc_type *y = r->head->out[0]->type;
  if (!epilogue_init(r->x, g, r->head, y->rank, y->dim)) return false;
  r->f32 = in_f32(t);
  kview own = view_of(g, r->head->in[0]);
  prepare_axes(r, axes, &own);
  bool vector =
      r->in.stride[r->x->rank - 1] == view_elem_bytes(&own) && r->x->dim[r->x->rank - 1] > 1;
  int lanes = vector ? KERNEL_LANES : 1;
  kloop once;
  outer(r, 0, lanes, split_nest(g, &once, r->x->rank, r->x->dim, lanes));
  build_end(g->k, &once, NULL);
  fill_borders(g);
  return true;
}
