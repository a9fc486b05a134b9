/* Pools, reductions, normalizations, resizes, and ops that move elements. */
#include "sweep.h"

static mc_value *some(tcase *t, int kind, int rank, const int64_t *dim) {
  if (kind == 0 || kind == 3)
    return in_real(t, kind ? MC_bf16 : MC_f32, rank, dim); /* 1: u8, 2: i8 */
  return in_q(t, kind == 1 ? MC_u8 : MC_i8, 0.02f, kind == 1 ? 77 : -9, rank, dim);
}

/* A quantized result with its own scale, or f32. */
static mc_value *own_scale(tcase *t, mc_opcode op, mc_value *x, const void *attrs) {
  return is_real(x) ? op1(t, op, x, attrs) : as_q(t, op, x, attrs, MC_u8, 0.017f, 50);
}

static void pools(int kind) {
  static const int64_t p[][8] = { /* k, s, p top left bottom right, dilation, ceil */ {
                                      2, 2, 0, 0, 0, 0, 1, 0 },
                                  { 3, 2, 1, 1, 1, 1, 1, 0 },
                                  { 3, 1, 1, 0, 1, 2, 1, 0 },
                                  { 2, 2, 0, 0, 0, 0, 1, 1 },
                                  { 3, 2, 0, 0, 1, 1, 1, 1 },
                                  { 3, 2, 2, 2, 2, 2, 2, 0 },
                                  { 5, 3, 2, 1, 2, 1, 1, 1 },
                                  { 7, 7, 0, 0, 0, 0, 1, 0 } };
  for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
    tcase *t = sweep_begin("pool %d %d", kind, (int)i);
    if (!t) continue;
    mc_value *x = some(t, kind, 4, DIMS(2, 9, 8, 3 + (int64_t)i * 5));
    mc_attrs_max_pool m;
    mc_attrs_avg_pool a;
    mc_attrs_init(MC_OP_max_pool, &m, t->a);
    mc_attrs_init(MC_OP_avg_pool, &a, t->a);
    for (int d = 0; d < 2; d++)
      m.kernel[d] = a.kernel[d] = p[i][0], m.stride[d] = a.stride[d] = p[i][1],
      m.dilation[d] = p[i][6];
    for (int d = 0; d < 4; d++) m.pad[d] = a.pad[d] = p[i][2 + d];
    m.ceil_mode = a.ceil_mode = p[i][7];
    result(t, op1(t, MC_OP_max_pool, x, &m));
    if (p[i][6] == 1) {
      result(t, own_scale(t, MC_OP_avg_pool, x, &a));
      a.count_pad = true;
      result(t, own_scale(t, MC_OP_avg_pool, x, &a));
    }
    result(t, op1(t, MC_OP_global_max_pool, x, NULL));
    result(t, own_scale(t, MC_OP_global_avg_pool, x, NULL));
    sweep_end(t);
  }
}

static void reductions(int kind) {
  static const struct {
    int n;
    int64_t axes[4];
  } a[] = { { 1, { -1 } },         { 1, { 0 } },       { 2, { 1, 2 } }, { 2, { 0, 3 } },
            { 4, { 0, 1, 2, 3 } }, { 3, { 1, 2, 3 } }, { 1, { 2 } } };

  for (size_t i = 0; i < sizeof a / sizeof *a; i++)
    for (int keep = 0; keep < 2; keep++) {
      tcase *t = sweep_begin("reduce %d %d %s", kind, (int)i, keep ? "keep" : "drop");
      if (!t) continue;
      mc_value *x = some(t, kind, 4, DIMS(3, 4, 5, 37));
      mc_attrs_reduce_sum s = { .axes = ints(t, a[i].n, a[i].axes), .keepdims = keep };
      mc_attrs_reduce_mean m = { .axes = s.axes, .keepdims = keep };
      mc_attrs_reduce_max x1 = { .axes = s.axes, .keepdims = keep };
      result(t, own_scale(t, MC_OP_reduce_sum, x, &s));
      result(t, own_scale(t, MC_OP_reduce_mean, x, &m));
      result(t, op1(t, MC_OP_reduce_max, x, &x1));
      sweep_end(t);
    }
}

