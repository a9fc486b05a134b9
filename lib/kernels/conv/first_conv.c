/* First convolutions: few input channels, so a row of the window is a few bytes, and an engine that
 * takes the row in runs of 4 bytes for 16 result channels wastes most of its lanes.
 *
 * Here lanes are pixels. A byte permutation (VBMI) of up to 128 bytes of an input row brings bytes
 * [4 i, 4 i + 4) of the window's row for 16 neighbouring pixels into one register; what is left of
 * each row is gathered 4 bytes at a time from several rows: 3 x 3 x 3 taps are 7 words instead of
 * 9. Weights are words repeated in all lanes, which vpdpbusd does while loading.
 *
 *   for n, oh   for 16 pixels   for 16 channels (or 8):   for word:  a = bytes of 16 pixels;   for
 *     channel: acc[channel] += dot(a, weights[channel][word])
 *     requantize and pack 4 channels at a time; 4 x 4 bytes, then words, change places: pixels */
#include "engine.h"
#include "narrow.h"
#include "first_conv.h"
#include <string.h>

enum { MAX_WORDS = MC_FIRST_CONV_MOST, PIXELS = MC_FIRST_CONV_LANES, AT_ONCE = 16 };

typedef struct piece {
  int row;
  int8_t at[4];
} piece; /* bytes `at` of a window row for places 0..3 of the word; -1: not from here */

typedef struct word {
  int npiece;
  piece piece[4];
  int16_t k[4];
} word; /* k: position in the window, -1: none */

typedef struct conv {
  kfirst_conv f;
  int64_t span; /* bytes that 16 pixels reach */
  int nword;
  word word[MAX_WORDS];
  kvalue w, bias, index[MAX_WORDS][4];
  int at_once; /* channels */
} conv;

/* ---- words ---- */
static void add_byte(conv *s, int place, int row, int at, int k) {
  word *w = &s->word[s->nword];
  if (place == 0) {
    *w = (word){ .npiece = 0, .k = { -1, -1, -1, -1 } };
  }
  if (!w->npiece || w->piece[w->npiece - 1].row != row)
    w->piece[w->npiece++] = (piece){ row, { -1, -1, -1, -1 } };
  w->piece[w->npiece - 1].at[place] = (int8_t)at;
  w->k[place] = (int16_t)k;
}

static void find_words(conv *s) {
  int rb = (int)s->f.row_bytes, place = 0;
  for (int row = 0; row < s->f.kh; row++)
    for (int at = 0; at < rb / 4 * 4; at++) {
      add_byte(s, at % 4, row, at, row * rb + at);
      if (at % 4 == 3) s->nword++;
    }
  for (int row = 0; row < s->f.kh; row++)
    for (int at = rb / 4 * 4; at < rb; at++) {
      add_byte(s, place, row, at, row * rb + at);
      place = (place + 1) % 4;
      if (place == 0) s->nword++;
    }
  if (place) s->nword++;
}

static kvalue permutation(const conv *s, const piece *p) {
  uint8_t index[64];
  for (int i = 0; i < 64; i++)
    index[i] = (uint8_t)(p->at[i % 4] < 0 ? 0 : i / 4 * s->f.step + p->at[i % 4]);
  return build_load(s->f.k, type_of_lanes(s->f.k, s->f.k->i8, 64),
                    build_rodata(s->f.k, index, 64, 0, "bytes"), 64);
}

static void pack(conv *s) {
  kbuilder *k = s->f.k;
  const mc_tensor *w = mc_value_tensor(s->f.head->in[1]),
                  *b = s->f.head->nin > 2 ? mc_value_tensor(s->f.head->in[2]) : NULL;
  int64_t taps = s->f.kh * s->f.row_bytes;
  int8_t *pw = MC_NEWN(k->arena, int8_t, s->f.n * s->nword * 4);
  int32_t *pb = MC_NEWN(k->arena, int32_t, s->f.n);
  for (int64_t n = 0; n < s->f.n; n++) {
    const int8_t *src = (const int8_t *)w->data + n * taps;
    uint32_t sum = 0;
    for (int i = 0; i < 4 * s->nword; i++)
      if (s->word[i / 4].k[i % 4] >= 0) pw[n * s->nword * 4 + i] = src[s->word[i / 4].k[i % 4]];
    for (int64_t i = 0; i < taps; i++) sum += (uint32_t)(int32_t)src[i];
    pb[n] = (int32_t)((b ? ((const uint32_t *)b->data)[n] : 0) - (uint32_t)s->f.za * sum);
  }
  s->w = build_rodata(k, pw, (size_t)(s->f.n * s->nword * 4), 0, "weights");
  s->bias = build_rodata(k, pb, (size_t)(s->f.n * 4), 0, "bias");
}

/* ---- 16 pixels ---- */
static kvalue gathered(const conv *s, kvalue const *low, kvalue const *high, int i) {
  kbuilder *k = s->f.k;
  const word *w = &s->word[i];
  kvalue r = NULL, m[64];
  for (int p = 0; p < w->npiece; p++) {
    int row = w->piece[p].row;
    kvalue v = s->span <= 64
                   ? build_intrinsic(k, "llvm.x86.avx512.permvar.qi.512", NULL, 0,
                                     (kvalue[]){ low[row], s->index[i][p] }, 2)
                   : build_intrinsic(k, "llvm.x86.avx512.vpermi2var.qi.512", NULL, 0,
                                     (kvalue[]){ low[row], s->index[i][p], high[row] }, 3);
    for (int j = 0; j < 64; j++) m[j] = LLVMConstInt(k->i1, w->piece[p].at[j % 4] >= 0, 0);
    r = r ? build_select(k, LLVMConstVector(m, 64), v, r) : v;
  }
  if (s->f.flip) r = LLVMBuildXor(k->b, r, build_splat_const(LLVMConstInt(k->i8, 0x80, 0), 64), "");
  return build_bitcast(k, r, type_of_lanes(k, k->i32, PIXELS));
}

