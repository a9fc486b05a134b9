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
 * Applies to products with constant weights (and matmul of two activations), and from there through
 * elementwise ops, pools, concat, resize and everything that only moves elements. A value's
 * parameters come from its range; values without one stay in f32, and so do ops without a quantized
 * form. softmax and layer_norm take integers where products read their result. A last product whose
 * result is only read in f32 is dequantized straight from the accumulator. Contract: LOSSY. The
 * bound stated is on the relative L2 error of the outputs, 0.25. */
#include "quantize.h"
#include "mc/analysis/accum.h"
#include "mc/pass/layers.h"
#include "mc/support/glob.h"
#include <math.h>
#include <string.h>

entry *mcq_entry(state *s, const mc_value *v) {
  void **slot = mc_map_ptr_slot(&s->entries, v);
  if (*slot) return *slot;
  entry *e = *slot = MC_NEW(s->cx->scratch, entry);
  *e = (entry){ .lo = -INFINITY, .hi = INFINITY, .dtype = s->act };
  if (!v->range.known || v->type->dtype != MC_f32) return e;
  e->why = mcq_range_unfit(s->cx->scratch, v->range);
  e->known = !e->why;
  if (e->known) e->params = mc_quant_choose(v->range.lo, v->range.hi, s->act);
  return e;
}

bool mcq_planned(state *s, const mc_node *n) { return n && mc_map_ptr_get(&s->plan, n) == n; }

/* ---- choosing what to convert ---- */

static const char *name_of(const mc_node *n) {
  return n->source ? n->source : n->nout && n->out[0]->name ? n->out[0]->name : NULL;
}

bool mcq_selected(state *s, const mc_node *n) {
  const mc_opts_quantize *o = s->o;
  const char *value = n->nout ? n->out[0]->name : NULL;
  if (*o->ops && !mc_glob_list(o->ops, mc_ops[n->op].text)) return false;
  if (mc_glob_list(o->skip, n->source) || mc_glob_list(o->skip, value)) return false;
  return !*o->only || mc_glob_list(o->only, n->source) || mc_glob_list(o->only, value);
}

static bool keep(state *s, const mc_node *n, const char *why) {
  const char *name = name_of(n);
  mc_remark(s->cx->diag, n->loc, "%s%s%s stays in f32: %s", mc_ops[n->op].text, name ? " " : "",
            name ? name : "", why);
  if (!s->first && mc_op_has(n->op, MC_T_ACCUM))
    s->first = mc_arena_printf(s->cx->scratch, "%s%s%s: %s", mc_ops[n->op].text, name ? " " : "",
                               name ? name : "", why);
  return false;
}

bool mcq_is_f32_const(const mc_value *v) {
  const mc_tensor *t = mc_value_tensor(v);
  return t && t->dtype == MC_f32 && !mc_type_is_quant(v->type);
}

/* Why a value cannot be an operand of integer arithmetic. */
static const char *why_not(state *s, const mc_value *v, const char *range) {
  const char *why = mcq_entry(s, v)->why;
  return why ? why : range;
}

static bool can_accum(state *s, const mc_node *n) {
  if (n->out[0]->type->dtype != MC_f32) return false;
  s->products++;
  if (!mcq_selected(s, n)) return keep(s, n, "not selected");
  const char *slower = mc_map_ptr_get(&s->slower, n), *unfit;
  if (slower) return keep(s, n, slower);
  if (mcq_only_compared(n->out[0], 0))
    return keep(s, n, "a comparison alone reads it, which small differences decide");
  if (!mcq_entry(s, n->in[0])->known)
    return keep(s, n, why_not(s, n->in[0], "the range of its input is not known"));
  if (n->op == MC_OP_matmul) {
    if (!mcq_entry(s, n->in[1])->known && !mcq_is_f32_const(n->in[1]))
      return keep(s, n, why_not(s, n->in[1], "the range of its second operand is not known"));
    const mc_type *a = n->in[0]->type;
    if (a->dim[a->rank - 1] > MC_SUM_MOST) return keep(s, n, "its sums could leave 32 bits");
  } else if (!mcq_is_f32_const(n->in[1]) || (n->nin > 2 && !mcq_is_f32_const(n->in[2])))
    return keep(s, n, "its weights are not constants");
  return !(unfit = mcq_product_unfit(s, n)) || keep(s, n, unfit);
}

