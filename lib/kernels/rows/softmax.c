/* softmax: e = exp(x - max), e * (1 / sum), as docs/reference/numerics.md has it. Rows of the last
 * axis in 16 interleaved partial sums; other axes in order, a column in each lane. */
#include "rows.h"
#include "mc/support/fmath.h"

/* e^(-d step) of integers d in [0, 255]: two tables of 16, whose product is one of 256. */
typedef struct powers {
  V coarse, fine, all;
  bool bounded;
} powers;

static powers *powers_of(kgroup *g, const mc_node *n) {
  powers *p = MC_NEW(g->k->arena, powers);
  float coarse[16], fine[16], all[256];
  mc_fm_exp_tables(n->in[0]->type->q.scale, coarse, fine);
  for (int i = 0; i < 256; i++) all[i] = coarse[i / 16] * fine[i % 16];
  bool entries = g->k->target->arch == MC_ARCH_x86_64 &&
                 kb_phys_lanes(g->k) == 4; /* no permutation of 32-bit lanes */
  if (entries)
    p->all = kb_rodata(g->k, all, sizeof all, 0, "powers");
  else {
    p->coarse = kb_rodata(g->k, coarse, sizeof coarse, 0, "powers");
    p->fine = kb_rodata(g->k, fine, sizeof fine, 0, "powers");
  }
  p->bounded = 1.0f / n->out[0]->type->q.scale < (float)KV_SMALL;
  return p;
}

/* table[index % 16], 16 lanes. */
static V look_up(kb *k, V table, V index) {
  V t = kb_load(k, kb_vt(k, k->f32, 16), table, 64), part[4];
  if (kb_phys_lanes(k) == 16)
    return kb_intr(k, "llvm.x86.avx512.permvar.sf.512", NULL, 0, (V[]){ t, index }, 2);
  if (kb_phys_lanes(k) == 8) {
    V high = LLVMBuildICmp(k->b, LLVMIntSLT, LLVMBuildShl(k->b, index, kb_i32s(k, 28, 16), ""),
                           LLVMConstNull(kb_vt(k, k->i32, 16)), "");
    for (int i = 0; i < 2; i++) {
      V at = kb_extract(k, index, 8 * i, 8), found[2];
      for (int h = 0; h < 2; h++)
        found[h] =
            kb_intr(k, "llvm.x86.avx2.permps", NULL, 0, (V[]){ kb_extract(k, t, 8 * h, 8), at }, 2);
      part[i] = kb_select(k, kb_extract(k, high, 8 * i, 8), found[1], found[0]);
    }
    return kb_concat(k, part, 2);
  }
  /* AArch64: the bytes of an entry are one after another in a table of 64 */
  T bytes = kb_vt(k, k->i8, 16);
  V a[5], low = LLVMBuildAnd(k->b, index, kb_i32s(k, 15, 16), ""),
          all = kb_bitcast(k, t, kb_vt(k, k->i8, 64));
  V at = LLVMBuildAdd(k->b, LLVMBuildMul(k->b, low, kb_i32s(k, 0x04040404, 16), ""),
                      kb_i32s(k, 0x03020100, 16), "");
  for (int i = 0; i < 4; i++) a[i] = kb_extract(k, all, 16 * i, 16);
  for (int i = 0; i < 4; i++) {
    a[4] = kb_bitcast(k, kb_extract(k, at, 4 * i, 4), bytes);
    part[i] =
        kb_bitcast(k, kb_intr(k, "llvm.aarch64.neon.tbl4", &bytes, 1, a, 5), kb_vt(k, k->f32, 4));
  }
  return kb_concat(k, part, 4);
}

/* Of 16 distances, `valid` of them numbers. */
static V power(const rows *r, V d, int valid) {
  const powers *p = r->own;
  kb *k = r->k;
  if (!p->all)
    return LLVMBuildFMul(k->b, look_up(k, p->coarse, LLVMBuildLShr(k->b, d, kb_i32s(k, 4, 16), "")),
                         look_up(k, p->fine, d), "");
  V e = LLVMConstNull(kb_vt(k, k->f32, kb_lanes(d)));
  for (int i = 0; i < kb_lanes(d) && i < valid; i++) {
    V at = kb_gep(k, p->all, kb_muli(k, kb_ext(k, kb_extract(k, d, i, 1), k->i64, false), 4)),
      one = kb_load(k, k->f32, at, 4);
    e = kb_lanes(d) == 1 ? one : LLVMBuildInsertElement(k->b, e, one, kb_i32(k, i), "");
  }
  return e;
}

/* e^(x - max) of registers of x. */
static V exponential(const rows *r, V x, V max, int valid) {
  kfm f = { r->k, kb_lanes(x) };
  if (!r->ints) return kfm_exp_negative(&f, LLVMBuildFSub(r->k->b, x, max, ""));
  V d = LLVMBuildSub(r->k->b, max, x, "");
  int lanes = kb_lanes(d);
  return kb_extract(r->k, power(r, kb_widen(r->k, d, KB_LANES), valid), 0, lanes);
}

