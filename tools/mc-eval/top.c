/* Top-k: how often the label has the largest score, or is among the k largest. */
#include "eval.h"
#include "common/progress.h"
#include "mc/driver/judge.h"
#include <stdio.h>

static json_t *share(int64_t k, int64_t right, int64_t n) {
  return json_pack("{s:I, s:I, s:f}", "k", (json_int_t)k, "right", (json_int_t)right, "share",
                   (double)right / (double)n);
}

static bool json_top(eval *e, const confidence *c, int64_t n, int64_t classes, int64_t first,
                     int64_t k, int64_t in_top) {
  json_t *tops = json_array();
  json_array_append_new(tops, share(1, first, n));
  if (k > 1) json_array_append_new(tops, share(k, in_top, n));
  json_t *own = json_pack("{s:I, s:o}", "classes", (json_int_t)classes, "top", tops);
  if (c) json_object_set_new(own, "confidence", confidence_json(c));
  return write_json(e, n, own);
}

static void print_share(const char *name, int64_t right, int64_t n) {
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "%s %.2f %% (%lld/%lld)\n", name, 100.0 * (double)right / (double)n,
               (long long)right, (long long)n);
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

bool top(eval *e, mc_dataset *data) {
  const mc_type *t = mc_network_out_type(e->net, 0);
  int64_t batch = mc_dataset_batch(data), classes, n = mc_dataset_count(data), first = 0,
          in_top = 0, k = e->top ? e->top : 5;
  mc_array y = { t, e->out[0] };
  if (e->limit && e->limit < n) n = e->limit;
  if (!mc_judge_classes(t, data, e->data, &classes, &e->t.diag)) return false;
  if (e->top >= classes && e->top > 1)
    mc_warning(&e->t.diag, mc_noloc, "-top=%lld says nothing: the network has %lld class%s",
               (long long)k, (long long)classes, classes == 1 ? "" : "es");
  confidence *c = e->calibration ? confidence_open(e, t, classes) : NULL;
  if (c && !mc_dtype_is_float(t->dtype) && !mc_type_is_quant(t))
    return mc_error(&e->t.diag, mc_noloc,
                    "--calibration: the network gives classes, not scores: confidence needs those");
  progress p = progress_start("evaluating");
  for (int64_t i = 0; i < n; i += batch) {
    if (!mc_dataset_fetch(data, i, e->in) ||
        !mc_network_run(e->net, (const void *const *)e->in, e->out, &e->t.diag))
      return progress_end(&p), false;
    for (int64_t b = 0; b < batch && i + b < n; b++) {
      int64_t label = mc_judge_label(data, i + b, classes, e->data, &e->t.diag);
      if (label < 0) return progress_end(&p), false;
      if (c && classes == 1 && label > 1)
        return progress_end(&p),
               mc_error(&e->t.diag, mc_noloc,
                        "--calibration: label %lld of sample %lld, but one score tells two classes",
                        (long long)label, (long long)(i + b));
      if (c && !confidence_add(c, &y, b * classes, classes == 1, label))
        return progress_end(&p), mc_error(&e->t.diag, mc_noloc,
                                          "--calibration: the scores of sample %lld are not finite",
                                          (long long)(i + b));
      int64_t r = mc_judge_rank(&y, classes, b, label);
      first += r == 0;
      in_top += r < k;
    }
    progress_step(&p, i + batch, n);
  }
  progress_end(&p);
  char name[32];
  snprintf(name, sizeof name, "top-%lld", (long long)k);
  bool both = k > 1 && (classes >= 2 * k || e->top > 1);
  if (shows_text(e)) print_share("top-1", first, n);
  if (shows_text(e) && both) print_share(name, in_top, n);
  if (c && shows_text(e)) confidence_print(c);
  if (c && *e->calibration && !confidence_draw(e, c)) return false;
  return !e->json || json_top(e, c, n, classes, first, both ? k : 1, in_top);
}
