/* What quantizing some of a network's layers does to its results: the passes of mcc, compiled for
 * this machine, against the network in fp32, on samples (docs/guide/partial.md). */
#ifndef MC_DRIVER_TRIALS_H
#define MC_DRIVER_TRIALS_H
#include "mc/driver/compile.h"
#include "mc/import/dataset.h"

typedef struct mc_trials mc_trials;

typedef struct mc_trial_opts {
  const char *data; /* samples to judge by */
  mc_dataset_opts images;
  int64_t limit; /* the first so many of them; 0: all */
  bool labels;   /* there must be labels */
  void (*progress)(void *ctx, const char *what, int64_t done, int64_t total);
  void *progress_ctx; /* progress NULL: silent */
} mc_trial_opts;

/* All against the network in fp32, over all samples. Of several results the worst counts; results
 * that are neither reals nor stand for some (argmax) do not. */
typedef struct mc_trial {
  double snr;    /* signal-to-noise ratio in dB, -10 log10(sum of squared errors / sum of squares);
                    HUGE_VAL: no difference; NAN: there is no such result */
  double cosine; /* of the angle between the results of a sample, mean over the samples */
  double error;  /* relative squared error: 10^(-snr / 10) */
  int64_t right; /* top-1; -1: no labels */
  int quantized, rest; /* layers on integers or bf16; in fp32 */
} mc_trial;

/* A layer that -quant could convert. */
typedef struct mc_trial_layer {
  const char *name;    /* what a message calls it */
  const char *pattern; /* for -skip= and -only=; NULL: it has no name, and cannot be chosen */
  mc_loc loc;
  int64_t macs;
} mc_trial_layer;

/* m as it was read (it stays so, and must outlive the trials); of o all that chooses passes. The
 * passes before the layers' own run once, here. NULL after reporting. */
mc_trials *mc_trials_open(const mc_module *m, const mc_compile_opts *o, const mc_trial_opts *t,
                          mc_diag *d);
/* NULL is allowed. */
void mc_trials_close(mc_trials *t);
/* Samples that are judged; how many the fp32 network has right (-1: no labels). */
int64_t mc_trials_samples(const mc_trials *t);
int64_t mc_trials_right(const mc_trials *t);
bool mc_trials_reals(const mc_trials *t); /* there are results that have an snr */
/* Layers that o->skip and o->only leave to be converted, in order; layers that one pattern names
 * are one. */
const mc_trial_layer *mc_trials_layers(const mc_trials *t, int *n);
/* Without the layers of the list `skip` (besides o->skip), and where `only` is given with no others
 * than those. Both may be NULL. False after reporting. */
bool mc_trials_run(mc_trials *t, const char *skip, const char *only, mc_trial *out);
/* Memory that lives as long as the trials. */
void *mc_trials_room(mc_trials *t, size_t bytes);
void mc_trials_progress(const mc_trials *t, const char *what, int64_t done, int64_t total);

/* Both ways, one layer at a time: alone on integers, and alone in fp32. */
typedef struct mc_sensitivity {
  const mc_trial_layer *layer;
  mc_trial alone, without;
  double error; /* the larger of what it costs alone and what leaving it out saves, of `all` */
} mc_sensitivity;

/* One for each layer that can be chosen, in order; all: the trial with every layer converted. NULL
 * after reporting. In the trials' memory. */
mc_sensitivity *mc_trials_sensitivity(mc_trials *t, const mc_trial *all, int *n);
/* The most sensitive first; equal ones in their order. */
void mc_sensitivity_sort(mc_sensitivity *s, int n);
#endif
