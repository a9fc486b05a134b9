/* What the files of the pass quantize share. Private to it. */
#ifndef MC_QUANT_QUANTIZE_H
#define MC_QUANT_QUANTIZE_H
#include "quant.h"
#include "mc/ir/build.h"

/* What is known of a value of the original graph. */
typedef struct entry {
  mc_value *q, *f, *acc; /* stored integers; f32 (NULL: the value itself when its op is kept);
                            accumulator waiting for requantize */
  float lo, hi;          /* clamp that the accumulator's f32 form needs */
  bool known;
  mc_quant params; /* how q is, or would be, stored */
  const char *why; /* not known: the reason; NULL: it has no range */
  mc_dtype dtype;
  bool integer; /* its op was converted, or it is an integer input */
  bool exact;   /* an f32 reader wants the accumulator's own digits, even where q exists too */
} entry;

/* Sum of a product's input over the samples, element by element. */
typedef struct mean {
  double *sum;
  int64_t runs;
} mean;

typedef struct state {
  mc_pass_context *cx;
  const mc_opts_quantize *o;
  mc_map slower;      /* products that faster= leaves in fp32 -> why */
  mc_map means;       /* value -> mean, when correct= gives samples */
  mc_map products_of; /* node -> mc_product of those that will be converted, likewise */
  mean **watched;
  mc_map compensation; /* node -> mc_compensation, when correct= gives samples */
  mc_dtype act;
  mc_map entries; /* value -> entry */
  mc_map plan;    /* node -> itself when it will be converted, absorbed nodes -> their producer */
  mc_builder b;
  bool failed;
  int products, layers; /* f32 products of the graph; those converted */
  const char *first;    /* the first that was not, and why */
} state;

entry *mcq_entry(state *s, const mc_value *v);
/* The node will be converted by itself (not absorbed). */
bool mcq_planned(state *s, const mc_node *n);
/* skip=, only= and ops= let it. */
bool mcq_selected(state *s, const mc_node *n);
bool mcq_is_f32_const(const mc_value *v);
/* gamma and beta of layer_norm, indices of gather: operands that keep their type. */
bool mcq_keeps_type(const mc_node *n, int i);
/* An op whose quantized result uses its operand's parameters. */
bool mcq_moves_only(state *s, const mc_node *n);
/* The relu or clamp after v that vanishes into the op that computes v: its result; v: there is
 * none. */
mc_value *mcq_absorbed(state *s, mc_value *v);

/* ---- fits.c: what 8 bits can carry. Reasons are texts for a remark; NULL: it fits. ---- */
const char *mcq_range_unfit(mc_arena *a, mc_range r);
const char *mcq_product_unfit(state *s, const mc_node *n);
const char *mcq_op_unfit(state *s, const mc_node *n);
/* Parameters of an f32 constant; false: not finite, or out of all proportion. */
bool mcq_const_params(const state *s, const mc_value *v, mc_quant *q);
/* The pad's constant is a value that the operand's parameters can say. */
bool mcq_pad_fits(state *s, const mc_node *n);
/* v, or what small ops make of it, is divided by, or is the base of a power: 0 must not stand for a
 * small number. */
bool mcq_divides(const mc_value *v, int depth);
/* Whether values stored as e says can leave [lo, hi] by half a step or more: else the clamp is
 * free. */
bool mcq_clamp_implied(const entry *e, float lo, float hi);

/* ---- build.c: the new ops; each sets s->failed after reporting ---- */
/* The op in its quantized form, or, where it is kept, on f32 operands. */
void mcq_convert(state *s, mc_node *n);
/* u8 input -> cast -> times or divided by positive scalars: the input itself is the stored form of
 * the last value. */
void mcq_adopt_input(state *s, mc_value *input);

/* ---- correct.c: bias correction ---- */
/* Means of the inputs of all products that will be converted, over the samples of correct=. */
bool mcq_measure_means(state *s);
/* compensate.c: how rounding errors of a product's weights make up for each other, for all that
 * will be converted and have not too many columns. */
bool mcq_measure_columns(state *s);
/* round_weights.c: weights of all products that will be converted onto grids of bits=, group=. */
bool mcq_round_weights(state *s);
/* only_weights.c: weights alone get fewer bits. */
bool mcq_only_weights(state *s, bool *changed);
/* The bias (zeros when the layer has none) minus the mean error of the rounded weights; the old
 * bias when there are no samples. */
const mc_tensor *mcq_corrected_bias(state *s, const mc_node *n, const mc_tensor *w,
                                    const mc_tensor *q, const mc_type *qt, const mc_tensor *b);
#endif
