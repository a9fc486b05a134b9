/* lowrank{form=lpluss}: a layer as the sum of one of low rank and one whose weights are blocks.
 *
 *   %y = conv2d %x, %w, %b {clamp=[0.0,inf]}            // %w [64,3,3,64]
 * becomes, with ratio=0.125 and sparsity=0.8,
 *   %h = conv2d %x, %w.v                                // [8,3,3,64]
 *   %l = conv2d %h, %w.u                                // [64,1,1,8]
 *   %s = conv2d %x, %w.s, %b                            // [64,3,3,64], 80 % of the 16x4 blocks 0
 *   %y = add %l, %s {clamp=[0.0,inf]}
 *
 * When it applies: linear and conv2d. Not depthwise ones, layers of skip=, layers that would not
 * get smaller, nor with -march= those that the target would not compute faster. Contract: LOSSY;
 * with samples bounded by the change that was measured on them. */
#include "lowrank_sum.h"
#include "mc/analysis/channels.h"
#include "mc/analysis/model.h"
#include "report.h"
#include <math.h>
#include <string.h>

static const mc_pattern blocks = { .rows = 16, .cols = 4 };

typedef struct summer {
  lowrank z;
  lr_sum *sum;  /* by product */
  double keep;  /* share of the blocks of S */
  int singular; /* layers that read the same in all samples */
} summer;

/* ---- building ---- */

static mc_value *weight(mc_builder *b, const lr_layer *l, const char *end, int rank,
                        const int64_t *dim, float **data) {
  const mc_tensor *w = mc_value_tensor(l->p.node->in[1]);
  mc_module *m = b->graph->module;
  void *p;
  mc_tensor *t = mc_tensor_create(
      m, mc_arena_printf(m->arena, "%s.%s", w->name ? w->name : "w", end), MC_f32, rank, dim, &p);
  *data = p;
  return mc_build_tensor(b, t, NULL);
}

/* Data of u, v, s; in that order. */
typedef struct tensors {
  mc_value *value[3];
  float *data[3];
} tensors;

static bool make_tensors(mc_builder *b, const lr_layer *l, int64_t r, tensors *t) {
  static const char *const ends[] = { "v", "u", "s" };
  const mc_type *w = l->p.node->in[1]->type;
  for (int k = 0; k < 3; k++) {
    int64_t dim[4] = { w->dim[0], 1, 1, r };
    if (k != 1) memcpy(dim, w->dim, sizeof *dim * (size_t)w->rank);
    if (k == 0) dim[0] = l->p.groups * r;
    if (k == 1 && w->rank == 2) dim[1] = r;
    t->value[k] = weight(b, l, ends[k], w->rank, dim, &t->data[k]);
    if (!t->value[k]) return false;
  }
  return true;
}

static mc_value *product(mc_builder *b, const mc_node *like, mc_value *x, mc_value *w,
                         mc_value *bias, bool plain) {
  mc_value *in[3] = { x, w, bias };
  if (like->op == MC_OP_linear) {
    mc_attrs_linear a = *MC_ATTRS(like, linear);
    a.clamp[0] = -INFINITY, a.clamp[1] = INFINITY;
    return mc_build1(b, MC_OP_linear, in, bias ? 3 : 2, &a);
  }
  mc_attrs_conv2d a = *MC_ATTRS(like, conv2d);
  a.clamp[0] = -INFINITY, a.clamp[1] = INFINITY;
  for (int i = 0; plain && i < 2; i++) a.stride[i] = a.dilation[i] = 1;
  for (int i = 0; plain && i < 4; i++) a.pad[i] = 0;
  return mc_build1(b, MC_OP_conv2d, in, bias ? 3 : 2, &a);
}

/* u (v x) + s x + bias. NULL after reporting. */
static mc_value *build(mc_builder *b, const mc_node *like, mc_value *x, const tensors *t,
                       mc_value *bias) {
  mc_value *h = product(b, like, x, t->value[0], NULL, false);
  mc_value *low = h ? product(b, like, h, t->value[1], NULL, true) : NULL;
  mc_value *s = low ? product(b, like, x, t->value[2], bias, false) : NULL;
  mc_attrs_add add;
  mc_attrs_init(MC_OP_add, &add, b->graph->module->arena);
  const float *clamp =
      like->op == MC_OP_linear ? MC_ATTRS(like, linear)->clamp : MC_ATTRS(like, conv2d)->clamp;
  memcpy(add.clamp, clamp, sizeof add.clamp);
  return s ? mc_build1(b, MC_OP_add, (mc_value *[]){ low, s }, 2, &add) : NULL;
}

