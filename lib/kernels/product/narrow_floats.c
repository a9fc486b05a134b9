/* f32 weights stored in 8 or 16 bits (docs/internals/stored-weights.md): packed B in the order of
 * the engine, in fewer bytes. A block of columns is unpacked into scratch before the nest comes to
 * it.
 *
 *   steps    whole numbers from -127 to 127, and a scale for each column
 *   halves   IEEE half precision */
#include "mc/analysis/stored.h"
#include "mc/support/fixed.h"
#include "stored.h"
#include <string.h>

typedef struct narrow_floats {
  kvalue data, scales;
} narrow_floats;

static int64_t column_elems(const kgemm *p) { return mc_gemm_column_bytes(&p->d) / 4; }

/* ---- packing ---- */

/* One block of `width` columns, [elements of K][width]. */
static void steps_of_block(const float *b, int64_t width, int64_t elems, float *scales, int8_t *q,
                           mc_arena *a) {
  float *column = MC_NEWN(a, float, elems);
  int8_t *of_column = MC_NEWN(a, int8_t, elems);
  for (int64_t c = 0; c < width; c++) {
    for (int64_t i = 0; i < elems; i++) column[i] = b[i * width + c];
    mc_steps_row(column, elems, &scales[c], of_column); /* it can: mc_stored_refused */
    for (int64_t i = 0; i < elems; i++) q[i * width + c] = of_column[i];
  }
}

int8_t *kstored_steps(const kgemm *p, const char *panels, mc_arena *a, kvalue *scales) {
  int64_t columns = mc_gemm_vectors(p->d.n) * KGEMM_LANES, group = p->b_group / 4;
  int8_t *q = MC_NEWN(a, int8_t, p->d.groups *group + 1);
  float *s = MC_NEWN(a, float, p->d.groups *columns);
  for (int64_t g = 0; g < p->d.groups; g++)
    for (int64_t i = 0; i < kstored_blocks(p); i++) {
      int64_t from = kstored_start(p, i) / 4, width = (int64_t)p->d.nv * KGEMM_LANES,
              here = columns - i * width < width ? columns - i * width : width;
      steps_of_block((const float *)(const void *)panels + g * group + from, here, column_elems(p),
                     s + g * columns + i * width, q + g * group + from, a);
    }
  *scales = build_rodata(p->k, s, (size_t)(p->d.groups * columns) * sizeof *s, 64, "scales");
  return q;
}

void kstored_steps_pack(kgemm *p, const char *panels) {
  mc_arena *scratch = mc_arena_create();
  narrow_floats *n = MC_NEW(p->k->arena, narrow_floats);
  int8_t *q = kstored_steps(p, panels, scratch, &n->scales);
  n->data = build_rodata(p->k, q, (size_t)(p->d.groups * p->b_group / 4), 64, "steps");
  p->kept = n;
  p->b = n->data; /* the nest's addresses of B are not used */
  mc_arena_destroy(scratch);
}

void kstored_halves_pack(kgemm *p, const char *panels) {
  mc_arena *scratch = mc_arena_create();
  narrow_floats *n = MC_NEW(p->k->arena, narrow_floats);
  const float *x = (const float *)(const void *)panels;
  int64_t all = p->d.groups * p->b_group / 4;
  uint16_t *h = MC_NEWN(scratch, uint16_t, all + 1);
  for (int64_t i = 0; i < all; i++) h[i] = mc_fx_f16(x[i]);
  n->data = build_rodata(p->k, h, (size_t)all * sizeof *h, 64, "halves");
  p->kept = n;
  p->b = n->data;
  mc_arena_destroy(scratch);
}

/* ---- unpacking ---- */

kvalue kstored_scales(const kgemm *p, kvalue scales, kvalue index) {
  kbuilder *k = p->k;
  if (!scales) return NULL;
  int64_t group = mc_gemm_vectors(p->d.n) * KGEMM_LANES * 4;
  return build_address(k, build_address(k, scales, build_mul_const(k, p->units_group, group)),
                       build_mul_const(k, index, (int64_t)p->d.nv * KGEMM_LANES * 4));
}

