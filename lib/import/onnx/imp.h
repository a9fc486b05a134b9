/* The ONNX importer's inside: one import's state, values, constants, and what handlers of ops use.
 *
 * Every ONNX value is either known (a constant: initializers, Constant nodes and whatever can be
 * computed from them and from shapes while importing) or a value of the graph. Values keep ONNX's
 * own axis order; handlers of spatial ops transpose to NHWC and back. A handler that fails has
 * reported; its outputs are marked bad and what depends on them is passed over, so that one run
 * lists every independent mistake. */
#ifndef MC_IMPORT_ONNX_IMP_H
#define MC_IMPORT_ONNX_IMP_H
#include "mc/import/onnx.h"
#include "mc/ir/build.h"
#include "onnx.pb-c.h"

__extension__ typedef _Float16 onnx_half; /* IEEE binary16, a compiler type on both hosts */

typedef McOnnxPb__Model pb_model;
typedef McOnnxPb__Graph pb_graph;
typedef McOnnxPb__Node pb_node;
typedef McOnnxPb__Tensor pb_tensor;
typedef McOnnxPb__Attribute pb_attr;
typedef McOnnxPb__ValueInfo pb_value;

enum {

#define MC_ETYPE(id, num, text, store, carry, border, bytes, field, bits) ONNX_##id = num,
#include "etypes.def"
  ONNX_MIN_OPSET = 1,
  ONNX_KNOWN_OPSET = 21,
  ONNX_MAX_OPSET = 26
};
/* Constants made while importing, all together; dimensions; elements that arithmetic on constants
 * touches. */
#define ONNX_MAX_FOLDED ((int64_t)256 << 20)
/* Besides, per byte of the file: a quantized weight becomes reals and indices of scales, in two
 * orders of axes. */
#define ONNX_FOLDED_PER_BYTE ((int64_t)20)
#define ONNX_MAX_DIM ((int64_t)1 << 31)

enum { ONNX_MAX_ARITH = 65536 };

typedef struct etype_info {
  int num;
  const char *text;
  mc_dtype store, carry, border;
  int bytes;
} etype_info;

const etype_info *mc_onnx_etype(int num); /* NULL: not known */
const char *mc_onnx_etype_name(int num);  /* a word for messages, always */
bool mc_onnx_is_real(int num);
bool mc_onnx_is_int(int num); /* not BOOL */

/* A constant: dense, row-major, in the stored form of its element type. Dimensions may be 0. Never
 * changed once made. */
typedef struct folded {
  int etype;
  int rank;
  int64_t dim[MC_MAX_RANK];
  int64_t n;
  void *data;
  const char *name;           /* sanitized initializer or output name, or NULL */
  bool named;                 /* becomes a weight however small */
  mc_value *plain;            /* once it was used as an operand */
  const struct kquant *quant; /* the integers that it was dequantized from, or NULL */
} folded;

/* What a dequantized constant was: element i is (q[i] - zero[c]) * scale[c] with c = index[i], or 0
 * without index. q and index have the constant's shape. */
typedef struct kquant {
  const folded *q, *index, *scale, *zero; /* zero NULL: 0 */
} kquant;

typedef struct val {
  int etype;
  int rank;
  int64_t dim[MC_MAX_RANK];
  mc_value *v; /* in the graph, or */
  folded *k;   /* known */
  bool bad;    /* made by something that failed */
} val;

typedef struct imp {
  mc_arena *arena; /* lives as long as the import */
  mc_module *m;
  mc_graph *g;
  mc_builder b;
  mc_diag *diag;
  const mc_source *src;
  const char *dir; /* dir NULL: no external data */
  const mc_import_opts *opt;
  pb_graph *pb;
  int64_t opset, ir;                /* ir: version of the file format */
  mc_map vals;                      /* ONNX name -> val */
  mc_map permuted;                  /* (folded, how) -> mc_value */
  mc_map names;                     /* value and tensor names in use; the value counts suffixes */
  mc_map files;                     /* external data: location -> mc_blob */
  mc_map symbols;                   /* symbolic dimension -> its size */
  int64_t folded_bytes, max_folded; /* bytes of constants made so far; ONNX_MAX_FOLDED more than
                                 some times the file */
  bool told_dynamic;                /* of dynamic quantization */
} imp;

