/* sparsify: zero weights by a pattern; shapes stay.
 *
 *   %1 = conv2d %x, %w : f32[1,32,32,64]            // %w f32[64,3,3,64]
 * becomes, with sparsity=0.8 and pattern=16x4,
 *   %1 = conv2d %x, %w.s : f32[1,32,32,64]
 * where of the blocks of 16 output channels by 4 input channels of a tap 4 of 5 are 0.
 *
 * When it applies: linear and conv2d with constant f32 weights. Not depthwise ones (their kernels
 * have no form for zeros), nor layers of skip=. Kernels leave out blocks of 16 output channels that
 * are 0 where the cost model expects to gain (docs/internals/zero-weights.md); finer
 * patterns save storage alone. A layer never loses all blocks. Contract: LOSSY, without a bound:
 * measure it (mc-eval). */
#include "sparsify.h"
#include "bn.h"
#include "mc/analysis/channels.h"
#include "mc/ir/build.h"
#include "mc/measure/samples.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <string.h>

/* ---- layers ---- */

const char *mc_sparsify_name(const mc_node *n) {
  return n->source && *n->source ? n->source : n->out[0]->name ? n->out[0]->name : "";
}

static bool named(const char *list, const mc_node *n) {
  return mc_glob_list(list, n->source) || mc_glob_list(list, n->out[0]->name);
}

/* NULL: the layer is taken. */
static const char *refused(const sparsifier *s, const mc_node *n) {
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if (named(s->o->skip, n)) return "named in skip";
  if (*s->o->only && !named(s->o->only, n)) return "not named in only";
  if (n->op != MC_OP_linear && n->op != MC_OP_conv2d) return "only linear and conv2d are";
  if (!w) return "its weights are not a constant";
  if (w->dtype != MC_f32) return "its weights are not f32: sparsify comes before quantize";
  if (s->fits && n->nin > 2 && !mc_value_tensor(n->in[2])) return "its bias is not a constant";
  if (s->o->mask[0]) return NULL;
  if (mc_is_depthwise(n)) return "kernels of depthwise layers have no form for zero weights";
  if (n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups > 1 &&
      w->dim[0] / MC_ATTRS(n, conv2d)->groups < s->pattern.rows)
    return "a group of its channels is smaller than a block";
  return NULL;
}

/* A layer before shares these weights: they are done. */
static bool done_before(const sparsifier *s, const mc_tensor *w) {
  for (int i = 0; i < s->n; i++)
    if (s->l[i].w == w) return true;
  return false;
}

static void take(sparsifier *s, mc_node *n) {
  mc_arena *a = s->cx->scratch;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if (!s->fits && done_before(s, w)) return;
  sparse_layer *l = &s->l[s->n++];
  int64_t groups = n->op == MC_OP_conv2d ? MC_ATTRS(n, conv2d)->groups : 1;
  *l = (sparse_layer){ .node = n, .w = w, .grid = mc_grid_of(&s->pattern, w, groups) };
  l->data = mc_arena_copy(a, w->data, w->size);
  l->score = MC_NEWN(a, double, l->grid.n);
  l->gone = MC_NEWN(a, bool, l->grid.n);
}

void mc_sparsify_layers(sparsifier *s) {
  int count = 0;
  MC_FOR_NODES (n, s->cx->graph) count += mc_op_has(n->op, MC_T_ACCUM);
  s->l = MC_NEWN(s->cx->scratch, sparse_layer, count + 1);
  MC_FOR_NODES (m, s->cx->graph) {
    if (!mc_op_has(m->op, MC_T_ACCUM)) continue;
    const char *why = refused(s, m);
    if (!why)
      take(s, m);
    else
      mc_remark(s->cx->diag, m->loc, "%s %s is not made sparse: %s", mc_ops[m->op].text,
                mc_sparsify_name(m), why);
  }
}

/* ---- the new weights ---- */

