/* Depthwise convolution of bytes on x86 and on AArch64 with dot products, on interleaved rows.
 *
 * A register of one input row at one column holds vb channels. Interleaving D rows bytewise (4 for
 * vpdpbusd, sdot) or, widened, as pairs of words (2 for pmaddwd) gives 4 registers, the "column":
 * every 32-bit lane holds D vertical neighbours of one channel, so one instruction does D taps.
 * Rows that two result rows share are interleaved once: result row r has the weights of its window
 * moved down by r * stride, and zeros elsewhere. A column serves kw result columns.
 *
 *   for n   for R result rows   for a block of channels   for P result vectors of the row:
 *     columns that the vector before left in registers, and new ones
 *     for kx, group of D rows, quarter o, result row r:   w = weights[kx][group][r][o];   for p:
 *       acc[p][r][o] += dot(column[p + kx][group][o], w)
 *     requantize, pack, store: unpacking put the channels into the order that packing undoes
 *
 * Narrow images (fewer channels than a register) run "linear" where pixels are dense: a row is one
 * line of bytes, a register holds several pixels, and its lanes' channels repeat with the least
 * common multiple of both lengths. Channels that leave half of a register empty take places of 4, 8
 * or 16 bytes in it, for as many pixels. mc/analysis/dwcut.h says which is taken. */
#include "depthwise.h"
#include "engine.h"
#include "mc/analysis/dwcut.h"
#include "narrow.h"
#include <string.h>

enum {
  MAX_KERNEL = MC_DW_KERNEL,
  MAX_GROUPS = 4,
  MAX_P = 4,
  MAX_R = 2,
  MAX_JOBS = MC_DW_JOBS,
  MAX_PLACES = 8
};

_Static_assert((int)MAX_JOBS >= (int)MC_DW_PHASES, "a job for each");
_Static_assert((int)MAX_JOBS >= (int)MC_DW_PIECES, "a job for each");

typedef struct column {
  kvalue v[MAX_GROUPS][4];
} column;

/* Result vectors of one kind: vb channels (or bytes of the line) from `first` on. */
typedef struct job {
  const struct rows *d;
  int lanes, valid; /* 32-bit lanes of a register; channels of the block, or pixels */
  bool linear;
  int slot, used; /* bytes of a pixel's place (0: one pixel), those in use */
  int64_t first, count,
      tail; /* vectors of a row; bytes of the last one (tail < vb: partly stored), or its pixels */
  int64_t in_step, out_step, adv; /* bytes between neighbouring vectors; columns between them */
  int R, P, groups, nrow, carry;  /* result rows at once, vectors at once, groups of D rows, input
                                     rows, columns kept from one step to the next */
  int64_t blocks, unit; /* equal ones one after another, and how many there are before them */
  kvalue w, bias, mult; /* [kx][group][r][o], [o], [o]: registers */
} job;

typedef struct rows {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x;
  mc_narrow tail;
  bool fast; /* fast: requantized as packed bytes; else 16 lanes at a time by the epilogue */
  bool flip, is_signed;
  int32_t za; /* activations as the instruction wants them: xor 0x80; signed then */
  int64_t c, mult, kh, kw, sy, sx, oh, ow; /* c: result channels, `mult` of each input channel */
  kview in, out;
  const int8_t *weight;
  const int32_t *bias;
  int depth; /* D */
  mc_dw_cut cut;
  job job[2][MAX_JOBS];
  int njob[2]; /* for pairs of rows, and for the last row of an odd number; together they make a
                  whole row */
  int split;
  int64_t units; /* what is divided among threads: 0 images, 1 rows, 2 blocks of channels, of which
                    there are `units` */
} rows;

static int vb(const job *j) { return 4 * j->lanes; }

static int64_t channel(const job *j, int64_t block, int lane,
                       int o) { /* of a 32-bit lane of quarter o; block: 0, or the number of the
                                   block in a loop over full ones */
  int64_t at = j->first + block * vb(j) + lane / 4 * 16 + o * 4 + lane % 4;
  int64_t in_slot = j->slot ? (at - j->first) % j->slot : 0;
  if (j->slot) return in_slot < j->used ? j->first + in_slot : j->d->c;
  return j->linear ? at % j->d->c : at;
}

static int8_t tap(const rows *d, int64_t c, int64_t i, int64_t l) {
  return c < d->c && i >= 0 && i < d->kh ? d->weight[(c * d->kh + i) * d->kw + l] : 0;
}

