/* calibrate: run samples through the graph and write the range of every value into the text.
 *
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16]
 * becomes
 *   %0 = conv2d %x, %w, %b : f32[1,32,32,16] range(-3.25, 7.5)
 *
 * Samples stream one by one through compiled code (or the reference evaluator); memory is that of one sample's values plus one histogram per value. method=max needs one pass over the
 * samples, the others two: bounds first, then histograms. Contract: EXACT (only ranges are written). */
#include "quant.h"
#include "mc/import/dataset.h"
#include <math.h>
#include <string.h>

typedef struct state {
  mc_pass_context *cx;
  const mc_opts_calibrate *o;
  mc_dataset *data;
  mc_value **watch; int n;        /* f32 values whose range is wanted */
  float *lo, *hi;
  bool *strange;                  /* a value that is not finite was seen */
  mc_hist **hist;                 /* second pass only */
  int nin;                        /* the first nin of them are graph inputs */
  mc_map index;                   /* value -> its place in `watch`, for the evaluator's observer */
} state;

static void collect_values(state *s) {
  mc_graph *g = s->cx->graph;
  MC_VEC(mc_value *) v = { 0 };
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, g->in[i]);
  s->nin = (int)v.n;
  MC_FOR_NODES(n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    for (int i = 0; i < n->nout; i++)
      if (n->out[i]->type->dtype == MC_f32) MC_PUSH(s->cx->scratch, &v, n->out[i]);
  }
  s->watch = v.v;
  s->n = (int)v.n;
  mc_map_init(&s->index, s->cx->scratch);
  for (int i = 0; i < s->n; i++) *mc_map_ptr_slot(&s->index, s->watch[i]) = &s->watch[i];
}

static void see(state *s, int k, const float *x) {
  int64_t n = mc_type_elems(s->watch[k]->type);
  if (s->hist) {
    mc_hist_add(s->hist[k], x, n);
    return;
  }
  float lo = s->lo[k], hi = s->hi[k];
  for (int64_t i = 0; i < n; i++) {
    if (x[i] < lo) lo = x[i];
    if (x[i] > hi) hi = x[i];
    if (!isfinite(x[i])) s->strange[k] = true;
  }
  s->lo[k] = lo;
  s->hi[k] = hi;
}

static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  state *s = ctx;
  mc_value **at = mc_map_ptr_get(&s->index, v);
  if (at) see(s, (int)(at - s->watch), x->data);
  return true;
}

typedef struct engine { void *exe; mc_array *in, *out; void **in_data; } engine;

/* Arrays for inputs, results and (compiled code) watched values. */
static void make_arrays(state *s, engine *e) {
  mc_graph *g = s->cx->graph;
  int nout = mc_graph_nout(g);
  e->in = MC_NEWN(s->cx->scratch, mc_array, g->nin);
  e->in_data = MC_NEWN(s->cx->scratch, void *, g->nin);
  int watched = e->exe ? s->n - s->nin : 0;
  e->out = MC_NEWN(s->cx->scratch, mc_array, nout + watched);
  for (int i = 0; i < g->nin; i++) {
    e->in[i] = (mc_array){ g->in[i]->type, mc_arena_alloc(s->cx->scratch, (size_t)mc_type_bytes(g->in[i]->type)) };
    e->in_data[i] = e->in[i].data;
  }
  for (int i = 0; i < nout + watched; i++) {
    const mc_type *t = i < nout ? mc_graph_out(g, i)->type : s->watch[s->nin + i - nout]->type;
    e->out[i] = (mc_array){ t, mc_arena_alloc(s->cx->scratch, (size_t)mc_type_bytes(t)) };
  }
}

static bool run_sample(state *s, engine *e, int64_t i) {
  mc_graph *g = s->cx->graph;
  mc_dataset_fetch(s->data, i, e->in_data);
  if (!e->exe) return mc_eval_graph(g, e->in, e->out, &(mc_eval_opts){ observe, s }, s->cx->diag);
  if (!s->cx->runner->run(e->exe, e->in, e->out, s->cx->diag)) return false;
  for (int j = 0, k = 0; j < g->nin; j++)
    if (g->in[j]->type->dtype == MC_f32) see(s, k++, e->in[j].data);
  for (int k = s->nin; k < s->n; k++) see(s, k, e->out[mc_graph_nout(g) + k - s->nin].data);
  return true;
}

