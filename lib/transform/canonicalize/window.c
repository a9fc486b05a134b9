/* canonicalize: pads into windows, windows over everything, reductions that are pools. */
#include "rules.h"
#include <math.h>

/* A constant border around h and w only. */
static const mc_attrs_pad *spatial_pad(const mc_value *x) {
  if (!defined_by(x, MC_OP_pad) || x->type->rank != 4) return NULL;
  const mc_attrs_pad *p = MC_ATTRS(x->def, pad);
  bool outer = p->before.v[0] || p->after.v[0] || p->before.v[3] || p->after.v[3];
  return p->mode == mc_padmode_constant && !outer ? p : NULL;
}

static void add_pad(int64_t pad[4], const mc_attrs_pad *p) {
  pad[0] += p->before.v[1], pad[1] += p->before.v[2];
  pad[2] += p->after.v[1], pad[3] += p->after.v[2];
}

static bool any_pad(const int64_t p[4]) { return p[0] || p[1] || p[2] || p[3]; }

static bool pad_into_conv(mc_pass_context *cx, mc_node *n, const mc_attrs_pad *p) {
  if (p->value != 0) return false;
  mc_attrs_conv2d a = *MC_ATTRS(n, conv2d);
  add_pad(a.pad, p);
  mc_value *in[3] = { n->in[0]->def->in[0], n->in[1], n->nin > 2 ? n->in[2] : NULL };
  return become(cx, n, MC_OP_conv2d, in, n->nin, &a);
}

/* Zeros before an average count as elements. */
static bool pad_into_avg_pool(mc_pass_context *cx, mc_node *n, const mc_attrs_pad *p) {
  mc_attrs_avg_pool a = *MC_ATTRS(n, avg_pool);
  if (p->value != 0 || a.ceil_mode || (any_pad(a.pad) && !a.count_pad)) return false;
  add_pad(a.pad, p);
  a.count_pad = true;
  for (int i = 0; i < 4; i++)
    if (a.pad[i] >= a.kernel[i % 2]) return false; /* windows of nothing but border */
  return become(cx, n, MC_OP_avg_pool, n->in[0]->def->in, 1, &a);
}

static bool not_negative(const mc_value *x) {
  return defined_by(x, MC_OP_relu) || defined_by(x, MC_OP_sigmoid) ||
         (defined_by(x, MC_OP_clamp) && MC_ATTRS(x->def, clamp)->low >= 0);
}

/* A border that never wins: -inf, or 0 beside elements that are not negative, where each window
 * holds one of them. */
static bool pad_into_max_pool(mc_pass_context *cx, mc_node *n, const mc_attrs_pad *p) {
  mc_attrs_max_pool a = *MC_ATTRS(n, max_pool);
  const mc_value *x = n->in[0]->def->in[0];
  bool loses = p->value == -INFINITY || (p->value <= 0 && not_negative(x));
  if (!loses || a.ceil_mode || !is_f32(x) || a.dilation[0] != 1 || a.dilation[1] != 1) return false;
  add_pad(a.pad, p);
  for (int i = 0; i < 4; i++)
    if (a.pad[i] >= a.kernel[i % 2]) return false;
  return become(cx, n, MC_OP_max_pool, n->in[0]->def->in, 1, &a);
}

/* pad(pad(x)) with the same border. */
static bool pad_into_pad(mc_pass_context *cx, mc_node *n) {
  if (!defined_by(n->in[0], MC_OP_pad)) return false;
  const mc_attrs_pad *outer = MC_ATTRS(n, pad), *inner = MC_ATTRS(n->in[0]->def, pad);
  bool same = outer->mode == mc_padmode_constant && inner->mode == mc_padmode_constant &&
              outer->value == inner->value;
  if (!same && !(outer->mode == mc_padmode_edge && inner->mode == mc_padmode_edge)) return false;
  int64_t before[MC_MAX_RANK], after[MC_MAX_RANK];
  int rank = outer->before.n;
  for (int i = 0; i < rank; i++)
    before[i] = outer->before.v[i] + inner->before.v[i],
    after[i] = outer->after.v[i] + inner->after.v[i];
  return become(cx, n, MC_OP_pad, n->in[0]->def->in, 1,
                &(mc_attrs_pad){ .before = { before, rank },
                                 .after = { after, rank },
                                 .mode = outer->mode,
                                 .value = outer->value });
}