static bool used(const job *j, int g, int r) { /* has result row r any tap in group g? */
  int64_t lo = (int64_t)g * j->d->depth - r * j->d->sy;
  return lo < j->d->kh && lo + j->d->depth > 0;
}

/* ---- constants ---- */
static int64_t weight_bytes(const job *j) { return j->d->kw * j->groups * j->R * 4 * vb(j); }

static void pack_weights(const job *j, int64_t block, char *out) {
  const rows *d = j->d;
  for (int64_t i = 0; i < d->kw; i++)
    for (int g = 0; g < j->groups; g++)
      for (int r = 0; r < j->R; r++)
        for (int o = 0; o < 4; o++)
          for (int lane = 0; lane < j->lanes; lane++, out += 4)
            for (int t = 0; t < d->depth; t++) {
              int8_t w =
                  tap(d, channel(j, block, lane, o), (int64_t)g * d->depth + t - r * d->sy, i);
              int16_t word = w;
              if (d->depth == 4)
                memcpy(out + t, &w, 1);
              else
                memcpy(out + 2 * t, &word, 2);
            }
}

static void pack_params(const job *j, int64_t block, int32_t *bias, float *mult) {
  const rows *d = j->d;
  for (int o = 0; o < 4; o++)
    for (int lane = 0; lane < j->lanes; lane++, bias++, mult++) {
      int64_t c = channel(j, block, lane, o);
      uint32_t sum = 0;
      if (c >= d->c) continue;
      for (int64_t t = 0; t < d->kh * d->kw; t++)
        sum += (uint32_t)(int32_t)d->weight[c * d->kh * d->kw + t];
      *bias = (int32_t)((d->bias ? (uint32_t)d->bias[c] : 0) - (uint32_t)d->za * sum +
                        (uint32_t)d->x->head_base);
      *mult = d->fast ? mc_narrow_multiplier(&d->tail, d->tail.one ? 0 : c) : 0;
    }
}

/* Tables of `blocks` blocks one after another. */
static void pack(job *j, int64_t blocks) {
  kbuilder *k = j->d->k;
  int64_t wb = weight_bytes(j), pn = 4 * j->lanes;
  char *w = mc_arena_alloc(k->arena, (size_t)(blocks * wb));
  int32_t *bias = MC_NEWN(k->arena, int32_t, blocks *pn);
  float *mult = MC_NEWN(k->arena, float, blocks *pn);
  for (int64_t b = 0; b < blocks; b++) {
    pack_weights(j, b, w + b * wb);
    pack_params(j, b, bias + b * pn, mult + b * pn);
  }
  j->w = build_rodata(k, w, (size_t)(blocks * wb), 0, "weights");
  j->bias = build_rodata(k, bias, (size_t)(blocks * pn * 4), 0, "bias");
  if (j->d->fast && !j->d->tail.one)
    j->mult = build_rodata(k, mult, (size_t)(blocks * pn * 4), 0, "param");
}

/* ---- columns ---- */
/* Elements of `width` bytes of a and b in turn, from the lower or upper halves of their 128-bit
 * parts: punpckl / punpckh. */
static kvalue unpack(kbuilder *k, kvalue a, kvalue b, int high, int width, int bytes) {
  int n = bytes / width, part = 16 / width, mask[64];
  for (int i = 0; i < n; i++)
    mask[i] = (i & 1 ? n : 0) + i / part * part + (high ? part / 2 : 0) + i % part / 2;
  ktype t = type_of_lanes(k, width == 1 ? k->i8 : k->i16, n);
  return build_shuffle(k, build_bitcast(k, a, t), build_bitcast(k, b, t), mask, n);
}

/* Every other one of the pixels in two registers. */
static kvalue every_other(const job *j, kvalue a, kvalue b) {
  int64_t c = j->d->c;
  int mask[64];
  for (int i = 0; i < vb(j); i++) mask[i] = (int)(i / c * 2 * c + i % c);
  return build_shuffle(j->d->k, a, b, mask, vb(j));
}

/* Each input channel as often as there are results from it. */
static kvalue repeated(const job *j, kvalue v) {
  int mask[64];
  for (int i = 0; i < vb(j); i++) mask[i] = (int)((j->first % j->d->mult + i) / j->d->mult);
  return build_shuffle(j->d->k, v, NULL, mask, vb(j));
}

