/* Products on every engine: all remainders of channels, rows, taps; strides, borders, dilations,
 * groups; epilogues. */
#include "sweep_products.h"
#include "mc/support/fixed.h"
#include <stdio.h>

static const char *const kinds[] = { "f32", "u8", "i8", "bf16" };

static bool real(kind k) { return k == F32 || k == BF16; }

static mc_dtype stored(kind k) { return k == BF16 ? MC_bf16 : MC_f32; }

static mc_value *activation(tcase *t, kind k, int rank, const int64_t *dim) {
  if (real(k)) return in_real(t, stored(k), rank, dim);
  return in_q(t, k == U8 ? MC_u8 : MC_i8, 0.02f,
              (int32_t)rnd_in(t, k == U8 ? 0 : -128, k == U8 ? 255 : 127), rank, dim);
}

/* A sum of k products of numbers below 1: |error| <= k u sum |a b|, and the sum's magnitude
 * averages k / 4; four times that is allowed for. Dot products of bf16 pairs may round a pair's sum
 * to odd: twice that. */
static void tolerate(tcase *t, kind k, int64_t terms) {
  if (real(k))
    t->tolerance = (k == BF16 ? 12e-8 : 6e-8) * (double)(terms + 4) * (double)(terms + 4) * 0.25;
}

static mc_value *bias_of(tcase *t, kind k, int64_t n) {
  return real(k) ? const_f32(t, -1, 1, 1, &n) : const_i32(t, -20000, 20000, n);
}

zeros sweep_zeros;
grid sweep_grid;

static int zeros_wide(void) { return sweep_zeros.wide ? sweep_zeros.wide : 16; }

static const char *zeros_name(void) {
  static char text[64];
  if (sweep_grid.on) {
    snprintf(text, sizeof text, " %d bits, shared by %d", sweep_grid.bits ? sweep_grid.bits : 4,
             sweep_grid.shared);
    return text;
  }
  if (!sweep_zeros.of) return "";
  snprintf(text, sizeof text, " zeros %d/%d of %dx%d", sweep_zeros.gone, sweep_zeros.of,
           zeros_wide(), sweep_zeros.unit);
  return text;
}

/* Zero blocks of a constant whose elements [n][k] lie `column` and `step` elements apart; `tap`:
 * elements after which blocks begin anew. */
static mc_value *punched(tcase *t, mc_value *v, int64_t n, int64_t k, int64_t column, int64_t step,
                         int64_t tap) {
  mc_tensor *w = mc_value_tensor(v);
  size_t es = mc_dtype_size(w->dtype);
  char *data = (char *)(uintptr_t)w->data;
  t->zeros = sweep_zeros.of != 0;
  for (int64_t c = 0; sweep_zeros.of && c < n; c += zeros_wide())
    for (int64_t from = 0; from < k; from += tap)
      for (int64_t j = from; j < from + tap; j += sweep_zeros.unit) {
        if ((int)(rnd(t) % (uint64_t)sweep_zeros.of) >= sweep_zeros.gone) continue;
        for (int64_t i = c; i < c + zeros_wide() && i < n; i++)
          for (int64_t e = j; e < j + sweep_zeros.unit && e < from + tap; e++)
            memset(data + (size_t)(i * column + e * step) * es, 0, es);
      }
  return v;
}

static void on_grid(tcase *t, mc_value *v, int64_t rows, int64_t d) {
  int8_t *w = (int8_t *)(uintptr_t)mc_value_tensor(v)->data;
  int64_t by = sweep_grid.shared, k = 1;
  t->kept = true;
  for (int64_t i = 0; i < rows * d; i++) {
    if (by && i % d % by == 0) k = rnd_in(t, 1, 15);
    w[i] = (int8_t)(k * rnd_in(t, -8, 7));
  }
}

/* f32 weights of few bits: rows of whole numbers times a scale, or halves. */
static void few_bits(tcase *t, mc_value *v, int64_t rows, int64_t d) {
  float *w = (float *)(uintptr_t)mc_value_tensor(v)->data, s = 0;
  int64_t by = sweep_grid.shared, k = 1;
  t->kept = true;
  for (int64_t i = 0; i < rows * d; i++) {
    if (i % d == 0) s = (float)rnd_in(t, 1, 1000) * 1.7e-4f;
    if (by && i % d % by == 0) k = rnd_in(t, 1, 15);
    if (sweep_grid.bits == 5 || sweep_grid.bits == 7) /* a code book of 16, of up to 256 */
      w[i] = (float)rnd_in(t, 1, sweep_grid.bits == 5 ? 16 : 250) * 0.013f - 0.1f;
    else if (sweep_grid.bits == 16)
      w[i] = mc_fx_from_f16(mc_fx_f16(w[i]));
    else
      w[i] = (float)(sweep_grid.bits == 8 ? rnd_in(t, -127, 127) : k * rnd_in(t, -8, 7)) * s;
  }
}

