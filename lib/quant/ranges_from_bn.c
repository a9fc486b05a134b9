/* ranges-from-bn: guess ranges from batch_norm statistics, for networks without samples.
 *
 *   %1 = batch_norm %0, %g, %b, %m, %v : f32[...]  ->  range(min over c of b - k |g|, max over c of
 *     b + k |g|)
 *
 * A normalized channel is close to N(beta, gamma^2) on the training data, so k standard deviations
 * hold nearly all of it. The guess travels forward through relu and clamp, everything that moves
 * elements, pools, sums (variances add) and concat. Before a batch_norm, the stored mean and
 * variance describe the product itself; from them and the weights the size of an unknown graph
 * input is estimated. Ranges that are known already stay. Must run before fold-bn. Contract: EXACT
 * (only ranges are written). */
#include "quant.h"
#include <math.h>

static const float *data_of(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 ? t->data : NULL;
}

static mc_range range_batch_norm(const mc_node *n, double k) {
  const float *gamma = data_of(n->in[1]), *beta = data_of(n->in[2]);
  mc_range r = { gamma && beta, INFINITY, -INFINITY };
  for (int64_t c = 0; r.known && c < n->in[1]->type->dim[0]; c++) {
    r.lo = fminf(r.lo, (float)(beta[c] - k * fabsf(gamma[c])));
    r.hi = fmaxf(r.hi, (float)(beta[c] + k * fabsf(gamma[c])));
  }
  return r;
}

static mc_range clamped(mc_range r, float lo, float hi) {
  return (mc_range){ r.known, fminf(fmaxf(r.lo, lo), hi), fmaxf(fminf(r.hi, hi), lo) };
}

/* Sum of independent values: centres add, half widths add as squares. */
static mc_range sum_of(mc_range a, mc_range b) {
  float centre = (a.lo + a.hi + b.lo + b.hi) / 2,
        half = hypotf((a.hi - a.lo) / 2, (b.hi - b.lo) / 2);
  return (mc_range){ a.known && b.known, centre - half, centre + half };
}

static mc_range range_none(const mc_node *n, double k) {
  (void)n, (void)k;
  return (mc_range){ 0 };
}

static mc_range range_same(const mc_node *n, double k) {
  (void)k;
  return n->in[0]->range;
}

static mc_range range_concat(const mc_node *n, double k) {
  mc_range r = n->in[0]->range;
  (void)k;
  for (int i = 1; i < n->nin; i++) {
    mc_range x = n->in[i]->range;
    r = (mc_range){ r.known && x.known, fminf(r.lo, x.lo), fmaxf(r.hi, x.hi) };
  }
  return r;
}

static mc_range range_relu(const mc_node *n, double k) {
  (void)k;
  return clamped(n->in[0]->range, 0, INFINITY);
}

static mc_range range_clamp(const mc_node *n, double k) {
  const mc_attrs_clamp *at = MC_ATTRS(n, clamp);
  (void)k;
  return clamped(n->in[0]->range, at->low, at->high);
}

static mc_range range_sum(const mc_node *n, double k) {
  const float *clamp = MC_ATTRS(n, add)->clamp;
  (void)k;
  return clamped(sum_of(n->in[0]->range, n->in[1]->range), clamp[0], clamp[1]);
}

static mc_range range_unit(const mc_node *n, double k) {
  (void)n, (void)k;
  return (mc_range){ true, 0, 1 };
}

static mc_range range_tanh(const mc_node *n, double k) {
  (void)n, (void)k;
  return (mc_range){ true, -1, 1 };
}

/* Of the results, from ranges of operands; k: standard deviations. */
typedef mc_range range_fn(const mc_node *n, double k);
static range_fn *const range[MC_NUM_OPS] = {
#define MC_QUANT(op, fit, range, factor, noise) [MC_OP_##op] = range_##range,
#include "mc/ir/ops.def"
};

/* rms of x from a conv or linear and the batch_norm after it: E[y^2] = sum(w^2) E[x^2] per channel
 * for uncorrelated inputs; the median channel decides. */
static bool input_size(const mc_node *product, const mc_node *bn, double *rms) {
  const float *w = data_of(product->in[1]), *mean = data_of(bn->in[3]), *var = data_of(bn->in[4]);
  const mc_tensor *t = mc_value_tensor(product->in[1]);
  if (!w || !mean || !var) return false;
  int64_t channels = t->dim[0], k = mc_tensor_elems(t) / channels;
  double energy = 0, power = 0;
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t i = 0; i < k; i++) energy += (double)w[c * k + i] * (double)w[c * k + i];
    power += (double)var[c] + (double)mean[c] * (double)mean[c];
  }
  if (!(energy > 0) || !(power > 0)) return false;
  *rms = sqrt(power / energy);
  return true;
}

static void guess_input(mc_pass_context *cx, mc_value *in, double k, bool *changed) {
  if (in->range.known || in->type->dtype != MC_f32) return;
  MC_FOR_USES (u, in) {
    mc_node *bn = u->slot == 0 && mc_op_has(u->user->op, MC_T_ACCUM)
                      ? mc_value_single_user(u->user->out[0])
                      : NULL;
    double rms;
    if (!bn || bn->op != MC_OP_batch_norm || !input_size(u->user, bn, &rms)) continue;
    in->range = (mc_range){ true, (float)(-k * rms), (float)(k * rms) };
    *changed = true;
    mc_warning(cx->diag, in->loc,
               "the range of input '%s' is a guess from batch_norm statistics: [%g, %g]",
               in->name ? in->name : "?", (double)in->range.lo, (double)in->range.hi);
    return;
  }
}

bool mc_pass_ranges_from_bn(mc_pass_context *cx, const mc_opts_ranges_from_bn *o, bool *changed) {
  if (!(o->sigmas > 0))
    return mc_error(cx->diag, cx->loc, "ranges-from-bn: sigmas must be above 0");
  for (int i = 0; i < cx->graph->nin; i++) guess_input(cx, cx->graph->in[i], o->sigmas, changed);
  MC_FOR_NODES (n, cx->graph) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    mc_range r = range[n->op](n, o->sigmas);
    for (int i = 0; i < n->nout; i++)
      if (r.known && !n->out[i]->range.known && n->out[i]->type->dtype == MC_f32)
        n->out[i]->range = r, *changed = true;
  }
  return true;
}