/* ---- which layers ---- */

/* Every block of S in its share, spread evenly: what the model of time is asked about. */
static void spread(const lr_sum *sum, double keep, float *w) {
  int64_t width = sum->grid.taps * sum->grid.ci;
  double due = 0;
  for (int64_t i = 0; i < sum->grid.n; i++) {
    mc_grid_block b = mc_grid_at(&sum->grid, i);
    due += keep;
    for (int64_t r = b.row; r < b.row + b.rows; r++)
      for (int64_t c = b.col; c < b.col + b.cols; c++) w[r * width + c] = due >= 1 ? 1 : 0;
    due -= due >= 1;
  }
}

static double cycles_of(const summer *s, const mc_graph *g) {
  const lowrank *z = &s->z;
  int64_t weights = (int64_t)(z->weights * mc_arith_bytes(z->how));
  double sum = 0;
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_ACCUM))
      sum += mc_model_layer(n, z->how, z->target, weights).cycles;
    else if (n->op == MC_OP_add)
      sum += mc_model_convert(mc_type_elems(n->out[0]->type), z->how, z->how, z->target).cycles;
  }
  return sum;
}

static bool faster(const summer *s, const lr_layer *l, const lr_sum *sum) {
  const mc_node *n = l->p.node;
  int64_t weights = (int64_t)(s->z.weights * mc_arith_bytes(s->z.how));
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_module *m = mc_module_create();
  mc_graph *g = mc_graph_create(m, NULL, mc_noloc);
  mc_value *x = mc_graph_add_input(g, NULL, mc_type_intern(m, n->in[0]->type), mc_noloc);
  mc_builder b = { .graph = g, .diag = &d };
  tensors t;
  bool ok = make_tensors(&b, l, sum->r, &t);
  for (int k = 0; ok && k < 2; k++)
    for (int64_t i = 0; i < mc_type_elems(t.value[k]->type); i++) t.data[k][i] = 1;
  if (ok) spread(sum, s->keep, t.data[2]);
  ok = ok && build(&b, n, x, &t, NULL);
  double own = mc_model_layer(n, s->z.how, s->z.target, weights).cycles;
  ok = ok && cycles_of(s, g) < own;
  mc_module_destroy(m);
  mc_arena_destroy(a);
  return ok;
}

/* NULL: the layer is taken apart. */
static const char *refused(summer *s, const lr_layer *l, const lr_sum *sum) {
  double all = (double)(l->p.o * l->p.d);
  if (!l->can) return ""; /* said already */
  if (mc_is_depthwise(l->p.node)) return "it is depthwise";
  if (l->p.o < blocks.rows) return "it has fewer outputs than a block";
  if ((double)(sum->r * (l->p.o + l->p.d)) + s->keep * all >= all)
    return "the two parts would not be smaller";
  if (s->z.target && !faster(s, l, sum)) {
    s->z.slower++;
    return "the target would not be faster with the two parts";
  }
  return NULL;
}

static void plan_layers(summer *s) {
  lowrank *z = &s->z;
  s->sum = MC_NEWN(z->cx->scratch, lr_sum, z->products.n + 1);
  for (int i = 0; i < z->products.n; i++) {
    const lr_layer *l = &z->l[i];
    lr_sum *sum = &s->sum[i];
    *sum = (lr_sum){ 0 };
    int64_t full = mc_form_full(MC_FORM_out, l->s), align = z->align > 0 ? z->align : 1;
    sum->r = (int64_t)(z->o->ratio * (double)full + 0.5) / align * align;
    if (sum->r < align) sum->r = align;
    if (l->can) sum->grid = mc_grid_of(&blocks, mc_value_tensor(l->p.node->in[1]), l->p.groups);
    sum->keep = l->can ? llround(s->keep * (double)sum->grid.n / (double)l->p.groups) : 0;
    const char *why = refused(s, l, sum);
    sum->on = !why;
    if (why && *why)
      mc_remark(z->cx->diag, l->p.node->loc, "lowrank-svd: %s is not split: %s",
                mc_layer_name(l->p.node), why);
  }
}

/* ---- fitting ---- */

typedef struct fit {
  summer *s;
  unsigned folds;
  mc_walk *walk; /* NULL: weights as they are, plain norm */
  mc_fitted out;
} fit;

