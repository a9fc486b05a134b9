/* The functions of the rows of engines.def. */
#include "engine.h"

#define MC_ENGINE(id, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)          \
  static keng_load_a eng_##id##_load_a;                                                            \
  static keng_spread_a eng_##id##_spread_a;                                                        \
  static keng_load_b eng_##id##_load_b;                                                            \
  static keng_madd eng_##id##_madd;                                                                \
  TAKES_##in(id)
#define TAKES_I(id) static keng_take_b eng_##id##_take_b;
#define TAKES_F(id) static keng_take_b eng_##id##_take_b;
#define TAKES_B(id)
#include "mc/decide/engines.def"
#define TAKE_I(id) eng_##id##_take_b
#define TAKE_F(id) eng_##id##_take_b
#define TAKE_B(id) NULL

static const mc_engine_code code[MC_NUM_ENGINES] = {
#define MC_ENGINE(id, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)          \
  [MC_ENG_##id] = { eng_##id##_load_a, eng_##id##_spread_a, eng_##id##_load_b, eng_##id##_madd,    \
                    TAKE_##in(id) },
#include "mc/decide/engines.def"
};

const mc_engine_code *mc_engine_code_of(const mc_engine *e) { return &code[e->id]; }

/* ---- shared pieces ---- */
/* 4 bytes as an i32 in all lanes. */
static kvalue splat_word(kbuilder *k, int lanes, kvalue p, bool flip) {
  kvalue w = build_splat(k, build_load(k, k->i32, p, 1),
                         lanes); /* flipped afterwards: repeating is free on the way
                                    from memory, not from a general register */
  return flip ? LLVMBuildXor(k->b, w, build_i32s(k, (int32_t)0x80808080, lanes), "") : w;
}

/* Lane i of v in all lanes. */
static kvalue splat_lane(kbuilder *k, kvalue v, int i, int lanes) {
  int mask[16];
  for (int j = 0; j < lanes; j++) mask[j] = i;
  return build_shuffle(k, v, NULL, mask, lanes);
}

/* ---- f32 ---- */
static kvalue eng_f32_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                             bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return build_splat(k, build_load(k, k->f32, p, 4), lanes);
}

static kvalue eng_f32_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  (void)k;
  (void)lanes;
  (void)count;
  (void)i;
  return chunk;
}

static kvalue eng_f32_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->f32, lanes), p, 16);
}

static kvalue eng_f32_take_b(kbuilder *k, int lanes, kvalue bytes) {
  kvalue wide = build_ext(k, bytes, k->i32, true);
  return LLVMBuildSIToFP(k->b, wide, type_of_lanes(k, k->f32, lanes), "");
}

static kvalue eng_f32_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  (void)lanes;
  if (!target_has_fma(k)) return LLVMBuildFAdd(k->b, acc, LLVMBuildFMul(k->b, a, b, ""), "");
  ktype t = LLVMTypeOf(acc);
  return build_intrinsic(k, "llvm.fma", &t, 1, (kvalue[]){ a, b, acc }, 3);
}

static kvalue eng_f32lane_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                 bool flip) {
  if (count == 1) return eng_f32_load_a(k, lanes, p, count, is_signed, flip);
  return build_load(k, type_of_lanes(k, k->f32, 4), p, 4);
}

static kvalue eng_f32lane_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return count == 1 ? chunk : splat_lane(k, chunk, i, lanes);
}

static kvalue eng_f32lane_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_f32_load_b(k, lanes, p);
}

static kvalue eng_f32lane_take_b(kbuilder *k, int lanes, kvalue bytes) {
  return eng_f32_take_b(k, lanes, bytes);
}

static kvalue eng_f32lane_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

/* ---- 8 bits, widening ---- */
static kvalue eng_plain8_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                bool flip) {
  (void)flip;
  (void)count;
  return build_splat(k, build_ext(k, build_load(k, k->i8, p, 1), k->i16, is_signed), lanes);
}

static kvalue eng_plain8_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_plain8_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_ext(k, build_load(k, type_of_lanes(k, k->i8, lanes), p, 8), k->i16, true);
}

static kvalue eng_plain8_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)lanes;
  return build_ext(k, bytes, k->i16, true);
}

static kvalue eng_plain8_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  (void)lanes;
  return LLVMBuildAdd(
      k->b, acc,
      LLVMBuildMul(k->b, build_ext(k, a, k->i32, true), build_ext(k, b, k->i32, true), ""), "");
}

