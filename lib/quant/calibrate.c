/* calibrate: run samples through the graph and write the range of every value into the text.
 *
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16]
 * becomes
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16] range(-3.25, 7.5)
 *
 * Samples stream one by one through compiled code (or the reference evaluator); memory is that of one sample's values plus one histogram per value. method=max needs one pass over the
 * samples, the others two: bounds first, then histograms. A value that was not finite in some sample (a mask of -inf, the gates of a comparison) gets no range, so what makes or reads it
 * stays in fp32; a warning names them. Contract: EXACT (only ranges are written). */
#include "quant.h"
#include <math.h>
#include <string.h>

typedef struct state {
  mc_pass_context *cx;
  const mc_opts_calibrate *o;
  mc_value **watch; int n;        /* f32 values whose range is wanted */
  float *lo, *hi;
  bool *strange;                  /* a value that is not finite was seen */
  const mc_value *nan;            /* a graph input whose samples hold NaN */
  mc_hist **hist;                 /* second pass only */
} state;

static void collect_values(state *s) {
  mc_graph *g = s->cx->graph;
  MC_VEC(mc_value *) v = { 0 };
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, g->in[i]);
  MC_FOR_NODES(n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++)
      if (n->out[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, n->out[i]);
  }
  s->watch = v.v;
  s->n = (int)v.n;
}

static void see(void *ctx, int k, const float *x, int64_t n) {
  state *s = ctx;
  if (s->hist && s->strange[k]) return;
  if (s->hist) {
    mc_hist_add(s->hist[k], x, n);
    return;
  }
  float lo = s->lo[k], hi = s->hi[k];
  for (int64_t i = 0; i < n; i++) {
    if (x[i] < lo) lo = x[i];
    if (x[i] > hi) hi = x[i];
    if (isfinite(x[i])) continue;
    s->strange[k] = true;
    if (isnan(x[i]) && !s->watch[k]->def) s->nan = s->watch[k];
  }
  s->lo[k] = lo;
  s->hi[k] = hi;
}

static bool measure(state *s) {
  mc_samples *x = mc_samples_open(s->cx, s->o->data, s->watch, s->n, s->o->reference);
  if (!x) return false;
  bool ok = mc_samples_sweep(x, s->o->samples, "calibrate: bounds", see, s);
  if (ok && s->o->method != mc_calib_max) {
    s->hist = MC_NEWN(s->cx->scratch, mc_hist *, s->n);
    for (int k = 0; k < s->n; k++) {
      s->hist[k] = MC_NEW(s->cx->scratch, mc_hist);
      s->hist[k]->lo = s->lo[k];
      s->hist[k]->hi = s->hi[k];
    }
    ok = mc_samples_sweep(x, s->o->samples, "calibrate: histograms", see, s);
  }
  mc_samples_close(x);
  return ok;
}

static const char *name_of(const mc_value *v) { return v->name ? v->name : v->def && v->def->source ? v->def->source : v->def ? mc_ops[v->def->op].text : "?"; }

/* Sums and differences of a range are computed in fp32: they must be numbers too. */
static bool usable(const state *s, int k) { return !s->strange[k] && isfinite(s->hi[k] - s->lo[k]); }

static void warn_of_strange(const state *s) {
  enum { NAMED = 8 };
  int count = 0;
  const mc_value *first = NULL;
  const char *last = "";
  mc_strbuf names = { 0 };
  for (int k = 0; k < s->n; k++) {
    if (usable(s, k) || strcmp(last, name_of(s->watch[k])) == 0) continue; /* an importer's op may be several of ours, of one name */
    last = name_of(s->watch[k]);
    if (!first) first = s->watch[k];
    if (count++ < NAMED) mc_sb_printf(&names, "%s'%s'", count > 1 ? ", " : "", name_of(s->watch[k]));
  }
  if (count > NAMED) mc_sb_printf(&names, " and %d more", count - NAMED);
  if (first) mc_warning(s->cx->diag, first->loc, "calibration saw numbers that are not finite (or too large for fp32 arithmetic) in %s: what makes or reads them stays in f32", mc_sb_str(&names));
  mc_sb_free(&names);
}

static bool write_ranges(state *s, bool *changed) {
  if (s->nan) return mc_error(s->cx->diag, s->nan->loc, "calibrate: the samples of input '%s' hold NaN", name_of(s->nan));
  for (int k = 0; k < s->n; k++) {
    mc_range r = { true, s->lo[k], s->hi[k] }, *old = &s->watch[k]->range;
    if (!usable(s, k)) r = (mc_range){ 0 };
    else if (s->hist) r = mc_hist_range(s->hist[k], (mc_e_calib)s->o->method, s->o->percentile);
    *changed |= old->known != r.known || old->lo != r.lo || old->hi != r.hi;
    *old = r;
  }
  warn_of_strange(s);
  return true;
}

bool mc_pass_calibrate(mc_pass_context *cx, const mc_opts_calibrate *o, bool *changed) {
  if (!(o->percentile > 0 && o->percentile <= 100)) return mc_error(cx->diag, cx->loc, "calibrate: percentile must be above 0 and at most 100");
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "calibrate: samples must not be negative");
  state s = { .cx = cx, .o = o };
  collect_values(&s);
  s.lo = MC_NEWN(cx->scratch, float, s.n);
  s.hi = MC_NEWN(cx->scratch, float, s.n);
  s.strange = MC_NEWN(cx->scratch, bool, s.n);
  for (int k = 0; k < s.n; k++) s.lo[k] = INFINITY, s.hi[k] = -INFINITY;
  return measure(&s) && write_ranges(&s, changed);
}
