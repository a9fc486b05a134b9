/* quantize: the ops of the quantized graph. */
#include "quantize.h"
#include <math.h>
#include <string.h>

/* ---- building ---- */

static mc_value *check(state *s, mc_value *v) {
  if (!v) s->failed = true;
  return v;
}

static const mc_type *elem_type(const entry *e, mc_type *t) {
  *t = (mc_type){ .dtype = e->dtype, .q = e->params };
  return t;
}

/* A constant f32 operand as stored integers. */
static mc_value *quantized_const(state *s, const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  const float *x = t->data;
  int64_t n = mc_tensor_elems(t), qlo, qhi;
  float lo = x[0], hi = x[0];
  for (int64_t i = 1; i < n; i++) lo = fminf(lo, x[i]), hi = fmaxf(hi, x[i]);
  mc_type ty = *v->type;
  ty.dtype = s->act;
  ty.q = mc_quant_choose(lo, hi, s->act);
  mc_dtype_range(s->act, &qlo, &qhi);
  void *p;
  mc_arena *a = s->cx->module->arena;
  mc_tensor *q =
      mc_tensor_create(s->cx->module, t->name ? mc_arena_printf(a, "%s.q", t->name) : NULL, s->act,
                       t->rank, t->dim, &p);
  for (int64_t i = 0; i < n; i++) {
    float c = ty.q.scale;
    int32_t z = ty.q.zero,
            r = (int32_t)fminf(fmaxf(rintf(x[i] / c), (float)(qlo - z)), (float)(qhi - z)) + z;
    ((uint8_t *)p)[i] = (uint8_t)r;
  }
  return check(s, mc_build_tensor(&s->b, q, mc_type_intern(s->cx->module, &ty)));
}

/* q within [lo, hi]: nothing to do where e's own range stays inside, else an op on stored integers.
 */
static mc_value *clamped(state *s, mc_value *q, const entry *e, float lo, float hi) {
  mc_type t;
  if (!q || mcq_clamp_implied(e, lo, hi)) return q;
  if (lo == 0 && hi == INFINITY)
    return check(s, mc_build1_as(&s->b, MC_OP_relu, &q, 1, NULL, elem_type(e, &t)));
  return check(s, mc_build1_as(&s->b, MC_OP_clamp, &q, 1,
                               &(mc_attrs_clamp){ .low = lo, .high = hi }, elem_type(e, &t)));
}

static mc_value *requantize(state *s, mc_value *x, const entry *e) {
  mc_type t;
  return check(s, mc_build1_as(&s->b, MC_OP_requantize, &x, 1,
                               &(mc_attrs_requantize){ .rounding = s->o->rounding },
                               elem_type(e, &t)));
}

/* The value as stored integers. */
static mc_value *q_of(state *s, mc_value *v) {
  entry *e = mcq_entry(s, v);
  if (e->q) return e->q;
  if (mcq_is_f32_const(v)) return e->q = quantized_const(s, v);
  mc_type t;
  e->q = e->acc ? clamped(s, requantize(s, e->acc, e), e, e->lo, e->hi)
                : check(s, mc_build1_as(&s->b, MC_OP_quantize, &v, 1, NULL, elem_type(e, &t)));
  return e->q;
}

static bool read_as_integer(state *s, const mc_value *v) {
  MC_FOR_USES (u, v)
    if (mcq_planned(s, u->user)) return true;
  return false;
}

/* The value in f32. */
static mc_value *f_of(state *s, mc_value *v) {
  entry *e = mcq_entry(s, v);
  if (!e->integer) return v;
  if (e->f) return e->f;
  bool direct = e->acc && (e->exact || !e->known || (!e->q && !read_as_integer(s, v)));
  mc_value *from = direct ? e->acc : q_of(s, v);
  if (!from) return NULL;
  e->f = check(s, mc_build1(&s->b, MC_OP_dequantize, &from, 1, NULL));
  if (e->f && direct && (e->lo > -INFINITY || e->hi < INFINITY)) {
    bool relu = e->lo == 0 && e->hi == INFINITY;
    e->f = check(s, relu ? mc_build1(&s->b, MC_OP_relu, &e->f, 1, NULL)
                         : mc_build1(&s->b, MC_OP_clamp, &e->f, 1,
                                     &(mc_attrs_clamp){ .low = e->lo, .high = e->hi }));
  }
  if (e->f && !e->f->range.known) e->f->range = v->range;
  if (e->f && !e->f->name) { /* the interface of the object does not depend on its arithmetic */
    e->f->name = v->name;
    v->name = NULL;
  }
  return e->f;
}