/* A pair of A in all lanes times pairs of four columns: 8 products of 16 bits, which no two bytes
 * exceed, added in pairs to the sums. */
static kvalue eng_smull_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  (void)is_signed;
  kvalue w = build_load(k, type_of_lanes(k, k->i16, count), p, 1);
  if (flip)
    w = LLVMBuildXor(k->b, w, build_splat_const(LLVMConstInt(k->i16, 0x8080, 0), count), "");
  return count == 1 ? build_splat(k, w, lanes) : w;
}

static kvalue eng_smull_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return build_bitcast(k, count == 1 ? chunk : splat_lane(k, chunk, i, lanes),
                       type_of_lanes(k, k->i8, 2 * lanes));
}

static kvalue eng_smull_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i8, 2 * lanes), p, 8);
}

static kvalue eng_smull_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_smull_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  ktype product = type_of_lanes(k, k->i16, 2 * lanes), pair[2] = { LLVMTypeOf(acc), product };
  kvalue p = build_intrinsic(k, "llvm.aarch64.neon.smull", &product, 1, (kvalue[]){ b, a }, 2);
  return LLVMBuildAdd(k->b, acc, build_intrinsic(k, "llvm.aarch64.neon.saddlp", pair, 2, &p, 1),
                      "");
}

/* Four pairs at once: 8 bytes, repeated as often as the register has 128-bit parts, widened to i16;
 * a pair is one 32-bit lane, and spreading stays within the parts. */
static kvalue eng_pmadd_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  (void)flip;
  kvalue v = build_load(k, type_of_lanes(k, k->i8, 2 * count), p, 1);
  if (count == 1)
    return build_splat(k, build_bitcast(k, build_ext(k, v, k->i16, is_signed), k->i32), lanes);
  int mask[32];
  for (int i = 0; i < 2 * lanes; i++) mask[i] = i % 8;
  return build_bitcast(k,
                       build_ext(k, build_shuffle(k, v, NULL, mask, 2 * lanes), k->i16, is_signed),
                       type_of_lanes(k, k->i32, lanes));
}

static kvalue eng_pmadd_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  int mask[16];
  for (int j = 0; j < lanes; j++) mask[j] = j / 4 * 4 + i;
  return build_bitcast(k, count == 4 ? build_shuffle(k, chunk, NULL, mask, lanes) : chunk,
                       type_of_lanes(k, k->i16, 2 * lanes));
}

static kvalue eng_pmadd_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_ext(k, build_load(k, type_of_lanes(k, k->i8, 2 * lanes), p, 8), k->i16, true);
}

static kvalue eng_pmadd_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)lanes;
  return build_ext(k, bytes, k->i16, true);
}

static kvalue eng_pmadd_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  const char *name = lanes == 4   ? "llvm.x86.sse2.pmadd.wd"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.avx512.pmaddw.d.512";
  return LLVMBuildAdd(k->b, acc, build_intrinsic(k, name, NULL, 0, (kvalue[]){ a, b }, 2), "");
}

static kvalue splat_pair(kbuilder *k, int lanes, kvalue p) {
  return build_bitcast(k, build_splat(k, build_load(k, k->i32, p, 2), lanes),
                       type_of_lanes(k, k->i16, 2 * lanes));
}

static kvalue eng_pmaddw_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return splat_pair(k, lanes, p);
}

static kvalue eng_pmaddw_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_pmaddw_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_pmadd_load_b(k, lanes, p);
}

static kvalue eng_pmaddw_take_b(kbuilder *k, int lanes, kvalue bytes) {
  return eng_pmadd_take_b(k, lanes, bytes);
}

static kvalue eng_pmaddw_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_pmadd_madd(k, lanes, acc, a, b);
}

/* Four bytes of A in all lanes times four weights of each column: two sums of 16 bits, which no
 * weights of 4 bits exceed (2 * 255 * 8), added by a product with ones. */
static kvalue eng_pmaddubs_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                  bool flip) {
  (void)is_signed;
  (void)count;
  return build_bitcast(k, splat_word(k, lanes, p, flip), type_of_lanes(k, k->i8, 4 * lanes));
}

static kvalue eng_pmaddubs_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_pmaddubs_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i8, 4 * lanes), p, 16);
}

