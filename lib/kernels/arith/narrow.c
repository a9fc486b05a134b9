/* Four vectors of accumulators to one vector of bytes. */
#include "narrow.h"

static V pack(kb *k, const char *const names[3], V a, V b, int lanes) {
  return kb_intr(k, names[lanes == 4 ? 0 : lanes == 8 ? 1 : 2], NULL, 0, (V[]){ a, b }, 2);
}

V kn_pack(kb *k, V const q[4], int32_t zero, mc_dtype out) {
  static const char *const words[] = { "llvm.x86.sse2.packssdw.128", "llvm.x86.avx2.packssdw",
                                       "llvm.x86.avx512.packssdw.512" };
  static const char *const u8[] = { "llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb",
                                    "llvm.x86.avx512.packuswb.512" };
  static const char *const s8[] = { "llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb",
                                    "llvm.x86.avx512.packsswb.512" };
  int lanes = kb_lanes(q[0]);
  V w[2], z = kb_splat_c(LLVMConstInt(k->i16, (uint64_t)(int64_t)zero, 1), 2 * lanes);
  for (int i = 0; i < 2; i++) {
    w[i] = pack(k, words, q[2 * i], q[2 * i + 1], lanes);
    if (zero) w[i] = kb_intr2(k, "llvm.sadd.sat", w[i], z);
  }
  return pack(k, out == MC_u8 ? u8 : s8, w[0], w[1], lanes);
}

V kn_bytes(kb *k, const knarrow *n, V const acc[4], V const m[4]) {
  V q[4];
  for (int i = 0; i < 4; i++) q[i] = kv_rne(k, LLVMBuildFMul(k->b, kv_to_f32(k, acc[i]), m[i], ""));
  return kn_pack(k, q, n->zero, n->out);
}
