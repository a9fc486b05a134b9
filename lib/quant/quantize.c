/* quantize: static INT8.
 *
 *   %y = conv2d %x, %w, %b {clamp=[0.0,inf]} : f32[1,32,32,16] range(0.0, 6.0)
 * becomes
 *   %xq = quantize %x : u8<0.0078:128>[1,32,32,3]
 *   %wq = weight @w.q : i8<@w.scale axis=0>[16,3,3,3]
 *   %bq = weight @b.q : i32<@w.acc.scale axis=0>[16]
 *   %a  = conv2d %xq, %wq, %bq : i32<@w.acc.scale axis=3>[1,32,32,16]
 *   %yq = requantize %a : u8<0.0235:0>[1,32,32,16]          // relu absorbed by the range
 *
 * Applies to products with constant weights (and matmul of two activations), and from there through elementwise ops, pools, concat, resize and everything that only moves elements.
 * A value's parameters come from its range; values without one stay in f32, and so do ops without a quantized form. softmax and layer_norm take integers where
 * products read their result. A last product whose result is
 * only read in f32 is dequantized straight from the accumulator. Contract: LOSSY. The bound stated is on the relative L2 error of the outputs, 0.25. */
#include "quant.h"
#include "mc/ir/build.h"
#include "mc/support/glob.h"
#include <math.h>
#include <string.h>

/* What is known of a value of the original graph. */
typedef struct entry {
  mc_value *q, *f, *acc;          /* stored integers; f32 (NULL: the value itself when its op is kept); accumulator waiting for requantize */
  float lo, hi;                   /* clamp that the accumulator's f32 form needs */
  bool known; mc_quant params;    /* how q is, or would be, stored */
  mc_dtype dtype;
  bool integer;                   /* its op was converted, or it is an integer input */
} entry;
/* Running mean of each channel (last axis) of a product's input. */
typedef struct mean { double *sum; float *value; int64_t channels; int64_t rows; } mean;
typedef struct state {
  mc_pass_context *cx; const mc_opts_quantize *o;
  mc_map slower;                  /* products that faster= leaves in fp32 -> why */
  mc_map means;                   /* value -> mean, when correct= gives samples */
  mean **watched;
  mc_dtype act;
  mc_map entries;                 /* value -> entry */
  mc_map plan;                    /* node -> itself when it will be converted, absorbed nodes -> their producer */
  mc_builder b;
  bool failed;
} state;

static entry *entry_of(state *s, const mc_value *v) {
  void **slot = mc_map_ptr_slot(&s->entries, v);
  if (*slot) return *slot;
  entry *e = *slot = MC_NEW(s->cx->scratch, entry);
  *e = (entry){ .lo = -INFINITY, .hi = INFINITY, .dtype = s->act };
  if (v->range.known && v->type->dtype == MC_f32) e->known = true, e->params = mc_quant_choose(v->range.lo, v->range.hi, s->act);
  return e;
}

static bool planned(state *s, const mc_node *n) { return n && mc_map_ptr_get(&s->plan, n) == n; }

/* ---- choosing what to convert ---- */

static const char *name_of(const mc_node *n) { return n->source ? n->source : n->nout && n->out[0]->name ? n->out[0]->name : NULL; }

static bool selected(state *s, const mc_node *n) {
  const mc_opts_quantize *o = s->o;
  const char *value = n->nout ? n->out[0]->name : NULL;
  if (*o->ops && !mc_glob_list(o->ops, mc_ops[n->op].text)) return false;
  if (mc_glob_list(o->skip, n->source) || mc_glob_list(o->skip, value)) return false;
  return !*o->only || mc_glob_list(o->only, n->source) || mc_glob_list(o->only, value);
}

static bool keep(state *s, const mc_node *n, const char *why) {
  const char *name = name_of(n);
  mc_remark(s->cx->diag, n->loc, "%s%s%s stays in f32: %s", mc_ops[n->op].text, name ? " " : "", name ? name : "", why);
  return false;
}

static bool is_f32_const(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 && !mc_type_is_quant(v->type);
}