/* Operands of one type, results of another: 16 bits are only storage. */
static void rows(mc_dtype from, mc_dtype to) {
  for (int64_t n = 1; n <= 50; n += n < 18 ? 1 : 9) {
    tcase *t = sweep_begin("softmax, layer_norm %s %s %d", mc_dtype_names[from], mc_dtype_names[to],
                           (int)n);
    if (!t) continue;
    mc_value *x = in_real(t, from, 3, DIMS(2, 3, n));
    mc_attrs_softmax s = { .axis = -1 }, s1 = { .axis = 1 };
    mc_attrs_layer_norm l = { .axis = -1, .epsilon = 1e-5f }, l2 = { .axis = 1, .epsilon = 1e-3f };
    const mc_type *y = mc_type_make(t->m, to, 1, &n);
    result(t, op1_as(t, MC_OP_softmax, x, &s, to));
    result(t, op1_as(t, MC_OP_softmax, x, &s1, to));
    result(t, op1_as(t, MC_OP_layer_norm, x, &l, to));
    result(t,
           mc_build1_as(&t->b, MC_OP_layer_norm,
                        (mc_value *[]){ x, const_f32(t, -1, 1, 1, &n), const_f32(t, -1, 1, 1, &n) },
                        3, &l, y));
    result(t, mc_build1_as(&t->b, MC_OP_layer_norm,
                           (mc_value *[]){ x, const_f32(t, -1, 1, 2, DIMS(3, n)) }, 2, &l2, y));
    sweep_end(t);
  }
}

/* Integers in and out: rows that end in every part of a register, blocks of four rows and what is
 * left of them, steep and flat exponentials, gamma and beta of every kind. */
static void int_rows(int kind) {
  static const struct {
    int64_t n;
    float scale, out;
    int32_t zero;
  } c[] = { { 1, 0.04f, 0.004f, 0 },   { 2, 0.4f, 0.004f, 3 },     { 7, 3.0f, 0.0039f, 0 },
            { 16, 0.04f, 1e-6f, 0 },   { 17, 0.001f, 0.0001f, 9 }, { 31, 0.3f, 0.02f, 0 },
            { 32, 0.04f, 0.002f, 0 },  { 47, 0.7f, 0.003f, 1 },    { 63, 0.1f, 0.01f, 0 },
            { 64, 0.04f, 0.001f, 0 },  { 65, 40.0f, 0.004f, 0 },   { 100, 0.04f, 0.002f, 0 },
            { 128, 0.04f, 0.002f, 0 }, { 200, 0.0f, 0.005f, 0 },   { 513, 0.05f, 0.001f, 0 },
            { 700, 0.02f, 0.001f, 2 } };

  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    tcase *t = sweep_begin("softmax, layer_norm of integers %d %d", kind, (int)c[i].n);
    if (!t) continue;
    mc_dtype to = i % 3 ? MC_u8 : MC_i8;
    int32_t zero = c[i].zero - (to == MC_i8 ? 128 : 0);
    float scale = c[i].scale > 0 ? c[i].scale : 1e-30f;
    int64_t n = c[i].n;
    mc_value *x = in_q(t, kind == 1 ? MC_u8 : MC_i8, scale, kind == 1 ? 77 : -9, 3,
                       DIMS(2, (int64_t)i % 5 + 1, n)),
             *g = const_f32(t, -1, 1, 1, &n), *b = const_f32(t, -1, 1, 1, &n);
    mc_attrs_softmax s = { .axis = -1 }, s1 = { .axis = 1 };
    mc_attrs_layer_norm l = { .axis = -1, .epsilon = 1e-5f }, l2 = { .axis = 1, .epsilon = 1e-3f };
    result(t, as_q(t, MC_OP_softmax, x, &s, to, c[i].out, zero));
    result(t, as_q(t, MC_OP_softmax, x, &s1, to, c[i].out, zero));
    mc_value *ln = as_q(t, MC_OP_layer_norm, x, &l, to, 0.03f, zero);
    result(t, ln);
    result(t, mc_build1_as(&t->b, MC_OP_layer_norm, (mc_value *[]){ x, g, b }, 3, &l, ln->type));
    result(t, mc_build1_as(&t->b, MC_OP_layer_norm, (mc_value *[]){ x, in_f32(t, 1, &n), b }, 3, &l,
                           as_q(t, MC_OP_relu, x, NULL, to, 1e-7f, zero)->type));
    result(t, mc_build1_as(&t->b, MC_OP_layer_norm,
                           (mc_value *[]){ x, const_f32(t, -1, 1, 2, DIMS((int64_t)i % 5 + 1, n)) },
                           2, &l2, ln->type));
    sweep_end(t);
  }
}

/* Ops before rows and after them: dequantize, mask, quantize, residual; in fp32 and stored in
 * 16 bits. */
