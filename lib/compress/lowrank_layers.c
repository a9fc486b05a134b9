/* Layers that low rank may split, and what each form of them costs. */
#include "lowrank.h"
#include "layer_time.h"
#include "mc/analysis/live.h"
#include "mc/analysis/model.h"
#include "mc/support/glob.h"
#include <math.h>
#include <string.h>

/* ---- which layers ---- */

static const char *reason(const lowrank *z, const mc_node *n) {
  if (mc_glob_list(z->o->skip, n->source) || mc_glob_list(z->o->skip, n->out[0]->name)) return "";
  return n->op == MC_OP_conv_transpose2d ? "a transposed convolution is not split: not supported"
                                         : NULL;
}

bool mc_lr_layers(lowrank *z) {
  z->products = mc_products_of(z->cx->graph, z->cx->scratch);
  z->l = MC_NEWN(z->cx->scratch, lr_layer, z->products.n + 1);
  for (int i = 0; i < z->products.n; i++) {
    const mc_product *p = &z->products.v[i];
    z->weights += (double)(p->groups * p->o * p->d);
  }
  for (int i = 0; i < z->products.n; i++) {
    lr_layer *l = &z->l[i];
    *l = (lr_layer){ .p = z->products.v[i], .index = i };
    l->s = (mc_kshape){ l->p.o, l->p.kh, l->p.kw, l->p.ci };
    const char *why = reason(z, l->p.node);
    l->can = !why;
    if (why && *why) mc_remark(z->cx->diag, l->p.node->loc, "lowrank-svd: %s", why);
    mc_form whole = { .kind = MC_FORM_whole };
    mc_lr_add(z, l, &whole, 0, 0);
  }
  return true;
}

unsigned mc_lr_forms(const lowrank *z, const lr_layer *l) {
  unsigned forms = 0;
  for (int k = MC_FORM_out; k < MC_FORM_count_; k++)
    if ((z->forms >> k & 1) && mc_form_possible((mc_form_kind)k, l->s)) forms |= 1u << k;
  /* Without taps, what splits taps is the split of a matrix. */
  const unsigned taps = 1u << MC_FORM_in | 1u << MC_FORM_rows | 1u << MC_FORM_cols |
                        1u << MC_FORM_tucker2 | 1u << MC_FORM_cp;
  if (!forms && (z->forms & taps))
    forms = l->s.kh > 1 && l->s.kw == 1          ? 1u << MC_FORM_out
            : mc_form_possible(MC_FORM_in, l->s) ? 1u << MC_FORM_in
                                                 : 1u << MC_FORM_out;
  if (l->p.node->op != MC_OP_linear || l->p.groups > 1) forms &= ~(1u << MC_FORM_tt);
  return forms;
}

/* ---- MACs, parameters, bytes, live bytes ---- */

typedef struct place {
  int64_t n, h, w;
} place; /* batch (and more axes), rows, columns */

static place place_of(const mc_node *n, const mc_type *t) {
  if (n->op == MC_OP_linear) return (place){ mc_type_elems(t) / t->dim[t->rank - 1], 1, 1 };
  return (place){ t->dim[0], t->dim[1], t->dim[2] };
}

/* Whether x is needed after the layer. */
static bool stays(const mc_value *x) { return mc_value_nuses(x) > 1; }

static void add_stage(const lowrank *z, const lr_layer *l, const mc_stage *st, double places,
                      double in, double out, double beside, double cost[]) {
  double g = (double)l->p.groups, weights = g * (double)(st->o * st->kh * st->kw * st->ci);
  double live = (in + out) * mc_arith_bytes(z->how) + beside;
  cost[MC_BUDGET_macs] += places * weights;
  cost[MC_BUDGET_params] += weights;
  cost[MC_BUDGET_bytes] +=
      weights * mc_arith_bytes(z->how) + (z->how == MC_ARITH_int8 ? 8 * g * (double)st->o : 0);
  if (live > cost[MC_BUDGET_arena]) cost[MC_BUDGET_arena] = live;
}

