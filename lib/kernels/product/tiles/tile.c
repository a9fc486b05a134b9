/* Products on tile registers (AMX). A tile of A is up to 16 rows of one line of the innermost row
 * axis, read where they lie; a block is mt such tiles, anywhere in the space of rows, by nt tiles
 * of 16 columns:
 *
 *   block 0: C = bias; for step: C[i][j] += A[i] * B[j]; store C
 *   for block q = 1 ...:  the same, with the rows of block q - 1 going through the epilogue between
 *     the products
 *   the last block's epilogue
 *
 * C goes through memory (buffers of 4 KB on the stack): tiles have no way to vector registers. With
 * three blocks or more the rows of block q - 2 are those: sums that were stored a moment ago cannot
 * be read before the stores have reached the cache, and with short K that is all that a block would
 * wait for. */
#include "tile.h"
#include "mc/target/tuning.h"
#include <string.h>

enum {
  TILE_BYTES = 1024,
  MAX_C = 4,
  STRAIGHT = 16,
  LAG = 2,
  MOST_NESTS = 16
}; /* STRAIGHT: steps that follow one another in code; LAG: blocks between the products and
      the epilogue of one */

/* What one loop over blocks shares: a group's columns of one width, blocks of them from first_col
 * to end_col, and tiles of rows. */
typedef struct part {
  kgemm *p;
  kvalue a, b, bias, n0, first_col, end_col, first_tile, end_tile, row_blocks;
  int nt, valid;
} part;

/* A block: the position of each of its tiles, its first column (of the part). */
typedef struct place {
  kvalue iv[MAX_C][MC_MAX_RANK], n;
} place;

/* ---- instructions ---- */
static void fetch(kbuilder *k, kvalue p) {
  build_intrinsic(k, "llvm.prefetch", (ktype[]){ k->ptr }, 1,
                  (kvalue[]){ p, build_i32(k, 0), build_i32(k, 2), build_i32(k, 1) }, 4);
} /* into L2 */

static kvalue imm(kbuilder *k, int tile) { return LLVMConstInt(k->i8, (unsigned)tile, 0); }

static void tile_load(kbuilder *k, int tile, kvalue p, int64_t stride) {
  build_intrinsic(k, "llvm.x86.tileloadd64", NULL, 0,
                  (kvalue[]){ imm(k, tile), p, build_i64(k, stride) }, 3);
}

static void tile_store(kbuilder *k, int tile, kvalue p, int64_t stride) {
  build_intrinsic(k, "llvm.x86.tilestored64", NULL, 0,
                  (kvalue[]){ imm(k, tile), p, build_i64(k, stride) }, 3);
}

static void tile_multiply(const kgemm *p, int c, int a, int b) {
  kbuilder *k = p->k;
  const char *name = p->d.e->in == 'B' ? "llvm.x86.tdpbf16ps"
                     : p->d.a_signed   ? "llvm.x86.tdpbssd"
                                       : "llvm.x86.tdpbusd";
  build_intrinsic(k, name, NULL, 0, (kvalue[]){ imm(k, c), imm(k, a), imm(k, b) }, 3);
}

/* Registers: C first, then A, then B; where the sums leave fewer than there are operands, those of
 * the longer side take turns. */
static int reg_c(const kgemm *p, int i, int j) { return i * p->d.nv + j; }

static int reg_a(const kgemm *p, int i) {
  int first = p->d.mt * p->d.nv, n = p->d.nv == 1 ? 7 - first : p->d.mt;
  return first + i % n;
}

static int reg_b(const kgemm *p, int j) {
  return p->d.nv == 1 ? 7 : p->d.mt * p->d.nv + p->d.mt + j % (8 - p->d.mt * p->d.nv - p->d.mt);
}

