/* Shared by the quantization passes. */
#ifndef MC_QUANT_QUANT_H
#define MC_QUANT_QUANT_H
#include "mc/measure/histogram.h"
#include "mc/measure/product.h"
#include "mc/pass/pass.h"

/* ---- parameters ---- */
/* Scale and zero point of dtype (u8, i8) for real values in [lo, hi]. The range is widened to hold
 * 0, so that padding and relu are exact. */
mc_quant mc_quant_choose(float lo, float hi, mc_dtype dtype);

/* ---- ranges ---- */
/* The range that the method picks from a filled histogram; `percentile` in per cent. */
mc_range mc_hist_range(const mc_hist *h, mc_e_calib method, double percentile);

/* ---- comparisons ---- */
/* Do comparisons alone read v: products with a huge constant, after differences and clamps? depth:
 * 0. */
bool mcq_only_compared(const mc_value *v, int depth);
/* Does one of them read v? depth: 0. */
bool mcq_compared(const mc_value *v, int depth);

/* ---- cost ---- */
/* The products of cx->graph that take longer in INT8 than in fp32 on cx->target, conversions
 * between the two counted: node -> why, a text. */
void mc_quant_slower(mc_pass_context *cx, mc_map *why);

/* Why the object would not keep this product's f32 weights in fewer bits; NULL: it can. */
const char *mc_product_unstored(const mc_product *p);

/* ---- constants ---- */
enum { MC_COMPENSATED = 320 }; /* columns at most */

/* For rows [groups * o, d] of weights: u [groups, d, d], upper triangular (compensate.c). */
typedef struct mc_compensation {
  int64_t groups, d;
  double *u;
} mc_compensation;

/* A quantized copy of an f32 weight: i8 in [-127, 127], zero point 0, along `axis` (per channel) or
 * with one scale. bias (may be NULL, [channels]) and s_x guard the scales of channels whose weights
 * are so small that bias / (s_x * s_w) would leave i32. `name` is the stem of the new tensors'
 * names. Returns the type; *out the tensor. */
/* compensate (may be NULL: each weight is rounded to the nearest; axis 0 only) says what the error
 * of a column is worth in those after it; weights of 0 stay 0. */
const mc_type *mc_quant_weight(mc_module *m, const mc_tensor *w, int axis, bool per_channel,
                               float s_x, const float *bias, const mc_compensation *compensate,
                               const char *name, mc_tensor **out);
/* w [rows, d], each of a channel, to fp32(q * scale): q in [-127, 127], the scale that of the row,
 * or one for all; rows that lie on a grid of at most 127 steps stay on it. */
void mc_quant_rows(float *w, int64_t rows, int64_t d, bool per_channel);
/* Mean error that rounding the weights w [groups * o, d] to q adds to each output channel when the
 * columns have the means `mean` [groups, d]: sum over columns of (s q - w) mean. out: [groups * o].
 * (Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV
 * 2019, section 4.2.) */
void mc_quant_mean_error(const mc_tensor *w, const mc_tensor *q, const mc_type *qt,
                         const double *mean, int64_t groups, float *out);
/* i32 type of the accumulator of x and w: scales fp32(s_x * s_w[c]); `shape` gives the dims, the
 * last axis the channels. */
const mc_type *mc_quant_acc_type(mc_module *m, const mc_type *x, const mc_type *w,
                                 const mc_type *shape, const char *name);
/* bias / acc scale rounded to i32. *saturated counts elements that did not fit. */
mc_tensor *mc_quant_bias(mc_module *m, const mc_tensor *bias, const mc_type *acc, const char *name,
                         int *saturated);
/* Largest |accumulator| that q weights [channels, k] and any x of the type can reach, bias
 * included. */
int64_t mc_quant_acc_bound(const mc_tensor *q, const mc_type *x, const mc_tensor *bias);
#endif