bool rule_pad_merge(mc_pass_context *cx, mc_node *n) {
  if (n->op == MC_OP_pad) return pad_into_pad(cx, n);
  const mc_attrs_pad *p = spatial_pad(n->in[0]);
  if (!p) return false;
  if (n->op == MC_OP_conv2d) return pad_into_conv(cx, n, p);
  return n->op == MC_OP_avg_pool ? pad_into_avg_pool(cx, n, p) : pad_into_max_pool(cx, n, p);
}

/* ---- pools ---- */
static bool whole(const int64_t kernel[2], const int64_t pad[4], const mc_node *n) {
  const mc_type *in = n->in[0]->type, *out = n->out[0]->type;
  return kernel[0] == in->dim[1] && kernel[1] == in->dim[2] && !any_pad(pad) && out->dim[1] == 1 &&
         out->dim[2] == 1;
}

static bool single(const int64_t kernel[2], const int64_t stride[2], const int64_t pad[4]) {
  return kernel[0] == 1 && kernel[1] == 1 && stride[0] == 1 && stride[1] == 1 && !any_pad(pad);
}

/* A window over all of h and w is a global pool; a window of one element is nothing. */
bool rule_pool(mc_pass_context *cx, mc_node *n) {
  bool max = n->op == MC_OP_max_pool;
  const int64_t *kernel = max ? MC_ATTRS(n, max_pool)->kernel : MC_ATTRS(n, avg_pool)->kernel;
  const int64_t *stride = max ? MC_ATTRS(n, max_pool)->stride : MC_ATTRS(n, avg_pool)->stride;
  const int64_t *pad = max ? MC_ATTRS(n, max_pool)->pad : MC_ATTRS(n, avg_pool)->pad;
  if (single(kernel, stride, pad) && n->in[0]->type == n->out[0]->type) {
    replace_node(n, n->in[0]);
    return true;
  }
  bool dilated =
      max && (MC_ATTRS(n, max_pool)->dilation[0] != 1 || MC_ATTRS(n, max_pool)->dilation[1] != 1);
  return whole(kernel, pad, n) && !dilated &&
         become(cx, n, max ? MC_OP_global_max_pool : MC_OP_global_avg_pool, n->in, 1, NULL);
}

/* ---- reductions ---- */
bool reduction_axes(const mc_node *n, mc_ints *axes, bool *keep) {
  switch (n->op) {
  case MC_OP_reduce_mean:
    *axes = MC_ATTRS(n, reduce_mean)->axes, *keep = MC_ATTRS(n, reduce_mean)->keepdims;
    return true;
  case MC_OP_reduce_sum:
    *axes = MC_ATTRS(n, reduce_sum)->axes, *keep = MC_ATTRS(n, reduce_sum)->keepdims;
    return true;
  case MC_OP_reduce_max:
    *axes = MC_ATTRS(n, reduce_max)->axes, *keep = MC_ATTRS(n, reduce_max)->keepdims;
    return true;
  default: return false; /* not a reduction */
  }
}

static bool over_h_w(const mc_ints *axes, int rank) {
  if (rank != 4 || axes->n != 2) return false;
  int a = plain_axis(axes->v[0], rank), b = plain_axis(axes->v[1], rank);
  return (a == 1 && b == 2) || (a == 2 && b == 1);
}

/* Over h and w: a global pool (and a reshape where the axes go). Over axes of size 1: a reshape. */
bool rule_reduce(mc_pass_context *cx, mc_node *n) {
  mc_ints axes;
  bool keep;
  const mc_value *x = n->in[0];
  if (!reduction_axes(n, &axes, &keep)) return false;
  if (mc_type_elems(x->type) == mc_type_elems(n->out[0]->type) &&
      x->type->dtype == n->out[0]->type->dtype && x->type->q.kind == MC_Q_NONE)
    return become_reshape(cx, n, n->in[0]);
  if (n->op == MC_OP_reduce_sum || !over_h_w(&axes, x->type->rank)) return false;
  mc_opcode pool = n->op == MC_OP_reduce_max ? MC_OP_global_max_pool : MC_OP_global_avg_pool;
  if (keep) return become(cx, n, pool, n->in, 1, NULL);
  mc_builder b = build_at(cx, n);
  mc_value *p = mc_build1_as(&b, pool, n->in, 1, NULL, n->out[0]->type);
  return p && become_reshape(cx, n, p);
}