static bool can_accum(state *s, const mc_node *n) {
  if (n->out[0]->type->dtype != MC_f32) return false;
  if (!selected(s, n)) return keep(s, n, "not selected");
  const char *slower = mc_map_ptr_get(&s->slower, n);
  if (slower) return keep(s, n, slower);
  if (!entry_of(s, n->in[0])->known) return keep(s, n, "the range of its input is not known");
  if (n->op == MC_OP_matmul) {
    if (!entry_of(s, n->in[1])->known && !is_f32_const(n->in[1])) return keep(s, n, "the range of its second operand is not known");
    const mc_type *a = n->in[0]->type;
    return a->dim[a->rank - 1] <= 33000 || keep(s, n, "its sums could leave 32 bits");
  }
  if (!is_f32_const(n->in[1]) || (n->nin > 2 && !is_f32_const(n->in[2]))) return keep(s, n, "its weights are not constants");
  return true;
}

/* An op whose quantized result uses its operand's parameters. */
static bool moves_only(const mc_node *n) {
  if (n->op == MC_OP_concat) return false;
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  if (n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant) return isfinite(MC_ATTRS(n, pad)->value);
  return mc_op_has(n->op, MC_T_MOVE);
}

/* Ops that are left in f32 unless named in ops=: 256 levels are too coarse for their steep ends. */
static bool steep(mc_opcode op) { return op == MC_OP_exp || op == MC_OP_log || op == MC_OP_sqrt || op == MC_OP_erf; }

/* Does v reach a product, through ops that only move elements, and no result of the graph? */
static bool reaches_products(state *s, const mc_value *v, bool *any) {
  MC_FOR_USES(u, v) {
    if (u->user->op == MC_OP_return) return false;
    if (mc_op_has(u->user->op, MC_T_ACCUM) && selected(s, u->user)) *any = true;
    if (mc_op_has(u->user->op, MC_T_MOVE) && moves_only(u->user))
      for (int i = 0; i < u->user->nout; i++)
        if (!reaches_products(s, u->user->out[i], any)) return false;
  }
  return true;
}
/* softmax and layer_norm become integer ops where products read them: those would have quantized them anyway. Elsewhere (probabilities at the end of a network) f32 says more. */
static bool normalizes_products(state *s, const mc_node *n) {
  bool any = false;
  if (n->op != MC_OP_softmax && n->op != MC_OP_layer_norm) return true;
  return reaches_products(s, n->out[0], &any) && any;
}
/* gamma and beta of layer_norm, indices of gather: operands that keep their type. */
static bool keeps_type(const mc_node *n, int i) { return i > 0 && (n->op == MC_OP_gather || n->op == MC_OP_layer_norm); }
static bool few_elements(const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  int64_t d = 1, axis = n->op == MC_OP_layer_norm ? MC_ATTRS(n, layer_norm)->axis : t->rank;
  for (int64_t i = axis < 0 ? axis + t->rank : axis; i < t->rank; i++) d *= t->dim[i];
  return d <= MC_NORM_MOST;
}

/* Scores plus a mask (0 or -10000): 256 steps over such a range would leave nothing of the scores. */
static bool is_masked(state *s, const mc_node *n) {
  const mc_node *u = mc_value_single_user(n->out[0]);
  const mc_range *r = &n->out[0]->range;
  return (n->op == MC_OP_add || n->op == MC_OP_sub) && u && u->op == MC_OP_softmax && r->known && !(r->hi - r->lo < 512) && !keep(s, n, "a mask for softmax: its range is too wide for 8 bits");
}

static bool can_follow(state *s, mc_node *n) {
  bool any = false;
  if (!few_elements(n) || !normalizes_products(s, n)) return false;
  if (!mc_op_has(n->op, MC_T_QFORM | MC_T_MOVE) || (steep(n->op) && !*s->o->ops)) return false;
  for (int i = 0; i < n->nin; i++) {
    if (n->op == MC_OP_gather && i == 1) continue;
    if (n->in[i]->type->dtype != MC_f32) return false;
    if (keeps_type(n, i)) continue;
    if (is_f32_const(n->in[i])) continue;
    if (!entry_of(s, n->in[i])->known) return false;
    any |= entry_of(s, n->in[i])->integer;
  }
  if (!any || !selected(s, n) || is_masked(s, n)) return false;
  if (moves_only(n)) return !is_f32_const(n->in[0]);
  return entry_of(s, n->out[0])->known || keep(s, n, "the range of its result is not known");
}

