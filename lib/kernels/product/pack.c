/* Packing of constant weights, zero points folded into the bias. */
#include "stored.h"
#include "tile.h"
#include <string.h>

/* Where a group of elements of a column starts within a step, and elements of a group: of tiles
 * [columns / 16][kr / group][16][group], else [columns][kr]. */
static int64_t group_of(const kgemm *p) { return p->d.e->tile ? p->d.e->tile : p->d.kr; }

static int64_t group_at(const kgemm *p, int64_t column, int64_t group) {
  return column / KGEMM_LANES * KGEMM_LANES * p->d.kr +
         (group * KGEMM_LANES + column % KGEMM_LANES) * group_of(p);
}

/* Column n of a block, one run: kr elements at a time, `stride` elements apart; what lies after
 * the run stays 0. */
static void pack_column(const kgemm *p, char *out, int64_t stride, int64_t n, int64_t base,
                        int64_t woff) {
  int64_t es = mc_gemm_elem(p->d.e), q = group_of(p), per = p->d.kr / q;
  for (int64_t g = 0; g * q < p->d.rlen; g++) {
    char *to = out + (g / per * stride + group_at(p, n, g % per)) * es;
    for (int64_t j = g * q; j < g * q + q && j < p->d.rlen; j++, to += es)
      memcpy(to, (const char *)p->d.w.data + (base + (woff + j) * p->d.w.wk) * es, (size_t)es);
  }
}

/* A block of `width` columns of which `have` exist: [run][step][...]. */
static void pack_block(const kgemm *p, char *out, int64_t first, int64_t width, int64_t have) {
  int64_t step = width * p->d.kr;
  for (int64_t n = 0; n < have; n++)
    for (int r = 0; r < p->d.nrun; r++)
      pack_column(p, out + r * p->d.steps * step * mc_gemm_elem(p->d.e), step, n,
                  (first + n) * p->d.w.wn, p->d.w.woff[r]);
}

static void pack_group(const kgemm *p, char *out, int64_t first) {
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES;
  for (int64_t n = 0; n < p->d.n; n += width) {
    int64_t have = p->d.n - n < width ? p->d.n - n : width;
    pack_block(p, out + n * mc_gemm_column_bytes(&p->d), first + n,
               mc_gemm_vectors(have) * KGEMM_LANES, have);
  }
}

static int64_t sum_of_column(const kgemm *p, int64_t column) {
  int64_t s = 0;
  for (int r = 0; r < p->d.nrun; r++)
    for (int64_t j = 0; j < p->d.rlen; j++)
      s += ((const int8_t *)p->d.w.data)[column * p->d.w.wn + (p->d.w.woff[r] + j) * p->d.w.wk];
  return s;
}

/* The least and largest sum of a column, for any activations of their type. */
static void widen_range(const kgemm *p, int64_t column, int64_t bias, int64_t range[2]) {
  const mc_type *a = p->head->in[0]->type;
  int64_t qmin, qmax, lo = bias, hi = bias;
  mc_dtype_range(a->dtype, &qmin, &qmax);
  qmin -= zero_point_of(a);
  qmax -= zero_point_of(a);
  for (int r = 0; r < p->d.nrun; r++)
    for (int64_t j = 0; j < p->d.rlen; j++) {
      int64_t v =
          ((const int8_t *)p->d.w.data)[column * p->d.w.wn + (p->d.w.woff[r] + j) * p->d.w.wk];
      lo += v * (v > 0 ? qmin : qmax);
      hi += v * (v > 0 ? qmax : qmin);
    }
  if (lo < range[0]) range[0] = lo;
  if (hi > range[1]) range[1] = hi;
}

/* What the sums can be at most tells the epilogue what it need not clamp, and on AArch64 whether
 * they may carry the epilogue's head_base from the start: it then needs no conversion (vec.h). */
static void bound_sums(kgemm *p) {
  if (mc_engine_is_real(p->d.e)) return;
  const int32_t *bias = p->d.bias;
  int64_t range[2] = { 0, 0 };
  for (int64_t n = 0; n < p->d.groups * p->d.n; n++) widen_range(p, n, bias ? bias[n] : 0, range);
  epilogue_bound_head(p->x, range[0], range[1]);
}

static void fill_bias(const kgemm *p, void *out, int64_t first) {
  const void *bias = p->d.bias;
  for (int64_t n = 0; n < p->d.n; n++) {
    if (mc_engine_is_real(p->d.e)) {
      ((float *)out)[n] = bias ? ((const float *)bias)[first + n] : 0.0f;
      continue;
    }
    int64_t b = bias ? ((const int32_t *)bias)[first + n] : 0;
    b += p->x->head_base;
    ((uint32_t *)out)[n] =
        (uint32_t)(b - p->d.za * (p->d.za ? sum_of_column(p, first + n)
                                          : 0)); /* modulo 2^32, as the sums are */
  }
}

void kgemm_pack(kgemm *p) {
  kbuilder *k = p->k;
  p->b_group = mc_gemm_panel(&p->d);
  p->bias_group = mc_gemm_vectors(p->d.n) * KGEMM_LANES * 4;
  p->b_batch = p->bias_batch = 0;
  bound_sums(p);
  mc_arena *scratch = mc_arena_create();
  size_t bytes = (size_t)(p->d.groups * p->b_group), sums = (size_t)(p->d.groups * p->bias_group);
  char *pb = mc_arena_alloc(scratch, bytes), *pbias = mc_arena_alloc(scratch, sums);
  for (int64_t g = 0; g < p->d.groups; g++) {
    if (!p->d.unit) pack_group(p, pb + g * p->b_group, g * p->d.n);
    fill_bias(p, pbias + g * p->bias_group, g * p->d.n);
  }
  if (p->d.unit)
    ksparse_pack(p);
  else
    kstored_code_of(p)->pack(p, pb);
  p->bias = build_rodata(k, pbias, sums, 0, "bias");
  mc_arena_destroy(scratch);
}