static const char *stem_of(state *s, const mc_node *n, const mc_tensor *w) {
  if (w && w->name) return w->name;
  return n->source ? n->source : mc_arena_printf(s->cx->scratch, "%s%u", mc_ops[n->op].text, n->id);
}

/* The op's own attributes without the fused clamp, which the result's range replaces. */
static void *attrs_without_clamp(state *s, const mc_node *n, float clamp[2]) {
  void *a = mc_arena_copy(s->cx->scratch, n->attrs, mc_ops[n->op].attrs_size);
  clamp[0] = -INFINITY, clamp[1] = INFINITY;
  float *c = mc_op_attr(n->op, a, "clamp");
  if (!c) return a;
  clamp[0] = c[0], clamp[1] = c[1];
  c[0] = -INFINITY, c[1] = INFINITY;
  return a;
}

static mc_value *build_weights(state *s, mc_node *n, const mc_type *x, mc_value **bias,
                               const mc_type **acc) {
  mc_module *m = s->cx->module;
  const mc_tensor *w = mc_value_tensor(n->in[1]),
                  *b = n->nin > 2 ? mc_value_tensor(n->in[2]) : NULL;
  const char *stem = stem_of(s, n, w);
  mc_tensor *wq;
  const mc_type *wt =
      mc_quant_weight(m, w, 0, s->o->weights == mc_granularity_per_channel, x->q.scale,
                      b ? b->data : NULL, mc_map_ptr_get(&s->compensation, n), stem, &wq);
  *acc = mc_quant_acc_type(m, x, wt, n->out[0]->type, stem);
  b = mcq_corrected_bias(s, n, w, wq, wt, b);
  mc_tensor *bq = NULL;
  if (b) {
    int sat = 0;
    bq = mc_quant_bias(m, b, *acc,
                       b->name ? b->name : mc_arena_printf(s->cx->scratch, "%s.bias", stem), &sat);
    if (sat)
      mc_warning(s->cx->diag, n->loc, "%d bias values of %s do not fit 32 bits and were saturated",
                 sat, stem);
    mc_type bt = { .dtype = MC_i32, .rank = 1, .dim = { b->dim[0] }, .q = (*acc)->q };
    if (bt.q.kind == MC_Q_AXIS) bt.q.axis = 0;
    *bias = check(s, mc_build_tensor(&s->b, bq, mc_type_intern(m, &bt)));
  }
  if (mc_quant_acc_bound(wq, x, bq) > INT32_MAX) {
    mc_error(s->cx->diag, n->loc,
             "the 32-bit accumulator of %s could overflow; keep the layer in f32 with skip=", stem);
    s->failed = true;
  }
  return check(s, mc_build_tensor(&s->b, wq, wt));
}

