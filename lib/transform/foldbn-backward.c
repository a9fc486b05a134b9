/* fold-bn: into the layer in front. */
#include "foldbn.h"

/* The layer that computes x, through ops that commute with the map; NULL: none may take it. */
static mc_node *find_layer(mc_value *x, const affine *f) {
  for (; x->def && single_use(x); x = x->def->in[0]) {
    if (is_layer(x->def)) return layer_clamped(x->def) ? NULL : x->def;
    if (!commutes(x->def, f, false)) return NULL;
  }
  return NULL;
}

/* Behind the layer every value of the chain now holds what it held mapped. */
static void move_chain(mc_node *layer, mc_value *x, const affine *f) {
  for (; x->def != layer; x = x->def->in[0]) {
    move_border(x->def, f, false);
    x->range.known = false;
  }
  x->range.known = false;
}

static bool scale_rows(mc_pass_context *cx, mc_node *layer, const affine *f) {
  const float *w = constant_f32(layer->in[1]), *b = layer->nin > 2 ? constant_f32(layer->in[2]) : NULL;
  int64_t n = mc_type_elems(layer->in[1]->type), row = n / f->n;
  double *weight = MC_NEWN(cx->scratch, double, n), *bias = MC_NEWN(cx->scratch, double, f->n);
  for (int64_t i = 0; i < n; i++) weight[i] = w[i] * f->scale[i / row];
  for (int64_t i = 0; i < f->n; i++) bias[i] = (b ? b[i] : 0) * f->scale[i] + f->shift[i];
  return set_weights(cx, layer, weight, bias, f->n);
}

bool fold_backward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done) {
  mc_node *layer = find_layer(x, f);
  if (!layer || layer->in[1]->type->dim[0] != f->n) return true;
  move_chain(layer, x, f);
  if (!scale_rows(cx, layer, f)) return false;
  if (n->out[0]->name) x->name = NULL; /* takes the name of what it now is */
  replace_node(n, x);
  return *done = true;
}
