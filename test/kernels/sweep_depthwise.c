/* Depthwise convolutions of bytes: channel counts around every register width, strides, windows,
 * odd and even heights, rows that end within a register, every epilogue. */
#include "sweep.h"

typedef struct shape {
  int64_t n, h, w, c, kh, kw, sy, sx, pad[4], mult;
} shape;

static mc_value *conv(tcase *t, mc_value *x, const shape *s) {
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  a.stride[0] = s->sy;
  a.stride[1] = s->sx;
  for (int i = 0; i < 4; i++) a.pad[i] = s->pad[i];
  a.groups = s->c;
  int64_t co = s->c * s->mult;
  mc_value *w = const_w8(t, rnd(t) % 3 != 0, 4, DIMS(co, s->kh, s->kw, 1)),
           *in[3] = { x, w, const_i32(t, -20000, 20000, co) };
  return mc_build1_as(&t->b, MC_OP_conv2d, in, rnd(t) % 3 ? 3 : 2, &a, acc_type(t, x, w, 3));
}

/* epilogue 0: requantized; 1: the sums; 2: a residual; 3: a table; 4: another rounding. */
static void one(shape s, bool is_signed, int epilogue) {
  tcase *t = sweep_begin("depthwise %s n%d %dx%d c%d k%dx%d s%d,%d p%d,%d,%d,%d m%d e%d",
                         is_signed ? "i8" : "u8", (int)s.n, (int)s.h, (int)s.w, (int)s.c, (int)s.kh,
                         (int)s.kw, (int)s.sy, (int)s.sx, (int)s.pad[0], (int)s.pad[1],
                         (int)s.pad[2], (int)s.pad[3], (int)s.mult, epilogue);
  if (!t) return;
  mc_dtype in = is_signed ? MC_i8 : MC_u8, out = rnd(t) % 2 ? MC_u8 : MC_i8;
  mc_value *x = in_q(t, in, 0.02f, (int32_t)rnd_in(t, is_signed ? -128 : 0, is_signed ? 127 : 255),
                     4, DIMS(s.n, s.h, s.w, s.c)),
           *y = conv(t, x, &s);
  if (y && epilogue != 1)
    y = requant(t, y, s.kh * s.kw, out, epilogue == 4 ? mc_rounding_single : mc_rounding_fp32_rne);
  if (y && epilogue == 2)
    y = op2_q(t, MC_OP_add, y, in_q(t, MC_u8, 0.03f, 7, 4, y->type->dim), MC_u8, 0.05f, 100);
  if (y && epilogue == 3) y = as_q(t, MC_OP_hard_swish, y, NULL, MC_u8, 0.04f, 3);
  result(t, y);
  sweep_end(t);
}

/* First convolutions: 1 to 4 channels. */
static void stem(int64_t ci, int64_t co, int64_t k, int64_t s, int64_t h, int64_t w,
                 bool is_signed) {
  tcase *t = sweep_begin("stem %s %dx%d ci%d co%d k%d s%d", is_signed ? "i8" : "u8", (int)h, (int)w,
                         (int)ci, (int)co, (int)k, (int)s);
  if (!t) return;
  mc_value *x = in_q(t, is_signed ? MC_i8 : MC_u8, 0.02f,
                     (int32_t)rnd_in(t, is_signed ? -128 : 0, is_signed ? 127 : 255), 4,
                     DIMS(1 + co % 3, h, w, ci));
  mc_value *wt = const_w8(t, rnd(t) % 3 != 0, 4, DIMS(co, k, k, ci)),
           *b = const_i32(t, -20000, 20000, co), *y;
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  a.stride[0] = a.stride[1] = s;
  for (int i = 0; i < 4; i++) a.pad[i] = k / 2;
  y = mc_build1_as(&t->b, MC_OP_conv2d, (mc_value *[]){ x, wt, b }, rnd(t) % 3 ? 3 : 2, &a,
                   acc_type(t, x, wt, 3));
  result(t, y ? requant(t, y, k * k * ci, rnd(t) % 2 ? MC_u8 : MC_i8, mc_rounding_fp32_rne) : NULL);
  sweep_end(t);
}