static mc_value *weights_of(tcase *t, kind k, int rank, const int64_t *dim) {
  mc_value *v = real(k) ? const_real(t, stored(k), -1, 1, rank, dim)
                        : const_w8(t, rnd(t) % 3 != 0, rank, dim);
  int64_t all = rank == 4 ? dim[1] * dim[2] * dim[3] : dim[1];
  if (sweep_grid.on && !real(k)) on_grid(t, v, dim[0], all);
  if (sweep_grid.on && k == F32) few_bits(t, v, dim[0], all);
  return punched(t, v, dim[0], all, all, 1, dim[rank - 1]);
}

/* Sums of bf16 products are stored in 16 bits half of the time. */
static const mc_type *sum_type(tcase *t, const mc_value *x, const mc_value *w, int axis) {
  if (x->type->dtype == MC_bf16) return rnd(t) % 2 ? mc_type_make(t->m, MC_bf16, 1, DIMS(1)) : NULL;
  return acc_type(t, x, w, axis);
}

static mc_value *conv_op(tcase *t, mc_opcode op, mc_value *x, mc_value *w, mc_value *b,
                         const void *attrs) {
  return mc_build1_as(&t->b, op, (mc_value *[]){ x, w, b }, b ? 3 : 2, attrs, sum_type(t, x, w, 3));
}

static mc_value *conv(tcase *t, kind k, mc_value *x, shape c, bool bias) {
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  for (int i = 0; i < 2; i++) a.stride[i] = c.s, a.dilation[i] = c.d;
  for (int i = 0; i < 4; i++) a.pad[i] = c.p;
  a.groups = c.g;
  mc_value *w = weights_of(t, k, 4, DIMS(c.co, c.kh, c.kw, c.ci / c.g));
  return conv_op(t, MC_OP_conv2d, x, w, bias ? bias_of(t, k, c.co) : NULL, &a);
}

/* 8-bit sums are looked at both as they are and requantized. */
static void finish(tcase *t, kind k, mc_value *acc, int64_t terms) {
  tolerate(t, k, terms);
  if (!acc)
    result(t, NULL);
  else if (real(k))
    result(t, acc);
  else
    result(t, rnd(t) % 4 == 0
                  ? acc
                  : requant(t, acc, terms, rnd(t) % 2 ? MC_u8 : MC_i8, mc_rounding_fp32_rne));
  sweep_end(t);
}

void one_conv(kind k, shape c) {
  tcase *t = sweep_begin("conv %s n%d %dx%d ci%d co%d k%dx%d s%d p%d d%d g%d%s", kinds[k], (int)c.n,
                         (int)c.h, (int)c.w, (int)c.ci, (int)c.co, (int)c.kh, (int)c.kw, (int)c.s,
                         (int)c.p, (int)c.d, (int)c.g, zeros_name());
  if (!t) return;
  mc_value *x = activation(t, k, 4, DIMS(c.n, c.h, c.w, c.ci));
  finish(t, k, conv(t, k, x, c, rnd(t) % 3 != 0), c.kh * c.kw * c.ci / c.g);
}

