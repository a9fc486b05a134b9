/* One alternative for each layer, within the budgets. */
#include "lowrank.h"
#include "mc/analysis/live.h"
#include <math.h>

/* ---- what a choice costs ---- */

typedef struct ledger {
  lowrank *z;
  mc_budget_kind k;
  mc_liveness live; /* arena: of the graph as it is */
  double *at;       /* arena: live bytes at each position */
  int *position;    /* arena: of each layer */
} ledger;

static double sum_of(const ledger *c, const int *choice) {
  double sum = c->z->rest[c->k];
  for (int i = 0; i < c->z->products.n; i++) sum += c->z->l[i].alt.v[choice[i]].cost[c->k];
  return sum;
}

/* A layer's own live bytes take the place of what it has whole. */
static double peak_of(const ledger *c, const int *choice) {
  double peak = 0;
  for (int p = 0; p < c->live.nodes + 1; p++) peak = fmax(peak, c->at[p] >= 0 ? c->at[p] : 0);
  for (int i = 0; i < c->z->products.n; i++) {
    const lr_layer *l = &c->z->l[i];
    double whole = -c->at[c->position[i]] - 1;
    peak = fmax(peak, whole - l->alt.v[0].cost[MC_BUDGET_arena] +
                          l->alt.v[choice[i]].cost[MC_BUDGET_arena]);
  }
  return peak;
}

static double cost_of(void *ctx, const int *choice) {
  const ledger *c = ctx;
  return c->k == MC_BUDGET_arena ? peak_of(c, choice) : sum_of(c, choice);
}

/* Live bytes by position; those of layers are stored as -1 - bytes. */
static void fill_arena(ledger *c) {
  lowrank *z = c->z;
  mc_arena *a = z->cx->scratch;
  double each = mc_arith_bytes(z->how), now = 0;
  c->live = mc_liveness_of(z->cx->graph, a);
  c->at = MC_NEWN(a, double, c->live.nodes + 3);
  c->position = MC_NEWN(a, int, z->products.n + 1);
  for (int i = 0; i < c->live.n; i++) {
    const mc_type *t = c->live.iv[i].value->type;
    double b =
        (t->dtype == MC_f32 ? each : (double)mc_dtype_size(t->dtype)) * (double)mc_type_elems(t);
    c->at[c->live.iv[i].first + 1] += b;
    c->at[c->live.iv[i].last + 2] -= b;
  }
  for (int p = 0; p < c->live.nodes + 1; p++) c->at[p] = now += c->at[p];
  for (int i = 0; i < c->live.n; i++)
    for (int k = 0; k < z->products.n; k++)
      if (c->live.iv[i].value->def == z->products.v[k].node)
        c->position[k] = c->live.iv[i].first + 1;
  for (int k = 0; k < z->products.n; k++) c->at[c->position[k]] = -c->at[c->position[k]] - 1;
}

static int limits_of(lowrank *z, mc_alloc_limit *l, ledger *c) {
  int n = 0;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (!(z->share[k] > 0) || !(z->full[k] > 0)) continue;
    c[n] = (ledger){ .z = z, .k = k };
    if (k == MC_BUDGET_arena) fill_arena(&c[n]);
    l[n] = (mc_alloc_limit){ mc_budget_names[k], z->share[k] * z->full[k], cost_of, &c[n] };
    n++;
  }
  return n;
}

/* ---- the choice ---- */

/* The best alternative of a layer for a share of its MACs. */
static int within(const lr_layer *l, double share) {
  int best = 0;
  double least = HUGE_VAL;
  for (size_t i = share < 1 ? 1 : 0; i < l->alt.n; i++) {
    if (l->alt.v[i].cost[MC_BUDGET_macs] > share * l->alt.v[0].cost[MC_BUDGET_macs] * (1 + 1e-9))
      continue;
    if (l->alt.v[i].error < least) least = l->alt.v[i].error, best = (int)i;
  }
  return best;
}

/* The same share of the MACs of each layer: the largest that holds the budgets. */
static bool uniform(lowrank *z, const mc_alloc_limit *l, int nl, int *choice) {
  double lo = 0, hi = 1;
  for (int round = 0; round < 40; round++) {
    double mid = (lo + hi) / 2;
    for (int i = 0; i < z->products.n; i++) choice[i] = within(&z->l[i], mid);
    if (mc_alloc_broken(l, nl, choice))
      hi = mid;
    else
      lo = mid;
  }
  for (int i = 0; i < z->products.n; i++) choice[i] = within(&z->l[i], lo);
  return !mc_alloc_broken(l, nl, choice);
}

static bool unreachable(lowrank *z, const mc_alloc_limit *l, int nl, const int *choice) {
  const mc_alloc_limit *b = mc_alloc_broken(l, nl, choice);
  const ledger *c = b->ctx;
  mc_error(z->cx->diag, z->cx->loc,
           "lowrank-svd: %s=%g cannot be reached: with the lowest ranks, %.0f %% remain", b->name,
           z->share[c->k], 100 * b->cost(b->ctx, choice) / z->full[c->k]);
  if (z->slower)
    mc_note(z->cx->diag, z->cx->loc,
            "%lld forms and ranks were left out because %s would not be faster with them; without "
            "-march= they count",
            (long long)z->slower, z->target->name);
  return false;
}

void mc_lr_sums(const lowrank *z, const int *choice, double *damage, double *error) {
  *damage = *error = 0;
  for (int i = 0; i < z->products.n; i++) {
    *damage += z->l[i].alt.v[choice[i]].damage;
    *error += z->l[i].alt.v[choice[i]].error;
  }
}

static mc_alloc_unit *units_of(lowrank *z, double damage, double error) {
  mc_alloc_unit *unit = MC_NEWN(z->cx->scratch, mc_alloc_unit, z->products.n + 1);
  for (int i = 0; i < z->products.n; i++) {
    double *d = MC_NEWN(z->cx->scratch, double, z->l[i].alt.n);
    for (size_t k = 0; k < z->l[i].alt.n; k++)
      d[k] = damage * z->l[i].alt.v[k].damage + error * z->l[i].alt.v[k].error;
    unit[i] = (mc_alloc_unit){ (int)z->l[i].alt.n, d };
  }
  return unit;
}

bool mc_lr_choose(lowrank *z, double damage, double error, int *choice) {
  int n = z->products.n;
  mc_alloc_limit limit[MC_NUM_BUDGETS];
  ledger book[MC_NUM_BUDGETS];
  const mc_alloc_unit *unit = units_of(z, damage, error);
  for (int i = 0; z->fixed && i < n; i++) choice[i] = z->l[i].alt.n > 1;
  if (z->fixed) return true;
  for (;;) {
    int nl = limits_of(z, limit, book);
    bool ok = z->o->alloc == mc_ranks_uniform
                  ? uniform(z, limit, nl, choice)
                  : mc_alloc(unit, n, limit, nl, choice, z->cx->scratch);
    if (ok) return true;
    const ledger *broken = mc_alloc_broken(limit, nl, choice)->ctx;
    if (broken->k != MC_BUDGET_time || !mc_budget_relax(z->share, &z->implied))
      return unreachable(z, limit, nl, choice);
  }
}
