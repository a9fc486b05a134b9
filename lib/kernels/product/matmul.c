/* matmul whose second operand is computed at run time: B is packed into scratch, once per batch,
 * and its zero point handled through sums of A's rows:
 *
 *   sum (a - za)(b - zb) = sum ab - za sum b - zb sum a + k za zb
 *
 * the second and fourth term are the columns' bias, the third is the rows' term. */
#include "copy.h"
#include "tile.h"
#include <string.h>

typedef struct bmat {
  int64_t k, n, sk, sn, es;
  kview view;
  bool flip, is_signed;
  int32_t zb;
  int64_t panel, bias, rows;
} bmat;

/* One column: its elements to their places, its sum into the bias. */
static void pack_column(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias,
                        int64_t width) {
  kbuilder *k = p->k;
  int kr = p->d.e->kr;
  int64_t full = m->k / kr, rest = m->k % kr, step = width * kr * m->es;
  kvalue sum = build_i32(k, 0);
  for (int part = 0; part < 2; part++) {
    int64_t trips = part ? (rest ? 1 : 0) : full, n = part ? rest : kr;
    if (!trips) continue;
    kloop l;
    build_range(k, &l, trips, 1, &sum, 1);
    sum = l.carried[0];
    kvalue s = build_offset(k, build_address(k, src, build_mul_const(k, l.iv, kr * m->sk)),
                            part ? full * kr * m->sk : 0),
           d = build_offset(k, build_address(k, dst, build_mul_const(k, l.iv, step)),
                            part ? full * step : 0);
    for (int64_t t = 0; t < n; t++) {
      kvalue v =
          build_load(k, memory_type(k, m->view.dtype), build_offset(k, s, t * m->sk), (int)m->es);
      if (m->flip) v = LLVMBuildXor(k->b, v, LLVMConstInt(k->i8, 0x80, 0), "");
      build_store(k, v, build_offset(k, d, t * m->es), (int)m->es);
      if (m->es == 1) sum = LLVMBuildAdd(k->b, sum, build_ext(k, v, k->i32, true), "");
    }
    build_end(k, &l, &sum);
    sum = l.carried[0];
  }
  kvalue v =
      mc_engine_is_real(p->d.e)
          ? build_f32(k, 0.0f)
          : build_add_const(k, build_mul_const(k, sum, -(int64_t)p->d.za), m->k * p->d.za * m->zb);
  build_store(k, v, bias, 4);
}

/* sum of the k bytes at a, as stored. */
static kvalue row_sum(kgemm *p, kvalue a, int64_t k_len, bool is_signed) {
  kbuilder *k = p->k;
  kvalue total = build_i32(k, 0);
  int64_t full = k_len / KGEMM_LANES * KGEMM_LANES;
  for (int part = 0; part < 2; part++) {
    int lanes = part ? 1 : KGEMM_LANES;
    int64_t from = part ? full : 0, to = part ? k_len : full;
    if (from == to) continue;
    kvalue acc = LLVMConstNull(type_of_lanes(k, k->i32, lanes));
    kloop l;
    build_for(k, &l, build_i64(k, from), build_i64(k, to), lanes, &acc, 1);
    kvalue v =
        build_ext(k, build_load(k, type_of_lanes(k, k->i8, lanes), build_address(k, a, l.iv), 1),
                  k->i32, is_signed);
    kvalue next = LLVMBuildAdd(k->b, l.carried[0], v, "");
    build_end(k, &l, &next);
    acc = l.carried[0];
    total = LLVMBuildAdd(k->b, total,
                         lanes == 1 ? acc : build_intrinsic1(k, "llvm.vector.reduce.add", acc), "");
  }
  return total;
}

static kvalue add_lanes(const void *ctx, kvalue a, kvalue b) {
  return LLVMBuildAdd(((const kbuilder *)ctx)->b, a, b, "");
}

/* 16 sums of the bytes of n lines from a on, `apart` bytes apart. */
static void sum_lines(kbuilder *k, kvalue a, int64_t apart, int n, int64_t len, bool is_signed,
                      kvalue *acc) {
  int64_t step = vec_sum_step(k), full = len / step * step;
  for (int i = 0; i < n; i++) acc[i] = build_i32s(k, 0, KERNEL_LANES);
  if (full) {
    kloop l;
    kvalue next[KERNEL_LANES];
    build_range(k, &l, full, step, acc, n);
    for (int i = 0; i < n; i++)
      next[i] =
          vec_sum_bytes(k, l.carried[i], build_address(k, build_offset(k, a, i * apart), l.iv),
                        (int)step, is_signed);
    build_end(k, &l, next);
    for (int i = 0; i < n; i++) acc[i] = l.carried[i];
  }
  for (int i = 0; i < n && full < len; i++)
    acc[i] = vec_sum_bytes(k, acc[i], build_offset(k, a, i * apart + full), (int)(len - full),
                           is_signed);
}

