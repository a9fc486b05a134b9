/* Widths of values are sums over coupling groups; costs follow from widths. */
#include "budget.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/live.h"
#include "mc/analysis/model.h"
#include <math.h>
#include <string.h>

const char *const mc_budget_names[MC_NUM_BUDGETS] = { "macs", "params", "bytes", "arena", "time" };

typedef struct term { int group; double per; } term;  /* elements for each class that is kept */
typedef struct width { int64_t all; double fixed; MC_VEC(term) t; } width;
typedef struct product {
  mc_node *node;
  const width *in, *out;
  double rows, taps, groups;      /* MACs = rows * taps * out * in / groups; depthwise: without in */
  bool depthwise;
  mc_map time;                    /* (in, out) -> cycles */
} product;

struct mc_widths {
  const mc_graph *g; const mc_channels *ch; const mc_target *t; mc_arith how; mc_arena *a;
  mc_map of;                      /* value -> width */
  product *p; int np;
  mc_liveness live;
  const width **at;               /* by interval */
  double *now;                    /* bytes by position */
  double weights;                 /* parameters of all products, for the model of time */
};

/* ---- widths ---- */

static const width *width_of(mc_widths *w, const mc_value *v) {
  void **slot = mc_map_ptr_slot(&w->of, v);
  if (*slot) return *slot;
  width *x = *slot = MC_NEW(w->a, width);
  x->all = v->type->rank ? v->type->dim[v->type->rank - 1] : 1;
  for (int64_t c = 0; c < x->all; c++) {
    int k = mc_channels_class(w->ch, v, c), g = k < 0 ? -1 : w->ch->cls[k].group;
    size_t i = 0;
    while (i < x->t.n && x->t.v[i].group != g) i++;
    if (g < 0 || w->ch->group[g].size < 1) x->fixed++;
    else if (i < x->t.n) x->t.v[i].per += 1.0 / w->ch->group[g].size;
    else MC_PUSH(w->a, &x->t, ((term){ g, 1.0 / w->ch->group[g].size }));
  }
  return x;
}

static double width_now(const width *x, const int *kept) {
  if (!kept) return (double)x->all;
  double sum = x->fixed;
  for (size_t i = 0; i < x->t.n; i++) sum += x->t.v[i].per * kept[x->t.v[i].group];
  return sum;
}

static double share(const width *x, const int *kept) { return width_now(x, kept) / (double)x->all; }

/* ---- products ---- */

static double taps_of(const mc_node *n) {
  const mc_type *t = n->in[1]->type;
  bool conv = n->op == MC_OP_conv2d || n->op == MC_OP_conv_transpose2d;
  return conv ? (double)(t->dim[1] * t->dim[2]) : 1;
}

static void add_product(mc_widths *w, mc_node *n) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  product *p = &w->p[w->np++];
  *p = (product){ .node = n, .in = width_of(w, n->in[0]), .out = width_of(w, n->out[0]), .groups = 1 };
  p->taps = taps_of(n);
  p->depthwise = n->op == MC_OP_conv2d && mc_is_depthwise(n);
  if (n->op == MC_OP_conv2d) p->groups = (double)MC_ATTRS(n, conv2d)->groups;
  if (n->op == MC_OP_conv_transpose2d) p->groups = (double)MC_ATTRS(n, conv_transpose2d)->groups;
  const mc_type *r = n->op == MC_OP_conv_transpose2d ? x : y;
  p->rows = (double)(mc_type_elems(r) / r->dim[r->rank - 1]);
  if (mc_value_tensor(n->in[1])) w->weights += (double)mc_type_elems(n->in[1]->type);
  mc_map_init(&p->time, w->a);
}

/* Weights for one output channel of one row, summed over outputs. */
static double weights_now(const product *p, const int *kept) {
  double out = width_now(p->out, kept);
  return p->taps * out * (p->depthwise ? 1 : width_now(p->in, kept) / p->groups);
}

/* ---- time ---- */

static int64_t whole(double x) { return x < 1 ? 1 : (int64_t)llround(x); }

/* The node with other widths, for questions to the model. */
typedef struct twin {
  mc_node node; mc_value in[3], out; mc_value *ins[3], *outs[1]; mc_type type[4];
  mc_attrs_conv2d conv;
} twin;

static void twin_value(mc_value *v, mc_type *t, const mc_value *from) {
  *t = *from->type;
  *v = *from;
  v->type = t;
  v->uses = NULL;
}

static void twin_of(twin *w, const product *p, int64_t in, int64_t out) {
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
  if (!p->depthwise) w->type[1].dim[w->type[1].rank - 1] = whole((double)in / p->groups);
  if (!p->depthwise) return;
  w->conv = *MC_ATTRS(n, conv2d);
  w->conv.groups = in;
  w->node.attrs = &w->conv;
}

