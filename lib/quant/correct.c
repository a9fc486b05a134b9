/* quantize: bias correction. */
#include "quantize.h"
#include <math.h>

/* ---- bias correction ---- */

static void see_mean(void *ctx, int k, const float *x, int64_t n) {
  mean *m = ((state *)ctx)->watched[k];
  for (int64_t i = 0; i < n; i++) m->sum[i % m->channels] += isfinite(x[i]) ? (double)x[i] : 0;
  m->rows += n / m->channels;
}

bool mcq_measure_means(state *s) {
  MC_VEC(mc_value *) v = { 0 };
  MC_VEC(mean *) m = { 0 };
  mc_arena *a = s->cx->scratch;
  MC_FOR_NODES(n, s->cx->graph) {
    if (!mcq_planned(s, n) || !mc_op_has(n->op, MC_T_ACCUM) || n->op == MC_OP_matmul || mc_map_ptr_get(&s->means, n->in[0])) continue;
    mean *one = MC_NEW(a, mean);
    one->channels = n->in[0]->type->dim[n->in[0]->type->rank - 1];
    one->sum = MC_NEWN(a, double, one->channels);
    one->value = MC_NEWN(a, float, one->channels);
    *mc_map_ptr_slot(&s->means, n->in[0]) = one;
    MC_PUSH(a, &v, n->in[0]);
    MC_PUSH(a, &m, one);
  }
  s->watched = m.v;
  mc_samples *x = mc_samples_open(s->cx, s->o->correct, v.v, (int)v.n, false);
  bool ok = x && mc_samples_sweep(x, 0, "quantize: means", see_mean, s);
  if (x) mc_samples_close(x);
  for (size_t i = 0; ok && i < m.n; i++)
    for (int64_t c = 0; c < m.v[i]->channels; c++) m.v[i]->value[c] = (float)(m.v[i]->sum[c] / (double)m.v[i]->rows);
  return ok;
}

const mc_tensor *mcq_corrected_bias(state *s, const mc_node *n, const mc_tensor *w, const mc_tensor *q, const mc_type *qt, const mc_tensor *b) {
  const mean *m = mc_map_ptr_get(&s->means, n->in[0]);
  bool grouped = n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups > 1 && w->dim[w->rank - 1] != 1;
  if (!m || grouped) return b;
  mc_tensor *r = mc_arena_copy(s->cx->scratch, b ? b : w, sizeof *w);
  float *data = MC_NEWN(s->cx->scratch, float, w->dim[0]);
  mc_quant_mean_error(w, q, qt, m->value, m->channels, data);
  for (int64_t c = 0; c < w->dim[0]; c++) data[c] = (b ? ((const float *)b->data)[c] : 0) - data[c];
  r->rank = 1;
  r->dim[0] = w->dim[0];
  r->data = data;
  if (!b) r->name = NULL;
  return r;
}