void ktile_begin(kgemm *p) {
  unsigned char c[64] = { 1 }; /* palette 1; bytes of a row from 16 on, rows from 48 on */
  for (int t = 0; t < 8; t++) {
    bool is_a = t >= reg_a(p, 0) && t < reg_b(p, 0), is_b = t >= reg_b(p, 0);
    int row = is_a ? p->d.kr * (int)mc_gemm_elem(p->d.e) : 64;
    c[16 + 2 * t] = (unsigned char)row;
    c[48 + t] = (unsigned char)(is_b ? p->d.kr / p->d.e->tile : p->d.tr);
  }
  if (p->tile_fn != p->k->fn)
    p->tile_scratch = build_stack(p->k, (LAG + 1ll) * MAX_C * TILE_BYTES, 64);
  p->tile_fn = p->k->fn;
  ktiles *s = &p->k->tiles;
  kvalue config = build_intrinsic(p->k, "llvm.x86.ldtilecfg", NULL, 0,
                                  (kvalue[]){ build_rodata(p->k, c, sizeof c, 0, "tiles") }, 1);
  s->mixed |= s->n == MOST_NESTS || (s->n && memcmp(s->now, c, sizeof c) != 0);
  memcpy(s->now, c, sizeof c);
  if (!s->mixed) s->config[s->n] = config;
}

void ktile_end(kgemm *p) {
  ktiles *s = &p->k->tiles;
  kvalue release = build_intrinsic(p->k, "llvm.x86.tilerelease", NULL, 0, NULL, 0);
  if (!s->mixed) s->release[s->n++] = release;
}

void ktile_function(kbuilder *k) {
  k->tiles.n = 0;
  k->tiles.mixed = false;
}

/* Functions of several configurations keep theirs, and their releases: one may be in a loop with
 * another. */
void ktile_function_end(kbuilder *k) {
  ktiles *s = &k->tiles;
  if (s->n == 0 && !s->mixed) return;
  bool again = s->stands && memcmp(s->now, s->left, sizeof s->left) == 0;
  s->stands = !s->mixed;
  memcpy(s->left, s->now, sizeof s->left);
  for (int i = 0; i < s->n && !s->mixed; i++) {
    LLVMInstructionEraseFromParent(s->release[i]);
    if (again) LLVMInstructionEraseFromParent(s->config[i]);
  }
}

void ktile_strip_end(kbuilder *k) {
  if (k->tiles.n || k->tiles.mixed) k->tiles.stands = false;
}

/* ---- positions ---- */
static kvalue quotient(kbuilder *k, kvalue v, int64_t by) {
  return by == 1 ? v : LLVMBuildUDiv(k->b, v, build_i64(k, by), "");
}

static kvalue remainder_of(kbuilder *k, kvalue v, int64_t by) {
  return by == 1 ? build_i64(k, 0) : LLVMBuildURem(k->b, v, build_i64(k, by), "");
}

/* Flat: the first row of tile i, among the rows of both axes; the last tile moves back so that it
 * is full. */
static int64_t flat_row(const kgemm *p, int i) {
  const int64_t *dim = p->x->dim, line = p->x->rank - 2;
  return i < p->d.mt - 1 ? (int64_t)i * p->d.tr
                         : (dim[line - 1] - 1) * p->d.flat + dim[line] - p->d.tr;
}

/* The line `index` as a position in the axes up to `line`. */
static void place_line(const kgemm *p, kvalue index, int line, kvalue *iv) {
  for (int d = line; d >= p->d.nbatch; d--) {
    iv[d] = d == p->d.nbatch ? index : remainder_of(p->k, index, p->x->dim[d]);
    index = quotient(p->k, index, p->x->dim[d]);
  }
}

/* Where tile `index` is in the row axes; the last tile of a line moves back so that it is full.
 */
static void place_tile(const kgemm *p, kvalue index, kvalue *iv) {
  kbuilder *k = p->k;
  int line = p->x->rank - 2;
  int64_t n = mc_tiles_of_line(&p->d), rows = p->x->dim[line];
  if (p->d.flat) {
    place_line(p, quotient(k, index, n), line - 2, iv);
    iv[line] = iv[line - 1] = build_i64(k, 0);
    return;
  }
  bool one = mc_tiles_of_rows(&p->d) == n;
  kvalue at = build_mul_const(k, one ? index : remainder_of(k, index, n), p->d.tr),
         rest = quotient(k, index, n);
  place_line(p, rest, line - 1, iv);
  iv[line] = rows % p->d.tr ? build_smin(k, at, build_i64(k, rows - p->d.tr)) : at;
}