/* Channels of several pixels, each in a place of its own. */
static kvalue load_places(const job *j, kvalue at) {
  kbuilder *k = j->d->k;
  kvalue part[MAX_PLACES];
  int n = vb(j) / j->slot;
  int64_t step = j->d->sx * j->d->in.stride[2];
  ktype t = type_of_lanes(k, k->i8, j->slot);
  for (int i = 0; i < n; i++) part[i] = build_load(k, t, build_offset(k, at, i * step), 1);
  return build_concat(k, part, n);
}

static void load_rows(const job *j, kvalue at, kvalue *row) {
  const rows *d = j->d;
  kbuilder *k = d->k;
  ktype t = type_of_lanes(k, k->i8, vb(j));
  for (int i = 0; i < j->groups * d->depth; i++) {
    if (i >= j->nrow) { /* its weights are 0 */
      row[i] = row[i - 1];
      continue;
    }
    kvalue p = build_offset(k, at, i * d->in.stride[1]);
    row[i] = j->slot ? load_places(j, p) : build_load(k, t, p, 1);
    if (j->linear && d->sx == 2)
      row[i] = every_other(j, row[i], build_load(k, t, build_offset(k, p, vb(j)), 1));
    if (d->mult > 1) row[i] = repeated(j, row[i]);
    if (d->flip)
      row[i] =
          LLVMBuildXor(k->b, row[i], build_splat_const(LLVMConstInt(k->i8, 0x80, 0), vb(j)), "");
  }
}

static column build_column(const job *j, kvalue at) {
  const rows *d = j->d;
  kbuilder *k = d->k;
  int n = vb(j);
  kvalue row[16], zero = LLVMConstNull(type_of_lanes(k, k->i8, n));
  column c;
  load_rows(j, at, row);
  for (int g = 0; g < j->groups; g++)
    for (int half = 0; half < 2; half++) {
      kvalue *r = row + g * d->depth, lo = unpack(k, r[0], r[1], half, 1, n);
      kvalue hi = d->depth == 2 ? zero : unpack(k, r[2], r[3], half, 1, n);
      for (int q = 0; q < 2; q++)
        c.v[g][2 * half + q] = build_bitcast(k, unpack(k, lo, hi, q, d->depth == 2 ? 1 : 2, n),
                                             d->depth == 2 ? type_of_lanes(k, k->i16, 2 * j->lanes)
                                                           : type_of_lanes(k, k->i32, j->lanes));
    }
  return c;
}

static kvalue dot(const job *j, kvalue acc, kvalue a, kvalue w) {
  kbuilder *k = j->d->k;
  int i = j->lanes == 4 ? 0 : j->lanes == 8 ? 1 : 2;
  static const char *const dots[] = { "llvm.x86.avx512.vpdpbusd.128",
                                      "llvm.x86.avx512.vpdpbusd.256",
                                      "llvm.x86.avx512.vpdpbusd.512" };
  static const char *const madds[] = { "llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd",
                                       "llvm.x86.avx512.pmaddw.d.512" };
  if (k->target->arch == MC_ARCH_aarch64) {
    ktype b = type_of_lanes(k, k->i8, 16), ov[2] = { type_of_lanes(k, k->i32, 4), b };
    return build_intrinsic(
        k, j->d->is_signed ? "llvm.aarch64.neon.sdot" : "llvm.aarch64.neon.usdot", ov, 2,
        (kvalue[]){ acc, build_bitcast(k, a, b), build_bitcast(k, w, b) }, 3);
  }
  if (j->d->depth == 4) return build_intrinsic(k, dots[i], NULL, 0, (kvalue[]){ acc, a, w }, 3);
  return LLVMBuildAdd(k->b, acc, build_intrinsic(k, madds[i], NULL, 0, (kvalue[]){ a, w }, 2), "");
}

/* ---- one step: P vectors of R rows ---- */
typedef struct step {
  const job *j;
  kvalue w, bias, mult, in, out, y, x0, c0;
  int p;
  column col[MAX_P * MAX_KERNEL];
  bool have[MAX_P * MAX_KERNEL];
  kvalue acc[MAX_P][MAX_R][4];
} step;

/* The place among the columns of one step of column i of vector p. Vectors that are further apart
 * than the window is wide (a line of many pixels a register) share none: there are gaps between. */
static int64_t slot(const job *j, int p, int64_t i) {
  return p * (j->adv < j->d->kw ? j->adv : j->d->kw) + i;
}

