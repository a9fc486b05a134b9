/* quantize: bias correction. The mean of a column depends on its place in the window: padding adds
 * zeros to some columns only, and to most of them where images are small. Columns are linear in the
 * input, so their means come from the mean image. */
#include "mc/measure/product.h"
#include "quantize.h"
#include <math.h>

static void see_mean(void *ctx, int k, const float *x, int64_t n) {
  mean *m = ((state *)ctx)->watched[k];
  for (int64_t i = 0; i < n; i++) m->sum[i] += isfinite(x[i]) ? (double)x[i] : 0;
  m->runs++;
}

bool mcq_measure_means(state *s) {
  MC_VEC(mc_value *) v = { 0 };
  MC_VEC(mean *) m = { 0 };
  mc_arena *a = s->cx->scratch;
  mc_products p = mc_products_of(s->cx->graph, a);
  for (int i = 0; i < p.n; i++) {
    mc_node *n = p.v[i].node;
    if (!mcq_planned(s, n)) continue;
    *mc_map_ptr_slot(&s->products_of, n) = &p.v[i];
    if (mc_map_ptr_get(&s->means, n->in[0])) continue;
    mean *one = MC_NEW(a, mean);
    one->sum = MC_NEWN(a, double, mc_type_elems(n->in[0]->type));
    *mc_map_ptr_slot(&s->means, n->in[0]) = one;
    MC_PUSH(a, &v, n->in[0]);
    MC_PUSH(a, &m, one);
  }
  s->watched = m.v;
  mc_samples *x = mc_samples_open(s->cx, s->o->correct, v.v, (int)v.n, false);
  bool ok = x && mc_samples_sweep(x, 0, "quantize: means", see_mean, s);
  if (x) mc_samples_close(x);
  return ok;
}

/* Means [groups, d] of the columns that p reads. */
static double *column_means(const mc_product *p, const mean *m, mc_arena *a) {
  enum { BLOCK = 64 };

  int64_t all = mc_type_elems(p->node->in[0]->type), d = p->d, place[BLOCK];
  float *image = MC_NEWN(a, float, all), *col = MC_NEWN(a, float, p->groups *BLOCK *d);
  double *sum = MC_NEWN(a, double, p->groups *d);
  for (int64_t i = 0; i < all; i++) image[i] = (float)(m->sum[i] / (double)m->runs);
  for (int64_t at = 0, n; at < p->places; at += n) {
    n = p->places - at < BLOCK ? p->places - at : BLOCK;
    for (int64_t i = 0; i < n; i++) place[i] = at + i;
    mc_product_columns(p, image, place, n, col);
    for (int64_t g = 0; g < p->groups; g++)
      for (int64_t i = 0; i < n * d; i++) sum[g * d + i % d] += (double)col[g * n * d + i];
  }
  for (int64_t i = 0; i < p->groups * d; i++) sum[i] /= (double)p->places;
  return sum;
}

const mc_tensor *mcq_corrected_bias(state *s, const mc_node *n, const mc_tensor *w,
                                    const mc_tensor *q, const mc_type *qt, const mc_tensor *b) {
  const mc_product *p = mc_map_ptr_get(&s->products_of, n);
  const mean *m = mc_map_ptr_get(&s->means, n->in[0]);
  if (!p || !m || !m->runs) return b;
  mc_arena *a = mc_arena_create();
  mc_tensor *r = mc_arena_copy(s->cx->scratch, b ? b : w, sizeof *w);
  float *data = MC_NEWN(s->cx->scratch, float, w->dim[0]);
  mc_quant_mean_error(w, q, qt, column_means(p, m, a), p->groups, data);
  mc_arena_destroy(a);
  for (int64_t c = 0; c < w->dim[0]; c++) data[c] = (b ? ((const float *)b->data)[c] : 0) - data[c];
  r->rank = 1;
  r->dim[0] = w->dim[0];
  r->data = data;
  if (!b) r->name = NULL;
  return r;
}
