/* pool: windows over h and w, vectors along the channels.
 *
 *   for n, y, x:  for 16 channels:  for ky in [lo, hi): for kx in [lo, hi): acc = acc (+ or max)
 *     x[...]  then an elementwise chain
 *
 * Windows are cut at the input's edge; where none is cut, bounds are constants and small windows
 * unroll. */
#include "lower.h"
#include <string.h>

typedef struct span {
  int64_t in, out, kernel, stride, dilation, pad, pad_end;
  bool cut;
} span; /* one axis */

typedef struct bounds {
  V lo, hi, first;
} bounds; /* steps [lo, hi) of the window; input index of step 0 */

typedef struct pool {
  kgroup *g;
  kb *k;
  mc_node *head;
  kx *x;
  bool max, count_pad, f32, half; /* half: sums of a window's bytes fit 16 bits */
  span s[2];
  bounds b[2];
  kview in;
  V pixel, count, inside; /* of the present window: input (n, first row, first column, 0); number of
                             positions that count, and of those inside the input */
  int64_t fixed_count;    /* where no window is cut, else 0 */
  V image, at[2][25]; /* clamped windows: the input's (n, 0, 0, 0), offsets of rows and columns from
                         there */
} pool;

static span span_of(const pool *p, int d, int64_t kernel, int64_t stride, int64_t pad,
                    int64_t pad_end, int64_t dilation) {
  span s = { p->head->in[0]->type->dim[1 + d],
             p->head->out[0]->type->dim[1 + d],
             kernel,
             stride,
             dilation,
             pad,
             pad_end,
             false };
  s.cut = pad > 0 || (s.out - 1) * stride - pad + (kernel - 1) * dilation >= s.in;
  return s;
}

static bool prepare(pool *p) {
  const mc_type *in = p->head->in[0]->type;
  switch (p->head->op) {
  case MC_OP_max_pool: {
    const mc_attrs_max_pool *a = MC_ATTRS(p->head, max_pool);
    p->max = true;
    for (int d = 0; d < 2; d++)
      p->s[d] = span_of(p, d, a->kernel[d], a->stride[d], a->pad[d], a->pad[d + 2], a->dilation[d]);
    break;
  }
  case MC_OP_avg_pool: {
    const mc_attrs_avg_pool *a = MC_ATTRS(p->head, avg_pool);
    p->count_pad = a->count_pad;
    for (int d = 0; d < 2; d++)
      p->s[d] = span_of(p, d, a->kernel[d], a->stride[d], a->pad[d], a->pad[d + 2], 1);
    break;
  }
  case MC_OP_global_max_pool:
  case MC_OP_global_avg_pool:
    p->max = p->head->op == MC_OP_global_max_pool;
    for (int d = 0; d < 2; d++) p->s[d] = span_of(p, d, in->dim[1 + d], 1, 0, 0, 1);
    break;
  default:
    return kl_error(p->g, p->head, "'%s' does not head a 'pool' group", mc_ops[p->head->op].text);
  }
  if (!p->s[0].cut && !p->s[1].cut) p->fixed_count = p->s[0].kernel * p->s[1].kernel;
  return true;
}

/* Window of output index o: first = o * stride - pad; steps lo..hi inside the input. */
static bounds bounds_at(kb *k, const span *s, V o) {
  bounds b = { kb_i64(k, 0), kb_i64(k, s->kernel), kb_addi(k, kb_muli(k, o, s->stride), -s->pad) };
  if (!s->cut) return b;
  V d = kb_i64(k, s->dilation), below = kb_sub(k, kb_i64(k, s->dilation - 1), b.first),
    above = kb_sub(k, kb_i64(k, s->in - 1 + s->dilation * s->kernel), b.first);
  b.lo = kb_smax(k, b.lo, LLVMBuildSDiv(k->b, below, d, ""));
  b.hi = kb_smin(k, b.hi, kb_addi(k, LLVMBuildSDiv(k->b, above, d, ""), 1 - s->kernel));
  return b;
}

/* Positions along one axis that count, padding included: ceil_mode may reach beyond. */
static V padded_count(kb *k, const span *s, const bounds *b) {
  V end = kb_smin(k, kb_addi(k, b->first, s->kernel), kb_i64(k, s->in + s->pad_end));
  return kb_sub(k, end, b->first);
}

static void count_window(pool *p) {
  kb *k = p->k;
  V n[2], all[2];
  for (int d = 0; d < 2; d++) {
    n[d] = kb_sub(k, p->b[d].hi, p->b[d].lo);
    all[d] = p->count_pad ? padded_count(k, &p->s[d], &p->b[d]) : n[d];
  }
  p->inside = LLVMBuildMul(k->b, n[0], n[1], "");
  p->count = LLVMBuildMul(k->b, all[0], all[1], "");
}

