/* softmax: e = exp(x - max), e * (1 / sum), as docs/reference/numerics.md has it. Rows of the last
 * axis in 16 interleaved partial sums; other axes in order, a column in each lane. */
#include "rows.h"
#include "mc/support/fmath.h"

/* e^(-d step) of integers d in [0, 255]: two tables of 16, whose product is one of 256. */
typedef struct powers {
  kvalue coarse, fine, all;
  bool bounded;
} powers;

static powers *powers_of(kgroup *g, const mc_node *n) {
  powers *p = MC_NEW(g->k->arena, powers);
  float coarse[16], fine[16], all[256];
  mc_fm_exp_tables(n->in[0]->type->q.scale, coarse, fine);
  for (int i = 0; i < 256; i++) all[i] = coarse[i / 16] * fine[i % 16];
  bool entries = g->k->target->arch == MC_ARCH_x86_64 &&
                 target_lanes(g->k) == 4; /* no permutation of 32-bit lanes */
  if (entries)
    p->all = build_rodata(g->k, all, sizeof all, 0, "powers");
  else {
    p->coarse = build_rodata(g->k, coarse, sizeof coarse, 0, "powers");
    p->fine = build_rodata(g->k, fine, sizeof fine, 0, "powers");
  }
  p->bounded = 1.0f / n->out[0]->type->q.scale < (float)VEC_SMALL;
  return p;
}

/* table[index % 16], 16 lanes. */
static kvalue look_up(kbuilder *k, kvalue table, kvalue index) {
  kvalue t = build_load(k, type_of_lanes(k, k->f32, 16), table, 64), part[4];
  if (target_lanes(k) == 16)
    return build_intrinsic(k, "llvm.x86.avx512.permvar.sf.512", NULL, 0, (kvalue[]){ t, index }, 2);
  if (target_lanes(k) == 8) {
    kvalue high =
        LLVMBuildICmp(k->b, LLVMIntSLT, LLVMBuildShl(k->b, index, build_i32s(k, 28, 16), ""),
                      LLVMConstNull(type_of_lanes(k, k->i32, 16)), "");
    for (int i = 0; i < 2; i++) {
      kvalue at = build_extract(k, index, 8 * i, 8), found[2];
      for (int h = 0; h < 2; h++)
        found[h] = build_intrinsic(k, "llvm.x86.avx2.permps", NULL, 0,
                                   (kvalue[]){ build_extract(k, t, 8 * h, 8), at }, 2);
      part[i] = build_select(k, build_extract(k, high, 8 * i, 8), found[1], found[0]);
    }
    return build_concat(k, part, 2);
  }
  /* AArch64: the bytes of an entry are one after another in a table of 64 */
  ktype bytes = type_of_lanes(k, k->i8, 16);
  kvalue a[5], low = LLVMBuildAnd(k->b, index, build_i32s(k, 15, 16), ""),
               all = build_bitcast(k, t, type_of_lanes(k, k->i8, 64));
  kvalue at = LLVMBuildAdd(k->b, LLVMBuildMul(k->b, low, build_i32s(k, 0x04040404, 16), ""),
                           build_i32s(k, 0x03020100, 16), "");
  for (int i = 0; i < 4; i++) a[i] = build_extract(k, all, 16 * i, 16);
  for (int i = 0; i < 4; i++) {
    a[4] = build_bitcast(k, build_extract(k, at, 4 * i, 4), bytes);
    part[i] = build_bitcast(k, build_intrinsic(k, "llvm.aarch64.neon.tbl4", &bytes, 1, a, 5),
                            type_of_lanes(k, k->f32, 4));
  }
  return build_concat(k, part, 4);
}

