/* Removing channels for real: constants lose rows and columns, counting attributes follow, shapes are inferred again. */
#include "compress.h"
#include "mc/ir/build.h"
#include <string.h>

typedef struct cutter { mc_graph *g; const mc_channels *ch; const bool *keep; mc_map done; mc_diag *d; mc_arena *a; } cutter;

static int64_t last_dim(const mc_value *v) { return v->type->rank ? v->type->dim[v->type->rank - 1] : 0; }

static bool kept(const cutter *c, const mc_value *v, int64_t i) {
  int k = mc_channels_class(c->ch, v, i);
  return k < 0 || c->keep[k];
}

int64_t mc_channels_kept(const mc_channels *ch, const mc_value *v, const bool *keep) {
  int64_t n = 0, all = last_dim(v);
  for (int64_t i = 0; i < all; i++) {
    int k = mc_channels_class(ch, v, i);
    n += !keep || k < 0 || keep[k];
  }
  return n;
}

/* A tensor with only the indices of `axis` whose flag is set; same name with ".p". */
static mc_tensor *cut_tensor(cutter *c, const mc_tensor *t, int axis, const bool *flag, int64_t n) {
  int64_t dim[MC_MAX_RANK], outer = 1, left = 0;
  size_t inner = mc_dtype_size(t->dtype);
  memcpy(dim, t->dim, sizeof dim);
  for (int i = 0; i < axis; i++) outer *= t->dim[i];
  for (int i = axis + 1; i < t->rank; i++) inner *= (size_t)t->dim[i];
  for (int64_t i = 0; i < n; i++) left += flag[i];
  dim[axis] = left;
  void *p;
  mc_module *m = c->g->module;
  mc_tensor *r = mc_tensor_create(m, t->name ? mc_arena_printf(m->arena, "%s.p", t->name) : NULL, t->dtype, t->rank, dim, &p);
  char *to = p;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < n; i++)
      if (flag[i]) memcpy(to, (const char *)t->data + (size_t)(o * n + i) * inner, inner), to += inner;
  return r;
}

/* Replace operand `slot` of n, a constant, by its cut form along `axis`, following the channels of value v. */
static bool cut_operand(cutter *c, mc_node *n, int slot, int axis, const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(n->in[slot]);
  int64_t count = last_dim(v);
  if (!t || t->dim[axis] != count) return true; /* one value for all channels */
  bool *flag = MC_NEWN(c->a, bool, count), any = false;
  for (int64_t i = 0; i < count; i++) flag[i] = kept(c, v, i), any |= !flag[i];
  if (!any) return true;
  mc_builder b = { .graph = c->g, .before = n, .diag = c->d, .loc = n->loc };
  mc_value *w = mc_build_tensor(&b, cut_tensor(c, t, axis, flag, count), NULL);
  if (w) mc_node_set_in(n, slot, w);
  return w != NULL;
}

static bool cut_product(cutter *c, mc_node *n) {
  const mc_value *x = n->in[0], *y = n->out[0];
  int in_axis = n->op == MC_OP_linear ? 1 : 3;
  if (n->op == MC_OP_conv2d && mc_is_depthwise(n)) MC_ATTRS(n, conv2d)->groups = mc_channels_kept(c->ch, x, c->keep);
  else if (!cut_operand(c, n, 1, in_axis, x)) return false;
  return cut_operand(c, n, 1, 0, y) && (n->nin < 3 || cut_operand(c, n, 2, 0, y));
}

static bool cut_constants(cutter *c, mc_node *n) {
  if (n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d || n->op == MC_OP_linear) return cut_product(c, n);
  bool ok = true;
  if (n->op == MC_OP_batch_norm)
    for (int i = 1; i < 5; i++) ok = ok && cut_operand(c, n, i, 0, n->out[0]);
  if (mc_op_has(n->op, MC_T_BINARY))
    for (int i = 0; i < 2; i++) ok = ok && (!mc_value_tensor(n->in[i]) || !n->in[i]->type->rank || cut_operand(c, n, i, n->in[i]->type->rank - 1, n->out[0]));
  return ok;
}

/* Attributes that count channels. */
static void follow_attributes(cutter *c, mc_node *n) {
  int64_t left = n->nout ? mc_channels_kept(c->ch, n->out[0], c->keep) : 0;
  int rank = n->nout ? n->out[0]->type->rank : 0;
  if (n->op == MC_OP_reshape && rank) {
    mc_ints *s = &MC_ATTRS(n, reshape)->shape;
    if (s->v[rank - 1] != -1) s->v[rank - 1] = left;
  } else if (n->op == MC_OP_broadcast && rank) MC_ATTRS(n, broadcast)->shape.v[rank - 1] = left;
  else if (n->op == MC_OP_slice && rank) MC_ATTRS(n, slice)->sizes.v[rank - 1] = left;
  else if (n->op == MC_OP_split) {
    mc_attrs_split *a = MC_ATTRS(n, split);
    int64_t axis = a->axis < 0 ? a->axis + n->in[0]->type->rank : a->axis;
    for (int i = 0; axis == n->in[0]->type->rank - 1 && i < n->nout; i++) a->sizes.v[i] = mc_channels_kept(c->ch, n->out[i], c->keep);
  }
}

bool mc_channels_remove(mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d) {
  cutter c = { .g = g, .ch = ch, .keep = keep, .d = d, .a = mc_arena_create() };
  bool ok = true;
  MC_FOR_NODES(n, g) {
    if (mc_op_has(n->op, MC_T_CONST)) continue;
    ok = ok && cut_constants(&c, n);
  }
  MC_FOR_NODES(n, g) follow_attributes(&c, n);
  mc_arena_destroy(c.a);
  MC_FOR_NODES_REV(n, g) if (mc_op_has(n->op, MC_T_CONST) && !n->out[0]->uses) mc_node_remove(n);
  return ok && mc_infer_graph(g, d);
}

double mc_channels_macs(const mc_graph *g, const mc_channels *ch, const bool *keep) {
  double sum = 0;
  MC_FOR_NODES(n, g) {
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    const mc_type *y = n->out[0]->type, *w = n->in[1]->type, *x = n->in[0]->type;
    double rows = (double)(mc_type_elems(y) / y->dim[y->rank - 1]), out = (double)mc_channels_kept(ch, n->out[0], keep), in = (double)mc_channels_kept(ch, n->in[0], keep);
    if (n->op == MC_OP_conv2d) sum += rows * out * (double)(w->dim[1] * w->dim[2]) * (mc_is_depthwise(n) ? 1 : in / (double)MC_ATTRS(n, conv2d)->groups);
    else if (n->op == MC_OP_conv_transpose2d)
      sum += (double)(mc_type_elems(x) / x->dim[3]) * out * (double)(w->dim[1] * w->dim[2]) * in / (double)MC_ATTRS(n, conv_transpose2d)->groups;
    else sum += rows * out * in; /* linear; matmul reads its k from the last axis of a */
  }
  return sum;
}
