/* The steps of a pass (winograd.c). Matrices: Lavin, Gray, "Fast algorithms for convolutional
 * neural networks", CVPR 2016, F(4, 3) on the points 0, infinity, 1, -1, 2, -2, numbered so, and
 * F(2, 3) on the first four; so weights serve both. The filter's rows are scaled to whole numbers
 * (winograd_weights.c), and the result's matrix to make up for it, each of its rows without the
 * power of two that it has:
 *
 *        4  0 -5  0  1  0        1  0 -4 -4  1  1   24            1  0 -1  0
 *        0  4  0 -5  0  1   A' = 0  0 -2  2  1 -1   12 times B' = 0 -1  0  1  A' = 1  0 -1 -1   6
 *   B' = 0 -4 -4  1  1  0        0  0 -1 -1  1  1    6            0 -3 -3  0       0  1 -1  1   6
 *        0  4 -4 -1  1  0        0  1 -1  1  2 -2    6            0  3 -3  0       times the result
 *        0 -2 -1  2  1  0
 *        0  2 -1 -2  1  0
 *
 * so A' m A is 9 * 2^(e_k + e_l) times result (k, l), e = 3, 2, 1, 1; of short tiles 1, 1.
 *
 * A number b added to m at the point (2, 2) adds b / 36 to every result: A' has -2^e / 2 in the
 * column of that point. */
#include "winograd.h"

static const int exponent[WG_TILE] = { 3, 2, 1, 1 };

enum { NINTH = 954437177 }; /* times 9: 1 modulo 2^32 */

static int window(bool is_short) {
  return is_short ? WG_SHORT + 2 : WG_WINDOW;
} /* pixels, and points */

static int results_of(bool is_short) { return is_short ? WG_SHORT : WG_TILE; }

static int exponent_of(bool is_short, int i) { return is_short ? 1 : exponent[i]; }

static V add(wg *w, V a, V b) { return LLVMBuildAdd(w->k->b, a, b, ""); }

static V sub(wg *w, V a, V b) { return LLVMBuildSub(w->k->b, a, b, ""); }

static V shl(wg *w, V a, int bits) {
  T elem = LLVMGetElementType(LLVMTypeOf(a));
  return LLVMBuildShl(w->k->b, a, kb_splat_c(LLVMConstInt(elem, (uint64_t)bits, 0), kb_lanes(a)),
                      "");
}

/* B' d: |values| grow at most tenfold, so 16 bits hold both of them for 8-bit input. */
static void input_points(wg *w, bool is_short, V d[WG_WINDOW], V t[WG_WINDOW]) {
  if (is_short) {
    V s = add(w, d[1], d[2]), f = sub(w, d[1], d[2]);
    t[0] = sub(w, d[0], d[2]);
    t[1] = sub(w, d[3], d[1]);
    t[2] = sub(w, s, shl(w, s, 2));
    t[3] = sub(w, shl(w, f, 2), f);
    return;
  }
  V four2 = shl(w, d[2], 2), a = sub(w, d[4], four2), b = sub(w, d[3], shl(w, d[1], 2)),
    c = sub(w, d[4], d[2]), f = sub(w, d[3], d[1]), e = shl(w, f, 1);
  t[0] = add(w, shl(w, d[0], 2), sub(w, a, d[2]));
  t[1] = sub(w, sub(w, d[5], d[3]), shl(w, f, 2));
  t[2] = add(w, a, b);
  t[3] = sub(w, a, b);
  t[4] = add(w, c, e);
  t[5] = sub(w, c, e);
}

/* A' m. */
static void results(wg *w, bool is_short, V m[WG_WINDOW], V y[WG_TILE]) {
  V s = add(w, m[2], m[3]), d = sub(w, m[3], m[2]);
  if (is_short) {
    y[0] = sub(w, m[0], s);
    y[1] = add(w, d, m[1]);
    return;
  }
  V p = add(w, m[4], m[5]), q = sub(w, m[4], m[5]);
  y[0] = add(w, sub(w, m[0], shl(w, s, 2)), p);
  y[1] = add(w, shl(w, d, 1), q);
  y[2] = sub(w, p, s);
  y[3] = add(w, add(w, d, shl(w, q, 1)), m[1]);
}

