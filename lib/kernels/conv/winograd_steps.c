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

static const int exponent[WINOGRAD_PATCH] = { 3, 2, 1, 1 };

enum { NINTH = 954437177 }; /* times 9: 1 modulo 2^32 */

static int window(bool is_short) {
  return is_short ? WINOGRAD_SHORT + 2 : WINOGRAD_WINDOW;
} /* pixels, and points */

static int results_of(bool is_short) { return is_short ? WINOGRAD_SHORT : WINOGRAD_PATCH; }

static int exponent_of(bool is_short, int i) { return is_short ? 1 : exponent[i]; }

static kvalue add(kwinograd *w, kvalue a, kvalue b) { return LLVMBuildAdd(w->k->b, a, b, ""); }

static kvalue sub(kwinograd *w, kvalue a, kvalue b) { return LLVMBuildSub(w->k->b, a, b, ""); }

static kvalue shl(kwinograd *w, kvalue a, int bits) {
  ktype elem = LLVMGetElementType(LLVMTypeOf(a));
  return LLVMBuildShl(w->k->b, a,
                      build_splat_const(LLVMConstInt(elem, (uint64_t)bits, 0), lanes_of(a)), "");
}

/* B' d: |values| grow at most tenfold, so 16 bits hold both of them for 8-bit input. */
static void input_points(kwinograd *w, bool is_short, kvalue d[WINOGRAD_WINDOW],
                         kvalue t[WINOGRAD_WINDOW]) {
  if (is_short) {
    kvalue s = add(w, d[1], d[2]), f = sub(w, d[1], d[2]);
    t[0] = sub(w, d[0], d[2]);
    t[1] = sub(w, d[3], d[1]);
    t[2] = sub(w, s, shl(w, s, 2));
    t[3] = sub(w, shl(w, f, 2), f);
    return;
  }
  kvalue four2 = shl(w, d[2], 2), a = sub(w, d[4], four2), b = sub(w, d[3], shl(w, d[1], 2)),
         c = sub(w, d[4], d[2]), f = sub(w, d[3], d[1]), e = shl(w, f, 1);
  t[0] = add(w, shl(w, d[0], 2), sub(w, a, d[2]));
  t[1] = sub(w, sub(w, d[5], d[3]), shl(w, f, 2));
  t[2] = add(w, a, b);
  t[3] = sub(w, a, b);
  t[4] = add(w, c, e);
  t[5] = sub(w, c, e);
}

/* A' m. */
static void results(kwinograd *w, bool is_short, kvalue m[WINOGRAD_WINDOW],
                    kvalue y[WINOGRAD_PATCH]) {
  kvalue s = add(w, m[2], m[3]), d = sub(w, m[3], m[2]);
  if (is_short) {
    y[0] = sub(w, m[0], s);
    y[1] = add(w, d, m[1]);
    return;
  }
  kvalue p = add(w, m[4], m[5]), q = sub(w, m[4], m[5]);
  y[0] = add(w, sub(w, m[0], shl(w, s, 2)), p);
  y[1] = add(w, shl(w, d, 1), q);
  y[2] = sub(w, p, s);
  y[3] = add(w, add(w, d, shl(w, q, 1)), m[1]);
}

/* ---- input ---- */

