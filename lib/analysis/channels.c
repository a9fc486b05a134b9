/* Union-find over single channels: simple, exact for any mixture of concat, flatten and residuals, and small (a ResNet-50 has some 100,000). */
#include "mc/analysis/channels.h"
#include <string.h>

typedef struct work {
  const mc_graph *g; mc_arena *a;
  mc_channels *ch;
  int *parent; const char **fixed; /* by element; fixed is kept at roots */
} work;

bool mc_is_depthwise(const mc_node *n) {
  return n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups > 1 && MC_ATTRS(n, conv2d)->groups == n->in[0]->type->dim[3];
}

static int64_t last_dim(const mc_value *v) { return v->type->rank ? v->type->dim[v->type->rank - 1] : 0; }
static bool analysed(const mc_value *v) { return v->type->dtype == MC_f32 && v->type->rank > 0 && !mc_value_tensor(v); }

static int root(work *w, int e) {
  while (w->parent[e] != e) e = w->parent[e] = w->parent[w->parent[e]];
  return e;
}

static void join(work *w, int a, int b) {
  a = root(w, a);
  b = root(w, b);
  if (a == b) return;
  if (b < a) { int t = a; a = b; b = t; }
  w->parent[b] = a;
  if (!w->fixed[a]) w->fixed[a] = w->fixed[b];
}

static int first_of(const mc_channels *ch, const mc_value *v) {
  const int *p = mc_map_ptr_get(&ch->first, v);
  return p ? (int)(p - ch->element) : -1;
}

static void fix(work *w, const mc_value *v, const char *why) {
  int f = first_of(w->ch, v);
  for (int64_t c = 0; f >= 0 && c < last_dim(v); c++) {
    int r = root(w, f + (int)c);
    if (!w->fixed[r]) w->fixed[r] = why;
  }
}

static void fix_all(work *w, const mc_node *n, const char *why) {
  for (int i = 0; i < n->nin; i++) fix(w, n->in[i], why);
  for (int i = 0; i < n->nout; i++) fix(w, n->out[i], why);
}

/* y[y0 + i] belongs with x[x0 + i], i < n. */
static void couple(work *w, const mc_value *y, int64_t y0, const mc_value *x, int64_t x0, int64_t n) {
  int fy = first_of(w->ch, y), fx = first_of(w->ch, x);
  for (int64_t i = 0; fy >= 0 && fx >= 0 && i < n; i++) join(w, fy + (int)(y0 + i), fx + (int)(x0 + i));
}

static void same(work *w, const mc_node *n) { couple(w, n->out[0], 0, n->in[0], 0, last_dim(n->out[0])); }

static int64_t norm_axis(int64_t axis, int rank) { return axis < 0 ? axis + rank : axis; }

/* ---- op families ---- */

static void visit_conv(work *w, const mc_node *n) {
  int64_t groups = n->op == MC_OP_conv2d ? MC_ATTRS(n, conv2d)->groups : MC_ATTRS(n, conv_transpose2d)->groups;
  if (!mc_value_tensor(n->in[1]) || (n->nin > 2 && !mc_value_tensor(n->in[2]))) fix_all(w, n, "weights that are not constants");
  else if (mc_is_depthwise(n)) {
    int64_t c_in = last_dim(n->in[0]), mult = last_dim(n->out[0]) / c_in;
    for (int64_t c = 0; c < c_in; c++)
      for (int64_t j = 0; j < mult; j++) couple(w, n->out[0], c * mult + j, n->in[0], c, 1);
  } else if (groups != 1) fix_all(w, n, "a grouped convolution");
}

static void visit_binary(work *w, const mc_node *n) {
  int64_t c = last_dim(n->out[0]);
  for (int i = 0; i < 2; i++) {
    const mc_value *x = n->in[i];
    if (mc_value_tensor(x) || last_dim(x) == c) couple(w, n->out[0], 0, x, 0, c);
    else fix(w, x, "a broadcast along channels"), fix(w, n->out[0], "a broadcast along channels");
  }
}

