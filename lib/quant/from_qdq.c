/* from-qdq: ops between dequantize and quantize work on the integers.
 *
 *   %xf = dequantize %x : f32[1,8,8,16]                        // %x: u8<0.02:128>
 *   %wf = dequantize %w : f32[32,3,3,16]                       // %w: i8<@s axis=0>
 *   %y  = conv2d %xf, %wf : f32[1,6,6,32]
 *   %r  = relu %y : f32[1,6,6,32]
 *   %q  = quantize %r : u8<0.05:0>[1,6,6,32]
 * becomes
 *   %a  = conv2d %x, %w : i32<@s.acc axis=3>[1,6,6,32]
 *   %q  = requantize %a : u8<0.05:0>[1,6,6,32]                 // relu is what the range does
 *
 * Applies to every op with a quantized form (docs/reference/numerics.md) whose operands are
 * dequantized values, constants too, possibly moved; a product needs no quantize after it. relu
 * and clamp before a quantize vanish into its range, or follow it on the integers. What must
 * stay in f32 is named by a remark, products by a warning; dequantized constants that are left
 * become f32 constants. Contract: LOSSY: a requantize multiplies where dequantize and quantize
 * multiply and divide, so a value may come out one step beside; the bound stated is on the relative
 * L2 error of the outputs, 0.1. */
#include "islands.h"
#include "mc/analysis/accum.h"
#include "mc/support/fixed.h"
#include <math.h>
#include <string.h>

/* ---- reports ---- */

const char *islands_name(islands *s, const mc_node *n) {
  const char *name = n->source ? n->source
                     : n->nout ? n->out[0]->name
                               : NULL,
             *op = mc_ops[n->op].text;
  return name ? mc_arena_printf(s->cx->diag->arena, "%s %s", op, name) : op;
}

void *islands_keep(islands *s, const mc_node *n, const char *why) {
  void **told = mc_map_ptr_slot(&s->told, n);
  if (!*told) mc_remark(s->cx->diag, n->loc, "%s stays in f32: %s", islands_name(s, n), why);
  *told = (void *)(uintptr_t)n;
  return NULL;
}

static void summary(islands *s) {
  mc_loc at = s->cx->graph->loc;
  if (!s->kept) return;
  const char *more =
      s->kept > 1 ? mc_arena_printf(s->cx->diag->arena, " and %lld more", (long long)s->kept - 1)
                  : "";
  mc_warning(s->cx->diag, at,
             "%lld of the %lld layers that read quantized values stay in f32 (%s%s)",
             (long long)s->kept, (long long)(s->kept + s->layers), s->why, more);
}

/* ---- ops with a quantized form ---- */

void *islands_attrs(islands *s, const mc_node *n, float *lo, float *hi) {
  void *a = mc_arena_copy(s->cx->scratch, n->attrs, mc_ops[n->op].attrs_size);
  *lo = -INFINITY, *hi = INFINITY;
  float *c = mc_op_attr(n->op, a, "clamp");
  if (!c) return a;
  *lo = c[0], *hi = c[1];
  c[0] = -INFINITY, c[1] = INFINITY;
  return a;
}

/* One number, exactly: +-1 times its magnitude. */
static mc_value *one_number(islands *s, mc_node *n, const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  if (!t || t->dtype != MC_f32 || mc_tensor_elems(t) != 1) return NULL;
  float x = *(const float *)t->data;
  if (!isfinite(x) || (x != 0 && fabsf(x) < 1e-30f)) return NULL;
  void *data;
  mc_tensor *q = mc_tensor_create(s->cx->module, NULL, MC_i8, t->rank, t->dim, &data);
  *(int8_t *)data = (int8_t)((x > 0) - (x < 0));
  const mc_type *type =
      mc_type_make_q(s->cx->module, MC_i8, t->rank, t->dim, x == 0 ? 1 : fabsf(x), 0);
  mc_builder b = { .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc };
  return mc_build_tensor(&b, q, type);
}

static bool keeps_type(const mc_node *n, int i) { return i > 0 && n->op == MC_OP_layer_norm; }

/* Ops on quantized operands with a scale of their own. */
static bool has_form(const mc_node *n) {
  if (n->op == MC_OP_relu || n->op == MC_OP_clamp) return true;
  return mc_op_has(n->op, MC_T_QFORM) && n->nout == 1 && mc_accum_sum_fits(n);
}

