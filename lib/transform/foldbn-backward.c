/* fold-bn: into the layer before it. */
#include "foldbn.h"
#include <math.h>

/* The layer that computes x, through ops that commute with the map; NULL: none may take it. */
static mc_node *find_layer(mc_value *x, const affine *f) {
  for (; x->def && single_use(x); x = x->def->in[0]) {
    if (is_layer(x->def)) return layer_clamped(x->def) ? NULL : x->def;
    if (!commutes(x->def, f, false)) return NULL;
  }
  return NULL;
}

/* After the layer every value of the chain now holds what it held mapped. */
static void move_chain(mc_node *layer, mc_value *x, const affine *f) {
  for (; x->def != layer; x = x->def->in[0]) {
    move_border(x->def, f, false);
    x->range.known = false;
  }
  x->range.known = false;
}

static bool scale_rows(mc_pass_context *cx, mc_node *layer, const affine *f) {
  const float *w = constant_f32(layer->in[1]),
              *b = layer->nin > 2 ? constant_f32(layer->in[2]) : NULL;
  int64_t n = mc_type_elems(layer->in[1]->type), row = n / f->n;
  double *weight = MC_NEWN(cx->scratch, double, n), *bias = MC_NEWN(cx->scratch, double, f->n);
  for (int64_t i = 0; i < n; i++) weight[i] = w[i] * f->scale[i / row];
  for (int64_t i = 0; i < f->n; i++) bias[i] = (b ? b[i] : 0) * f->scale[i] + f->shift[i];
  return set_weights(cx, layer, weight, bias, f->n);
}

/* ---- one number for everything ---- */
static bool is_uniform(const affine *f) {
  for (int64_t i = 0; i < f->n; i++)
    if (f->scale[i] != f->scale[0] || f->shift[i] != 0) return false;
  return f->n > 0;
}

static bool unclamped_matmul(const mc_node *n) {
  return n->op == MC_OP_matmul && isinf(MC_ATTRS(n, matmul)->clamp[0]) &&
         isinf(MC_ATTRS(n, matmul)->clamp[1]);
}

/* The layer whose result reaches x through moves and products alone, so that its factor is x's;
 * ranges on the way are forgotten where it is taken. */
static mc_node *find_linear(mc_value *x, bool take) {
  mc_node *n = x->def, *layer = NULL;
  if (!n || !single_use(x) || n->nout != 1 || !is_f32(x)) return NULL;
  if (is_layer(n))
    layer = layer_clamped(n) ? NULL : n;
  else if (n->op == MC_OP_reshape || n->op == MC_OP_transpose || n->op == MC_OP_broadcast)
    layer = find_linear(n->in[0], take);
  else if (unclamped_matmul(n))
    for (int i = 0; i < 2 && !layer; i++) layer = find_linear(n->in[i], take);
  if (layer && take) x->range.known = false;
  return layer;
}

bool fold_uniform(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done) {
  mc_node *layer =
      is_uniform(f) && same_dims(x->type, n->out[0]->type) ? find_linear(x, false) : NULL;
  if (!layer) return true;
  int64_t channels = layer->in[1]->type->dim[0];
  affine all = { MC_NEWN(cx->scratch, double, channels), MC_NEWN(cx->scratch, double, channels),
                 channels };
  for (int64_t i = 0; i < channels; i++) all.scale[i] = f->scale[0];
  if (!layer_stays_sane(layer, &all)) return true;
  find_linear(x, true);
  if (!scale_rows(cx, layer, &all)) return false;
  if (n->out[0]->name) x->name = NULL;
  x->range = n->out[0]->range;
  replace_node(n, x);
  return *done = true;
}

bool fold_backward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done) {
  mc_node *layer = find_layer(x, f);
  if (!layer || layer->in[1]->type->dim[0] != f->n || !layer_stays_sane(layer, f)) return true;
  move_chain(layer, x, f);
  if (!scale_rows(cx, layer, f)) return false;
  if (n->out[0]->name) x->name = NULL; /* takes the name of what it now is */
  replace_node(n, x);
  return *done = true;
}
