/* fold-bn: batch_norm and per-channel mul, add, sub, div go into the weights of the layer before
 * or after.
 *
 *   %1 = conv2d %x, %w, %b              : f32[1,8,8,4]
 *   %2 = batch_norm %1, %g, %s, %m, %v  : f32[1,8,8,4]
 * becomes
 *   %1 = conv2d %x, %w.1, %b.1          : f32[1,8,8,4]
 *
 * Per channel c of the last axis such an op is x * scale[c] + shift[c]; the numbers are computed in
 * f64 and rounded once.
 *
 * Backward, into a conv2d, conv_transpose2d or linear with constant f32 weights, no clamp, and no
 * other use. In between may be ops that commute with the map, each with one use: avg_pool and
 * global_avg_pool (shift 0 where padding counts), max_pool and global_max_pool (scales >= 0),
 * resize, reshape of other axes, and pad (the border's value moves along, which needs one value for
 * all channels).
 *
 * Forward, into all users at once: conv2d where nothing is padded or every shift is 0, or where one
 * number for all channels is mapped to the border's 0 (then the padding becomes a pad op with that
 * number: so (u8 / 127.5) - 1 before a network costs nothing); conv_transpose2d only without
 * shifts (its border sums fewer taps); linear, through a flattening reshape too; through the same
 * pools and pads. Where the shift is what hinders, x * a + b becomes (x + b / a) * a: the scale
 * goes, an addition stays.
 *
 * One number for everything (attention divides Q K^T by sqrt(d)) goes backward further: through
 * reshape, transpose, broadcast and a matmul of two computed values (into either of them), each
 * with one use.
 *
 * Not when an operand is no constant, and not when the numbers would leave what fp32 sums can hold
 * (foldbn-sane.c says exactly when): the factor 2^127 that a sign is made with would turn the
 * weights into numbers whose sums are inf - inf. Contract: ROUNDS. */
#include "foldbn.h"
#include <math.h>

/* ---- the op as a map ---- */
static affine *affine_new(int64_t n, mc_arena *a) {
  affine *f = MC_NEW(a, affine);
  *f = (affine){ MC_NEWN(a, double, n), MC_NEWN(a, double, n), n };
  return f;
}

static affine *from_batch_norm(const mc_node *n, mc_arena *a) {
  const float *p[4];
  for (int i = 0; i < 4; i++)
    if ((p[i] = constant_f32(n->in[i + 1])) == NULL) return NULL;
  affine *f = affine_new(n->in[0]->type->dim[n->in[0]->type->rank - 1], a);
  double eps = MC_ATTRS(n, batch_norm)->epsilon;
  for (int64_t i = 0; i < f->n; i++) {
    f->scale[i] = p[0][i] / sqrt((double)p[3][i] + eps);
    f->shift[i] = p[1][i] - p[2][i] * f->scale[i];
  }
  return f;
}

static affine *from_binary(const mc_node *n, int slot, mc_arena *a) {
  const mc_value *x = n->in[slot], *other = n->in[1 - slot];
  int64_t count;
  float *c = per_channel(other, x, &count, a);
  bool ordered = n->op == MC_OP_sub || n->op == MC_OP_div;
  if (!c || (ordered && slot == 1) || !same_dims(x->type, n->out[0]->type)) return NULL;
  affine *f = affine_new(count, a);
  for (int64_t i = 0; i < count; i++) {
    f->scale[i] = n->op == MC_OP_mul ? c[i] : n->op == MC_OP_div ? 1 / (double)c[i] : 1;
    f->shift[i] = n->op == MC_OP_add ? c[i] : n->op == MC_OP_sub ? -(double)c[i] : 0;
  }
  return f;
}

static bool clamped(const float c[2]) { return !isinf(c[0]) || !isinf(c[1]); }

affine *affine_of(const mc_node *n, mc_value **x, mc_arena *a) {
  affine *f = NULL;
  if (n->nout != 1 || !is_f32(n->out[0])) return NULL;
  if (n->op == MC_OP_batch_norm) *x = n->in[0], f = from_batch_norm(n, a);
  if (n->op == MC_OP_add && clamped(MC_ATTRS(n, add)->clamp)) return NULL;
  if (n->op == MC_OP_mul || n->op == MC_OP_add || n->op == MC_OP_sub || n->op == MC_OP_div)
    for (int slot = 0; slot < 2 && !f; slot++)
      *x = n->in[slot], f = is_f32(*x) && !mc_value_tensor(*x) ? from_binary(n, slot, a) : NULL;
  return f && map_is_sane(f, n->op == MC_OP_batch_norm) ? f : NULL;
}

/* ---- the pass ---- */
static bool fold(mc_pass_context *cx, mc_node *n, bool *done) {
  mc_value *x;
  affine *f = affine_of(n, &x, cx->scratch);
  if (!f) return true;
  return fold_backward(cx, n, x, f, done) && (*done || fold_uniform(cx, n, x, f, done)) &&
         (*done || fold_forward(cx, n, x, f, done)) &&
         (*done || fold_scale_forward(cx, n, x, f, done));
}

static bool sweep(mc_pass_context *cx, bool *any) {
  MC_FOR_NODES (n, cx->graph) {
    bool done = false;
    if (!fold(cx, n, &done)) return false;
    if (done) MC_STAT_ADD(cx, fold_bn, folded, 1);
    *any |= done;
  }
  return true;
}

/* What is folded forward frees the op before it: x * a + b goes in two sweeps. */
bool mc_pass_fold_bn(mc_pass_context *cx, const mc_opts_fold_bn *o, bool *changed) {
  (void)o; /* has no options */
  for (bool any = true; any; *changed |= any) {
    any = false;
    if (!sweep(cx, &any)) return false;
  }
  if (*changed) erase_dead_constants(cx->graph);
  return true;
}