/* relu and clamp behind a converted op with no other reader vanish into the range of the result. */
static mc_value *absorbed(state *s, mc_value *v) {
  mc_node *u = mc_value_single_user(v);
  if (!u || (u->op != MC_OP_relu && u->op != MC_OP_clamp) || !mc_map_ptr_get(&s->plan, u)) return v;
  return mc_map_ptr_get(&s->plan, u) == v->def ? u->out[0] : v;
}

/* A relu or clamp that the converted op in front of it can absorb: nobody else reads that op's result. */
static bool can_absorb(state *s, const mc_node *n) {
  if (n->op != MC_OP_relu && n->op != MC_OP_clamp) return false;
  const mc_node *def = n->in[0]->def;
  return planned(s, def) && !moves_only(def) && mc_value_single_user(n->in[0]) == n && selected(s, n) && (entry_of(s, n->out[0])->known || mc_op_has(def->op, MC_T_ACCUM));
}

static void plan_node(state *s, mc_node *n) {
  bool accum = mc_op_has(n->op, MC_T_ACCUM), onto = can_absorb(s, n);
  if (!onto && (accum ? !can_accum(s, n) : !can_follow(s, n))) {
    if (accum) MC_STAT_ADD(s->cx, quantize, kept, 1);
    return;
  }
  for (int i = 0; i < n->nout; i++) {
    entry *e = entry_of(s, n->out[i]);
    e->integer = true;
    if (!accum && !onto && moves_only(n)) e->known = true, e->params = entry_of(s, n->in[0])->params, e->dtype = entry_of(s, n->in[0])->dtype;
  }
  *mc_map_ptr_slot(&s->plan, n) = onto ? n->in[0]->def : n;
  if (accum) MC_STAT_ADD(s->cx, quantize, layers, 1);
}

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
  mc_tensor *q = mc_tensor_create(s->cx->module, t->name ? mc_arena_printf(a, "%s.q", t->name) : NULL, s->act, t->rank, t->dim, &p);
  for (int64_t i = 0; i < n; i++) {
    float c = ty.q.scale;
    int32_t z = ty.q.zero, r = (int32_t)fminf(fmaxf(rintf(x[i] / c), (float)(qlo - z)), (float)(qhi - z)) + z;
    ((uint8_t *)p)[i] = (uint8_t)r;
  }
  return check(s, mc_build_tensor(&s->b, q, mc_type_intern(s->cx->module, &ty)));
}

static mc_value *requantize(state *s, mc_value *acc, const entry *e) {
  mc_type t;
  return check(s, mc_build1_as(&s->b, MC_OP_requantize, &acc, 1, &(mc_attrs_requantize){ .rounding = s->o->rounding }, elem_type(e, &t)));
}

/* The value as stored integers. */
static mc_value *q_of(state *s, mc_value *v) {
  entry *e = entry_of(s, v);
  if (e->q) return e->q;
  if (is_f32_const(v)) return e->q = quantized_const(s, v);
  mc_type t;
  e->q = e->acc ? requantize(s, e->acc, e) : check(s, mc_build1_as(&s->b, MC_OP_quantize, &v, 1, NULL, elem_type(e, &t)));
  return e->q;
}

static bool read_as_integer(state *s, const mc_value *v) {
  MC_FOR_USES(u, v) if (planned(s, u->user)) return true;
  return false;
}

