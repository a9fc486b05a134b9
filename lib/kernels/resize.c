/* resize: nearest copies whole pixels from rows and columns that a table names; bilinear mixes four, 16 channels at once, with weights from tables. */
#include "lower.h"
#include <string.h>

typedef struct rs {
  kgroup *g; kb *k; mc_node *head; kview in, out;
  V lo[2], hi[2], frac[2];      /* tables: byte offset of a row / column, weight of the second */
  V p[4], f[2];                 /* of the present pixel: top left, top right, bottom left, bottom right; row and column weight */
  V dst;
} rs;

static void make_tables(rs *r, int d) {
  const mc_attrs_resize *a = MC_ATTRS(r->head, resize);
  int64_t in = r->head->in[0]->type->dim[1 + d], out = r->head->out[0]->type->dim[1 + d];
  int64_t *lo = MC_NEWN(r->k->arena, int64_t, out), *hi = MC_NEWN(r->k->arena, int64_t, out);
  float *frac = MC_NEWN(r->k->arena, float, out);
  for (int64_t i = 0; i < out; i++) {
    mc_resize_tap t = mc_eval_resize_tap(a, in, out, i);
    lo[i] = t.lo * r->in.stride[1 + d];
    hi[i] = t.hi * r->in.stride[1 + d];
    frac[i] = t.frac;
  }
  r->lo[d] = kb_table_i64(r->k, lo, out, "resize");
  r->hi[d] = kb_table_i64(r->k, hi, out, "resize");
  r->frac[d] = kb_rodata(r->k, frac, (size_t)out * 4, 0, "resize");
}
static V sample(const rs *r, int i, V off, int lanes, int valid) {
  kb *k = r->k;
  const mc_type *t = r->head->in[0]->type;
  V v = kl_load(k, kb_gep(k, r->p[i], off), t->dtype, r->in.stride[3], lanes, valid, r->in.slack);
  if (kl_real(t->dtype)) return v;
  int32_t z = kl_zero_point(t);
  return kv_to_f32(k, z ? LLVMBuildSub(k->b, v, kb_i32s(k, z, lanes), "") : v);
}
static V mix(kb *k, V a, V wa, V b, V wb) { return LLVMBuildFAdd(k->b, LLVMBuildFMul(k->b, a, wa, ""), LLVMBuildFMul(k->b, b, wb, ""), ""); }
static void bilinear(void *ctx, V at, int64_t c, int lanes, int valid) {
  rs *r = ctx;
  kb *k = r->k;
  V off = kb_addi(k, at ? kb_muli(k, at, r->in.stride[3]) : kb_i64(k, 0), c * r->in.stride[3]);
  V to = kb_gepi(k, at ? kb_gep(k, r->dst, kb_muli(k, at, r->out.stride[3])) : r->dst, c * r->out.stride[3]);
  V one = kb_f32(k, 1.0f), w[2], u[2];
  for (int d = 0; d < 2; d++) {
    w[d] = kb_splat(k, r->f[d], lanes);
    u[d] = kb_splat(k, LLVMBuildFSub(k->b, one, r->f[d], ""), lanes);
  }
  V top = mix(k, sample(r, 0, off, lanes, valid), u[1], sample(r, 1, off, lanes, valid), w[1]);
  V bottom = mix(k, sample(r, 2, off, lanes, valid), u[1], sample(r, 3, off, lanes, valid), w[1]);
  V v = mix(k, top, u[0], bottom, w[0]);
  const mc_type *in = r->head->in[0]->type, *out = r->head->out[0]->type;
  if (!kl_real(in->dtype)) v = kv_quant(k, LLVMBuildFMul(k->b, v, kb_f32s(k, in->q.scale / out->q.scale, lanes), ""), kl_zero_point(out), out->dtype);
  kl_store(k, v, to, out->dtype, r->out.stride[3], valid);
}
static V entry(kb *k, V table, V i, T t, int bytes) { return kb_load(k, t, kb_gep(k, table, kb_muli(k, i, bytes)), bytes); }
static void pixel(rs *r, V image, const kb_loop *y, const kb_loop *x) {
  kb *k = r->k;
  const mc_type *t = r->head->out[0]->type;
  V yl = entry(k, r->lo[0], y->iv, k->i64, 8), xl = entry(k, r->lo[1], x->iv, k->i64, 8);
  r->p[0] = kb_gep(k, kb_gep(k, image, yl), xl);
  if (MC_ATTRS(r->head, resize)->mode == mc_resize_nearest) {
    kb_memcpy(k, r->dst, r->p[0], t->dim[3] * kl_elem(&r->out));
    return;
  }
  V yh = entry(k, r->hi[0], y->iv, k->i64, 8), xh = entry(k, r->hi[1], x->iv, k->i64, 8);
  r->p[1] = kb_gep(k, kb_gep(k, image, yl), xh);
  r->p[2] = kb_gep(k, kb_gep(k, image, yh), xl);
  r->p[3] = kb_gep(k, kb_gep(k, image, yh), xh);
  r->f[0] = entry(k, r->frac[0], y->iv, k->f32, 4);
  r->f[1] = entry(k, r->frac[1], x->iv, k->f32, 4);
  k_vectors(k, t->dim[3], KB_LANES, bilinear, r);
}
bool k_emit_resize(kgroup *g) {
  kb *k = g->k;
  rs *r = MC_NEW(k->arena, rs);
  r->g = g; r->k = k; r->head = kl_first(g);
  if (!kl_single(g)) return false;
  const mc_type *t = r->head->out[0]->type;
  if (!kl_real(t->dtype) && t->dtype != MC_u8 && t->dtype != MC_i8) return kl_error(g, r->head, "'resize' on %s has no lowering", mc_dtype_names[t->dtype]);
  r->in = kl_view(g, r->head->in[0]);
  r->out = kl_view(g, g->group->out[0]);
  make_tables(r, 0);
  make_tables(r, 1);
  kb_loop ln, ly, lx, once;
  int split = kl_divide_nest(g, &once, 3, t->dim, 1);
  kl_range(g, &ln, t->dim[0], 1, split == 0);
  kl_range(g, &ly, t->dim[1], 1, split == 1);
  kl_range(g, &lx, t->dim[2], 1, split == 2);
  r->dst = kl_at(k, &r->out, 3, (V[]){ ln.iv, ly.iv, lx.iv }, NULL);
  pixel(r, kb_gep(k, r->in.base, kb_muli(k, ln.iv, r->in.stride[0])), &ly, &lx);
  kb_end(k, &lx, NULL);
  kb_end(k, &ly, NULL);
  kb_end(k, &ln, NULL);
  kb_end(k, &once, NULL);
  kl_fill_borders(g);
  return true;
}
