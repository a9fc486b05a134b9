/* Products that leave out blocks of zero weights (docs/internals/zero-weights.md).
 *
 *   for block of columns                       its list: [first[q], first[q + 1])
 *     for block of rows
 *       acc = bias
 *       for i in the list: acc += A[row][place[i] ... + unit] * B[i]        B[i]:
 * [step][columns][depth]
 *
 * B holds the blocks that are not 0, one behind the other; place[i] is where a block's elements of
 * K stand in a row of A, in bytes from the row's first one. Nothing is decided at run time but how
 * long a list is. */
#include "gemm.h"
#include "mc/analysis/model.h"
#include <string.h>

/* Tables in the object: where the list of a block of columns begins in `place`, and its B in bytes.
 */
struct ksparse_lists {
  V first, at, place, mask;
  int64_t per_group;
};

static mc_zeros_view view_of(const kgemm *p, const kweights *w) {
  return (mc_zeros_view){
    w->data, mc_engine_weights(p->e), p->groups, p->n, p->nrun, p->rlen, w->wn, w->wk
  };
}

/* Runs lie one behind the other in the weights. */
static bool plain(const kgemm *p, const kweights *w) {
  for (int r = 0; r < p->nrun; r++)
    if (w->woff[r] != r * p->rlen || p->run[r] < 0 || p->run[r] > INT32_MAX - p->rlen * 4)
      return false;
  return p->nrun > 0;
}

void ksparse_scan(kgemm *p, const kweights *w) {
  memset(&p->zeros, 0, sizeof p->zeros);
  p->unit = 0;
  if (p->side || p->k->target->sparse == MC_SPARSE_OFF || !plain(p, w)) return;
  mc_zeros_view v = view_of(p, w);
  p->zeros = mc_zeros_of(&v);
}

int64_t ksparse_divides(const kgemm *p) {
  if (p->e->tile || p->side || mc_engine_widens_b(p->e)) return -1;
  return p->e->in == 'I' ? 0 : p->rlen;
}

int64_t ksparse_bytes(const kgemm *p, int nv) {
  int64_t elements = p->unit == MC_ZERO_PICK ? p->kr : p->unit;
  return (int64_t)nv * KGEMM_LANES * elements * kgemm_elem(p->e);
}

/* ---- packing ---- */

typedef struct lists {
  const kgemm *p;
  mc_zeros_view v;
  const kweights *w;
  char *b;
  int64_t bytes;
  int32_t *first, *place;
  uint32_t *mask; /* MC_ZERO_PICK */
  int64_t *at, n, columns;
} lists;

/* Columns [n, n + 16 nv) of elements [k, k + unit) of run r: [step][column][depth]. */
static void pack_unit(lists *l, int64_t group, int64_t n, int nv, int64_t r, int64_t k) {
  const kgemm *p = l->p;
  int64_t es = kgemm_elem(p->e), width = (int64_t)nv * KGEMM_LANES;
  char *out = l->b + l->bytes;
  for (int64_t j = 0; j < p->unit && k + j < p->rlen; j++)
    for (int64_t c = 0; c < width && n + c < p->n; c++) {
      int64_t from = (group * p->n + n + c) * l->w->wn + (l->w->woff[r] + k + j) * l->w->wk;
      int64_t to = (j / p->kr * width + c) * p->kr + j % p->kr;
      memcpy(out + to * es, (const char *)l->w->data + from * es, (size_t)es);
    }
  l->bytes += ksparse_bytes(p, nv);
}

static bool unit_zero(const lists *l, int64_t group, int64_t n, int64_t width, int64_t r,
                      int64_t k) {
  for (int64_t j = k; j < k + l->p->unit && j < l->p->rlen; j++)
    if (!mc_zeros_at(&l->v, group, n, width, r, j)) return false;
  return true;
}

static void list_units(lists *l, int64_t group, int64_t n, int64_t width, int r) {
  const kgemm *p = l->p;
  for (int64_t k = 0; k < p->rlen; k += p->unit) {
    if (unit_zero(l, group, n, width, r, k)) continue;
    l->place[l->n++] = (int32_t)(p->run[r] + k * kgemm_a_elem(p->e));
    pack_unit(l, group, n, (int)(width / KGEMM_LANES), r, k);
  }
}

/* ---- single elements ---- */

/* A step: `count` elements of run r, from[] within the window at k. The rest of the step is 0. */
static void pack_step(lists *l, int64_t group, int64_t n, int64_t width, int r, int64_t k,
                      const int *from, int count) {
  const kgemm *p = l->p;
  int64_t es = kgemm_elem(p->e), size = kgemm_a_elem(p->e);
  uint32_t mask = 0;
  for (int i = 0; i < count; i++) {
    for (int64_t b = 0; b < size; b++) mask |= (uint32_t)(from[i] * size + b) << 8 * (i * size + b);
    for (int64_t c = 0; c < width && n + c < p->n; c++) {
      int64_t at = (group * p->n + n + c) * l->w->wn + (l->w->woff[r] + k + from[i]) * l->w->wk;
      memcpy(l->b + l->bytes + (c * p->kr + i) * es, (const char *)l->w->data + at * es,
             (size_t)es);
    }
  }
  l->mask[l->n] = mask;
  l->place[l->n++] = (int32_t)(p->run[r] + k * size);
  l->bytes += ksparse_bytes(p, (int)(width / KGEMM_LANES));
}

