/* ONNX (opset 1 to 21) to graph: NHWC compute ops, borders transposed, weights as named tensors. */
#ifndef MC_IMPORT_ONNX_H
#define MC_IMPORT_ONNX_H
#include "mc/ir/graph.h"

typedef struct mc_dim_fix {
  const char *name;
  int64_t dim[MC_MAX_RANK];
  int rank;
} mc_dim_fix; /* --shape NAME=DIMS; NAME an input, or a symbolic dimension with rank 1 */

typedef struct mc_import_opts {
  const mc_dim_fix *shapes;
  int nshapes;
  int input_nhwc;         /* --input-layout=nhwc */
  int input_u8;           /* --input-type=u8 */
  const char *preprocess; /* "scale=1/255 mean=.485,.456,.406 std=.229,.224,.225" or NULL: x' = (x *
                             scale - mean) / std per channel */
  const char *graph_name; /* NULL: from the model */
} mc_import_opts;

/* A module, canonical enough to verify; NULL after reporting every unknown op and attribute, named
 * and located. */
mc_module *mc_import_onnx(const char *path, const mc_import_opts *o, mc_diag *d);
mc_module *mc_import_onnx_bytes(const void *data, size_t size, const char *name,
                                const mc_import_opts *o, mc_diag *d);
#endif
