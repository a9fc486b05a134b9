/* What each op couples: the functions that the rows of ops.def name (MC_ROUTE). */
#include "couple.h"

static run in_axis(coupling *c, const mc_node *n, int slot, int i) {
  return couple_operand(c, n, slot, i);
}

static run out_axis(coupling *c, const mc_node *n, int i) { return couple_value(c, n->out[0], i); }

static int rank_in(const mc_node *n, int slot) { return n->in[slot]->type->rank; }

static int rank_out(const mc_node *n) { return n->out[0]->type->rank; }

static int64_t norm_axis(int64_t axis, int rank) { return axis < 0 ? axis + rank : axis; }

static void fix_all(coupling *c, const mc_node *n, const char *why) {
  for (int i = 0; i < n->nin; i++)
    for (int k = 0; k < rank_in(n, i); k++) couple_fix(c, in_axis(c, n, i, k), why);
  for (int i = 0; i < n->nout; i++)
    for (int k = 0; k < n->out[i]->type->rank; k++)
      couple_fix(c, couple_value(c, n->out[i], k), why);
}

/* Axis i of the operand is axis i of the result, but for those of `but` (bits), which stay. */
static void same(coupling *c, const mc_node *n, unsigned but, const char *why) {
  for (int i = 0; i < rank_out(n); i++) {
    if (!(but >> i & 1)) {
      couple_axes(c, out_axis(c, n, i), in_axis(c, n, 0, i));
      continue;
    }
    couple_fix(c, in_axis(c, n, 0, i), why);
    couple_fix(c, out_axis(c, n, i), why);
  }
}

/* An operand of an elementwise op: axes from the last on; one of size 1 is read by all. */
static void broadcast_operand(coupling *c, const mc_node *n, int slot) {
  int r = rank_in(n, slot), d = rank_out(n) - r;
  for (int i = 0; i < r; i++) {
    run x = in_axis(c, n, slot, i), y = out_axis(c, n, i + d);
    if (x.n == y.n) couple_axes(c, y, x);
  }
}

static void last_axes(coupling *c, const mc_node *n, int slot) {
  int r = rank_in(n, slot), d = rank_out(n) - r;
  for (int i = 0; i < r; i++) couple_axes(c, out_axis(c, n, i + d), in_axis(c, n, slot, i));
}

/* ---- products ---- */

/* Channels of a grouped convolution are (group, channel inside): whole groups go, or the same
 * channels inside of each. */
static void conv_channels(coupling *c, const mc_node *n, int64_t groups) {
  run x = in_axis(c, n, 0, 3), y = out_axis(c, n, 3), wi = in_axis(c, n, 1, 3);
  couple_axes(c, y, in_axis(c, n, 1, 0));
  if (groups == 1) {
    couple_axes(c, x, wi);
    return;
  }
  run g = couple_new(c, groups), inside = couple_new(c, y.n / groups);
  couple_note_groups(c, n, g);
  couple_merge(c, x, (run[]){ g, wi }, 2);
  if (wi.n == 1) couple_live(c, g); /* depthwise: with its input */
  couple_merge(c, y, (run[]){ g, inside }, 2);
}

static void visit_conv(coupling *c, const mc_node *n) {
  int64_t groups =
      n->op == MC_OP_conv2d ? MC_ATTRS(n, conv2d)->groups : MC_ATTRS(n, conv_transpose2d)->groups;
  couple_axes(c, in_axis(c, n, 0, 0), out_axis(c, n, 0));
  for (int i = 1; i < 3; i++) {
    couple_fix(c, in_axis(c, n, 0, i), "rows or columns of an image");
    couple_fix(c, out_axis(c, n, i), "rows or columns of an image");
    couple_fix(c, in_axis(c, n, 1, i), "taps of a convolution");
  }
  conv_channels(c, n, groups);
  if (n->nin > 2) couple_axes(c, out_axis(c, n, 3), in_axis(c, n, 2, 0));
}

static void visit_linear(coupling *c, const mc_node *n) {
  int last = rank_out(n) - 1;
  for (int i = 0; i < last; i++) couple_axes(c, out_axis(c, n, i), in_axis(c, n, 0, i));
  couple_axes(c, in_axis(c, n, 0, last), in_axis(c, n, 1, 1));
  couple_axes(c, out_axis(c, n, last), in_axis(c, n, 1, 0));
  if (n->nin > 2) couple_axes(c, out_axis(c, n, last), in_axis(c, n, 2, 0));
}