bool mcq_moves_only(state *s, const mc_node *n) {
  if (n->op == MC_OP_concat) return false;
  if (n->op == MC_OP_resize) return MC_ATTRS(n, resize)->mode == mc_resize_nearest;
  if (n->op == MC_OP_pad) return mcq_pad_fits(s, n);
  return mc_op_has(n->op, MC_T_MOVE);
}

/* Ops that are left in f32 unless named in ops=: 256 levels are too coarse for their steep ends. */
static bool steep(mc_opcode op) {
  return op == MC_OP_exp || op == MC_OP_log || op == MC_OP_sqrt || op == MC_OP_erf;
}

/* Does v reach a product, through ops that only move elements, and no result of the graph? */
static bool reaches_products(state *s, const mc_value *v, bool *any) {
  MC_FOR_USES (u, v) {
    if (u->user->op == MC_OP_return) return false;
    if (mc_op_has(u->user->op, MC_T_ACCUM) && mcq_selected(s, u->user)) *any = true;
    if (mc_op_has(u->user->op, MC_T_MOVE) && mcq_moves_only(s, u->user))
      for (int i = 0; i < u->user->nout; i++)
        if (!reaches_products(s, u->user->out[i], any)) return false;
  }
  return true;
}

/* softmax and layer_norm become integer ops where products read them: those would have quantized
 * them anyway. Elsewhere (probabilities at the end of a network) f32 says more. */
static bool normalizes_products(state *s, const mc_node *n) {
  bool any = false;
  if (n->op != MC_OP_softmax && n->op != MC_OP_layer_norm) return true;
  return reaches_products(s, n->out[0], &any) && any;
}

bool mcq_keeps_type(const mc_node *n, int i) {
  return i > 0 && (n->op == MC_OP_gather || n->op == MC_OP_layer_norm);
}

static bool few_elements(const mc_node *n) {
  const mc_type *t = n->in[0]->type;
  int64_t d = 1, axis = n->op == MC_OP_layer_norm ? MC_ATTRS(n, layer_norm)->axis : t->rank;
  for (int64_t i = axis < 0 ? axis + t->rank : axis; i < t->rank; i++) d *= t->dim[i];
  return d <= MC_NORM_MOST;
}

/* Scores plus a mask (0 or -10000): 256 steps over such a range would leave nothing of the scores.
 */
static bool is_masked(state *s, const mc_node *n) {
  const mc_node *u = mc_value_single_user(n->out[0]);
  const mc_range *r = &n->out[0]->range;
  return (n->op == MC_OP_add || n->op == MC_OP_sub) && u && u->op == MC_OP_softmax && r->known &&
         !(r->hi - r->lo < 512) &&
         !keep(s, n, "a mask for softmax: its range is too wide for 8 bits");
}

/* All operands may be integers, and one of them comes from an op that makes them. */
static bool operands_fit(state *s, const mc_node *n) {
  bool any = false;
  const char *why = NULL;
  for (int i = 0; i < n->nin; i++) {
    mc_quant q;
    if (n->op == MC_OP_gather && i == 1) continue;
    if (n->in[i]->type->dtype != MC_f32) return false;
    if (mcq_keeps_type(n, i)) continue;
    if (mcq_is_f32_const(n->in[i])) {
      if (!mcq_const_params(s, n->in[i], &q))
        why = "its constant is not a number that 8 bits can carry";
      continue;
    }
    const entry *e = mcq_entry(s, n->in[i]);
    any |= e->integer;
    if (!e->known) why = why_not(s, n->in[i], "the range of an operand is not known");
  }
  return any && (!why || keep(s, n, why));
}

/* Values that get lost beside others: what reads them must not quantize them again. */
static bool spoil(state *s, const mc_node *n, const char *why) {
  entry *e = mcq_entry(s, n->out[0]);
  e->known = false;
  e->why = why;
  return keep(s, n, why);
}