/* n on the integers of its operands, stored as `to`; NULL after a remark. */
static mc_value *on_integers(islands *s, mc_node *n, const mc_type *to, float *lo, float *hi) {
  if (!has_form(n)) return islands_keep(s, n, "it has no form on integers");
  mc_value **in = MC_NEWN(s->cx->scratch, mc_value *, n->nin);
  for (int i = 0; i < n->nin; i++) {
    in[i] = keeps_type(n, i) ? n->in[i] : islands_ints(s, n->in[i]);
    if (!in[i] && mc_op_has(n->op, MC_T_BINARY)) in[i] = one_number(s, n, n->in[i]);
    if (!in[i])
      return islands_keep(
          s, n, mc_arena_printf(s->cx->scratch, "operand %d is not of 8 bits with one scale", i));
  }
  void *attrs = islands_attrs(s, n, lo, hi);
  mc_node *c = islands_build(s, n, n, n->op, in, n->nin, attrs, to);
  return c ? c->out[0] : islands_keep(s, n, "its scales or sizes have no form on integers");
}

/* ---- quantize ---- */

typedef struct island {
  mc_node *move[32];
  int nmove, result[32]; /* last first */
  float lo, hi;          /* clamps before the quantize, as one */
} island;

static bool moves_one(const mc_node *n) {
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  return n->op != MC_OP_concat && n->op != MC_OP_gather && mc_op_has(n->op, MC_T_MOVE);
}