/* Row block m, column block n; the last row block of the share moves back so that it is full. */
static void place_block(const part *t, kvalue m, kvalue n, place *out) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  out->n = build_mul_const(k, n, (int64_t)t->nt * KGEMM_LANES);
  kvalue first = build_add(k, t->first_tile, build_mul_const(k, m, p->d.mt));
  if (p->d.split == MC_SPLIT_TILES || mc_tiles_of_rows(&p->d) % p->d.mt)
    first = build_smin(k, first, build_add_const(k, t->end_tile, -p->d.mt));
  for (int i = 0; i < p->d.mt; i++)
    place_tile(p, p->d.flat ? first : build_add_const(k, first, i), out->iv[i]);
}

/* at[0], at[1]: m, n of the block that follows this one: rows inside, or columns. */
static void advance(const part *t, kvalue *at) {
  kbuilder *k = t->p->k;
  int in = t->p->d.rows_outside;
  kvalue next = build_add_const(k, at[in], 1),
         wrap = LLVMBuildICmp(k->b, LLVMIntEQ, next, in ? t->end_col : t->row_blocks, "");
  at[in] = build_select(k, wrap, in ? t->first_col : build_i64(k, 0), next);
  at[!in] = build_add(k, at[!in], LLVMBuildZExt(k->b, wrap, k->i64, ""));
}

/* ---- products ---- */
typedef void between_fn(void *ctx, int64_t done, int64_t of); /* after product `done` of `of` */

static int64_t step_bytes(const part *t) {
  return (int64_t)t->nt * KGEMM_LANES * t->p->d.kr * mc_gemm_elem(t->p->d.e);
}

static int64_t step_offset(const kgemm *p, int64_t s) {
  return p->d.run[s / p->d.steps] + s % p->d.steps * p->d.kr * mc_gemm_elem(p->d.e);
}

/* One block on its way through the tile registers, and what is called between. spread: after every
 * product; each C is loaded before its first one and stored after the last one of the C after it.
 * Otherwise after every step, and the Cs are loaded and stored together. docs/internals/tiles.md,
 * "Epilogues". */
typedef struct walk {
  const part *t;
  kvalue a[MAX_C], b, bias, scratch;
  between_fn *between;
  void *ctx;
  bool spread;
  int64_t done, of; /* products emitted, of those of the straight steps */
} walk;

static void load_c(const walk *w, int i, int j) { /* the same 16 biases in every row: loads are
                                                     cheaper than additions in the epilogue */
  const part *t = w->t;
  tile_load(t->p->k, reg_c(t->p, i, j), build_offset(t->p->k, w->bias, 64ll * j), 0);
}

static void store_c(const walk *w, int c) {
  const part *t = w->t;
  int i = c / t->nt, j = c % t->nt;
  int64_t at = ((int64_t)i * t->p->d.tr * t->nt + j) * 64;
  tile_store(t->p->k, reg_c(t->p, i, j), build_offset(t->p->k, w->scratch, at), t->nt * 64);
}

static void load_all(const walk *w) {
  for (int i = 0; i < w->t->p->d.mt; i++)
    for (int j = 0; j < w->t->nt; j++) load_c(w, i, j);
}

static void store_all(const walk *w) {
  for (int c = 0; c < w->t->p->d.mt * w->t->nt; c++) store_c(w, c);
}

/* first, last: of the block's steps. */
static void emit_step(walk *w, kvalue aoff, kvalue b, bool first, bool last) {
  const part *t = w->t;
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t tile = (int64_t)KGEMM_LANES * p->d.kr * mc_gemm_elem(p->d.e);
  for (int i = 0; i < p->d.mt; i++)
    for (int j = 0; j < t->nt; j++) {
      if (first && w->spread) load_c(w, i, j);
      if (i == 0) tile_load(k, reg_b(p, j), build_offset(k, b, j * tile), 64);
      if (j == 0)
        tile_load(k, reg_a(p, i), build_address(k, w->a[i], aoff), p->a.stride[p->x->rank - 2]);
      tile_multiply(p, reg_c(p, i, j), reg_a(p, i), reg_b(p, j));
      bool end = i == p->d.mt - 1 && j == t->nt - 1;
      w->done++;
      if (last && w->spread && i + j) store_c(w, i * t->nt + j - 1);
      if (w->between && (w->spread || end)) w->between(w->ctx, w->done, w->of);
    }
  if (last && w->spread) store_c(w, p->d.mt * t->nt - 1);
}