/* Moved elsewhere they are the same values. */
static bool hand_on(state *s, const mc_node *n) {
  for (int i = 0; i < n->nout; i++) {
    entry *e = mcq_entry(s, n->out[i]);
    e->known = false;
    e->why = mcq_entry(s, n->in[0])->why;
  }
  return false;
}

static bool joins(const mc_node *n) { return n->op == MC_OP_concat || n->op == MC_OP_pad; }

static bool can_follow(state *s, mc_node *n) {
  if (joins(n)) {
    const char *why = mcq_op_unfit(s, n);
    if (why && !(n->op == MC_OP_pad && mcq_moves_only(s, n))) return spoil(s, n, why);
  } else if (mc_op_has(n->op, MC_T_MOVE) && mcq_entry(s, n->in[0])->why)
    return hand_on(s, n);
  if (!few_elements(n) || !mc_accum_sum_fits(n) || !normalizes_products(s, n)) return false;
  if (!mc_op_has(n->op, MC_T_QFORM | MC_T_MOVE) || (steep(n->op) && !*s->o->ops)) return false;
  if (!mcq_selected(s, n) || !operands_fit(s, n) || is_masked(s, n)) return false;
  if (mcq_moves_only(s, n)) return !mcq_is_f32_const(n->in[0]);
  if (!mcq_entry(s, n->out[0])->known)
    return keep(s, n, why_not(s, n->out[0], "the range of its result is not known"));
  if (mcq_compared(n->out[0], 0))
    return keep(s, n, "a comparison reads it, which small differences decide");
  if (mcq_divides(n->out[0], 0))
    return keep(s, n, "a division by it, or a power of it, would see 0 where 8 bits round to it");
  const char *unfit = *s->o->ops && steep(n->op) ? NULL : mcq_op_unfit(s, n);
  return !unfit || keep(s, n, unfit);
}

/* What an f32 op reads because 8 bits would be too coarse for it comes straight from the
 * accumulator. */
static void want_exact(state *s, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (n->in[i]->type->dtype == MC_f32 && !mcq_is_f32_const(n->in[i]))
      mcq_entry(s, n->in[i])->exact = true;
}

mc_value *mcq_absorbed(state *s, mc_value *v) {
  mc_node *u = mc_value_single_user(v);
  if (!u || (u->op != MC_OP_relu && u->op != MC_OP_clamp) || !mc_map_ptr_get(&s->plan, u)) return v;
  return mc_map_ptr_get(&s->plan, u) == v->def ? u->out[0] : v;
}

/* A relu or clamp that the converted op before it can absorb: nobody else reads that op's
 * result. */
static bool can_absorb(state *s, const mc_node *n) {
  if (n->op != MC_OP_relu && n->op != MC_OP_clamp) return false;
  const mc_node *def = n->in[0]->def;
  return mcq_planned(s, def) && !mcq_moves_only(s, def) && def->op != MC_OP_pad &&
         mc_value_single_user(n->in[0]) == n && mcq_selected(s, n) &&
         (mcq_entry(s, n->out[0])->known || mc_op_has(def->op, MC_T_ACCUM));
}

static void plan_node(state *s, mc_node *n) {
  bool accum = mc_op_has(n->op, MC_T_ACCUM), onto = can_absorb(s, n);
  if (!onto && (accum ? !can_accum(s, n) : !can_follow(s, n))) {
    if (accum)
      MC_STAT_ADD(s->cx, quantize, kept, 1);
    else
      want_exact(s, n);
    return;
  }
  s->layers += accum;
  for (int i = 0; i < n->nout; i++) {
    entry *e = mcq_entry(s, n->out[i]);
    e->integer = true;
    if (!accum && !onto && mcq_moves_only(s, n))
      e->known = true, e->params = mcq_entry(s, n->in[0])->params,
      e->dtype = mcq_entry(s, n->in[0])->dtype;
  }
  *mc_map_ptr_slot(&s->plan, n) = onto ? n->in[0]->def : n;
  if (accum) MC_STAT_ADD(s->cx, quantize, layers, 1);
}