static const column *column_at(step *s, int p, int64_t i) {
  const job *j = s->j;
  int64_t at = slot(j, p, i), col = p * j->adv + i;
  if (!s->have[at])
    s->col[at] = build_column(j, build_offset(j->d->k, s->in, col * j->d->in.stride[2]));
  s->have[at] = true;
  return &s->col[at];
}

static void products(step *s) {
  const job *j = s->j;
  kbuilder *k = j->d->k;
  ktype t = j->d->depth == 4 ? type_of_lanes(k, k->i32, j->lanes)
                             : type_of_lanes(k, k->i16, 2 * j->lanes);
  for (int64_t i = 0; i < j->d->kw; i++) {
    const column *c[MAX_P];
    for (int p = 0; p < s->p; p++) c[p] = column_at(s, p, i);
    for (int g = 0; g < j->groups; g++)
      for (int o = 0; o < 4; o++)
        for (int r = 0; r < j->R; r++) {
          if (!used(j, g, r)) continue;
          kvalue w = build_load(
              k, t, build_offset(k, s->w, (((i * j->groups + g) * j->R + r) * 4 + o) * vb(j)), 16);
          for (int p = 0; p < s->p; p++)
            s->acc[p][r][o] = dot(j, s->acc[p][r][o], c[p]->v[g][o], w);
        }
  }
}

/* Channels 16 i .. 16 i + 15 of the quarters. */
static kvalue natural(kbuilder *k, kvalue const acc[4], int i) {
  kvalue part[4];
  for (int o = 0; o < 4; o++) part[o] = build_extract(k, acc[o], 4 * i, 4);
  return build_concat(k, part, 4);
}

static void finish_by_kx(const step *s, int p, int r) {
  const job *j = s->j;
  kepilogue *x = j->d->x;
  x->iv[1] = s->y;
  x->iv[2] = s->x0;
  x->iv[3] = s->c0;
  x->c[1] = r;
  x->c[2] = p;
  for (int i = 0; i < j->lanes / 4 && 16 * i < j->valid; i++) {
    x->c[3] = 16 * i;
    epilogue_at(x, KERNEL_LANES,
                j->valid - 16 * i < KERNEL_LANES ? j->valid - 16 * i : KERNEL_LANES);
    epilogue_bind_head(x, natural(j->d->k, s->acc[p][r], i));
    epilogue_finish(x);
  }
  memset(x->c, 0, sizeof x->c);
}

/* In pieces of powers of two: stores under a mask of bytes are slow on some machines. Three pieces
 * and more below 16 bytes are two that overlap. */
static void store_bytes(kbuilder *k, kvalue v, kvalue p, int bytes) {
  int half = bytes > 8 ? 8 : 4;
  if (bytes < 16 && bytes > 10 && bytes != 12) {
    build_store(k, build_extract(k, v, 0, half), p, 1);
    build_store(k, build_extract(k, v, bytes - half, half), build_offset(k, p, bytes - half), 1);
    return;
  }
  for (int at = 0, n = lanes_of(v); at < bytes; at += n) {
    while (n > bytes - at) n /= 2;
    build_store(k, build_extract(k, v, at, n), build_offset(k, p, at), 1);
  }
}

/* Where the results of neighbouring pixels lie together, a place is stored whole as long as others
 * follow it. */
static void store_places(const job *j, kvalue v, kvalue p, int pixels) {
  kbuilder *k = j->d->k;
  int64_t pitch = j->d->out.stride[2];
  for (int i = 0; i < pixels; i++) {
    bool whole = pitch == j->used && i * pitch + j->slot <= pixels * pitch;
    kvalue place = build_extract(k, v, i * j->slot, j->slot), to = build_offset(k, p, i * pitch);
    if (whole)
      build_store(k, place, to, 1);
    else
      store_bytes(k, place, to, j->used);
  }
}

static void finish(const step *s, kvalue const mult[4], int p, int r, int64_t bytes) {
  const job *j = s->j;
  kbuilder *k = j->d->k;
  if (!j->d->fast) {
    finish_by_kx(s, p, r);
    return;
  }
  kvalue q = narrow_bytes(k, &j->d->tail, s->acc[p][r], mult);
  kvalue v = build_bitcast(k, q, type_of_lanes(k, k->i8, vb(j)));
  kvalue to = build_offset(k, s->out, p * j->out_step + r * j->d->out.stride[1]);
  if (j->slot)
    store_places(j, v, to, (int)bytes);
  else
    store_bytes(k, v, to, (int)bytes);
}

