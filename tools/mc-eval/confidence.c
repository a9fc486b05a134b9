/* How far a classifier's probabilities can be trusted: docs/guide/confidence.md. */
#include "common/page.h"
#include "eval.h"
#include "mc/measure/confidence.h"
#include <math.h>
#include <string.h>

/* Scores are kept as two readings until the last sample has said which it is. */
enum { AS_THEY_ARE, SOFTMAX, READINGS };

struct confidence {
  int64_t classes;
  double *p, slack; /* one sample's probabilities; how far their sum may be from 1 */
  bool probabilities;
  mc_confidence as[READINGS];
};

confidence *confidence_open(eval *e, const mc_type *t, int64_t classes) {
  confidence *c = MC_NEW(e->t.arena, confidence);
  double step = mc_type_is_quant(t) ? mc_type_scale(t, 0) : t->dtype == MC_f32 ? 0 : 0x1p-8;
  *c = (confidence){ .classes = classes < 2 ? 2 : classes, .probabilities = true };
  c->slack = 1e-3 + step / 2 * (double)c->classes;
  c->p = MC_NEWN(e->t.arena, double, c->classes);
  for (int k = 0; k < READINGS; k++)
    c->as[k] = mc_confidence_new(e->bins ? e->bins : MC_CONFIDENCE_BINS, e->t.arena);
  return c;
}

static bool sums_to_one(const confidence *c) {
  double sum = 0;
  for (int64_t i = 0; i < c->classes; i++) {
    if (!(c->p[i] >= 0 && c->p[i] <= 1 + c->slack)) return false;
    sum += c->p[i];
  }
  return fabs(sum - 1) <= c->slack;
}

/* The scores y[at ...]; a single one is the probability of class 1, or its logit. */
static void fetch(confidence *c, const mc_array *y, int64_t at, bool single) {
  for (int64_t i = 0; i < c->classes && !single; i++) c->p[i] = mc_array_real(y, at + i);
  if (!single) return;
  c->p[1] = mc_array_real(y, at);
  c->p[0] = c->p[1] >= 0 && c->p[1] <= 1 ? 1 - c->p[1] : 0;
}

bool confidence_add(confidence *c, const mc_array *y, int64_t at, bool single, int64_t label) {
  fetch(c, y, at, single);
  for (int64_t i = 0; i < c->classes; i++)
    if (!isfinite(c->p[i])) return false;
  c->probabilities = c->probabilities && sums_to_one(c);
  mc_confidence_add(&c->as[AS_THEY_ARE], c->p, c->classes, label);
  if (single) c->p[0] = 0;
  mc_confidence_softmax(c->p, c->classes);
  mc_confidence_add(&c->as[SOFTMAX], c->p, c->classes, label);
  return true;
}

/* ---- what is said ---- */

static const mc_confidence *reading_of(const confidence *c) {
  return &c->as[c->probabilities ? AS_THEY_ARE : SOFTMAX];
}

static double mean_of(const mc_confidence_bin *b) {
  return b->n ? b->confidence / (double)b->n : 0;
}

static double share_of(const mc_confidence_bin *b) {
  return b->n ? (double)b->right / (double)b->n : 0;
}

static mc_confidence_bin total(const mc_confidence *r) {
  mc_confidence_bin all = { 0 };
  for (int64_t i = 0; i < r->bins; i++) {
    const mc_confidence_bin *b = &r->bin[i];
    all.n += b->n, all.right += b->right, all.confidence += b->confidence;
  }
  return all;
}

static const char *scores(const confidence *c) {
  return c->probabilities ? "probabilities" : "softmax of the scores";
}