/* One tile, `wide` channels of it: pixels from `at` on, into v at `to` of point 0. */
static void input_tile(kwinograd *w, const kpatch *tile, int wide, kvalue at, kvalue to) {
  kbuilder *k = w->k;
  ktype bytes = type_of_lanes(k, k->i8, wide), words = type_of_lanes(k, k->i16, wide);
  int64_t point = w->cut.v_point, size = wide * 2;
  int rows = window(tile->short_h), columns = window(tile->short_w);
  kvalue d[WINOGRAD_WINDOW], t[WINOGRAD_WINDOW];
  for (int a = 0; a < rows; a++) {
    for (int b = 0; b < columns; b++)
      d[b] = build_ext(
          k,
          build_load(k, bytes, build_offset(k, at, a * w->in.stride[1] + b * w->in.stride[2]), 1),
          k->i16, w->is_signed);
    input_points(w, tile->short_w, d, t);
    for (int j = 0; j < columns; j++)
      build_store(k, t[j], build_offset(k, w->tmp, (a * WINOGRAD_WINDOW + j) * size), 16);
  }
  for (int j = 0; j < columns; j++) {
    for (int a = 0; a < rows; a++)
      d[a] = build_load(k, words, build_offset(k, w->tmp, (a * WINOGRAD_WINDOW + j) * size), 16);
    input_points(w, tile->short_h, d, t);
    for (int i = 0; i < rows; i++)
      build_store(k, t[i], build_offset(k, to, (i * WINOGRAD_WINDOW + j) * point), 16);
  }
}

static void input_channels(kwinograd *w, const kpatch *tile, void *image) {
  kbuilder *k = w->k;
  int wide = w->cut.c % w->cut.wide ? KERNEL_LANES : w->cut.wide;
  int64_t whole = w->cut.c / wide * wide;
  kvalue at = build_address(k,
                            build_address(k, image, build_mul_const(k, tile->row, w->in.stride[1])),
                            build_mul_const(k, tile->column, w->in.stride[2])),
         to = build_address(k, w->v, build_mul_const(k, tile->index, w->cut.c * 2));
  kloop c;
  if (whole) {
    build_range(k, &c, whole, wide, NULL, 0);
    input_tile(w, tile, wide, build_address(k, at, c.iv),
               build_address(k, to, build_mul_const(k, c.iv, 2)));
    build_end(k, &c, NULL);
  }
  if (whole < w->cut.c)
    input_tile(w, tile, MC_WINOGRAD_CHANNELS, build_offset(k, at, whole),
               build_offset(k, to, whole * 2));
}

void winograd_input(kwinograd *w, kvalue image, kvalue ty, kvalue tx) {
  kbuilder *k = w->k;
  kvalue base = build_address(
      k, build_offset(k, w->in.base, -w->pad[0] * w->in.stride[1] - w->pad[1] * w->in.stride[2]),
      build_mul_const(k, image, w->in.stride[0]));
  winograd_patches(w, ty, tx, input_channels, base);
}

/* ---- products ---- */

/* kr channels of one tile in every lane. */
static kvalue load_a(kwinograd *w, kvalue p) {
  kbuilder *k = w->k;
  if (w->cut.kr == 2) return build_splat(k, build_load(k, k->i32, p, 4), w->cut.lanes);
  return build_splat(k, build_load(k, k->i16, p, 2), w->cut.lanes);
}

static kvalue load_b(kwinograd *w, kvalue p) {
  kbuilder *k = w->k;
  return build_load(k, type_of_lanes(k, w->cut.kr == 2 ? k->i32 : k->i16, w->cut.lanes), p, 16);
}

static kvalue madd(kwinograd *w, kvalue acc, kvalue a, kvalue b) {
  kbuilder *k = w->k;
  int lanes = w->cut.lanes;
  if (w->cut.kr == 1)
    return add(
        w, acc,
        LLVMBuildMul(k->b, build_ext(k, a, k->i32, true), build_ext(k, b, k->i32, true), ""));
  if (lanes == 16 && target_has(k, MC_ISA_BIT(avx512vnni)))
    return build_intrinsic(k, "llvm.x86.avx512.vpdpwssd.512", NULL, 0, (kvalue[]){ acc, a, b }, 3);
  if (lanes == 8 && target_has(k, MC_ISA_BIT(avxvnni)))
    return build_intrinsic(k, "llvm.x86.avx512.vpdpwssd.256", NULL, 0, (kvalue[]){ acc, a, b }, 3);
  const char *name = lanes == 4   ? "llvm.x86.sse2.pmadd.wd"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.avx512.pmaddw.d.512";
  ktype words = type_of_lanes(k, k->i16, 2 * lanes);
  return add(w, acc,
             build_intrinsic(k, name, NULL, 0,
                             (kvalue[]){ build_bitcast(k, a, words), build_bitcast(k, b, words) },
                             2));
}

