/* f32 weights as numbers of a code book (docs/internals/stored-weights.md): at most 16 values take
 * 4 bits each, two steps in a byte as in nibbles.c; at most 256 take a byte.
 *
 *   for block of columns  for pair of steps of all runs  [columns] bytes
 *   or                    for step of all runs           [columns] bytes
 *
 * Many rows: a block is unpacked into scratch before the nest comes to it; few rows: in registers.
 */
#include "stored.h"
#include <string.h>

typedef struct codes {
  kvalue data, book, table; /* table: of at most 16 values, a register of them */
  int n, steps;             /* values; steps in a byte: 2 or 1 */
  int64_t elems;            /* of a column */
} codes;

static int64_t rows_of(const codes *c) { return (c->elems + c->steps - 1) / c->steps; }

/* ---- packing ---- */

/* [elems][width] of one block. What is not in the book only pads columns. */
static unsigned char *pack_block(const codes *c, const uint32_t *book, const uint32_t *b,
                                 int64_t width, unsigned char *out) {
  for (int64_t i = 0; i < c->elems; i += c->steps)
    for (int64_t e = 0; e < width; e++) {
      int byte = 0;
      for (int h = 0; h < c->steps && i + h < c->elems; h++) {
        int code = mc_code_of(book, c->n, b[(i + h) * width + e]);
        byte |= (code < 0 ? 0 : code) << 4 * h;
      }
      *out++ = (unsigned char)byte;
    }
  return out;
}

static kvalue table_of(kbuilder *k, const uint32_t *book, int n) {
  kvalue v[KGEMM_LANES];
  for (int i = 0; i < KGEMM_LANES; i++) {
    float x = 0;
    if (i < n) memcpy(&x, &book[i], sizeof x);
    v[i] = build_f32(k, x);
  }
  return LLVMConstVector(v, KGEMM_LANES);
}

void kstored_codes_pack(kgemm *p, const char *panels) {
  kbuilder *k = p->k;
  mc_arena *scratch = mc_arena_create();
  uint32_t book[MC_CODES] = { 0 };
  codes *c = MC_NEW(k->arena, codes);
  c->n = mc_codes_of(mc_value_tensor(p->head->in[1]), book);
  c->steps = c->n <= KGEMM_LANES ? 2 : 1;
  c->elems = mc_gemm_column_bytes(&p->d) / 4;
  int64_t columns = mc_gemm_vectors(p->d.n) * KGEMM_LANES, all = columns * rows_of(c) * p->d.groups;
  unsigned char *bytes = MC_NEWN(scratch, unsigned char, all + 1), *out = bytes;
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t q = 0; q < kstored_blocks(p); q++) {
      int64_t from = kstored_start(p, q), to = kstored_start(p, q + 1);
      out = pack_block(c, book, (const uint32_t *)(const void *)(panels + g * p->b_group + from),
                       (to - from) / mc_gemm_column_bytes(&p->d), out);
    }
  c->data = build_rodata(k, bytes, (size_t)all, 64, "codes");
  c->book = build_rodata(k, book, sizeof *book * (size_t)c->n, 64, "book");
  c->table = c->n <= KGEMM_LANES ? table_of(k, book, c->n) : NULL;
  p->kept = c;
  p->b = c->data; /* the nest's addresses of B are not used */
  mc_arena_destroy(scratch);
}

/* ---- looking up ---- */

