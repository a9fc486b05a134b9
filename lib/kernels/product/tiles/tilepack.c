/* Packing at run time of a B that is computed (attention): [columns / 16][step][kr /
 * group][16][group], 16 columns by 4 bytes at once, with the sums of columns for the zero points.
 */
#include "copy.h"
#include "tile.h"

/* Loop state of one tile of columns: `have` columns exist. */
typedef struct strip {
  kgemm *p;
  const ktile_b *m;
  int have;
} strip;

static int group_elems(const strip *s) { return (int)(4 / s->m->es); }

/* Columns lie side by side: the rows of a group, interleaved. */
static V words_of_rows(const strip *s, V src, int rows) {
  kb *k = s->p->k;
  T elem = s->m->es == 1 ? k->i8 : k->i16, vt = kb_vt(k, elem, KGEMM_LANES);
  int n = group_elems(s), mask[64];
  V r[4];
  for (int i = 0; i < n; i++)
    r[i] = i < rows ? kb_load(k, vt, kb_gepi(k, src, i * s->m->sk), 1)
                    : LLVMConstNull(vt); /* columns that do not exist: slack is read */
  V all = kb_concat(k, r, n);
  for (int i = 0; i < n * KGEMM_LANES; i++) mask[i] = i % n * KGEMM_LANES + i / n;
  return kb_bitcast(k, kb_shuffle(k, all, NULL, mask, n * KGEMM_LANES),
                    kb_vt(k, k->i32, KGEMM_LANES));
}

/* Any strides: element by element, or word by word where K lies together. */
static V words_of_columns(const strip *s, V src, int rows) {
  kb *k = s->p->k;
  T elem = s->m->es == 1 ? k->i8 : k->i16;
  V w = LLVMConstNull(kb_vt(k, k->i32, KGEMM_LANES));
  bool whole = rows == group_elems(s) && s->m->sk == s->m->es;
  for (int n = 0; n < s->have; n++) {
    V p = kb_gepi(k, src, n * s->m->sn), v = whole ? kb_load(k, k->i32, p, 1) : kb_i32(k, 0);
    for (int i = 0; i < rows && !whole; i++) {
      V x = LLVMBuildZExt(k->b, kb_load(k, elem, kb_gepi(k, p, i * s->m->sk), 1), k->i32, "");
      v = LLVMBuildOr(k->b, v, LLVMBuildShl(k->b, x, kb_i32(k, 8 * i * s->m->es), ""), "");
    }
    w = LLVMBuildInsertElement(k->b, w, v, kb_i32(k, n), "");
  }
  return w;
}

/* One group of all columns, of which `rows` elements exist; returns the columns' sums. */
static V pack_group(const strip *s, V src, V dst, int rows, V sum) {
  kb *k = s->p->k;
  V w = s->m->sn == s->m->es ? words_of_rows(s, src, rows) : words_of_columns(s, src, rows);
  if (s->m->flip)
    w = LLVMBuildXor(k->b, w, kb_i32s(k, (int32_t)(0x80808080u >> (32 - 8 * rows)), KGEMM_LANES),
                     "");
  kb_store(k, w, dst, 64);
  if (s->m->es != 1) return sum;
  return kb_intr(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                 (V[]){ sum, kb_i32s(k, 0x01010101, KGEMM_LANES), w }, 3);
}

/* 16 groups whose elements lie one after another in every column: a square of words, transposed.
 */
static V pack_square(const strip *s, V src, V dst, V sum) {
  kb *k = s->p->k;
  V w[KGEMM_LANES];
  for (int j = 0; j < KGEMM_LANES; j++)
    w[j] = kb_load(k, kb_vt(k, k->i32, KGEMM_LANES), kb_gepi(k, src, j * s->m->sn), 1);
  kplanes_square(k, w, KGEMM_LANES);
  for (int i = 0; i < KGEMM_LANES; i++) {
    if (s->m->flip)
      w[i] = LLVMBuildXor(k->b, w[i], kb_i32s(k, (int32_t)0x80808080u, KGEMM_LANES), "");
    kb_store(k, w[i], kb_gepi(k, dst, 64 * i), 64);
    if (s->m->es == 1)
      sum = kb_intr(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                    (V[]){ sum, kb_i32s(k, 0x01010101, KGEMM_LANES), w[i] }, 3);
  }
  return sum;
}

