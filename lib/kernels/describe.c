/* What a group would become, in words and numbers. */
#include "kernels.h"
#include "lower.h"
#include "mc/plan/winograd.h"

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
static void put_others(mc_strbuf *s, const mc_target *t, const kgroup *g) {
  const mc_ints *chosen = &MC_ATTRS(g->group, group)->blocking;
  if (chosen->n) mc_sb_puts(s, "; block from the blocking attribute");
  int from = chosen->n ? 0 : 1;
  for (int i = from; i < g->nblocking && i < from + ALTERNATIVES; i++)
    mc_sb_printf(s, "%s %d x %d %.3g us", i == from ? "; or" : ",", g->blocking[i].rows,
                 g->blocking[i].vectors * 16, mc_model_us(t, g->blocking[i].estimate.cycles));
}

static bool in_chain(const mc_plan *p, int i) { return p->chain_of && p->chain_of[i] >= 0; }

/* What else could compute a product: another engine, the other form of a 3x3 convolution, fp32. */
static void put_other_ways(mc_strbuf *s, const mc_plan *p, const kgroup *g) {
  const mc_target *t = p->target;
  const mc_node *head = kl_first(g);
  bool winograd = mc_group_has(g->group, MC_FAM_WINOGRAD);
  if (!head || !mc_op_has(head->op, MC_T_ACCUM)) return;
  const char *sep = "; else";
  if (g->other_engine) {
    mc_sb_printf(s, "%s engine %s %.3g us", sep, g->other_engine, mc_model_us(t, g->other.cycles));
    sep = ",";
  }
  if (winograd || !mc_winograd_refused(head, t)) {
    mc_estimate e =
        mc_model_group_as(g->group, winograd ? MC_FAMILY_gemm : MC_FAMILY_winograd, t, g->weights);
    mc_sb_printf(s, "%s %s %.3g us", sep, winograd ? "direct" : "winograd",
                 mc_model_us(t, e.cycles));
    sep = ",";
  }
  if (!mc_type_is_quant(head->in[0]->type) || head->op == MC_OP_conv_transpose2d) return;
  mc_estimate f = mc_model_product(head, MC_ARITH_f32, t, 4 * g->weights);
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

const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a) {
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .explain = true };
  kernels_try(&g, p, i, scratch);
  mc_strbuf s = { 0 };
  mc_sb_puts(&s, mc_group_family_text(p->group[i]));
  if (g.note) mc_sb_printf(&s, ": %s", g.note);
  if (g.group && kl_by_images(&g)) mc_sb_puts(&s, ", image by image");
  if (in_chain(p, i)) {
    const mc_chain *c = &p->chain[p->chain_of[i]];
    mc_sb_printf(&s, "; in chain %lld, %lld steps of %lld rows, each", (long long)c->number,
                 (long long)(c->images * c->steps), (long long)c->link[i - c->first].rows);
  }
  if (g.group && p->threads > 1) put_division(&s, p, i);
  if (g.group) put_estimate(&s, p->target, &g.estimate);
  if (g.group && g.nblocking) put_others(&s, p->target, &g);
  if (g.group && !in_chain(p, i))
    put_other_ways(&s, p, &g); /* estimates of a chain are those of a step */
  const char *text = mc_arena_strdup(a, mc_sb_str(&s));
  mc_sb_free(&s);
  mc_arena_destroy(scratch);
  return text;
}

mc_estimate mc_kernel_estimate(const mc_plan *p, int i) {
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .ask = true };
  kernels_try(&g, p, i, scratch);
  mc_arena_destroy(scratch);
  return g.estimate;
}

bool mc_kernel_packed(const mc_plan *p, int i, int64_t *from, int64_t *to) {
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .ask = true };
  kernels_try(&g, p, i, scratch);
  mc_arena_destroy(scratch);
  *from = g.packed_from;
  *to = g.packed_to;
  return g.packed_from != 0;
}

mc_choices mc_kernel_choices(const mc_plan *p, int i, mc_arena *a) {
  mc_choices c = { 0 };
  if (in_chain(p, i)) return c; /* its time cannot be told from the others' */
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .ask = true };
  kernels_try(&g, p, i, scratch);
  if (g.nblocking > 1)
    c = (mc_choices){ mc_arena_strdup(a, g.key),
                      mc_arena_copy(a, g.blocking, sizeof *g.blocking * (size_t)g.nblocking),
                      g.nblocking };
  mc_arena_destroy(scratch);
  return c;
}
