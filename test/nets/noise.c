/* How far results may move: the evaluator again, with random errors of a known size after each op.
 */
#include "nets.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

typedef struct range {
  float lo, hi;
} range;

typedef struct shake {
  mc_arena *a;
  mc_diag *d;
  noise kind;
  uint64_t seed;
  bool look;            /* only note ranges */
  mc_map value, ranges; /* copies of values that products read; value -> range */
} shake;

uint64_t noise_next(uint64_t *s) {
  uint64_t z = *s += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

double noise_unit(uint64_t *s) { return (double)(noise_next(s) >> 11) * 0x1p-52 - 1; }

static bool is_real(const mc_type *t) { return t->dtype == MC_f32 || t->dtype == MC_bf16; }

static bool is_sum(const mc_node *n) {
  return n && mc_op_has(n->op, MC_T_ACCUM) && is_real(n->out[0]->type);
}

bool noise_has_sums(const mc_graph *g) {
  MC_FOR_NODES (n, g)
    if (is_sum(n) || (n->region && noise_has_sums(n->region))) return true;
  return false;
}

/* ---- sums of absolute products ---- */
static float *absolute(shake *s, const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  const mc_array *kept = mc_map_ptr_get(&s->value, v);
  mc_array x = t ? (mc_array){ v->type, (void *)(uintptr_t)t->data } : *kept;
  int64_t k = mc_type_elems(v->type);
  float *y = MC_NEWN(s->a, float, k);
  for (int64_t i = 0; i < k; i++) y[i] = (float)fabs(mc_array_real(&x, i));
  return y;
}

static mc_type *as_f32(shake *s, const mc_type *t) {
  mc_type *f = mc_arena_copy(s->a, t, sizeof *t);
  f->dtype = MC_f32;
  f->q = (mc_quant){ .kind = MC_Q_NONE };
  return f;
}

static void *without_clamp(shake *s, const mc_node *n) {
  static const float open[2] = { -INFINITY, INFINITY };
#define OPEN(op_)                                                                                  \
  case MC_OP_##op_: {                                                                              \
    mc_attrs_##op_ *at = mc_arena_copy(s->a, n->attrs, sizeof *at);                                \
    for (int i = 0; i < 2; i++) at->clamp[i] = open[i];                                            \
    return at;                                                                                     \
  }
  switch (n->op) {
    OPEN(conv2d) OPEN(conv_transpose2d) OPEN(linear) OPEN(matmul) default : return NULL;
  }
#undef OPEN
}

/* sum |a * b| + |bias| for each element, in the arena. */
static float *magnitude(shake *s, const mc_node *n) {
  mc_node plain = *n;
  mc_value out = *n->out[0], *outs[1] = { &out };
  mc_array in[3], y = { as_f32(s, out.type), NULL };
  for (int i = 0; i < n->nin; i++)
    in[i] = (mc_array){ as_f32(s, n->in[i]->type), absolute(s, n->in[i]) };
  y.data = MC_NEWN(s->a, float, mc_type_elems(y.type));
  out.type = y.type;
  plain.out = outs;
  plain.attrs = without_clamp(s, n);
  return mc_eval_node(&plain, in, &y, s->d) ? y.data : NULL;
}

static double terms(const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  if (n->op == MC_OP_matmul) return (double)n->in[0]->type->dim[n->in[0]->type->rank - 1];
  return (double)mc_type_elems(w) / (double)w->dim[0];
}

/* ---- errors ---- */
static double rounding_of(const shake *s, double x) {
  return s->kind == NOISE_ROUNDING ? fabs(x) * 0x1p-22
         : s->kind == NOISE_BF16   ? fabs(x) * 0x1p-8
                                   : 0;
}

/* What others may differ by that does not shrink with the value: functions that cancel
 * (numerics.md), positions between samples that are computed in fp32. */
static double absolute_of(const shake *s, const mc_value *v, const mc_array *x) {
  if (s->kind != NOISE_ROUNDING || !v->def) return 0;
  double most = 0;
  switch (v->def->op) {
  case MC_OP_elu: return 3e-7 * fabs((double)MC_ATTRS(v->def, elu)->alpha);
  case MC_OP_gelu: return 2e-7;
  case MC_OP_resize:
    if (MC_ATTRS(v->def, resize)->mode == mc_resize_nearest) return 0;
    for (int64_t i = 0, e = mc_type_elems(x->type); i < e; i++)
      most = fmax(most, fabs(mc_array_real(x, i)));
    return most * 0x1p-18;
  default: return 0;
  }
}

static double step_of(const shake *s, const mc_value *v) {
  const range *r = s->kind == NOISE_INT8 ? mc_map_ptr_get(&s->ranges, v) : NULL;
  return r ? ((double)fmaxf(r->hi, 0) - (double)fminf(r->lo, 0)) / 255 : 0;
}

/* Error of a sum of k products whose magnitudes add up to m. */
static double error_of_sum(const shake *s, double k, double m) {
  if (s->kind == NOISE_BF16) return m * 0x1p-8 / sqrt(k) + k * m * 0x1p-23;
  if (s->kind == NOISE_INT8) return 0.015 * m / sqrt(k);
  return 2.02 * (k + 2) * 0x1p-24 * m;
}