static bool split_group(fit *t, int i, int64_t g, const mc_moments *m, float *w, float *b,
                        double sums[2]) {
  const lr_layer *l = &t->s->z.l[i];
  int64_t o = l->p.o, d = l->p.d;
  mc_arena *a = mc_arena_create();
  mc_centred c = { 0 };
  double *metric = NULL, norm, lost, *x = MC_NEWN(a, double, o *d);
  if (m) c = mc_moments_centred(m, t->folds, g, a);
  if (m && t->s->z.data_norm) metric = mc_lr_metric(&c);
  for (int64_t k = 0; k < o * d; k++) x[k] = (double)w[k];
  bool ok = mc_lr_sum_fit(&t->s->sum[i], l, g, metric, x, &norm, &lost, t->s->z.cx->scratch);
  for (int64_t k = 0; ok && k < o * d; k++) {
    if (m) b[k / d] += (float)(((double)w[k] - x[k]) * c.mx[k % d]);
    w[k] = (float)x[k];
  }
  sums[0] += ok ? norm : 0, sums[1] += ok ? lost : 0;
  mc_arena_destroy(a);
  return ok ||
         mc_error(t->s->z.cx->diag, l->p.node->loc,
                  "lowrank-svd: the parts of this layer did not come out: its weights or what "
                  "it reads hold no finite numbers");
}

static bool fit_layer(fit *t, int i) {
  lowrank *z = &t->s->z;
  const lr_layer *l = &z->l[i];
  lr_sum *sum = &t->s->sum[i];
  mc_arena *a = z->cx->scratch;
  if (!sum->on && !z->refit) return true;
  int64_t n = l->p.groups * l->p.o * l->p.d;
  float *b, *w = mc_product_copy(&l->p, a, &b);
  mc_moments *m = t->walk ? mc_walk_moments(t->walk, i) : NULL;
  if (t->walk && !m) return false;
  if (z->refit) {
    float *w0 = mc_arena_copy(a, w, sizeof *w * (size_t)n);
    t->s->singular += !mc_refit_product(&l->p, m, t->folds, NULL, z->o->damping,
                                        mc_walk_samples(t->walk), w0, w, b);
  }
  double sums[2] = { 0, 0 };
  if (sum->on) {
    sum->l = MC_NEWN(a, mc_factors, l->p.groups);
    sum->s = MC_NEWN(a, float, n);
  }
  for (int64_t g = 0; sum->on && g < l->p.groups; g++)
    if (!split_group(t, i, g, m, w + g * l->p.o * l->p.d, b + g * l->p.o, sums)) return false;
  sum->error = sums[0] > 0 ? sums[1] / sums[0] : 0;
  t->out.w[i] = w;
  t->out.b[i] = b;
  return !t->walk || mc_walk_set(t->walk, i, w, b);
}

static bool fit_all(summer *s, unsigned folds, mc_fitted *out) {
  lowrank *z = &s->z;
  int n = z->products.n;
  s->singular = 0;
  fit t = { .s = s, .folds = folds };
  t.out = (mc_fitted){ MC_NEWN(z->cx->scratch, float *, n + 1),
                       MC_NEWN(z->cx->scratch, float *, n + 1), n };
  mc_pass_context cx;
  mc_module *m = mc_lr_copy_for_walk(z, &cx);
  mc_walk_opts walk = z->walk;
  mc_refit_folds(&walk, folds);
  walk.targets = z->targets;
  bool ok = !m || (t.walk = mc_walk_open(&cx, &walk)) != NULL;
  for (int i = 0; ok && i < n; i++) ok = fit_layer(&t, i);
  if (t.walk) mc_walk_close(t.walk);
  if (m) mc_module_destroy(m);
  *out = t.out;
  return ok;
}

/* ---- the pass ---- */

static bool predict(summer *s, const mc_fitted *f) {
  double sum = 0;
  for (int i = 0; i < f->n; i++) {
    mc_distance x;
    if (!s->sum[i].on) continue;
    if (!mc_damage_of(s->z.damage, i, f->w[i], f->b[i], &x)) return false;
    sum += mc_distance_main(&x);
  }
  mc_remark(s->z.cx->diag, s->z.cx->loc, "lowrank-svd: predicted change of the output: %.4g", sum);
  return true;
}

