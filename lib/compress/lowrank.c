/* lowrank-svd: split layers into layers of low rank where that saves MACs.
 *
 *   %y = linear %x, %w, %b : f32[1,256]                      // %w [256,512]
 * becomes, with rank 40,
 *   %h = linear %x, %w.v : f32[1,40]                         // [40,512]
 *   %y = linear %h, %w.u, %b : f32[1,256]                    // [256,40]
 *
 * A kh x kw conv2d becomes a kh x 1 and a 1 x kw (Tai et al., "Convolutional neural networks with
 * low-rank regularization", ICLR 2016), or one of the other forms of factor.h; grouped ones group
 * by group. With samples the factors are nearest in the metric of what the layer reads
 * (reduced-rank regression), forms and ranks are those that change the network's output least for
 * the budget, and all weights are fitted to the samples on the way. Without samples: singular
 * values of the weights alone. docs/guide/compression.md, "Low rank". Left alone: transposed
 * convolutions, weights that are computed, layers that no rank makes cheaper. Contract: LOSSY; with
 * samples bounded by the change that was measured on them. */
#include "lowrank_sum.h"
#include "bn.h"
#include "mc/measure/samples.h"
#include "mc/pass/layers.h"
#include "report.h"
#include <math.h>
#include <string.h>

static const mc_lowrank_result nothing = { .predicted = -1,
                                           .held = { -1, -1, -1 },
                                           .final = { -1, -1, -1 } };

/* ---- options ---- */

static bool shares(lowrank *z) {
  const mc_opts_lowrank_svd *o = z->o;
  const double given[MC_NUM_BUDGETS] = { o->macs, o->params, o->bytes, o->arena, o->time };
  int n;
  if (!mc_budget_shares(z->cx, "lowrank-svd", given, z->share, &n)) return false;
  z->fixed = o->ratio > 0 || o->energy > 0;
  if ((o->ratio > 0) + (o->energy > 0) + (n > 0) > 1)
    return mc_error(z->cx->diag, z->cx->loc,
                    "lowrank-svd: ratio, energy and budgets exclude each other");
  if (!z->fixed && !n) z->share[MC_BUDGET_macs] = 0.5;
  return true;
}

static bool check_options(lowrank *z) {
  const mc_opts_lowrank_svd *o = z->o;
  mc_diag *d = z->cx->diag;
  mc_loc at = z->cx->loc;
  if (!(o->ratio >= 0 && o->ratio <= 1))
    return mc_error(d, at, "lowrank-svd: ratio must be between 0 and 1");
  if (!(o->energy >= 0 && o->energy <= 1))
    return mc_error(d, at, "lowrank-svd: energy must be between 0 and 1");
  if (!(o->damping >= 0 && o->damping <= 100))
    return mc_error(d, at, "lowrank-svd: damping must be between 0 and 100");
  if (o->samples < 0) return mc_error(d, at, "lowrank-svd: samples must not be negative");
  if (o->memory < 1 || o->memory > (int64_t)1 << 30)
    return mc_error(d, at, "lowrank-svd: memory must be between 1 and 2^30 MiB");
  if (o->align < 0 || o->align > 1024)
    return mc_error(d, at, "lowrank-svd: align must be between 0 and 1024");
  if (o->energy > 0 &&
      (o->form == mc_lowform_tucker2 || o->form == mc_lowform_cp || o->form == mc_lowform_tt))
    return mc_error(d, at,
                    "lowrank-svd: energy is a share of singular values, which form=%s has not; use "
                    "ratio or a budget",
                    mc_names_lowform[o->form]);
  return shares(z);
}

/* What needs samples says so when there are none. */
static bool check_samples(lowrank *z) {
  const mc_opts_lowrank_svd *o = z->o;
  mc_diag *d = z->cx->diag;
  z->samples = mc_samples_path(z->cx, o->data) != NULL;
  if (!z->samples) {
    const char *what = o->norm == mc_lownorm_data      ? "norm=data"
                       : o->alloc == mc_ranks_measured ? "alloc=measured"
                       : o->repair == mc_rankfix_refit ? "repair=refit"
                                                       : NULL;
    if (what) return mc_error(d, z->cx->loc, "lowrank-svd: %s needs samples: data=FILE.npz", what);
    mc_warning(d, z->cx->loc,
               "lowrank-svd: without samples (data=) layers are split by their weights alone and "
               "nothing is repaired: expect to lose most of the accuracy");
  }
  z->data_norm = z->samples && o->norm != mc_lownorm_plain;
  z->measured =
      z->samples && !z->fixed && (o->alloc == mc_ranks_auto || o->alloc == mc_ranks_measured);
  z->refit = z->samples && o->repair != mc_rankfix_none;
  return true;
}

