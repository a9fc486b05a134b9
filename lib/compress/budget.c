/* Widths of values are sums over coupling groups; costs follow from widths. */
#include "budget.h"
#include "layer_time.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/live.h"
#include "mc/analysis/model.h"
#include <math.h>
#include <string.h>

const char *const mc_budget_names[MC_NUM_BUDGETS] = { "macs", "params", "bytes", "arena", "time" };

bool mc_budget_shares(const mc_pass_context *cx, const char *pass,
                      const double given[MC_NUM_BUDGETS], double share[MC_NUM_BUDGETS], int *n) {
  *n = 0;
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++) {
    if (!(given[k] >= 0 && given[k] <= 1))
      return mc_error(cx->diag, cx->loc, "%s: %s must be between 0 and 1", pass,
                      mc_budget_names[k]);
    share[k] = given[k];
    *n += given[k] > 0;
  }
  return true;
}

bool mc_budget_target(const mc_pass_context *cx, const char *pass, double time) {
  return time <= 0 || cx->target ||
         mc_error(cx->diag, cx->loc,
                  "%s: time= is the estimate for a target, and there is none: give -march= "
                  "(native, or a level)",
                  pass);
}

/* What must be saved in time of each share that is saved in MACs. */
static const double time_for_macs = 0.8;

void mc_budget_imply_time(const mc_pass_context *cx, double share[MC_NUM_BUDGETS], bool *implied) {
  for (mc_budget_kind k = 0; k < MC_NUM_BUDGETS; k++)
    if (k != MC_BUDGET_macs && share[k] > 0) return;
  if (!cx->target || share[MC_BUDGET_macs] <= 0 || share[MC_BUDGET_macs] >= 1) return;
  share[MC_BUDGET_time] = 1 - time_for_macs * (1 - share[MC_BUDGET_macs]);
  *implied = true;
}

bool mc_budget_relax(double share[MC_NUM_BUDGETS], bool *implied) {
  double *t = &share[MC_BUDGET_time];
  if (!*implied || *t >= 1) return false;
  *t = *t < 0.95 ? (1 + *t) / 2 : 1;
  return true;
}

mc_arith mc_budget_arith(mc_field_ENUM arith) {
  return arith == mc_arithmetic_f32    ? MC_ARITH_f32
         : arith == mc_arithmetic_bf16 ? MC_ARITH_bf16
                                       : MC_ARITH_int8;
}

typedef struct term {
  int group;
  double per;
} term; /* elements for each class that is kept */

typedef struct width {
  int64_t all;
  double fixed;
  MC_VEC(term) t;
} width;

typedef struct product {
  mc_node *node;
  const width *in, *out, *groups; /* last axes; groups NULL: 1 */
  double taps;
  mc_map time;    /* (in, out) -> cycles */
  double skipped; /* cycles at full width where kernels leave zeros out; 0: not known yet */
  int64_t key[3]; /* the widths asked for last, and their cycles */
  double last;
} product;

/* An op that is no product: cycles for each element that it reads. */
typedef struct other {
  const width *axes;
  int rank;
  double each;
} other;

struct mc_widths {
  const mc_graph *g;
  const mc_channels *ch;
  const mc_target *t;
  mc_arith how;
  mc_arena *a;
  mc_map of; /* value -> width of each axis */
  product *p;
  int np;
  other *o;
  int no;
  mc_liveness live;
  double *now;    /* bytes by position */
  double weights; /* parameters of all products, for the model of time */
};

/* ---- widths ---- */

static void add_class(const mc_widths *w, width *x, int k) {
  int g = k < 0 ? -1 : w->ch->cls[k].group;
  size_t i = 0;
  while (i < x->t.n && x->t.v[i].group != g) i++;
  if (g < 0 || w->ch->group[g].size < 1)
    x->fixed++;
  else if (i < x->t.n)
    x->t.v[i].per += 1.0 / w->ch->group[g].size;
  else
    MC_PUSH(w->a, &x->t, ((term){ g, 1.0 / w->ch->group[g].size }));
}

