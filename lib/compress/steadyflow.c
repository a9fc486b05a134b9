/* Which elements of every value depend on the input. Exact where elements only move; where they are
 * combined, an element depends when any that it is made of does (and is not multiplied by 0). */
#include "steady.h"
#include "mc/ref/eval.h"
#include <math.h>
#include <string.h>

typedef unsigned char flag;

typedef struct flow {
  mc_arena *a;
  mc_map of;
} flow;

static int64_t last_dim(const mc_value *v) {
  return v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
}

static int64_t elems(const mc_value *v) { return mc_type_elems(v->type); }

static const float *data_of(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 ? t->data : NULL;
}

static const flag *flags_of(const flow *f, const mc_value *v) { return mc_map_ptr_get(&f->of, v); }

static bool depends(const flow *f, const mc_value *v, int64_t i) {
  if (mc_value_tensor(v)) return false;
  const flag *x = flags_of(f, v);
  return !x || x[i];
}

/* Constants alone, or values of which some element is fixed: then it is worth looking. */
static bool partly(const flow *f, const mc_node *n) {
  bool all = true;
  for (int i = 0; i < n->nin; i++) {
    if (flags_of(f, n->in[i])) return true;
    all &= mc_value_tensor(n->in[i]) != NULL;
  }
  return all;
}

static bool any_depends(const flow *f, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    for (int64_t k = 0; k < elems(n->in[i]); k++)
      if (depends(f, n->in[i], k)) return true;
  return false;
}

static flag *new_flags(const flow *f, const mc_value *v, bool set) {
  flag *y = MC_NEWN(f->a, flag, elems(v) + 1);
  memset(y, set, (size_t)elems(v));
  return y;
}

/* Kept only where something is fixed. */
static void note(flow *f, const mc_value *v, flag *y) {
  if (memchr(y, 0, (size_t)elems(v))) *mc_map_ptr_slot(&f->of, v) = y;
}

/* For each channel (last axis): does any position depend? */
static flag *channels_of(const flow *f, const mc_value *v) {
  int64_t c = last_dim(v);
  flag *y = MC_NEWN(f->a, flag, c + 1);
  for (int64_t i = 0; i < elems(v); i++) y[i % c] |= depends(f, v, i);
  return y;
}

/* ---- op families ---- */

/* Weights [c_out, taps..., c_in / groups]; by channels. */
static void flow_product(flow *f, const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  const float *x = data_of(n->in[1]);
  if (!x || (n->nin > 2 && !data_of(n->in[2]))) {
    if (!any_depends(f, n)) note(f, n->out[0], new_flags(f, n->out[0], false));
    return;
  }
  int64_t rows = w->dim[0], k = mc_type_elems(w) / rows, per = w->dim[w->rank - 1],
          groups = last_dim(n->in[0]) / per;
  flag *in = channels_of(f, n->in[0]), *out = MC_NEWN(f->a, flag, rows),
       *y = new_flags(f, n->out[0], true);
  for (int64_t o = 0; o < rows; o++)
    for (int64_t i = 0; i < k && !out[o]; i++)
      out[o] = x[o * k + i] != 0 && in[o / (rows / groups) * per + i % per];
  for (int64_t i = 0; i < elems(n->out[0]); i++) y[i] = out[i % rows];
  note(f, n->out[0], y);
}

static void flow_batch_norm(flow *f, const mc_node *n) {
  const float *gamma = data_of(n->in[1]), *beta = data_of(n->in[2]);
  int64_t c = last_dim(n->in[0]);
  flag *y = new_flags(f, n->out[0], true);
  for (int64_t i = 0; i < elems(n->out[0]); i++)
    y[i] = depends(f, n->in[0], i) &&
           !(gamma && beta && fabsf(gamma[i % c]) <= 1e-6f * fabsf(beta[i % c]));
  note(f, n->out[0], y);
}