static void mark_head(coupling *c, run x) {
  for (int64_t i = 0; x.first >= 0 && i < x.n; i++)
    c->slot.v[couple_root(c, x.first + (int)i)].head = true;
}

/* a [..., m, k] times b [..., k, n]: batch axes that both have are heads. */
static void visit_matmul(coupling *c, const mc_node *n) {
  int r = rank_out(n), ra = rank_in(n, 0), rb = rank_in(n, 1),
      tb = MC_ATTRS(n, matmul)->transpose_b;
  bool computed = !mc_value_tensor(n->in[0]) && !mc_value_tensor(n->in[1]);
  for (int i = 0; i < r - 2; i++) {
    run y = out_axis(c, n, i), x[2] = { { -1, 0 }, { -1, 0 } };
    for (int k = 0; k < 2; k++) {
      int at = i - (r - (k ? rb : ra));
      if (at < 0) continue;
      x[k] = in_axis(c, n, k, at);
      if (x[k].n == y.n) couple_axes(c, y, x[k]);
    }
    if (computed && x[0].n == y.n && x[1].n == y.n && y.n > 1) mark_head(c, y);
  }
  couple_axes(c, out_axis(c, n, r - 2), in_axis(c, n, 0, ra - 2));
  couple_axes(c, out_axis(c, n, r - 1), in_axis(c, n, 1, tb ? rb - 2 : rb - 1));
  couple_axes(c, in_axis(c, n, 0, ra - 1), in_axis(c, n, 1, tb ? rb - 1 : rb - 2));
}

/* ---- normalization, pools, reductions ---- */

static void visit_layer_norm(coupling *c, const mc_node *n) {
  int first = (int)norm_axis(MC_ATTRS(n, layer_norm)->axis, rank_out(n));
  unsigned but = c->o.norms ? 0 : ~0u << first;
  same(c, n, but, "layer_norm runs over it (norms=true lets its statistics change)");
  for (int i = 1; i < n->nin; i++) last_axes(c, n, i);
}

static void visit_softmax(coupling *c, const mc_node *n) {
  same(c, n, 1u << norm_axis(MC_ATTRS(n, softmax)->axis, rank_out(n)), "softmax runs over it");
}

static void visit_reduce(coupling *c, const mc_node *n) {
  const mc_attrs_reduce_mean *m = n->op == MC_OP_reduce_mean ? MC_ATTRS(n, reduce_mean) : NULL;
  const mc_attrs_reduce_sum *s = n->op == MC_OP_reduce_sum ? MC_ATTRS(n, reduce_sum) : NULL;
  mc_ints axes = m ? m->axes : s ? s->axes : MC_ATTRS(n, reduce_max)->axes;
  bool keep = m ? m->keepdims : s ? s->keepdims : MC_ATTRS(n, reduce_max)->keepdims;
  unsigned gone = 0;
  for (int i = 0; i < axes.n; i++) gone |= 1u << norm_axis(axes.v[i], rank_in(n, 0));
  for (int i = 0, k = 0; i < rank_in(n, 0); i++) {
    if (gone >> i & 1) {
      couple_fix(c, in_axis(c, n, 0, i), "a reduction runs over it");
      k += keep;
    } else
      couple_axes(c, out_axis(c, n, k++), in_axis(c, n, 0, i));
  }
}

/* ---- moving elements ---- */

static void visit_concat(coupling *c, const mc_node *n) {
  int joined = (int)norm_axis(MC_ATTRS(n, concat)->axis, rank_out(n));
  int64_t at = 0;
  for (int i = 0; i < n->nin; i++) {
    for (int k = 0; k < rank_out(n); k++) {
      run x = in_axis(c, n, i, k), y = out_axis(c, n, k);
      couple_axes(c, k == joined ? couple_part(y, at, x.n) : y, x);
    }
    at += n->in[i]->type->dim[joined];
  }
}

static void visit_split(coupling *c, const mc_node *n) {
  int cut = (int)norm_axis(MC_ATTRS(n, split)->axis, rank_in(n, 0));
  int64_t at = 0;
  for (int i = 0; i < n->nout; i++) {
    for (int k = 0; k < rank_in(n, 0); k++) {
      run x = in_axis(c, n, 0, k), y = couple_value(c, n->out[i], k);
      couple_axes(c, y, k == cut ? couple_part(x, at, y.n) : x);
    }
    at += n->out[i]->type->dim[cut];
  }
}

