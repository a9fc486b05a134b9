/* Blocking, packing of constant weights, zero points folded into the bias. */
#include "gemm.h"
#include <string.h>

int64_t kgemm_vectors(int64_t n) { return (n + KGEMM_LANES - 1) / KGEMM_LANES; }
int64_t kgemm_elem(const kengine *e) { return e->in == 'F' ? 4 : 1; }
static int64_t column_bytes(const kgemm *p) { return p->nrun * p->steps * p->e->kr * kgemm_elem(p->e); }
int64_t kgemm_panel(const kgemm *p) { return kgemm_vectors(p->n) * KGEMM_LANES * column_bytes(p); }

bool kgemm_engine(kgemm *p, const mc_type *a) {
  bool bytes = a->dtype == MC_u8 || a->dtype == MC_i8;
  if (a->dtype != MC_f32 && !bytes) return kl_error(p->g, p->head, "'%s' on %s operands has no lowering", mc_ops[p->head->op].text, mc_dtype_names[a->dtype]);
  p->e = kengine_find(p->k->target, bytes ? 'I' : 'F');
  if (!p->e) return kl_error(p->g, p->head, "no engine for '%s' on this target", mc_ops[p->head->op].text);
  p->za = kl_zero_point(a);
  p->a_signed = a->dtype == MC_i8;
  p->flip = bytes && p->e->sign != KENG_any && (p->e->sign == KENG_s8) != p->a_signed;
  if (p->flip) {
    p->za += p->a_signed ? 128 : -128;
    p->a_signed = !p->a_signed;
  }
  return true;
}

/* Cycles of a block: products and loads share the issue slots (a load for each row of A, one for each vector of B), and a chain of dependent sums takes 5 cycles a step. */
static double block_cost(const kgemm *p, int mr, int nv, int parts, int regs_per_part) {
  double products = (double)mr * nv * parts * regs_per_part, loads = mr + nv * parts * regs_per_part;
  double t = (products > loads ? products : loads) + 0.1 * loads, steps = (double)(p->nrun ? p->nrun * p->steps : 1);
  if (t < 5) t = 5;
  return steps * t + 6.0 * mr * nv;
}
void kgemm_blocking(kgemm *p, int64_t rows) {
  const mc_target *t = p->k->target;
  int lanes = kengine_lanes(p->e, t), parts = KGEMM_LANES / lanes, width = kengine_group_regs(p->e, t), regs = kengine_regs(t);
  int64_t vectors = kgemm_vectors(p->n);
  double best = 0;
  p->mr = 1;
  p->nv = 1;
  for (int nv = 1; nv <= 8 && nv <= vectors; nv++)
    for (int mr = 1; mr <= 14 && mr <= rows; mr++) {
      int b = nv * parts * width;
      bool first = mr == 1 && nv == 1;
      int need = mr * b + (mr == 1 ? 1 : b) + p->e->spare + (p->e->ku > 1 ? mr : 0);
      if (!first && (need > regs || mr * nv * parts > KB_MAX_CARRIED)) continue;
      double blocks = (double)((rows + mr - 1) / mr) * (double)((vectors + nv - 1) / nv);
      double c = blocks * block_cost(p, mr, nv, parts, width);
      if (best > 0 && c >= best) continue;
      best = c;
      p->mr = mr;
      p->nv = nv;
    }
  p->g->note = mc_arena_printf(p->k->arena, "engine %s, blocks of %d rows x %d columns, K = %d x %lld", p->e->name, p->mr, p->nv * KGEMM_LANES, p->nrun, (long long)p->rlen);
}

/* One column, one run: kr elements at a time, `stride` bytes apart; what lies behind the run stays 0. */
static void pack_column(const kgemm *p, const kweights *w, char *out, int64_t stride, int64_t base, int64_t woff) {
  int64_t es = w->f32 ? 4 : 1;
  for (int64_t j = 0; j < p->rlen; j++) {
    const char *src = (const char *)w->data + (base + (woff + j) * w->wk) * es;
    memcpy(out + j / p->e->kr * stride + j % p->e->kr * es, src, (size_t)es);
  }
}
/* A block of `width` columns of which `have` exist: [run][step][width][kr]. */
static void pack_block(const kgemm *p, const kweights *w, char *out, int64_t first, int64_t width, int64_t have) {
  int64_t lane = p->e->kr * kgemm_elem(p->e);
  for (int64_t n = 0; n < have; n++)
    for (int r = 0; r < p->nrun; r++)
      pack_column(p, w, out + r * p->steps * width * lane + n * lane, width * lane, (first + n) * w->wn, w->woff[r]);
}
static void pack_group(const kgemm *p, const kweights *w, char *out, int64_t first) {
  int64_t width = (int64_t)p->nv * KGEMM_LANES;
  for (int64_t n = 0; n < p->n; n += width) {
    int64_t have = p->n - n < width ? p->n - n : width;
    pack_block(p, w, out + n * column_bytes(p), first + n, kgemm_vectors(have) * KGEMM_LANES, have);
  }
}
static int64_t sum_of_column(const kgemm *p, const kweights *w, int64_t column) {
  int64_t s = 0;
  for (int r = 0; r < p->nrun; r++)
    for (int64_t j = 0; j < p->rlen; j++) s += ((const int8_t *)w->data)[column * w->wn + (w->woff[r] + j) * w->wk];
  return s;
}
static void fill_bias(const kgemm *p, const kweights *w, void *out, const void *bias, int64_t first) {
  for (int64_t n = 0; n < p->n; n++) {
    if (w->f32) {
      ((float *)out)[n] = bias ? ((const float *)bias)[first + n] : 0.0f;
      continue;
    }
    int64_t b = bias ? ((const int32_t *)bias)[first + n] : 0;
    ((uint32_t *)out)[n] = (uint32_t)(b - p->za * (p->za ? sum_of_column(p, w, first + n) : 0));   /* modulo 2^32, as the sums are */
  }
}
void kgemm_pack(kgemm *p, const kweights *w, int64_t nbatches, int64_t batch_elems, const void *bias) {
  kb *k = p->k;
  p->b_group = kgemm_panel(p);
  p->b_batch = nbatches > 1 ? p->b_group * p->groups : 0;
  p->bias_group = kgemm_vectors(p->n) * KGEMM_LANES * 4;
  p->bias_batch = nbatches > 1 ? p->bias_group * p->groups : 0;
  mc_arena *scratch = mc_arena_create();
  char *pb = mc_arena_alloc(scratch, (size_t)(nbatches * p->groups * p->b_group));
  char *pbias = mc_arena_alloc(scratch, (size_t)(nbatches * p->groups * p->bias_group));
  for (int64_t i = 0; i < nbatches; i++) {
    kweights wi = *w;
    wi.data = (const char *)w->data + i * batch_elems * (w->f32 ? 4 : 1);
    for (int64_t g = 0; g < p->groups; g++) {
      int64_t at = i * p->groups + g;
      pack_group(p, &wi, pb + at * p->b_group, g * p->n);
      fill_bias(p, &wi, pbias + at * p->bias_group, bias, g * p->n);
    }
  }
  p->b = kb_rodata(k, pb, (size_t)(nbatches * p->groups * p->b_group), 0, "weights");
  p->bias = kb_rodata(k, pbias, (size_t)(nbatches * p->groups * p->bias_group), 0, "bias");
  mc_arena_destroy(scratch);
}