static void convs(void) {
  for (int64_t c = 1; c <= 33; c++)
    for (kind k = F32; k < KINDS; k++) {
      if (k == I8 && c % 3) continue;
      if (k == F32 && c % 2) continue;
      if (k == BF16 && c % 3 == 1) continue;
      one_conv(k, (shape){ 1, 3 + c % 3, 3 + c % 11, c, c * 7 % 37 + 1, 3, 3, 1, 1, 1, 1 });
      one_conv(k, (shape){ 1, 2, 5, 9, c, 1, 1, 1, 0, 1, 1 });
    }
  for (int64_t w = 1; w <= 30; w += 1 + w / 8)
    one_conv((kind)(w % KINDS), (shape){ 2, 3, w, 8, 16 + w, 3, 3, 1, 1, 1, 1 });
  static const shape odd[] = {
    { 1, 9, 9, 5, 7, 3, 3, 2, 1, 1, 1 },
    { 1, 10, 9, 16, 8, 3, 3, 2, 0, 1, 1 },
    { 2, 9, 11, 4, 20, 5, 5, 3, 2, 1, 1 },
    { 1, 12, 12, 8, 8, 3, 3, 1, 2, 2, 1 },
    { 1, 13, 11, 3, 18, 3, 5, 2, 2, 2, 1 },
    { 1, 7, 7, 16, 32, 1, 1, 2, 0, 1, 1 },
    { 1, 6, 6, 6, 10, 2, 2, 2, 0, 1, 1 },
    { 1, 5, 5, 2, 3, 5, 5, 1, 4, 1, 1 },
    { 1, 8, 8, 8, 12, 3, 3, 1, 1, 1, 2 },
    { 1, 6, 7, 12, 24, 3, 3, 1, 1, 1, 4 },
    { 1, 6, 7, 9, 6, 3, 1, 2, 1, 1, 3 },
    { 1, 8, 5, 64, 96, 1, 3, 1, 0, 1, 1 },
    { 1, 4, 4, 16, 10, 4, 4, 1, 0, 1, 1 },
    { 3, 4, 4, 48, 130, 1, 1, 1, 0, 1, 1 },
    { 1, 16, 16, 3, 16, 7, 7, 2, 3, 1, 1 },
    { 1, 6, 6, 20, 260, 3, 3, 1, 1, 1, 1 },
    { 1, 1, 1, 300, 70, 1, 1, 1, 0, 1, 1 },
    { 1, 3, 40, 1, 8, 3, 3, 1, 1, 1, 1 },
    /* epilogues between the next block's products: few steps and many, rows in one axis and in two,
       a last block of other columns, runs */
    { 1, 12, 13, 40, 72, 1, 1, 1, 0, 1, 1 },
    { 1, 11, 9, 132, 24, 1, 1, 2, 0, 1, 1 },
    { 2, 9, 7, 104, 40, 3, 3, 1, 1, 1, 1 },
    { 1, 9, 9, 17, 90, 1, 1, 1, 0, 1, 1 },
    { 1, 10, 10, 100, 34, 3, 1, 2, 1, 1, 2 }
  };
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    for (kind k = F32; k < KINDS; k++) one_conv(k, odd[i]);
}

/* Groups narrower than 16 columns, whose lanes several groups share: every divisor of 16, as many
 * or other numbers of input channels, and numbers of groups that do not fill a vector. */
static void narrow_groups(void) {
  for (int64_t co = 1; co <= 8; co *= 2)
    for (int64_t ci = 1; ci <= 9; ci += ci < 5 ? 1 : 3)
      for (kind k = F32; k < KINDS; k++) {
        int64_t g = 16 / co * (1 + (ci + k) % 3) + (ci + k) % 4 / 3;
        if (g > 1 && (co > 1 || ci > 1))
          one_conv(k, (shape){ 1 + ci % 2, 5, 4 + ci, g * ci, g * co, 1 + 2 * (k % 2), 3,
                               1 + ci % 2, 1, 1 + ci / 7, g });
      }
}

/* 3x3 in tiles of 4x4 results: sizes that are no multiple of 4 (with 1 or 2 results left: short
 * tiles), passes that move back, weights of every form, and weights and inputs at the ends of their
 * ranges with as many channels as the exact sum allows (112). */
typedef enum wform { MADE, READY, WFORMS } wform;

static tcase *begin_winograd(kind k, shape c, wform f, const char *what) {
  tcase *t =
      sweep_begin("winograd %s%s%s n%d %dx%d ci%d co%d p%d", what, f == READY ? "ready " : "",
                  kinds[k], (int)c.n, (int)c.h, (int)c.w, (int)c.ci, (int)c.co, (int)c.p);
  if (t) t->winograd = true, t->ready = f == READY;
  return t;
}

static void one_winograd(kind k, shape c, wform f) {
  tcase *t = begin_winograd(k, c, f, "");
  if (!t) return;
  mc_value *x = activation(t, k, 4, DIMS(c.n, c.h, c.w, c.ci)),
           *y = conv(t, k, x, c, rnd(t) % 3 != 0);
  if (rnd(t) % 3 || !y) {
    finish(t, k, y, 9 * c.ci);
    return;
  }
  mc_value *q = requant(t, y, 9 * c.ci, MC_u8, mc_rounding_fp32_rne),
           *other = in_q(t, MC_u8, 0.03f, 9, 4, q ? q->type->dim : DIMS(1, 1, 1, 1));
  result(t, q ? op2_q(t, MC_OP_add, q, other, MC_u8, 0.05f, 3) : NULL);
  sweep_end(t);
}

/* Weights of +-127 in patterns that transforms make large, a bias that leaves no room in the sums,
 * sums as they are. */
