/* conv_transpose2d as a convolution of stride 1 for each phase of its result. */
#include "prepare.h"

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Border that the gather form needs: input index (o + pad - k * dilation) / stride over all o, k.
 */
mc_transposed_axis mc_transposed_axis_of(const mc_node *n, int d) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(n, conv_transpose2d);
  mc_transposed_axis a = { n->in[0]->type->dim[1 + d],
                           n->out[0]->type->dim[1 + d],
                           n->in[1]->type->dim[1 + d],
                           c->stride[d],
                           c->dilation[d],
                           c->pad[d],
                           0,
                           0 };
  int64_t lo = floor_div(a.pad - (a.kernel - 1) * a.dilation, a.stride),
          hi = floor_div(a.out - 1 + a.pad, a.stride) + 1;
  if (lo < 0) a.before = -lo;
  if (hi > a.in - 1) a.after = hi - (a.in - 1);
  return a;
}

int64_t mc_transposed_scratch(const mc_node *n) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  const mc_type *t = n->in[0]->type;
  return t->dim[0] * (y.before + y.in + y.after) * (x.before + x.in + x.after) * t->dim[3] *
             (int64_t)mc_dtype_size(t->dtype) +
         MC_PLAN_SLACK;
}

mc_strides mc_transposed_strides(const mc_node *n) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  const mc_type *t = n->in[0]->type;
  mc_strides v = { .dtype = t->dtype, .rank = 4, .slack = true };
  v.stride[3] = (int64_t)mc_dtype_size(t->dtype);
  v.stride[2] = t->dim[3] * v.stride[3];
  v.stride[1] = (x.before + x.in + x.after) * v.stride[2];
  v.stride[0] = (y.before + y.in + y.after) * v.stride[1];
  return v;
}

int mc_transposed_phases(const mc_node *n, int64_t (*at)[2]) {
  mc_transposed_axis y = mc_transposed_axis_of(n, 0), x = mc_transposed_axis_of(n, 1);
  int count = 0;
  for (int64_t oy = 0; oy < y.stride && oy < y.out; oy++)
    for (int64_t ox = 0; ox < x.stride && ox < x.out; ox++, count++)
      if (at) at[count][0] = oy, at[count][1] = ox;
  return count;
}

/* Taps of phase `o` along one axis: k and the input offset relative to o' = (position - o) /
 * stride. */
static int taps(const mc_transposed_axis *a, int64_t o, int64_t *tap, int64_t *offset) {
  int n = 0;
  for (int64_t k = 0; k < a->kernel; k++) {
    int64_t at = o + a->pad - k * a->dilation;
    if (floor_div(at, a->stride) * a->stride != at) continue;
    tap[n] = k;
    offset[n++] = floor_div(at, a->stride);
  }
  return n;
}

static void phase_runs(mc_gemm *p, const mc_strides *in, const mc_transposed_axis *y,
                       const mc_transposed_axis *x, const int64_t at[2]) {
  mc_arena *a = p->arena;
  int64_t *ty = MC_NEWN(a, int64_t, y->kernel), *fy = MC_NEWN(a, int64_t, y->kernel),
          *tx = MC_NEWN(a, int64_t, x->kernel), *fx = MC_NEWN(a, int64_t, x->kernel);
  int ny = taps(y, at[0], ty, fy), nx = taps(x, at[1], tx, fx);
  int64_t ci = p->head->in[1]->type->dim[3];
  p->nrun = 0;
  p->rlen = ci;
  p->run = MC_NEWN(a, int64_t, ny *nx + 1);
  int64_t *woff = MC_NEWN(a, int64_t, ny *nx + 1);
  for (int i = 0; i < ny; i++)
    for (int j = 0; j < nx; j++) {
      p->run[p->nrun] = fy[i] * in->stride[1] + fx[j] * in->stride[2];
      woff[p->nrun++] = (ty[i] * x->kernel + tx[j]) * ci;
    }
  p->w.woff = woff;
}

/* Every stride-th row and column from the phase's place on. */
static void phase_space(mc_space *s, const mc_transposed_axis *y, const mc_transposed_axis *x,
                        const int64_t at[2]) {
  for (int i = 0; i < s->nview; i++) {
    s->view[i].stride[1] *= y->stride;
    s->view[i].stride[2] *= x->stride;
  }
  s->dim[1] = (y->out - at[0] + y->stride - 1) / y->stride;
  s->dim[2] = (x->out - at[1] + x->stride - 1) / x->stride;
}

bool gemm_transposed(mc_gemm *p, mc_space *s, int phase) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(p->head, conv_transpose2d);
  mc_transposed_axis y = mc_transposed_axis_of(p->head, 0), x = mc_transposed_axis_of(p->head, 1);
  const mc_tensor *w = mc_value_tensor(p->head->in[1]),
                  *b = p->head->nin > 2 ? mc_value_tensor(p->head->in[2]) : NULL;
  if (!w || (p->head->nin > 2 && !b))
    return mc_gemm_refuse(
        p, p->head, "'conv_transpose2d' whose weight or bias is not a constant has no lowering");
  if (!gemm_weights(p)) return false;
  int64_t(*at)[2] = mc_arena_alloc(p->arena, sizeof *at * (size_t)(y.stride * x.stride));
  mc_transposed_phases(p->head, at);
  mc_strides a = mc_transposed_strides(p->head);
  phase_space(s, &y, &x, at[phase]);
  phase_runs(p, &a, &y, &x, at[phase]);
  gemm_window(p, c->groups, c->clamp, (int64_t)mc_dtype_size(a.dtype));
  a.stride[3] = 0;
  mc_gemm_steps(p);
  gemm_collapse(p, s, &a, p->ask->by_images);
  return gemm_choose(p);
}
