/* to-bf16: products on bf16, and bf16 in memory between groups (docs/reference/numerics.md,
 * "bf16").
 *
 *   %y = conv2d %x, %w, %b {clamp=[0.0,inf]} : f32[1,32,32,16]
 *   %z = conv2d %y, %v : f32[1,32,32,16]                            // returned
 * becomes
 *   %1 = cast %x : bf16[1,32,32,3]
 *   %2 = weight @w.bf16 : bf16[16,3,3,3]
 *   %y = conv2d %1, %2, %b {clamp=[0.0,inf]} : bf16[1,32,32,16]
 *   %3 = weight @v.bf16 : bf16[16,3,3,16]
 *   %z = conv2d %y, %3 : f32[1,32,32,16]
 *
 * An f32 result becomes bf16 unless the group that will compute it reads it on in registers (the
 * chain after a product, a map), or it only goes to the graph's results. Ops that move elements
 * have operands and results of one type. What a comparison reads stays f32: rounding turns equal
 * into less. Everything else takes either type, so casts are only after graph inputs, before
 * products that skip= keeps, and where a type is fixed. Contract: LOSSY; the bound stated is on
 * the relative L2 error of the outputs, 0.1. */
#include "quant.h"
#include "mc/ir/build.h"
#include "mc/pass/layers.h"
#include "mc/support/fixed.h"
#include "mc/support/glob.h"

typedef struct state {
  mc_pass_context *cx;
  const mc_opts_to_bf16 *o;
  mc_map chain;   /* elementwise node -> the product whose group takes it */
  mc_map result;  /* value -> itself: only the graph's results read it, through moves at most */
  mc_map other;   /* value -> the same value in the other type */
  mc_map weights; /* f32 tensor -> bf16 tensor */
  int converted;
  bool failed;
} state;

static bool is_f32(const mc_value *v) { return v->type->dtype == MC_f32; }

static bool in_map(const mc_map *m, const void *key) { return mc_map_ptr_get(m, key) != NULL; }

/* ---- what will be one group (form-groups; a wrong guess here costs memory traffic, no meaning)
 * ---- */

static bool joins_product(const mc_node *n, const mc_value *v) {
  if (n->nout != 1 || !mc_type_same_shape(n->out[0]->type, v->type)) return false;
  if (mc_op_has(n->op, MC_T_UNARY) || n->op == MC_OP_quantize || n->op == MC_OP_cast) return true;
  bool binary = n->op == MC_OP_add || n->op == MC_OP_sub || n->op == MC_OP_mul ||
                n->op == MC_OP_min || n->op == MC_OP_max;
  return binary && mc_type_same_shape(n->in[n->in[0] == v]->type, v->type) &&
         n->in[n->in[0] == v]->def;
}

static void find_chains(state *s) {
  MC_FOR_NODES_REV (head, s->cx->graph) {
    if (!mc_op_has(head->op, MC_T_ACCUM)) continue;
    const mc_value *v = head->out[0];
    for (mc_node *n; (n = mc_value_single_user(v)) && !in_map(&s->chain, n) && joins_product(n, v);
         v = n->out[0])
      *mc_map_ptr_slot(&s->chain, n) = head;
  }
}

static const mc_node *product_of(const state *s, const mc_node *n) {
  return mc_op_has(n->op, MC_T_ACCUM) ? n : mc_map_ptr_get(&s->chain, n);
}

static bool stays_in_registers(const state *s, const mc_value *v) {
  const mc_node *u = mc_value_single_user(v), *p = product_of(s, v->def);
  if (!u || u->op == MC_OP_return) return false;
  if (p || product_of(s, u)) return p && p != u && product_of(s, u) == p;
  return mc_op_has(v->def->op, MC_T_ELEM) && mc_op_has(u->op, MC_T_ELEM) && u->nout == 1 &&
         mc_type_same_shape(u->out[0]->type, v->type);
}

/* ---- types ---- */

/* Ops whose real result may be stored in either type. */
static bool chooses(const mc_node *n) {
  if (n->op == MC_OP_dequantize || n->op == MC_OP_group ||
      mc_op_has(n->op, MC_T_CONST | MC_T_TERM | MC_T_MOVE) || n->op == MC_OP_resize)
    return false;
  return n->nout == 1 && is_f32(n->out[0]);
}