/* Offset of A at step s: a multiple within one run, else from a table. */
static kvalue offset_at(const kgemm *p, kvalue s) {
  int64_t total = p->d.nrun * p->d.steps;
  if (p->d.nrun == 1)
    return build_add_const(p->k, build_mul_const(p->k, s, p->d.kr * mc_gemm_elem(p->d.e)),
                           p->d.run[0]);
  int64_t *off = MC_NEWN(p->k->arena, int64_t, total);
  for (int64_t i = 0; i < total; i++) off[i] = step_offset(p, i);
  return build_load(
      p->k, p->k->i64,
      build_address(p->k, build_table_i64(p->k, off, total, "steps"), build_mul_const(p->k, s, 8)),
      8);
}

/* ---- weights that are further away than L2 ---- */
/* Such weights come at the rate of L3 and are read once: by the block of all rows, where there is
 * one, which fetches what it will read a few steps later; else by the first block of rows of a
 * panel, while all later ones find the panel in L2, and then those fetch the next panel, an equal
 * share of it by every step. */
typedef struct ahead {
  kvalue from;
  int64_t lines;
} ahead; /* lines of a step; 0: none */

enum {
  STREAM_AHEAD = 4096
}; /* bytes that a stream is fetched before it is read: 2 to 8 KB are
      alike, 16 KB are slower (docs/internals/tiles.md) */

static bool weights_are_far(const kgemm *p) {
  return p->b_batch == 0 && !p->d.rows_outside &&
         (double)p->d.ask->weights > mc_tune.room_l2 * (double)p->k->target->l2;
}

static int64_t row_blocks(const kgemm *p) { return mc_tiles_of_rows(&p->d) / p->d.mt; }

/* Lines of the next panel that a step fetches. */
static int64_t lines_ahead(const part *t) {
  const kgemm *p = t->p;
  int64_t all = 64 * p->d.nrun * p->d.steps * row_blocks(p),
          panel = p->d.nrun * p->d.steps * step_bytes(t);
  return p->d.n > (int64_t)t->nt * KGEMM_LANES ? (panel + all - 1) / all : 0;
}

static ahead fetch_ahead(const part *t, kvalue b, kvalue m, kvalue n) {
  const kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t steps = p->d.nrun * p->d.steps, panel = steps * step_bytes(t);
  if (!weights_are_far(p)) return (ahead){ 0 };
  if (row_blocks(p) < 2) return (ahead){ build_offset(k, b, STREAM_AHEAD), step_bytes(t) / 64 };
  ahead f = { .lines = lines_ahead(t) };
  if (!f.lines) return f;
  kvalue next =
      build_select(k, LLVMBuildICmp(k->b, LLVMIntSLT, build_add_const(k, n, 1), t->end_col, ""),
                   build_i64(k, panel), build_i64(k, 0));
  f.from = build_address(k, build_address(k, b, next), build_mul_const(k, m, f.lines * steps * 64));
  return f;
}

static void emit_fetch(const part *t, const ahead *f, kvalue step) {
  kbuilder *k = t->p->k;
  for (int64_t i = 0; i < f->lines; i++)
    fetch(k, build_offset(k, build_address(k, f->from, build_mul_const(k, step, f->lines * 64)),
                          i * 64));
}

static void walk_block(walk *w, const part *t, const place *at) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  w->t = t;
  w->bias = build_address(k, t->bias, build_mul_const(k, at->n, 4));
  w->b = build_address(k, t->b, build_mul_const(k, at->n, mc_gemm_column_bytes(&p->d)));
  for (int i = 0; i < p->d.mt; i++) {
    w->a[i] = t->a;
    for (int d = p->d.nbatch; d < p->x->rank - 1; d++)
      w->a[i] = build_address(k, w->a[i], build_mul_const(k, at->iv[i][d], p->a.stride[d]));
    if (p->d.flat) w->a[i] = build_offset(k, w->a[i], flat_row(p, i) * p->a.stride[p->x->rank - 2]);
  }
}

/* All steps of a block, the sums into scratch. With `between`, as many steps as fit follow one
 * another. */