/* `bytes`: of the last vector, or its pixels in places. */
static void emit_step(step *s, int64_t bytes) {
  const job *j = s->j;
  kbuilder *k = j->d->k;
  kvalue mult[4];
  for (int o = 0; o < 4; o++) {
    kvalue b =
        build_load(k, type_of_lanes(k, k->i32, j->lanes), build_offset(k, s->bias, o * vb(j)), 16);
    for (int p = 0; p < s->p; p++)
      for (int r = 0; r < j->R; r++) s->acc[p][r][o] = b;
  }
  products(s);
  for (int o = 0; o < 4; o++)
    mult[o] = j->mult ? build_load(k, type_of_lanes(k, k->f32, j->lanes),
                                   build_offset(k, s->mult, o * vb(j)), 16)
                      : build_f32s(k, j->d->tail.m, j->lanes);
  for (int p = 0; p < s->p; p++)
    for (int r = 0; r < j->R; r++) finish(s, mult, p, r, p == s->p - 1 ? bytes : j->valid);
}

/* ---- a row of vectors ---- */
static void start_step(step *s, const step *row, const column *carried, int p) {
  *s = *row;
  s->p = p;
  memset(s->have, 0, sizeof s->have);
  for (int i = 0; i < row->j->carry; i++) s->col[i] = carried[i], s->have[i] = true;
}

static int flatten(const job *j, const column *c, kvalue *v) {
  int n = 0;
  for (int i = 0; i < j->carry; i++)
    for (int g = 0; g < j->groups; g++)
      for (int o = 0; o < 4; o++) v[n++] = c[i].v[g][o];
  return n;
}

static void unflatten(const job *j, kvalue *v, column *c) {
  for (int i = 0; i < j->carry; i++)
    for (int g = 0; g < j->groups; g++)
      for (int o = 0; o < 4; o++) c[i].v[g][o] = *v++;
}

/* All vectors of R rows: `row` has the pointers of the first one. */
static void emit_row(const step *row) {
  const job *j = row->j;
  kbuilder *k = j->d->k;
  bool part = j->tail < j->valid && (j->linear || j->slot);
  int64_t full = (j->count - part) / j->P * j->P, rest = j->count - full;
  column carried[MAX_KERNEL];
  kvalue v[MAX_KERNEL * MAX_GROUPS * 4];
  step s;
  for (int i = 0; i < j->carry; i++)
    carried[i] = build_column(j, build_offset(k, row->in, i * j->d->in.stride[2]));
  if (full) {
    kloop l;
    build_range(k, &l, full, j->P, v, flatten(j, carried, v));
    unflatten(j, l.carried, carried);
    start_step(&s, row, carried, j->P);
    s.in = build_address(k, row->in, build_mul_const(k, l.iv, j->in_step));
    s.out = build_address(k, row->out, build_mul_const(k, l.iv, j->out_step));
    s.x0 = l.iv;
    emit_step(&s, j->valid);
    for (int i = 0; i < j->carry; i++) carried[i] = s.col[i + j->P * j->adv];
    flatten(j, carried, v);
    build_end(k, &l, v);
    unflatten(j, l.carried, carried);
  }
  if (!rest) return;
  start_step(&s, row, carried, (int)rest);
  if (j->slot) { /* the last pixels move back: some are computed twice, to the same bytes */
    s.in = build_offset(k, row->in, (j->d->ow - j->valid) * j->d->sx * j->d->in.stride[2]);
    s.out = build_offset(k, row->out, (j->d->ow - j->valid) * j->d->out.stride[2]);
    emit_step(&s, j->valid);
    return;
  }
  s.in = build_offset(k, row->in, full * j->in_step);
  s.out = build_offset(k, row->out, full * j->out_step);
  s.x0 = build_i64(k, full);
  emit_step(&s, j->linear ? j->tail : j->valid);
}

