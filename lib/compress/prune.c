/* prune-channels: remove the least important channels, everywhere they reach.
 *
 *   %1 = conv2d %x, %w1, %b1 : f32[1,32,32,16]
 *   %2 = relu %1 : f32[1,32,32,16]
 *   %3 = conv2d %2, %w2, %b2 : f32[1,32,32,32]
 * with 6 of 16 channels gone becomes
 *   %1 = conv2d %x, %w1.p, %b1.p : f32[1,32,32,10]            // rows of %w1 and %b1
 *   %2 = relu %1 : f32[1,32,32,10]
 *   %3 = conv2d %2, %w2.p, %b2 : f32[1,32,32,32]              // columns of %w2
 *
 * Channels that must stay together (analysis/channels.h) go together. The score of a class is the
 * mean over the products that make it; with scope=global each layer's scores are divided by their
 * root mean square first, so that layers compare (Molchanov et al. 2017, section 2.2). A layer
 * never loses all channels. Not pruned: what the analysis says cannot go, layers named in skip=. A
 * removed channel that is a constant (gamma 0, beta not) goes on in the bias of the layers that
 * read it (steadyfold.c). Contract: LOSSY, without a bound: accuracy comes back by training, so
 * measure it (mc-eval). */
#include "prune.h"
#include "bn.h"
#include "report.h"
#include "score.h"
#include "steady.h"
#include "mc/measure/samples.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <math.h>

/* ---- scores ---- */

static const char *protect_layer(const pruner *p, const mc_node *n) {
  bool named = mc_glob_list(p->o->skip, n->source) || mc_glob_list(p->o->skip, n->out[0]->name);
  return named ? "named in skip" : NULL;
}

static void protect(pruner *p, const mc_node *n) {
  const char *why = protect_layer(p, n);
  for (int64_t c = 0; why && c < n->in[1]->type->dim[0]; c++) {
    mc_chan_class *k = &p->ch->cls[mc_channels_class(p->ch, n->out[0], c)];
    if (!k->fixed) k->fixed = why;
  }
}

static mc_scoring scoring_of(const pruner *p) {
  const mc_opts_prune_channels *o = p->o;
  return (mc_scoring){ .cx = p->cx,
                       .ch = p->ch,
                       .by = p->by == mc_score_obs ? mc_score_l2 : p->by,
                       .together = (mc_e_together)o->group,
                       .p = o->p,
                       .seed = o->seed,
                       .file = o->file,
                       .level = !p->local,
                       .gammas = &p->gammas,
                       .walk = p->walk };
}

static bool score_classes(pruner *p) {
  MC_FOR_NODES (n, p->cx->graph)
    if (mc_makes_channels(n)) protect(p, n);
  p->score = MC_NEWN(p->cx->scratch, double, p->ch->ncls + 1);
  mc_scoring how = scoring_of(p);
  return mc_scores(&how, p->score);
}

/* ---- options ---- */

static bool check_budgets(pruner *p) {
  const mc_opts_prune_channels *o = p->o;
  mc_pass_context *cx = p->cx;
  const double given[MC_NUM_BUDGETS] = { o->macs, o->params, o->bytes, o->arena, o->time };
  int n;
  if (!mc_budget_shares(cx, "prune-channels", given, p->share, &n)) return false;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++)
    if (p->share[k] > 0 && o->ratio > 0)
      return mc_error(cx->diag, cx->loc, "prune-channels: ratio and %s exclude each other",
                      mc_budget_names[k]);
  return mc_budget_target(cx, "prune-channels", o->time);
}

static bool check_numbers(pruner *p) {
  const mc_opts_prune_channels *o = p->o;
  mc_diag *d = p->cx->diag;
  mc_loc at = p->cx->loc;
  if (!(o->ratio >= 0 && o->ratio < 1))
    return mc_error(d, at, "prune-channels: ratio must be at least 0 and below 1");
  if (o->align < 0 || o->align > 1024)
    return mc_error(d, at, "prune-channels: align must be between 0 and 1024");
  if (o->file[0] && o->score != mc_score_file)
    return mc_error(d, at, "prune-channels: file= is for score=file");
  if (o->min < 1) return mc_error(d, at, "prune-channels: min must be at least 1");
  if (o->samples < 0) return mc_error(d, at, "prune-channels: samples must be at least 0");
  if (o->memory < 1) return mc_error(d, at, "prune-channels: memory must be at least 1 (MiB)");
  if (!(o->damping >= 0) || isinf(o->damping))
    return mc_error(d, at, "prune-channels: damping must be at least 0");
  return (o->score == mc_score_lp ? o->p > 0 : true) ||
         mc_error(d, at, "prune-channels: p must be above 0");
}

