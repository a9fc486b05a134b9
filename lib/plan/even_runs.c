/* Runs of bf16 convolutions are made even, where tiles take their products then: tdpbf16ps adds
 * pairs, and a pair may not reach beyond its run (what is there may be NaN). A channel of zeros is
 * added to the image and to the weights; it is a part of a concat, so that the other part is
 * computed in its place:
 *
 *   %t = transpose %x {perm=[0,2,3,1]} : bf16[1,224,224,3]
 *   %y = conv2d %t, %w : bf16[1,112,112,64]
 * becomes
 *   %z = broadcast dense<0.0> {shape=[1,1,224,224]} : bf16[1,1,224,224]
 *   %c = concat %x, %z {axis=1} : bf16[1,4,224,224]
 *   %t = transpose %c {perm=[0,2,3,1]} : bf16[1,224,224,4]
 *   %y = conv2d %t, %w.even : bf16[1,112,112,64]
 *
 * docs/internals/tiles.md, "Configuration, weights, formats". */
#include "even_runs.h"
#include "mc/decide/gemm.h"
#include "mc/ir/build.h"
#include <string.h>

static bool on_tiles(const mc_target *t, const mc_node *n) {
  const mc_engine *e = mc_gemm_pick(t, n, 'B');
  return e && e->tile;
}

static bool has_odd_runs(const mc_node *n) {
  if (n->op != MC_OP_conv2d || MC_ATTRS(n, conv2d)->groups != 1) return false;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  return n->in[0]->type->dtype == MC_bf16 && w && w->rank == 4 && w->dim[3] % 2 &&
         mc_tensor_elems(w) > 0;
}

/* The weights with an input channel of zeros after the others. */
static mc_value *wider_weights(mc_builder *b, const mc_tensor *w) {
  int64_t dim[4], c = w->dim[3];
  void *data;
  memcpy(dim, w->dim, sizeof dim);
  dim[3] = c + 1;
  mc_module *m = b->graph->module;
  mc_tensor *t = mc_tensor_create(m, w->name ? mc_arena_printf(m->arena, "%s.even", w->name) : NULL,
                                  MC_bf16, 4, dim, &data);
  const uint16_t *from = w->data;
  uint16_t *to = data;
  for (int64_t i = 0, n = mc_tensor_elems(w) / c; i < n; i++) {
    memcpy(to + i * (c + 1), from + i * c, (size_t)c * sizeof *to);
    to[i * (c + 1) + c] = 0;
  }
  return mc_build_tensor(b, t, NULL);
}

/* v with one more element of zeros along the axis. */
static mc_value *with_zeros(mc_builder *b, mc_value *v, int64_t axis) {
  mc_arena *a = b->graph->module->arena;
  int64_t one[4] = { 1, 1, 1, 1 }, *shape = mc_arena_copy(a, v->type->dim, sizeof one);
  void *data;
  mc_value *zero =
      mc_build_tensor(b, mc_tensor_create(b->graph->module, NULL, MC_bf16, 4, one, &data), NULL);
  memset(data, 0, sizeof(uint16_t));
  shape[axis] = 1;
  mc_value *more =
      zero ? mc_build1(b, MC_OP_broadcast, &zero, 1, &(mc_attrs_broadcast){ .shape = { shape, 4 } })
           : NULL;
  return more ? mc_build1(b, MC_OP_concat, (mc_value *[]){ v, more }, 2,
                          &(mc_attrs_concat){ .axis = axis })
              : NULL;
}

/* The image with a channel of zeros; planes get it before they become pixels. */
static mc_value *wider_image(mc_builder *b, mc_value *v) {
  const mc_node *def = v->def;
  if (!def || def->op != MC_OP_transpose || def->graph != b->graph) return with_zeros(b, v, 3);
  const mc_attrs_transpose *t = MC_ATTRS(def, transpose);
  mc_value *planes = with_zeros(b, def->in[0], t->perm.v[3]);
  return planes ? mc_build1(b, MC_OP_transpose, &planes, 1, t) : NULL;
}

static void remove_unread(mc_value *v) {
  if (v->def && !v->uses) mc_node_remove(v->def);
}

static bool make_even(mc_pass_context *cx, mc_node *n, mc_map *images) {
  mc_builder b = {
    .graph = cx->graph, .before = n, .diag = cx->diag, .loc = n->loc, .source = n->source
  };
  void **slot = mc_map_ptr_slot(images, n->in[0]);
  if (!*slot) *slot = wider_image(&b, n->in[0]);
  mc_value *w = *slot ? wider_weights(&b, mc_value_tensor(n->in[1])) : NULL;
  if (!w) return false;
  mc_value *old[2] = { n->in[0], n->in[1] };
  mc_node_set_in(n, 0, *slot);
  mc_node_set_in(n, 1, w);
  for (int i = 0; i < 2; i++) remove_unread(old[i]);
  return true;
}

/* Whether tiles would take n with one more channel. */
static bool tiles_would(const mc_target *t, const mc_node *n, mc_arena *a) {
  mc_type x = *n->in[0]->type, w = *n->in[1]->type;
  x.dim[3]++;
  w.dim[3]++;
  mc_value vx = { .type = &x }, vw = { .type = &w }, *in[3] = { &vx, &vw, NULL };
  mc_node *wider = mc_arena_copy(a, n, sizeof *n);
  if (n->nin > 2) in[2] = n->in[2];
  wider->in = in;
  return on_tiles(t, wider);
}

bool mc_even_runs(mc_pass_context *cx, const mc_map *asked, bool *changed) {
  const mc_target *t = cx->target;
  mc_map images;
  if (!t) return true;
  mc_map_init(&images, cx->scratch);
  MC_FOR_NODES (n, cx->graph) {
    if (!has_odd_runs(n) || mc_map_ptr_get(asked, n) || on_tiles(t, n) ||
        !tiles_would(t, n, cx->scratch))
      continue;
    if (!make_even(cx, n, &images)) return false;
    *changed = true;
  }
  return true;
}
