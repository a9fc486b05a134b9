/* Weights kept small in the object (mcc -compress-weights; docs/internals/zero-weights.md, "Weights
 * kept small").
 *
 *   bits     one for each element of packed B: 1 where it is not 0
 *   values   the elements that are not 0, one after the other
 *   at       for each block of columns: its first value
 *
 * A block of columns is unpacked into scratch before the nest comes to it; all rows use it there.
 * 8 bits at a time: a table says where each byte of the result comes from. */
#include "gemm.h"
#include "mc/analysis/model.h"
#include "mc/analysis/packed.h"
#include "mc/target/tuning.h"
#include <string.h>

struct kbits_lists {
  V bits, values, at;
  int64_t per_group, bits_group;
};

/* ---- packing ---- */

typedef struct stream {
  const char *b; /* packed B of all groups */
  unsigned char *bits;
  char *values;
  int64_t size, n; /* bytes of an element, of the values so far */
} stream;

static void put(stream *s, int64_t from, int64_t to) {
  static const char zero[8] = { 0 };
  for (int64_t i = from; i < to; i++) {
    const char *x = s->b + i * s->size;
    if (memcmp(x, zero, (size_t)s->size) == 0) continue;
    s->bits[i / 8] = (unsigned char)(s->bits[i / 8] | 1u << i % 8);
    memcpy(s->values + s->n, x, (size_t)s->size);
    s->n += s->size;
  }
}

void kbits_pack(kgemm *p, const char *panels) {
  kb *k = p->k;
  mc_arena *scratch = mc_arena_create();
  int64_t size = mc_gemm_elem(p->d.e), group = p->b_group / size,
          column = mc_gemm_column_bytes(&p->d) / size;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, blocks = (p->d.n + width - 1) / width;
  stream s = { .b = panels, .size = size };
  s.bits = MC_NEWN(scratch, unsigned char, p->d.groups *group / 8 + 1);
  s.values = mc_arena_alloc(scratch, (size_t)(p->d.groups * p->b_group + 1));
  int64_t *at = MC_NEWN(scratch, int64_t, p->d.groups *blocks);
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t q = 0; q < blocks; q++) {
      int64_t end = (q + 1) * width * column;
      at[g * blocks + q] = s.n;
      put(&s, g * group + q * width * column, g * group + (end < group ? end : group));
    }
  kbits_lists *l = MC_NEW(k->arena, kbits_lists);
  *l = (kbits_lists){ .per_group = blocks, .bits_group = group / 8 };
  l->bits = kb_rodata(k, s.bits, (size_t)(p->d.groups * group / 8), 0, "bits");
  l->values = kb_rodata(k, s.values, (size_t)(s.n ? s.n : 1), 16, "values");
  l->at = kb_table_i64(k, at, p->d.groups * blocks, "values.at");
  p->packed = l;
  p->b = l->bits; /* the nest's addresses of B are not used */
  mc_arena_destroy(scratch);
}

/* ---- unpacking ---- */

typedef struct piece {
  int elems, bytes, size; /* at a time: elements, bytes of the result, bytes of an element */
  V table, counts;        /* by bits: where each byte comes from; bytes of values taken */
} piece;

/* 8 bytes, 8 elements of 2 bytes or 4 of 4. */
static piece piece_of(kb *k, int64_t size) {
  piece s = { .elems = size == 4 ? 4 : 8, .size = (int)size };
  unsigned char from[256 * 16], taken[256];
  s.bytes = s.elems * s.size;
  for (int bits = 0; bits < 1 << s.elems; bits++) {
    int next = 0;
    for (int i = 0; i < s.elems; i++)
      for (int b = 0; b < s.size; b++)
        from[bits * s.bytes + i * s.size + b] =
            bits >> i & 1 ? (unsigned char)next++ : (unsigned char)0x80;
    taken[bits] = (unsigned char)next;
  }
  s.table = kb_rodata(k, from, (size_t)(s.bytes << s.elems), 16, "unpack");
  s.counts = kb_rodata(k, taken, (size_t)1 << s.elems, 0, "taken");
  return s;
}

