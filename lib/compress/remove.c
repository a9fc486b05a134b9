/* Removing channels for real: constants lose slices, counting attributes follow, shapes are
 * inferred again. */
#include "compress.h"
#include "mc/ir/build.h"
#include <string.h>

typedef struct cutter {
  mc_graph *g;
  const mc_channels *ch;
  const bool *keep;
  mc_diag *d;
  mc_arena *a;
} cutter;

static bool stays(const cutter *c, int k) { return k < 0 || c->keep[k]; }

/* ---- constants ---- */

/* A tensor with only the indices of `axis` whose flag is set; same name with ".p". */
static mc_tensor *cut_tensor(cutter *c, const mc_tensor *t, const char *name, int axis,
                             const bool *flag) {
  int64_t dim[MC_MAX_RANK], outer = 1, left = 0, n = t->dim[axis];
  size_t inner = mc_dtype_size(t->dtype);
  memcpy(dim, t->dim, sizeof dim);
  for (int i = 0; i < axis; i++) outer *= t->dim[i];
  for (int i = axis + 1; i < t->rank; i++) inner *= (size_t)t->dim[i];
  for (int64_t i = 0; i < n; i++) left += flag[i];
  dim[axis] = left;
  void *p;
  mc_tensor *r = mc_tensor_create(c->g->module, name, t->dtype, t->rank, dim, &p);
  char *to = p;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < n; i++)
      if (flag[i])
        memcpy(to, (const char *)t->data + (size_t)(o * n + i) * inner, inner), to += inner;
  return r;
}

static bool is_product(const mc_node *n) {
  return n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d || n->op == MC_OP_linear;
}

/* The class of an index of a constant operand; a bias that came after the analysis follows the
 * result. */
static int class_of(const cutter *c, const mc_node *n, int slot, int axis, int64_t i) {
  if (is_product(n) && slot == 2) return mc_channels_class(c->ch, n->out[0], i);
  return mc_channels_operand(c->ch, n, slot, axis, i);
}

static bool cut_operand(cutter *c, mc_node *n, int slot) {
  const mc_tensor *t = mc_value_tensor(n->in[slot]), *whole = t;
  bool *flag[MC_MAX_RANK], any[MC_MAX_RANK] = { false };
  for (int axis = 0; axis < t->rank; axis++) {
    flag[axis] = MC_NEWN(c->a, bool, t->dim[axis]);
    for (int64_t i = 0; i < t->dim[axis]; i++) {
      flag[axis][i] = stays(c, class_of(c, n, slot, axis, i));
      any[axis] |= !flag[axis][i];
    }
  }
  int axes = 0, done = 0;
  for (int axis = 0; axis < whole->rank; axis++) axes += any[axis];
  for (int axis = 0; axis < whole->rank; axis++) {
    if (!any[axis]) continue;
    bool last = ++done == axes;
    const char *name =
        last && whole->name ? mc_arena_printf(c->g->module->arena, "%s.p", whole->name) : NULL;
    t = cut_tensor(c, t, name, axis, flag[axis]);
  }
  if (t == whole) return true;
  mc_builder b = { .graph = c->g, .before = n, .diag = c->d, .loc = n->loc };
  mc_value *w = mc_build_tensor(&b, (mc_tensor *)(uintptr_t)t, NULL);
  if (w) mc_node_set_in(n, slot, w);
  return w != NULL;
}

static bool cut_constants(cutter *c, mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (mc_value_tensor(n->in[i]) && n->in[i]->type->dtype == MC_f32 && !cut_operand(c, n, i))
      return false;
  return true;
}

/* ---- attributes and indices that count channels ---- */

static int64_t kept_axis(const cutter *c, const mc_value *v, int axis) {
  return mc_channels_kept_axis(c->ch, v, axis, c->keep);
}

/* Kept indices of the axis of an operand before `end`. */
static int64_t kept_before(const cutter *c, const mc_node *n, int slot, int axis, int64_t end) {
  int64_t left = 0;
  for (int64_t i = 0; i < end; i++) left += stays(c, mc_channels_operand(c->ch, n, slot, axis, i));
  return left;
}

static void follow_shape(const cutter *c, const mc_node *n, mc_ints *s) {
  for (int i = 0; i < s->n; i++)
    if (s->v[i] != -1) s->v[i] = kept_axis(c, n->out[0], i);
}

static bool cut_pad(cutter *c, mc_node *n) {
  mc_attrs_pad *p = MC_ATTRS(n, pad);
  for (int axis = 0; axis < n->out[0]->type->rank; axis++) {
    int64_t size = n->out[0]->type->dim[axis], before = 0, after = 0;
    for (int64_t i = 0; i < size; i++) {
      bool here = stays(c, mc_channels_axis(c->ch, n->out[0], axis, i));
      before += here && i < p->before.v[axis];
      after += here && i >= size - p->after.v[axis];
    }
    p->before.v[axis] = before;
    p->after.v[axis] = after;
  }
  return true;
}

static bool cut_conv(cutter *c, mc_node *n) {
  int64_t *groups = mc_op_attr(n->op, n->attrs, "groups"), left = 0;
  for (int64_t i = 0; i < *groups; i++) left += stays(c, mc_channels_conv_group(c->ch, n, i));
  *groups = left;
  return true;
}