static void list_steps(lists *l, int64_t group, int64_t n, int64_t width, int r) {
  const kgemm *p = l->p;
  int window = 16 / (int)kgemm_a_elem(p->e), from[4];
  for (int64_t k = 0; k < p->rlen; k += window) {
    int count = 0;
    for (int i = 0; i < window && k + i < p->rlen; i++) {
      if (mc_zeros_at(&l->v, group, n, width, r, k + i)) continue;
      from[count++] = i;
      if (count < p->kr) continue;
      pack_step(l, group, n, width, r, k, from, count);
      count = 0;
    }
    if (count) pack_step(l, group, n, width, r, k, from, count);
  }
}

static void pack_columns(lists *l, int64_t group, int64_t n) {
  const kgemm *p = l->p;
  int64_t left = kgemm_vectors(p->n - n), width = (left < p->nv ? left : p->nv) * KGEMM_LANES;
  l->at[l->columns] = l->bytes;
  l->first[l->columns++] = (int32_t)l->n;
  for (int r = 0; r < p->nrun; r++)
    (p->unit == MC_ZERO_PICK ? list_steps : list_units)(l, group, n, width, r);
}

void ksparse_pack(kgemm *p, const kweights *w) {
  kb *k = p->k;
  mc_arena *scratch = mc_arena_create();
  int64_t per_group = (kgemm_vectors(p->n) + p->nv - 1) / p->nv, columns = per_group * p->groups;
  int64_t least = p->unit == MC_ZERO_PICK ? p->kr : p->unit;
  int64_t units = p->nrun * ((p->rlen + least - 1) / least + (p->rlen + 7) / 8);
  lists l = { .p = p, .v = view_of(p, w), .w = w };
  l.b = mc_arena_alloc(scratch, (size_t)(columns * units * ksparse_bytes(p, p->nv) + 64));
  l.place = MC_NEWN(scratch, int32_t, columns *units + 1);
  l.mask = MC_NEWN(scratch, uint32_t, columns *units + 1);
  l.first = MC_NEWN(scratch, int32_t, columns + 1);
  l.at = MC_NEWN(scratch, int64_t, columns);
  for (int64_t g = 0; g < p->groups; g++)
    for (int64_t n = 0; n < p->n; n += (int64_t)p->nv * KGEMM_LANES) pack_columns(&l, g, n);
  l.first[columns] = (int32_t)l.n;
  p->lists = MC_NEW(k->arena, ksparse_lists);
  p->lists->per_group = per_group;
  p->lists->first = kb_rodata(k, l.first, sizeof(int32_t) * (size_t)(columns + 1), 0, "lists");
  p->lists->place = kb_rodata(k, l.place, sizeof(int32_t) * (size_t)(l.n + 1), 0, "places");
  if (p->unit == MC_ZERO_PICK)
    p->lists->mask = kb_rodata(k, l.mask, sizeof(uint32_t) * (size_t)(l.n + 1), 0, "picks");
  p->lists->at = kb_table_i64(k, l.at, columns, "blocks");
  p->b = kb_rodata(k, l.b, (size_t)(l.bytes ? l.bytes : 64), 0, "weights");
  mc_arena_destroy(scratch);
}

/* ---- code ---- */

static V load_i32(kgemm *p, V table, V index) {
  kb *k = p->k;
  V v = kb_load(k, k->i32, kb_gep(k, table, kb_muli(k, index, 4)), 4);
  return LLVMBuildZExt(k->b, v, k->i64, "");
}

V ksparse_columns(kgemm *p, V index) {
  kb *k = p->k;
  const ksparse_lists *l = p->lists;
  V q = kb_add(k, kb_muli(k, p->units_group, l->per_group), index);
  p->units = load_i32(p, l->first, q);
  p->units_end = load_i32(p, l->first, kb_addi(k, q, 1));
  return kb_gep(k, p->b, kb_load(k, k->i64, kb_gep(k, l->at, kb_muli(k, q, 8)), 8));
}

V ksparse_a(kgemm *p, V a, V i) {
  return kb_gep(p->k, a, load_i32(p, p->lists->place, kb_add(p->k, p->units, i)));
}

V ksparse_mask(kgemm *p, V i, int lanes) {
  kb *k = p->k;
  V at = kb_gep(k, p->lists->mask, kb_muli(k, kb_add(k, p->units, i), 4));
  return kb_bitcast(k, kb_splat(k, kb_load(k, k->i32, at, 4), lanes), kb_vt(k, k->i8, 4 * lanes));
}

V ksparse_pick(kgemm *p, int lanes, V at, V mask) {
  kb *k = p->k;
  int all[64];
  for (int i = 0; i < 4 * lanes; i++) all[i] = i % 16;
  V window = kb_load(k, kb_vt(k, k->i8, 16), at, 1);
  if (lanes > 4) window = kb_shuffle(k, window, NULL, all, 4 * lanes);
  V a = kb_bitcast(k, kv_permute(k, window, mask), kb_vt(k, k->i32, lanes));
  if (p->flip) a = LLVMBuildXor(k->b, a, kb_i32s(k, (int32_t)0x80808080, lanes), "");
  return kgemm_a_elem(p->e) == 2 ? kb_bitcast(k, a, kb_vt(k, k->i16, 2 * lanes)) : a;
}
