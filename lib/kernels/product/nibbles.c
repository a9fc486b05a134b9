/* Weights of 4 bits (docs/internals/stored-weights.md). A weight is u - 8 times the factor that it
 * shares with its neighbours of the column (d.shared elements of a run; 0: there are no factors).
 *
 *   for block of columns  for run  for elements that share factors
 *     for pair of steps   [columns][kr] bytes: u of the first step | u of the second one << 4
 *     [columns] bytes     their factors, if there are any
 *
 * Many rows: a block is unpacked into scratch before the nest comes to it. Few rows: each register
 * of bytes becomes two of B where products use it, and what shares a factor has sums of its own. */
#include "stored.h"
#include <string.h>

enum { ZERO = 8 };

typedef struct nibbles {
  kvalue data, scales;  /* scales: of f32 columns; NULL: they are i8 */
  int64_t block, group; /* bytes of a block of nv vectors, of a column group */
} nibbles;

/* ---- sizes ---- */

/* Steps that share a factor: all of a run where there are none. */
static int64_t shared_steps(const kgemm *p) {
  return p->d.shared ? p->d.shared / p->d.kr : p->d.steps;
}

/* Bytes of `steps` steps of `width` columns, with their factors. */
static int64_t piece_bytes(const kgemm *p, int64_t width, int64_t steps) {
  return width * ((steps + 1) / 2 * p->d.kr + (p->d.shared != 0));
}

static int64_t run_bytes(const kgemm *p, int64_t width) { return width * mc_nibbles_column(&p->d); }

/* ---- packing ---- */

/* Steps [from, to) of a run at b, `width` columns. Returns where it ends. */
static unsigned char *pack_piece(const kgemm *p, const int8_t *b, int64_t width, int64_t from,
                                 int64_t to, unsigned char *out) {
  mc_arena *scratch = mc_arena_create();
  int64_t kr = p->d.kr, step = width * kr;
  int8_t *column = MC_NEWN(scratch, int8_t, (to - from) * kr);
  int *factor = MC_NEWN(scratch, int, width);
  for (int64_t c = 0; c < width; c++) {
    for (int64_t i = from; i < to; i++)
      memcpy(column + (i - from) * kr, b + i * step + c * kr, (size_t)kr);
    factor[c] = p->d.shared ? mc_nibbles_factor(column, (to - from) * kr, 1) : 1;
  }
  for (int64_t i = from; i < to; i += 2)
    for (int64_t e = 0; e < step; e++) {
      int k = factor[e / kr], low = b[i * step + e] / k + ZERO,
          high = i + 1 < to ? b[(i + 1) * step + e] / k + ZERO : 0;
      *out++ = (unsigned char)(low | high << 4);
    }
  for (int64_t c = 0; c < width && p->d.shared; c++) *out++ = (unsigned char)factor[c];
  mc_arena_destroy(scratch);
  return out;
}

static unsigned char *pack_block(const kgemm *p, const int8_t *b, int64_t width,
                                 unsigned char *out) {
  int64_t by = shared_steps(p);
  for (int r = 0; r < p->d.nrun; r++)
    for (int64_t s = 0; s < p->d.steps; s += by)
      out = pack_piece(p, b + r * p->d.steps * width * p->d.kr, width, s,
                       s + by < p->d.steps ? s + by : p->d.steps, out);
  return out;
}

void kstored_nibbles_pack(kgemm *p, const char *panels) {
  kbuilder *k = p->k;
  mc_arena *scratch = mc_arena_create();
  int64_t vectors = mc_gemm_vectors(p->d.n), column = p->d.nrun * mc_nibbles_column(&p->d),
          all = p->d.groups * vectors * KGEMM_LANES * column, size = mc_gemm_elem(p->d.e);
  unsigned char *bytes = MC_NEWN(scratch, unsigned char, all + 1), *out = bytes;
  nibbles *n = MC_NEW(k->arena, nibbles);
  const int8_t *steps = (const int8_t *)panels;
  if (size == 4) steps = kstored_steps(p, panels, scratch, &n->scales);
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t q = 0; q < kstored_blocks(p); q++) {
      int64_t from = kstored_start(p, q), to = kstored_start(p, q + 1);
      out = pack_block(p, steps + (g * p->b_group + from) / size,
                       (to - from) / mc_gemm_column_bytes(&p->d), out);
    }
  n->data = build_rodata(k, bytes, (size_t)all, 64, "nibbles");
  n->block = p->d.nv * KGEMM_LANES * column;
  n->group = vectors * KGEMM_LANES * column;
  p->kept = n;
  p->b = n->data; /* the nest's addresses of B are not used */
  mc_arena_destroy(scratch);
}

