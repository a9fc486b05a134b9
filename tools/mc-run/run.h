/* What the parts of mc-run share. */
#ifndef MC_RUN_H
#define MC_RUN_H
#include "common/tool.h"
#include "common/threads.h"
#include "mc/driver/network.h"
#include "mc/import/npy.h"

/* The command line. */
typedef struct mcrun {
  tool t;
  mc_strlist inputs;
  const char *output, *compare, *data, *preprocess, *x, *level, *json;
  bool ref, jit, layers;
  int64_t limit, seed, ulp, threads;
  mcrt_pool *pool;
  double atol, rtol, min_snr;
  mc_import_args imp;
  mc_dataset_opts images;
} mcrun;

/* ---- usage.c ---- */
/* False after reporting options that exclude each other. */
bool usable(mcrun *r);
/* Warn for options that can do nothing beside the others. */
void warn_idle(mcrun *r);
/* Objects are run as they are: false after reporting an option that asks for something else. */
bool fits_object(mcrun *r, const mc_network *n);

/* Where inputs come from: files given by name, samples of an npz, or seeded random values. */
typedef struct feed {
  const mc_network *net;
  mc_dataset *data; /* --data */
  void **fixed;     /* --input: one array per input */
  uint64_t seed;
  int64_t count;                    /* samples */
  int64_t batch;                    /* samples that one run takes */
  const mc_import_args *other_args; /* how the network to compare with is read */
} feed;

bool feed_open(feed *f, tool *t, const mc_network *n, const char *data, const mc_dataset_opts *o,
               const mc_strlist *inputs, int64_t limit, int64_t seed);
/* Fill in[] (room for each input) with the samples from k on. False after reporting. */
bool feed_fetch(const feed *f, int64_t k, void *const *in);
void feed_close(feed *f);

/* Arrays in the tool's arena for all inputs / outputs of n. */
void **room_in(tool *t, const mc_network *n);
void **room_out(tool *t, const mc_network *n);

/* ---- output.c ---- */
/* One line of text for each row of the last axis. */
void print_output(const char *name, const mc_array *x);

/* Outputs of all samples, one after the other: an array for each output of the network. */
typedef struct stack {
  mc_npy *a;
  size_t *fill; /* bytes that are there */
} stack;

/* Room for all runs of f, in the tool's arena. */
stack stack_create(tool *t, const mc_network *n, const feed *f);
/* The outputs of one run. */
void stack_add(stack *s, const mc_network *n, void *const *out);
/* Runs past the last sample repeat it: cut them off. */
void stack_trim(stack *s, const mc_network *n, const feed *f);
/* To an .npz, or the one output to an .npy. False after reporting. */
bool stack_write(tool *t, const char *path, const stack *s, int n);

/* given: some of the three was on the command line. min_snr: in dB; 0: none is asked for. */
typedef struct tolerance {
  double atol, rtol;
  int64_t ulp;
  bool given;
  double min_snr;
} tolerance;

/* Everything that a comparison is told. */
typedef struct compare_opts {
  const char *first, *other; /* the two files */
  const char *level;         /* of objects for several levels, the one to run; NULL: the best */
  mcrt_pool *pool;           /* for compiled code; NULL: one thread */
  tolerance tol;
  bool layers;
  const char *json; /* a file, "" for standard output; NULL: no report */
} compare_opts;

/* Run both on every sample and report; 0 when all is within the tolerance, or when the two compute
 * in other arithmetic (INT8 and fp32) and nothing was asked for; 1 otherwise or after an error.
 * `o->other` is a network, an object, or (.npz, .npy) expected outputs. */
int compare(tool *t, mc_network *a, const feed *f, const compare_opts *o);

/* Differences of many elements. */
typedef struct diff {
  int64_t n, differ, beyond, at; /* elements; the sample with the largest difference */
  double max_abs, max_rel, max_ulp;
  double err2, ref2; /* sums of squares: differences, and the signal */
  int64_t tops,
      top_same;  /* samples, and those where both have their largest element in the same place */
  bool signal_a; /* the signal is a's values; b's else */
} diff;

void diff_add(diff *d, const mc_array *a, const mc_array *b, int64_t from_a, int64_t from_b,
              int64_t n, int64_t sample, tolerance tol);
/* One sample's n elements: where each is largest (of equal ones the first). */
void diff_add_top(diff *d, const mc_array *a, const mc_array *b, int64_t from_a, int64_t from_b,
                  int64_t n);
double diff_relative_l2(const diff *d);
/* Signal-to-noise ratio in dB; infinite where nothing differs. */
double diff_snr(const diff *d);

/* Inner values of two graphs, matched by name. */
typedef struct layers layers;
layers *layers_create(tool *t, mc_network *a, mc_network *b, tolerance tol);
bool layers_run(layers *l, const void *const *in, void *const *out_a, void *const *out_b,
                int64_t sample, mc_diag *d);
void layers_print(layers *l);

/* ---- json.c (docs/reference/tools.md, "JSON") ---- */
typedef struct json_side {
  const char *file, *kind, *arithmetic;
} json_side; /* arithmetic NULL: not known */

/* The report of a comparison. False after reporting. */
bool json_compare(tool *t, const char *path, json_side first, json_side second, const char *verdict,
                  int64_t samples, const mc_network *a, const diff *d);
/* Of runs: begin, one call for each run (values of every output, or none with out NULL), end. */
typedef struct json_runs json_runs;
json_runs *json_runs_begin(tool *t, const char *file, const mc_network *n);
void json_runs_add(json_runs *j, void *const *out);
bool json_runs_end(json_runs *j, const char *path, int64_t samples, const char *output);
#endif
