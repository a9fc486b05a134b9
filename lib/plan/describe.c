/* What a group would become, in words and numbers. */
#include "mc/analysis/winograd.h"
#include "mc/plan/chain.h"
#include "mc/plan/decisions.h"

enum { ALTERNATIVES = 3 };

static void put_estimate(mc_strbuf *s, const mc_target *t, const mc_estimate *e) {
  mc_sb_printf(s, "; %.3g us, bound by %s (", mc_model_us(t, e->cycles), mc_part_name(e->bound));
  const char *comma = "";
  for (int p = 0; p < MC_NUM_PARTS; p++) {
    if (e->part[p] < 0.05 * e->cycles) continue;
    mc_sb_printf(s, "%s%s %.3g", comma, mc_part_name((mc_part)p), mc_model_us(t, e->part[p]));
    comma = ", ";
  }
  mc_sb_putc(s, ')');
}

/* The blocks that the model puts next. */
static void put_others(mc_strbuf *s, const mc_target *t, const mc_gemm *q, const mc_ints *given) {
  if (given->n) mc_sb_puts(s, "; block from the blocking attribute");
  int from = given->n ? 0 : 1;
  for (int i = from; i < q->nblocking && i < from + ALTERNATIVES; i++)
    mc_sb_printf(s, "%s %d x %d %.3g us", i == from ? "; or" : ",", q->blocking[i].rows,
                 q->blocking[i].vectors * 16, mc_model_us(t, q->blocking[i].estimate.cycles));
}

static bool in_chain(const mc_plan *p, int i) { return p->chain_of && p->chain_of[i] >= 0; }

/* What else could compute a product: another engine, the other form of a 3x3 convolution, fp32. */
static void put_other_ways(mc_strbuf *s, const mc_plan *p, const mc_decision *g) {
  const mc_target *t = p->target;
  const mc_node *group = g->ask.group, *head = mc_region_head(group->region);
  bool winograd = mc_group_has(group, MC_FAM_WINOGRAD);
  if (!head || !mc_op_has(head->op, MC_T_ACCUM)) return;
  const char *sep = "; else";
  const mc_gemm *q = g->nproduct ? g->product : NULL;
  if (q && q->other_engine) {
    mc_sb_printf(s, "%s engine %s %.3g us", sep, q->other_engine, mc_model_us(t, q->other.cycles));
    sep = ",";
  }
  if (winograd || !mc_winograd_refused(head, t)) {
    mc_estimate e = mc_decide_price_as(group, winograd ? MC_FAMILY_gemm : MC_FAMILY_winograd, t,
                                       g->ask.weights);
    mc_sb_printf(s, "%s %s %.3g us", sep, winograd ? "direct" : "winograd",
                 mc_model_us(t, e.cycles));
    sep = ",";
  }
  if (!mc_type_is_quant(head->in[0]->type) || head->op == MC_OP_conv_transpose2d) return;
  mc_estimate f = mc_model_product(head, MC_ARITH_f32, t, 4 * g->ask.weights);
  mc_sb_printf(s, "%s fp32 %.3g us", sep, mc_model_us(t, f.cycles));
}

static void put_division(mc_strbuf *s, const mc_plan *p, int i) {
  static const char *const by[] = {
    [MC_DIVIDE_rows] = " by rows", [MC_DIVIDE_columns] = " by columns", [MC_DIVIDE_any] = ""
  };
  if (p->divide[i] == MC_DIVIDE_not)
    mc_sb_puts(s, ", one thread");
  else
    mc_sb_printf(s, ", %d tasks%s", p->tasks[i], by[p->divide[i]]);
}

const char *mc_plan_describe(const mc_plan *p, int i, mc_arena *a) {
  mc_arena *scratch = mc_arena_create();
  const mc_decision *d = mc_plan_decide(p, i, true, scratch);
  bool code = !mc_group_has(p->group[i], MC_FAM_NOCODE);
  mc_strbuf s = { 0 };
  mc_sb_puts(&s, mc_group_family_text(p->group[i]));
  if (d && d->note) mc_sb_printf(&s, ": %s", d->note);
  if (d && d->nproduct > 1) mc_sb_printf(&s, ", the first of %d phases", d->nproduct);
  if (d && code && d->ask.by_images) mc_sb_puts(&s, ", image by image");
  if (in_chain(p, i)) {
    const mc_chain *c = &p->chain[p->chain_of[i]];
    mc_sb_printf(&s, "; in chain %lld, %lld steps of %lld rows, each", (long long)c->number,
                 (long long)(c->images * c->steps), (long long)c->link[i - c->first].rows);
  }
  if (d && code && p->threads > 1) put_division(&s, p, i);
  if (d && code) put_estimate(&s, p->target, &d->estimate);
  if (d && d->nproduct && d->product[0].nblocking)
    put_others(&s, p->target, d->product, &MC_ATTRS(p->group[i], group)->blocking);
  if (d && code && !in_chain(p, i))
    put_other_ways(&s, p, d); /* estimates of a chain are those of a step */
  const char *text = mc_arena_strdup(a, mc_sb_str(&s));
  mc_sb_free(&s);
  mc_arena_destroy(scratch);
  return text;
}
