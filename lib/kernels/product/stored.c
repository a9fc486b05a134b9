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
