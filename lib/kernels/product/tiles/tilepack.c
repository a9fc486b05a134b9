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
static kvalue words_of_rows(const strip *s, kvalue src, int rows) {
  kbuilder *k = s->p->k;
  ktype elem = s->m->es == 1 ? k->i8 : k->i16, vt = type_of_lanes(k, elem, KGEMM_LANES);
  int n = group_elems(s), mask[64];
  kvalue r[4];
  for (int i = 0; i < n; i++)
    r[i] = i < rows ? build_load(k, vt, build_offset(k, src, i * s->m->sk), 1)
                    : LLVMConstNull(vt); /* columns that do not exist: slack is read */
  kvalue all = build_concat(k, r, n);
  for (int i = 0; i < n * KGEMM_LANES; i++) mask[i] = i % n * KGEMM_LANES + i / n;
  return build_bitcast(k, build_shuffle(k, all, NULL, mask, n * KGEMM_LANES),
                       type_of_lanes(k, k->i32, KGEMM_LANES));
}

/* Any strides: element by element, or word by word where K lies together. */
static kvalue words_of_columns(const strip *s, kvalue src, int rows) {
  kbuilder *k = s->p->k;
  ktype elem = s->m->es == 1 ? k->i8 : k->i16;
  kvalue w = LLVMConstNull(type_of_lanes(k, k->i32, KGEMM_LANES));
  bool whole = rows == group_elems(s) && s->m->sk == s->m->es;
  for (int n = 0; n < s->have; n++) {
    kvalue p = build_offset(k, src, n * s->m->sn),
           v = whole ? build_load(k, k->i32, p, 1) : build_i32(k, 0);
    for (int i = 0; i < rows && !whole; i++) {
      kvalue x =
          LLVMBuildZExt(k->b, build_load(k, elem, build_offset(k, p, i * s->m->sk), 1), k->i32, "");
      v = LLVMBuildOr(k->b, v, LLVMBuildShl(k->b, x, build_i32(k, 8 * i * s->m->es), ""), "");
    }
    w = LLVMBuildInsertElement(k->b, w, v, build_i32(k, n), "");
  }
  return w;
}

/* One group of all columns, of which `rows` elements exist; returns the columns' sums. */
static kvalue pack_group(const strip *s, kvalue src, kvalue dst, int rows, kvalue sum) {
  kbuilder *k = s->p->k;
  kvalue w = s->m->sn == s->m->es ? words_of_rows(s, src, rows) : words_of_columns(s, src, rows);
  if (s->m->flip)
    w = LLVMBuildXor(k->b, w, build_i32s(k, (int32_t)(0x80808080u >> (32 - 8 * rows)), KGEMM_LANES),
                     "");
  build_store(k, w, dst, 64);
  if (s->m->es != 1) return sum;
  return build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                         (kvalue[]){ sum, build_i32s(k, 0x01010101, KGEMM_LANES), w }, 3);
}

/* 16 groups whose elements lie one after another in every column: a square of words, transposed.
 */
static kvalue pack_square(const strip *s, kvalue src, kvalue dst, kvalue sum) {
  kbuilder *k = s->p->k;
  kvalue w[KGEMM_LANES];
  for (int j = 0; j < KGEMM_LANES; j++)
    w[j] =
        build_load(k, type_of_lanes(k, k->i32, KGEMM_LANES), build_offset(k, src, j * s->m->sn), 1);
  kplanes_square(k, w, KGEMM_LANES);
  for (int i = 0; i < KGEMM_LANES; i++) {
    if (s->m->flip)
      w[i] = LLVMBuildXor(k->b, w[i], build_i32s(k, (int32_t)0x80808080u, KGEMM_LANES), "");
    build_store(k, w[i], build_offset(k, dst, 64 * i), 64);
    if (s->m->es == 1)
      sum = build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                            (kvalue[]){ sum, build_i32s(k, 0x01010101, KGEMM_LANES), w[i] }, 3);
  }
  return sum;
}

/* n groups one after another. */
static kvalue pack_groups(const strip *s, kvalue src, kvalue dst, int64_t n, kvalue sum) {
  kbuilder *k = s->p->k;
  bool together = s->m->sk == s->m->es && s->m->sn != s->m->es && s->have == KGEMM_LANES;
  for (; together && n >= KGEMM_LANES;
       n -= KGEMM_LANES) { /* at most a step of a tile: one square */
    sum = pack_square(s, src, dst, sum);
    src = build_offset(k, src, KGEMM_LANES * 4);
    dst = build_offset(k, dst, KGEMM_LANES * 64);
  }
  if (n == 0) return sum;
  kloop l;
  build_range(k, &l, n, 1, &sum, 1);
  kvalue next =
      pack_group(s, build_address(k, src, build_mul_const(k, l.iv, group_elems(s) * s->m->sk)),
                 build_address(k, dst, build_mul_const(k, l.iv, 64)), group_elems(s), l.carried[0]);
  build_end(k, &l, &next);
  return l.carried[0];
}

