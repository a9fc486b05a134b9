/* calibrate: run samples through the graph and write the range of every value into the text.
 *
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16]
 * becomes
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16] range(-3.25, 7.5)
 *
 * Samples stream one by one through compiled code (or the reference evaluator), once; memory is
 * that of one sample's values plus one histogram per value (method=max: bounds alone). A value that
 * was not finite in some sample (a mask of -inf, the gates of a comparison) gets no range, so what
 * makes or reads it stays in fp32; a warning names them. Contract: EXACT (only ranges are written).
 */
#include "quant.h"
#include <math.h>
#include <string.h>

typedef struct state {
  mc_pass_context *cx;
  const mc_opts_calibrate *o;
  mc_value **watch;
  int n;         /* f32 values whose range is wanted */
  mc_seen *seen; /* of each of them */
} state;

static void collect_values(state *s) {
  mc_graph *g = s->cx->graph;
  MC_VEC(mc_value *) v = { 0 };
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, g->in[i]);
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++)
      if (n->out[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, n->out[i]);
  }
  s->watch = v.v;
  s->n = (int)v.n;
}

static bool measure(state *s) {
  const mc_opts_calibrate *o = s->o;
  mc_sweep how = { o->data, o->samples, o->reference, o->method != mc_calib_max, "calibrate" };
  s->seen = mc_measure_values(s->cx, &how, s->watch, s->n);
  return s->seen != NULL;
}

/* A graph input whose samples hold NaN, or NULL. */
static const mc_value *nan_input(const state *s) {
  for (int k = 0; k < s->n; k++)
    if (s->seen[k].nan && !s->watch[k]->def) return s->watch[k];
  return NULL;
}

static const char *name_of(const mc_value *v) {
  return v->name                    ? v->name
         : v->def && v->def->source ? v->def->source
         : v->def                   ? mc_ops[v->def->op].text
                                    : "?";
}

/* Sums and differences of a range are computed in fp32: they must be numbers too. */
static bool usable(const mc_seen *x) { return !x->strange && isfinite(x->hi - x->lo); }

static void warn_of_strange(const state *s) {
  enum { NAMED = 8 };

  int count = 0;
  const mc_value *first = NULL;
  const char *last = "";
  mc_strbuf names = { 0 };
  for (int k = 0; k < s->n; k++) {
    if (usable(&s->seen[k]) || strcmp(last, name_of(s->watch[k])) == 0)
      continue; /* an importer's op may be several of ours, of one name */
    last = name_of(s->watch[k]);
    if (!first) first = s->watch[k];
    if (count++ < NAMED)
      mc_sb_printf(&names, "%s'%s'", count > 1 ? ", " : "", name_of(s->watch[k]));
  }
  if (count > NAMED) mc_sb_printf(&names, " and %d more", count - NAMED);
  if (first)
    mc_warning(s->cx->diag, first->loc,
               "calibration saw numbers that are not finite (or too large for fp32 arithmetic) in "
               "%s: what makes or reads them stays in f32",
               mc_sb_str(&names));
  mc_sb_free(&names);
}

static bool write_ranges(state *s, bool *changed) {
  const mc_value *nan = nan_input(s);
  if (nan)
    return mc_error(s->cx->diag, nan->loc, "calibrate: the samples of input '%s' hold NaN",
                    name_of(nan));
  for (int k = 0; k < s->n; k++) {
    mc_range r = { true, s->seen[k].lo, s->seen[k].hi }, *old = &s->watch[k]->range;
    if (!usable(&s->seen[k]))
      r = (mc_range){ 0 };
    else if (s->seen[k].hist)
      r = mc_hist_range(s->seen[k].hist, (mc_e_calib)s->o->method, s->o->percentile);
    *changed |= old->known != r.known || old->lo != r.lo || old->hi != r.hi;
    *old = r;
  }
  warn_of_strange(s);
  return true;
}

bool mc_pass_calibrate(mc_pass_context *cx, const mc_opts_calibrate *o, bool *changed) {
  if (!(o->percentile > 0 && o->percentile <= 100))
    return mc_error(cx->diag, cx->loc, "calibrate: percentile must be above 0 and at most 100");
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "calibrate: samples must not be negative");
  state s = { .cx = cx, .o = o };
  collect_values(&s);
  return measure(&s) && write_ranges(&s, changed);
}
