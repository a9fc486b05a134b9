/* The functions of the rows of engines.def. */
#include "engine.h"

#define MC_ENGINE(id, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)          \
  static keng_load_a eng_##id##_load_a;                                                            \
  static keng_spread_a eng_##id##_spread_a;                                                        \
  static keng_load_b eng_##id##_load_b;                                                            \
  static keng_madd eng_##id##_madd;
#include "mc/decide/engines.def"

static const mc_engine_code code[MC_NUM_ENGINES] = {
#define MC_ENGINE(id, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)          \
  [MC_ENG_##id] = { eng_##id##_load_a, eng_##id##_spread_a, eng_##id##_load_b, eng_##id##_madd },
#include "mc/decide/engines.def"
};

const mc_engine_code *mc_engine_code_of(const mc_engine *e) { return &code[e->id]; }

/* ---- shared pieces ---- */
/* 4 bytes as an i32 in all lanes. */
static V splat_word(kb *k, int lanes, V p, bool flip) {
  V w = kb_splat(k, kb_load(k, k->i32, p, 1),
                 lanes); /* flipped afterwards: repeating is free on the way
                            from memory, not from a general register */
  return flip ? LLVMBuildXor(k->b, w, kb_i32s(k, (int32_t)0x80808080, lanes), "") : w;
}

/* Lane i of v in all lanes. */
static V splat_lane(kb *k, V v, int i, int lanes) {
  int mask[16];
  for (int j = 0; j < lanes; j++) mask[j] = i;
  return kb_shuffle(k, v, NULL, mask, lanes);
}

/* ---- f32 ---- */
static V eng_f32_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return kb_splat(k, kb_load(k, k->f32, p, 4), lanes);
}

static V eng_f32_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  (void)k;
  (void)lanes;
  (void)count;
  (void)i;
  return chunk;
}

static V eng_f32_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->f32, lanes), p, 16);
}

static V eng_f32_madd(kb *k, int lanes, V acc, V a, V b) {
  (void)lanes;
  if (!kb_has_fma(k)) return LLVMBuildFAdd(k->b, acc, LLVMBuildFMul(k->b, a, b, ""), "");
  T t = LLVMTypeOf(acc);
  return kb_intr(k, "llvm.fma", &t, 1, (V[]){ a, b, acc }, 3);
}

static V eng_f32lane_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  if (count == 1) return eng_f32_load_a(k, lanes, p, count, is_signed, flip);
  return kb_load(k, kb_vt(k, k->f32, 4), p, 4);
}

static V eng_f32lane_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return count == 1 ? chunk : splat_lane(k, chunk, i, lanes);
}

static V eng_f32lane_load_b(kb *k, int lanes, V p) { return eng_f32_load_b(k, lanes, p); }

static V eng_f32lane_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

/* ---- 8 bits, widening ---- */
static V eng_plain8_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)flip;
  (void)count;
  return kb_splat(k, kb_ext(k, kb_load(k, k->i8, p, 1), k->i16, is_signed), lanes);
}

static V eng_plain8_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static V eng_plain8_load_b(kb *k, int lanes, V p) {
  return kb_ext(k, kb_load(k, kb_vt(k, k->i8, lanes), p, 8), k->i16, true);
}

static V eng_plain8_madd(kb *k, int lanes, V acc, V a, V b) {
  (void)lanes;
  return LLVMBuildAdd(
      k->b, acc, LLVMBuildMul(k->b, kb_ext(k, a, k->i32, true), kb_ext(k, b, k->i32, true), ""),
      "");
}

/* A pair of A in all lanes times pairs of four columns: 8 products of 16 bits, which no two bytes
 * exceed, added in pairs to the sums. */
static V eng_smull_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  V w = kb_load(k, kb_vt(k, k->i16, count), p, 1);
  if (flip) w = LLVMBuildXor(k->b, w, kb_splat_c(LLVMConstInt(k->i16, 0x8080, 0), count), "");
  return count == 1 ? kb_splat(k, w, lanes) : w;
}

static V eng_smull_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return kb_bitcast(k, count == 1 ? chunk : splat_lane(k, chunk, i, lanes),
                    kb_vt(k, k->i8, 2 * lanes));
}

static V eng_smull_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->i8, 2 * lanes), p, 8);
}

static V eng_smull_madd(kb *k, int lanes, V acc, V a, V b) {
  T product = kb_vt(k, k->i16, 2 * lanes), pair[2] = { LLVMTypeOf(acc), product };
  V p = kb_intr(k, "llvm.aarch64.neon.smull", &product, 1, (V[]){ b, a }, 2);
  return LLVMBuildAdd(k->b, acc, kb_intr(k, "llvm.aarch64.neon.saddlp", pair, 2, &p, 1), "");
}

/* Four pairs at once: 8 bytes, repeated as often as the register has 128-bit parts, widened to i16;
 * a pair is one 32-bit lane, and spreading stays within the parts. */
