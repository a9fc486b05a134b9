/* Integers of 32 bits to bytes with saturating instructions, a register of bytes at a time; and
 * tables of 256 entries on bytes. */
#include "vec.h"

int vec_narrow_most(const kbuilder *k) {
  return k->target->arch == MC_ARCH_aarch64 ? 1 : target_lanes(k) / 4;
}

static kvalue add_zero(kbuilder *k, kvalue v, int32_t z, bool small) {
  kvalue c = build_splat_const(LLVMConstInt(k->i16, (uint64_t)z, 1), lanes_of(v));
  return !z ? v : small ? LLVMBuildAdd(k->b, v, c, "") : build_intrinsic2(k, "llvm.sadd.sat", v, c);
}

/* ---- AArch64: halves ---- */
static kvalue narrow_half(kbuilder *k, kvalue v, const char *name, ktype elem) {
  ktype t = type_of_lanes(k, elem, lanes_of(v));
  return build_intrinsic(k, name, &t, 1, &v, 1);
}

static kvalue narrow_neon(kbuilder *k, kvalue v, int32_t z, mc_dtype dtype) {
  kvalue h = build_trunc(k, v, k->i16), b[2]; /* vec_raw */
  for (int i = 0; i < 2; i++)
    b[i] =
        narrow_half(k, add_zero(k, build_extract(k, h, 8 * i, 8), z, false),
                    dtype == MC_u8 ? "llvm.aarch64.neon.sqxtun" : "llvm.aarch64.neon.sqxtn", k->i8);
  return build_concat(k, b, 2);
}

/* ---- x86: two packs, which work within 128-bit lanes ---- */
static kvalue pack_words(kbuilder *k, kvalue a, kvalue b) {
  int n = lanes_of(a);
  return build_intrinsic(k,
                         n == 4   ? "llvm.x86.sse2.packssdw.128"
                         : n == 8 ? "llvm.x86.avx2.packssdw"
                                  : "llvm.x86.avx512.packssdw.512",
                         NULL, 0, (kvalue[]){ a, b }, 2);
}

static kvalue pack_bytes(kbuilder *k, kvalue a, kvalue b, mc_dtype dtype) {
  static const char *const names[2][3] = {
    { "llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb", "llvm.x86.avx512.packsswb.512" },
    { "llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb", "llvm.x86.avx512.packuswb.512" }
  };
  int n = lanes_of(a);
  return build_intrinsic(k,
                         names[dtype == MC_u8][n == 8    ? 0
                                               : n == 16 ? 1
                                                         : 2],
                         NULL, 0, (kvalue[]){ a, b }, 2);
}

/* The whole of 16 numbers at once: clamp, truncate (vpmovsdb, vpmovusdb). */
static kvalue narrow_one(kbuilder *k, kvalue v, int32_t z, mc_dtype dtype) {
  int64_t lo, hi;
  int n = lanes_of(v);
  mc_dtype_range(dtype, &lo, &hi);
  if (z) v = LLVMBuildAdd(k->b, v, build_i32s(k, z, n), "");
  return build_trunc(k, build_smin(k, build_smax(k, v, build_i32s(k, lo, n)), build_i32s(k, hi, n)),
                     k->i8);
}

kvalue vec_narrow(kbuilder *k, kvalue *v, int n, int32_t z, mc_dtype dtype, bool small) {
  if (k->target->arch == MC_ARCH_aarch64) return narrow_neon(k, v[0], z, dtype);
  int lanes = target_lanes(k), regs = n * KERNEL_LANES / lanes, per = KERNEL_LANES / lanes,
      mask[64];
  if (lanes == KERNEL_LANES && n == 1) return narrow_one(k, v[0], z, dtype);
  kvalue r[4], w[2];
  for (int i = 0; i < 4; i++) {
    int j = i < regs    ? i
            : regs == 3 ? 2
                        : i % regs; /* what has no number repeats one that is there */
    r[i] = build_extract(k, v[j / per], j % per * lanes, lanes);
  }
  for (int i = 0; i < 2; i++)
    w[i] = i && regs <= 2 ? w[0] : add_zero(k, pack_words(k, r[2 * i], r[2 * i + 1]), z, small);
  kvalue b = pack_bytes(k, w[0], w[1], dtype);
  if (lanes == 4) return b;
  /* 32-bit groups are now [lane][register]: back to [register][lane] */
  int parts = lanes / 4, groups = n * KERNEL_LANES / 4;
  for (int i = 0; i < lanes; i++) mask[i] = i < groups ? i % parts * 4 + i / parts : -1;
  b = build_shuffle(k, build_bitcast(k, b, type_of_lanes(k, k->i32, lanes)), NULL, mask, lanes);
  return build_bitcast(k, b, type_of_lanes(k, k->i8, 4 * lanes));
}

kvalue vec_permute(kbuilder *k, kvalue v, kvalue index) {
  static const char *const names[] = { "llvm.x86.ssse3.pshuf.b.128", "llvm.x86.avx2.pshuf.b",
                                       "llvm.x86.avx512.pshuf.b.512" };
  ktype t = LLVMTypeOf(v);
  if (k->target->arch == MC_ARCH_aarch64)
    return build_intrinsic(k, "llvm.aarch64.neon.tbl1", &t, 1, (kvalue[]){ v, index }, 2);
  int n = lanes_of(v);
  return build_intrinsic(k,
                         names[n == 16   ? 0
                               : n == 32 ? 1
                                         : 2],
                         NULL, 0, (kvalue[]){ v, index }, 2);
}