static void extreme_winograd(kind k, shape c, wform f, int64_t bias) {
  tcase *t = begin_winograd(k, c, f, bias > 20000 ? "extreme, large bias " : "extreme ");
  if (!t) return;
  void *data;
  mc_tensor *w = mc_tensor_create(t->m, "w", MC_i8, 4, DIMS(c.co, 3, 3, c.ci), &data);
  for (int64_t i = 0; i < mc_tensor_elems(w); i++) {
    int64_t n = i / (9 * c.ci), tap = i / c.ci % 9;
    ((int8_t *)data)[i] =
        (int8_t)((n & 1 && (tap / 3 + tap % 3) % 2) != (n & 2 && tap / 3 == 1) ? -127 : 127);
  }
  mc_value *x = activation(t, k, 4, DIMS(c.n, c.h, c.w, c.ci)),
           *wv = mc_build_tensor(&t->b, w,
                                 mc_type_make_q(t->m, MC_i8, 4, DIMS(c.co, 3, 3, c.ci), 0.01f, 0));
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  for (int i = 0; i < 4; i++) a.pad[i] = c.p;
  result(t, conv_op(t, MC_OP_conv2d, x, wv, const_i32(t, -bias, bias, c.co), &a));
  sweep_end(t);
}

static void winograds(void) {
  static const shape more[] = {
    { 1, 8, 8, 112, 64, 3, 3, 1, 1, 1, 1 },  { 1, 29, 30, 64, 80, 3, 3, 1, 1, 1, 1 },
    { 1, 6, 7, 32, 48, 3, 3, 1, 0, 1, 1 },   { 2, 5, 4, 96, 16, 3, 3, 1, 2, 1, 1 },
    { 3, 4, 40, 16, 144, 3, 3, 1, 1, 1, 1 }, { 1, 14, 14, 96, 160, 3, 3, 1, 1, 1, 1 },
    { 1, 13, 26, 48, 96, 3, 3, 1, 1, 1, 1 }, { 2, 10, 9, 80, 112, 3, 3, 1, 1, 1, 1 },
    { 1, 60, 45, 32, 80, 3, 3, 1, 1, 1, 1 }
  };
  for (int64_t h = 4; h <= 11; h++)
    for (int64_t w = 4 + h % 3; w <= 18; w += 3)
      one_winograd(
          w % 2 ? U8 : I8,
          (shape){ 1 + h % 2, h, w, 16 + 16 * (w % 3), 16 + 16 * (h % 4), 3, 3, 1, 1, 1, 1 },
          (h / 2 + w / 2) % 2 ? MADE : READY);
  for (wform f = MADE; f < WFORMS; f++)
    for (kind k = U8; k <= I8; k++) {
      for (size_t i = 0; i < sizeof more / sizeof *more; i++) one_winograd(k, more[i], f);
      for (int64_t h = 8; h <= 11; h++)
        extreme_winograd(k, (shape){ 1, h, 19 - h, 112, 64, 3, 3, 1, 1, 1, 1 }, f,
                         h % 2 ? 20000 : 1 << 30);
    }
}

/* Channels that fill no whole registers: every remainder of 16, of the input and of the result. */
static void narrow_winograds(void) {
  for (int64_t i = 0; i < 16; i++) {
    int64_t h = 4 + i % 5, w = 4 + i * 3 % 11;
    kind k = i % 2 ? U8 : I8;
    wform f = i / 2 % 2 ? MADE : READY;
    one_winograd(k, (shape){ 1, h, w, 8 + i, 8 + (i * 5 + 3) % 16, 3, 3, 1, 1, 1, 1 }, f);
    one_winograd(k, (shape){ 1, w, h, 24 + 3 * i, 17 + 7 * i, 3, 3, 1, 1, 1, 1 }, f);
    if (i % 4 == 0)
      extreme_winograd(k, (shape){ 1, 9, 10, 104 + i / 2, 40 + i, 3, 3, 1, 1, 1, 1 }, f, 20000);
  }
}

/* More than one block of everything: lines, rows, columns, steps of K. */
static void large(void) {
  static const shape c[] = {
    { 1, 7, 20, 64, 80, 3, 3, 1, 1, 1, 1 }, { 2, 5, 7, 200, 48, 3, 3, 1, 1, 1, 1 },
    { 1, 9, 9, 96, 112, 1, 1, 1, 0, 1, 1 }, { 1, 9, 37, 40, 16, 3, 3, 2, 1, 1, 1 },
    { 1, 6, 5, 70, 150, 3, 3, 1, 1, 2, 2 }, { 1, 3, 9, 520, 64, 1, 1, 1, 0, 1, 1 }
  };
  for (size_t i = 0; i < sizeof c / sizeof *c; i++)
    for (kind k = F32; k <= I8; k++) one_conv(k, c[i]);
}

