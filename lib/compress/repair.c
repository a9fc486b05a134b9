/* repair: weights and bias that bring a changed network's layers back to what the original
 * computes.
 *
 *   %y = conv2d %x, %w, %b : f32[1,8,8,16]        ->      %y = conv2d %x, %w.1, %b.1 :
 * f32[1,8,8,16]
 *
 * method=refit: batch norms are folded; then every layer in order, as docs/guide/compression.md,
 * "Repair", says. The changed network has the original's shapes (weights that were set to 0 stay
 * 0), or has lost channels and nothing else (prune-channels{repair=none}). method=bn: new means
 * and variances for the batch_norms that are there. Not for networks whose layers were split.
 * Contract: LOSSY; the bound is what was measured on the samples held back. */
#include "prune.h"
#include "bn.h"
#include "mc/measure/samples.h"
#include "mc/syntax/parse.h"
#include "repair_match.h"
#include "report.h"
#include <math.h>
#include <string.h>

typedef struct repairer {
  mc_pass_context *cx;
  const mc_opts_repair *o;
  mc_walk_opts walk;
  mc_module *file;
  mc_graph *was;    /* the original */
  mc_products p, q; /* of the original, and of the graph */
} repairer;

static bool check_options(const mc_pass_context *cx, const mc_opts_repair *o) {
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "repair: samples must be at least 0");
  if (o->memory < 1) return mc_error(cx->diag, cx->loc, "repair: memory must be at least 1 (MiB)");
  if (!(o->damping >= 0) || isinf(o->damping))
    return mc_error(cx->diag, cx->loc, "repair: damping must be at least 0");
  if (o->method == mc_fixup_none)
    return mc_error(cx->diag, cx->loc, "repair: method=none repairs nothing");
  if (o->method == mc_fixup_bn && o->damping > 0)
    return mc_error(cx->diag, cx->loc, "repair: damping= has no meaning for method=bn");
  if (o->method == mc_fixup_bn && *o->original)
    return mc_error(cx->diag, cx->loc,
                    "repair: original= has no meaning for method=bn, which takes the statistics "
                    "of the changed network");
  if (o->method != mc_fixup_bn && !*o->original)
    return mc_error(cx->diag, cx->loc,
                    "repair: original=FILE.mir is missing: the network before the change, which "
                    "says what each layer should give");
  return true;
}

static bool open_samples(repairer *r) {
  mc_pass_context *cx = r->cx;
  const char *path = mc_samples_path(cx, r->o->data);
  if (!path)
    return mc_error(
        cx->diag, cx->loc,
        "repair: no samples: give data=FILE.npz, or a calibration line in the .mir file");
  r->walk = (mc_walk_opts){
    .data = path, .samples = r->o->samples, .memory = r->o->memory << 20, .what = "repair"
  };
  return mc_walk_count(cx, &r->walk);
}

static bool fold(mc_pass_context *cx, mc_module *m, mc_graph *g, bool *changed) {
  mc_pass_context own = *cx;
  own.module = m, own.graph = g;
  return mc_bn_fold(&own, changed);
}

static bool open_original(repairer *r, bool *changed) {
  mc_pass_context *cx = r->cx;
  const char *path = r->o->original;
  r->file = mc_parse_file(path, cx->diag);
  if (!r->file) {
    mc_note(cx->diag, cx->loc, "repair: this is the file of original=");
    return false;
  }
  r->was = mc_module_graph(r->file, cx->graph->name);
  if (!r->was && r->file->graphs && !r->file->graphs->next) r->was = r->file->graphs;
  if (!r->was)
    return mc_error(cx->diag, cx->loc, "repair: %s has no graph '%s'", path, cx->graph->name);
  bool other = false;
  if (!fold(cx, r->file, r->was, &other) || !fold(cx, cx->module, cx->graph, changed)) return false;
  r->p = mc_products_of(r->was, cx->scratch);
  r->q = mc_products_of(cx->graph, cx->scratch);
  if (r->p.n != r->q.n)
    return mc_error(
        cx->diag, cx->loc,
        "repair: this network has %d layers with weights and %s has %d; networks whose layers "
        "were split or taken out are not supported (lowrank repairs by itself)",
        r->q.n, path, r->p.n);
  return r->q.n > 0 || mc_error(cx->diag, cx->loc, "repair: the graph has no layer with weights");
}

static bool same_shapes(const repairer *r) {
  for (int i = 0; i < r->p.n; i++) {
    const mc_product *a = &r->p.v[i], *b = &r->q.v[i];
    if (a->node->op != b->node->op || a->groups != b->groups || a->o != b->o || a->d != b->d ||
        a->kh != b->kh || a->kw != b->kw)
      return false;
  }
  return true;
}

/* ---- the original's shapes ---- */

/* Elements that are 0 now and were not. NULL: none. */
static bool *mask_of(const mc_product *was, const mc_product *is, mc_arena *a) {
  int64_t n = is->groups * is->o * is->d, zeros = 0;
  mc_arena *t = mc_arena_create();
  const float *w = mc_product_copy(was, t, NULL), *v = mc_product_copy(is, t, NULL);
  for (int64_t i = 0; i < n; i++) zeros += v[i] == 0 && w[i] != 0;
  bool *mask = zeros ? MC_NEWN(a, bool, n) : NULL;
  for (int64_t i = 0; mask && i < n; i++) mask[i] = !(v[i] == 0 && w[i] != 0);
  mc_arena_destroy(t);
  return mask;
}