static kvalue eng_pmaddubs_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_pmaddubs_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  const char *name = lanes == 4   ? "llvm.x86.ssse3.pmadd.ub.sw.128"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.ub.sw"
                                  : "llvm.x86.avx512.pmaddubs.w.512";
  kvalue pairs = build_intrinsic(k, name, NULL, 0, (kvalue[]){ a, b }, 2),
         ones = build_splat_const(LLVMConstInt(k->i16, 1, 0), 2 * lanes);
  return eng_pmadd_madd(k, lanes, acc, pairs, ones);
}

/* ---- dot products ---- */
static kvalue eng_avxvnni_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                 bool flip) {
  (void)is_signed;
  (void)count;
  return splat_word(k, lanes, p, flip);
}

static kvalue eng_avxvnni_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_avxvnni_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i32, lanes), p, 32);
}

static kvalue eng_avxvnni_take_b(kbuilder *k, int lanes, kvalue bytes) {
  return build_bitcast(k, bytes, type_of_lanes(k, k->i32, lanes));
}

static kvalue eng_avxvnni_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return build_intrinsic(
      k, lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256" : "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
      (kvalue[]){ acc, a, b }, 3);
}

static kvalue eng_vnni_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                              bool flip) {
  return eng_avxvnni_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_vnni_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_vnni_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i32, lanes), p, 64);
}

static kvalue eng_vnni_take_b(kbuilder *k, int lanes, kvalue bytes) {
  return eng_avxvnni_take_b(k, lanes, bytes);
}

static kvalue eng_vnni_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_avxvnni_madd(k, lanes, acc, a, b);
}

static kvalue eng_sdot_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                              bool flip) {
  (void)is_signed;
  if (count == 1) return splat_word(k, lanes, p, flip);
  kvalue w = build_load(k, type_of_lanes(k, k->i32, 4), p, 1);
  return flip ? LLVMBuildXor(k->b, w, build_i32s(k, (int32_t)0x80808080, 4), "") : w;
}

static kvalue eng_sdot_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return build_bitcast(k, count == 1 ? chunk : splat_lane(k, chunk, i, lanes),
                       type_of_lanes(k, k->i8, 4 * lanes));
}

static kvalue eng_sdot_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i8, 4 * lanes), p, 16);
}

static kvalue eng_sdot_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_sdot_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  ktype ov[2] = { type_of_lanes(k, k->i32, lanes), type_of_lanes(k, k->i8, 4 * lanes) };
  return build_intrinsic(k, "llvm.aarch64.neon.sdot", ov, 2, (kvalue[]){ acc, b, a }, 3);
}

static kvalue eng_sudot_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_sudot_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_sdot_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_sudot_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_sdot_load_b(k, lanes, p);
}

static kvalue eng_sudot_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_sudot_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  ktype ov[2] = { type_of_lanes(k, k->i32, lanes), type_of_lanes(k, k->i8, 4 * lanes) };
  return build_intrinsic(k, "llvm.aarch64.neon.usdot", ov, 2, (kvalue[]){ acc, a, b }, 3);
}

/* ---- matrix products: 2 x 8 times 8 x 2; A holds 8 elements of one row, then of the other ---- */
static kvalue mmla(kbuilder *k, const char *name, kvalue acc, kvalue a, kvalue b) {
  ktype ov[2] = { type_of_lanes(k, k->i32, 4), type_of_lanes(k, k->i8, 16) };
  return build_intrinsic(k, name, ov, 2, (kvalue[]){ acc, a, b }, 3);
}

static kvalue eng_smmla_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  (void)lanes;
  (void)is_signed;
  (void)flip;
  return build_load(k, type_of_lanes(k, k->i64, count), p, 1);
}

static kvalue eng_smmla_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  (void)lanes;
  return build_bitcast(k, build_shuffle(k, chunk, NULL, (int[]){ i, count + i }, 2),
                       type_of_lanes(k, k->i8, 16));
}

static kvalue eng_smmla_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->i8, 8 * lanes), p, 16);
}

static kvalue eng_smmla_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_smmla_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  (void)lanes;
  return mmla(k, "llvm.aarch64.neon.smmla", acc, a, b);
}

static kvalue eng_usmmla_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                bool flip) {
  return eng_smmla_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_usmmla_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_smmla_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_usmmla_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_smmla_load_b(k, lanes, p);
}

static kvalue eng_usmmla_take_b(kbuilder *k, int lanes, kvalue bytes) {
  (void)k;
  (void)lanes;
  return bytes;
}

