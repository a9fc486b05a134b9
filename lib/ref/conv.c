/* conv2d, conv_transpose2d, linear, matmul. */
#include "eval.h"

/* Weights of one group, packed for mc_dot16: [block of 16 outputs][position][c_in][16], short
 * blocks filled with zeros. */
typedef struct packed {
  const double *w;
  int64_t blocks, positions, c_in;
} packed;

static const double *packed_at(const packed *p, int64_t block, int64_t position) {
  return p->w + (block * p->positions + position) * p->c_in * MC_DOT_LANES;
}

/* w: [rows][positions][c_in], rows outputs. */
static packed pack_rows(mc_eval_cx *cx, const double *w, int64_t rows, int64_t positions,
                        int64_t c_in) {
  packed p = { .blocks = (rows + MC_DOT_LANES - 1) / MC_DOT_LANES,
               .positions = positions,
               .c_in = c_in };
  int64_t depth = positions * c_in;
  double *to = MC_NEWN(cx->scratch, double, p.blocks *depth *MC_DOT_LANES);
  for (int64_t r = 0; r < rows; r++) {
    double *block = to + r / MC_DOT_LANES * depth * MC_DOT_LANES + r % MC_DOT_LANES;
    for (int64_t i = 0; i < depth; i++) block[i * MC_DOT_LANES] = w[r * depth + i];
  }
  p.w = to;
  return p;
}

static int64_t block_size(int64_t rows, int64_t block) {
  int64_t left = rows - block * MC_DOT_LANES;
  return left < MC_DOT_LANES ? left : MC_DOT_LANES;
}

static void start(double acc[MC_DOT_LANES], const double *bias, int64_t n) {
  for (int64_t l = 0; l < MC_DOT_LANES; l++) acc[l] = bias && l < n ? bias[l] : 0;
}

/* ---- conv2d ---- */
typedef struct conv {
  mc_eval_cx *cx;
  const double *x, *bias;
  int64_t h, w, c_in, kh, kw, per_group, out_h, out_w,
      c_out; /* per_group: input channels of a group */
  const int64_t *stride, *pad, *dilation;
  const float *clamp;
} conv;

/* Input pixel under kernel position (ky, kx) of output pixel (oy, ox), or NULL in the padding (real
 * value 0 adds nothing). */
static const double *conv_pixel(const conv *k, int64_t n, int64_t oy, int64_t ox, int64_t ky,
                                int64_t kx) {
  int64_t y = oy * k->stride[0] - k->pad[0] + ky * k->dilation[0],
          x = ox * k->stride[1] - k->pad[1] + kx * k->dilation[1];
  if (y < 0 || y >= k->h || x < 0 || x >= k->w) return NULL;
  return k->x + ((n * k->h + y) * k->w + x) * k->c_in;
}

/* The same for a transposed convolution: the output pixel receives from the input pixel that is
 * scattered onto it. */
static const double *transposed_pixel(const conv *k, int64_t n, int64_t oy, int64_t ox, int64_t ky,
                                      int64_t kx) {
  int64_t y = oy + k->pad[0] - ky * k->dilation[0], x = ox + k->pad[1] - kx * k->dilation[1];
  if (y < 0 || x < 0 || y % k->stride[0] || x % k->stride[1]) return NULL;
  y /= k->stride[0];
  x /= k->stride[1];
  return y < k->h && x < k->w ? k->x + ((n * k->h + y) * k->w + x) * k->c_in : NULL;
}

typedef const double *pixel_fn(const conv *, int64_t n, int64_t oy, int64_t ox, int64_t ky,
                               int64_t kx);

/* All outputs of one group at one pixel. */
static bool group_pixel(const conv *k, pixel_fn *pixel, const packed *w, int64_t g, int64_t n,
                        int64_t oy, int64_t ox, int64_t outs) {
  int64_t at = ((n * k->out_h + oy) * k->out_w + ox) * k->c_out + g * outs;
  for (int64_t b = 0; b < w->blocks; b++) {
    double acc[MC_DOT_LANES] __attribute__((aligned(16)));
    int64_t size = block_size(outs, b);
    start(acc, k->bias ? k->bias + g * outs + b * MC_DOT_LANES : NULL, size);
    for (int64_t ky = 0; ky < k->kh; ky++)
      for (int64_t kx = 0; kx < k->kw; kx++) {
        const double *p = pixel(k, n, oy, ox, ky, kx);
        if (p) mc_dot16(acc, p + g * k->per_group, packed_at(w, b, ky * k->kw + kx), k->per_group);
      }
    if (!mc_put_sums(k->cx, at + b * MC_DOT_LANES, acc, size, k->clamp)) return false;
  }
  return true;
}

