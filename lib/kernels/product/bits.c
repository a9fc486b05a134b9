/* Weights stored as bits and values (docs/internals/stored-weights.md).
 *
 *   bits     one for each element of packed B: 1 where it is not 0
 *   values   the elements that are not 0, one after the other
 *   at       for each block of columns: its first value
 *
 * A block of columns is unpacked into scratch before the nest comes to it; all rows use it there.
 * 8 bits at a time: a table says where each byte of the result comes from. */
#include "stored.h"
#include <string.h>

typedef struct lists {
  kvalue bits, values, at;
  int64_t per_group, bits_group;
} lists;

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

void kstored_bits_pack(kgemm *p, const char *panels) {
  kbuilder *k = p->k;
  mc_arena *scratch = mc_arena_create();
  int64_t size = mc_gemm_elem(p->d.e), group = p->b_group / size, blocks = kstored_blocks(p);
  stream s = { .b = panels, .size = size };
  s.bits = MC_NEWN(scratch, unsigned char, p->d.groups *group / 8 + 1);
  s.values = mc_arena_alloc(scratch, (size_t)(p->d.groups * p->b_group + 1));
  int64_t *at = MC_NEWN(scratch, int64_t, p->d.groups *blocks);
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t q = 0; q < blocks; q++) {
      at[g * blocks + q] = s.n;
      put(&s, g * group + kstored_start(p, q) / size, g * group + kstored_start(p, q + 1) / size);
    }
  lists *l = MC_NEW(k->arena, lists);
  *l = (lists){ .per_group = blocks, .bits_group = group / 8 };
  l->bits = build_rodata(k, s.bits, (size_t)(p->d.groups * group / 8), 0, "bits");
  l->values = build_rodata(k, s.values, (size_t)(s.n ? s.n : 1), 16, "values");
  l->at = build_table_i64(k, at, p->d.groups * blocks, "values.at");
  p->kept = l;
  p->b = l->bits; /* the nest's addresses of B are not used */
  mc_arena_destroy(scratch);
}

/* ---- unpacking ---- */

typedef struct piece {
  int elems, bytes, size; /* at a time: elements, bytes of the result, bytes of an element */
  kvalue table, counts;   /* by bits: where each byte comes from; bytes of values taken */
} piece;

/* 8 bytes, 8 elements of 2 bytes or 4 of 4. */
static piece piece_of(kbuilder *k, int64_t size) {
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
  s.table = build_rodata(k, from, (size_t)(s.bytes << s.elems), 16, "unpack");
  s.counts = build_rodata(k, taken, (size_t)1 << s.elems, 0, "taken");
  return s;
}

static kvalue load16(kbuilder *k, kvalue p, int bytes) {
  kvalue v = build_load(k, type_of_lanes(k, k->i8, bytes), p, 1);
  return bytes == 16 ? v : build_widen(k, v, 16);
}

/* A piece at `to`; from: the next value; bits: those of the piece (i64). Returns the next value. */
static kvalue unpack_shuffled(kbuilder *k, const piece *s, kvalue to, kvalue from, kvalue bits) {
  kvalue index =
      load16(k, build_address(k, s->table, build_mul_const(k, bits, s->bytes)), s->bytes);
  kvalue x = vec_permute(k, load16(k, from, s->bytes), index);
  build_store(k, s->bytes == 16 ? x : build_extract(k, x, 0, s->bytes), to, s->bytes);
  kvalue n = build_load(k, k->i8, build_address(k, s->counts, bits), 1);
  return build_address(k, from, LLVMBuildZExt(k->b, n, k->i64, ""));
}

/* The same without such an instruction: element by element. */
static kvalue unpack_scalar(kbuilder *k, const piece *s, kvalue to, kvalue from, kvalue bits) {
  ktype t = s->size == 1 ? k->i8 : s->size == 2 ? k->i16 : k->i32;
  for (int i = 0; i < s->elems; i++) {
    kvalue bit =
        LLVMBuildAnd(k->b, LLVMBuildLShr(k->b, bits, build_i64(k, i), ""), build_i64(k, 1), "");
    kvalue all = LLVMBuildTrunc(k->b, LLVMBuildNeg(k->b, bit, ""), t, "");
    build_store(k, LLVMBuildAnd(k->b, build_load(k, t, from, s->size), all, ""),
                build_offset(k, to, i * s->size), s->size);
    from = build_address(k, from, build_mul_const(k, bit, s->size));
  }
  return from;
}

static kvalue unpack(kbuilder *k, const piece *s, kvalue to, kvalue from, kvalue bits) {
  bool shuffles = k->target->arch == MC_ARCH_aarch64 || target_has(k, MC_ISA_BIT(sse41));
  return (shuffles ? unpack_shuffled : unpack_scalar)(k, s, to, from, bits);
}

/* n elements, a multiple of 8. */
static void unpack_all(kbuilder *k, int64_t size, kvalue to, kvalue from, kvalue bits, int64_t n) {
  piece s = piece_of(k, size);
  kloop l;
  build_range(k, &l, n / 8, 1, &from, 1);
  kvalue next = l.carried[0], at = build_address(k, to, build_mul_const(k, l.iv, 8 * size));
  kvalue byte =
      LLVMBuildZExt(k->b, build_load(k, k->i8, build_address(k, bits, l.iv), 1), k->i64, "");
  for (int i = 0; i < 8; i += s.elems) {
    kvalue here = LLVMBuildLShr(k->b, byte, build_i64(k, i), "");
    if (s.elems < 8) here = LLVMBuildAnd(k->b, here, build_i64(k, (1 << s.elems) - 1), "");
    next = unpack(k, &s, build_offset(k, at, i * size), next, here);
  }
  build_end(k, &l, &next);
}

kvalue kstored_bits_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  kbuilder *k = p->k;
  const lists *l = p->kept;
  int64_t size = mc_gemm_elem(p->d.e), column = mc_gemm_column_bytes(&p->d) / size;
  kvalue to = kstored_scratch(p),
         q = build_add(k, build_mul_const(k, p->units_group, l->per_group), index);
  (void)b;
  kvalue bits = build_address(k, l->bits, build_mul_const(k, p->units_group, l->bits_group));
  bits = build_address(k, bits, build_mul_const(k, index, p->d.nv * KGEMM_LANES * column / 8));
  kvalue at = build_load(k, k->i64, build_address(k, l->at, build_mul_const(k, q, 8)), 8);
  unpack_all(k, size, to, build_address(k, l->values, at), bits, nv * KGEMM_LANES * column);
  return to;
}