/* Element of an operand that element i of the result reads (numpy broadcasting). */
static int64_t read_at(const mc_value *x, const mc_value *y, int64_t i) {
  int64_t at = 0, stride = 1;
  for (int a = y->type->rank - 1, k = x->type->rank - 1; k >= 0; a--, k--) {
    int64_t index = i % y->type->dim[a];
    i /= y->type->dim[a];
    if (x->type->dim[k] > 1) at += index * stride;
    stride *= x->type->dim[k];
  }
  return at;
}

static flag *each_depends(const flow *f, const mc_node *n) {
  flag *y = new_flags(f, n->out[0], false);
  for (int64_t i = 0; i < elems(n->out[0]); i++)
    for (int k = 0; k < n->nin; k++) y[i] |= depends(f, n->in[k], read_at(n->in[k], n->out[0], i));
  return y;
}

static void flow_each(flow *f, const mc_node *n) { note(f, n->out[0], each_depends(f, n)); }

/* Times 0 it is 0, whatever the other operand. */
static void flow_times(flow *f, const mc_node *n) {
  flag *y = each_depends(f, n);
  for (int k = 0; k < 2; k++) {
    const float *x = data_of(n->in[k]);
    for (int64_t i = 0; x && i < elems(n->out[0]); i++)
      if (x[read_at(n->in[k], n->out[0], i)] == 0) y[i] = false;
  }
  note(f, n->out[0], y);
}

/* Channels stay apart, positions do not: pools, resize. */
static void flow_channels(flow *f, const mc_node *n) {
  flag *in = channels_of(f, n->in[0]), *y = new_flags(f, n->out[0], false);
  for (int64_t i = 0; i < elems(n->out[0]); i++) y[i] = in[i % last_dim(n->out[0])];
  note(f, n->out[0], y);
}

/* Axes (bits) run together: elements that differ only there. The result has the operand's shape,
 * or that without the axes. */
static void over(flow *f, const mc_node *n, unsigned axes) {
  const mc_type *x = n->in[0]->type;
  int64_t cells = 1, step[MC_MAX_RANK] = { 0 };
  for (int a = x->rank - 1; a >= 0; a--)
    if (!(axes >> a & 1)) step[a] = cells, cells *= x->dim[a];
  flag *cell = MC_NEWN(f->a, flag, cells), *y = new_flags(f, n->out[0], false);
  bool same = elems(n->out[0]) == mc_type_elems(x);
  for (int pass = 0; pass < 1 + same; pass++)
    for (int64_t i = 0; i < mc_type_elems(x); i++) {
      int64_t at = 0, rest = i;
      for (int a = x->rank - 1; a >= 0; rest /= x->dim[a--]) at += rest % x->dim[a] * step[a];
      if (!pass)
        cell[at] |= depends(f, n->in[0], i);
      else
        y[i] = cell[at];
    }
  if (!same) memcpy(y, cell, (size_t)cells);
  note(f, n->out[0], y);
}

static int plain_axis(int64_t axis, const mc_value *v) {
  return (int)(axis < 0 ? axis + v->type->rank : axis);
}

static void flow_softmax(flow *f, const mc_node *n) {
  over(f, n, 1u << plain_axis(MC_ATTRS(n, softmax)->axis, n->in[0]));
}

static void flow_layer_norm(flow *f, const mc_node *n) {
  over(f, n, ~0u << plain_axis(MC_ATTRS(n, layer_norm)->axis, n->in[0]));
}

static void flow_reduce(flow *f, const mc_node *n) {
  const mc_ints *axes = mc_op_attr(n->op, n->attrs, "axes");
  unsigned bits = 0;
  for (int i = 0; i < axes->n; i++) bits |= 1u << plain_axis(axes->v[i], n->in[0]);
  over(f, n, bits);
}

