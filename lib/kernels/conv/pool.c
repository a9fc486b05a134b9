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
  kvalue lo, hi, first;
} bounds; /* steps [lo, hi) of the window; input index of step 0 */

typedef struct pool {
  kgroup *g;
  kbuilder *k;
  mc_node *head;
  kepilogue *x;
  bool max, count_pad, f32, half; /* half: sums of a window's bytes fit 16 bits */
  span s[2];
  bounds b[2];
  kview in;
  kvalue pixel, count, inside; /* of the present window: input (n, first row, first column, 0);
                             number of positions that count, and of those inside the input */
  int64_t fixed_count;         /* where no window is cut, else 0 */
  kvalue image, at[2][25]; /* clamped windows: the input's (n, 0, 0, 0), offsets of rows and columns
                         from there */
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
    return group_error(p->g, p->head, "'%s' does not head a 'pool' group",
                       mc_ops[p->head->op].text);
  }
  if (!p->s[0].cut && !p->s[1].cut) p->fixed_count = p->s[0].kernel * p->s[1].kernel;
  return true;
}

/* Window of output index o: first = o * stride - pad; steps lo..hi inside the input. */
static bounds bounds_at(kbuilder *k, const span *s, kvalue o) {
  bounds b = { build_i64(k, 0), build_i64(k, s->kernel),
               build_add_const(k, build_mul_const(k, o, s->stride), -s->pad) };
  if (!s->cut) return b;
  kvalue d = build_i64(k, s->dilation),
         below = build_sub(k, build_i64(k, s->dilation - 1), b.first),
         above = build_sub(k, build_i64(k, s->in - 1 + s->dilation * s->kernel), b.first);
  b.lo = build_smax(k, b.lo, LLVMBuildSDiv(k->b, below, d, ""));
  b.hi = build_smin(k, b.hi, build_add_const(k, LLVMBuildSDiv(k->b, above, d, ""), 1 - s->kernel));
  return b;
}

/* Positions along one axis that count, padding included: ceil_mode may reach beyond. */
static kvalue padded_count(kbuilder *k, const span *s, const bounds *b) {
  kvalue end =
      build_smin(k, build_add_const(k, b->first, s->kernel), build_i64(k, s->in + s->pad_end));
  return build_sub(k, end, b->first);
}

static void count_window(pool *p) {
  kbuilder *k = p->k;
  kvalue n[2], all[2];
  for (int d = 0; d < 2; d++) {
    n[d] = build_sub(k, p->b[d].hi, p->b[d].lo);
    all[d] = p->count_pad ? padded_count(k, &p->s[d], &p->b[d]) : n[d];
  }
  p->inside = LLVMBuildMul(k->b, n[0], n[1], "");
  p->count = LLVMBuildMul(k->b, all[0], all[1], "");
}

/* ---- accumulators: f32 sums and maxima; sums of q in 16 bits where a window allows it, else 32;
 * bytes for integer maxima ---- */
static ktype sum_type(const pool *p) { return p->half ? p->k->i16 : p->k->i32; }

static kvalue start(const pool *p, int lanes) {
  kbuilder *k = p->k;
  mc_dtype t = p->in.dtype;
  if (p->f32) return build_f32s(k, p->max ? -__builtin_inff() : 0.0f, lanes);
  if (!p->max) return LLVMConstNull(type_of_lanes(k, sum_type(p), lanes));
  return build_splat_const(LLVMConstInt(k->i8, t == MC_u8 ? 0 : 0x80, 0), lanes);
}

static kvalue step(const pool *p, kvalue acc, kvalue at, int lanes, int valid) {
  kbuilder *k = p->k;
  mc_dtype t = p->in.dtype;
  if (p->half && !p->max)
    return LLVMBuildAdd(
        k->b, acc,
        build_ext(k, memory_load_raw(k, at, t, p->in.stride[3], lanes, valid, p->in.slack), k->i16,
                  t == MC_i8),
        "");
  kvalue v = memory_load(k, at, t, p->in.stride[3], lanes, valid, p->in.slack);
  if (p->f32) return p->max ? vec_fmax(k, v, acc) : LLVMBuildFAdd(k->b, acc, v, "");
  if (p->max)
    return build_intrinsic2(k, t == MC_u8 ? "llvm.umax" : "llvm.smax", acc,
                            build_trunc(k, v, k->i8));
  return LLVMBuildAdd(k->b, acc, v, "");
}

/* The sum of q - z. */
static kvalue centered(const pool *p, kvalue acc, int lanes) {
  kbuilder *k = p->k;
  int32_t z = zero_point_of(p->head->in[0]->type);
  if (p->half) acc = build_ext(k, acc, k->i32, p->in.dtype == MC_i8);
  if (!z) return acc;
  kvalue all = p->fixed_count ? build_i32(k, (int32_t)(p->fixed_count * z))
                              : LLVMBuildMul(k->b, LLVMBuildTrunc(k->b, p->inside, k->i32, ""),
                                             build_i32(k, z), "");
  return LLVMBuildSub(k->b, acc, build_splat(k, all, lanes), "");
}

static kvalue average(const pool *p, kvalue acc, int lanes) {
  kbuilder *k = p->k;
  kvalue count = p->fixed_count ? build_f32(k, (float)p->fixed_count)
                                : LLVMBuildSIToFP(k->b, p->count, k->f32, "");
  if (p->f32) return LLVMBuildFDiv(k->b, acc, build_splat(k, count, lanes), "");
  const mc_type *in = p->head->in[0]->type, *out = p->head->out[0]->type;
  float scale = in->q.scale / out->q.scale;
  kvalue m = p->fixed_count ? build_f32(k, scale / (float)p->fixed_count)
                            : LLVMBuildFDiv(k->b, build_f32(k, scale), count, "");
  return vec_quant(k,
                   LLVMBuildFMul(k->b,
                                 p->half && vec_adds(k)
                                     ? vec_small_to_f32(k, centered(p, acc, lanes), 0)
                                     : vec_to_f32(k, centered(p, acc, lanes)),
                                 build_splat(k, m, lanes), ""),
                   zero_point_of(out), out->dtype);
}

