/* A of a product widened before its loops begin (engines of sign `wide`): pmaddwd wants pairs of
 * i16, a core without bf16 instructions f32, and widening an element once is cheaper than widening
 * it again for every block of columns. The copy lies in scratch, dense, with the border that a
 * convolution reads. Weights of bf16 are widened too, when the loop over blocks of columns reaches
 * them. */
#include "gemm.h"

V k_widen_block(kgemm *p, V b, int nv) {
  kb *k = p->k;
  if (!mc_engine_widens_b(p->d.e)) return b;
  int64_t n = (int64_t)nv * KGEMM_LANES * p->d.nrun * p->d.steps,
          own = mc_widen_b_bytes(p->d.e, p->head);
  int lanes = n % 32 ? KGEMM_LANES : 32;
  V to = kb_gepi(k, kl_scratch(p->g), mc_widen_a_bytes(p->d.e, p->head));
  if (p->g->tasks > 1) to = kb_gep(k, to, kb_muli(k, LLVMGetParam(k->fn, 2), own));
  if (!n) return to;
  kb_loop l;
  kb_range(k, &l, n, lanes, NULL, 0);
  V v = kb_load(k, kb_vt(k, k->i16, lanes), kb_gep(k, b, kb_muli(k, l.iv, 2)), 32);
  kb_store(k, kv_from_bf16(k, v), kb_gep(k, to, kb_muli(k, l.iv, 4)), 64);
  kb_end(k, &l, NULL);
  return to;
}

kview k_widen_view(const kgemm *p) {
  mc_widened s = mc_widen_shape(p->head);
  kview v = kl_at_base(mc_widen_strides(p->d.e, p->head), NULL);
  bool image = v.rank == 4;
  v.base = kb_gepi(p->k, kl_scratch(p->g), image ? s.top * v.stride[1] + s.left * v.stride[2] : 0);
  return v;
}

static void widen_piece(kgemm *p, V src, V dst, int lanes) {
  kb *k = p->k;
  bool real = mc_engine_is_real(p->d.e);
  V v = kb_load(k, kb_vt(k, real ? k->i16 : k->i8, lanes), src, real ? 2 : 1);
  kb_store(k, real ? kv_from_bf16(k, v) : kb_ext(k, v, k->i16, p->d.a_signed), dst, real ? 4 : 2);
}

static void widen_elements(kgemm *p, V src, V dst, int64_t n) {
  kb *k = p->k;
  int64_t at = 0, from = mc_gemm_elem(p->d.e), to = mc_gemm_a_elem(p->d.e);
  for (int lanes = 32; lanes; lanes /= 2) {
    int64_t count = (n - at) / lanes * lanes;
    if (!count) continue;
    kb_loop l;
    kb_range(k, &l, count, lanes, NULL, 0);
    widen_piece(p, kb_gepi(k, kb_gep(k, src, kb_muli(k, l.iv, from)), from * at),
                kb_gepi(k, kb_gep(k, dst, kb_muli(k, l.iv, to)), to * at), lanes);
    kb_end(k, &l, NULL);
    at += count;
  }
}

void k_widen(kgemm *p) {
  kb *k = p->k;
  const mc_type *t = p->head->in[0]->type;
  mc_widened s = mc_widen_shape(p->head);
  kview in = kl_view(p->g, p->head->in[0]);
  int64_t es = kl_elem(&in), wide = mc_gemm_a_elem(p->d.e),
          line = t->rank == 4 ? in.stride[1] : s.dim[3] * es,
          px = t->rank == 4 ? in.stride[2] : s.dim[3] * es;
  bool dense = px == s.dim[3] * es;
  int64_t trips = dense ? 1 : s.dim[2], n = dense ? s.dim[2] * s.dim[3] : s.dim[3];
  V from = kb_gepi(k, in.base, -s.top * line - s.left * px), to = kl_scratch(p->g);
  kb_loop once, li, ll, lp;
  int split = kl_divide_nest(p->g, &once, 2, s.dim, 1);
  kl_range(p->g, &li, s.dim[0], 1, split == 0);
  kl_range(p->g, &ll, s.dim[1], 1, split == 1);
  V src = kb_gep(k, kb_gep(k, from, kb_muli(k, li.iv, t->rank == 4 ? in.stride[0] : 0)),
                 kb_muli(k, ll.iv, line));
  V dst = kb_gep(
      k, to, kb_muli(k, kb_add(k, kb_muli(k, li.iv, s.dim[1]), ll.iv), s.dim[2] * s.dim[3] * wide));
  kb_range(k, &lp, trips, 1, NULL, 0);
  widen_elements(p, kb_gep(k, src, kb_muli(k, lp.iv, px)),
                 kb_gep(k, dst, kb_muli(k, lp.iv, s.dim[3] * wide)), n);
  kb_end(k, &lp, NULL);
  kb_end(k, &ll, NULL);
  kb_end(k, &li, NULL);
  kb_end(k, &once, NULL);
  kl_step(p->g);
}