static void stems(void) {
  static const int64_t co[] = { 8, 16, 32, 48, 64, 24 };
  for (int i = 0; i < 6; i++)
    for (int64_t ci = 1; ci <= 4; ci++)
      stem(ci, co[i], 3, 1 + (i + ci) % 2, 5, 32 + (i * 7 + ci) % 30, i % 2);
  for (int i = 0; i < 4; i++)
    stem(3, 16 * (i + 1) / 2 / 8 * 8, 5 + i % 2 * 2, 1 + i / 2, 9, 34 + i, i % 2);
  stem(3, 8, 3, 2, 12, 96, false);
  stem(3, 8, 3, 2, 12, 96, true);
  stem(3, 64, 7, 2, 14, 64, false);
}

/* Few results: every number of them, windows whose rows have odd and even lengths, rows of pixels
 * that end within a register. */
static void narrow_stems(void) {
  for (int64_t co = 1; co <= 19; co++) {
    for (int64_t ci = 1; ci <= 4; ci++)
      stem(ci, co, ci < 3 && co % 3 == 0 ? 5 : 3, 1 + (co / 2 + ci) % 2, 3 + co % 4,
           8 + (co * 5 + ci * 3) % 41, (co + ci / 2) % 2);
    stem(1 + co % 4, co, 1 + co % 2, 1 + co % 3, 4, 40 + co, co % 3 == 0);
  }
}

/* Lines of bytes with many pixels a register, and enough of them for several registers at once:
 * every number of channels, one row and pairs of them, windows from one column to seven. */
static void long_rows(void) {
  static const int64_t windows[] = { 1, 2, 3, 5, 7 };
  for (int64_t c = 1; c <= 24; c++)
    for (int i = 0; i < 3; i++) {
      int64_t k = windows[(c + i * 2) % 5], w = 33 + (c * 31 + i * 37) % 120, h = i + 1;
      if (w * c < 400) w += 400 / c;
      int64_t s = i == 2 && k > 1 ? 2 : 1, kh = 1 + (c + i) % 3;
      shape one_shape = { 1, h + kh - 1, w, c, kh, k, s, s, { 0, k / 2, 0, k / 2 }, 1 };
      if (s == 2) one_shape.w = (w + 63) / 64 * 64 + k - 1 - k / 2 * 2;
      one(one_shape, c % 2, 0);
    }
}

/* Channels that leave a part of a register empty: several pixels in it, rows that end in one. */
static void narrow_rests(void) {
  for (int64_t c = 1; c <= 69; c++) {
    int64_t w = 4 + c * 7 % 19, e = c % 4 == 3 ? 1 + c % 3 : 0;
    one((shape){ 1, 3, w, c, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 }, c % 2, (int)e);
    one((shape){ 1, 5, 2 * w + c % 2, c, 3, 3, 2, 2, { 0, 0, 1, 1 }, 1 }, c % 3 == 0, 0);
    if (c % 5 == 0) one((shape){ 2, 7, 20 + w, c, 5, 4, 1, 3, { 2, 1, 2, 2 }, 1 }, c % 2 == 0, 0);
  }
}