static void fused_rows(mc_dtype store) {
  static const int64_t sizes[] = { 1, 5, 16, 30, 47, 64, 65, 131, 200 };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    tcase *t = sweep_begin("ops around rows %s %d", mc_dtype_names[store], (int)sizes[i]);
    if (!t) continue;
    int64_t n = sizes[i], rows = (int64_t)i % 4 + 2;
    mc_attrs_softmax s = { .axis = -1 };
    mc_attrs_layer_norm l = { .axis = -1, .epsilon = 1e-5f };
    mc_value *q = in_q(t, MC_u8, 0.05f, 120, 4, DIMS(2, 1, rows, n)),
             *mask = in_real(t, MC_f32, 4, DIMS(2, 1, 1, n)),
             *half = const_f32(t, 0.5f, 0.5f, 0, NULL),
             *r = in_q(t, MC_u8, 0.02f, 99, 4, DIMS(2, 1, rows, n));
    mc_value *x = op2(t, MC_OP_add,
                      op2(t, MC_OP_mul, op1(t, MC_OP_dequantize, q, NULL), half, NULL), mask, NULL);
    result(t,
           as_q(t, MC_OP_quantize, op1_as(t, MC_OP_softmax, x, &s, store), NULL, MC_u8, 0.004f, 0));
    x = op2(t, MC_OP_add, op1(t, MC_OP_dequantize, q, NULL), mask, NULL);
    result(t, op1(t, MC_OP_neg, op1_as(t, MC_OP_softmax, x, &s, store), NULL));
    x = op2(t, MC_OP_add, op1(t, MC_OP_dequantize, r, NULL), op1(t, MC_OP_dequantize, q, NULL),
            NULL);
    result(t, op1_as(t, MC_OP_softmax, op1(t, MC_OP_neg, x, NULL), &s, store));
    result(t, as_q(t, MC_OP_quantize,
                   mc_build1_as(&t->b, MC_OP_layer_norm,
                                (mc_value *[]){ op1(t, MC_OP_dequantize, r, NULL),
                                                const_f32(t, -1, 1, 1, &n),
                                                const_f32(t, -1, 1, 1, &n) },
                                3, &l, mc_type_make(t->m, store, 1, &n)),
                   NULL, MC_i8, 0.02f, 5));
    result(t, op1_as(t, MC_OP_layer_norm,
                     op2(t, MC_OP_add, op1(t, MC_OP_dequantize, r, NULL),
                         op1(t, MC_OP_dequantize, q, NULL), NULL),
                     &l, store));
    result(t, op1(t, MC_OP_abs, op1_as(t, MC_OP_layer_norm, mask, &l, store), NULL));
    sweep_end(t);
  }
}

static void resizes(int kind) {
  for (int mode = 0; mode < 2; mode++)
    for (int coord = 0; coord < mc_coord_count_; coord++) {
      tcase *t = sweep_begin("resize %d %s %s", kind, mc_names_resize[mode], mc_names_coord[coord]);
      if (!t) continue;
      mc_value *x = some(t, kind, 4, DIMS(2, 5, 6, 19));
      static const int64_t size[][2] = { { 10, 12 }, { 3, 4 }, { 7, 5 }, { 1, 13 } };
      for (int i = 0; i < 4; i++) {
        mc_attrs_resize a;
        mc_attrs_init(MC_OP_resize, &a, t->a);
        a.size[0] = size[i][0];
        a.size[1] = size[i][1];
        a.mode = mode;
        a.coord = coord;
        a.round = i;
        result(t, mode ? own_scale(t, MC_OP_resize, x, &a) : op1(t, MC_OP_resize, x, &a));
      }
      sweep_end(t);
    }
}

/* Averages of as many bytes as sums of 16 bits hold, and of one more. */
static void large_windows(int kind) {
  for (int64_t w = 17; w <= 18; w++) {
    tcase *t = sweep_begin("average of 15x%d, %d", (int)w, kind);
    if (!t) continue;
    mc_value *x = some(t, kind, 4, DIMS(1, 15, w, 70));
    result(t, own_scale(t, MC_OP_global_avg_pool, x, NULL));
    result(t, op1(t, MC_OP_global_max_pool, x, NULL));
    sweep_end(t);
  }
}

/* Planes that become pixels and are quantized on the way; for a convolution after them too, which
 * wants a border. */