static void depthwises(void) {
  for (int64_t c = 2; c <= 35; c += c < 20 ? 1 : 5)
    for (kind k = F32; k < KINDS; k++) {
      if ((c + k) % 2) continue;
      one_conv(k, (shape){ 1, 4, 3 + c % 7, c, c, 3, 3, 1, 1, 1, c });
    }
  for (kind k = F32; k < KINDS; k++) {
    one_conv(k, (shape){ 1, 9, 9, 24, 24, 3, 3, 2, 1, 1, 24 });
    one_conv(k, (shape){ 2, 8, 9, 16, 16, 5, 5, 1, 2, 1, 16 });
    one_conv(k, (shape){ 1, 11, 12, 10, 10, 7, 7, 2, 3, 1, 10 });
    one_conv(k, (shape){ 1, 11, 12, 18, 18, 3, 3, 1, 2, 2, 18 });
    one_conv(k, (shape){ 1, 5, 5, 8, 16, 3, 3, 1, 1, 1, 8 });
    one_conv(k, (shape){ 1, 5, 6, 7, 21, 3, 3, 1, 1, 1, 7 });
    one_conv(k, (shape){ 1, 7, 1, 40, 40, 7, 1, 1, 0, 1, 40 });
  }
}

static void one_transposed(kind k, shape c, int64_t out_pad) {
  tcase *t = sweep_begin("conv_transpose %s %dx%d ci%d co%d k%dx%d s%d p%d d%d g%d o%d", kinds[k],
                         (int)c.h, (int)c.w, (int)c.ci, (int)c.co, (int)c.kh, (int)c.kw, (int)c.s,
                         (int)c.p, (int)c.d, (int)c.g, (int)out_pad);
  if (!t) return;
  mc_attrs_conv_transpose2d a;
  mc_attrs_init(MC_OP_conv_transpose2d, &a, t->a);
  for (int i = 0; i < 2; i++) a.stride[i] = c.s, a.dilation[i] = c.d, a.out_pad[i] = out_pad;
  for (int i = 0; i < 4; i++) a.pad[i] = c.p;
  a.groups = c.g;
  mc_value *x = activation(t, k, 4, DIMS(c.n, c.h, c.w, c.ci)),
           *w = weights_of(t, k, 4, DIMS(c.co, c.kh, c.kw, c.ci / c.g));
  finish(t, k, conv_op(t, MC_OP_conv_transpose2d, x, w, bias_of(t, k, c.co), &a),
         c.kh * c.kw * c.ci / c.g);
}

static void transposeds(void) {
  for (kind k = F32; k < KINDS; k++) {
    one_transposed(k, (shape){ 1, 4, 5, 6, 9, 3, 3, 2, 1, 1, 1 }, 1);
    one_transposed(k, (shape){ 2, 3, 3, 16, 20, 2, 2, 2, 0, 1, 1 }, 0);
    one_transposed(k, (shape){ 1, 5, 4, 5, 3, 3, 4, 1, 1, 1, 1 }, 0);
    one_transposed(k, (shape){ 1, 4, 4, 7, 17, 5, 5, 3, 2, 1, 1 }, 2);
    one_transposed(k, (shape){ 1, 4, 3, 8, 12, 3, 3, 2, 0, 2, 2 }, 1);
    one_transposed(k, (shape){ 1, 3, 3, 4, 5, 1, 1, 2, 0, 1, 1 }, 1); /* phases without a tap */
  }
}

void one_linear(kind k, int rank, const int64_t *dim, int64_t n) {
  tcase *t =
      sweep_begin("linear %s r%d m%d k%d n%d%s", kinds[k], rank,
                  (int)(rank > 1 ? dim[rank - 2] : 1), (int)dim[rank - 1], (int)n, zeros_name());
  if (!t) return;
  int64_t terms = dim[rank - 1];
  mc_value *x = activation(t, k, rank, dim), *w = weights_of(t, k, 2, DIMS(n, terms)),
           *b = bias_of(t, k, n);
  finish(t, k,
         mc_build1_as(&t->b, MC_OP_linear, (mc_value *[]){ x, w, b }, 3, NULL,
                      sum_type(t, x, w, rank - 1)),
         terms);
}

