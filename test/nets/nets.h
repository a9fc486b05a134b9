/* Networks from files, compiled in many ways and held against the reference evaluator: what the
 * parts of `nets` share. */
#ifndef MC_TEST_NETS_H
#define MC_TEST_NETS_H
#include "mc/driver/compile.h"
#include <stdint.h>

enum {
  NETS_RUNS = 2,
  NETS_MAX_LEVELS = 24
}; /* runs of each network, on samples that follow each other */

/* What runs are made of, by the command line. */
typedef struct settings {
  const mc_target *run[NETS_MAX_LEVELS],
      *build[NETS_MAX_LEVELS]; /* levels to run; levels only to compile for */
  int nrun, nbuild;
  bool how[3];      /* by mc_quant_how */
  int each;         /* levels of `run` for one network and arithmetic: they take turns; 0: all */
  const char *emit; /* objects, inputs and results for another machine go to this folder
                       (test/kernels/sweep_run.c runs them); NULL: run here */
} settings;

/* Arrays of a graph's inputs or results for every run. */
typedef struct arrays {
  mc_array *x[NETS_RUNS];
  int n;
} arrays;

typedef struct net {
  const settings *set;
  mc_arena *a;
  mc_diag d;
  const char *path, *samples; /* NET.mir and NET.npz */
  const mc_module *m;         /* as written; fp32 */
  uint64_t seed;              /* from the file's name: chooses options */
  arrays in, real;            /* samples; what the evaluator makes of them */
  char *stage;
  size_t stage_size; /* where it is at work: read by others after a crash */
  int checks, findings;
} net;

/* All checks of a network; false when anything was found. */
bool nets_check(net *n);
/* Say what is wrong, on one line. Returns false. */
bool nets_finding(net *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Errors of n->d as a finding. Returns false. */
bool nets_diagnostics(net *n, const char *what);

/* ---- emit.c: for machines that this is not ---- */
/* The object of p as EMIT/ID.o, a line of EMIT/cases.def, and the first run's inputs and results at
 * the end of EMIT/cases.bin. far: as of noise_far, or NULL: the same bytes. */
bool nets_emit(net *n, const mc_plan *p, const mc_codegen_opts *o, const arrays *want,
               double ***far);

/* ---- noise.c: how far results may move ---- */
typedef enum noise {
  NOISE_SUMS,     /* fp32 sums of products in any order: numerics.md's bound for each */
  NOISE_ROUNDING, /* that, and a few last places of every fp32 value: passes and other runtimes that
                     round elsewhere */
  NOISE_BF16,     /* operands and results rounded to bf16 */
  NOISE_INT8      /* steps of 8 bits of each value's range, and of weights */
} noise;

/* Evaluate g on `in` `draws` times with random errors of that kind and note the largest distance
 * from `want` of each result's element in far[run][result][element]; in the arena. A distance is in
 * real values. NULL after reporting. */
double ***noise_far(net *n, const mc_graph *g, const arrays *in, const arrays *want, noise kind,
                    int draws);
/* The graph has fp32 or bf16 sums of products, whose order is free. */
bool noise_has_sums(const mc_graph *g);
uint64_t noise_next(uint64_t *s);
double noise_unit(uint64_t *s); /* [-1, 1) */
#endif