static bool refit_same(repairer *r, unsigned folds, mc_fitted *out, mc_arena *a) {
  const bool **mask = MC_NEWN(a, const bool *, r->q.n);
  for (int i = 0; i < r->q.n; i++) mask[i] = mask_of(&r->p.v[i], &r->q.v[i], a);
  mc_refit f = { .walk = r->walk, .damping = r->o->damping, .folds = folds, .mask = mask };
  f.walk.original = r->was;
  return mc_refit_run(r->cx, &f, out, a);
}

/* ---- fewer channels ---- */

/* The rows and columns of fitted weights that the changed layer has. */
static void gather(const mc_product *p, const bool *rows, const bool *columns, const float *w,
                   const float *b, float *v, float *c) {
  for (int64_t r = 0; r < p->groups * p->o; r++) {
    if (rows && !rows[r]) continue;
    *c++ = b[r];
    for (int64_t j = 0; j < p->d; j++)
      if (!columns || columns[r / p->o * p->d + j]) *v++ = w[r * p->d + j];
  }
}

static bool refit_fewer(repairer *r, unsigned folds, mc_fitted *out, mc_arena *a) {
  mc_pass_context *cx = r->cx, own = *cx;
  mc_channels *ch = mc_channels_of(r->was, a);
  bool *keep = mc_repair_match(ch, &r->p, &r->q, r->o->original, a, cx->diag);
  if (!keep) return false;
  const bool **columns = MC_NEWN(a, const bool *, r->p.n),
             **rows = MC_NEWN(a, const bool *, r->p.n);
  for (int i = 0; i < r->p.n; i++) {
    columns[i] = mc_sites_columns(ch, &r->p.v[i], keep, a);
    rows[i] = mc_sites_rows(ch, &r->p.v[i], keep, a);
  }
  mc_refit f = {
    .walk = r->walk, .damping = r->o->damping, .folds = folds, .keep = columns, .rows = rows
  };
  own.module = r->file, own.graph = r->was;
  mc_fitted wide;
  if (!mc_refit_run(&own, &f, &wide, a)) return false;
  *out = (mc_fitted){ MC_NEWN(a, float *, r->q.n), MC_NEWN(a, float *, r->q.n), r->q.n };
  for (int i = 0; i < r->q.n; i++) {
    const mc_product *q = &r->q.v[i];
    if (!wide.w[i]) continue;
    out->w[i] = MC_NEWN(a, float, q->groups * q->o * q->d);
    out->b[i] = MC_NEWN(a, float, q->groups * q->o);
    gather(&r->p.v[i], rows[i], columns[i], wide.w[i], wide.b[i], out->w[i], out->b[i]);
  }
  return true;
}

/* ---- the pass ---- */

static bool judge(repairer *r, mc_damage *d, const mc_fitted *f, mc_distance *x) {
  return mc_fitted_judge(f, r->cx->graph, d, r->cx->diag, x);
}

typedef bool refitting(repairer *, unsigned, mc_fitted *, mc_arena *);

/* How far the network is that a fit without the last fold gives. */
static bool try_fit(repairer *r, mc_damage *d, refitting *run, mc_distance *held) {
  mc_arena *a = mc_arena_create();
  mc_fitted f;
  bool ok = run(r, MC_FOLDS_FIT, &f, a) && judge(r, d, &f, held);
  mc_arena_destroy(a);
  return ok;
}

static bool refit(repairer *r, mc_damage *d, bool *changed) {
  mc_pass_context *cx = r->cx;
  refitting *run = same_shapes(r) ? refit_same : refit_fewer;
  mc_fitted f;
  mc_distance before, held, now;
  if (!mc_damage_graph(d, cx->graph, &before) || !try_fit(r, d, run, &held)) return false;
  if (mc_distance_main(&held) >= mc_distance_main(&before)) {
    mc_warning(cx->diag, cx->loc,
               "repair: the weights stay: on held-back samples the repaired network would be "
               "further from the original (%.4g) than it is (%.4g)",
               mc_distance_main(&held), mc_distance_main(&before));
    return true;
  }
  if (!run(r, MC_FOLDS_ALL, &f, cx->scratch) || !judge(r, d, &f, &now)) return false;
  mc_remark(cx->diag, cx->loc, "repair: the output's distance to the original's was %.4g",
            mc_distance_main(&before));
  mc_report_damage(cx, "repair", &held, &now);
  cx->bound = 0; /* what was measured is the distance to the original, not to what comes in */
  int n = 0;
  for (int i = 0; i < f.n; i++) n += f.w[i] != NULL;
  MC_STAT_ADD(cx, repair, layers, n);
  *changed = true;
  return mc_fitted_set(&f, cx->graph, cx->diag);
}

static bool repair_refit(repairer *r, bool *changed) {
  if (!open_original(r, changed)) return false;
  mc_walk_opts w = r->walk;
  w.original = r->was;
  mc_damage *d = mc_damage_open(r->cx, &w);
  if (!d) return false;
  bool ok = refit(r, d, changed);
  mc_damage_close(d);
  return ok;
}

static bool repair_bn(repairer *r, bool *changed) {
  int n;
  if (!mc_bn_estimate(r->cx, &r->walk, &n)) return false;
  if (!n)
    mc_warning(r->cx->diag, r->cx->loc,
               "repair: method=bn did nothing: the graph has no batch_norm with constant "
               "statistics (folded already?); method=refit needs none");
  MC_STAT_ADD(r->cx, repair, layers, n);
  *changed = n > 0;
  return true;
}

bool mc_pass_repair(mc_pass_context *cx, const mc_opts_repair *o, bool *changed) {
  repairer r = { .cx = cx, .o = o };
  if (!check_options(cx, o) || !open_samples(&r)) return false;
  bool ok = o->method == mc_fixup_bn ? repair_bn(&r, changed) : repair_refit(&r, changed);
  if (r.file) mc_module_destroy(r.file);
  return ok;
}
