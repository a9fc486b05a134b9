#include "mc/analysis/zeros.h"
#include <string.h>

enum { LANES = 16, LONGEST = 1 << (MC_ZERO_UNITS - 1), SAMPLES = 1024, STRIP = 48 };

static bool is_zero(const mc_zeros_view *v, int64_t at) {
  switch (v->dtype) {
  case MC_f32: return ((const float *)v->data)[at] == 0;
  case MC_bf16: return (((const uint16_t *)v->data)[at] & 0x7fff) == 0;
  case MC_i8: return ((const int8_t *)v->data)[at] == 0;
  default: return false; /* weights of other types are in no kernel */
  }
}

bool mc_zeros_at(const mc_zeros_view *v, int64_t group, int64_t n, int64_t count, int64_t r,
                 int64_t k) {
  int64_t end = n + count < v->cols ? n + count : v->cols;
  for (int64_t c = n; c < end; c++)
    if (!is_zero(v, (group * v->cols + c) * v->column + (r * v->rlen + k) * v->step)) return false;
  return true;
}

/* A look at places spread over the weights tells layers without zeros, which are most: where 3 % of
 * the vectors are 0, the chance to miss them all is 1e-13. */
static bool dense(const mc_zeros_view *v) {
  int64_t vectors = (v->cols + LANES - 1) / LANES, k = v->runs * v->rlen;
  int64_t all = v->groups * vectors * k;
  int64_t stride = all / SAMPLES > 1 ? all / SAMPLES : 1;
  for (int64_t i = 0; i < all; i += stride) {
    int64_t at = i + i / stride * 7 % stride;
    if (at >= all) at = all - 1; /* the last stretch may be shorter */
    int64_t j = at % k, vector = at / k % vectors, group = at / k / vectors;
    if (mc_zeros_at(v, group, vector * LANES, LANES, j / v->rlen, j % v->rlen)) return false;
  }
  return true;
}

/* used[vector]: bit i is set where element k + i is not 0 in all columns of the vector. */
static void look(const mc_zeros_view *v, int64_t group, int64_t n, int vectors, int64_t r,
                 int64_t k, int len, unsigned *used) {
  for (int w = 0; w < vectors; w++) {
    used[w] = 0;
    for (int i = 0; i < len; i++)
      used[w] |= (unsigned)!mc_zeros_at(v, group, n + (int64_t)w * LANES, LANES, r, k + i) << i;
  }
}

static int bits_of(unsigned x) { return __builtin_popcount(x); }

/* Steps that pick the elements of `any` from windows of 8, two each, and of 16, four each. */
static void count_steps(mc_zeros *z, int width, unsigned any) {
  z->steps[width - 1][0] += (bits_of(any & 255) + 1) / 2 + (bits_of(any >> 8) + 1) / 2;
  z->steps[width - 1][1] += (bits_of(any) + 3) / 4;
}

/* Blocks of all sizes of the vectors looked at. */
static void count(mc_zeros *z, const unsigned *used, int vectors, int len) {
  for (int width = 1; width <= MC_ZERO_WIDTHS; width++)
    for (int w = 0; w < vectors; w += width) {
      unsigned any = 0;
      for (int i = w; i < w + width && i < vectors; i++) any |= used[i];
      count_steps(z, width, any);
      for (int u = 0; u < MC_ZERO_UNITS; u++)
        for (int i = 0; i < len; i += 1 << u) {
          z->used[width - 1][u] += (any >> i & ((1u << (1 << u)) - 1)) != 0;
          z->all[width - 1][u]++;
        }
    }
}

/* Vectors from column n on, as many as all widths divide. */
static void count_strip(mc_zeros *z, const mc_zeros_view *v, int64_t group, int64_t n) {
  unsigned used[STRIP];
  int64_t left = (v->cols - n + LANES - 1) / LANES;
  int vectors = left < STRIP ? (int)left : STRIP;
  for (int64_t r = 0; r < v->runs; r++)
    for (int64_t k = 0; k < v->rlen; k += LONGEST) {
      int len = v->rlen - k < LONGEST ? (int)(v->rlen - k) : LONGEST;
      look(v, group, n, vectors, r, k, len, used);
      count(z, used, vectors, len);
    }
}

mc_zeros mc_zeros_of(const mc_zeros_view *v) {
  mc_zeros z;
  memset(&z, 0, sizeof z);
  if (v->runs * v->rlen * v->cols <= 0 || dense(v)) return z;
  for (int64_t g = 0; g < v->groups; g++)
    for (int64_t n = 0; n < v->cols; n += STRIP * LANES) count_strip(&z, v, g, n);
  return z;
}

double mc_zeros_picked(const mc_zeros *z, int vectors, int depth) {
  int u = depth == 2 ? 1 : 2;
  if (vectors < 1 || vectors > MC_ZERO_WIDTHS || !z->all[vectors - 1][u]) return 1;
  return (double)z->steps[vectors - 1][u - 1] / (double)z->all[vectors - 1][u];
}

double mc_zeros_share(const mc_zeros *z, int vectors, int unit) {
  int u = 0;
  while (1 << u < unit) u++;
  if (vectors < 1 || vectors > MC_ZERO_WIDTHS || u >= MC_ZERO_UNITS) return 1;
  if (!z->all[vectors - 1][u]) return 1;
  return (double)z->used[vectors - 1][u] / (double)z->all[vectors - 1][u];
}
