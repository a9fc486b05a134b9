/* layer_norm, as docs/reference/numerics.md has it: in fp32 with 16 interleaved partial sums; of
 * bytes with exact sums, so that two passes do. */
#include "rows.h"
#include <math.h>

typedef struct norm {
  kview gamma, beta;
  bool has_gamma, has_beta;
  float eps;
  bool divide, bounded;
} norm; /* divide: gamma and beta still have to be divided by the result's scale */

/* ---- fp32 ---- */
/* Where ops come before, they are computed in the first pass, and their results wait in `mid`.
 */
static kvalue x_first(rows *r, int i, kvalue at, int64_t c, int valid) {
  kvalue x = rows_operand(r, i, at, c, KERNEL_LANES, valid);
  if (r->front) rows_store(r, &r->mid, r->m[i], x, at, c, valid);
  return x;
}

static kvalue x_again(const rows *r, int i, kvalue at, int64_t c, int lanes, int valid) {
  kvalue x = r->front ? rows_load(r, &r->mid, r->m[i], at, c, lanes, valid)
                      : rows_load(r, &r->in, r->x[i], at, c, lanes, valid);
  return r->ints ? rows_centered(r, x) : x;
}

static kvalue square_value(rows *r, int i, kvalue at, int64_t c, int valid) {
  kvalue d = LLVMBuildFSub(r->k->b, x_again(r, i, at, c, KERNEL_LANES, valid), r->a[i], "");
  return LLVMBuildFMul(r->k->b, d, d, "");
}

static kvalue parameter(const rows *r, const kview *v, kvalue at, int64_t c, int lanes, int valid) {
  kbuilder *k = r->k;
  kvalue p = memory_load(
      k,
      build_offset(k, at ? build_address(k, v->base, build_mul_const(k, at, 4)) : v->base, c * 4),
      MC_f32, 4, lanes, valid, v->slack);
  return ((const norm *)r->own)->divide
             ? LLVMBuildFDiv(k->b, p, build_f32s(k, r->head->out[0]->type->q.scale, lanes), "")
             : p;
}

/* What is done to x in the last pass: a centered element, a[i] the mean, b[i] the factor of the
 * row. */
typedef struct affine {
  kvalue gamma, beta;
} affine;

static affine affine_at(const rows *r, kvalue at, int64_t c, int lanes, int valid) {
  const norm *o = r->own;
  affine f = { NULL, NULL };
  if (o->has_gamma)
    f.gamma = parameter(r, &o->gamma, at, c, lanes, valid);
  else if (r->ints)
    f.gamma = build_f32s(r->k, 1.0f / r->head->out[0]->type->q.scale, lanes);
  if (o->has_beta) f.beta = parameter(r, &o->beta, at, c, lanes, valid);
  return f;
}

static kvalue normalized(const rows *r, int i, kvalue x, affine f) {
  kbuilder *k = r->k;
  int lanes = lanes_of(x);
  kvalue v = LLVMBuildFSub(k->b, x, build_extract(k, r->a[i], 0, lanes), "");
  v = LLVMBuildFMul(k->b, v, build_extract(k, r->b[i], 0, lanes), "");
  if (f.gamma) v = LLVMBuildFMul(k->b, v, f.gamma, "");
  return f.beta ? LLVMBuildFAdd(k->b, v, f.beta, "") : v;
}

static void norm_part(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  rows *r = ctx;
  int n = lanes > KERNEL_LANES ? lanes / KERNEL_LANES : 1, each = lanes / n;
  affine f[4];
  for (int j = 0; j < n; j++)
    f[j] = affine_at(r, at, c + j * KERNEL_LANES, each, n > 1 ? each : valid);
  for (int i = 0; i < r->many; i++) {
    kvalue v[4];
    for (int j = 0; j < n; j++)
      v[j] = normalized(r, i, x_again(r, i, at, c + j * KERNEL_LANES, each, n > 1 ? each : valid),
                        f[j]);
    if (r->ints)
      rows_store_ints(r, i, v, n, ((const norm *)r->own)->bounded, at, c, valid);
    else
      rows_result(r, i, v, n, at, c, valid);
  }
}

static void last_pass(rows *r) {
  int most = KERNEL_LANES * rows_store_most(r);
  walk_vectors(r->k, r->n, (r->ints || r->back) && r->n >= most ? most : KERNEL_LANES, norm_part,
               r);
}

