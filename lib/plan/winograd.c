/* winograd: 3x3 convolutions of 8-bit integers with a quarter of the products, and the same results bit for bit.
 *
 *   %2 = group {kernel="gemm"} : ... { conv2d ... }     ==>     %2 = group {kernel="winograd"} : ... { conv2d ... }
 *
 * Products take 16-bit operands then, which VNNI multiplies at half the speed of 8-bit ones and every other x86 unit at the same speed (there pmadd widens to 16 bits anyway): 2 or 4 times
 * fewer multiplications are left, against transforms of input and results. Weights take 8 times the bytes (36 products of 16 bits for 9 of 8), so layers are taken by time saved for each
 * byte added until the weights of the network have grown by `growth` percent. Contract: EXACT. */
#include "mc/plan/winograd.h"
#include "families.h"
#include "mc/analysis/cost.h"
#include "mc/analysis/model.h"
#include "mc/pass/pass.h"
#include <stdlib.h>

/* Every partial result modulo 2^32 is right; the last one is divided by up to 2^6, which needs |sum| < 2^31 / 2^6 (docs/kernels.md). */
static const int64_t sum_limit = INT64_C(1) << 25;

static int64_t worst_sum(const mc_tensor *w, bool is_signed) {
  const int8_t *q = w->data;
  int64_t n = w->dim[0], k = w->dim[1] * w->dim[2] * w->dim[3], worst = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t up = 0, down = 0;
    for (int64_t j = 0; j < k; j++) {
      if (q[i * k + j] > 0) up += q[i * k + j];
      else down -= q[i * k + j];
    }
    int64_t here = is_signed ? 128 * (up + down) : 255 * (up > down ? up : down);
    if (here > worst) worst = here;
  }
  return worst;
}
static bool is_plain_3x3(const mc_node *n) {
  if (n->op != MC_OP_conv2d) return false;
  const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
  const mc_type *w = n->in[1]->type;
  return w->dim[1] == 3 && w->dim[2] == 3 && c->stride[0] == 1 && c->stride[1] == 1 && c->dilation[0] == 1 && c->dilation[1] == 1 && c->groups == 1;
}
const char *mc_winograd_refused(const mc_node *n, const mc_target *t) {
  if (!is_plain_3x3(n)) return "it is no convolution of 3x3 with stride 1, dilation 1 and one group";
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if ((x->dtype != MC_u8 && x->dtype != MC_i8) || !w || w->dtype != MC_i8) return "its operands are not 8-bit integers with constant weights";
  if (n->nin > 2 && !mc_value_tensor(n->in[2])) return "its bias is not a constant";
  if (x->dim[3] % 16 || y->dim[3] % 16) return "its channels are no multiples of 16";
  if (y->dim[1] < 4 || y->dim[2] < 4) return "its result is smaller than 4x4";
  if (t->arch == MC_ARCH_aarch64 && (t->isa & MC_ISA_BIT(dotprod))) return "the target's 8-bit dot products are faster";
  if (t->isa & MC_ISA_BIT(amx_int8)) return "the target's tiles are faster";
  if (worst_sum(w, x->dtype == MC_i8) >= sum_limit) return "its sums could leave 25 bits";
  return NULL;
}
int64_t mc_winograd_growth(const mc_node *n) {
  const mc_type *w = n->in[1]->type;
  return w->dim[0] * w->dim[3] * (36 * 2 - 9);
}
double mc_winograd_gain(const mc_node *n, const mc_target *t) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  double products = 9.0 * (double)x->dim[3] * (double)mc_type_elems(y), direct = products / mc_target_rate(t, mc_model_rate(MC_ARITH_int8, t));
  return direct / mc_model_winograd(n, t).cycles;
}

typedef struct candidate { mc_node *group, *head; int64_t growth; double saved; } candidate;
static int by_worth(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  double l = x->saved / (double)x->growth, r = y->saved / (double)y->growth;
  if (l != r) return l > r ? -1 : 1;
  return x->head->id < y->head->id ? -1 : x->head->id > y->head->id;
}
bool mc_pass_winograd(mc_pass_context *cx, const mc_opts_winograd *o, bool *changed) {
  if (!(o->growth >= 0)) return mc_error(cx->diag, cx->loc, "winograd: growth must not be negative");
  if (!cx->target) return true;
  MC_VEC(candidate) list = { 0 };
  MC_FOR_NODES(g, cx->graph) {
    if (g->op != MC_OP_group || !mc_group_is(g, "gemm")) continue;
    mc_node *h = mc_group_head(g);
    if (!h || mc_winograd_refused(h, cx->target)) continue;
    double gain = mc_winograd_gain(h, cx->target);
    if (gain < 1.1 && !o->force) continue;
    candidate c = { g, h, mc_winograd_growth(h), (double)mc_node_cost(h).macs * (o->force ? 1 : 1 - 1 / gain) };
    MC_PUSH(cx->scratch, &list, c);
  }
  if (list.n) qsort(list.v, list.n, sizeof *list.v, by_worth);
  double room = o->growth / 100 * (double)mc_graph_cost(cx->graph).weight_bytes;
  for (size_t i = 0; i < list.n; i++) {
    const char *name = list.v[i].head->source ? list.v[i].head->source : "conv2d";
    if (room < (double)list.v[i].growth && !o->force) {
      mc_remark(cx->diag, list.v[i].head->loc, "%s stays a direct convolution: %lld more bytes of weights would pass growth=%g percent", name, (long long)list.v[i].growth, o->growth);
      continue;
    }
    room -= (double)list.v[i].growth;
    MC_ATTRS(list.v[i].group, group)->kernel = "winograd";
    MC_STAT_ADD(cx, winograd, layers, 1);
    *changed = true;
  }
  return true;
}
