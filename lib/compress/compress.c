/* compress: pruning and low rank together.
 *
 *   mixes=1:0.75:0     low rank to the budget; pruning to 75 %, then low rank; pruning to the
 * budget
 *
 * Each mix is tried on a copy of the graph, pruned by a fit that has not seen the samples held
 * back, and judged on those against the original; the one that changes the output least is then
 * made for good, with all samples. Contract: LOSSY; the bound is what was measured. */
#include "mc/measure/samples.h"
#include "mix.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool parse_mixes(composer *c) {
  mc_pass_context *cx = c->cx;
  for (const char *p = c->o->mixes; *p;) {
    char *end;
    double x = strtod(p, &end);
    if (end == p || (*end && *end != ':') || !(x >= 0 && x <= 1) || c->n == MC_MOST_MIXES)
      return mc_error(cx->diag, cx->loc,
                      "compress: mixes= takes up to %d shares from 0 to 1 with ':' between",
                      MC_MOST_MIXES);
    c->mix[c->n++] = x;
    p = *end ? end + 1 : end;
  }
  return c->n > 0 || mc_error(cx->diag, cx->loc, "compress: mixes= is empty");
}

static bool check_options(composer *c) {
  const mc_opts_compress *o = c->o;
  mc_pass_context *cx = c->cx;
  const double given[MC_NUM_BUDGETS] = { o->macs, o->params, o->bytes, o->arena, o->time };
  int n;
  if (!mc_budget_shares(cx, "compress", given, c->share, &n)) return false;
  if (!n) c->share[MC_BUDGET_macs] = 0.5;
  if (!mc_budget_target(cx, "compress", o->time)) return false;
  mc_budget_imply_time(cx, c->share, &c->implied);
  if (c->implied)
    mc_remark(cx->diag, cx->loc,
              "compress: at most %.0f %% of the time, for the macs asked for (time= overrules it)",
              100 * c->share[MC_BUDGET_time]);
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "compress: samples must be at least 0");
  if (o->memory < 1)
    return mc_error(cx->diag, cx->loc, "compress: memory must be at least 1 (MiB)");
  if (!mc_samples_path(cx, o->data))
    return mc_error(
        cx->diag, cx->loc,
        "compress: no samples: give data=FILE.npz, or a calibration line in the .mir file");
  return parse_mixes(c);
}

/* Does mix i say the same as one before? */
static bool said_before(const composer *c, int i) {
  const double *m = c->mix;
  for (int k = 0; k < i; k++)
    if (mc_mix_share(c, MC_BUDGET_macs, m[k]) == mc_mix_share(c, MC_BUDGET_macs, m[i]) &&
        mc_mix_splits(c, m[k]) == mc_mix_splits(c, m[i]) &&
        mc_mix_prunes(c, m[k]) == mc_mix_prunes(c, m[i]) && c->share[MC_BUDGET_macs] > 0)
      return true;
  return false;
}

/* All mixes. False: none is possible. */
static bool try_mixes(composer *c, mix_result *best) {
  bool any = false;
  for (int i = 0; i < c->n; i++) {
    mix_result r = { 0 };
    if (said_before(c, i)) continue;
    MC_STAT_ADD(c->cx, compress, tried, 1);
    if (!mc_mix_try(c, c->mix[i], &r)) continue;
    if (!any || mc_distance_main(&r.held) < mc_distance_main(&best->held)) *best = r;
    any = true;
    c->least = mc_distance_main(&best->held);
  }
  return any;
}

/* After no mix has met the limit of time that macs= implies: a looser one. */
static bool loosen(composer *c) {
  if (!mc_budget_relax(c->share, &c->implied)) return false;
  c->split.time = c->lr.share[MC_BUDGET_time] = c->share[MC_BUDGET_time];
  mc_remark(c->cx->diag, c->cx->loc,
            "compress: no mix saves as much time as the macs asked for promise; again with at "
            "most %.0f %% of the time",
            100 * c->share[MC_BUDGET_time]);
  return true;
}

static bool compose(composer *c) {
  mix_result best = { 0 };
  if (!mc_mix_open(c)) return false;
  while (!try_mixes(c, &best))
    if (!loosen(c))
      return mc_error(c->cx->diag, c->cx->loc,
                      "compress: none of the mixes is possible; the remarks say why");
  return mc_mix_make(c, &best);
}

bool mc_pass_compress(mc_pass_context *cx, const mc_opts_compress *o, bool *changed) {
  composer c = { .cx = cx, .o = o, .least = HUGE_VAL };
  if (!check_options(&c)) return false;
  bool ok = compose(&c);
  mc_mix_close(&c);
  *changed |= c.changed;
  return ok;
}
