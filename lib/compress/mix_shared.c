/* What the mixes of compress share: damages of widths and of ranks, targets and moments of the
 * original. */
#include "bn.h"
#include "mix.h"
#include <math.h>

double mc_mix_share(const composer *c, int k, double mix) {
  return c->share[k] <= 0 ? 0 : mix > c->share[k] ? mix : c->share[k];
}

bool mc_mix_prunes(const composer *c, double mix) {
  (void)c;
  return mix < 1;
}

bool mc_mix_splits(const composer *c, double mix) {
  for (int k = 0; k < MC_NUM_BUDGETS; k++)
    if (c->share[k] > 0 && mix > c->share[k]) return true;
  return false;
}

/* ---- options ---- */

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

/* ---- opening ---- */

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
  c->p.walk.enough = MC_ENOUGH_QUICK;
  c->p.quick = true;
  c->p.moments = c->moments;
  c->p.lambda = MC_NEWN(c->a, double, mc_products_of(c->own.graph, c->a).n + 1);
  return !c->p.n || mc_road_open(&c->road, &c->p, c->damage, c->targets);
}

static bool open_splitting(composer *c) {
  c->split = split_options(c);
  c->lr = (lowrank){ .cx = &c->own,
                     .o = &c->split,
                     .damage = c->damage,
                     .targets = c->targets,
                     .moments = c->moments,
                     .quick = true };
  c->lr.lambda = MC_NEWN(c->a, double, mc_products_of(c->own.graph, c->a).n + 1);
  return mc_lr_open(&c->lr, &c->changed) && mc_lr_table(&c->lr);
}

/* Moments of the original, once for widths and ranks, where they are a small part of the memory. */
static bool keep_moments(composer *c, const mc_walk_opts *w) {
  mc_products p = mc_products_of(c->own.graph, c->a);
  int64_t bytes = 0;
  for (int i = 0; i < p.n; i++) bytes += mc_moments_bytes(&p.v[i]);
  if (bytes > w->memory / 4) return true;
  return (c->moments = mc_moments_of_all(&c->own, w, &p, NULL, c->a)) != NULL;
}

bool mc_mix_open(composer *c) {
  c->a = mc_arena_create();
  c->own = *c->cx;
  c->own.stats = NULL;
  mc_walk_opts w = {
    .data = c->o->data, .samples = c->o->samples, .memory = c->o->memory << 20, .what = "compress"
  };
  if (!mc_bn_fold_any(&c->own, &c->changed)) return false;
  c->original = mc_graph_clone(c->own.graph);
  c->damage = mc_damage_open(&c->own, &w);
  if (!c->damage || !(c->targets = mc_targets_open(&c->own, &w)) || !keep_moments(c, &w))
    return false;
  return (!some(c, mc_mix_prunes) || open_pruning(c)) &&
         (!some(c, mc_mix_splits) || open_splitting(c));
}

void mc_mix_close(composer *c) {
  if (c->road.p) mc_road_close(&c->road);
  mc_lr_close(&c->lr);
  mc_targets_close(c->targets);
  if (c->damage) mc_damage_close(c->damage);
  if (c->original) mc_module_destroy(c->original->module);
  mc_arena_destroy(c->a);
}
