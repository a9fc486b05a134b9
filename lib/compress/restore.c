/* Results of the graph that lost channels get them back: a border of one 0 after the last channel,
 * and a gather that reads it wherever a channel is gone; then what the lost channels held, when
 * that is known.
 *
 *   return %y : f32[1,10]              with channels 1 and 3 gone:
 *   %p = pad %y {before=[0,0], after=[0,1]} : f32[1,9]
 *   %r = gather %p, [0,8,1,8,2,...] {axis=1} : f32[1,10] */
#include "compress.h"
#include "mc/ir/build.h"

static mc_value *border(mc_builder *b, mc_value *v) {
  int rank = v->type->rank;
  int64_t before[MC_MAX_RANK] = { 0 }, after[MC_MAX_RANK] = { 0 };
  mc_attrs_pad p = { .before = { before, rank }, .after = { after, rank } };
  after[rank - 1] = 1;
  return mc_build1(b, MC_OP_pad, &v, 1, &p);
}

static mc_value *spread(mc_builder *b, mc_value *v, const bool *flag, int64_t n) {
  void *data;
  mc_tensor *t = mc_tensor_create(b->graph->module, NULL, MC_i64, 1, &n, &data);
  int64_t *index = data, at = 0, zero = v->type->dim[v->type->rank - 1] - 1;
  for (int64_t i = 0; i < n; i++) index[i] = flag[i] ? at++ : zero;
  mc_value *list = mc_build_tensor(b, t, NULL);
  return list ? mc_build1(b, MC_OP_gather, (mc_value *[]){ v, list }, 2,
                          &(mc_attrs_gather){ .axis = v->type->rank - 1 })
              : NULL;
}

static mc_value *filled(mc_builder *b, mc_value *v, const bool *flag, int64_t n,
                        const float *fill) {
  void *data;
  bool any = false;
  for (int64_t i = 0; i < n; i++) any |= !flag[i] && fill[i] != 0;
  if (!any) return v;
  mc_tensor *t = mc_tensor_create(b->graph->module, NULL, MC_f32, 1, &n, &data);
  for (int64_t i = 0; i < n; i++) ((float *)data)[i] = flag[i] ? 0 : fill[i];
  mc_value *c = mc_build_tensor(b, t, NULL);
  return c ? mc_build1(b, MC_OP_add, (mc_value *[]){ v, c }, 2, NULL) : NULL;
}

bool mc_channels_restore(mc_graph *g, int i, const bool *flag, int64_t n, const float *fill,
                         mc_diag *d) {
  mc_node *last = g->last;
  mc_value *v = last->in[i], *y;
  mc_builder b = {
    .graph = g, .before = last, .diag = d, .loc = v->def->loc, .source = v->def->source
  };
  if (!(y = border(&b, v)) || !(y = spread(&b, y, flag, n))) return false;
  if (fill && !(y = filled(&b, y, flag, n, fill))) return false;
  y->name = v->name; /* the result keeps its name */
  v->name = NULL;
  mc_node_set_in(last, i, y);
  return true;
}