/* Parts with steps other than 1 have no form when what lies between is lost. */
static void visit_slice(coupling *c, const mc_node *n) {
  const mc_attrs_slice *s = MC_ATTRS(n, slice);
  for (int i = 0; i < rank_out(n); i++) {
    run x = in_axis(c, n, 0, i), y = out_axis(c, n, i);
    if (!s->steps.n || s->steps.v[i] == 1) {
      couple_axes(c, y, couple_part(x, s->starts.v[i], y.n));
      continue;
    }
    couple_fix(c, x, "a slice with steps");
    couple_fix(c, y, "a slice with steps");
  }
}

/* A border of constants is channels that nothing makes: they may go as well. */
static void visit_pad(coupling *c, const mc_node *n) {
  const mc_attrs_pad *p = MC_ATTRS(n, pad);
  for (int i = 0; i < rank_out(n); i++) {
    run x = in_axis(c, n, 0, i), y = out_axis(c, n, i);
    if (p->mode == mc_padmode_constant || y.n == x.n) {
      couple_axes(c, couple_part(y, p->before.v[i], x.n), x);
      continue;
    }
    couple_fix(c, x, "a border that repeats channels");
    couple_fix(c, y, "a border that repeats channels");
  }
}

static void visit_transpose(coupling *c, const mc_node *n) {
  for (int i = 0; i < rank_out(n); i++)
    couple_axes(c, out_axis(c, n, i), in_axis(c, n, 0, (int)MC_ATTRS(n, transpose)->perm.v[i]));
}

/* The indices of a constant list, or NULL. */
static const mc_tensor *index_list(const mc_node *n) {
  const mc_tensor *t = mc_value_tensor(n->in[1]);
  return t && t->rank == 1 && (t->dtype == MC_i64 || t->dtype == MC_i32) ? t : NULL;
}

static void visit_gather(coupling *c, const mc_node *n) {
  int picked = (int)norm_axis(MC_ATTRS(n, gather)->axis, rank_in(n, 0)), ri = rank_in(n, 1);
  for (int i = 0; i < rank_in(n, 0); i++)
    if (i != picked)
      couple_axes(c, out_axis(c, n, i < picked ? i : i - 1 + ri), in_axis(c, n, 0, i));
  run x = in_axis(c, n, 0, picked);
  const mc_tensor *t = index_list(n);
  if (!t) {
    couple_fix(c, x, "gather picks by number");
    for (int i = 0; i < ri; i++)
      couple_fix(c, out_axis(c, n, picked + i), "gather picks by number");
    return;
  }
  for (int64_t i = 0; i < t->dim[0]; i++) {
    int64_t at = t->dtype == MC_i64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
    if (at < 0) at += x.n;
    at = at < 0 ? 0 : at >= x.n ? x.n - 1 : at;
    couple_axes(c, couple_part(out_axis(c, n, picked), i, 1), couple_part(x, at, 1));
  }
}

static void visit_return(coupling *c, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    for (int k = 0; k < rank_in(n, i); k++)
      if (!c->o.outputs || k < rank_in(n, i) - 1)
        couple_fix(c, in_axis(c, n, i, k), "a result of the graph");
}

static void visit_group(coupling *c, const mc_node *n) {
  MC_FOR_NODES (k, n->region)
    for (int i = 0; i < k->nin; i++)
      for (int j = 0; j < rank_in(k, i); j++)
        couple_fix(c, couple_value(c, k->in[i], j), "a formed group reads it");
  fix_all(c, n, "a formed group makes it");
}

static void visit_image(coupling *c, const mc_node *n) {
  same(c, n, 1u << 1 | 1u << 2, "rows or columns of an image");
}

static void visit_batch_norm(coupling *c, const mc_node *n) {
  same(c, n, 0, NULL);
  for (int i = 1; i < n->nin; i++) last_axes(c, n, i);
}

static void visit_reshape(coupling *c, const mc_node *n) { couple_reshape(c, n); }

static void visit_broadcast(coupling *c, const mc_node *n) { broadcast_operand(c, n, 0); }

/* ---- elementwise ops, and all that nothing is known of ---- */

static void visit_each(coupling *c, const mc_node *n) { same(c, n, 0, NULL); }

static void visit_pair(coupling *c, const mc_node *n) {
  broadcast_operand(c, n, 0);
  broadcast_operand(c, n, 1);
}

static void visit_fixed(coupling *c, const mc_node *n) { fix_all(c, n, mc_ops[n->op].text); }

static void (*const visit[MC_NUM_OPS])(coupling *, const mc_node *) = {
#define MC_ROUTE(op, family, channels) [MC_OP_##op] = visit_##channels,
#include "mc/ir/ops.def"
};

void couple_node(coupling *c, const mc_node *n) { visit[n->op](c, n); }