/* The terms of rows [at + c, at + c + n) of A, whose sums are taken together. */
typedef struct term_rows {
  kgemm *p;
  const bmat *m;
  kvalue a, out;
} term_rows;

static void some_terms(void *ctx, kvalue at, int64_t c, int n, int valid) {
  const term_rows *s = ctx;
  kgemm *p = s->p;
  kbuilder *k = p->k;
  const mc_type *t = p->head->in[0]->type;
  int64_t row = p->a.stride[p->x->rank - 2];
  kvalue acc[8];
  (void)valid;
  sum_lines(
      k, build_offset(k, at ? build_address(k, s->a, build_mul_const(k, at, row)) : s->a, c * row),
      row, n, s->m->k, t->dtype == MC_i8, acc);
  kvalue sum = vec_fold(k, acc, n, add_lanes, k);
  sum = LLVMBuildAdd(k->b, sum, build_i32s(k, s->m->k * (p->d.za - zero_point_of(t)), n),
                     ""); /* flipping moves every element as it moves the zero point */
  build_store(
      k, LLVMBuildMul(k->b, sum, build_i32s(k, -(int64_t)s->m->zb, n), ""),
      build_offset(k, at ? build_address(k, s->out, build_mul_const(k, at, 4)) : s->out, c * 4), 4);
}

/* The bias of columns from the sums of what is packed. */
static kvalue column_bias(kgemm *p, const bmat *m, kvalue sum) {
  kbuilder *k = p->k;
  int lanes = lanes_of(sum);
  return LLVMBuildAdd(k->b, LLVMBuildMul(k->b, sum, build_i32s(k, -(int64_t)p->d.za, lanes), ""),
                      build_i32s(k, m->k * p->d.za * m->zb, lanes), "");
}

/* a0 b0 a1 b1 ..., pieces of `bytes` bytes. */
static kvalue interleave(kbuilder *k, kvalue a, kvalue b, int bytes) {
  int n = lanes_of(a), mask[128];
  for (int i = 0; i < 2 * n; i++)
    mask[i] = i / (2 * bytes) * bytes + i % bytes + (i / bytes % 2 ? n : 0);
  return build_shuffle(k, a, b, mask, 2 * n);
}

/* One step of 16 columns whose elements lie side by side: `rows` rows of B become groups of kr
 * elements. Returns the new sums (of bytes). */
static kvalue pack_step(kgemm *p, const bmat *m, kvalue src, kvalue dst, int64_t rows, kvalue sum) {
  kbuilder *k = p->k;
  int kr = p->d.e->kr, es = (int)m->es;
  ktype type = type_of_lanes(k, k->i8, KGEMM_LANES * es);
  bool dots = es == 1 && kr == 4 &&
              target_has(k, MC_ISA_BIT(avx512vnni)); /* the sums are a product with ones */
  kvalue r[8] = { NULL }, part = NULL;
  for (int t = 0; t < kr; t++) {
    r[t] = LLVMConstNull(type);
    if (t >= rows) continue;
    r[t] = build_load(k, type, build_offset(k, src, t * m->sk), 1);
    if (m->flip)
      r[t] = LLVMBuildXor(k->b, r[t], build_splat_const(LLVMConstInt(k->i8, 0x80, 0), KGEMM_LANES),
                          "");
    if (es > 1 || dots) continue;
    kvalue w = build_ext(k, r[t], k->i16, true);
    part = part ? LLVMBuildAdd(k->b, part, w, "") : w;
  }
  for (int n = kr, bytes = es; n > 1; n /= 2, bytes *= 2)
    for (int t = 0; t < n / 2; t++) r[t] = interleave(k, r[2 * t], r[2 * t + 1], bytes);
  build_store(k, r[0], dst, 1);
  if (dots)
    return build_intrinsic(
        k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
        (kvalue[]){ sum, build_i32s(k, 0x01010101, KGEMM_LANES),
                    build_bitcast(k, r[0], type_of_lanes(k, k->i32, KGEMM_LANES)) },
        3);
  return es > 1 ? sum : LLVMBuildAdd(k->b, sum, build_ext(k, part, k->i32, true), "");
}

