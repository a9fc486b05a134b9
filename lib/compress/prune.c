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
#include "steady.h"
#include "mc/ir/build.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static const mc_node *batch_norm_behind(const mc_node *n) {
  MC_FOR_USES(u, n->out[0]) if (u->user->op == MC_OP_batch_norm && u->slot == 0) return u->user;
  return NULL;
}

static double norm_of(const pruner *p, const float *w, int64_t k) {
  double sum = 0, e = p->o->score == mc_score_l1 ? 1 : p->o->score == mc_score_l2 ? 2 : p->o->p;
  for (int64_t i = 0; i < k; i++) sum += e == 2 ? (double)w[i] * (double)w[i] : e == 1 ? fabs((double)w[i]) : pow(fabs((double)w[i]), e);
  return e == 1 ? sum : pow(sum, 1 / e);
}

/* Score of each output channel of a product; false: it has none (no batch_norm for bn-gamma). */
static bool layer_scores(const pruner *p, const mc_node *n, double *s) {
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  int64_t channels = w->dim[0], k = mc_tensor_elems(w) / channels;
  const mc_node *bn = p->o->score == mc_score_bn_gamma ? batch_norm_behind(n) : NULL;
  const mc_tensor *gamma = bn ? mc_value_tensor(bn->in[1]) : NULL;
  if (p->o->score == mc_score_bn_gamma && !gamma) return false;
  double square = 0;
  for (int64_t c = 0; c < channels; c++) {
    s[c] = gamma ? fabs((double)((const float *)gamma->data)[c]) : norm_of(p, (const float *)w->data + c * k, k);
    square += s[c] * s[c];
  }
  double rms = sqrt(square / (double)channels);
  for (int64_t c = 0; p->o->scope == mc_scope_global && rms > 0 && c < channels; c++) s[c] /= rms;
  return true;
}

static const char *protect_layer(pruner *p, const mc_node *n) {
  if (mc_glob_list(p->o->skip, n->source) || mc_glob_list(p->o->skip, n->out[0]->name)) return "named in skip";
  return NULL;
}

static void score_layer(pruner *p, const mc_node *n, int *times) {
  int64_t channels = n->out[0]->type->dim[n->out[0]->type->rank - 1];
  double *s = MC_NEWN(p->cx->scratch, double, channels);
  const char *why = protect_layer(p, n);
  if (!why && !layer_scores(p, n, s)) why = "no batch_norm behind the layer to score it by";
  for (int64_t c = 0; c < channels; c++) {
    int k = mc_channels_class(p->ch, n->out[0], c);
    if (k < 0) continue;
    if (why && !p->ch->cls[k].fixed) p->ch->cls[k].fixed = why;
    p->score[k] += s[c];
    times[k]++;
  }
  if (why) mc_remark(p->cx->diag, n->loc, "%s %s is not pruned: %s", mc_ops[n->op].text, n->source ? n->source : "", why);
}

static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return (x->cls > y->cls) - (x->cls < y->cls);
}

static void rank_classes(pruner *p) {
  mc_channels *ch = p->ch;
  int *times = MC_NEWN(p->cx->scratch, int, ch->ncls + 1);
  p->score = MC_NEWN(p->cx->scratch, double, ch->ncls + 1);
  MC_FOR_NODES(n, p->cx->graph)
    if (mc_makes_channels(n)) score_layer(p, n, times);
  p->order = MC_NEWN(p->cx->scratch, candidate, ch->ncls + 1);
  for (int k = 0; k < ch->ncls; k++) {
    if (times[k]) p->score[k] /= times[k];
    if (!ch->cls[k].fixed && ch->cls[k].group >= 0) p->order[p->n++] = (candidate){ p->score[k], k };
  }
  qsort(p->order, (size_t)p->n, sizeof *p->order, by_score);
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
  p.ch = mc_channels_of(cx->graph, cx->scratch);
  p.keep = MC_NEWN(cx->scratch, bool, p.ch->ncls + 1);
  rank_classes(&p);
  mc_channels_remark(cx->graph, p.ch, cx->diag);
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
  return mc_steady_fold(s, p.ch, p.keep, cx->diag) && mc_channels_remove(cx->graph, p.ch, p.keep, cx->diag);
}
