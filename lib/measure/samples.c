#include "mc/measure/samples.h"
#include "mc/import/dataset.h"
#include <string.h>

struct mc_samples {
  mc_pass_context *cx;
  mc_dataset *data;
  mc_value **watch;
  int n;
  void *exe; /* compiled code, or NULL: the evaluator */
  int *from; /* watch[k] is graph input -1 - from[k], or the from[k]-th watched value of the
                compiled code */
  mc_array *in, *out;
  void **in_data;
  mc_map index; /* value -> its place in `watch`, for the evaluator's observer */
  mc_see *see;
  void *ctx;
};

const char *mc_samples_path(mc_pass_context *cx, const char *path) {
  const mc_module *m = cx->module;
  if (path && *path) return path;
  if (!m->calibration) return NULL;
  return m->calibration[0] == '/' ? m->calibration
                                  : mc_arena_printf(cx->scratch, "%s/%s", m->dir, m->calibration);
}

static bool prepare(mc_samples *s) {
  const mc_runner *r = s->cx->runner;
  mc_value **inner = MC_NEWN(s->cx->scratch, mc_value *, s->n);
  int count = 0;
  for (int k = 0; k < s->n; k++) {
    if (s->watch[k]->def)
      s->from[k] = count, inner[count++] = s->watch[k];
    else
      s->from[k] = -1 - s->watch[k]->index;
  }
  return (s->exe = r->prepare(r->ctx, s->cx->graph, inner, count, s->cx->diag)) != NULL;
}

static mc_array array_for(mc_samples *s, const mc_type *t) {
  return (mc_array){ t, mc_arena_alloc(s->cx->scratch, (size_t)mc_type_bytes(t)) };
}

/* Arrays for inputs, results and (compiled code) watched values. */
static void make_arrays(mc_samples *s) {
  const mc_graph *g = s->cx->graph;
  int nout = mc_graph_nout(g);
  s->in = MC_NEWN(s->cx->scratch, mc_array, g->nin);
  s->in_data = MC_NEWN(s->cx->scratch, void *, g->nin);
  s->out = MC_NEWN(s->cx->scratch, mc_array, nout + s->n);
  for (int i = 0; i < g->nin; i++) {
    s->in[i] = array_for(s, g->in[i]->type);
    s->in_data[i] = s->in[i].data;
  }
  for (int i = 0; i < nout; i++) s->out[i] = array_for(s, mc_graph_out(g, i)->type);
  for (int k = 0; s->exe && k < s->n; k++)
    if (s->from[k] >= 0) s->out[nout + s->from[k]] = array_for(s, s->watch[k]->type);
}

mc_samples *mc_samples_open(mc_pass_context *cx, const char *path, mc_value **watch, int n,
                            bool reference) {
  path = mc_samples_path(cx, path);
  if (!path)
    return mc_error(
               cx->diag, cx->loc,
               "calibrate: no samples: give data=FILE.npz, or a calibration line in the .mir file"),
           NULL;
  mc_samples *s = MC_NEW(cx->scratch, mc_samples);
  *s = (mc_samples){ .cx = cx, .watch = watch, .n = n, .from = MC_NEWN(cx->scratch, int, n) };
  s->data = mc_dataset_open(path, cx->graph, NULL, cx->diag,
                            cx->samples_at.what ? cx->samples_at : cx->loc);
  if (!s->data) return NULL;
  if (cx->runner && !reference && !prepare(s)) {
    mc_dataset_close(s->data);
    return NULL;
  }
  make_arrays(s);
  mc_map_init(&s->index, cx->scratch);
  for (int k = 0; k < n; k++) *mc_map_ptr_slot(&s->index, watch[k]) = &watch[k];
  return s;
}

void mc_samples_close(mc_samples *s) {
  if (s->exe) s->cx->runner->release(s->exe);
  mc_dataset_close(s->data);
}

static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  mc_samples *s = ctx;
  mc_value **at = mc_map_ptr_get(&s->index, v);
  if (at) s->see(s->ctx, (int)(at - s->watch), x->data, mc_type_elems(v->type));
  return true;
}

static bool run_sample(mc_samples *s, int64_t i) {
  const mc_graph *g = s->cx->graph;
  if (!mc_dataset_fetch(s->data, i, s->in_data)) return false;
  if (!s->exe) return mc_eval_graph(g, s->in, s->out, &(mc_eval_opts){ observe, s }, s->cx->diag);
  if (!s->cx->runner->run(s->exe, s->in, s->out, s->cx->diag)) return false;
  for (int k = 0; k < s->n; k++) {
    const mc_array *x =
        s->from[k] < 0 ? &s->in[-1 - s->from[k]] : &s->out[mc_graph_nout(g) + s->from[k]];
    s->see(s->ctx, k, x->data, mc_type_elems(s->watch[k]->type));
  }
  return true;
}

bool mc_samples_sweep(mc_samples *s, int64_t limit, const char *what, mc_see *see, void *ctx) {
  int64_t count = mc_dataset_count(s->data), batch = mc_dataset_batch(s->data);
  s->see = see;
  s->ctx = ctx;
  if (limit > 0 && limit < count) count = limit;
  for (int64_t i = 0; i < count; i += batch) {
    if (!run_sample(s, i)) return false;
    if (s->cx->progress)
      s->cx->progress(s->cx->progress_ctx, what, i + batch < count ? i + batch : count, count);
  }
  return true;
}
