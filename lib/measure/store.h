/* Rows of bytes, one for each sample: in memory up to a budget, in unlinked temporary files beyond
 * it. */
#ifndef MC_MEASURE_STORE_H
#define MC_MEASURE_STORE_H
#include "mc/pass/pass.h"

typedef struct mcm_store {
  mc_pass_context *cx;
  const char *what;     /* the pass, for messages */
  int64_t budget, used; /* bytes of memory */
} mcm_store;
typedef struct mcm_rows mcm_rows;

/* n rows of `bytes`; owned by the caller, once. NULL after reporting. */
mcm_rows *mcm_rows_new(mcm_store *s, int64_t n, int64_t bytes);
/* One more owner. */
mcm_rows *mcm_rows_share(mcm_rows *r);
/* NULL is allowed. */
void mcm_rows_free(mcm_rows *r);
/* Where to write row i (64-byte aligned); then mcm_rows_put, before any other row is asked for.
 * False after reporting: the disk is full. */
void *mcm_rows_at(mcm_rows *r, int64_t i);
bool mcm_rows_put(mcm_rows *r, int64_t i);
/* Row i, valid until the next call for these rows. NULL after reporting. */
const void *mcm_rows_get(mcm_rows *r, int64_t i);
#endif