static void visit_concat(work *w, const mc_node *n) {
  int64_t axis = norm_axis(MC_ATTRS(n, concat)->axis, n->out[0]->type->rank), at = 0;
  bool last = axis == n->out[0]->type->rank - 1;
  for (int i = 0; i < n->nin; i++) {
    if (mc_value_tensor(n->in[i])) {
      fix(w, n->out[0], "a constant joined by concat");
      return;
    }
    couple(w, n->out[0], at, n->in[i], 0, last_dim(n->in[i]));
    if (last) at += last_dim(n->in[i]);
  }
}

static void visit_split(work *w, const mc_node *n) {
  int64_t axis = norm_axis(MC_ATTRS(n, split)->axis, n->in[0]->type->rank), at = 0;
  for (int i = 0; i < n->nout; i++) {
    couple(w, n->out[i], 0, n->in[0], at, last_dim(n->out[i]));
    if (axis == n->in[0]->type->rank - 1) at += last_dim(n->out[i]);
  }
}

/* y's last axis is x's, or R repetitions of it (flatten); anything else cuts through channels. */
static void visit_reshape(work *w, const mc_node *n) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  int64_t c = last_dim(n->in[0]), d = last_dim(n->out[0]), tail = 1;
  int i = x->rank;
  while (i > 0 && tail < d) tail *= x->dim[--i];
  if (!c || d % c || tail != d || !y->rank) {
    fix_all(w, n, "a reshape that cuts through channels");
    return;
  }
  for (int64_t r = 0; r < d / c; r++) couple(w, n->out[0], r * c, n->in[0], 0, c);
}

static bool reduces_last(const mc_node *n) {
  mc_ints axes = n->op == MC_OP_reduce_mean ? MC_ATTRS(n, reduce_mean)->axes : n->op == MC_OP_reduce_sum ? MC_ATTRS(n, reduce_sum)->axes : MC_ATTRS(n, reduce_max)->axes;
  for (int i = 0; i < axes.n; i++)
    if (norm_axis(axes.v[i], n->in[0]->type->rank) == n->in[0]->type->rank - 1) return true;
  return false;
}

static bool keeps_last(const mc_node *n) {
  const mc_type *x = n->in[0]->type;
  switch (n->op) {
  case MC_OP_transpose: return MC_ATTRS(n, transpose)->perm.v[x->rank - 1] == x->rank - 1;
  case MC_OP_pad: return MC_ATTRS(n, pad)->before.v[x->rank - 1] == 0 && MC_ATTRS(n, pad)->after.v[x->rank - 1] == 0;
  case MC_OP_softmax: return norm_axis(MC_ATTRS(n, softmax)->axis, x->rank) != x->rank - 1;
  case MC_OP_broadcast: case MC_OP_slice: return last_dim(n->in[0]) == last_dim(n->out[0]);
  case MC_OP_reduce_mean: case MC_OP_reduce_sum: case MC_OP_reduce_max: return !reduces_last(n);
  case MC_OP_batch_norm: case MC_OP_max_pool: case MC_OP_avg_pool: case MC_OP_global_avg_pool: case MC_OP_global_max_pool: case MC_OP_resize: return true;
  default: return mc_op_has(n->op, MC_T_UNARY);
  }
}

static void visit(work *w, const mc_node *n) {
  if (mc_op_has(n->op, MC_T_CONST)) return;
  if (mc_op_has(n->op, MC_T_BINARY)) visit_binary(w, n);
  else if (n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d) visit_conv(w, n);
  else if (n->op == MC_OP_linear && mc_value_tensor(n->in[1]) && (n->nin < 3 || mc_value_tensor(n->in[2]))) return;
  else if (n->op == MC_OP_concat) visit_concat(w, n);
  else if (n->op == MC_OP_split) visit_split(w, n);
  else if (n->op == MC_OP_reshape) visit_reshape(w, n);
  else if (keeps_last(n)) same(w, n);
  else if (n->op == MC_OP_return) fix_all(w, n, "a result of the graph");
  else fix_all(w, n, mc_ops[n->op].text);
}

/* ---- classes and groups ---- */

