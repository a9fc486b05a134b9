/* Four vectors of accumulators to one vector of bytes. */
#include "narrow.h"

static kvalue pack(kbuilder *k, const char *const names[3], kvalue a, kvalue b, int lanes) {
  return build_intrinsic(k,
                         names[lanes == 4   ? 0
                               : lanes == 8 ? 1
                                            : 2],
                         NULL, 0, (kvalue[]){ a, b }, 2);
}

kvalue narrow_pack(kbuilder *k, kvalue const q[4], int32_t zero, mc_dtype out) {
  static const char *const words[] = { "llvm.x86.sse2.packssdw.128", "llvm.x86.avx2.packssdw",
                                       "llvm.x86.avx512.packssdw.512" };
  static const char *const u8[] = { "llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb",
                                    "llvm.x86.avx512.packuswb.512" };
  static const char *const s8[] = { "llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb",
                                    "llvm.x86.avx512.packsswb.512" };
  int lanes = lanes_of(q[0]);
  kvalue w[2], z = build_splat_const(LLVMConstInt(k->i16, (uint64_t)(int64_t)zero, 1), 2 * lanes);
  for (int i = 0; i < 2; i++) {
    w[i] = pack(k, words, q[2 * i], q[2 * i + 1], lanes);
    if (zero) w[i] = build_intrinsic2(k, "llvm.sadd.sat", w[i], z);
  }
  return pack(k, out == MC_u8 ? u8 : s8, w[0], w[1], lanes);
}

kvalue narrow_bytes(kbuilder *k, const mc_narrow *n, kvalue const acc[4], kvalue const m[4]) {
  kvalue q[4];
  for (int i = 0; i < 4; i++)
    q[i] = vec_rne(k, LLVMBuildFMul(k->b, vec_to_f32(k, acc[i]), m[i], ""));
  return narrow_pack(k, q, n->zero, n->out);
}
