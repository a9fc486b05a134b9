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
  kb *k;
  mc_node *head;
  kx *x;
  bool f32, bf16, is_signed;
  int32_t za; /* f32: fp32 sums; bf16: of pixels with 16 bits, whose weights are widened here */
  int split;  /* the row axis that is divided among threads; rank - 1: channels */
  kview a;    /* over the row axes; stride of the channel axis: one element */
  int64_t c, mult, taps, kw, row,
      col; /* result channels, multiplier, taps, window width, bytes per window row and column */
  int mr;
  V w, bias; /* [block][tap][16], [block][16] */
} dw;

static int64_t elem(const dw *d) {
  return d->bf16 ? 2 : d->f32 ? 4 : 1;
} /* bytes of an element of the input, */

static int64_t welem(const dw *d) { return d->f32 ? 4 : 1; } /* of a packed weight */

static T acc_type(const dw *d) { return kb_vt(d->k, d->f32 ? d->k->f32 : d->k->i32, KB_LANES); }

void k_depthwise_bound_sums(kx *x, const mc_node *head, const int8_t *weight, const int32_t *bias,
                            int64_t c, int64_t taps) {
  const mc_type *in = head->in[0]->type;
  int64_t least = 0, most = 0, qmin, qmax;
  if (!kv_adds(x->k)) return;
  mc_dtype_range(in->dtype, &qmin, &qmax);
  for (int64_t n = 0; n < c; n++) {
    int64_t lo = bias ? bias[n] : 0, hi = lo;
    for (int64_t t = 0; t < taps; t++) {
      int64_t w = weight[n * taps + t];
      lo += w * ((w > 0 ? qmin : qmax) - kl_zero_point(in));
      hi += w * ((w > 0 ? qmax : qmin) - kl_zero_point(in));
    }
    if (lo < least) least = lo;
    if (hi > most) most = hi;
  }
  kx_bound_head(x, least, most);
}

static bool pack(dw *d) {
  kb *k = d->k;
  const mc_tensor *w = mc_value_tensor(d->head->in[1]),
                  *b = d->head->nin > 2 ? mc_value_tensor(d->head->in[2]) : NULL;
  if (!w || (d->head->nin > 2 && !b))
    return kl_error(d->g, d->head,
                    "'conv2d' whose weight or bias is not a constant has no lowering");
  if (w->dtype != (d->bf16 ? MC_bf16 : d->f32 ? MC_f32 : MC_i8))
    return kl_error(d->g, d->head, "'conv2d' with %s weights has no lowering",
                    mc_dtype_names[w->dtype]);
  if (!d->f32) k_depthwise_bound_sums(d->x, d->head, w->data, b ? b->data : NULL, d->c, d->taps);
  int64_t blocks = mc_gemm_vectors(d->c), es = welem(d);
  char *pw = mc_arena_alloc(k->arena, (size_t)(blocks * d->taps * KB_LANES * es));
  uint32_t *pb = mc_arena_alloc(k->arena, (size_t)(blocks * KB_LANES * 4));
  for (int64_t n = 0; n < d->c; n++) {
    int64_t sum = 0;
    for (int64_t t = 0; t < d->taps; t++) {
      const char *src =
          (const char *)w->data + (n * d->taps + t) * (int64_t)mc_dtype_size(w->dtype);
      float wide = d->bf16 ? mc_fx_from_bf16(*(const uint16_t *)(const void *)src) : 0;
      memcpy(pw + ((n / KB_LANES * d->taps + t) * KB_LANES + n % KB_LANES) * es,
             d->bf16 ? (const char *)&wide : src, (size_t)es);
      if (!d->f32) sum += *(const int8_t *)src;
    }
    if (b) memcpy(&pb[n], (const char *)b->data + 4 * n, 4);
    if (!d->f32) pb[n] += (uint32_t)(d->x->head_base - d->za * sum);
  }
  d->w = kb_rodata(k, pw, (size_t)(blocks * d->taps * KB_LANES * es), 0, "weights");
  d->bias = kb_rodata(k, pb, (size_t)(blocks * KB_LANES * 4), 0, "bias");
  return true;
}

static bool long_words(const dw *d) { return !d->f32 && d->k->target->arch == MC_ARCH_aarch64; }

/* 16 result channels from c0 on, of the pixel at p. With a multiplier lane i reads channel (c0 + i)
 * / mult: c0 is a constant then. */
static V load_pixel(const dw *d, V p, int64_t c0) {
  kb *k = d->k;
  T et = d->bf16 ? k->i16 : d->f32 ? k->f32 : k->i8;
  V v = kb_load(k, kb_vt(k, et, KB_LANES), p, (int)elem(d)); /* p: of channel c0 / mult */
  int lane[KB_LANES];
  for (int64_t i = 0; i < KB_LANES; i++) lane[i] = (int)((c0 + i) / d->mult - c0 / d->mult);
  if (d->mult > 1) v = kb_shuffle(k, v, NULL, lane, KB_LANES);
  if (d->bf16) return kv_from_bf16(k, v);
  return d->f32 ? v : kb_ext(k, v, long_words(d) ? k->i16 : k->i32, d->is_signed);
}