static bool needs_samples(pruner *p, const char *option) {
  return mc_error(p->cx->diag, p->cx->loc,
                  "prune-channels: %s needs samples: give data=FILE.npz, or a calibration line in "
                  "the .mir file",
                  option);
}

/* The refit sees zeros in the place of channels that go, of which layer_norm makes other statistics
 * than of the width that is left. */
static bool refuse_norms(const pruner *p) {
  return mc_error(p->cx->diag, p->cx->loc,
                  "prune-channels: norms=true changes what layer_norm computes, which samples "
                  "cannot repair: say repair=none, and train the result");
}

/* What `auto` is. */
static bool resolve(pruner *p, bool data) {
  const mc_opts_prune_channels *o = p->o;
  mc_pass_context *cx = p->cx;
  p->by = o->score != mc_score_auto ? (mc_e_score)o->score : data ? mc_score_obs : mc_score_l2;
  p->alloc = (mc_e_alloc)o->alloc;
  if (o->scope != mc_prunescope_auto) {
    mc_e_alloc same = o->scope == mc_prunescope_global ? mc_alloc_global : mc_alloc_uniform;
    if (o->alloc != mc_alloc_auto && o->alloc != (mc_field_ENUM)same)
      return mc_error(cx->diag, cx->loc, "prune-channels: scope=%s and alloc=%s exclude each other",
                      mc_names_prunescope[o->scope], mc_names_alloc[o->alloc]);
    p->alloc = same;
  }
  if (p->alloc == mc_alloc_auto)
    p->alloc = data && o->ratio <= 0 ? mc_alloc_measured : mc_alloc_global;
  p->local = p->alloc == mc_alloc_uniform;
  if (p->alloc == mc_alloc_measured && o->ratio > 0)
    return mc_error(cx->diag, cx->loc,
                    "prune-channels: alloc=measured shares out a budget (macs= params= bytes= "
                    "arena= time=), not a ratio");
  bool refit = o->repair == mc_fixup_auto || o->repair == mc_fixup_refit;
  if (data) return !o->norms || !refit || refuse_norms(p);
  if (p->by == mc_score_obs) return needs_samples(p, "score=obs");
  if (p->alloc == mc_alloc_measured) return needs_samples(p, "alloc=measured");
  if (o->repair == mc_fixup_refit || o->repair == mc_fixup_bn)
    return needs_samples(p, o->repair == mc_fixup_bn ? "repair=bn" : "repair=refit");
  if (o->damping > 0) return needs_samples(p, "damping=");
  return true;
}

/* ---- the pass ---- */

/* The alignment asked for, or what the target's vectors like. */
static int64_t alignment(const pruner *p) {
  if (p->o->align > 0) return p->o->align;
  if (p->alloc == mc_alloc_measured) return 1;
  return p->cx->target && p->cx->target->align_channels > 0 ? p->cx->target->align_channels : 8;
}

/* Constants that later layers cannot take over stay, and with them as many channels as the
 * alignment asks for. */
static void keep_steady(pruner *p, const steady *s) {
  int before = 0, after = 0;
  for (int k = 0; k < p->ch->ncls; k++) before += p->keep[k];
  while (mc_steady_keep(s, p->ch, p->keep)) mc_prune_round(p, p->align);
  for (int k = 0; k < p->ch->ncls; k++) after += p->keep[k];
  if (after > before)
    mc_remark(p->cx->diag, p->cx->loc,
              "prune-channels: %d channels more stay: they are constants that a padded or "
              "transposed convolution reads, whose border a bias cannot say",
              after - before);
}

/* Constants of what goes move on. */
static bool fold_steady(pruner *p, bool *any) {
  steady *s = mc_steady_of(p->cx->graph, p->cx->scratch);
  keep_steady(p, s);
  *any = false;
  for (int k = 0; k < p->ch->ncls; k++) *any |= !p->keep[k];
  if (*any) p->fill = mc_steady_fill(s, p->ch, p->keep);
  return !*any || mc_steady_fold(s, p->ch, p->keep, p->cx->diag);
}

/* Weights alone choose. */
static bool without_samples(pruner *p, bool *any) {
  if (p->o->repair == mc_fixup_auto)
    mc_warning(p->cx->diag, p->cx->loc,
               "prune-channels: no samples (data=FILE.npz): weights alone say what goes, and "
               "nothing makes up for it; the result needs training (repair=none: this is wanted)");
  mc_prune_rank(p);
  if (!mc_prune_mask(p)) return false;
  mc_channels_never_empty(p->cx->graph, p->ch, p->keep, p->score);
  return fold_steady(p, any);
}

static bool with_samples(pruner *p, bool *any) {
  if (p->o->pad_outputs && !mc_channels_means(p->cx, &p->walk, p->ch, &p->fill)) return false;
  if (!mc_prune_with_samples(p, any)) return false;
  if (!*any || mc_prune_refits(p)) return true;
  mc_prune_rank(p);
  return fold_steady(p, any);
}