void confidence_print(const confidence *c) {
  const mc_confidence *r = reading_of(c);
  mc_confidence_bin all = total(r);
  mc_strbuf s = { 0 };
  mc_sb_printf(&s,
               "NLL %.4f, Brier score %.4f, ECE %.2f %% (%lld bins; mean confidence %.2f %%, right "
               "%.2f %%; %s)\n",
               r->nll / (double)r->n, r->brier / (double)r->n, 100 * mc_confidence_ece(r),
               (long long)r->bins, 100 * mean_of(&all), 100 * share_of(&all), scores(c));
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

json_t *confidence_json(const confidence *c) {
  const mc_confidence *r = reading_of(c);
  json_t *bins = json_array();
  for (int64_t i = 0; i < r->bins; i++)
    json_array_append_new(
        bins, json_pack("{s:f, s:f, s:I, s:I, s:f}", "from", (double)i / (double)r->bins, "to",
                        (double)(i + 1) / (double)r->bins, "samples", (json_int_t)r->bin[i].n,
                        "right", (json_int_t)r->bin[i].right, "confidence", mean_of(&r->bin[i])));
  mc_confidence_bin all = total(r);
  return json_pack("{s:f, s:f, s:f, s:f, s:s, s:o}", "nll", r->nll / (double)r->n, "brier",
                   r->brier / (double)r->n, "ece", mc_confidence_ece(r), "mean_confidence",
                   mean_of(&all), "scores", scores(c), "bins", bins);
}

/* ---- the picture ---- */

enum { LEFT = 56, TOP = 34, SIDE = 320, GAP = 26, HIGH = 90, WIDE = 420, TALL = 540 };

static double px(double share) { return (double)LEFT + (double)SIDE * share; }

static double py(double share) { return (double)TOP + (double)SIDE * (1 - share); }

static void box(mc_strbuf *s, const char *cls, double x0, double x1, double y0, double y1) {
  mc_sb_printf(s, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
               cls, x0, fmin(y0, y1), x1 - x0, fabs(y1 - y0));
}

static void axes(mc_strbuf *s) {
  char word[16];
  for (int i = 0; i <= 10; i += 2) {
    snprintf(word, sizeof word, "%.1f", i / 10.0);
    page_line(s, "grid", px(0), py(i / 10.0), px(1), py(i / 10.0));
    page_label(s, LEFT - 6, py(i / 10.0) + 4, "end", "note", word);
    page_label(s, px(i / 10.0), TALL - 24, "middle", "note", word);
  }
  page_label(s, LEFT + SIDE / 2, TALL - 6, "middle", "", "confidence");
  page_label(s, LEFT, TOP - 10, "start", "", "share that is right");
  page_label(s, LEFT, TOP + SIDE + GAP - 6, "start", "", "share of the samples");
}

static void draw(const confidence *c, mc_strbuf *s) {
  const mc_confidence *r = reading_of(c);
  double floor = TOP + SIDE + GAP + HIGH;
  axes(s);
  for (int64_t i = 0; i < r->bins; i++) {
    const mc_confidence_bin *b = &r->bin[i];
    double x0 = px((double)i / (double)r->bins) + 1, x1 = px((double)(i + 1) / (double)r->bins) - 1;
    if (!b->n) continue;
    box(s, "right", x0, x1, py(0), py(share_of(b)));
    box(s, "off", x0, x1, py(share_of(b)), py(mean_of(b)));
    box(s, "right", x0, x1, floor, floor - (double)HIGH * (double)b->n / (double)r->n);
  }
  page_line(s, "even", px(0), py(0), px(1), py(1));
}

bool confidence_draw(eval *e, const confidence *c) {
  const mc_confidence *r = reading_of(c);
  mc_strbuf s = { 0 };
  char word[96];
  page_picture(&s, WIDE, TALL,
               ".right{fill:#4a7fb5}.off{fill:#d9534f;opacity:.55}"
               ".even{stroke:#888;stroke-dasharray:4 3}");
  draw(c, &s);
  snprintf(word, sizeof word, "ECE %.2f %%, NLL %.4f, %lld samples", 100 * mc_confidence_ece(r),
           r->nll / (double)r->n, (long long)r->n);
  page_label(&s, px(1), TOP - 10, "end", "note", word);
  mc_sb_puts(&s, "</svg>\n");
  bool ok = mc_write_file(e->calibration, mc_sb_str(&s), s.n, &e->t.diag);
  mc_sb_free(&s);
  return ok;
}