/* ---- accumulators: f32 sums and maxima; sums of q in 16 bits where a window allows it, else 32;
 * bytes for integer maxima ---- */
static T sum_type(const pool *p) { return p->half ? p->k->i16 : p->k->i32; }

static V start(const pool *p, int lanes) {
  kb *k = p->k;
  mc_dtype t = p->in.dtype;
  if (p->f32) return kb_f32s(k, p->max ? -__builtin_inff() : 0.0f, lanes);
  if (!p->max) return LLVMConstNull(kb_vt(k, sum_type(p), lanes));
  return kb_splat_c(LLVMConstInt(k->i8, t == MC_u8 ? 0 : 0x80, 0), lanes);
}

static V step(const pool *p, V acc, V at, int lanes, int valid) {
  kb *k = p->k;
  mc_dtype t = p->in.dtype;
  if (p->half && !p->max)
    return LLVMBuildAdd(k->b, acc,
                        kb_ext(k, kl_load_mem(k, at, t, p->in.stride[3], lanes, valid, p->in.slack),
                               k->i16, t == MC_i8),
                        "");
  V v = kl_load(k, at, t, p->in.stride[3], lanes, valid, p->in.slack);
  if (p->f32) return p->max ? kv_fmax(k, v, acc) : LLVMBuildFAdd(k->b, acc, v, "");
  if (p->max)
    return kb_intr2(k, t == MC_u8 ? "llvm.umax" : "llvm.smax", acc, kb_trunc(k, v, k->i8));
  return LLVMBuildAdd(k->b, acc, v, "");
}

/* The sum of q - z. */
static V centered(const pool *p, V acc, int lanes) {
  kb *k = p->k;
  int32_t z = kl_zero_point(p->head->in[0]->type);
  if (p->half) acc = kb_ext(k, acc, k->i32, p->in.dtype == MC_i8);
  if (!z) return acc;
  V all = p->fixed_count
              ? kb_i32(k, (int32_t)(p->fixed_count * z))
              : LLVMBuildMul(k->b, LLVMBuildTrunc(k->b, p->inside, k->i32, ""), kb_i32(k, z), "");
  return LLVMBuildSub(k->b, acc, kb_splat(k, all, lanes), "");
}

static V average(const pool *p, V acc, int lanes) {
  kb *k = p->k;
  V count = p->fixed_count ? kb_f32(k, (float)p->fixed_count)
                           : LLVMBuildSIToFP(k->b, p->count, k->f32, "");
  if (p->f32) return LLVMBuildFDiv(k->b, acc, kb_splat(k, count, lanes), "");
  const mc_type *in = p->head->in[0]->type, *out = p->head->out[0]->type;
  float scale = in->q.scale / out->q.scale;
  V m = p->fixed_count ? kb_f32(k, scale / (float)p->fixed_count)
                       : LLVMBuildFDiv(k->b, kb_f32(k, scale), count, "");
  return kv_quant(k,
                  LLVMBuildFMul(k->b,
                                p->half && kv_adds(k)
                                    ? kv_small_to_f32(k, centered(p, acc, lanes), 0)
                                    : kv_to_f32(k, centered(p, acc, lanes)),
                                kb_splat(k, m, lanes), ""),
                  kl_zero_point(out), out->dtype);
}

static V unrolled(const pool *p, V acc, V at, int lanes, int valid) {
  for (int64_t i = 0; i < p->fixed_count; i++) {
    int64_t off = i / p->s[1].kernel * p->s[0].dilation * p->in.stride[1] +
                  i % p->s[1].kernel * p->s[1].dilation * p->in.stride[2];
    acc = step(p, acc, kb_gepi(p->k, at, off), lanes, valid);
  }
  return acc;
}

/* Maxima of windows that are cut: an index outside of the input moves to its edge, which such a
 * window holds anyway. */
static bool clamps(const pool *p) {
  bool ok = p->max && !p->fixed_count && p->s[0].kernel * p->s[1].kernel <= 25;
  for (int d = 0; d < 2; d++)
    ok = ok && p->s[d].dilation == 1 && p->s[d].pad < p->s[d].kernel &&
         (p->s[d].out - 1) * p->s[d].stride - p->s[d].pad < p->s[d].in;
  return ok;
}

static V clamped(const pool *p, V acc, int lanes, int valid, V from) {
  kb *k = p->k;
  for (int64_t i = 0; i < p->s[0].kernel; i++)
    for (int64_t j = 0; j < p->s[1].kernel; j++)
      acc = step(p, acc, kb_gep(k, from, kb_add(k, p->at[0][i], p->at[1][j])), lanes, valid);
  return acc;
}

