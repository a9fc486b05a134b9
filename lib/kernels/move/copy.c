/* Strided copies of boxes. */
#include "copy.h"
#include <string.h>

V kbox_convert(const kbox *b, V v) {
  kb *k = b->k;
  if (!b->from) return v;
  if (b->from->dtype == MC_f32)
    return kv_quantize(k, v, b->to->q.scale, kl_zero_point(b->to), b->to->dtype);
  int32_t z = kl_zero_point(b->from);
  if (z) v = LLVMBuildSub(k->b, v, kb_i32s(k, z, kb_lanes(v)), "");
  v = LLVMBuildFMul(k->b, kv_to_f32(k, v),
                    kb_f32s(k, b->from->q.scale / b->to->q.scale, kb_lanes(v)), "");
  return kv_quant(k, v, kl_zero_point(b->to), b->to->dtype);
}

static void copy_part(void *ctx, V at, int64_t c, int lanes, int valid) {
  kbox *b = ctx;
  kb *k = b->k;
  int64_t ss = b->src.stride[b->rank - 1], ds = b->dst.stride[b->rank - 1];
  V s = kb_gepi(k, at ? kb_gep(k, b->s, kb_muli(k, at, ss)) : b->s, c * ss),
    d = kb_gepi(k, at ? kb_gep(k, b->d, kb_muli(k, at, ds)) : b->d, c * ds);
  V v = kl_load(k, s, b->src.dtype, ss, lanes, valid, b->src.slack);
  v = kbox_convert(b, v);
  kl_store(k, v, d, b->dst.dtype, ds, valid);
}

static void copy_inner(kbox *b, V s, V d) {
  int64_t n = b->dim[b->rank - 1], es = kl_elem(&b->src);
  bool plain = !b->from && b->src.stride[b->rank - 1] == es && b->dst.stride[b->rank - 1] == es,
       split = b->split == b->rank - 1;
  if (plain && split) {
    V lo, hi, at;
    kl_share(b->g, n, &lo, &hi);
    at = kb_muli(b->k, lo, es);
    LLVMBuildMemCpy(b->k->b, kb_gep(b->k, d, at), 1, kb_gep(b->k, s, at), 1,
                    kb_sub(b->k, kb_muli(b->k, hi, es), at));
    return;
  }
  if (plain) {
    kb_memcpy(b->k, d, s, n * es);
    return;
  }
  b->s = s;
  b->d = d;
  bool vector = b->dst.stride[b->rank - 1] == es &&
                (b->src.stride[b->rank - 1] == es || b->src.stride[b->rank - 1] == 0);
  kl_vectors(b->g, split, n, vector ? KB_LANES : 1, copy_part, b);
}

static void copy_axis(kbox *b, const kplanes *p, int axis, V s, V d) {
  if (axis == b->rank - 2 && p->kind) {
    kplanes_copy(b, p, s, d);
    return;
  }
  if (axis == b->rank - 1) {
    copy_inner(b, s, d);
    return;
  }
  kb_loop l;
  kl_range(b->g, &l, b->dim[axis], 1, b->split == axis);
  copy_axis(b, p, axis + 1, kb_gep(b->k, s, kb_muli(b->k, l.iv, b->src.stride[axis])),
            kb_gep(b->k, d, kb_muli(b->k, l.iv, b->dst.stride[axis])));
  kb_end(b->k, &l, NULL);
}

static int divide(const kbox *b, const kplanes *p, kb_loop *once) {
  int64_t trips[MC_MAX_RANK];
  memcpy(trips, b->dim, sizeof trips);
  if (!p->kind) return kl_divide_nest(b->g, once, b->rank, trips, KB_LANES);
  trips[b->rank - 2] = kplanes_trips(b, p);
  return kl_divide_nest(b->g, once, b->rank - 1, trips, 1);
}

void kbox_copy(kbox *b) {
  if (b->rank == 0) {
    b->rank = 1;
    b->dim[0] = 1;
    b->src.stride[0] = b->dst.stride[0] = kl_elem(&b->src);
  }
  for (int d = 0; d < b->rank; d++)
    if (b->dim[d] == 0) return;
  b->src.rank = b->dst.rank = b->rank;
  b->rank = ks_collapse(b->rank, b->dim, (kview *[]){ &b->src, &b->dst }, 2, b->rank);
  kplanes p = kplanes_of(b);
  kb_loop once;
  b->split = -1;
  if (b->share)
    kb_range(b->k, &once, 1, 1, NULL, 0);
  else
    b->split = divide(b, &p, &once);
  copy_axis(b, &p, 0, b->src.base, b->dst.base);
  kb_end(b->k, &once, NULL);
}

kbox kbox_of(kgroup *g, const mc_type *shape, kview src, kview dst) {
  kbox b = { .g = g, .k = g->k, .rank = shape->rank, .src = src, .dst = dst };
  memcpy(b.dim, shape->dim, sizeof b.dim);
  return b;
}

void kl_copy(kgroup *g, const mc_type *shape, kview src, kview dst) {
  kbox b = kbox_of(g, shape, src, dst);
  kbox_copy(&b);
}
