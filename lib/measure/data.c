#include "data.h"
#include "columns.h"
#include "mc/measure/samples.h"
#include <math.h>
#include <string.h>

const char *mcm_what(const mc_walk_opts *o) { return o->what ? o->what : "samples"; }

int64_t mcm_memory(const mc_walk_opts *o) { return o->memory > 0 ? o->memory : (int64_t)1 << 30; }

const char *mc_layer_name(const mc_node *n) {
  return n->source ? n->source : n->out[0]->name ? n->out[0]->name : mc_ops[n->op].text;
}

static void warn_once(const mcm_data *d, mc_loc loc, const char *text) {
  const mc_diag *g = d->cx->diag;
  for (size_t i = 0; i < g->list.n; i++)
    if (g->list.v[i].sev == MC_WARNING && !strcmp(g->list.v[i].text, text)) return;
  mc_warning(d->cx->diag, loc, "%s", text);
}

/* Samples of an incomplete batch: the last one would count several times. */
static void warn_of_rest(const mcm_data *d) {
  int64_t rest = d->samples - d->runs * d->batch;
  if (rest == 0) return;
  const char *text =
      rest > 0
          ? mc_arena_printf(
                d->cx->scratch,
                "%s: the graph takes %lld samples at once: left over at the end and not used: %lld",
                d->what, (long long)d->batch, (long long)rest)
          : mc_arena_printf(
                d->cx->scratch,
                "%s: the graph takes %lld samples at once, but there are %lld: the last "
                "one is repeated",
                d->what, (long long)d->batch, (long long)d->samples);
  warn_once(d, d->cx->loc, text);
}

bool mcm_data_open(mcm_data *d, mc_pass_context *cx, const mc_walk_opts *o) {
  *d = (mcm_data){ .cx = cx, .what = mcm_what(o) };
  const mc_graph *g = cx->graph;
  const char *path = mc_samples_path(cx, o->data);
  if (!path)
    return mc_error(cx->diag, cx->loc,
                    "%s: no samples: give data=FILE.npz, or a calibration line in the .mir file",
                    d->what);
  if (g->nin == 0)
    return mc_error(cx->diag, cx->loc, "%s: a graph without inputs reads no samples", d->what);
  d->set = mc_dataset_open(path, g, NULL, cx->diag, cx->samples_at.what ? cx->samples_at : cx->loc);
  if (!d->set) return false;
  d->samples = mc_dataset_count(d->set);
  if (o->samples > 0 && o->samples < d->samples) d->samples = o->samples;
  d->batch = mc_dataset_batch(d->set);
  if (d->samples < 1) {
    mc_error(cx->diag, cx->loc, "%s: there are no samples in %s", d->what, path);
    mcm_data_close(d);
    return false;
  }
  d->runs = d->samples / d->batch;
  if (d->runs < 1) d->runs = 1;
  warn_of_rest(d);
  return true;
}

bool mc_walk_count(mc_pass_context *cx, mc_walk_opts *o) {
  mc_dataset *s = mc_dataset_open(o->data, cx->graph, NULL, cx->diag,
                                  cx->samples_at.what ? cx->samples_at : cx->loc);
  if (!s) return false;
  int64_t n = mc_dataset_count(s);
  mc_dataset_close(s);
  if (o->samples <= 0 || o->samples > n) o->samples = n;
  return true;
}

void mcm_data_close(mcm_data *d) {
  if (d->set) mc_dataset_close(d->set);
  d->set = NULL;
}

static bool check_input(const mcm_data *d, int64_t run, const mc_value *v, const float *x) {
  int64_t n = mc_type_elems(v->type);
  int64_t each = v->type->rank && v->type->dim[0] == d->batch ? n / d->batch : n; /* of a sample */
  for (int64_t i = 0; i < n; i++) {
    if (isfinite(x[i])) continue;
    return mc_error(d->cx->diag, d->cx->samples_at.what ? d->cx->samples_at : d->cx->loc,
                    "%s: sample %lld of input '%s' holds %s: take it out of the samples", d->what,
                    (long long)(run * d->batch + i / each), v->name ? v->name : "?",
                    isnan(x[i]) ? "NaN" : "an infinite number");
  }
  return true;
}

bool mcm_data_fetch(const mcm_data *d, int64_t run, void *const *in) {
  const mc_graph *g = d->cx->graph;
  if (!mc_dataset_fetch(d->set, run * d->batch, in)) return false;
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->type->dtype == MC_f32 && !check_input(d, run, g->in[i], in[i])) return false;
  return true;
}

/* ---- warnings ---- */

void mcm_warn_few(const mcm_data *d, const mc_products *p, const bool *want) {
  const mc_product *worst = NULL;
  int count = 0;
  for (int i = 0; i < p->n; i++) {
    const mc_product *k = &p->v[i];
    if ((want && !want[i]) || k->places * d->runs >= k->d) continue;
    count++;
    if (!worst || k->d - k->places * d->runs > worst->d - worst->places * d->runs) worst = k;
  }
  if (!worst) return;
  const char *more =
      count > 1 ? mc_arena_printf(d->cx->scratch, "; so do %d other layers", count - 1) : "";
  warn_once(
      d, worst->node->loc,
      mc_arena_printf(d->cx->scratch,
                      "%s: %lld samples are few: layer '%s' reads them at %lld places but has %lld "
                      "inputs to fit%s; give more samples",
                      d->what, (long long)d->samples, mc_layer_name(worst->node),
                      (long long)(worst->places * d->runs), (long long)worst->d, more));
}

void mcm_warn_memory(const mcm_data *d, const mc_products *p, const bool *want, int64_t memory) {
  const mc_product *most = NULL;
  for (int i = 0; i < p->n; i++) {
    if (want && !want[i]) continue;
    if (!most || mc_moments_bytes(&p->v[i]) > mc_moments_bytes(most)) most = &p->v[i];
  }
  if (!most || mc_moments_bytes(most) <= memory) return;
  warn_once(
      d, most->node->loc,
      mc_arena_printf(d->cx->scratch,
                      "%s: memory=%lld (MiB) is less than the %lld MiB that the moments of layer "
                      "'%s' need; they are taken all the same",
                      d->what, (long long)(memory >> 20),
                      (long long)((mc_moments_bytes(most) + (1 << 20) - 1) >> 20),
                      mc_layer_name(most->node)));
}
