/* mc-import's options for every tool that takes an .onnx file, as text from the command line.
 *
 * A tool puts the rows into its table and hands the values to mc_driver_load_as:
 *
 *   mc_import_args imp = { 0 };
 *   const mc_option options[] = { ..., MC_IMPORT_OPTIONS(imp), MC_IMPORT_PREPROCESS(imp), { 0 } };
 */
#ifndef MC_DRIVER_IMPORTING_H
#define MC_DRIVER_IMPORTING_H
#include "mc/driver/options.h"
#include "mc/import/dataset.h"
#include "mc/import/onnx.h"

typedef struct mc_import_args {
  mc_strlist shapes;      /* --shape NAME=DIMS, each time it was given */
  int layout, type;       /* indices into the words below; 0: the model's own */
  const char *preprocess; /* NULL: none */
} mc_import_args;

extern const char *const mc_input_layout_words[]; /* "model", "nhwc", NULL */
extern const char *const mc_input_type_words[];   /* "model", "u8", NULL */

/* clang-format off */
#define MC_IMPORT_OPTIONS(a) \
  { "shape", MC_O_LIST, &(a).shapes, .arg = "NAME=DIMS", .help = "of an .onnx: shape of " \
    "an input (in the model's layout), or size of a symbolic dimension; may be repeated" }, \
  { "input-layout", MC_O_WORD, &(a).layout, .arg = "WORD", .help = "of an .onnx: axis order of " \
    "image inputs; nhwc: rows, columns, channels last", .words = mc_input_layout_words }, \
  { "input-type", MC_O_WORD, &(a).type, .arg = "WORD", .help = "of an .onnx: element type of " \
    "image inputs; u8: bytes, before the preprocessing", .words = mc_input_type_words }
#define MC_IMPORT_PREPROCESS(a) \
  { "preprocess", MC_O_STR, &(a).preprocess, .arg = "TEXT", .help = "of an .onnx: bake " \
    "(x * scale - mean) / std into the graph: 'scale=1/255 mean=.485,.456,.406 " \
    "std=.229,.224,.225'; numbers or fractions, one or one per channel" }
/* How images become samples: `o` is a mc_dataset_opts; prefix: "" or "calib-". */
#define MC_IMAGE_OPTIONS(o, prefix) \
  { prefix "resize", MC_O_WORD, &(o).resize, .arg = "HOW", .help = "images of another size: cut " \
    "to the ratio, squeezed, or with black bars", .words = mc_image_resize_words }, \
  { prefix "color", MC_O_WORD, &(o).color, .arg = "ORDER", .help = "channels of color images", \
    .words = mc_image_color_words }
/* clang-format on */

/* The first of the options that was given ("--shape"), or NULL. */
const char *mc_import_args_given(const mc_import_args *a);
/* The importer's options in *out; lists in the arena, `preprocess` is a's own. False after
 * reporting a --shape that is not NAME=DIMS. */
bool mc_import_args_read(mc_import_opts *out, const mc_import_args *a, mc_arena *arena, mc_diag *d);
#endif
