/* quantize: which values and ops 256 levels can carry (docs/reference/numerics.md, "What stays in
 * fp32"). */
#include "quantize.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <stdlib.h>

/* ---- ranges ---- */
/* Of scales: products and quotients of two stay finite numbers. */
static const double largest = 0x1p60, smallest = 0x1p-60;
/* Levels for all of a value; for one operand of a concat. */
static const double least_levels = 24, least_share = 8;

static double width_of(float lo, float hi) { return (double)fmaxf(hi, 0) - (double)fminf(lo, 0); }

static const char *scale_unfit(double width) {
  if (!(width / 255 <= largest)) return "its values are too large for a scale";
  return width > 0 && width / 255 < smallest ? "its values are too small for a scale" : NULL;
}

const char *mcq_range_unfit(mc_arena *a, mc_range r) {
  double width = width_of(r.lo, r.hi), own = (double)r.hi - (double)r.lo;
  const char *why = scale_unfit(width);
  bool constant = own <= 1e-5 * width;
  if (why || constant || own * 255 >= least_levels * width) return why;
  return mc_arena_printf(a,
                         "values from %g to %g are far from 0, which stored integers must be able "
                         "to say: only %d of 256 levels would be left for them",
                         (double)r.lo, (double)r.hi, (int)(own * 255 / width) + 1);
}

typedef struct span {
  float lo, hi;
  bool finite;
} span;

static span span_of(const mc_tensor *t) {
  const float *x = t->data;
  span r = { x[0], x[0], true };
  for (int64_t i = 0, n = mc_tensor_elems(t); i < n; i++) {
    r.finite = r.finite && isfinite(x[i]);
    r.lo = fminf(r.lo, x[i]);
    r.hi = fmaxf(r.hi, x[i]);
  }
  return r;
}

bool mcq_const_params(const state *s, const mc_value *v, mc_quant *q) {
  span r = span_of(mc_value_tensor(v));
  if (!r.finite || scale_unfit(width_of(r.lo, r.hi))) return false;
  *q = mc_quant_choose(r.lo, r.hi, s->act);
  return true;
}

static float level(const entry *e, float x) {
  int64_t lo, hi;
  mc_dtype_range(e->dtype, &lo, &hi);
  return (float)(mc_fx_quantize(x, e->params.scale, e->params.zero, (int32_t)lo, (int32_t)hi) -
                 e->params.zero) *
         e->params.scale;
}

bool mcq_clamp_implied(const entry *e, float lo, float hi) {
  int64_t qlo, qhi;
  mc_dtype_range(e->dtype, &qlo, &qhi);
  int32_t a = (int32_t)qlo, b = (int32_t)qhi;
  bool low = isinf(lo) || mc_fx_quantize(lo, e->params.scale, e->params.zero, a, b) == a;
  return low && (isinf(hi) || mc_fx_quantize(hi, e->params.scale, e->params.zero, a, b) == b);
}

bool mcq_pad_fits(state *s, const mc_node *n) {
  const mc_attrs_pad *p = MC_ATTRS(n, pad);
  const entry *e = mcq_entry(s, n->in[0]);
  if (p->mode != mc_padmode_constant) return true;
  if (!isfinite(p->value)) return false;
  return !e->known || fabsf(level(e, p->value) - p->value) <= 0.51f * e->params.scale;
}

/* ---- products ---- */
/* Rounding an operand to steps of s adds s / sqrt(12) for each weight, independent of each other:
 * beside a small result of a large sum that is too much. */
static const double most_noise = 0.01;

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sum of squares of the weights of the median output channel: a few channels of another size say
 * nothing of the rest. */
static double median_energy(const mc_tensor *w, mc_arena *a) {
  int64_t rows = w->dim[0], k = mc_tensor_elems(w) / rows;
  double *energy = MC_NEWN(a, double, rows);
  for (int64_t i = 0; i < rows * k; i++)
    energy[i / k] += (double)((const float *)w->data)[i] * (double)((const float *)w->data)[i];
  qsort(energy, (size_t)rows, sizeof *energy, by_size);
  return energy[rows / 2];
}