/* n groups one after another. */
static V pack_groups(const strip *s, V src, V dst, int64_t n, V sum) {
  kb *k = s->p->k;
  bool together = s->m->sk == s->m->es && s->m->sn != s->m->es && s->have == KGEMM_LANES;
  for (; together && n >= KGEMM_LANES;
       n -= KGEMM_LANES) { /* at most a step of a tile: one square */
    sum = pack_square(s, src, dst, sum);
    src = kb_gepi(k, src, KGEMM_LANES * 4);
    dst = kb_gepi(k, dst, KGEMM_LANES * 64);
  }
  if (n == 0) return sum;
  kb_loop l;
  kb_range(k, &l, n, 1, &sum, 1);
  V next = pack_group(s, kb_gep(k, src, kb_muli(k, l.iv, group_elems(s) * s->m->sk)),
                      kb_gep(k, dst, kb_muli(k, l.iv, 64)), group_elems(s), l.carried[0]);
  kb_end(k, &l, &next);
  return l.carried[0];
}

/* 16 columns: steps `step` bytes apart. */
static void pack_strip(const strip *s, V src, V dst, V bias, int64_t step) {
  kgemm *p = s->p;
  kb *k = p->k;
  int64_t full = s->m->k / p->d.kr, groups = s->m->k % p->d.kr / group_elems(s),
          rest = s->m->k % group_elems(s);
  V sum = LLVMConstNull(kb_vt(k, k->i32, KGEMM_LANES));
  if (full) {
    kb_loop l;
    kb_range(k, &l, full, 1, &sum, 1);
    V next =
        pack_groups(s, kb_gep(k, src, kb_muli(k, l.iv, p->d.kr * s->m->sk)),
                    kb_gep(k, dst, kb_muli(k, l.iv, step)), p->d.kr / group_elems(s), l.carried[0]);
    kb_end(k, &l, &next);
    sum = l.carried[0];
  }
  src = kb_gepi(k, src, full * p->d.kr * s->m->sk);
  dst = kb_gepi(k, dst, full * step);
  sum = pack_groups(s, src, dst, groups, sum);
  if (rest)
    sum = pack_group(s, kb_gepi(k, src, groups * group_elems(s) * s->m->sk),
                     kb_gepi(k, dst, groups * 64), (int)rest, sum);
  V v = LLVMBuildMul(k->b, sum, kb_i32s(k, -(int64_t)p->d.za, KGEMM_LANES), "");
  v = LLVMBuildAdd(k->b, v, kb_i32s(k, s->m->k * p->d.za * s->m->zb, KGEMM_LANES), "");
  kb_store(k, s->m->es == 1 ? v : LLVMConstNull(LLVMTypeOf(v)), bias, 64);
}

/* A block of `width` columns of which `cols` exist. */
static void pack_block(kgemm *p, const ktile_b *m, V src, V dst, V bias, int64_t cols) {
  kb *k = p->k;
  int64_t width = mc_gemm_vectors(cols) * KGEMM_LANES, full = cols / KGEMM_LANES,
          tile = (int64_t)KGEMM_LANES * p->d.kr * m->es, step = width * p->d.kr * m->es;
  if (full) {
    kb_loop l;
    kb_range(k, &l, full, 1, NULL, 0);
    pack_strip(&(strip){ p, m, KGEMM_LANES }, kb_gep(k, src, kb_muli(k, l.iv, KGEMM_LANES * m->sn)),
               kb_gep(k, dst, kb_muli(k, l.iv, tile)), kb_gep(k, bias, kb_muli(k, l.iv, 64)), step);
    kb_end(k, &l, NULL);
  }
  if (cols % KGEMM_LANES)
    pack_strip(&(strip){ p, m, (int)(cols % KGEMM_LANES) },
               kb_gepi(k, src, full * KGEMM_LANES * m->sn), kb_gepi(k, dst, full * tile),
               kb_gepi(k, bias, full * 64), step);
}

void ktile_pack(kgemm *p, const ktile_b *m, V src) {
  kb *k = p->k;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = m->n / width * width, rest = m->n - full,
          column = p->d.steps * p->d.kr * m->es;
  if (p->d.steps * p->d.kr != m->k) kb_memset(k, p->b, 0, mc_gemm_panel(&p->d));
  int64_t blocks = (m->n + width - 1) / width;
  bool split =
      p->d.split == MC_SPLIT_COLUMNS; /* a task that has some of the columns packs only those */
  kb_loop l;
  if (full) {
    kl_range_part(p->g, &l, 0, full / width, blocks, width, split);
    pack_block(p, m, kb_gep(k, src, kb_muli(k, l.iv, m->sn)),
               kb_gep(k, p->b, kb_muli(k, l.iv, column)), kb_gep(k, p->bias, kb_muli(k, l.iv, 4)),
               width);
    kb_end(k, &l, NULL);
  }
  if (!rest) return;
  kl_range_part(p->g, &l, blocks - 1, blocks, blocks, 1, split);
  pack_block(p, m, kb_gepi(k, src, full * m->sn), kb_gepi(k, p->b, full * column),
             kb_gepi(k, p->bias, full * 4), rest);
  kb_end(k, &l, NULL);
}