/* ---- taking bytes apart ---- */

/* The first (second) steps of a pair, as whole numbers in i8. */
static kvalue half_of(kbuilder *k, kvalue bytes, int second) {
  int n = lanes_of(bytes);
  kvalue u = second
                 ? LLVMBuildLShr(k->b, bytes, build_splat_const(LLVMConstInt(k->i8, 4, 0), n), "")
                 : LLVMBuildAnd(k->b, bytes, build_splat_const(LLVMConstInt(k->i8, 15, 0), n), "");
  return LLVMBuildSub(k->b, u, build_splat_const(LLVMConstInt(k->i8, ZERO, 0), n), "");
}

/* ---- into scratch ---- */

/* Columns that are unpacked at a time: 64 bytes of a step at most. */
static int unpacked_columns(const kgemm *p) { return p->d.kr > 4 ? 64 / p->d.kr : KGEMM_LANES; }

/* f32: the scales of the columns from `column` of the block on. */
static kvalue scales_of(const kgemm *p, kvalue scales, int64_t column) {
  kbuilder *k = p->k;
  if (!scales) return NULL;
  return build_load(k, type_of_lanes(k, k->f32, KGEMM_LANES), build_offset(k, scales, 4 * column),
                    4);
}

/* Their factors, each as often as a step has elements of a column, in i16; NULL: none. */
static kvalue factors_of(const kgemm *p, kvalue at) {
  kbuilder *k = p->k;
  int mask[64], kr = p->d.kr, columns = unpacked_columns(p);
  if (!p->d.shared) return NULL;
  for (int i = 0; i < columns * kr; i++) mask[i] = i / kr;
  kvalue f = build_load(k, type_of_lanes(k, k->i8, columns), at, 1);
  return build_ext(k, build_shuffle(k, f, NULL, mask, columns * kr), k->i16, false);
}

/* `steps` steps of a pair. */
static void unpack_pair(const kgemm *p, kvalue from, kvalue to, kvalue factors, kvalue scales,
                        int64_t step, int steps) {
  kbuilder *k = p->k;
  kvalue bytes = build_load(k, type_of_lanes(k, k->i8, unpacked_columns(p) * p->d.kr), from, 16);
  for (int h = 0; h < steps; h++) {
    kvalue v = half_of(k, bytes, h);
    if (factors)
      v = build_trunc(k, LLVMBuildMul(k->b, build_ext(k, v, k->i16, true), factors, ""), k->i8);
    if (scales) v = LLVMBuildFMul(k->b, vec_to_f32(k, build_ext(k, v, k->i32, true)), scales, "");
    build_store(k, v, build_offset(k, to, h * step * mc_gemm_elem(p->d.e)), 16);
  }
}

/* `steps` steps that share factors. */
static void unpack_piece(const kgemm *p, kvalue from, kvalue to, kvalue scales, int64_t width,
                         int64_t steps) {
  kbuilder *k = p->k;
  int64_t step = width * p->d.kr, whole = steps / 2, size = mc_gemm_elem(p->d.e);
  for (int64_t c = 0; c < width; c += unpacked_columns(p)) {
    kvalue factors = factors_of(p, build_offset(k, from, (steps + 1) / 2 * step + c)),
           src = build_offset(k, from, c * p->d.kr), dst = build_offset(k, to, c * p->d.kr * size),
           scale = scales_of(p, scales, c);
    if (whole) {
      kloop l;
      build_range(k, &l, whole, 1, NULL, 0);
      unpack_pair(p, build_address(k, src, build_mul_const(k, l.iv, step)),
                  build_address(k, dst, build_mul_const(k, l.iv, 2 * step * size)), factors, scale,
                  step, 2);
      build_end(k, &l, NULL);
    }
    if (steps % 2)
      unpack_pair(p, build_offset(k, src, whole * step),
                  build_offset(k, dst, 2 * whole * step * size), factors, scale, step, 1);
  }
}