/* Of 16 distances, `valid` of them numbers. */
static kvalue power(const rows *r, kvalue d, int valid) {
  const powers *p = r->own;
  kbuilder *k = r->k;
  if (!p->all)
    return LLVMBuildFMul(k->b,
                         look_up(k, p->coarse, LLVMBuildLShr(k->b, d, build_i32s(k, 4, 16), "")),
                         look_up(k, p->fine, d), "");
  kvalue e = LLVMConstNull(type_of_lanes(k, k->f32, lanes_of(d)));
  for (int i = 0; i < lanes_of(d) && i < valid; i++) {
    kvalue at = build_address(
               k, p->all,
               build_mul_const(k, build_ext(k, build_extract(k, d, i, 1), k->i64, false), 4)),
           one = build_load(k, k->f32, at, 4);
    e = lanes_of(d) == 1 ? one : LLVMBuildInsertElement(k->b, e, one, build_i32(k, i), "");
  }
  return e;
}

/* e^(x - max) of registers of x. */
static kvalue exponential(const rows *r, kvalue x, kvalue max, int valid) {
  kfmath f = { r->k, lanes_of(x) };
  if (!r->ints) return fmath_exp_negative(&f, LLVMBuildFSub(r->k->b, x, max, ""));
  kvalue d = LLVMBuildSub(r->k->b, max, x, "");
  int lanes = lanes_of(d);
  return build_extract(r->k, power(r, build_widen(r->k, d, KERNEL_LANES), valid), 0, lanes);
}

static kvalue no_maximum(const rows *r, int lanes) {
  return r->ints ? build_i32s(r->k, -256, lanes) : build_f32s(r->k, -__builtin_inff(), lanes);
}

static kvalue maximum(const rows *r, kvalue acc, kvalue v) {
  return r->ints ? build_smax(r->k, acc, v) : rows_fmax(r, acc, v);
}

/* What exponentials are multiplied by. */
static kvalue reciprocal(const rows *r, kvalue sum) {
  kbuilder *k = r->k;
  int lanes = lanes_of(sum);
  if (r->ints)
    sum = LLVMBuildFMul(k->b, sum, build_f32s(k, r->head->out[0]->type->q.scale, lanes), "");
  return LLVMBuildFDiv(k->b, build_f32s(k, 1.0f, lanes), sum, "");
}

/* ---- along the last axis ---- */
static kvalue x_value(rows *r, int i, kvalue at, int64_t c, int valid) {
  kvalue x = rows_operand(r, i, at, c, KERNEL_LANES, valid);
  if (r->front) rows_store(r, &r->mid, r->m[i], x, at, c, valid); /* computed once */
  return x;
}

static kvalue exp_value(rows *r, int i, kvalue at, int64_t c, int valid) {
  kvalue x = r->front ? rows_load(r, &r->mid, r->m[i], at, c, KERNEL_LANES, valid)
                      : x_value(r, i, at, c, valid),
         e = exponential(r, x, r->a[i], valid);
  rows_store(r, &r->mid, r->m[i], e, at, c, valid);
  return e;
}

/* The largest byte of a row: a register of them at a time, the last one moved back so that it is
 * full. */
static kvalue largest_byte(const rows *r, int row) {
  kbuilder *k = r->k;
  int width = k->target->vector_bytes > 64 ? 64 : k->target->vector_bytes;
  while (width > r->n) width /= 2;
  bool is_signed = r->in.dtype == MC_i8;
  ktype t = type_of_lanes(k, k->i8, width);
  const char *name = is_signed ? "llvm.smax" : "llvm.umax";
  kvalue acc = build_load(k, t, r->x[row], 1);
  kloop l;
  for (int64_t at = width, many = 8; at < r->n; at += width) {
    if (r->n / width <= many) {
      acc = build_intrinsic2(
          k, name, acc,
          build_load(k, t, build_offset(k, r->x[row], at + width > r->n ? r->n - width : at), 1));
      continue;
    }
    build_for(k, &l, build_i64(k, at), build_i64(k, r->n / width * width), width, &acc, 1);
    kvalue next = build_intrinsic2(k, name, l.carried[0],
                                   build_load(k, t, build_address(k, r->x[row], l.iv), 1));
    build_end(k, &l, &next);
    acc = build_intrinsic2(k, name, l.carried[0],
                           build_load(k, t, build_offset(k, r->x[row], r->n - width), 1));
    break;
  }
  for (; width > 1; width /= 2)
    acc = build_intrinsic2(k, name, build_extract(k, acc, 0, width / 2),
                           build_extract(k, acc, width / 2, width / 2));
  return build_splat(k, build_ext(k, acc, k->i32, is_signed), KERNEL_LANES);
}

