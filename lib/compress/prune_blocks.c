/* prune-blocks: take whole residual blocks out.
 *
 *   %1 = conv2d %x, %w1, %b1 : f32[1,8,8,16]
 *   %2 = relu %1 : f32[1,8,8,16]
 *   %3 = conv2d %2, %w2, %b2 : f32[1,8,8,16]
 *   %4 = add %x, %3 : f32[1,8,8,16]
 *   %5 = relu %4 : f32[1,8,8,16]
 * with the block gone becomes
 *   %5 = relu %x : f32[1,8,8,16]
 *
 * A block is an add of x and of what is made of x by one layer or more, of equal shapes: of
 * convolutions, of attention, of a feed-forward part. Blocks go in the order of their scores, until
 * there are `count`, or until the MACs are met, or as long as the score is at most `most`. With
 * samples every other layer is refitted towards the original (docs/guide/compression.md, "Repair").
 * Not removed: blocks with a layer named in skip=, blocks inside of others that go. Contract:
 * LOSSY; with samples the measured change is its bound. */
#include "blocks.h"
#include "mc/measure/samples.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include "refit.h"
#include "report.h"
#include <math.h>
#include <stdlib.h>

typedef struct blocker {
  mc_pass_context *cx;
  const mc_opts_prune_blocks *o;
  mc_blocks b;
  mc_walk_opts walk;
  bool data;          /* there are samples */
  mc_e_blockscore by; /* after auto */
  double macs;        /* of the whole graph */
} blocker;

/* ---- what it costs ---- */

/* A copy of the graph without the blocks that are gone; NULL after reporting. */
static mc_graph *without(const blocker *p) {
  mc_graph *g = mc_graph_clone(p->cx->graph);
  if (mc_blocks_remove(g, &p->b, p->cx->diag)) return g;
  mc_module_destroy(g->module);
  return NULL;
}

static double macs_of(const mc_graph *g) {
  mc_arena *a = mc_arena_create();
  double macs = mc_channels_macs(g, mc_channels_of(g, a), NULL);
  mc_arena_destroy(a);
  return macs;
}

static bool macs_left(const blocker *p, double *macs) {
  mc_graph *g = without(p);
  if (!g) return false;
  *macs = macs_of(g);
  mc_module_destroy(g->module);
  return true;
}

/* ---- scores ---- */

static bool score_damage(blocker *p) {
  mc_damage *d = mc_damage_open(p->cx, &p->walk);
  bool ok = d != NULL;
  for (int i = 0; ok && i < p->b.n; i++) {
    mc_distance x = { 0 };
    if (p->b.v[i].skipped) continue;
    p->b.v[i].gone = true;
    mc_graph *g = without(p);
    p->b.v[i].gone = false;
    ok = g && mc_damage_graph(d, g, &x);
    if (g) mc_module_destroy(g->module);
    p->b.v[i].score = mc_distance_main(&x);
    if (p->cx->progress) p->cx->progress(p->cx->progress_ctx, "blocks", i + 1, p->b.n);
  }
  if (d) mc_damage_close(d);
  return ok;
}

static void see(void *ctx, int k, const float *x, int64_t n) {
  double *sum = ctx;
  for (int64_t i = 0; i < n; i++) sum[k] += (double)x[i] * (double)x[i];
}

/* E|f(x)|^2 / E|x|^2 */
static bool score_magnitude(blocker *p) {
  int n = 2 * p->b.n;
  mc_value **v = MC_NEWN(p->cx->scratch, mc_value *, n + 1);
  double *sum = MC_NEWN(p->cx->scratch, double, n + 1);
  for (int i = 0; i < p->b.n; i++) {
    mc_node *add = mc_block_add(p->cx->graph, &p->b.v[i]);
    v[2 * i] = add->in[p->b.v[i].x];
    v[2 * i + 1] = add->in[1 - p->b.v[i].x];
  }
  mc_samples *s = mc_samples_open(p->cx, p->o->data, v, n, false);
  bool ok = s && mc_samples_sweep(s, p->o->samples, "blocks", see, sum);
  if (s) mc_samples_close(s);
  for (int i = 0; ok && i < p->b.n; i++) p->b.v[i].score = sum[2 * i + 1] / fmax(sum[2 * i], 1e-30);
  return ok;
}

static bool score(blocker *p) {
  if (p->by == mc_blockscore_damage) return score_damage(p);
  if (p->by == mc_blockscore_magnitude) return score_magnitude(p);
  for (int i = 0; i < p->b.n; i++) p->b.v[i].score = mc_block_gain(p->cx->graph, &p->b.v[i]);
  return true;
}