/* ---- blocks of channels, rows, images ---- */
static void emit_job(const job *j, kvalue in, kvalue out, kvalue y) {
  kbuilder *k = j->d->k;
  kloop l;
  split_range_part(j->d->g, &l, j->unit, j->unit + j->blocks, j->d->units, 1, j->d->split == 2);
  kvalue b = build_add_const(k, l.iv, -j->unit),
         off = build_add_const(k, build_mul_const(k, b, vb(j)), j->first);
  step row = { .j = j,
               .y = y,
               .c0 = off,
               .in = build_address(k, in,
                                   build_add_const(k, build_mul_const(k, b, vb(j) / j->d->mult),
                                                   j->first / j->d->mult)),
               .out = build_address(k, out, off) };
  row.w = build_address(k, j->w, build_mul_const(k, b, weight_bytes(j)));
  row.bias = build_address(k, j->bias, build_mul_const(k, b, 4 * vb(j)));
  if (j->mult) row.mult = build_address(k, j->mult, build_mul_const(k, b, 4 * vb(j)));
  emit_row(&row);
  build_end(k, &l, NULL);
}

static job make_job(const rows *d, int R, int lanes, int64_t first) {
  job j = { .d = d,
            .lanes = lanes,
            .first = first,
            .R = R,
            .count = d->ow,
            .adv = d->sx,
            .in_step = d->sx * d->in.stride[2],
            .out_step = d->out.stride[2] };
  j.valid = d->c - first < 4 * lanes ? (int)(d->c - first) : 4 * lanes;
  j.nrow = (int)((R - 1) * d->sy + d->kh);
  j.groups = (j.nrow + d->depth - 1) / d->depth;
  return j;
}

/* Vectors at once: their weights are loaded once, but their accumulators and the columns between
 * them must fit the registers. */
static void plan_registers(job *j) {
  int regs = mc_engine_regs(j->d->k->target);
  int64_t keep = j->d->kw - j->adv;
  j->P = j->d->k->target->arch == MC_ARCH_aarch64 ? 1
         : regs == 32                             ? (j->R * j->groups == 1 && j->d->kw <= 3 ? 3 : 2)
                                                  : 1;
  if (j->P > j->count) j->P = (int)j->count;
  if (j->slot) j->P = 1;
  bool room = !j->slot && keep * j->groups * 4 <= regs / 4;
  j->carry = keep > 0 && room && j->count > j->P ? (int)keep : 0;
}

static void add_job(rows *d, int which, job *j, int64_t blocks) {
  plan_registers(j);
  pack(j, blocks);
  j->blocks = blocks;
  j->unit = d->njob[which]
                ? d->job[which][d->njob[which] - 1].unit + d->job[which][d->njob[which] - 1].blocks
                : 0;
  d->units = j->unit + blocks;
  d->job[which][d->njob[which]++] = *j;
}

static void plan_line(rows *d, int which, int R, int lanes, int64_t phases) {
  int64_t bytes = d->ow * d->c, period = phases * 4 * lanes;
  for (int64_t at = 0; at < period && at < bytes; at += 4 * lanes) {
    job j = make_job(d, R, lanes, at);
    j.linear = true;
    j.valid = 4 * lanes;
    j.count = (bytes - at + period - 1) / period;
    j.tail = bytes - at - (j.count - 1) * period;
    if (j.tail > j.valid) j.tail = j.valid;
    j.adv = d->sx * period / d->c;
    j.out_step = period;
    j.in_step = d->sx * period;
    add_job(d, which, &j, 1);
  }
}

/* Several pixels in a register. */
static job place_job(const rows *d, int R, const mc_dw_piece *p) {
  job j = make_job(d, R, p->bytes / 4, p->first);
  int pixels = p->bytes / p->slot;
  j.slot = p->slot;
  j.used = d->c - p->first < p->slot ? (int)(d->c - p->first) : p->slot;
  j.valid = pixels;
  j.count = (d->ow + pixels - 1) / pixels;
  j.tail = d->ow - (j.count - 1) * pixels;
  j.adv = pixels * d->sx;
  j.in_step *= pixels;
  j.out_step *= pixels;
  return j;
}

static void plan_jobs(rows *d, int which, int R) {
  const mc_dw_cut *cut = &d->cut;
  if (cut->phases) plan_line(d, which, R, cut->piece[0].bytes / 4, cut->phases);
  for (int i = 0; i < cut->npiece && !cut->phases; i++) {
    const mc_dw_piece *p = &cut->piece[i];
    job j = p->slot ? place_job(d, R, p) : make_job(d, R, p->bytes / 4, p->first);
    add_job(d, which, &j, p->blocks);
  }
}