static bool conv_grouped(const conv *k, pixel_fn *pixel, const double *w, int64_t groups,
                         int64_t batch) {
  int64_t outs = k->c_out / groups, positions = k->kh * k->kw;
  for (int64_t g = 0; g < groups; g++) {
    packed p =
        pack_rows(k->cx, w + g * outs * positions * k->per_group, outs, positions, k->per_group);
    for (int64_t n = 0; n < batch; n++)
      for (int64_t oy = 0; oy < k->out_h; oy++)
        for (int64_t ox = 0; ox < k->out_w; ox++)
          if (!group_pixel(k, pixel, &p, g, n, oy, ox, outs)) return false;
  }
  return true;
}

/* Depthwise: one input channel per output. w: [c_out][kh][kw]. */
static bool conv_depthwise(const conv *k, pixel_fn *pixel, const double *w, int64_t batch) {
  int64_t mult = k->c_out / k->c_in, positions = k->kh * k->kw;
  double *acc = MC_NEWN(k->cx->scratch, double, k->c_out),
         *t = MC_NEWN(k->cx->scratch, double, k->c_out *positions);
  for (int64_t o = 0; o < k->c_out; o++)
    for (int64_t i = 0; i < positions; i++) t[i * k->c_out + o] = w[o * positions + i];
  for (int64_t q = 0; q < batch * k->out_h * k->out_w; q++) {
    int64_t n = q / (k->out_h * k->out_w), oy = q / k->out_w % k->out_h, ox = q % k->out_w;
    for (int64_t o = 0; o < k->c_out; o++) acc[o] = k->bias ? k->bias[o] : 0;
    for (int64_t i = 0; i < positions; i++) {
      const double *p = pixel(k, n, oy, ox, i / k->kw, i % k->kw), *wi = t + i * k->c_out;
      if (p && mult == 1)
        for (int64_t o = 0; o < k->c_out; o++) acc[o] += p[o] * wi[o];
      else if (p)
        for (int64_t o = 0; o < k->c_out; o++) acc[o] += p[o / mult] * wi[o];
    }
    if (!mc_put_sums(k->cx, q * k->c_out, acc, k->c_out, k->clamp)) return false;
  }
  return true;
}

static bool conv_run(mc_eval_cx *cx, conv k, pixel_fn *pixel, int64_t groups) {
  if (!mc_products_ok(cx)) return mc_eval_no_form(cx);
  const int64_t *xd = cx->in[0].type->dim, *wd = cx->in[1].type->dim, *yd = cx->out[0].type->dim;
  k.cx = cx;
  k.h = xd[1];
  k.w = xd[2];
  k.c_in = xd[3];
  k.kh = wd[1];
  k.kw = wd[2];
  k.per_group = wd[3];
  k.out_h = yd[1];
  k.out_w = yd[2];
  k.c_out = yd[3];
  k.x = mc_doubles(cx, &cx->in[0]);
  k.bias = cx->nin > 2 ? mc_doubles(cx, &cx->in[2]) : NULL;
  const double *w = mc_doubles(cx, &cx->in[1]);
  if (groups == k.c_in && k.per_group == 1) return conv_depthwise(&k, pixel, w, xd[0]);
  return conv_grouped(&k, pixel, w, groups, xd[0]);
}

bool mc_eval_conv2d(mc_eval_cx *cx) {
  const mc_attrs_conv2d *a = MC_ATTRS(cx->node, conv2d);
  return conv_run(
      cx, (conv){ .stride = a->stride, .pad = a->pad, .dilation = a->dilation, .clamp = a->clamp },
      conv_pixel, a->groups);
}

bool mc_eval_conv_transpose2d(mc_eval_cx *cx) {
  const mc_attrs_conv_transpose2d *a = MC_ATTRS(cx->node, conv_transpose2d);
  return conv_run(
      cx, (conv){ .stride = a->stride, .pad = a->pad, .dilation = a->dilation, .clamp = a->clamp },
      transposed_pixel, a->groups);
}

/* ---- linear, matmul ---- */
/* y[m][n] = x[m][k] times packed rows, from output element `at` on. */
static bool rows_times(mc_eval_cx *cx, const double *x, int64_t m, int64_t k, const packed *w,
                       int64_t n, const double *bias, int64_t at, const float *clamp) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t b = 0; b < w->blocks; b++) {
      double acc[MC_DOT_LANES] __attribute__((aligned(16)));
      int64_t size = block_size(n, b);
      start(acc, bias ? bias + b * MC_DOT_LANES : NULL, size);
      mc_dot16(acc, x + i * k, packed_at(w, b, 0), k);
      if (!mc_put_sums(cx, at + i * n + b * MC_DOT_LANES, acc, size, clamp)) return false;
    }
  return true;
}

