/* depthwise: every result channel sees one input channel.
 *
 *   for n, y  for 16 channels  for a few pixels of the row:  acc[p] = bias;  for tap: acc[p] +=
 *     x[p, tap] * w[tap]  then the epilogue
 *
 * 8-bit products are widened to i32 by plain IR: exact on every machine, and LLVM makes pmaddwd of
 * them; on AArch64 they are words for smlal. */
#include "depthwise.h"
#include "gemm.h"
#include "mc/support/fixed.h"
#include <string.h>

typedef struct dw {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x;
  bool f32, bf16, is_signed;
  int32_t za; /* f32: fp32 sums; bf16: of pixels with 16 bits, whose weights are widened here */
  int split;  /* the row axis that is divided among threads; rank - 1: channels */
  kview a;    /* over the row axes; stride of the channel axis: one element */
  int64_t c, mult, taps, kw, row,
      col; /* result channels, multiplier, taps, window width, bytes per window row and column */
  int mr;
  kvalue w, bias; /* [block][tap][16], [block][16] */
} dw;

static int64_t elem(const dw *d) {
  return d->bf16 ? 2 : d->f32 ? 4 : 1;
} /* bytes of an element of the input, */

static int64_t welem(const dw *d) { return d->f32 ? 4 : 1; } /* of a packed weight */

static ktype acc_type(const dw *d) {
  return type_of_lanes(d->k, d->f32 ? d->k->f32 : d->k->i32, KERNEL_LANES);
}

void depthwise_bound_sums(kepilogue *x, const mc_node *head, const int8_t *weight,
                          const int32_t *bias, int64_t c, int64_t taps) {
  const mc_type *in = head->in[0]->type;
  int64_t least = 0, most = 0, qmin, qmax;
  if (!vec_adds(x->k)) return;
  mc_dtype_range(in->dtype, &qmin, &qmax);
  for (int64_t n = 0; n < c; n++) {
    int64_t lo = bias ? bias[n] : 0, hi = lo;
    for (int64_t t = 0; t < taps; t++) {
      int64_t w = weight[n * taps + t];
      lo += w * ((w > 0 ? qmin : qmax) - zero_point_of(in));
      hi += w * ((w > 0 ? qmax : qmin) - zero_point_of(in));
    }
    if (lo < least) least = lo;
    if (hi > most) most = hi;
  }
  epilogue_bound_head(x, least, most);
}

static bool pack(dw *d) {
  kbuilder *k = d->k;
  const mc_tensor *w = mc_value_tensor(d->head->in[1]),
                  *b = d->head->nin > 2 ? mc_value_tensor(d->head->in[2]) : NULL;
  if (!w || (d->head->nin > 2 && !b))
    return group_error(d->g, d->head,
                       "'conv2d' whose weight or bias is not a constant has no lowering");
  if (w->dtype != (d->bf16 ? MC_bf16 : d->f32 ? MC_f32 : MC_i8))
    return group_error(d->g, d->head, "'conv2d' with %s weights has no lowering",
                       mc_dtype_names[w->dtype]);
  if (!d->f32) depthwise_bound_sums(d->x, d->head, w->data, b ? b->data : NULL, d->c, d->taps);
  int64_t blocks = mc_gemm_vectors(d->c), es = welem(d);
  char *pw = mc_arena_alloc(k->arena, (size_t)(blocks * d->taps * KERNEL_LANES * es));
  uint32_t *pb = mc_arena_alloc(k->arena, (size_t)(blocks * KERNEL_LANES * 4));
  for (int64_t n = 0; n < d->c; n++) {
    int64_t sum = 0;
    for (int64_t t = 0; t < d->taps; t++) {
      const char *src =
          (const char *)w->data + (n * d->taps + t) * (int64_t)mc_dtype_size(w->dtype);
      float wide = d->bf16 ? mc_fx_from_bf16(*(const uint16_t *)(const void *)src) : 0;
      memcpy(pw + ((n / KERNEL_LANES * d->taps + t) * KERNEL_LANES + n % KERNEL_LANES) * es,
             d->bf16 ? (const char *)&wide : src, (size_t)es);
      if (!d->f32) sum += *(const int8_t *)src;
    }
    if (b) memcpy(&pb[n], (const char *)b->data + 4 * n, 4);
    if (!d->f32) pb[n] += (uint32_t)(d->x->head_base - d->za * sum);
  }
  d->w = build_rodata(k, pw, (size_t)(blocks * d->taps * KERNEL_LANES * es), 0, "weights");
  d->bias = build_rodata(k, pb, (size_t)(blocks * KERNEL_LANES * 4), 0, "bias");
  return true;
}

