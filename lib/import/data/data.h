/* The inside of data sets: elements of arrays, how samples become inputs. */
#ifndef MC_IMPORT_DATA_H
#define MC_IMPORT_DATA_H
#include "image/image.h"

typedef enum permute { AS_IS, NHWC_TO_NCHW, NCHW_TO_NHWC } permute;

typedef struct source {
  const char *array; /* its name in the archive; NULL: images, or an .npy */
  mc_npy a;
  mc_npz_rows *rows; /* where `a` has no data: the array is large */
  const mc_type *type;
  permute perm;
  int64_t elems; /* of one row: an entry of the input's first axis, or the whole of rank 0 */
  bool whole;    /* each run reads the whole input anew; else its rows are samples */
  int64_t runs;  /* whole: so many there are; one is for all samples */
} source;

struct mc_dataset {
  mc_arena *arena;
  mc_npz *zip;
  const char *path, *who; /* who: how messages begin: "FILE: ", or "" */
  mc_diag *diag;
  mc_loc at;
  mc_dataset_input *input;
  source *in;
  int nin;
  int64_t count, batch; /* samples; of one run */
  mc_npy y;
  bool has_y;
  const char *no_y; /* why the array that is called y has no labels; NULL: there is none */
  imageset images;
  int w, h, c; /* images.n > 0: the samples are images, of this size */
  mc_dataset_opts opts;
  mc_affine pre;
  bool has_pre;
};

/* Element i as a number. */
double data_element(const mc_npy *a, int64_t i);
/* A number as element i of an input. */
void data_store(const mc_type *t, void *data, int64_t i, double x);
/* Can arrays of this element type feed an input of type t, perhaps with a look at the values? */
bool data_can_convert(const mc_npy *a, const mc_type *t);
/* Must the values be looked at before samples are taken? */
bool data_needs_values(const mc_dataset *s, const source *in);
/* Does every element have a value that the input holds? False after reporting the first that has
 * not. */
bool data_check_values(const mc_dataset *s, const source *in, const char *input);
/* Whether the preprocessing applies to an input fed from a. */
bool data_is_affine(const mc_dataset *s, const source *in);

/* Match arrays of an archive, a single array, or images with the inputs. False after reporting. */
bool data_bind_arrays(mc_dataset *s, const char *x);
bool data_bind_array(mc_dataset *s, int k, const char *array);
bool data_bind_images(mc_dataset *s);
/* Name the arrays that nothing uses and those of other lengths. */
void data_tell_arrays(const mc_dataset *s, const char *y);
/* A warning, unless the diag has the same already. */
void data_warn(const mc_dataset *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