/* ---- input ---- */

/* One tile, `wide` channels of it: pixels from `at` on, into v at `to` of point 0. */
static void input_tile(wg *w, const wg_tile *tile, int wide, V at, V to) {
  kb *k = w->k;
  T bytes = kb_vt(k, k->i8, wide), words = kb_vt(k, k->i16, wide);
  int64_t point = w->cut.v_point, size = wide * 2;
  int rows = window(tile->short_h), columns = window(tile->short_w);
  V d[WG_WINDOW], t[WG_WINDOW];
  for (int a = 0; a < rows; a++) {
    for (int b = 0; b < columns; b++)
      d[b] =
          kb_ext(k, kb_load(k, bytes, kb_gepi(k, at, a * w->in.stride[1] + b * w->in.stride[2]), 1),
                 k->i16, w->is_signed);
    input_points(w, tile->short_w, d, t);
    for (int j = 0; j < columns; j++)
      kb_store(k, t[j], kb_gepi(k, w->tmp, (a * WG_WINDOW + j) * size), 16);
  }
  for (int j = 0; j < columns; j++) {
    for (int a = 0; a < rows; a++)
      d[a] = kb_load(k, words, kb_gepi(k, w->tmp, (a * WG_WINDOW + j) * size), 16);
    input_points(w, tile->short_h, d, t);
    for (int i = 0; i < rows; i++)
      kb_store(k, t[i], kb_gepi(k, to, (i * WG_WINDOW + j) * point), 16);
  }
}

static void input_channels(wg *w, const wg_tile *tile, void *image) {
  kb *k = w->k;
  int wide = w->cut.c % w->cut.wide ? KB_LANES : w->cut.wide;
  int64_t whole = w->cut.c / wide * wide;
  V at = kb_gep(k, kb_gep(k, image, kb_muli(k, tile->row, w->in.stride[1])),
                kb_muli(k, tile->column, w->in.stride[2])),
    to = kb_gep(k, w->v, kb_muli(k, tile->index, w->cut.c * 2));
  kb_loop c;
  if (whole) {
    kb_range(k, &c, whole, wide, NULL, 0);
    input_tile(w, tile, wide, kb_gep(k, at, c.iv), kb_gep(k, to, kb_muli(k, c.iv, 2)));
    kb_end(k, &c, NULL);
  }
  if (whole < w->cut.c)
    input_tile(w, tile, MC_WINOGRAD_CHANNELS, kb_gepi(k, at, whole), kb_gepi(k, to, whole * 2));
}

void wg_input(wg *w, V image, V ty, V tx) {
  kb *k = w->k;
  V base =
      kb_gep(k, kb_gepi(k, w->in.base, -w->pad[0] * w->in.stride[1] - w->pad[1] * w->in.stride[2]),
             kb_muli(k, image, w->in.stride[0]));
  wg_tiles(w, ty, tx, input_channels, base);
}

/* ---- products ---- */

/* kr channels of one tile in every lane. */
static V load_a(wg *w, V p) {
  kb *k = w->k;
  if (w->cut.kr == 2) return kb_splat(k, kb_load(k, k->i32, p, 4), w->cut.lanes);
  return kb_splat(k, kb_load(k, k->i16, p, 2), w->cut.lanes);
}

static V load_b(wg *w, V p) {
  kb *k = w->k;
  return kb_load(k, kb_vt(k, w->cut.kr == 2 ? k->i32 : k->i16, w->cut.lanes), p, 16);
}

