/* The three steps of a pass (winograd.c). Matrices: Lavin, Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, F(4, 3) on the points 0, 1, -1, 2, -2; the filter's rows are
 * scaled to whole numbers, and the result's matrix by 24 divided by those scales, each of its rows without the power of two that it has:
 *
 *          4  0 -5  0  1  0                6 -4 -4  1  1  0    24
 *          0 -4 -4  1  1  0           A' = 0 -2  2  1 -1  0    12 times the result
 *     B' = 0  4 -4 -1  1  0                0 -1 -1  1  1  0     6
 *          0 -2 -1  2  1  0                0 -1  1  2 -2  6     6
 *          0  2 -1 -2  1  0
 *          0  4  0 -5  0  1           so A' m A is 9 * 2^(e_k + e_l) times result (k, l), e = 3, 2, 1, 1 */
#include "winograd.h"

static const int exponent[WG_TILE] = { 3, 2, 1, 1 };
enum { NINTH = 954437177 };   /* times 9: 1 modulo 2^32 */

static V add(wg *w, V a, V b) { return LLVMBuildAdd(w->k->b, a, b, ""); }
static V sub(wg *w, V a, V b) { return LLVMBuildSub(w->k->b, a, b, ""); }
static V shl(wg *w, V a, int bits) {
  T elem = LLVMGetElementType(LLVMTypeOf(a));
  return LLVMBuildShl(w->k->b, a, kb_splat_c(LLVMConstInt(elem, (uint64_t)bits, 0), kb_lanes(a)), "");
}
/* B' d: |values| grow at most tenfold, so 16 bits hold both of them for 8-bit input. */
static void input_points(wg *w, V d[WG_WINDOW], V t[WG_WINDOW]) {
  V four2 = shl(w, d[2], 2), a = sub(w, d[4], four2), b = sub(w, d[3], shl(w, d[1], 2)), c = sub(w, d[4], d[2]), f = sub(w, d[3], d[1]), e = shl(w, f, 1);
  t[0] = add(w, shl(w, d[0], 2), sub(w, a, d[2]));
  t[1] = add(w, a, b);
  t[2] = sub(w, a, b);
  t[3] = add(w, c, e);
  t[4] = sub(w, c, e);
  t[5] = sub(w, sub(w, d[5], d[3]), shl(w, f, 2));
}
/* A' m. */
static void results(wg *w, V m[WG_WINDOW], V y[WG_TILE]) {
  V s = add(w, m[1], m[2]), d = sub(w, m[2], m[1]), p = add(w, m[3], m[4]), q = sub(w, m[3], m[4]);
  V six0 = add(w, shl(w, m[0], 2), shl(w, m[0], 1)), six5 = add(w, shl(w, m[5], 2), shl(w, m[5], 1));
  y[0] = add(w, sub(w, six0, shl(w, s, 2)), p);
  y[1] = add(w, shl(w, d, 1), q);
  y[2] = sub(w, p, s);
  y[3] = add(w, add(w, d, shl(w, q, 1)), six5);
}

/* ---- input ---- */

/* One tile, `wide` channels of it: pixels from `at` on, into v at `to` of point 0. */
static void input_tile(wg *w, V at, V to) {
  kb *k = w->k;
  T bytes = kb_vt(k, k->i8, w->wide), words = kb_vt(k, k->i16, w->wide);
  int64_t point = w->tiles * w->c * 2, size = w->wide * 2;
  V d[WG_WINDOW], t[WG_WINDOW];
  for (int a = 0; a < WG_WINDOW; a++) {
    for (int b = 0; b < WG_WINDOW; b++) d[b] = kb_ext(k, kb_load(k, bytes, kb_gepi(k, at, a * w->in.stride[1] + b * w->in.stride[2]), 1), k->i16, w->is_signed);
    input_points(w, d, t);
    for (int j = 0; j < WG_WINDOW; j++) kb_store(k, t[j], kb_gepi(k, w->tmp, (a * WG_WINDOW + j) * size), 16);
  }
  for (int j = 0; j < WG_WINDOW; j++) {
    for (int a = 0; a < WG_WINDOW; a++) d[a] = kb_load(k, words, kb_gepi(k, w->tmp, (a * WG_WINDOW + j) * size), 16);
    input_points(w, d, t);
    for (int i = 0; i < WG_WINDOW; i++) kb_store(k, t[i], kb_gepi(k, to, (i * WG_WINDOW + j) * point), 16);
  }
}
void wg_input(wg *w, V image, V ty, V tx) {
  kb *k = w->k;
  kb_loop r, s, c;
  V base = kb_gep(k, kb_gepi(k, w->in.base, -w->pad[0] * w->in.stride[1] - w->pad[1] * w->in.stride[2]), kb_muli(k, image, w->in.stride[0]));
  kb_range(k, &r, w->rp, 1, NULL, 0);
  V row = kb_gep(k, base, kb_muli(k, wg_origin(w, ty, r.iv, w->oh), w->in.stride[1]));
  kb_range(k, &s, w->cp, 1, NULL, 0);
  V at = kb_gep(k, row, kb_muli(k, wg_origin(w, tx, s.iv, w->ow), w->in.stride[2]));
  V to = kb_gep(k, w->v, kb_muli(k, kb_add(k, kb_muli(k, r.iv, w->cp), s.iv), w->c * 2));
  kb_range(k, &c, w->c, w->wide, NULL, 0);
  input_tile(w, kb_gep(k, at, c.iv), kb_gep(k, to, kb_muli(k, c.iv, 2)));
  kb_end(k, &c, NULL);
  kb_end(k, &s, NULL);
  kb_end(k, &r, NULL);
}