/* Byte offsets of the window's rows or columns. */
static void find_offsets(pool *p, int d) {
  kb *k = p->k;
  for (int64_t i = 0; i < p->s[d].kernel; i++) {
    V at = kb_smin(k, kb_smax(k, kb_addi(k, p->b[d].first, i), kb_i64(k, 0)),
                   kb_i64(k, p->s[d].in - 1));
    p->at[d][i] = kb_muli(k, at, p->in.stride[1 + d]);
  }
}

static V looped(const pool *p, V acc, V at, int lanes, int valid) {
  kb *k = p->k;
  kb_loop ly, lx;
  kb_for(k, &ly, p->b[0].lo, p->b[0].hi, 1, &acc, 1);
  V row = kb_gep(k, at, kb_muli(k, ly.iv, p->s[0].dilation * p->in.stride[1]));
  kb_for(k, &lx, p->b[1].lo, p->b[1].hi, 1, ly.carried, 1);
  V next =
      step(p, lx.carried[0], kb_gep(k, row, kb_muli(k, lx.iv, p->s[1].dilation * p->in.stride[2])),
           lanes, valid);
  kb_end(k, &lx, &next);
  kb_end(k, &ly, lx.carried);
  return ly.carried[0];
}

static void channels(void *ctx, V at, int64_t c, int lanes, int valid) {
  pool *p = ctx;
  kx *x = p->x;
  kb *k = p->k;
  V base = clamps(p) ? p->image : p->pixel,
    from = kb_gepi(k, at ? kb_gep(k, base, kb_muli(k, at, p->in.stride[3])) : base,
                   c * p->in.stride[3]);
  bool small = p->fixed_count && p->fixed_count <= 16;
  V acc = clamps(p) ? clamped(p, start(p, lanes), lanes, valid, from)
          : small   ? unrolled(p, start(p, lanes), from, lanes, valid)
                    : looped(p, start(p, lanes), from, lanes, valid);
  x->iv[3] = at;
  x->c[3] = c;
  kx_at(x, lanes, valid);
  kx_bind(x, p->head->out[0],
          p->max ? (p->f32 ? acc : kl_widen(k, acc, p->in.dtype)) : average(p, acc, lanes));
  kx_finish(x);
}

bool k_emit_pool(kgroup *g) {
  kb *k = g->k;
  pool *p = MC_NEW(k->arena, pool);
  p->g = g;
  p->k = k;
  p->head = kl_first(g);
  p->x = MC_NEW(k->arena, kx);
  mc_dtype t = p->head->in[0]->type->dtype;
  const mc_type *y = p->head->out[0]->type;
  if (!kl_real(t) && t != MC_u8 && t != MC_i8)
    return kl_error(g, p->head, "'%s' on %s has no lowering", mc_ops[p->head->op].text,
                    mc_dtype_names[t]);
  if (!prepare(p) || !kx_init(p->x, g, p->head, y->rank, y->dim)) return false;
  p->f32 = kl_real(t);
  p->half = !p->f32 && p->s[0].kernel * p->s[1].kernel <= 255;
  p->in = kl_view(g, p->head->in[0]);
  int lanes = t == MC_u8 || t == MC_i8 ? k->target->vector_bytes
                                       : KB_LANES; /* a register of bytes; four of sums */
  kb_loop l[3], once;
  int split = kl_divide_nest(g, &once, 4, y->dim, lanes);
  for (int d = 0; d < 3; d++) {
    kl_range(g, &l[d], y->dim[d], 1, d == split);
    p->x->iv[d] = l[d].iv;
    if (d > 0) p->b[d - 1] = bounds_at(k, &p->s[d - 1], l[d].iv);
    if (d > 0 && clamps(p)) find_offsets(p, d - 1);
  }
  V first = kb_add(k, kb_muli(k, p->b[0].first, p->in.stride[1]),
                   kb_muli(k, p->b[1].first, p->in.stride[2]));
  p->image = kb_gep(k, p->in.base, kb_muli(k, l[0].iv, p->in.stride[0]));
  p->pixel = kb_gep(k, p->in.base, kb_add(k, kb_muli(k, l[0].iv, p->in.stride[0]), first));
  if (!p->fixed_count && !p->max) count_window(p);
  kl_vectors(g, split == 3, y->dim[3], lanes, channels, p);
  for (int d = 2; d >= 0; d--) kb_end(k, &l[d], NULL);
  kb_end(k, &once, NULL);
  kl_fill_borders(g);
  return true;
}