static void unpack_run(const kgemm *p, kvalue from, kvalue to, kvalue scales, int64_t width) {
  kbuilder *k = p->k;
  int64_t by = shared_steps(p), full = by ? p->d.steps / by : 0, rest = p->d.steps - full * by,
          step = width * p->d.kr * mc_gemm_elem(p->d.e), piece = piece_bytes(p, width, by);
  if (full) {
    kloop l;
    build_range(k, &l, full, 1, NULL, 0);
    unpack_piece(p, build_address(k, from, build_mul_const(k, l.iv, piece)),
                 build_address(k, to, build_mul_const(k, l.iv, by * step)), scales, width, by);
    build_end(k, &l, NULL);
  }
  if (rest)
    unpack_piece(p, build_offset(k, from, full * piece), build_offset(k, to, full * by * step),
                 scales, width, rest);
}

kvalue kstored_nibbles_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  kbuilder *k = p->k;
  const nibbles *n = p->kept;
  int64_t width = (int64_t)nv * KGEMM_LANES;
  kvalue from = build_address(k, n->data, build_mul_const(k, p->units_group, n->group));
  (void)b;
  from = build_address(k, from, build_mul_const(k, index, n->block));
  kvalue scales = p->scales = kstored_scales(p, n->scales, index);
  if (p->d.direct) return from;
  kvalue to = kstored_scratch(p);
  int64_t run = p->d.steps * width * p->d.kr * mc_gemm_elem(p->d.e);
  kloop l;
  build_range(k, &l, p->d.nrun, 1, NULL, 0);
  unpack_run(p, build_address(k, from, build_mul_const(k, l.iv, run_bytes(p, width))),
             build_address(k, to, build_mul_const(k, l.iv, run)), scales, width);
  build_end(k, &l, NULL);
  return to;
}

/* ---- in registers ---- */

/* f32: what each register is multiplied with. factor[0] NULL: there are no factors. */
typedef struct reals {
  kvalue scale[KLOOP_MAX_CARRIED], factor[KLOOP_MAX_CARRIED];
} reals;

/* 16 nibbles as f32 through a register of all of them: the low 4 bits of each lane choose. */
static kvalue looked_up(kbuilder *k, kvalue bytes, int second) {
  kvalue all[KGEMM_LANES], u = build_ext(k, bytes, k->i32, false);
  for (int i = 0; i < KGEMM_LANES; i++) all[i] = build_f32(k, (float)(i - ZERO));
  if (second) u = LLVMBuildLShr(k->b, u, build_i32s(k, 4, KGEMM_LANES), "");
  return build_intrinsic(k, "llvm.x86.avx512.permvar.sf.512", NULL, 0,
                         (kvalue[]){ LLVMConstVector(all, KGEMM_LANES), u }, 2);
}

/* A register of B; f: NULL: whole numbers. */
static kvalue register_of(const kdirect *d, kvalue bytes, int second, const reals *f, int j) {
  kbuilder *k = d->p->k;
  bool table = f && d->lanes == KGEMM_LANES && target_has(k, MC_ISA_BIT(avx512));
  kvalue v = table ? looked_up(k, bytes, second)
                   : mc_engine_code_of(d->p->d.e)->take_b(k, d->lanes, half_of(k, bytes, second));
  if (f && f->factor[0]) v = LLVMBuildFMul(k->b, v, f->factor[j], ""); /* exact: at most 127 */
  return f ? LLVMBuildFMul(k->b, v, f->scale[j], "") : v;
}