static void products(const part *t, const place *at, const kvalue block[2], kvalue scratch,
                     between_fn *between, void *ctx) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t total = p->d.nrun * p->d.steps,
          straight = between || total <= 4 ? total < STRAIGHT ? total : STRAIGHT : 0;
  walk w = { .scratch = scratch, .between = between, .ctx = ctx };
  w.spread = epilogue_is_short(p->x) && straight == total && total > 0;
  w.of = straight * p->d.mt * t->nt;
  walk_block(&w, t, at);
  if (!w.spread) load_all(&w);
  ahead next = fetch_ahead(t, w.b, block[0], block[1]);
  for (int64_t s = 0; s < straight; s++) {
    emit_fetch(t, &next, build_i64(k, s));
    emit_step(&w, build_i64(k, step_offset(p, s)), build_offset(k, w.b, s * step_bytes(t)), s == 0,
              s == total - 1);
  }
  if (between && total == 0) between(ctx, 1, 1);
  if (straight < total) {
    kloop l;
    w.between = NULL;
    build_for(k, &l, build_i64(k, straight), build_i64(k, total), 1, NULL, 0);
    emit_fetch(t, &next, l.iv);
    emit_step(&w, offset_at(p, l.iv),
              build_address(k, w.b, build_mul_const(k, l.iv, step_bytes(t))), false, false);
    build_end(k, &l, NULL);
  }
  if (!w.spread) store_all(&w);
}

/* ---- epilogue ---- */
static bool is_float(const kgemm *p) { return p->d.e->in != 'I'; }

/* A row of a block: row r (plus the constant rc) of tile i. */
typedef struct row {
  int i;
  kvalue r;
  int64_t rc;
} row;

static void stand_at(const part *t, const place *at, const row *w) {
  kepilogue *x = t->p->x;
  int last = x->rank - 1;
  for (int d = t->p->d.nbatch; d < last; d++) x->iv[d] = at->iv[w->i][d];
  x->iv[last - 1] = build_add(t->p->k, x->iv[last - 1], w->r);
  x->iv[last] = build_add(t->p->k, t->n0, at->n);
  x->c[last - 1] = w->rc;
  x->c[last] = 0;
  if (!t->p->d.flat) return;
  int64_t at_row = flat_row(t->p, w->i) + w->rc;
  x->c[last - 1] = at_row % t->p->d.flat;
  x->c[last - 2] = at_row / t->p->d.flat;
}

/* Rows of a block that count: flat ones may lie between lines, or be in the tile before too. */
static int all_rows(const kgemm *p, row *list) {
  int n = 0;
  for (int i = 0; i < p->d.mt; i++)
    for (int r = 0; r < p->d.tr; r++) {
      int64_t at_row = p->d.flat ? flat_row(p, i) + r : 0;
      if (p->d.flat &&
          (at_row % p->d.flat >= p->x->dim[p->x->rank - 2] || at_row < (int64_t)i * p->d.tr))
        continue;
      list[n++] = (row){ i, build_i64(p->k, 0), r };
    }
  return n;
}

/* The rows' term of a matmul at the position, in all lanes. */
static kvalue row_term(const part *t) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  kvalue iv[MC_MAX_RANK];
  memcpy(iv, p->x->iv, sizeof iv);
  iv[p->x->rank - 1] = NULL;
  return build_splat(
      k, build_load(k, k->i32, view_address(k, &p->rowterm_view, p->x->rank, iv, p->x->c), 4),
      KGEMM_LANES);
}

/* Vector j of the row that is at the position, into the head's value; sums: of the row. */
static void bind_vector(const part *t, kvalue sums, int j, kvalue term) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  kepilogue *x = p->x;
  kvalue v = build_load(k, type_of_lanes(k, is_float(p) ? k->f32 : k->i32, KGEMM_LANES),
                        build_offset(k, sums, 64ll * j), 64);
  if (term) v = LLVMBuildAdd(k->b, v, term, "");
  x->c[x->rank - 1] = (int64_t)j * KGEMM_LANES;
  epilogue_at(x, KGEMM_LANES, j == t->nt - 1 ? t->valid : KGEMM_LANES);
  if (is_float(p))
    epilogue_bind(x, p->head->out[0], vec_clamp(k, v, p->d.clamp));
  else
    epilogue_bind_head(x, v);
}

