/* Top-1 and top-k of a classifier's results on labelled samples. */
#ifndef MC_DRIVER_JUDGE_H
#define MC_DRIVER_JUDGE_H
#include "mc/import/dataset.h"
#include "mc/ref/eval.h"

/* Scores of a sample in results y of `batch` samples; *classes: 1 where the network gives a class
 * or one probability. False after reporting that y holds no scores, or the data no labels (`path`:
 * what the data are called). */
bool mc_judge_classes(const mc_type *y, const mc_dataset *data, const char *path, int64_t *classes,
                      mc_diag *d);
/* The label of sample i, in [0, classes); -1 after reporting that it is none. */
int64_t mc_judge_label(const mc_dataset *data, int64_t i, int64_t classes, const char *path,
                       mc_diag *d);
/* How many scores of sample b (of the batch) come before the label's: larger ones, and equal ones
 * of smaller index. Networks that end in argmax or in one probability give 0 or "not first". */
int64_t mc_judge_rank(const mc_array *y, int64_t classes, int64_t b, int64_t label);
#endif
