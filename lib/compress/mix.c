/* One mix of compress: a trial on a copy of the graph, judged, and made for good. */
#include "mix.h"
#include "report.h"
#include <math.h>
#include <string.h>

/* In shares of the least distance so far: pruning alone gets more trials where the first ones
 * come so near to it; a mix whose first trial is so far away gets no second one. */
static const double promising = 1.5, hopeless = 1.25;

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
                  .lambda = c->lr.lambda,
                  .hopeless = c->lr.hopeless,
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

/* What a trial costs at most, from the least distance so far. */
static void set_limits(composer *c, double mix) {
  bool first = c->least >= HUGE_VAL, alone = !mc_mix_splits(c, mix);
  c->road.quick = !alone || !first;
  c->road.near = alone ? promising * c->least : 0;
  c->road.hopeless = c->lr.hopeless = first ? 0 : hopeless * c->least;
}

static bool prune_to(composer *c, double mix, mix_result *r) {
  mc_road_choice x;
  if (!c->p.n) return mc_error(c->own.diag, c->own.loc, "no channel of this graph may be removed");
  for (int k = 0; k < MC_NUM_BUDGETS; k++) c->p.share[k] = mc_mix_share(c, k, mix);
  if (!mc_road_choose(&c->road, &x)) return false;
  r->keep = mc_arena_copy(c->own.scratch, c->p.keep, sizeof *r->keep * (size_t)(c->p.ch->ncls + 1));
  r->held = x.held;
  if (!mc_mix_splits(c, mix)) return true;
  r->given_up = mc_distance_main(&x.held) > c->least;
  return r->given_up || try_rest(c, &x.fit, r);
}

static bool run_mix(composer *c, double mix, mix_result *r) {
  mc_lowrank_result res;
  r->mix = mix;
  set_limits(c, mix);
  if (mc_mix_prunes(c, mix)) return prune_to(c, mix, r);
  if (!mc_lr_best(&c->lr, &r->choice, &res)) return false;
  r->held = res.held;
  return true;
}

static const char *name_of(const composer *c, double mix) {
  mc_arena *a = c->cx->scratch;
  if (!mc_mix_prunes(c, mix)) return "low rank alone";
  if (!mc_mix_splits(c, mix)) return "pruning alone";
  return mc_arena_printf(a, "pruned to %g, then low rank", mix);
}

/* What trials remembered of lambda: another mix, and the last fit, find their own. */
static void forget(const composer *c) {
  for (int i = 0; c->p.lambda && i < c->road.products.n; i++) c->p.lambda[i] = 0;
  for (int i = 0; c->lr.lambda && i < c->lr.products.n; i++) c->lr.lambda[i] = 0;
}

bool mc_mix_try(composer *c, double mix, mix_result *r) {
  mc_diag quiet;
  mc_diag_init(&quiet, c->own.scratch);
  c->own.diag = &quiet;
  forget(c);
  bool ok = run_mix(c, mix, r);
  c->own.diag = c->cx->diag;
  const char *why = "";
  for (size_t i = 0; !ok && i < quiet.list.n; i++)
    if (quiet.list.v[i].sev == MC_ERROR) why = quiet.list.v[i].text;
  if (ok && r->given_up)
    mc_remark(c->cx->diag, c->cx->loc,
              "compress: %s: given up: pruning alone changes more (%.4g on held-back samples)",
              name_of(c, mix), mc_distance_main(&r->held));
  else if (ok)
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
  for (int k = 0; k < MC_NUM_BUDGETS; k++) c->p.share[k] = mc_mix_share(c, k, r->mix);
  if (!mc_road_fit(&c->road, keep, MC_FOLDS_ALL, &f) || !mc_road_judge(&c->road, &f, last))
    return false;
  if (!mc_fitted_set(&f, c->own.graph, c->own.diag)) return false;
  mc_prune_say_budgets(&c->p);
  for (int k = 0; k < c->p.ch->ncls; k++) c->changed |= !keep[k];
  const int64_t *const *rows = rows_left(c, keep);
  if (!mc_channels_remove(c->own.graph, c->p.ch, keep, c->own.diag)) return false;
  return !mc_mix_splits(c, r->mix) || split_rest(c, r, rows, last);
}

bool mc_mix_make(composer *c, const mix_result *r) {
  mc_distance last;
  mc_lowrank_result res;
  forget(c);
  bool ok = mc_mix_prunes(c, r->mix) ? prune_best(c, r, &last)
                                     : mc_lr_finish(&c->lr, r->choice, &res, &c->changed);
  if (!ok) return false;
  mc_report_damage(c->cx, "compress", &r->held, mc_mix_prunes(c, r->mix) ? &last : &res.final);
  return true;
}
