/* Anomaly detection: area under the ROC curve of the reconstruction error. */
#include "eval.h"
#include "common/progress.h"
#include "mc/import/npy.h"
#include <string.h>

/* Of windows: networks of one axis take one at a time. */
static int64_t batch_of(const eval *e) {
  const mc_type *t = mc_network_in_type(e->net, 0);
  return t->rank > 1 ? t->dim[0] : 1;
}

/* One file: overlapping windows as long as the input; mean over windows of the mean squared
 * difference of output and input. */
static bool file_error(eval *e, const float *x, int64_t len, double *score) {
  const mc_type *tin = mc_network_in_type(e->net, 0);
  mc_array y = { mc_network_out_type(e->net, 0), e->out[0] }, in = { tin, e->in[0] };
  int64_t batch = batch_of(e), w = mc_type_elems(tin) / batch, windows = (len - w) / e->stride + 1;
  double sum = 0;
  for (int64_t i = 0; i < windows; i += batch) {
    for (int64_t b = 0; b < batch; b++) {
      int64_t k = i + b < windows ? i + b : windows - 1;
      memcpy((float *)e->in[0] + b * w, x + k * e->stride, (size_t)w * sizeof *x);
    }
    if (!mc_network_run(e->net, (const void *const *)e->in, e->out, &e->t.diag)) return false;
    for (int64_t b = 0; b < batch && i + b < windows; b++) {
      double err = 0;
      for (int64_t j = b * w; j < (b + 1) * w; j++) {
        double d = mc_array_real(&y, j) - mc_array_real(&in, j);
        err += d * d;
      }
      sum += err / (double)w;
    }
  }
  *score = sum / (double)windows;
  return true;
}

/* Share of (anomalous, normal) pairs in the right order; ties count half. */
static double area(const double *score, const int64_t *label, int64_t n) {
  double right = 0, pairs = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < n; k++) {
      if (!label[i] || label[k]) continue;
      pairs += 1;
      right += score[i] > score[k] ? 1 : score[i] == score[k] ? 0.5 : 0;
    }
  return pairs > 0 ? right / pairs : 0;
}

static int64_t integer_at(const mc_npy *y, int64_t i) {
  mc_type t = { .dtype = y->dtype };
  return (int64_t)mc_array_real(&(mc_array){ &t, (void *)(uintptr_t)y->data }, i);
}

static bool read_files(eval *e, mc_npy *x, mc_npy *y) {
  mc_npz *z = mc_npz_open(e->data, &e->t.diag, mc_noloc);
  bool ok = z && mc_npz_read(z, e->x ? e->x : "x", x, e->t.arena, &e->t.diag, mc_noloc) &&
            mc_npz_read(z, e->y ? e->y : "y", y, e->t.arena, &e->t.diag, mc_noloc);
  if (z) mc_npz_close(z);
  if (!ok) return false;
  if (x->dtype != MC_f32 || x->rank < 2)
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs f32 samples of at least one axis each",
                    e->data);
  if (!mc_dtype_is_int(y->dtype) || y->rank < 1 || y->dim[0] < x->dim[0])
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs an integer label per sample, 0 normal",
                    e->data);
  return true;
}

/* Scores and labels (0: normal) of n samples of `len` values; how many are anomalous. -1 after
 * reporting. */
static int64_t score_all(eval *e, const mc_npy *x, const mc_npy *y, int64_t n, int64_t len,
                         double *score, int64_t *label) {
  int64_t anomalous = 0;
  bool ok = true;
  progress p = progress_start("evaluating");
  for (int64_t i = 0; i < n && ok; i++) {
    label[i] = integer_at(y, i) != 0;
    anomalous += label[i];
    ok = file_error(e, (const float *)x->data + i * len, len, &score[i]);
    if (ok) progress_step(&p, i + 1, n);
  }
  progress_end(&p);
  return ok ? anomalous : -1;
}

static bool write_auc(eval *e, double auc, int64_t n, int64_t anomalous) {
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "auc %.4f (%lld normal, %lld anomalous)\n", auc, (long long)(n - anomalous),
               (long long)anomalous);
  if (shows_text(e)) tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  if (!e->json) return true;
  return write_json(e, n,
                    json_pack("{s:f, s:I, s:I}", "auc", auc, "normal", (json_int_t)(n - anomalous),
                              "anomalous", (json_int_t)anomalous));
}

bool auc(eval *e) {
  const mc_type *tin = mc_network_in_type(e->net, 0), *tout = mc_network_out_type(e->net, 0);
  mc_npy x, y;
  if (tin->dtype != MC_f32 || mc_type_elems(tin) != mc_type_elems(tout))
    return mc_error(&e->t.diag, mc_noloc,
                    "auc needs a network from f32 to as many outputs (its reconstruction)");
  if (!read_files(e, &x, &y)) return false;
  int64_t n = x.dim[0], len = 1;
  for (int k = 1; k < x.rank; k++) len *= x.dim[k];
  if (!e->stride) e->stride = x.rank > 2 ? x.dim[x.rank - 1] : mc_type_elems(tin) / batch_of(e);
  if (len < mc_type_elems(tin) / batch_of(e))
    return mc_error(&e->t.diag, mc_noloc,
                    "%s: samples of %lld values are shorter than the network's input", e->data,
                    (long long)len);
  if (e->limit && e->limit < n) n = e->limit;
  double *score = MC_NEWN(e->t.arena, double, n);
  int64_t *label = MC_NEWN(e->t.arena, int64_t, n);
  int64_t anomalous = score_all(e, &x, &y, n, len, score, label);
  if (anomalous < 0) return false;
  if (anomalous == 0 || anomalous == n)
    return mc_error(&e->t.diag, mc_noloc, "%s: auc needs both normal and anomalous samples",
                    e->data);
  return write_auc(e, area(score, label, n), n, anomalous);
}
