/* What the parts of mc-eval share. */
#ifndef MC_EVAL_H
#define MC_EVAL_H
#include "common/threads.h"
#include "common/tool.h"
#include "mc/driver/network.h"
#include <jansson.h>

typedef struct eval {
  tool t;
  const char *data, *x, *y, *preprocess;
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
/* auc.c: anomaly detection, the area under the ROC curve of the reconstruction error. False after
 * reporting. */
bool auc(eval *e);
/* json.c: the report as JSON (docs/reference/tools.md): what all metrics have, and `own`, which it
 * takes over. False after reporting. */
bool write_json(eval *e, int64_t samples, json_t *own);
#endif
