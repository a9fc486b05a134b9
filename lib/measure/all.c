/* Moments of many products of one network, a few passes over the samples. */
#include "columns.h"
#include "data.h"
#include "slice.h"
#include <stdlib.h>

typedef struct pass {
  mc_pass_context *cx;
  const mcm_data *data;
  const mc_products *p;
  const mc_graph *g;
  mc_arena *a;   /* of this pass */
  int *which, n; /* products of this pass */
  mc_moments **m;
  mcm_sum **sum;
  int64_t **place, *places;
  mc_value **want;
  int nwant; /* what they read, each once; results of nodes */
  int *from; /* which[k] reads want[from[k]], or input -1 - from[k] */
  void **in, **out;
  int64_t done, total; /* runs of all passes */
} pass;

static int index_of(pass *s, mc_value *v) {
  if (!v->def) return -1 - v->index;
  for (int i = 0; i < s->nwant; i++)
    if (s->want[i] == v) return i;
  s->want[s->nwant] = v;
  return s->nwant++;
}

static void prepare(pass *s, mc_arena *keep) {
  s->m = MC_NEWN(s->a, mc_moments *, s->n);
  s->sum = MC_NEWN(s->a, mcm_sum *, s->n);
  s->place = MC_NEWN(s->a, int64_t *, s->n);
  s->places = MC_NEWN(s->a, int64_t, s->n);
  s->want = MC_NEWN(s->a, mc_value *, s->n);
  s->from = MC_NEWN(s->a, int, s->n);
  for (int k = 0; k < s->n; k++) {
    const mc_product *p = &s->p->v[s->which[k]];
    s->m[k] = mcm_moments_new(p, keep ? keep : s->a);
    s->sum[k] = mcm_sum_open(p, s->m[k], false, s->a);
    s->places[k] = mcm_places_of(p, s->data->runs);
    s->place[k] = MC_NEWN(s->a, int64_t, s->places[k]);
    s->from[k] = index_of(s, p->node->in[0]);
  }
  s->in = MC_NEWN(s->a, void *, s->g->nin);
  s->out = MC_NEWN(s->a, void *, s->nwant + 1);
  for (int i = 0; i < s->g->nin; i++)
    s->in[i] = mc_arena_alloc(s->a, (size_t)mc_type_bytes(s->g->in[i]->type) + 64);
  for (int i = 0; i < s->nwant; i++)
    s->out[i] = mc_arena_alloc(s->a, (size_t)mc_type_bytes(s->want[i]->type) + 64);
}

static void add_run(pass *s, int64_t run) {
  for (int k = 0; k < s->n; k++) {
    const mc_product *p = &s->p->v[s->which[k]];
    const float *x = s->from[k] < 0 ? s->in[-1 - s->from[k]] : s->out[s->from[k]];
    mcm_places((uint64_t)s->which[k] + 1, run, p->places, s->places[k], s->place[k]);
    mcm_sum_add(s->sum[k], (int)(run % MC_FOLDS), x, NULL, NULL, NULL, s->place[k], s->places[k]);
  }
}

static bool run_samples(pass *s) {
  mcm_slice *slice = NULL;
  if (s->nwant && !(slice = mcm_slice_open(s->cx, s->g, s->g->in, s->g->nin, s->want, s->nwant)))
    return false;
  const void **in = MC_NEWN(s->a, const void *, s->g->nin);
  for (int i = 0; i < s->g->nin; i++) in[i] = s->in[i];
  bool ok = true;
  for (int64_t r = 0; ok && r < s->data->runs; r++) {
    ok = mcm_data_fetch(s->data, r, s->in) && (!slice || mcm_slice_run(slice, in, s->out));
    if (!ok) break;
    add_run(s, r);
    s->done++;
    if (s->cx->progress) s->cx->progress(s->cx->progress_ctx, s->data->what, s->done, s->total);
  }
  mcm_slice_close(slice);
  return ok;
}