/* Trips [from, to) of the row loop, R rows each, from row `first` on. */
static void emit_trips(const rows *d, int which, int R, int64_t first, int64_t from, int64_t to,
                       int64_t all, kvalue in, kvalue out) {
  kbuilder *k = d->k;
  kloop l;
  kvalue y;
  if (from == 0 && to == all && d->split == 1) {
    y = split_blocks(d->g, &l, to * R, R, true);
  } else {
    split_range_part(d->g, &l, from, to, all, 1, d->split == 1);
    y = build_add_const(k, build_mul_const(k, build_add_const(k, l.iv, -from), R), first);
  }
  in = build_address(k, in, build_mul_const(k, y, d->sy * d->in.stride[1]));
  out = build_address(k, out, build_mul_const(k, y, d->out.stride[1]));
  for (int i = 0; i < d->njob[which]; i++) emit_job(&d->job[which][i], in, out, y);
  build_end(k, &l, NULL);
}

/* Pairs of rows, and the last row alone where their number is odd. */
static void emit_images(rows *d) {
  kbuilder *k = d->k;
  int R = d->sy == 1 && d->oh > 1 && d->depth == 4 ? 2 : 1;
  int64_t pairs = d->oh / R, all = pairs + d->oh % R, n = d->x->dim[0];
  plan_jobs(d, 0, R);
  if (d->oh % R) plan_jobs(d, 1, 1);
  kloop once, l;
  d->split = split_choose(d->g, 3, (int64_t[]){ n, all, d->units });
  split_range(d->g, &once, 1, 1, d->split < 0);
  split_range(d->g, &l, n, 1, d->split == 0);
  d->x->iv[0] = l.iv;
  kvalue in = build_address(k, d->in.base, build_mul_const(k, l.iv, d->in.stride[0])),
         out = build_address(k, d->out.base, build_mul_const(k, l.iv, d->out.stride[0]));
  emit_trips(d, 0, R, 0, 0, pairs, all, in, out);
  if (all > pairs) emit_trips(d, 1, 1, pairs * R, pairs, all, all, in, out);
  build_end(k, &l, NULL);
  build_end(k, &once, NULL);
}

/* What mc_decide_depthwise_interleaved has found to fit. */
static void prepare(rows *d, kgroup *g) {
  d->g = g;
  d->k = g->k;
  d->head = group_first(g);
  const mc_attrs_conv2d *a = MC_ATTRS(d->head, conv2d);
  const mc_type *in = d->head->in[0]->type, *wt = d->head->in[1]->type, *y = d->head->out[0]->type;
  bool x86 = g->k->target->arch == MC_ARCH_x86_64, both = target_has(g->k, MC_ISA_BIT(i8mm));
  d->c = wt->dim[0];
  d->mult = d->c / in->dim[3];
  d->kh = wt->dim[1];
  d->kw = wt->dim[2];
  d->sy = a->stride[0];
  d->sx = a->stride[1];
  d->oh = y->dim[1];
  d->ow = y->dim[2];
  d->weight = mc_value_tensor(d->head->in[1])->data;
  d->bias = d->head->nin > 2 ? mc_value_tensor(d->head->in[2])->data : NULL;
  d->is_signed = both ? in->dtype == MC_i8 : !x86;
  d->flip = d->is_signed != (in->dtype == MC_i8);
  d->za = zero_point_of(in) + (d->flip ? d->is_signed ? -128 : 128 : 0);
  d->depth =
      !x86 || target_has(g->k, MC_ISA_BIT(avx512vnni)) || target_has(g->k, MC_ISA_BIT(avxvnni)) ? 4
                                                                                                : 2;
  d->in = view_of(g, d->head->in[0]);
  d->in.base =
      build_offset(d->k, d->in.base, -a->pad[0] * d->in.stride[1] - a->pad[1] * d->in.stride[2]);
  d->tail = g->decision->narrow;
  d->fast = d->tail.node != NULL;
  d->cut = g->decision->rows;
}

bool emit_depthwise_interleaved(kgroup *g) {
  rows *d = MC_NEW(g->k->arena, rows);
  prepare(d, g);
  const mc_type *y = d->head->out[0]->type;
  d->x = MC_NEW(g->k->arena, kepilogue);
  if (!epilogue_init(d->x, g, d->head, y->rank, y->dim)) return false;
  d->out = d->x->out[0];
  depthwise_bound_sums(d->x, d->head, d->weight, d->bias, d->c, d->kh * d->kw);
  emit_images(d);
  fill_borders(g);
  return true;
}
