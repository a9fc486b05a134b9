/* Arrays for a graph's inputs and outputs, and seeded random inputs (samples of files:
 * mc/import/dataset.h). */
#ifndef MC_PASS_SAMPLES_H
#define MC_PASS_SAMPLES_H
#include "mc/ref/eval.h"
/* Random inputs: f32 uniform in the input's range where it is known, else in [-1, 1]; u8/i8 over
 * their whole range; other integers in [0, 9]. The same seed gives the same bytes. */
void mc_random_fill(const mc_value *input, uint64_t seed, void *data);
/* The same for the input number 'index' of which only the type is known: floats in [lo, hi). data:
 * mc_type_bytes(t) bytes. */
void mc_random_array(const mc_type *t, float lo, float hi, uint64_t seed, int index, void *data);
/* Arrays with zeroed memory for inputs or outputs of g. */
mc_array *mc_graph_input_arrays(const mc_graph *g, mc_arena *a);
mc_array *mc_graph_output_arrays(const mc_graph *g, mc_arena *a);
#endif
