/* The elementwise ops of one operand, in fp32. */
#include "elem.h"
#include <stdlib.h>

static kfmath fm_of(kepilogue *x) { return (kfmath){ x->k, x->lanes }; }

/* An op without attributes is one function of support/fmath_steps.h. */
#define PLAIN(id)                                                                                  \
  kvalue mc_emit_##id(kepilogue *x, const mc_node *n, kvalue a) {                                  \
    kfmath f = fm_of(x);                                                                           \
    (void)n;                                                                                       \
    return fmath_##id(&f, a);                                                                      \
  }
PLAIN(neg)
PLAIN(abs)
PLAIN(exp)
PLAIN(log)
PLAIN(erf)
PLAIN(relu)
PLAIN(sigmoid)
PLAIN(tanh)
PLAIN(silu)
PLAIN(hard_swish)

kvalue mc_emit_sqrt(kepilogue *x, const mc_node *n, kvalue a) {
  (void)n;
  return build_intrinsic1(x->k, "llvm.sqrt", a);
}

kvalue mc_emit_clamp(kepilogue *x, const mc_node *n, kvalue a) {
  const mc_attrs_clamp *at = MC_ATTRS(n, clamp);
  return vec_clamp(x->k, a, (float[]){ at->low, at->high });
}

kvalue mc_emit_leaky_relu(kepilogue *x, const mc_node *n, kvalue a) {
  kfmath f = fm_of(x);
  return fmath_leaky_relu(&f, a, elem_f32s(x, MC_ATTRS(n, leaky_relu)->alpha));
}

kvalue mc_emit_elu(kepilogue *x, const mc_node *n, kvalue a) {
  kfmath f = fm_of(x);
  return fmath_elu(&f, a, elem_f32s(x, MC_ATTRS(n, elu)->alpha));
}

kvalue mc_emit_gelu(kepilogue *x, const mc_node *n, kvalue a) {
  kfmath f = fm_of(x);
  switch (MC_ATTRS(n, gelu)->approximate) {
  case mc_approx_none: return fmath_gelu(&f, a);
  case mc_approx_tanh: return fmath_gelu_tanh(&f, a);
  case mc_approx_short: return fmath_gelu_short(&f, a);
  }
  abort();
}

kvalue mc_emit_hard_sigmoid(kepilogue *x, const mc_node *n, kvalue a) {
  kfmath f = fm_of(x);
  const mc_attrs_hard_sigmoid *at = MC_ATTRS(n, hard_sigmoid);
  kvalue alpha = elem_f32s(x, at->alpha), beta = elem_f32s(x, at->beta);
  return fmath_hard_sigmoid(&f, a, alpha, beta);
}
