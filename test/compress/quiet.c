/* Channels that are constants: the weights of the layers that make them are 0, their biases are
 * not. They are removed as prune does it without samples, and the network computes what it did. */
#include "masks.h"
#include "mc/ir/build.h"
#include <string.h>

static bool chosen(const masks *m, int k) { return k >= 0 && !m->keep[k]; }

/* Weights of a chosen output channel become 0. */
static void hush(masks *m, mc_node *n) {
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  void *p;
  mc_tensor *t = mc_tensor_create(n->graph->module, NULL, MC_f32, w->rank, w->dim, &p);
  int64_t k = mc_tensor_elems(w) / w->dim[0];
  memcpy(p, w->data, w->size);
  for (int64_t c = 0; c < w->dim[0]; c++)
    if (chosen(m, mc_channels_class(m->ch, n->out[0], c)))
      memset((float *)p + c * k, 0, sizeof(float) * (size_t)k);
  mc_builder b = { .graph = n->graph, .before = n, .diag = &m->d, .loc = n->loc };
  mc_node_set_in(n, 1, mc_build_tensor(&b, t, NULL));
}

/* Classes of which some element depends on the input stay. */
static void keep_loud(masks *m, const mc_graph *g) {
  mc_map flow = mc_steady_flow(g, m->a);
  MC_FOR_NODES (n, g)
    for (int i = 0; i < n->nout && !mc_op_has(n->op, MC_T_CONST); i++) {
      const mc_value *v = n->out[i];
      const unsigned char *f = mc_map_ptr_get(&flow, v);
      int64_t inner = 1, all = mc_type_elems(v->type);
      for (int a = v->type->rank - 1; a >= 0; inner *= v->type->dim[a--])
        for (int64_t e = 0; e < all; e++) {
          int k = mc_channels_axis(m->ch, v, a, e / inner % v->type->dim[a]);
          if (k >= 0 && (!f || f[e])) m->keep[k] = true;
        }
    }
}

static bool same_results(masks *m, const mc_module *loud, const mc_graph *g, totals *t) {
  const mc_graph *whole = loud->graphs;
  mc_array *in = masks_inputs(m, g);
  int n = mc_graph_nout(g);
  mc_array *x = MC_NEWN(m->a, mc_array, n + 1), *y = MC_NEWN(m->a, mc_array, n + 1);
  for (int i = 0; i < n; i++) {
    x[i] = masks_array(m, mc_graph_out(g, i)->type);
    y[i] = masks_array(m, mc_graph_out(whole, i)->type);
  }
  if (!mc_eval_graph(g, in, x, NULL, &m->d) || !mc_eval_graph(whole, in, y, NULL, &m->d))
    return masks_finding(m, t, "not evaluated");
  for (int i = 0; i < n; i++) {
    double d = masks_distance(&x[i], &y[i]);
    t->checks++;
    if (d > 1e-3) return masks_finding(m, t, mc_arena_printf(m->a, "result %d is off by %g", i, d));
  }
  return true;
}

static bool remove_quiet(masks *m, mc_graph *g, totals *t) {
  steady *s = mc_steady_of(g, m->a);
  while (mc_steady_keep(s, m->ch, m->keep)) continue;
  mc_channels_never_empty(g, m->ch, m->keep, NULL);
  for (int k = 0; k < m->ch->ncls; k++) t->removed += !m->keep[k];
  mc_channels_fill fill = mc_steady_fill(s, m->ch, m->keep);
  return (mc_steady_fold(s, m->ch, m->keep, &m->d) &&
          mc_channels_remove_fill(g, m->ch, m->keep, &fill, &m->d)) ||
         masks_finding(m, t, "not removed");
}

void masks_quiet(const char *path, const mc_module *whole, double p, totals *t) {
  masks m = { .a = mc_arena_create(), .path = path, .seed = (uint64_t)(p * 100) };
  for (const char *c = path; *c; c++) m.seed = m.seed * 31 + (unsigned char)*c;
  m.what = mc_arena_printf(m.a, "constants p=%g", p);
  mc_diag_init(&m.d, m.a);
  mc_module *cut = mc_module_clone(whole);
  mc_graph *g = cut->graphs;
  mc_channels_opts o = { .outputs = true };
  m.ch = mc_channels_of_opts(g, &o, m.a);
  m.keep = MC_NEWN(m.a, bool, m.ch->ncls + 1);
  for (int k = 0; k < m.ch->ncls; k++) m.keep[k] = m.ch->cls[k].fixed || masks_unit(&m.seed) >= p;
  MC_FOR_NODES (n, g)
    if (mc_makes_channels(n)) hush(&m, n);
  keep_loud(&m, g);
  mc_module *loud = mc_module_clone(cut);
  if (remove_quiet(&m, g, t)) same_results(&m, loud, g, t);
  mc_module_destroy(loud);
  mc_module_destroy(cut);
  mc_arena_destroy(m.a);
}
