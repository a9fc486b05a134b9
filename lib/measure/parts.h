/* A network cut into parts of a few products. Parts are compiled once each and shared by the tails
 * of all products before them. */
#ifndef MC_MEASURE_PARTS_H
#define MC_MEASURE_PARTS_H
#include "results.h"

/* Nodes [from, to) of the network. */
typedef struct mcm_part {
  int from, to;
  mcm_values given, want; /* what it reads of earlier nodes; what later parts read, and results */
  mcm_slice *slice;       /* NULL: not compiled yet, or nothing is wanted */
} mcm_part;

typedef struct mcm_parts {
  mcm_net net; /* a view of the graph: places of nodes alone */
  mcm_part *v;
  int n;
} mcm_parts;

/* Cuts g after `least` products and more where one value is alive, after 3 `least` anywhere. r:
 * results, wanted of the parts that compute them. In the arena; not compiled. */
mcm_parts *mcm_parts_of(mc_graph *g, const mcm_results *r, int least, mc_arena *a);
/* The first part that begins after node n; parts->n: none. */
int mcm_parts_after(const mcm_parts *parts, const mc_node *n);
/* Compiles part k and those after it. False after reporting. */
bool mcm_parts_compile(mcm_parts *parts, int k, mc_pass_context *cx);
/* NULL is allowed. */
void mcm_parts_close(mcm_parts *parts);
#endif
