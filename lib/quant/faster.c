/* Which products are faster in fp32 than in INT8 on the target, by the cost model
 * (docs/internals/cost-model.md, "INT8 or not").
 *
 * The time of a choice for all products is the sum of their estimates, plus a conversion of a
 * product's input wherever that comes from a product of the other arithmetic (or a graph input of
 * the other kind). From all INT8, and from all fp32, single products change sides while that saves
 * time; the better end is taken, INT8 where they are close. */
#include "quant.h"
#include "mc/analysis/model.h"
#include "mc/target/tuning.h"
#include <string.h>

enum { INT8, FP32 };

typedef struct product {
  mc_node *node;
  double cycles[2];
  double from[2]; /* to convert the input into INT8, into fp32 */
  int source[8],
      nsource; /* products that the input comes from; -1: an f32 graph input, -2: an integer one */
} product;

typedef struct choice {
  mc_pass_context *cx;
  product *p;
  int n;
  unsigned char *side;
  mc_map index;
} choice;

static void add_source(product *p, int s) {
  for (int i = 0; i < p->nsource; i++)
    if (p->source[i] == s) return;
  if (p->nsource < 8) p->source[p->nsource++] = s;
}

/* Back from v through everything that is no product. */
static void trace(choice *c, product *p, const mc_value *v, mc_map *seen) {
  if (mc_value_tensor(v) || mc_map_ptr_get(seen, v) || p->nsource == 8) return;
  *mc_map_ptr_slot(seen, v) = (void *)(uintptr_t)v;
  if (!v->def) {
    add_source(p, v->type->dtype == MC_f32 ? -1 : -2);
    return;
  }
  product *from = mc_map_ptr_get(&c->index, v->def);
  if (from) {
    add_source(p, (int)(from - c->p));
    return;
  }
  for (int i = 0; i < v->def->nin; i++) trace(c, p, v->def->in[i], seen);
}

/* A graph input is copied anyway, which a conversion replaces; that of a product's result joins its
 * epilogue. */
static double conversion(const choice *c, int i) {
  const product *p = &c->p[i];
  for (int k = 0; k < p->nsource; k++) {
    int s = p->source[k], side = s == -1 ? FP32 : s == -2 ? INT8 : c->side[s];
    if (side != c->side[i])
      return (s < 0 ? mc_tune.faster_copied : mc_tune.faster_joined) * p->from[c->side[i]];
  }
  return 0;
}

/* Depthwise with a multiplier widens bytes one vector at a time where no instruction adds up groups
 * of them; the model's figure is for interleaved rows. */
static double multiplier(const mc_node *n, const mc_target *t) {
  bool several = n->op == MC_OP_conv2d && n->in[1]->type->dim[3] == 1 &&
                 n->out[0]->type->dim[3] > n->in[0]->type->dim[3] && n->in[0]->type->dim[3] > 1;
  return several && !(t->isa & (MC_ISA_BIT(avx512vnni) | MC_ISA_BIT(dotprod)))
             ? mc_tune.dw_multiplier
             : 1;
}

static double total(const choice *c) {
  double t = 0;
  for (int i = 0; i < c->n; i++) t += c->p[i].cycles[c->side[i]] + conversion(c, i);
  return t;
}

/* Let products change sides as long as it helps. */
static double settle(choice *c, int start) {
  memset(c->side, start, (size_t)c->n);
  double now = total(c);
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < c->n; i++) {
      c->side[i] = !c->side[i];
      double t = total(c), gain = now - t,
             least = c->side[i] == FP32 ? (1 - mc_tune.faster_margin) * c->p[i].cycles[INT8] : 0;
      if (gain > least)
        now = t, moved = true;
      else
        c->side[i] = !c->side[i];
    }
  }
  return now;
}

static void estimate(choice *c) {
  const mc_target *t = c->cx->target;
  int64_t weights = 0;
  for (int i = 0; i < c->n; i++)
    if (mc_value_tensor(c->p[i].node->in[1])) weights += mc_type_elems(c->p[i].node->in[1]->type);
  for (int i = 0; i < c->n; i++) {
    product *p = &c->p[i];
    int64_t elems = mc_type_elems(p->node->in[0]->type);
    mc_map seen;
    mc_map_init(&seen, c->cx->scratch);
    p->cycles[INT8] =
        mc_model_product(p->node, MC_ARITH_int8, t, weights).cycles * multiplier(p->node, t);
    p->cycles[FP32] = mc_model_product(p->node, MC_ARITH_f32, t, 4 * weights).cycles;
    p->from[INT8] = mc_model_convert(elems, MC_ARITH_f32, MC_ARITH_int8, t).cycles;
    p->from[FP32] = mc_model_convert(elems, MC_ARITH_int8, MC_ARITH_f32, t).cycles;
    trace(c, p, p->node->in[0], &seen);
  }
}

static double us(const choice *c, double cycles) { return mc_model_us(c->cx->target, cycles); }

static const char *reason(const choice *c, int i) {
  const product *p = &c->p[i];
  double before = conversion(c, i);
  const char *text =
      mc_arena_printf(c->cx->scratch, "INT8 would take %.3g us here, fp32 takes %.3g",
                      us(c, p->cycles[INT8]), us(c, p->cycles[FP32]));
  if (before > 0)
    text = mc_arena_printf(c->cx->scratch, "%s and %.3g to convert its input", text, us(c, before));
  if (p->cycles[FP32] >= p->cycles[INT8])
    text = mc_arena_printf(c->cx->scratch,
                           "%s, but its neighbours are in fp32 and converting takes %.3g us", text,
                           us(c, p->from[INT8]));
  return mc_arena_printf(c->cx->scratch, "%s (estimates for %s)", text, c->cx->target->name);
}

void mc_quant_slower(mc_pass_context *cx, mc_map *why) {
  choice c = { .cx = cx };
  MC_FOR_NODES (n, cx->graph)
    c.n += mc_op_has(n->op, MC_T_ACCUM) && n->out[0]->type->dtype == MC_f32;
  c.p = MC_NEWN(cx->scratch, product, c.n + 1);
  c.side = MC_NEWN(cx->scratch, unsigned char, c.n + 1);
  mc_map_init(&c.index, cx->scratch);
  c.n = 0;
  MC_FOR_NODES (n, cx->graph)
    if (mc_op_has(n->op, MC_T_ACCUM) && n->out[0]->type->dtype == MC_f32) {
      *mc_map_ptr_slot(&c.index, n) = &c.p[c.n];
      c.p[c.n++].node = n;
    }
  estimate(&c);
  double fp32 = settle(&c, FP32), int8 = settle(&c, INT8);
  if (fp32 < mc_tune.faster_margin * int8) settle(&c, FP32);
  for (int i = 0; i < c.n; i++)
    if (c.side[i] == FP32) *mc_map_ptr_slot(why, c.p[i].node) = (void *)(uintptr_t)reason(&c, i);
}
