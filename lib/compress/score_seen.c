/* Scores of channels from what they hold over the samples: the mean magnitude, and the share of
 * values that are not 0 (one less APoZ, Hu et al. 2016, "Network trimming"). Seen where a layer
 * with weights reads them, that is after activations and pools. */
#include "score.h"
#include "mc/measure/samples.h"
#include <math.h>

typedef struct seen {
  mc_value *v;
  double *magnitude, *nonzero, n;
} seen;

typedef struct watcher {
  seen *of;
  bool bad;
  int at;
} watcher;

static void see(void *ctx, int k, const float *x, int64_t n) {
  watcher *w = ctx;
  seen *s = &w->of[k];
  int64_t c = s->v->type->dim[s->v->type->rank - 1];
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i]) && !w->bad) w->bad = true, w->at = k;
    s->magnitude[i % c] += fabs((double)x[i]);
    s->nonzero[i % c] += x[i] != 0;
  }
  s->n += (double)(n / c);
}

/* What layers with weights read, each once. */
static int watched(const mc_scoring *s, mc_value **v) {
  mc_map known;
  int n = 0;
  mc_map_init(&known, s->cx->scratch);
  MC_FOR_NODES (k, s->cx->graph) {
    if (!mc_makes_channels(k) || mc_channels_class(s->ch, k->in[0], 0) < 0) continue;
    void **slot = mc_map_ptr_slot(&known, k->in[0]);
    if (!*slot) *slot = v[n++] = k->in[0];
  }
  return n;
}

static bool look(const mc_scoring *s, mc_value **v, int n, watcher *w) {
  for (int k = 0; k < n; k++) {
    int64_t c = v[k]->type->dim[v[k]->type->rank - 1];
    w->of[k] =
        (seen){ v[k], MC_NEWN(s->cx->scratch, double, c), MC_NEWN(s->cx->scratch, double, c), 0 };
  }
  if (!mc_samples_path(s->cx, s->walk.data))
    return mc_error(
        s->cx->diag, s->cx->loc,
        "score=%s: no samples: give data=FILE.npz, or a calibration line in the .mir file",
        mc_names_score[s->by]);
  mc_samples *x = mc_samples_open(s->cx, s->walk.data, v, n, false);
  if (!x) return false;
  bool ok = mc_samples_sweep(x, s->walk.samples, "score", see, w);
  mc_samples_close(x);
  if (!ok || !w->bad) return ok;
  const mc_node *d = v[w->at]->def;
  return mc_error(s->cx->diag, d ? d->loc : v[w->at]->loc,
                  "score: a value is not finite (NaN or infinite) on these samples");
}

static void add_value(tally *t, const seen *w) {
  int64_t c = w->v->type->dim[w->v->type->rank - 1];
  double square = 0, *x = t->s->by == mc_score_mean ? w->magnitude : w->nonzero;
  for (int64_t i = 0; i < c; i++) x[i] /= w->n, square += x[i] * x[i];
  double rms = sqrt(square / (double)c);
  bool level = t->s->level && t->s->by == mc_score_mean && rms > 0;
  for (int64_t i = 0; i < c; i++)
    mc_tally_add(t, mc_channels_class(t->s->ch, w->v, i), level ? x[i] / rms : x[i]);
}

bool mc_score_by_samples(tally *t) {
  const mc_scoring *s = t->s;
  int products = 0;
  MC_FOR_NODES (k, s->cx->graph) products += mc_makes_channels(k);
  mc_value **v = MC_NEWN(s->cx->scratch, mc_value *, products + 1);
  int n = watched(s, v);
  watcher w = { .of = MC_NEWN(s->cx->scratch, seen, n + 1) };
  if (!look(s, v, n, &w)) return false;
  bool zeros = false;
  for (int k = 0; k < n; k++) {
    int64_t c = v[k]->type->dim[v[k]->type->rank - 1];
    for (int64_t i = 0; i < c; i++) zeros |= w.of[k].nonzero[i] < w.of[k].n;
    add_value(t, &w.of[k]);
  }
  if (!zeros && s->by == mc_score_apoz)
    mc_warning(s->cx->diag, s->cx->loc,
               "score=apoz: no activation was ever 0, so that all channels are alike; score=mean "
               "tells them apart");
  return true;
}
