/* winograd: 3x3 convolutions of 8-bit integers with a quarter of the products, and the same results
 * bit for bit.
 *
 *   %2 = group {kernel="gemm"} : ... { conv2d ... }  ==>  %2 = group {kernel="winograd"} : ... {
 *     conv2d ... }
 *
 * Products take 16-bit operands then, which VNNI multiplies at half the speed of 8-bit ones and
 * every other x86 unit at the same speed (there pmadd widens to 16 bits anyway): 2 or 4 times fewer
 * multiplications are left, against transforms of input, weights and results. Transformed weights
 * take 8 times the bytes (36 products of 16 bits for 9 of 8). `winograd` makes them at run time;
 * `winograd_ready` has them as constants, for layers where the model finds that faster, by time
 * saved for each byte added until the weights of the network have grown by `growth` percent.
 * Contract: EXACT. */
#include "families.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/model.h"
#include "mc/analysis/winograd.h"
#include "mc/decide/decide.h"
#include "mc/pass/pass.h"
#include "mc/target/tuning.h"
#include <stdlib.h>

/* A convolution and its three forms: cycles by the model. */
typedef struct candidate {
  mc_node *group, *head;
  int64_t growth;
  double direct, made, ready;
} candidate;

static double saved(const candidate *c) {
  return (c->made < c->direct ? c->made : c->direct) - c->ready;
}

static int by_worth(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  double l = saved(x) / (double)x->growth, r = saved(y) / (double)y->growth;
  if (l != r) return l > r ? -1 : 1;
  return x->head->id < y->head->id ? -1 : x->head->id > y->head->id;
}

static void say(mc_pass_context *cx, const candidate *c, const char *what) {
  const mc_target *t = cx->target;
  mc_remark(cx->diag, c->head->loc,
            "%s %s (estimates: direct %.3g us, Winograd with weights made at run time %.3g, with "
            "ready weights of %lld more bytes %.3g)",
            c->head->source ? c->head->source : "conv2d", what, mc_model_us(t, c->direct),
            mc_model_us(t, c->made), (long long)c->growth, mc_model_us(t, c->ready));
}

/* The attribute that asks for a product on an engine; NULL: none does. */
static const char *given(const candidate *c) {
  const mc_attrs_group *at = MC_ATTRS(c->group, group);
  return at->blocking.n              ? "blocking"
         : at->engine && *at->engine ? "engine"
         : at->form                  ? "form"
         : at->loop && *at->loop     ? "loop"
                                     : NULL;
}

static void take(mc_pass_context *cx, const candidate *c, bool ready, bool *changed) {
  mc_attrs_group *at = MC_ATTRS(c->group, group);
  const char *what = given(c);
  if (what)
    mc_warning(cx->diag, c->head->loc,
               "winograd: '%s' has no effect: with force the group is no direct convolution", what);
  at->blocking = (mc_ints){ 0 };
  at->engine = at->loop = "";
  at->form = MC_KERNEL_FORM_plain;
  mc_group_set_family(c->group, ready ? MC_FAMILY_winograd_ready : MC_FAMILY_winograd);
  MC_STAT_ADD(cx, winograd, layers, 1);
  if (ready) MC_STAT_ADD(cx, winograd, ready, 1);
  *changed = true;
}

static void decide(mc_pass_context *cx, const mc_opts_winograd *o, const candidate *c, double *room,
                   bool *changed) {
  bool made = c->made * mc_tune.winograd_margin < c->direct,
       ready = c->ready * mc_tune.winograd_margin < (made ? c->made : c->direct),
       fits = (double)c->growth <= *room;
  if (o->force) {
    take(cx, c, o->ready, changed);
  } else if (given(c)) {
    say(cx, c,
        mc_arena_printf(cx->scratch, "stays a direct convolution: its '%s' is given", given(c)));
  } else if (ready && fits) {
    *room -= (double)c->growth;
    take(cx, c, true, changed);
    say(cx, c, "is computed by Winograd's filtering with ready weights");
  } else if (made) {
    take(cx, c, false, changed);
    say(cx, c, "is computed by Winograd's filtering with weights made at run time");
  } else if (ready) {
    say(cx, c,
        mc_arena_printf(cx->scratch,
                        "stays a direct convolution: ready weights would pass growth=%g percent",
                        o->growth));
  } else {
    say(cx, c, "stays a direct convolution");
  }
}

bool mc_pass_winograd(mc_pass_context *cx, const mc_opts_winograd *o, bool *changed) {
  if (!(o->growth >= 0))
    return mc_error(cx->diag, cx->loc, "winograd: growth must not be negative");
  if (!cx->target) return true;
  MC_VEC(candidate) list = { 0 };
  int64_t weights = mc_graph_cost(cx->graph).weight_bytes;
  MC_FOR_NODES (g, cx->graph) {
    if (g->op != MC_OP_group || !mc_group_is(g, MC_FAMILY_gemm)) continue;
    mc_node *h = mc_group_head(g);
    if (!h || mc_winograd_refused(h, cx->target)) continue;
    candidate c = { .group = g, .head = h, .growth = mc_winograd_growth(h) };
    c.direct = mc_decide_price_as(g, MC_FAMILY_gemm, cx->target, weights).cycles;
    c.made = mc_decide_price_as(g, MC_FAMILY_winograd, cx->target, weights).cycles;
    c.ready = mc_decide_price_as(g, MC_FAMILY_winograd_ready, cx->target, weights).cycles;
    MC_PUSH(cx->scratch, &list, c);
  }
  if (list.n) qsort(list.v, list.n, sizeof *list.v, by_worth);
  double room = o->growth / 100 * (double)weights;
  for (size_t i = 0; i < list.n; i++) decide(cx, o, &list.v[i], &room, changed);
  return true;
}
