/* compress: pruning and low rank together.
 *
 *   mixes=1:0.75:0     low rank to the budget; pruning to 75 %, then low rank; pruning to the
 * budget
 *
 * Each mix is tried on a copy of the graph, pruned by a fit that has not seen the samples held
 * back, and judged on those against the original; the one that changes the output least is then
 * made for good, with all samples. Contract: LOSSY; the bound is what was measured. */
#include "bn.h"
#include "lowrank.h"
#include "mc/measure/samples.h"
#include "prune_road.h"
#include "report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MIXES = 16 };
/* Pruning alone gets all of its trials where the first ones come so near to the best mix. */
static const double promising = 1.5;

typedef struct composer {
  mc_pass_context *cx;
  const mc_opts_compress *o;
  double share[MC_NUM_BUDGETS];
  bool implied; /* share[time] follows from macs= and the target */
  double mix[MOST_MIXES];
  int n;
  /* What the mixes share; the graph stays as it is until the best one is made. */
  mc_pass_context own; /* its diag keeps quiet while a mix is tried */
  bool changed;
  double least; /* distance of the best mix so far */
  mc_graph *original;
  mc_damage *damage;
  mc_targets *targets;
  mc_opts_prune_channels prune;
  mc_opts_lowrank_svd split;
  pruner p;
  mc_prune_result pruned;
  data_road road;
  lowrank lr;
} composer;

/* What a mix came to. */
typedef struct mix_result {
  double mix;
  mc_distance held;
  bool *keep;    /* classes that stay; NULL: nothing is pruned */
  int *choice;   /* of the alternatives of composer.lr, or (pruned first) of its own */
  mc_form *form; /* pruned first: by product */
} mix_result;

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

/* What pruning keeps of budget k in a mix; 0: no budget. */
static double first_share(const composer *c, int k, double mix) {
  return c->share[k] <= 0 ? 0 : mix > c->share[k] ? mix : c->share[k];
}

static bool prunes(const composer *c, double mix) {
  (void)c;
  return mix < 1;
}
static bool splits(const composer *c, double mix) {
  for (int k = 0; k < MC_NUM_BUDGETS; k++)
    if (c->share[k] > 0 && mix > c->share[k]) return true;
  return false;
}

/* ---- what the mixes share ---- */

static mc_opts_prune_channels prune_options(const composer *c) {
  const mc_opts_compress *o = c->o;
  return (mc_opts_prune_channels){ .macs = c->share[MC_BUDGET_macs],
                                   .params = c->share[MC_BUDGET_params],
                                   .bytes = c->share[MC_BUDGET_bytes],
                                   .arena = c->share[MC_BUDGET_arena],
                                   .time = c->share[MC_BUDGET_time],
                                   .arith = o->arith,
                                   .data = o->data,
                                   .samples = o->samples,
                                   .memory = o->memory,
                                   .p = 2,
                                   .min = 1,
                                   .skip = o->skip,
                                   .file = "" };
}