static void count(lowrank *z, const lr_layer *l, const mc_form *f, double cost[]) {
  const mc_node *n = l->p.node;
  mc_stage st[MC_FACTORS];
  int ns = mc_form_stages(f, l->s, st);
  place x = place_of(n, n->in[0]->type), y = place_of(n, n->out[0]->type), at = x;
  double in = (double)mc_type_elems(n->in[0]->type), x_bytes = in * mc_arith_bytes(z->how);
  bool transposed = n->op == MC_OP_conv_transpose2d;
  for (int k = 0; k < ns; k++) {
    if (st[k].rows) at.h = y.h;
    if (st[k].cols) at.w = y.w;
    double here = (double)(at.n * at.h * at.w),
           places = transposed ? (double)(x.n * x.h * x.w) : here;
    if (f->kind == MC_FORM_tt) places *= (double)(k == 0 ? f->ih : f->oh);
    double out = (f->kind == MC_FORM_tt ? places : here) * (double)(l->p.groups * st[k].o);
    add_stage(z, l, &st[k], places, in, out, k && stays(n->in[0]) ? x_bytes : 0, cost);
    in = out;
  }
  double bias = n->nin > 2 ? (double)(l->p.groups * l->p.o) : 0;
  cost[MC_BUDGET_params] += bias;
  if (z->how != MC_ARITH_int8)
    cost[MC_BUDGET_bytes] += bias * mc_arith_bytes(z->how);
  else
    cost[MC_BUDGET_bytes] += bias;
}

/* ---- time ---- */

/* A graph of the form alone, with weights of ones, whose nodes the model of time is asked about. */
static mc_graph *alone(const lr_layer *l, const mc_form *f, mc_module *m, mc_diag *d) {
  const mc_node *n = l->p.node;
  mc_graph *g = mc_graph_create(m, NULL, mc_noloc);
  mc_value *x = mc_graph_add_input(g, NULL, mc_type_intern(m, n->in[0]->type), mc_noloc),
           *w[MC_FACTORS], *bias = NULL;
  mc_builder b = { .graph = g, .diag = d };
  mc_stage st[MC_FACTORS];
  int ns = mc_form_stages(f, l->s, st);
  for (int k = 0; k < ns + (n->nin > 2); k++) {
    int64_t dim[4] = { l->p.groups * l->p.o };
    int rank = k < ns ? mc_lr_dims(l, f, k, dim) : 1;
    void *p;
    mc_tensor *t = mc_tensor_create(m, NULL, MC_f32, rank, dim, &p);
    for (int64_t i = 0; i < mc_tensor_elems(t); i++) ((float *)p)[i] = 1;
    *(k < ns ? &w[k] : &bias) = mc_build_tensor(&b, t, NULL);
  }
  return mc_lr_build(&b, n, x, f, l->s, w, bias) ? g : NULL;
}

static double time_of(lowrank *z, const lr_layer *l, const mc_form *f) {
  int64_t weights = (int64_t)(z->weights * mc_arith_bytes(z->how));
  if (f->kind == MC_FORM_whole) return mc_layer_cycles(l->p.node, z->how, z->target, weights);
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_module *m = mc_module_create();
  mc_graph *g = alone(l, f, m, &d);
  double sum = g ? 0 : HUGE_VAL;
  if (g)
    MC_FOR_NODES (n, g) {
      if (mc_op_has(n->op, MC_T_ACCUM))
        sum += mc_layer_cycles_dense(n, z->how, z->target, weights);
      else if (n->op == MC_OP_transpose || n->op == MC_OP_add || n->op == MC_OP_clamp)
        sum += mc_model_convert(mc_type_elems(n->out[0]->type), z->how, z->how, z->target).cycles;
    }
  mc_module_destroy(m);
  mc_arena_destroy(a);
  return sum;
}

void mc_lr_cost(lowrank *z, const lr_layer *l, const mc_form *f, double cost[MC_NUM_BUDGETS]) {
  for (int k = 0; k < MC_NUM_BUDGETS; k++) cost[k] = 0;
  count(z, l, f, cost);
  if (z->target) cost[MC_BUDGET_time] = time_of(z, l, f);
}