const char *mcq_product_unfit(state *s, const mc_node *n) {
  const mc_tensor *w = mc_value_tensor(n->in[1]),
                  *b = n->nin > 2 ? mc_value_tensor(n->in[2]) : NULL;
  const mc_range *y = &n->out[0]->range;
  if (!w) return NULL;
  span r = span_of(w);
  if (!r.finite || (b && !span_of(b).finite)) return "its weights are not all finite";
  const char *why = scale_unfit(width_of(r.lo, r.hi));
  double wide = y->known ? (double)y->hi - (double)y->lo : 0;
  if (why || n->op == MC_OP_matmul || wide <= 0) return why;
  double noise =
      (double)mcq_entry(s, n->in[0])->params.scale * sqrt(median_energy(w, s->cx->scratch) / 12);
  return noise <= most_noise * wide
             ? NULL
             : "its results are small beside what it sums up: rounding its input would drown them";
}

/* ---- ops that follow ---- */
/* Steps of an operand in steps of the result; levels between neighbours in a table. */
static const double coarse = 6;
static const int jump = 16;

/* The step of an operand: 0 for a constant of one number, which is stored exactly. */
static bool operand(state *s, const mc_value *v, double *step, double *most) {
  mc_quant q;
  if (!mcq_is_f32_const(v)) {
    const entry *e = mcq_entry(s, v);
    *step = (double)e->params.scale;
    *most = fmax(fabs((double)v->range.lo), fabs((double)v->range.hi));
    if (!v->range.known) *most = 255 * *step;
    return e->known;
  }
  span r = span_of(mc_value_tensor(v));
  *step = 0, *most = fmax(fabs((double)r.lo), fabs((double)r.hi));
  if (!mcq_const_params(s, v, &q)) return false;
  if (r.lo < r.hi) *step = (double)q.scale;
  return true;
}

/* Of the values that matter after n: a relu or clamp that reads n alone is all that they are seen
 * through. */
static double result_step(state *s, const mc_node *n) {
  const mc_node *u = mc_value_single_user(n->out[0]);
  const entry *e = mcq_entry(s, n->out[0]), *then = e;
  if (u && (u->op == MC_OP_relu || u->op == MC_OP_clamp) && mcq_selected(s, u))
    then = mcq_entry(s, u->out[0]);
  float step =
      then->known && then->params.scale < e->params.scale ? then->params.scale : e->params.scale;
  return (double)step;
}

static const char *fit_pair(state *s, const mc_node *n) {
  double step[2], most[2], y = result_step(s, n);
  for (int i = 0; i < 2; i++)
    if (!operand(s, n->in[i], &step[i], &most[i]))
      return "its constant is not a number that 8 bits can carry";
  if (n->op == MC_OP_mul) step[0] *= most[1], step[1] *= most[0];
  for (int i = 0; i < 2; i++)
    if (step[i] > coarse * y) return "one step of an operand would be several steps of its result";
  return NULL;
}

/* Entries that the samples reach, and how far neighbours are apart. */
static const char *fit_table(state *s, const mc_node *n) {
  unsigned char t[256];
  const entry *x = mcq_entry(s, n->in[0]), *y = mcq_entry(s, n->out[0]);
  const mc_range *r = &n->in[0]->range;
  mc_type in = { .dtype = x->dtype, .q = x->params }, out = { .dtype = y->dtype, .q = y->params };
  int64_t lo, hi;
  mc_dtype_range(x->dtype, &lo, &hi);
  mc_eval_table(n, &in, &out, t);
  int last = 0, before = -1;
  for (int i = 0; i < 256; i++) {
    float v = (float)(i + lo - x->params.zero) * x->params.scale;
    if (r->known && (v < r->lo - x->params.scale || v > r->hi + x->params.scale)) continue;
    int now = y->dtype == MC_i8 ? (signed char)t[i] : t[i];
    if (before >= 0 && abs(now - last) > jump)
      return "it is steeper than 256 levels of its operand can follow";
    last = now, before = i;
  }
  return NULL;
}

