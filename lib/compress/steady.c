/* Which channels depend on the input: a walk along the last axis of every value, then one
 * evaluation on zeros for the numbers of those that do not. */
#include "steady.h"
#include "mc/ref/eval.h"
#include <math.h>
#include <string.h>

static int64_t channels_of(const mc_value *v) {
  return v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
}
static const float *data_of(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 ? t->data : NULL;
}
static unsigned char *flags(const steady *s, const mc_value *v) {
  return mc_map_ptr_get(&s->depends, v);
}
static unsigned char *flags_new(steady *s, const mc_value *v, bool set) {
  unsigned char *f = MC_NEWN(s->a, unsigned char, channels_of(v) + 1);
  memset(f, set, (size_t)channels_of(v));
  *mc_map_ptr_slot(&s->depends, v) = f;
  return f;
}
static bool depends(const steady *s, const mc_value *v, int64_t c) {
  const unsigned char *f = flags(s, v);
  return f && f[channels_of(v) == 1 ? 0 : c]; /* constants have no flags */
}
static bool any_depends(const steady *s, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    for (int64_t c = 0; c < channels_of(n->in[i]); c++)
      if (depends(s, n->in[i], c)) return true;
  return false;
}

/* ---- op families: out[c] ---- */

static bool normalized(const steady *s, const mc_node *n, int64_t c) {
  const float *gamma = data_of(n->in[1]), *beta = data_of(n->in[2]);
  return depends(s, n->in[0], c) && !(gamma && beta && fabsf(gamma[c]) <= 1e-6f * fabsf(beta[c]));
}

/* Weights [c_out, taps..., c_in / groups]. */
static bool summed(const steady *s, const mc_node *n, int64_t c) {
  const mc_type *w = n->in[1]->type;
  const float *x = data_of(n->in[1]);
  if (!x || (n->nin > 2 && !data_of(n->in[2]))) return any_depends(s, n);
  int64_t rows = w->dim[0], k = mc_type_elems(w) / rows, per = w->dim[w->rank - 1],
          groups = channels_of(n->in[0]) / per;
  for (int64_t i = 0; i < k; i++)
    if (x[c * k + i] != 0 && depends(s, n->in[0], c / (rows / groups) * per + i % per)) return true;
  return false;
}

static bool combined(const steady *s, const mc_node *n, int64_t c) {
  for (int i = 0; i < n->nin; i++) {
    const float *x = n->op == MC_OP_mul ? data_of(n->in[i]) : NULL;
    if (x && mc_type_elems(n->in[i]->type) == channels_of(n->in[i]) &&
        x[channels_of(n->in[i]) == 1 ? 0 : c] == 0)
      return false;
  }
  return depends(s, n->in[0], c) || depends(s, n->in[1], c);
}

static bool last_axis(int64_t axis, const mc_value *v) {
  return (axis < 0 ? axis + v->type->rank : axis) == v->type->rank - 1;
}

static void visit_concat(steady *s, const mc_node *n) {
  unsigned char *y = flags_new(s, n->out[0], false);
  bool last = last_axis(MC_ATTRS(n, concat)->axis, n->out[0]);
  for (int64_t i = 0, at = 0; i < n->nin; at += last ? channels_of(n->in[i]) : 0, i++)
    for (int64_t c = 0; c < channels_of(n->in[i]); c++) y[at + c] |= depends(s, n->in[i], c);
}
static void visit_split(steady *s, const mc_node *n) {
  bool last = last_axis(MC_ATTRS(n, split)->axis, n->in[0]);
  int64_t at = 0;
  for (int i = 0; i < n->nout; i++) {
    unsigned char *y = flags_new(s, n->out[i], false);
    for (int64_t c = 0; c < channels_of(n->out[i]); c++) y[c] = depends(s, n->in[0], at + c);
    at += last ? channels_of(n->out[i]) : 0;
  }
}
/* Does a reshape leave the last axis, or repeat it (flatten)? */
static bool repeats(const mc_node *n) {
  const mc_type *x = n->in[0]->type;
  int64_t c = channels_of(n->in[0]), d = channels_of(n->out[0]), tail = 1;
  for (int i = x->rank; i > 0 && tail < d;) tail *= x->dim[--i];
  return x->rank && d % c == 0 && tail == d;
}
static bool reduces(const mc_node *n, mc_ints *axes) {
  switch (n->op) {
  case MC_OP_reduce_mean: *axes = MC_ATTRS(n, reduce_mean)->axes; return true;
  case MC_OP_reduce_sum: *axes = MC_ATTRS(n, reduce_sum)->axes; return true;
  case MC_OP_reduce_max: *axes = MC_ATTRS(n, reduce_max)->axes; return true;
  default: return false; /* no reduction */
  }
}
/* Ops of one operand whose channel c comes from channel c alone. */
static bool keeps_channels(const mc_node *n) {
  const mc_value *x = n->in[0];
  mc_ints axes;
  int last = x->type->rank - 1;
  if (last < 0) return false;
  if (reduces(n, &axes)) {
    for (int i = 0; i < axes.n; i++)
      if (last_axis(axes.v[i], x)) return false;
    return true;
  }
  switch (n->op) {
  case MC_OP_transpose: return MC_ATTRS(n, transpose)->perm.v[last] == last;
  case MC_OP_pad:
    return MC_ATTRS(n, pad)->before.v[last] == 0 && MC_ATTRS(n, pad)->after.v[last] == 0;
  case MC_OP_broadcast:
  case MC_OP_slice: return channels_of(x) == channels_of(n->out[0]);
  case MC_OP_reshape: return repeats(n);
  case MC_OP_max_pool:
  case MC_OP_avg_pool:
  case MC_OP_global_avg_pool:
  case MC_OP_global_max_pool:
  case MC_OP_resize:
  case MC_OP_cast: return true;
  default: return mc_op_has(n->op, MC_T_UNARY);
  }
}

