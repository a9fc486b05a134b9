/* Strided copies of boxes. */
#include "copy.h"
#include <string.h>

kvalue kbox_convert(const kbox *b, kvalue v) {
  kbuilder *k = b->k;
  if (!b->from) return v;
  if (b->from->dtype == MC_f32)
    return vec_quantize(k, v, b->to->q.scale, zero_point_of(b->to), b->to->dtype);
  int32_t z = zero_point_of(b->from);
  if (z) v = LLVMBuildSub(k->b, v, build_i32s(k, z, lanes_of(v)), "");
  v = LLVMBuildFMul(k->b, vec_to_f32(k, v),
                    build_f32s(k, b->from->q.scale / b->to->q.scale, lanes_of(v)), "");
  return vec_quant(k, v, zero_point_of(b->to), b->to->dtype);
}

static void copy_part(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  kbox *b = ctx;
  kbuilder *k = b->k;
  int64_t ss = b->src.stride[b->rank - 1], ds = b->dst.stride[b->rank - 1];
  kvalue s = build_offset(k, at ? build_address(k, b->s, build_mul_const(k, at, ss)) : b->s,
                          c * ss),
         d = build_offset(k, at ? build_address(k, b->d, build_mul_const(k, at, ds)) : b->d,
                          c * ds);
  kvalue v = memory_load(k, s, b->src.dtype, ss, lanes, valid, b->src.slack);
  v = kbox_convert(b, v);
  memory_store(k, v, d, b->dst.dtype, ds, valid);
}

static void copy_inner(kbox *b, kvalue s, kvalue d) {
  int64_t n = b->dim[b->rank - 1], es = view_elem_bytes(&b->src);
  bool plain = !b->from && b->src.stride[b->rank - 1] == es && b->dst.stride[b->rank - 1] == es,
       split = b->split == b->rank - 1;
  if (plain && split) {
    kvalue lo, hi, at;
    split_share(b->g, n, &lo, &hi);
    at = build_mul_const(b->k, lo, es);
    LLVMBuildMemCpy(b->k->b, build_address(b->k, d, at), 1, build_address(b->k, s, at), 1,
                    build_sub(b->k, build_mul_const(b->k, hi, es), at));
    return;
  }
  if (plain) {
    build_memcpy(b->k, d, s, n * es);
    return;
  }
  b->s = s;
  b->d = d;
  bool vector = b->dst.stride[b->rank - 1] == es &&
                (b->src.stride[b->rank - 1] == es || b->src.stride[b->rank - 1] == 0);
  split_vectors(b->g, split, n, vector ? KERNEL_LANES : 1, copy_part, b);
}

static void copy_axis(kbox *b, const kplanes *p, int axis, kvalue s, kvalue d) {
  if (axis == b->rank - 2 && p->kind) {
    kplanes_copy(b, p, s, d);
    return;
  }
  if (axis == b->rank - 1) {
    copy_inner(b, s, d);
    return;
  }
  kloop l;
  split_range(b->g, &l, b->dim[axis], 1, b->split == axis);
  copy_axis(b, p, axis + 1,
            build_address(b->k, s, build_mul_const(b->k, l.iv, b->src.stride[axis])),
            build_address(b->k, d, build_mul_const(b->k, l.iv, b->dst.stride[axis])));
  build_end(b->k, &l, NULL);
}

static int divide(const kbox *b, const kplanes *p, kloop *once) {
  int64_t trips[MC_MAX_RANK];
  memcpy(trips, b->dim, sizeof trips);
  if (!p->kind) return split_nest(b->g, once, b->rank, trips, KERNEL_LANES);
  trips[b->rank - 2] = kplanes_trips(b, p);
  return split_nest(b->g, once, b->rank - 1, trips, 1);
}

void kbox_copy(kbox *b) {
  if (b->rank == 0) {
    b->rank = 1;
    b->dim[0] = 1;
    b->src.stride[0] = b->dst.stride[0] = view_elem_bytes(&b->src);
  }
  for (int d = 0; d < b->rank; d++)
    if (b->dim[d] == 0) return;
  b->src.rank = b->dst.rank = b->rank;
  b->rank = views_collapse(b->rank, b->dim, (kview *[]){ &b->src, &b->dst }, 2, b->rank);
  kplanes p = kplanes_of(b);
  kloop once;
  b->split = -1;
  if (b->share)
    build_range(b->k, &once, 1, 1, NULL, 0);
  else
    b->split = divide(b, &p, &once);
  copy_axis(b, &p, 0, b->src.base, b->dst.base);
  build_end(b->k, &once, NULL);
}

kbox kbox_of(kgroup *g, const mc_type *shape, kview src, kview dst) {
  kbox b = { .g = g, .k = g->k, .rank = shape->rank, .src = src, .dst = dst };
  memcpy(b.dim, shape->dim, sizeof b.dim);
  return b;
}

void copy_views(kgroup *g, const mc_type *shape, kview src, kview dst) {
  kbox b = kbox_of(g, shape, src, dst);
  kbox_copy(&b);
}