static V no_maximum(const rows *r, int lanes) {
  return r->ints ? kb_i32s(r->k, -256, lanes) : kb_f32s(r->k, -__builtin_inff(), lanes);
}

static V maximum(const rows *r, V acc, V v) {
  return r->ints ? kb_smax(r->k, acc, v) : rows_fmax(r, acc, v);
}

/* What exponentials are multiplied by. */
static V reciprocal(const rows *r, V sum) {
  kb *k = r->k;
  int lanes = kb_lanes(sum);
  if (r->ints)
    sum = LLVMBuildFMul(k->b, sum, kb_f32s(k, r->head->out[0]->type->q.scale, lanes), "");
  return LLVMBuildFDiv(k->b, kb_f32s(k, 1.0f, lanes), sum, "");
}

/* ---- along the last axis ---- */
static V x_value(rows *r, int i, V at, int64_t c, int valid) {
  V x = rows_operand(r, i, at, c, KB_LANES, valid);
  if (r->front) rows_store(r, &r->mid, r->m[i], x, at, c, valid); /* computed once */
  return x;
}

static V exp_value(rows *r, int i, V at, int64_t c, int valid) {
  V x = r->front ? rows_load(r, &r->mid, r->m[i], at, c, KB_LANES, valid)
                 : x_value(r, i, at, c, valid),
    e = exponential(r, x, r->a[i], valid);
  rows_store(r, &r->mid, r->m[i], e, at, c, valid);
  return e;
}

/* The largest byte of a row: a register of them at a time, the last one moved back so that it is
 * full. */
static V largest_byte(const rows *r, int row) {
  kb *k = r->k;
  int width = k->target->vector_bytes > 64 ? 64 : k->target->vector_bytes;
  while (width > r->n) width /= 2;
  bool is_signed = r->in.dtype == MC_i8;
  T t = kb_vt(k, k->i8, width);
  const char *name = is_signed ? "llvm.smax" : "llvm.umax";
  V acc = kb_load(k, t, r->x[row], 1);
  kb_loop l;
  for (int64_t at = width, many = 8; at < r->n; at += width) {
    if (r->n / width <= many) {
      acc =
          kb_intr2(k, name, acc,
                   kb_load(k, t, kb_gepi(k, r->x[row], at + width > r->n ? r->n - width : at), 1));
      continue;
    }
    kb_for(k, &l, kb_i64(k, at), kb_i64(k, r->n / width * width), width, &acc, 1);
    V next = kb_intr2(k, name, l.carried[0], kb_load(k, t, kb_gep(k, r->x[row], l.iv), 1));
    kb_end(k, &l, &next);
    acc = kb_intr2(k, name, l.carried[0], kb_load(k, t, kb_gepi(k, r->x[row], r->n - width), 1));
    break;
  }
  for (; width > 1; width /= 2)
    acc = kb_intr2(k, name, kb_extract(k, acc, 0, width / 2),
                   kb_extract(k, acc, width / 2, width / 2));
  return kb_splat(k, kb_ext(k, acc, k->i32, is_signed), KB_LANES);
}

static void find_maxima(rows *r) {
  V acc[MC_ROWS_MOST];
  if (r->ints && r->in.stride[r->rank - 1] == 1) {
    for (int i = 0; i < r->many; i++) r->a[i] = largest_byte(r, i);
    return;
  }
  for (int i = 0; i < r->many; i++) acc[i] = no_maximum(r, KB_LANES);
  rows_pass(r, acc, x_value, maximum);
  V max = rows_fold(r, acc, maximum);
  for (int i = 0; i < r->many; i++) r->a[i] = rows_lane(r, max, i);
}