static void linears(void) {
  for (int64_t i = 1; i <= 40; i += 1 + i / 20)
    one_linear((kind)(i % KINDS), 2, DIMS(1 + i % 5, i), i * 11 % 41 + 1);
  for (kind k = F32; k < KINDS; k++) {
    one_linear(k, 2, DIMS(1, 640), 128);
    one_linear(k, 2, DIMS(1, 67), 300);
    one_linear(k, 1, DIMS(33), 10);
    one_linear(k, 3, DIMS(2, 19, 24), 40);
    one_linear(k, 2, DIMS(37, 129), 33);
    one_linear(k, 2, DIMS(70, 1100), 100);
    one_linear(k, 2, DIMS(3, 200), 210);
  }
}

void one_matmul(kind k, bool constant, bool tb, int ra, const int64_t *da, int rb,
                const int64_t *db) {
  int64_t kk = da[ra - 1];
  tcase *t = sweep_begin("matmul %s %s %s a%d b%d m%d k%d n%d%s", kinds[k],
                         constant ? "const" : "input", tb ? "nk" : "kn", ra, rb, (int)da[ra - 2],
                         (int)kk, (int)db[rb - (tb ? 2 : 1)], zeros_name());
  if (!t) return;
  mc_attrs_matmul at;
  mc_attrs_init(MC_OP_matmul, &at, t->a);
  at.transpose_b = tb;
  mc_value *a = activation(t, k, ra, da), *b;
  if (real(k))
    b = constant ? const_real(t, stored(k), -1, 1, rb, db) : in_real(t, stored(k), rb, db);
  else {
    mc_dtype bt = rnd(t) % 2 ? MC_u8 : MC_i8;
    int32_t z = (int32_t)rnd_in(t, bt == MC_u8 ? 0 : -128, bt == MC_u8 ? 255 : 127);
    b = constant ? const_q(t, bt, 0.01f, z, rb, db) : in_q(t, bt, 0.01f, z, rb, db);
  }
  int64_t n = db[rb - (tb ? 2 : 1)];
  if (constant && rb == 2) punched(t, b, n, kk, tb ? kk : 1, tb ? 1 : n, kk);
  finish(t, k,
         mc_build1_as(&t->b, MC_OP_matmul, (mc_value *[]){ a, b }, 2, &at,
                      k == BF16 ? sum_type(t, a, b, 0) : NULL),
         kk);
}

static mc_value *turned(tcase *t, mc_value *x, int a, int b, int c, int d) {
  return op1(t, MC_OP_transpose, x, &(mc_attrs_transpose){ .perm = ints(t, 4, DIMS(a, b, c, d)) });
}

/* Attention: heads of queries, keys and values are in the rows of linear layers' results;
 * transposes of them belong to the products, as does that of the result. Through a map first, so
 * that products find them in the arena. */
static void one_attention(kind k, bool tb, int64_t m, int64_t n, int64_t depth) {
  enum { HEADS = 3 };

  tcase *t = sweep_begin("attention %s %s m%d k%d n%d", kinds[k], tb ? "nk" : "kn", (int)m,
                         (int)depth, (int)n);
  if (!t) return;
  mc_attrs_matmul at;
  mc_attrs_init(MC_OP_matmul, &at, t->a);
  at.transpose_b = tb;
  mc_value *q = op1(t, MC_OP_neg, in_real(t, MC_f32, 4, DIMS(2, m, HEADS, depth)), NULL),
           *b = op1(t, MC_OP_neg, in_real(t, MC_f32, 4, DIMS(2, n, HEADS, depth)), NULL);
  if (k == BF16)
    q = op1_as(t, MC_OP_cast, q, NULL, MC_bf16), b = op1_as(t, MC_OP_cast, b, NULL, MC_bf16);
  else if (!real(k))
    q = as_q(t, MC_OP_quantize, q, NULL, k == U8 ? MC_u8 : MC_i8, 0.02f, 7),
    b = as_q(t, MC_OP_quantize, b, NULL, MC_u8, 0.02f, k == U8 ? 9 : 128);
  q = turned(t, q, 0, 2, 1, 3);
  b = tb ? turned(t, b, 0, 2, 1, 3) : turned(t, b, 0, 2, 3, 1);
  mc_value *y = mc_build1_as(&t->b, MC_OP_matmul, (mc_value *[]){ q, b }, 2, &at,
                             k == BF16 ? sum_type(t, q, b, 0) : NULL);
  if (!real(k)) y = requant(t, y, depth, MC_u8, mc_rounding_fp32_rne);
  tolerate(t, k, depth);
  result(t, turned(t, y, 0, 2, 1, 3));
  sweep_end(t);
}