/* ---- the pass ---- */

/* Operands that only this op reads take its range, so that joining them, or putting a border around
 * them, needs no requantization. */
static bool share_range(mc_node *n) {
  bool changed = false;
  for (int i = 0; i < n->nin; i++) {
    mc_value *v = n->in[i];
    bool own =
        v->def && !mc_op_has(v->def->op, MC_T_CONST | MC_T_MOVE) && mc_value_single_user(v) == n;
    if (!own || !v->range.known) continue;
    changed |= v->range.lo != n->out[0]->range.lo || v->range.hi != n->out[0]->range.hi;
    v->range = n->out[0]->range;
  }
  return changed;
}

static bool widen(mc_range *r, float x) {
  if (!isfinite(x) || (x >= r->lo && x <= r->hi)) return false;
  r->lo = fminf(r->lo, x);
  r->hi = fmaxf(r->hi, x);
  return true;
}

/* What a pad or a concat brings in for certain belongs into the range, whatever guessed or cut it.
 */
static bool hold_constants(mc_node *n) {
  mc_range *r = &n->out[0]->range;
  bool wider = false;
  if (n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant)
    wider = widen(r, MC_ATTRS(n, pad)->value);
  for (int i = 0; n->op == MC_OP_concat && i < n->nin; i++) {
    const mc_tensor *t = mcq_is_f32_const(n->in[i]) ? mc_value_tensor(n->in[i]) : NULL;
    for (int64_t k = 0; t && k < mc_tensor_elems(t); k++)
      wider |= widen(r, ((const float *)t->data)[k]);
  }
  return wider;
}

static bool hold_all_constants(state *s) {
  bool wider = false;
  MC_FOR_NODES (n, s->cx->graph)
    if ((n->op == MC_OP_pad || n->op == MC_OP_concat) && n->out[0]->range.known)
      wider |= hold_constants(n);
  return wider;
}

static bool share_ranges(state *s) {
  bool changed = false;
  MC_FOR_NODES (n, s->cx->graph) {
    bool pads =
        n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant && !mcq_pad_fits(s, n);
    if ((n->op == MC_OP_concat || pads) && n->out[0]->range.known && !mcq_op_unfit(s, n))
      changed |= share_range(n);
  }
  mc_map_init(&s->entries, s->cx->scratch); /* they were made from the ranges before */
  return changed;
}

static bool remove_dead(mc_graph *g) {
  bool changed = false;
  MC_FOR_NODES_REV (n, g) {
    bool used = n->op == MC_OP_return;
    for (int i = 0; i < n->nout; i++) used |= n->out[i]->uses != NULL;
    if (used) continue;
    mc_node_remove(n);
    changed = true;
  }
  return changed;
}

/* u8 inputs become quantized ones where they can. */
static bool adopt_inputs(state *s) {
  bool changed = false;
  for (int i = 0; i < s->cx->graph->nin; i++) {
    const mc_type *before = s->cx->graph->in[i]->type;
    mcq_adopt_input(s, s->cx->graph->in[i]);
    changed |= s->cx->graph->in[i]->type != before;
  }
  return changed;
}

static bool has_ranges(const mc_graph *g) {
  for (int i = 0; i < g->nin; i++)
    if (g->in[i]->range.known) return true;
  MC_FOR_NODES (n, g)
    for (int i = 0; i < n->nout; i++)
      if (n->out[i]->range.known) return true;
  return false;
}

static bool has_products(const mc_graph *g) {
  MC_FOR_NODES (n, g)
    if (mc_op_has(n->op, MC_T_ACCUM) && n->out[0]->type->dtype == MC_f32) return true;
  return false;
}

