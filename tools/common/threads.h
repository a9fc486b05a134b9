/* --threads=N: a pool for the parallel entries of compiled networks. */
#ifndef THREADS_H
#define THREADS_H
#include "common/tool.h"
#include "mcrt.h"
#define THREADS_HELP                                                                               \
  "threads of one run: a network is compiled for them, an object must have been (mcc -threads)"
/* *out: a pool of n threads, the caller bound to `cpu`, or to the one that it is on (-1); NULL for
 * n == 1: nothing is done. False after reporting. */
bool threads_open(mcrt_pool **out, tool *t, int64_t n, int cpu);
#endif
