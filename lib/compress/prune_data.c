/* The road with samples: order the channels of each coupling group, allocate, refit what is left.
 * docs/guide/compression.md, "Pruning channels". */
#include "prune_road.h"
#include "mc/measure/samples.h"
#include <math.h>
#include <string.h>

enum { MOST_WIDTHS = 64 }; /* alternatives of one group */

/* What is added up: the damage of the output is the right measure where its parts add up, the
 * layers' own error is steadier where little is left. KL is often that of a few samples; the
 * squared error counts all alike (without a classifier it is the output's change). All are
 * tried. */
typedef enum guide { BY_OUTPUT, BY_SQUARE, BY_LAYERS, BY_BOTH, GUIDES } guide;

static const char *const guides[GUIDES] = { "the output's change", "the output's squared error",
                                            "the layers' own errors", "both" };

/* Channels that several layers make (a residual stream) bind many layers: their damage is known
 * less well, and without them is tried too. */
typedef struct trial {
  guide by;
  bool inner;
} trial;

/* The first QUICK are those that win most often; compress takes NEAR at most. Of a large network
 * LARGE alone is tried. */
enum { TRIALS = 7, QUICK = 2, NEAR = 5, LARGE = 1 };

static const trial trials[TRIALS] = {
  { BY_OUTPUT, false }, { BY_BOTH, false },   { BY_OUTPUT, true }, { BY_BOTH, true },
  { BY_LAYERS, false }, { BY_SQUARE, false }, { BY_SQUARE, true },
};

static double damage_at(const curve *c, int gone, guide by) {
  double main = mc_curve_at(c, gone, by == BY_SQUARE ? CURVE_SQUARE : CURVE_MAIN);
  if (by == BY_OUTPUT || by == BY_SQUARE) return main;
  double local = mc_curve_at(c, gone, CURVE_LOCAL);
  return by == BY_LAYERS ? local : sqrt(main * local);
}

/* ---- orders ---- */

/* The units of a site in the order of their scores. */
static void order_by_score(const pruner *p, site *s) {
  s->norder = 0;
  for (int u = 0; u < s->units; u++) {
    if (!s->free_[u]) continue;
    int i = s->norder++;
    for (; i > 0 && p->score[s->cls[u]] < p->score[s->cls[s->order[i - 1]]]; i--)
      s->order[i] = s->order[i - 1];
    s->order[i] = u;
  }
}

/* ---- alternatives: widths ---- */

/* Counts of units that kernels like where the time is limited; NULL: all are alike. */
static const bool *liked(data_road *z, const site *s) {
  const bool **slot = &z->like[s - z->s.v];
  double share = z->p->share[MC_BUDGET_time];
  if (share <= 0 || share >= 1) return NULL;
  if (*slot) return *slot;
  bool *like = MC_NEWN(z->p->cx->scratch, bool, s->units + 2);
  mc_widths_liked(z->p->widths, s->group, like);
  return *slot = like;
}

/* Units to go, for each alternative: what stays is a multiple of align in channels, at least min,
 * and a width that the target's kernels like (the narrowest is there in any case). */
static int *widths_of_site(data_road *z, const site *s, int *n) {
  const pruner *p = z->p;
  int64_t width = p->ch->group[s->group].width > 0 ? p->ch->group[s->group].width : 1;
  int *gone = MC_NEWN(p->cx->scratch, int, s->units + 2), step = s->units / MOST_WIDTHS + 1;
  int narrowest = 0;
  *n = 1;
  if (z->inner && p->ch->group[s->group].nproducer > 1) return gone;
  const bool *like = liked(z, s);
  for (int kept = s->units - 1, last = s->units + step; kept > 0 && kept * width >= p->o->min;
       kept--) {
    if (kept * width % p->align || s->units - kept > s->norder || last - kept < step) continue;
    narrowest = s->units - kept;
    if (like && !like[kept]) continue;
    gone[(*n)++] = narrowest;
    last = kept;
  }
  if (narrowest > gone[*n - 1]) gone[(*n)++] = narrowest;
  return gone;
}