static unsigned forms_of(int form) {
  switch (form) {
  case mc_lowform_out: return 1u << MC_FORM_out;
  case mc_lowform_in: return 1u << MC_FORM_in;
  case mc_lowform_spatial: return 1u << MC_FORM_rows | 1u << MC_FORM_cols;
  case mc_lowform_tucker2: return 1u << MC_FORM_tucker2;
  case mc_lowform_cp: return 1u << MC_FORM_cp;
  case mc_lowform_tt: return 1u << MC_FORM_tt;
  case mc_lowform_lpluss: return 0; /* lowrank_sum.c */
  case mc_lowform_auto:
  case mc_lowform_count_: break;
  }
  return 1u << MC_FORM_out | 1u << MC_FORM_in | 1u << MC_FORM_rows | 1u << MC_FORM_cols |
         1u << MC_FORM_tucker2 | 1u << MC_FORM_tt;
}

static bool find_target(lowrank *z) {
  z->target = z->cx->target;
  z->how = mc_budget_arith(z->o->arith);
  if (!mc_budget_target(z->cx, "lowrank-svd", z->o->time)) return false;
  if (z->measured) mc_budget_imply_time(z->cx, z->share, &z->implied);
  const mc_target *likes = z->target;
  if (!likes && z->o->align == 0) likes = mc_target_find(NULL, NULL, z->cx->scratch, z->cx->diag);
  z->align = z->o->align > 0 ? z->o->align : likes ? likes->align_channels : 1;
  return true;
}

/* ---- budgets ---- */

static void take_stock(lowrank *z) {
  const mc_graph *g = z->cx->graph, *from = z->original ? z->original : g;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (!(z->share[k] > 0)) continue;
    z->full[k] = mc_graph_budget(from, k, z->target, z->how);
    z->rest[k] = from == g ? z->full[k] : mc_graph_budget(g, k, z->target, z->how);
    for (int i = 0; i < z->products.n; i++) z->rest[k] -= z->l[i].alt.v[0].cost[k];
  }
}

/* ---- a choice, fitted and judged ---- */

/* A copy of the graph with the weights that the factors multiply to, on samples that the fit has
 * not seen. */
static bool judge(lowrank *z, const lr_fit *f, mc_distance *out) {
  mc_fitted x = { f->w, f->b, z->products.n };
  return mc_fitted_judge(&x, z->cx->graph, z->damage, z->cx->diag, out);
}

/* Choices by damage, by the layers' own errors, and by both (each in shares of what the first two
 * reached): none is the best guide of all networks. */
enum { GUIDES = 3 };

static const char *const guide_names[GUIDES] = { "damage", "the layers' own errors", "both" };

typedef struct trial {
  int *choice;
  double damage, error; /* sums */
  mc_distance held;
} trial;

/* Trial k of t; one whose choice is that of a trial before has its distance. */
static bool attempt(lowrank *z, double damage, double error, bool fit, trial *all, int k) {
  trial *t = &all[k];
  lr_fit f;
  t->choice = MC_NEWN(z->cx->scratch, int, z->products.n + 1);
  t->held = (mc_distance){ INFINITY, INFINITY, INFINITY };
  if (!mc_lr_choose(z, damage, error, t->choice)) return false;
  mc_lr_sums(z, t->choice, &t->damage, &t->error);
  for (int i = 0; i < k; i++)
    if (memcmp(all[i].choice, t->choice, sizeof *t->choice * (size_t)z->products.n) == 0) {
      t->held = all[i].held;
      if (mc_distance_main(&t->held) < INFINITY) return true;
    }
  mc_arena *a = mc_arena_create();
  bool ok = !z->damage || !fit ||
            (mc_lr_fit(z, t->choice, MC_FOLDS_FIT, &f, a) && judge(z, &f, &t->held));
  mc_arena_destroy(a);
  return ok;
}