/* sum over the row by `value`, divided by its length. */
static kvalue mean_of(rows *r, rows_value *value) {
  kvalue acc[MC_ROWS_MOST];
  for (int i = 0; i < r->many; i++) acc[i] = build_f32s(r->k, 0.0f, KERNEL_LANES);
  rows_pass(r, acc, value, rows_fadd);
  return LLVMBuildFDiv(r->k->b, rows_fold(r, acc, rows_fadd),
                       build_f32s(r->k, (float)r->n, r->many), "");
}

/* 1 / sqrt(var + eps) */
static kvalue inverse(const rows *r, kvalue var) {
  kbuilder *k = r->k;
  kvalue dev = build_intrinsic1(
      k, "llvm.sqrt",
      LLVMBuildFAdd(k->b, var, build_f32s(k, ((const norm *)r->own)->eps, r->many), ""));
  return LLVMBuildFDiv(k->b, build_f32s(k, 1.0f, r->many), dev, "");
}

static void norm_rows(rows *r) {
  for (int i = 0; i < r->many; i++)
    r->m[i] = mc_rows_in_place(r->g->group)
                  ? r->y[i]
                  : build_offset(r->k, r->mid.base, i * mc_rows_bytes(r->n));
  kvalue mean = mean_of(r, x_first);
  for (int i = 0; i < r->many; i++) r->a[i] = rows_lane(r, mean, i);
  kvalue inv = inverse(r, mean_of(r, square_value));
  for (int i = 0; i < r->many; i++) r->b[i] = rows_lane(r, inv, i);
  last_pass(r);
}

/* ---- bytes ----
 * p: the element as an unsigned byte. sum p and sum p^2 are below 2^31 (MC_NORM_MOST); the variance
 * does not care where 0 is. */
static int sum_step(const kbuilder *k) {
  return target_has_dots(k)                  ? 64
         : k->target->arch == MC_ARCH_x86_64 ? k->target->vector_bytes / 2
                                             : 16;
}

static int sum_lanes(const kbuilder *k) {
  return target_has_dots(k) || k->target->arch != MC_ARCH_x86_64 ? 16 : k->target->vector_bytes / 4;
}

/* Elements [at + c, at + c + step) of row i, of which `valid` exist, into its sums. */
static void add_sums(const rows *r, int i, kvalue at, int64_t c, int valid, kvalue *p_sum,
                     kvalue *square_sum) {
  kbuilder *k = r->k;
  int step = sum_step(k);
  kvalue addr = rows_at(r, &r->in, r->x[i], at, c),
         p = valid < step ? build_load_part(k, k->i8, addr, step, valid, 1)
                          : build_load(k, type_of_lanes(k, k->i8, step), addr, 1);
  kvalue flip = build_splat_const(LLVMConstInt(k->i8, 0x80, 0), step);
  if (r->in.dtype == MC_i8) p = LLVMBuildXor(k->b, p, flip, "");
  if (valid < step) {
    kvalue m[64];
    for (int j = 0; j < step; j++) m[j] = LLVMConstInt(k->i1, j < valid, 0);
    p = build_select(k, LLVMConstVector(m, (unsigned)step), p,
                     LLVMConstNull(type_of_lanes(k, k->i8, step)));
  }
  if (target_has_dots(k)) {
    ktype words = type_of_lanes(k, k->i32, 16);
    kvalue a = build_bitcast(k, p, words),
           s = build_bitcast(k, LLVMBuildXor(k->b, p, flip, ""), words);
    *p_sum = build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                             (kvalue[]){ *p_sum, a, build_i32s(k, 0x01010101, 16) }, 3);
    *square_sum = build_intrinsic(k, "llvm.x86.avx512.vpdpbusd.512", NULL, 0,
                                  (kvalue[]){ *square_sum, a, s }, 3);
  } else if (k->target->arch == MC_ARCH_x86_64) {
    const char *name = step == 8    ? "llvm.x86.sse2.pmadd.wd"
                       : step == 16 ? "llvm.x86.avx2.pmadd.wd"
                                    : "llvm.x86.avx512.pmaddw.d.512";
    kvalue w = build_ext(k, p, k->i16, false),
           ones = build_splat_const(LLVMConstInt(k->i16, 1, 0), step);
    *p_sum =
        LLVMBuildAdd(k->b, *p_sum, build_intrinsic(k, name, NULL, 0, (kvalue[]){ w, ones }, 2), "");
    *square_sum = LLVMBuildAdd(k->b, *square_sum,
                               build_intrinsic(k, name, NULL, 0, (kvalue[]){ w, w }, 2), "");
  } else {
    kvalue w = build_ext(k, p, k->i32, false);
    *p_sum = LLVMBuildAdd(k->b, *p_sum, w, "");
    *square_sum = LLVMBuildAdd(k->b, *square_sum, LLVMBuildMul(k->b, w, w, ""), "");
  }
}