/* Row m of a and column n of b. */
static void flow_matmul(flow *f, const mc_node *n) {
  const mc_value *a = n->in[0], *b = n->in[1], *y = n->out[0];
  bool tb = MC_ATTRS(n, matmul)->transpose_b;
  int64_t m = y->type->dim[y->type->rank - 2], c = last_dim(y), k = last_dim(a);
  flag *row = MC_NEWN(f->a, flag, elems(a) / k), *col = MC_NEWN(f->a, flag, elems(b) / k),
       *out = new_flags(f, y, false);
  for (int64_t i = 0; i < elems(a); i++) row[i / k] |= depends(f, a, i);
  for (int64_t i = 0; i < elems(b); i++)
    col[tb ? i / k : i / (k * c) * c + i % c] |= depends(f, b, i);
  mc_type ya = *y->type;
  ya.rank -= 2; /* batch axes of the result, and of the operands */
  mc_type ta = *a->type, tc = *b->type;
  ta.rank -= 2;
  tc.rank -= 2;
  mc_value va = { .type = &ta }, vb = { .type = &tc }, vy = { .type = &ya };
  for (int64_t i = 0; i < elems(y); i++) {
    int64_t batch = i / (m * c);
    out[i] =
        row[read_at(&va, &vy, batch) * m + i / c % m] || col[read_at(&vb, &vy, batch) * c + i % c];
  }
  note(f, y, out);
}

/* Elements only move: what the evaluator makes of 1 for what depends, against 2. Borders are the
 * same in both. False: it does not evaluate. */
static bool move_once(const flow *f, const mc_node *n, float mark, mc_array *y) {
  mc_array *x = MC_NEWN(f->a, mc_array, n->nin + 1);
  mc_diag quiet;
  mc_diag_init(&quiet, f->a);
  for (int k = 0; k < n->nin; k++) {
    const mc_tensor *t = mc_value_tensor(n->in[k]);
    bool index = n->in[k]->type->dtype != MC_f32;
    if (index && !t) return false;
    float *p = index ? (float *)(uintptr_t)t->data : MC_NEWN(f->a, float, elems(n->in[k]));
    for (int64_t i = 0; !index && i < elems(n->in[k]); i++)
      p[i] = depends(f, n->in[k], i) ? mark : 0;
    x[k] = (mc_array){ n->in[k]->type, p };
  }
  for (int i = 0; i < n->nout; i++)
    y[i] = (mc_array){ n->out[i]->type, MC_NEWN(f->a, float, elems(n->out[i])) };
  return mc_eval_node(n, x, y, &quiet);
}

static void flow_move(flow *f, const mc_node *n) {
  mc_array *y = MC_NEWN(f->a, mc_array, 2 * n->nout + 2);
  if (!move_once(f, n, 1, y) || !move_once(f, n, 2, y + n->nout)) return;
  for (int i = 0; i < n->nout; i++) {
    flag *to = new_flags(f, n->out[i], false);
    const float *one = y[i].data, *two = y[n->nout + i].data;
    for (int64_t k = 0; k < elems(n->out[i]); k++) to[k] = !(one[k] == two[k]);
    note(f, n->out[i], to);
  }
}

/* What an unknown op makes is fixed where all that it reads is. */
static void flow_other(flow *f, const mc_node *n) {
  if (n->op == MC_OP_group || any_depends(f, n)) return;
  for (int i = 0; i < n->nout; i++) note(f, n->out[i], new_flags(f, n->out[i], false));
}

static bool has_border(const mc_node *n) {
  return n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant;
}

static bool mixed(const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (mc_value_tensor(n->in[i]) && n->in[i]->type->dtype == MC_f32) return true;
  return false;
}

typedef void flow_fn(flow *f, const mc_node *n);
static flow_fn *const flow_of[MC_NUM_OPS] = {
#define MC_FOLLOW(op, flip, flow, cut) [MC_OP_##op] = flow_##flow,
#include "mc/ir/ops.def"
};

static void visit(flow *f, const mc_node *n) {
  for (int i = 0; i < n->nout; i++)
    if (n->out[i]->type->dtype != MC_f32) {
      flow_other(f, n);
      return;
    }
  if (!partly(f, n) && !has_border(n) && !mixed(n)) return; /* all of it depends */
  flow_of[n->op](f, n);
}

mc_map mc_steady_flow(const mc_graph *g, mc_arena *a) {
  flow f = { .a = a };
  mc_map_init(&f.of, a);
  MC_FOR_NODES (n, g)
    if (!mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) visit(&f, n);
  return f.of;
}