static void image(int64_t c, int64_t h, int64_t w, int kind) {
  static const struct {
    mc_dtype dtype;
    float scale;
    int32_t zero;
  } q[] = { { MC_u8, 0.0078431377f, 128 },
            { MC_i8, 0.0078125f, 0 },
            { MC_u8, 0.013f, 0 },
            { MC_i8, 3.7f, -128 } };

  tcase *t = sweep_begin("image %dx%dx%d %d", (int)c, (int)h, (int)w, kind);
  if (!t) return;
  mc_value *x = in_f32(t, 4, DIMS(2, c, h, w));
  for (int i = 0; i < 2; i++)
    if ((kind + c) % 2 == i)
      x = op1(t, MC_OP_transpose, x, &(mc_attrs_transpose){ .perm = ints(t, 4, DIMS(0, 2, 3, 1)) });
    else
      x = as_q(t, MC_OP_quantize, x, NULL, q[kind].dtype, q[kind].scale, q[kind].zero);
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  for (int i = 0; i < 4; i++) a.pad[i] = 1;
  mc_value *wt = const_w8(t, true, 4, DIMS(8, 3, 3, c));
  if (kind % 2)
    result(t, mc_build1_as(&t->b, MC_OP_conv2d, (mc_value *[]){ x, wt }, 2, &a,
                           acc_type(t, x, wt, 3)));
  result(t, x);
  sweep_end(t);
}

static void moves(int kind) {
  tcase *t = sweep_begin("transpose %d", kind);
  if (t) {
    mc_value *x = some(t, kind, 4, DIMS(2, 3, 5, 18));
    static const int64_t perm[][4] = {
      { 0, 3, 1, 2 }, { 0, 2, 3, 1 }, { 3, 2, 1, 0 }, { 1, 0, 2, 3 }, { 0, 1, 3, 2 }
    };
    for (int i = 0; i < 5; i++)
      result(t, op1(t, MC_OP_transpose, x, &(mc_attrs_transpose){ .perm = ints(t, 4, perm[i]) }));
    sweep_end(t);
  }
  t = sweep_begin("planes to pixels %d", kind);
  if (t) {
    for (int64_t c = 1; c <= 5; c++)
      for (int64_t w = 15; w <= 35; w += 10)
        result(t, op1(t, MC_OP_transpose, some(t, kind, 4, DIMS(2, c, 2, w)),
                      &(mc_attrs_transpose){ .perm = ints(t, 4, DIMS(0, 2, 3, 1)) }));
    sweep_end(t);
  }
  t = sweep_begin("tiles %d", kind);
  if (t) {
    static const int64_t size[][2] = { { 4, 4 },   { 5, 9 },    { 16, 16 }, { 17, 33 },
                                       { 65, 20 }, { 70, 130 }, { 3, 64 } };
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
      result(t, op1(t, MC_OP_transpose, some(t, kind, 3, DIMS(2, size[i][0], size[i][1])),
                    &(mc_attrs_transpose){ .perm = ints(t, 3, DIMS(0, 2, 1)) }));
    result(t, op1(t, MC_OP_transpose, some(t, kind, 4, DIMS(2, 20, 3, 36)),
                  &(mc_attrs_transpose){ .perm = ints(t, 4, DIMS(3, 2, 0, 1)) }));
    sweep_end(t);
  }
  for (int axis = 0; axis < 4; axis++) {
    t = sweep_begin("concat, split %d axis %d", kind, axis);
    if (!t) continue;
    int64_t da[4] = { 2, 3, 4, 5 }, db[4] = { 2, 3, 4, 5 };
    da[axis] = 7;
    db[axis] = 19;
    mc_value *a = some(t, kind, 4, da),
             *b = kind == 1 || kind == 2 ? in_q(t, MC_u8, 0.05f, 1, 4, db) : some(t, kind, 4, db),
             *y[3] = { a, b, a };
    mc_attrs_concat c = { .axis = axis };
    int64_t one = 1;
    result(t, kind == 1 || kind == 2 ? mc_build1_as(&t->b, MC_OP_concat, y, 3, &c,
                                                    mc_type_make_q(t->m, MC_u8, 1, &one, 0.03f, 60))
                                     : mc_build1(&t->b, MC_OP_concat, y, 3, &c));
    mc_attrs_split s = { .axis = axis - 4, .sizes = ints(t, 3, DIMS(1, 16, 2)) };
    mc_node *n = mc_node_create(t->m, MC_OP_split, &b, 1, 3, mc_noloc);
    *(mc_attrs_split *)n->attrs = s;
    mc_type out[3];
    if (mc_infer_node(t->m, n, NULL, out, &t->d)) {
      for (int i = 0; i < 3; i++) n->out[i]->type = mc_type_intern(t->m, &out[i]);
      mc_node_insert(t->g, NULL, n);
      for (int i = 0; i < 3; i++) result(t, n->out[i]);
    }
    sweep_end(t);
  }
  t = sweep_begin("slice, pad, broadcast, reshape %d", kind);
  if (t) {
    mc_value *x = some(t, kind, 3, DIMS(5, 6, 20)), *z = some(t, kind, 3, DIMS(5, 1, 20));
    result(t, op1(t, MC_OP_slice, x,
                  &(mc_attrs_slice){ .starts = ints(t, 3, DIMS(1, 0, 3)),
                                     .sizes = ints(t, 3, DIMS(3, 6, 11)) }));
    result(t, op1(t, MC_OP_slice, x,
                  &(mc_attrs_slice){ .starts = ints(t, 3, DIMS(4, 5, 19)),
                                     .sizes = ints(t, 3, DIMS(2, 3, 20)),
                                     .steps = ints(t, 3, DIMS(-3, -2, -1)) }));
    for (int mode = 0; mode < mc_padmode_count_; mode++)
      result(t, op1(t, MC_OP_pad, x,
                    &(mc_attrs_pad){ .before = ints(t, 3, DIMS(2, 0, 3)),
                                     .after = ints(t, 3, DIMS(1, 4, 17)),
                                     .mode = mode,
                                     .value = 0.5f }));
    result(t, op1(t, MC_OP_broadcast, z,
                  &(mc_attrs_broadcast){ .shape = ints(t, 4, DIMS(2, 5, 6, 20)) }));
    result(t, op1(t, MC_OP_reshape, x, &(mc_attrs_reshape){ .shape = ints(t, 2, DIMS(30, 20)) }));
    sweep_end(t);
  }
  t = sweep_begin("gather, argmax %d", kind);
  if (!t) return;
  mc_value *x = some(t, kind, 3, DIMS(5, 30, 7)), *i64 = in_int(t, MC_i64, 2, DIMS(3, 4)),
           *i32 = in_int(t, MC_i32, 1, DIMS(9));
  for (int axis = 0; axis < 3; axis++) {
    int64_t one = 1;
    result(t, op2(t, MC_OP_gather, x, axis ? i64 : i32, &(mc_attrs_gather){ .axis = axis }));
    result(t, mc_build1_as(&t->b, MC_OP_argmax, &x, 1,
                           &(mc_attrs_argmax){ .axis = axis, .keepdims = axis & 1 },
                           mc_type_make(t->m, axis ? MC_i64 : MC_i32, 1, &one)));
  }
  sweep_end(t);
}