static void make_units(data_road *z, guide by) {
  mc_arena *a = z->p->cx->scratch;
  for (int i = 0; i < z->s.n; i++) {
    int n;
    z->gone[i] = widths_of_site(z, &z->s.v[i], &n);
    double *damage = MC_NEWN(a, double, n);
    for (int k = 0; k < n; k++) damage[k] = damage_at(&z->c[i], z->gone[i][k], by);
    z->unit[i] = (mc_alloc_unit){ n, damage };
  }
}

/* ---- budgets ---- */

typedef struct limit_ctx {
  data_road *z;
  mc_budget_kind k;
  int *kept;
} limit_ctx;

static double limit_cost(void *ctx, const int *choice) {
  limit_ctx *c = ctx;
  const mc_channels *ch = c->z->p->ch;
  for (int g = 0; g < ch->ngroup; g++) c->kept[g] = ch->group[g].size;
  for (int i = 0; i < c->z->s.n; i++) c->kept[c->z->s.v[i].group] -= c->z->gone[i][choice[i]];
  return mc_widths_cost(c->z->p->widths, c->k, c->kept);
}

static int make_limits(data_road *z, mc_alloc_limit *l, limit_ctx *c, const double *slack) {
  int n = 0;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (z->p->share[k] <= 0 || z->p->full[k] <= 0) continue;
    c[n] = (limit_ctx){ z, k, MC_NEWN(z->p->cx->scratch, int, z->p->ch->ngroup + 1) };
    double most = z->p->share[k] * mc_widths_cost(z->p->widths, k, NULL) * slack[k];
    l[n] = (mc_alloc_limit){ mc_budget_names[k], most, limit_cost, &c[n] };
    n++;
  }
  return n;
}

static void keep_choice(const data_road *z, const int *choice, bool *keep) {
  for (int k = 0; k < z->p->ch->ncls; k++) keep[k] = true;
  for (int i = 0; i < z->s.n; i++)
    for (int k = 0; k < z->gone[i][choice[i]]; k++) keep[z->s.v[i].cls[z->s.v[i].order[k]]] = false;
  mc_channels_never_empty(z->p->cx->graph, z->p->ch, keep, z->p->score);
}

/* The widths for one guide. Where the exact cost of what was chosen is above the estimate of the
 * widths (classes of one group need not cost the same), again with less. */
static bool allocate(data_road *z, guide by, int *choice) {
  pruner *p = z->p;
  mc_alloc_limit l[MC_NUM_BUDGETS];
  limit_ctx c[MC_NUM_BUDGETS];
  double slack[MC_NUM_BUDGETS];
  for (int k = 0; k < MC_NUM_BUDGETS; k++) slack[k] = 1;
  make_units(z, by);
  for (int round = 0;; round++) {
    int n = make_limits(z, l, c, slack);
    if (!mc_alloc(z->unit, z->s.n, l, n, choice, p->cx->scratch)) {
      const limit_ctx *b = mc_alloc_broken(l, n, choice)->ctx;
      if (b->k == MC_BUDGET_time && mc_budget_relax(p->share, &p->implied)) {
        make_units(z, by);
        continue;
      }
      double left = b->z->p->share[b->k] * limit_cost((void *)b, choice) /
                    mc_alloc_broken(l, n, choice)->most;
      return mc_error(p->cx->diag, p->cx->loc,
                      "prune-channels: %s=%g cannot be reached: with every channel gone that may "
                      "go, %.0f %% remain",
                      mc_budget_names[b->k], p->share[b->k], left * 100);
    }
    keep_choice(z, choice, p->keep);
    bool over = false;
    for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
      double x =
          p->share[k] > 0 && p->full[k] > 0 ? mc_prune_cost(p, k) / (p->share[k] * p->full[k]) : 0;
      if (x > 1 + 1e-9) over = true, slack[k] /= x;
    }
    if (!over || round == 8) return true;
  }
}

/* All guides, and what each gives: the one with the lower distance is kept. */
typedef struct best {
  int trial;
  bool *keep;
  mc_arena *room; /* of its weights */
  mc_road_choice is;
} best;

/* Weights in an arena of their own, and how far the network is with them. */
static bool fit_apart(data_road *z, mc_arena *room, mc_fitted *f, mc_distance *x) {
  z->into = room;
  bool ok = mc_road_fit(z, z->p->keep, MC_FOLDS_FIT, f) && mc_road_judge(z, f, x);
  z->into = NULL;
  return ok;
}

