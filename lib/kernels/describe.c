/* What a group would become, in words and numbers. */
#include "kernels.h"
#include <string.h>

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
    mc_sb_printf(s, "%s %d x %d %.3g us", i == from ? "; or" : ",", g->blocking[i].rows, g->blocking[i].vectors * 16, mc_model_us(t, g->blocking[i].estimate.cycles));
}
static bool in_chain(const mc_plan *p, int i) { return p->chain_of && p->chain_of[i] >= 0; }
const char *mc_kernel_describe(const mc_plan *p, int i, mc_arena *a) {
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .ask = false };
  kernels_try(&g, p, i, scratch);
  mc_strbuf s = { 0 };
  mc_sb_puts(&s, MC_ATTRS(p->group[i], group)->kernel);
  if (g.note) mc_sb_printf(&s, ": %s", g.note);
  if (g.group && kl_by_images(&g)) mc_sb_puts(&s, ", image by image");
  if (in_chain(p, i)) {
    const mc_chain *c = &p->chain[p->chain_of[i]];
    mc_sb_printf(&s, "; in chain %lld, %lld steps of %lld rows, each", (long long)c->number, (long long)(c->images * c->steps), (long long)c->link[i - c->first].rows);
  }
  if (g.group) put_estimate(&s, p->target, &g.estimate);
  if (g.group && g.nblocking) put_others(&s, p->target, &g);
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
mc_choices mc_kernel_choices(const mc_plan *p, int i, mc_arena *a) {
  mc_choices c = { 0 };
  if (in_chain(p, i)) return c;   /* its time cannot be told from the others' */
  mc_arena *scratch = mc_arena_create();
  kgroup g = { .ask = true };
  kernels_try(&g, p, i, scratch);
  if (g.nblocking > 1) c = (mc_choices){ mc_arena_strdup(a, g.key), mc_arena_copy(a, g.blocking, sizeof *g.blocking * (size_t)g.nblocking), g.nblocking };
  mc_arena_destroy(scratch);
  return c;
}