static V load16(kb *k, V p, int bytes) {
  V v = kb_load(k, kb_vt(k, k->i8, bytes), p, 1);
  return bytes == 16 ? v : kb_widen(k, v, 16);
}

/* A piece at `to`; from: the next value; bits: those of the piece (i64). Returns the next value. */
static V unpack_shuffled(kb *k, const piece *s, V to, V from, V bits) {
  V index = load16(k, kb_gep(k, s->table, kb_muli(k, bits, s->bytes)), s->bytes);
  V x = kv_permute(k, load16(k, from, s->bytes), index);
  kb_store(k, s->bytes == 16 ? x : kb_extract(k, x, 0, s->bytes), to, s->bytes);
  V n = kb_load(k, k->i8, kb_gep(k, s->counts, bits), 1);
  return kb_gep(k, from, LLVMBuildZExt(k->b, n, k->i64, ""));
}

/* The same without such an instruction: element by element. */
static V unpack_scalar(kb *k, const piece *s, V to, V from, V bits) {
  T t = s->size == 1 ? k->i8 : s->size == 2 ? k->i16 : k->i32;
  for (int i = 0; i < s->elems; i++) {
    V bit = LLVMBuildAnd(k->b, LLVMBuildLShr(k->b, bits, kb_i64(k, i), ""), kb_i64(k, 1), "");
    V all = LLVMBuildTrunc(k->b, LLVMBuildNeg(k->b, bit, ""), t, "");
    kb_store(k, LLVMBuildAnd(k->b, kb_load(k, t, from, s->size), all, ""),
             kb_gepi(k, to, i * s->size), s->size);
    from = kb_gep(k, from, kb_muli(k, bit, s->size));
  }
  return from;
}

static V unpack(kb *k, const piece *s, V to, V from, V bits) {
  bool shuffles = k->target->arch == MC_ARCH_aarch64 || kb_has(k, MC_ISA_BIT(sse41));
  return (shuffles ? unpack_shuffled : unpack_scalar)(k, s, to, from, bits);
}

/* n elements, a multiple of 8. */
static void unpack_all(kb *k, int64_t size, V to, V from, V bits, int64_t n) {
  piece s = piece_of(k, size);
  kb_loop l;
  kb_range(k, &l, n / 8, 1, &from, 1);
  V next = l.carried[0], at = kb_gep(k, to, kb_muli(k, l.iv, 8 * size));
  V byte = LLVMBuildZExt(k->b, kb_load(k, k->i8, kb_gep(k, bits, l.iv), 1), k->i64, "");
  for (int i = 0; i < 8; i += s.elems) {
    V here = LLVMBuildLShr(k->b, byte, kb_i64(k, i), "");
    if (s.elems < 8) here = LLVMBuildAnd(k->b, here, kb_i64(k, (1 << s.elems) - 1), "");
    next = unpack(k, &s, kb_gepi(k, at, i * size), next, here);
  }
  kb_end(k, &l, &next);
}

V kbits_columns(kgemm *p, V index, int nv) {
  kb *k = p->k;
  const kbits_lists *l = p->packed;
  int64_t size = mc_gemm_elem(p->d.e), column = mc_gemm_column_bytes(&p->d) / size;
  V to = kl_scratch(p->g), q = kb_add(k, kb_muli(k, p->units_group, l->per_group), index);
  if (p->d.e->sign == MC_SIGN_wide) to = kb_gepi(k, to, mc_widen_scratch(p->d.e, p->head, 0));
  if (mc_plan_workers(p->g->plan, p->g->index) > 1)
    to = kb_gep(k, to, kb_muli(k, LLVMGetParam(k->fn, 2), mc_bits_task_bytes(p->d.e, p->head)));
  V bits = kb_gep(k, l->bits, kb_muli(k, p->units_group, l->bits_group));
  bits = kb_gep(k, bits, kb_muli(k, index, p->d.nv * KGEMM_LANES * column / 8));
  V at = kb_load(k, k->i64, kb_gep(k, l->at, kb_muli(k, q, 8)), 8);
  unpack_all(k, size, to, kb_gep(k, l->values, at), bits, nv * KGEMM_LANES * column);
  return to;
}
