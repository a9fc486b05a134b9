/* Integers of 32 bits to bytes with saturating instructions, a register of bytes at a time; and
 * tables of 256 entries on bytes. */
#include "vec.h"

int kv_narrow_most(const kb *k) {
  return k->target->arch == MC_ARCH_aarch64 ? 1 : kb_phys_lanes(k) / 4;
}

static V add_zero(kb *k, V v, int32_t z, bool small) {
  V c = kb_splat_c(LLVMConstInt(k->i16, (uint64_t)z, 1), kb_lanes(v));
  return !z ? v : small ? LLVMBuildAdd(k->b, v, c, "") : kb_intr2(k, "llvm.sadd.sat", v, c);
}

/* ---- AArch64: halves ---- */
static V narrow_half(kb *k, V v, const char *name, T elem) {
  T t = kb_vt(k, elem, kb_lanes(v));
  return kb_intr(k, name, &t, 1, &v, 1);
}

static V narrow_neon(kb *k, V v, int32_t z, mc_dtype dtype) {
  V h = kb_trunc(k, v, k->i16), b[2]; /* kv_raw */
  for (int i = 0; i < 2; i++)
    b[i] =
        narrow_half(k, add_zero(k, kb_extract(k, h, 8 * i, 8), z, false),
                    dtype == MC_u8 ? "llvm.aarch64.neon.sqxtun" : "llvm.aarch64.neon.sqxtn", k->i8);
  return kb_concat(k, b, 2);
}

/* ---- x86: two packs, which work within 128-bit lanes ---- */
static V pack_words(kb *k, V a, V b) {
  int n = kb_lanes(a);
  return kb_intr(k,
                 n == 4   ? "llvm.x86.sse2.packssdw.128"
                 : n == 8 ? "llvm.x86.avx2.packssdw"
                          : "llvm.x86.avx512.packssdw.512",
                 NULL, 0, (V[]){ a, b }, 2);
}

static V pack_bytes(kb *k, V a, V b, mc_dtype dtype) {
  static const char *const names[2][3] = {
    { "llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb", "llvm.x86.avx512.packsswb.512" },
    { "llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb", "llvm.x86.avx512.packuswb.512" }
  };
  int n = kb_lanes(a);
  return kb_intr(k, names[dtype == MC_u8][n == 8 ? 0 : n == 16 ? 1 : 2], NULL, 0, (V[]){ a, b }, 2);
}

/* The whole of 16 numbers at once: clamp, truncate (vpmovsdb, vpmovusdb). */
static V narrow_one(kb *k, V v, int32_t z, mc_dtype dtype) {
  int64_t lo, hi;
  int n = kb_lanes(v);
  mc_dtype_range(dtype, &lo, &hi);
  if (z) v = LLVMBuildAdd(k->b, v, kb_i32s(k, z, n), "");
  return kb_trunc(k, kb_smin(k, kb_smax(k, v, kb_i32s(k, lo, n)), kb_i32s(k, hi, n)), k->i8);
}

V kv_narrow(kb *k, V *v, int n, int32_t z, mc_dtype dtype, bool small) {
  if (k->target->arch == MC_ARCH_aarch64) return narrow_neon(k, v[0], z, dtype);
  int lanes = kb_phys_lanes(k), regs = n * KB_LANES / lanes, per = KB_LANES / lanes, mask[64];
  if (lanes == KB_LANES && n == 1) return narrow_one(k, v[0], z, dtype);
  V r[4], w[2];
  for (int i = 0; i < 4; i++) {
    int j = i < regs    ? i
            : regs == 3 ? 2
                        : i % regs; /* what has no number repeats one that is there */
    r[i] = kb_extract(k, v[j / per], j % per * lanes, lanes);
  }
  for (int i = 0; i < 2; i++)
    w[i] = i && regs <= 2 ? w[0] : add_zero(k, pack_words(k, r[2 * i], r[2 * i + 1]), z, small);
  V b = pack_bytes(k, w[0], w[1], dtype);
  if (lanes == 4) return b;
  /* 32-bit groups are now [lane][register]: back to [register][lane] */
  int parts = lanes / 4, groups = n * KB_LANES / 4;
  for (int i = 0; i < lanes; i++) mask[i] = i < groups ? i % parts * 4 + i / parts : -1;
  b = kb_shuffle(k, kb_bitcast(k, b, kb_vt(k, k->i32, lanes)), NULL, mask, lanes);
  return kb_bitcast(k, b, kb_vt(k, k->i8, 4 * lanes));
}

V kv_permute(kb *k, V v, V index) {
  static const char *const names[] = { "llvm.x86.ssse3.pshuf.b.128", "llvm.x86.avx2.pshuf.b",
                                       "llvm.x86.avx512.pshuf.b.512" };
  T t = LLVMTypeOf(v);
  if (k->target->arch == MC_ARCH_aarch64)
    return kb_intr(k, "llvm.aarch64.neon.tbl1", &t, 1, (V[]){ v, index }, 2);
  int n = kb_lanes(v);
  return kb_intr(k, names[n == 16 ? 0 : n == 32 ? 1 : 2], NULL, 0, (V[]){ v, index }, 2);
}

