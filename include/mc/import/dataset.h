/* Samples for a graph's inputs: used to calibrate, to evaluate and to compare
 * (docs/guide/calibration.md).
 *
 * A data set is one of
 *   FILE.npz   one array per graph input, samples along the first axis: the array with the input's
 *     name
 *              in the model or in the text, or (numpy's names for arrays without one) arr_0, arr_1,
 *                ...
 *              in order; for a graph of one input also `x`, or else the first array
 *   FILE.npy   one array, for a graph of one input
 *   FOLDER     JPEG and PNG files in it and below, in the order of their names, for a graph of one
 *     input
 *   FILE.jpg, FILE.png   one image
 *
 * The batch is the first axis of the first input: a run takes so many samples. An input of rank 0,
 * or whose first axis is another, has no batch: its array holds whole inputs, one for each run, or
 * a single one for all (stacked [runs, d...], or one after the other along the first axis). A first
 * input whose samples come whole, [n, d...], has none either: the batch is 1.
 *
 * Sample shape [s...] must be the input's shape without its batch axis, but for axes of 1, or one
 * of the two is flat; a rank-4 input may be NCHW while the samples are NHWC (or the other way
 * round), and is permuted when only that fits. Numbers become f32, f64, f16 and bf16 inputs by
 * value; integer and bool inputs take numbers that they hold exactly, bf16 and f16 inputs also u16
 * arrays, as bits; a quantized input takes stored integers of its own type or reals. */
#ifndef MC_IMPORT_DATASET_H
#define MC_IMPORT_DATASET_H
#include "mc/import/npy.h"
#include "mc/ir/graph.h"

/* How an image of other sides comes to an input's size: scaled until it covers it and cut at both
 * ends; scaled to it whatever the ratio; or scaled until it fits, with black at both ends. */
typedef enum mc_image_resize { MC_IMAGE_CROP, MC_IMAGE_STRETCH, MC_IMAGE_FIT } mc_image_resize;

extern const char *const mc_image_resize_words[]; /* "crop", "stretch", "fit", NULL */
extern const char *const mc_image_color_words[];  /* "rgb", "bgr", NULL: order of three channels */

typedef struct mc_dataset_opts {
  const char *x;          /* array for a one-input graph; NULL: see above */
  const char *y;          /* labels; NULL: "y" when the archive has it */
  const char *preprocess; /* "scale=1/255 mean=.5,.5,.5 std=..": applied to samples of a float
                             input, per channel (last axis of NHWC samples); NULL: none */
  int resize, color;      /* of images: indices into the words */
} mc_dataset_opts;
typedef struct mc_dataset mc_dataset;

/* What a data set is matched with. */
typedef struct mc_dataset_input {
  const mc_type *type;
  const char *name;   /* in the text or object; NULL: none */
  const char *source; /* in the model; NULL: the same, or not known */
} mc_dataset_input;

/* Open and match against g. NULL after reporting; where at.what names the data ("-calib=FILE"),
 * messages do not repeat the path. Warns about arrays that nothing uses, arrays of different
 * lengths and options without effect, once for a diag. opts may be NULL. The data set must not
 * outlive g and d. */
mc_dataset *mc_dataset_open(const char *path, const mc_graph *g, const mc_dataset_opts *o,
                            mc_diag *d, mc_loc at);
/* The same for a list of inputs (compiled objects have no graph), which is copied. */
mc_dataset *mc_dataset_open_types(const char *path, const mc_dataset_input *in, int nin,
                                  const mc_dataset_opts *o, mc_diag *d, mc_loc at);
void mc_dataset_close(mc_dataset *s);
int64_t mc_dataset_count(const mc_dataset *s); /* samples */
int64_t mc_dataset_batch(const mc_dataset *s); /* samples of one run, from 1 on */
/* The element type that the samples of input k are stored in; images: u8. */
mc_dtype mc_dataset_dtype(const mc_dataset *s, int k);
/* Fill data[k] (mc_type_bytes of input k) with samples i, i+1, ... up to the batch, inputs without
 * batch with those of run i / batch; past the end the last sample repeats. False after reporting an
 * image that cannot be read. */
bool mc_dataset_fetch(const mc_dataset *s, int64_t i, void *const *data);
bool mc_dataset_has_labels(const mc_dataset *s);
/* Without labels: why an array of their name is none; NULL: there is no such array. */
const char *mc_dataset_no_labels(const mc_dataset *s);
int64_t mc_dataset_label(const mc_dataset *s, int64_t i);

/* Parse a preprocessing text into per-channel scale and shift: x' = x * scale[c] + shift[c]; n
 * channels (1: all alike). Up to 64 channels. */
typedef struct mc_affine {
  float scale[64], shift[64];
  int n;
} mc_affine;

bool mc_affine_parse(const char *text, mc_affine *out, mc_diag *d, mc_loc at);
/* Which of n inputs an array named `name` is for: by the model's names where they are all there.
 * -1: none. */
int mc_dataset_find(const mc_dataset_input *in, int n, const char *name, size_t len);
#endif
