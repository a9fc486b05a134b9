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
 * Channels that must stay together (analysis/channels.h) go together. The score of a class is the mean over the products that make it; with scope=global each layer's scores are divided by
 * their root mean square first, so that layers compare (Molchanov et al. 2017, section 2.2). A layer never loses all channels. Not pruned: what the analysis says cannot go, layers named in
 * skip=. A removed channel that is a constant (gamma 0, beta not) goes on in the bias of the layers that read it (steadyfold.c). Contract: LOSSY, without a bound: accuracy comes back by training, so measure it (mc-eval). */
#include "score.h"
#include "steady.h"
#include "mc/ir/build.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <math.h>
#include <stdlib.h>

typedef struct candidate { double score; int cls; } candidate;
typedef struct pruner {
  mc_pass_context *cx; const mc_opts_prune_channels *o;
  mc_channels *ch;
  double *score;                  /* by class */
  candidate *order; int n;        /* prunable classes, least important first */
  bool *keep;
  int64_t align;                  /* what the counts of channels are multiples of */
} pruner;

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
                       .by = (mc_e_score)o->score,
                       .together = (mc_e_together)o->group,
                       .p = o->p,
                       .seed = o->seed,
                       .file = o->file,
                       .level = o->scope == mc_scope_global,
                       .walk = { .data = o->data, .what = "score" } };
}

static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return (x->cls > y->cls) - (x->cls < y->cls);
}

static bool rank_classes(pruner *p) {
  mc_channels *ch = p->ch;
  MC_FOR_NODES(n, p->cx->graph)
    if (mc_makes_channels(n)) protect(p, n);
  p->score = MC_NEWN(p->cx->scratch, double, ch->ncls + 1);
  mc_scoring how = scoring_of(p);
  if (!mc_scores(&how, p->score)) return false;
  mc_channels_remark(p->cx->graph, ch, p->cx->diag);
  p->order = MC_NEWN(p->cx->scratch, candidate, ch->ncls + 1);
  for (int k = 0; k < ch->ncls; k++)
    if (!ch->cls[k].fixed && ch->cls[k].group >= 0) p->order[p->n++] = (candidate){ p->score[k], k };
  qsort(p->order, (size_t)p->n, sizeof *p->order, by_score);
  return true;
}

/* ---- masks ---- */

/* Give back the best removed classes of each group until its count is a multiple of `align` (or all are there) and at least `min`. */
static void round_groups(pruner *p, int64_t align) {
  p->align = align;
  int *kept = MC_NEWN(p->cx->scratch, int, p->ch->ngroup + 1);
  for (int k = 0; k < p->ch->ncls; k++)
    if (p->ch->cls[k].group >= 0) kept[p->ch->cls[k].group] += p->keep[k];
  for (int i = p->n - 1; i >= 0; i--) {
    int k = p->order[i].cls, g = p->ch->cls[k].group;
    int64_t width = p->ch->group[g].width, many = kept[g] * width;
    if (p->keep[k] || (many % align == 0 && many >= p->o->min && kept[g] > 0)) continue;
    p->keep[k] = true;
    kept[g]++;
  }
}

/* Keep all but the `count` least important candidates, then round. */
static void mask_global(pruner *p, int count, int64_t align) {
  for (int k = 0; k < p->ch->ncls; k++) p->keep[k] = true;
  for (int i = 0; i < count; i++) p->keep[p->order[i].cls] = false;
  round_groups(p, align);
}

/* The same share of each group. */
static void mask_local(pruner *p, double ratio, int64_t align) {
  int *quota = MC_NEWN(p->cx->scratch, int, p->ch->ngroup + 1);
  for (int g = 0; g < p->ch->ngroup; g++) quota[g] = (int)floor(p->ch->group[g].size * ratio + 1e-9);
  for (int k = 0; k < p->ch->ncls; k++) p->keep[k] = true;
  for (int i = 0; i < p->n; i++) {
    int k = p->order[i].cls, g = p->ch->cls[k].group;
    if (quota[g] > 0) quota[g]--, p->keep[k] = false;
  }
  round_groups(p, align);
}

static void mask_share(pruner *p, double share, int64_t align) {
  if (p->o->scope == mc_scope_local) mask_local(p, share, align);
  else mask_global(p, (int)floor(share * p->n + 1e-9), align);
}

/* Smallest share that meets the budget, by bisection; false: even removing all that may go does not. */
static bool mask_for_macs(pruner *p, double budget, int64_t align) {
  double lo = 0, hi = 1;
  mask_share(p, hi, align);
  if (mc_channels_macs(p->cx->graph, p->ch, p->keep) > budget) return false;
  for (int i = 0; i < 40 && (hi - lo) * (p->n + 1) > 0.25; i++) {
    double mid = (lo + hi) / 2;
    mask_share(p, mid, align);
    if (mc_channels_macs(p->cx->graph, p->ch, p->keep) > budget) lo = mid;
    else hi = mid;
  }
  mask_share(p, hi, align);
  return true;
}

