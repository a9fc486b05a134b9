/* Scores from outside (gradients, another tool): an .npz with one array for each layer, or a
 * .json object with one list for each; named as the layer is, as long as it has output channels.
 * The values are compared as they are, over all layers. */
#include "layer_file.h"
#include "score.h"
#include <math.h>

static bool add_scores(tally *t, const mc_layer_file *f, const mc_layer_array *v) {
  const mc_node *layer = NULL;
  if (v->rank != 1)
    return mc_layer_file_fail(f, "array '%s' must have one axis and numbers", v->name);
  MC_FOR_NODES (n, t->s->cx->graph)
    if (mc_makes_channels(n) && mc_layer_named(n, v->name)) layer = n;
  if (!layer)
    return mc_layer_file_fail(f, "no layer is named '%s'%s", v->name, mc_layer_nearest(f, v->name));
  int64_t channels = layer->out[0]->type->dim[layer->out[0]->type->rank - 1];
  if (v->n != channels)
    return mc_layer_file_fail(f, "layer '%s' has %lld output channels, its array has %lld", v->name,
                              (long long)channels, (long long)v->n);
  for (int64_t c = 0; c < v->n; c++) {
    if (!isfinite(v->x[c]))
      return mc_layer_file_fail(f, "element %lld of '%s' is not finite", (long long)c, v->name);
    mc_tally_add(t, mc_channels_class(t->s->ch, layer->out[0], c), v->x[c]);
  }
  return true;
}

bool mc_score_by_file(tally *t) {
  mc_layer_file f = { .cx = t->s->cx, .option = "score=file", .path = t->s->file };
  if (!f.path || !*f.path)
    return mc_error(f.cx->diag, f.cx->loc, "score=file: file= must name the file of scores");
  if (!mc_layer_file_read(&f)) return false;
  for (int i = 0; i < f.n; i++)
    if (!add_scores(t, &f, &f.v[i])) return false;
  return true;
}