static void number_elements(work *w) {
  mc_map_init(&w->ch->first, w->a);
  MC_VEC(const mc_value *) vals = { 0 };
  int n = 0;
  for (int i = 0; i < w->g->nin; i++) MC_PUSH(w->a, &vals, w->g->in[i]);
  MC_FOR_NODES(k, w->g) for (int i = 0; i < k->nout; i++) MC_PUSH(w->a, &vals, k->out[i]);
  for (size_t i = 0; i < vals.n; i++) n += analysed(vals.v[i]) ? (int)last_dim(vals.v[i]) : 0;
  w->ch->nelement = n;
  w->ch->element = MC_NEWN(w->a, int, n + 1);
  w->parent = MC_NEWN(w->a, int, n + 1);
  w->fixed = MC_NEWN(w->a, const char *, n + 1);
  for (int i = 0; i < n; i++) w->parent[i] = i;
  int *at = w->ch->element;
  for (size_t i = 0; i < vals.n; i++) {
    if (!analysed(vals.v[i])) continue;
    *mc_map_ptr_slot(&w->ch->first, vals.v[i]) = at;
    at += last_dim(vals.v[i]);
  }
}

static void number_classes(work *w) {
  mc_channels *ch = w->ch;
  int *of_root = MC_NEWN(w->a, int, ch->nelement + 1);
  ch->cls = MC_NEWN(w->a, mc_chan_class, ch->nelement + 1);
  for (int e = 0; e < ch->nelement; e++) {
    int r = root(w, e);
    if (r == e) {
      of_root[e] = ch->ncls;
      ch->cls[ch->ncls++] = (mc_chan_class){ .fixed = w->fixed[e], .group = -1 };
    }
    ch->element[e] = of_root[r];
    ch->cls[of_root[r]].members++;
  }
}

/* Group = set of producing nodes. Each class's producers are collected in node order, so equal sets are equal byte strings. */
static void form_groups(work *w) {
  mc_channels *ch = w->ch;
  typedef MC_VEC(mc_node *) nodes;
  nodes *of = MC_NEWN(w->a, nodes, ch->ncls + 1);
  MC_FOR_NODES(n, w->g) {
    if (!mc_op_has(n->op, MC_T_ACCUM) || n->op == MC_OP_matmul || mc_is_depthwise(n)) continue;
    for (int64_t c = 0; c < last_dim(n->out[0]); c++) {
      int k = mc_channels_class(ch, n->out[0], c);
      if (k >= 0 && (!of[k].n || of[k].v[of[k].n - 1] != n)) MC_PUSH(w->a, &of[k], n);
    }
  }
  mc_map sets;
  mc_map_init(&sets, w->a);
  ch->group = MC_NEWN(w->a, mc_chan_group, ch->ncls + 1);
  for (int k = 0; k < ch->ncls; k++) {
    if (!of[k].n) {
      if (!ch->cls[k].fixed) ch->cls[k].fixed = "no product makes it";
      continue;
    }
    void **slot = mc_map_bytes_slot(&sets, of[k].v, of[k].n * sizeof *of[k].v);
    if (!*slot) {
      mc_chan_group *g = *slot = &ch->group[ch->ngroup++];
      *g = (mc_chan_group){ .producer = of[k].v, .nproducer = (int)of[k].n };
    }
    mc_chan_group *g = *slot;
    g->size++;
    ch->cls[k].group = (int)(g - ch->group);
  }
}

int mc_channels_class(const mc_channels *ch, const mc_value *v, int64_t c) {
  int f = first_of(ch, v);
  return f < 0 ? -1 : ch->element[f + c];
}

mc_channels *mc_channels_of(const mc_graph *g, mc_arena *a) {
  work w = { .g = g, .a = a, .ch = MC_NEW(a, mc_channels) };
  number_elements(&w);
  for (int i = 0; i < g->nin; i++) fix(&w, g->in[i], "an input of the graph");
  MC_FOR_NODES(n, g) visit(&w, n);
  number_classes(&w);
  form_groups(&w);
  return w.ch;
}