/* ---- which go ---- */

static int by_score(const void *a, const void *b) {
  const mc_block *x = *(mc_block *const *)a, *y = *(mc_block *const *)b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return (x->at > y->at) - (x->at < y->at);
}

static const char *named(const mc_node *n) { return n->source ? n->source : ""; }

static void say(const blocker *p, const mc_block *b, double before, double after) {
  const mc_node *add = mc_block_add(p->cx->graph, b);
  mc_remark(p->cx->diag, add->loc,
            "the block of %d layers from %s %s to here goes: score %.4g, %.1f %% of the MACs",
            b->products, mc_ops[b->first->op].text, named(b->first), b->score,
            (before - after) / p->macs * 100);
}

static bool enough(const blocker *p, int count, double left) {
  if (p->o->count > 0 && count >= p->o->count) return true;
  return p->o->macs > 0 && left <= p->o->macs * p->macs;
}

/* A block inside of one that is gone costs nothing more: it stays in the list, not in the graph. */
static bool choose(blocker *p, int *count) {
  mc_block **order = MC_NEWN(p->cx->scratch, mc_block *, p->b.n + 1);
  int n = 0;
  double left = p->macs;
  for (int i = 0; i < p->b.n; i++)
    if (!p->b.v[i].skipped && isfinite(p->b.v[i].score)) order[n++] = &p->b.v[i];
  qsort(order, (size_t)n, sizeof *order, by_score);
  for (int i = 0; i < n && !enough(p, *count, left); i++) {
    double before = left;
    if (p->o->most > 0 && order[i]->score > p->o->most) break;
    order[i]->gone = true;
    if (!macs_left(p, &left)) return false;
    order[i]->gone = left < before;
    if (!order[i]->gone) continue;
    say(p, order[i], before, left);
    (*count)++;
  }
  if (p->o->macs > 0 && left > p->o->macs * p->macs && p->o->most <= 0)
    return mc_error(p->cx->diag, p->cx->loc,
                    "prune-blocks: macs=%g cannot be reached: with every block gone that may go, "
                    "%.0f %% remain",
                    p->o->macs, left / p->macs * 100);
  return true;
}

/* ---- repair ---- */

/* Rows of products that end a block which goes: all of them, so that it adds 0. */
static const bool **rows_gone(const blocker *p, const mc_products *all) {
  const bool **rows = MC_NEWN(p->cx->scratch, const bool *, all->n + 1);
  for (int i = 0; i < all->n; i++)
    for (int k = 0; k < p->b.n; k++)
      if (p->b.v[k].gone && p->b.v[k].last == all->v[i].node)
        rows[i] = MC_NEWN(p->cx->scratch, bool, all->v[i].groups * all->v[i].o);
  return rows;
}

static bool judge(blocker *p, mc_damage *d, const mc_fitted *f, mc_distance *x) {
  mc_graph *g = mc_fitted_copy(f, p->cx->graph, p->cx->diag);
  bool ok = g && mc_blocks_remove(g, &p->b, p->cx->diag) && mc_damage_graph(d, g, x);
  if (g) mc_module_destroy(g->module);
  return ok;
}

static bool fit_and_judge(blocker *p, mc_damage *d, const bool *const *rows, mc_fitted *f) {
  mc_refit r = { .walk = p->walk, .damping = p->o->damping, .folds = MC_FOLDS_FIT, .rows = rows };
  mc_distance held, final;
  r.walk.what = "repair";
  if (!mc_refit_run(p->cx, &r, f, p->cx->scratch) || !judge(p, d, f, &held)) return false;
  r.folds = MC_FOLDS_ALL;
  if (!mc_refit_run(p->cx, &r, f, p->cx->scratch) || !judge(p, d, f, &final)) return false;
  mc_report_damage(p->cx, "prune-blocks", &held, &final);
  return true;
}

/* Nothing can stand for the block in the walk where its last op adds something of its own. */
static bool can_repair(const blocker *p) {
  if (!p->data || p->o->repair == mc_blockrepair_none) return false;
  for (int i = 0; i < p->b.n; i++) {
    if (!p->b.v[i].gone || p->b.v[i].last) continue;
    mc_warning(p->cx->diag, mc_block_add(p->cx->graph, &p->b.v[i])->loc,
               "prune-blocks: not repaired: no layer with weights ends this block (fold-bn first, "
               "or run the pass repair after it)");
    return false;
  }
  return true;
}

