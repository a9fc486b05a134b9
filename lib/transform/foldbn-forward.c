/* fold-bn: into the layers after it. All users must be able to take the map, else it would have to
 * be computed anyway. */
#include "foldbn.h"

static bool no_shift(const affine *f) {
  for (int64_t i = 0; i < f->n; i++)
    if (f->shift[i] != 0) return false;
  return true;
}

static bool conv_padded(const mc_node *n) {
  const int64_t *p = MC_ATTRS(n, conv2d)->pad;
  return p[0] || p[1] || p[2] || p[3];
}

static bool layer_takes(const mc_node *n, const affine *f) {
  float v;
  if (!layer_stays_sane(n, f)) return false;
  if (n->op == MC_OP_linear) return n->in[1]->type->dim[1] % f->n == 0;
  if (n->op == MC_OP_conv2d) return !conv_padded(n) || no_shift(f) || border_before(f, 0, &v);
  return no_shift(f);
}

/* The padding of a conv2d as an op of its own, whose border the map takes to 0. */
static bool pad_explicitly(mc_pass_context *cx, mc_node *conv, const affine *f) {
  int64_t *p = MC_ATTRS(conv, conv2d)->pad, before[4] = { 0, p[0], p[1], 0 },
          after[4] = { 0, p[2], p[3], 0 };
  mc_builder b = build_at(cx, conv);
  mc_attrs_pad a = { .before = { before, 4 }, .after = { after, 4 }, .mode = mc_padmode_constant };
  border_before(f, 0, &a.value);
  mc_value *x = mc_build1(&b, MC_OP_pad, conv->in, 1, &a);
  if (!x) return false;
  p[0] = p[1] = p[2] = p[3] = 0;
  mc_node_set_in(conv, 0, x);
  return true;
}

/* [n, h, w, c] -> [n, h * w * c]: index i of the last axis is channel i % c. */
static bool flattens(const mc_node *n, const affine *f) {
  const mc_type *t = n->op == MC_OP_reshape ? n->out[0]->type : NULL;
  return t && t->rank > 0 && t->dim[t->rank - 1] % f->n == 0;
}

/* May every user of v take the map? `flat`: v is after a reshape, where only linear may come. */
static bool users_take(const mc_value *v, const affine *f, bool flat, int depth) {
  if (!v->uses || depth > 16) return false;
  for (const mc_use *u = v->uses; u; u = u->next) {
    const mc_node *n = u->user;
    if (is_layer(n) && u->slot == 0) {
      if ((flat && n->op != MC_OP_linear) || !layer_takes(n, f)) return false;
    } else if (!flat && commutes(n, f, true)) {
      if (!users_take(n->out[0], f, false, depth + 1)) return false;
    } else if (flattens(n, f)) {
      if (!users_take(n->out[0], f, true, depth + 1)) return false;
    } else
      return false;
  }
  return true;
}

/* Channel of x that weight element e multiplies. */
static int64_t channel_of(const mc_node *layer, const affine *f, int64_t e) {
  const mc_type *w = layer->in[1]->type;
  int64_t per_group = w->dim[w->rank - 1], i = e % per_group;
  if (layer->op == MC_OP_linear) return i % f->n;
  int64_t rows = mc_type_elems(w) / w->dim[0], groups = f->n / per_group;
  int64_t group = (e / rows) / (w->dim[0] / groups);
  return group * per_group + i;
}

static bool scale_columns(mc_pass_context *cx, mc_node *layer, const affine *f) {
  const float *w = constant_f32(layer->in[1]),
              *b = layer->nin > 2 ? constant_f32(layer->in[2]) : NULL;
  if (layer->op == MC_OP_conv2d && conv_padded(layer) && !no_shift(f) &&
      !pad_explicitly(cx, layer, f))
    return false;
  int64_t n = mc_type_elems(layer->in[1]->type), rows = layer->in[1]->type->dim[0], row = n / rows;
  double *weight = MC_NEWN(cx->scratch, double, n), *bias = MC_NEWN(cx->scratch, double, rows);
  for (int64_t o = 0; o < rows; o++) bias[o] = b ? b[o] : 0;
  for (int64_t e = 0; e < n; e++) {
    int64_t c = channel_of(layer, f, e);
    weight[e] = w[e] * f->scale[c];
    bias[e / row] += w[e] * f->shift[c];
  }
  return set_weights(cx, layer, weight, bias, rows);
}

