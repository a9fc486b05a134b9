/* The cost model: how long code takes on a target, from shapes and the figures of machines.def.
 * docs/internals/cost-model.md derives every formula. */
#ifndef MC_ANALYSIS_MODEL_H
#define MC_ANALYSIS_MODEL_H
#include "mc/analysis/zeros.h"
#include "mc/ir/family.h"
#include "mc/target/target.h"

/* What time goes into; the largest part bounds the code. Level names mean: bytes that come from
 * there. */
typedef enum mc_part {
  MC_PART_compute,
  MC_PART_epilogue,
  MC_PART_L1,
  MC_PART_L2,
  MC_PART_L3,
  MC_PART_DRAM,
  MC_PART_overhead,
  MC_NUM_PARTS
} mc_part;

typedef struct mc_estimate {
  double cycles, part[MC_NUM_PARTS];
  mc_part bound;
} mc_estimate;

const char *mc_part_name(mc_part p);
/* What bounds it: the longest of arithmetic (the larger part of it), each memory and overhead. */
mc_part mc_estimate_longest(const mc_estimate *e);
double mc_model_us(const mc_target *t, double cycles); /* at the nominal clock */

/* A nest of products: blocks of mr rows and nv * 16 columns, as the kernels emit them
 * (docs/internals/products.md). */
typedef struct mc_nest {
  mc_rate rate;
  int64_t outer,
      rows; /* positions of the outer row axes; of the innermost, which is cut into blocks */
  int64_t cols, groups; /* columns of a group; column groups */
  int64_t runs, k;      /* pieces of K; all of K, each run padded to the engine's depth */
  int mr, nv;
  int ku;           /* steps of A that one load brings */
  bool rows_outer;  /* rows outermost: columns stream for each block of rows */
  bool interleaved; /* the epilogue of a block runs beside the products of the next */
  int a_bytes;      /* of an element of A, of B */
  double b_bytes;
  double unpack;          /* vector instructions that make a register of B from what is stored */
  double epilogue;        /* vector instructions for each 16 results after the products */
  int64_t packed;         /* elements of B that are packed at run time */
  int64_t in, extra, out; /* bytes: the input, other operands of the epilogue, results */
  mc_zeros zeros;         /* of the weights */
  int unit; /* elements of K of the blocks that are left out where they are 0; 0: all are
               multiplied; MC_ZERO_PICK */
} mc_nest;

/* weights: bytes of all constants of a run (they pass through the caches from run to run); 0: those
 * of the nest alone. */
mc_estimate mc_model_nest(const mc_nest *n, const mc_target *t, int64_t weights);
/* The level of memory that the weights of the nest come from in each run. */
mc_part mc_nest_weights(const mc_nest *n, const mc_target *t, int64_t weights);
/* Sets unit: the blocks that are worth leaving out, a multiple of the engine's depth; 0: multiply
 * all. rlen: elements of a run, which blocks must divide; 0: they need not (integers). */
mc_estimate mc_model_nest_unit(mc_nest *n, const mc_target *t, int64_t weights, int64_t rlen);
/* Can its steps pick elements of A (MC_ZERO_PICK)? */
bool mc_rate_picks(mc_rate r, const mc_target *t);
/* Vector registers that a block takes on the target, as the engines of `rate` are emitted. */
bool mc_nest_fits(const mc_nest *n, const mc_target *t, int spare);

/* The fastest rate of an arithmetic on the target. bf16 without instructions is fp32 with bf16
 * storage: MC_RATE_f32. */
mc_rate mc_model_rate(mc_arith how, const mc_target *t);
/* A conv2d, conv_transpose2d, linear or matmul (quantized already or still fp32) if it were
 * computed as `how`, with the elementwise ops after it that would join its epilogue, whatever the
 * types in the graph are: this is the question "would INT8 be faster here?". weights as above. */
mc_estimate mc_model_product(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights);
/* The same in the fastest form that such a layer may take in an object: INT8 convolutions of 3x3 by
 * Winograd's filtering, too. What a layer costs against others in its place. */
mc_estimate mc_model_layer(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights);
/* Of the blocks of `vectors` vectors of columns by `unit` elements of K of its constant weights,
 * the share that is not 0 (mc/analysis/zeros.h); 1 where kernels cannot leave blocks out. */
double mc_model_zeros_share(const mc_node *n, int vectors, int unit);
/* A pass of its own over `elems` elements that turns arithmetic `from` into `to` (quantize,
 * dequantize, rounding to bf16). */
mc_estimate mc_model_convert(int64_t elems, mc_arith from, mc_arith to, const mc_target *t);
/* A group of a planned graph, by its `kernel` and contents; products with the block that the model
 * itself would choose. */
mc_estimate mc_model_group(const mc_node *group, const mc_target *t, int64_t weights);
/* The same if it were of family `as`. */
mc_estimate mc_model_group_as(const mc_node *group, mc_family as, const mc_target *t,
                              int64_t weights);
/* What a group's time grows by when `in` bytes come from, and `out` bytes go to, the level of
 * memory that holds `footprint` bytes. */
double mc_model_stream(const mc_target *t, double footprint, double in, double out);
/* The products of a group as a nest whose block is open (mr = nv = 1): shapes, epilogue, bytes.
 * False where the group has no products on an engine. */
bool mc_nest_of_group(mc_nest *n, const mc_node *group, const mc_target *t);
/* Whether groups of so few columns lie side by side in vectors of 16: the nest then has groups of
 * 16 columns. */
bool mc_nest_shares(int64_t groups, int64_t cols);

/* First convolutions with 8 pixels in the lanes of a register (AVX2;
 * lib/kernels/conv/first_conv_pairs.c): pairs of taps of a window of a conv2d. 0: not a case for
 * it. */
enum { MC_FIRST_CONV_WORDS = 64 };

int mc_first_conv_words(const mc_node *n, const mc_target *t);
/* Such a group; cycles 0: it is none. *pays: it is faster than the nest of products. weights as
 * above. */
mc_estimate mc_model_first_conv(const mc_node *group, const mc_target *t, int64_t weights,
                                bool *pays);
/* Vector instructions for 16 results of an elementwise op, loads of its operands other than the
 * chain's included. */
double mc_model_vector_ops(const mc_node *n, const mc_target *t);
#endif