static bool finish(pass *s) {
  for (int k = 0; k < s->n; k++) {
    const mc_product *p = &s->p->v[s->which[k]];
    if (!mcm_sum_close(s->sum[k]))
      return mc_error(
          s->cx->diag, p->node->loc,
          "%s: layer '%s' reads numbers that are not finite (or too large for fp32) on these "
          "samples",
          s->data->what, mc_layer_name(p->node));
    mcm_sum_own(s->m[k], p);
  }
  return true;
}

/* Products from `at` on that fit the memory, one at least; returns where the next pass begins. */
static int choose(pass *s, int at, const bool *want, int64_t memory) {
  int64_t used = 0;
  for (s->n = 0; at < s->p->n; at++) {
    if (want && !want[at]) continue;
    used += mcm_sum_bytes(&s->p->v[at]) + mc_type_bytes(s->p->v[at].node->in[0]->type);
    if (s->n && used > memory) break;
    s->which[s->n++] = at;
  }
  return at;
}

static int count_passes(pass *s, const bool *want, int64_t memory) {
  int n = 0;
  for (int at = 0; at < s->p->n; n++) at = choose(s, at, want, memory);
  return n;
}

static bool sweep(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                  const bool *want, const mcm_data *data, mc_arena *keep, mc_moments_see *see,
                  void *ctx) {
  mc_arena *a = mc_arena_create();
  pass s = {
    .cx = cx, .data = data, .p = p, .g = p->v[0].node->graph, .which = MC_NEWN(a, int, p->n)
  };
  s.total = data->runs * count_passes(&s, want, mcm_memory(o));
  bool ok = true;
  for (int at = 0; ok && at < p->n;) {
    at = choose(&s, at, want, mcm_memory(o));
    if (s.n == 0) break;
    s.a = mc_arena_create();
    s.nwant = 0;
    prepare(&s, keep);
    ok = run_samples(&s) && finish(&s);
    for (int k = 0; ok && k < s.n; k++) ok = see(ctx, s.which[k], s.m[k]);
    mc_arena_destroy(s.a);
  }
  mc_arena_destroy(a);
  return ok;
}

/* Layer after layer, each in an arena of its own. */
static bool by_walk(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                    const bool *want, mc_moments_see *see, void *ctx) {
  mc_walk *w = mc_walk_open(cx, o);
  bool ok = w != NULL;
  for (int i = 0; ok && i < p->n; i++) {
    if (want && !want[i]) continue;
    mc_moments *m = mc_walk_moments(w, i);
    ok = m && see(ctx, i, m);
  }
  if (w) mc_walk_close(w);
  return ok;
}

static bool needs_passes(const mc_walk_opts *o, const mc_products *p, const bool *want) {
  mc_arena *a = mc_arena_create();
  pass s = { .p = p, .which = MC_NEWN(a, int, p->n + 1) };
  bool many = count_passes(&s, want, mcm_memory(o)) > 1;
  mc_arena_destroy(a);
  return many;
}

static bool each(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p, const bool *want,
                 mc_arena *keep, mc_moments_see *see, void *ctx) {
  mcm_data data;
  if (!mcm_data_open(&data, cx, o)) return false;
  mcm_warn_few(&data, p, want);
  mcm_warn_memory(&data, p, want, mcm_memory(o));
  bool ok = p->n == 0 || sweep(cx, o, p, want, &data, keep, see, ctx);
  mcm_data_close(&data);
  return ok;
}

bool mc_moments_each(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                     const bool *want, mc_moments_see *see, void *ctx) {
  if (o->targets && needs_passes(o, p, want)) return by_walk(cx, o, p, want, see, ctx);
  return each(cx, o, p, want, NULL, see, ctx);
}

static bool keep_it(void *ctx, int i, mc_moments *m) {
  ((mc_moments **)ctx)[i] = m;
  return true;
}

mc_moments **mc_moments_of_all(mc_pass_context *cx, const mc_walk_opts *o, const mc_products *p,
                               const bool *want, mc_arena *a) {
  mc_moments **out = MC_NEWN(a, mc_moments *, p->n + 1);
  return each(cx, o, p, want, a, keep_it, out) ? out : NULL;
}