/* The value in f32. */
static mc_value *f_of(state *s, mc_value *v) {
  entry *e = entry_of(s, v);
  if (!e->integer) return v;
  if (e->f) return e->f;
  bool direct = e->acc && !e->q && (!e->known || !read_as_integer(s, v));
  mc_value *from = direct ? e->acc : q_of(s, v);
  if (!from) return NULL;
  e->f = check(s, mc_build1(&s->b, MC_OP_dequantize, &from, 1, NULL));
  if (e->f && direct && (e->lo > -INFINITY || e->hi < INFINITY)) {
    bool relu = e->lo == 0 && e->hi == INFINITY;
    e->f = check(s, relu ? mc_build1(&s->b, MC_OP_relu, &e->f, 1, NULL) : mc_build1(&s->b, MC_OP_clamp, &e->f, 1, &(mc_attrs_clamp){ .low = e->lo, .high = e->hi }));
  }
  if (e->f && !e->f->range.known) e->f->range = v->range;
  if (e->f && !e->f->name) {   /* the interface of the object does not depend on its arithmetic */
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
  const mc_field *f = mc_field_find(mc_ops[n->op].attrs, "clamp");
  if (!f || f->kind != MC_F_F32) return a;
  float *c = (float *)(void *)((char *)a + f->offset);
  clamp[0] = c[0], clamp[1] = c[1];
  c[0] = -INFINITY, c[1] = INFINITY;
  return a;
}

/* ---- bias correction ---- */

static void see_mean(void *ctx, int k, const float *x, int64_t n) {
  mean *m = ((state *)ctx)->watched[k];
  for (int64_t i = 0; i < n; i++) m->sum[i % m->channels] += (double)x[i];
  m->rows += n / m->channels;
}

/* Means of the inputs of all products that will be converted, over the samples of correct=. */
static bool measure_means(state *s) {
  MC_VEC(mc_value *) v = { 0 };
  MC_VEC(mean *) m = { 0 };
  mc_arena *a = s->cx->scratch;
  MC_FOR_NODES(n, s->cx->graph) {
    if (!planned(s, n) || !mc_op_has(n->op, MC_T_ACCUM) || n->op == MC_OP_matmul || mc_map_ptr_get(&s->means, n->in[0])) continue;
    mean *one = MC_NEW(a, mean);
    one->channels = n->in[0]->type->dim[n->in[0]->type->rank - 1];
    one->sum = MC_NEWN(a, double, one->channels);
    one->value = MC_NEWN(a, float, one->channels);
    *mc_map_ptr_slot(&s->means, n->in[0]) = one;
    MC_PUSH(a, &v, n->in[0]);
    MC_PUSH(a, &m, one);
  }
  s->watched = m.v;
  mc_samples *x = mc_samples_open(s->cx, s->o->correct, v.v, (int)v.n, false);
  bool ok = x && mc_samples_sweep(x, 0, "quantize: means", see_mean, s);
  if (x) mc_samples_close(x);
  for (size_t i = 0; ok && i < m.n; i++)
    for (int64_t c = 0; c < m.v[i]->channels; c++) m.v[i]->value[c] = (float)(m.v[i]->sum[c] / (double)m.v[i]->rows);
  return ok;
}

/* The bias (zeros when the layer has none) minus the mean error of the rounded weights; the old bias when there are no samples. */
static const mc_tensor *corrected_bias(state *s, const mc_node *n, const mc_tensor *w, const mc_tensor *q, const mc_type *qt, const mc_tensor *b) {
  const mean *m = mc_map_ptr_get(&s->means, n->in[0]);
  bool grouped = n->op == MC_OP_conv2d && MC_ATTRS(n, conv2d)->groups > 1 && w->dim[w->rank - 1] != 1;
  if (!m || grouped) return b;
  mc_tensor *r = mc_arena_copy(s->cx->scratch, b ? b : w, sizeof *w);
  float *data = MC_NEWN(s->cx->scratch, float, w->dim[0]);
  mc_quant_mean_error(w, q, qt, m->value, m->channels, data);
  for (int64_t c = 0; c < w->dim[0]; c++) data[c] = (b ? ((const float *)b->data)[c] : 0) - data[c];
  r->rank = 1;
  r->dim[0] = w->dim[0];
  r->data = data;
  if (!b) r->name = NULL;
  return r;
}

static mc_value *build_weights(state *s, mc_node *n, const mc_type *x, mc_value **bias, const mc_type **acc) {
  mc_module *m = s->cx->module;
  const mc_tensor *w = mc_value_tensor(n->in[1]), *b = n->nin > 2 ? mc_value_tensor(n->in[2]) : NULL;
  const char *stem = stem_of(s, n, w);
  mc_tensor *wq;
  const mc_type *wt = mc_quant_weight(m, w, 0, s->o->weights == mc_granularity_per_channel, x->q.scale, b ? b->data : NULL, stem, &wq);
  *acc = mc_quant_acc_type(m, x, wt, n->out[0]->type, stem);
  b = corrected_bias(s, n, w, wq, wt, b);
  mc_tensor *bq = NULL;
  if (b) {
    int sat = 0;
    bq = mc_quant_bias(m, b, *acc, b->name ? b->name : mc_arena_printf(s->cx->scratch, "%s.bias", stem), &sat);
    if (sat) mc_warning(s->cx->diag, n->loc, "%d bias values of %s do not fit 32 bits and were saturated", sat, stem);
    mc_type bt = { .dtype = MC_i32, .rank = 1, .dim = { b->dim[0] }, .q = (*acc)->q };
    if (bt.q.kind == MC_Q_AXIS) bt.q.axis = 0;
    *bias = check(s, mc_build_tensor(&s->b, bq, mc_type_intern(m, &bt)));
  }
  if (mc_quant_acc_bound(wq, x, bq) > INT32_MAX) {
    mc_error(s->cx->diag, n->loc, "the 32-bit accumulator of %s could overflow; keep the layer in f32 with skip=", stem);
    s->failed = true;
  }
  return check(s, mc_build_tensor(&s->b, wq, wt));
}

static void convert_accum(state *s, mc_node *n) {
  mc_value *in[3] = { q_of(s, n->in[0]), NULL, NULL };
  if (!in[0]) return;
  const mc_type *acc;
  int nin = 2;
  if (n->op == MC_OP_matmul) {
    in[1] = q_of(s, n->in[1]);
    if (!in[1]) return;
    mc_type t = { .dtype = MC_i32, .q = { .kind = MC_Q_TENSOR, .scale = in[0]->type->q.scale * in[1]->type->q.scale } };
    acc = mc_type_with_elem(s->cx->module, n->out[0]->type, &t);
  } else {
    in[1] = build_weights(s, n, in[0]->type, &in[2], &acc);
    if (!in[1] || s->failed) return;
    nin += in[2] != NULL;
  }
  mc_value *to = absorbed(s, n->out[0]);
  entry *e = entry_of(s, to);
  float clamp[2];
  void *attrs = attrs_without_clamp(s, n, clamp);
  e->acc = check(s, mc_build1_as(&s->b, n->op, in, nin, attrs, acc));
  e->lo = clamp[0], e->hi = clamp[1];
  if (to != n->out[0]) {
    bool relu = to->def->op == MC_OP_relu;
    e->lo = fmaxf(e->lo, relu ? 0 : MC_ATTRS(to->def, clamp)->low);
    e->hi = fminf(e->hi, relu ? INFINITY : MC_ATTRS(to->def, clamp)->high);
  }
}

static void convert_follow(state *s, mc_node *n) {
  mc_value **in = MC_NEWN(s->cx->scratch, mc_value *, n->nin);
  for (int i = 0; i < n->nin; i++) {
    in[i] = keeps_type(n, i) ? f_of(s, n->in[i]) : q_of(s, n->in[i]);
    if (!in[i]) return;
  }
  mc_value *to = n->nout == 1 && !moves_only(n) ? absorbed(s, n->out[0]) : n->out[0];
  float clamp[2];
  void *attrs = attrs_without_clamp(s, n, clamp);
  mc_type t;
  mc_node *c = mc_build_as(&s->b, n->op, in, n->nin, attrs, moves_only(n) ? NULL : elem_type(entry_of(s, to), &t));
  if (!c) {
    s->failed = true;
    return;
  }
  entry_of(s, to)->q = c->out[0];
  for (int i = 1; i < n->nout; i++) entry_of(s, n->out[i])->q = c->out[i];
}

/* ---- graph inputs that hold integers already ---- */

static bool scalar_of(const mc_value *v, float *out) {
  const mc_tensor *t = mc_value_tensor(v);
  if (!t || t->dtype != MC_f32 || mc_tensor_elems(t) != 1) return false;
  *out = *(const float *)t->data;
  return true;
}

/* u8 input -> cast -> times or divided by positive scalars: the input itself is the stored form of the last value. */
static void adopt_input(state *s, mc_value *input) {
  mc_graph *g = s->cx->graph;
  mc_node *cast = mc_value_single_user(input);
  if (input->type->dtype != MC_u8 || mc_type_is_quant(input->type) || !cast || cast->op != MC_OP_cast || cast->out[0]->type->dtype != MC_f32) return;
  mc_value *v = cast->out[0];
  float scale = 1, k;
  for (mc_node *u; (u = mc_value_single_user(v)); v = u->out[0]) {
    bool times = u->op == MC_OP_mul && (scalar_of(u->in[1], &k) || scalar_of(u->in[0], &k));
    bool over = u->op == MC_OP_div && u->in[0] == v && scalar_of(u->in[1], &k);
    if ((!times && !over) || !(k > 0) || !mc_type_same_shape(u->out[0]->type, v->type)) break;
    scale = times ? scale * k : scale / k;
  }
  if (!(scale > 0) || !isfinite(scale)) return;
  mc_type t = { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = scale } };
  input->type = mc_type_with_elem(s->cx->module, input->type, &t);
  s->b = (mc_builder){ .graph = g, .before = cast, .diag = s->cx->diag, .loc = cast->loc, .source = cast->source };
  mc_value *f = check(s, mc_build1(&s->b, MC_OP_dequantize, &input, 1, NULL));
  if (!f) return;
  mc_value_replace(v, f);
  f->range = (mc_range){ true, 0, 255 * scale };
  entry *e = entry_of(s, f);
  *e = (entry){ .q = input, .f = f, .known = true, .params = t.q, .dtype = MC_u8, .integer = true, .lo = -INFINITY, .hi = INFINITY };
}

