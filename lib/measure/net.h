/* A copy of a network that advances over the samples node by node, holding the values that are
 * live. */
#ifndef MC_MEASURE_NET_H
#define MC_MEASURE_NET_H
#include "mc/measure/product.h"
#include "slice.h"
#include "store.h"

typedef MC_VEC(mc_value *) mcm_values;

typedef struct mcm_live {
  mc_value *v;
  mcm_rows *rows;
} mcm_live;

typedef struct mcm_net {
  mc_pass_context *cx;
  mc_arena *a;
  mcm_store *store;
  int64_t runs;
  mc_graph *g;   /* a copy, alone in its module; products have no clamps */
  mc_products p; /* of the copy, in the order of the graph that was copied */
  mc_map place;  /* top-level node -> &index[k] */
  mc_node **node;
  int *index, n;
  int pos; /* nodes before it have run */
  MC_VEC(mcm_live) live;
  mcm_values pin; /* values that stay until mcm_net_unpin */
  /* The step in progress. */
  mcm_slice *slice;
  mcm_values given, want;
  mcm_rows **from, **to;
  const void **in;
  void **out;
} mcm_net;

/* Copies g; the rows of its inputs are shared. */
void mcm_net_open(mcm_net *n, mc_pass_context *cx, const mc_graph *g, mcm_store *store,
                  int64_t runs, mcm_rows *const *inputs, mc_arena *a);
void mcm_net_close(mcm_net *n);
/* g itself, for what is asked about places of nodes and products; not to be run or closed. */
void mcm_net_view(mcm_net *n, mc_graph *g, mc_arena *a);
/* Position of the top-level node that is, or holds, the definition of v; -1: an input. */
int mcm_net_at(const mcm_net *n, const mc_value *v);
/* v stays live from when it is computed. */
void mcm_net_pin(mcm_net *n, mc_value *v);
void mcm_net_unpin(mcm_net *n, const mc_value *v);
/* Does a node at `pos` or later read v, or is it pinned? The graph's results do not count. */
bool mcm_net_used(const mcm_net *n, const mc_value *v, int pos);
/* `want`: what nodes from `to` on read of nodes [pos, to), and what of these is pinned; `given`:
 * what those need of earlier nodes. */
void mcm_net_plan(mcm_net *n, int to);
/* Prepare the step to node `to` (not included): compiles what lies between. Nothing to do where the
 * network is there already. False after reporting. */
bool mcm_net_step(mcm_net *n, int to);
/* Run the step for one run. */
bool mcm_net_run(mcm_net *n, int64_t run);
/* The step is done: drops what nothing reads any more. */
void mcm_net_stepped(mcm_net *n);
/* The rows of a live value; NULL: it is not (yet, or any more). */
mcm_rows *mcm_net_rows(const mcm_net *n, const mc_value *v);

/* What the top-level node k of g, and its region, read from outside of it; no constants. */
mcm_values mcm_reads(const mc_graph *g, mc_node *k, mc_arena *a);
/* Take clamps out of the products of g: each becomes an op of its own. False after reporting. */
bool mcm_unclamp(mc_graph *g, mc_diag *d);
#endif