/* mr tiles from a on, all channels; products to m. */
static void product_block(kwinograd *w, int mr, kvalue a, kvalue b, kvalue m, int64_t width) {
  enum { UNROLL = 4 };

  kbuilder *k = w->k;
  int nb = (int)(width / w->cut.lanes), n = mr * nb, kr = w->cut.kr;
  int64_t row = w->cut.c * 2, lane = w->cut.lanes * kr * 2, step = width * kr * 2;
  kvalue acc[KLOOP_MAX_CARRIED], bv[16];
  for (int i = 0; i < n; i++) acc[i] = build_i32s(k, 0, w->cut.lanes);
  kloop l;
  build_range(k, &l, w->cut.c / kr, UNROLL, acc, n);
  for (int i = 0; i < n; i++) acc[i] = l.carried[i];
  kvalue at = build_address(k, a, build_mul_const(k, l.iv, kr * 2)),
         bt = build_address(k, b, build_mul_const(k, l.iv, step));
  for (int u = 0; u < UNROLL; u++) {
    for (int j = 0; j < nb; j++) bv[j] = load_b(w, build_offset(k, bt, u * step + j * lane));
    for (int r = 0; r < mr; r++) {
      kvalue av = load_a(w, build_offset(k, at, r * row + u * kr * 2));
      for (int j = 0; j < nb; j++) acc[r * nb + j] = madd(w, acc[r * nb + j], av, bv[j]);
    }
  }
  build_end(k, &l, acc);
  for (int r = 0; r < mr; r++)
    for (int j = 0; j < nb; j++)
      build_store(k, l.carried[r * nb + j], build_offset(k, m, (r * width + j * w->cut.lanes) * 4),
                  16);
}

/* Points [i0, i1) of all columns [j0, j0 + columns) and the tiles that have them, in blocks of mr
 * and one of what is left; column: whether short columns lack them. u: [row point][column], of
 * which these are the first. */
static void products_of(kwinograd *w, kvalue u, int64_t width, int i0, int i1, kvalue j0,
                        bool column, int columns, int pitch) {
  kbuilder *k = w->k;
  int64_t from, to, row = w->cut.c * 2, point = mc_winograd_point(&w->cut, width);
  mc_winograd_range(&w->cut, i0 == 4, column, &from, &to);
  if (to == from) return;
  int mr = w->cut.mr[i0 == 4][column], rest = (int)((to - from) % mr);
  kloop i, j, t;
  build_range(k, &i, i1 - i0, 1, NULL, 0);
  build_range(k, &j, columns, 1, NULL, 0);
  kvalue p = build_add(
             k, build_add_const(k, build_mul_const(k, i.iv, WINOGRAD_WINDOW), i0 * WINOGRAD_WINDOW),
             build_add(k, j.iv, j0)),
         at = build_add(k, build_add_const(k, build_mul_const(k, i.iv, pitch), (int64_t)i0 * pitch),
                        j.iv);
  kvalue a = build_offset(k, build_address(k, w->v, build_mul_const(k, p, w->cut.v_point)),
                          from * row),
         b = build_address(k, u, build_mul_const(k, at, point));
  kvalue m = build_offset(k, build_address(k, w->m, build_mul_const(k, p, w->cut.m_point)),
                          from * width * 4);
  if (to - from >= mr) {
    build_range(k, &t, to - from - rest, mr, NULL, 0);
    product_block(w, mr, build_address(k, a, build_mul_const(k, t.iv, row)), b,
                  build_address(k, m, build_mul_const(k, t.iv, width * 4)), width);
    build_end(k, &t, NULL);
  }
  if (rest)
    product_block(w, rest, build_offset(k, a, (to - from - rest) * row), b,
                  build_offset(k, m, (to - from - rest) * width * 4), width);
  build_end(k, &j, NULL);
  build_end(k, &i, NULL);
}

