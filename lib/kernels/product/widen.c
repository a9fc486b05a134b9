/* A of a product widened before its loops begin (engines of sign `wide`): pmaddwd wants pairs of
 * i16, a core without bf16 instructions f32, and widening an element once is cheaper than widening
 * it again for every block of columns. The copy lies in scratch, dense, with the border that a
 * convolution reads. Weights of bf16 are widened too, when the loop over blocks of columns reaches
 * them. */
#include "gemm.h"

kvalue widen_block(kgemm *p, kvalue b, int nv) {
  kbuilder *k = p->k;
  if (!mc_engine_widens_b(p->d.e)) return b;
  int64_t n = (int64_t)nv * KGEMM_LANES * p->d.nrun * p->d.steps,
          own = mc_widen_b_bytes(p->d.e, p->head);
  int lanes = n % 32 ? KGEMM_LANES : 32;
  kvalue to = build_offset(k, group_scratch(p->g), mc_widen_a_bytes(p->d.e, p->head));
  if (p->g->tasks > 1) to = build_address(k, to, build_mul_const(k, LLVMGetParam(k->fn, 2), own));
  if (!n) return to;
  kloop l;
  build_range(k, &l, n, lanes, NULL, 0);
  kvalue v = build_load(k, type_of_lanes(k, k->i16, lanes),
                        build_address(k, b, build_mul_const(k, l.iv, 2)), 32);
  build_store(k, vec_from_bf16(k, v), build_address(k, to, build_mul_const(k, l.iv, 4)), 64);
  build_end(k, &l, NULL);
  return to;
}

kview widen_view(const kgemm *p) {
  mc_widened s = mc_widen_shape(p->head);
  kview v = view_at_base(mc_widen_strides(p->d.e, p->head), NULL);
  bool image = v.rank == 4;
  v.base = build_offset(p->k, group_scratch(p->g),
                        image ? s.top * v.stride[1] + s.left * v.stride[2] : 0);
  return v;
}

static void widen_piece(kgemm *p, kvalue src, kvalue dst, int lanes) {
  kbuilder *k = p->k;
  bool real = mc_engine_is_real(p->d.e);
  kvalue v = build_load(k, type_of_lanes(k, real ? k->i16 : k->i8, lanes), src, real ? 2 : 1);
  build_store(k, real ? vec_from_bf16(k, v) : build_ext(k, v, k->i16, p->d.a_signed), dst,
              real ? 4 : 2);
}

static void widen_elements(kgemm *p, kvalue src, kvalue dst, int64_t n) {
  kbuilder *k = p->k;
  int64_t at = 0, from = mc_gemm_elem(p->d.e), to = mc_gemm_a_elem(p->d.e);
  for (int lanes = 32; lanes; lanes /= 2) {
    int64_t count = (n - at) / lanes * lanes;
    if (!count) continue;
    kloop l;
    build_range(k, &l, count, lanes, NULL, 0);
    widen_piece(
        p, build_offset(k, build_address(k, src, build_mul_const(k, l.iv, from)), from * at),
        build_offset(k, build_address(k, dst, build_mul_const(k, l.iv, to)), to * at), lanes);
    build_end(k, &l, NULL);
    at += count;
  }
}

void widen_operands(kgemm *p) {
  kbuilder *k = p->k;
  const mc_type *t = p->head->in[0]->type;
  mc_widened s = mc_widen_shape(p->head);
  kview in = view_of(p->g, p->head->in[0]);
  int64_t es = view_elem_bytes(&in), wide = mc_gemm_a_elem(p->d.e),
          line = t->rank == 4 ? in.stride[1] : s.dim[3] * es,
          px = t->rank == 4 ? in.stride[2] : s.dim[3] * es;
  bool dense = px == s.dim[3] * es;
  int64_t trips = dense ? 1 : s.dim[2], n = dense ? s.dim[2] * s.dim[3] : s.dim[3];
  kvalue from = build_offset(k, in.base, -s.top * line - s.left * px), to = group_scratch(p->g);
  kloop once, li, ll, lp;
  int split = split_nest(p->g, &once, 2, s.dim, 1);
  split_range(p->g, &li, s.dim[0], 1, split == 0);
  split_range(p->g, &ll, s.dim[1], 1, split == 1);
  kvalue src = build_address(
      k, build_address(k, from, build_mul_const(k, li.iv, t->rank == 4 ? in.stride[0] : 0)),
      build_mul_const(k, ll.iv, line));
  kvalue dst =
      build_address(k, to,
                    build_mul_const(k, build_add(k, build_mul_const(k, li.iv, s.dim[1]), ll.iv),
                                    s.dim[2] * s.dim[3] * wide));
  build_range(k, &lp, trips, 1, NULL, 0);
  widen_elements(p, build_address(k, src, build_mul_const(k, lp.iv, px)),
                 build_address(k, dst, build_mul_const(k, lp.iv, s.dim[3] * wide)), n);
  build_end(k, &lp, NULL);
  build_end(k, &ll, NULL);
  build_end(k, &li, NULL);
  build_end(k, &once, NULL);
  split_stage(p->g);
}
