/* Samples for a graph's inputs, read from an npz: used to calibrate, to evaluate and to compare.
 *
 * The archive holds one array per graph input, samples along the first axis: the array with the input's name; for a graph of one input also `x`, or else the first
 * array. Sample shape [s...] must be the input's shape without its batch axis; a rank-4 input may be NCHW while the samples are NHWC (or the other way round), and
 * is permuted when only that fits. Integer samples are converted to f32 inputs by value; a quantized input takes stored integers of its own type or real f32. */
#ifndef MC_IMPORT_DATASET_H
#define MC_IMPORT_DATASET_H
#include "mc/import/npy.h"
#include "mc/ir/graph.h"

typedef struct mc_dataset_opts {
  const char *x;           /* array for a one-input graph; NULL: see above */
  const char *y;           /* labels; NULL: "y" when the archive has it */
  const char *preprocess;  /* "scale=1/255 mean=.5,.5,.5 std=..": applied to samples of an f32 input, per channel (last axis of NHWC samples); NULL: none */
} mc_dataset_opts;
typedef struct mc_dataset mc_dataset;
/* Open and match against g. NULL after reporting. opts may be NULL. The data set must not outlive g. */
mc_dataset *mc_dataset_open(const char *path, const mc_graph *g, const mc_dataset_opts *o, mc_diag *d, mc_loc at);
/* The same for a list of input types and names (compiled objects have no graph); both arrays and their entries are copied. */
mc_dataset *mc_dataset_open_types(const char *path, const mc_type *const *type, const char *const *name, int nin, const mc_dataset_opts *o, mc_diag *d, mc_loc at);
void mc_dataset_close(mc_dataset *s);
int64_t mc_dataset_count(const mc_dataset *s);         /* samples */
/* Fill data[k] (mc_type_bytes of input k) with samples i, i+1, ... up to the batch of input k; past the end the last sample repeats. */
void mc_dataset_fetch(const mc_dataset *s, int64_t i, void *const *data);
bool mc_dataset_has_labels(const mc_dataset *s);
int64_t mc_dataset_label(const mc_dataset *s, int64_t i);
/* Parse a preprocessing text into per-channel scale and shift: x' = x * scale[c] + shift[c]; n channels (1: all alike). Up to 64 channels. */
typedef struct mc_affine { float scale[64], shift[64]; int n; } mc_affine;
bool mc_affine_parse(const char *text, mc_affine *out, mc_diag *d, mc_loc at);
#endif