static bool check_rounding(mc_pass_context *cx, const mc_opts_quantize *o) {
  bool nearest = o->rounding_method == mc_roundmethod_nearest;
  if (o->bits < 2 || o->bits > 8)
    return mc_error(cx->diag, cx->loc, "quantize: bits must be 2 to 8, got %lld",
                    (long long)o->bits);
  if (o->group < 0)
    return mc_error(cx->diag, cx->loc, "quantize: group must not be negative, got %lld",
                    (long long)o->group);
  if (o->group && o->bits == 8)
    return mc_error(cx->diag, cx->loc,
                    "quantize: group= is for fewer than 8 bits: its multiples of the scale take "
                    "what is left of them");
  if (o->samples < 0) return mc_error(cx->diag, cx->loc, "quantize: samples must be at least 0");
  if (!nearest && !*o->data)
    return mc_error(cx->diag, cx->loc,
                    "quantize: rounding-method= needs samples: give data=FILE.npz");
  if (o->samples && !*o->data)
    return mc_error(cx->diag, cx->loc, "quantize: samples= has no meaning without data=");
  return !*o->data || !*o->correct ||
         mc_error(cx->diag, cx->loc,
                  "quantize: data= and correct= both round weights by samples: give one of them");
}

/* Names that are none, and no ranges at all. */
static bool check_options(mc_pass_context *cx, const mc_opts_quantize *o) {
  if (!check_rounding(cx, o)) return false;
  if (o->faster && !cx->target)
    return mc_error(cx->diag, cx->graph->loc,
                    "quantize: 'faster' compares times on a target, and there is none");
  mc_layers_warn_unmatched(cx, "quantize", "skip", o->skip, 0);
  mc_layers_warn_unmatched(cx, "quantize", "only", o->only, 0);
  mc_ops_warn_unmatched(cx, "quantize", "ops", o->ops);
  if (o->only_weights) return true;
  if (has_ranges(cx->graph) || !has_products(cx->graph)) return true;
  mc_error(cx->diag, cx->graph->loc, "quantize: no value has a range, so no layer can become INT8");
  mc_note(cx->diag, cx->graph->loc,
          "run calibrate{data=FILE.npz} before (mcc: -calib=FILE.npz), or ranges-from-bn before "
          "fold-bn, or write range(lo, hi) after types");
  return false;
}

/* Nothing of what was asked for was done: that is worth a word. */
static void report(const state *s) {
  if (s->layers) return;
  if (!s->products) {
    mc_warning(s->cx->diag, s->cx->graph->loc,
               "quantize: no layer became INT8: there is no convolution, linear or matmul in f32");
    return;
  }
  mc_warning(s->cx->diag, s->cx->graph->loc,
             "quantize: no layer became INT8: all %d stay in f32; the first is %s", s->products,
             s->first ? s->first : "of another type");
}

bool mc_pass_quantize(mc_pass_context *cx, const mc_opts_quantize *o, bool *changed) {
  state s = { .cx = cx, .o = o, .act = o->activations == mc_actform_i8 ? MC_i8 : MC_u8 };
  if (!check_options(cx, o)) return false;
  mc_map_init(&s.entries, cx->scratch);
  mc_map_init(&s.plan, cx->scratch);
  mc_map_init(&s.means, cx->scratch);
  mc_map_init(&s.products_of, cx->scratch);
  mc_map_init(&s.compensation, cx->scratch);
  mc_map_init(&s.slower, cx->scratch);
  if (o->only_weights) return mcq_only_weights(&s, changed);
  if (o->faster) mc_quant_slower(cx, &s.slower);
  *changed = hold_all_constants(&s);
  *changed |= share_ranges(&s);
  *changed |= adopt_inputs(&s);
  MC_FOR_NODES (n, cx->graph)
    if (n->op != MC_OP_return && !mc_op_has(n->op, MC_T_CONST)) plan_node(&s, n);
  report(&s);
  if ((o->bits < 8 || o->group || *o->data) && !mcq_round_weights(&s)) return false;
  if (*o->correct && !mcq_measure_means(&s)) return false;
  if (*o->correct && !mcq_measure_columns(&s)) return false;
  *changed |= s.plan.n > 0;
  MC_FOR_NODES (n, cx->graph) {
    mcq_convert(&s, n);
    if (s.failed) return false;
  }
  *changed |= remove_dead(cx->graph);
  cx->bound = 0.25;
  return true;
}