static int nearest(const trial *t, int n) {
  int best = 0;
  for (int i = 1; i < n; i++)
    if (mc_distance_main(&t[i].held) < mc_distance_main(&t[best].held)) best = i;
  return best;
}

static void tell_guides(lowrank *z, const trial *t, int best, bool large) {
  if (z->quick) return;
  if (large) {
    mc_remark(z->cx->diag, z->cx->loc,
              "lowrank-svd: a large network: ranks are shared out by %s alone; distance on "
              "held-back samples: %.4g",
              guide_names[best], mc_distance_main(&t[best].held));
    return;
  }
  mc_remark(z->cx->diag, z->cx->loc,
            "lowrank-svd: distance on held-back samples: %.4g with ranks by damage, %.4g by the "
            "layers' own errors, %.4g by both; ranks by %s are kept",
            mc_distance_main(&t[0].held), mc_distance_main(&t[1].held),
            mc_distance_main(&t[2].held), guide_names[best]);
}

/* Each guide's choice is fitted and judged; the one with the lowest distance stays. */
bool mc_lr_best(lowrank *z, int **choice, mc_lowrank_result *res) {
  trial t[GUIDES];
  int best = 0;
  bool large = z->measured && z->damage && mc_damage_large(z->damage);
  *res = nothing;
  if (!attempt(z, z->measured, !z->measured, !large, t, 0)) return false;
  if (z->measured) {
    if (!attempt(z, 0, 1, !z->quick && !large, t, 1)) return false;
    double d = t[0].damage, e = t[1].error;
    bool last = !large && z->hopeless > 0 && mc_distance_main(&t[0].held) > z->hopeless;
    if (!attempt(z, d > 0 ? 1 / d : 1, e > 0 ? 1 / e : 0, !last, t, 2)) return false;
    best = large ? GUIDES - 1 : nearest(t, GUIDES);
    tell_guides(z, t, best, large);
    res->predicted = t[best].damage;
  }
  *choice = t[best].choice;
  if (z->damage) res->held = t[best].held;
  return true;
}

/* ---- what is said ---- */

static void tell_layers(lowrank *z, const int *choice, const lr_fit *f) {
  for (int i = 0; i < z->products.n; i++) {
    const lr_layer *l = &z->l[i];
    const mc_form *x = &l->alt.v[choice[i]].form;
    if (x->kind == MC_FORM_whole) continue;
    const char *second = x->kind == MC_FORM_tucker2
                             ? mc_arena_printf(z->cx->scratch, " and %lld", (long long)x->r2)
                             : "";
    mc_remark(z->cx->diag, l->p.node->loc,
              "lowrank-svd: %s: form %s, rank %lld%s, %.0f %% of its MACs; relative squared error "
              "%.3g in the %s norm",
              mc_layer_name(l->p.node), mc_form_name(x->kind), (long long)x->r, second,
              100 * l->alt.v[choice[i]].cost[MC_BUDGET_macs] / l->alt.v[0].cost[MC_BUDGET_macs],
              f->error[i], z->data_norm ? "data" : "plain");
  }
}

static double left_of(const lowrank *z, const int *choice, mc_budget_kind k) {
  double sum = z->rest[k];
  for (int i = 0; i < z->products.n; i++) sum += z->l[i].alt.v[choice[i]].cost[k];
  return sum / z->full[k];
}

static bool counted(const lowrank *z, mc_budget_kind k) {
  return z->share[k] > 0 && k != MC_BUDGET_arena;
}

/* Why a budget is not used up. */
static void tell_rest(const lowrank *z, const int *choice, mc_budget_kind k) {
  const char *binds = NULL;
  for (mc_budget_kind i = 0; i < MC_NUM_BUDGETS; i++)
    if (i != k && counted(z, i) && left_of(z, choice, i) > z->share[i] - 0.01)
      binds = mc_budget_names[i];
  if (binds)
    mc_remark(z->cx->diag, z->cx->loc,
              "lowrank-svd: that is more than 1 %% under %s=%g: the limit of %s comes first",
              mc_budget_names[k], z->share[k], binds);
  else
    mc_remark(z->cx->diag, z->cx->loc,
              "lowrank-svd: that is more than 1 %% under %s=%g: no ranks that do less damage "
              "come nearer",
              mc_budget_names[k], z->share[k]);
}