/* Rows that go through the epilogue together: as many as one register of bytes holds. */
static int rows_together(const part *t) {
  int most = t->p->x->tail ? vec_narrow_most(t->p->k) / t->nt : 1;
  return most > 1 ? most : 1;
}

/* n such rows of the block whose sums are at scratch. */
static void finish_rows(const part *t, const place *at, const row *w, int n, kvalue scratch) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  kepilogue *x = p->x;
  kvalue raw[4], bytes = NULL;
  bool narrow = x->tail && n * t->nt <= vec_narrow_most(k);
  for (int i = 0; i < n; i++) {
    stand_at(t, at, &w[i]);
    kvalue term = p->rowterm ? row_term(t) : NULL,
           sums =
               build_offset(k, build_address(k, scratch, build_mul_const(k, w[i].r, 64ll * t->nt)),
                            64ll * t->nt * (w[i].i * p->d.tr + w[i].rc));
    for (int j = 0; j < t->nt; j++) {
      bind_vector(t, sums, j, term);
      if (narrow)
        raw[i * t->nt + j] = epilogue_raw(x);
      else
        epilogue_finish(x);
    }
  }
  if (narrow) bytes = epilogue_narrow(x, raw, n * t->nt);
  for (int i = 0; i < n && narrow; i++) {
    stand_at(t, at, &w[i]);
    epilogue_store_bytes(x, bytes, i * t->nt * KGEMM_LANES, (t->nt - 1) * KGEMM_LANES + t->valid);
  }
  memset(x->c, 0, sizeof x->c);
}

/* All rows of a block, in loops where they are alike. */
static void finish_block(const part *t, const place *at, kvalue scratch) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int step = rows_together(t), full = p->d.tr / step * step;
  if (p->d.flat) {
    row list[MAX_C * 16];
    int n = all_rows(p, list);
    for (int i = 0; i < n; i += step)
      finish_rows(t, at, list + i, n - i < step ? n - i : step, scratch);
    return;
  }
  for (int i = 0; i < p->d.mt; i++) {
    row w[4];
    for (int r = 0; r < 4; r++) w[r] = (row){ .i = i, .rc = r };
    if (full) {
      kloop l;
      build_range(k, &l, full, step, NULL, 0);
      for (int r = 0; r < step; r++) w[r].r = l.iv;
      finish_rows(t, at, w, step, scratch);
      build_end(k, &l, NULL);
    }
    for (int r = 0; r < 4; r++) w[r].r = build_i64(k, full);
    if (p->d.tr > full) finish_rows(t, at, w, p->d.tr - full, scratch);
  }
}

/* The block before this one, a share of its rows after each product. */
typedef struct unfinished {
  const part *t;
  place at;
  kvalue scratch;
  int done;
} unfinished;

static void finish_some(void *ctx, int64_t done, int64_t of) {
  unfinished *e = ctx;
  kgemm *p = e->t->p;
  row list[MAX_C * 16];
  int rows = all_rows(p, list), upto = (int)(rows * done / of), step = rows_together(e->t);
  while (upto - e->done >= step || (done == of && e->done < rows)) {
    int n = rows - e->done < step ? rows - e->done : step;
    finish_rows(e->t, &e->at, list + e->done, n, e->scratch);
    e->done += n;
  }
}

/* ---- loops ---- */
/* Blocks on their way, the newest first: their places, and the buffers that their sums are in. */
typedef struct queue {
  kvalue at[LAG + 1][2], sums[LAG + 1];
} queue;

enum { QUEUE = 3 * (LAG + 1) };

/* The next block enters, in the buffer of the one that leaves. */
static void pass_on(const part *t, queue *q, int lag) {
  queue old = *q;
  advance(t, q->at[0]);
  q->sums[0] = old.sums[lag];
  for (int i = 1; i <= lag; i++) {
    memcpy(q->at[i], old.at[i - 1], sizeof q->at[i]);
    q->sums[i] = old.sums[i - 1];
  }
}