static width *axes_of(mc_widths *w, const mc_value *v) {
  void **slot = mc_map_ptr_slot(&w->of, v);
  if (*slot) return *slot;
  width *x = *slot = MC_NEWN(w->a, width, v->type->rank + 1);
  for (int axis = 0; axis < v->type->rank; axis++) {
    x[axis].all = v->type->dim[axis];
    bool known = mc_channels_axis(w->ch, v, axis, 0) >= 0;
    for (int64_t c = 0; known && c < x[axis].all; c++)
      add_class(w, &x[axis], mc_channels_axis(w->ch, v, axis, c));
    if (!known) x[axis].fixed = (double)x[axis].all;
  }
  if (!v->type->rank) x->all = 1, x->fixed = 1;
  return x;
}

static const width *last_axis(mc_widths *w, const mc_value *v) {
  return &axes_of(w, v)[v->type->rank ? v->type->rank - 1 : 0];
}

static double width_now(const width *x, const int *kept) {
  if (!kept) return (double)x->all;
  double sum = x->fixed;
  for (size_t i = 0; i < x->t.n; i++) sum += x->t.v[i].per * kept[x->t.v[i].group];
  return sum;
}

static double elems_of(const width *x, int rank, const int *kept) {
  double n = 1;
  for (int i = 0; i < rank; i++) n *= width_now(&x[i], kept);
  return n;
}

static double elems_now(mc_widths *w, const mc_value *v, const int *kept) {
  return elems_of(axes_of(w, v), v->type->rank, kept);
}

/* ---- products ---- */

static bool conv(const mc_node *n) {
  return n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d;
}

static const width *groups_of(mc_widths *w, const mc_node *n) {
  int64_t all =
      n->op == MC_OP_conv2d ? MC_ATTRS(n, conv2d)->groups : MC_ATTRS(n, conv_transpose2d)->groups;
  if (all == 1) return NULL;
  width *x = MC_NEW(w->a, width);
  x->all = all;
  for (int64_t i = 0; i < all; i++) add_class(w, x, mc_channels_conv_group(w->ch, n, i));
  return x;
}

static void add_product(mc_widths *w, mc_node *n) {
  const mc_type *t = n->in[1]->type;
  product *p = &w->p[w->np++];
  *p = (product){
    .node = n, .in = last_axis(w, n->in[0]), .out = last_axis(w, n->out[0]), .taps = 1
  };
  if (conv(n)) p->groups = groups_of(w, n), p->taps = (double)(t->dim[1] * t->dim[2]);
  if (mc_value_tensor(n->in[1])) w->weights += (double)mc_type_elems(t);
  mc_map_init(&p->time, w->a);
}

static double groups_now(const product *p, const int *kept) {
  return p->groups ? width_now(p->groups, kept) : 1;
}

static double weights_now(const product *p, const int *kept) {
  return p->taps * width_now(p->out, kept) * width_now(p->in, kept) / groups_now(p, kept);
}

static double product_macs(mc_widths *w, const product *p, const int *kept) {
  bool turned = p->node->op == MC_OP_conv_transpose2d;
  const mc_value *v = turned ? p->node->in[0] : p->node->out[0];
  double reads = width_now(turned ? p->out : p->in, kept);
  return elems_now(w, v, kept) * p->taps * reads / groups_now(p, kept);
}

/* ---- time ---- */

static int64_t whole(double x) { return x < 1 ? 1 : (int64_t)llround(x); }

/* The node with other widths, for questions to the model. */
typedef struct twin {
  mc_node node;
  mc_value in[3], out;
  mc_value *ins[3], *outs[1];
  mc_type type[4];
  mc_attrs_conv2d conv;
} twin;

static void twin_value(mc_value *v, mc_type *t, const mc_value *from) {
  *t = *from->type;
  *v = *from;
  v->type = t;
  v->uses = NULL;
}

