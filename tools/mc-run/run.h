/* What the parts of mc-run share. */
#ifndef MC_RUN_H
#define MC_RUN_H
#include "common/tool.h"
#include "common/threads.h"
#include "mc/driver/network.h"

/* Where inputs come from: files given by name, samples of an npz, or seeded random values. */
typedef struct feed {
  const mc_network *net;
  mc_dataset *data;                /* --data */
  void **fixed;                    /* --input: one array per input */
  uint64_t seed;
  int64_t count;                   /* samples */
  int64_t batch;                   /* samples that one run takes */
  const mc_import_args *other_args; /* how the network to compare with is read */
} feed;
bool feed_open(feed *f, tool *t, const mc_network *n, const char *data, const mc_dataset_opts *o, const mc_strlist *inputs, int64_t limit, int64_t seed);
/* Fill in[] (room for each input) with the samples from k on. */
void feed_fetch(const feed *f, int64_t k, void *const *in);
void feed_close(feed *f);

/* Arrays in the tool's arena for all inputs / outputs of n. */
void **room_in(tool *t, const mc_network *n);
void **room_out(tool *t, const mc_network *n);

typedef struct tolerance { double atol, rtol; int64_t ulp; } tolerance;
/* Run both on every sample and report; 0 when all is within the tolerance, 1 otherwise or after an error. `other` is a network, an object, or (.npz, .npy) expected outputs.
 * level: of objects for several levels, the one to run; NULL: the best. pool: for compiled code; NULL: one thread. */
int compare(tool *t, mc_network *a, const char *other, const char *level, mcrt_pool *pool, const feed *f, tolerance tol, bool layers);

/* Differences of many elements. */
typedef struct diff { int64_t n, differ, beyond, at; double max_abs, max_rel, max_ulp, err2, ref2; } diff;
void diff_add(diff *d, const mc_array *a, const mc_array *b, int64_t from_a, int64_t from_b, int64_t n, int64_t sample, tolerance tol);

/* Inner values of two graphs, matched by name. */
typedef struct layers layers;
layers *layers_create(tool *t, mc_network *a, mc_network *b, tolerance tol);
bool layers_run(layers *l, const void *const *in, void *const *out_a, void *const *out_b, int64_t sample, mc_diag *d);
void layers_print(layers *l);
#endif