/* The weights of the best outlive their arena where somebody asks for them. */
static void keep_fit(const data_road *z, best *b) {
  mc_fitted *f = &b->is.fit;
  mc_arena *a = z->p->cx->scratch;
  float **w = MC_NEWN(a, float *, f->n + 1), **c = MC_NEWN(a, float *, f->n + 1);
  for (int i = 0; z->lent && i < f->n; i++) {
    const mc_product *p = &z->products.v[i];
    if (!f->w[i]) continue;
    w[i] = mc_arena_copy(a, f->w[i], sizeof **w * (size_t)(p->groups * p->o * p->d));
    c[i] = mc_arena_copy(a, f->b[i], sizeof **c * (size_t)(p->groups * p->o));
  }
  *f = (mc_fitted){ w, c, f->n };
  mc_arena_destroy(b->room);
}

/* One trial: widths by one guide, fitted on three quarters of the samples, judged on the rest. */
static bool try_widths(data_road *z, int k, bool **tried, best *b) {
  pruner *p = z->p;
  size_t size = sizeof *p->keep * (size_t)(p->ch->ncls + 1);
  int *choice = MC_NEWN(p->cx->scratch, int, z->s.n + 1);
  mc_distance x;
  mc_fitted f;
  z->inner = trials[k].inner;
  if (!allocate(z, trials[k].by, choice)) return false;
  tried[k] = mc_arena_copy(p->cx->scratch, p->keep, size);
  for (int i = 0; i < k; i++)
    if (tried[i] && memcmp(tried[i], p->keep, size) == 0) return true;
  mc_arena *room = mc_arena_create();
  bool ok = fit_apart(z, room, &f, &x),
       better = ok && (b->trial < 0 || mc_distance_main(&x) < mc_distance_main(&b->is.held));
  mc_arena *drop = better ? b->room : room;
  if (better) b->room = room;
  mc_arena_destroy(drop);
  if (!ok) return false;
  make_units(z, BY_OUTPUT);
  double predicted = mc_alloc_damage(z->unit, z->s.n, choice);
  mc_remark(p->cx->diag, p->cx->loc,
            "prune-channels: widths by %s%s: predicted damage %.4g, on held-back samples %.4g",
            guides[trials[k].by], z->inner ? ", inside of residual blocks only" : "", predicted,
            mc_distance_main(&x));
  if (better) *b = (best){ k, tried[k], room, { x, predicted, f } };
  return true;
}

/* Can inner groups alone meet the budgets? Without a message. */
static bool inner_can(data_road *z) {
  mc_alloc_limit l[MC_NUM_BUDGETS];
  limit_ctx c[MC_NUM_BUDGETS];
  double slack[MC_NUM_BUDGETS];
  for (int k = 0; k < MC_NUM_BUDGETS; k++) slack[k] = 0.98;
  z->inner = true;
  make_units(z, BY_OUTPUT);
  int *last = MC_NEWN(z->p->cx->scratch, int, z->s.n + 1);
  for (int i = 0; i < z->s.n; i++) last[i] = z->unit[i].n - 1;
  return !mc_alloc_broken(l, make_limits(z, l, c, slack), last);
}

/* After i trials: is the next one worth its time? */
static bool goes_on(const data_road *z, const best *b, int i) {
  if (!z->quick || b->trial < 0) return true;
  double least = mc_distance_main(&b->is.held);
  if (i == 1 && z->hopeless > 0 && least > z->hopeless) return false;
  return i < QUICK || (i < NEAR && least < z->near);
}

static bool best_widths(data_road *z, mc_road_choice *out) {
  pruner *p = z->p;
  best b = { .trial = -1 };
  bool *tried[TRIALS] = { NULL }, inner = inner_can(z), ok = true;
  bool large = mc_damage_large(z->d);
  if (large)
    mc_remark(p->cx->diag, p->cx->loc,
              "prune-channels: a large network: the rest of it is run at one width of a layer, two "
              "more follow from the layer's own error; channels that layers with more than %d "
              "inputs read go in the order of the original; widths are shared out by %s alone, one "
              "way of %d",
              MC_WIDE, guides[trials[LARGE].by], TRIALS);
  for (int i = large ? LARGE : 0; ok && i < (large ? LARGE + 1 : TRIALS) && goes_on(z, &b, i); i++)
    ok = (!inner && trials[i].inner) || try_widths(z, i, tried, &b);
  keep_fit(z, &b);
  if (!ok) return false;
  memcpy(p->keep, b.keep, sizeof *p->keep * (size_t)p->ch->ncls);
  *out = b.is;
  return true;
}