/* vpdpwssd adds two products of 16 bits a lane: a is an i32, so the upper one is the product of the
 * sign extensions unless that of w is cleared. */
static bool dot_words(const dw *d) { return !d->f32 && kb_has(d->k, MC_ISA_BIT(avx512vnni)); }

static V load_weights(const dw *d, V p) {
  kb *k = d->k;
  V w = kb_load(k, kb_vt(k, d->f32 ? k->f32 : k->i8, KB_LANES), p, 16);
  if (d->f32) return w;
  if (dot_words(d) && d->is_signed) return kb_ext(k, kb_ext(k, w, k->i16, true), k->i32, false);
  return kb_ext(k, w, long_words(d) ? k->i16 : k->i32, true);
}

/* smlal on the quarters: of plain IR, LLVM widens u8 all the way to 32 bits. */
static V madd_long(const dw *d, V acc, V a, V w) {
  kb *k = d->k;
  T t = kb_vt(k, k->i32, 4);
  V p[4];
  for (int i = 0; i < 4; i++)
    p[i] = kb_intr(k, "llvm.aarch64.neon.smull", &t, 1,
                   (V[]){ kb_extract(k, a, 4 * i, 4), kb_extract(k, w, 4 * i, 4) }, 2);
  return LLVMBuildAdd(k->b, acc, kb_concat(k, p, 4), "");
}

static V madd(const dw *d, V acc, V a, V w) {
  kb *k = d->k;
  if (dot_words(d))
    return kb_intr(k, "llvm.x86.avx512.vpdpwssd.512", NULL, 0, (V[]){ acc, a, w }, 3);
  if (long_words(d)) return madd_long(d, acc, a, w);
  if (!d->f32) return LLVMBuildAdd(k->b, acc, LLVMBuildMul(k->b, a, w, ""), "");
  bool fma = k->target->arch == MC_ARCH_aarch64 || kb_has(k, MC_ISA_BIT(avx2));
  T t = LLVMTypeOf(acc);
  return fma ? kb_intr(k, "llvm.fma", &t, 1, (V[]){ a, w, acc }, 3)
             : LLVMBuildFAdd(k->b, acc, LLVMBuildFMul(k->b, a, w, ""), "");
}

/* Taps [from, to) of the window at a; w points at tap `from`. */
static void emit_taps(const dw *d, V a, V w, int64_t from, int64_t to, int64_t c0, V *acc) {
  kb *k = d->k;
  int64_t px = d->a.stride[d->x->rank - 2];
  for (int64_t t = from; t < to; t++) {
    V wv = load_weights(d, kb_gepi(k, w, (t - from) * KB_LANES * welem(d)));
    for (int r = 0; r < d->mr; r++)
      acc[r] = madd(
          d, acc[r],
          load_pixel(d, kb_gepi(k, a, t / d->kw * d->row + t % d->kw * d->col + r * px), c0), wv);
  }
}

static void emit_window(const dw *d, V a, V w, int64_t c0, V *acc) {
  kb *k = d->k;
  if (d->taps <= 25) {
    emit_taps(d, a, w, 0, d->taps, c0, acc);
    return;
  }
  kb_loop l;
  kb_range(k, &l, d->taps / d->kw, 1, acc, d->mr);
  memcpy(acc, l.carried, sizeof(V) * (size_t)d->mr);
  emit_taps(d, kb_gep(k, a, kb_muli(k, l.iv, d->row)),
            kb_gep(k, w, kb_muli(k, l.iv, d->kw * KB_LANES * welem(d))), 0, d->kw, c0, acc);
  kb_end(k, &l, acc);
  memcpy(acc, l.carried, sizeof(V) * (size_t)d->mr);
}

/* mr pixels from m0 of the innermost row axis on, channels from n0 (constant c0 where it is one).
 */
static void emit_block(const dw *d, V a, V w, V bias, V m0, V n0, int64_t c0, int valid) {
  kb *k = d->k;
  kx *x = d->x;
  V acc[16];
  for (int r = 0; r < d->mr; r++) acc[r] = kb_load(k, acc_type(d), bias, 64);
  emit_window(d, a, w, c0, acc);
  int last = x->rank - 1;
  x->iv[last] = n0;
  x->iv[last - 1] = m0;
  for (int r = 0; r < d->mr; r++) {
    x->c[last - 1] = r;
    kx_at(x, KB_LANES, valid);
    if (d->f32)
      kx_bind(x, d->head->out[0], kv_clamp(k, acc[r], MC_ATTRS(d->head, conv2d)->clamp));
    else
      kx_bind_head(x, acc[r]);
    kx_finish(x);
  }
  x->c[last - 1] = 0;
}

