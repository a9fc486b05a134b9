/* The nodes that take the place of a layer. Stride, dilation and pads of an axis go to the stage
 * that has the taps of that axis, bias and clamp to the last. */
#include "lowrank.h"
#include <math.h>
#include <string.h>

/* ---- shapes ---- */

int mc_lr_dims(const lr_layer *l, const mc_form *f, int k, int64_t dim[4]) {
  mc_stage st[MC_FACTORS];
  mc_form_stages(f, l->s, st);
  if (l->p.node->op == MC_OP_linear) {
    dim[0] = st[k].o, dim[1] = st[k].ci;
    return 2;
  }
  dim[0] = l->p.groups * st[k].o, dim[1] = st[k].kh, dim[2] = st[k].kw, dim[3] = st[k].ci;
  return 4;
}

static void no_clamp(float clamp[2]) { clamp[0] = -INFINITY, clamp[1] = INFINITY; }

static mc_attrs_conv2d conv_of(const mc_attrs_conv2d *a, const mc_stage *st, bool last) {
  mc_attrs_conv2d c = *a;
  if (!st->rows) c.stride[0] = c.dilation[0] = 1, c.pad[0] = c.pad[2] = 0;
  if (!st->cols) c.stride[1] = c.dilation[1] = 1, c.pad[1] = c.pad[3] = 0;
  if (st->depthwise) c.groups *= st->o;
  if (!last) no_clamp(c.clamp);
  return c;
}

/* ---- building ---- */

static mc_value *reshape(mc_builder *b, mc_value *x, int rank, const int64_t *dim) {
  mc_attrs_reshape a;
  mc_attrs_init(MC_OP_reshape, &a, b->graph->module->arena);
  a.shape = (mc_ints){ (int64_t *)dim, rank };
  return mc_build1(b, MC_OP_reshape, &x, 1, &a);
}

static mc_value *linear(mc_builder *b, mc_value *x, mc_value *w) {
  return mc_build1(b, MC_OP_linear, (mc_value *[]){ x, w }, 2, NULL);
}

/* [n, ih, il] -> [n, ih, (oh q)] -> [n, oh, (ih q)] -> [n, oh, ol] */
static mc_value *cores(mc_builder *b, const mc_form *f, mc_kshape s, int64_t n, mc_value *x,
                       mc_value *const *w) {
  int64_t ol = s.o / f->oh, il = s.ci / f->ih, order[] = { 0, 2, 1, 3 };
  mc_attrs_transpose t;
  mc_attrs_init(MC_OP_transpose, &t, b->graph->module->arena);
  t.perm = (mc_ints){ order, 4 };
  x = reshape(b, x, 3, (int64_t[]){ n, f->ih, il });
  if (x) x = linear(b, x, w[0]);
  if (x) x = reshape(b, x, 4, (int64_t[]){ n, f->ih, f->oh, f->r });
  if (x) x = mc_build1(b, MC_OP_transpose, &x, 1, &t);
  if (x) x = reshape(b, x, 3, (int64_t[]){ n, f->oh, f->ih * f->r });
  if (x) x = linear(b, x, w[1]);
  (void)ol;
  return x;
}

/* A train's last layer has outputs of its own: bias and clamp come after it. */
static mc_value *train(mc_builder *b, const mc_node *like, mc_value *x, const mc_form *f,
                       mc_kshape s, mc_value *const *w, mc_value *bias) {
  const mc_type *y = like->out[0]->type;
  const mc_attrs_linear *a = MC_ATTRS(like, linear);
  x = cores(b, f, s, mc_type_elems(y) / s.o, x, w);
  if (x) x = reshape(b, x, y->rank, y->dim);
  bool clamped = a->clamp[0] > -INFINITY || a->clamp[1] < INFINITY;
  mc_attrs_add add;
  mc_attrs_init(MC_OP_add, &add, b->graph->module->arena);
  memcpy(add.clamp, a->clamp, sizeof add.clamp);
  if (x && bias) return mc_build1(b, MC_OP_add, (mc_value *[]){ x, bias }, 2, &add);
  mc_attrs_clamp c;
  mc_attrs_init(MC_OP_clamp, &c, b->graph->module->arena);
  c.low = a->clamp[0], c.high = a->clamp[1];
  return x && clamped ? mc_build1(b, MC_OP_clamp, &x, 1, &c) : x;
}