/* Ops whose results have the type of their operands. */
static bool moves(const mc_node *n) { return mc_op_has(n->op, MC_T_MOVE) || n->op == MC_OP_resize; }

static void find_results(state *s) {
  MC_FOR_NODES_REV (n, s->cx->graph)
    for (int i = 0; i < n->nout; i++) {
      bool only = n->out[i]->uses != NULL;
      MC_FOR_USES (u, n->out[i]) {
        bool through = moves(u->user);
        for (int k = 0; k < u->user->nout; k++)
          through = through && in_map(&s->result, u->user->out[k]);
        only = only && (u->user->op == MC_OP_return || through);
      }
      if (only) *mc_map_ptr_slot(&s->result, n->out[i]) = n->out[i];
    }
}

static void set_dtype(state *s, mc_value *v, mc_dtype t) {
  v->type = mc_type_with_elem(s->cx->module, v->type, &(mc_type){ .dtype = t });
}

static mc_tensor *rounded(state *s, const mc_tensor *t) {
  void **slot = mc_map_ptr_slot(&s->weights, t), *p;
  if (*slot) return *slot;
  mc_tensor *r = mc_tensor_create(
      s->cx->module, t->name ? mc_arena_printf(s->cx->module->arena, "%s.bf16", t->name) : NULL,
      MC_bf16, t->rank, t->dim, &p);
  for (int64_t i = 0, n = mc_tensor_elems(t); i < n; i++)
    ((uint16_t *)p)[i] = mc_fx_bf16(((const float *)t->data)[i]);
  return *slot = r;
}

/* The value in this type: itself, a rounded constant, or a cast where the value comes into being.
 */
static mc_value *as(state *s, mc_value *v, mc_dtype t) {
  if (v->type->dtype == t || (v->type->dtype != MC_f32 && v->type->dtype != MC_bf16)) return v;
  void **slot = mc_map_ptr_slot(&s->other, v);
  if (*slot) return *slot;
  mc_graph *g = s->cx->graph;
  mc_node *def = v->def;
  mc_builder b = { .graph = g,
                   .before = def ? def->next : g->first,
                   .diag = s->cx->diag,
                   .loc = def ? def->loc : v->loc,
                   .source = def ? def->source : v->source };
  const mc_tensor *w = mc_value_tensor(v);
  mc_value *r = w && t == MC_bf16
                    ? mc_build_tensor(&b, rounded(s, w), NULL)
                    : mc_build1_as(&b, MC_OP_cast, &v, 1, NULL, &(mc_type){ .dtype = t });
  if (r) r->range = v->range;
  s->failed |= !r;
  return *mc_map_ptr_slot(&s->other, v) = r;
}

static void set_operand(state *s, mc_node *n, int i, mc_dtype t) {
  mc_value *v = as(s, n->in[i], t);
  if (v && v != n->in[i]) mc_node_set_in(n, i, v);
}

/* ---- the walk ---- */

static bool selected(const state *s, const mc_node *n) {
  const char *value = n->out[0]->name;
  if (mc_glob_list(s->o->skip, n->source) || mc_glob_list(s->o->skip, value)) return false;
  return !*s->o->only || mc_glob_list(s->o->only, n->source) || mc_glob_list(s->o->only, value);
}

static const char *name_of(const mc_node *n) {
  return n->source ? n->source : n->out[0]->name ? n->out[0]->name : "?";
}

static bool converts(const state *s, const mc_node *n) {
  for (int i = 0; i < n->nin; i++)
    if (i < 2 && n->in[i]->type->dtype != MC_f32 && n->in[i]->type->dtype != MC_bf16) return false;
  bool compared = mcq_only_compared(n->out[0], 0);
  if (selected(s, n) && !compared) return true;
  const char *why =
      compared ? "a comparison alone reads it, which small differences decide" : "not selected";
  mc_remark(s->cx->diag, n->loc, "%s %s stays in f32: %s", mc_ops[n->op].text, name_of(n), why);
  return false;
}