static void finish_queued(const part *t, const queue *q, int i) {
  place at;
  place_block(t, q->at[i][0], q->at[i][1], &at);
  finish_block(t, &at, q->sums[i]);
}

/* All blocks of a part that has any. */
static void emit_blocks(const part *t) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  kvalue blocks = LLVMBuildMul(k->b, t->row_blocks, build_sub(k, t->end_col, t->first_col), ""),
         flat[QUEUE];
  bool known = LLVMIsAConstantInt(blocks);
  int lag = known && LLVMConstIntGetSExtValue(blocks) > LAG ? LAG : 1;
  queue q;
  place cur;
  for (int i = 0; i <= LAG; i++) {
    q.at[i][0] = build_i64(k, 0);
    q.at[i][1] = t->first_col;
    q.sums[i] = build_offset(k, p->tile_scratch, (int64_t)i * MAX_C * TILE_BYTES);
  }
  for (int i = 0; i < lag; i++) {
    place_block(t, q.at[0][0], q.at[0][1], &cur);
    products(t, &cur, q.at[0], q.sums[0], NULL, NULL);
    pass_on(t, &q, lag);
  }
  if (!known || LLVMConstIntGetSExtValue(blocks) > lag) {
    kloop l;
    memcpy(flat, &q, sizeof flat);
    build_for(k, &l, build_i64(k, lag), blocks, 1, flat, QUEUE);
    memcpy(&q, l.carried, sizeof flat);
    unfinished e = { .t = t, .scratch = q.sums[lag] };
    place_block(t, q.at[0][0], q.at[0][1], &cur);
    place_block(t, q.at[lag][0], q.at[lag][1], &e.at);
    products(t, &cur, q.at[0], q.sums[0], finish_some, &e);
    pass_on(t, &q, lag);
    memcpy(flat, &q, sizeof flat);
    build_end(k, &l, flat);
    memcpy(&q, l.carried, sizeof flat);
  }
  for (int i = lag; i; i--) finish_queued(t, &q, i);
}

/* The share of rows, if it has any columns. */
static void emit_part(part *t) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  t->first_tile = build_i64(k, 0);
  t->end_tile = build_i64(k, mc_tiles_of_rows(&p->d));
  if (p->d.split == MC_SPLIT_TILES) {
    split_share(p->g, mc_tile_units(&p->d), &t->first_tile, &t->end_tile);
    t->first_tile = build_mul_const(k, t->first_tile, mc_tile_unit(&p->d));
    t->end_tile = build_mul_const(k, t->end_tile, mc_tile_unit(&p->d));
  }
  t->row_blocks = quotient(
      k, build_add_const(k, build_sub(k, t->end_tile, t->first_tile), p->d.mt - 1), p->d.mt);
  kloop any;
  build_for(k, &any, t->first_col, t->end_col, p->d.n, NULL, 0);
  emit_blocks(t);
  build_end(k, &any, NULL);
}

void ktile_columns(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0) {
  kbuilder *k = p->k;
  bool divided = p->d.split == MC_SPLIT_COLUMNS;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = p->d.n / width, rest = p->d.n % width,
          col = mc_gemm_column_bytes(&p->d), blocks = full + (rest != 0);
  part t = { .p = p,
             .a = a,
             .b = b,
             .bias = bias,
             .n0 = n0,
             .nt = p->d.nv,
             .valid = KGEMM_LANES,
             .first_col = build_i64(k, 0),
             .end_col = build_i64(k, full) };
  if (full && divided) {
    split_share(p->g, blocks, &t.first_col, &t.end_col);
    if (rest) t.end_col = build_smin(k, t.end_col, build_i64(k, full));
  }
  if (full) emit_part(&t);
  if (!rest) return;
  kloop l;
  split_range_part(p->g, &l, blocks - 1, blocks, blocks, 1, divided);
  t.nt = (int)mc_gemm_vectors(rest);
  t.valid = (int)(rest - (t.nt - 1) * KGEMM_LANES);
  t.first_col = build_i64(k, 0);
  t.end_col = build_i64(k, 1);
  t.b = build_offset(k, b, full * width * col);
  t.bias = build_offset(k, bias, full * width * 4);
  t.n0 = build_add_const(k, n0, full * width);
  emit_part(&t);
  build_end(k, &l, NULL);
}
