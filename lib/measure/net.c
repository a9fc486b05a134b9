#include "net.h"
#include "mc/ir/build.h"
#include <math.h>

/* ---- clamps ---- */

static float *clamp_of(const mc_node *n) {
  if (n->op == MC_OP_linear) return MC_ATTRS(n, linear)->clamp;
  if (n->op == MC_OP_conv2d) return MC_ATTRS(n, conv2d)->clamp;
  if (n->op == MC_OP_conv_transpose2d) return MC_ATTRS(n, conv_transpose2d)->clamp;
  return NULL;
}

bool mcm_unclamp(mc_graph *g, mc_diag *d) {
  MC_FOR_NODES (n, g) {
    float *c = clamp_of(n);
    if (!c || (c[0] == -INFINITY && c[1] == INFINITY)) continue;
    mc_builder b = { .graph = g, .before = n->next, .diag = d, .loc = n->loc };
    mc_attrs_clamp at = { .low = c[0], .high = c[1] };
    mc_value *y = mc_build1(&b, MC_OP_clamp, n->out, 1, &at);
    if (!y) return false;
    mc_value_replace(n->out[0], y);
    mc_node_set_in(y->def, 0, n->out[0]);
    c[0] = -INFINITY, c[1] = INFINITY;
  }
  return true;
}

/* ---- opening ---- */

static void number_nodes(mcm_net *n) {
  mc_map_init(&n->place, n->a);
  MC_FOR_NODES (k, n->g) n->n++;
  n->node = MC_NEWN(n->a, mc_node *, n->n);
  n->index = MC_NEWN(n->a, int, n->n);
  int i = 0;
  MC_FOR_NODES (k, n->g) {
    n->node[i] = k;
    n->index[i] = i;
    *mc_map_ptr_slot(&n->place, k) = &n->index[i];
    i++;
  }
}

void mcm_net_open(mcm_net *n, mc_pass_context *cx, const mc_graph *g, mcm_store *store,
                  int64_t runs, mcm_rows *const *inputs, mc_arena *a) {
  *n = (mcm_net){ .cx = cx, .a = a, .store = store, .runs = runs };
  n->g = mcm_graph_copy(g, NULL);
  mcm_unclamp(n->g, cx->diag);
  n->p = mc_products_of(n->g, a);
  number_nodes(n);
  for (int i = 0; i < n->g->nin; i++) {
    mcm_live l = { n->g->in[i], mcm_rows_share(inputs[i]) };
    MC_PUSH(a, &n->live, l);
  }
}

void mcm_net_view(mcm_net *n, mc_graph *g, mc_arena *a) {
  *n = (mcm_net){ .a = a, .g = g, .p = mc_products_of(g, a) };
  number_nodes(n);
}

void mcm_net_close(mcm_net *n) {
  mcm_slice_close(n->slice);
  for (size_t i = 0; i < n->live.n; i++) mcm_rows_free(n->live.v[i].rows);
  if (n->g) mc_module_destroy(n->g->module);
  *n = (mcm_net){ 0 };
}

/* ---- where values are defined and used ---- */

static int place_of(const mcm_net *n, mc_node *k) {
  const int *at = mc_map_ptr_get(&n->place, mc_node_in(n->g, k));
  return at ? *at : n->n;
}

int mcm_net_at(const mcm_net *n, const mc_value *v) { return v->def ? place_of(n, v->def) : -1; }

static bool constant(const mc_value *v) { return v->def && mc_op_has(v->def->op, MC_T_CONST); }

static void read_by(const mc_graph *g, mc_node *top, const mc_node *k, mcm_values *to,
                    mc_arena *a) {
  for (int i = 0; i < k->nin; i++) {
    mc_value *v = k->in[i];
    if (v && !constant(v) && (!v->def || mc_node_in(g, v->def) != top)) MC_PUSH(a, to, v);
  }
  for (const mc_node *r = k->region ? k->region->first : NULL; r; r = r->next)
    read_by(g, top, r, to, a);
}

mcm_values mcm_reads(const mc_graph *g, mc_node *k, mc_arena *a) {
  mcm_values to = { 0 };
  read_by(g, k, k, &to, a);
  return to;
}

static bool pinned(const mcm_net *n, const mc_value *v) {
  for (size_t i = 0; i < n->pin.n; i++)
    if (n->pin.v[i] == v) return true;
  return false;
}