void mc_lr_add(lowrank *z, lr_layer *l, const mc_form *f, double damage, double error) {
  lr_alt x = { .form = *f, .damage = damage, .error = error };
  mc_lr_cost(z, l, f, x.cost);
  bool first = l->alt.n == 0;
  if (!first && z->target && x.cost[MC_BUDGET_time] >= l->alt.v[0].cost[MC_BUDGET_time]) {
    z->slower++;
    return;
  }
  MC_PUSH(z->cx->scratch, &l->alt, x);
}

/* ---- ranks ---- */

static double macs_of(lowrank *z, const lr_layer *l, const mc_form *f) {
  double cost[MC_NUM_BUDGETS] = { 0 };
  count(z, l, f, cost);
  return cost[MC_BUDGET_macs];
}

/* The factors of n that lie nearest to its root: n = *high * (n / *high), *high <= n / *high. */
static int64_t near_root(int64_t n) {
  int64_t best = 1;
  for (int64_t k = 2; k * k <= n; k++)
    if (n % k == 0) best = k;
  return best;
}

static mc_form form_of(const lr_layer *l, mc_form_kind k, int64_t r) {
  mc_form f = { .kind = k, .r = r, .r2 = k == MC_FORM_tucker2 ? 1 : 0 };
  if (k == MC_FORM_tt) f.oh = near_root(l->s.o), f.ih = near_root(l->s.ci);
  return f;
}

/* The largest aligned rank with fewer MACs than `most`; 0: none. MACs rise with the rank. */
static int64_t rank_below(lowrank *z, const lr_layer *l, mc_form_kind k, double most) {
  int64_t full = mc_form_full(k, l->s), lo = 0, hi = full / z->align;
  while (lo < hi) {
    int64_t mid = (lo + hi + 1) / 2;
    mc_form f = form_of(l, k, mid * z->align);
    if (macs_of(z, l, &f) < most)
      lo = mid;
    else
      hi = mid - 1;
  }
  return lo * z->align;
}

int64_t *mc_lr_ranks(lowrank *z, const lr_layer *l, mc_form_kind k, int most, int *n) {
  int64_t top = rank_below(z, l, k, l->alt.v[0].cost[MC_BUDGET_macs]) / z->align,
          step = (top + most - 1) / most;
  int64_t *r = MC_NEWN(z->cx->scratch, int64_t, most + 1);
  *n = 0;
  for (int64_t i = step; i > 0 && i <= top; i += step) r[(*n)++] = i * z->align;
  return r;
}

/* Both ranks of Tucker-2: what the two ends lose, as if they were alone, is least. */
static mc_form tucker_at(lowrank *z, const lr_layer *l, double most, mc_factoring *p) {
  mc_form best = { .kind = MC_FORM_tucker2 };
  const double *in = mc_factoring_tail(p, MC_FORM_in), *out = mc_factoring_tail(p, MC_FORM_out);
  double least = HUGE_VAL;
  if (!in || !out) return best;
  int64_t top = mc_form_full(MC_FORM_out, l->s);
  for (int64_t r = z->align; r <= mc_form_full(MC_FORM_tucker2, l->s); r += z->align) {
    mc_form zero = { .kind = MC_FORM_tucker2, .r = r, .r2 = 0 }, one = zero;
    one.r2 = 1;
    double base = macs_of(z, l, &zero), each = macs_of(z, l, &one) - base;
    int64_t r2 = (int64_t)((most - base) / each - 1e-9) / z->align * z->align;
    if (r2 < 1) continue;
    if (r2 > top) r2 = top;
    double lost = in[r] + out[r2];
    if (lost < least) least = lost, best.r = r, best.r2 = r2;
  }
  return best;
}

mc_form mc_lr_form_at(lowrank *z, const lr_layer *l, mc_form_kind k, double share,
                      mc_factoring *p) {
  double most = share * l->alt.v[0].cost[MC_BUDGET_macs];
  if (k == MC_FORM_tucker2) return tucker_at(z, l, most * (1 + 1e-9), p);
  return form_of(l, k, rank_below(z, l, k, most * (1 + 1e-9)));
}