static V eng_pmadd_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)flip;
  V v = kb_load(k, kb_vt(k, k->i8, 2 * count), p, 1);
  if (count == 1) return kb_splat(k, kb_bitcast(k, kb_ext(k, v, k->i16, is_signed), k->i32), lanes);
  int mask[32];
  for (int i = 0; i < 2 * lanes; i++) mask[i] = i % 8;
  return kb_bitcast(k, kb_ext(k, kb_shuffle(k, v, NULL, mask, 2 * lanes), k->i16, is_signed),
                    kb_vt(k, k->i32, lanes));
}

static V eng_pmadd_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  int mask[16];
  for (int j = 0; j < lanes; j++) mask[j] = j / 4 * 4 + i;
  return kb_bitcast(k, count == 4 ? kb_shuffle(k, chunk, NULL, mask, lanes) : chunk,
                    kb_vt(k, k->i16, 2 * lanes));
}

static V eng_pmadd_load_b(kb *k, int lanes, V p) {
  return kb_ext(k, kb_load(k, kb_vt(k, k->i8, 2 * lanes), p, 8), k->i16, true);
}

static V eng_pmadd_madd(kb *k, int lanes, V acc, V a, V b) {
  const char *name = lanes == 4   ? "llvm.x86.sse2.pmadd.wd"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.avx512.pmaddw.d.512";
  return LLVMBuildAdd(k->b, acc, kb_intr(k, name, NULL, 0, (V[]){ a, b }, 2), "");
}

static V splat_pair(kb *k, int lanes, V p) {
  return kb_bitcast(k, kb_splat(k, kb_load(k, k->i32, p, 2), lanes), kb_vt(k, k->i16, 2 * lanes));
}

static V eng_pmaddw_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return splat_pair(k, lanes, p);
}

static V eng_pmaddw_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static V eng_pmaddw_load_b(kb *k, int lanes, V p) { return eng_pmadd_load_b(k, lanes, p); }

static V eng_pmaddw_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_pmadd_madd(k, lanes, acc, a, b);
}

/* ---- dot products ---- */
static V eng_avxvnni_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  (void)count;
  return splat_word(k, lanes, p, flip);
}

static V eng_avxvnni_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static V eng_avxvnni_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->i32, lanes), p, 32);
}

static V eng_avxvnni_madd(kb *k, int lanes, V acc, V a, V b) {
  return kb_intr(k, lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256" : "llvm.x86.avx512.vpdpbusd.512",
                 NULL, 0, (V[]){ acc, a, b }, 3);
}

static V eng_vnni_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_avxvnni_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_vnni_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static V eng_vnni_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->i32, lanes), p, 64);
}

static V eng_vnni_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_avxvnni_madd(k, lanes, acc, a, b);
}

static V eng_sdot_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  if (count == 1) return splat_word(k, lanes, p, flip);
  V w = kb_load(k, kb_vt(k, k->i32, 4), p, 1);
  return flip ? LLVMBuildXor(k->b, w, kb_i32s(k, (int32_t)0x80808080, 4), "") : w;
}

static V eng_sdot_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return kb_bitcast(k, count == 1 ? chunk : splat_lane(k, chunk, i, lanes),
                    kb_vt(k, k->i8, 4 * lanes));
}

static V eng_sdot_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->i8, 4 * lanes), p, 16);
}

static V eng_sdot_madd(kb *k, int lanes, V acc, V a, V b) {
  T ov[2] = { kb_vt(k, k->i32, lanes), kb_vt(k, k->i8, 4 * lanes) };
  return kb_intr(k, "llvm.aarch64.neon.sdot", ov, 2, (V[]){ acc, b, a }, 3);
}

static V eng_sudot_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_sudot_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_sdot_spread_a(k, lanes, chunk, count, i);
}

static V eng_sudot_load_b(kb *k, int lanes, V p) { return eng_sdot_load_b(k, lanes, p); }

static V eng_sudot_madd(kb *k, int lanes, V acc, V a, V b) {
  T ov[2] = { kb_vt(k, k->i32, lanes), kb_vt(k, k->i8, 4 * lanes) };
  return kb_intr(k, "llvm.aarch64.neon.usdot", ov, 2, (V[]){ acc, a, b }, 3);
}

/* ---- matrix products: 2 x 8 times 8 x 2; A holds 8 elements of one row, then of the other ---- */
static V mmla(kb *k, const char *name, V acc, V a, V b) {
  T ov[2] = { kb_vt(k, k->i32, 4), kb_vt(k, k->i8, 16) };
  return kb_intr(k, name, ov, 2, (V[]){ acc, a, b }, 3);
}

static V eng_smmla_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)lanes;
  (void)is_signed;
  (void)flip;
  return kb_load(k, kb_vt(k, k->i64, count), p, 1);
}