static bool long_words(const dw *d) { return !d->f32 && d->k->target->arch == MC_ARCH_aarch64; }

/* 16 result channels from c0 on, of the pixel at p. With a multiplier lane i reads channel (c0 + i)
 * / mult: c0 is a constant then. */
static kvalue load_pixel(const dw *d, kvalue p, int64_t c0) {
  kbuilder *k = d->k;
  ktype et = d->bf16 ? k->i16 : d->f32 ? k->f32 : k->i8;
  kvalue v = build_load(k, type_of_lanes(k, et, KERNEL_LANES), p,
                        (int)elem(d)); /* p: of channel c0 / mult */
  int lane[KERNEL_LANES];
  for (int64_t i = 0; i < KERNEL_LANES; i++) lane[i] = (int)((c0 + i) / d->mult - c0 / d->mult);
  if (d->mult > 1) v = build_shuffle(k, v, NULL, lane, KERNEL_LANES);
  if (d->bf16) return vec_from_bf16(k, v);
  return d->f32 ? v : build_ext(k, v, long_words(d) ? k->i16 : k->i32, d->is_signed);
}

/* vpdpwssd adds two products of 16 bits a lane: a is an i32, so the upper one is the product of the
 * sign extensions unless that of w is cleared. */
static bool dot_words(const dw *d) { return !d->f32 && target_has(d->k, MC_ISA_BIT(avx512vnni)); }

static kvalue load_weights(const dw *d, kvalue p) {
  kbuilder *k = d->k;
  kvalue w = build_load(k, type_of_lanes(k, d->f32 ? k->f32 : k->i8, KERNEL_LANES), p, 16);
  if (d->f32) return w;
  if (dot_words(d) && d->is_signed)
    return build_ext(k, build_ext(k, w, k->i16, true), k->i32, false);
  return build_ext(k, w, long_words(d) ? k->i16 : k->i32, true);
}

/* smlal on the quarters: of plain IR, LLVM widens u8 all the way to 32 bits. */
static kvalue madd_long(const dw *d, kvalue acc, kvalue a, kvalue w) {
  kbuilder *k = d->k;
  ktype t = type_of_lanes(k, k->i32, 4);
  kvalue p[4];
  for (int i = 0; i < 4; i++)
    p[i] = build_intrinsic(
        k, "llvm.aarch64.neon.smull", &t, 1,
        (kvalue[]){ build_extract(k, a, 4 * i, 4), build_extract(k, w, 4 * i, 4) }, 2);
  return LLVMBuildAdd(k->b, acc, build_concat(k, p, 4), "");
}

static kvalue madd(const dw *d, kvalue acc, kvalue a, kvalue w) {
  kbuilder *k = d->k;
  if (dot_words(d))
    return build_intrinsic(k, "llvm.x86.avx512.vpdpwssd.512", NULL, 0, (kvalue[]){ acc, a, w }, 3);
  if (long_words(d)) return madd_long(d, acc, a, w);
  if (!d->f32) return LLVMBuildAdd(k->b, acc, LLVMBuildMul(k->b, a, w, ""), "");
  bool fma = k->target->arch == MC_ARCH_aarch64 || target_has(k, MC_ISA_BIT(avx2));
  ktype t = LLVMTypeOf(acc);
  return fma ? build_intrinsic(k, "llvm.fma", &t, 1, (kvalue[]){ a, w, acc }, 3)
             : LLVMBuildFAdd(k->b, acc, LLVMBuildFMul(k->b, a, w, ""), "");
}

