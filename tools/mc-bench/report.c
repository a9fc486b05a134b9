/* Results as text and as JSON. */
#include "bench.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

double layer_bytes(const layer *l) {
  return (double)(l->cost.weight_bytes + l->cost.in_bytes + l->cost.out_bytes);
}

static bool is_calm(const machine *m) { return 2 * m->calm >= m->turns; }

static void text_machine(mc_strbuf *out, const machine *m) {
  mc_sb_printf(out, "machine: %s (%zu of %zu turns were calm; %.2f GHz%s)\n",
               is_calm(m) ? "calm" : "busy, take these numbers with care", m->calm, m->turns,
               m->clock * 1e-9, m->regime == BENCH_CAMERA ? "; asleep before each run" : "");
}

static void text_one(mc_strbuf *out, const subject *s) {
  int level = mc_jit_nlevels(s->jit) > 1 ? mc_jit_level(s->jit) : -1;
  mc_sb_printf(
      out, "median %.4g ms  min %.4g  p90 %.4g  (%zu samples of %d run%s, %d thread%s%s%s)%s\n",
      s->t.median * 1e3, s->t.min * 1e3, s->t.p90 * 1e3, s->t.n, s->batch, s->batch == 1 ? "" : "s",
      s->threads, s->threads == 1 ? "" : "s", level < 0 ? "" : ", level ",
      level < 0 ? "" : mc_jit_level_name(s->jit, level), s->gated ? "" : "  (not one calm turn)");
}

static void text_many(mc_strbuf *out, const subject *s, int n) {
  int width = 7;
  for (int i = 0; i < n; i++)
    if ((int)strlen(s[i].label) > width) width = (int)strlen(s[i].label);
  mc_sb_printf(out, "%-*s %10s %10s %10s %8s\n", width, "network", "median ms", "min ms", "p90 ms",
               "speed");
  for (int i = 0; i < n; i++)
    mc_sb_printf(out, "%-*s %10.4g %10.4g %10.4g %7.2fx%s\n", width, s[i].label,
                 s[i].t.median * 1e3, s[i].t.min * 1e3, s[i].t.p90 * 1e3,
                 s[0].t.median / s[i].t.median, s[i].gated ? "" : "  (not one calm turn)");
}

static void text_layer(mc_strbuf *out, const subject *s, const layer *l, const machine *m,
                       double total, int width) {
  double t = l->t.median > 0 ? l->t.median : 1e-12;
  mc_sb_printf(out, "%-*s %-10s %-24s %9.3f %9.2f %5.1f%%", width, l->name, l->kernel, l->result,
               (double)l->cost.macs * 1e-6, t * 1e6, 100 * t / total);
  if (l->rate > 0)
    mc_sb_printf(out, " %8.1f %6.1f%%", (double)l->cost.macs / t * 1e-9,
                 100 * (double)l->cost.macs / t / (l->rate * m->clock));
  else
    mc_sb_printf(out, " %8s %7s", "", "");
  mc_sb_printf(out, " %7.1f %9.2f  %s\n", layer_bytes(l) / t * 1e-9,
               mc_model_us(s->target, l->model.cycles), mc_part_name(l->model.bound));
}

static double total_of(const subject *s) {
  double total = 0;
  for (int i = 0; i < s->nlayer; i++) total += s->layer[i].t.median;
  return total > 0 ? total : 1e-12;
}

static void text_layers(mc_strbuf *out, const subject *s, const machine *m) {
  int width = 5;
  for (int i = 0; i < s->nlayer; i++)
    if ((int)strlen(s->layer[i].name) > width) width = (int)strlen(s->layer[i].name);
  mc_sb_printf(out, "\n%s -march=%s\n%-*s %-10s %-24s %9s %9s %6s %8s %7s %7s %9s  %s\n", s->label,
               s->target->name, width, "layer", "kernel", "result", "MMAC", "us", "time", "GMAC/s",
               "of peak", "GB/s", "model us", "bound by");
  double total = total_of(s);
  for (int i = 0; i < s->nlayer; i++)
    if (layer_listed(&s->layer[i])) text_layer(out, s, &s->layer[i], m, total, width);
  mc_sb_printf(out, "all layers: %.4g ms\n", total * 1e3);
}

void report_text(mc_strbuf *out, const subject *s, int n, const machine *m) {
  if (n == 1)
    text_one(out, s);
  else
    text_many(out, s, n);
  text_machine(out, m);
  for (int i = 0; i < n; i++)
    if (s[i].nlayer) text_layers(out, &s[i], m);
}

/* ---- JSON ---- */

static json_t *json_layer(const subject *s, const layer *l, const machine *m) {
  double t = l->t.median > 0 ? l->t.median : 1e-12;
  json_t *o = json_pack(
      "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:s}", "name", l->name,
      "kernel", l->kernel, "result", l->result, "how", l->how, "macs", (json_int_t)l->cost.macs,
      "weight_bytes", (json_int_t)l->cost.weight_bytes, "in_bytes", (json_int_t)l->cost.in_bytes,
      "out_bytes", (json_int_t)l->cost.out_bytes, "median_us", l->t.median * 1e6, "min_us",
      l->t.min * 1e6, "gbytes_per_second", layer_bytes(l) / t * 1e-9, "model_us",
      mc_model_us(s->target, l->model.cycles), "bound", mc_part_name(l->model.bound));
  if (l->rate > 0) {
    json_object_set_new(o, "gmacs_per_second", json_real((double)l->cost.macs / t * 1e-9));
    json_object_set_new(o, "share_of_peak",
                        json_real((double)l->cost.macs / t / (l->rate * m->clock)));
  }
  return o;
}

static json_t *json_subject(const subject *s, const machine *m) {
  json_t *o = json_pack("{s:s, s:s, s:f, s:f, s:f, s:I, s:i, s:i, s:I, s:b}", "file", s->file,
                        "label", s->label, "median_ms", s->t.median * 1e3, "min_ms", s->t.min * 1e3,
                        "p90_ms", s->t.p90 * 1e3, "samples", (json_int_t)s->t.n, "batch", s->batch,
                        "threads", s->threads, "arena_bytes",
                        (json_int_t)mc_jit_arena_bytes(s->jit), "gated", s->gated);
  if (!s->nlayer) return o;
  json_t *list = json_array();
  for (int i = 0; i < s->nlayer; i++)
    if (layer_listed(&s->layer[i])) json_array_append_new(list, json_layer(s, &s->layer[i], m));
  json_object_set_new(o, "layers", list);
  json_object_set_new(o, "march", json_string(s->target->name));
  return o;
}

void report_json(mc_strbuf *out, const subject *s, int n, const machine *m) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(list, json_subject(&s[i], m));
  json_t *all = json_pack("{s:s, s:f, s:I, s:I, s:b, s:o}", "regime", bench_regimes[m->regime],
                          "clock_ghz", m->clock * 1e-9, "turns", (json_int_t)m->turns, "calm_turns",
                          (json_int_t)m->calm, "calm", is_calm(m), "networks", list);
  char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6) | JSON_PRESERVE_ORDER);
  mc_sb_puts(out, text ? text : "");
  mc_sb_putc(out, '\n');
  json_decref(all);
  free(text);
}