static V madd(wg *w, V acc, V a, V b) {
  kb *k = w->k;
  int lanes = w->cut.lanes;
  if (w->cut.kr == 1)
    return add(w, acc,
               LLVMBuildMul(k->b, kb_ext(k, a, k->i32, true), kb_ext(k, b, k->i32, true), ""));
  if (lanes == 16 && kb_has(k, MC_ISA_BIT(avx512vnni)))
    return kb_intr(k, "llvm.x86.avx512.vpdpwssd.512", NULL, 0, (V[]){ acc, a, b }, 3);
  if (lanes == 8 && kb_has(k, MC_ISA_BIT(avxvnni)))
    return kb_intr(k, "llvm.x86.avx512.vpdpwssd.256", NULL, 0, (V[]){ acc, a, b }, 3);
  const char *name = lanes == 4   ? "llvm.x86.sse2.pmadd.wd"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.avx512.pmaddw.d.512";
  T words = kb_vt(k, k->i16, 2 * lanes);
  return add(
      w, acc,
      kb_intr(k, name, NULL, 0, (V[]){ kb_bitcast(k, a, words), kb_bitcast(k, b, words) }, 2));
}

/* mr tiles from a on, all channels; products to m. */
static void product_block(wg *w, int mr, V a, V b, V m, int64_t width) {
  enum { UNROLL = 4 };

  kb *k = w->k;
  int nb = (int)(width / w->cut.lanes), n = mr * nb, kr = w->cut.kr;
  int64_t row = w->cut.c * 2, lane = w->cut.lanes * kr * 2, step = width * kr * 2;
  V acc[KB_MAX_CARRIED], bv[16];
  for (int i = 0; i < n; i++) acc[i] = kb_i32s(k, 0, w->cut.lanes);
  kb_loop l;
  kb_range(k, &l, w->cut.c / kr, UNROLL, acc, n);
  for (int i = 0; i < n; i++) acc[i] = l.carried[i];
  V at = kb_gep(k, a, kb_muli(k, l.iv, kr * 2)), bt = kb_gep(k, b, kb_muli(k, l.iv, step));
  for (int u = 0; u < UNROLL; u++) {
    for (int j = 0; j < nb; j++) bv[j] = load_b(w, kb_gepi(k, bt, u * step + j * lane));
    for (int r = 0; r < mr; r++) {
      V av = load_a(w, kb_gepi(k, at, r * row + u * kr * 2));
      for (int j = 0; j < nb; j++) acc[r * nb + j] = madd(w, acc[r * nb + j], av, bv[j]);
    }
  }
  kb_end(k, &l, acc);
  for (int r = 0; r < mr; r++)
    for (int j = 0; j < nb; j++)
      kb_store(k, l.carried[r * nb + j], kb_gepi(k, m, (r * width + j * w->cut.lanes) * 4), 16);
}

/* Points [i0, i1) of all columns [j0, j0 + columns) and the tiles that have them, in blocks of mr
 * and one of what is left; column: whether short columns lack them. u: [row point][column], of
 * which these are the first. */
static void products_of(wg *w, V u, int64_t width, int i0, int i1, V j0, bool column, int columns,
                        int pitch) {
  kb *k = w->k;
  int64_t from, to, row = w->cut.c * 2, point = mc_winograd_point(&w->cut, width);
  mc_winograd_range(&w->cut, i0 == 4, column, &from, &to);
  if (to == from) return;
  int mr = w->cut.mr[i0 == 4][column], rest = (int)((to - from) % mr);
  kb_loop i, j, t;
  kb_range(k, &i, i1 - i0, 1, NULL, 0);
  kb_range(k, &j, columns, 1, NULL, 0);
  V p = kb_add(k, kb_addi(k, kb_muli(k, i.iv, WG_WINDOW), i0 * WG_WINDOW), kb_add(k, j.iv, j0)),
    at = kb_add(k, kb_addi(k, kb_muli(k, i.iv, pitch), (int64_t)i0 * pitch), j.iv);
  V a = kb_gepi(k, kb_gep(k, w->v, kb_muli(k, p, w->cut.v_point)), from * row),
    b = kb_gep(k, u, kb_muli(k, at, point));
  V m = kb_gepi(k, kb_gep(k, w->m, kb_muli(k, p, w->cut.m_point)), from * width * 4);
  if (to - from >= mr) {
    kb_range(k, &t, to - from - rest, mr, NULL, 0);
    product_block(w, mr, kb_gep(k, a, kb_muli(k, t.iv, row)), b,
                  kb_gep(k, m, kb_muli(k, t.iv, width * 4)), width);
    kb_end(k, &t, NULL);
  }
  if (rest)
    product_block(w, rest, kb_gepi(k, a, (to - from - rest) * row), b,
                  kb_gepi(k, m, (to - from - rest) * width * 4), width);
  kb_end(k, &j, NULL);
  kb_end(k, &i, NULL);
}