/* Taps [from, to) of the window at a; w points at tap `from`. */
static void emit_taps(const dw *d, kvalue a, kvalue w, int64_t from, int64_t to, int64_t c0,
                      kvalue *acc) {
  kbuilder *k = d->k;
  int64_t px = d->a.stride[d->x->rank - 2];
  for (int64_t t = from; t < to; t++) {
    kvalue wv = load_weights(d, build_offset(k, w, (t - from) * KERNEL_LANES * welem(d)));
    for (int r = 0; r < d->mr; r++)
      acc[r] = madd(
          d, acc[r],
          load_pixel(d, build_offset(k, a, t / d->kw * d->row + t % d->kw * d->col + r * px), c0),
          wv);
  }
}

static void emit_window(const dw *d, kvalue a, kvalue w, int64_t c0, kvalue *acc) {
  kbuilder *k = d->k;
  if (d->taps <= 25) {
    emit_taps(d, a, w, 0, d->taps, c0, acc);
    return;
  }
  kloop l;
  build_range(k, &l, d->taps / d->kw, 1, acc, d->mr);
  memcpy(acc, l.carried, sizeof(kvalue) * (size_t)d->mr);
  emit_taps(d, build_address(k, a, build_mul_const(k, l.iv, d->row)),
            build_address(k, w, build_mul_const(k, l.iv, d->kw * KERNEL_LANES * welem(d))), 0,
            d->kw, c0, acc);
  build_end(k, &l, acc);
  memcpy(acc, l.carried, sizeof(kvalue) * (size_t)d->mr);
}

/* mr pixels from m0 of the innermost row axis on, channels from n0 (constant c0 where it is one).
 */
static void emit_block(const dw *d, kvalue a, kvalue w, kvalue bias, kvalue m0, kvalue n0,
                       int64_t c0, int valid) {
  kbuilder *k = d->k;
  kepilogue *x = d->x;
  kvalue acc[16];
  for (int r = 0; r < d->mr; r++) acc[r] = build_load(k, acc_type(d), bias, 64);
  emit_window(d, a, w, c0, acc);
  int last = x->rank - 1;
  x->iv[last] = n0;
  x->iv[last - 1] = m0;
  for (int r = 0; r < d->mr; r++) {
    x->c[last - 1] = r;
    epilogue_at(x, KERNEL_LANES, valid);
    if (d->f32)
      epilogue_bind(x, d->head->out[0], vec_clamp(k, acc[r], MC_ATTRS(d->head, conv2d)->clamp));
    else
      epilogue_bind_head(x, acc[r]);
    epilogue_finish(x);
  }
  x->c[last - 1] = 0;
}

/* All pixels of the row for one block of channels. */
static void emit_row(const dw *d, kvalue a, kvalue block, kvalue n0, int64_t c0, int valid) {
  kbuilder *k = d->k;
  int64_t m = d->x->dim[d->x->rank - 2];
  kvalue w = build_address(k, d->w, build_mul_const(k, block, d->taps * KERNEL_LANES * welem(d))),
         bias = build_address(k, d->bias, build_mul_const(k, block, KERNEL_LANES * 4));
  kloop l;
  kvalue m0 = split_blocks(d->g, &l, m, d->mr, d->split == d->x->rank - 2);
  emit_block(d, build_address(k, a, build_mul_const(k, m0, d->a.stride[d->x->rank - 2])), w, bias,
             m0, n0, c0, valid);
  build_end(k, &l, NULL);
}