/* Rows and reshapes between buffers with borders: neighbours are 3x3 convolutions. */
static mc_value *conv3(tcase *t, mc_value *x) {
  mc_dtype dtype = x->type->dtype;
  mc_attrs_conv2d a;
  mc_attrs_init(MC_OP_conv2d, &a, t->a);
  for (int i = 0; i < 4; i++) a.pad[i] = 1;
  return op2(t, MC_OP_conv2d, x, const_real(t, dtype, -1, 1, 4, DIMS(4, 3, 3, x->type->dim[3])),
             &a);
}

static void bordered(mc_dtype from, mc_dtype to) {
  for (int which = 0; which < 5; which++) {
    tcase *t =
        sweep_begin("bordered rows %s %s %d", mc_dtype_names[from], mc_dtype_names[to], which);
    if (!t) continue;
    mc_value *x = op1(t, MC_OP_abs, in_real(t, from, 4, DIMS(2, 4, 6, which == 4 ? 1 : 4)), NULL),
             *y;
    mc_attrs_layer_norm l = { .axis = which, .epsilon = 1e-3f };
    mc_attrs_softmax s = { .axis = which == 3 ? 2 : 1 };
    if (which == 0)
      y = op1(t, MC_OP_reshape, x, &(mc_attrs_reshape){ .shape = ints(t, 4, DIMS(2, 8, 3, 4)) });
    else
      y = which < 3 ? op1_as(t, MC_OP_layer_norm, x, &l, to) : op1_as(t, MC_OP_softmax, x, &s, to);
    t->tolerance = 2e-5;
    result(t, conv3(t, x));
    result(t, conv3(t, y));
    sweep_end(t);
  }
}

void sweep_shapes(void) {
  for (int64_t c = 1; c <= 5; c++)
    for (int kind = 0; kind < 4; kind++) image(c, 5, 4 + c * 7 % 16 * (kind + 1), kind);
  bordered(MC_f32, MC_f32);
  bordered(MC_bf16, MC_bf16);
  bordered(MC_bf16, MC_f32);
  for (int kind = 0; kind < 4; kind++) {
    pools(kind);
    reductions(kind);
    resizes(kind);
    large_windows(kind);
    moves(kind);
  }
  rows(MC_f32, MC_f32);
  rows(MC_bf16, MC_bf16);
  rows(MC_f32, MC_bf16);
  int_rows(1);
  fused_rows(MC_f32);
  fused_rows(MC_bf16);
  int_rows(2);
}