static void twin_of(twin *w, const product *p, int64_t in, int64_t out, int64_t groups) {
  const mc_node *n = p->node;
  w->node = *n;
  w->node.in = w->ins;
  w->node.out = w->outs;
  w->node.nin = n->nin < 3 ? n->nin : 3;
  for (int i = 0; i < w->node.nin; i++) twin_value(w->ins[i] = &w->in[i], &w->type[i], n->in[i]);
  twin_value(w->outs[0] = &w->out, &w->type[3], n->out[0]);
  w->type[0].dim[w->type[0].rank - 1] = in;
  w->type[3].dim[w->type[3].rank - 1] = out;
  if (w->node.nin > 2) w->type[2].dim[w->type[2].rank - 1] = out;
  if (!mc_value_tensor(n->in[1])) return;
  w->type[1].dim[0] = out;
  if (!p->groups) w->type[1].dim[w->type[1].rank - 1] = in;
  if (!p->groups || n->op != MC_OP_conv2d) return;
  w->conv = *MC_ATTRS(n, conv2d);
  w->conv.groups = groups;
  w->node.attrs = &w->conv;
  w->type[1].dim[3] = in / groups > 0 ? in / groups : 1;
}

/* What the layer takes as it is, when blocks of zero weights are left out; HUGE_VAL: none are.
 * Channels that go are the empty ones first, so narrower layers take no longer than that. */
static double skipping(mc_widths *w, product *p, int64_t weights) {
  if (p->skipped > 0) return p->skipped;
  double now = mc_layer_cycles(p->node, w->how, w->t, weights);
  double dense = mc_layer_cycles_dense(p->node, w->how, w->t, weights);
  return p->skipped = now < dense * 0.999 ? now : HUGE_VAL;
}

static double product_time(mc_widths *w, product *p, const int *kept) {
  int64_t key[3] = { whole(width_now(p->in, kept)), whole(width_now(p->out, kept)),
                     whole(groups_now(p, kept)) };
  if (p->last > 0 && memcmp(p->key, key, sizeof key) == 0) return p->last;
  void **slot = mc_map_bytes_slot(&p->time, key, sizeof key);
  if (!*slot) {
    twin x;
    twin_of(&x, p, key[0], key[1], key[2]);
    double *v = *slot = MC_NEW(w->a, double);
    int64_t weights = (int64_t)(w->weights * mc_arith_bytes(w->how));
    *v = fmin(mc_layer_cycles_dense(&x.node, w->how, w->t, weights), skipping(w, p, weights));
  }
  memcpy(p->key, key, sizeof key);
  return p->last = *(double *)*slot;
}

/* Ops that are no products: their vector instructions. */
static void find_others(mc_widths *w) {
  MC_FOR_NODES (n, w->g) {
    if (!n->nout || !n->nin || mc_op_has(n->op, MC_T_CONST | MC_T_TERM | MC_T_ACCUM)) continue;
    const mc_value *v = n->in[0];
    double ops = mc_model_vector_ops(n, w->t) * (w->how == MC_ARITH_int8 ? 0.5 : 1);
    double each = ops / 16 * (64.0 / w->t->vector_bytes) / w->t->machine->alu;
    w->o[w->no++] = (other){ axes_of(w, v), v->type->rank, each };
  }
}

static double time_of(mc_widths *w, const int *kept) {
  double sum = 0;
  if (!w->o) {
    int n = 0;
    MC_FOR_NODES (k, w->g) n++;
    w->o = MC_NEWN(w->a, other, n + 1);
    find_others(w);
  }
  for (int i = 0; i < w->np; i++) sum += product_time(w, &w->p[i], kept);
  for (int i = 0; i < w->no; i++) sum += w->o[i].each * elems_of(w->o[i].axes, w->o[i].rank, kept);
  return sum;
}

/* Share of the mean saving of a class that makes a count one that kernels like. */
static const double fair_share = 0.75;

void mc_widths_liked(mc_widths *w, int group, bool *like) {
  int size = w->ch->group[group].size, n = w->ch->ngroup;
  mc_arena *a = mc_arena_create();
  int *kept = MC_NEWN(a, int, n + 1);
  double *t = MC_NEWN(a, double, size + 2);
  for (int g = 0; g < n; g++) kept[g] = w->ch->group[g].size;
  for (int k = 1; k <= size; k++) kept[group] = k, t[k] = time_of(w, kept);
  double fair = size > 1 ? fair_share * (t[size] - t[1]) / (size - 1) : 0, least = HUGE_VAL;
  for (int k = size; k >= 1; k--) {
    like[k] = k == size || fair <= 0 || (t[k] < least && t[k + 1] - t[k] >= fair);
    if (like[k]) least = fmin(least, t[k]);
  }
  mc_arena_destroy(a);
}

