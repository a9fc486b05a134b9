/* First convolutions on AVX2: few input channels, few results.
 *
 * The engine of pmaddwd takes 8 result channels in a register, whether they exist or not, and
 * narrows the results of each pixel by themselves. Here lanes are 8 pixels of a row: a lane of a
 * word holds two taps of the window as 16 bits, and costs follow the number of channels.
 *
 *   for n, oh   for 8 pixels   for up to 8 channels:
 *     for word:  a = two taps of 8 pixels   for channel: acc[channel] += pmaddwd(a, weights)
 *     requantize and pack 4 channels at a time; bytes, then words, change places: pixels
 *
 * A row of the window is bytes that lie together. 16 bytes hold it for 2 or 4 neighbouring pixels,
 * and pshufb brings two bytes of each to their lane. What is left of rows of odd length is taken
 * from two rows. Weights are stored 8 times: an operand of pmaddwd. Words and cost:
 * mc/analysis/model.h. */
#include "engine.h"
#include "narrow.h"
#include "first_conv.h"
#include <string.h>

enum { PIXELS = 8, AT_ONCE = 8, BYTES = 32 };

/* Two taps: bytes `at` of rows `row` of the window; the second may be absent (-1). */
typedef struct word {
  int row[2], at[2];
} word;

typedef struct conv {
  kfirst_conv f;
  int together; /* pixels whose rows 16 bytes hold: 2 or 4 */
  int nword;
  word word[MC_FIRST_CONV_WORDS];
  kvalue w;
  int32_t *bias; /* [channel][word][8]: pairs of i16 */
} conv;

static void find_words(conv *s) {
  int rb = (int)s->f.row_bytes, open = 0;
  for (int row = 0; row < s->f.kh; row++)
    for (int at = 0; at + 1 < rb; at += 2)
      s->word[s->nword++] = (word){ { row, row }, { at, at + 1 } };
  for (int row = 0; row < s->f.kh && rb % 2; row++) {
    if (!open)
      s->word[s->nword++] = (word){ { row, row }, { rb - 1, -1 } };
    else
      s->word[s->nword - 1].row[1] = row, s->word[s->nword - 1].at[1] = rb - 1;
    open = !open;
  }
}

static void pack(conv *s) {
  kbuilder *k = s->f.k;
  const mc_tensor *w = mc_value_tensor(s->f.head->in[1]);
  const mc_tensor *b = s->f.head->nin > 2 ? mc_value_tensor(s->f.head->in[2]) : NULL;
  int64_t taps = s->f.kh * s->f.row_bytes, bytes = s->f.n * s->nword * BYTES;
  int16_t *pw = mc_arena_alloc(k->arena, (size_t)bytes), *at = pw;
  s->bias = MC_NEWN(k->arena, int32_t, s->f.n);
  for (int64_t n = 0; n < s->f.n; n++) {
    const int8_t *src = (const int8_t *)w->data + n * taps;
    uint32_t sum = 0;
    for (int64_t i = 0; i < taps; i++) sum += (uint32_t)(int32_t)src[i];
    for (int i = 0; i < s->nword; i++)
      for (int p = 0; p < 2 * PIXELS; p++) {
        const word *wd = &s->word[i];
        *at++ = wd->at[p % 2] < 0 ? 0 : src[wd->row[p % 2] * s->f.row_bytes + wd->at[p % 2]];
      }
    uint32_t old = b ? ((const uint32_t *)b->data)[n] : 0;
    s->bias[n] = (int32_t)(old - (uint32_t)s->f.za * sum);
  }
  s->w = build_rodata(k, pw, (size_t)bytes, 0, "weights");
}

/* ---- two taps of 8 pixels ---- */
/* Bytes of the window's row for pixels 4 l + h * together ... of 128-bit part l. */
static kvalue load_row(const conv *s, kvalue in, int row, int h) {
  kbuilder *k = s->f.k;
  kvalue part[2];
  for (int l = 0; l < 2; l++) {
    int64_t at = row * s->f.in.stride[1] + (4 * l + h * s->together) * s->f.step;
    part[l] = build_load(k, type_of_lanes(k, k->i8, 16), build_offset(k, in, at), 1);
  }
  kvalue v = build_concat(k, part, 2);
  return s->f.flip
             ? LLVMBuildXor(k->b, v, build_splat_const(LLVMConstInt(k->i8, 0x80, 0), BYTES), "")
             : v;
}

/* The taps of a word that are in `row`, from the bytes of load_row; zeros elsewhere. */
static kvalue shuffled(const conv *s, const word *w, kvalue bytes, int row, int h) {
  kvalue m[BYTES];
  for (int i = 0; i < BYTES; i++) {
    int pixel = i % 16 / 4, tap = i % 4 / 2;
    bool here = i % 2 == 0 && pixel / s->together == h && w->row[tap] == row && w->at[tap] >= 0;
    int64_t at = pixel % s->together * s->f.step + w->at[tap];
    m[i] = LLVMConstInt(s->f.k->i8, here ? (uint64_t)at : 0x80, 0);
  }
  kvalue mask = LLVMConstVector(m, BYTES);
  return build_intrinsic(s->f.k, "llvm.x86.avx2.pshuf.b", NULL, 0, (kvalue[]){ bytes, mask }, 2);
}

static kvalue gathered(const conv *s, kvalue in, int i) {
  const word *w = &s->word[i];
  kvalue r = NULL;
  for (int t = 0; t < 2; t++)
    for (int h = 0; h < 4 / s->together && (t == 0 || w->row[1] != w->row[0]); h++) {
      kvalue v = shuffled(s, w, load_row(s, in, w->row[t], h), w->row[t], h);
      r = r ? LLVMBuildOr(s->f.k->b, r, v, "") : v;
    }
  return build_bitcast(s->f.k, r, type_of_lanes(s->f.k, s->f.k->i16, 2 * PIXELS));
}

