/* resize: nearest copies whole pixels from rows and columns that a table names.
 *
 * Bilinear mixes along rows first: two input rows, as wide as the result and in fp32, are in
 * scratch, row r in slot r % 2. Rows are wanted in ascending order, so each input row is mixed
 * once, and a result is one more mix of two vectors:
 *
 *   for image, y:  for row not there yet, up to the lower one of y:   slot[row % 2][x] = mix of two
 *     input pixels
 *                  result[y] = mix(slot[upper % 2], slot[lower % 2]) */
#include "lower.h"
#include "mc/decide/scratch.h"
#include <string.h>

typedef struct rs {
  kgroup *g;
  kb *k;
  mc_node *head;
  kview in, out;
  V lo[2], hi[2], frac[2],
      next;  /* tables: first and second sample, number of a row / offset of a column; weight of the
                second; next[y]: the first row that y needs and y - 1 did not */
  V p[2], f; /* two pixels, or two mixed rows; the weight of the second */
  V dst, slots;
  int64_t slot; /* bytes of a slot */
} rs;

static void make_tables(rs *r, int d) {
  const mc_attrs_resize *a = MC_ATTRS(r->head, resize);
  int64_t in = r->head->in[0]->type->dim[1 + d], out = r->head->out[0]->type->dim[1 + d],
          unit = d ? r->in.stride[2] : 1;
  int64_t *lo = MC_NEWN(r->k->arena, int64_t, out), *hi = MC_NEWN(r->k->arena, int64_t, out),
          *next = MC_NEWN(r->k->arena, int64_t, out);
  float *frac = MC_NEWN(r->k->arena, float, out);
  for (int64_t i = 0; i < out; i++) {
    mc_resize_tap t = mc_eval_resize_tap(a, d, in, out, i);
    next[i] = i && hi[i - 1] >= t.lo ? hi[i - 1] + 1 : t.lo;
    lo[i] = t.lo * unit;
    hi[i] = t.hi * unit;
    frac[i] = t.frac;
  }
  r->lo[d] = kb_table_i64(r->k, lo, out, "resize");
  r->hi[d] = kb_table_i64(r->k, hi, out, "resize");
  if (d == 0) r->next = kb_table_i64(r->k, next, out, "resize");
  r->frac[d] = kb_rodata(r->k, frac, (size_t)out * 4, 0, "resize");
}

static V entry(kb *k, V table, V i, T t, int bytes) {
  return kb_load(k, t, kb_gep(k, table, kb_muli(k, i, bytes)), bytes);
}

static V sample(const rs *r, int i, V off, int lanes, int valid) {
  kb *k = r->k;
  const mc_type *t = r->head->in[0]->type;
  V v = kl_load(k, kb_gep(k, r->p[i], off), t->dtype, r->in.stride[3], lanes, valid, r->in.slack);
  if (kl_real(t->dtype)) return v;
  int32_t z = kl_zero_point(t);
  return kv_to_f32(k, z ? LLVMBuildSub(k->b, v, kb_i32s(k, z, lanes), "") : v);
}

/* a (1 - f) + b f */
static V mix(const rs *r, V a, V b) {
  kb *k = r->k;
  int lanes = kb_lanes(a);
  V rest = LLVMBuildFSub(k->b, kb_f32(k, 1.0f), r->f, "");
  return LLVMBuildFAdd(k->b, LLVMBuildFMul(k->b, a, kb_splat(k, rest, lanes), ""),
                       LLVMBuildFMul(k->b, b, kb_splat(k, r->f, lanes), ""), "");
}

static V offset(kb *k, V at, int64_t c, int64_t stride) {
  return kb_addi(k, at ? kb_muli(k, at, stride) : kb_i64(k, 0), c * stride);
}

static void mix_pixels(void *ctx, V at, int64_t c, int lanes, int valid) {
  rs *r = ctx;
  V off = offset(r->k, at, c, r->in.stride[3]);
  kl_store(r->k, mix(r, sample(r, 0, off, lanes, valid), sample(r, 1, off, lanes, valid)),
           kb_gep(r->k, r->dst, offset(r->k, at, c, 4)), MC_f32, 4, valid);
}

static V slot_of(const rs *r, V row) {
  return kb_gep(r->k, r->slots,
                kb_muli(r->k, LLVMBuildAnd(r->k->b, row, kb_i64(r->k, 1), ""), r->slot));
}

static void mix_row(rs *r, V image, V row) {
  kb *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  V src = kb_gep(k, image, kb_muli(k, row, r->in.stride[1])), to = slot_of(r, row);
  kb_loop x;
  kb_range(k, &x, t->dim[2], 1, NULL, 0);
  r->p[0] = kb_gep(k, src, entry(k, r->lo[1], x.iv, k->i64, 8));
  r->p[1] = kb_gep(k, src, entry(k, r->hi[1], x.iv, k->i64, 8));
  r->f = entry(k, r->frac[1], x.iv, k->f32, 4);
  r->dst = kb_gep(k, to, kb_muli(k, x.iv, t->dim[3] * 4));
  k_vectors(k, t->dim[3], KB_LANES, mix_pixels, r);
  kb_end(k, &x, NULL);
}