static void pack_sixteen(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias,
                         int64_t width) {
  kbuilder *k = p->k;
  int64_t kr = p->d.e->kr, full = m->k / kr, rest = m->k % kr, group = kr * m->es;
  kvalue sum = LLVMConstNull(type_of_lanes(k, k->i32, KGEMM_LANES));
  if (full) {
    kloop l;
    build_range(k, &l, full, 1, &sum, 1);
    kvalue next =
        pack_step(p, m, build_address(k, src, build_mul_const(k, l.iv, kr * m->sk)),
                  build_address(k, dst, build_mul_const(k, l.iv, width * group)), kr, l.carried[0]);
    build_end(k, &l, &next);
    sum = l.carried[0];
  }
  if (rest)
    sum = pack_step(p, m, build_offset(k, src, full * kr * m->sk),
                    build_offset(k, dst, full * width * group), rest, sum);
  build_store(
      k, m->es > 1 ? LLVMConstNull(type_of_lanes(k, k->f32, KGEMM_LANES)) : column_bias(p, m, sum),
      bias, 4);
}

/* A column whose elements lie one after another, groups of kr elements at a time. */
static void pack_line(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias, int64_t width) {
  kbuilder *k = p->k;
  int64_t kr = p->d.e->kr * m->es, step = width * kr, bytes = m->k * m->es; /* kr: in bytes */
  ktype word = kr == 8 ? k->i64 : kr == 4 ? k->i32 : k->i16;
  kloop l;
  for (int64_t at = 0, unroll = 4; unroll; unroll = unroll == 4 ? 1 : 0) {
    int64_t trips = (bytes / kr - at) / unroll;
    if (!trips) continue;
    build_range(k, &l, trips * unroll, unroll, NULL, 0);
    for (int64_t u = at; u < at + unroll; u++) {
      kvalue v = build_load(
          k, word, build_offset(k, build_address(k, src, build_mul_const(k, l.iv, kr)), u * kr), 1);
      if (m->flip) v = LLVMBuildXor(k->b, v, LLVMConstInt(word, 0x8080808080808080u, 0), "");
      build_store(k, v,
                  build_offset(k, build_address(k, dst, build_mul_const(k, l.iv, step)), u * step),
                  1);
    }
    build_end(k, &l, NULL);
    at += trips * unroll;
  }
  for (int64_t t = bytes / kr * kr; t < bytes; t++) {
    kvalue v = build_load(k, k->i8, build_offset(k, src, t), 1);
    if (m->flip) v = LLVMBuildXor(k->b, v, LLVMConstInt(k->i8, 0x80, 0), "");
    build_store(k, v, build_offset(k, dst, t / kr * step + t % kr), 1);
  }
  if (m->es > 1)
    build_store(k, build_f32(k, 0.0f), bias, 4);
  else
    build_store(
        k,
        column_bias(p, m,
                    build_add_const(k, row_sum(p, src, m->k, !m->flip), m->flip ? -128 * m->k : 0)),
        bias, 4);
}

/* Columns whose elements lie one after another, as many at once as a register has words of 4
 * bytes: squares of words are transposed, and B needs no transpose before that. Two groups of pairs
 * of bytes are in a word. */
static int word_square(const kgemm *p, const bmat *m) {
  int64_t group = p->d.e->kr * m->es, words = m->k * m->es / 4;
  if (m->sk != m->es || m->k * m->es % 4 || (group != 4 && group != 2)) return 0;
  for (int n = p->k->target->vector_bytes >= 64 ? 16 : p->k->target->vector_bytes / 4; n >= 4;
       n /= 2)
    if (words % n == 0 && m->n >= n) return n;
  return 0;
}

/* Word `i` of all columns of the square, in the place of its step (two steps, where groups are
 * pairs of bytes). */
static void store_words(kgemm *p, const bmat *m, kvalue words, kvalue dst, int i, int64_t width) {
  kbuilder *k = p->k;
  int64_t group = p->d.e->kr * m->es;
  if (group == 4) {
    build_store(k, words, build_offset(k, dst, i * width * group), 1);
    return;
  }
  for (int h = 0; h < 2; h++) {
    kvalue half = h ? LLVMBuildLShr(k->b, words, build_i32s(k, 16, lanes_of(words)), "") : words;
    build_store(k, build_trunc(k, half, k->i16), build_offset(k, dst, (2 * i + h) * width * group),
                1);
  }
}

