/* Bounds and histograms in one pass. A value that a clamp, a relu or a change of shape makes of
 * another one is seen as that one, cut to its bounds: its own memory is not read. */
#include "mc/measure/histogram.h"
#include "counter.h"
#include <math.h>

float mc_hist_edge(const mc_hist *h, int k) {
  double x = h->first + h->width * k;
  return k >= h->bins || x > (double)h->hi ? h->hi : x < (double)h->lo ? h->lo : (float)x;
}

double mc_hist_centre(const mc_hist *h, int k) { return h->first + h->width * (k + 0.5); }

/* Watched value `index` is `root`, cut to [low, high]. */
typedef struct view {
  int index;
  mcm_counter *counter;
} view;

typedef struct root {
  mc_value *v;
  MC_VEC(view) view;
} root;

typedef struct sweep {
  MC_VEC(root) root;
  mc_arena *a;
} sweep;

/* y: the result of the op that only cuts or reshapes x; false: it does something else. */
static bool cuts(const mc_node *n, float *low, float *high) {
  *low = -INFINITY, *high = INFINITY;
  if (n->op == MC_OP_relu) *low = 0;
  if (n->op == MC_OP_clamp) *low = MC_ATTRS(n, clamp)->low, *high = MC_ATTRS(n, clamp)->high;
  return n->op == MC_OP_relu || n->op == MC_OP_clamp || n->op == MC_OP_reshape ||
         n->op == MC_OP_transpose;
}

/* Back to the value that v is cut from, as long as that is watched too. */
static mc_value *source_of(mc_value *v, const mc_map *watched, float *low, float *high) {
  *low = -INFINITY, *high = INFINITY;
  while (v->def && v->def->nin && mc_map_ptr_get(watched, v->def->in[0])) {
    float l, h;
    if (!cuts(v->def, &l, &h)) break;
    l = mcm_cut(l, *low, *high), h = mcm_cut(h, *low, *high);
    *low = l, *high = h;
    v = v->def->in[0];
  }
  return v;
}

static root *root_of(sweep *s, mc_value *v) {
  for (size_t i = s->root.n; i > 0; i--) /* most are cut from what came just before */
    if (s->root.v[i - 1].v == v) return &s->root.v[i - 1];
  MC_PUSH(s->a, &s->root, ((root){ .v = v }));
  return &s->root.v[s->root.n - 1];
}

static void see(void *ctx, int k, const float *x, int64_t n) {
  const root *r = &((sweep *)ctx)->root.v[k];
  mcm_bounds b = mcm_bounds_of(x, n);
  for (size_t i = 0; i < r->view.n; i++) mcm_count(r->view.v[i].counter, &b, x, n);
}

static void find_roots(sweep *s, mc_value **watch, int n, bool histograms) {
  mc_map watched;
  mc_map_init(&watched, s->a);
  for (int k = 0; k < n; k++) *mc_map_ptr_slot(&watched, watch[k]) = watch[k];
  for (int k = 0; k < n; k++) {
    float low, high;
    root *r = root_of(s, source_of(watch[k], &watched, &low, &high));
    view w = { k, mcm_counter_new(low, high, histograms, s->a) };
    MC_PUSH(s->a, &r->view, w);
  }
}

static void take(const sweep *s, mc_seen *seen) {
  for (size_t i = 0; i < s->root.n; i++)
    for (size_t k = 0; k < s->root.v[i].view.n; k++) {
      const view *w = &s->root.v[i].view.v[k];
      seen[w->index] = mcm_counter_seen(w->counter, s->a);
    }
}

mc_seen *mc_measure_values(mc_pass_context *cx, const mc_sweep *how, mc_value **watch, int n) {
  mc_seen *seen = MC_NEWN(cx->scratch, mc_seen, n + 1);
  sweep s = { .a = cx->scratch };
  find_roots(&s, watch, n, how->histograms);
  mc_value **v = MC_NEWN(cx->scratch, mc_value *, s.root.n + 1);
  for (size_t i = 0; i < s.root.n; i++) v[i] = s.root.v[i].v;
  mc_samples *x = mc_samples_open(cx, how->data, v, (int)s.root.n, how->reference);
  if (!x) return NULL;
  bool ok = mc_samples_sweep(x, how->samples, how->what, see, &s);
  mc_samples_close(x);
  if (ok) take(&s, seen);
  return ok ? seen : NULL;
}
