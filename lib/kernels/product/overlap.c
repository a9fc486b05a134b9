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
  V at[MC_MAX_RANK + 1];
} place;

typedef struct part {
  kgemm *p;
  V a, b, bias, n0;
  kgemm_columns c;
  int n, sums, early;
  place lo, hi;
  V row, end;
} part; /* row, end: rows where a share begins and ends that is cut at rows, not at blocks; NULL:
           none is */

static int axis_of(const part *t, int i) { return t->p->d.nbatch + i - 1; }

static int64_t trips(const kgemm *p, int d, int mr) {
  return d == p->x->rank - 2 ? (p->x->dim[d] + mr - 1) / mr : p->x->dim[d];
}

/* ---- positions ---- */
static V row_of(const part *t, const place *w) {
  kgemm *p = t->p;
  int64_t m = p->x->dim[p->x->rank - 2];
  V m0 = kb_muli(p->k, w->at[t->n - 1], p->d.mr);
  if (t->row) return kb_smin(p->k, kb_add(p->k, t->row, m0), kb_addi(p->k, t->end, -p->d.mr));
  return m % p->d.mr ? kb_smin(p->k, m0, kb_i64(p->k, m - p->d.mr)) : m0;
}

static void stand_at(const part *t, const place *w) {
  kgemm *p = t->p;
  for (int i = 1; i < t->n - 1; i++) p->x->iv[axis_of(t, i)] = w->at[i];
  kgemm_stand(p, row_of(t, w),
              kb_add(p->k, t->n0, kb_muli(p->k, w->at[0], (int64_t)t->c.nv * KGEMM_LANES)));
}

static void advance(const part *t, place *w) {
  kb *k = t->p->k;
  V carry = kb_i64(k, 1);
  for (int i = t->n - 1; i > 0; i--) {
    V next = kb_add(k, w->at[i], carry),
      wrap = LLVMBuildICmp(k->b, LLVMIntEQ, next, t->hi.at[i], "");
    w->at[i] = kb_select(k, wrap, t->lo.at[i], next);
    carry = LLVMBuildZExt(k->b, wrap, k->i64, "");
  }
  w->at[0] = kb_add(k, w->at[0], carry);
}

/* ---- blocks ---- */
/* The block before this one: a share of its vectors after each row of a step. */
typedef struct behind {
  const part *t;
  place at;
  V const *sums;
  kgemm_row w;
  int done;
} behind;

static void finish_some(void *ctx, int64_t done, int64_t of) {
  behind *e = ctx;
  int nv = e->t->c.nv;
  if (!e->done) stand_at(e->t, &e->at);
  int upto = (int)(e->t->sums * done / of), early = (int)(done < e->t->early ? done : e->t->early);
  for (upto = upto > early ? upto : early; e->done < upto; e->done++)
    kgemm_finish(e->t->p, &e->w, e->done / nv, e->done % nv, e->sums[e->done]);
}

static void products(const part *t, const place *w, V *sums, behind *e) {
  kgemm *p = t->p;
  kb *k = p->k;
  int64_t head = mc_gemm_straight(&p->d, p->d.mr);
  V m0 = row_of(t, w), a = t->a, col = kb_muli(k, w->at[0], (int64_t)t->c.nv * KGEMM_LANES);
  for (int i = 1; i < t->n - 1; i++)
    a = kb_gep(k, a, kb_muli(k, w->at[i], p->a.stride[axis_of(t, i)]));
  a = kb_gep(k, a, kb_muli(k, m0, p->a.stride[p->x->rank - 2]));
  stand_at(t, w); /* sums may start with a term of the row */
  kgemm_at at = { .a = a, .m0 = m0, .nv = t->c.nv, .valid = t->c.valid };
  at.b = kb_gep(k, t->b, kb_muli(k, col, mc_gemm_column_bytes(&p->d)));
  at.bias = kb_gep(k, t->bias, kb_muli(k, col, 4));
  kgemm_meanwhile m = { 0 };
  if (e) m = (kgemm_meanwhile){ head < HEAD ? head : HEAD, finish_some, e };
  kgemm_products(p, &at, &m, sums);
}