static void mix_rows(void *ctx, V at, int64_t c, int lanes, int valid) {
  rs *r = ctx;
  kb *k = r->k;
  V off = offset(k, at, c, 4),
    a = kl_load(k, kb_gep(k, r->p[0], off), MC_f32, 4, lanes, valid, true),
    b = kl_load(k, kb_gep(k, r->p[1], off), MC_f32, 4, lanes, valid, true), v = mix(r, a, b);
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  if (!kl_real(in->dtype))
    v = kv_quant(k, LLVMBuildFMul(k->b, v, kb_f32s(k, in->q.scale / out->q.scale, lanes), ""),
                 kl_zero_point(out), out->dtype);
  kl_store(k, v, kb_gep(k, r->dst, offset(k, at, c, r->out.stride[3])), out->dtype,
           r->out.stride[3], valid);
}

/* Row y of the result; first: y is the first of this share. */
static void bilinear(rs *r, V image, V row, V y, V first) {
  kb *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  V upper = entry(k, r->lo[0], y, k->i64, 8), lower = entry(k, r->hi[0], y, k->i64, 8);
  V from = kb_select(k, LLVMBuildICmp(k->b, LLVMIntEQ, y, first, ""), upper,
                     entry(k, r->next, y, k->i64, 8));
  kb_loop l, x;
  kb_for(k, &l, from, kb_addi(k, lower, 1), 1, NULL, 0);
  mix_row(r, image, l.iv);
  kb_end(k, &l, NULL);
  r->f = entry(k, r->frac[0], y, k->f32, 4);
  V slot[2] = { slot_of(r, upper), slot_of(r, lower) };
  bool dense = r->out.stride[2] == t->dim[3] * r->out.stride[3];
  kb_range(k, &x, dense ? 1 : t->dim[2], 1, NULL, 0);
  for (int i = 0; i < 2; i++) r->p[i] = kb_gep(k, slot[i], kb_muli(k, x.iv, t->dim[3] * 4));
  r->dst = kb_gep(k, row, kb_muli(k, x.iv, r->out.stride[2]));
  k_vectors(k, dense ? t->dim[2] * t->dim[3] : t->dim[3], KB_LANES, mix_rows, r);
  kb_end(k, &x, NULL);
}

static void nearest(rs *r, V image, V row, V y, bool split) {
  kb *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  V src = kb_gep(k, image, kb_muli(k, entry(k, r->lo[0], y, k->i64, 8), r->in.stride[1]));
  kb_loop x;
  kl_range(r->g, &x, t->dim[2], 1, split);
  kb_memcpy(k, kb_gep(k, row, kb_muli(k, x.iv, r->out.stride[2])),
            kb_gep(k, src, entry(k, r->lo[1], x.iv, k->i64, 8)), t->dim[3] * kl_elem(&r->out));
  kb_end(k, &x, NULL);
}

bool k_emit_resize(kgroup *g) {
  kb *k = g->k;
  rs *r = MC_NEW(k->arena, rs);
  r->g = g;
  r->k = k;
  r->head = kl_first(g);
  if (!kl_single(g)) return false;
  const mc_type *t = r->head->out[0]->type;
  if (!kl_real(t->dtype) && t->dtype != MC_u8 && t->dtype != MC_i8)
    return kl_error(g, r->head, "'resize' on %s has no lowering", mc_dtype_names[t->dtype]);
  r->in = kl_view(g, r->head->in[0]);
  r->out = kl_view(g, g->group->out[0]);
  make_tables(r, 0);
  make_tables(r, 1);
  bool mixed = mc_resize_mixes(r->head);
  if (mixed) {
    r->slot = mc_resize_row_bytes(r->head);
    r->slots = kl_scratch(g);
    if (g->tasks > 1)
      r->slots = kb_gep(k, r->slots, kb_muli(k, LLVMGetParam(k->fn, 2), 2 * r->slot));
  }
  kb_loop ln, ly, once;
  int split = kl_divide_nest(g, &once, mixed ? 2 : 3, t->dim, 1);
  V first = kb_i64(k, 0), last;
  if (split == 1) kl_share(g, t->dim[1], &first, &last);
  kl_range(g, &ln, t->dim[0], 1, split == 0);
  kl_range(g, &ly, t->dim[1], 1, split == 1);
  V image = kb_gep(k, r->in.base, kb_muli(k, ln.iv, r->in.stride[0])),
    row = kl_at(k, &r->out, 2, (V[]){ ln.iv, ly.iv }, NULL);
  if (mixed)
    bilinear(r, image, row, ly.iv, first);
  else
    nearest(r, image, row, ly.iv, split == 2);
  kb_end(k, &ly, NULL);
  kb_end(k, &ln, NULL);
  kb_end(k, &once, NULL);
  kl_fill_borders(g);
  return true;
}