static void matmuls(void) {
  for (kind k = F32; k < KINDS; k++)
    for (int tb = 0; tb < 2; tb++) {
      one_attention(k, tb, 9, 37, 16);
      one_attention(k, tb, 5, 16, 64);
      one_attention(k, tb, 7, 20, 19);
    }

  for (kind k = F32; k < KINDS; k++)
    for (int tb = 0; tb < 2; tb++) {
      for (int64_t i = 1; i <= 36; i += 7) {
        one_matmul(k, false, tb, 2, DIMS(i % 9 + 1, i), 2,
                   tb ? DIMS(i * 5 % 37 + 1, i) : DIMS(i, i * 5 % 37 + 1));
        one_matmul(k, true, tb, 2, DIMS(i % 9 + 1, i), 2,
                   tb ? DIMS(i * 5 % 37 + 1, i) : DIMS(i, i * 5 % 37 + 1));
      }
      one_matmul(k, false, tb, 3, DIMS(3, 5, 18), 3, tb ? DIMS(3, 20, 18) : DIMS(3, 18, 20));
      one_matmul(k, false, tb, 4, DIMS(2, 3, 7, 16), 4,
                 tb ? DIMS(1, 3, 33, 16) : DIMS(1, 3, 16, 33));
      one_matmul(k, false, tb, 3, DIMS(4, 6, 8), 2, tb ? DIMS(17, 8) : DIMS(8, 17));
      one_matmul(k, false, tb, 2, DIMS(6, 9), 3, tb ? DIMS(4, 10, 9) : DIMS(4, 9, 10));
      one_matmul(k, false, tb, 4, DIMS(1, 3, 50, 70), 4,
                 tb ? DIMS(1, 3, 90, 70) : DIMS(1, 3, 70, 90));
      one_matmul(k, false, tb, 3, DIMS(2, 9, 128), 3, tb ? DIMS(2, 37, 128) : DIMS(2, 128, 37));
      one_matmul(k, true, tb, 3, DIMS(3, 5, 18), 3, tb ? DIMS(3, 20, 18) : DIMS(3, 18, 20));
    }
}

/* conv -> requantize -> op with an outer value -> table, and so on: what epilogues hold. */
void one_epilogue(kind k, int64_t co, int which) {
  tcase *t = sweep_begin("epilogue %s %d co%d%s", kinds[k], which, (int)co, zeros_name());
  if (!t) return;
  shape c = { 1, 5, 9, 8, co, 3, 3, 1, 1, 1, 1 };
  mc_value *x = activation(t, k, 4, DIMS(1, 5, 9, 8)), *y = conv(t, k, x, c, true),
           *r = activation(t, k, 4, DIMS(1, 5, 9, co));
  tolerate(t, k, 72);
  t->tolerance *= 8;
  if (real(k)) {
    static const mc_opcode ops[] = { MC_OP_add, MC_OP_mul, MC_OP_sub, MC_OP_max };
    y = op2(t, ops[which % 4], y, r, NULL);
    if (which & 1) y = op1(t, MC_OP_relu, y, NULL);
  } else {
    static const int roundings[] = { mc_rounding_fp32_rne, mc_rounding_single, mc_rounding_twice };
    static const mc_opcode ops[] = { MC_OP_add, MC_OP_mul, MC_OP_sub, MC_OP_min, MC_OP_max };
    y = requant(t, y, 72, which & 1 ? MC_u8 : MC_i8, roundings[which % 3]);
    if (which >= 3) y = op2_q(t, ops[which % 5], y, r, MC_u8, 0.05f, 100);
    if (which >= 6) y = as_q(t, MC_OP_hard_swish, y, NULL, MC_i8, 0.04f, -3);
    if (which == 8) y = op1(t, MC_OP_dequantize, y, NULL);
    t->tolerance = 0;
  }
  result(t, y);
  sweep_end(t);
}