bool mc_prune_refits(const pruner *p) {
  return p->walk.samples > 0 && (p->o->repair == mc_fixup_auto || p->o->repair == mc_fixup_refit);
}

/* Gammas outlive the batch_norms that are folded away. */
static void save_gammas(pruner *p) {
  mc_map_init(&p->gammas, p->cx->scratch);
  MC_FOR_NODES (n, p->cx->graph) {
    mc_tensor *gamma = n->nout ? mc_bn_gamma(n) : NULL;
    if (gamma) *mc_map_ptr_slot(&p->gammas, n) = gamma;
  }
}

bool mc_prune_prepare(pruner *p, bool *changed) {
  save_gammas(p);
  if (mc_prune_refits(p) && !mc_bn_fold(p->cx, changed)) return false;
  mc_channels_opts may = { .norms = p->o->norms,
                           .outputs = p->o->pad_outputs,
                           .inside = p->o->inside };
  p->ch = mc_channels_of_opts(p->cx->graph, &may, p->cx->scratch);
  mc_channels_only(p->ch, (mc_e_prunewhat)p->o->what);
  p->keep = MC_NEWN(p->cx->scratch, bool, p->ch->ncls + 1);
  for (int k = 0; k < p->ch->ncls; k++) p->keep[k] = true;
  if (!score_classes(p)) return false;
  mc_prune_rank(p);
  mc_channels_remark(p->cx->graph, p->ch, p->cx->diag);
  p->align = alignment(p);
  mc_arith how = mc_budget_arith(p->o->arith);
  p->widths = mc_widths_of(p->cx->graph, p->ch, p->cx->target, how, p->cx->scratch);
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++)
    if (p->share[k] > 0) p->full[k] = mc_prune_cost(p, k);
  return true;
}

static bool new_statistics(pruner *p) {
  int n;
  if (!mc_bn_estimate(p->cx, &p->walk, &n)) return false;
  if (!n)
    mc_warning(p->cx->diag, p->cx->loc,
               "prune-channels: repair=bn did nothing: the graph has no batch_norm with constant "
               "statistics (folded already?); repair=refit needs none");
  return true;
}

static bool prune(pruner *p, bool data, bool *changed) {
  mc_pass_context *cx = p->cx;
  bool any = false;
  if (data && p->alloc == mc_alloc_measured && !mc_prune_any_budget(p))
    p->share[MC_BUDGET_macs] = 0.5;
  if (data && p->alloc == mc_alloc_measured) mc_budget_imply_time(p->cx, p->share, &p->implied);
  if (!mc_prune_prepare(p, changed)) return false;
  if (!p->n) {
    mc_warning(cx->diag, cx->loc, "prune-channels: no channel of this graph may be removed");
    return true;
  }
  if (!(data ? with_samples(p, &any) : without_samples(p, &any))) return false;
  int removed = 0;
  for (int k = 0; k < p->ch->ncls; k++) removed += !p->keep[k];
  if (mc_prune_any_budget(p)) mc_prune_say_budgets(p);
  if (!removed) return true;
  p->res->removed = removed;
  *changed = true;
  mc_channels_say_norms(cx->graph, p->ch, p->keep, cx->diag);
  if (!mc_channels_remove_fill(cx->graph, p->ch, p->keep, &p->fill, cx->diag)) return false;
  return p->o->repair != mc_fixup_bn || new_statistics(p);
}

bool mc_prune_options(pruner *p, bool *data) {
  mc_pass_context *cx = p->cx;
  *p->res = (mc_prune_result){ .predicted = -1 };
  if (!check_numbers(p) || !check_budgets(p)) return false;
  mc_layers_warn_unmatched(cx, "prune-channels", "skip", p->o->skip, MC_T_ACCUM);
  const char *path = mc_samples_path(cx, p->o->data);
  *data = path != NULL;
  if (!resolve(p, *data)) return false;
  mc_walk_opts walk = {
    .data = path, .samples = p->o->samples, .memory = p->o->memory << 20, .what = "prune"
  };
  if (path && !mc_walk_count(cx, &walk)) return false;
  if (path) p->walk = walk;
  return true;
}

bool mc_pass_prune_channels(mc_pass_context *cx, const mc_opts_prune_channels *o, bool *changed) {
  mc_prune_result r;
  pruner p = { .cx = cx, .o = o, .res = &r };
  bool data;
  if (!mc_prune_options(&p, &data) || !prune(&p, data, changed)) return false;
  MC_STAT_ADD(cx, prune_channels, removed, r.removed);
  if (r.measured) mc_report_damage(cx, "prune-channels", &r.held, &r.last);
  return true;
}