static void emit_channels(const dw *d, kvalue a) {
  kbuilder *k = d->k;
  int64_t full = d->mult == 1 ? d->c / KERNEL_LANES : 0;
  int64_t blocks = mc_gemm_vectors(d->c);
  bool split = d->split == d->x->rank - 1;
  kloop l;
  if (full) {
    split_range_part(d->g, &l, 0, full, blocks, 1, split);
    kvalue n0 = build_mul_const(k, l.iv, KERNEL_LANES);
    emit_row(d, build_address(k, a, build_mul_const(k, n0, elem(d))), l.iv, n0, 0, KERNEL_LANES);
    build_end(k, &l, NULL);
  }
  for (int64_t b = full; b < blocks; b++) {
    int64_t c0 = b * KERNEL_LANES, rest = d->c - c0;
    split_range_part(d->g, &l, b, b + 1, blocks, 1, split);
    emit_row(d, build_offset(k, a, c0 / d->mult * elem(d)), build_i64(k, b), build_i64(k, c0), c0,
             rest < KERNEL_LANES ? (int)rest : KERNEL_LANES);
    build_end(k, &l, NULL);
  }
}

static void emit_axes(const dw *d, int axis, kvalue a) {
  if (axis == d->x->rank - 2) {
    emit_channels(d, a);
    return;
  }
  kloop l;
  split_range(d->g, &l, d->x->dim[axis], 1, axis == d->split);
  d->x->iv[axis] = l.iv;
  emit_axes(d, axis + 1, build_address(d->k, a, build_mul_const(d->k, l.iv, d->a.stride[axis])));
  build_end(d->k, &l, NULL);
}

static void prepare(dw *d) {
  const mc_attrs_conv2d *c = MC_ATTRS(d->head, conv2d);
  const mc_type *in = d->head->in[0]->type, *wt = d->head->in[1]->type;
  d->f32 = in_f32(in->dtype);
  d->bf16 = in->dtype == MC_bf16;
  d->is_signed = in->dtype == MC_i8;
  d->za = zero_point_of(in);
  d->c = wt->dim[0];
  d->mult = d->c / in->dim[3];
  d->kw = wt->dim[2];
  d->taps = wt->dim[1] * wt->dim[2];
  kview v = view_of(d->g, d->head->in[0]);
  d->row = c->dilation[0] * v.stride[1];
  d->col = c->dilation[1] * v.stride[2];
  d->a = v;
  d->a.base = build_offset(d->k, v.base, -c->pad[0] * v.stride[1] - c->pad[1] * v.stride[2]);
  d->a.stride[1] = v.stride[1] * c->stride[0];
  d->a.stride[2] = v.stride[2] * c->stride[1];
}

/* Rows of pixels, blocks of pixels where the last one may move back within its task, or blocks of
 * channels. */
static int divide(dw *d, kloop *once) {
  int64_t trips[MC_MAX_RANK], m = d->x->dim[d->x->rank - 2], blocks = (m + d->mr - 1) / d->mr;
  for (int i = 0; i < d->x->rank - 2; i++) trips[i] = d->x->dim[i];
  trips[d->x->rank - 2] = split_blocks_divide(d->g, m, d->mr) ? blocks : 1;
  trips[d->x->rank - 1] = mc_gemm_vectors(d->c);
  int split = split_choose(d->g, d->x->rank, trips);
  split_range(d->g, once, 1, 1, split < 0);
  return split;
}

bool family_emit_depthwise(kgroup *g) {
  if (g->decision->form == MC_KERNEL_FORM_depthwise_interleaved)
    return emit_depthwise_interleaved(g);
  dw *d = MC_NEW(g->k->arena, dw);
  d->g = g;
  d->k = g->k;
  d->head = group_first(g);
  d->x = MC_NEW(g->k->arena, kepilogue);
  const mc_type *t = d->head->out[0]->type;
  prepare(d);
  if (!epilogue_init(d->x, g, d->head, t->rank, t->dim) || !pack(d)) return false;
  epilogue_collapse(d->x, (kview *[]){ &d->a }, 1, d->x->rank - 1);
  d->mr = g->decision->pixels;
  kloop once;
  d->split = divide(d, &once);
  emit_axes(d, 0, d->a.base);
  build_end(g->k, &once, NULL);
  fill_borders(g);
  return true;
}