static void all_rows(wg *w, V u, int64_t width, V j0, bool column, int columns, int pitch) {
  int rows = w->cut.short_h ? 4 : WG_WINDOW;
  products_of(w, u, width, 0, rows, j0, column, columns, pitch);
  if (rows < WG_WINDOW) products_of(w, u, width, rows, WG_WINDOW, j0, column, columns, pitch);
}

/* Pairs of columns [from, to), each made before its products. */
static void made_pairs(wg *w, V u, V q, int64_t width, int from, int to, bool column) {
  kb *k = w->k;
  int64_t units = wg_units(w, width);
  kb_loop l;
  kb_range(k, &l, to - from, 1, NULL, 0);
  for (int pair = from; pair < to; pair++) { /* a loop of no trips where it is another pair's turn:
                                                the code of the products is there once */
    V turn = LLVMBuildICmp(k->b, LLVMIntEQ, l.iv, kb_i64(k, pair - from), "");
    wg_weights(w, q, u, width, pair, pair + 1, kb_select(k, turn, kb_i64(k, units), kb_i64(k, 0)));
  }
  all_rows(w, u, width, kb_addi(k, kb_muli(k, l.iv, 2), 2 * from), column, 2, 2);
  kb_end(k, &l, NULL);
}

void wg_products(wg *w, V u, V q, int64_t width) {
  kb *k = w->k;
  int columns = w->cut.short_w ? 4 : WG_WINDOW;
  if (q) {
    made_pairs(w, u, q, width, 0, columns / 2, false);
    if (columns < WG_WINDOW) made_pairs(w, u, q, width, columns / 2, WG_WINDOW / 2, true);
    return;
  }
  all_rows(w, u, width, kb_i64(k, 0), false, columns, WG_WINDOW);
  if (columns < WG_WINDOW)
    all_rows(w, kb_gepi(k, u, columns * mc_winograd_point(&w->cut, width)), width,
             kb_i64(k, columns), true, WG_WINDOW - columns, WG_WINDOW);
}

/* ---- results ---- */

/* 9 * 2^e times the sum, modulo 2^32, to the sum: the inverse of 9, then the power of two, for
 * which the sum has room. */
static V exact(wg *w, V y, int e) {
  kb *k = w->k;
  y = LLVMBuildMul(k->b, y, kb_i32s(k, NINTH, KB_LANES), "");
  return LLVMBuildAShr(k->b, y, kb_i32s(k, e, KB_LANES), "");
}

/* The epilogue of n results along a row of the tile, of `cols` channels each. */
static void finish_row(wg *w, V y[], int n, int r, int cols) {
  kx *x = &w->x;
  int most = x->tail ? kv_narrow_most(w->k) : 1;
  V raw[WG_TILE];
  x->c[1] = r;
  for (int s = 0; s < n; s++) {
    x->c[2] = s;
    kx_at(x, KB_LANES, cols);
    kx_bind(x, w->head->out[0], y[s]);
    if (most == 1)
      kx_finish(x);
    else
      raw[s] = kx_raw(x);
  }
  for (int s = 0; s < n && most > 1; s += most) {
    int here = n - s < most ? n - s : most;
    V bytes = kx_narrow(x, raw + s, here);
    for (int i = 0; i < here; i++) {
      x->c[2] = s + i;
      kx_store_bytes(x, bytes, i * KB_LANES, cols);
    }
  }
  x->c[1] = x->c[2] = 0;
}

