/* Which groups are divided among threads, and by what: docs/internals/threads.md.
 *
 * Dividing a group takes a barrier, and bytes move between cores where a group reads what other
 * cores have written. So the choice for a group depends on its neighbours': small groups between
 * large ones are divided to leave parts of tensors where they are, layers with more weights than
 * activations by columns, depthwise layers between them by channels, and a network of small groups
 * stays on one core. way.h finds the cheapest choices. */
#include "mc/analysis/channels.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/model.h"
#include "mc/decide/decide.h"
#include "mc/target/tuning.h"
#include "planner.h"
#include "way.h"
#include <string.h>

enum { WAYS = MC_DIVIDE_columns + 1 };

typedef struct group_shape {
  double ns, weights;
  int64_t rows, columns;
  bool product;
} group_shape;

typedef struct divider {
  planner *s;
  mc_plan *p;
  group_shape *g;
  ways ways; /* choices: mc_divide */
  bool far;
} divider;

/* ---- what a group is like ---- */

static group_shape shape_of(const planner *s, int i, int64_t weights) {
  const mc_plan *p = s->p;
  const mc_node *group = p->group[i], *head = mc_group_head(group);
  const mc_type *t = group->out[0]->type;
  group_shape g = { .rows = 1, .columns = 1 };
  g.ns = 1000 * mc_model_us(p->target, mc_decide_price(group, p->target, weights).cycles);
  g.weights = (double)mc_node_cost(group).weight_bytes;
  for (int d = 0; d < t->rank - 1; d++) g.rows *= t->dim[d];
  g.product = head && mc_family_is_product(head->op) && !mc_is_depthwise(head);
  if (mc_group_has(group, MC_FAM_LINES)) g.rows = t->dim[0] * t->dim[1];
  int unit = mc_families[mc_group_family(group)].columns;
  if (unit) g.columns = (t->dim[t->rank - 1] + unit - 1) / unit;
  return g;
}

/* What the group's attributes ask for. */
static const mc_attrs_group *asked(const divider *v, int i) {
  return MC_ATTRS(v->p->group[i], group);
}

static bool divides(const mc_attrs_group *at) { return at->divide && *at->divide; }

static bool may(const divider *v, int i, int how) {
  const mc_attrs_group *at = asked(v, i);
  if (at->tasks == 1) return how == MC_DIVIDE_not;
  if (divides(at))
    return how == (strcmp(at->divide, "rows") == 0 ? MC_DIVIDE_rows : MC_DIVIDE_columns);
  return at->tasks == 0 || how != MC_DIVIDE_not;
}

static int tasks_of(const divider *v, int i) {
  if (asked(v, i)->tasks) return (int)asked(v, i)->tasks;
  double n = v->g[i].ns / mc_tune.thread_least;
  return n >= v->p->threads ? v->p->threads : n < 2 ? 2 : (int)n;
}

/* The largest share of n units. */
static double share(int64_t n, int tasks) { return (double)((n + tasks - 1) / tasks) / (double)n; }

/* Time of group i itself; negative: not possible. */
static double own(const divider *v, int i, int how) {
  const group_shape *g = &v->g[i];
  int tasks = tasks_of(v, i);
  if (!may(v, i, how)) return -1;
  if (how == MC_DIVIDE_not || g->ns == 0) return g->ns;
  if ((how == MC_DIVIDE_rows ? g->rows : g->columns) < 2) return -1;
  if (how == MC_DIVIDE_columns) return g->ns * share(g->columns, tasks) + mc_tune.thread_barrier;
  return g->ns * share(g->rows, tasks) + mc_tune.thread_barrier +
         (g->product ? g->weights * (1 - 1.0 / tasks) *
                           (v->far ? mc_tune.thread_weight_far : mc_tune.thread_weight)
                     : 0);
}

/* Bytes of v that the core which waits for most of them must fetch: what it reads (all, its rows,
 * or its columns) and has not written. */
static double moved(const divider *v, const mc_value *x, int writer, int reader, bool all) {
  double n = (double)mc_type_bytes(x->type), part = 1.0 / v->p->threads;
  if (reader == MC_DIVIDE_not) return writer == MC_DIVIDE_not ? 0 : n * (1 - part);
  if (writer == MC_DIVIDE_not) return all ? n : n * part;
  if (all) return n * (1 - part);
  return writer == reader ? 0 : n * part * (1 - part);
}

