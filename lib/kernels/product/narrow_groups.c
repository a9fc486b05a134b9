/* Groups of a convolution that have fewer columns than a vector of 16: several groups are side by
 * side in its lanes. A step of A is then not one word in all lanes, but the word of its own group
 * in each; a load of neighbouring channels and a permutation bring it there.
 *
 *   4 channels a group, vpdpbusd:  lanes 0..3: word 0,  4..7: word 1,  8..11: word 2,  12..15: word
 *     3  of 16 bytes of a pixel
 *
 * The nest sees groups of 16 columns, each with K of one group. Weights are packed as for any
 * columns. */
#include "gemm.h"
#include "mc/analysis/model.h"

enum { WORD = 4 }; /* bytes of A that a step takes in a lane */

static int64_t power_of_two(int64_t n) {
  int64_t p = WORD;
  while (p < n) p *= 2;
  return p;
}

kvalue kgemm_side_a(const kgemm *p, int lanes, kvalue a, int part) {
  kbuilder *k = p->k;
  int64_t first = (int64_t)part * lanes / p->d.side, bytes = p->d.side_in * mc_gemm_a_elem(p->d.e),
          unit = bytes % WORD ? 1 : WORD;
  int count = (int)(power_of_two(mc_side_reach(&p->d, lanes)) / unit),
      n = (int)(lanes * WORD / unit), mask[64];
  for (int i = 0; i < n; i++) {
    int64_t lane = i * unit / WORD, group = (part * lanes + lane) / p->d.side - first;
    mask[i] = (int)((group * bytes + i * unit % WORD) / unit);
  }
  kvalue v = build_load(k, type_of_lanes(k, unit == WORD ? k->i32 : k->i8, count),
                        build_offset(k, a, first * bytes), 1);
  if (p->d.flip)
    v = LLVMBuildXor(k->b, v,
                     build_splat_const(LLVMConstInt(unit == WORD ? k->i32 : k->i8,
                                                    unit == WORD ? 0x80808080 : 0x80, 0),
                                       count),
                     "");
  v = count == 1 ? build_splat(k, v, n) : build_shuffle(k, v, NULL, mask, n);
  const mc_engine *e = p->d.e;
  ktype t = e->in == 'F' || mc_engine_widens_b(e) ? type_of_lanes(k, k->f32, lanes)
            : e->sign == MC_SIGN_wide             ? type_of_lanes(k, k->i16, 2 * lanes)
                                      : type_of_lanes(k, k->i32, lanes); /* as load_a gives it */
  return mc_engine_code_of(e)->spread_a(k, lanes, build_bitcast(k, v, t), 1, 0);
}