/* ---- tables ---- */
/* 256 entries in four registers: each permutation of two knows 128 of them, bit 7 of the index says
 * which. */
static V lookup_permuted(kb *k, V table, V bytes) {
  T t = kb_vt(k, k->i8, 64);
  V part[4], half[2];
  for (int i = 0; i < 4; i++) part[i] = kb_load(k, t, kb_gepi(k, table, 64 * i), 64);
  for (int i = 0; i < 2; i++)
    half[i] = kb_intr(k, "llvm.x86.avx512.vpermi2var.qi.512", NULL, 0,
                      (V[]){ part[2 * i], bytes, part[2 * i + 1] }, 3);
  return kb_select(k, LLVMBuildICmp(k->b, LLVMIntSLT, bytes, LLVMConstNull(t), ""), half[1],
                   half[0]);
}

/* Sixteen entries at a time: an index outside of them saturates to one with bit 7 set, for which
 * pshufb gives 0. */
static V lookup_shuffled(kb *k, V table, V bytes) {
  int n = kb_lanes(bytes), mask[64];
  V all = NULL, limit = kb_splat_c(LLVMConstInt(k->i8, 0x70, 0), n), index = bytes,
    sixteen = kb_splat_c(LLVMConstInt(k->i8, 16, 0), n);
  for (int i = 0; i < n; i++) mask[i] = i % 16;
  for (int i = 0; i < 16; i++) {
    if (i) index = LLVMBuildSub(k->b, index, sixteen, "");
    V entries = kb_shuffle(k, kb_load(k, kb_vt(k, k->i8, 16), kb_gepi(k, table, 16 * i), 16), NULL,
                           mask, n);
    V hit = kb_intr(k, n == 32 ? "llvm.x86.avx2.pshuf.b" : "llvm.x86.avx512.pshuf.b.512", NULL, 0,
                    (V[]){ entries, kb_intr2(k, "llvm.uadd.sat", index, limit) }, 2);
    all = all ? LLVMBuildOr(k->b, all, hit, "") : hit;
  }
  return all;
}

/* Four registers are 64 entries; an index outside of them leaves what the others found. */
static V lookup_neon(kb *k, V table, V bytes) {
  T t = kb_vt(k, k->i8, 16);
  V r = NULL, index = bytes;
  for (int i = 0; i < 4; i++) {
    V a[6] = { r };
    for (int j = 0; j < 4; j++) a[1 + j] = kb_load(k, t, kb_gepi(k, table, 64 * i + 16 * j), 16);
    if (i)
      index =
          LLVMBuildSub(k->b, bytes, kb_splat_c(LLVMConstInt(k->i8, (uint64_t)(64 * i), 0), 16), "");
    a[5] = index;
    r = i ? kb_intr(k, "llvm.aarch64.neon.tbx4", &t, 1, a, 6)
          : kb_intr(k, "llvm.aarch64.neon.tbl4", &t, 1, a + 1, 5);
  }
  return r;
}

V kv_lookup(kb *k, V table, V bytes) {
  int n = kb_lanes(bytes);
  if (n == 16 && k->target->arch == MC_ARCH_aarch64) return lookup_neon(k, table, bytes);
  if (kb_has(k, MC_ISA_BIT(avx512vbmi)))
    return kb_extract(k, lookup_permuted(k, table, kb_widen(k, bytes, 64)), 0, n);
  if (n >= 32 && kb_has(k, MC_ISA_BIT(avx2))) return lookup_shuffled(k, table, bytes);
  V r[64];
  for (int i = 0; i < n; i++)
    r[i] = kb_load(k, k->i8, kb_gep(k, table, kb_ext(k, kb_extract(k, bytes, i, 1), k->i64, false)),
                   1);
  return kb_concat(k, r, n);
}

/* ---- sums ---- */
int kv_sum_step(const kb *k) { return kb_has_dots(k) ? 64 : KB_LANES; }

V kv_sum_bytes(kb *k, V sum16, V p, int valid, bool is_signed) {
  int step = kv_sum_step(k);
  V v = valid < step ? kb_load_part(k, k->i8, p, step, valid, 1)
                     : kb_load(k, kb_vt(k, k->i8, step), p, 1);
  if (valid < step) {
    V m[64];
    for (int j = 0; j < step; j++) m[j] = LLVMConstInt(k->i1, j < valid, 0);
    v = kb_select(k, LLVMConstVector(m, (unsigned)step), v, LLVMConstNull(LLVMTypeOf(v)));
  }
  if (!kb_has_dots(k)) return LLVMBuildAdd(k->b, sum16, kb_ext(k, v, k->i32, is_signed), "");
  V words = kb_bitcast(k, v, kb_vt(k, k->i32, 16)), ones = kb_i32s(k, 0x01010101, 16);
  return kb_intr(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                 is_signed ? (V[]){ sum16, ones, words } : (V[]){ sum16, words, ones }, 3);
}