/* ---- products ---- */

/* kr channels of one tile in every lane. */
static V load_a(wg *w, V p) {
  kb *k = w->k;
  if (w->kr == 2) return kb_splat(k, kb_load(k, k->i32, p, 4), w->lanes);
  return kb_splat(k, kb_load(k, k->i16, p, 2), w->lanes);
}
static V load_b(wg *w, V p) {
  kb *k = w->k;
  return kb_load(k, w->kr == 2 ? kb_vt(k, k->i32, w->lanes) : kb_vt(k, k->i16, w->lanes), p, 16);
}
static V madd(wg *w, V acc, V a, V b) {
  kb *k = w->k;
  if (w->kr == 1) return add(w, acc, LLVMBuildMul(k->b, kb_ext(k, a, k->i32, true), kb_ext(k, b, k->i32, true), ""));
  if (w->lanes == 16 && kb_has(k, MC_ISA_BIT(avx512vnni))) return kb_intr(k, "llvm.x86.avx512.vpdpwssd.512", NULL, 0, (V[]){ acc, a, b }, 3);
  if (w->lanes == 8 && kb_has(k, MC_ISA_BIT(avxvnni))) return kb_intr(k, "llvm.x86.avx512.vpdpwssd.256", NULL, 0, (V[]){ acc, a, b }, 3);
  const char *name = w->lanes == 4 ? "llvm.x86.sse2.pmadd.wd" : w->lanes == 8 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.avx512.pmaddw.d.512";
  T words = kb_vt(k, k->i16, 2 * w->lanes);
  return add(w, acc, kb_intr(k, name, NULL, 0, (V[]){ kb_bitcast(k, a, words), kb_bitcast(k, b, words) }, 2));
}
/* mr tiles from a on, all channels; products to m. */
static void product_block(wg *w, V a, V b, V m, int nv) {
  enum { UNROLL = 4 };
  kb *k = w->k;
  int nb = nv * w->parts, n = w->mr * nb;
  int64_t row = w->c * 2, lane = w->lanes * w->kr * 2, step = (int64_t)nv * KB_LANES * w->kr * 2;
  V acc[KB_MAX_CARRIED], bv[16];
  for (int i = 0; i < n; i++) acc[i] = kb_i32s(k, 0, w->lanes);
  kb_loop l;
  kb_range(k, &l, w->c / w->kr, UNROLL, acc, n);
  for (int i = 0; i < n; i++) acc[i] = l.carried[i];
  V at = kb_gep(k, a, kb_muli(k, l.iv, w->kr * 2)), bt = kb_gep(k, b, kb_muli(k, l.iv, step));
  for (int u = 0; u < UNROLL; u++) {
    for (int j = 0; j < nb; j++) bv[j] = load_b(w, kb_gepi(k, bt, u * step + j * lane));
    for (int r = 0; r < w->mr; r++) {
      V av = load_a(w, kb_gepi(k, at, r * row + u * w->kr * 2));
      for (int j = 0; j < nb; j++) acc[r * nb + j] = madd(w, acc[r * nb + j], av, bv[j]);
    }
  }
  kb_end(k, &l, acc);
  for (int r = 0; r < w->mr; r++)
    for (int j = 0; j < nb; j++) kb_store(k, l.carried[r * nb + j], kb_gepi(k, m, ((int64_t)r * nv * KB_LANES + j * w->lanes) * 4), 16);
}
void wg_products(wg *w, V u, int nv) {
  kb *k = w->k;
  kb_loop p, t;
  int64_t width = (int64_t)nv * KB_LANES;
  kb_range(k, &p, WG_POINTS, 1, NULL, 0);
  V a = kb_gep(k, w->v, kb_muli(k, p.iv, w->tiles * w->c * 2)), b = kb_gep(k, u, kb_muli(k, p.iv, w->c * width * 2)), m = kb_gep(k, w->m, kb_muli(k, p.iv, w->tiles * width * 4));
  kb_range(k, &t, w->tiles, w->mr, NULL, 0);
  V t0 = w->tiles % w->mr ? kb_smin(k, t.iv, kb_i64(k, w->tiles - w->mr)) : t.iv;
  product_block(w, kb_gep(k, a, kb_muli(k, t0, w->c * 2)), b, kb_gep(k, m, kb_muli(k, t0, width * 4)), nv);
  kb_end(k, &t, NULL);
  kb_end(k, &p, NULL);
}