/* ---- results ---- */
static kvalue multiplier(const conv *s, int64_t c) {
  return build_f32s(s->f.k, s->f.tail.one ? s->f.tail.m : mc_narrow_multiplier(&s->f.tail, c),
                    PIXELS);
}

/* Channels c ... c + 3 of 8 pixels, those after the last one 0: [part][pixel][channel]. */
static kvalue four(const conv *s, kvalue const *acc, int64_t c, int count) {
  kbuilder *k = s->f.k;
  kvalue a[4], m[4];
  int mask[BYTES];
  for (int i = 0; i < 4; i++) {
    a[i] = i < count ? acc[i] : build_i32s(k, 0, PIXELS);
    m[i] = multiplier(s, i < count ? c + i : c);
  }
  for (int i = 0; i < BYTES; i++) mask[i] = i / 16 * 16 + i % 4 * 4 + i % 16 / 4;
  return build_shuffle(
      k, build_bitcast(k, narrow_bytes(k, &s->f.tail, a, m), type_of_lanes(k, k->i8, BYTES)), NULL,
      mask, BYTES);
}

/* Stores in pieces of powers of two. */
static void store_exact(kbuilder *k, kvalue v, int bytes, kvalue p) {
  for (int at = 0, n = 16; at < bytes; at += n) {
    while (n > bytes - at) n /= 2;
    build_store(k, build_extract(k, v, at, n), build_offset(k, p, at), 1);
  }
}

/* Bytes [from, from + count) of each of `pixels` places of `slot` bytes, which lie together in v.
 */
static kvalue dense(kbuilder *k, kvalue v, int from, int pixels, int slot, int count) {
  int mask[16];
  for (int i = 0; i < 16; i++)
    mask[i] = i < pixels * count ? from + i / count * slot + i % count : -1;
  return build_shuffle(k, v, NULL, mask, 16);
}

/* v[q]: channels of 8 pixels, `slot` bytes a pixel, 16 / slot pixels in each 128-bit part. Where
 * all results of neighbouring pixels lie together, a store may write on into those of the 8 that
 * follow it. */
static void store(const conv *s, kvalue const v[2], int slot, int count, kvalue out) {
  kbuilder *k = s->f.k;
  int per = 16 / slot;
  bool together = s->f.n == count && s->f.out.stride[2] == count;
  for (int p = 0; p < PIXELS; p += together ? per : 1) {
    int q = p % 4 / per, from = p / 4 * 16 + (together ? 0 : p % per * slot);
    kvalue to = build_offset(k, out, p * s->f.out.stride[2]),
           bytes = dense(k, v[q], from, together ? per : 1, slot, count);
    if (together && p * count + 16 <= PIXELS * count)
      build_store(k, bytes, to, 1);
    else
      store_exact(k, bytes, (together ? per : 1) * count, to);
  }
}

static void finish(const conv *s, kvalue const *acc, int64_t c, int count, kvalue out) {
  static const int lo[8] = { 0, 8, 1, 9, 4, 12, 5, 13 }, hi[8] = { 2, 10, 3, 11, 6, 14, 7, 15 };
  kbuilder *k = s->f.k;
  kvalue v[2] = { four(s, acc, c, count < 4 ? count : 4), NULL };
  if (count > 4) {
    ktype words = type_of_lanes(k, k->i32, 8), bytes = type_of_lanes(k, k->i8, BYTES);
    kvalue a = build_bitcast(k, v[0], words),
           b = build_bitcast(k, four(s, acc + 4, c + 4, count - 4), words);
    v[0] = build_bitcast(k, build_shuffle(k, a, b, lo, 8), bytes);
    v[1] = build_bitcast(k, build_shuffle(k, a, b, hi, 8), bytes);
  }
  store(s, v, count > 4 ? 8 : 4, count, out);
}

static void channels(const conv *s, kvalue in, int64_t c, int count, kvalue out) {
  kbuilder *k = s->f.k;
  ktype t = type_of_lanes(k, k->i16, 2 * PIXELS);
  kvalue acc[AT_ONCE];
  for (int i = 0; i < count; i++) acc[i] = build_i32s(k, s->bias[c + i], PIXELS);
  for (int w = 0; w < s->nword; w++) {
    kvalue a = gathered(s, in, w);
    for (int i = 0; i < count; i++) {
      kvalue b = build_load(k, t, build_offset(k, s->w, ((c + i) * s->nword + w) * BYTES), 32);
      kvalue p = build_intrinsic(k, "llvm.x86.avx2.pmadd.wd", NULL, 0, (kvalue[]){ a, b }, 2);
      acc[i] = LLVMBuildAdd(k->b, acc[i], p, "");
    }
  }
  finish(s, acc, c, count, build_offset(k, out, c));
}

static void pixels(void *ctx, kvalue in, kvalue out) {
  conv *s = ctx;
  for (int64_t c = 0; c < s->f.n; c += AT_ONCE)
    channels(s, in, c, s->f.n - c < AT_ONCE ? (int)(s->f.n - c) : AT_ONCE, out);
}

/* What mc_decide_first_conv_pairs has found to fit. */
bool emit_first_conv_pairs(kgroup *g) {
  conv *s = MC_NEW(g->k->arena, conv);
  first_conv_begin(&s->f, g);
  s->together = 3 * s->f.step + s->f.row_bytes <= 16 ? 4 : 2;
  find_words(s);
  pack(s);
  if (!first_conv_results(&s->f)) return false;
  first_conv_walk(&s->f, PIXELS, pixels, s);
  return true;
}