static void scale_part(void *ctx, V at, int64_t c, int lanes, int valid) {
  rows *r = ctx;
  kb *k = r->k;
  int n = lanes > KB_LANES ? lanes / KB_LANES : 1, each = lanes / n;
  for (int i = 0; i < r->many; i++) {
    V v[4], b = kb_extract(k, r->b[i], 0, each);
    for (int j = 0; j < n; j++)
      v[j] = LLVMBuildFMul(
          k->b, rows_load(r, &r->mid, r->m[i], at, c + j * KB_LANES, each, n > 1 ? each : valid), b,
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
    r->m[i] = scratch ? kb_gepi(r->k, r->mid.base, i * mc_rows_bytes(r->n)) : r->y[i];
  find_maxima(r);
  V acc[MC_ROWS_MOST];
  for (int i = 0; i < r->many; i++) acc[i] = kb_f32s(r->k, 0.0f, KB_LANES);
  rows_pass(r, acc, exp_value, rows_fadd);
  V inv = reciprocal(r, rows_fold(r, acc, rows_fadd));
  for (int i = 0; i < r->many; i++) r->b[i] = rows_lane(r, inv, i);
  k_vectors(r->k, r->n,
            (r->ints || r->back) && r->n >= KB_LANES * rows_store_most(r)
                ? KB_LANES * rows_store_most(r)
                : KB_LANES,
            scale_part, r);
}

/* ---- along another axis: the columns after it are independent, sums run in order ---- */
typedef struct column {
  rows *r;
  V x, y;
  int64_t n, in_step, out_step;
} column;

static V column_x(const column *s, V x, V at, int lanes, int valid) {
  const kview *in = &s->r->in;
  return kl_load(s->r->k, kb_gep(s->r->k, x, kb_muli(s->r->k, at, s->in_step)), in->dtype,
                 in->stride[s->r->rank - 1], lanes, valid, in->slack);
}

static void softmax_columns(void *ctx, V at, int64_t c, int lanes, int valid) {
  column *s = ctx;
  rows *r = s->r;
  kb *k = r->k;
  int64_t sy = r->out.stride[r->rank - 1];
  V x = rows_at(r, &r->in, s->x, at, c), y = rows_at(r, &r->out, s->y, at, c);
  bool own = r->mid.dtype == r->out.dtype; /* else 16 columns at a time are in scratch */
  V m = own ? y : r->mid.base, acc = no_maximum(r, lanes), next;
  int64_t mid_step = own ? s->out_step : 4 * KB_LANES, sm = own ? sy : 4;
  kb_loop l;
  kb_range(k, &l, s->n, 1, &acc, 1);
  next = maximum(r, l.carried[0], column_x(s, x, l.iv, lanes, valid));
  kb_end(k, &l, &next);
  V max = l.carried[0];
  acc = kb_f32s(k, 0.0f, lanes);
  kb_range(k, &l, s->n, 1, &acc, 1);
  V e = exponential(r, column_x(s, x, l.iv, lanes, valid), max, valid);
  kl_store(k, e, kb_gep(k, m, kb_muli(k, l.iv, mid_step)), MC_f32, sm, valid);
  next = rows_fadd(r, l.carried[0], e);
  kb_end(k, &l, &next);
  V inv = reciprocal(r, l.carried[0]);
  kb_range(k, &l, s->n, 1, NULL, 0);
  e = LLVMBuildFMul(
      k->b,
      kl_load(k, kb_gep(k, m, kb_muli(k, l.iv, mid_step)), MC_f32, sm, lanes, valid, r->mid.slack),
      inv, "");
  if (r->ints) e = kv_quant(k, e, kl_zero_point(r->head->out[0]->type), r->out.dtype);
  kl_store(k, e, kb_gep(k, y, kb_muli(k, l.iv, s->out_step)), r->out.dtype, sy, valid);
  kb_end(k, &l, NULL);
}

static void each_column(column *s, int d) {
  rows *r = s->r;
  if (d == r->rank - 1) {
    kl_vectors(r->g, r->split == d, r->dim[d], KB_LANES, softmax_columns, s);
    return;
  }
  kb_loop l;
  column inner = *s;
  kl_range(r->g, &l, r->dim[d], 1, d == r->split);
  inner.x = kb_gep(r->k, s->x, kb_muli(r->k, l.iv, r->in.stride[d]));
  inner.y = kb_gep(r->k, s->y, kb_muli(r->k, l.iv, r->out.stride[d]));
  each_column(&inner, d + 1);
  kb_end(r->k, &l, NULL);
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
  kb_loop once;
  r->split = kl_divide_nest(r->g, &once, r->rank, r->dim, KB_LANES);
  each_column(&s, 0);
  kb_end(r->k, &once, NULL);
}

bool k_emit_softmax(kgroup *g) {
  rows *r = MC_NEW(g->k->arena, rows);
  if (!rows_begin(r, g)) return false;
  if (r->ints) r->own = powers_of(g, r->head);
  r->mid = r->out;
  if (!mc_rows_in_place(g->group)) {
    V s = kl_scratch(g);
    if (g->tasks > 1)
      s = kb_gep(g->k, s, kb_muli(g->k, LLVMGetParam(g->k->fn, 2), mc_softmax_task_bytes(r->head)));
    r->mid = (kview){ .base = s, .dtype = MC_f32, .slack = true };
    for (int d = 0; d < MC_MAX_RANK; d++) r->mid.stride[d] = 4;
  }
  int axis = mc_softmax_axis(r->head, &r->rank);
  r->n = r->dim[axis];
  if (axis != r->rank - 1 && (r->front || r->back))
    return kl_error(g, r->head,
                    "'softmax' along an inner axis has no lowering with other ops in its group");
  if (axis == r->rank - 1)
    rows_all(r, softmax_rows);
  else
    all_columns(r, axis);
  kl_fill_borders(g);
  return true;
}