static int64_t zeros_of(const float *w, int64_t n) {
  int64_t zeros = 0;
  for (int64_t i = 0; i < n; i++) zeros += w[i] == 0;
  return zeros;
}

static void count(sparsifier *s, const sparse_layer *l) {
  int64_t n = mc_tensor_elems(l->w), before = zeros_of(l->w->data, n), after = zeros_of(l->data, n);
  mc_remark(s->cx->diag, l->node->loc, "sparsify: %s %s: %.1f %% of %lld weights are 0, pattern %s",
            mc_ops[l->node->op].text, mc_sparsify_name(l->node), 100 * (double)after / (double)n,
            (long long)n, s->pattern_text);
  MC_STAT_ADD(s->cx, sparsify, layers, 1);
  MC_STAT_ADD(s->cx, sparsify, weights, n);
  MC_STAT_ADD(s->cx, sparsify, zeros, after);
  MC_STAT_ADD(s->cx, sparsify, zeroed, after - before);
}

static bool count_all(sparsifier *s) {
  for (int i = 0; i < s->n; i++) count(s, &s->l[i]);
  return true;
}

static bool replace(sparsifier *s, sparse_layer *l) {
  mc_module *m = s->cx->module;
  count(s, l);
  if (memcmp(l->data, l->w->data, l->w->size) == 0) return true;
  void *data;
  const char *name = l->w->name ? l->w->name : "w";
  mc_tensor *t = mc_tensor_create(m, mc_arena_printf(m->arena, "%s.s", name), MC_f32, l->w->rank,
                                  l->w->dim, &data);
  memcpy(data, l->data, l->w->size);
  mc_node *old = l->node->in[1]->def;
  mc_builder b = { .graph = s->cx->graph, .before = old, .diag = s->cx->diag, .loc = old->loc };
  mc_value *v = mc_build_tensor(&b, t, NULL);
  if (!v) return false;
  mc_value_replace(old->out[0], v);
  mc_node_remove(old);
  return true;
}

/* ---- the pass ---- */

/* A mask says which weights; nothing else may. */
static bool check_mask(const sparsifier *s) {
  const mc_opts_sparsify *o = s->o;
  const char *other = o->score != mc_wscore_auto        ? "score"
                      : o->sparsity != 0                ? "sparsity"
                      : strcmp(o->pattern, "auto") != 0 ? "pattern"
                      : o->scope != mc_scope_local      ? "scope"
                      : o->most != 0.95                 ? "most"
                      : o->file[0]                      ? "file"
                                                        : NULL;
  if (!other) return true;
  return mc_error(s->cx->diag, s->cx->loc,
                  "sparsify: mask= says which weights become 0; leave out %s=", other);
}

static bool check_file(const sparsifier *s) {
  bool by_file = s->o->score == mc_wscore_file;
  if (s->o->mask[0]) return check_mask(s);
  if (by_file && !s->o->file[0])
    return mc_error(s->cx->diag, s->cx->loc,
                    "sparsify: score=file: file= must name the file of scores");
  if (!by_file && s->o->file[0])
    return mc_error(s->cx->diag, s->cx->loc, "sparsify: file= is for score=file");
  return true;
}

/* What needs samples says so when there are none. */
static bool check_samples(sparsifier *s) {
  const mc_opts_sparsify *o = s->o;
  mc_diag *d = s->cx->diag;
  s->fits = mc_samples_path(s->cx, o->data) != NULL;
  s->repairs = s->fits && o->repair != mc_weightfix_none;
  const char *what = o->score == mc_wscore_aw          ? "score=aw"
                     : o->score == mc_wscore_obs       ? "score=obs"
                     : o->repair == mc_weightfix_refit ? "repair=refit"
                                                       : NULL;
  if (s->fits) return true;
  if (what) return mc_error(d, s->cx->loc, "sparsify: %s needs samples: data=FILE.npz", what);
  if (o->mask[0]) return true; /* they may be 0 already: warned where they are not */
  mc_warning(d, s->cx->loc,
             "sparsify: without samples (data=) blocks are chosen by %s alone and "
             "nothing is repaired: expect to lose most of the accuracy",
             o->score == mc_wscore_file ? "their scores" : "their weights");
  return true;
}