/* ---- the pass ---- */

/* Operands that only this concat reads take its range, so that joining needs no requantization. */
static void share_concat_ranges(state *s) {
  MC_FOR_NODES(n, s->cx->graph) {
    if (n->op != MC_OP_concat || !n->out[0]->range.known) continue;
    for (int i = 0; i < n->nin; i++) {
      mc_value *v = n->in[i];
      bool own = v->def && !mc_op_has(v->def->op, MC_T_CONST) && !moves_only(v->def) && mc_value_single_user(v) == n;
      if (own && v->range.known) v->range = n->out[0]->range;
    }
  }
}

static void convert(state *s, mc_node *n) {
  s->b = (mc_builder){ .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc, .source = n->source };
  if (planned(s, n)) {
    if (mc_op_has(n->op, MC_T_ACCUM)) convert_accum(s, n);
    else convert_follow(s, n);
  } else if (!mc_map_ptr_get(&s->plan, n) && !mc_op_has(n->op, MC_T_CONST)) {
    for (int i = 0; i < n->nin && !s->failed; i++)
      if (n->in[i]->type->dtype == MC_f32) {
        mc_value *f = f_of(s, n->in[i]);
        if (f) mc_node_set_in(n, i, f);
      }
  }
}

static void remove_dead(mc_graph *g) {
  MC_FOR_NODES_REV(n, g) {
    bool used = n->op == MC_OP_return;
    for (int i = 0; i < n->nout; i++) used |= n->out[i]->uses != NULL;
    if (!used) mc_node_remove(n);
  }
}

