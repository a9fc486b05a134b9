/* --sensitivity: what each layer's integers do to the results, one layer at a time, both ways
 * (docs/guide/partial.md). */
#include "common/page.h"
#include "common/progress.h"
#include "common/trials.h"
#include "eval.h"
#include <math.h>
#include <string.h>

typedef struct table {
  eval *e;
  mc_trials *t;
  mc_trial all;
  mc_sensitivity *s;
  int n, layers;
  int64_t samples, right; /* of the fp32 network; -1: no labels */
} table;

/* ---- text ---- */

static const char *db(double snr, char *word, size_t n) {
  if (isnan(snr))
    snprintf(word, n, "-");
  else if (snr >= HUGE_VAL)
    snprintf(word, n, "same");
  else
    snprintf(word, n, "%.1f", snr);
  return word;
}

static double percent(const table *t, int64_t right) {
  return 100.0 * (double)right / (double)t->samples;
}

static void line(const table *t, mc_strbuf *s, const mc_trial *x) {
  char word[32], cosine[32];
  snprintf(cosine, sizeof cosine, isnan(x->cosine) ? "-" : "%.6f", x->cosine);
  mc_sb_printf(s, " %8s %9s", db(x->snr, word, sizeof word), cosine);
  if (t->right >= 0) mc_sb_printf(s, " %7.2f", percent(t, x->right));
}