/* Sums of vectors of fewer than 16 lanes, in 16. */
static kvalue sixteen(kbuilder *k, kvalue v) {
  kvalue zero = LLVMConstNull(LLVMTypeOf(v)), part[4] = { v, zero, zero, zero };
  return build_concat(k, part, KERNEL_LANES / lanes_of(v));
}

static void find_sums(rows *r, kvalue *p, kvalue *square) {
  kbuilder *k = r->k;
  int step = sum_step(k), many = r->many;
  int64_t full = r->n / step * step, rest = r->n - full;
  kvalue acc[2 * MC_ROWS_MOST];
  for (int i = 0; i < 2 * many; i++) acc[i] = build_i32s(k, 0, sum_lanes(k));
  if (full) {
    kloop l;
    kvalue next[2 * MC_ROWS_MOST];
    build_range(k, &l, full, step, acc, 2 * many);
    for (int i = 0; i < 2 * many; i++) next[i] = l.carried[i];
    for (int i = 0; i < many; i++) add_sums(r, i, l.iv, 0, step, &next[i], &next[many + i]);
    build_end(k, &l, next);
    for (int i = 0; i < 2 * many; i++) acc[i] = l.carried[i];
  }
  for (int i = 0; i < many && rest; i++)
    add_sums(r, i, NULL, full, (int)rest, &acc[i], &acc[many + i]);
  for (int i = 0; i < 2 * many; i++) acc[i] = sixteen(k, acc[i]);
  *p = rows_fold(r, acc, rows_iadd);
  *square = rows_fold(r, acc + many, rows_iadd);
  if (target_has_dots(k))
    *square = LLVMBuildAdd(k->b, *square, LLVMBuildShl(k->b, *p, build_i32s(k, 7, many), ""), "");
}

static kvalue to_float(const rows *r, kvalue i64s) {
  return LLVMBuildSIToFP(r->k->b, i64s, type_of_lanes(r->k, r->k->f32, r->many), "");
}

static void ints_rows(rows *r) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->in[0]->type;
  int32_t zero = zero_point_of(t) + (t->dtype == MC_i8 ? 128 : 0);
  float s = t->q.scale;
  kvalue p, square, d = build_f32s(k, (float)r->n, r->many);
  find_sums(r, &p, &square);
  kvalue sum = build_ext(k, p, k->i64, true), all = build_ext(k, square, k->i64, true),
         n = build_splat_const(build_i64(k, r->n), r->many);
  kvalue spread =
      LLVMBuildSub(k->b, LLVMBuildMul(k->b, all, n, ""), LLVMBuildMul(k->b, sum, sum, ""), "");
  kvalue mean = LLVMBuildFDiv(
      k->b,
      to_float(r,
               LLVMBuildSub(k->b, sum, build_splat_const(build_i64(k, r->n * zero), r->many), "")),
      d, "");
  kvalue var = LLVMBuildFDiv(k->b, LLVMBuildFDiv(k->b, to_float(r, spread), d, ""), d, "");
  kvalue inv = inverse(r, LLVMBuildFMul(k->b, var, build_f32s(k, s * s, r->many), ""));
  inv = LLVMBuildFMul(k->b, inv, build_f32s(k, s, r->many), "");
  for (int i = 0; i < r->many; i++) {
    r->a[i] = rows_lane(r, mean, i);
    r->b[i] = rows_lane(r, inv, i);
  }
  last_pass(r);
}

/* ---- the group ---- */
static kview dense_view(const kgroup *g, const mc_type *t, int64_t at) {
  kview v = { .base = build_offset(g->k, group_scratch(g), at),
              .dtype = t->dtype,
              .rank = t->rank,
              .slack = true };
  for (int64_t d = t->rank - 1, s = (int64_t)mc_dtype_size(t->dtype); d >= 0; d--) {
    v.stride[d] = s;
    s *= t->dim[d];
  }
  return v;
}