/* 16 elements at `from`; scale: of their columns, or NULL: they are halves. */
static kvalue unpacked(kbuilder *k, kvalue from, kvalue scale) {
  if (!scale)
    return vec_from_f16(k, build_load(k, type_of_lanes(k, k->i16, KGEMM_LANES), from, 32));
  kvalue q = build_load(k, type_of_lanes(k, k->i8, KGEMM_LANES), from, 16);
  return LLVMBuildFMul(k->b, vec_to_f32(k, build_ext(k, q, k->i32, true)), scale, "");
}

static kvalue unpack_columns(kgemm *p, kvalue index, int nv, int64_t size) {
  kbuilder *k = p->k;
  const narrow_floats *n = p->kept;
  int64_t elems = column_elems(p), block = (int64_t)p->d.nv * KGEMM_LANES * elems,
          width = (int64_t)nv * KGEMM_LANES;
  kvalue from =
             build_address(k, n->data, build_mul_const(k, p->units_group, p->b_group / 4 * size)),
         scales = kstored_scales(p, n->scales, index), scale[MC_WIDEN_VECTORS] = { NULL };
  from = build_address(k, from, build_mul_const(k, index, block * size));
  p->scales = scales;
  if (p->d.direct) return from;
  kvalue to = kstored_scratch(p);
  for (int j = 0; j < nv && scales; j++)
    scale[j] = build_load(k, type_of_lanes(k, k->f32, KGEMM_LANES),
                          build_offset(k, scales, 4ll * j * KGEMM_LANES), 64);
  kloop l;
  build_range(k, &l, elems, 1, NULL, 0);
  kvalue src = build_address(k, from, build_mul_const(k, l.iv, width * size)),
         dst = build_address(k, to, build_mul_const(k, l.iv, width * 4));
  for (int j = 0; j < nv; j++)
    build_store(k, unpacked(k, build_offset(k, src, size * j * KGEMM_LANES), scale[j]),
                build_offset(k, dst, 4ll * j * KGEMM_LANES), 64);
  build_end(k, &l, NULL);
  return to;
}

kvalue kstored_steps_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  (void)b;
  return unpack_columns(p, index, nv, 1);
}

kvalue kstored_halves_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  (void)b;
  return unpack_columns(p, index, nv, 2);
}

/* ---- in registers ---- */

/* A register of B, from what is stored at `from`; scale: NULL: halves. */
static kvalue register_of(const kdirect *d, kvalue from, kvalue scale) {
  kbuilder *k = d->p->k;
  if (!scale) return vec_from_f16(k, build_load(k, type_of_lanes(k, k->i16, d->lanes), from, 2));
  kvalue q = build_load(k, type_of_lanes(k, k->i8, d->lanes), from, 1);
  return LLVMBuildFMul(k->b, mc_engine_code_of(d->p->d.e)->take_b(k, d->lanes, q), scale, "");
}

void kdirect_floats(const kdirect *d, kvalue a, kvalue b, kvalue *acc) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  const mc_engine_code *e = mc_engine_code_of(p->d.e);
  int64_t size = p->d.stored == MC_STORED_steps ? 1 : 2;
  kvalue scale[KLOOP_MAX_CARRIED] = { NULL }, av[16];
  int n = p->d.mr * d->nb;
  kloop l;
  kdirect_scales(d, scale);
  build_range(k, &l, p->d.steps, 1, acc, n);
  memcpy(acc, l.carried, sizeof *acc * (size_t)n);
  kdirect_a(d, build_address(k, a, build_mul_const(k, l.iv, 4)), 0, av);
  kvalue src = build_address(k, b, build_mul_const(k, l.iv, d->width * size));
  for (int j = 0; j < d->nb; j++) {
    kvalue bv = register_of(d, build_offset(k, src, size * j * d->lanes), scale[j]);
    for (int r = 0; r < p->d.mr; r++)
      acc[r * d->nb + j] = e->madd(k, d->lanes, acc[r * d->nb + j], av[r], bv);
  }
  build_end(k, &l, acc);
  memcpy(acc, l.carried, sizeof *acc * (size_t)n);
}