/* ---- tables ---- */
/* 256 entries in four registers: each permutation of two knows 128 of them, bit 7 of the index says
 * which. */
static kvalue lookup_permuted(kbuilder *k, kvalue table, kvalue bytes) {
  ktype t = type_of_lanes(k, k->i8, 64);
  kvalue part[4], half[2];
  for (int i = 0; i < 4; i++) part[i] = build_load(k, t, build_offset(k, table, 64 * i), 64);
  for (int i = 0; i < 2; i++)
    half[i] = build_intrinsic(k, "llvm.x86.avx512.vpermi2var.qi.512", NULL, 0,
                              (kvalue[]){ part[2 * i], bytes, part[2 * i + 1] }, 3);
  return build_select(k, LLVMBuildICmp(k->b, LLVMIntSLT, bytes, LLVMConstNull(t), ""), half[1],
                      half[0]);
}

/* Sixteen entries at a time: an index outside of them saturates to one with bit 7 set, for which
 * pshufb gives 0. */
static kvalue lookup_shuffled(kbuilder *k, kvalue table, kvalue bytes) {
  int n = lanes_of(bytes), mask[64];
  kvalue all = NULL, limit = build_splat_const(LLVMConstInt(k->i8, 0x70, 0), n), index = bytes,
         sixteen = build_splat_const(LLVMConstInt(k->i8, 16, 0), n);
  for (int i = 0; i < n; i++) mask[i] = i % 16;
  for (int i = 0; i < 16; i++) {
    if (i) index = LLVMBuildSub(k->b, index, sixteen, "");
    kvalue entries = build_shuffle(
        k, build_load(k, type_of_lanes(k, k->i8, 16), build_offset(k, table, 16 * i), 16), NULL,
        mask, n);
    kvalue hit = build_intrinsic(
        k, n == 32 ? "llvm.x86.avx2.pshuf.b" : "llvm.x86.avx512.pshuf.b.512", NULL, 0,
        (kvalue[]){ entries, build_intrinsic2(k, "llvm.uadd.sat", index, limit) }, 2);
    all = all ? LLVMBuildOr(k->b, all, hit, "") : hit;
  }
  return all;
}

/* Four registers are 64 entries; an index outside of them leaves what the others found. */
static kvalue lookup_neon(kbuilder *k, kvalue table, kvalue bytes) {
  ktype t = type_of_lanes(k, k->i8, 16);
  kvalue r = NULL, index = bytes;
  for (int i = 0; i < 4; i++) {
    kvalue a[6] = { r };
    for (int j = 0; j < 4; j++)
      a[1 + j] = build_load(k, t, build_offset(k, table, 64 * i + 16 * j), 16);
    if (i)
      index = LLVMBuildSub(k->b, bytes,
                           build_splat_const(LLVMConstInt(k->i8, (uint64_t)(64 * i), 0), 16), "");
    a[5] = index;
    r = i ? build_intrinsic(k, "llvm.aarch64.neon.tbx4", &t, 1, a, 6)
          : build_intrinsic(k, "llvm.aarch64.neon.tbl4", &t, 1, a + 1, 5);
  }
  return r;
}

kvalue vec_lookup(kbuilder *k, kvalue table, kvalue bytes) {
  int n = lanes_of(bytes);
  if (n == 16 && k->target->arch == MC_ARCH_aarch64) return lookup_neon(k, table, bytes);
  if (target_has(k, MC_ISA_BIT(avx512vbmi)))
    return build_extract(k, lookup_permuted(k, table, build_widen(k, bytes, 64)), 0, n);
  if (n >= 32 && target_has(k, MC_ISA_BIT(avx2))) return lookup_shuffled(k, table, bytes);
  kvalue r[64];
  for (int i = 0; i < n; i++)
    r[i] = build_load(
        k, k->i8,
        build_address(k, table, build_ext(k, build_extract(k, bytes, i, 1), k->i64, false)), 1);
  return build_concat(k, r, n);
}

/* ---- sums ---- */
int vec_sum_step(const kbuilder *k) { return target_has_dots(k) ? 64 : KERNEL_LANES; }

kvalue vec_sum_bytes(kbuilder *k, kvalue sum16, kvalue p, int valid, bool is_signed) {
  int step = vec_sum_step(k);
  kvalue v = valid < step ? build_load_part(k, k->i8, p, step, valid, 1)
                          : build_load(k, type_of_lanes(k, k->i8, step), p, 1);
  if (valid < step) {
    kvalue m[64];
    for (int j = 0; j < step; j++) m[j] = LLVMConstInt(k->i1, j < valid, 0);
    v = build_select(k, LLVMConstVector(m, (unsigned)step), v, LLVMConstNull(LLVMTypeOf(v)));
  }
  if (!target_has_dots(k)) return LLVMBuildAdd(k->b, sum16, build_ext(k, v, k->i32, is_signed), "");
  kvalue words = build_bitcast(k, v, type_of_lanes(k, k->i32, 16)),
         ones = build_i32s(k, 0x01010101, 16);
  return build_intrinsic(
      k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
      is_signed ? (kvalue[]){ sum16, ones, words } : (kvalue[]){ sum16, words, ones }, 3);
}