static bool masked(data_road *z, mc_road_choice *out) {
  out->predicted = -1;
  mc_prune_rank(z->p);
  if (!mc_prune_mask(z->p)) return false;
  mc_channels_never_empty(z->p->cx->graph, z->p->ch, z->p->keep, z->p->score);
  return mc_road_fit(z, z->p->keep, MC_FOLDS_FIT, &out->fit) &&
         mc_road_judge(z, &out->fit, &out->held);
}

bool mc_road_choose(data_road *z, mc_road_choice *out) {
  return (z->p->alloc == mc_alloc_measured ? best_widths : masked)(z, out);
}

/* Orders by OBS, and curves, where they are asked for. */
static bool measure_sites(data_road *z) {
  pruner *p = z->p;
  bool obs = p->by == mc_score_obs, curves = p->alloc == mc_alloc_measured;
  z->c = MC_NEWN(p->cx->scratch, curve, z->s.n + 1);
  z->gone = MC_NEWN(p->cx->scratch, int *, z->s.n + 1);
  z->unit = MC_NEWN(p->cx->scratch, mc_alloc_unit, z->s.n + 1);
  z->like = MC_NEWN(p->cx->scratch, const bool *, z->s.n + 1);
  for (int i = 0; i < z->s.n; i++) order_by_score(p, &z->s.v[i]);
  measure m = { .cx = p->cx,
                .walk = &p->walk,
                .targets = z->targets,
                .p = &z->products,
                .ch = p->ch,
                .ncls = p->ch->ncls,
                .s = &z->s,
                .obs = obs,
                .score = p->score,
                .refit = mc_prune_refits(p),
                .damping = p->o->damping,
                .d = curves ? z->d : NULL,
                .moments = p->moments,
                .quick = p->quick,
                .curve = z->c };
  return !(obs || curves) || mc_sites_measure(&m);
}

bool mc_road_open(data_road *z, pruner *p, mc_damage *d, mc_targets *targets) {
  bool fits = mc_prune_refits(p);
  *z = (data_road){ .p = p, .d = d, .targets = targets, .lent = d != NULL };
  z->products = mc_products_of(p->cx->graph, p->cx->scratch);
  z->s = mc_sites_of(p->ch, &z->products, p->cx->scratch);
  if (!z->lent) {
    z->d = mc_damage_open(p->cx, &p->walk);
    if (z->d && fits) z->targets = mc_targets_open(p->cx, &p->walk);
  }
  return z->d && (z->targets || !fits) && measure_sites(z);
}

void mc_road_close(data_road *z) {
  if (z->lent) return;
  mc_targets_close(z->targets);
  if (z->d) mc_damage_close(z->d);
}

/* ---- the pass ---- */

static bool finish(data_road *z) {
  pruner *p = z->p;
  mc_fitted f;
  if (!mc_road_fit(z, p->keep, MC_FOLDS_ALL, &f)) return false;
  if (!mc_road_judge(z, &f, &p->res->last)) return false;
  p->res->measured = true;
  return !mc_prune_refits(p) || mc_fitted_set(&f, p->cx->graph, p->cx->diag);
}

static bool choose_and_finish(data_road *z, bool *any) {
  pruner *p = z->p;
  mc_road_choice c;
  if (!mc_road_choose(z, &c)) return false;
  p->res->held = c.held, p->res->predicted = c.predicted;
  for (int k = 0; k < p->ch->ncls; k++) *any |= !p->keep[k];
  return !*any || finish(z);
}

bool mc_prune_with_samples(pruner *p, bool *any) {
  data_road z;
  bool ok = mc_road_open(&z, p, NULL, NULL) && choose_and_finish(&z, any);
  mc_road_close(&z);
  return ok;
}
