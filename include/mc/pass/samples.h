/* Inputs for a graph: samples of an npz, or seeded random numbers. Used by check-numerics, calibrate and the tools that run networks. */
#ifndef MC_PASS_SAMPLES_H
#define MC_PASS_SAMPLES_H
#include "mc/ref/eval.h"

typedef struct mc_samples mc_samples;
/* Open an npz and find an array for each input of g: named as the input (its name or source name); else, for a graph of one input, "x", "input" or the only array.
 * An array has the input's shape behind a sample axis, or the input's own shape where axis 0 is a multiple of the input's (its batch).
 * Element types must agree; f32 inputs also take f64, u8 and i8 arrays, i32 and i64 inputs any integers. NULL after reporting at `at`. */
mc_samples *mc_samples_open(const char *path, const mc_graph *g, mc_arena *a, mc_diag *d, mc_loc at);
/* Samples (of all inputs together; one sample fills the graph's inputs once). */
int64_t mc_samples_count(const mc_samples *s);
/* Write sample i to in[k].data (type of input k, allocated by the caller). */
void mc_samples_get(const mc_samples *s, int64_t i, mc_array *in);

/* Random inputs: f32 uniform in the input's range where it is known, else in [-1, 1]; u8/i8 over their whole range; other integers in [0, 9]. The same seed gives the same bytes. */
void mc_random_fill(const mc_value *input, uint64_t seed, void *data);
/* Arrays with zeroed memory for inputs or outputs of g. */
mc_array *mc_graph_input_arrays(const mc_graph *g, mc_arena *a);
mc_array *mc_graph_output_arrays(const mc_graph *g, mc_arena *a);
#endif