static void all_rows(kwinograd *w, kvalue u, int64_t width, kvalue j0, bool column, int columns,
                     int pitch) {
  int rows = w->cut.short_h ? 4 : WINOGRAD_WINDOW;
  products_of(w, u, width, 0, rows, j0, column, columns, pitch);
  if (rows < WINOGRAD_WINDOW)
    products_of(w, u, width, rows, WINOGRAD_WINDOW, j0, column, columns, pitch);
}

/* Pairs of columns [from, to), each made before its products. */
static void made_pairs(kwinograd *w, kvalue u, kvalue q, int64_t width, int from, int to,
                       bool column) {
  kbuilder *k = w->k;
  int64_t units = winograd_units(w, width);
  kloop l;
  build_range(k, &l, to - from, 1, NULL, 0);
  for (int pair = from; pair < to; pair++) { /* a loop of no trips where it is another pair's turn:
                                                the code of the products is there once */
    kvalue turn = LLVMBuildICmp(k->b, LLVMIntEQ, l.iv, build_i64(k, pair - from), "");
    winograd_weights(w, q, u, width, pair, pair + 1,
                     build_select(k, turn, build_i64(k, units), build_i64(k, 0)));
  }
  all_rows(w, u, width, build_add_const(k, build_mul_const(k, l.iv, 2), 2 * from), column, 2, 2);
  build_end(k, &l, NULL);
}

void winograd_products(kwinograd *w, kvalue u, kvalue q, int64_t width) {
  kbuilder *k = w->k;
  int columns = w->cut.short_w ? 4 : WINOGRAD_WINDOW;
  if (q) {
    made_pairs(w, u, q, width, 0, columns / 2, false);
    if (columns < WINOGRAD_WINDOW)
      made_pairs(w, u, q, width, columns / 2, WINOGRAD_WINDOW / 2, true);
    return;
  }
  all_rows(w, u, width, build_i64(k, 0), false, columns, WINOGRAD_WINDOW);
  if (columns < WINOGRAD_WINDOW)
    all_rows(w, build_offset(k, u, columns * mc_winograd_point(&w->cut, width)), width,
             build_i64(k, columns), true, WINOGRAD_WINDOW - columns, WINOGRAD_WINDOW);
}

/* ---- results ---- */

/* 9 * 2^e times the sum, modulo 2^32, to the sum: the inverse of 9, then the power of two, for
 * which the sum has room. */
static kvalue exact(kwinograd *w, kvalue y, int e) {
  kbuilder *k = w->k;
  y = LLVMBuildMul(k->b, y, build_i32s(k, NINTH, KERNEL_LANES), "");
  return LLVMBuildAShr(k->b, y, build_i32s(k, e, KERNEL_LANES), "");
}

/* The epilogue of n results along a row of the tile, of `cols` channels each. */
static void finish_row(kwinograd *w, kvalue y[], int n, int r, int cols) {
  kepilogue *x = &w->x;
  int most = x->tail ? vec_narrow_most(w->k) : 1;
  kvalue raw[WINOGRAD_PATCH];
  x->c[1] = r;
  for (int s = 0; s < n; s++) {
    x->c[2] = s;
    epilogue_at(x, KERNEL_LANES, cols);
    epilogue_bind(x, w->head->out[0], y[s]);
    if (most == 1)
      epilogue_finish(x);
    else
      raw[s] = epilogue_raw(x);
  }
  for (int s = 0; s < n && most > 1; s += most) {
    int here = n - s < most ? n - s : most;
    kvalue bytes = epilogue_narrow(x, raw + s, here);
    for (int i = 0; i < here; i++) {
      x->c[2] = s + i;
      epilogue_store_bytes(x, bytes, i * KERNEL_LANES, cols);
    }
  }
  x->c[1] = x->c[2] = 0;
}

/* `cols` of 16 channels of one tile: m points at point 0; x is at the tile's origin. A
 * register's lanes at a time, so that six of them fit. */
