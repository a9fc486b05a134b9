#include "parts.h"

/* ---- cuts ---- */

static bool is_constant(const mc_node *n) { return mc_op_has(n->op, MC_T_CONST); }

static bool is_product(const mcm_net *net, const mc_node *n) {
  for (int i = 0; i < net->p.n; i++)
    if (net->p.v[i].node == n) return true;
  return false;
}

/* Computed values before node `at` that it or a later one reads. */
static int alive(const mcm_net *net, int at) {
  int n = 0;
  for (int i = 0; i < at; i++)
    for (int k = 0; !is_constant(net->node[i]) && k < net->node[i]->nout; k++)
      n += mcm_net_used(net, net->node[i]->out[k], at);
  return n;
}

/* Where parts begin; cut [nodes]. */
static int find_cuts(const mcm_net *net, int least, int *cut) {
  int n = 0, products = 0;
  cut[n++] = 0;
  for (int i = 1; i < net->n; i++) {
    products += is_product(net, net->node[i - 1]);
    if (products < least || is_constant(net->node[i - 1])) continue;
    if (products < 3 * least && alive(net, i) != 1) continue;
    cut[n++] = i;
    products = 0;
  }
  return n;
}

static void copy_values(mcm_values *to, const mcm_values *from, mc_arena *a) {
  for (size_t i = 0; i < from->n; i++) MC_PUSH(a, to, from->v[i]);
}

mcm_parts *mcm_parts_of(mc_graph *g, const mcm_results *r, int least, mc_arena *a) {
  mcm_parts *parts = MC_NEW(a, mcm_parts);
  mcm_net *net = &parts->net;
  mcm_net_view(net, g, a);
  for (int k = 0; k < r->n; k++) mcm_net_pin(net, r->v[k].v);
  int *cut = MC_NEWN(a, int, net->n + 1);
  parts->n = find_cuts(net, least, cut);
  parts->v = MC_NEWN(a, mcm_part, parts->n + 1);
  for (int k = 0; k < parts->n; k++) {
    mcm_part *p = &parts->v[k];
    *p = (mcm_part){ .from = cut[k], .to = k + 1 < parts->n ? cut[k + 1] : net->n };
    net->pos = p->from;
    mcm_net_plan(net, p->to);
    copy_values(&p->given, &net->given, a);
    copy_values(&p->want, &net->want, a);
  }
  return parts;
}

int mcm_parts_after(const mcm_parts *parts, const mc_node *n) {
  int at = mcm_net_at(&parts->net, n->out[0]), k = 0;
  while (k < parts->n && parts->v[k].from <= at) k++;
  return k;
}

/* ---- compiled ---- */

bool mcm_parts_compile(mcm_parts *parts, int k, mc_pass_context *cx) {
  for (; k < parts->n; k++) {
    mcm_part *p = &parts->v[k];
    if (p->slice || p->want.n == 0) continue;
    p->slice =
        mcm_slice_open(cx, parts->net.g, p->given.v, (int)p->given.n, p->want.v, (int)p->want.n);
    if (!p->slice) return false;
  }
  return true;
}

void mcm_parts_close(mcm_parts *parts) {
  for (int k = 0; parts && k < parts->n; k++) {
    mcm_slice_close(parts->v[k].slice);
    parts->v[k].slice = NULL;
  }
}
