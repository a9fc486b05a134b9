/* Packing of constant weights, zero points folded into the bias. */
#include "tile.h"
#include <string.h>

int64_t kgemm_vectors(int64_t n) { return (n + KGEMM_LANES - 1) / KGEMM_LANES; }

int64_t kgemm_elem(const mc_engine *e) { return (int64_t)mc_dtype_size(mc_engine_weights(e)); }

int64_t kgemm_a_elem(const mc_engine *e) {
  return e->sign == MC_SIGN_wide ? 2 * kgemm_elem(e) : kgemm_elem(e);
}

int64_t kgemm_b_elem(const mc_engine *e) { return mc_engine_widens_b(e) ? 4 : kgemm_elem(e); }

void kgemm_steps(kgemm *p) {
  p->kr = p->e->kr;
  if (p->e->tile && p->rlen)
    ktile_depth(p->e, p->rlen, &p->kr, &p->steps);
  else
    p->steps = (p->rlen + p->kr - 1) / p->kr;
}

int64_t kgemm_column_bytes(const kgemm *p) { return p->nrun * p->steps * p->kr * kgemm_elem(p->e); }

int64_t kgemm_panel(const kgemm *p) {
  return kgemm_vectors(p->n) * KGEMM_LANES * kgemm_column_bytes(p);
}

bool kgemm_engine(kgemm *p, const mc_type *a) {
  bool bytes = a->dtype == MC_u8 || a->dtype == MC_i8;
  char kind = mc_engine_kind(a->dtype);
  if (!kind)
    return kl_error(p->g, p->head, "'%s' on %s operands has no lowering", mc_ops[p->head->op].text,
                    mc_dtype_names[a->dtype]);
  p->e = kgemm_pick(p->k->target, p->head, kind);
  if (!p->e)
    return kl_error(p->g, p->head, "no engine for '%s' on this target", mc_ops[p->head->op].text);
  p->za = kl_zero_point(a);
  p->a_signed = a->dtype == MC_i8;
  p->flip = bytes && (p->e->sign == MC_SIGN_u8 || p->e->sign == MC_SIGN_s8) &&
            (p->e->sign == MC_SIGN_s8) != p->a_signed;
  if (p->flip) {
    p->za += p->a_signed ? 128 : -128;
    p->a_signed = !p->a_signed;
  }
  return true;
}

int kgemm_acc_rows(const kgemm *p, int mr) { return (mr + p->e->rows - 1) / p->e->rows; }

/* Where a group of elements of a column starts within a step, and elements of a group: of tiles
 * [columns / 16][kr / group][16][group], else [columns][kr]. */
static int64_t group_of(const kgemm *p) { return p->e->tile ? p->e->tile : p->kr; }

static int64_t group_at(const kgemm *p, int64_t column, int64_t group) {
  return column / KGEMM_LANES * KGEMM_LANES * p->kr +
         (group * KGEMM_LANES + column % KGEMM_LANES) * group_of(p);
}

/* Column n of a block, one run: kr elements at a time, `stride` elements apart; what lies behind
 * the run stays 0. */
static void pack_column(const kgemm *p, const kweights *w, char *out, int64_t stride, int64_t n,
                        int64_t base, int64_t woff) {
  int64_t es = kgemm_elem(p->e), q = group_of(p), per = p->kr / q;
  for (int64_t g = 0; g * q < p->rlen; g++) {
    char *to = out + (g / per * stride + group_at(p, n, g % per)) * es;
    for (int64_t j = g * q; j < g * q + q && j < p->rlen; j++, to += es)
      memcpy(to, (const char *)w->data + (base + (woff + j) * w->wk) * es, (size_t)es);
  }
}

/* A block of `width` columns of which `have` exist: [run][step][...]. */
static void pack_block(const kgemm *p, const kweights *w, char *out, int64_t first, int64_t width,
                       int64_t have) {
  int64_t step = width * p->kr;
  for (int64_t n = 0; n < have; n++)
    for (int r = 0; r < p->nrun; r++)
      pack_column(p, w, out + r * p->steps * step * kgemm_elem(p->e), step, n, (first + n) * w->wn,
                  w->woff[r]);
}

static void pack_group(const kgemm *p, const kweights *w, char *out, int64_t first) {
  int64_t width = (int64_t)p->nv * KGEMM_LANES;
  for (int64_t n = 0; n < p->n; n += width) {
    int64_t have = p->n - n < width ? p->n - n : width;
    pack_block(p, w, out + n * kgemm_column_bytes(p), first + n, kgemm_vectors(have) * KGEMM_LANES,
               have);
  }
}

