/* The tile file and the dot products, as Intel's manual (Software Developer's Manual, volume 2, and
 * volume 1 chapter 18) states them. */
#include "emulate.h"
#include <math.h>
#include <string.h>

const char *emu_configure(emu_tiles *t, const unsigned char *config) {
  memset(t, 0, sizeof *t);
  if (config[0] == 0) return NULL;
  if (config[0] != 1) return "ldtilecfg: unknown palette";
  for (int i = 1; i < 64; i++) {
    bool reserved = (i >= 2 && i < 16) || (i >= 32 && i < 48) || i >= 56;
    if (reserved && config[i]) return "ldtilecfg: a reserved byte is not 0";
  }
  for (int i = 0; i < EMU_TILES; i++) {
    int colsb = config[16 + 2 * i] | config[17 + 2 * i] << 8, rows = config[48 + i];
    if (colsb > EMU_ROW_BYTES || rows > EMU_ROWS || (colsb == 0) != (rows == 0))
      return "ldtilecfg: a tile's shape is out of range";
    t->colsb[i] = (uint8_t)colsb;
    t->rows[i] = (uint8_t)rows;
  }
  memcpy(t->config, config, sizeof t->config);
  t->on = true;
  return NULL;
}

const char *emu_check(const emu_tiles *t, int tile) {
  if (!t->on) return "tiles are not configured";
  return t->rows[tile] ? NULL : "a tile without rows";
}

void emu_zero(emu_tiles *t, int tile) { memset(t->data[tile], 0, sizeof t->data[tile]); }

void emu_load(emu_tiles *t, int tile, const unsigned char *base, int64_t stride) {
  emu_zero(t, tile);
  for (int r = 0; r < t->rows[tile]; r++)
    memcpy(t->data[tile][r], base + r * stride, t->colsb[tile]);
}

void emu_store(const emu_tiles *t, int tile, unsigned char *base, int64_t stride) {
  for (int r = 0; r < t->rows[tile]; r++)
    memcpy(base + r * stride, t->data[tile][r], t->colsb[tile]);
}

/* Four products of bytes into each sum, modulo 2^32. */
static void multiply_bytes(emu_tiles *t, emu_product kind, int c, int a, int b) {
  bool sa = kind == EMU_su || kind == EMU_ss, sb = kind == EMU_us || kind == EMU_ss;
  for (int m = 0; m < t->rows[c]; m++) {
    uint32_t sum[16];
    memcpy(sum, t->data[c][m], sizeof sum);
    for (int k = 0; k < t->colsb[a] / 4; k++)
      for (int i = 0; i < 4; i++) {
        unsigned char ab = t->data[a][m][4 * k + i];
        int av = sa ? (int8_t)ab : ab;
        const unsigned char *row = &t->data[b][k][i];
        for (int n = 0; n < 16; n++)
          sum[n] += (uint32_t)(av * (sb ? (int8_t)row[4 * n] : (int)row[4 * n]));
      }
    memcpy(t->data[c][m], sum, t->colsb[c]);
  }
}

/* Denormals are 0, on the way in and out. */
static float flush(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

static float bf16(const unsigned char *p) {
  uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
  float x;
  memcpy(&x, &bits, 4);
  return flush(x);
}

/* Even and odd products are summed apart, each step a fused multiply-add, then added to the sum. */
static void multiply_bf16(emu_tiles *t, int c, int a, int b) {
  for (int m = 0; m < t->rows[c]; m++)
    for (int n = 0; n < t->colsb[c] / 4; n++) {
      float even = 0, odd = 0, sum;
      for (int k = 0; k < t->colsb[a] / 4; k++) {
        const unsigned char *x = &t->data[a][m][4 * k], *y = &t->data[b][k][4 * n];
        even = flush(fmaf(bf16(x), bf16(y), even));
        odd = flush(fmaf(bf16(x + 2), bf16(y + 2), odd));
      }
      memcpy(&sum, &t->data[c][m][4 * n], 4);
      sum = flush(flush(sum) + flush(even + odd));
      memcpy(&t->data[c][m][4 * n], &sum, 4);
    }
}

const char *emu_multiply(emu_tiles *t, emu_product kind, int c, int a, int b) {
  if (c == a || c == b || a == b) return "a product names a tile twice";
  if (emu_check(t, c) || emu_check(t, a) || emu_check(t, b))
    return "a product of tiles that are not configured";
  if (t->colsb[a] % 4 || t->colsb[c] % 4)
    return "a product of tiles whose rows are no multiple of 4 bytes";
  if (t->rows[a] != t->rows[c] || t->colsb[b] != t->colsb[c] || t->rows[b] * 4 != t->colsb[a])
    return "a product of tiles whose shapes do not fit";
  if (kind == EMU_bf16)
    multiply_bf16(t, c, a, b);
  else
    multiply_bytes(t, kind, c, a, b);
  return NULL;
}

static int32_t saturate(int64_t x) {
  return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

void emu_vnni(int opcode, int32_t *acc, const void *a, const void *b, int lanes) {
  bool words = opcode & 2, saturating = opcode & 1;
  for (int l = 0; l < lanes; l++) {
    int64_t sum = 0;
    for (int i = 0; i < 4 && !words; i++)
      sum += ((const uint8_t *)a)[4 * l + i] * ((const int8_t *)b)[4 * l + i];
    for (int i = 0; i < 2 && words; i++)
      sum += (int64_t)((const int16_t *)a)[2 * l + i] * ((const int16_t *)b)[2 * l + i];
    acc[l] = saturating ? saturate(acc[l] + sum) : (int32_t)((uint32_t)acc[l] + (uint32_t)sum);
  }
}