static void visit(steady *s, const mc_node *n) {
  if (n->op == MC_OP_concat) {
    visit_concat(s, n);
    return;
  }
  if (n->op == MC_OP_split) {
    visit_split(s, n);
    return;
  }
  bool product = n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d || n->op == MC_OP_linear,
       all = any_depends(s, n);
  for (int i = 0; i < n->nout; i++) {
    unsigned char *y = flags_new(s, n->out[i], all);
    for (int64_t c = 0; all && c < channels_of(n->out[i]); c++) {
      if (product)
        y[c] = summed(s, n, c);
      else if (n->op == MC_OP_batch_norm)
        y[c] = normalized(s, n, c);
      else if (mc_op_has(n->op, MC_T_BINARY))
        y[c] = combined(s, n, c);
      else if (keeps_channels(n))
        y[c] = depends(s, n->in[0], c % channels_of(n->in[0]));
      s->any |= !y[c];
    }
  }
}

/* ---- numbers ---- */

typedef struct numbers {
  float *x;
  unsigned char *kind;
} numbers;

static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  steady *s = ctx;
  if (v->type->dtype != MC_f32 || !flags(s, v)) return true;
  int64_t n = channels_of(v), count = mc_type_elems(v->type);
  numbers *r = MC_NEW(s->a, numbers);
  *r = (numbers){ MC_NEWN(s->a, float, n), MC_NEWN(s->a, unsigned char, n) };
  const float *d = x->data;
  memcpy(r->x, d, sizeof *d * (size_t)n);
  for (int64_t c = 0; c < n; c++)
    r->kind[c] = depends(s, v, c) ? STEADY_NO : isfinite(d[c]) ? STEADY_CONSTANT : STEADY_PATTERN;
  for (int64_t i = 0; i < count; i++)
    if (r->kind[i % n] == STEADY_CONSTANT &&
        !(fabsf(d[i] - r->x[i % n]) <= 1e-4f * fabsf(r->x[i % n])))
      r->kind[i % n] = STEADY_PATTERN;
  *mc_map_ptr_slot(&s->seen, v) = r;
  return true;
}

static mc_array zeros(steady *s, const mc_type *t) {
  void *p = mc_arena_alloc(s->a, (size_t)mc_type_bytes(t));
  memset(p, 0, (size_t)mc_type_bytes(t));
  return (mc_array){ t, p };
}

static void evaluate(steady *s) {
  int nout = mc_graph_nout(s->g);
  mc_array *in = MC_NEWN(s->a, mc_array, s->g->nin + 1), *out = MC_NEWN(s->a, mc_array, nout + 1);
  mc_diag quiet;
  mc_diag_init(&quiet, s->a);
  for (int i = 0; i < s->g->nin; i++) in[i] = zeros(s, s->g->in[i]->type);
  for (int i = 0; i < nout; i++) out[i] = zeros(s, mc_graph_out(s->g, i)->type);
  s->failed = !mc_eval_graph(s->g, in, out, &(mc_eval_opts){ observe, s }, &quiet);
}

steady *mc_steady_of(mc_graph *g, mc_arena *a) {
  steady *s = MC_NEW(a, steady);
  *s = (steady){ .g = g, .a = a };
  mc_map_init(&s->depends, a);
  mc_map_init(&s->seen, a);
  for (int i = 0; i < g->nin; i++) flags_new(s, g->in[i], true);
  MC_FOR_NODES(n, g)
  if (!mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) visit(s, n);
  if (s->any) evaluate(s);
  return s;
}

steady_kind mc_steady_channel(const steady *s, const mc_value *v, int64_t c, float *x) {
  *x = 0;
  if (!s->any || depends(s, v, c) || !flags(s, v)) return STEADY_NO;
  const numbers *r = s->failed ? NULL : mc_map_ptr_get(&s->seen, v);
  if (!r) return STEADY_PATTERN;
  *x = r->x[c];
  return (steady_kind)r->kind[c];
}