/* A pair of steps, or its first one. */
static void use_pair(const kdirect *d, kvalue a, kvalue b, int steps, const reals *f, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  int n = d->lanes * p->d.e->kr;
  kvalue av[2][16];
  for (int h = 0; h < steps; h++) kdirect_a(d, a, h, av[h]);
  for (int j = 0; j < d->nb; j++) {
    kvalue bytes = build_load(k, type_of_lanes(k, k->i8, n), build_offset(k, b, (int64_t)j * n),
                              n < 16 ? n : 16);
    for (int h = 0; h < steps; h++) {
      kvalue bv = register_of(d, bytes, h, f, j);
      for (int r = 0; r < p->d.mr; r++)
        acc[r * d->nb + j] =
            mc_engine_code_of(p->d.e)->madd(k, d->lanes, acc[r * d->nb + j], av[h][r], bv);
    }
  }
}

/* `steps` steps from a and b on. */
static void use_steps(const kdirect *d, kvalue a, kvalue b, int64_t steps, const reals *f,
                      kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  int64_t whole = steps / 2, step = d->width * p->d.kr, by = p->d.e->kr * mc_gemm_a_elem(p->d.e);
  int n = p->d.mr * d->nb;
  if (whole) {
    kloop l;
    build_range(k, &l, whole, 1, acc, n);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
    use_pair(d, build_address(k, a, build_mul_const(k, l.iv, 2 * by)),
             build_address(k, b, build_mul_const(k, l.iv, step)), 2, f, acc);
    build_end(k, &l, acc);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
  }
  if (steps % 2)
    use_pair(d, build_offset(k, a, 2 * whole * by), build_offset(k, b, whole * step), 1, f, acc);
}

/* The factors of register j of a piece of `steps` steps at b, as i32. */
static kvalue factor_of(const kdirect *d, kvalue b, int64_t steps, int j) {
  kbuilder *k = d->p->k;
  kvalue at = build_offset(k, b, (steps + 1) / 2 * d->width * d->p->d.kr + (int64_t)j * d->lanes);
  return build_ext(k, build_load(k, type_of_lanes(k, k->i8, d->lanes), at, 1), k->i32, false);
}

/* Steps that share factors: whole numbers have their own sums, times the factors. */
static void use_piece(const kdirect *d, kvalue a, kvalue b, int64_t steps, reals *f, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  int n = p->d.mr * d->nb;
  kvalue part[KLOOP_MAX_CARRIED];
  for (int j = 0; j < d->nb && f; j++) f->factor[j] = vec_to_f32(k, factor_of(d, b, steps, j));
  if (f) {
    use_steps(d, a, b, steps, f, acc);
    return;
  }
  for (int i = 0; i < n; i++) part[i] = LLVMConstNull(LLVMTypeOf(acc[i]));
  use_steps(d, a, b, steps, NULL, part);
  for (int j = 0; j < d->nb; j++) {
    kvalue factor = factor_of(d, b, steps, j);
    for (int r = 0; r < p->d.mr; r++)
      acc[r * d->nb + j] = LLVMBuildAdd(k->b, acc[r * d->nb + j],
                                        LLVMBuildMul(k->b, part[r * d->nb + j], factor, ""), "");
  }
}

void kdirect_nibbles(const kdirect *d, kvalue a, kvalue b, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  int64_t by = shared_steps(p), full = p->d.shared ? p->d.steps / by : 0,
          rest = p->d.steps - full * by, step = p->d.e->kr * mc_gemm_a_elem(p->d.e),
          piece = piece_bytes(p, d->width, by);
  int n = p->d.mr * d->nb;
  reals real = { 0 }, *f = p->scales ? &real : NULL;
  kdirect_scales(d, real.scale);
  if (!p->d.shared) {
    use_steps(d, a, b, p->d.steps, f, acc);
    return;
  }
  if (full) {
    kloop l;
    build_range(k, &l, full, 1, acc, n);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
    use_piece(d, build_address(k, a, build_mul_const(k, l.iv, by * step)),
              build_address(k, b, build_mul_const(k, l.iv, piece)), by, f, acc);
    build_end(k, &l, acc);
    memcpy(acc, l.carried, sizeof *acc * (size_t)n);
  }
  if (rest)
    use_piece(d, build_offset(k, a, full * by * step), build_offset(k, b, full * piece), rest, f,
              acc);
}
