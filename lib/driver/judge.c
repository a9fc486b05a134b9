/* How often the label has the largest score, or is among the k largest. */
#include "mc/driver/judge.h"

bool mc_judge_classes(const mc_type *y, const mc_dataset *data, const char *path, int64_t *classes,
                      mc_diag *d) {
  int64_t batch = mc_dataset_batch(data), n = mc_type_elems(y);
  *classes = n / batch;
  if (!*classes || n % batch)
    return mc_error(
        d, mc_noloc,
        "the first result has %lld values, which are no scores of %lld samples (the batch)",
        (long long)n, (long long)batch);
  if (mc_dataset_has_labels(data)) return true;
  if (mc_dataset_no_labels(data))
    return mc_error(d, mc_noloc, "%s: 'y' holds no labels: %s", path, mc_dataset_no_labels(data));
  return mc_error(d, mc_noloc, "%s: no labels (an integer array 'y', or --y=NAME)", path);
}

int64_t mc_judge_label(const mc_dataset *data, int64_t i, int64_t classes, const char *path,
                       mc_diag *d) {
  int64_t label = mc_dataset_label(data, i);
  if (label >= 0 && (classes == 1 || label < classes)) return label;
  mc_error(d, mc_noloc, "%s: label %lld of sample %lld, but the network has %lld classes", path,
           (long long)label, (long long)i, (long long)classes);
  return -1;
}

/* Among the scores from `at` on. */
static int64_t rank_of(const mc_array *y, int64_t at, int64_t classes, int64_t label) {
  double mine = mc_array_real(y, at + label);
  int64_t before = 0;
  for (int64_t i = 0; i < classes; i++) {
    double v = mc_array_real(y, at + i);
    before += i != label && (v > mine || (v == mine && i < label));
  }
  return mine == mine ? before : classes;
}

int64_t mc_judge_rank(const mc_array *y, int64_t classes, int64_t b, int64_t label) {
  if (classes > 1) return rank_of(y, b * classes, classes, label);
  double v = mc_array_real(y, b);
  int64_t said =
      mc_dtype_is_float(y->type->dtype) || mc_type_is_quant(y->type) ? v > 0.5 : (int64_t)v;
  return said != label;
}
