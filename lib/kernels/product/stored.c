/* Packed weights in the object: the table of forms, and the plain one. */
#include "stored.h"

static const kstored_code code[MC_NUM_STORED] = {
#define MC_STORED(id, text, doc) [MC_STORED_##id] = { kstored_##id##_pack, kstored_##id##_columns },
#include "mc/analysis/stored.def"
};

const kstored_code *kstored_code_of(const kgemm *p) { return &code[p->d.stored]; }

/* ---- as the engine reads them ---- */

void kstored_plain_pack(kgemm *p, const char *panels) {
  p->b = build_rodata(p->k, panels, (size_t)(p->d.groups * p->b_group), 0, "weights");
}

kvalue kstored_plain_columns(kgemm *p, kvalue b, kvalue index, int nv) {
  (void)index;
  return widen_block(p, b, nv);
}

/* ---- unpacked in registers ---- */

void kdirect_products(const kdirect *d, kvalue a, kvalue b, kvalue *acc) {
  static void (*const of[MC_NUM_STORED])(const kdirect *, kvalue, kvalue, kvalue *) = {
    [MC_STORED_nibbles] = kdirect_nibbles,
    [MC_STORED_steps] = kdirect_floats,
    [MC_STORED_codes] = kdirect_codes,
    [MC_STORED_halves] = kdirect_floats,
  };
  of[d->p->d.stored](d, a, b, acc);
}

void kdirect_a(const kdirect *d, kvalue a, int64_t step, kvalue *av) {
  kgemm *p = d->p;
  kbuilder *k = p->k;
  const mc_engine_code *e = mc_engine_code_of(p->d.e);
  int64_t by = p->d.e->kr * mc_gemm_a_elem(p->d.e);
  for (int r = 0; r < p->d.mr; r++) {
    kvalue at = build_offset(k, a, step * by + r * d->row);
    av[r] = e->spread_a(k, d->lanes, e->load_a(k, d->lanes, at, 1, p->d.a_signed, p->d.flip), 1, 0);
  }
}

void kdirect_scales(const kdirect *d, kvalue *scale) {
  kbuilder *k = d->p->k;
  for (int j = 0; j < d->nb && d->p->scales; j++)
    scale[j] = build_load(k, type_of_lanes(k, k->f32, d->lanes),
                          build_offset(k, d->p->scales, 4ll * j * d->lanes), 4);
}

/* ---- for all forms ---- */

kvalue kstored_scratch(kgemm *p) {
  kbuilder *k = p->k;
  kvalue to = group_scratch(p->g);
  if (p->d.e->sign == MC_SIGN_wide) to = build_offset(k, to, mc_widen_scratch(p->d.e, p->head, 0));
  if (mc_plan_workers(p->g->plan, p->g->index) < 2) return to;
  return build_address(
      k, to, build_mul_const(k, LLVMGetParam(k->fn, 2), mc_stored_task_bytes(p->d.e, p->head)));
}

int64_t kstored_blocks(const kgemm *p) {
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES;
  return (p->d.n + width - 1) / width;
}

int64_t kstored_start(const kgemm *p, int64_t q) {
  int64_t at = q * p->d.nv * KGEMM_LANES * mc_gemm_column_bytes(&p->d);
  return at < p->b_group ? at : p->b_group;
}