static void pack_square(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias, int64_t width,
                        int n) {
  kbuilder *k = p->k;
  bool dots = m->es == 1 && n == KGEMM_LANES && target_has(k, MC_ISA_BIT(avx512vnni));
  kvalue sum = build_i32s(k, 0, n), v[KGEMM_LANES];
  kloop l;
  build_range(k, &l, m->k * m->es, 4 * n, &sum, 1);
  kvalue s = build_address(k, src, l.iv),
         d = build_address(k, dst, build_mul_const(k, l.iv, width));
  for (int j = 0; j < n; j++)
    v[j] = build_load(k, type_of_lanes(k, k->i32, n), build_offset(k, s, j * m->sn), 1);
  kplanes_square(k, v, n);
  sum = l.carried[0];
  for (int i = 0; i < n; i++) {
    if (m->flip) v[i] = LLVMBuildXor(k->b, v[i], build_i32s(k, (int32_t)0x80808080, n), "");
    store_words(p, m, v[i], d, i, width);
    if (dots)
      sum = build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                            (kvalue[]){ sum, build_i32s(k, 0x01010101, n), v[i] }, 3);
  }
  build_end(k, &l, &sum);
  sum = l.carried[0];
  if (m->es == 1 && !dots) {
    sum_lines(k, src, m->sn, n, m->k, !m->flip, v);
    sum = LLVMBuildAdd(k->b, vec_fold(k, v, n, add_lanes, k),
                       build_i32s(k, m->flip ? -128 * m->k : 0, n), "");
  }
  build_store(k, m->es == 1 ? column_bias(p, m, sum) : LLVMConstNull(LLVMTypeOf(sum)), bias, 4);
}

/* For an engine of several elements of K at once, 16 columns or one long one at a time. Returns the
 * columns that are done. */
static int64_t pack_groups(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias,
                           int64_t cols, int64_t width) {
  kbuilder *k = p->k;
  bool aside = m->sn == m->es;
  if (p->d.e->kr == 1 || p->d.e->kr * m->es > 8 || (!aside && m->sk != m->es)) return 0;
  int64_t done = aside ? cols / KGEMM_LANES * KGEMM_LANES : cols, by = aside ? KGEMM_LANES : 1;
  if (!done) return 0;
  kloop l;
  build_range(k, &l, done, by, NULL, 0);
  kvalue s = build_address(k, src, build_mul_const(k, l.iv, m->sn)),
         d = build_address(k, dst, build_mul_const(k, l.iv, p->d.e->kr * m->es)),
         z = build_address(k, bias, build_mul_const(k, l.iv, 4));
  (aside ? pack_sixteen : pack_line)(p, m, s, d, z, width);
  build_end(k, &l, NULL);
  return done;
}

/* `cols` columns from column first on, into a block of `width`. */
static void pack_cols(kgemm *p, const bmat *m, kvalue src, kvalue dst, kvalue bias, int64_t cols,
                      int64_t width) {
  kbuilder *k = p->k;
  kloop l;
  if (p->d.e->kr == 1 && m->es == 4 && m->sn == 4) { /* rows of B as they are */
    build_range(k, &l, m->k, 1, NULL, 0);
    build_memcpy(k, build_address(k, dst, build_mul_const(k, l.iv, width * 4)),
                 build_address(k, src, build_mul_const(k, l.iv, m->sk)), cols * 4);
    build_end(k, &l, NULL);
    build_memset(k, bias, 0, cols * 4);
    return;
  }
  int square = word_square(p, m);
  int64_t done = square ? cols / square * square : pack_groups(p, m, src, dst, bias, cols, width);
  if (square && done) {
    build_range(k, &l, done, square, NULL, 0);
    pack_square(p, m, build_address(k, src, build_mul_const(k, l.iv, m->sn)),
                build_address(k, dst, build_mul_const(k, l.iv, p->d.e->kr * m->es)),
                build_address(k, bias, build_mul_const(k, l.iv, 4)), width, square);
    build_end(k, &l, NULL);
  }
  if (done == cols) return;
  src = build_offset(k, src, done * m->sn);
  dst = build_offset(k, dst, done * p->d.e->kr * m->es);
  bias = build_offset(k, bias, done * 4);
  build_range(k, &l, cols - done, 1, NULL, 0);
  pack_column(p, m, build_address(k, src, build_mul_const(k, l.iv, m->sn)),
              build_address(k, dst, build_mul_const(k, l.iv, p->d.e->kr * m->es)),
              build_address(k, bias, build_mul_const(k, l.iv, 4)), width);
  build_end(k, &l, NULL);
}