/* Layers take the map, pads and pools between hold unmapped values from now on. */
static bool push(mc_pass_context *cx, mc_value *v, const affine *f) {
  MC_FOR_USES (u, v) {
    mc_node *n = u->user;
    if (is_layer(n)) {
      if (!scale_columns(cx, n, f)) return false;
      continue;
    }
    move_border(n, f, true);
    n->out[0]->range.known = false;
    if (!push(cx, n->out[0], f)) return false;
  }
  return true;
}

/* n's result becomes v, which holds other numbers: name and range are not taken along. */
static void replace_with_other(mc_node *n, mc_value *v) {
  mc_range range = v->range;
  n->out[0]->name = NULL;
  n->out[0]->range.known = false;
  replace_node(n, v);
  v->range = range;
}

bool fold_forward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done) {
  if (!users_take(n->out[0], f, false, 0)) return true;
  if (!push(cx, n->out[0], f)) return false;
  replace_with_other(n, x);
  return *done = true;
}

/* ---- the scale alone ---- */
static affine *copy_of(const affine *f, mc_arena *a) {
  affine *g = MC_NEW(a, affine);
  size_t bytes = sizeof(double) * (size_t)f->n;
  *g = (affine){ mc_arena_copy(a, f->scale, bytes), mc_arena_copy(a, f->shift, bytes), f->n };
  return g;
}

/* f after the map that computes x, when nobody else uses x; *x is then what that map is applied
 * to. */
static affine *with_map_before(const affine *f, mc_value **x, mc_arena *a) {
  affine *g = copy_of(f, a);
  mc_value *y;
  const affine *before = (*x)->def && single_use(*x) ? affine_of((*x)->def, &y, a) : NULL;
  if (!before || before->n != f->n) return g;
  for (int64_t i = 0; i < f->n; i++) {
    g->scale[i] = f->scale[i] * before->scale[i];
    g->shift[i] = f->scale[i] * before->shift[i] + f->shift[i];
  }
  *x = y;
  return g;
}

/* x * scale + shift = (x + shift / scale) * scale: the constant to add; NULL: nothing would be
 * gained, or a scale is 0. */
static mc_value *offset_of(mc_builder *b, const affine *f) {
  bool ones = true;
  for (int64_t i = 0; i < f->n; i++) {
    ones &= f->scale[i] == 1;
    double offset = f->scale[i] == 0 ? __builtin_inf() : __builtin_fabs(f->shift[i] / f->scale[i]);
    if (!(offset <= 0x1p40))
      return NULL; /* added to x in fp32, it must not be out of all proportion */
  }
  float *d;
  mc_value *c = ones ? NULL : constant_new(b, NULL, 1, &f->n, &d);
  for (int64_t i = 0; c && i < f->n; i++) d[i] = (float)(f->shift[i] / f->scale[i]);
  return c;
}

bool fold_scale_forward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done) {
  affine *g = with_map_before(f, &x, cx->scratch), *scale = copy_of(g, cx->scratch);
  if (!map_is_sane(g, true)) return true;
  for (int64_t i = 0; i < g->n; i++) scale->shift[i] = 0;
  if (!users_take(n->out[0], scale, false, 0)) return true;
  mc_builder b = build_at(cx, n);
  mc_value *c = offset_of(&b, g);
  if (!c) return true;
  mc_value *sum = mc_build1(&b, MC_OP_add, (mc_value *[]){ x, c }, 2, NULL);
  if (!sum || !push(cx, n->out[0], scale)) return false;
  replace_with_other(n, sum);
  return *done = true;
}
