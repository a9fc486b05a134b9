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
  kbuilder *k;
  mc_node *head;
  kview in, out;
  kvalue lo[2], hi[2], frac[2],
      next; /* tables: first and second sample, number of a row / offset of a column; weight of the
               second; next[y]: the first row that y needs and y - 1 did not */
  kvalue p[2], f; /* two pixels, or two mixed rows; the weight of the second */
  kvalue dst, slots;
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
  r->lo[d] = build_table_i64(r->k, lo, out, "resize");
  r->hi[d] = build_table_i64(r->k, hi, out, "resize");
  if (d == 0) r->next = build_table_i64(r->k, next, out, "resize");
  r->frac[d] = build_rodata(r->k, frac, (size_t)out * 4, 0, "resize");
}

static kvalue entry(kbuilder *k, kvalue table, kvalue i, ktype t, int bytes) {
  return build_load(k, t, build_address(k, table, build_mul_const(k, i, bytes)), bytes);
}

static kvalue sample(const rs *r, int i, kvalue off, int lanes, int valid) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->in[0]->type;
  kvalue v = memory_load(k, build_address(k, r->p[i], off), t->dtype, r->in.stride[3], lanes, valid,
                         r->in.slack);
  if (in_f32(t->dtype)) return v;
  int32_t z = zero_point_of(t);
  return vec_to_f32(k, z ? LLVMBuildSub(k->b, v, build_i32s(k, z, lanes), "") : v);
}

/* a (1 - f) + b f */
static kvalue mix(const rs *r, kvalue a, kvalue b) {
  kbuilder *k = r->k;
  int lanes = lanes_of(a);
  kvalue rest = LLVMBuildFSub(k->b, build_f32(k, 1.0f), r->f, "");
  return LLVMBuildFAdd(k->b, LLVMBuildFMul(k->b, a, build_splat(k, rest, lanes), ""),
                       LLVMBuildFMul(k->b, b, build_splat(k, r->f, lanes), ""), "");
}

static kvalue offset(kbuilder *k, kvalue at, int64_t c, int64_t stride) {
  return build_add_const(k, at ? build_mul_const(k, at, stride) : build_i64(k, 0), c * stride);
}

static void mix_pixels(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  rs *r = ctx;
  kvalue off = offset(r->k, at, c, r->in.stride[3]);
  memory_store(r->k, mix(r, sample(r, 0, off, lanes, valid), sample(r, 1, off, lanes, valid)),
               build_address(r->k, r->dst, offset(r->k, at, c, 4)), MC_f32, 4, valid);
}

static kvalue slot_of(const rs *r, kvalue row) {
  return build_address(
      r->k, r->slots,
      build_mul_const(r->k, LLVMBuildAnd(r->k->b, row, build_i64(r->k, 1), ""), r->slot));
}

static void mix_row(rs *r, kvalue image, kvalue row) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  kvalue src = build_address(k, image, build_mul_const(k, row, r->in.stride[1])),
         to = slot_of(r, row);
  kloop x;
  build_range(k, &x, t->dim[2], 1, NULL, 0);
  r->p[0] = build_address(k, src, entry(k, r->lo[1], x.iv, k->i64, 8));
  r->p[1] = build_address(k, src, entry(k, r->hi[1], x.iv, k->i64, 8));
  r->f = entry(k, r->frac[1], x.iv, k->f32, 4);
  r->dst = build_address(k, to, build_mul_const(k, x.iv, t->dim[3] * 4));
  walk_vectors(k, t->dim[3], KERNEL_LANES, mix_pixels, r);
  build_end(k, &x, NULL);
}

static void mix_rows(void *ctx, kvalue at, int64_t c, int lanes, int valid) {
  rs *r = ctx;
  kbuilder *k = r->k;
  kvalue off = offset(k, at, c, 4),
         a = memory_load(k, build_address(k, r->p[0], off), MC_f32, 4, lanes, valid, true),
         b = memory_load(k, build_address(k, r->p[1], off), MC_f32, 4, lanes, valid, true),
         v = mix(r, a, b);
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  if (!in_f32(in->dtype))
    v = vec_quant(k, LLVMBuildFMul(k->b, v, build_f32s(k, in->q.scale / out->q.scale, lanes), ""),
                  zero_point_of(out), out->dtype);
  memory_store(k, v, build_address(k, r->dst, offset(k, at, c, r->out.stride[3])), out->dtype,
               r->out.stride[3], valid);
}