/* All pixels of the row for one block of channels. */
static void emit_row(const dw *d, V a, V block, V n0, int64_t c0, int valid) {
  kb *k = d->k;
  int64_t m = d->x->dim[d->x->rank - 2];
  V w = kb_gep(k, d->w, kb_muli(k, block, d->taps * KB_LANES * welem(d))),
    bias = kb_gep(k, d->bias, kb_muli(k, block, KB_LANES * 4));
  kb_loop l;
  V m0 = kl_blocks(d->g, &l, m, d->mr, d->split == d->x->rank - 2);
  emit_block(d, kb_gep(k, a, kb_muli(k, m0, d->a.stride[d->x->rank - 2])), w, bias, m0, n0, c0,
             valid);
  kb_end(k, &l, NULL);
}

static void emit_channels(const dw *d, V a) {
  kb *k = d->k;
  int64_t full = d->mult == 1 ? d->c / KB_LANES : 0;
  int64_t blocks = mc_gemm_vectors(d->c);
  bool split = d->split == d->x->rank - 1;
  kb_loop l;
  if (full) {
    kl_range_part(d->g, &l, 0, full, blocks, 1, split);
    V n0 = kb_muli(k, l.iv, KB_LANES);
    emit_row(d, kb_gep(k, a, kb_muli(k, n0, elem(d))), l.iv, n0, 0, KB_LANES);
    kb_end(k, &l, NULL);
  }
  for (int64_t b = full; b < blocks; b++) {
    int64_t c0 = b * KB_LANES, rest = d->c - c0;
    kl_range_part(d->g, &l, b, b + 1, blocks, 1, split);
    emit_row(d, kb_gepi(k, a, c0 / d->mult * elem(d)), kb_i64(k, b), kb_i64(k, c0), c0,
             rest < KB_LANES ? (int)rest : KB_LANES);
    kb_end(k, &l, NULL);
  }
}

static void emit_axes(const dw *d, int axis, V a) {
  if (axis == d->x->rank - 2) {
    emit_channels(d, a);
    return;
  }
  kb_loop l;
  kl_range(d->g, &l, d->x->dim[axis], 1, axis == d->split);
  d->x->iv[axis] = l.iv;
  emit_axes(d, axis + 1, kb_gep(d->k, a, kb_muli(d->k, l.iv, d->a.stride[axis])));
  kb_end(d->k, &l, NULL);
}

static void prepare(dw *d) {
  const mc_attrs_conv2d *c = MC_ATTRS(d->head, conv2d);
  const mc_type *in = d->head->in[0]->type, *wt = d->head->in[1]->type;
  d->f32 = kl_real(in->dtype);
  d->bf16 = in->dtype == MC_bf16;
  d->is_signed = in->dtype == MC_i8;
  d->za = kl_zero_point(in);
  d->c = wt->dim[0];
  d->mult = d->c / in->dim[3];
  d->kw = wt->dim[2];
  d->taps = wt->dim[1] * wt->dim[2];
  kview v = kl_view(d->g, d->head->in[0]);
  d->row = c->dilation[0] * v.stride[1];
  d->col = c->dilation[1] * v.stride[2];
  d->a = v;
  d->a.base = kb_gepi(d->k, v.base, -c->pad[0] * v.stride[1] - c->pad[1] * v.stride[2]);
  d->a.stride[1] = v.stride[1] * c->stride[0];
  d->a.stride[2] = v.stride[2] * c->stride[1];
}

/* Rows of pixels, blocks of pixels where the last one may move back within its task, or blocks of
 * channels. */
static int divide(dw *d, kb_loop *once) {
  int64_t trips[MC_MAX_RANK], m = d->x->dim[d->x->rank - 2], blocks = (m + d->mr - 1) / d->mr;
  for (int i = 0; i < d->x->rank - 2; i++) trips[i] = d->x->dim[i];
  trips[d->x->rank - 2] = kl_blocks_divide(d->g, m, d->mr) ? blocks : 1;
  trips[d->x->rank - 1] = mc_gemm_vectors(d->c);
  int split = kl_divide(d->g, d->x->rank, trips);
  kl_range(d->g, once, 1, 1, split < 0);
  return split;
}

bool k_emit_depthwise(kgroup *g) {
  if (g->decision->form == MC_KERNEL_FORM_depthwise_interleaved) return k_depthwise_interleaved(g);
  dw *d = MC_NEW(g->k->arena, dw);
  d->g = g;
  d->k = g->k;
  d->head = kl_first(g);
  d->x = MC_NEW(g->k->arena, kx);
  const mc_type *t = d->head->out[0]->type;
  prepare(d);
  if (!kx_init(d->x, g, d->head, t->rank, t->dim) || !pack(d)) return false;
  kx_collapse(d->x, (kview *[]){ &d->a }, 1, d->x->rank - 1);
  d->mr = g->decision->pixels;
  kb_loop once;
  d->split = divide(d, &once);
  emit_axes(d, 0, d->a.base);
  kb_end(g->k, &once, NULL);
  kl_fill_borders(g);
  return true;
}
