/* quantize: rounding weights so that the error of one is made up for by those after it.
 *
 * With G the centred second moments of what a product reads, rounding row w to q costs
 * (w - q) G (w - q)^T. Columns are rounded one after the other; what column j leaves, e, is taken
 * from those that are still free: w_k -= e u_jk / u_jj, where G^-1 = u^T u and u is upper
 * triangular. (Frantar et al., "GPTQ", ICLR 2023, after Hassibi and Stork's optimal brain surgeon.)
 * Neighbouring columns are often nearly the same, pixels most of all: then most of the
 * error goes. */
#include "grid.h"
#include "mc/measure/walk.h"
#include "quantize.h"
#include <string.h>

/* For each column; fewer say too little of a matrix. */
enum { LEAST_PLACES = 8 };

static const double damping = 1e-3;

typedef struct ctx {
  state *s;
  mc_products p;
} ctx;

/* Nothing is handed on. */
static void nearest(int64_t d, double *u) {
  memset(u, 0, sizeof *u * (size_t)(d * d));
  for (int64_t j = 0; j < d; j++) u[j * d + j] = 1;
}

static bool see(void *context, int i, mc_moments *m) {
  ctx *c = context;
  mc_arena *keep = c->s->cx->scratch;
  mc_compensation *r = MC_NEW(keep, mc_compensation);
  *r = (mc_compensation){ m->groups, m->d, MC_NEWN(keep, double, m->groups * m->d * m->d) };
  for (int64_t g = 0; g < m->groups; g++) {
    mc_arena *a = mc_arena_create();
    mc_centred x = mc_moments_centred(m, MC_ALL_FOLDS, g, a);
    double *u = r->u + g * m->d * m->d;
    if (!mcq_handing_on(m->d, x.g, damping, u)) nearest(m->d, u);
    mc_arena_destroy(a);
  }
  *mc_map_ptr_slot(&c->s->compensation, c->p.v[i].node) = r;
  return true;
}

bool mcq_measure_columns(state *s) {
  ctx c = { s, mc_products_of(s->cx->graph, s->cx->scratch) };
  mc_walk_opts o = { .data = s->o->correct, .what = "quantize" };
  bool *want = MC_NEWN(s->cx->scratch, bool, c.p.n + 1), any = false;
  if (!mc_walk_count(s->cx, &o)) return false;
  for (int i = 0; i < c.p.n; i++) {
    const mc_product *p = &c.p.v[i];
    want[i] = mcq_planned(s, p->node) && p->d <= MC_COMPENSATED &&
              o.samples * p->places >= LEAST_PLACES * p->d;
    any |= want[i];
  }
  return !any || mc_moments_each(s->cx, &o, &c.p, want, see, &c);
}