typedef struct node {
  imp *im;
  const pb_node *p;
  size_t index;
  const struct op_row *row;
  mc_loc loc;
  val **in;
  int nin; /* NULL where the input is left out */
  val **out;
  int nout; /* made before the handler runs; it fills them */
} node;

/* One row of ops.def. */
typedef struct op_row {
  const char *op, *domain;
  int in_min, in_max,
      out_max;       /* in_max -1: any number; out_max: outputs that the handler can give */
  const char *attrs; /* "axis:i perm:I ..." name and kind: i I f F s t, z for i or s; a '<7' after:
                        ended with the opset before 7 */
  bool (*run)(node *n, int arg);
  int arg;
} op_row;

/* The row, or NULL. */
const op_row *mc_onnx_find_op(const char *op, const char *domain);
#define MC_ONNX(op, domain, lo, hi, outs, handler, arg, attrs)                                     \
  bool mc_onnx_##handler(node *n, int argument);
#include "ops.def"

/* ---- reports ---- */
bool mc_onnx_error(node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool mc_onnx_fail(imp *im, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* `what` NULL: the file */
void mc_onnx_remark(imp *im, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *mc_onnx_clean(mc_arena *a,
                          const char *s); /* printable copy for messages and source names */
const char *mc_onnx_ident(imp *im,
                          const char *s); /* sanitized for %name and @name, unique in the module */
const char *mc_onnx_dims(mc_arena *a, int rank, const int64_t *dim); /* "[1,3,32,32]" */

/* ---- attributes (kinds were checked against the row before the handler runs) ---- */
const pb_attr *mc_onnx_attr(const node *n, const char *name); /* NULL: absent */
int64_t mc_onnx_attr_i(const node *n, const char *name, int64_t dflt);
float mc_onnx_attr_f(const node *n, const char *name, float dflt);
const char *mc_onnx_attr_s(const node *n, const char *name, const char *dflt);
bool mc_onnx_attr_ints(const node *n, const char *name, const int64_t **v,
                       size_t *k); /* false: absent */
bool mc_onnx_check_attrs(node *n);

/* ---- opsets 1 to 6 ---- */
/* Operand 1 of a binary op, so that numpy's broadcasting does what attributes `broadcast` and
 * `axis` said then. False after reporting. */
bool mc_onnx_second(node *n, val *out);
/* Whether attribute is_test, which says before opset 7 that a node is as at inference, is missing
 * or 0: warns. */
void mc_onnx_warn_training(node *n);

/* ---- constants ---- */
folded *mc_onnx_tensor(imp *im, const pb_tensor *t, const char *what); /* NULL after reporting */
/* Elements of a shape (sizes 0 allowed), -1 when a size is negative or the product of the others
 * does not fit 2^40. */
int64_t mc_onnx_count(int rank, const int64_t *dim);
/* Take bytes from the bound; false without report when they are not left. */
bool mc_folded_charge(imp *im, int64_t bytes);
/* New, zeroed; charged to the bound on folded bytes. NULL after reporting at n. */
folded *mc_folded_new(node *n, int etype, int rank, const int64_t *dim);
int64_t mc_folded_int(const folded *k,
                      int64_t i); /* integers and truth values; reals truncate toward zero */
float mc_folded_f32(const folded *k, int64_t i);
void mc_folded_set_int(folded *k, int64_t i, int64_t v); /* wraps to the width of the type */
void mc_folded_set_f32(folded *k, int64_t i, float v);
int mc_folded_elem(const folded *k); /* stored bytes of one element */
/* Same data, other shape (equal element count). */
folded *mc_folded_reshape(node *n, const folded *k, int rank, const int64_t *dim);
/* Element (i0, i1, ...) is k[start + sum(ij * stride[j])], in elements; the caller keeps that
 * inside k. */
folded *mc_folded_strided(node *n, const folded *k, int rank, const int64_t *dim,
                          const int64_t *stride, int64_t start);
folded *mc_folded_cast(node *n, const folded *k, int etype);
void mc_onnx_strides(int rank, const int64_t *dim, int64_t *stride); /* row-major, in elements */
/* Index in k of a flat index of the shape [dim] that k broadcasts to. */
int64_t mc_folded_at(const folded *k, int rank, const int64_t *dim, int64_t flat);
/* The integers of an input that must be known. False after reporting. */
bool mc_onnx_known_ints(node *n, int input, const char *what, int64_t **v, int64_t *k);
/* The one real number of a constant input; false without report when it is not one known number. */
bool mc_onnx_known_f32(const val *v, float *out);

/* ---- dequantized constants (folded_quant.c): they keep their integers, through reshapes and
 * strided copies too ---- */
/* Which scale element i of a constant has: one for all, one per index of an axis, or one per block
 * of `block` elements along the axis. */
typedef struct qparam {
  const folded *scale, *zero;
  int axis;
  bool per_axis;
  int64_t block;
} qparam;

folded *mc_folded_dequantized(node *n, folded *k, const qparam *q);
/* The integers of x / scale + zero, rounded and clamped as QuantizeLinear says. */
folded *mc_folded_quantized(node *n, const folded *k, const qparam *q, int etype);
int64_t mc_qparam_zero(const qparam *q, int64_t c);
/* `r`, a copy of k with other shape or strides, gets the integers of k by the same copy. False
 * after reporting. */
bool mc_folded_quant_reshape(node *n, folded *r);
bool mc_folded_quant_strided(node *n, folded *r, const folded *k, const int64_t *stride,
                             int64_t start);
/* `dequantize` of a quantized weight; *out NULL where the language has no such type (scales in
 * blocks, integers above 16 bits that are no int32). False after reporting. */
bool mc_onnx_quantized_folded(node *n, folded *k, mc_value **out);

/* ---- values ---- */
void mc_onnx_give(node *n, int i, int etype, mc_value *v); /* result i is v, which carries etype */
void mc_onnx_give_folded(node *n, int i, folded *k);
void mc_onnx_give_val(node *n, int i, const val *v); /* result i is another value */
mc_value *mc_onnx_value(node *n, val *v);            /* as an operand; NULL after reporting */
mc_value *mc_onnx_folded_value(node *n, folded *k);
/* For a weight of tensor t: its source is the file's name of it, where the text's is another. */
mc_builder mc_onnx_folded_builder(node *n, const folded *k, const mc_tensor *t);
mc_value *mc_onnx_scalar(node *n, float x); /* inline f32, rank 0 */
mc_value *mc_onnx_scalar_like(node *n, const mc_value *like,
                              double x); /* in the element type of `like` */
/* A named or inline tensor for k's elements, k->name's stem with `suffix`, in element type `dtype`;
 * NULL after reporting. Data are zero. */
mc_tensor *mc_onnx_new_tensor(node *n, const folded *k, const char *suffix, mc_dtype dtype,
                              void **data);
/* A constant with axes reordered: out axis i is k's axis perm[i], made once per (k, perm) and
 * reused. */
mc_value *mc_onnx_permuted(node *n, folded *k, const int *perm);
bool mc_onnx_axis(node *n, int64_t axis, int rank, int *out); /* -rank <= axis < rank; reports */
bool mc_onnx_axes(node *n, const int64_t *v, int64_t k, int rank,
                  bool *mask);                              /* each once; reports */
int64_t mc_onnx_prod(const int64_t *dim, int from, int to); /* of sizes that are known to fit */
bool mc_onnx_broadcast(node *n, int ra, const int64_t *a, int rb, const int64_t *b, int *rank,
                       int64_t *dim);

/* ---- emission: NULL operands give NULL, so calls can be nested ---- */
mc_value *mc_onnx_op1(node *n, mc_opcode op, mc_value *a, const void *attrs);
mc_value *mc_onnx_op2(node *n, mc_opcode op, mc_value *a, mc_value *b, const void *attrs);
mc_value *mc_onnx_as(node *n, mc_opcode op, mc_value *a, mc_dtype dtype); /* cast */
mc_value *mc_onnx_transpose(node *n, mc_value *x, const int *perm);
mc_value *mc_onnx_reshape(node *n, mc_value *x, int rank, const int64_t *dim);
mc_value *mc_onnx_bcast(node *n, mc_value *x, int rank, const int64_t *dim);
mc_value *mc_onnx_reduce(node *n, mc_opcode op, mc_value *x, const bool *mask, bool keepdims);
mc_value *mc_onnx_pad(node *n, mc_value *x, const int64_t *before, const int64_t *after, int mode,
                      float value);
mc_value *mc_onnx_slice(node *n, mc_value *x, const int64_t *start, const int64_t *size,
                        const int64_t *step);
mc_value *mc_onnx_to_nhwc(node *n, mc_value *x);             /* [n,c,h,w] or [n,c,w] -> [n,h,w,c] */
mc_value *mc_onnx_from_nhwc(node *n, mc_value *x, int rank); /* back, to rank 4 or 3 */
/* Channel axis 1 last, whatever the rank, and back. */
mc_value *mc_onnx_channel_last(node *n, mc_value *x, bool back);

/* Rows of binary.def. */
enum {

#define MC_ONNX_BINARY(id, op, whole, real, graph, truth, result) ONNX_BIN_##id,
#include "binary.def"
};

typedef enum reduction {
  RED_MEAN,
  RED_SUM,
  RED_MAX,
  RED_MIN,
  RED_PROD,
  RED_L1,
  RED_L2,
  RED_SQUARE,
  RED_LOG_SUM,
  RED_LOG_SUM_EXP
} reduction;

/* Caffe2's operators of early exporters. */
typedef enum experimental { OLD_AFFINE, OLD_SCALED_TANH, OLD_SOFTPLUS, OLD_SCALE } experimental;

/* ---- windows of convolutions and pools: rows, columns; 1-D windows have one row ---- */
typedef struct window {
  int64_t kernel[2], stride[2], dilation[2], pad[4]; /* top, left, bottom, right */
  bool same_or_valid;
} window;

/* Attributes kernel_shape (or `kernel` when given), strides, dilations, pads, auto_pad for x: [n,
 * c, spatial...]. False after reporting. */
bool mc_onnx_window(node *n, const val *x, const int64_t *kernel, window *w);

/* f32 0 and 1: d > 0, d != 0. Differences for them are taken between numbers made finite, so that
 * equal infinities are equal. */
mc_value *mc_onnx_positive(node *n, mc_value *d);
mc_value *mc_onnx_nonzero(node *n, mc_value *d);
mc_value *mc_onnx_difference(node *n, mc_value *a, mc_value *b);
mc_value *mc_onnx_product(node *n, val *a, val *b); /* MatMul of two values */
mc_value *mc_onnx_softplus_of(node *n, mc_value *x);

/* Operand x of a QLinear... node as reals: its scale is operand `scale`, its zero point the one
 * after; `axis` is that of several scales. */
bool mc_onnx_dequantized(node *n, val *x, int scale, int axis, val *out);
/* The node's result: y quantized by operands `scale` and the one after. */
bool mc_onnx_quantized(node *n, val *y, int scale);
/* A bias of int32 whose scale is the product of operands sx and sw, as reals. */
bool mc_onnx_product_bias(node *n, val *b, int sx, int sw, val *out);
/* A known weight of integers minus its zero point (NULL: 0), as reals. */
bool mc_onnx_minus_zero(node *n, val *w, const val *zero, val *out);

/* ---- parts of the import ---- */
/* What a name stands for; the val comes first, so that a definition is a val. */
typedef enum def_kind { DEF_INIT, DEF_INPUT, DEF_NODE } def_kind;

typedef struct def {
  val v;
  def_kind kind;
  size_t index;
  bool made;
} def;

def *mc_onnx_def(imp *im, const char *name); /* NULL: nothing has that name */
/* Names of initializers, inputs and results; then the live nodes in an order that respects uses.
 * False after reporting. */
bool mc_onnx_define(imp *im);
bool mc_onnx_order(imp *im, size_t **order, size_t *count);
bool mc_onnx_inputs(imp *im);
bool mc_onnx_outputs(imp *im);
/* x: f32 in its border layout, channels along `axis`; NULL after reporting. */
mc_value *mc_onnx_preprocess(imp *im, mc_value *x, int axis);
const void *mc_onnx_external(imp *im, const pb_tensor *t, const char *what, size_t *size);
#endif
