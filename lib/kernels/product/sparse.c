/* Products that leave out blocks of zero weights (docs/internals/zero-weights.md).
 *
 *   for block of columns                       its list: [first[q], first[q + 1])
 *     for block of rows
 *       acc = bias
 *       for i in the list: acc += A[row][place[i] ... + unit] * B[i]        B[i]:
 * [step][columns][depth]
 *
 * B holds the blocks that are not 0, one after the other; place[i] is where a block's elements of
 * K are in a row of A, in bytes from the row's first one. Nothing is decided at run time but how
 * long a list is. */
#include "gemm.h"
#include "mc/analysis/model.h"
#include <string.h>

/* Tables in the object: where the list of a block of columns begins in `place`, and its B in bytes.
 */
struct ksparse_lists {
  kvalue first, at, place, mask;
  int64_t per_group;
};

int64_t ksparse_bytes(const kgemm *p, int nv) {
  int64_t elements = p->d.unit == MC_ZERO_PICK ? p->d.kr : p->d.unit;
  return (int64_t)nv * KGEMM_LANES * elements * mc_gemm_elem(p->d.e);
}

/* ---- packing ---- */

typedef struct lists {
  const kgemm *p;
  mc_zeros_view v;
  const mc_weights *w;
  char *b;
  int64_t bytes;
  int32_t *first, *place;
  uint32_t *mask; /* MC_ZERO_PICK */
  int64_t *at, n, columns;
} lists;

/* Columns [n, n + 16 nv) of elements [k, k + unit) of run r: [step][column][depth]. */
static void pack_unit(lists *l, int64_t group, int64_t n, int nv, int64_t r, int64_t k) {
  const kgemm *p = l->p;
  int64_t es = mc_gemm_elem(p->d.e), width = (int64_t)nv * KGEMM_LANES;
  char *out = l->b + l->bytes;
  for (int64_t j = 0; j < p->d.unit && k + j < p->d.rlen; j++)
    for (int64_t c = 0; c < width && n + c < p->d.n; c++) {
      int64_t from = (group * p->d.n + n + c) * l->w->wn + (l->w->woff[r] + k + j) * l->w->wk;
      int64_t to = (j / p->d.kr * width + c) * p->d.kr + j % p->d.kr;
      memcpy(out + to * es, (const char *)l->w->data + from * es, (size_t)es);
    }
  l->bytes += ksparse_bytes(p, nv);
}

static bool unit_zero(const lists *l, int64_t group, int64_t n, int64_t width, int64_t r,
                      int64_t k) {
  for (int64_t j = k; j < k + l->p->d.unit && j < l->p->d.rlen; j++)
    if (!mc_zeros_at(&l->v, group, n, width, r, j)) return false;
  return true;
}

static void list_units(lists *l, int64_t group, int64_t n, int64_t width, int r) {
  const kgemm *p = l->p;
  for (int64_t k = 0; k < p->d.rlen; k += p->d.unit) {
    if (unit_zero(l, group, n, width, r, k)) continue;
    l->place[l->n++] = (int32_t)(p->d.run[r] + k * mc_gemm_a_elem(p->d.e));
    pack_unit(l, group, n, (int)(width / KGEMM_LANES), r, k);
  }
}

/* ---- single elements ---- */

/* A step: `count` elements of run r, from[] within the window at k. The rest of the step is 0. */
static void pack_step(lists *l, int64_t group, int64_t n, int64_t width, int r, int64_t k,
                      const int *from, int count) {
  const kgemm *p = l->p;
  int64_t es = mc_gemm_elem(p->d.e), size = mc_gemm_a_elem(p->d.e);
  uint32_t mask = 0;
  for (int i = 0; i < count; i++) {
    for (int64_t b = 0; b < size; b++) mask |= (uint32_t)(from[i] * size + b) << 8 * (i * size + b);
    for (int64_t c = 0; c < width && n + c < p->d.n; c++) {
      int64_t at = (group * p->d.n + n + c) * l->w->wn + (l->w->woff[r] + k + from[i]) * l->w->wk;
      memcpy(l->b + l->bytes + (c * p->d.kr + i) * es, (const char *)l->w->data + at * es,
             (size_t)es);
    }
  }
  l->mask[l->n] = mask;
  l->place[l->n++] = (int32_t)(p->d.run[r] + k * size);
  l->bytes += ksparse_bytes(p, (int)(width / KGEMM_LANES));
}

static void list_steps(lists *l, int64_t group, int64_t n, int64_t width, int r) {
  const kgemm *p = l->p;
  int window = 16 / (int)mc_gemm_a_elem(p->d.e), from[4];
  for (int64_t k = 0; k < p->d.rlen; k += window) {
    int count = 0;
    for (int i = 0; i < window && k + i < p->d.rlen; i++) {
      if (mc_zeros_at(&l->v, group, n, width, r, k + i)) continue;
      from[count++] = i;
      if (count < p->d.kr) continue;
      pack_step(l, group, n, width, r, k, from, count);
      count = 0;
    }
    if (count) pack_step(l, group, n, width, r, k, from, count);
  }
}