/* Borders: producers of every family before a 3x3 convolution. */
static void border(kind k, int which) {
  tcase *t = sweep_begin("border %s %d", kinds[k], which);
  if (!t) return;
  mc_value *x = activation(t, k, 4, DIMS(2, 6, 7, 10)), *y = x;
  const mc_type *q = x->type;
  mc_attrs_max_pool mp;
  mc_attrs_transpose tr;
  mc_attrs_resize rs;
  mc_attrs_concat cc;
  mc_attrs_init(MC_OP_max_pool, &mp, t->a);
  mc_attrs_init(MC_OP_transpose, &tr, t->a);
  mc_attrs_init(MC_OP_resize, &rs, t->a);
  mc_attrs_init(MC_OP_concat, &cc, t->a);
  switch (which) {
  case 0:
    y = real(k) ? op1(t, MC_OP_relu, x, NULL)
                : as_q(t, MC_OP_relu, x, NULL, q->dtype, 0.015f, q->q.zero);
    break;
  case 1:
    mp.kernel[0] = mp.kernel[1] = 2;
    y = op1(t, MC_OP_max_pool, x, &mp);
    break;
  case 2:
    tr.perm = ints(t, 4, DIMS(0, 2, 1, 3));
    y = op1(t, MC_OP_transpose, x, &tr);
    break;
  case 3:
    rs.size[0] = 9;
    rs.size[1] = 5;
    y = op1(t, MC_OP_resize, x, &rs);
    break;
  case 4: {
    mc_value *a = real(k) ? op1(t, MC_OP_abs, x, NULL)
                          : as_q(t, MC_OP_abs, x, NULL, q->dtype, 0.02f, q->q.zero);
    mc_value *b = real(k) ? op1(t, MC_OP_exp, x, NULL)
                          : as_q(t, MC_OP_tanh, x, NULL, q->dtype, 0.02f, q->q.zero);
    cc.axis = 3;
    y = op2(t, MC_OP_concat, a, b, &cc);
    break;
  }
  case 5:
    y = conv(t, k, x, (shape){ 2, 6, 7, 10, 18, 1, 1, 1, 0, 1, 1 }, true);
    if (!real(k)) y = requant(t, y, 10, MC_u8, mc_rounding_fp32_rne);
    break;
  case 6:
    y = conv(t, k, x, (shape){ 2, 6, 7, 10, 10, 3, 3, 1, 1, 1, 10 }, true);
    if (!real(k)) y = requant(t, y, 9, MC_i8, mc_rounding_fp32_rne);
    break;
  default:
    y = real(k) ? op2(t, MC_OP_add, x, op1(t, MC_OP_neg, x, NULL), NULL)
                : op2_q(t, MC_OP_add, x, x, MC_u8, 0.05f, 7);
    break;
  }
  if (k == BF16 && y->type->dtype == MC_f32) y = op1_as(t, MC_OP_cast, y, NULL, MC_bf16);
  int64_t ci = y->type->dim[3];
  mc_value *z = conv(t, k, y, (shape){ 2, 0, 0, ci, 17, 3, 3, 1, 1, 1, 1 }, true),
           *z2 = conv(t, k, y, (shape){ 2, 0, 0, ci, 5, 5, 5, 2, 2, 1, 1 }, true);
  tolerate(t, k, 25 * ci + 30);
  result(t, z);
  result(t, z2);
  result(t, y);
  sweep_end(t);
}

void sweep_products(void) {
  convs();
  narrow_groups();
  winograds();
  narrow_winograds();
  large();
  depthwises();
  transposeds();
  linears();
  matmuls();
  for (kind k = F32; k < KINDS; k++) {
    for (int which = 0; which < 9; which++) one_epilogue(k, 16 + which * 3 % 7, which);
    for (int which = 0; which < 8; which++) border(k, which);
  }
}

/* ---- random shapes ---- */
static shape random_conv(uint64_t *at) {
  shape c = {
    .n = sweep_size(at, 1, 3), .g = 1, .s = sweep_size(at, 1, 4), .d = sweep_size(at, 1, 3)
  };
  c.kh = sweep_size(at, 1, 9);
  c.kw = sweep_size(at, 1, 9);
  c.p = sweep_size(at, 0, (c.kh < c.kw ? c.kh : c.kw) - 1);
  c.h = (c.kh - 1) * c.d + sweep_size(at, 1, 12);
  c.w = (c.kw - 1) * c.d + sweep_size(at, 1, 90);
  c.ci = sweep_size(at, 1, 150);
  c.co = sweep_size(at, 1, 150);
  if (sweep_size(at, 0, 5) == 5) {
    c.g = sweep_size(at, 2, 9);
    c.ci = c.g * sweep_size(at, 1, 17);
    c.co = c.g * sweep_size(at, 1, 17);
  }
  return c;
}

void sweep_random_products(int n) {
  uint64_t at = 8;
  for (int i = 0; i < n; i++) {
    kind k = (kind)(i % KINDS);
    one_conv(k, random_conv(&at));
    int64_t rows = sweep_size(&at, 1, 40), depth = sweep_size(&at, 1, 400),
            columns = sweep_size(&at, 1, 300), batch = sweep_size(&at, 1, 4);
    one_linear(k, 2, DIMS(rows, depth), columns);
    bool tb = sweep_size(&at, 0, 1);
    one_matmul(k, false, tb, 3, DIMS(batch, rows, depth), 3,
               tb ? DIMS(batch, columns, depth) : DIMS(batch, depth, columns));
  }
}