static bool check_options(sparsifier *s) {
  const mc_opts_sparsify *o = s->o;
  mc_diag *d = s->cx->diag;
  mc_loc at = s->cx->loc;
  bool plain = strcmp(o->pattern, "auto") == 0;
  s->pattern_text = !plain ? o->pattern : o->mask[0] ? "weights" : "16x4";
  if (!mc_pattern_parse(s->pattern_text, &s->pattern))
    return mc_error(d, at,
                    "sparsify: pattern '%s' is none of weights, RxC (16x4: output by input "
                    "channels), N:M (2:4: N of M stay) and RxN:M (16x2:4: the same N for R "
                    "output channels), up to 4096",
                    o->pattern);
  if (!(o->sparsity >= 0 && o->sparsity < 1))
    return mc_error(d, at, "sparsify: sparsity must be at least 0 and below 1");
  if (!(o->most > 0 && o->most < 1))
    return mc_error(d, at, "sparsify: most must be between 0 and 1");
  if (s->pattern.of && o->sparsity > 0)
    return mc_error(d, at,
                    "sparsify: pattern=%s says the sparsity; leave out sparsity=", o->pattern);
  s->share = o->sparsity > 0 ? o->sparsity : 0.8;
  if (s->share > o->most && !s->pattern.of)
    return mc_error(d, at, "sparsify: sparsity=%g is more than a layer may lose (most=%g)",
                    s->share, o->most);
  if (o->samples < 0 || o->memory < 1)
    return mc_error(d, at, "sparsify: samples must be at least 0, memory at least 1");
  if (!(o->damping >= 0)) return mc_error(d, at, "sparsify: damping must not be negative");
  if (s->o->mask[0]) s->pattern_text = "from a mask";
  return check_file(s) && check_samples(s);
}

static bool changes(const sparse_layer *l) { return memcmp(l->data, l->w->data, l->w->size) != 0; }

/* Without samples: zeros, and no other change. */
static bool zero_all(sparsifier *s, bool *changed) {
  bool any = false;
  for (int i = 0; i < s->n; i++) {
    if (s->o->mask[0])
      mc_sparsify_mask(&s->l[i], s->l[i].data, NULL);
    else
      mc_sparsify_zero(s, &s->l[i], s->l[i].given);
    any = any || changes(&s->l[i]);
  }
  if (any && s->o->mask[0])
    mc_warning(s->cx->diag, s->cx->loc,
               "sparsify: weights that the mask zeroes were not 0, and without samples (data=) "
               "nothing is repaired");
  *changed = *changed || any;
  for (int i = 0; i < s->n; i++)
    if (!replace(s, &s->l[i])) return false;
  return true;
}

bool mc_pass_sparsify(mc_pass_context *cx, const mc_opts_sparsify *o, bool *changed) {
  sparsifier s = { .cx = cx, .o = o };
  if (!check_options(&s)) return false;
  mc_layers_warn_unmatched(cx, "sparsify", "skip", o->skip, MC_T_ACCUM);
  mc_layers_warn_unmatched(cx, "sparsify", "only", o->only, MC_T_ACCUM);
  if (s.fits && !mc_bn_fold_any(cx, changed)) return false; /* moments are those with them */
  mc_sparsify_layers(&s);
  if (!mc_sparsify_read(&s)) return false;
  if (!s.n) {
    mc_warning(cx->diag, cx->loc, "sparsify: no layer of this graph can be made sparse");
    return true;
  }
  mc_sparsify_scores(&s);
  mc_sparsify_quotas(&s);
  if (s.fits) return mc_sparsify_fit(&s, changed) && count_all(&s);
  return zero_all(&s, changed);
}
