/* -tune: blocks of products by measuring them on this machine. docs/internals/cost-model.md,
 * "Tuning". */
#ifndef DRIVER_TUNE_H
#define DRIVER_TUNE_H
#include "mc/driver/compile.h"

/* Give the groups of p the blocks that were found best, by their `blocking` attributes: from the
 * cache o->tune, and where it lacks some by measuring, which is then written to it (a file is
 * written where there was none, even if nothing was measured). Of several levels those that this
 * machine cannot run keep the model's blocks, with a warning. Blocks change neither layouts nor
 * scratch memory: the plan stays as it is. False after reporting. */
bool tune_plan(mc_plan *p, const mc_compile_opts *o, mc_arena *a, mc_diag *d);

/* The cache: key -> block. */
typedef struct tune_entry {
  int rows, vectors;
  double us, model_us;
} tune_entry;

typedef struct tune_cache {
  mc_map map; /* of tune_entry */
  mc_arena *arena;
  bool read; /* from a file that was there */
} tune_cache;

/* A file that does not exist is an empty cache, as is "". False after reporting: not a cache,
 * damaged. */
bool tune_cache_read(tune_cache *c, const char *path, mc_arena *a, mc_diag *d);
bool tune_cache_write(const tune_cache *c, const char *path, mc_diag *d);
const tune_entry *tune_cache_find(const tune_cache *c, const char *key);
void tune_cache_put(tune_cache *c, const char *key, tune_entry e);
#endif