/* What a block leaves to the next: its place and its sums, from and to a list of values. */
static behind behind_of(const part *t, V const *state) {
  behind e = { .t = t, .sums = state + t->n, .w = { .nv = t->c.nv, .valid = t->c.valid } };
  memcpy(e.at.at, state, sizeof(V) * (size_t)t->n);
  return e;
}

static void emit_blocks(const part *t, V blocks) {
  kb *k = t->p->k;
  V state[MC_MAX_RANK + 1 + KB_MAX_CARRIED];
  memcpy(state, t->lo.at, sizeof(V) * (size_t)t->n);
  products(t, &t->lo, state + t->n, NULL);
  kb_loop l;
  kb_for(k, &l, kb_i64(k, 1), blocks, 1, state, t->n + t->sums);
  behind e = behind_of(t, l.carried);
  place cur = e.at;
  advance(t, &cur);
  memcpy(state, cur.at, sizeof(V) * (size_t)t->n);
  products(t, &cur, state + t->n, &e);
  kb_end(k, &l, state);
  e = behind_of(t, l.carried);
  finish_some(&e, 1, 1);
}

/* Places along axis i: all from `from` to `to` of `of`, or this task's share where the axis is the
 * one that is divided. They count from 0. Returns how many. */
static V places(part *t, int i, int64_t from, int64_t to, int64_t of, int split) {
  kb *k = t->p->k;
  V lo = kb_i64(k, from), hi = kb_i64(k, to);
  if (t->p->d.split == split && t->p->g->tasks > 1) {
    V a, b;
    kl_share(t->p->g, of, &a, &b);
    lo = from ? kb_smax(k, a, lo) : a;
    hi = to < of ? kb_smin(k, b, hi) : b;
  }
  t->lo.at[i] = kb_addi(k, lo, -from);
  t->hi.at[i] = kb_addi(k, hi, -from);
  return kb_smax(k, kb_sub(k, hi, lo), kb_i64(k, 0));
}

/* Blocks of rows: as kl_blocks cuts them. */
static V row_places(part *t) {
  kgemm *p = t->p;
  int last = p->x->rank - 2;
  int64_t m = p->x->dim[last], n = trips(p, last, p->d.mr);
  if (p->d.split != last || p->g->tasks == 1 || m / p->g->tasks < p->d.mr)
    return places(t, t->n - 1, 0, n, n, last);
  kl_share(p->g, m, &t->row, &t->end);
  t->lo.at[t->n - 1] = kb_i64(p->k, 0);
  return t->hi.at[t->n - 1] =
             LLVMBuildUDiv(p->k->b, kb_addi(p->k, kb_sub(p->k, t->end, t->row), p->d.mr - 1),
                           kb_i64(p->k, p->d.mr), "");
}

void kgemm_overlapped(kgemm *p, V a, V b, V bias, V n0, kgemm_columns c) {
  kb *k = p->k;
  part t = { .p = p,
             .a = a,
             .b = b,
             .bias = bias,
             .n0 = n0,
             .c = c,
             .n = p->x->rank - p->d.nbatch,
             .sums = p->d.mr * c.nv,
             .early = mc_gemm_crowded(&p->d, p->d.mr, c.nv) };
  V blocks = places(&t, 0, c.from, c.to, c.of, MC_SPLIT_COLUMNS);
  for (int i = 1; i < t.n; i++) {
    int64_t n = p->x->dim[axis_of(&t, i)];
    blocks = LLVMBuildMul(
        k->b, blocks, i == t.n - 1 ? row_places(&t) : places(&t, i, 0, n, n, axis_of(&t, i)), "");
  }
  kb_loop any;
  kb_for(k, &any, kb_i64(k, 0), kb_smin(k, blocks, kb_i64(k, 1)), 1, NULL, 0);
  emit_blocks(&t, blocks);
  kb_end(k, &any, NULL);
}
