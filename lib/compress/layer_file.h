/* Files of one array for each layer: scores and masks that come from outside. Private to compress.
 */
#ifndef MC_COMPRESS_LAYER_FILE_H
#define MC_COMPRESS_LAYER_FILE_H
#include "mc/pass/pass.h"

typedef struct mc_layer_array {
  const char *name; /* a layer's: loc("...") or its result's */
  int rank;
  int64_t dim[MC_MAX_RANK], n; /* n: elements */
  const double *x;
} mc_layer_array;

typedef struct mc_layer_file {
  mc_pass_context *cx;
  const char *option, *path; /* option: what messages call the file, for example "score=file" */
  mc_layer_array *v;
  int n;
} mc_layer_file;

/* Read f->path: an .npz with one array for each layer, or a .json object with one list (of lists)
 * for each. Arrays in the scratch arena. Types: f32, f64, integers of 8, 32 and 64 bits, bool.
 * False after reporting. */
bool mc_layer_file_read(mc_layer_file *f);
/* An error that begins with the option and the file; returns false. */
bool mc_layer_file_fail(const mc_layer_file *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool mc_layer_named(const mc_node *n, const char *name);
/* "; did you mean 'x'?" for the nearest name of a layer with weights, or "". */
const char *mc_layer_nearest(const mc_layer_file *f, const char *name);
/* The shape as text: "[16, 3, 3, 8]", in the scratch arena. */
const char *mc_layer_shape_text(const mc_layer_file *f, int rank, const int64_t *dim);
#endif
