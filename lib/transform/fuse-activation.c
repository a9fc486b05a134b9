/* fuse-activation: relu and clamp become the clamp attribute of the op before them.
 *
 *   %1 = conv2d %x, %w : f32[1,8,8,4]          %2 = conv2d %x, %w {clamp=[0.0, inf]} : f32[1,8,8,4]
 *   %2 = relu %1       : f32[1,8,8,4]      ->
 *
 * Applies when the op before is a conv2d, conv_transpose2d, linear, matmul or add with an f32
 * result that has no other use; a clamp that is already there is narrowed. Not to quantized values:
 * there the output range of requantize does it. Contract: EXACT (the same comparisons on the same
 * numbers). */
#include "rewrite.h"

/* The clamp attribute of an op that has one. */
static float *clamp_of(mc_node *n) {
  switch (n->op) {
  case MC_OP_conv2d: return MC_ATTRS(n, conv2d)->clamp;
  case MC_OP_conv_transpose2d: return MC_ATTRS(n, conv_transpose2d)->clamp;
  case MC_OP_linear: return MC_ATTRS(n, linear)->clamp;
  case MC_OP_matmul: return MC_ATTRS(n, matmul)->clamp;
  case MC_OP_add: return MC_ATTRS(n, add)->clamp;
  default: return NULL; /* all other ops have none */
  }
}

static bool bounds(const mc_node *n, float *lo, float *hi) {
  *lo = 0, *hi = __builtin_inff();
  if (n->op == MC_OP_clamp) *lo = MC_ATTRS(n, clamp)->low, *hi = MC_ATTRS(n, clamp)->high;
  return n->op == MC_OP_relu || n->op == MC_OP_clamp;
}

static float narrowed(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

static bool fuse(mc_node *n) {
  float lo, hi;
  if (!bounds(n, &lo, &hi)) return false;
  mc_value *x = n->in[0];
  float *c = x->def ? clamp_of(x->def) : NULL;
  if (!c || !single_use(x) || !is_f32(x) || !is_f32(n->out[0])) return false;
  c[0] = narrowed(c[0], lo, hi);
  c[1] = narrowed(c[1], lo, hi);
  x->range = n->out[0]->range;
  if (n->out[0]->name) x->name = n->out[0]->name;
  replace_node(n, x);
  return true;
}

bool mc_pass_fuse_activation(mc_pass_context *cx, const mc_opts_fuse_activation *o, bool *changed) {
  (void)o; /* has no options */
  MC_FOR_NODES (n, cx->graph) {
    if (!fuse(n)) continue;
    MC_STAT_ADD(cx, fuse_activation, fused, 1);
    *changed = true;
  }
  return true;
}