void sweep_depthwise(void) {
  stems();
  narrow_stems();
  long_rows();
  narrow_rests();
  for (int64_t c = 1; c <= 40; c++) {
    one((shape){ 1, 3 + c % 4, 5 + c * 5 % 13, c, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 }, c % 2, 0);
    one((shape){ 1, 4 + c % 3, 3 + c * 7 % 11, c, 3, 3, 2, 2, { 1, 1, 1, 1 }, 1 }, c % 3 == 0,
        (int)(c % 5));
    if (c % 3 == 1)
      one((shape){ 1, 6, 7, c, 5, 5, 1 + c % 2, 1 + c % 2, { 2, 2, 2, 2 }, 1 }, c % 2, 0);
  }
  static const int64_t wide[] = { 48,  56,  63,  64,  65,  72,  80,  88,  96,  100,
                                  112, 120, 127, 128, 130, 144, 160, 200, 256, 257 };
  for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
    int64_t c = wide[i], e = (int64_t)i;
    one((shape){ 1, 2 + e % 4, 1 + e % 7, c, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 }, e % 2, (int)(e % 5));
    one((shape){ 1, 5 + e % 2, 4 + e % 5, c, 3, 3, 2, 2, { 0, 0, 1, 1 }, 1 }, e % 3 == 0, 0);
  }
  for (int e = 0; e < 5; e++) {
    one((shape){ 2, 7, 7, 72, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 }, e % 2, e);
    one((shape){ 2, 6, 9, 24, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 }, e % 2 == 0, e);
    one((shape){ 1, 7, 8, 40, 5, 5, 1, 1, { 2, 2, 2, 2 }, 1 }, e % 2, e);
    one((shape){ 1, 6, 6, 12, 3, 3, 1, 1, { 1, 1, 1, 1 }, 2 }, e % 2, e);
  }
  static const shape odd[] = { { 1, 9, 10, 16, 7, 7, 1, 1, { 3, 3, 3, 3 }, 1 },
                               { 1, 9, 10, 96, 7, 7, 2, 2, { 3, 3, 3, 3 }, 1 },
                               { 1, 25, 5, 64, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 },
                               { 1, 6, 20, 20, 1, 3, 1, 1, { 0, 1, 0, 1 }, 1 },
                               { 1, 20, 6, 20, 3, 1, 1, 1, { 1, 0, 1, 0 }, 1 },
                               { 1, 12, 12, 33, 4, 4, 1, 1, { 0, 1, 2, 1 }, 1 },
                               { 1, 12, 12, 34, 2, 2, 2, 2, { 0, 0, 0, 0 }, 1 },
                               { 1, 12, 13, 8, 3, 3, 2, 1, { 1, 1, 1, 1 }, 1 },
                               { 1, 13, 12, 64, 3, 3, 1, 2, { 1, 1, 1, 1 }, 1 },
                               { 1, 13, 12, 66, 3, 3, 3, 3, { 0, 0, 0, 0 }, 1 },
                               { 1, 5, 5, 24, 1, 1, 1, 1, { 0, 0, 0, 0 }, 1 },
                               { 1, 11, 11, 17, 6, 5, 1, 1, { 2, 2, 3, 2 }, 1 },
                               { 1, 10, 49, 1, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 },
                               { 1, 8, 40, 4, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 },
                               { 1, 1, 9, 48, 1, 5, 1, 1, { 0, 2, 0, 2 }, 1 },
                               { 1, 16, 3, 96, 9, 3, 1, 1, { 4, 1, 4, 1 }, 1 },
                               { 1, 6, 6, 5, 3, 3, 1, 1, { 1, 1, 1, 1 }, 3 },
                               { 1, 6, 6, 32, 3, 3, 2, 2, { 1, 1, 1, 1 }, 2 },
                               { 1, 48, 48, 8, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 },
                               { 1, 14, 14, 128, 3, 3, 1, 1, { 1, 1, 1, 1 }, 1 } };
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    for (int is_signed = 0; is_signed < 2; is_signed++) one(odd[i], is_signed, 0);
}

void sweep_random_depthwise(int n) {
  uint64_t at = 9;
  for (int i = 0; i < n; i++) {
    shape c = { .n = sweep_size(&at, 1, 3), .mult = sweep_size(&at, 1, 8) };
    c.c = sweep_size(&at, 1, c.mult > 1 ? 40 : 150);
    c.kh = sweep_size(&at, 1, 8);
    c.kw = sweep_size(&at, 1, 8);
    c.sy = sweep_size(&at, 1, 3);
    c.sx = sweep_size(&at, 1, 3);
    for (int k = 0; k < 4; k++) c.pad[k] = sweep_size(&at, 0, (k % 2 ? c.kw : c.kh) - 1);
    c.h = c.kh + sweep_size(&at, 0, 9);
    c.w = c.kw + sweep_size(&at, 0, 200);
    one(c, i % 2, i % 5);
  }
}