/* Does a node at `pos` or later read v? The graph's results do not count. */
static bool used_from(const mcm_net *n, const mc_value *v, int pos) {
  MC_FOR_USES (u, v) {
    if (u->user == n->g->last) continue;
    if (place_of(n, u->user) >= pos) return true;
  }
  return false;
}

bool mcm_net_used(const mcm_net *n, const mc_value *v, int pos) {
  return used_from(n, v, pos) || pinned(n, v);
}

void mcm_net_pin(mcm_net *n, mc_value *v) { MC_PUSH(n->a, &n->pin, v); }

void mcm_net_unpin(mcm_net *n, const mc_value *v) {
  for (size_t i = 0; i < n->pin.n; i++) {
    if (n->pin.v[i] != v) continue;
    n->pin.v[i] = n->pin.v[--n->pin.n];
    return;
  }
}

mcm_rows *mcm_net_rows(const mcm_net *n, const mc_value *v) {
  for (size_t i = 0; i < n->live.n; i++)
    if (n->live.v[i].v == v) return n->live.v[i].rows;
  return NULL;
}

/* ---- a step ---- */

static void add_once(mcm_net *n, mc_value *v) {
  for (size_t i = 0; i < n->given.n; i++)
    if (n->given.v[i] == v) return;
  MC_PUSH(n->a, &n->given, v);
}

void mcm_net_plan(mcm_net *n, int to) {
  bool *needed = MC_NEWN(n->a, bool, n->n + 1);
  n->given.n = n->want.n = 0;
  for (int i = n->pos; i < to; i++) {
    if (mc_op_has(n->node[i]->op, MC_T_CONST)) continue;
    for (int k = 0; k < n->node[i]->nout; k++) {
      mc_value *v = n->node[i]->out[k];
      if (!mcm_net_used(n, v, to)) continue;
      MC_PUSH(n->a, &n->want, v);
      needed[i] = true;
    }
  }
  for (int i = to - 1; i >= n->pos; i--) {
    mcm_values r = mcm_reads(n->g, n->node[i], n->a);
    for (size_t k = 0; needed[i] && k < r.n; k++) {
      int from = mcm_net_at(n, r.v[k]);
      if (from >= n->pos)
        needed[from] = true;
      else
        add_once(n, r.v[k]);
    }
  }
}

static bool make_rows(mcm_net *n) {
  n->from = MC_NEWN(n->a, mcm_rows *, n->given.n + 1);
  n->to = MC_NEWN(n->a, mcm_rows *, n->want.n + 1);
  n->in = MC_NEWN(n->a, const void *, n->given.n + 1);
  n->out = MC_NEWN(n->a, void *, n->want.n + 1);
  for (size_t i = 0; i < n->given.n; i++) n->from[i] = mcm_net_rows(n, n->given.v[i]);
  for (size_t i = 0; i < n->want.n; i++) {
    mcm_live l = { n->want.v[i], NULL };
    l.rows = n->to[i] = mcm_rows_new(n->store, n->runs, mc_type_bytes(l.v->type));
    if (!l.rows) return false;
    MC_PUSH(n->a, &n->live, l);
  }
  return true;
}

bool mcm_net_step(mcm_net *n, int to) {
  if (to <= n->pos) return true;
  mcm_net_plan(n, to);
  n->pos = to;
  if (n->want.n == 0) return true;
  n->slice = mcm_slice_open(n->cx, n->g, n->given.v, (int)n->given.n, n->want.v, (int)n->want.n);
  return n->slice && make_rows(n);
}

bool mcm_net_run(mcm_net *n, int64_t run) {
  if (!n->slice) return true;
  for (size_t i = 0; i < n->given.n; i++)
    if (!(n->in[i] = mcm_rows_get(n->from[i], run))) return false;
  for (size_t i = 0; i < n->want.n; i++) n->out[i] = mcm_rows_at(n->to[i], run);
  if (!mcm_slice_run(n->slice, n->in, n->out)) return false;
  for (size_t i = 0; i < n->want.n; i++)
    if (!mcm_rows_put(n->to[i], run)) return false;
  return true;
}

void mcm_net_stepped(mcm_net *n) {
  mcm_slice_close(n->slice);
  n->slice = NULL;
  for (size_t i = 0; i < n->live.n; i++) {
    mc_value *v = n->live.v[i].v;
    if (mcm_net_used(n, v, n->pos)) continue;
    mcm_rows_free(n->live.v[i].rows);
    n->live.v[i--] = n->live.v[--n->live.n];
  }
}