static void find_maxima(rows *r) {
  kvalue acc[MC_ROWS_MOST];
  if (r->ints && r->in.stride[r->rank - 1] == 1) {
    for (int i = 0; i < r->many; i++) r->a[i] = largest_byte(r, i);
    return;
  }
  for (int i = 0; i < r->many; i++) acc[i] = no_maximum(r, KERNEL_LANES);
  rows_pass(r, acc, x_value, maximum);
  kvalue max = rows_fold(r, acc, maximum);
  for (int i = 0; i < r->many; i++) r->a[i] = rows_lane(r, max, i);
}

static void scale_part(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  rows *r = ctx;
  kbuilder *k = r->k;
  int n = lanes > KERNEL_LANES ? lanes / KERNEL_LANES : 1, each = lanes / n;
  for (int i = 0; i < r->many; i++) {
    kvalue v[4], b = build_extract(k, r->b[i], 0, each);
    for (int j = 0; j < n; j++)
      v[j] = LLVMBuildFMul(
          k->b,
          rows_load(r, &r->mid, r->m[i], at, c + j * KERNEL_LANES, each, n > 1 ? each : valid), b,
          "");
    if (r->ints)
      rows_store_ints(r, i, v, n, ((powers *)r->own)->bounded, at, c, valid);
    else
      rows_result(r, i, v, n, at, c, valid);
  }
}

static void softmax_rows(rows *r) {
  bool scratch = !mc_rows_in_place(r->g->group);
  for (int i = 0; i < r->many; i++)
    r->m[i] = scratch ? build_offset(r->k, r->mid.base, i * mc_rows_bytes(r->n)) : r->y[i];
  find_maxima(r);
  kvalue acc[MC_ROWS_MOST];
  for (int i = 0; i < r->many; i++) acc[i] = build_f32s(r->k, 0.0f, KERNEL_LANES);
  rows_pass(r, acc, exp_value, rows_fadd);
  kvalue inv = reciprocal(r, rows_fold(r, acc, rows_fadd));
  for (int i = 0; i < r->many; i++) r->b[i] = rows_lane(r, inv, i);
  walk_vectors(r->k, r->n,
               (r->ints || r->back) && r->n >= KERNEL_LANES * rows_store_most(r)
                   ? KERNEL_LANES * rows_store_most(r)
                   : KERNEL_LANES,
               scale_part, r);
}

/* ---- along another axis: the columns after it are independent, sums run in order ---- */
typedef struct column {
  rows *r;
  kvalue x, y;
  int64_t n, in_step, out_step;
} column;

static kvalue column_x(const column *s, kvalue x, kvalue at, int lanes, int valid) {
  const kview *in = &s->r->in;
  return memory_load(s->r->k, build_address(s->r->k, x, build_mul_const(s->r->k, at, s->in_step)),
                     in->dtype, in->stride[s->r->rank - 1], lanes, valid, in->slack);
}

