/* Which channels go by score alone: one threshold for all layers (global), or the same share of
 * each coupling group (uniform). */
#include "prune.h"
#include <math.h>
#include <stdlib.h>

static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return (x->cls > y->cls) - (x->cls < y->cls);
}

void mc_prune_rank(pruner *p) {
  const mc_channels *ch = p->ch;
  p->order = MC_NEWN(p->cx->scratch, candidate, ch->ncls + 1);
  p->n = 0;
  for (int k = 0; k < ch->ncls; k++)
    if (!ch->cls[k].fixed && ch->cls[k].group >= 0)
      p->order[p->n++] = (candidate){ p->score[k], k };
  qsort(p->order, (size_t)p->n, sizeof *p->order, by_score);
}

void mc_prune_counts(const pruner *p, int *kept) {
  for (int g = 0; g < p->ch->ngroup; g++) kept[g] = 0;
  for (int k = 0; k < p->ch->ncls; k++)
    if (p->ch->cls[k].group >= 0) kept[p->ch->cls[k].group] += p->keep[k];
}

void mc_prune_round(pruner *p, int64_t align) {
  p->align = align;
  int *kept = MC_NEWN(p->cx->scratch, int, p->ch->ngroup + 1);
  mc_prune_counts(p, kept);
  for (int i = p->n - 1; i >= 0; i--) {
    int k = p->order[i].cls, g = p->ch->cls[k].group;
    int64_t many = kept[g] * p->ch->group[g].width;
    if (p->keep[k] || (many % align == 0 && many >= p->o->min && kept[g] > 0)) continue;
    p->keep[k] = true;
    kept[g]++;
  }
}

/* Keep all but the `count` least important candidates, then round. */
static void mask_global(pruner *p, int count, int64_t align) {
  for (int k = 0; k < p->ch->ncls; k++) p->keep[k] = true;
  for (int i = 0; i < count; i++) p->keep[p->order[i].cls] = false;
  mc_prune_round(p, align);
}

/* The same share of each group. */
static void mask_local(pruner *p, double ratio, int64_t align) {
  int *quota = MC_NEWN(p->cx->scratch, int, p->ch->ngroup + 1);
  for (int g = 0; g < p->ch->ngroup; g++)
    quota[g] = (int)floor(p->ch->group[g].size * ratio + 1e-9);
  for (int k = 0; k < p->ch->ncls; k++) p->keep[k] = true;
  for (int i = 0; i < p->n; i++) {
    int k = p->order[i].cls, g = p->ch->cls[k].group;
    if (quota[g] > 0) quota[g]--, p->keep[k] = false;
  }
  mc_prune_round(p, align);
}

static void mask_share(pruner *p, double share, int64_t align) {
  if (p->local)
    mask_local(p, share, align);
  else
    mask_global(p, (int)floor(share * p->n + 1e-9), align);
}

/* ---- budgets ---- */

double mc_prune_cost(const pruner *p, mc_budget_kind k) {
  if (k == MC_BUDGET_macs) return mc_channels_macs(p->cx->graph, p->ch, p->keep);
  mc_arena *a = mc_arena_create();
  int *kept = MC_NEWN(a, int, p->ch->ngroup + 1);
  mc_prune_counts(p, kept);
  double cost = mc_widths_cost(p->widths, k, kept);
  mc_arena_destroy(a);
  return cost;
}

/* The largest of cost / budget. */
static double load(const pruner *p, mc_budget_kind *which) {
  double most = 0;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (p->share[k] <= 0 || p->full[k] <= 0) continue;
    double x = mc_prune_cost(p, k) / (p->share[k] * p->full[k]);
    if (x <= most) continue;
    most = x;
    if (which) *which = k;
  }
  return most;
}

/* Smallest share that meets the budgets, by bisection; false: even removing all that may go does
 * not. */
static bool mask_for_budgets(pruner *p, int64_t align) {
  double lo = 0, hi = 1;
  mask_share(p, hi, align);
  if (load(p, NULL) > 1) return false;
  for (int i = 0; i < 40 && (hi - lo) * (p->n + 1) > 0.25; i++) {
    double mid = (lo + hi) / 2;
    mask_share(p, mid, align);
    if (load(p, NULL) > 1)
      lo = mid;
    else
      hi = mid;
  }
  mask_share(p, hi, align);
  return true;
}

bool mc_prune_any_budget(const pruner *p) {
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++)
    if (p->share[k] > 0) return true;
  return false;
}

bool mc_prune_mask(pruner *p) {
  int64_t align = p->align;
  if (!mc_prune_any_budget(p)) {
    mask_share(p, p->o->ratio > 0 ? p->o->ratio : 0.5, align);
    return true;
  }
  /* Without a fixed alignment, a coarse one that leaves the budget badly unmet is halved. */
  for (;; align /= 2) {
    mc_budget_kind k = 0;
    bool met = mask_for_budgets(p, align), last = align == 1 || p->o->align > 0;
    double x = load(p, &k);
    if (met && (last || x > 0.9)) return true;
    if (last)
      return mc_error(p->cx->diag, p->cx->loc,
                      "prune-channels: %s=%g cannot be reached: with every channel gone that may "
                      "go, %.0f %% remain",
                      mc_budget_names[k], p->share[k], mc_prune_cost(p, k) / p->full[k] * 100);
  }
}

/* Why a budget is not used up. */
static const char *why_less(const pruner *p, mc_budget_kind k, double most) {
  double used = mc_prune_cost(p, k) / p->full[k] / p->share[k];
  if (used >= 0.99 || p->share[k] >= 1) return "";
  if (most >= 0.99) return "; another budget comes first";
  if (p->alloc == mc_alloc_measured)
    return "; the next larger widths would miss it, or not lower the measured damage";
  return p->align > 1 ? "; the next channel count that is a multiple of align= would miss it"
                      : "; the next channel would miss it";
}

void mc_prune_say_budgets(const pruner *p) {
  double most = load(p, NULL);
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (p->share[k] <= 0 || p->full[k] <= 0) continue;
    mc_remark(p->cx->diag, p->cx->loc, "prune-channels: %.1f %% of the %s (%s: %.1f %%)%s",
              mc_prune_cost(p, k) / p->full[k] * 100, mc_budget_names[k],
              k == MC_BUDGET_time && p->implied ? "at most, for the macs asked for" : "asked for",
              p->share[k] * 100, why_less(p, k, most));
  }
}