static void tell_budgets(const lowrank *z, const int *choice) {
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (!counted(z, k)) continue;
    double left = left_of(z, choice, k);
    bool implied = k == MC_BUDGET_time && z->implied;
    mc_remark(z->cx->diag, z->cx->loc, "lowrank-svd: %s: %.1f %% remain, %.1f %% were %s",
              mc_budget_names[k], 100 * left, 100 * z->share[k],
              implied ? "the most for the macs asked for" : "asked for");
    if (!implied && left < z->share[k] - 0.01) tell_rest(z, choice, k);
  }
}

/* ---- the pass ---- */

bool mc_lr_finish(lowrank *z, const int *choice, mc_lowrank_result *res, bool *changed) {
  lr_fit f;
  if (!mc_lr_fit(z, choice, MC_FOLDS_ALL, &f, z->cx->scratch)) return false;
  if (z->damage && !judge(z, &f, &res->final)) return false;
  tell_layers(z, choice, &f);
  tell_budgets(z, choice);
  bool fitted = false;
  for (int i = 0; i < z->products.n; i++) fitted |= f.w[i] != NULL;
  *changed |= fitted;
  MC_STAT_ADD(z->cx, lowrank_svd, slower, z->slower);
  return mc_lr_split(z, &f, &res->split);
}

/* What is measured on samples: the graph as it is, and what its layers give. */
static bool open_samples(lowrank *z) {
  if (!z->samples || z->lent) return true;
  mc_walk_opts judged = z->walk;
  judged.original = z->original;
  if (!(z->damage = mc_damage_open(z->cx, &judged))) return false;
  return !(z->refit || z->data_norm) || (z->targets = mc_targets_open(z->cx, &z->walk)) != NULL;
}

bool mc_lr_open(lowrank *z, bool *changed) {
  const mc_opts_lowrank_svd *o = z->o;
  z->forms = forms_of(o->form);
  z->lent = z->damage != NULL;
  if (!check_options(z) || !check_samples(z) || !find_target(z)) return false;
  z->walk = (mc_walk_opts){ .data = o->data,
                            .samples = o->samples,
                            .memory = o->memory << 20,
                            .what = "lowrank-svd",
                            .enough = z->quick ? MC_ENOUGH_QUICK : 0 };
  if (z->samples && !mc_bn_fold_any(z->cx, changed)) return false;
  if (!open_samples(z) || !mc_lr_layers(z)) return false;
  take_stock(z);
  return true;
}

void mc_lr_close(lowrank *z) {
  if (z->lent) return;
  mc_targets_close(z->targets);
  if (z->damage) mc_damage_close(z->damage);
}

bool mc_pass_lowrank_svd(mc_pass_context *cx, const mc_opts_lowrank_svd *o, bool *changed) {
  lowrank z = { .cx = cx, .o = o };
  mc_lowrank_result res = nothing;
  int *choice;
  mc_layers_warn_unmatched(cx, "lowrank-svd", "skip", o->skip, MC_T_ACCUM);
  if (o->form == mc_lowform_lpluss) return mc_lr_sum_pass(cx, o, changed);
  if (o->sparsity != 0)
    return mc_error(cx->diag, cx->loc, "lowrank-svd: sparsity= is for form=lpluss");
  bool ok = mc_lr_open(&z, changed) && mc_lr_table(&z) && mc_lr_best(&z, &choice, &res) &&
            mc_lr_finish(&z, choice, &res, changed);
  mc_lr_close(&z);
  MC_STAT_ADD(cx, lowrank_svd, split, res.split);
  if (!ok) return false;
  if (res.predicted >= 0)
    mc_remark(cx->diag, cx->loc, "lowrank-svd: predicted change of the output: %.4g",
              res.predicted);
  if (res.final.l2 >= 0) mc_report_damage(cx, "lowrank-svd", &res.held, &res.final);
  return true;
}