static void pack_columns(lists *l, int64_t group, int64_t n) {
  const kgemm *p = l->p;
  int64_t left = mc_gemm_vectors(p->d.n - n),
          width = (left < p->d.nv ? left : p->d.nv) * KGEMM_LANES;
  l->at[l->columns] = l->bytes;
  l->first[l->columns++] = (int32_t)l->n;
  for (int r = 0; r < p->d.nrun; r++)
    (p->d.unit == MC_ZERO_PICK ? list_steps : list_units)(l, group, n, width, r);
}

void ksparse_pack(kgemm *p) {
  kbuilder *k = p->k;
  mc_arena *scratch = mc_arena_create();
  int64_t per_group = (mc_gemm_vectors(p->d.n) + p->d.nv - 1) / p->d.nv,
          columns = per_group * p->d.groups;
  int64_t least = p->d.unit == MC_ZERO_PICK ? p->d.kr : p->d.unit;
  int64_t units = p->d.nrun * ((p->d.rlen + least - 1) / least + (p->d.rlen + 7) / 8);
  lists l = { .p = p, .v = mc_gemm_zeros_view(&p->d), .w = &p->d.w };
  l.b = mc_arena_alloc(scratch, (size_t)(columns * units * ksparse_bytes(p, p->d.nv) + 64));
  l.place = MC_NEWN(scratch, int32_t, columns *units + 1);
  l.mask = MC_NEWN(scratch, uint32_t, columns *units + 1);
  l.first = MC_NEWN(scratch, int32_t, columns + 1);
  l.at = MC_NEWN(scratch, int64_t, columns);
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t n = 0; n < p->d.n; n += (int64_t)p->d.nv * KGEMM_LANES) pack_columns(&l, g, n);
  l.first[columns] = (int32_t)l.n;
  p->lists = MC_NEW(k->arena, ksparse_lists);
  p->lists->per_group = per_group;
  p->lists->first = build_rodata(k, l.first, sizeof(int32_t) * (size_t)(columns + 1), 0, "lists");
  p->lists->place = build_rodata(k, l.place, sizeof(int32_t) * (size_t)(l.n + 1), 0, "places");
  if (p->d.unit == MC_ZERO_PICK)
    p->lists->mask = build_rodata(k, l.mask, sizeof(uint32_t) * (size_t)(l.n + 1), 0, "picks");
  p->lists->at = build_table_i64(k, l.at, columns, "blocks");
  p->b = build_rodata(k, l.b, (size_t)(l.bytes ? l.bytes : 64), 0, "weights");
  mc_arena_destroy(scratch);
}

/* ---- code ---- */

static kvalue load_i32(kgemm *p, kvalue table, kvalue index) {
  kbuilder *k = p->k;
  kvalue v = build_load(k, k->i32, build_address(k, table, build_mul_const(k, index, 4)), 4);
  return LLVMBuildZExt(k->b, v, k->i64, "");
}

kvalue ksparse_columns(kgemm *p, kvalue index) {
  kbuilder *k = p->k;
  const ksparse_lists *l = p->lists;
  kvalue q = build_add(k, build_mul_const(k, p->units_group, l->per_group), index);
  p->units = load_i32(p, l->first, q);
  p->units_end = load_i32(p, l->first, build_add_const(k, q, 1));
  return build_address(k, p->b,
                       build_load(k, k->i64, build_address(k, l->at, build_mul_const(k, q, 8)), 8));
}

kvalue ksparse_a(kgemm *p, kvalue a, kvalue i) {
  return build_address(p->k, a, load_i32(p, p->lists->place, build_add(p->k, p->units, i)));
}

kvalue ksparse_mask(kgemm *p, kvalue i, int lanes) {
  kbuilder *k = p->k;
  kvalue at = build_address(k, p->lists->mask, build_mul_const(k, build_add(k, p->units, i), 4));
  return build_bitcast(k, build_splat(k, build_load(k, k->i32, at, 4), lanes),
                       type_of_lanes(k, k->i8, 4 * lanes));
}

kvalue ksparse_pick(kgemm *p, int lanes, kvalue at, kvalue mask) {
  kbuilder *k = p->k;
  int all[64];
  for (int i = 0; i < 4 * lanes; i++) all[i] = i % 16;
  kvalue window = build_load(k, type_of_lanes(k, k->i8, 16), at, 1);
  if (lanes > 4) window = build_shuffle(k, window, NULL, all, 4 * lanes);
  kvalue a = build_bitcast(k, vec_permute(k, window, mask), type_of_lanes(k, k->i32, lanes));
  if (p->d.flip) a = LLVMBuildXor(k->b, a, build_i32s(k, (int32_t)0x80808080, lanes), "");
  return mc_gemm_a_elem(p->d.e) == 2 ? build_bitcast(k, a, type_of_lanes(k, k->i16, 2 * lanes)) : a;
}