static int64_t sum_of_column(const kgemm *p, const kweights *w, int64_t column) {
  int64_t s = 0;
  for (int r = 0; r < p->nrun; r++)
    for (int64_t j = 0; j < p->rlen; j++)
      s += ((const int8_t *)w->data)[column * w->wn + (w->woff[r] + j) * w->wk];
  return s;
}

/* The least and largest sum of a column, for any activations of their type. */
static void widen_range(const kgemm *p, const kweights *w, int64_t column, int64_t bias,
                        int64_t range[2]) {
  const mc_type *a = p->head->in[0]->type;
  int64_t qmin, qmax, lo = bias, hi = bias;
  mc_dtype_range(a->dtype, &qmin, &qmax);
  qmin -= kl_zero_point(a);
  qmax -= kl_zero_point(a);
  for (int r = 0; r < p->nrun; r++)
    for (int64_t j = 0; j < p->rlen; j++) {
      int64_t v = ((const int8_t *)w->data)[column * w->wn + (w->woff[r] + j) * w->wk];
      lo += v * (v > 0 ? qmin : qmax);
      hi += v * (v > 0 ? qmax : qmin);
    }
  if (lo < range[0]) range[0] = lo;
  if (hi > range[1]) range[1] = hi;
}

/* What the sums can be at most tells the epilogue what it need not clamp, and on AArch64 whether
 * they may carry kx's head_base from the start: it then needs no conversion (vec.h). */
static void bound_sums(kgemm *p, const kweights *w, int64_t nbatches, int64_t batch_elems,
                       const int32_t *bias) {
  if (mc_engine_is_real(p->e) || p->e->tile) return;
  int64_t range[2] = { 0, 0 };
  for (int64_t i = 0; i < nbatches; i++) {
    kweights wi = *w;
    wi.data = (const char *)w->data + i * batch_elems;
    for (int64_t n = 0; n < p->groups * p->n; n++)
      widen_range(p, &wi, n, bias ? bias[n] : 0, range);
  }
  kx_bound_head(p->x, range[0], range[1]);
}

static void fill_bias(const kgemm *p, const kweights *w, void *out, const void *bias,
                      int64_t first) {
  for (int64_t n = 0; n < p->n; n++) {
    if (mc_engine_is_real(p->e)) {
      ((float *)out)[n] = bias ? ((const float *)bias)[first + n] : 0.0f;
      continue;
    }
    int64_t b = bias ? ((const int32_t *)bias)[first + n] : 0;
    b += p->x->head_base;
    ((uint32_t *)out)[n] = (uint32_t)(b - p->za * (p->za ? sum_of_column(p, w, first + n)
                                                         : 0)); /* modulo 2^32, as the sums are */
  }
}

void kgemm_pack(kgemm *p, const kweights *w, int64_t nbatches, int64_t batch_elems,
                const void *bias) {
  kb *k = p->k;
  p->b_group = kgemm_panel(p);
  p->b_batch = nbatches > 1 ? p->b_group * p->groups : 0;
  p->bias_group = kgemm_vectors(p->n) * KGEMM_LANES * 4;
  p->bias_batch = nbatches > 1 ? p->bias_group * p->groups : 0;
  bound_sums(p, w, nbatches, batch_elems, bias);
  mc_arena *scratch = mc_arena_create();
  char *pb = mc_arena_alloc(scratch, (size_t)(nbatches * p->groups * p->b_group));
  char *pbias = mc_arena_alloc(scratch, (size_t)(nbatches * p->groups * p->bias_group));
  for (int64_t i = 0; i < nbatches; i++) {
    kweights wi = *w;
    wi.data = (const char *)w->data + i * batch_elems * kgemm_elem(p->e);
    for (int64_t g = 0; g < p->groups; g++) {
      int64_t at = i * p->groups + g;
      if (!p->unit) pack_group(p, &wi, pb + at * p->b_group, g * p->n);
      fill_bias(p, &wi, pbias + at * p->bias_group, bias, g * p->n);
    }
  }
  if (p->unit)
    ksparse_pack(p, w);
  else if (p->bits)
    kbits_pack(p, pb);
  else
    p->b = kb_rodata(k, pb, (size_t)(nbatches * p->groups * p->b_group), 0, "weights");
  p->bias = kb_rodata(k, pbias, (size_t)(nbatches * p->groups * p->bias_group), 0, "bias");
  mc_arena_destroy(scratch);
}