static mc_opts_lowrank_svd split_options(const composer *c) {
  const mc_opts_compress *o = c->o;
  return (mc_opts_lowrank_svd){ .macs = c->share[MC_BUDGET_macs],
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
}

static bool some(const composer *c, bool (*is)(const composer *, double)) {
  for (int i = 0; i < c->n; i++)
    if (is(c, c->mix[i])) return true;
  return false;
}

static bool open_pruning(composer *c) {
  bool data;
  c->prune = prune_options(c);
  c->p = (pruner){ .cx = &c->own, .o = &c->prune, .res = &c->pruned };
  if (!mc_prune_options(&c->p, &data) || !mc_prune_prepare(&c->p, &c->changed)) return false;
  return !c->p.n || mc_road_open(&c->road, &c->p, c->damage, c->targets);
}

static bool open_splitting(composer *c) {
  c->split = split_options(c);
  c->lr = (lowrank){ .cx = &c->own, .o = &c->split, .damage = c->damage, .targets = c->targets, .quick = true };
  return mc_lr_open(&c->lr, &c->changed) && mc_lr_table(&c->lr);
}

/* Damages of widths and of ranks, of the graph as it is. */
static bool open_shared(composer *c) {
  c->own = *c->cx;
  c->own.stats = NULL;
  mc_walk_opts w = { .data = c->o->data,
                     .samples = c->o->samples,
                     .memory = c->o->memory << 20,
                     .what = "compress" };
  if (!mc_bn_fold_any(&c->own, &c->changed)) return false;
  c->original = mc_graph_clone(c->own.graph);
  c->damage = mc_damage_open(&c->own, &w);
  if (!c->damage || !(c->targets = mc_targets_open(&c->own, &w))) return false;
  return (!some(c, prunes) || open_pruning(c)) && (!some(c, splits) || open_splitting(c));
}

static void close_shared(composer *c) {
  if (c->road.p) mc_road_close(&c->road);
  mc_lr_close(&c->lr);
  mc_targets_close(c->targets);
  if (c->damage) mc_damage_close(c->damage);
  if (c->original) mc_module_destroy(c->original->module);
}

/* ---- a mix ---- */

/* By product of the graph that is left: which rows of the original's they are. */
static const int64_t *const *rows_left(const composer *c, const bool *keep) {
  mc_arena *a = c->own.scratch;
  const int64_t **rows = MC_NEWN(a, const int64_t *, c->road.products.n + 1);
  for (int i = 0; i < c->road.products.n; i++) {
    const mc_product *p = &c->road.products.v[i];
    const bool *f = mc_sites_rows(c->p.ch, p, keep, a);
    if (!f) continue;
    int64_t n = 0, *at = MC_NEWN(a, int64_t, p->groups * p->o);
    for (int64_t r = 0; r < p->groups * p->o; r++)
      if (f[r]) at[n++] = r;
    rows[i] = at;
  }
  return rows;
}

/* Low rank on what pruning left (in cx); its rows are `rows`. */
static bool open_rest(const composer *c, lowrank *z, mc_pass_context *cx,
                      const int64_t *const *rows) {
  bool changed = false;
  *z = (lowrank){ .cx = cx,
                  .o = &c->split,
                  .original = c->original,
                  .damage = c->damage,
                  .targets = c->targets,
                  .rows = rows,
                  .like = &c->lr,
                  .quick = true };
  return mc_lr_open(z, &changed);
}

/* The graph without the classes that went, as a copy. NULL after reporting. */
static mc_graph *left_over(composer *c, const mc_fitted *f) {
  mc_arena *a = c->own.scratch;
  mc_graph *g = mc_fitted_copy(f, c->own.graph, c->own.diag);
  if (!g) return NULL;
  mc_channels_opts may = { 0 };
  mc_channels *ch = mc_channels_of_opts(g, &may, a);
  if (ch->ncls == c->p.ch->ncls && mc_channels_remove(g, ch, c->p.keep, c->own.diag)) return g;
  mc_module_destroy(g->module);
  return NULL;
}

/* Ranks for what the widths of c->p leave. */
static bool try_rest(composer *c, const mc_fitted *f, mix_result *r) {
  mc_pass_context cx = c->own;
  mc_lowrank_result res;
  if (!(cx.graph = left_over(c, f))) return false;
  cx.module = cx.graph->module;
  cx.scratch = mc_arena_create();
  lowrank z;
  int *choice;
  bool ok = open_rest(c, &z, &cx, rows_left(c, c->p.keep)) && mc_lr_table(&z) &&
            mc_lr_best(&z, &choice, &res);
  if (ok) {
    size_t n = (size_t)z.products.n + 1;
    r->held = res.held;
    r->choice = mc_arena_copy(c->own.scratch, choice, sizeof *choice * n);
    r->form = MC_NEWN(c->own.scratch, mc_form, n);
    for (int i = 0; i < z.products.n; i++) r->form[i] = z.l[i].alt.v[choice[i]].form;
  }
  mc_module_destroy(cx.module);
  mc_arena_destroy(cx.scratch);
  return ok;
}

static bool prune_to(composer *c, double mix, mix_result *r) {
  mc_road_choice x;
  if (!c->p.n)
    return mc_error(c->own.diag, c->own.loc, "no channel of this graph may be removed");
  for (int k = 0; k < MC_NUM_BUDGETS; k++) c->p.share[k] = first_share(c, k, mix);
  c->road.quick = splits(c, mix) || c->least < HUGE_VAL;
  if (!mc_road_choose(&c->road, &x)) return false;
  bool near = mc_distance_main(&x.held) < promising * c->least;
  if (c->road.quick && !splits(c, mix) && near && !mc_damage_large(c->damage)) {
    c->road.quick = false;
    if (!mc_road_choose(&c->road, &x)) return false;
  }
  r->keep = mc_arena_copy(c->own.scratch, c->p.keep, sizeof *r->keep * (size_t)(c->p.ch->ncls + 1));
  r->held = x.held;
  return !splits(c, mix) || try_rest(c, &x.fit, r);
}

static bool run_mix(composer *c, double mix, mix_result *r) {
  mc_lowrank_result res;
  r->mix = mix;
  if (prunes(c, mix)) return prune_to(c, mix, r);
  if (!mc_lr_best(&c->lr, &r->choice, &res)) return false;
  r->held = res.held;
  return true;
}

static const char *name_of(const composer *c, double mix) {
  mc_arena *a = c->cx->scratch;
  if (!prunes(c, mix)) return "low rank alone";
  if (!splits(c, mix)) return "pruning alone";
  return mc_arena_printf(a, "pruned to %g, then low rank", mix);
}

/* One mix, judged; what it says is kept back. False: it is not possible, and why is said. */
static bool try_mix(composer *c, double mix, mix_result *r) {
  mc_diag quiet;
  mc_diag_init(&quiet, c->own.scratch);
  c->own.diag = &quiet;
  bool ok = run_mix(c, mix, r);
  c->own.diag = c->cx->diag;
  const char *why = "";
  for (size_t i = 0; !ok && i < quiet.list.n; i++)
    if (quiet.list.v[i].sev == MC_ERROR) why = quiet.list.v[i].text;
  if (ok)
    mc_remark(c->cx->diag, c->cx->loc, "compress: %s: %.4g on held-back samples", name_of(c, mix),
              mc_distance_main(&r->held));
  else
    mc_remark(c->cx->diag, c->cx->loc, "compress: %s: not possible: %s", name_of(c, mix), why);
  return ok;
}

/* ---- the best one, with all samples ---- */

/* The forms of the trial, on what pruning left of the graph. */
static bool split_rest(composer *c, const mix_result *r, const int64_t *const *rows,
                       mc_distance *last) {
  lowrank z;
  mc_lowrank_result res;
  if (!open_rest(c, &z, &c->own, rows)) return false;
  int *choice = MC_NEWN(c->own.scratch, int, z.products.n + 1);
  for (int i = 0; i < z.products.n; i++) {
    if (r->form[i].kind != MC_FORM_whole) mc_lr_add(&z, &z.l[i], &r->form[i], 0, 0);
    choice[i] = z.l[i].alt.n > 1;
  }
  if (!mc_lr_finish(&z, choice, &res, &c->changed)) return false;
  *last = res.final;
  return true;
}

static bool prune_best(composer *c, const mix_result *r, mc_distance *last) {
  mc_fitted f;
  bool *keep = c->p.keep;
  memcpy(keep, r->keep, sizeof *keep * (size_t)c->p.ch->ncls);
  for (int k = 0; k < MC_NUM_BUDGETS; k++) c->p.share[k] = first_share(c, k, r->mix);
  if (!mc_road_fit(&c->road, keep, MC_FOLDS_ALL, &f) || !mc_road_judge(&c->road, &f, last))
    return false;
  if (!mc_fitted_set(&f, c->own.graph, c->own.diag)) return false;
  mc_prune_say_budgets(&c->p);
  for (int k = 0; k < c->p.ch->ncls; k++) c->changed |= !keep[k];
  const int64_t *const *rows = rows_left(c, keep);
  if (!mc_channels_remove(c->own.graph, c->p.ch, keep, c->own.diag)) return false;
  return !splits(c, r->mix) || split_rest(c, r, rows, last);
}

static bool make(composer *c, const mix_result *r) {
  mc_distance last;
  mc_lowrank_result res;
  bool ok = prunes(c, r->mix) ? prune_best(c, r, &last)
                              : mc_lr_finish(&c->lr, r->choice, &res, &c->changed);
  if (!ok) return false;
  mc_report_damage(c->cx, "compress", &r->held, prunes(c, r->mix) ? &last : &res.final);
  return true;
}

/* Does mix i say the same as one before? */
static bool said_before(const composer *c, int i) {
  const double *m = c->mix;
  for (int k = 0; k < i; k++)
    if (first_share(c, MC_BUDGET_macs, m[k]) == first_share(c, MC_BUDGET_macs, m[i]) &&
        splits(c, m[k]) == splits(c, m[i]) && prunes(c, m[k]) == prunes(c, m[i]) &&
        c->share[MC_BUDGET_macs] > 0)
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
    if (!try_mix(c, c->mix[i], &r)) continue;
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
  if (!open_shared(c)) return false;
  while (!try_mixes(c, &best))
    if (!loosen(c))
      return mc_error(c->cx->diag, c->cx->loc,
                      "compress: none of the mixes is possible; the remarks say why");
  return make(c, &best);
}

bool mc_pass_compress(mc_pass_context *cx, const mc_opts_compress *o, bool *changed) {
  composer c = { .cx = cx, .o = o, .least = HUGE_VAL };
  if (!check_options(&c)) return false;
  bool ok = compose(&c);
  close_shared(&c);
  *changed |= c.changed;
  return ok;
}