mc_value *mc_lr_build(mc_builder *b, const mc_node *like, mc_value *x, const mc_form *f,
                      mc_kshape s, mc_value *const *weight, mc_value *bias) {
  if (f->kind == MC_FORM_tt) return train(b, like, x, f, s, weight, bias);
  mc_stage st[MC_FACTORS];
  int ns = mc_form_stages(f, s, st);
  for (int k = 0; k < ns && x; k++) {
    bool last = k == ns - 1;
    mc_value *in[3] = { x, weight[k], last ? bias : NULL };
    int nin = in[2] ? 3 : 2;
    if (like->op == MC_OP_linear) {
      mc_attrs_linear a = *MC_ATTRS(like, linear);
      if (!last) no_clamp(a.clamp);
      x = mc_build1(b, MC_OP_linear, in, nin, &a);
    } else {
      mc_attrs_conv2d a = conv_of(MC_ATTRS(like, conv2d), &st[k], last);
      x = mc_build1(b, MC_OP_conv2d, in, nin, &a);
    }
  }
  return x;
}

/* ---- tensors ---- */

/* Names: two stages .v .u; three .v .c .u. */
static const char *suffix(int k, int ns) { return k == 0 ? "v" : k == ns - 1 ? "u" : "c"; }

static mc_value *factor(mc_builder *b, const lr_layer *l, const mc_factors *f, int k, int ns) {
  mc_module *m = b->graph->module;
  const mc_node *n = l->p.node;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  const char *stem = w->name ? w->name : n->source ? n->source : "w";
  int64_t dim[4], each = 1;
  int rank = mc_lr_dims(l, &f->form, k, dim);
  void *p;
  mc_tensor *t = mc_tensor_create(m, mc_arena_printf(m->arena, "%s.%s", stem, suffix(k, ns)),
                                  MC_f32, rank, dim, &p);
  each = mc_tensor_elems(t) / l->p.groups;
  for (int64_t g = 0; g < l->p.groups; g++)
    for (int64_t i = 0; i < each; i++) ((float *)p)[g * each + i] = (float)f[g].w[k][i];
  return mc_build_tensor(b, t, NULL);
}

bool mc_lr_bias(mc_builder *b, const lr_layer *l, const float *x, mc_value **out) {
  mc_node *n = l->p.node;
  int64_t o = l->p.groups * l->p.o;
  bool zero = n->nin < 3, same = !zero;
  *out = n->nin > 2 ? n->in[2] : NULL;
  if (!x) return true;
  for (int64_t i = 0; zero && i < o; i++) zero = x[i] == 0;
  if (same) same = !memcmp(mc_value_tensor(n->in[2])->data, x, sizeof *x * (size_t)o);
  if (zero || same) return true;
  const mc_tensor *old = n->nin > 2 ? mc_value_tensor(n->in[2]) : NULL;
  const char *stem = old && old->name ? old->name
                                      : mc_arena_printf(b->graph->module->arena, "%s.bias",
                                                        n->source ? n->source : "w");
  void *p;
  mc_tensor *t = mc_tensor_create(b->graph->module, stem, MC_f32, 1, &o, &p);
  memcpy(p, x, sizeof *x * (size_t)o);
  return (*out = mc_build_tensor(b, t, NULL)) != NULL;
}

static void drop_unused(mc_value *v) {
  if (v->def && !v->uses && mc_value_tensor(v)) mc_node_remove(v->def);
}

static bool split(lowrank *z, const lr_layer *l, const mc_factors *f, const float *bias) {
  mc_node *n = l->p.node;
  mc_builder b = {
    .graph = n->graph, .before = n, .diag = z->cx->diag, .loc = n->loc, .source = n->source
  };
  mc_value *w[MC_FACTORS] = { 0 }, *beta;
  mc_stage st[MC_FACTORS];
  int ns = mc_form_stages(&f->form, l->s, st);
  for (int k = 0; k < ns; k++)
    if (!(w[k] = factor(&b, l, f, k, ns))) return false;
  if (!mc_lr_bias(&b, l, bias, &beta)) return false;
  mc_value *y = mc_lr_build(&b, n, n->in[0], &f->form, l->s, w, beta),
           *old[2] = { n->in[1], n->nin > 2 ? n->in[2] : NULL };
  if (!y) return false;
  mc_value_replace(n->out[0], y);
  mc_node_remove(n);
  for (int k = 0; k < 2; k++)
    if (old[k]) drop_unused(old[k]);
  return true;
}

bool mc_lr_split(lowrank *z, const lr_fit *f, int *count) {
  for (int i = 0; i < z->products.n; i++) {
    lr_layer *l = &z->l[i];
    if (f->f[i]) {
      if (!split(z, l, f->f[i], f->b[i])) return false;
      ++*count;
    } else if (f->w[i] && !mc_product_set(&l->p, f->w[i], f->b[i], z->cx->diag)) {
      return false;
    }
  }
  return true;
}
