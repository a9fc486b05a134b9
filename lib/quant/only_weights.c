/* quantize{only-weights}, weights-to-fp16: weights of few bits for products that stay in f32. The
 * graph stays what it was; the object keeps what such weights need (stored-weights.md). */
#include "mc/measure/product.h"
#include "mc/pass/layers.h"
#include "mc/support/fixed.h"
#include "mc/support/glob.h"
#include "quantize.h"
#include <math.h>

const char *mc_product_unstored(const mc_product *p) {
  if (p->node->op != MC_OP_conv2d && p->node->op != MC_OP_linear)
    return "only weights of conv2d and linear are stored in fewer bits";
  if (mc_product_depthwise(p)) return "a depthwise layer reads its few weights as they are";
  return NULL;
}

static void stays(mc_pass_context *cx, const mc_product *p, const char *why) {
  mc_remark(cx->diag, p->node->loc, "%s keeps its f32 weights: %s", mc_layer_name(p->node), why);
}

static void none(mc_pass_context *cx, const char *pass, int products) {
  if (products)
    mc_warning(cx->diag, cx->graph->loc,
               "%s: no layer has weights of fewer bits: all %d keep theirs (-remarks says why)",
               pass, products);
  else
    mc_warning(cx->diag, cx->graph->loc,
               "%s: no layer has weights of fewer bits: there is no convolution or linear layer "
               "with constant f32 weights",
               pass);
}

/* ---- whole numbers and scales ---- */

static bool on_steps(state *s, const mc_product *p) {
  mc_arena *a = mc_arena_create();
  float *bias, *w = mc_product_copy(p, a, &bias);
  mc_quant_rows(w, p->groups * p->o, p->d, s->o->weights == mc_granularity_per_channel);
  bool ok = mc_product_set(p, w, bias, s->cx->diag);
  mc_arena_destroy(a);
  return ok;
}

static bool conflict(const state *s) {
  const mc_opts_quantize *o = s->o;
  const char *other = o->faster                         ? "faster="
                      : *o->correct                     ? "correct="
                      : *o->ops                         ? "ops="
                      : o->activations != mc_actform_u8 ? "activations="
                                                        : NULL;
  return other &&
         !mc_error(s->cx->diag, s->cx->loc,
                   "quantize: %s has no meaning with only-weights: activations stay in f32", other);
}

bool mcq_only_weights(state *s, bool *changed) {
  const mc_opts_quantize *o = s->o;
  if (conflict(s)) return false;
  mc_products p = mc_products_of(s->cx->graph, s->cx->scratch);
  for (int i = 0; i < p.n; i++) {
    const char *why = mcq_selected(s, p.v[i].node) ? mc_product_unstored(&p.v[i]) : "not selected";
    if (why)
      stays(s->cx, &p.v[i], why);
    else
      *mc_map_ptr_slot(&s->plan, p.v[i].node) = p.v[i].node, s->layers++;
  }
  if (!s->layers) none(s->cx, "quantize", p.n);
  if ((o->bits < 8 || o->group || *o->data) && !mcq_round_weights(s)) return false;
  p = mc_products_of(s->cx->graph, s->cx->scratch); /* those with the rounded weights */
  for (int i = 0; i < p.n; i++)
    if (mcq_planned(s, p.v[i].node) && !on_steps(s, &p.v[i])) return false;
  *changed = s->layers > 0;
  s->cx->bound = 0.25;
  return true;
}

/* ---- half precision ---- */

static bool chosen(const mc_opts_weights_to_fp16 *o, const mc_node *n) {
  const char *value = n->out[0]->name;
  if (mc_glob_list(o->skip, n->source) || mc_glob_list(o->skip, value)) return false;
  return !*o->only || mc_glob_list(o->only, n->source) || mc_glob_list(o->only, value);
}

/* Rounded in place; false: one would be infinite, and nothing is changed. */
static bool to_halves(float *w, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(mc_fx_from_f16(mc_fx_f16(w[i])))) return false;
  for (int64_t i = 0; i < n; i++) w[i] = mc_fx_from_f16(mc_fx_f16(w[i]));
  return true;
}

static const char *halve(mc_pass_context *cx, const mc_product *p) {
  mc_arena *a = mc_arena_create();
  float *bias, *w = mc_product_copy(p, a, &bias);
  const char *why = NULL;
  if (!to_halves(w, p->groups * p->o * p->d))
    why = "one is larger than half precision can say (65504)";
  else if (!mc_product_set(p, w, bias, cx->diag))
    why = "";
  mc_arena_destroy(a);
  return why;
}

bool mc_pass_weights_to_fp16(mc_pass_context *cx, const mc_opts_weights_to_fp16 *o, bool *changed) {
  mc_layers_warn_unmatched(cx, "weights-to-fp16", "skip", o->skip, 0);
  mc_layers_warn_unmatched(cx, "weights-to-fp16", "only", o->only, 0);
  mc_products p = mc_products_of(cx->graph, cx->scratch);
  int done = 0;
  for (int i = 0; i < p.n; i++) {
    const char *why = mc_product_unstored(&p.v[i]);
    if (!chosen(o, p.v[i].node)) why = "not selected";
    if (!why) why = halve(cx, &p.v[i]);
    if (why && !*why) return false;
    if (why)
      stays(cx, &p.v[i], why);
    else
      done++;
  }
  if (!done) none(cx, "weights-to-fp16", p.n);
  *changed = done > 0;
  cx->bound = 0.01;
  return true;
}