/* 16 columns: steps `step` bytes apart. */
static void pack_strip(const strip *s, kvalue src, kvalue dst, kvalue bias, int64_t step) {
  kgemm *p = s->p;
  kbuilder *k = p->k;
  int64_t full = s->m->k / p->d.kr, groups = s->m->k % p->d.kr / group_elems(s),
          rest = s->m->k % group_elems(s);
  kvalue sum = LLVMConstNull(type_of_lanes(k, k->i32, KGEMM_LANES));
  if (full) {
    kloop l;
    build_range(k, &l, full, 1, &sum, 1);
    kvalue next =
        pack_groups(s, build_address(k, src, build_mul_const(k, l.iv, p->d.kr * s->m->sk)),
                    build_address(k, dst, build_mul_const(k, l.iv, step)), p->d.kr / group_elems(s),
                    l.carried[0]);
    build_end(k, &l, &next);
    sum = l.carried[0];
  }
  src = build_offset(k, src, full * p->d.kr * s->m->sk);
  dst = build_offset(k, dst, full * step);
  sum = pack_groups(s, src, dst, groups, sum);
  if (rest)
    sum = pack_group(s, build_offset(k, src, groups * group_elems(s) * s->m->sk),
                     build_offset(k, dst, groups * 64), (int)rest, sum);
  kvalue v = LLVMBuildMul(k->b, sum, build_i32s(k, -(int64_t)p->d.za, KGEMM_LANES), "");
  v = LLVMBuildAdd(k->b, v, build_i32s(k, s->m->k * p->d.za * s->m->zb, KGEMM_LANES), "");
  build_store(k, s->m->es == 1 ? v : LLVMConstNull(LLVMTypeOf(v)), bias, 64);
}

/* A block of `width` columns of which `cols` exist. */
static void pack_block(kgemm *p, const ktile_b *m, kvalue src, kvalue dst, kvalue bias,
                       int64_t cols) {
  kbuilder *k = p->k;
  int64_t width = mc_gemm_vectors(cols) * KGEMM_LANES, full = cols / KGEMM_LANES,
          tile = (int64_t)KGEMM_LANES * p->d.kr * m->es, step = width * p->d.kr * m->es;
  if (full) {
    kloop l;
    build_range(k, &l, full, 1, NULL, 0);
    pack_strip(&(strip){ p, m, KGEMM_LANES },
               build_address(k, src, build_mul_const(k, l.iv, KGEMM_LANES * m->sn)),
               build_address(k, dst, build_mul_const(k, l.iv, tile)),
               build_address(k, bias, build_mul_const(k, l.iv, 64)), step);
    build_end(k, &l, NULL);
  }
  if (cols % KGEMM_LANES)
    pack_strip(&(strip){ p, m, (int)(cols % KGEMM_LANES) },
               build_offset(k, src, full * KGEMM_LANES * m->sn), build_offset(k, dst, full * tile),
               build_offset(k, bias, full * 64), step);
}

void ktile_pack(kgemm *p, const ktile_b *m, kvalue src) {
  kbuilder *k = p->k;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = m->n / width * width, rest = m->n - full,
          column = p->d.steps * p->d.kr * m->es;
  if (p->d.steps * p->d.kr != m->k) build_memset(k, p->b, 0, mc_gemm_panel(&p->d));
  int64_t blocks = (m->n + width - 1) / width;
  bool split =
      p->d.split == MC_SPLIT_COLUMNS; /* a task that has some of the columns packs only those */
  kloop l;
  if (full) {
    split_range_part(p->g, &l, 0, full / width, blocks, width, split);
    pack_block(p, m, build_address(k, src, build_mul_const(k, l.iv, m->sn)),
               build_address(k, p->b, build_mul_const(k, l.iv, column)),
               build_address(k, p->bias, build_mul_const(k, l.iv, 4)), width);
    build_end(k, &l, NULL);
  }
  if (!rest) return;
  split_range_part(p->g, &l, blocks - 1, blocks, blocks, 1, split);
  pack_block(p, m, build_offset(k, src, full * m->sn), build_offset(k, p->b, full * column),
             build_offset(k, p->bias, full * 4), rest);
  build_end(k, &l, NULL);
}
