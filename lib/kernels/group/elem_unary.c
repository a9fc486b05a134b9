/* The elementwise ops of one operand, in fp32. */
#include "elem.h"

static kfm fm_of(kx *x) { return (kfm){ x->k, x->lanes }; }

/* An op without attributes is one function of support/fmath_steps.h. */
#define PLAIN(id)                                                                                  \
  V mc_emit_##id(kx *x, const mc_node *n, V a) {                                                   \
    kfm f = fm_of(x);                                                                              \
    (void)n;                                                                                       \
    return kfm_##id(&f, a);                                                                        \
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

V mc_emit_sqrt(kx *x, const mc_node *n, V a) {
  (void)n;
  return kb_intr1(x->k, "llvm.sqrt", a);
}

V mc_emit_clamp(kx *x, const mc_node *n, V a) {
  const mc_attrs_clamp *at = MC_ATTRS(n, clamp);
  return kv_clamp(x->k, a, (float[]){ at->low, at->high });
}

V mc_emit_leaky_relu(kx *x, const mc_node *n, V a) {
  kfm f = fm_of(x);
  return kfm_leaky_relu(&f, a, kx_f32s(x, MC_ATTRS(n, leaky_relu)->alpha));
}

V mc_emit_elu(kx *x, const mc_node *n, V a) {
  kfm f = fm_of(x);
  return kfm_elu(&f, a, kx_f32s(x, MC_ATTRS(n, elu)->alpha));
}

V mc_emit_gelu(kx *x, const mc_node *n, V a) {
  kfm f = fm_of(x);
  bool tanh = MC_ATTRS(n, gelu)->approximate == mc_approx_tanh;
  return tanh ? kfm_gelu_tanh(&f, a) : kfm_gelu(&f, a);
}

V mc_emit_hard_sigmoid(kx *x, const mc_node *n, V a) {
  kfm f = fm_of(x);
  const mc_attrs_hard_sigmoid *at = MC_ATTRS(n, hard_sigmoid);
  V alpha = kx_f32s(x, at->alpha), beta = kx_f32s(x, at->beta);
  return kfm_hard_sigmoid(&f, a, alpha, beta);
}