/* Sum of x[i] * w[at + i], for weights that are used once: packing them would cost more than the
 * sum. */
static double dot_row(const double *x, const mc_array *w, int64_t at, int64_t n) {
  double lane[4] = { 0 };
  if (mc_is_f32(w)) {
    const float *v = mc_f32_of(w) + at;
    for (int64_t i = 0; i < n; i++) lane[i & 3] += x[i] * (double)v[i];
  } else {
    const int8_t *v = (const int8_t *)w->data + at;
    for (int64_t i = 0; i < n; i++) lane[i & 3] += x[i] * v[i];
  }
  return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

static bool linear_few(mc_eval_cx *cx, int64_t m, int64_t n, int64_t k) {
  const double *x = mc_doubles(cx, &cx->in[0]),
               *bias = cx->nin > 2 ? mc_doubles(cx, &cx->in[2]) : NULL;
  for (int64_t i = 0; i < m * n; i++) {
    double acc = dot_row(x + i / n * k, &cx->in[1], i % n * k, k) + (bias ? bias[i % n] : 0);
    if (!mc_put_sums(cx, i, &acc, 1, MC_ATTRS(cx->node, linear)->clamp)) return false;
  }
  return true;
}

enum { FEW_ROWS = 4 };

bool mc_eval_linear(mc_eval_cx *cx) {
  if (!mc_products_ok(cx)) return mc_eval_no_form(cx);
  int64_t n = cx->in[1].type->dim[0], k = cx->in[1].type->dim[1],
          m = mc_type_elems(cx->in[0].type) / k;
  if (m < FEW_ROWS && (mc_is_f32(&cx->in[1]) || cx->in[1].type->dtype == MC_i8))
    return linear_few(cx, m, n, k);
  packed w = pack_rows(cx, mc_doubles(cx, &cx->in[1]), n, 1, k);
  const double *bias = cx->nin > 2 ? mc_doubles(cx, &cx->in[2]) : NULL;
  return rows_times(cx, mc_doubles(cx, &cx->in[0]), m, k, &w, n, bias, 0,
                    MC_ATTRS(cx->node, linear)->clamp);
}

/* b: [k][n] packed as if it were its transpose. */
static void pack_columns(packed *p, double *to, const double *b, int64_t k, int64_t n) {
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < n; j++)
      to[(j / MC_DOT_LANES * k + i) * MC_DOT_LANES + j % MC_DOT_LANES] = b[i * n + j];
  p->w = to;
}

/* Offsets of matrix number i of the broadcast batch in an operand. */
static int64_t batch_offset(const mc_type *t, const mc_type *y, int64_t i) {
  int64_t own[MC_MAX_RANK], offset = 0;
  mc_strides(t, own);
  for (int j = y->rank - 3; j >= 0; j--) {
    int k = j - (y->rank - t->rank);
    int64_t at = i % y->dim[j];
    i /= y->dim[j];
    if (k >= 0 && t->dim[k] != 1) offset += at * own[k];
  }
  return offset;
}

bool mc_eval_matmul(mc_eval_cx *cx) {
  if (!mc_products_ok(cx)) return mc_eval_no_form(cx);
  const mc_attrs_matmul *at = MC_ATTRS(cx->node, matmul);
  const mc_type *ta = cx->in[0].type, *tb = cx->in[1].type, *y = cx->out[0].type;
  int64_t m = y->dim[y->rank - 2], n = y->dim[y->rank - 1], k = ta->dim[ta->rank - 1];
  const double *a = mc_doubles(cx, &cx->in[0]), *b = mc_doubles(cx, &cx->in[1]);
  packed w = { .blocks = (n + MC_DOT_LANES - 1) / MC_DOT_LANES, .positions = 1, .c_in = k };
  double *columns = MC_NEWN(cx->scratch, double, w.blocks *k *MC_DOT_LANES);
  for (int64_t i = 0; i < mc_type_elems(y) / (m * n); i++) {
    const double *bi = b + batch_offset(tb, y, i);
    if (at->transpose_b)
      w = pack_rows(cx, bi, n, 1, k);
    else
      pack_columns(&w, columns, bi, k, n);
    if (!rows_times(cx, a + batch_offset(ta, y, i), m, k, &w, n, NULL, i * m * n, at->clamp))
      return false;
  }
  return true;
}