/* ---- results ---- */

/* 9 * 2^e times the sum, modulo 2^32, to the sum: the inverse of 9, then the power of two, for which the sum has room. */
static V exact(wg *w, V y, int e) {
  kb *k = w->k;
  y = LLVMBuildMul(k->b, y, kb_i32s(k, NINTH, KB_LANES), "");
  return LLVMBuildAShr(k->b, y, kb_i32s(k, e, KB_LANES), "");
}
/* 16 channels of one tile: m points at point 0; x stands at the tile's origin. */
static void output_tile(wg *w, V m, int64_t point, V bias, int valid) {
  kb *k = w->k;
  kx *x = &w->x;
  T words = kb_vt(k, k->i32, KB_LANES);
  V in[WG_WINDOW], y[WG_TILE];
  for (int j = 0; j < WG_WINDOW; j++) {
    for (int i = 0; i < WG_WINDOW; i++) in[i] = kb_load(k, words, kb_gepi(k, m, (i * WG_WINDOW + j) * point), 16);
    results(w, in, y);
    for (int r = 0; r < WG_TILE; r++) kb_store(k, y[r], kb_gepi(k, w->tmp, (r * WG_WINDOW + j) * 64), 16);
  }
  V b = kb_load(k, words, bias, 16);
  for (int r = 0; r < WG_TILE; r++) {
    for (int j = 0; j < WG_WINDOW; j++) in[j] = kb_load(k, words, kb_gepi(k, w->tmp, (r * WG_WINDOW + j) * 64), 16);
    results(w, in, y);
    for (int s = 0; s < WG_TILE; s++) {
      x->c[1] = r;
      x->c[2] = s;
      kx_at(x, KB_LANES, valid);
      kx_bind(x, w->head->out[0], add(w, exact(w, y[s], exponent[r] + exponent[s]), b));
      kx_finish(x);
    }
  }
  x->c[1] = x->c[2] = 0;
}
void wg_output(wg *w, V image, V ty, V tx, V n0, int nv, int valid) {
  kb *k = w->k;
  kx *x = &w->x;
  kb_loop r, s, v;
  int64_t width = (int64_t)nv * KB_LANES, point = w->tiles * width * 4;
  int whole = valid == KB_LANES ? nv : nv - 1;
  x->iv[0] = image;
  kb_range(k, &r, w->rp, 1, NULL, 0);
  x->iv[1] = wg_origin(w, ty, r.iv, w->oh);
  kb_range(k, &s, w->cp, 1, NULL, 0);
  x->iv[2] = wg_origin(w, tx, s.iv, w->ow);
  V m = kb_gep(k, w->m, kb_muli(k, kb_add(k, kb_muli(k, r.iv, w->cp), s.iv), width * 4)), bias = kb_gep(k, w->bias, kb_muli(k, n0, 4));
  if (whole) {
    kb_range(k, &v, whole, 1, NULL, 0);
    x->iv[3] = kb_add(k, n0, kb_muli(k, v.iv, KB_LANES));
    output_tile(w, kb_gep(k, m, kb_muli(k, v.iv, 64)), point, kb_gep(k, bias, kb_muli(k, v.iv, 64)), KB_LANES);
    kb_end(k, &v, NULL);
  }
  if (whole < nv) {
    x->iv[3] = kb_addi(k, n0, (int64_t)whole * KB_LANES);
    output_tile(w, kb_gepi(k, m, (int64_t)whole * 64), point, kb_gepi(k, bias, (int64_t)whole * 64), valid);
  }
  kb_end(k, &s, NULL);
  kb_end(k, &r, NULL);
}