static void pack_b(kgemm *p, const bmat *m) {
  kbuilder *k = p->k;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = m->n / width * width, rest = m->n - full,
          col = p->d.steps * p->d.e->kr * m->es;
  kvalue src = view_address(k, &m->view, p->d.nbatch, p->x->iv, NULL);
  if (p->d.e->tile) {
    ktile_pack(p,
               &(ktile_b){ .k = m->k,
                           .n = m->n,
                           .sk = m->sk,
                           .sn = m->sn,
                           .es = m->es,
                           .flip = m->flip,
                           .zb = m->zb },
               src);
    return;
  }
  if (m->n % KGEMM_LANES || m->k % p->d.e->kr) build_memset(k, p->b, 0, m->panel + m->bias);
  int64_t blocks = (m->n + width - 1) / width;
  bool split =
      p->d.split == MC_SPLIT_COLUMNS; /* a task that has some of the columns packs only those */
  kloop l;
  if (full) {
    split_range_part(p->g, &l, 0, full / width, blocks, width, split);
    pack_cols(p, m, build_address(k, src, build_mul_const(k, l.iv, m->sn)),
              build_address(k, p->b, build_mul_const(k, l.iv, col)),
              build_address(k, p->bias, build_mul_const(k, l.iv, 4)), width, width);
    build_end(k, &l, NULL);
  }
  if (!rest) return;
  split_range_part(p->g, &l, blocks - 1, blocks, blocks, 1, split);
  pack_cols(p, m, build_offset(k, src, full * m->sn), build_offset(k, p->b, full * col),
            build_offset(k, p->bias, full * 4), rest, mc_gemm_vectors(rest) * KGEMM_LANES);
  build_end(k, &l, NULL);
}

static void row_terms(kgemm *p, const bmat *m, int d, kvalue a, kvalue out) {
  kbuilder *k = p->k;
  if (d == p->x->rank - 2) {
    walk_vectors(k, p->x->dim[d], 8, some_terms, &(term_rows){ p, m, a, out });
    return;
  }
  kloop l;
  build_range(k, &l, p->x->dim[d], 1, NULL, 0);
  row_terms(p, m, d + 1, build_address(k, a, build_mul_const(k, l.iv, p->a.stride[d])),
            build_address(k, out, build_mul_const(k, l.iv, p->rowterm_view.stride[d])));
  build_end(k, &l, NULL);
}

static void repack(kgemm *p, void *ctx) {
  const bmat *m = ctx;
  pack_b(p, m);
  if (p->rowterm)
    row_terms(p, m, p->d.nbatch, view_address(p->k, &p->a, p->d.nbatch, p->x->iv, NULL),
              p->rowterm);
}

static void place_scratch(kgemm *p, bmat *m) {
  int64_t part[3];
  mc_matmul_parts(p->head, p->d.e, part);
  m->panel = part[0];
  m->bias = part[1];
  p->b = group_scratch(p->g);
  if (p->g->tasks > 1)
    p->b = build_address(
        p->k, p->b,
        build_mul_const(p->k, LLVMGetParam(p->k->fn, 2),
                        mc_matmul_scratch(p->d.e, p->head))); /* every task has its own */
  p->bias = build_offset(p->k, p->b, part[0]);
  if (!m->zb) return;
  p->rowterm = build_offset(p->k, p->bias, part[1]);
  p->rowterm_view = (kview){ .base = p->rowterm, .dtype = MC_i32, .rank = p->x->rank };
  for (int64_t d = p->x->rank - 2, s = 4; d >= p->d.nbatch; d--) {
    p->rowterm_view.stride[d] = s;
    s *= p->x->dim[d];
  }
}

bool emit_matmul(kgemm *p) {
  if (!p->d.b.packed) {
    emit_linear_like(p);
    return true;
  }
  const mc_gemm_b *b = &p->d.b;
  bmat *m = MC_NEW(p->k->arena, bmat);
  *m = (bmat){ .k = b->k,
               .n = b->n,
               .sk = b->sk,
               .sn = b->sn,
               .es = b->es,
               .flip = b->flip,
               .zb = b->zb,
               .view = view_at_base(b->view, view_of_operand(p->g, p->head->in[1]).base) };
  if (!p->d.nbatch) kgemm_collapse(p, split_by_images(p->g));
  place_scratch(p, m);
  kgemm_nest(p, repack, m);
  return true;
}
