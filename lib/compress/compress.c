/* compress: pruning and low rank together.
 *
 *   mixes=1:0.75:0     low rank to the budget; pruning to 75 %, then low rank; pruning to the
 * budget
 *
 * Each mix is tried on a copy of the graph, pruned by a fit that has not seen the samples held
 * back, and judged on those against the original; the one that changes the output least is then
 * made for good, with all samples. Contract: LOSSY; the bound is what was measured. */
#include "lowrank.h"
#include "mc/measure/samples.h"
#include "prune.h"
#include "report.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_MIXES = 16 };
typedef struct composer {
  mc_pass_context *cx;
  const mc_opts_compress *o;
  double share[MC_NUM_BUDGETS];
  double mix[MOST_MIXES];
  int n;
} composer;

static bool parse_mixes(composer *c) {
  mc_pass_context *cx = c->cx;
  for (const char *p = c->o->mixes; *p;) {
    char *end;
    double x = strtod(p, &end);
    if (end == p || (*end && *end != ':') || !(x >= 0 && x <= 1) || c->n == MOST_MIXES)
      return mc_error(cx->diag, cx->loc,
                      "compress: mixes= takes up to %d shares from 0 to 1 with ':' between",
                      MOST_MIXES);
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
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "compress: samples must be at least 0");
  if (o->memory < 1)
    return mc_error(cx->diag, cx->loc, "compress: memory must be at least 1 (MiB)");
  if (!mc_samples_path(cx, o->data))
    return mc_error(
        cx->diag, cx->loc,
        "compress: no samples: give data=FILE.npz, or a calibration line in the .mir file");
  return parse_mixes(c);
}

/* What pruning keeps of budget k in a mix; 0: no budget. */
static double first_share(const composer *c, int k, double mix) {
  return c->share[k] <= 0 ? 0 : mix > c->share[k] ? mix : c->share[k];
}

static bool prunes(double mix) { return mix < 1; }
static bool splits(const composer *c, double mix) {
  for (int k = 0; k < MC_NUM_BUDGETS; k++)
    if (c->share[k] > 0 && mix > c->share[k]) return true;
  return false;
}

static bool prune_part(const composer *c, mc_pass_context *cx, double mix, bool trial,
                       mc_distance *held, mc_distance *last, bool *changed) {
  const mc_opts_compress *o = c->o;
  mc_opts_prune_channels p = { .macs = first_share(c, MC_BUDGET_macs, mix),
                               .params = first_share(c, MC_BUDGET_params, mix),
                               .bytes = first_share(c, MC_BUDGET_bytes, mix),
                               .arena = first_share(c, MC_BUDGET_arena, mix),
                               .time = first_share(c, MC_BUDGET_time, mix),
                               .arith = o->arith,
                               .data = o->data,
                               .samples = o->samples,
                               .memory = o->memory,
                               .p = 2,
                               .min = 1,
                               .skip = o->skip,
                               .file = "" };
  mc_prune_result r;
  if (!mc_prune(cx, &p, trial, &r, changed)) return false;
  if (r.measured) *held = r.held, *last = r.last;
  return true;
}

static bool split_part(const composer *c, mc_pass_context *cx, const mc_graph *original,
                       mc_distance *held, mc_distance *last, bool *changed) {
  const mc_opts_compress *o = c->o;
  mc_opts_lowrank_svd p = { .macs = c->share[MC_BUDGET_macs],
                            .params = c->share[MC_BUDGET_params],
                            .bytes = c->share[MC_BUDGET_bytes],
                            .arena = c->share[MC_BUDGET_arena],
                            .time = c->share[MC_BUDGET_time],
                            .arith = o->arith,
                            .data = o->data,
                            .samples = o->samples,
                            .memory = o->memory,
                            .align = 1,
                            .skip = o->skip };
  mc_lowrank_result r;
  if (!mc_lowrank(cx, &p, original, &r, changed)) return false;
  if (r.held.l2 >= 0) *held = r.held, *last = r.final;
  return true;
}

/* The mix on cx->graph. */
static bool run_mix(const composer *c, mc_pass_context *cx, double mix, bool trial,
                    const mc_graph *original, mc_distance *held, mc_distance *last,
                    bool *changed) {
  *held = *last = (mc_distance){ 0, 0, 0 };
  if (prunes(mix) && !prune_part(c, cx, mix, trial, held, last, changed)) return false;
  return !splits(c, mix) || split_part(c, cx, original, held, last, changed);
}

static const char *name_of(const composer *c, double mix) {
  mc_arena *a = c->cx->scratch;
  if (!prunes(mix)) return "low rank alone";
  if (!splits(c, mix)) return "pruning alone";
  return mc_arena_printf(a, "pruned to %g, then low rank", mix);
}

/* A mix on a copy; what it says is kept back. False: it is not possible, and why is said. */
static bool try_mix(const composer *c, double mix, mc_distance *held) {
  mc_pass_context own = *c->cx;
  mc_diag quiet;
  mc_distance last;
  bool changed = false;
  own.scratch = mc_arena_create();
  mc_diag_init(&quiet, own.scratch);
  own.diag = &quiet, own.stats = NULL;
  own.graph = mc_graph_clone(c->cx->graph);
  own.module = own.graph->module;
  bool ok = run_mix(c, &own, mix, true, c->cx->graph, held, &last, &changed);
  const char *why = "";
  for (size_t i = 0; !ok && i < quiet.list.n; i++)
    if (quiet.list.v[i].sev == MC_ERROR) why = quiet.list.v[i].text;
  if (ok)
    mc_remark(c->cx->diag, c->cx->loc, "compress: %s: %.4g on held-back samples", name_of(c, mix),
              mc_distance_main(held));
  else
    mc_remark(c->cx->diag, c->cx->loc, "compress: %s: not possible: %s", name_of(c, mix), why);
  mc_module_destroy(own.module);
  mc_arena_destroy(own.scratch);
  return ok;
}

static bool make(const composer *c, double mix, bool *changed) {
  mc_pass_context own = *c->cx;
  mc_distance held, last;
  own.stats = NULL;
  mc_graph *original = mc_graph_clone(c->cx->graph);
  bool ok = run_mix(c, &own, mix, false, original, &held, &last, changed);
  if (ok) mc_report_damage(c->cx, "compress", &held, &last);
  mc_module_destroy(original->module);
  return ok;
}

bool mc_pass_compress(mc_pass_context *cx, const mc_opts_compress *o, bool *changed) {
  composer c = { .cx = cx, .o = o };
  if (!check_options(&c)) return false;
  mc_distance least = { 0, 0, 0 }, x;
  double best = -1;
  for (int i = 0; i < c.n; i++) {
    bool again = false;
    for (int k = 0; k < i; k++)
      again |=
          first_share(&c, MC_BUDGET_macs, c.mix[k]) == first_share(&c, MC_BUDGET_macs, c.mix[i]) &&
          splits(&c, c.mix[k]) == splits(&c, c.mix[i]) && prunes(c.mix[k]) == prunes(c.mix[i]) &&
          c.share[MC_BUDGET_macs] > 0;
    if (again) continue;
    MC_STAT_ADD(cx, compress, tried, 1);
    if (!try_mix(&c, c.mix[i], &x)) continue;
    if (best < 0 || mc_distance_main(&x) < mc_distance_main(&least)) best = c.mix[i], least = x;
  }
  if (best < 0)
    return mc_error(cx->diag, cx->loc,
                    "compress: none of the mixes is possible; the remarks say why");
  return make(&c, best, changed);
}
