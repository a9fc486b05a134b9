/* What the two directions of fold-bn share. Private to fold-bn. */
#ifndef TRANSFORM_FOLDBN_H
#define TRANSFORM_FOLDBN_H
#include "rewrite.h"

/* x -> x * scale[c] + shift[c] for channel c of the last axis. */
typedef struct affine {
  double *scale, *shift;
  int64_t n;
} affine;

/* The map that n is, and what it is applied to; NULL: n is none. */
affine *affine_of(const mc_node *n, mc_value **x, mc_arena *a);
/* Put f (= n, applied to x) into the layer that computes x, or into all that use n's result. *done:
 * n is gone. False after reporting. */
bool fold_backward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done);
bool fold_forward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done);
/* f multiplies everything by one number (attention: 1 / sqrt(d) after Q K^T): it goes into a layer
 * further up, through reshapes, transposes and products of two computed values. */
bool fold_uniform(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done);
/* Where only the scale can move on: it does, and an addition stays. Takes the map before n
 * along, so that x * a + b costs one addition. */
bool fold_scale_forward(mc_pass_context *cx, mc_node *n, mc_value *x, const affine *f, bool *done);

/* f(op(x)) == op(f(x)) for the one-operand op n. The constant border of a pad changes with it: by
 * the map when f moves before the pad, by its inverse when f moves after. */
bool commutes(const mc_node *n, const affine *f, bool inverse);
/* Move the border's value of a pad along with the map. */
void move_border(mc_node *n, const affine *f, bool inverse);
/* The number that the map takes to v, when it is one for all channels. */
bool border_before(const affine *f, float v, float *to);
/* conv2d, conv_transpose2d or linear with constant f32 weights and a constant bias or none. */
bool is_layer(const mc_node *n);
bool layer_clamped(const mc_node *n);
/* The map's numbers are of a size that weights may take (foldbn-sane.c); `trained`: of a
 * batch_norm, whose scales may be as small as they like. */
bool map_is_sane(const affine *f, bool trained);
/* The layer's weights and bias stay of a sane size with the map before it or after it. */
bool layer_stays_sane(const mc_node *layer, const affine *f);
/* Give the layer these weights (of the old shape) and this bias. */
bool set_weights(mc_pass_context *cx, mc_node *layer, const double *weight, const double *bias,
                 int64_t nbias);
#endif