static bool report_only(blocker *p) {
  mc_damage *d = mc_damage_open(p->cx, &p->walk);
  mc_graph *g = d ? without(p) : NULL;
  mc_distance x;
  bool ok = g && mc_damage_graph(d, g, &x);
  if (g) mc_module_destroy(g->module);
  if (d) mc_damage_close(d);
  if (ok) mc_report_damage(p->cx, "prune-blocks", NULL, &x);
  return ok;
}

static bool repair(blocker *p) {
  if (!p->data) {
    mc_warning(p->cx->diag, p->cx->loc,
               "prune-blocks: no samples (data=): the layers that stay are not fitted to what is "
               "missing; expect a network that needs training");
    return true;
  }
  if (!can_repair(p)) return report_only(p);
  mc_products all = mc_products_of(p->cx->graph, p->cx->scratch);
  mc_fitted f;
  mc_damage *d = mc_damage_open(p->cx, &p->walk);
  bool ok = d && fit_and_judge(p, d, rows_gone(p, &all), &f);
  if (d) mc_damage_close(d);
  return ok && mc_fitted_set(&f, p->cx->graph, p->cx->diag);
}

/* ---- the pass ---- */

static bool check_options(blocker *p) {
  const mc_opts_prune_blocks *o = p->o;
  mc_diag *d = p->cx->diag;
  mc_loc at = p->cx->loc;
  if (o->count < 0) return mc_error(d, at, "prune-blocks: count must be at least 0");
  if (!(o->macs >= 0 && o->macs <= 1))
    return mc_error(d, at, "prune-blocks: macs must be between 0 and 1");
  if (!(o->most >= 0)) return mc_error(d, at, "prune-blocks: most must be at least 0");
  if (!(o->damping >= 0)) return mc_error(d, at, "prune-blocks: damping must be at least 0");
  if (o->count == 0 && o->macs == 0 && o->most == 0)
    return mc_error(d, at, "prune-blocks: say how much goes: count=, macs= or most=");
  p->data = mc_samples_path(p->cx, o->data) != NULL;
  p->by = o->score != mc_blockscore_auto ? (mc_e_blockscore)o->score
          : p->data                      ? mc_blockscore_damage
                                         : mc_blockscore_weights;
  if (!p->data && p->by != mc_blockscore_weights)
    return mc_error(d, at,
                    "prune-blocks: score=%s: no samples: give data=FILE.npz, or a calibration "
                    "line in the .mir file",
                    mc_names_blockscore[p->by]);
  p->walk = (mc_walk_opts){
    .data = o->data, .samples = o->samples, .memory = o->memory << 20, .what = "blocks"
  };
  return true;
}

static void protect(blocker *p) {
  const mc_graph *g = p->cx->graph;
  for (int i = 0; i < p->b.n; i++) {
    mc_node *end = mc_block_add(g, &p->b.v[i]);
    for (mc_node *n = p->b.v[i].first; n && n != end; n = n->next)
      if (mc_op_has(n->op, MC_T_ACCUM) &&
          (mc_glob_list(p->o->skip, n->source) || mc_glob_list(p->o->skip, n->out[0]->name)))
        p->b.v[i].skipped = "a layer of it is named in skip";
    if (p->b.v[i].skipped)
      mc_remark(p->cx->diag, end->loc, "the block that ends here stays: %s", p->b.v[i].skipped);
  }
}

bool mc_pass_prune_blocks(mc_pass_context *cx, const mc_opts_prune_blocks *o, bool *changed) {
  blocker p = { .cx = cx, .o = o };
  int count = 0;
  if (!check_options(&p)) return false;
  mc_layers_warn_unmatched(cx, "prune-blocks", "skip", o->skip, MC_T_ACCUM);
  p.b = mc_blocks_of(cx->graph, cx->scratch);
  if (!p.b.n) {
    mc_warning(cx->diag, cx->loc, "prune-blocks: this graph has no residual block x + f(x)");
    return true;
  }
  protect(&p);
  p.macs = macs_of(cx->graph);
  if (!score(&p) || !choose(&p, &count)) return false;
  if (!count) {
    mc_remark(cx->diag, cx->loc, "prune-blocks: no block goes");
    return true;
  }
  MC_STAT_ADD(cx, prune_blocks, removed, count);
  *changed = true;
  return repair(&p) && mc_blocks_remove(cx->graph, &p.b, cx->diag);
}