static kvalue unrolled(const pool *p, kvalue acc, kvalue at, int lanes, int valid) {
  for (int64_t i = 0; i < p->fixed_count; i++) {
    int64_t off = i / p->s[1].kernel * p->s[0].dilation * p->in.stride[1] +
                  i % p->s[1].kernel * p->s[1].dilation * p->in.stride[2];
    acc = step(p, acc, build_offset(p->k, at, off), lanes, valid);
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

static kvalue clamped(const pool *p, kvalue acc, int lanes, int valid, kvalue from) {
  kbuilder *k = p->k;
  for (int64_t i = 0; i < p->s[0].kernel; i++)
    for (int64_t j = 0; j < p->s[1].kernel; j++)
      acc = step(p, acc, build_address(k, from, build_add(k, p->at[0][i], p->at[1][j])), lanes,
                 valid);
  return acc;
}

/* Byte offsets of the window's rows or columns. */
static void find_offsets(pool *p, int d) {
  kbuilder *k = p->k;
  for (int64_t i = 0; i < p->s[d].kernel; i++) {
    kvalue at = build_smin(k, build_smax(k, build_add_const(k, p->b[d].first, i), build_i64(k, 0)),
                           build_i64(k, p->s[d].in - 1));
    p->at[d][i] = build_mul_const(k, at, p->in.stride[1 + d]);
  }
}

static kvalue looped(const pool *p, kvalue acc, kvalue at, int lanes, int valid) {
  kbuilder *k = p->k;
  kloop ly, lx;
  build_for(k, &ly, p->b[0].lo, p->b[0].hi, 1, &acc, 1);
  kvalue row = build_address(k, at, build_mul_const(k, ly.iv, p->s[0].dilation * p->in.stride[1]));
  build_for(k, &lx, p->b[1].lo, p->b[1].hi, 1, ly.carried, 1);
  kvalue next =
      step(p, lx.carried[0],
           build_address(k, row, build_mul_const(k, lx.iv, p->s[1].dilation * p->in.stride[2])),
           lanes, valid);
  build_end(k, &lx, &next);
  build_end(k, &ly, lx.carried);
  return ly.carried[0];
}

static void channels(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  pool *p = ctx;
  kepilogue *x = p->x;
  kbuilder *k = p->k;
  kvalue base = clamps(p) ? p->image : p->pixel,
         from = build_offset(
             k, at ? build_address(k, base, build_mul_const(k, at, p->in.stride[3])) : base,
             c * p->in.stride[3]);
  bool small = p->fixed_count && p->fixed_count <= 16;
  kvalue acc = clamps(p) ? clamped(p, start(p, lanes), lanes, valid, from)
               : small   ? unrolled(p, start(p, lanes), from, lanes, valid)
                         : looped(p, start(p, lanes), from, lanes, valid);
  x->iv[3] = at;
  x->c[3] = c;
  epilogue_at(x, lanes, valid);
  epilogue_bind(x, p->head->out[0],
                p->max ? (p->f32 ? acc : memory_widen(k, acc, p->in.dtype))
                       : average(p, acc, lanes));
  epilogue_finish(x);
}

bool family_emit_pool(kgroup *g) {
  kbuilder *k = g->k;
  pool *p = MC_NEW(k->arena, pool);
  p->g = g;
  p->k = k;
  p->head = group_first(g);
  p->x = MC_NEW(k->arena, kepilogue);
  mc_dtype t = p->head->in[0]->type->dtype;
  const mc_type *y = p->head->out[0]->type;
  if (!in_f32(t) && t != MC_u8 && t != MC_i8)
    return group_error(g, p->head, "'%s' on %s has no lowering", mc_ops[p->head->op].text,
                       mc_dtype_names[t]);
  if (!prepare(p) || !epilogue_init(p->x, g, p->head, y->rank, y->dim)) return false;
  p->f32 = in_f32(t);
  p->half = !p->f32 && p->s[0].kernel * p->s[1].kernel <= 255;
  p->in = view_of(g, p->head->in[0]);
  int lanes = t == MC_u8 || t == MC_i8 ? k->target->vector_bytes
                                       : KERNEL_LANES; /* a register of bytes; four of sums */
  kloop l[3], once;
  int split = split_nest(g, &once, 4, y->dim, lanes);
  for (int d = 0; d < 3; d++) {
    split_range(g, &l[d], y->dim[d], 1, d == split);
    p->x->iv[d] = l[d].iv;
    if (d > 0) p->b[d - 1] = bounds_at(k, &p->s[d - 1], l[d].iv);
    if (d > 0 && clamps(p)) find_offsets(p, d - 1);
  }
  kvalue first = build_add(k, build_mul_const(k, p->b[0].first, p->in.stride[1]),
                           build_mul_const(k, p->b[1].first, p->in.stride[2]));
  p->image = build_address(k, p->in.base, build_mul_const(k, l[0].iv, p->in.stride[0]));
  p->pixel = build_address(k, p->in.base,
                           build_add(k, build_mul_const(k, l[0].iv, p->in.stride[0]), first));
  if (!p->fixed_count && !p->max) count_window(p);
  split_vectors(g, split == 3, y->dim[3], lanes, channels, p);
  for (int d = 2; d >= 0; d--) build_end(k, &l[d], NULL);
  build_end(k, &once, NULL);
  fill_borders(g);
  return true;
}