static float within(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

/* clamp followed by the relu or clamp that computes `to`, where that is not n itself. */
static void absorb_clamp(const mc_node *n, const mc_value *to, float clamp[2]) {
  if (to == n->out[0]) return;
  bool relu = to->def->op == MC_OP_relu;
  float lo = relu ? 0 : MC_ATTRS(to->def, clamp)->low,
        hi = relu ? INFINITY : MC_ATTRS(to->def, clamp)->high;
  for (int i = 0; i < 2; i++) clamp[i] = within(clamp[i], lo, hi);
}

static void convert_accum(state *s, mc_node *n) {
  mc_value *in[3] = { q_of(s, n->in[0]), NULL, NULL };
  if (!in[0]) return;
  const mc_type *acc;
  int nin = 2;
  if (n->op == MC_OP_matmul) {
    in[1] = q_of(s, n->in[1]);
    if (!in[1]) return;
    mc_type t = { .dtype = MC_i32,
                  .q = { .kind = MC_Q_TENSOR,
                         .scale = in[0]->type->q.scale * in[1]->type->q.scale } };
    acc = mc_type_with_elem(s->cx->module, n->out[0]->type, &t);
  } else {
    in[1] = build_weights(s, n, in[0]->type, &in[2], &acc);
    if (!in[1] || s->failed) return;
    nin += in[2] != NULL;
  }
  mc_value *to = mcq_absorbed(s, n->out[0]);
  entry *e = mcq_entry(s, to);
  float clamp[2];
  void *attrs = attrs_without_clamp(s, n, clamp);
  absorb_clamp(n, to, clamp);
  e->acc = check(s, mc_build1_as(&s->b, n->op, in, nin, attrs, acc));
  e->lo = clamp[0], e->hi = clamp[1];
}

/* The type of n's result; NULL: that of its operand. A pad whose constant its operand cannot say
 * gets the operand in its own parameters. */
static const mc_type *result_type(state *s, mc_node *n, const mc_value *to, mc_value **in,
                                  mc_type *t) {
  const entry *e = mcq_entry(s, to);
  if (mcq_moves_only(s, n)) return NULL;
  if (n->op == MC_OP_pad) *in = requantize(s, *in, e);
  return n->op == MC_OP_pad ? NULL : elem_type(e, t);
}

static void convert_follow(state *s, mc_node *n) {
  mc_value **in = MC_NEWN(s->cx->scratch, mc_value *, n->nin);
  for (int i = 0; i < n->nin; i++) {
    in[i] = mcq_keeps_type(n, i) ? f_of(s, n->in[i]) : q_of(s, n->in[i]);
    if (!in[i]) return;
  }
  mc_value *to = n->nout == 1 && !mcq_moves_only(s, n) ? mcq_absorbed(s, n->out[0]) : n->out[0];
  float clamp[2];
  void *attrs = attrs_without_clamp(s, n, clamp);
  absorb_clamp(n, to, clamp);
  mc_type t;
  const mc_type *type = result_type(s, n, to, in, &t);
  mc_node *c = in[0] ? mc_build_as(&s->b, n->op, in, n->nin, attrs, type) : NULL;
  if (!c) {
    s->failed = true;
    return;
  }
  mcq_entry(s, to)->q = clamped(s, c->out[0], mcq_entry(s, to), clamp[0], clamp[1]);
  for (int i = 1; i < n->nout; i++) mcq_entry(s, n->out[i])->q = c->out[i];
}

void mcq_convert(state *s, mc_node *n) {
  s->b = (mc_builder){
    .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc, .source = n->source
  };
  if (mcq_planned(s, n)) {
    if (mc_op_has(n->op, MC_T_ACCUM))
      convert_accum(s, n);
    else
      convert_follow(s, n);
  } else if (!mc_map_ptr_get(&s->plan, n) && !mc_op_has(n->op, MC_T_CONST)) {
    for (int i = 0; i < n->nin && !s->failed; i++)
      if (n->in[i]->type->dtype == MC_f32) {
        mc_value *f = f_of(s, n->in[i]);
        if (f) mc_node_set_in(n, i, f);
      }
  }
}

/* ---- graph inputs that hold integers already ---- */

static bool scalar_of(const mc_value *v, float *out) {
  const mc_tensor *t = mc_value_tensor(v);
  if (!t || t->dtype != MC_f32 || mc_tensor_elems(t) != 1) return false;
  *out = *(const float *)t->data;
  return true;
}

void mcq_adopt_input(state *s, mc_value *input) {
  mc_graph *g = s->cx->graph;
  mc_node *cast = mc_value_single_user(input);
  if (input->type->dtype != MC_u8 || mc_type_is_quant(input->type) || !cast ||
      cast->op != MC_OP_cast || cast->out[0]->type->dtype != MC_f32)
    return;
  mc_value *v = cast->out[0];
  float scale = 1, k;
  for (mc_node *u; (u = mc_value_single_user(v)); v = u->out[0]) {
    bool times = u->op == MC_OP_mul && (scalar_of(u->in[1], &k) || scalar_of(u->in[0], &k));
    bool over = u->op == MC_OP_div && u->in[0] == v && scalar_of(u->in[1], &k);
    if ((!times && !over) || !(k > 0) || !mc_type_same_shape(u->out[0]->type, v->type)) break;
    scale = times ? scale * k : scale / k;
  }
  if (!(scale >= 0x1p-60f && scale <= 0x1p60f)) return; /* as for all scales: fits.c */
  mc_type t = { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = scale } };
  input->type = mc_type_with_elem(s->cx->module, input->type, &t);
  s->b = (mc_builder){
    .graph = g, .before = cast, .diag = s->cx->diag, .loc = cast->loc, .source = cast->source
  };
  mc_value *f = check(s, mc_build1(&s->b, MC_OP_dequantize, &input, 1, NULL));
  if (!f) return;
  mc_value_replace(v, f);
  f->range = (mc_range){ true, 0, 255 * scale };
  entry *e = mcq_entry(s, f);
  *e = (entry){ .q = input,
                .f = f,
                .known = true,
                .params = t.q,
                .dtype = MC_u8,
                .integer = true,
                .lo = -INFINITY,
                .hi = INFINITY };
}