/* `cols` of 16 channels of one tile: m points at point 0; x is at the tile's origin. A
 * register's lanes at a time, so that six of them fit. */
static void output_tile(wg *w, const wg_tile *tile, V m, V bias, int cols) {
  kb *k = w->k;
  int lanes = w->cut.lanes, points_h = window(tile->short_h), points_w = window(tile->short_w),
      high = results_of(tile->short_h), across = results_of(tile->short_w),
      parts = (cols + lanes - 1) / lanes;
  T words = kb_vt(k, k->i32, lanes);
  V in[WG_WINDOW], y[WG_TILE], part[WG_TILE][4], row[WG_TILE];
  for (int h = 0; h < parts; h++)
    for (int j = 0; j < points_w; j++) {
      for (int i = 0; i < points_h; i++)
        in[i] = kb_load(
            k, words, kb_gepi(k, m, (i * WG_WINDOW + j) * w->cut.m_point + (int64_t)h * lanes * 4),
            16);
      if (j == 2 && w->bias_inside)
        in[2] = add(w, in[2], kb_load(k, words, kb_gepi(k, bias, (int64_t)h * lanes * 4), 16));
      results(w, tile->short_h, in, y);
      for (int r = 0; r < high; r++)
        kb_store(k, y[r], kb_gepi(k, w->tmp, (r * WG_WINDOW + j) * 64 + h * lanes * 4), 16);
    }
  for (int r = 0; r < high; r++) {
    for (int h = 0; h < parts; h++) {
      for (int j = 0; j < points_w; j++)
        in[j] = kb_load(k, words, kb_gepi(k, w->tmp, (r * WG_WINDOW + j) * 64 + h * lanes * 4), 16);
      results(w, tile->short_w, in, y);
      for (int s = 0; s < across; s++) part[s][h] = y[s];
    }
    for (int s = 0; s < across; s++) {
      for (int h = parts; h < w->cut.parts; h++) part[s][h] = kb_i32s(k, 0, lanes);
      row[s] = exact(w, kb_concat(k, part[s], w->cut.parts),
                     exponent_of(tile->short_h, r) + exponent_of(tile->short_w, s));
      if (!w->bias_inside)
        row[s] = add(w, row[s], kb_load(k, kb_vt(k, k->i32, KB_LANES), bias, 16));
    }
    finish_row(w, row, across, r, cols);
  }
}

typedef struct output_ctx {
  V n0;
  int64_t width, cols;
} output_ctx;

/* A vector of the block: 16 v channels after its first. */
static void output_vector(wg *w, const wg_tile *tile, const output_ctx *o, V v, int cols) {
  kb *k = w->k;
  V m = kb_gep(k, w->m, kb_muli(k, tile->index, o->width * 4));
  V bias = kb_gep(k, w->bias, kb_muli(k, o->n0, 4)), at = kb_muli(k, v, 64);
  w->x.iv[3] = kb_add(k, o->n0, kb_muli(k, v, KB_LANES));
  output_tile(w, tile, kb_gep(k, m, at), kb_gep(k, bias, at), cols);
}

static void output_channels(wg *w, const wg_tile *tile, void *ctx) {
  const output_ctx *o = ctx;
  kb *k = w->k;
  int64_t whole = o->cols / KB_LANES;
  kb_loop v;
  w->x.iv[1] = tile->row;
  w->x.iv[2] = tile->column;
  if (whole) {
    kb_range(k, &v, whole, 1, NULL, 0);
    output_vector(w, tile, o, v.iv, KB_LANES);
    kb_end(k, &v, NULL);
  }
  if (o->cols % KB_LANES) output_vector(w, tile, o, kb_i64(k, whole), (int)(o->cols % KB_LANES));
}

void wg_output(wg *w, V image, V ty, V tx, V n0, int64_t width, int64_t cols) {
  w->x.iv[0] = image;
  wg_tiles(w, ty, tx, output_channels, &(output_ctx){ n0, width, cols });
}