static float within(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

/* A clamp before those already met. */
static void add_clamp(island *d, float lo, float hi) {
  float l = within(lo, d->lo, d->hi), h = within(hi, d->lo, d->hi);
  d->lo = l, d->hi = h;
}

/* Steps before v's op when that may come after the quantize instead. */
static mc_value *step(island *d, mc_value *v) {
  mc_node *n = v->def;
  if (n->op == MC_OP_relu)
    add_clamp(d, 0, INFINITY);
  else if (n->op == MC_OP_clamp)
    add_clamp(d, MC_ATTRS(n, clamp)->low, MC_ATTRS(n, clamp)->high);
  else if (moves_one(n) && d->nmove < 32) {
    bool border = n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant;
    float value = border ? MC_ATTRS(n, pad)->value : 0;
    if (border && within(value, d->lo, d->hi) != value) return NULL;
    d->result[d->nmove] = v->index;
    d->move[d->nmove++] = n;
  } else {
    return NULL;
  }
  return n->in[0];
}

static mc_value *as_type(islands *s, mc_node *at, const mc_node *like, mc_value *q,
                         const mc_type *to) {
  if (q->type->dtype == to->dtype && q->type->q.scale == to->q.scale &&
      q->type->q.zero == to->q.zero && is_q8(q->type))
    return q;
  mc_node *c = islands_build(s, at, like, MC_OP_requantize, &q, 1, NULL, to);
  return c ? c->out[0] : NULL;
}

static int32_t stored(float v, const mc_type *t) {
  int64_t lo, hi;
  mc_dtype_range(t->dtype, &lo, &hi);
  return mc_fx_quantize(v, t->q.scale, t->q.zero, (int32_t)lo, (int32_t)hi);
}

/* The clamp on stored integers; nothing where the range does it. */
static mc_value *clamped(islands *s, mc_node *at, mc_value *q, const island *d, const mc_type *to) {
  int64_t lo, hi;
  mc_dtype_range(to->dtype, &lo, &hi);
  if (stored(d->lo, to) == lo && stored(d->hi, to) == hi) return q;
  mc_attrs_clamp a = { .low = d->lo, .high = d->hi };
  bool relu = d->lo == 0 && d->hi == INFINITY;
  mc_node *c = islands_build(s, at, at, relu ? MC_OP_relu : MC_OP_clamp, &q, 1,
                             relu ? NULL : (void *)&a, to);
  return c ? c->out[0] : NULL;
}

/* The integers at the start of the island, stored as `to`; NULL: it does not start with any. */
static mc_value *start_of(islands *s, mc_node *n, mc_value *v, island *d, const mc_type *to) {
  for (mc_value *next;; v = next) {
    sums *r = mc_map_ptr_get(&s->sums, v);
    bool bound = v->def && (v->def->op == MC_OP_relu || v->def->op == MC_OP_clamp);
    mc_value *q = r ? r->acc : bound ? NULL : islands_ints(s, v);
    if (r) add_clamp(d, r->lo, r->hi);
    if (q) return as_type(s, n, r ? v->def : n, q, to);
    if (!v->def || v->def->region || v->type->dtype != MC_f32) return NULL;
    if (!(next = step(d, v))) break;
  }
  mc_node *def = v->def;
  bool any = false;
  for (int i = 0; i < def->nin; i++) any |= islands_ints(s, def->in[i]) != NULL;
  if (!any || mc_op_has(def->op, MC_T_ACCUM | MC_T_CONST)) return NULL;
  float lo = -INFINITY, hi = INFINITY;
  mc_value *q = on_integers(s, def, to, &lo, &hi);
  if (q) add_clamp(d, lo, hi);
  return q;
}

static void convert_quantize(islands *s, mc_node *n) {
  const mc_type *to = n->out[0]->type;
  island d = { .lo = -INFINITY, .hi = INFINITY };
  if (!is_q8(to) || n->in[0]->type->dtype != MC_f32) return;
  mc_value *q = start_of(s, n, n->in[0], &d, to);
  if (q) q = clamped(s, n, q, &d, to);
  while (q && d.nmove-- > 0) {
    mc_node *m = d.move[d.nmove], *c = islands_build(s, n, m, m->op, &q, 1, m->attrs, NULL);
    q = c ? c->out[d.result[d.nmove]] : NULL;
  }
  if (q) mc_value_replace(n->out[0], q);
}

/* ---- what is left ---- */

/* The f32 result of a product (or of the addition of its bias) that f32 ops (or nothing but they)
 * read. */
static bool real_of_sums(islands *s, mc_node *n) {
  sums *r = mc_map_ptr_get(&s->sums, n->out[0]);
  if (!r || !n->out[0]->uses) return true;
  mc_builder b = {
    .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc, .source = n->source
  };
  mc_value *v = mc_build1(&b, MC_OP_dequantize, &r->acc, 1, NULL);
  if (v && (r->lo > -INFINITY || r->hi < INFINITY))
    v = mc_build1(&b, MC_OP_clamp, &v, 1, &(mc_attrs_clamp){ .low = r->lo, .high = r->hi });
  if (v) mc_value_replace(n->out[0], v);
  return v != NULL;
}

/* dequantize, reshape, transpose of constants: f32 constants. */
static bool fold_constant(islands *s, mc_node *n) {
  const mc_tensor *t = mc_value_tensor(n->in[0]);
  const mc_type *to = n->out[0]->type;
  mc_array in = { n->in[0]->type, (void *)(uintptr_t)t->data }, out = { to, NULL };
  bool named = t->name || mc_type_elems(to) > 16;
  const char *name = t->name ? mc_arena_printf(s->cx->scratch, "%s.f32", t->name) : "constant";
  mc_tensor *r =
      mc_tensor_create(s->cx->module, named ? name : NULL, to->dtype, to->rank, to->dim, &out.data);
  mc_builder b = { .graph = s->cx->graph, .before = n, .diag = s->cx->diag, .loc = n->loc };
  mc_value *v = mc_eval_node(n, &in, &out, s->cx->diag) ? mc_build_tensor(&b, r, to) : NULL;
  if (v) mc_value_replace(n->out[0], v);
  return v != NULL;
}

static bool is_left_over(const mc_node *n) {
  bool kind = n->op == MC_OP_dequantize || n->op == MC_OP_reshape || n->op == MC_OP_transpose;
  return kind && n->out[0]->uses && n->out[0]->type->dtype == MC_f32 && mc_value_tensor(n->in[0]);
}

static void remove_dead(mc_node *n) {
  bool used = n->op == MC_OP_return;
  for (int i = 0; i < n->nout; i++) used |= n->out[i]->uses != NULL;
  if (!used) mc_node_remove(n);
}

static bool any_dequantize(const mc_graph *g) {
  MC_FOR_NODES (n, g)
    if (n->op == MC_OP_dequantize && n->out[0]->uses) return true;
  return false;
}

static void convert(islands *s, mc_node *n) {
  if (mc_op_has(n->op, MC_T_ACCUM))
    islands_product(s, n);
  else if (n->op == MC_OP_quantize)
    convert_quantize(s, n);
  else if (n->op == MC_OP_argmax) {
    mc_value *q = islands_ints(s, n->in[0]);
    if (q) mc_node_set_in(n, 0, q);
  }
}

bool mc_pass_from_qdq(mc_pass_context *cx, const mc_opts_from_qdq *o, bool *changed) {
  islands s = { .cx = cx };
  if (!any_dequantize(cx->graph)) return true;
  mc_map_init(&s.ints, cx->scratch);
  mc_map_init(&s.sums, cx->scratch);
  mc_map_init(&s.told, cx->scratch);
  for (int i = 0; o->integers && i < cx->graph->nin; i++) islands_adopt(&s, cx->graph->in[i]);
  for (mc_node *n = o->integers ? cx->graph->first : NULL, *next; n && !s.failed; n = next) {
    next = n->next;
    convert(&s, n);
  }
  if (s.failed) return false;
  MC_FOR_NODES (n, cx->graph)
    if (n->nout && !real_of_sums(&s, n)) return false;
  MC_FOR_NODES_REV (n, cx->graph) remove_dead(n);
  MC_FOR_NODES (n, cx->graph)
    if (is_left_over(n) && !fold_constant(&s, n)) return false;
  MC_FOR_NODES_REV (n, cx->graph) remove_dead(n);
  summary(&s);
  MC_STAT_ADD(cx, from_qdq, layers, s.layers);
  MC_STAT_ADD(cx, from_qdq, kept, s.kept);
  *changed = true;
  cx->bound = 0.1;
  return true;
}