/* ---- choices ---- */

/* Everything that group i reads, when the one before has chosen `before`. */
static double fetch(const divider *v, int i, int how, int before) {
  const mc_reads *r = &v->s->reads[i];
  const mc_node *head = mc_group_head(v->p->group[i]);
  double sum = 0;
  for (int k = 0; k < r->n; k++) {
    int from = mc_plan_buffer(v->p, r->v[k])->first;
    bool all = how == MC_DIVIDE_columns && v->g[i].product && head && head->in[0] == r->v[k];
    sum += moved(v, r->v[k], from < 0 ? MC_DIVIDE_not : ways_chosen(&v->ways, i - 1, before, from),
                 how, all) *
           mc_tune.thread_byte;
  }
  return sum;
}

static double way_cost(void *ctx, int i, int how, int b, double before) {
  const divider *v = ctx;
  double here = own(v, i, how);
  return here < 0 ? -1 : here + before + fetch(v, i, how, b);
}

/* One thread has nothing to divide; more have so many tasks, and loops as they are. */
static bool check_asked(const divider *v) {
  mc_diag *d = v->s->d;
  for (int i = 0; i < v->p->ngroup; i++) {
    const mc_attrs_group *at = asked(v, i);
    const mc_loc loc = v->p->group[i]->loc;
    if (!at->tasks && !divides(at)) continue;
    if (at->tasks == 1 && divides(at))
      return mc_error(d, loc, "'divide': one task has nothing to divide");
    if (v->p->threads == 1) {
      if (at->tasks != 1)
        mc_warning(d, loc, "'%s' has no effect: the code is for one thread (-threads=N)",
                   at->tasks ? "tasks" : "divide");
      continue;
    }
    if (at->tasks > v->p->threads)
      return mc_error(d, loc, "'tasks': %lld of this group, and the code is for %d threads",
                      (long long)at->tasks, v->p->threads);
    bool possible = false;
    for (int how = 0; how < WAYS; how++) possible |= own(v, i, how) >= 0;
    if (!possible)
      return mc_error(d, loc, "'%s': the result has %lld rows and %lld units of columns to divide",
                      divides(at) ? "divide" : "tasks", (long long)v->g[i].rows,
                      (long long)v->g[i].columns);
  }
  return true;
}

static void choose(divider *v) {
  mc_plan *p = v->p;
  double alone = 0;
  for (int i = 0; i < p->ngroup; i++) alone += v->g[i].ns;
  v->ways = (ways){ .n = p->ngroup, .nchoice = WAYS, .cost = way_cost, .ctx = v };
  ways_find(&v->ways, v->s->a);
  int last = p->ngroup - 1, how = ways_best(&v->ways);
  if (last < 0) return;
  bool gains = alone - way_at(&v->ways, last, how)->cost >= mc_tune.thread_wake;
  for (int i = last; i >= 0; how = way_at(&v->ways, i--, how)->before) {
    if (!gains && !asked(v, i)->tasks && !divides(asked(v, i))) continue;
    p->divide[i] = (mc_divide)how;
    p->tasks[i] = how == MC_DIVIDE_not ? 1 : tasks_of(v, i);
  }
}

bool planner_divide(planner *s) {
  mc_plan *p = s->p;
  p->tasks = MC_NEWN(s->a, int, p->ngroup);
  p->divide = MC_NEWN(s->a, mc_divide, p->ngroup);
  for (int i = 0; i < p->ngroup; i++) {
    p->tasks[i] = p->split_small ? p->threads : 1;
    p->divide[i] = p->split_small ? MC_DIVIDE_any : MC_DIVIDE_not;
  }
  if (p->split_small) return true;
  int64_t weights = mc_graph_cost(p->graph).weight_bytes;
  divider v = {
    .s = s, .p = p, .g = MC_NEWN(s->a, group_shape, p->ngroup), .far = weights > p->target->l3
  };
  for (int i = 0; i < p->ngroup && p->threads > 1; i++) v.g[i] = shape_of(s, i, weights);
  if (!check_asked(&v)) return false;
  if (p->threads > 1) choose(&v);
  return true;
}
