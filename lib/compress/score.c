/* From scores of channels to scores of classes. */
#include "score.h"
#include <math.h>

void mc_tally_add(tally *t, int cls, double x) {
  if (cls < 0) return;
  if (t->s->together == mc_together_max)
    t->score[cls] = t->times[cls] ? fmax(t->score[cls], x) : x;
  else
    t->score[cls] += x;
  t->times[cls]++;
}

void mc_tally_layer(tally *t, const mc_node *n, double *x) {
  const mc_type *y = n->out[0]->type;
  int64_t channels = y->dim[y->rank - 1];
  double square = 0;
  for (int64_t c = 0; c < channels; c++) square += x[c] * x[c];
  double rms = sqrt(square / (double)channels);
  for (int64_t c = 0; c < channels; c++)
    mc_tally_add(t, mc_channels_class(t->s->ch, n->out[0], c),
                 t->s->level && rms > 0 ? x[c] / rms : x[c]);
}

/* The control: what a score that knows nothing gives. */
static void score_random(tally *t) {
  uint64_t state = (uint64_t)t->s->seed * 0x9e3779b97f4a7c15u + 1;
  for (int k = 0; k < t->s->ch->ncls; k++) {
    if (t->s->ch->cls[k].group < 0) continue;
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = (state ^ (state >> 29)) * 0xbf58476d1ce4e5b9u;
    mc_tally_add(t, k, (double)(x >> 11) * 0x1p-53);
  }
}

static bool gather(tally *t) {
  switch (t->s->by) {
  case mc_score_mean:
  case mc_score_apoz: return mc_score_by_samples(t);
  case mc_score_aw:
  case mc_score_error: return mc_score_by_readers(t);
  case mc_score_file: return mc_score_by_file(t);
  case mc_score_random: score_random(t); return true;
  default: return mc_score_by_weights(t);
  }
}

/* What was not scored stays. */
static void keep_unscored(tally *t) {
  static const char *const why[mc_score_count_] = {
    [mc_score_bn_gamma] = "no batch_norm after the layer to score it by",
    [mc_score_mean] = "no layer with weights reads it, so that its activations were not seen",
    [mc_score_apoz] = "no layer with weights reads it, so that its activations were not seen",
    [mc_score_aw] = "no layer with weights reads it, which score=aw needs",
    [mc_score_error] = "no layer with weights reads it, which score=error needs",
    [mc_score_file] = "the file of scores has no array for it",
  };
  for (int k = 0; k < t->s->ch->ncls; k++) {
    mc_chan_class *c = &t->s->ch->cls[k];
    if (!c->fixed && c->group >= 0 && !t->times[k])
      c->fixed = why[t->s->by] ? why[t->s->by] : "it was not scored";
  }
}

bool mc_scores(const mc_scoring *s, double *score) {
  tally t = { s, score, MC_NEWN(s->cx->scratch, int, s->ch->ncls + 1) };
  for (int k = 0; k < s->ch->ncls; k++) score[k] = 0;
  if (!gather(&t)) return false;
  for (int k = 0; s->together == mc_together_mean && k < s->ch->ncls; k++)
    if (t.times[k]) score[k] /= t.times[k];
  keep_unscored(&t);
  return true;
}
