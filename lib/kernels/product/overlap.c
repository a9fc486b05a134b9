/* Small blocks whose epilogues run between the products of the next block.
 * docs/internals/products.md.
 *
 *   sums = block 0
 *   for block q = 1 ...:  next = its products, the epilogue of `sums` between them;  sums = next
 *   the last epilogue
 *
 * For dot products only: pmaddwd wants blocks as large as registers allow, of which there are half
 * as many here (MobileNetV2 at the level avx512: 5.18 ms with, 4.27 without). Both blocks' sums are
 * in registers. Parking them in memory would allow larger blocks, but a store of 512 bits takes as
 * long as a product on Zen 4. */
#include "gemm.h"
#include <string.h>

enum {
  HEAD = 8 /* steps of a block that are emitted one after the other, with the epilogue between them
              (24 are no faster, and ResNet-50's code is 235 KB instead of 190) */
};

/* Columns and row axes are one sequence of blocks: axis 0 counts blocks of columns, the last one
 * blocks of rows. lo, hi: this task's share. */
typedef struct place {
  kvalue at[MC_MAX_RANK + 1];
} place;

typedef struct part {
  kgemm *p;
  kvalue a, b, bias, n0;
  kgemm_columns c;
  int n, sums, early;
  place lo, hi;
  kvalue row, end;
} part; /* row, end: rows where a share begins and ends that is cut at rows, not at blocks; NULL:
           none is */

static int axis_of(const part *t, int i) { return t->p->d.nbatch + i - 1; }

static int64_t trips(const kgemm *p, int d, int mr) {
  return d == p->x->rank - 2 ? (p->x->dim[d] + mr - 1) / mr : p->x->dim[d];
}

/* ---- positions ---- */
static kvalue row_of(const part *t, const place *w) {
  kgemm *p = t->p;
  int64_t m = p->x->dim[p->x->rank - 2];
  kvalue m0 = build_mul_const(p->k, w->at[t->n - 1], p->d.mr);
  if (t->row)
    return build_smin(p->k, build_add(p->k, t->row, m0), build_add_const(p->k, t->end, -p->d.mr));
  return m % p->d.mr ? build_smin(p->k, m0, build_i64(p->k, m - p->d.mr)) : m0;
}

static void stand_at(const part *t, const place *w) {
  kgemm *p = t->p;
  for (int i = 1; i < t->n - 1; i++) p->x->iv[axis_of(t, i)] = w->at[i];
  kgemm_stand(
      p, row_of(t, w),
      build_add(p->k, t->n0, build_mul_const(p->k, w->at[0], (int64_t)t->c.nv * KGEMM_LANES)));
}

static void advance(const part *t, place *w) {
  kbuilder *k = t->p->k;
  kvalue carry = build_i64(k, 1);
  for (int i = t->n - 1; i > 0; i--) {
    kvalue next = build_add(k, w->at[i], carry),
           wrap = LLVMBuildICmp(k->b, LLVMIntEQ, next, t->hi.at[i], "");
    w->at[i] = build_select(k, wrap, t->lo.at[i], next);
    carry = LLVMBuildZExt(k->b, wrap, k->i64, "");
  }
  w->at[0] = build_add(k, w->at[0], carry);
}

/* ---- blocks ---- */
/* The block before this one: a share of its vectors after each row of a step. */
typedef struct unfinished {
  const part *t;
  place at;
  kvalue const *sums;
  kgemm_row w;
  int done;
} unfinished;

static void finish_some(void *ctx, int64_t done, int64_t of) {
  unfinished *e = ctx;
  int nv = e->t->c.nv;
  if (!e->done) stand_at(e->t, &e->at);
  int upto = (int)(e->t->sums * done / of), early = (int)(done < e->t->early ? done : e->t->early);
  for (upto = upto > early ? upto : early; e->done < upto; e->done++)
    kgemm_finish(e->t->p, &e->w, e->done / nv, e->done % nv, e->sums[e->done]);
}

