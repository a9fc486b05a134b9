#include "families.h"
#include "mc/analysis/channels.h"

static const mc_family family[MC_NUM_OPS] = {
#define MC_ROUTE(op, family, channels) [MC_OP_##op] = MC_FAMILY_##family,
#include "mc/ir/ops.def"
};

mc_family mc_family_of(const mc_node *n) {
  return mc_is_depthwise(n) ? MC_FAMILY_depthwise : family[n->op];
}

mc_node *mc_group_head(const mc_node *group) { return mc_region_head(group->region); }

mc_value *mc_group_inner(const mc_node *group, int i) { return mc_graph_out(group->region, i); }

static bool from_outside(const mc_node *group, const mc_value *v) {
  return !mc_value_tensor(v) && !(v->def && v->def->graph == group->region);
}

mc_reads mc_group_reads(const mc_node *group, mc_arena *a) {
  int cap = 0;
  MC_FOR_NODES (n, group->region) cap += n->nin;
  mc_reads r = { .v = MC_NEWN(a, mc_value *, cap) };
  MC_FOR_NODES (n, group->region)
    for (int i = 0; i < n->nin; i++) {
      bool known = !from_outside(group, n->in[i]);
      for (int j = 0; j < r.n && !known; j++) known = r.v[j] == n->in[i];
      if (!known) r.v[r.n++] = n->in[i];
    }
  return r;
}

/* Last index that the window reaches, minus the last that exists; pads that no window reaches do
 * not count. */
static int64_t beyond(int64_t out, int64_t stride, int64_t dilation, int64_t k, int64_t pad,
                      int64_t in) {
  int64_t over = (out - 1) * stride + dilation * (k - 1) + 1 - pad - in;
  return over > 0 ? over : 0;
}

void mc_conv_border(const mc_node *n, int64_t border[4]) {
  const mc_attrs_conv2d *at = MC_ATTRS(n, conv2d);
  const mc_type *x = n->in[0]->type, *w = n->in[1]->type, *y = n->out[0]->type;
  border[0] = at->pad[0];
  border[1] = at->pad[1];
  border[2] = beyond(y->dim[1], at->stride[0], at->dilation[0], w->dim[1], at->pad[0], x->dim[1]);
  border[3] = beyond(y->dim[2], at->stride[1], at->dilation[1], w->dim[2], at->pad[1], x->dim[2]);
}