static V eng_smmla_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  (void)lanes;
  return kb_bitcast(k, kb_shuffle(k, chunk, NULL, (int[]){ i, count + i }, 2), kb_vt(k, k->i8, 16));
}

static V eng_smmla_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->i8, 8 * lanes), p, 16);
}

static V eng_smmla_madd(kb *k, int lanes, V acc, V a, V b) {
  (void)lanes;
  return mmla(k, "llvm.aarch64.neon.smmla", acc, a, b);
}

static V eng_usmmla_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_smmla_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_usmmla_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_smmla_spread_a(k, lanes, chunk, count, i);
}

static V eng_usmmla_load_b(kb *k, int lanes, V p) { return eng_smmla_load_b(k, lanes, p); }

static V eng_usmmla_madd(kb *k, int lanes, V acc, V a, V b) {
  (void)lanes;
  return mmla(k, "llvm.aarch64.neon.usmmla", acc, a, b);
}

/* ---- bf16 ---- */
/* The fp32 numbers in the lower and in the upper halves of i32 lanes, one after the other. */
static V halves(kb *k, V pairs) {
  int lanes = kb_lanes(pairs);
  T f = kb_vt(k, k->f32, lanes);
  V lo = LLVMBuildShl(k->b, pairs, kb_i32s(k, 16, lanes), ""),
    hi = LLVMBuildAnd(k->b, pairs, kb_i32s(k, (int32_t)0xffff0000, lanes), "");
  return kb_concat(k, (V[]){ kb_bitcast(k, lo, f), kb_bitcast(k, hi, f) }, 2);
}

static V eng_bf16_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return splat_word(k, lanes, p, false);
}

static V eng_bf16_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  (void)lanes;
  (void)count;
  (void)i;
  return halves(k, chunk);
}

static V eng_bf16_load_b(kb *k, int lanes, V p) {
  return halves(k, kb_load(k, kb_vt(k, k->i32, lanes), p, 16));
}

static V eng_bf16_madd(kb *k, int lanes, V acc, V a, V b) {
  for (int h = 0; h < 2; h++)
    acc = eng_f32_madd(k, lanes, acc, kb_extract(k, a, h * lanes, lanes),
                       kb_extract(k, b, h * lanes, lanes));
  return acc;
}

static V eng_bf16lane_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_bf16lane_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  V v = halves(k, chunk);
  if (count == 1) return v;
  int mask[8];
  for (int j = 0; j < 8; j++) mask[j] = j / 4 * 4 + i;
  return kb_shuffle(k, v, NULL, mask, 2 * lanes);
}

static V eng_bf16lane_load_b(kb *k, int lanes, V p) { return eng_bf16_load_b(k, lanes, p); }

static V eng_bf16lane_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_bf16_madd(k, lanes, acc, a, b);
}

static V eng_bf16w_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_f32_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_bf16w_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static V eng_bf16w_load_b(kb *k, int lanes, V p) { return eng_f32_load_b(k, lanes, p); }

static V eng_bf16w_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

static V eng_bf16wlane_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_f32lane_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_bf16wlane_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  return eng_f32lane_spread_a(k, lanes, chunk, count, i);
}

static V eng_bf16wlane_load_b(kb *k, int lanes, V p) { return eng_f32_load_b(k, lanes, p); }

static V eng_bf16wlane_madd(kb *k, int lanes, V acc, V a, V b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

static V eng_bf16dot_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_bf16_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_bf16dot_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  (void)count;
  (void)i;
  return kb_bitcast(k, chunk, kb_vt(k, k->bf16, 2 * lanes));
}

static V eng_bf16dot_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->bf16, 2 * lanes), p, 64);
}

static V eng_bf16dot_madd(kb *k, int lanes, V acc, V a, V b) {
  (void)lanes;
  return kb_intr(k, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, (V[]){ acc, a, b }, 3);
}

static V eng_bfdot_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static V eng_bfdot_spread_a(kb *k, int lanes, V chunk, int count, int i) {
  V v = kb_bitcast(
      k, chunk,
      kb_vt(k, k->f32, lanes)); /* as floats: the form that LLVM knows as the lane of a bfdot */
  return kb_bitcast(k, count == 1 ? v : splat_lane(k, v, i, lanes), kb_vt(k, k->bf16, 2 * lanes));
}

static V eng_bfdot_load_b(kb *k, int lanes, V p) {
  return kb_load(k, kb_vt(k, k->bf16, 2 * lanes), p, 16);
}

static V eng_bfdot_madd(kb *k, int lanes, V acc, V a, V b) {
  T ov[2] = { kb_vt(k, k->f32, lanes), kb_vt(k, k->bf16, 2 * lanes) };
  return kb_intr(k, "llvm.aarch64.neon.bfdot", ov, 2, (V[]){ acc, b, a }, 3);
}
