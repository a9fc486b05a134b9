/* What INT8 costs layer by layer, and candidates that leave the most sensitive layers in fp32. */
#include "search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const mc_node *n) {
  return n->source ? n->source : n->nout ? n->out[0]->name : NULL;
}

/* A name that a list of layers can hold. */
static bool listable(const char *name) { return name && *name && !strpbrk(name, ":*"); }

void plan_probes(search *s) {
  int unnamed = 0;
  const mc_node *first = NULL;
  if (!s->front[P_INT8]) return;
  const shape *h = shape_get(s, "original", "", 1, "");
  MC_FOR_NODES (n, s->module->graphs) {
    if (!mc_op_has(n->op, MC_T_ACCUM)) continue;
    if (listable(name_of(n)))
      candidate_get(s, h, P_INT8, NULL, name_of(n));
    else if (!unnamed++)
      first = n;
  }
  if (unnamed)
    mc_warning(&s->t.diag, first->loc,
               "%d layers have no name, or one with ':' or '*': what INT8 costs them is not "
               "measured, and they are never left in fp32 on their own",
               unnamed);
}

static double damage(const search *s, const candidate *c) {
  return isfinite(c->error) ? c->error : s->original->accuracy - c->accuracy;
}

static int by_damage(const void *a, const void *b, void *s) {
  const candidate *x = *(candidate *const *)a, *y = *(candidate *const *)b;
  double d = damage(s, y) - damage(s, x);
  return d > 0 ? 1 : d < 0 ? -1 : strcmp(x->key, y->key);
}

candidates probes_sorted(search *s) {
  candidates p = { 0 };
  for (size_t i = 0; i < s->all.n; i++)
    if (s->all.v[i]->probe && s->all.v[i]->done && !s->all.v[i]->failed)
      MC_PUSH(s->t.arena, &p, s->all.v[i]);
  if (p.n) qsort_r(p.v, p.n, sizeof *p.v, by_damage, s);
  return p;
}

/* The same shape in fp32. */
static const candidate *in_fp32(const search *s, const candidate *c) {
  for (size_t i = 0; i < s->all.n; i++)
    if (s->all.v[i]->shape == c->shape && s->all.v[i]->precision == P_FP32) return s->all.v[i];
  return NULL;
}

/* INT8 candidates that lose accuracy which fp32 of the same shape has, the best first. */
static int by_better(const void *a, const void *b, void *s) {
  candidate *x = *(candidate *const *)a, *y = *(candidate *const *)b;
  bool mx = meets(s, x), my = meets(s, y);
  if (mx != my) return my - mx;
  if (!mx) return (x->accuracy < y->accuracy) - (x->accuracy > y->accuracy);
  return better(s, x, y) ? -1 : better(s, y, x);
}

static candidates losing(search *s) {
  candidates p = { 0 };
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    if (!counts(c) || c->precision != P_INT8 || c->skip) continue;
    const candidate *f = in_fp32(s, c);
    if (f && counts(f) && f->accuracy > c->accuracy) MC_PUSH(s->t.arena, &p, c);
  }
  if (p.n) qsort_r(p.v, p.n, sizeof *p.v, by_better, s);
  return p;
}

void plan_skips(search *s) {
  enum { BASES = 3 };

  candidates p = probes_sorted(s), c = losing(s);
  for (size_t i = 0; i < c.n && i < BASES; i++) {
    const char *list = NULL;
    for (size_t k = 0; k < p.n && k < 4; k++) {
      list = list ? mc_arena_printf(s->t.arena, "%s:%s", list, p.v[k]->probe) : p.v[k]->probe;
      if (k != 2) candidate_get(s, c.v[i]->shape, P_INT8, list, NULL); /* 1, 2 and 4 layers */
    }
  }
}