/* A list of indices: those that stay, counted anew. */
static bool cut_gather(cutter *c, mc_node *n) {
  const mc_tensor *t = mc_value_tensor(n->in[1]);
  if (!t || t->rank != 1 || n->out[0]->type->dtype != MC_f32) return true;
  int axis = (int)MC_ATTRS(n, gather)->axis;
  if (axis < 0) axis += n->in[0]->type->rank;
  int64_t size = n->in[0]->type->dim[axis], left = kept_axis(c, n->out[0], axis), at = 0;
  if (left == t->dim[0] && kept_before(c, n, 0, axis, size) == size) return true;
  void *p;
  mc_tensor *r = mc_tensor_create(
      c->g->module, t->name ? mc_arena_printf(c->g->module->arena, "%s.p", t->name) : NULL,
      t->dtype, 1, &left, &p);
  for (int64_t i = 0; i < t->dim[0]; i++) {
    if (!stays(c, mc_channels_axis(c->ch, n->out[0], axis, i))) continue;
    int64_t from =
        t->dtype == MC_i64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
    from = from < 0 ? from + size : from;
    from = kept_before(c, n, 0, axis, from < 0 ? 0 : from >= size ? size - 1 : from);
    if (t->dtype == MC_i64)
      ((int64_t *)p)[at++] = from;
    else
      ((int32_t *)p)[at++] = (int32_t)from;
  }
  mc_builder b = { .graph = c->g, .before = n, .diag = c->d, .loc = n->loc };
  mc_value *v = mc_build_tensor(&b, r, NULL);
  if (v) mc_node_set_in(n, 1, v);
  return v != NULL;
}

static bool cut_shape(cutter *c, mc_node *n) {
  follow_shape(c, n, mc_op_attr(n->op, n->attrs, "shape"));
  return true;
}

static bool cut_slice(cutter *c, mc_node *n) {
  mc_attrs_slice *a = MC_ATTRS(n, slice);
  for (int i = 0; i < n->out[0]->type->rank; i++)
    a->starts.v[i] = kept_before(c, n, 0, i, a->starts.v[i]);
  follow_shape(c, n, &a->sizes);
  return true;
}

static bool cut_split(cutter *c, mc_node *n) {
  mc_attrs_split *a = MC_ATTRS(n, split);
  int axis = (int)(a->axis < 0 ? a->axis + n->in[0]->type->rank : a->axis);
  for (int i = 0; i < n->nout; i++) a->sizes.v[i] = kept_axis(c, n->out[i], axis);
  return true;
}

/* No attribute counts channels. */
static bool cut_none(cutter *c, mc_node *n) {
  (void)c, (void)n;
  return true;
}

/* Before the constants are cut: types are as they were analysed. */
typedef bool cut_fn(cutter *c, mc_node *n);
static cut_fn *const cut[MC_NUM_OPS] = {
#define MC_FOLLOW(op, flip, flow, cut) [MC_OP_##op] = cut_##cut,
#include "mc/ir/ops.def"
};

/* ---- results of the graph ---- */

typedef struct result {
  bool *flag;
  int64_t n;
  bool lost;
} result;

static result *note_results(cutter *c) {
  int n = mc_graph_nout(c->g);
  result *r = MC_NEWN(c->a, result, n + 1);
  for (int i = 0; i < n; i++) {
    const mc_value *v = mc_graph_out(c->g, i);
    r[i].n = v->type->rank ? v->type->dim[v->type->rank - 1] : 0;
    r[i].flag = MC_NEWN(c->a, bool, r[i].n + 1);
    for (int64_t k = 0; k < r[i].n; k++) {
      r[i].flag[k] = stays(c, mc_channels_class(c->ch, v, k));
      r[i].lost |= !r[i].flag[k];
    }
  }
  return r;
}

static bool cut_graph(cutter *c, const mc_channels_fill *fill) {
  result *r = note_results(c);
  MC_FOR_NODES (n, c->g)
    if (!mc_op_has(n->op, MC_T_CONST) && !cut[n->op](c, n)) return false;
  MC_FOR_NODES (n, c->g)
    if (!mc_op_has(n->op, MC_T_CONST) && !cut_constants(c, n)) return false;
  MC_FOR_NODES_REV (n, c->g)
    if (mc_op_has(n->op, MC_T_CONST) && !n->out[0]->uses) mc_node_remove(n);
  if (!mc_infer_graph(c->g, c->d)) return false;
  for (int i = 0; i < mc_graph_nout(c->g); i++) {
    const float *value = fill && fill->value ? fill->value[i] : NULL;
    if (r[i].lost && !mc_channels_restore(c->g, i, r[i].flag, r[i].n, value, c->d)) return false;
  }
  return true;
}

bool mc_channels_remove_fill(mc_graph *g, const mc_channels *ch, const bool *keep,
                             const mc_channels_fill *fill, mc_diag *d) {
  cutter c = { .g = g, .ch = ch, .keep = keep, .d = d, .a = mc_arena_create() };
  bool ok = cut_graph(&c, fill);
  mc_arena_destroy(c.a);
  return ok;
}

bool mc_channels_remove(mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d) {
  return mc_channels_remove_fill(g, ch, keep, NULL, d);
}