static void output_tile(kwinograd *w, const kpatch *tile, kvalue m, kvalue bias, int cols) {
  kbuilder *k = w->k;
  int lanes = w->cut.lanes, points_h = window(tile->short_h), points_w = window(tile->short_w),
      high = results_of(tile->short_h), across = results_of(tile->short_w),
      parts = (cols + lanes - 1) / lanes;
  ktype words = type_of_lanes(k, k->i32, lanes);
  kvalue in[WINOGRAD_WINDOW], y[WINOGRAD_PATCH], part[WINOGRAD_PATCH][4], row[WINOGRAD_PATCH];
  for (int h = 0; h < parts; h++)
    for (int j = 0; j < points_w; j++) {
      for (int i = 0; i < points_h; i++)
        in[i] = build_load(
            k, words,
            build_offset(k, m, (i * WINOGRAD_WINDOW + j) * w->cut.m_point + (int64_t)h * lanes * 4),
            16);
      if (j == 2 && w->bias_inside)
        in[2] =
            add(w, in[2], build_load(k, words, build_offset(k, bias, (int64_t)h * lanes * 4), 16));
      results(w, tile->short_h, in, y);
      for (int r = 0; r < high; r++)
        build_store(k, y[r],
                    build_offset(k, w->tmp, (r * WINOGRAD_WINDOW + j) * 64 + h * lanes * 4), 16);
    }
  for (int r = 0; r < high; r++) {
    for (int h = 0; h < parts; h++) {
      for (int j = 0; j < points_w; j++)
        in[j] = build_load(
            k, words, build_offset(k, w->tmp, (r * WINOGRAD_WINDOW + j) * 64 + h * lanes * 4), 16);
      results(w, tile->short_w, in, y);
      for (int s = 0; s < across; s++) part[s][h] = y[s];
    }
    for (int s = 0; s < across; s++) {
      for (int h = parts; h < w->cut.parts; h++) part[s][h] = build_i32s(k, 0, lanes);
      row[s] = exact(w, build_concat(k, part[s], w->cut.parts),
                     exponent_of(tile->short_h, r) + exponent_of(tile->short_w, s));
      if (!w->bias_inside)
        row[s] = add(w, row[s], build_load(k, type_of_lanes(k, k->i32, KERNEL_LANES), bias, 16));
    }
    finish_row(w, row, across, r, cols);
  }
}

typedef struct output_ctx {
  kvalue n0;
  int64_t width, cols;
} output_ctx;

/* A vector of the block: 16 v channels after its first. */
static void output_vector(kwinograd *w, const kpatch *tile, const output_ctx *o, kvalue v,
                          int cols) {
  kbuilder *k = w->k;
  kvalue m = build_address(k, w->m, build_mul_const(k, tile->index, o->width * 4));
  kvalue bias = build_address(k, w->bias, build_mul_const(k, o->n0, 4)),
         at = build_mul_const(k, v, 64);
  w->x.iv[3] = build_add(k, o->n0, build_mul_const(k, v, KERNEL_LANES));
  output_tile(w, tile, build_address(k, m, at), build_address(k, bias, at), cols);
}

static void output_channels(kwinograd *w, const kpatch *tile, void *ctx) {
  const output_ctx *o = ctx;
  kbuilder *k = w->k;
  int64_t whole = o->cols / KERNEL_LANES;
  kloop v;
  w->x.iv[1] = tile->row;
  w->x.iv[2] = tile->column;
  if (whole) {
    build_range(k, &v, whole, 1, NULL, 0);
    output_vector(w, tile, o, v.iv, KERNEL_LANES);
    build_end(k, &v, NULL);
  }
  if (o->cols % KERNEL_LANES)
    output_vector(w, tile, o, build_i64(k, whole), (int)(o->cols % KERNEL_LANES));
}

void winograd_output(kwinograd *w, kvalue image, kvalue ty, kvalue tx, kvalue n0, int64_t width,
                     int64_t cols) {
  w->x.iv[0] = image;
  winograd_patches(w, ty, tx, output_channels, &(output_ctx){ n0, width, cols });
}