/* ---- sums ---- */

static double macs_of(mc_widths *w, const int *kept) {
  double sum = 0;
  for (int i = 0; i < w->np; i++) sum += product_macs(w, &w->p[i], kept);
  return sum;
}

/* Constants of a node that is no product follow its result where their last axis is the channels.
 */
static double other_params(mc_widths *w, const mc_node *n, const int *kept) {
  double sum = 0;
  for (int i = 0; i < n->nin && n->nout; i++) {
    const mc_tensor *t = mc_value_tensor(n->in[i]);
    const width *x = last_axis(w, n->out[0]);
    if (!t) continue;
    bool channels = t->rank && t->dim[t->rank - 1] == x->all;
    sum += (double)mc_tensor_elems(t) * (channels ? width_now(x, kept) / (double)x->all : 1);
  }
  return sum;
}

static double product_params(const product *p, const int *kept) {
  double bias = p->node->nin > 2 ? width_now(p->out, kept) : 0;
  return mc_value_tensor(p->node->in[1]) ? weights_now(p, kept) + bias : 0;
}

static double params_of(mc_widths *w, const int *kept) {
  double sum = 0;
  for (int i = 0; i < w->np; i++) sum += product_params(&w->p[i], kept);
  MC_FOR_NODES (n, w->g)
    if (!mc_op_has(n->op, MC_T_ACCUM | MC_T_CONST | MC_T_TERM)) sum += other_params(w, n, kept);
  return sum;
}

static double bytes_of(mc_widths *w, const int *kept) {
  double sum = params_of(w, kept);
  if (w->how != MC_ARITH_int8) return mc_arith_bytes(w->how) * sum;
  for (int i = 0; i < w->np; i++) sum += 8 * width_now(w->p[i].out, kept);
  return sum;
}

static double arena_of(mc_widths *w, const int *kept) {
  double now = 0, peak = 0, size = mc_arith_bytes(w->how);
  memset(w->now, 0, sizeof *w->now * (size_t)(w->live.nodes + 2));
  for (int i = 0; i < w->live.n; i++) {
    const mc_type *t = w->live.iv[i].value->type;
    double each = t->dtype == MC_f32 ? size : (double)mc_dtype_size(t->dtype);
    double b = each * elems_now(w, w->live.iv[i].value, kept);
    w->now[w->live.iv[i].first + 1] += b;
    w->now[w->live.iv[i].last + 2] -= b;
  }
  for (int p = 0; p < w->live.nodes + 1; p++) peak = fmax(peak, now += w->now[p]);
  return peak;
}

double mc_widths_cost(mc_widths *w, mc_budget_kind k, const int *kept) {
  switch (k) {
  case MC_BUDGET_macs: return macs_of(w, kept);
  case MC_BUDGET_params: return params_of(w, kept);
  case MC_BUDGET_bytes: return bytes_of(w, kept);
  case MC_BUDGET_arena: return arena_of(w, kept);
  case MC_BUDGET_time: return time_of(w, kept);
  case MC_NUM_BUDGETS: break;
  }
  return 0;
}

mc_widths *mc_widths_of(const mc_graph *g, const mc_channels *ch, const mc_target *t, mc_arith how,
                        mc_arena *a) {
  mc_widths *w = MC_NEW(a, mc_widths);
  *w = (mc_widths){ .g = g, .ch = ch, .t = t, .how = how, .a = a, .live = mc_liveness_of(g, a) };
  mc_map_init(&w->of, a);
  int n = 0;
  MC_FOR_NODES (k, g) n += mc_op_has(k->op, MC_T_ACCUM);
  w->p = MC_NEWN(a, product, n + 1);
  MC_FOR_NODES (k, g)
    if (mc_op_has(k->op, MC_T_ACCUM)) add_product(w, k);
  w->now = MC_NEWN(a, double, w->live.nodes + 3);
  return w;
}

double mc_graph_budget(const mc_graph *g, mc_budget_kind k, const mc_target *t, mc_arith how) {
  mc_arena *a = mc_arena_create();
  mc_widths *w = mc_widths_of(g, mc_channels_of(g, a), t, how, a);
  double r = mc_widths_cost(w, k, NULL);
  mc_arena_destroy(a);
  return r;
}