static void print(const table *t) {
  mc_strbuf s = { 0 };
  int width = 12;
  for (int i = 0; i < t->n; i++) {
    int n = (int)strlen(t->s[i].layer->name);
    width = n > width ? n : width;
  }
  const char *more = t->right >= 0 ? "   top-1" : "";
  mc_sb_printf(&s, "%-*s %12s  %s%s  %s%s\n", width, "layer", "MACs", "alone: dB    cosine", more,
               "without: dB  cosine", more);
  for (int i = 0; i < t->n; i++) {
    mc_sb_printf(&s, "%-*s %12lld ", width, t->s[i].layer->name, (long long)t->s[i].layer->macs);
    line(t, &s, &t->s[i].alone);
    mc_sb_printf(&s, "  ");
    line(t, &s, &t->s[i].without);
    mc_sb_putc(&s, '\n');
  }
  mc_sb_printf(&s, "%-*s %12s ", width, "all", "");
  line(t, &s, &t->all);
  mc_sb_putc(&s, '\n');
  if (t->right >= 0)
    mc_sb_printf(&s, "fp32: top-1 %.2f %% (%lld/%lld)\n", percent(t, t->right), (long long)t->right,
                 (long long)t->samples);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

/* ---- JSON ---- */

static bool write_report(const table *t) {
  json_t *layers = json_array();
  for (int i = 0; i < t->n; i++)
    json_array_append_new(
        layers, json_pack("{s:s, s:s, s:I, s:o, s:o}", "layer", t->s[i].layer->name, "pattern",
                          t->s[i].layer->pattern, "macs", (json_int_t)t->s[i].layer->macs, "alone",
                          trial_json(&t->s[i].alone), "without", trial_json(&t->s[i].without)));
  return write_json(t->e, t->samples,
                    json_pack("{s:s, s:o, s:o, s:o}", "quant", mc_quant_names[t->e->quant],
                              "fp32_right", right_json(t->right), "all", trial_json(&t->all),
                              "sensitivity", layers));
}

/* ---- the picture: a row for each layer, dots at its dB ---- */

enum { LEFT = 190, WIDE = 640, TOP = 46, ROW = 16 };

static double most_db(const table *t) {
  double most = 10;
  for (int i = 0; i < t->n; i++) {
    if (isfinite(t->s[i].alone.snr)) most = fmax(most, t->s[i].alone.snr);
    if (isfinite(t->s[i].without.snr)) most = fmax(most, t->s[i].without.snr);
  }
  return 10 * ceil(most / 10);
}

static double at(double snr, double most) {
  double share = fmin(fmax(snr / most, 0), 1);
  return (double)LEFT + (double)(WIDE - LEFT - 20) * share;
}

static void dot(mc_strbuf *s, const char *cls, double snr, double most, double y) {
  if (!isnan(snr))
    mc_sb_printf(s, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", cls, at(snr, most),
                 y);
}

static bool draw(const table *t) {
  mc_strbuf s = { 0 };
  char word[32];
  double most = most_db(t), floor = TOP + ROW * t->n;
  page_picture(&s, WIDE, (int)floor + 34,
               ".alone{fill:#d9534f}.without{fill:#4a7fb5}.all{stroke:#888;stroke-dasharray:4 3}");
  page_label(&s, LEFT, 16, "start", "", "dB against fp32");
  dot(&s, "alone", most * 0.34, most, 12), dot(&s, "without", most * 0.62, most, 12);
  page_label(&s, at(most * 0.34, most) + 8, 16, "start", "note", "alone quantized");
  page_label(&s, at(most * 0.62, most) + 8, 16, "start", "note", "alone in fp32");
  for (double v = 0; v <= most; v += 10) {
    snprintf(word, sizeof word, "%.0f", v);
    page_line(&s, "grid", at(v, most), TOP - 8, at(v, most), floor);
    page_label(&s, at(v, most), floor + 14, "middle", "note", word);
  }
  if (!isnan(t->all.snr)) {
    page_line(&s, "all", at(t->all.snr, most), TOP - 8, at(t->all.snr, most), floor);
    page_label(&s, at(t->all.snr, most), TOP - 12, "middle", "note", "all quantized");
  }
  for (int i = 0; i < t->n; i++) {
    double y = TOP + ROW * i + 4;
    const char *name = t->s[i].layer->name;
    size_t n = strlen(name);
    page_label(&s, LEFT - 10, y + 4, "end", "note", n > 30 ? name + n - 30 : name);
    dot(&s, "without", t->s[i].without.snr, most, y);
    dot(&s, "alone", t->s[i].alone.snr, most, y);
  }
  mc_sb_puts(&s, "</svg>\n");
  bool ok = mc_write_file(t->e->sensitivity, mc_sb_str(&s), s.n, &t->e->t.diag);
  mc_sb_free(&s);
  return ok;
}

/* ---- what is asked ---- */

bool sensitivity_possible(eval *e) {
  mc_diag *d = &e->t.diag;
  if (!e->sensitivity) return true;
  if (e->metric == METRIC_AUC)
    return mc_error(d, mc_noloc, "--sensitivity compares results and top-1: not for auc");
  if (e->calibration)
    return mc_error(d, mc_noloc, "--sensitivity and --calibration are two reports: give one");
  if (e->quant == MC_QUANT_NONE)
    return mc_error(d, mc_noloc, "--sensitivity is of what --quant converts: none leaves nothing");
  const char *svg = *e->sensitivity ? e->sensitivity : NULL;
  if (svg && e->json && strcmp(e->json, svg) == 0)
    return mc_error(d, mc_noloc, "--sensitivity and --json write the same file: %s", svg);
  if (!svg) return true;
  return tool_keeps(&e->t, e->t.args.v[0], svg) && tool_keeps(&e->t, e->data, svg) &&
         (!e->calib || tool_keeps(&e->t, e->calib, svg));
}

static bool measure(table *t, const mc_module *m, const mc_target *native) {
  eval *e = t->e;
  progress p = { 0 };
  mc_compile_opts o = mc_compile_defaults();
  o.quant = e->quant;
  o.calib = e->calib;
  o.target = native;
  mc_trial_opts to = {
    .data = e->data,
    .images = { .x = e->x, .y = e->y, .resize = e->images.resize, .color = e->images.color },
    .limit = e->limit,
    .labels = e->y != NULL,
    .progress = progress_pass,
    .progress_ctx = &p
  };
  t->t = mc_trials_open(m, &o, &to, &e->t.diag);
  bool ok = t->t && mc_trials_run(t->t, NULL, NULL, &t->all);
  t->s = ok ? mc_trials_sensitivity(t->t, &t->all, &t->n) : NULL;
  progress_end(&p);
  return t->s != NULL;
}

static bool tell(table *t) {
  eval *e = t->e;
  const mc_trial_layer *l = mc_trials_layers(t->t, &t->layers);
  t->samples = mc_trials_samples(t->t);
  t->right = mc_trials_right(t->t);
  for (int i = 0; i < t->layers; i++)
    if (!l[i].pattern)
      mc_warning(&e->t.diag, l[i].loc, "%s has no name: it cannot be tried alone", l[i].name);
  if (e->json && !write_report(t)) return false;
  if (*e->sensitivity && !draw(t)) return false;
  mc_sensitivity_sort(t->s, t->n);
  if (shows_text(e)) print(t);
  return true;
}

bool sensitivity(eval *e, const mc_module *m) {
  table t = { .e = e };
  const mc_target *native = mc_target_find(NULL, "native", e->t.arena, &e->t.diag);
  bool ok = native && measure(&t, m, native) && tell(&t);
  mc_trials_close(t.t);
  return ok;
}