static bool split(summer *s, int i, const float *bias) {
  lowrank *z = &s->z;
  const lr_layer *l = &z->l[i];
  const lr_sum *sum = &s->sum[i];
  mc_node *n = l->p.node;
  mc_builder b = {
    .graph = n->graph, .before = n, .diag = z->cx->diag, .loc = n->loc, .source = n->source
  };
  tensors t;
  mc_value *beta, *old[2] = { n->in[1], n->nin > 2 ? n->in[2] : NULL };
  if (!make_tensors(&b, l, sum->r, &t) || !mc_lr_bias(&b, l, bias, &beta)) return false;
  for (int k = 0; k < 2; k++) {
    int64_t each = mc_type_elems(t.value[k]->type) / l->p.groups;
    for (int64_t j = 0; j < each * l->p.groups; j++)
      t.data[k][j] = (float)sum->l[j / each].w[k][j % each];
  }
  memcpy(t.data[2], sum->s, sizeof *sum->s * (size_t)(l->p.groups * l->p.o * l->p.d));
  mc_value *y = build(&b, n, n->in[0], &t, beta);
  if (!y) return false;
  mc_value_replace(n->out[0], y);
  mc_node_remove(n);
  for (int k = 0; k < 2; k++)
    if (old[k] && old[k]->def && !old[k]->uses) mc_node_remove(old[k]->def);
  mc_remark(z->cx->diag, y->def->loc,
            "lowrank-svd: W = L + S: rank %lld and %lld of %lld blocks, relative error %.3g",
            (long long)sum->r, (long long)(sum->keep * l->p.groups), (long long)sum->grid.n,
            sum->error);
  return true;
}

static bool apply(summer *s, const mc_fitted *f, bool *changed) {
  lowrank *z = &s->z;
  int count = 0;
  for (int i = 0; i < f->n; i++) {
    if (!f->w[i]) continue;
    *changed = true;
    bool on = s->sum[i].on;
    count += on;
    if (on ? !split(s, i, z->samples || z->l[i].p.node->nin > 2 ? f->b[i] : NULL)
           : !mc_product_set(&z->l[i].p, f->w[i], f->b[i], z->cx->diag))
      return false;
  }
  MC_STAT_ADD(z->cx, lowrank_svd, split, count);
  MC_STAT_ADD(z->cx, lowrank_svd, slower, z->slower);
  if (s->singular)
    mc_warning(z->cx->diag, z->cx->loc,
               "lowrank-svd: %d layers are not fitted: what they read is the same in all samples",
               s->singular);
  if (!count)
    mc_warning(z->cx->diag, z->cx->loc,
               "lowrank-svd: form=lpluss splits no layer of this graph (remarks say why)");
  return true;
}

static bool run(summer *s, bool *changed) {
  mc_fitted first, last;
  mc_distance held, final;
  lowrank *z = &s->z;
  plan_layers(s);
  if (!z->damage) return fit_all(s, MC_FOLDS_ALL, &last) && apply(s, &last, changed);
  if (!fit_all(s, MC_FOLDS_FIT, &first) || !predict(s, &first) ||
      !mc_fitted_judge(&first, z->cx->graph, z->damage, z->cx->diag, &held) ||
      !fit_all(s, MC_FOLDS_ALL, &last) ||
      !mc_fitted_judge(&last, z->cx->graph, z->damage, z->cx->diag, &final))
    return false;
  mc_report_damage(z->cx, "lowrank-svd", &held, &final);
  return apply(s, &last, changed);
}

static bool check(mc_pass_context *cx, const mc_opts_lowrank_svd *o) {
  bool budget = o->macs != 0 || o->params != 0 || o->bytes != 0 || o->arena != 0 || o->time != 0;
  if (budget || o->energy != 0 || o->alloc != mc_ranks_auto)
    return mc_error(
        cx->diag, cx->loc,
        "lowrank-svd: form=lpluss takes ratio= (the rank of L) and sparsity= (of S), no "
        "energy=, budget or alloc=");
  if (!(o->sparsity >= 0 && o->sparsity < 1))
    return mc_error(cx->diag, cx->loc, "lowrank-svd: sparsity must be at least 0 and below 1");
  return true;
}

bool mc_lr_sum_pass(mc_pass_context *cx, const mc_opts_lowrank_svd *o, bool *changed) {
  mc_opts_lowrank_svd own = *o;
  if (!check(cx, o)) return false;
  if (own.ratio == 0) own.ratio = 0.125;
  summer s = { .z = { .cx = cx, .o = &own }, .keep = 1 - (o->sparsity > 0 ? o->sparsity : 0.8) };
  bool ok = mc_lr_open(&s.z, changed) && run(&s, changed);
  mc_lr_close(&s.z);
  return ok;
}