/* Constant gamma or beta over the result's scale, and its largest magnitude. */
static kview over_scale(const rows *r, const mc_value *v, float *most) {
  const mc_tensor *t = mc_value_tensor(v);
  int64_t n = mc_tensor_elems(t);
  float *p = MC_NEWN(r->k->arena, float, n);
  for (int64_t i = 0; i < n; i++) {
    p[i] = ((const float *)t->data)[i] / r->head->out[0]->type->q.scale;
    if (!(fabsf(p[i]) <= *most)) *most = fabsf(p[i]); /* a NaN is the most */
  }
  return (kview){ .base = build_rodata(r->k, p, (size_t)n * sizeof *p, MC_PLAN_SLACK, "param"),
                  .dtype = MC_f32,
                  .slack = true };
}

static norm *norm_of(const rows *r) {
  const mc_node *h = r->head;
  norm *o = MC_NEW(r->k->arena, norm);
  *o = (norm){ .has_gamma = h->nin > 1,
               .has_beta = h->nin > 2,
               .eps = MC_ATTRS(h, layer_norm)->epsilon };
  bool fixed =
      (!o->has_gamma || mc_value_tensor(h->in[1])) && (!o->has_beta || mc_value_tensor(h->in[2]));
  if (!r->ints || !fixed) {
    o->divide = r->ints;
    if (o->has_gamma) o->gamma = view_of(r->g, h->in[1]);
    if (o->has_beta) o->beta = view_of(r->g, h->in[2]);
    return o;
  }
  float gamma = o->has_gamma ? 0 : 1.0f / h->out[0]->type->q.scale, beta = 0;
  if (o->has_gamma) o->gamma = over_scale(r, h->in[1], &gamma);
  if (o->has_beta) o->beta = over_scale(r, h->in[2], &beta);
  /* no element of n is further than sqrt(n) deviations from their mean */
  o->bounded = sqrtf((float)r->n) * 1.01f * gamma + beta < (float)VEC_SMALL;
  return o;
}

static void all_rows(rows *r, int axis) {
  kview *views[2] = { &r->in, &r->out };
  for (int d = r->rank - 2; d >= axis; d--) {
    r->dim[d] *= r->dim[d + 1];
    for (int j = 0; j < 2; j++) views[j]->stride[d] = views[j]->stride[d + 1];
    r->rank--;
  }
  r->n = r->dim[axis];
  r->own = norm_of(r);
  r->mid = r->out;
  if (r->front && !mc_rows_in_place(r->g->group)) {
    kvalue s = group_scratch(r->g);
    if (r->g->tasks > 1)
      s = build_address(
          r->k, s, build_mul_const(r->k, LLVMGetParam(r->k->fn, 2), mc_norm_task_bytes(r->head)));
    r->mid = (kview){ .base = s, .dtype = MC_f32, .slack = true };
    for (int d = 0; d < MC_MAX_RANK; d++) r->mid.stride[d] = 4;
  }
  rows_all(r, r->ints ? ints_rows : norm_rows);
}

bool family_emit_norm(kgroup *g) {
  rows *r = MC_NEW(g->k->arena, rows);
  if (!rows_begin(r, g)) return false;
  if (r->head->op != MC_OP_layer_norm)
    return group_error(g, r->head, "'%s' does not head a 'norm' group", mc_ops[r->head->op].text);
  const mc_type *x = r->head->in[0]->type, *y = r->head->out[0]->type;
  if (mc_norm_axis(r->head) != x->rank - 1 && (r->front || r->back))
    return group_error(
        g, r->head, "'layer_norm' over several axes has no lowering with other ops in its group");
  bool copy = !r->front && mc_norm_copies(&g->decision->ask, r->head);
  int64_t dense =
      x->dtype == y->dtype ? 0 : mc_norm_dense_bytes(x); /* where the result's copy is in scratch */
  if (copy) {
    kview in = dense_view(g, x, 0);
    copy_views(g, x, r->in, in);
    split_stage(g);
    r->in = dense_view(g, x, 0);
    r->out = dense_view(g, y, dense);
  }
  all_rows(r, mc_norm_axis(r->head));
  if (copy) {
    split_stage(g);
    copy_views(g, y, dense_view(g, y, dense), view_of(g, g->group->out[0]));
  }
  fill_borders(g);
  return true;
}