static const char *fit_mean(state *s, const mc_node *n) {
  double step, most,
      count = (double)mc_type_elems(n->in[0]->type) / (double)mc_type_elems(n->out[0]->type);
  if (n->op == MC_OP_avg_pool)
    count = (double)(MC_ATTRS(n, avg_pool)->kernel[0] * MC_ATTRS(n, avg_pool)->kernel[1]);
  if (!operand(s, n->in[0], &step, &most)) return "the range of its operand is not known";
  double noise = n->op == MC_OP_reduce_sum ? step * sqrt(count) : step / sqrt(count);
  return noise > coarse * result_step(s, n) ? "its results are small beside what it sums up" : NULL;
}

/* One operand (or what a pad surrounds) would be left with a few levels of the common range. */
static const char *crowded(const mc_value *v, const mc_range *all) {
  span r = { v->range.lo, v->range.hi, true };
  if (mcq_is_f32_const(v))
    r = span_of(mc_value_tensor(v));
  else if (!v->range.known)
    return NULL;
  double wide = width_of(r.lo, r.hi), common = width_of(all->lo, all->hi);
  if (r.finite && (wide <= 0 || wide * 255 >= least_share * common)) return NULL;
  return "an operand's values are small beside the others: they would be left with a few of 256 "
         "levels";
}

static const char *fit_joined(state *s, const mc_node *n) {
  (void)s;
  const mc_range *y = &n->out[0]->range;
  for (int i = 0; i < n->nin && y->known; i++) {
    const char *why = crowded(n->in[i], y);
    if (why) return why;
  }
  return NULL;
}

/* Ops that move elements or weigh them. */
static const char *fit_any(state *s, const mc_node *n) {
  (void)s, (void)n;
  return NULL;
}

static const char *fit_softmax(state *s, const mc_node *n) {
  return mcq_entry(s, n->in[0])->params.scale > 0.25f ? "its operand's range is too wide for 8 bits"
                                                      : NULL;
}

typedef const char *fit_fn(state *s, const mc_node *n);
static fit_fn *const fit[MC_NUM_OPS] = {
#define MC_QUANT(op, fit, range, factor, noise) [MC_OP_##op] = fit_##fit,
#include "mc/ir/ops.def"
};

const char *mcq_op_unfit(state *s, const mc_node *n) { return fit[n->op](s, n); }

/* ---- comparisons ---- */
static bool amplifies(const mc_node *n) {
  for (int i = 0; i < 2 && n->op == MC_OP_mul; i++)
    if (mcq_is_f32_const(n->in[i])) {
      span r = span_of(mc_value_tensor(n->in[i]));
      return !(fmaxf(fabsf(r.lo), fabsf(r.hi)) < 0x1p60f);
    }
  return false;
}

bool mcq_compared(const mc_value *v, int depth) {
  if (depth > 6) return false;
  MC_FOR_USES (u, v) {
    const mc_node *n = u->user;
    if (amplifies(n)) return true;
    if (mc_op_has(n->op, MC_T_COMPARE))
      for (int i = 0; i < n->nout; i++)
        if (mcq_compared(n->out[i], depth + 1)) return true;
  }
  return false;
}

bool mcq_divides(const mc_value *v, int depth) {
  if (depth > 8) return false;
  MC_FOR_USES (u, v) {
    const mc_node *n = u->user;
    if ((n->op == MC_OP_div && u->slot == 1) || (n->op == MC_OP_pow && u->slot == 0)) return true;
    if (mc_op_has(n->op, MC_T_TINY))
      for (int i = 0; i < n->nout; i++)
        if (mcq_divides(n->out[i], depth + 1)) return true;
  }
  return false;
}

bool mcq_only_compared(const mc_value *v, int depth) {
  if (depth > 6 || !v->uses) return false;
  MC_FOR_USES (u, v) {
    const mc_node *n = u->user;
    if (!amplifies(n) && !(mc_op_has(n->op, MC_T_COMPARE) && n->nout == 1 &&
                           mcq_only_compared(n->out[0], depth + 1)))
      return false;
  }
  return true;
}
