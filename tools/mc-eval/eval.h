/* What the parts of mc-eval share. */
#ifndef MC_EVAL_H
#define MC_EVAL_H
#include "common/threads.h"
#include "common/tool.h"
#include "mc/driver/compile.h"
#include "mc/driver/network.h"
#include <jansson.h>

typedef struct eval {
  tool t;
  const char *data, *x, *y, *preprocess;
  const char *calibration; /* where the picture goes, "": nowhere; NULL: confidence is not judged */
  int64_t bins;            /* 0: 15 */
  const char *sensitivity; /* where the picture goes, "": nowhere; NULL: it is not asked for */
  const char *calib;       /* of sensitivity: samples for ranges, or NULL */
  mc_quant_how quant;
  const char *json; /* a file, "" for standard output; NULL: no report */
  bool jit, ref;
  int metric;
  int64_t limit, top, stride, threads;
  mcrt_pool *pool;
  mc_import_args imp;
  mc_dataset_opts images;
  mc_network *net;
  void **in, **out;
} eval;

enum { METRIC_TOP, METRIC_AUC };

extern const char *const metric_names[]; /* "top", "auc", NULL */

/* Text is printed unless JSON goes to standard output. */
static inline bool shows_text(const eval *e) { return !e->json || *e->json; }

/* top.c: top-k accuracy on `data`. False after reporting. */
bool top(eval *e, mc_dataset *data);
/* confidence.c: how far probabilities can be trusted. */
typedef struct confidence confidence;
/* For results of type t with so many scores a sample; in e's arena. */
confidence *confidence_open(eval *e, const mc_type *t, int64_t classes);
/* The scores y[at ...] of a sample; single: one score, of class 1. False: they are not finite. */
bool confidence_add(confidence *c, const mc_array *y, int64_t at, bool single, int64_t label);
void confidence_print(const confidence *c);
json_t *confidence_json(const confidence *c);
/* The reliability diagram, to e->calibration. False after reporting. */
bool confidence_draw(eval *e, const confidence *c);
/* sensitivity.c: one layer at a time, on `data`. False after reporting options that exclude it. */
bool sensitivity_possible(eval *e);
bool sensitivity(eval *e, const mc_module *m);
/* auc.c: anomaly detection, the area under the ROC curve of the reconstruction error. False after
 * reporting. */
bool auc(eval *e);
/* json.c: the report as JSON (docs/reference/tools.md): what all metrics have, and `own`, which it
 * takes over. False after reporting. */
bool write_json(eval *e, int64_t samples, json_t *own);
#endif
