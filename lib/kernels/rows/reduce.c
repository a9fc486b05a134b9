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
  kb *k;
  mc_node *head;
  kx *x;
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

static V start(const red *r, int lanes) {
  if (r->f32) return kb_f32s(r->k, r->max ? -__builtin_inff() : 0.0f, lanes);
  return kb_i32s(r->k, !r->max ? 0 : r->in.dtype == MC_u8 ? 0 : -128, lanes);
}

static V step(const red *r, V acc, V v) {
  kb *k = r->k;
  if (r->f32) return r->max ? kv_fmax(k, v, acc) : LLVMBuildFAdd(k->b, acc, v, "");
  if (r->max) return kb_smax(k, acc, v);
  int32_t z = kl_zero_point(r->head->in[0]->type);
  return LLVMBuildAdd(k->b, acc, z ? LLVMBuildSub(k->b, v, kb_i32s(k, z, kb_lanes(v)), "") : v, "");
}

/* Loops over reduced axes [d, n), `lanes` results at once. */
static V along(const red *r, int d, V acc, V at, int lanes, int valid) {
  kb *k = r->k;
  if (d == r->n)
    return step(r, acc, kl_load(k, at, r->in.dtype, kl_elem(&r->in), lanes, valid, r->in.slack));
  kb_loop l;
  kb_range(k, &l, r->dim[d], 1, &acc, 1);
  V next =
      along(r, d + 1, l.carried[0], kb_gep(k, at, kb_muli(k, l.iv, r->stride[d])), lanes, valid);
  kb_end(k, &l, &next);
  return l.carried[0];
}

/* 16 -> 8 -> 4 -> 2 -> 1: the upper half to the lower. */
static V fold(const red *r, V acc) {
  kb *k = r->k;
  for (int half = KB_LANES / 2; half; half /= 2) {
    V lo = kb_extract(k, acc, 0, half), hi = kb_extract(k, acc, half, half);
    acc = r->f32   ? LLVMBuildFAdd(k->b, lo, hi, "")
          : r->max ? kb_smax(k, lo, hi)
                   : LLVMBuildAdd(k->b, lo, hi, "");
  }
  return acc;
}

/* The innermost reduced axis in 16 lanes; lanes that are not there take the neutral element. */
static V in_lanes(const red *r, V acc, V at) {
  kb *k = r->k;
  int64_t n = r->dim[r->n - 1], full = n / KB_LANES * KB_LANES, rest = n - full,
          s = r->stride[r->n - 1];
  if (full) {
    kb_loop l;
    kb_range(k, &l, full, KB_LANES, &acc, 1);
    V next = step(r, l.carried[0],
                  kl_load(k, kb_gep(k, at, kb_muli(k, l.iv, s)), r->in.dtype, s, KB_LANES, KB_LANES,
                          r->in.slack));
    kb_end(k, &l, &next);
    acc = l.carried[0];
  }
  if (!rest) return acc;
  V next = step(r, acc,
                kl_load(k, kb_gepi(k, at, full * s), r->in.dtype, s, KB_LANES, (int)rest, false)),
    m[KB_LANES];
  for (int i = 0; i < KB_LANES; i++) m[i] = LLVMConstInt(k->i1, i < rest, 0);
  return kb_select(k, LLVMConstVector(m, KB_LANES), next, acc);
}

static V lanes_along(const red *r, int d, V acc, V at) {
  if (d == r->n - 1) return in_lanes(r, acc, at);
  kb_loop l;
  kb_range(r->k, &l, r->dim[d], 1, &acc, 1);
  V next = lanes_along(r, d + 1, l.carried[0], kb_gep(r->k, at, kb_muli(r->k, l.iv, r->stride[d])));
  kb_end(r->k, &l, &next);
  return l.carried[0];
}

static V finish(const red *r, V acc, int lanes) {
  kb *k = r->k;
  if (r->max) return acc;
  if (r->f32)
    return r->mean ? LLVMBuildFDiv(k->b, acc, kb_f32s(k, (float)r->count, lanes), "") : acc;
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  float m = in->q.scale / out->q.scale;
  if (r->mean) m = m / (float)r->count;
  return kv_quant(k, LLVMBuildFMul(k->b, kv_to_f32(k, acc), kb_f32s(k, m, lanes), ""),
                  kl_zero_point(out), out->dtype);
}

static void one(void *ctx, V at, int64_t c, int lanes, int valid) {
  red *r = ctx;
  kx *x = r->x;
  x->iv[x->rank - 1] = at;
  x->c[x->rank - 1] = c;
  V from = kl_at(r->k, &r->in, x->rank, x->iv, x->c);
  bool partial = lanes == 1 && r->n && (r->f32 ? r->last_alone && !r->max : true);
  V acc = partial ? fold(r, lanes_along(r, 0, start(r, KB_LANES), from))
                  : along(r, 0, start(r, lanes), from, lanes, valid);
  kx_at(x, lanes, valid);
  kx_bind(x, r->head->out[0], finish(r, acc, lanes));
  kx_finish(x);
}

static void outer(red *r, int d, int lanes, int split) {
  if (d == r->x->rank - 1) {
    kl_vectors(r->g, d == split, r->x->dim[d], lanes, one, r);
    return;
  }
  kb_loop l;
  kl_range(r->g, &l, r->x->dim[d], 1, d == split);
  r->x->iv[d] = l.iv;
  outer(r, d + 1, lanes, split);
  kb_end(r->k, &l, NULL);
}

bool k_emit_reduce(kgroup *g) {
  red *r = MC_NEW(g->k->arena, red);
  r->g = g;
  r->k = g->k;
  r->head = kl_first(g);
  r->x = MC_NEW(g->k->arena, kx);
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
    return kl_error(g, r->head, "'%s' does not head a 'reduce' group", mc_ops[r->head->op].text);
  }
  mc_dtype t = r->head->in[0]->type->dtype;
  if (!kl_real(t) && t != MC_u8 && t != MC_i8)
    return kl_error(g, r->head, "'%s' on %s has no lowering", mc_ops[r->head->op].text,
                    mc_dtype_names[t]);
  const mc_type *y = r->head->out[0]->type;
  if (!kx_init(r->x, g, r->head, y->rank, y->dim)) return false;
  r->f32 = kl_real(t);
  kview own = kl_view(g, r->head->in[0]);
  prepare_axes(r, axes, &own);
  bool vector = r->in.stride[r->x->rank - 1] == kl_elem(&own) && r->x->dim[r->x->rank - 1] > 1;
  int lanes = vector ? KB_LANES : 1;
  kb_loop once;
  outer(r, 0, lanes, kl_divide_nest(g, &once, r->x->rank, r->x->dim, lanes));
  kb_end(g->k, &once, NULL);
  kl_fill_borders(g);
  return true;
}