static void put(const mc_array *x, int64_t i, double v) {
  if (x->type->dtype == MC_f32)
    ((float *)x->data)[i] = (float)v;
  else
    ((uint16_t *)x->data)[i] = mc_fx_bf16((float)v);
}

static void keep_range(shake *s, const mc_value *v, const mc_array *x) {
  range **r = (range **)mc_map_ptr_slot(&s->ranges, v);
  if (!*r) *r = MC_NEW(s->a, range), **r = (range){ INFINITY, -INFINITY };
  for (int64_t i = 0, k = mc_type_elems(x->type); i < k; i++) {
    float f = (float)mc_array_real(x, i);
    if (!isfinite(f)) continue;
    if (f < (*r)->lo) (*r)->lo = f;
    if (f > (*r)->hi) (*r)->hi = f;
  }
}

static void keep_operand(shake *s, const mc_value *v, const mc_array *x) {
  bool read = false;
  MC_FOR_USES (u, v) read |= is_sum(u->user);
  if (!read) return;
  mc_array *c = MC_NEW(s->a, mc_array);
  *c = (mc_array){ x->type, mc_arena_copy(s->a, x->data, (size_t)mc_type_bytes(x->type)) };
  *mc_map_ptr_slot(&s->value, v) = c;
}

static bool moves(const mc_node *n) {
  return n && (mc_op_has(n->op, MC_T_MOVE) || n->op == MC_OP_group);
}

static bool observe(void *ctx, const mc_value *v, const mc_array *x) {
  shake *s = ctx;
  if (s->look) return keep_range(s, v, x), true;
  if (is_real(x->type)) {
    double k = is_sum(v->def) ? terms(v->def) : 0, step = moves(v->def) ? 0 : step_of(s, v),
           least = absolute_of(s, v, x);
    float *m = k > 0 ? magnitude(s, v->def) : NULL;
    bool rounds = !moves(v->def);
    for (int64_t i = 0, e = mc_type_elems(x->type); i < e; i++) {
      double y = mc_array_real(x, i), err = (rounds ? rounding_of(s, y) : 0) + least + 0.5 * step +
                                            (m ? error_of_sum(s, k, (double)m[i]) : 0);
      if (err > 0 && isfinite(y)) put(x, i, y + err * noise_unit(&s->seed));
    }
  }
  keep_operand(s, v, x);
  return true;
}

/* ---- draws ---- */
static bool evaluate(net *n, const mc_graph *g, const mc_array *in, mc_array *out, shake *s) {
  mc_array copy[64];
  for (int i = 0; i < g->nin; i++)
    copy[i] = (mc_array){ in[i].type,
                          mc_arena_copy(s->a, in[i].data, (size_t)mc_type_bytes(in[i].type)) };
  mc_map_init(&s->value, s->a);
  return mc_eval_graph(g, copy, out, &(mc_eval_opts){ observe, s }, &n->d);
}

static mc_array *room(mc_arena *a, const mc_array *like, int n) {
  mc_array *y = MC_NEWN(a, mc_array, n);
  for (int i = 0; i < n; i++)
    y[i] = (mc_array){ like[i].type, mc_arena_alloc(a, (size_t)mc_type_bytes(like[i].type)) };
  return y;
}

static void widen(double *far, const mc_array *y, const mc_array *want) {
  for (int64_t i = 0, e = mc_type_elems(y->type); i < e; i++) {
    double d = fabs(mc_array_real(y, i) - mc_array_real(want, i));
    if (!(d <= far[i])) far[i] = isnan(d) ? INFINITY : d;
  }
}

double ***noise_far(net *n, const mc_graph *g, const arrays *in, const arrays *want, noise kind,
                    int draws) {
  double ***far = MC_NEWN(n->a, double **, NETS_RUNS);
  for (int r = 0; r < NETS_RUNS; r++) {
    far[r] = MC_NEWN(n->a, double *, want->n);
    for (int i = 0; i < want->n; i++)
      far[r][i] = MC_NEWN(n->a, double, mc_type_elems(want->x[r][i].type));
  }
  mc_arena *a = mc_arena_create();
  shake s = { .a = a, .d = &n->d, .kind = kind, .seed = n->seed };
  mc_map_init(&s.ranges, a);
  bool ok = true;
  s.look = kind == NOISE_INT8;
  for (int r = 0; ok && s.look && r < NETS_RUNS; r++)
    ok = evaluate(n, g, in->x[r], room(a, want->x[r], want->n), &s);
  s.look = false;
  for (int k = 0; ok && k < draws; k++)
    for (int r = 0; ok && r < NETS_RUNS; r++) {
      mc_arena *own = mc_arena_create();
      shake t = s;
      t.a = own;
      t.seed = n->seed * 1000 + (uint64_t)(k * NETS_RUNS + r);
      mc_array *y = room(own, want->x[r], want->n);
      ok = evaluate(n, g, in->x[r], y, &t);
      for (int i = 0; ok && i < want->n; i++) widen(far[r][i], &y[i], &want->x[r][i]);
      mc_arena_destroy(own);
    }
  mc_arena_destroy(a);
  return ok ? far : NULL;
}