static kvalue eng_usmmla_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  (void)lanes;
  return mmla(k, "llvm.aarch64.neon.usmmla", acc, a, b);
}

/* ---- bf16 ---- */
/* The fp32 numbers in the lower and in the upper halves of i32 lanes, one after the other. */
static kvalue halves(kbuilder *k, kvalue pairs) {
  int lanes = lanes_of(pairs);
  ktype f = type_of_lanes(k, k->f32, lanes);
  kvalue lo = LLVMBuildShl(k->b, pairs, build_i32s(k, 16, lanes), ""),
         hi = LLVMBuildAnd(k->b, pairs, build_i32s(k, (int32_t)0xffff0000, lanes), "");
  return build_concat(k, (kvalue[]){ build_bitcast(k, lo, f), build_bitcast(k, hi, f) }, 2);
}

static kvalue eng_bf16_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                              bool flip) {
  (void)is_signed;
  (void)flip;
  (void)count;
  return splat_word(k, lanes, p, false);
}

static kvalue eng_bf16_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  (void)lanes;
  (void)count;
  (void)i;
  return halves(k, chunk);
}

static kvalue eng_bf16_load_b(kbuilder *k, int lanes, kvalue p) {
  return halves(k, build_load(k, type_of_lanes(k, k->i32, lanes), p, 16));
}

static kvalue eng_bf16_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  for (int h = 0; h < 2; h++)
    acc = eng_f32_madd(k, lanes, acc, build_extract(k, a, h * lanes, lanes),
                       build_extract(k, b, h * lanes, lanes));
  return acc;
}

static kvalue eng_bf16lane_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                  bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_bf16lane_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  kvalue v = halves(k, chunk);
  if (count == 1) return v;
  int mask[8];
  for (int j = 0; j < 8; j++) mask[j] = j / 4 * 4 + i;
  return build_shuffle(k, v, NULL, mask, 2 * lanes);
}

static kvalue eng_bf16lane_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_bf16_load_b(k, lanes, p);
}

static kvalue eng_bf16lane_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_bf16_madd(k, lanes, acc, a, b);
}

static kvalue eng_bf16w_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  return eng_f32_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_bf16w_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_bf16w_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_f32_load_b(k, lanes, p);
}

static kvalue eng_bf16w_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

static kvalue eng_bf16wlane_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                   bool flip) {
  return eng_f32lane_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_bf16wlane_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  return eng_f32lane_spread_a(k, lanes, chunk, count, i);
}

static kvalue eng_bf16wlane_load_b(kbuilder *k, int lanes, kvalue p) {
  return eng_f32_load_b(k, lanes, p);
}

static kvalue eng_bf16wlane_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  return eng_f32_madd(k, lanes, acc, a, b);
}

static kvalue eng_bf16dot_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                                 bool flip) {
  return eng_bf16_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_bf16dot_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  (void)count;
  (void)i;
  return build_bitcast(k, chunk, type_of_lanes(k, k->bf16, 2 * lanes));
}

static kvalue eng_bf16dot_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->bf16, 2 * lanes), p, 64);
}

static kvalue eng_bf16dot_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  (void)lanes;
  return build_intrinsic(k, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, (kvalue[]){ acc, a, b },
                         3);
}

static kvalue eng_bfdot_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed,
                               bool flip) {
  return eng_sdot_load_a(k, lanes, p, count, is_signed, flip);
}

static kvalue eng_bfdot_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i) {
  kvalue v = build_bitcast(
      k, chunk,
      type_of_lanes(k, k->f32,
                    lanes)); /* as floats: the form that LLVM knows as the lane of a bfdot */
  return build_bitcast(k, count == 1 ? v : splat_lane(k, v, i, lanes),
                       type_of_lanes(k, k->bf16, 2 * lanes));
}

static kvalue eng_bfdot_load_b(kbuilder *k, int lanes, kvalue p) {
  return build_load(k, type_of_lanes(k, k->bf16, 2 * lanes), p, 16);
}

static kvalue eng_bfdot_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b) {
  ktype ov[2] = { type_of_lanes(k, k->f32, lanes), type_of_lanes(k, k->bf16, 2 * lanes) };
  return build_intrinsic(k, "llvm.aarch64.neon.bfdot", ov, 2, (kvalue[]){ acc, b, a }, 3);
}