static void softmax_columns(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  column *s = ctx;
  rows *r = s->r;
  kbuilder *k = r->k;
  int64_t sy = r->out.stride[r->rank - 1];
  kvalue x = rows_at(r, &r->in, s->x, at, c), y = rows_at(r, &r->out, s->y, at, c);
  bool own = r->mid.dtype == r->out.dtype; /* else 16 columns at a time are in scratch */
  kvalue m = own ? y : r->mid.base, acc = no_maximum(r, lanes), next;
  int64_t mid_step = own ? s->out_step : 4 * KERNEL_LANES, sm = own ? sy : 4;
  kloop l;
  build_range(k, &l, s->n, 1, &acc, 1);
  next = maximum(r, l.carried[0], column_x(s, x, l.iv, lanes, valid));
  build_end(k, &l, &next);
  kvalue max = l.carried[0];
  acc = build_f32s(k, 0.0f, lanes);
  build_range(k, &l, s->n, 1, &acc, 1);
  kvalue e = exponential(r, column_x(s, x, l.iv, lanes, valid), max, valid);
  memory_store(k, e, build_address(k, m, build_mul_const(k, l.iv, mid_step)), MC_f32, sm, valid);
  next = rows_fadd(r, l.carried[0], e);
  build_end(k, &l, &next);
  kvalue inv = reciprocal(r, l.carried[0]);
  build_range(k, &l, s->n, 1, NULL, 0);
  e = LLVMBuildFMul(k->b,
                    memory_load(k, build_address(k, m, build_mul_const(k, l.iv, mid_step)), MC_f32,
                                sm, lanes, valid, r->mid.slack),
                    inv, "");
  if (r->ints) e = vec_quant(k, e, zero_point_of(r->head->out[0]->type), r->out.dtype);
  memory_store(k, e, build_address(k, y, build_mul_const(k, l.iv, s->out_step)), r->out.dtype, sy,
               valid);
  build_end(k, &l, NULL);
}

static void each_column(column *s, int d) {
  rows *r = s->r;
  if (d == r->rank - 1) {
    split_vectors(r->g, r->split == d, r->dim[d], KERNEL_LANES, softmax_columns, s);
    return;
  }
  kloop l;
  column inner = *s;
  split_range(r->g, &l, r->dim[d], 1, d == r->split);
  inner.x = build_address(r->k, s->x, build_mul_const(r->k, l.iv, r->in.stride[d]));
  inner.y = build_address(r->k, s->y, build_mul_const(r->k, l.iv, r->out.stride[d]));
  each_column(&inner, d + 1);
  build_end(r->k, &l, NULL);
}

/* Axis `axis` leaves the nest: the columns walk it themselves. */
static void all_columns(rows *r, int axis) {
  column s = { r, r->in.base, r->out.base, r->dim[axis], r->in.stride[axis], r->out.stride[axis] };
  kview *views[2] = { &r->in, &r->out };
  for (int i = axis; i + 1 < r->rank; i++) {
    r->dim[i] = r->dim[i + 1];
    for (int j = 0; j < 2; j++) views[j]->stride[i] = views[j]->stride[i + 1];
  }
  r->rank--;
  kloop once;
  r->split = split_nest(r->g, &once, r->rank, r->dim, KERNEL_LANES);
  each_column(&s, 0);
  build_end(r->k, &once, NULL);
}

bool family_emit_softmax(kgroup *g) {
  rows *r = MC_NEW(g->k->arena, rows);
  if (!rows_begin(r, g)) return false;
  if (r->ints) r->own = powers_of(g, r->head);
  r->mid = r->out;
  if (!mc_rows_in_place(g->group)) {
    kvalue s = group_scratch(g);
    if (g->tasks > 1)
      s = build_address(
          g->k, s,
          build_mul_const(g->k, LLVMGetParam(g->k->fn, 2), mc_softmax_task_bytes(r->head)));
    r->mid = (kview){ .base = s, .dtype = MC_f32, .slack = true };
    for (int d = 0; d < MC_MAX_RANK; d++) r->mid.stride[d] = 4;
  }
  int axis = mc_softmax_axis(r->head, &r->rank);
  r->n = r->dim[axis];
  if (axis != r->rank - 1 && (r->front || r->back))
    return group_error(g, r->head,
                       "'softmax' along an inner axis has no lowering with other ops in its group");
  if (axis == r->rank - 1)
    rows_all(r, softmax_rows);
  else
    all_columns(r, axis);
  fill_borders(g);
  return true;
}