/* Row y of the result; first: y is the first of this share. */
static void bilinear(rs *r, kvalue image, kvalue row, kvalue y, kvalue first) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  kvalue upper = entry(k, r->lo[0], y, k->i64, 8), lower = entry(k, r->hi[0], y, k->i64, 8);
  kvalue from = build_select(k, LLVMBuildICmp(k->b, LLVMIntEQ, y, first, ""), upper,
                             entry(k, r->next, y, k->i64, 8));
  kloop l, x;
  build_for(k, &l, from, build_add_const(k, lower, 1), 1, NULL, 0);
  mix_row(r, image, l.iv);
  build_end(k, &l, NULL);
  r->f = entry(k, r->frac[0], y, k->f32, 4);
  kvalue slot[2] = { slot_of(r, upper), slot_of(r, lower) };
  bool dense = r->out.stride[2] == t->dim[3] * r->out.stride[3];
  build_range(k, &x, dense ? 1 : t->dim[2], 1, NULL, 0);
  for (int i = 0; i < 2; i++)
    r->p[i] = build_address(k, slot[i], build_mul_const(k, x.iv, t->dim[3] * 4));
  r->dst = build_address(k, row, build_mul_const(k, x.iv, r->out.stride[2]));
  walk_vectors(k, dense ? t->dim[2] * t->dim[3] : t->dim[3], KERNEL_LANES, mix_rows, r);
  build_end(k, &x, NULL);
}

static void nearest(rs *r, kvalue image, kvalue row, kvalue y, bool split) {
  kbuilder *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  kvalue src = build_address(k, image,
                             build_mul_const(k, entry(k, r->lo[0], y, k->i64, 8), r->in.stride[1]));
  kloop x;
  split_range(r->g, &x, t->dim[2], 1, split);
  build_memcpy(k, build_address(k, row, build_mul_const(k, x.iv, r->out.stride[2])),
               build_address(k, src, entry(k, r->lo[1], x.iv, k->i64, 8)),
               t->dim[3] * view_elem_bytes(&r->out));
  build_end(k, &x, NULL);
}

bool family_emit_resize(kgroup *g) {
  kbuilder *k = g->k;
  rs *r = MC_NEW(k->arena, rs);
  r->g = g;
  r->k = k;
  r->head = group_first(g);
  if (!group_single(g)) return false;
  const mc_type *t = r->head->out[0]->type;
  if (!in_f32(t->dtype) && t->dtype != MC_u8 && t->dtype != MC_i8)
    return group_error(g, r->head, "'resize' on %s has no lowering", mc_dtype_names[t->dtype]);
  r->in = view_of(g, r->head->in[0]);
  r->out = view_of(g, g->group->out[0]);
  make_tables(r, 0);
  make_tables(r, 1);
  bool mixed = mc_resize_mixes(r->head);
  if (mixed) {
    r->slot = mc_resize_row_bytes(r->head);
    r->slots = group_scratch(g);
    if (g->tasks > 1)
      r->slots =
          build_address(k, r->slots, build_mul_const(k, LLVMGetParam(k->fn, 2), 2 * r->slot));
  }
  kloop ln, ly, once;
  int split = split_nest(g, &once, mixed ? 2 : 3, t->dim, 1);
  kvalue first = build_i64(k, 0), last;
  if (split == 1) split_share(g, t->dim[1], &first, &last);
  split_range(g, &ln, t->dim[0], 1, split == 0);
  split_range(g, &ly, t->dim[1], 1, split == 1);
  kvalue image = build_address(k, r->in.base, build_mul_const(k, ln.iv, r->in.stride[0])),
         row = view_address(k, &r->out, 2, (kvalue[]){ ln.iv, ly.iv }, NULL);
  if (mixed)
    bilinear(r, image, row, ly.iv, first);
  else
    nearest(r, image, row, ly.iv, split == 2);
  build_end(k, &ly, NULL);
  build_end(k, &ln, NULL);
  build_end(k, &once, NULL);
  fill_borders(g);
  return true;
}