static void products(const part *t, const place *w, kvalue *sums, unfinished *e) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t head = mc_gemm_straight(&p->d, p->d.mr);
  kvalue m0 = row_of(t, w), a = t->a,
         col = build_mul_const(k, w->at[0], (int64_t)t->c.nv * KGEMM_LANES);
  for (int i = 1; i < t->n - 1; i++)
    a = build_address(k, a, build_mul_const(k, w->at[i], p->a.stride[axis_of(t, i)]));
  a = build_address(k, a, build_mul_const(k, m0, p->a.stride[p->x->rank - 2]));
  stand_at(t, w); /* sums may start with a term of the row */
  kgemm_at at = { .a = a, .m0 = m0, .nv = t->c.nv, .valid = t->c.valid };
  at.b = build_address(k, t->b, build_mul_const(k, col, mc_gemm_column_bytes(&p->d)));
  at.bias = build_address(k, t->bias, build_mul_const(k, col, 4));
  kgemm_meanwhile m = { 0 };
  if (e) m = (kgemm_meanwhile){ head < HEAD ? head : HEAD, finish_some, e };
  kgemm_products(p, &at, &m, sums);
}

/* What a block leaves to the next: its place and its sums, from and to a list of values. */
static unfinished unfinished_of(const part *t, kvalue const *state) {
  unfinished e = { .t = t, .sums = state + t->n, .w = { .nv = t->c.nv, .valid = t->c.valid } };
  memcpy(e.at.at, state, sizeof(kvalue) * (size_t)t->n);
  return e;
}

static void emit_blocks(const part *t, kvalue blocks) {
  kbuilder *k = t->p->k;
  kvalue state[MC_MAX_RANK + 1 + KLOOP_MAX_CARRIED];
  memcpy(state, t->lo.at, sizeof(kvalue) * (size_t)t->n);
  products(t, &t->lo, state + t->n, NULL);
  kloop l;
  build_for(k, &l, build_i64(k, 1), blocks, 1, state, t->n + t->sums);
  unfinished e = unfinished_of(t, l.carried);
  place cur = e.at;
  advance(t, &cur);
  memcpy(state, cur.at, sizeof(kvalue) * (size_t)t->n);
  products(t, &cur, state + t->n, &e);
  build_end(k, &l, state);
  e = unfinished_of(t, l.carried);
  finish_some(&e, 1, 1);
}

/* Places along axis i: all from `from` to `to` of `of`, or this task's share where the axis is the
 * one that is divided. They count from 0. Returns how many. */
static kvalue places(part *t, int i, int64_t from, int64_t to, int64_t of, int split) {
  kbuilder *k = t->p->k;
  kvalue lo = build_i64(k, from), hi = build_i64(k, to);
  if (t->p->d.split == split && t->p->g->tasks > 1) {
    kvalue a, b;
    split_share(t->p->g, of, &a, &b);
    lo = from ? build_smax(k, a, lo) : a;
    hi = to < of ? build_smin(k, b, hi) : b;
  }
  t->lo.at[i] = build_add_const(k, lo, -from);
  t->hi.at[i] = build_add_const(k, hi, -from);
  return build_smax(k, build_sub(k, hi, lo), build_i64(k, 0));
}

/* Blocks of rows: as split_blocks cuts them. */
static kvalue row_places(part *t) {
  kgemm *p = t->p;
  int last = p->x->rank - 2;
  int64_t m = p->x->dim[last], n = trips(p, last, p->d.mr);
  if (p->d.split != last || p->g->tasks == 1 || m / p->g->tasks < p->d.mr)
    return places(t, t->n - 1, 0, n, n, last);
  split_share(p->g, m, &t->row, &t->end);
  t->lo.at[t->n - 1] = build_i64(p->k, 0);
  return t->hi.at[t->n - 1] = LLVMBuildUDiv(
             p->k->b, build_add_const(p->k, build_sub(p->k, t->end, t->row), p->d.mr - 1),
             build_i64(p->k, p->d.mr), "");
}

void kgemm_overlapped(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0, kgemm_columns c) {
  kbuilder *k = p->k;
  part t = { .p = p,
             .a = a,
             .b = b,
             .bias = bias,
             .n0 = n0,
             .c = c,
             .n = p->x->rank - p->d.nbatch,
             .sums = p->d.mr * c.nv,
             .early = mc_gemm_crowded(&p->d, p->d.mr, c.nv) };
  kvalue blocks = places(&t, 0, c.from, c.to, c.of, MC_SPLIT_COLUMNS);
  for (int i = 1; i < t.n; i++) {
    int64_t n = p->x->dim[axis_of(&t, i)];
    blocks = LLVMBuildMul(
        k->b, blocks, i == t.n - 1 ? row_places(&t) : places(&t, i, 0, n, n, axis_of(&t, i)), "");
  }
  kloop any;
  build_for(k, &any, build_i64(k, 0), build_smin(k, blocks, build_i64(k, 1)), 1, NULL, 0);
  emit_blocks(&t, blocks);
  build_end(k, &any, NULL);
}