static double product_time(mc_widths *w, product *p, const int *kept) {
  int64_t key[2] = { whole(width_now(p->in, kept)), whole(width_now(p->out, kept)) };
  void **slot = mc_map_bytes_slot(&p->time, key, sizeof key);
  if (!*slot) {
    twin x;
    twin_of(&x, p, key[0], key[1]);
    double *v = *slot = MC_NEW(w->a, double);
    double each = w->how == MC_ARITH_f32 ? 4 : w->how == MC_ARITH_bf16 ? 2 : 1;
    *v = mc_model_product(&x.node, w->how, w->t, (int64_t)(w->weights * each)).cycles;
  }
  return *(double *)*slot;
}

/* Ops that are no products: their vector instructions. */
static double other_time(mc_widths *w, const mc_node *n, const int *kept) {
  if (!n->nout || !n->nin || mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) return 0;
  double in = (double)mc_type_elems(n->in[0]->type) * share(width_of(w, n->in[0]), kept);
  double ops = mc_model_vector_ops(n, w->t) * (w->how == MC_ARITH_int8 ? 0.5 : 1);
  return in / 16 * ops * (64.0 / w->t->vector_bytes) / w->t->machine->alu;
}

static double time_of(mc_widths *w, const int *kept) {
  double sum = 0;
  for (int i = 0; i < w->np; i++) sum += product_time(w, &w->p[i], kept);
  MC_FOR_NODES(n, w->g)
    if (!mc_op_has(n->op, MC_T_ACCUM)) sum += other_time(w, n, kept);
  return sum;
}

/* ---- sums ---- */

static double macs_of(const mc_widths *w, const int *kept) {
  double sum = 0;
  for (int i = 0; i < w->np; i++) sum += w->p[i].rows * weights_now(&w->p[i], kept);
  return sum;
}

/* Constants of a node that is no product follow its result where their last axis is the channels. */
static double other_params(mc_widths *w, const mc_node *n, const int *kept) {
  double sum = 0;
  for (int i = 0; i < n->nin && n->nout; i++) {
    const mc_tensor *t = mc_value_tensor(n->in[i]);
    const width *x = width_of(w, n->out[0]);
    if (!t) continue;
    bool channels = t->rank && t->dim[t->rank - 1] == x->all;
    sum += (double)mc_tensor_elems(t) * (channels ? share(x, kept) : 1);
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
  MC_FOR_NODES(n, w->g)
    if (!mc_op_has(n->op, MC_T_ACCUM | MC_T_CONST | MC_T_TERM)) sum += other_params(w, n, kept);
  return sum;
}

static double bytes_of(mc_widths *w, const int *kept) {
  double sum = params_of(w, kept);
  if (w->how == MC_ARITH_f32) return 4 * sum;
  if (w->how == MC_ARITH_bf16) return 2 * sum;
  for (int i = 0; i < w->np; i++) sum += 8 * width_now(w->p[i].out, kept);
  return sum;
}

static double arena_of(mc_widths *w, const int *kept) {
  double now = 0, peak = 0, size = w->how == MC_ARITH_f32 ? 4 : w->how == MC_ARITH_bf16 ? 2 : 1;
  memset(w->now, 0, sizeof *w->now * (size_t)(w->live.nodes + 2));
  for (int i = 0; i < w->live.n; i++) {
    const mc_type *t = w->live.iv[i].value->type;
    double each = t->dtype == MC_f32 ? size : (double)mc_dtype_size(t->dtype);
    double b = each * (double)mc_type_elems(t) * share(w->at[i], kept);
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
  MC_FOR_NODES(k, g) n += mc_op_has(k->op, MC_T_ACCUM);
  w->p = MC_NEWN(a, product, n + 1);
  MC_FOR_NODES(k, g) if (mc_op_has(k->op, MC_T_ACCUM)) add_product(w, k);
  w->at = MC_NEWN(a, const width *, w->live.n + 1);
  w->now = MC_NEWN(a, double, w->live.nodes + 3);
  for (int i = 0; i < w->live.n; i++) w->at[i] = width_of(w, w->live.iv[i].value);
  return w;
}

double mc_graph_budget(const mc_graph *g, mc_budget_kind k, const mc_target *t, mc_arith how) {
  mc_arena *a = mc_arena_create();
  mc_widths *w = mc_widths_of(g, mc_channels_of(g, a), t, how, a);
  double r = mc_widths_cost(w, k, NULL);
  mc_arena_destroy(a);
  return r;
}
