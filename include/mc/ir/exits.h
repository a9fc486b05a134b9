/* Early exits (the op early_exit): which nodes run only where none of the first exits is taken. */
#ifndef MC_IR_EXITS_H
#define MC_IR_EXITS_H
#include "mc/ir/graph.h"

enum { MC_EXIT_MOST = 16 }; /* operands x of one early_exit */

/* The first early_exit of a graph: itself or in a group's region. */
typedef struct mc_exits {
  const mc_node *node; /* NULL: there is none */
  const mc_node *top;  /* node, or the group that holds it */
  int n;               /* exits: operands x but the last */
  mc_map level;        /* of top-level nodes */
} mc_exits;

mc_exits mc_exits_of(const mc_graph *g, mc_arena *a);
/* How many exits must have been refused before what node n of the graph gives is needed: 0: always;
 * mc_exits.n at most. What only reads the results of the exit, and the exit itself: mc_exits.n + 1.
 */
int mc_exit_level(const mc_exits *x, const mc_node *n);
/* The nodes of g in the order of their levels, else as they are: what an exit spares comes after it
 * is known. */
void mc_exits_sort(mc_graph *g, const mc_exits *x);
#endif