/* Step h of the bytes, as f32. */
static kvalue looked_up(kbuilder *k, const codes *c, kvalue bytes, int h) {
  int lanes = lanes_of(bytes);
  kvalue at = build_ext(k, bytes, k->i32, false), r[KGEMM_LANES];
  if (h) at = LLVMBuildLShr(k->b, at, build_i32s(k, 4, lanes), "");
  if (c->table && lanes == KGEMM_LANES && target_has(k, MC_ISA_BIT(avx512)))
    return build_intrinsic(k, "llvm.x86.avx512.permvar.sf.512", NULL, 0, (kvalue[]){ c->table, at },
                           2); /* reads the low 4 bits */
  if (c->steps == 2 && !h) at = LLVMBuildAnd(k->b, at, build_i32s(k, 15, lanes), "");
  for (int i = 0; i < lanes; i++) {
    kvalue index = build_ext(k, build_extract(k, at, i, 1), k->i64, false);
    r[i] = build_load(k, k->f32, build_address(k, c->book, build_mul_const(k, index, 4)), 4);
  }
  return build_concat(k, r, lanes);
}

/* ---- into scratch ---- */

static void unpack_bytes(kbuilder *k, const codes *c, kvalue from, kvalue to, int64_t width,
                         int steps) {
  for (int64_t j = 0; j < width; j += KGEMM_LANES) {
    kvalue bytes =
        build_load(k, type_of_lanes(k, k->i8, KGEMM_LANES), build_offset(k, from, j), 16);
    for (int h = 0; h < steps; h++)
      build_store(k, looked_up(k, c, bytes, h), build_offset(k, to, 4 * (h * width + j)), 64);
  }
}

kvalue kstored_codes_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  kbuilder *k = p->k;
  const codes *c = p->kept;
  int64_t width = (int64_t)nv * KGEMM_LANES, whole = c->elems / c->steps,
          group = mc_gemm_vectors(p->d.n) * KGEMM_LANES * rows_of(c);
  kvalue from = build_address(k, c->data, build_mul_const(k, p->units_group, group));
  (void)b;
  from = build_address(k, from,
                       build_mul_const(k, index, (int64_t)p->d.nv * KGEMM_LANES * rows_of(c)));
  if (p->d.direct) return from;
  kvalue to = kstored_scratch(p);
  if (whole) {
    kloop l;
    build_range(k, &l, whole, 1, NULL, 0);
    unpack_bytes(k, c, build_address(k, from, build_mul_const(k, l.iv, width)),
                 build_address(k, to, build_mul_const(k, l.iv, 4 * c->steps * width)), width,
                 c->steps);
    build_end(k, &l, NULL);
  }
  if (c->elems % c->steps)
    unpack_bytes(k, c, build_offset(k, from, whole * width),
                 build_offset(k, to, 4 * whole * c->steps * width), width, 1);
  return to;
}

/* ---- in registers ---- */

static void use_bytes(const kdirect *d, kvalue a, kvalue b, int steps, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  kvalue av[2][16];
  for (int h = 0; h < steps; h++) kdirect_a(d, a, h, av[h]);
  for (int j = 0; j < d->nb; j++) {
    kvalue bytes = build_load(k, type_of_lanes(k, k->i8, d->lanes),
                              build_offset(k, b, (int64_t)j * d->lanes), 1);
    for (int h = 0; h < steps; h++) {
      kvalue bv = looked_up(k, p->kept, bytes, h);
      for (int r = 0; r < p->d.mr; r++)
        acc[r * d->nb + j] =
            mc_engine_code_of(p->d.e)->madd(k, d->lanes, acc[r * d->nb + j], av[h][r], bv);
    }
  }
}

void kdirect_codes(const kdirect *d, kvalue a, kvalue b, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  const codes *c = p->kept;
  int64_t whole = c->elems / c->steps;
  int n = p->d.mr * d->nb;
  if (whole) {
    kloop l;
    build_range(k, &l, whole, 1, acc, n);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
    use_bytes(d, build_address(k, a, build_mul_const(k, l.iv, 4 * c->steps)),
              build_address(k, b, build_mul_const(k, l.iv, d->width)), c->steps, acc);
    build_end(k, &l, acc);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
  }
  if (c->elems % c->steps)
    use_bytes(d, build_offset(k, a, 4 * whole * c->steps), build_offset(k, b, whole * d->width), 1,
              acc);
}