/* Four packed registers, each [128-bit part: 4 pixels][pixel][4 channels], to the pixels' 16
 * channels: word c of register q of the result comes from word q of register c. */
static void store16(const conv *s, kvalue const v[4], kvalue out) {
  kbuilder *k = s->f.k;
  static const int lo[16] = { 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29 },
                   hi[16] = { 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31 };
  static const int lo2[16] = { 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29 },
                   hi2[16] = { 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31 };
  kvalue a = build_shuffle(k, v[0], v[1], lo, 16), b = build_shuffle(k, v[0], v[1], hi, 16),
         c = build_shuffle(k, v[2], v[3], lo, 16), d = build_shuffle(k, v[2], v[3], hi, 16);
  kvalue q[4] = { build_shuffle(k, a, c, lo2, 16), build_shuffle(k, a, c, hi2, 16),
                  build_shuffle(k, b, d, lo2, 16), build_shuffle(k, b, d, hi2, 16) };
  for (int i = 0; i < PIXELS; i++)
    build_store(k, build_extract(k, q[i % 4], i / 4 * 4, 4),
                build_offset(k, out, i * s->f.out.stride[2]), 1);
}

/* Two of them, and pixels that lie together. */
static void store8(const conv *s, kvalue const v[2], kvalue out) {
  kbuilder *k = s->f.k;
  for (int half = 0; half < 2; half++) {
    int mask[16];
    for (int i = 0; i < 16; i++) mask[i] = i % 2 * 16 + half * 8 + i / 2;
    build_store(k, build_shuffle(k, v[0], v[1], mask, 16), build_offset(k, out, 64 * half), 1);
  }
}

static void channels(const conv *s, kvalue const *low, kvalue const *high, kvalue n0, kvalue out) {
  kbuilder *k = s->f.k;
  kvalue acc[AT_ONCE], v[4], w = build_address(k, s->w, build_mul_const(k, n0, s->nword * 4)),
                             bias = build_address(k, s->bias, build_mul_const(k, n0, 4));
  for (int c = 0; c < s->at_once; c++)
    acc[c] = build_splat(k, build_load(k, k->i32, build_offset(k, bias, 4 * c), 4), PIXELS);
  for (int i = 0; i < s->nword; i++) {
    kvalue a = gathered(s, low, high, i);
    for (int c = 0; c < s->at_once; c++) {
      kvalue b = build_splat(
          k, build_load(k, k->i32, build_offset(k, w, (c * s->nword + i) * 4), 4), PIXELS);
      acc[c] = build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                               (kvalue[]){ acc[c], a, b }, 3);
    }
  }
  for (int c = 0; c < s->at_once; c += 4) {
    kvalue m[4];
    int mask[64];
    for (int i = 0; i < 4; i++) {
      s->f.x->iv[3] = n0;
      s->f.x->c[3] = c + i;
      epilogue_at(s->f.x, 1, 1);
      m[i] = s->f.tail.one ? build_f32s(k, s->f.tail.m, PIXELS)
                           : build_splat(k, epilogue_param(s->f.x, s->f.tail.node, 0), PIXELS);
    }
    for (int i = 0; i < 64; i++) mask[i] = i / 16 * 16 + i % 4 * 4 + i % 16 / 4;
    v[c / 4] =
        build_bitcast(k, build_shuffle(k, narrow_bytes(k, &s->f.tail, acc + c, m), NULL, mask, 64),
                      type_of_lanes(k, k->i32, PIXELS));
  }
  s->f.x->c[3] = 0;
  if (s->at_once == 8)
    store8(s, v, out);
  else
    store16(s, v, build_address(k, out, n0));
}

static void pixels(void *ctx, kvalue in, kvalue out) {
  const conv *s = ctx;
  kbuilder *k = s->f.k;
  kvalue low[16], high[16];
  for (int r = 0; r < s->f.kh; r++) {
    low[r] =
        build_load(k, type_of_lanes(k, k->i8, 64), build_offset(k, in, r * s->f.in.stride[1]), 1);
    high[r] = s->span > 64 ? build_load(k, type_of_lanes(k, k->i8, 64),
                                        build_offset(k, in, r * s->f.in.stride[1] + 64), 1)
                           : NULL;
  }
  kloop l;
  build_range(k, &l, s->f.n, s->at_once, NULL, 0);
  channels(s, low, high, l.iv, out);
  build_end(k, &l, NULL);
}

/* What mc_decide_first_conv has found to fit. */
bool emit_first_conv(kgroup *g) {
  conv *s = MC_NEW(g->k->arena, conv);
  first_conv_begin(&s->f, g);
  s->span = (PIXELS - 1) * s->f.step + s->f.row_bytes;
  s->at_once = s->f.n == 8 ? 8 : AT_ONCE;
  find_words(s);
  pack(s);
  if (!first_conv_results(&s->f)) return false;
  for (int i = 0; i < s->nword; i++)
    for (int p = 0; p < s->word[i].npiece; p++)
      s->index[i][p] = permutation(s, &s->word[i].piece[p]);
  first_conv_walk(&s->f, PIXELS, pixels, s);
  return true;
}
