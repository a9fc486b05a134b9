/* Options of prune-channels about what may go, and what becomes of results. */
#include "compress.h"
#include "mc/measure/samples.h"

/* ---- what= ---- */

static bool linear_only(const mc_chan_group *g) {
  for (int i = 0; i < g->nproducer; i++)
    if (g->producer[i]->op != MC_OP_linear) return false;
  return true;
}

void mc_channels_only(mc_channels *ch, mc_e_prunewhat what) {
  static const char *const why[mc_prunewhat_count_] = {
    [mc_prunewhat_channels] = "what=channels leaves it alone",
    [mc_prunewhat_neurons] = "what=neurons leaves it alone",
    [mc_prunewhat_heads] = "what=heads leaves it alone",
  };
  for (int k = 0; what != mc_prunewhat_all && k < ch->ncls; k++) {
    mc_chan_class *c = &ch->cls[k];
    if (c->fixed || c->group < 0) continue;
    mc_e_prunewhat is = c->head                             ? mc_prunewhat_heads
                        : linear_only(&ch->group[c->group]) ? mc_prunewhat_neurons
                                                            : mc_prunewhat_channels;
    if (is != what) c->fixed = why[what];
  }
}

/* ---- norms=true ---- */

void mc_channels_say_norms(const mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d) {
  MC_FOR_NODES (n, g) {
    if (n->op != MC_OP_layer_norm || n->out[0]->type->dtype != MC_f32) continue;
    int64_t first = MC_ATTRS(n, layer_norm)->axis, was = 1, is = 1;
    if (first < 0) first += n->out[0]->type->rank;
    for (int a = (int)first; a < n->out[0]->type->rank; a++) {
      was *= n->out[0]->type->dim[a];
      is *= mc_channels_kept_axis(ch, n->out[0], a, keep);
    }
    if (is < was)
      mc_remark(d, n->loc,
                "layer_norm runs over %lld elements and no longer over %lld: its mean and variance "
                "change (norms=true)",
                (long long)is, (long long)was);
  }
}

/* ---- pad_outputs=true ---- */

/* Results that may lose channels. */
typedef struct results {
  mc_value **v;
  double **sum, *n;
  int count;
} results;

static void see(void *ctx, int k, const float *x, int64_t n) {
  results *r = ctx;
  const mc_type *t = r->v[k]->type;
  int64_t c = t->dim[t->rank - 1];
  for (int64_t i = 0; i < n; i++) r->sum[k][i % c] += (double)x[i];
  r->n[k] += (double)(n / c);
}

static bool may_lose(const mc_channels *ch, const mc_value *v) {
  for (int64_t i = 0; v->type->rank && i < v->type->dim[v->type->rank - 1]; i++) {
    int k = mc_channels_class(ch, v, i);
    if (k >= 0 && !ch->cls[k].fixed) return true;
  }
  return false;
}

static bool measure_means(mc_pass_context *cx, const mc_walk_opts *o, results *r) {
  mc_samples *x = mc_samples_open(cx, o->data, r->v, r->count, false);
  bool ok = x && mc_samples_sweep(x, o->samples, "means of the results", see, r);
  if (x) mc_samples_close(x);
  return ok;
}

bool mc_channels_means(mc_pass_context *cx, const mc_walk_opts *o, const mc_channels *ch,
                       mc_channels_fill *fill) {
  int n = mc_graph_nout(cx->graph);
  results r = { MC_NEWN(cx->scratch, mc_value *, n + 1), MC_NEWN(cx->scratch, double *, n + 1),
                MC_NEWN(cx->scratch, double, n + 1), 0 };
  int *of = MC_NEWN(cx->scratch, int, n + 1);
  fill->value = MC_NEWN(cx->scratch, float *, n + 1);
  for (int i = 0; i < n; i++) {
    mc_value *v = mc_graph_out(cx->graph, i);
    if (!may_lose(ch, v)) continue;
    of[r.count] = i;
    r.sum[r.count] = MC_NEWN(cx->scratch, double, v->type->dim[v->type->rank - 1]);
    r.v[r.count++] = v;
  }
  if (r.count && !measure_means(cx, o, &r)) return false;
  for (int k = 0; k < r.count; k++) {
    int64_t c = r.v[k]->type->dim[r.v[k]->type->rank - 1];
    float *x = fill->value[of[k]] = MC_NEWN(cx->scratch, float, c);
    for (int64_t i = 0; i < c; i++) x[i] = (float)(r.sum[k][i] / r.n[k]);
  }
  return true;
}