bool mc_pass_quantize(mc_pass_context *cx, const mc_opts_quantize *o, bool *changed) {
  state s = { .cx = cx, .o = o, .act = o->activations == mc_actform_i8 ? MC_i8 : MC_u8 };
  mc_map_init(&s.entries, cx->scratch);
  mc_map_init(&s.plan, cx->scratch);
  mc_map_init(&s.means, cx->scratch);
  mc_map_init(&s.slower, cx->scratch);
  if (o->faster && !cx->target) return mc_error(cx->diag, cx->graph->loc, "quantize: 'faster' compares times on a target, and there is none");
  if (o->faster) mc_quant_slower(cx, &s.slower);
  share_concat_ranges(&s);
  for (int i = 0; i < cx->graph->nin; i++) adopt_input(&s, cx->graph->in[i]);
  MC_FOR_NODES(n, cx->graph) if (n->op != MC_OP_return && !mc_op_has(n->op, MC_T_CONST)) plan_node(&s, n);
  if (*o->correct && !measure_means(&s)) return false;
  size_t before = s.plan.n;
  MC_FOR_NODES(n, cx->graph) {
    convert(&s, n);
    if (s.failed) return false;
  }
  remove_dead(cx->graph);
  *changed = before > 0;
  cx->bound = 0.25;
  return true;
}
