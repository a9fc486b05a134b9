/* The samples of a walk: opened, checked, fetched run by run. */
#ifndef MC_MEASURE_DATA_H
#define MC_MEASURE_DATA_H
#include "mc/import/dataset.h"
#include "mc/measure/walk.h"

typedef struct mcm_data {
  mc_pass_context *cx;
  const char *what;
  mc_dataset *set;
  int64_t samples, batch, runs; /* a run is one call of the graph: `batch` samples */
} mcm_data;

/* False after reporting. */
bool mcm_data_open(mcm_data *d, mc_pass_context *cx, const mc_walk_opts *o);
void mcm_data_close(mcm_data *d);
/* Arrays for the inputs of cx->graph. False after reporting: unreadable, or not finite. */
bool mcm_data_fetch(const mcm_data *d, int64_t run, void *const *in);

/* The pass, for messages; never NULL. */
const char *mcm_what(const mc_walk_opts *o);
/* Bytes; the default where the options have none. */
int64_t mcm_memory(const mc_walk_opts *o);
/* Warnings, once for a text: products with more columns than there are numbers to fit them (want
 * may be NULL: all), and a budget below what one product's moments need. */
void mcm_warn_few(const mcm_data *d, const mc_products *p, const bool *want);
void mcm_warn_memory(const mcm_data *d, const mc_products *p, const bool *want, int64_t memory);
#endif