static bool sweep(state *s, engine *e, const char *what) {
  int64_t count = mc_dataset_count(s->data), batch = s->cx->graph->nin ? s->cx->graph->in[0]->type->dim[0] : 1;
  if (s->o->samples > 0 && s->o->samples < count) count = s->o->samples;
  for (int64_t i = 0; i < count; i += batch) {
    if (!run_sample(s, e, i)) return false;
    if (s->cx->progress) s->cx->progress(s->cx->progress_ctx, what, i + batch < count ? i + batch : count, count);
  }
  return true;
}

static bool measure(state *s) {
  engine e = { 0 };
  const mc_runner *r = s->cx->runner;
  if (r && !s->o->reference && !(e.exe = r->prepare(r->ctx, s->cx->graph, s->watch + s->nin, s->n - s->nin, s->cx->diag))) return false;
  make_arrays(s, &e);
  bool ok = sweep(s, &e, "calibrate: bounds");
  if (ok && s->o->method != mc_calib_max) {
    s->hist = MC_NEWN(s->cx->scratch, mc_hist *, s->n);
    for (int k = 0; k < s->n; k++) {
      s->hist[k] = MC_NEW(s->cx->scratch, mc_hist);
      s->hist[k]->lo = s->lo[k];
      s->hist[k]->hi = s->hi[k];
    }
    ok = sweep(s, &e, "calibrate: histograms");
  }
  if (e.exe) r->release(e.exe);
  return ok;
}

static bool write_ranges(state *s, bool *changed) {
  for (int k = 0; k < s->n; k++) {
    mc_range r = { true, s->lo[k], s->hi[k] };
    if (s->strange[k] || r.lo > r.hi) {
      const mc_value *v = s->watch[k];
      return mc_error(s->cx->diag, v->loc, "calibration saw values that are not finite in '%s'", v->name ? v->name : v->def && v->def->source ? v->def->source : "?");
    }
    if (s->hist) r = mc_hist_range(s->hist[k], (mc_e_calib)s->o->method, s->o->percentile);
    mc_range *old = &s->watch[k]->range;
    *changed |= !old->known || old->lo != r.lo || old->hi != r.hi;
    *old = r;
  }
  return true;
}

static const char *data_path(state *s) {
  const mc_module *m = s->cx->module;
  if (*s->o->data) return s->o->data;
  if (!m->calibration) return NULL;
  return m->calibration[0] == '/' ? m->calibration : mc_arena_printf(s->cx->scratch, "%s/%s", m->dir, m->calibration);
}

bool mc_pass_calibrate(mc_pass_context *cx, const mc_opts_calibrate *o, bool *changed) {
  if (!(o->percentile > 0 && o->percentile <= 100)) return mc_error(cx->diag, cx->loc, "calibrate: percentile must be above 0 and at most 100");
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "calibrate: samples must not be negative");
  state s = { .cx = cx, .o = o };
  const char *path = data_path(&s);
  if (!path) return mc_error(cx->diag, cx->loc, "calibrate: no samples: give data=FILE.npz, or a calibration line in the .mir file");
  s.data = mc_dataset_open(path, cx->graph, NULL, cx->diag, cx->loc);
  if (!s.data) return false;
  collect_values(&s);
  s.lo = MC_NEWN(cx->scratch, float, s.n);
  s.hi = MC_NEWN(cx->scratch, float, s.n);
  s.strange = MC_NEWN(cx->scratch, bool, s.n);
  for (int k = 0; k < s.n; k++) s.lo[k] = INFINITY, s.hi[k] = -INFINITY;
  bool ok = measure(&s) && write_ranges(&s, changed);
  mc_dataset_close(s.data);
  return ok;
}