/* ---- the pass ---- */

/* The alignment asked for, or what the target's vectors like. */
static int64_t alignment(const pruner *p) {
  if (p->o->align > 0) return p->o->align;
  return p->cx->target && p->cx->target->align_channels > 0 ? p->cx->target->align_channels : 8;
}

static bool choose(pruner *p) {
  double all = mc_channels_macs(p->cx->graph, p->ch, NULL);
  int64_t align = alignment(p);
  if (p->o->macs <= 0) {
    mask_share(p, p->o->ratio > 0 ? p->o->ratio : 0.5, align);
    return true;
  }
  /* Without a fixed alignment, a coarse one that leaves the budget badly unmet is halved. */
  for (;; align /= 2) {
    bool met = mask_for_macs(p, all * p->o->macs, align);
    double share = mc_channels_macs(p->cx->graph, p->ch, p->keep) / all;
    bool last = align == 1 || p->o->align > 0;
    if (met && (last || share > p->o->macs * 0.9)) return true;
    if (last) return mc_error(p->cx->diag, p->cx->loc, "prune-channels: macs=%g cannot be reached: with every channel gone that may go, %.0f %% remain", p->o->macs, share * 100);
  }
}

static bool check_options(pruner *p) {
  const mc_opts_prune_channels *o = p->o;
  mc_diag *d = p->cx->diag;
  if (!(o->ratio >= 0 && o->ratio < 1)) return mc_error(d, p->cx->loc, "prune-channels: ratio must be at least 0 and below 1");
  if (!(o->macs >= 0 && o->macs <= 1)) return mc_error(d, p->cx->loc, "prune-channels: macs must be between 0 and 1");
  if (o->ratio > 0 && o->macs > 0) return mc_error(d, p->cx->loc, "prune-channels: ratio and macs exclude each other");
  if (o->align < 0 || o->align > 1024) return mc_error(d, p->cx->loc, "prune-channels: align must be between 0 and 1024");
  if (o->file[0] && o->score != mc_score_file) return mc_error(d, p->cx->loc, "prune-channels: file= is for score=file");
  if (o->min < 1) return mc_error(d, p->cx->loc, "prune-channels: min must be at least 1");
  return (o->score == mc_score_lp ? o->p > 0 : true) || mc_error(d, p->cx->loc, "prune-channels: p must be above 0");
}

/* Constants that the layers behind cannot take over stay, and with them as many channels as the alignment asks for. */
static void keep_steady(pruner *p, const steady *s) {
  int before = 0, after = 0;
  for (int k = 0; k < p->ch->ncls; k++) before += p->keep[k];
  while (mc_steady_keep(s, p->ch, p->keep)) round_groups(p, p->align);
  for (int k = 0; k < p->ch->ncls; k++) after += p->keep[k];
  if (after > before)
    mc_remark(p->cx->diag, p->cx->loc, "prune-channels: %d channels more stay: they are constants that a padded or transposed convolution reads, whose border a bias cannot say",
              after - before);
}

bool mc_pass_prune_channels(mc_pass_context *cx, const mc_opts_prune_channels *o, bool *changed) {
  pruner p = { .cx = cx, .o = o };
  if (!check_options(&p)) return false;
  mc_layers_warn_unmatched(cx, "prune-channels", "skip", o->skip, MC_T_ACCUM);
  mc_channels_opts may = { .norms = o->norms, .outputs = o->pad_outputs, .inside = o->inside };
  p.ch = mc_channels_of_opts(cx->graph, &may, cx->scratch);
  mc_channels_only(p.ch, (mc_e_prunewhat)o->what);
  p.keep = MC_NEWN(cx->scratch, bool, p.ch->ncls + 1);
  if (!rank_classes(&p)) return false;
  if (!p.n) {
    mc_warning(cx->diag, cx->loc, "prune-channels: no channel of this graph may be removed");
    return true;
  }
  if (!choose(&p)) return false;
  mc_channels_never_empty(cx->graph, p.ch, p.keep, p.score);
  steady *s = mc_steady_of(cx->graph, cx->scratch);
  keep_steady(&p, s);
  int removed = 0;
  for (int k = 0; k < p.ch->ncls; k++) removed += !p.keep[k];
  if (!removed) return true;
  MC_STAT_ADD(cx, prune_channels, removed, removed);
  *changed = true;
  mc_channels_fill fill = mc_steady_fill(s, p.ch, p.keep);
  mc_channels_say_norms(cx->graph, p.ch, p.keep, cx->diag);
  return mc_steady_fold(s, p.ch, p.keep, cx->diag) && mc_channels_remove_fill(cx->graph, p.ch, p.keep, &fill, cx->diag);
}