static void convert_product(state *s, mc_node *n) {
  bool yes = converts(s, n);
  for (int i = 0; i < 2; i++) set_operand(s, n, i, yes ? MC_bf16 : MC_f32);
  if (n->nin > 2) set_operand(s, n, 2, MC_f32);
  s->converted += yes;
  if (yes)
    MC_STAT_ADD(s->cx, to_bf16, layers, 1);
  else
    MC_STAT_ADD(s->cx, to_bf16, kept, 1);
}

static void convert_move(state *s, mc_node *n) {
  int operands = n->op == MC_OP_gather ? 1 : n->nin;
  if (n->in[0]->type->dtype != MC_f32 && n->in[0]->type->dtype != MC_bf16) return;
  bool exact = in_map(&s->result, n->out[0]);
  for (int i = 0; i < n->nout; i++) exact |= mcq_compared(n->out[i], 0);
  mc_dtype t = exact ? MC_f32 : MC_bf16;
  for (int i = 0; i < operands; i++) set_operand(s, n, i, t);
  for (int i = 0; i < n->nout; i++) set_dtype(s, n->out[i], t);
}

/* A formula whose error is below that of a result in bf16. */
static void shorten(mc_node *n) {
  if (n->op == MC_OP_gelu && MC_ATTRS(n, gelu)->approximate == mc_approx_none)
    MC_ATTRS(n, gelu)->approximate = mc_approx_short;
}

static void convert(state *s, mc_node *n) {
  if (n->op == MC_OP_return || n->op == MC_OP_group) {
    for (int i = 0; i < n->nin; i++) set_operand(s, n, i, MC_f32);
    return;
  }
  if (moves(n)) {
    convert_move(s, n);
    return;
  }
  if (mc_op_has(n->op, MC_T_ACCUM) && n->in[0]->type->q.kind == MC_Q_NONE) convert_product(s, n);
  if (n->op == MC_OP_batch_norm || n->op == MC_OP_layer_norm)
    for (int i = 1; i < n->nin; i++) set_operand(s, n, i, MC_f32);
  if (!chooses(n) || in_map(&s->result, n->out[0]) || stays_in_registers(s, n->out[0])) return;
  if (mcq_compared(n->out[0], 0)) return;
  set_dtype(s, n->out[0], MC_bf16);
  shorten(n);
}

static void remove_dead(mc_graph *g) {
  MC_FOR_NODES_REV (n, g) {
    bool used = !mc_op_has(n->op, MC_T_CONST);
    for (int i = 0; i < n->nout; i++) used |= n->out[i]->uses != NULL;
    if (!used) mc_node_remove(n);
  }
}

static bool has_products(const mc_graph *g) {
  MC_FOR_NODES (n, g)
    if (mc_op_has(n->op, MC_T_ACCUM) && is_f32(n->in[0])) return true;
  return false;
}

bool mc_pass_to_bf16(mc_pass_context *cx, const mc_opts_to_bf16 *o, bool *changed) {
  state s = { .cx = cx, .o = o };
  *changed = false;
  cx->bound = 0.1;
  mc_layers_warn_unmatched(cx, "to-bf16", "skip", o->skip, MC_T_ACCUM);
  mc_layers_warn_unmatched(cx, "to-bf16", "only", o->only, MC_T_ACCUM);
  if (!has_products(cx->graph)) {
    mc_warning(cx->diag, cx->graph->loc,
               "to-bf16: no layer became bf16: there is no convolution, linear or matmul in f32");
    return true;
  }
  mc_map_init(&s.chain, cx->scratch);
  mc_map_init(&s.result, cx->scratch);
  mc_map_init(&s.other, cx->scratch);
  mc_map_init(&s.weights, cx->scratch);
  find_chains(&s);
  find_results(&s);
  MC_FOR_NODES (n, cx->graph) {
    if (!mc_op_has(n->op, MC_T_CONST)) convert(&s, n);
    if (s.failed) return false;
  }
  remove_dead(cx->graph);
  if (!s.converted)
    mc_warning(cx->diag, cx->graph->loc,
               "to-bf16: no layer became bf16: all stay in f32 (remarks say why)");
  *changed = true;
  return true;
}
